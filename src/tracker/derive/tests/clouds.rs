//! Event PBXes: one leg is one attempt, the provider says who talks to whom.

use crate::{
    model::{
        call::{CallResult, Ended, LegResult, Phase},
        event::{Cause, Direction, Fact, Party, Side, Summary, TransferKind},
    },
    tracker::story::*,
};

const IN: Direction = Direction::In;
const OUT: Direction = Direction::Out;

/// Menu, then 201 rings, answers and talks; the client hangs up.
fn answered_through_menu() -> Vec<Line> {
    vec![
        (0.0, "", parties(IN)),
        (0.0, "a", between(Party::Menu, client())),
        (0.0, "a", Fact::Up),
        (1.0, "a", ends(Cause::Normal)),
        (1.0, "b", between(person("201"), client())),
        (1.0, "b", rings()),
        (9.0, "b", talks(client())),
        (99.0, "b", hangs_up(Side::Client)),
        (
            99.0,
            "",
            summed(Summary {
                extension: Some(ext("201")),
                hangup_by: Some(Side::Client),
                ..summary(IN, 0.0, Some(9.0), 99.0)
            }),
        ),
    ]
}

#[test]
fn a_menu_is_no_answer_and_its_end_is_not_the_calls() {
    let call = call(&answered_through_menu());
    assert_eq!(call.result, Some(CallResult::Answered));
    assert_eq!(call.direction, Some(IN));
    assert_eq!(call.client, Some(number(CLIENT)));
    assert_eq!(call.did, Some(number(DID)));
    assert_eq!(call.started_at, moment(0.0));
    assert_eq!(call.rang_at, Some(moment(1.0)));
    assert_eq!(call.answered_at, Some(moment(9.0)));
    assert_eq!(call.answered_by, Some(ext("201")));
    assert_eq!(call.wait_ms, Some(9_000));
    assert_eq!(call.ring_ms, Some(8_000));
    assert_eq!(call.talk_ms, Some(90_000));
    assert_eq!(call.hold_ms, Some(0));
    assert_eq!(call.hangup_by, Some(Side::Client));
    assert_eq!(call.ended, Some(Ended::HungUp));
    assert_eq!(call.phase, Phase::Ended);
    assert_eq!(call.transfers, []);
    assert_eq!(call.legs.len(), 2);
    assert_eq!(call.legs[1].result, Some(LegResult::Answered));
    assert_eq!(call.legs[1].answered_at, Some(moment(9.0)));
}

#[test]
fn phases_follow_the_story() {
    let story = answered_through_menu();
    let after = |facts: usize| call(&story[..facts]);
    assert_eq!(after(3).phase, Phase::Waiting);
    let ringing = after(6);
    assert_eq!(
        (ringing.phase, ringing.ringing),
        (Phase::Ringing, vec![ext("201")])
    );
    let talking = after(7);
    assert_eq!(
        (talking.phase, talking.talking),
        (Phase::Talking, vec![ext("201")])
    );
    assert!(talking.ringing.is_empty());
    assert_eq!(talking.result, Some(CallResult::Answered));
    assert_eq!(talking.wait_ms, Some(9_000));
    assert_eq!(talking.talk_ms, None);
    let over = after(8);
    assert_eq!(over.phase, Phase::Ended, "the client is gone");
    assert_eq!(over.talk_ms, Some(90_000));
}
