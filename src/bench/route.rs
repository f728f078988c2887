//! `bench route`: how soon "who should ring?" is answered while a thousand events a second come in.
//! Half of the callers are known clients, half are new.

use anyhow::Result;
use bytes::Bytes;

use super::{
    Options, Report,
    client::{Pace, percentile_ms, send},
    ingest::Sender,
    load::client,
    median,
    stage::{ASKING, ROUTE_TOKEN, Stage},
};
use crate::simulator::{dice::Dice, story::invented_number};

/// Events a second meanwhile.
const EVENTS_PER_SECOND: f64 = 1_000.0;
/// Calls of those events: about eight seconds.
const CALLS: u64 = 1_300;
/// Questions a second.
const QUESTIONS_PER_SECOND: f64 = 200.0;
/// Questions of a round: about six seconds, within the time of the events.
const QUESTIONS: usize = 1_200;
/// First number that neither a seeded client nor the load has.
const UNKNOWN: usize = 8_000_000;

/// Runs it.
pub async fn run(options: &Options) -> Result<Report> {
    let mut stage = Stage::new(options.store, options.folder.as_deref())?;
    let settings = stage.filled(options.size).await?;
    let gateway = stage.gateway(settings).await?;
    let mut sender = Sender::new(options, &gateway);
    sender.run(500, Pace::Closed).await?;
    let mut report = Report::of("route", options);
    let (mut halves, mut most) = (vec![], vec![]);
    let mut dice = Dice::new(2);
    for _ in 0..options.rounds {
        let pace = Pace::Open {
            per_second: QUESTIONS_PER_SECOND,
        };
        let questions = questions(options.size.clients, &mut dice).into();
        let asking = send(gateway.address(), questions, 16, pace);
        let ingest = sender.run(
            CALLS,
            Pace::Open {
                per_second: EVENTS_PER_SECOND,
            },
        );
        let (asked, ingested) = tokio::join!(asking, ingest);
        let asked = asked?;
        report.refused += asked.refused + ingested?.refused;
        halves.push(percentile_ms(&asked.latencies, 0.5));
        most.push(percentile_ms(&asked.latencies, 0.99));
    }
    report.route_p50_ms = median(halves);
    report.route_p99_ms = median(most);
    gateway.stop().await;
    Ok(report)
}

fn questions(clients: usize, dice: &mut Dice) -> Vec<Bytes> {
    let ask = |n: usize| {
        let from = match n % 2 {
            0 => client(dice.below(clients.max(1) as u64) as usize),
            _ => invented_number(UNKNOWN + dice.below(1_000_000) as usize),
        };
        let (from, did) = (&from[1..], &invented_number(1)[1..]);
        let call = dice.roll();
        Bytes::from(format!(
            "GET /hooks/{ASKING}/route?linkedid={call}&did={did}&from=%2B{from}&attempt=1 HTTP/1.1\r\n\
             Host: bench\r\nAuthorization: Bearer {ROUTE_TOKEN}\r\n\r\n"
        ))
    };
    (0..QUESTIONS).map(ask).collect()
}
