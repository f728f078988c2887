//! What is due on a call because time has passed. Timers are not facts: what they lead to is.

use crate::model::{
    call::Call,
    event::{CallEvent, Clock, Fact},
    ids::{AccountName, CallKey, FactId},
    time::Timestamp,
};

/// After so long a silence we stop waiting for the end of a call.
pub const UNHEARD_AFTER_MS: i64 = 4 * 3_600_000;
/// After so long we stop waiting for word whether anybody talked in a call that came in and is over:
/// somebody has to look into it.
pub const UNDECIDED_AFTER_MS: i64 = 10 * 60_000;

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing was heard for [`UNHEARD_AFTER_MS`]: the call is closed with its end unknown. Or nothing
    /// for [`UNDECIDED_AFTER_MS`] of a call that is over and undecided: it becomes a task.
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
    if !call.is_over() {
        return Some(call.heard_at.plus_millis(UNHEARD_AFTER_MS));
    }
    (call.is_undecided() && !call.silent).then(|| call.heard_at.plus_millis(UNDECIDED_AFTER_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            call::{CallResult, Ended},
            event::Direction,
        },
        tracker::{Facts, derive, story::*},
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

    /// Comes in; somebody talks with a colleague, as far as was told, and whether it was about this
    /// client nobody says.
    fn undecided() -> Facts {
        facts(&[
            (0.0, "", parties(Direction::In)),
            (4.0, "x", talks(person("201"))),
            (20.0, "", over()),
        ])
    }

    #[test]
    fn an_undecided_call_is_due_once_and_then_wants_a_call_back() {
        let mut facts = undecided();
        let waiting = derive(&facts);
        assert!(waiting.is_undecided() && !waiting.wants_call_back());
        let limit = moment(20.0).plus_millis(UNDECIDED_AFTER_MS);
        assert_eq!(next_due(&waiting), Some(limit));
        assert_eq!(due(&waiting, limit.plus_millis(-1)), []);
        let told = due(&waiting, limit)[0].event(&"office".into(), &"call-1".into());
        facts.insert(told);
        let silent = derive(&facts);
        assert!(silent.is_undecided() && silent.wants_call_back());
        assert_eq!(
            (silent.ended, silent.ended_at),
            (waiting.ended, waiting.ended_at)
        );
        assert_eq!(next_due(&silent), None);
    }

    #[test]
    fn late_word_decides_an_undecided_call() {
        let mut facts = undecided();
        let unheard = due(&derive(&facts), moment(1e6))[0];
        facts.insert(unheard.event(&"office".into(), &"call-1".into()));
        facts.insert(event("call-1", 4.0, "201", talks(client())));
        let answered = derive(&facts);
        assert_eq!(answered.result, Some(CallResult::Answered));
        assert!(!answered.wants_call_back());
        assert_eq!(next_due(&answered), None);
    }

    #[test]
    fn an_undecided_call_that_went_out_is_nobodys_task() {
        let out = call(&[
            (0.0, "", parties(Direction::Out)),
            (4.0, "x", talks(person("201"))),
            (20.0, "", over()),
        ]);
        assert_eq!((out.result, next_due(&out)), (None, None));
    }

    #[test]
    fn a_call_that_ended_is_never_due() {
        let ended = call(&[(0.0, "", over())]);
        assert_eq!((next_due(&ended), due(&ended, moment(1e9))), (None, vec![]));
    }
}
