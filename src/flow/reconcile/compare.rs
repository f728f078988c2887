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
        || told.recordings.iter().any(|file| {
            let own = known.recordings.iter();
            let has = own
                .filter(|own| own.recording == file.recording)
                .any(|own| own.source.is_some());
            file.stage == RecordingStage::Ready && !has
        })
}

/// Whether `told` knows something of the visitor that `known` lacks.
pub fn tells_visit(known: &Call, told: &Call) -> bool {
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
        call::{Phase, RecordingNews},
        event::{Direction, RecordingSource},
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
}
