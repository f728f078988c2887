//! What is due on a call because time has passed. Timers are not facts: what they lead to is.

use crate::model::{
    call::Call,
    event::{CallEvent, Clock, Fact},
    ids::{AccountName, CallKey, FactId},
    time::Timestamp,
};

/// After so long a silence we stop waiting for the end of a call.
pub const UNHEARD_AFTER_MS: i64 = 4 * 3_600_000;

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing was heard for [`UNHEARD_AFTER_MS`]: the call is closed with its end unknown.
    Unheard {
        /// When the silence became too long.
        since: Timestamp,
    },
}

impl Due {
    /// The fact that says so. Told twice it is the same fact; if something is heard after all, a
    /// later silence is another one.
    pub fn event(self, account: &AccountName, call: &CallKey) -> CallEvent {
        match self {
            Self::Unheard { since } => CallEvent {
                account: account.clone(),
                call: call.clone(),
                leg: None,
                at: since,
                clock: Clock::Exact,
                id: FactId::from(format!("{call}/unheard/{}", since.as_micros())),
                fact: Fact::Unheard,
            },
        }
    }
}

/// What is due on this call at `now`.
pub fn due(call: &Call, now: Timestamp) -> Vec<Due> {
    match next_due(call) {
        Some(since) if since <= now => vec![Due::Unheard { since }],
        _ => Vec::new(),
    }
}

/// When [`due`] has something next; `None` if never.
pub fn next_due(call: &Call) -> Option<Timestamp> {
    (!call.is_over()).then(|| call.heard_at.plus_millis(UNHEARD_AFTER_MS))
}
