//! `bench ingest`: events a second, applied and durable, beside a reference in the same round; then
//! how fast an event is acknowledged at 1 000 a second.
//!
//! A round is the bare server, the reference on a new empty database, then the product, each for the
//! same time over the same number of connections from the same generator ([`super::client`]). If the
//! state asked for is an empty database, the product gets a new one each round as well; a filled one
//! grows by some hundredths a round.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{
    Options, Report,
    client::{Pace, Requests, Run, percentile_ms, send},
    median,
    reference::{self, bare, reference},
    rounded,
    stage::{self, Stage},
};
use crate::{app::Gateway, flow, simulator::dice::Dice, store::Db};

/// How long each of the three servers of a round is measured: long enough for checkpoints to count.
const MEASURED: Duration = Duration::from_secs(4);
/// Calls made ready for a round, six events each and some repeats: more than can be told in that time.
const CALLS: u64 = 14_000;
/// Calls that nobody counts: the first messages meet cold caches and tables.
const WARM_UP_CALLS: u64 = 1_000;
/// Calls for the latency of acknowledgement: about ten seconds.
const ACK_CALLS: u64 = 1_600;
/// Events a second for the latency of acknowledgement.
const ACK_PER_SECOND: f64 = 1_000.0;
/// A reference below this share of bare is void.
const LEAST_REFERENCE: f64 = 0.45;

/// Runs it.
pub async fn run(options: &Options) -> Result<Report> {
    let mut stage = Stage::new(options.store, options.folder.as_deref())?;
    let (mut gateway, mut sender) = begin(&mut stage, options).await?;
    let mut report = Report::of("ingest", options);
    let (mut events, mut references, mut bares, mut ratios) = (vec![], vec![], vec![], vec![]);
    for round in 0..options.rounds {
        if round > 0 && options.size.is_empty() {
            gateway.stop().await;
            (gateway, sender) = begin(&mut stage, options).await?;
        }
        let bare_rate = plain(bare().await?.address, options).await?;
        let server = reference(Db::open(&stage.database()?).await?).await?;
        let reference_rate = plain(server.address, options).await?;
        drop(server);
        let run = sender.run(CALLS, Pace::ClosedFor(MEASURED)).await?;
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

/// A gateway in the state asked for, warm, and who sends to it.
async fn begin(stage: &mut Stage, options: &Options) -> Result<(Gateway, Sender)> {
    let settings = stage.filled(options.size).await?;
    let gateway = stage.gateway(settings).await?;
    let mut sender = Sender::new(options, &gateway);
    sender.run(WARM_UP_CALLS, Pace::Closed).await?;
    Ok((gateway, sender))
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

/// What one server left to be written must not burden the next one.
async fn settle() {
    // It cannot fail: the thread only waits for the disk.
    _ = tokio::task::spawn_blocking(rustix::fs::sync).await;
}

async fn plain(server: std::net::SocketAddr, options: &Options) -> Result<f64> {
    settle().await;
    let run = send(
        server,
        Requests::Made(reference::request),
        options.connections,
        Pace::ClosedFor(MEASURED),
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

    /// To whom.
    pub fn server(&self) -> std::net::SocketAddr {
        self.server
    }

    /// Sends the events of so many calls.
    pub async fn run(&mut self, calls: u64, pace: Pace) -> Result<Run> {
        let requests = self
            .load
            .requests(self.next, calls, flow::now(), &mut self.dice);
        self.next += calls;
        settle().await;
        let connections = match pace {
            Pace::Closed | Pace::ClosedFor(_) => self.connections,
            Pace::Open { .. } => self.connections.min(64),
        };
        Ok(send(self.server, requests.into(), connections, pace).await?)
    }
}
