//! `bench route`: how soon "who should ring?" is answered while a thousand events a second come in.
//! Half of the callers are known clients, half are new. By default an Asterisk's dialplan asks, two hundred
//! times a second; with `--provider` it is a cloud in its own words, a hundred times a second.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;

use super::{
    Options, Report,
    client::{Pace, percentile_ms, send},
    ingest::Sender,
    load::client,
    machine::Machine,
    median,
    reference::Beside,
    stage::{ASKING, ROUTE_TOKEN, Stage},
};
use crate::{
    app::Gateway,
    flow,
    simulator::{
        dice::Dice,
        office::Account,
        played::{Opening, PLAYED, Played},
        story::{Plot, Story, Tempo, World, invented_number},
    },
    store,
};

/// Events a second meanwhile.
const EVENTS_PER_SECOND: f64 = 1_000.0;
/// Calls of those events: about eight seconds.
const CALLS: u64 = 1_300;
/// Questions of a dialplan a second, and of a round: about six seconds, within the time of the events.
const QUESTIONS_PER_SECOND: f64 = 200.0;
const QUESTIONS: usize = 1_200;
/// Questions of a cloud a second, and of a round.
const CLOUDS_PER_SECOND: f64 = 100.0;
const CLOUDS_QUESTIONS: usize = 600;
/// First number that neither a seeded client nor the load has.
const UNKNOWN: usize = 8_000_000;
/// Every cloud that asks, one after the other.
const ALL: &str = "all";
const SECRET: &str = "bench-secret-0123456789";

/// Whose questions can be asked.
pub fn providers() -> impl Iterator<Item = &'static str> {
    asking().map(|played| played.provider).chain([ALL])
}

fn asking() -> impl Iterator<Item = &'static Played> {
    PLAYED.iter().filter(|played| played.asks.is_some())
}

/// Runs it with the questions of a dialplan, on a database in the state asked for.
pub async fn run(
    stage: &mut Stage,
    settings: store::Settings,
    options: &Options,
) -> Result<Report> {
    let machine = Machine::settled(stage.data()).await?;
    let url = settings.url.clone();
    let gateway = stage.gateway(settings).await?;
    let mut sender = started(stage, options, &gateway, url).await?;
    let mut dice = Dice::new(2);
    let questions = || questions(options.size.clients, &mut dice);
    let mut report = measured(options, &mut sender, QUESTIONS_PER_SECOND, questions).await?;
    gateway.stop().await;
    machine.tell(&mut report).await?;
    Ok(report)
}

/// Runs it with the questions of this provider, or of one after the other.
pub async fn run_of(provider: &str, options: &Options) -> Result<Vec<Report>> {
    let mut stage = Stage::new(options.store, options.folder.as_deref())?;
    let settings = stage.filled(options.size).await?;
    let wanted: Vec<&Played> = asking()
        .filter(|played| provider == ALL || played.provider == provider)
        .collect();
    let tables = wanted.iter().map(|played| {
        let asks = played.asks.unwrap_or_default();
        played.table(played.provider, SECRET, &played.any_salt()) + asks
    });
    let tables: String = tables.collect();
    let url = settings.url.clone();
    let gateway = stage.gateway_with(settings, &tables).await?;
    let mut sender = started(&mut stage, options, &gateway, url).await?;
    let mut reports = Vec::new();
    for played in wanted {
        let account = (played.open)(Opening {
            account: played.provider.to_owned(),
            secret: SECRET.to_owned(),
            salt: played.any_salt(),
            run: flow::now().as_seconds() as u64,
        });
        let mut asker = Asker {
            account,
            clients: options.size.clients,
            asked: 0,
            dice: Dice::new(2),
        };
        asker.next().context("this provider has no question")?;
        let questions = || (0..CLOUDS_QUESTIONS).filter_map(|_| asker.next()).collect();
        let report = measured(options, &mut sender, CLOUDS_PER_SECOND, questions).await?;
        reports.push(Report {
            provider: Some(played.provider),
            ..report
        });
    }
    gateway.stop().await;
    Ok(reports)
}

/// Who sends the events, after some that nobody measures.
async fn started(
    stage: &mut Stage,
    options: &Options,
    gateway: &Gateway,
    url: String,
) -> Result<Sender> {
    let mut sender = Sender::new(stage, options, gateway, url);
    sender.run(500, Pace::Closed).await?;
    Ok(sender)
}

/// Asks so often, while events come in.
async fn measured(
    options: &Options,
    sender: &mut Sender,
    per_second: f64,
    mut questions: impl FnMut() -> Vec<Bytes>,
) -> Result<Report> {
    let server = sender.server();
    let mut report = Report::of("route", options);
    let (mut halves, mut most) = (vec![], vec![]);
    let mut beside = Beside::start().await?;
    for _ in 0..options.rounds {
        let pace = Pace::Open { per_second };
        let events = sender.ready(CALLS).await?;
        let questions = questions();
        let long = Duration::from_secs_f64(questions.len() as f64 / per_second);
        let asking = send(server, questions.into(), 16, pace);
        let per_second = EVENTS_PER_SECOND;
        let ingest = sender.send(events, Pace::Open { per_second });
        let both = async { tokio::join!(asking, ingest) };
        let (asked, ingested) = beside.during(long, both).await?;
        let asked = asked?;
        report.refused += asked.refused + ingested?.refused;
        halves.push(percentile_ms(&asked.latencies, 0.5));
        most.push(percentile_ms(&asked.latencies, 0.99));
    }
    report.route_p50_ms = median(halves);
    report.route_p99_ms = median(most);
    beside.tell(&mut report);
    Ok(report)
}

/// A number that asks: a known client's, or a new one.
fn caller(n: usize, clients: usize, dice: &mut Dice) -> String {
    match n % 2 {
        0 => client(dice.below(clients.max(1) as u64) as usize),
        _ => invented_number(UNKNOWN + dice.below(1_000_000) as usize),
    }
}

fn questions(clients: usize, dice: &mut Dice) -> Vec<Bytes> {
    let ask = |n: usize| {
        let from = caller(n, clients, dice);
        let (from, did) = (&from[1..], &invented_number(1)[1..]);
        let call = dice.roll();
        Bytes::from(format!(
            "GET /hooks/{ASKING}/route?linkedid={call}&did={did}&from=%2B{from}&attempt=1 HTTP/1.1\r\n\
             Host: bench\r\nAuthorization: Bearer {ROUTE_TOKEN}\r\n\r\n"
        ))
    };
    (0..QUESTIONS).map(ask).collect()
}

/// A cloud that asks about one new call after the other.
struct Asker {
    account: Account,
    clients: usize,
    asked: usize,
    dice: Dice,
}

impl Asker {
    fn next(&mut self) -> Option<Bytes> {
        let n = self.asked;
        self.asked += 1;
        let world = World {
            clients: vec![caller(n, self.clients, &mut self.dice)],
            ..World::company(5, 0)
        };
        let (start, tempo) = (flow::now(), Tempo::NATURAL);
        let dice = &mut self.dice;
        let mut story = Story::draw(dice, &world, Plot::Answered, n as u64, start, tempo);
        story.client = world.clients.into_iter().next(); // none is withheld
        let root = format!("/hooks/{}", self.account.name());
        let question = self.account.question(&story)?;
        Some(Bytes::from(question.bytes(&root, "bench")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_has_a_question() {
        for played in PLAYED {
            let account = (played.open)(Opening {
                account: "a".to_owned(),
                secret: SECRET.to_owned(),
                salt: played.any_salt(),
                run: 1,
            });
            let mut asker = Asker {
                account,
                clients: 10,
                asked: 0,
                dice: Dice::new(1),
            };
            let asked = [asker.next(), asker.next()];
            assert_eq!(
                asked[0].is_some(),
                played.asks.is_some(),
                "{}",
                played.provider
            );
            assert!(
                asked[0].is_none() || asked[0] != asked[1],
                "each of another call"
            );
        }
    }
}
