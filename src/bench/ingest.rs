//! `bench ingest`: events a second, applied and durable, beside a reference in the same round; then
//! how fast an event is acknowledged at 1 000 a second.
//!
//! A round is the bare server, the reference on a new empty database, then the product, each for the
//! same time over the same number of connections from the same generator ([`super::client`]). If the
//! state asked for is an empty database, the product gets a new one each round as well; a filled one
//! grows by some hundredths a round.

use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;

use super::{
    Options, Report,
    client::{Pace, Requests, Run, percentile_ms, send},
    machine::{Machine, processor_time, settle, warm},
    median,
    reference::{self, Beside, bare, reference},
    rounded,
    stage::Stage,
};
use crate::{
    app::Gateway,
    flow,
    simulator::dice::Dice,
    store::{self, Db},
};

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

/// Runs it on a database in the state asked for.
pub async fn run(
    stage: &mut Stage,
    settings: store::Settings,
    options: &Options,
) -> Result<Report> {
    let machine = Machine::settled(stage.data()).await?;
    let (mut gateway, mut sender) = begin(stage, settings, options).await?;
    let mut report = Report::of("ingest", options);
    let (mut events, mut references, mut bares, mut ratios) = (vec![], vec![], vec![], vec![]);
    let mut taken = vec![];
    for round in 0..options.rounds {
        if round > 0 && options.size.is_empty() {
            gateway.stop().await;
            let settings = stage.filled(options.size).await?;
            (gateway, sender) = begin(stage, settings, options).await?;
        }
        let bare_rate = plain(bare().await?.address, options).await?;
        let server = reference(Db::open(&stage.database()?).await?).await?;
        let reference_rate = plain(server.address, options).await?;
        drop(server);
        let (run, cpu) = sender
            .timed(stage, CALLS, Pace::ClosedFor(MEASURED))
            .await?;
        taken.push(cpu.as_secs_f64() * 1e6 / run.accepted.max(1) as f64);
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
    report.cpu_us_per_event = median(taken);
    acknowledgements(options, &mut sender, &mut report).await?;
    gateway.stop().await;
    machine.tell(&mut report).await?;
    Ok(report)
}

/// A gateway on this database, warm, and who sends to it.
async fn begin(
    stage: &mut Stage,
    settings: store::Settings,
    options: &Options,
) -> Result<(Gateway, Sender)> {
    let url = settings.url.clone();
    let gateway = stage.gateway(settings).await?;
    let mut sender = Sender::new(stage, options, &gateway, url);
    sender.run(WARM_UP_CALLS, Pace::Closed).await?;
    Ok((gateway, sender))
}

async fn acknowledgements(
    options: &Options,
    sender: &mut Sender,
    report: &mut Report,
) -> Result<()> {
    let (mut halves, mut most, mut nearly_all) = (vec![], vec![], vec![]);
    let mut beside = Beside::start().await?;
    for _ in 0..options.rounds {
        let pace = Pace::Open {
            per_second: ACK_PER_SECOND,
        };
        let requests = sender.ready(ACK_CALLS).await?;
        let long = Duration::from_secs_f64(requests.len() as f64 / ACK_PER_SECOND);
        let run = beside.during(long, sender.send(requests, pace)).await??;
        report.refused += run.refused;
        let ms = |share| percentile_ms(&run.latencies, share);
        halves.push(ms(0.5));
        most.push(ms(0.99));
        nearly_all.push(ms(0.999));
    }
    report.ack_p50_ms = median(halves);
    report.ack_p99_ms = median(most);
    report.ack_p999_ms = median(nearly_all);
    beside.tell(report);
    Ok(())
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
    /// Its database.
    url: String,
    connections: usize,
    next: u64,
    dice: Dice,
}

impl Sender {
    /// Sends to this gateway.
    pub fn new(stage: &mut Stage, options: &Options, gateway: &Gateway, url: String) -> Self {
        let load = stage.load(options.size);
        Self {
            next: load.first,
            load,
            server: gateway.address(),
            url,
            connections: options.connections,
            dice: Dice::new(1),
        }
    }

    /// To whom.
    pub fn server(&self) -> std::net::SocketAddr {
        self.server
    }

    /// Sends the events of so many calls.
    pub async fn run(&mut self, calls: u64, pace: Pace) -> Result<Run> {
        let requests = self.ready(calls).await?;
        self.send(requests, pace).await
    }

    /// The events of so many calls, and a machine that is ready for them.
    pub async fn ready(&mut self, calls: u64) -> Result<Vec<Bytes>> {
        let (load, dice) = (&self.load, &mut self.dice);
        let requests = load.requests(self.next, calls, flow::now(), dice);
        self.next += calls;
        warm(&self.url).await?;
        settle().await;
        Ok(requests)
    }

    /// Sends the events of so many calls; and the processor time that product and database server took meanwhile.
    async fn timed(&mut self, stage: &Stage, calls: u64, pace: Pace) -> Result<(Run, Duration)> {
        let requests = self.ready(calls).await?;
        let before = processor_time(stage.server());
        let run = self.send(requests, pace).await?;
        let taken = processor_time(stage.server()).saturating_sub(before);
        let own = run.cpu;
        Ok((run, taken.saturating_sub(own)))
    }

    /// Sends these.
    pub async fn send(&self, requests: Vec<Bytes>, pace: Pace) -> Result<Run> {
        let connections = match pace {
            Pace::Closed | Pace::ClosedFor(_) => self.connections,
            Pace::Open { .. } => self.connections.min(64),
        };
        Ok(send(self.server, requests.into(), connections, pace).await?)
    }
}
