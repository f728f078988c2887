//! Measures what design promises, and says against what: `ringcard bench ingest|pop|route|reports`, or `all`
//! of the first three in one state.
//!
//! The product's real path is measured (hooks, signature, decoder, writer, live stream) over real
//! sockets; the load generator runs in a thread of its own. Ratios are taken within one round, because
//! absolute figures of a shared machine mean little. Each round begins with the database in memory.

pub mod client;
pub mod cluster;
pub mod ingest;
pub mod load;
pub mod machine;
pub mod pop;
pub mod reference;
pub mod reports;
pub mod route;
pub mod seed;
pub mod stage;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde::Serialize;

use self::{
    seed::Size,
    stage::{Stage, Store},
};

/// What is asked of a bench.
#[derive(Clone, Debug)]
pub struct Options {
    /// Engine.
    pub store: Store,
    /// State of the database.
    pub size: Size,
    /// Rounds; the median counts.
    pub rounds: usize,
    /// Connections of the load.
    pub connections: usize,
    /// Folder for the databases; none: the system's for temporary files.
    pub folder: Option<PathBuf>,
    /// `route`: whose questions are asked, or `all`; none: those of an Asterisk.
    pub provider: Option<String>,
}

/// What came out. Fields that a bench does not measure are left out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// `ingest`, `pop`, `route` or `reports`.
    pub bench: &'static str,
    /// Whose questions were asked, if somebody's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<&'static str>,
    /// Engine.
    pub store: &'static str,
    /// Cards at the start.
    pub clients: usize,
    /// Calls at the start.
    pub calls: usize,
    /// Rounds.
    pub rounds: usize,
    /// Events a second, applied and durable (median).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_per_s: Option<f64>,
    /// Requests a second of the reference server (median).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_per_s: Option<f64>,
    /// Requests a second of the bare server (median).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bare_per_s: Option<f64>,
    /// Events to reference within a round (median).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Rounds in which the reference did not reach 0.45 of bare: their ratio means nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub void_rounds: Option<usize>,
    /// Answer to an event at 1 000 events a second, from its due time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack_p50_ms: Option<f64>,
    /// 99 % were faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack_p99_ms: Option<f64>,
    /// 99.9 % were faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack_p999_ms: Option<f64>,
    /// Event's bytes sent → pop's bytes received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pop_p50_ms: Option<f64>,
    /// 99 % were faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pop_p99_ms: Option<f64>,
    /// Routing question → answer while events are ingested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route_p50_ms: Option<f64>,
    /// 99 % were faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route_p99_ms: Option<f64>,
    /// The table of channels of a month, with the month before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month_ms: Option<f64>,
    /// The same of some weeks, in which first-time callers and target calls are counted as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range_ms: Option<f64>,
    /// Rules made, and every call given its channel by them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules_applied_ms: Option<f64>,
    /// The month once there are rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ruled_month_ms: Option<f64>,
    /// The weeks once there are rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ruled_range_ms: Option<f64>,
    /// The first page of a rare channel's calls of a month, and their totals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rare_list_ms: Option<f64>,
    /// Processor time that product and database took for an event while as many came as they take (median).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us_per_event: Option<f64>,
    /// The machine's part in the figures: 4 KiB written and synced where the database lies, before the first
    /// round and after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_p50_ms: Option<f64>,
    /// 99 % were faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_p99_ms: Option<f64>,
    /// The slowest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_max_ms: Option<f64>,
    /// How late a thread that slept was woken while nothing else ran; 99 % were in better time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wake_p99_ms: Option<f64>,
    /// 99.9 % were in better time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wake_p999_ms: Option<f64>,
    /// Answer of a bare server in a thread of its own, asked at the same time as what is measured: the machine's
    /// part of an answer to a question or an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside_p50_ms: Option<f64>,
    /// 99 % were faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside_p99_ms: Option<f64>,
    /// Share of the processors' time that the host of this virtual machine kept for itself during the rounds, in
    /// percent: whoever was at work then stood still, for milliseconds at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stolen_percent: Option<f64>,
    /// Answers that were not 2xx; anything but 0 spoils the figures.
    pub refused: usize,
}

impl Report {
    /// The words every report begins with.
    pub fn of(bench: &'static str, options: &Options) -> Self {
        Self {
            bench,
            store: options.store.as_str(),
            clients: options.size.clients,
            calls: options.size.calls,
            rounds: options.rounds,
            ..Self::default()
        }
    }
}

/// What can be measured one after the other: little of a large state is changed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// [`pop`]
    Pop,
    /// [`route`], with the questions of a dialplan.
    Route,
    /// [`ingest`]
    Ingest,
}

/// Measures these in one state.
pub async fn run(paths: &[Path], options: &Options) -> Result<Vec<Report>> {
    let needs_people = paths.contains(&Path::Pop);
    ensure!(!needs_people || options.size.people > 0, "pops need people");
    let mut stage = Stage::new(options.store, options.folder.as_deref())?;
    let state = stage.filled(options.size).await?;
    let mut reports = Vec::new();
    for path in paths {
        let state = state.clone();
        reports.push(match path {
            Path::Pop => pop::run(&mut stage, state, options).await?,
            Path::Route => route::run(&mut stage, state, options).await?,
            Path::Ingest => ingest::run(&mut stage, state, options).await?,
        });
    }
    Ok(reports)
}

/// The middle of some figures, rounded to thousandths; `None` if there are none.
pub fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let middle = figures.get(figures.len() / 2)?;
    Some(rounded(*middle))
}

/// Three digits behind the point are enough for people.
pub fn rounded(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}
