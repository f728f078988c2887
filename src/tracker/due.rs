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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::call::Ended,
        tracker::{derive, story::*},
    };

    const FOUR_HOURS_S: f64 = 14_400.0;

    #[test]
    fn a_call_not_heard_of_for_four_hours_is_due() {
        let live = call(&[(0.0, "201", rings()), (7.0, "201", talks(client()))]);
        let limit = moment(7.0 + FOUR_HOURS_S);
        assert_eq!(next_due(&live), Some(limit));
        assert_eq!(due(&live, limit.plus_millis(-1)), []);
        assert_eq!(
            due(&live, limit.plus_millis(60_000)),
            [Due::Unheard { since: limit }]
        );
    }

    #[test]
    fn the_fact_ends_the_call_and_is_the_same_however_late_it_is_made() {
        let mut facts = facts(&[(0.0, "201", rings()), (7.0, "201", talks(client()))]);
        let live = derive(&facts);
        let tell = |now: f64| due(&live, moment(now))[0].event(&"office".into(), &"call-1".into());
        assert_eq!(tell(20_000.0), tell(90_000.0));
        assert!(facts.insert(tell(20_000.0)));
        let ended = derive(&facts);
        assert_eq!(ended.ended, Some(Ended::Unknown));
        assert_eq!(next_due(&ended), None);
        assert_eq!(due(&ended, moment(90_000.0)), []);
    }

    #[test]
    fn a_call_that_goes_on_after_all_is_due_again() {
        let live = call(&[
            (0.0, "201", rings()),
            (FOUR_HOURS_S, "", Fact::Unheard),
            (15_000.0, "201", talks(client())),
        ]);
        assert_eq!(next_due(&live), Some(moment(15_000.0 + FOUR_HOURS_S)));
    }

    #[test]
    fn a_call_that_ended_is_never_due() {
        let ended = call(&[(0.0, "", over())]);
        assert_eq!((next_due(&ended), due(&ended, moment(1e9))), (None, vec![]));
    }
}
