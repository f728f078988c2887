//! Whether a PBX's own record of a call says more than we know. Pure.

use crate::model::{
    call::{Call, CallResult, Ended},
    event::RecordingStage,
    time::Timestamp,
};

/// Records count in seconds, and round as they like.
const SAME_MS: i64 = 3_000;

/// Whether `told`, the call that the record alone makes, has something that `known` lacks or that is
/// otherwise there.
pub fn tells_more(known: &Call, told: &Call) -> bool {
    let is_whole = known.is_over() && known.ended == Some(Ended::HungUp) && known.result.is_some();
    let answered = |call: &Call| call.result == Some(CallResult::Answered);
    !is_whole
        || (told.result.is_some() && answered(known) != answered(told))
        || (known.direction.is_none() && told.direction.is_some())
        || (known.answered_by.is_none() && told.answered_by.is_some())
        || differ(Some(known.started_at), Some(told.started_at))
        || ends_later(known, told)
        || tells_file(known, told)
}

/// The same of a record whose times nobody has confirmed: what events have told whole stands, so it only fills
/// what they left out.
pub fn fills(known: &Call, told: &Call) -> bool {
    let is_whole = known.is_over() && known.ended == Some(Ended::HungUp) && known.result.is_some();
    let answered = |call: &Call| call.result == Some(CallResult::Answered);
    // What the list calls a talk may be the mailbox's.
    if is_whole && known.result == Some(CallResult::Voicemail) {
        return false;
    }
    let is_headless = known.wait_ms.is_none(); // its beginning was not heard
    let begins_earlier = known.started_at.millis_since(told.started_at) > SAME_MS;
    let is_lacking = !is_whole
        || (answered(told) && !answered(known))
        || (known.direction.is_none() && told.direction.is_some())
        || (known.answered_by.is_none() && told.answered_by.is_some())
        || (is_headless && begins_earlier);
    // A part of the call that ended where the call was passed on, or before another phone rang, does not end it.
    let passed = known.transfers.iter().map(|passed| passed.at);
    let rang = known.legs.iter().filter_map(|leg| leg.rang_at);
    let later = rang.filter(|at| *at > known.started_at);
    let is_part = passed
        .chain(later)
        .max()
        .zip(told.ended_at)
        .is_some_and(|(passed, ended)| ended <= passed.plus_millis(SAME_MS));
    is_lacking && (!is_part || known.is_over())
}

/// Whether `told` has what is no fault to lack until records tell it: files, or where the visitor came from.
pub fn tells_aside(known: &Call, told: &Call) -> bool {
    tells_file(known, told) || tells_visit(known, told)
}

/// Whether `told` has a file that `known` lacks.
fn tells_file(known: &Call, told: &Call) -> bool {
    told.recordings.iter().any(|file| {
        let own = known.recordings.iter();
        let has = own
            .filter(|own| own.recording == file.recording)
            .any(|own| own.source.is_some());
        file.stage == RecordingStage::Ready && !has
    })
}

/// Whether `told` knows something of the visitor that `known` lacks.
fn tells_visit(known: &Call, told: &Call) -> bool {
    let lacks = |name: &String| known.tracking.iter().all(|(own, _)| own != name);
    told.tracking.iter().any(|(name, _)| lacks(name))
}

/// Whether the record's end is later than the known one. The latest word on it counts anyway, and some
/// records tell a start and the length of the talk: their call ends too early by the time it rang.
fn ends_later(known: &Call, told: &Call) -> bool {
    let later = |than: Timestamp, at: Timestamp| at.millis_since(than) > SAME_MS;
    let told = told.ended_at;
    told.is_some_and(|at| known.ended_at.is_none_or(|than| later(than, at)))
}

/// Whether two moments are not the same one, or only the other is known.
pub fn differ(one: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.millis_since(other).max(other.millis_since(one)) > SAME_MS,
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        call::{Leg, Phase, RecordingNews, Transfer},
        event::{Direction, RecordingSource, TransferKind},
    };

    fn whole() -> Call {
        Call {
            direction: Some(Direction::In),
            phase: Phase::Ended,
            result: Some(CallResult::Answered),
            ended: Some(Ended::HungUp),
            started_at: Timestamp::from_seconds(1_000),
            ended_at: Some(Timestamp::from_seconds(1_060)),
            answered_by: Some("201".into()),
            ..Call::default()
        }
    }

    fn with_file(source: Option<&str>) -> Call {
        let source = source.map(|id| RecordingSource::Api(id.to_owned()));
        Call {
            recordings: vec![RecordingNews {
                recording: "r".to_owned(),
                stage: RecordingStage::Ready,
                source,
            }],
            ..whole()
        }
    }

    #[test]
    fn what_is_known_is_left_alone() {
        assert!(!tells_more(&whole(), &whole()));
        let mut rounded = whole();
        rounded.started_at = rounded.started_at.plus_millis(-3_000);
        assert!(!tells_more(&whole(), &rounded));
        assert!(!tells_more(&with_file(Some("r")), &with_file(Some("r"))));
        let vague = Call {
            answered_by: None,
            ended_at: None,
            result: None,
            ..whole()
        };
        assert!(!tells_more(&whole(), &vague));
        let without_its_ring = Call {
            ended_at: Some(Timestamp::from_seconds(1_050)),
            ..whole()
        };
        assert!(!tells_more(&whole(), &without_its_ring));
    }

    #[test]
    fn what_is_known_of_the_visitor_is_not_told_again() {
        let from = |names: &[&str]| Call {
            tracking: names
                .iter()
                .map(|name| ((*name).to_owned(), "x".to_owned()))
                .collect(),
            ..whole()
        };
        assert!(tells_visit(&from(&["a"]), &from(&["a", "b"])));
        assert!(!tells_visit(&from(&["a", "b"]), &from(&["b"])));
        assert!(!tells_more(&from(&[]), &from(&["a"])));
    }

    #[test]
    fn what_is_lacking_or_otherwise_is_told() {
        type Change = fn(&mut Call);
        let lacking: [Change; 6] = [
            |call| call.phase = Phase::Talking,
            |call| call.ended = Some(Ended::Unknown),
            |call| call.result = None,
            |call| call.result = Some(CallResult::Missed),
            |call| call.answered_by = None,
            |call| call.ended_at = Some(Timestamp::from_seconds(1_030)),
        ];
        for change in lacking {
            let mut known = whole();
            change(&mut known);
            assert!(tells_more(&known, &whole()), "{known:?}");
        }
        assert!(tells_more(&whole(), &with_file(Some("r"))));
        assert!(tells_more(&with_file(None), &with_file(Some("r"))));
    }

    #[test]
    fn unconfirmed_times_change_nothing_that_events_have_told_whole() {
        let known = Call {
            wait_ms: Some(6_000),
            ..whole()
        };
        let told = |from: i64, to: i64| Call {
            started_at: Timestamp::from_seconds(from),
            ended_at: Some(Timestamp::from_seconds(to)),
            ..whole()
        };
        for other in [told(900, 1_060), told(1_000, 4_000), with_file(Some("r"))] {
            assert!(!fills(&known, &other), "{other:?}");
        }
        assert!(tells_aside(&known, &with_file(Some("r"))));
        let headless = whole();
        assert!(fills(&headless, &told(900, 1_060)) && !fills(&headless, &told(1_100, 1_160)));
        let unanswered = Call {
            result: Some(CallResult::Missed),
            answered_by: None,
            ..known.clone()
        };
        assert!(fills(&unanswered, &told(1_000, 1_060)) && !fills(&known, &unanswered));
        let mailbox = Call {
            result: Some(CallResult::Voicemail),
            ..unanswered
        };
        assert!(!fills(&mailbox, &told(1_000, 1_060)));
    }

    #[test]
    fn the_part_that_was_passed_on_does_not_end_a_call_that_goes_on() {
        let live = |transfers| Call {
            phase: Phase::Talking,
            result: None,
            ended: None,
            ended_at: None,
            transfers,
            ..whole()
        };
        let passed = Transfer {
            kind: TransferKind::Blind,
            from: None,
            to: Some("202".into()),
            at: Timestamp::from_seconds(1_059),
        };
        assert!(fills(&live(Vec::new()), &whole()));
        assert!(!fills(&live(vec![passed]), &whole()));
        let rung = |seconds| Call {
            legs: vec![Leg {
                key: "202".into(),
                party: None,
                caller: None,
                rang_at: Some(Timestamp::from_seconds(seconds)),
                answered_at: None,
                ended_at: None,
                result: None,
                initiator: false,
            }],
            ..live(Vec::new())
        };
        assert!(fills(&rung(1_000), &whole()) && !fills(&rung(1_059), &whole()));
    }
}
