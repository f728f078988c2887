//! What is fetched: recordings, and what PBXes know of their calls.

use std::time::Duration;

use metrics::{counter, histogram};

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

/// A recording was left where it is, because its line is not recorded or the client did not agree.
pub struct RecordingLeft {
    /// Why, as a closed word.
    pub reason: &'static str,
}

impl RecordingLeft {
    /// Counts it.
    pub fn emit(self) {
        counter!("ringcard_recording_left_total", "reason" => self.reason).increment(1);
    }
}

/// A PBX's own records have been read.
pub struct Reconciled<'a> {
    /// Provider's name.
    pub provider: &'static str,
    /// The account, for the log.
    pub account: &'a str,
    /// Calls in them.
    pub read: u64,
    /// Calls that live events had not told, or not to the end.
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

/// It was looked for the call of a visit, and something else was found than before.
pub struct VisitLooked {
    /// `joined`, `ambiguous`, `waiting` or `unmatched`.
    pub outcome: &'static str,
}

impl VisitLooked {
    /// Counts it.
    pub fn emit(self) {
        counter!("ringcard_visits_total", "outcome" => self.outcome).increment(1);
    }
}
