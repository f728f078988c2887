//! Every metric and log line that has a name, and what must never stand in either.
//!
//! A thing that happened is a small struct; its `emit` writes metric and log line together. Label
//! values come from closed lists (words of ours, configured names); a client's number is never one.
//! Log lines pass through [`redact`] on their way out: secrets are blanked at every level, phone
//! numbers above `debug`. So no caller has to remember it.

use std::{
    borrow::Cow,
    io::{self, Write},
    sync::{OnceLock, RwLock},
    time::Duration,
};

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tracing::{Level, Metadata};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

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
    EnvFilter::try_new(&settings.level)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// Starts the log on standard error. Later calls change nothing (tests start many gateways).
pub fn start_log(settings: &Settings) {
    let filter = EnvFilter::try_new(&settings.level).unwrap_or_else(|_| EnvFilter::new("info"));
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

// ---- what must not be seen

static SECRETS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Secrets shorter than this would blank out ordinary words.
const SHORTEST_SECRET: usize = 4;

/// Makes these texts unreadable in every log line from now on.
pub fn hide<'a>(secrets: impl IntoIterator<Item = &'a str>) {
    let mut known = SECRETS
        .write()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for secret in secrets {
        if secret.len() >= SHORTEST_SECRET && !known.iter().any(|known| known == secret) {
            known.push(secret.to_owned());
        }
    }
}

/// A log line as it may be seen: without secrets, and above `debug` without full phone numbers.
pub fn redact(line: &str, level: Level) -> Cow<'_, str> {
    let mut line = Cow::Borrowed(line);
    let secrets = SECRETS
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for secret in secrets.iter() {
        if line.contains(secret.as_str()) {
            line = Cow::Owned(line.replace(secret.as_str(), "***"));
        }
    }
    if level <= Level::INFO {
        if let Some(masked) = mask_numbers(&line) {
            line = Cow::Owned(masked);
        }
    }
    line
}

/// Blanks out what looks like a phone number; `None` if nothing does.
///
/// `+` with 7 to 15 digits, or 10 to 15 bare digits. Bare unix times (10 or 13 digits from `1`) and
/// the last group of a uuid are left alone: they are how calls are found again.
fn mask_numbers(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut masked: Option<Vec<u8>> = None;
    let mut at = 0;
    while at < bytes.len() {
        let plus = bytes[at] == b'+';
        let starts = plus || bytes[at].is_ascii_digit();
        if !starts || (!plus && at > 0 && bytes[at - 1].is_ascii_alphanumeric()) {
            at += 1;
            continue;
        }
        let digits = digits_from(bytes, at + usize::from(plus), plus);
        let end = digits.last().map_or(at + 1, |last| last + 1);
        if is_number(bytes, at, plus, &digits, end) {
            let out = masked.get_or_insert_with(|| bytes.to_vec());
            for digit in &digits[1..digits.len() - 2] {
                out[*digit] = b'*';
            }
        }
        at = end;
    }
    masked.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Places of the digits that belong together; after a `+` they may be written in groups.
fn digits_from(bytes: &[u8], from: usize, grouped: bool) -> Vec<usize> {
    let mut digits = Vec::new();
    let mut gap = 0;
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'0'..=b'9' => {
                digits.push(at);
                gap = 0;
            }
            b' ' | b'-' | b'(' | b')' if grouped && gap < 2 => gap += 1,
            _ => break,
        }
    }
    digits
}

fn is_number(bytes: &[u8], start: usize, plus: bool, digits: &[usize], end: usize) -> bool {
    if plus {
        return (7..=15).contains(&digits.len());
    }
    if bytes.get(end).is_some_and(u8::is_ascii_alphabetic) {
        return false;
    }
    let unix_time = bytes[start] == b'1' && matches!(digits.len(), 10 | 13);
    (10..=15).contains(&digits.len()) && !unix_time && !ends_uuid(bytes, start, digits.len())
}

/// Whether the digits are the last group of a uuid: twelve, after `-xxxx-`.
fn ends_uuid(bytes: &[u8], start: usize, len: usize) -> bool {
    len == 12
        && start >= 6
        && bytes[start - 1] == b'-'
        && bytes[start - 6] == b'-'
        && bytes[start - 5..start - 1]
            .iter()
            .all(u8::is_ascii_hexdigit)
}

/// Puts [`redact`] between the log and where it is written.
struct Redacting<M>(M);

struct RedactingWriter<W> {
    to: W,
    level: Level,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Redacting<M> {
    type Writer = RedactingWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        RedactingWriter {
            to: self.0.make_writer(),
            level: Level::ERROR, // unknown: the stricter reading
        }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        RedactingWriter {
            to: self.0.make_writer_for(meta),
            level: *meta.level(),
        }
    }
}

impl<W: Write> Write for RedactingWriter<W> {
    // The log hands over one whole line a call, so nothing is cut in two.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        self.to
            .write_all(redact(&line, self.level).as_bytes())
            .map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
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
    /// `no_account`, `token`, `signature`, `stale`, `too_large`, `too_many`.
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

/// A recording has been fetched and kept, or not.
pub struct RecordingFetched {
    /// `None`: kept. Otherwise a closed word.
    pub failed: Option<&'static str>,
    /// How long it took.
    pub took: Duration,
}

impl RecordingFetched {
    /// Counts it.
    pub fn emit(self) {
        histogram!("ringcard_recording_fetch_seconds").record(self.took.as_secs_f64());
        if let Some(reason) = self.failed {
            counter!("ringcard_recording_failed_total", "reason" => reason).increment(1);
        }
    }
}

/// A PBX's own records have been read.
pub struct Reconciled<'a> {
    /// Provider's name.
    pub provider: &'static str,
    /// The account, for the log.
    pub account: &'a str,
    /// Messages read.
    pub read: u64,
    /// Messages that told something no live event had.
    pub missing: u64,
}

impl Reconciled<'_> {
    /// Counts it.
    pub fn emit(self) {
        counter!("ringcard_reconcile_missing_total", "provider" => self.provider)
            .increment(self.missing);
        if self.read > 0 {
            tracing::info!(
                account = self.account,
                read = self.read,
                missing = self.missing,
                "reconciled with the PBX's own records"
            );
        }
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
        for (kind, waiting, oldest_ms) in self.outbox {
            gauge!("ringcard_outbox_depth", "kind" => kind.clone()).set(*waiting as f64);
            gauge!("ringcard_outbox_oldest_age_seconds", "kind" => kind.clone())
                .set(*oldest_ms as f64 / 1_000.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn numbers_are_masked_and_ids_are_not() {
        for (line, shown) in [
            ("caller +74950000011 rings", "caller +7********11 rings"),
            ("caller +7 (495) 000-00-11.", "caller +7 (***) ***-**-11."),
            ("from 84950000011", "from 8********11"),
            ("tel:4950000011;x", "tel:4*******11;x"),
            ("in-74950000011-101.wav", "in-7********11-101.wav"),
        ] {
            assert_eq!(redact(line, Level::INFO), shown);
            assert_eq!(redact(line, Level::DEBUG), line);
        }
        for line in [
            "linkedid=1763000000.12 at 1763000000123",
            "call 018f0000-0000-7000-8000-000000000001",
            "took_us=1200 extension 201 on 10.0.0.5:5038",
            "2026-03-17T06:15:00.123456Z",
        ] {
            assert_eq!(redact(line, Level::ERROR), line);
        }
    }

    #[test]
    fn secrets_are_blanked_at_every_level() {
        hide(["correct-horse", "abc"]);
        assert_eq!(
            redact("login with correct-horse: abc", Level::TRACE),
            "login with ***: abc"
        );
    }

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whatever_is_logged_goes_through_the_redaction() {
        let page = Page::default();
        let to = page.clone();
        let log = tracing_subscriber::fmt()
            .json()
            .with_max_level(Level::DEBUG)
            .with_writer(Redacting(move || to.clone()))
            .finish();
        hide(["battery-staple"]);
        tracing::subscriber::with_default(log, || {
            let client = "+74950000012";
            tracing::warn!(client, token = "battery-staple", "odd caller {client}");
            tracing::debug!(client = "+74950000013", "seen");
        });
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("74950000012"), "{text}");
        assert!(!text.contains("battery-staple"), "{text}");
        assert!(text.contains("+74950000013"), "{text}");
    }

    #[test]
    fn every_name_emitted_is_on_the_list() {
        let source = include_str!("telemetry.rs");
        let code = source.split("#[cfg(test)]").next().unwrap();
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
