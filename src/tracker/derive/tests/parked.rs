//! Clients who are put aside in a parking lot (channel PBXes).

use super::channels::{answered, meet, part, phone};
use crate::{
    model::{
        call::Phase,
        event::{Cause, Fact, TransferKind},
    },
    tracker::story::*,
};

/// 201 has talked with the client from 6 on and parks them at 20: told as a transfer to the lot.
fn parked() -> Vec<Line> {
    let mut story = answered();
    story.extend([
        (20.0, "p", transfers(TransferKind::Blind, "800")),
        (20.0, "t", leaves("x")),
        (20.0, "t", Fact::Parked),
        (20.0, "p", leaves("x")),
        (20.001, "p", ends(Cause::Normal)),
    ]);
    story
}

#[test]
fn a_parked_client_waits_and_is_passed_on_to_whoever_fetches_them() {
    let mut story = parked();
    let waiting = call(&story);
    assert_eq!(waiting.phase, Phase::Waiting);
    assert!(waiting.talking.is_empty());
    assert_eq!(waiting.transfers, [], "nobody has got them");
    story.extend([
        (30.0, "q", is(person("202"))),
        (30.0, "q", dialled("")),
        (30.0, "t", Fact::Unparked),
    ]);
    story.extend(meet(30.0, "y", "q", "t"));
    let fetched = call(&story);
    assert_eq!(fetched.talking, [ext("202")]);
    assert_eq!(fetched.answered_by, Some(ext("201")));
    story.extend(part(50.0, "y", "t", "q"));
    let over = call(&story);
    assert_eq!(passings(&over), [(TransferKind::Blind, "201", "202", 30.0)]);
    assert_eq!(
        spans(&over),
        [Some(6.0), Some(5.0), Some(34.001), Some(10.0)]
    );
}

/// Ringing back is no hold any more, as after a blind transfer; and nobody has passed the client on.
#[test]
fn a_parked_client_comes_back_to_who_had_parked_them() {
    let mut story = parked();
    story.push((30.0, "t", Fact::Unparked));
    story.extend(phone(30.0, "r", "201", "t"));
    let back = call(&story);
    assert_eq!(
        (back.phase, back.ringing),
        (Phase::Ringing, vec![ext("201")])
    );
    story.extend(meet(33.0, "y", "r", "t"));
    story.extend(part(50.0, "y", "t", "r"));
    let over = call(&story);
    assert_eq!(over.transfers, []);
    assert_eq!(
        spans(&over),
        [Some(6.0), Some(5.0), Some(34.001), Some(10.0)]
    );
}

#[test]
fn a_parked_client_who_gives_up_has_waited_to_the_end() {
    let mut story = parked();
    story.extend([
        (26.0, "t", Fact::Unparked),
        (26.0, "t", ends(Cause::Normal)),
    ]);
    let over = call(&story);
    assert_eq!(spans(&over), [Some(6.0), Some(5.0), Some(14.0), Some(6.0)]);
}
