//! Every metric and log line that has a name, and what must never stand in either.
//!
//! A thing that happened is a small struct; its `emit` writes metric and log line together. Label
//! values come from closed lists (words of ours, configured names); a client's number is never one.
//! Log lines pass through [`redact()`] on their way out: secrets are blanked at every level, phone
//! numbers above `debug`. So no caller has to remember it.

mod fetched;
mod redact;

use std::{io, sync::OnceLock, time::Duration};

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use self::redact::Redacting;
pub use self::{
    fetched::{Reconciled, RecordingFetched, RecordingLeft, VisitLooked},
    redact::{hide, redact},
};

/// How the log is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `text` for people, `json` for machines.
    pub format: Format,
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives like `info,ringcard::web=debug`.
    pub level: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            format: Format::Text,
            level: "info".to_owned(),
        }
    }
}

/// Shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One readable line.
    Text,
    /// One JSON object a line.
    Json,
}

/// Checks the directives of `level`.
pub fn check(settings: &Settings) -> Result<(), String> {
    // A lone word that is no level would be taken for the name of a module.
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let directives = settings.level.split(',').map(str::trim);
    let mut lone = directives.filter(|one| !one.is_empty() && !one.contains(['=', ':', '[']));
    if let Some(word) = lone.find(|one| !LEVELS.contains(&one.to_ascii_lowercase().as_str())) {
        return Err(format!(
            "{word:?} is no level; there are error, warn, info, debug, trace"
        ));
    }
    EnvFilter::try_new(&settings.level)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// Starts the log on standard error. Later calls change nothing (tests start many gateways).
pub fn start_log(settings: &Settings) {
    let filter = filter(settings);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Redacting(io::stderr))
        .with_ansi(false);
    // An error only says that a log has been started before.
    let _ = match settings.format {
        Format::Text => builder.try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
}

fn filter(settings: &Settings) -> EnvFilter {
    // At `trace` it writes whole handshakes, with the login that stands in them; a longer target would
    // beat a shorter one.
    let directives = settings.level.split(',');
    let others = directives.filter(|one| !one.trim_start().starts_with("tungstenite"));
    let level = others.collect::<Vec<_>>().join(",");
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let capped = "tungstenite=info".parse();
    filter.add_directive(capped.expect("it is a directive"))
}

// ---- metrics

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Bounds of every histogram, in seconds: from a routing answer to a recording fetched.
const BUCKETS_S: [f64; 15] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// The metrics of this process in Prometheus' text format. The first call starts counting.
pub fn metrics_text() -> String {
    start_metrics().render()
}

/// Starts counting. Later calls change nothing.
pub fn start_metrics() -> &'static PrometheusHandle {
    METRICS.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS_S)
            .expect("the list of bounds is not empty")
            .build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is in place; /metrics stays empty");
        }
        for (name, help) in NAMES {
            describe(name, help);
        }
        gauge!("ringcard_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        handle
    })
}

fn describe(name: &'static str, help: &'static str) {
    if name.ends_with("_total") {
        metrics::describe_counter!(name, help);
    } else if name.ends_with("_seconds") && !name.ends_with("age_seconds") {
        metrics::describe_histogram!(name, help);
    } else {
        metrics::describe_gauge!(name, help);
    }
}

/// Every metric with its meaning. Dashboards and alert rules are tested against this list.
pub const NAMES: &[(&str, &str)] = &[
    (
        "ringcard_ingest_events_total",
        "Messages of PBXes by provider, way and what became of them",
    ),
    (
        "ringcard_ingest_ack_seconds",
        "From the bytes' arrival to the answer after the commit",
    ),
    (
        "ringcard_ingest_refused_total",
        "Messages not let in, by provider and reason",
    ),
    (
        "ringcard_ingest_queue_kib",
        "What waits for the writer, in kibibytes",
    ),
    (
        "ringcard_dlq_depth",
        "Dead letters: messages kept but not understood or not applied",
    ),
    (
        "ringcard_outbox_depth",
        "Jobs and deliveries waiting, by kind",
    ),
    (
        "ringcard_outbox_oldest_age_seconds",
        "Age of the oldest waiting job, by kind",
    ),
    (
        "ringcard_route_total",
        "Routing answers by provider and reason",
    ),
    (
        "ringcard_route_decision_seconds",
        "From the question's arrival to the answer",
    ),
    (
        "ringcard_calls_total",
        "Ended calls by direction, result and line",
    ),
    (
        "ringcard_recording_left_total",
        "Recordings not fetched because of the line's rule, by reason",
    ),
    (
        "ringcard_visits_total",
        "Visits told by call-tracking services, by what was found of their calls",
    ),
    ("ringcard_pop_total", "Pops by outcome"),
    (
        "ringcard_pop_delivery_seconds",
        "From the event's bytes to the pop, by stage",
    ),
    (
        "ringcard_recording_fetch_seconds",
        "Time to fetch and keep a recording",
    ),
    (
        "ringcard_recording_failed_total",
        "Recordings not kept, by reason",
    ),
    (
        "ringcard_pbx_connected",
        "Whether the connection we dial stands, by account",
    ),
    (
        "ringcard_reconcile_missing_total",
        "Messages of a PBX's own records that told something no live event had",
    ),
    (
        "ringcard_told_total",
        "Attempts to tell the outside, by way and what came of them",
    ),
    (
        "ringcard_told_seconds",
        "How long an attempt to tell the outside took",
    ),
    (
        "ringcard_subscription_disabled_total",
        "Subscriptions that were given up, by reason",
    ),
    (
        "ringcard_deliveries_waiting",
        "Messages for the outside that wait",
    ),
    (
        "ringcard_reload_total",
        "Readings of the configuration while running, by what came of them",
    ),
    ("ringcard_build_info", "Version"),
];

/// A message of a PBX has been taken in.
pub struct Ingested<'a> {
    /// Provider's name.
    pub provider: &'static str,
    /// `webhook`, `ami`, `cel`, ...
    pub way: &'static str,
    /// `applied`, `noted`, `ignored`, `undecodable`, `busy`.
    pub outcome: &'static str,
    /// The account, for the log.
    pub account: &'a str,
    /// From the bytes' arrival to the answer.
    pub took: Duration,
}

impl Ingested<'_> {
    /// Counts it.
    pub fn emit(self) {
        counter!("ringcard_ingest_events_total",
            "provider" => self.provider, "way" => self.way, "outcome" => self.outcome)
        .increment(1);
        histogram!("ringcard_ingest_ack_seconds").record(self.took.as_secs_f64());
        match self.outcome {
            "busy" => tracing::warn!(
                account = self.account,
                "a message was sent back: the store is behind or away"
            ),
            "undecodable" => tracing::warn!(
                account = self.account,
                way = self.way,
                "a message was not understood and is kept as a dead letter"
            ),
            _ => tracing::debug!(
                account = self.account,
                way = self.way,
                outcome = self.outcome,
                took_us = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
                "message taken in"
            ),
        }
    }
}

/// A message was not let in.
pub struct IngestRefused<'a> {
    /// Provider's name, `unknown` when there is no such account.
    pub provider: &'static str,
    /// `no_account`, `token`, `signature`, `stale`, `too_large`, `too_slow`, `broken_off`,
    /// `method`, `too_many`.
    pub reason: &'static str,
    /// Who sent it.
    pub remote: &'a str,
}

impl IngestRefused<'_> {
    /// Counts it.
    pub fn emit(self) {
        counter!("ringcard_ingest_refused_total",
            "provider" => self.provider, "reason" => self.reason)
        .increment(1);
        tracing::info!(
            provider = self.provider,
            reason = self.reason,
            remote = self.remote,
            "a message was refused"
        );
    }
}

/// The question who should ring has been answered.
pub struct RouteAnswered {
    /// Provider's name.
    pub provider: &'static str,
    /// Why this answer: a closed word.
    pub reason: &'static str,
    /// From the question's arrival to the answer.
    pub took: Duration,
}

impl RouteAnswered {
    /// Counts it.
    pub fn emit(self) {
        counter!("ringcard_route_total", "provider" => self.provider, "reason" => self.reason)
            .increment(1);
        histogram!("ringcard_route_decision_seconds").record(self.took.as_secs_f64());
    }
}

/// A call has ended.
pub struct CallEnded<'a> {
    /// `in`, `out`, `internal`.
    pub direction: &'static str,
    /// Closed list of results.
    pub result: &'static str,
    /// The line's name as configured; empty if unknown.
    pub line: &'a str,
}

impl CallEnded<'_> {
    /// Counts it.
    pub fn emit(self) {
        counter!("ringcard_calls_total",
            "direction" => self.direction, "result" => self.result, "line" => self.line.to_owned())
        .increment(1);
    }
}

/// A pop went its way.
pub struct Popped {
    /// `delivered`, `nobody_online`, `unmapped`, `withdrawn`, `dropped`.
    pub outcome: &'static str,
}

impl Popped {
    /// Counts it.
    pub fn emit(self) {
        counter!("ringcard_pop_total", "outcome" => self.outcome).increment(1);
    }
}

/// A pop has reached a stage.
pub struct PopReached {
    /// `delivered` (first socket written) or `painted` (the browser says so).
    pub stage: &'static str,
    /// Since the event's bytes came in.
    pub took: Duration,
}

impl PopReached {
    /// Counts it.
    pub fn emit(self) {
        histogram!("ringcard_pop_delivery_seconds", "stage" => self.stage)
            .record(self.took.as_secs_f64());
    }
}

/// The configuration has been read anew.
pub struct ConfigurationRead<'a> {
    /// What is wrong; empty: it was taken over.
    pub problems: &'a [(String, String)],
    /// Keys that wait for a restart.
    pub restart: &'a [String],
    /// Accounts that came, went or changed.
    pub accounts: &'a [String],
}

impl ConfigurationRead<'_> {
    /// Counts it.
    pub fn emit(self) {
        let outcome = match self.problems.is_empty() {
            true => "taken",
            false => "refused",
        };
        counter!("ringcard_reload_total", "outcome" => outcome).increment(1);
        for (key, text) in self.problems {
            tracing::error!(
                key,
                text,
                "the configuration has a problem; nothing was changed"
            );
        }
        if self.problems.is_empty() {
            let (accounts, restart) = (self.accounts.join(", "), self.restart.join(", "));
            tracing::info!(accounts, "the configuration was taken over");
            if !restart.is_empty() {
                tracing::warn!(keys = restart, "these changes wait for a restart");
            }
        }
    }
}

/// The outside has been told something, or not.
pub struct Told {
    /// `webhook` or `mail`.
    pub way: &'static str,
    /// A closed word; empty: it was heard.
    pub error: &'static str,
    /// How long it took.
    pub took: Duration,
}

impl Told {
    /// Counts it.
    pub fn emit(self) {
        let outcome = match self.error {
            "" => "done",
            error => error,
        };
        counter!("ringcard_told_total", "way" => self.way, "outcome" => outcome).increment(1);
        histogram!("ringcard_told_seconds").record(self.took.as_secs_f64());
    }
}

/// A subscription is told nothing any more.
pub struct SubscriptionDisabled {
    /// Its row.
    pub subscription: i64,
    /// `gone` or `gave_up`.
    pub reason: &'static str,
}

impl SubscriptionDisabled {
    /// Counts it, and raises the alarm in the log.
    pub fn emit(self) {
        counter!("ringcard_subscription_disabled_total", "reason" => self.reason).increment(1);
        tracing::error!(
            subscription = self.subscription,
            reason = self.reason,
            "a subscription is disabled: it was told nothing for too long, or is gone"
        );
    }
}

/// Depths looked at when somebody asks for the metrics.
pub struct Depths<'a> {
    /// What waits for the writer, in kibibytes.
    pub queued_kib: usize,
    /// Connections we dial: account, and whether it stands.
    pub links: &'a [(&'a str, bool)],
    /// Dead letters.
    pub dead_letters: i64,
    /// Kind of job, how many wait, and the age of the oldest in milliseconds.
    pub outbox: &'a [(String, i64, i64)],
    /// Messages for the outside that wait.
    pub deliveries: i64,
}

impl Depths<'_> {
    /// Says them.
    #[expect(clippy::cast_precision_loss, reason = "depths stay far below 2^52")]
    pub fn emit(self) {
        gauge!("ringcard_ingest_queue_kib").set(self.queued_kib as f64);
        for (account, up) in self.links {
            gauge!("ringcard_pbx_connected", "account" => (*account).to_owned())
                .set(f64::from(u8::from(*up)));
        }
        gauge!("ringcard_dlq_depth").set(self.dead_letters as f64);
        gauge!("ringcard_deliveries_waiting").set(self.deliveries as f64);
        for (kind, waiting, oldest_ms) in self.outbox {
            gauge!("ringcard_outbox_depth", "kind" => kind.clone()).set(*waiting as f64);
            gauge!("ringcard_outbox_oldest_age_seconds", "kind" => kind.clone())
                .set(*oldest_ms as f64 / 1_000.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_level_makes_handshakes_readable() {
        for level in [
            "trace",
            "info,tungstenite=trace",
            "info,tungstenite::handshake::client=trace",
            "info, tungstenite::handshake=trace,debug",
        ] {
            let settings = Settings {
                level: level.to_owned(),
                ..Settings::default()
            };
            let filter = filter(&settings).to_string();
            let of_it = filter.split(',').filter(|one| one.contains("tungstenite"));
            assert_eq!(of_it.collect::<Vec<_>>(), ["tungstenite=info"], "{level}");
        }
    }

    #[test]
    fn every_name_emitted_is_on_the_list() {
        let own = include_str!("telemetry.rs");
        let own = own.split("#[cfg(test)]").next().unwrap();
        let code = [own, include_str!("telemetry/fetched.rs")].concat();
        for (at, _) in code.match_indices("!(\"ringcard_") {
            let name: String = code[at + 3..].chars().take_while(|c| *c != '"').collect();
            assert!(NAMES.iter().any(|(known, _)| *known == name), "{name}");
        }
        for (name, _) in NAMES {
            assert!(
                code.contains(&format!("!(\"{name}\"")),
                "{name} is never emitted"
            );
        }
    }
}
