//! PBXes whose events tell no time: the arrival stands for it, and the records of the call come in parts.

use crate::{
    model::{
        call::CallResult,
        event::{Direction, Fact, Summary, TransferKind},
    },
    tracker::story::*,
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
