//! Promises that hold for every set of facts: order and repetition do not matter, what is lost is
//! never replaced by an invention, and the figures fit each other.

use proptest::prelude::*;

use super::simulated::{Ledger, Plan, plan};
use crate::{
    model::{
        call::{Call, CallResult, Phase},
        event::{
            CallEvent, Cause, Clock, Direction, Fact, Party, RecordingStage, Side, Summary,
            TransferKind,
        },
        ids::FactId,
        phone::Number,
    },
    tracker::{Facts, derive, story::*},
};

fn events(lines: &[Line]) -> Vec<CallEvent> {
    lines
        .iter()
        .map(|(at, leg, fact)| event("call-1", *at, leg, fact.clone()))
        .collect()
}

/// A plan told in one of the two ways.
fn told() -> impl Strategy<Value = (Plan, Vec<CallEvent>)> {
    (plan(), any::<bool>()).prop_map(|(plan, cloud)| {
        let story = if cloud {
            plan.as_cloud()
        } else {
            plan.as_channels()
        };
        (plan, events(&story))
    })
}

fn figures_fit(call: &Call) {
    let spans = [call.wait_ms, call.ring_ms, call.talk_ms, call.hold_ms];
    assert!(
        spans.iter().flatten().all(|ms| *ms >= 0),
        "negative span: {call:?}"
    );
    if let (Some(ended), [Some(wait), _, Some(talk), Some(hold)]) = (call.ended_at, spans) {
        let total = ended.millis_since(call.started_at);
        assert!(
            wait + talk + hold <= total,
            "{wait} + {talk} + {hold} > {total}: {call:?}"
        );
    }
    if let (Some(ring), Some(wait)) = (call.ring_ms, call.wait_ms) {
        assert!(ring <= wait, "rang longer than waited: {call:?}");
    }
    if let Some(answered) = call.answered_at {
        assert_eq!(call.result, Some(CallResult::Answered));
        assert!(answered >= call.started_at);
    }
    if call.result != Some(CallResult::Answered) {
        assert_eq!(call.answered_by, None);
        assert!(call.transfers.is_empty() && call.talking.is_empty());
    }
    assert_eq!(call.phase == Phase::Ended, call.ended.is_some());
    if call.is_over() {
        assert!(call.ringing.is_empty() && call.talking.is_empty());
    }
}

fn fits_ledger(call: &Call, ledger: &Ledger) {
    assert_eq!(call.result, Some(ledger.result));
    assert_eq!(
        call.answered_by.as_ref().map(|person| person.as_str()),
        ledger.answered_by
    );
    for (derived, real) in spans(call).into_iter().zip(ledger.spans) {
        let derived = derived.expect("every span is known");
        assert!(
            (derived - real).abs() < 0.002,
            "{:?} is not {:?}",
            spans(call),
            ledger.spans
        );
    }
    let transfers: Vec<_> = passings(call)
        .into_iter()
        .map(|(kind, from, to, _)| (kind, from, to))
        .collect();
    assert_eq!(transfers, Vec::from_iter(ledger.transfer));
    assert_eq!(call.hangup_by, Some(ledger.hangup_by));
}

proptest! {
    #[test]
    fn the_whole_story_gives_the_ledger((plan, events) in told()) {
        let call = derive(&events.into_iter().collect());
        fits_ledger(&call, &plan.ledger());
        figures_fit(&call);
    }

    #[test]
    fn order_repetition_and_division_change_nothing(
        (events, again, divided) in told().prop_flat_map(|(_, events)| {
            let twice: Vec<_> = events.iter().chain(&events).cloned().collect();
            let count = events.len();
            (
                Just(events),
                Just(twice).prop_shuffle(),
                prop::collection::vec(0_u8..3, count),
            )
        })
    ) {
        let facts: Facts = events.iter().cloned().collect();
        let shuffled: Facts = again.into_iter().collect();
        prop_assert_eq!(&facts, &shuffled);
        let side = |sides: [u8; 2]| -> Facts {
            let parts = events.iter().zip(&divided);
            parts.filter(|(_, part)| sides.contains(part)).map(|(event, _)| event.clone()).collect()
        };
        // Part 2 is known to both sides.
        let (mut one, mut other) = (side([0, 2]), side([1, 2]));
        let right = one.clone();
        one.unite(other.clone());
        other.unite(right);
        prop_assert_eq!(&one, &facts);
        prop_assert_eq!(&other, &facts);
        prop_assert!(!one.clone().unite(other.clone()), "nothing is new in what is known");
        prop_assert_eq!(derive(&one), derive(&shuffled));
    }

    #[test]
    fn a_lost_fact_never_makes_a_wrong_call((plan, events) in told()) {
        let ledger = plan.ledger();
        for lost in 0..events.len() {
            let rest = events.iter().enumerate().filter(|(place, _)| *place != lost);
            let call = derive(&rest.map(|(_, event)| event.clone()).collect());
            figures_fit(&call);
            if ledger.result != CallResult::Answered {
                prop_assert_ne!(call.result, Some(CallResult::Answered), "lost {:?}", events[lost]);
            }
            if let Some(person) = &call.answered_by {
                prop_assert_eq!(Some(person.as_str()), ledger.answered_by, "lost {:?}", events[lost]);
            }
            let lost_the_answer = matches!(events[lost].fact, Fact::Talks { .. });
            if !lost_the_answer {
                prop_assert!(
                    call.result.is_none_or(|result| result == ledger.result),
                    "{:?} without {:?}", call.result, events[lost]
                );
            }
            if ledger.transfer.is_none() {
                prop_assert_eq!(&call.transfers, &[], "lost {:?}", events[lost]);
            }
        }
    }

    #[test]
    fn nonsense_breaks_nothing(
        events in prop::collection::vec(nonsense(), 0..40),
        seed in any::<prop::sample::Index>(),
    ) {
        let facts: Facts = events.iter().cloned().collect();
        let call = derive(&facts);
        figures_fit(&call);
        let mut turned = events;
        if !turned.is_empty() {
            let middle = seed.index(turned.len());
            turned.rotate_left(middle);
        }
        turned.reverse();
        let again: Facts = turned.into_iter().collect();
        prop_assert_eq!(&again, &facts);
        prop_assert_eq!(derive(&again), call);
        prop_assert_eq!(Facts::unseal(&facts.seal()).unwrap(), facts);
    }
}

fn any_party() -> impl Strategy<Value = Party> {
    prop_oneof![
        Just(client()),
        Just(Party::Client(Number::Withheld)),
        Just(Party::Client(Number::Other("x".into()))),
        Just(person("201")),
        Just(person("202")),
        Just(Party::Menu),
        Just(Party::Queue("sales".into())),
        Just(Party::Voicemail),
        Just(Party::Glue),
    ]
}

fn any_cause() -> impl Strategy<Value = Cause> {
    prop::sample::select(vec![
        Cause::Normal,
        Cause::NoAnswer,
        Cause::Busy,
        Cause::Rejected,
        Cause::Cancelled,
        Cause::AnsweredElsewhere,
        Cause::Failed,
        Cause::Unknown,
    ])
}

fn any_direction() -> impl Strategy<Value = Option<Direction>> {
    prop::option::of(prop::sample::select(vec![
        Direction::In,
        Direction::Out,
        Direction::Internal,
    ]))
}

fn any_side() -> impl Strategy<Value = Option<Side>> {
    prop::option::of(prop::sample::select(vec![
        Side::Client,
        Side::Employee,
        Side::Pbx,
    ]))
}

fn any_summary() -> impl Strategy<Value = Fact> {
    let times = prop::array::uniform3(prop::option::of(0_u32..120));
    (
        any_direction(),
        times,
        any::<bool>(),
        prop::option::of(any_cause()),
        any_side(),
    )
        .prop_map(
            |(direction, [started, answered, ended], answered_known, cause, hangup_by)| {
                let at =
                    |seconds: Option<u32>| seconds.map(|seconds| moment(f64::from(seconds) / 2.0));
                summed(Summary {
                    direction,
                    extension: Some(ext("201")),
                    started: at(started),
                    answered: at(answered),
                    answered_known,
                    ended: at(ended),
                    cause,
                    hangup_by,
                    ..Summary::default()
                })
            },
        )
}

fn any_leg_key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c", "d"])
}

fn any_fact() -> impl Strategy<Value = Fact> {
    let bridge = prop::sample::select(vec!["x", "y"]);
    prop_oneof![
        any_direction().prop_map(|direction| Fact::Parties {
            direction,
            client: direction.map(|_| number(CLIENT)),
            client_name: None,
            did: None,
        }),
        any_summary(),
        any_side().prop_map(|by| Fact::Over { by }),
        Just(Fact::Unheard),
        (any_party(), prop::option::of(any_party()), any::<bool>()).prop_map(
            |(party, with, initiator)| Fact::Leg {
                party,
                with,
                initiator
            }
        ),
        any_leg_key().prop_map(dialled),
        Just(Fact::Rings),
        Just(Fact::Up),
        any_party().prop_map(talks),
        bridge.clone().prop_map(enters),
        bridge.prop_map(leaves),
        any_leg_key().prop_map(tied),
        Just(Fact::Holds),
        Just(Fact::Resumes),
        Just(Fact::Parked),
        Just(Fact::Unparked),
        Just(Fact::TakesOver),
        any_party().prop_map(runs),
        prop::sample::select(vec![TransferKind::Blind, TransferKind::Attended])
            .prop_map(|kind| transfers(kind, "202")),
        Just(transferred_from("201")),
        (any_cause(), any_side()).prop_map(|(cause, by)| Fact::Ends { cause, by }),
        prop::sample::select(vec![
            RecordingStage::Started,
            RecordingStage::Ready,
            RecordingStage::Absent
        ])
        .prop_map(|stage| Fact::Recording {
            recording: "r".into(),
            stage,
            source: None
        }),
        Just(Fact::SameCall {
            with: "call-2".into()
        }),
        Just(Fact::Digits { digits: "1".into() }),
    ]
}

/// Facts without rhyme or reason; few identities, so that the same one comes with different content.
fn nonsense() -> impl Strategy<Value = CallEvent> {
    (
        any_fact(),
        0_u32..120,
        prop::option::of(any_leg_key()),
        prop::sample::select(vec!["call-1", "call-2"]),
        0_u8..30,
        any::<bool>(),
    )
        .prop_map(|(fact, at, leg, key, id, exact)| CallEvent {
            id: FactId::from(format!("fact-{id}")),
            clock: if exact {
                Clock::Exact
            } else {
                Clock::NoLaterThan
            },
            ..event(key, f64::from(at) / 2.0, leg.unwrap_or(""), fact)
        })
}
