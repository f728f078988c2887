//! What there is to tell the outside of a change: the stages of a call.
//!
//! Pure: a call before and after a commit come in, the kinds of news go out. A stage is told when it is
//! first known to have been reached, in the order in which calls go; what changes otherwise is told as
//! `call.changed`. Cards, tasks and recordings tell their news themselves (triggers of migrations 0007 and 0010).

use crate::model::call::Call;

/// Every kind of news, in the order in which people read them.
pub const KINDS: [&str; 16] = [
    "call.started",
    "call.ringing",
    "call.answered",
    "call.ended",
    "call.missed",
    "call.changed",
    "call.merged",
    "recording.ready",
    "card.created",
    "card.changed",
    "card.merged",
    "card.parted",
    "task.created",
    "task.changed",
    "task.escalated",
    "task.done",
];

/// A kind of news, and whether a call has come so far.
type Stage = (&'static str, fn(&Call) -> bool);

/// The kinds of news in a change of one call.
pub fn of_call(before: Option<&Call>, after: &Call) -> Vec<&'static str> {
    let stages: [Stage; 5] = [
        ("call.started", |_| true),
        ("call.ringing", |call| call.rang_at.is_some()),
        ("call.answered", |call| call.answered_at.is_some()),
        ("call.ended", Call::is_over),
        ("call.missed", Call::wants_call_back),
    ];
    let reached: Vec<&str> = stages
        .into_iter()
        .filter(|(_, is_reached)| is_reached(after) && !before.is_some_and(is_reached))
        .map(|(kind, _)| kind)
        .collect();
    match before {
        Some(before) if reached.is_empty() && shown(before) != shown(after) => {
            vec!["call.changed"]
        }
        _ => reached,
    }
}

/// What of a call is worth telling by itself: not how its legs and keys grow while it goes on, and not
/// its recordings, which have news of their own.
fn shown(call: &Call) -> Call {
    Call {
        heard_at: Default::default(),
        digits: String::new(),
        legs: Vec::new(),
        recordings: Vec::new(),
        ..call.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        call::{CallResult, Phase},
        event::Direction,
        time::Timestamp,
    };

    fn coming_in() -> Call {
        Call {
            direction: Some(Direction::In),
            ..Call::default()
        }
    }

    fn rung() -> Call {
        Call {
            phase: Phase::Ringing,
            rang_at: Some(Timestamp::from_seconds(1)),
            ..coming_in()
        }
    }

    fn over(result: CallResult) -> Call {
        Call {
            phase: Phase::Ended,
            result: Some(result),
            ..rung()
        }
    }

    #[test]
    fn each_stage_is_told_once_and_in_order() {
        assert_eq!(of_call(None, &coming_in()), ["call.started"]);
        assert_eq!(of_call(Some(&coming_in()), &rung()), ["call.ringing"]);
        assert_eq!(
            of_call(Some(&rung()), &over(CallResult::Missed)),
            ["call.ended", "call.missed"]
        );
        let answered = Call {
            answered_at: Some(Timestamp::from_seconds(5)),
            ..over(CallResult::Answered)
        };
        assert_eq!(
            of_call(None, &answered),
            [
                "call.started",
                "call.ringing",
                "call.answered",
                "call.ended"
            ]
        );
    }

    #[test]
    fn what_is_learnt_later_is_a_change_and_small_talk_is_none() {
        let missed = over(CallResult::Missed);
        let renamed = Call {
            client_name: Some("Nina".to_owned()),
            ..missed.clone()
        };
        assert_eq!(of_call(Some(&missed), &renamed), ["call.changed"]);
        let heard = Call {
            heard_at: Timestamp::from_seconds(9),
            digits: "1".to_owned(),
            ..missed.clone()
        };
        assert!(of_call(Some(&missed), &heard).is_empty());
        assert!(of_call(Some(&missed), &missed).is_empty());
    }

    #[test]
    fn every_stage_is_on_the_list() {
        let call = Call {
            answered_at: Some(Timestamp::from_seconds(5)),
            ..over(CallResult::Missed)
        };
        for kind in of_call(None, &call) {
            assert!(KINDS.contains(&kind), "{kind}");
        }
    }
}
