//! PBXes whose events tell no time: the arrival stands for it, and the records of the call come in parts.

use crate::{
    model::{
        call::{Call, CallResult},
        event::{Cause, Direction, Fact, Summary, TransferKind},
    },
    tracker::{derive, story::*},
};

const IN: Direction = Direction::In;

/// The record of one employee's part, answered at a moment that it does not tell.
fn part(from: f64, to: f64) -> Fact {
    summed(Summary {
        answered: Some(moment(from)),
        ..summary(IN, from, Some(from), to)
    })
}

/// 201 talks from 5 on, 202 from 39 on; who passed the client on is not told.
fn passed_on() -> Vec<Line> {
    vec![
        (0.0, "", parties(IN)),
        (1.0, "201", between(person("201"), client())),
        (1.0, "201", rings()),
        (5.0, "201", talks(client())),
        (35.0, "", transfers(TransferKind::Blind, "202")),
        (39.0, "202", between(person("202"), client())),
        (39.0, "202", talks(client())),
    ]
}

#[test]
fn who_has_the_client_passes_them_on_if_nobody_says_who_did() {
    let live = call(&passed_on());
    assert_eq!(live.talking, [ext("202")], "the first one has gone");
    let mut whole = passed_on();
    whole.extend([
        (90.0, "202", hangs_up(crate::model::event::Side::Client)),
        (90.0, "", over()),
    ]);
    let call = call(&whole);
    assert_eq!(passings(&call), [(TransferKind::Blind, "201", "202", 39.0)]);
    assert_eq!(call.answered_by, Some(ext("201")));
}

#[test]
fn who_has_passed_the_client_on_is_free_at_once() {
    let mut told = passed_on();
    told.insert(3, (1.0, "203", between(person("203"), client())));
    told.insert(4, (1.0, "203", rings()));
    told.retain(|(at, ..)| *at < 39.0);
    told.push((35.0, "", Fact::TakesOver));
    let waiting = call(&told);
    assert_eq!((waiting.talking.len(), waiting.ringing.len()), (0, 0));
    assert!(!waiting.is_over(), "{waiting:?}");
    told.extend([
        (35.5, "202", between(person("202"), client())),
        (35.5, "202", rings()),
    ]);
    let rings_on = call(&told);
    assert_eq!(
        (rings_on.talking.len(), rings_on.ringing),
        (0, vec![ext("202")])
    );
    let ended = |call: &Call, extension: &str| {
        let mut legs = call.employees_legs();
        let own = legs.find(|(known, _)| known.as_str() == extension);
        own.and_then(|(_, leg)| leg.ended_at)
    };
    told.extend([(39.0, "202", talks(client())), (90.0, "", over())]);
    let whole = call(&told);
    assert_eq!(ended(&whole, "201"), Some(moment(35.0)));
    assert_eq!(ended(&whole, "202"), Some(moment(90.0)));
    assert_eq!(
        passings(&whole),
        [(TransferKind::Blind, "201", "202", 39.0)]
    );
}

#[test]
fn nobody_has_the_client_after_the_end_whenever_it_comes_that_the_call_was_passed_on() {
    let mut told = passed_on();
    told.retain(|(at, ..)| *at < 35.0);
    told.extend([(90.0, "", over()), (95.0, "", Fact::TakesOver)]);
    let call = call(&told);
    assert_eq!(call.ended_at, Some(moment(90.0)));
    let ended = call.employees_legs().map(|(_, leg)| leg.ended_at);
    assert_eq!(ended.collect::<Vec<_>>(), [call.ended_at]);
}

#[test]
fn the_start_of_a_later_part_is_not_the_answer() {
    let mut told = passed_on();
    told.extend([(35.0, "", part(0.0, 35.0)), (90.0, "", part(35.0, 90.0))]);
    let call = call(&told);
    assert_eq!(call.answered_at, Some(moment(5.0)));
    assert_eq!(
        (call.started_at, call.ended_at),
        (moment(0.0), Some(moment(90.0)))
    );
}

#[test]
fn a_ring_heard_of_after_the_end_was_a_ring_all_the_same() {
    let late = 600.0;
    let call = call(&[
        (late, "201", between(person("201"), client())),
        (late, "201", rings()),
        (
            38.0,
            "",
            summed(Summary {
                extension: None,
                ..summary(IN, 0.0, None, 38.0)
            }),
        ),
    ]);
    assert_eq!(call.result, Some(CallResult::Missed));
}

/// 201 rang from 1 on, 202 from 6 on; somebody talked from 9 to 60, and at `at` it comes that 202 did.
fn hunted(at: f64) -> Vec<Line> {
    vec![
        (0.0, "", parties(IN)),
        (1.0, "201", between(person("201"), client())),
        (1.0, "201", rings()),
        (6.0, "202", between(person("202"), client())),
        (6.0, "202", rings()),
        (60.0, "", summed(summary(IN, 0.0, Some(9.0), 60.0))),
        (60.0, "", over()),
        (at, "202", talks(client())),
        (at, "202", Fact::TakesOver),
    ]
}

/// Each phone with the seconds at which it was answered.
fn phones(call: &Call) -> Vec<(&str, Option<f64>)> {
    let seconds = |at: crate::model::time::Timestamp| at.millis_since(moment(0.0)) as f64 / 1_000.0;
    let legs = call.employees_legs();
    legs.map(|(extension, leg)| (extension.as_str(), leg.answered_at.map(seconds)))
        .collect()
}

#[test]
fn an_answer_told_after_the_end_is_the_one_that_the_record_knows() {
    let call = call(&hunted(75.0));
    assert_eq!(call.answered_by, Some(ext("202")));
    assert_eq!(phones(&call), [("201", None), ("202", Some(9.0))]);
    assert_eq!(call.ended_at, Some(moment(60.0)));
}

#[test]
fn who_answered_first_is_known_although_it_is_told_after_who_got_the_client_next() {
    let mut told = hunted(75.0);
    told.extend([
        (30.0, "201", talks(client())),
        (30.0, "201", Fact::TakesOver),
    ]);
    let passed_on = call(&told);
    assert_eq!(passed_on.answered_by, Some(ext("202")));
    let passed: Vec<(&str, &str)> = passings(&passed_on)
        .iter()
        .map(|(_, from, to, _)| (*from, *to))
        .collect();
    assert_eq!(passed, [("202", "201")]);
    // Of two that are told too late nobody knows who was the first.
    told.retain(|(at, ..)| *at != 30.0);
    told.push((76.0, "201", talks(client())));
    assert_eq!(call(&told).answered_by, None);
}

#[test]
fn a_ring_told_after_its_phone_had_ended_is_no_second_phone() {
    let late = |fact: Fact| {
        vec![
            (0.0, "", parties(IN)),
            (6.0, "201", between(person("201"), client())),
            (6.0, "201", ends(Cause::Unknown)),
            (7.0, "202", between(person("202"), client())),
            (7.0, "202", rings()),
            (20.0, "201", fact),
        ]
    };
    let mut told = late(rings());
    assert_eq!(call(&told).ringing, [ext("202"), ext("201")], "it may ring");
    told.push((60.0, "", over()));
    let over_ = call(&told);
    assert_eq!(phones(&over_), [("201", None), ("202", None)]);
    // What goes on behind the end is another ring.
    told.push((25.0, "201", ends(Cause::NoAnswer)));
    assert_eq!(call(&told).employees_legs().count(), 3);
    let mut talked = late(talks(client()));
    talked.push((60.0, "", over()));
    assert_eq!(call(&talked).employees_legs().count(), 3);
}

#[test]
fn an_answer_told_after_its_phone_had_ended_well_is_no_second_phone() {
    let call = call(&[
        (0.0, "", parties(IN)),
        (1.0, "201", between(person("201"), client())),
        (60.0, "201", ends(Cause::Normal)),
        (60.0, "", over()),
        (70.0, "201", talks(client())),
        (71.0, "201", rings()),
    ]);
    assert_eq!(phones(&call), [("201", None)]);
    assert_eq!(call.answered_by, Some(ext("201")));
    assert_eq!(call.ended_at, Some(moment(60.0)));
}

/// 201's call was over when 202 rang for the call that it was joined with, which goes on.
#[test]
fn the_end_of_one_joined_call_puts_nothing_of_the_other_in_its_place() {
    let record = Summary {
        extension: Some(ext("201")),
        ..summary(IN, 0.0, Some(5.0), 60.0)
    };
    let mut facts = facts_under(
        "one",
        &[
            (0.0, "", parties(IN)),
            (1.0, "201", between(person("201"), client())),
            (1.0, "201", rings()),
            (5.0, "201", talks(client())),
            (60.0, "", summed(record)),
        ],
    );
    let other = [
        (62.0, "", parties(IN)),
        (62.0, "202", between(person("202"), client())),
        (62.0, "202", rings()),
        (70.0, "202", talks(client())),
    ];
    facts.unite(facts_under("other", &other));
    let call = derive(&facts);
    assert_eq!(phones(&call), [("201", Some(5.0)), ("202", Some(70.0))]);
}
