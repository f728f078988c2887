//! `bench ingest`: events a second, applied and durable, beside a reference in the same round; then
//! how fast an event is acknowledged at 1 000 a second.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use bytes::Bytes;

use super::{
    Options, Report,
    client::{Pace, Run, percentile_ms, send},
    median,
    reference::{self, bare, reference},
    rounded,
    stage::{self, Stage},
};
use crate::{app::Gateway, flow, simulator::dice::Dice, store::Db};

/// Requests of one round to the bare and the reference server.
const PLAIN: usize = 40_000;
/// Calls of one round; six events each and some repeats.
const CALLS: u64 = 5_000;
/// Calls for the latency of acknowledgement: about ten seconds.
const ACK_CALLS: u64 = 1_600;
/// Events a second for the latency of acknowledgement.
const ACK_PER_SECOND: f64 = 1_000.0;
/// A reference below this share of bare is void.
const LEAST_REFERENCE: f64 = 0.45;

/// Runs it.
pub async fn run(options: &Options) -> Result<Report> {
    let mut stage = Stage::new(options.store, options.folder.as_deref())?;
    let settings = stage.filled(options.size).await?;
    let gateway = stage.gateway(settings).await?;
    let mut sender = Sender::new(options, &gateway);
    // The first messages meet cold caches and tables; they count for nobody.
    sender.run(500, Pace::Closed).await?;
    let mut report = Report::of("ingest", options);
    let (mut events, mut references, mut bares, mut ratios) = (vec![], vec![], vec![], vec![]);
    for _ in 0..options.rounds {
        let bare_rate = plain(bare().await?.address, options).await?;
        let server = reference(Db::open(&stage.database()?).await?).await?;
        let reference_rate = plain(server.address, options).await?;
        drop(server);
        let run = sender.run(CALLS, Pace::Closed).await?;
        report.refused += run.refused;
        if reference_rate >= LEAST_REFERENCE * bare_rate {
            ratios.push(run.per_second() / reference_rate);
        }
        events.push(run.per_second());
        references.push(reference_rate);
        bares.push(bare_rate);
    }
    report.void_rounds = Some(options.rounds - ratios.len());
    report.events_per_s = median(events);
    report.reference_per_s = median(references);
    report.bare_per_s = median(bares);
    report.ratio = median(ratios);
    acknowledgements(options, &mut sender, &mut report).await?;
    gateway.stop().await;
    Ok(report)
}

async fn acknowledgements(
    options: &Options,
    sender: &mut Sender,
    report: &mut Report,
) -> Result<()> {
    let (mut halves, mut most, mut nearly_all) = (vec![], vec![], vec![]);
    for _ in 0..options.rounds {
        let pace = Pace::Open {
            per_second: ACK_PER_SECOND,
        };
        let run = sender.run(ACK_CALLS, pace).await?;
        report.refused += run.refused;
        let ms = |share| percentile_ms(&run.latencies, share);
        halves.push(ms(0.5));
        most.push(ms(0.99));
        nearly_all.push(ms(0.999));
    }
    report.ack_p50_ms = median(halves);
    report.ack_p99_ms = median(most);
    report.ack_p999_ms = median(nearly_all);
    Ok(())
}

async fn plain(server: std::net::SocketAddr, options: &Options) -> Result<f64> {
    let requests: Vec<Bytes> = (0..PLAIN).map(reference::request).collect();
    let run = send(
        server,
        Arc::new(requests),
        options.connections,
        Pace::Closed,
    )
    .await?;
    ensure!(
        run.refused == 0,
        "a plain server refused {} requests",
        run.refused
    );
    Ok(rounded(run.per_second()))
}

/// Makes and sends calls that no round had before.
pub struct Sender {
    load: super::load::Load,
    server: std::net::SocketAddr,
    connections: usize,
    next: u64,
    dice: Dice,
}

impl Sender {
    /// Sends to this gateway.
    pub fn new(options: &Options, gateway: &Gateway) -> Self {
        Self {
            load: stage::load(options.size.clients, options.size.people),
            server: gateway.address(),
            connections: options.connections,
            next: 0,
            dice: Dice::new(1),
        }
    }

    /// Sends the events of so many calls.
    pub async fn run(&mut self, calls: u64, pace: Pace) -> Result<Run> {
        let requests = self
            .load
            .requests(self.next, calls, flow::now(), &mut self.dice);
        self.next += calls;
        // Let what the last round left behind settle.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let connections = match pace {
            Pace::Closed => self.connections,
            Pace::Open { .. } => self.connections.min(64),
        };
        Ok(send(self.server, Arc::new(requests), connections, pace).await?)
    }
}
