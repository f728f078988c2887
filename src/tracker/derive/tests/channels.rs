//! Channel PBXes: one leg is one channel, bridges say who talks to whom.

use crate::{
    model::{
        call::{Call, CallResult, Ended, Leg, LegResult, Phase},
        event::{CallEvent, Cause, Clock, Direction, Fact, Party, Side, TransferKind},
    },
    tracker::{Facts, derive, story::*},
};

pub(super) const IN: Direction = Direction::In;
const OUT: Direction = Direction::Out;

fn with(mut story: Vec<Line>, more: &[Line]) -> Vec<Line> {
    story.extend_from_slice(more);
    story
}

/// The client's channel `t` comes in at 0.
fn comes_in() -> Vec<Line> {
    vec![(0.0, "", parties(IN)), (0.0, "t", is(client()))]
}

/// `leg` is the phone of `extension`; `by` makes it ring.
pub(super) fn phone(at: f64, leg: &'static str, extension: &str, by: &str) -> Vec<Line> {
    vec![
        (at, leg, is(person(extension))),
        (at, leg, dialled(by)),
        (at, leg, rings()),
    ]
}

/// Both are up and meet in a bridge.
pub(super) fn meet(at: f64, bridge: &str, one: &'static str, other: &'static str) -> Vec<Line> {
    vec![
        (at, one, Fact::Up),
        (at, other, Fact::Up),
        (at, one, enters(bridge)),
        (at, other, enters(bridge)),
    ]
}

/// `first` hangs up, `second` is hung up a moment later.
pub(super) fn part(at: f64, bridge: &str, first: &'static str, second: &'static str) -> Vec<Line> {
    vec![
        (at, first, leaves(bridge)),
        (at + 0.001, second, leaves(bridge)),
        (at + 0.001, second, ends(Cause::Normal)),
        (at + 0.001, first, ends(Cause::Normal)),
    ]
}

/// The client comes in at 0, 201 (`p`) rings at 1 and answers at 6 in bridge `x`.
pub(super) fn answered() -> Vec<Line> {
    with(
        with(comes_in(), &phone(1.0, "p", "201", "t")),
        &meet(6.0, "x", "p", "t"),
    )
}

fn leg<'c>(call: &'c Call, key: &str) -> &'c Leg {
    call.legs
        .iter()
        .find(|leg| leg.key.as_str() == key)
        .unwrap()
}

#[test]
fn client_and_person_in_one_bridge_talk() {
    let story = with(answered(), &part(36.0, "x", "t", "p"));
    assert_eq!(call(&story[..5]).ringing, [ext("201")]);
    assert_eq!(call(&story[..5]).phase, Phase::Ringing);
    assert_eq!(call(&story[..9]).talking, [ext("201")]);
    let call = call(&story);
    assert_eq!(call.result, Some(CallResult::Answered));
    assert_eq!(call.answered_by, Some(ext("201")));
    assert_eq!(
        spans(&call),
        [Some(6.0), Some(5.0), Some(30.001), Some(0.0)]
    );
    assert_eq!(call.hangup_by, Some(Side::Client), "left the bridge first");
    assert_eq!(call.legs.len(), 2);
    assert!(
        call.legs
            .iter()
            .all(|leg| leg.answered_at == Some(moment(6.0)))
    );
}

#[test]
fn who_leaves_the_bridge_first_hung_up_unless_told_otherwise() {
    let by_201 = call(&with(answered(), &part(36.0, "x", "p", "t")));
    assert_eq!(by_201.hangup_by, Some(Side::Employee));
    let mut told = with(answered(), &part(36.0, "x", "p", "t"));
    told.push((36.002, "t", hangs_up(Side::Pbx)));
    assert_eq!(call(&told).hangup_by, Some(Side::Pbx));
}

#[test]
fn an_answered_channel_alone_is_no_answer() {
    let queue = with(
        comes_in(),
        &[
            (0.5, "t", Fact::Up),
            (0.5, "t", runs(Party::Queue("sales".into()))),
        ],
    );
    let live = call(&queue);
    assert_eq!((live.phase, live.result), (Phase::Waiting, None));
    let abandoned_queue = call(&with(queue.clone(), &[(20.0, "t", hangs_up(Side::Client))]));
    assert_eq!(
        abandoned_queue.result,
        Some(CallResult::Abandoned),
        "nobody rang"
    );
    let rung = with(queue, &phone(2.0, "p", "201", "t"));
    let gone = with(
        rung,
        &[
            (7.5, "p", ends(Cause::Cancelled)),
            (7.5, "t", ends(Cause::Normal)),
        ],
    );
    let missed = call(&gone);
    assert_eq!(missed.result, Some(CallResult::Missed));
    assert_eq!(
        missed.hangup_by,
        Some(Side::Client),
        "a ring cancelled that nobody answered"
    );
    assert_eq!(spans(&missed), [Some(7.5), Some(5.5), Some(0.0), Some(0.0)]);
}

#[test]
fn results_of_calls_that_reached_nobody() {
    let result = |lines: &[Line]| call(&with(comes_in(), lines)).result;
    let t_ends = |at: f64, cause| (at, "t", ends(cause));
    let called = |cause| {
        [
            (0.1, "p", is(person("201"))),
            (0.1, "p", dialled("t")),
            (0.2, "p", ends(cause)),
        ]
    };
    let after = |cause, line: Line| with(called(cause).to_vec(), &[line]);
    let ring_group = |other: Cause| {
        let both = with(phone(0.0, "p", "201", "t"), &phone(0.0, "q", "202", "t"));
        with(
            both,
            &[
                (3.0, "p", ends(Cause::Rejected)),
                (4.0, "q", ends(other)),
                t_ends(4.0, Cause::Busy),
            ],
        )
    };
    let cases: &[(Vec<Line>, CallResult)] = &[
        (vec![t_ends(0.1, Cause::NoRoute)], CallResult::NoRoute),
        (
            vec![(0.1, "t", Fact::Up), t_ends(9.0, Cause::Normal)],
            CallResult::IvrOnly,
        ),
        (
            vec![(0.1, "t", runs(Party::Menu)), t_ends(9.0, Cause::Normal)],
            CallResult::IvrOnly,
        ),
        (
            vec![
                (0.1, "t", runs(Party::Voicemail)),
                t_ends(9.0, Cause::Normal),
            ],
            CallResult::Voicemail,
        ),
        (vec![t_ends(3.0, Cause::Normal)], CallResult::Abandoned),
        (
            after(Cause::Busy, t_ends(0.3, Cause::Busy)),
            CallResult::Busy,
        ),
        (
            after(Cause::Rejected, t_ends(0.3, Cause::Rejected)),
            CallResult::Rejected,
        ),
        (
            after(Cause::Unreachable, t_ends(0.3, Cause::Normal)),
            CallResult::Failed,
        ),
        (ring_group(Cause::Busy), CallResult::Rejected),
        (ring_group(Cause::NoAnswer), CallResult::Abandoned),
    ];
    for (lines, expected) in cases {
        assert_eq!(result(lines), Some(*expected), "{lines:?}");
    }
}

#[test]
fn a_caller_whom_nobody_has_named_is_the_caller() {
    let result = |lines: &[Line]| call(&with(vec![(0.0, "", parties(IN))], lines)).result;
    let no_route = result(&[(0.1, "t", ends(Cause::NoRoute))]);
    assert_eq!(no_route, Some(CallResult::NoRoute));
    let menu = result(&[(0.1, "t", Fact::Up), (9.0, "t", ends(Cause::Normal))]);
    assert_eq!(menu, Some(CallResult::IvrOnly));
}

#[test]
fn no_answer_goes_to_the_next_phone() {
    let story = with(comes_in(), &phone(0.0, "p", "201", "t"));
    let story = with(story, &[(9.0, "p", ends(Cause::NoAnswer))]);
    let story = with(story, &phone(9.0, "q", "202", "t"));
    assert_eq!(call(&story).ringing, [ext("202")]);
    let story = with(
        with(story, &meet(12.0, "x", "q", "t")),
        &part(30.0, "x", "q", "t"),
    );
    let call = call(&story);
    assert_eq!(call.answered_by, Some(ext("202")));
    assert_eq!(
        spans(&call),
        [Some(12.0), Some(12.0), Some(18.001), Some(0.0)]
    );
    assert_eq!(call.transfers, []);
    assert_eq!(
        leg(&call, "p").result,
        Some(LegResult::Failed(Cause::NoAnswer))
    );
}

#[test]
fn the_losers_of_a_ring_group_were_answered_elsewhere() {
    let story = with(
        with(comes_in(), &phone(0.0, "p", "201", "t")),
        &phone(0.0, "q", "202", "t"),
    );
    let story = with(
        with(story, &meet(4.0, "x", "q", "t")),
        &[(3.999, "p", ends(Cause::Cancelled))],
    );
    let call = call(&story);
    assert_eq!(leg(&call, "p").result, Some(LegResult::AnsweredElsewhere));
    assert_eq!(call.answered_by, Some(ext("202")));
    assert_eq!(call.hangup_by, None);
}

/// 201 is reached over the two halves of a Local channel, which are then taken out.
#[test]
fn local_channels_tie_two_bridges_and_are_nobody() {
    let mut story = comes_in();
    story.extend([
        (0.1, "l1", is(Party::Glue)),
        (0.1, "l2", is(Party::Glue)),
        (0.1, "l1", tied("l2")),
        (0.1, "l1", dialled("t")),
        (0.1, "l1", rings()),
    ]);
    story.extend(phone(0.2, "p", "201", "l2"));
    assert_eq!(call(&story).ringing, [ext("201")]);
    story.extend([
        (5.0, "p", Fact::Up),
        (5.0, "p", enters("y")),
        (5.001, "l2", enters("y")),
    ]);
    assert_eq!(call(&story).result, None, "the client is in no bridge yet");
    story.extend([(5.002, "l1", enters("x")), (5.002, "t", enters("x"))]);
    assert_eq!(call(&story).answered_at, Some(moment(5.002)));
    story.extend([
        (5.006, "t", leaves("x")),
        (5.007, "l2", leaves("y")),
        (5.007, "t", enters("y")),
        (5.008, "l1", leaves("x")),
        (5.008, "l1", ends(Cause::Normal)),
        (5.008, "l2", ends(Cause::Normal)),
    ]);
    let talking = call(&story);
    assert_eq!(
        (talking.phase, &talking.talking[..]),
        (Phase::Talking, &[ext("201")][..])
    );
    story.extend(part(20.0, "y", "p", "t"));
    let call = call(&story);
    assert_eq!(
        spans(&call),
        [Some(5.002), Some(4.802), Some(14.999), Some(0.0)]
    );
    assert_eq!(call.legs.len(), 2, "halves are left out");
    assert_eq!(call.hangup_by, Some(Side::Employee));
    assert_eq!(call.transfers, []);
}

#[test]
fn a_blind_transfer_moves_the_client_to_another_bridge() {
    let mut story = answered();
    story.extend([
        (20.0, "p", Fact::Resumes),
        (20.0, "p", transfers(TransferKind::Blind, "202")),
        (20.0, "p", leaves("x")),
        (20.001, "t", leaves("x")),
        (20.001, "p", ends(Cause::Normal)),
    ]);
    story.extend(phone(20.002, "q", "202", "t"));
    let ringing = call(&story);
    assert_eq!(
        (ringing.phase, &ringing.ringing[..]),
        (Phase::Ringing, &[ext("202")][..])
    );
    assert_eq!(ringing.result, Some(CallResult::Answered));
    assert_eq!(
        passings(&ringing),
        [(TransferKind::Blind, "201", "202", 20.0)]
    );
    story.extend(meet(24.0, "y", "q", "t"));
    story.extend(part(50.0, "y", "t", "q"));
    let call = call(&story);
    assert_eq!(passings(&call), [(TransferKind::Blind, "201", "202", 24.0)]);
    assert_eq!(call.answered_by, Some(ext("201")));
    assert_eq!(
        spans(&call),
        [Some(6.0), Some(5.0), Some(44.001), Some(0.0)]
    );
}

/// By feature code: 201's only channel leaves the client, consults over a Local channel and hands over.
fn attended_by_feature_code() -> Vec<Line> {
    let mut story = answered();
    story.extend([
        (20.0, "p", Fact::Holds),
        (20.1, "l1", is(Party::Glue)),
        (20.1, "l2", is(Party::Glue)),
        (20.1, "l1", tied("l2")),
        (20.1, "l1", enters("c")),
        (20.1, "p", leaves("x")),
        (20.1, "p", enters("c")),
    ]);
    story.extend(phone(20.2, "q", "202", "l2"));
    story.extend(meet(22.0, "d", "q", "l2"));
    story
}

#[test]
fn an_attended_transfer_by_feature_code() {
    let mut story = attended_by_feature_code();
    let consulting = call(&story);
    assert_eq!(consulting.phase, Phase::Waiting, "the client hears music");
    assert!(consulting.talking.is_empty());
    story.extend([
        (26.0, "l1", leaves("c")),
        (26.0, "l1", enters("x")),
        (26.0, "p", transfers(TransferKind::Attended, "202")),
        (26.001, "p", leaves("c")),
        (26.001, "p", ends(Cause::Normal)),
    ]);
    assert_eq!(call(&story).talking, [ext("202")]);
    story.extend(vec![
        (60.0, "t", leaves("x")),
        (60.0, "t", ends(Cause::Normal)),
    ]);
    story.extend([
        (60.001, "l2", ends(Cause::Normal)),
        (60.001, "l1", ends(Cause::Normal)),
    ]);
    story.push((60.002, "q", ends(Cause::Normal)));
    let call = call(&story);
    assert_eq!(
        passings(&call),
        [(TransferKind::Attended, "201", "202", 26.0)]
    );
    assert_eq!(
        spans(&call),
        [Some(6.0), Some(5.0), Some(48.002), Some(6.0)]
    );
    assert_eq!(call.hangup_by, Some(Side::Client));
}

#[test]
fn a_consultation_that_comes_to_nothing_is_no_transfer() {
    let mut story = attended_by_feature_code();
    story.extend([
        (24.0, "q", ends(Cause::Normal)),
        (24.0, "l2", ends(Cause::Normal)),
        (24.0, "l1", ends(Cause::Normal)),
        (24.5, "p", leaves("c")),
        (24.5, "p", enters("x")),
    ]);
    story.extend(part(60.0, "x", "t", "p"));
    let call = call(&story);
    assert_eq!(call.transfers, []);
    assert_eq!(
        spans(&call),
        [Some(6.0), Some(5.0), Some(49.501), Some(4.5)]
    );
    assert_eq!(call.legs.len(), 3);
}

#[test]
fn a_transfer_before_the_colleague_picks_up_is_a_blind_one() {
    let mut story = answered();
    story.extend([
        (20.0, "p", Fact::Holds),
        (20.1, "l1", is(Party::Glue)),
        (20.1, "l2", is(Party::Glue)),
        (20.1, "l1", tied("l2")),
        (20.1, "l1", enters("c")),
        (20.1, "p", leaves("x")),
        (20.1, "p", enters("c")),
    ]);
    story.extend(phone(20.2, "q", "202", "l2"));
    story.extend([
        (22.0, "l1", leaves("c")),
        (22.0, "l1", enters("x")),
        (22.0, "p", transfers(TransferKind::Attended, "202")),
        (22.001, "p", leaves("c")),
    ]);
    story.extend([
        (25.0, "q", Fact::Up),
        (25.0, "q", enters("d")),
        (25.0, "l2", enters("d")),
    ]);
    story.push((25.0, "p", ends(Cause::Normal)));
    story.extend([(40.0, "t", leaves("x")), (40.0, "t", ends(Cause::Normal))]);
    for leg in ["l1", "l2", "q"] {
        story.push((40.001, leg, ends(Cause::Normal)));
    }
    let call = call(&story);
    assert_eq!(passings(&call), [(TransferKind::Blind, "201", "202", 25.0)]);
    assert_eq!(
        call.hold_ms,
        Some(2_000),
        "music until the transfer, then ringing"
    );
}

/// By a second call of the phone, which has a key of its own until the transfer joins the two.
fn attended_by_second_call() -> Facts {
    let first = answered();
    let mut second: Vec<Line> = vec![
        (20.0, "", parties(Direction::Internal)),
        (20.0, "p2", is(person("201"))),
        (20.0, "p2", dialled("")),
    ];
    second.extend(phone(20.1, "q", "202", "p2"));
    second.extend(meet(22.0, "y", "q", "p2"));
    second.extend([
        (26.0, "p2", leaves("y")),
        (26.003, "p2", ends(Cause::Normal)),
        (26.003, "", over()),
    ]);
    let end = [
        (26.0, "t", leaves("x")),
        (26.0, "t", enters("y")),
        (26.001, "p", transfers(TransferKind::Attended, "202")),
        (
            26.001,
            "",
            Fact::SameCall {
                with: "second".into(),
            },
        ),
        (26.002, "p", leaves("x")),
        (26.002, "p", ends(Cause::Normal)),
    ];
    let mut facts = facts_under("first", &first);
    facts.unite(facts_under("second", &second));
    facts.unite(facts_under("first", &end));
    facts
}

#[test]
fn an_attended_transfer_joins_two_calls_into_one() {
    let mut facts = attended_by_second_call();
    let live = derive(&facts);
    assert_eq!(
        live.phase,
        Phase::Talking,
        "the key given up is over, the call is not"
    );
    assert_eq!(live.talking, [ext("202")]);
    assert_eq!(live.direction, Some(IN));
    facts.extend(
        part(50.0, "y", "t", "q")
            .into_iter()
            .map(|(at, leg, fact)| -> CallEvent { event("first", at, leg, fact) }),
    );
    let call = derive(&facts);
    assert_eq!(call.result, Some(CallResult::Answered));
    assert_eq!(
        passings(&call),
        [(TransferKind::Attended, "201", "202", 26.0)]
    );
    assert_eq!(
        spans(&call),
        [Some(6.0), Some(5.0), Some(44.001), Some(0.0)]
    );
    assert_eq!(call.answered_by, Some(ext("201")));
    assert_eq!(call.ended_at, Some(moment(50.001)));
}

#[test]
fn hold_counts_only_when_ours_and_only_once() {
    let mut story = answered();
    story.extend([
        (10.0, "p", Fact::Holds),
        (11.0, "p", Fact::Holds),
        (13.0, "p", Fact::Resumes),
        (14.0, "p", Fact::Resumes),
        (20.0, "t", Fact::Holds),
        (25.0, "t", Fact::Resumes),
        (30.0, "p", Fact::Holds),
    ]);
    let on_hold = call(&story);
    assert_eq!(
        (on_hold.phase, &on_hold.talking[..]),
        (Phase::Talking, &[ext("201")][..])
    );
    story.extend(part(36.0, "x", "t", "p"));
    let call = call(&story);
    assert_eq!(call.hold_ms, Some(9_001));
    assert_eq!(call.talk_ms, Some(30_001 - 9_001));
}

#[test]
fn a_colleague_picks_up_a_ringing_phone() {
    let mut story = with(comes_in(), &phone(0.0, "p", "201", "t"));
    story.extend([(2.0, "q", is(person("202"))), (2.0, "q", Fact::Up)]);
    story.push((2.1, "p", ends(Cause::Normal)));
    story.extend(meet(2.101, "x", "q", "t"));
    story.extend(part(9.0, "x", "t", "q"));
    let call = call(&story);
    assert_eq!(call.answered_by, Some(ext("202")));
    assert_eq!(call.direction, Some(IN));
    assert_eq!(leg(&call, "p").result, Some(LegResult::AnsweredElsewhere));
    assert_eq!(call.transfers, []);
}

#[test]
fn outgoing_calls_ring_at_the_client() {
    let mut story = vec![
        (0.0, "p", is(person("201"))),
        (0.1, "t", is(client())),
        (0.1, "t", dialled("p")),
        (1.0, "t", rings()),
    ];
    let ringing = call(&story);
    assert_eq!(
        (ringing.direction, ringing.phase),
        (Some(OUT), Phase::Ringing)
    );
    assert!(ringing.ringing.is_empty(), "no phone of ours rings");
    let given_up = call(&with(
        story.clone(),
        &[
            (9.0, "t", ends(Cause::Cancelled)),
            (9.0, "p", ends(Cause::Normal)),
        ],
    ));
    assert_eq!(given_up.result, Some(CallResult::Abandoned));
    assert_eq!(given_up.hangup_by, Some(Side::Employee));
    let busy = call(&with(
        story.clone(),
        &[(9.0, "t", ends(Cause::Busy)), (9.0, "p", ends(Cause::Busy))],
    ));
    assert_eq!(busy.result, Some(CallResult::Busy));
    story.extend(meet(8.0, "x", "t", "p"));
    story.extend(part(20.0, "x", "p", "t"));
    let call = call(&story);
    assert_eq!(call.answered_by, Some(ext("201")));
    assert_eq!(call.client, Some(number(CLIENT)));
    assert_eq!(
        spans(&call),
        [Some(8.0), Some(7.0), Some(12.001), Some(0.0)]
    );
    assert_eq!(call.hangup_by, Some(Side::Employee));
}

#[test]
fn a_click_to_call_that_the_pbx_could_not_make_is_a_failed_call() {
    let command = Fact::CommandSent {
        command: "7".into(),
        what: "click_to_call".into(),
        extension: Some(ext("201")),
        client: Some(number(CLIENT)),
    };
    let refused = Fact::CommandResult {
        command: "7".into(),
        ok: false,
        detail: "0".into(),
    };
    let sent = call(&[(0.0, "", command.clone())]);
    assert_eq!((sent.direction, sent.ended), (Some(OUT), None));
    let failed = call(&[(0.0, "", command), (1.0, "", refused)]);
    assert_eq!(failed.result, Some(CallResult::Failed));
    assert_eq!(
        (failed.direction, failed.client),
        (Some(OUT), Some(number(CLIENT)))
    );
    assert_eq!(
        (failed.ended_at, failed.hangup_by),
        (Some(moment(1.0)), Some(Side::Pbx))
    );
}

#[test]
fn a_click_to_call_goes_out_and_is_answered_by_the_client() {
    let command = Fact::CommandSent {
        command: "7".into(),
        what: "click_to_call".into(),
        extension: Some(ext("201")),
        client: Some(number(CLIENT)),
    };
    let mut story = vec![
        (-1.0, "", command),
        (
            0.0,
            "p",
            Fact::Leg {
                party: person("201"),
                with: None,
                initiator: true,
            },
        ),
        (0.0, "p", dialled("")),
        (0.0, "p", rings()),
    ];
    let ringing = call(&story);
    assert_eq!(
        ringing.client,
        Some(number(CLIENT)),
        "known before the client is called"
    );
    assert_eq!(
        (ringing.direction, &ringing.ringing[..]),
        (Some(OUT), &[ext("201")][..])
    );
    let never_taken = call(&with(story.clone(), &[(20.0, "p", ends(Cause::NoAnswer))]));
    assert_eq!(never_taken.result, Some(CallResult::Abandoned));
    story.extend([
        (3.0, "p", Fact::Up),
        (3.1, "t", is(client())),
        (3.1, "t", dialled("p")),
        (4.0, "t", rings()),
    ]);
    assert_eq!(
        call(&story).result,
        None,
        "the employee's own leg is no answer"
    );
    story.extend(meet(9.0, "x", "t", "p"));
    story.extend(part(30.0, "x", "t", "p"));
    let call = call(&story);
    assert_eq!(call.answered_by, Some(ext("201")));
    assert_eq!(
        spans(&call),
        [Some(9.0), Some(5.0), Some(21.001), Some(0.0)]
    );
    assert!(call.legs[0].initiator);
    assert_eq!(
        call.legs[0].answered_at,
        Some(moment(3.0)),
        "picked up, before the client was called"
    );
}

#[test]
fn colleagues_among_themselves() {
    let mut story = vec![(0.0, "p", is(person("201")))];
    story.extend(phone(0.1, "q", "202", "p"));
    assert_eq!(call(&story).direction, Some(Direction::Internal));
    let unanswered = with(
        story.clone(),
        &[
            (9.0, "q", ends(Cause::NoAnswer)),
            (9.0, "p", ends(Cause::Normal)),
        ],
    );
    assert_eq!(call(&unanswered).result, Some(CallResult::Missed));
    story.extend(meet(5.0, "x", "q", "p"));
    story.extend(part(9.0, "x", "p", "q"));
    let call = call(&story);
    assert_eq!(call.result, Some(CallResult::Answered));
    assert_eq!(call.answered_by, Some(ext("202")));
    assert_eq!(spans(&call), [Some(5.0), Some(4.9), Some(4.001), Some(0.0)]);
}

#[test]
fn two_who_talk_with_the_client_at_once_and_leave_together_passed_nothing_on() {
    let mut story = answered();
    story.extend([(10.0, "q", is(person("202"))), (10.0, "q", enters("x"))]);
    assert_eq!(call(&story).talking, [ext("201"), ext("202")]);
    story.extend(part(30.0, "x", "t", "p"));
    story.push((30.002, "q", ends(Cause::Normal)));
    let call = call(&story);
    assert_eq!(call.transfers, []);
    assert_eq!(call.answered_by, Some(ext("201")));
}

#[test]
fn a_bridge_with_an_unknown_leg_is_a_talk_with_somebody() {
    let mut story = comes_in();
    story.extend([(0.1, "p", dialled("t")), (0.1, "p", rings())]);
    assert!(
        call(&story).ringing.is_empty(),
        "nobody knows whose phone it is"
    );
    story.extend(meet(4.0, "x", "p", "t"));
    let call = call(&story);
    assert_eq!(
        (call.result, call.answered_by),
        (Some(CallResult::Answered), None)
    );
}

#[test]
fn a_call_read_from_a_list_of_live_channels_has_unknown_times_until_the_log_tells_them() {
    let mut facts = Facts::new();
    let named = |(at, leg, fact): Line| {
        let mut event = event("call-1", at, leg, fact);
        event.id = format!("{leg}/{:?}", event.fact).into();
        event
    };
    for line in answered() {
        let mut seen = named(line);
        (seen.at, seen.clock) = (moment(60.0), Clock::NoLaterThan);
        facts.insert(seen);
    }
    let listed = derive(&facts);
    assert_eq!(
        (listed.phase, listed.answered_by),
        (Phase::Talking, Some(ext("201")))
    );
    assert_eq!(listed.result, Some(CallResult::Answered));
    assert_eq!((listed.answered_at, listed.wait_ms), (None, None));
    facts.extend(answered().into_iter().map(named));
    facts.extend(part(90.0, "x", "t", "p").into_iter().map(named));
    let logged = derive(&facts);
    assert_eq!(
        spans(&logged),
        [Some(6.0), Some(5.0), Some(84.001), Some(0.0)]
    );
}

#[test]
fn a_call_that_the_pbx_knows_no_longer_has_an_unknown_end_until_the_log_tells_it() {
    let bound = |at: f64, leg: &'static str, fact: Fact| CallEvent {
        clock: Clock::NoLaterThan,
        id: format!("{leg}/ends").into(),
        ..event("call-1", at, leg, fact)
    };
    let mut facts = facts(&answered());
    for leg in ["t", "p"] {
        facts.insert(bound(90.0, leg, ends(Cause::Unknown)));
    }
    let gone = derive(&facts);
    assert_eq!(
        (gone.phase, gone.ended, gone.ended_at),
        (Phase::Ended, Some(Ended::Unknown), None)
    );
    assert_eq!(
        (gone.result, gone.talk_ms),
        (Some(CallResult::Answered), None)
    );
    assert!(
        gone.legs
            .iter()
            .all(|leg| leg.ended_at.is_none() && leg.result.is_some())
    );
    for (at, leg) in [(36.0, "t"), (36.001, "p")] {
        facts.insert(CallEvent {
            clock: Clock::Exact,
            ..bound(at, leg, ends(Cause::Normal))
        });
    }
    let logged = derive(&facts);
    assert_eq!(
        (logged.ended, logged.ended_at),
        (Some(Ended::HungUp), Some(moment(36.001)))
    );
    assert_eq!(logged.talk_ms, Some(30_001));
}

#[test]
fn left_over_halves_do_not_keep_a_call_alive_that_the_pbx_says_is_over() {
    let mut story = with(answered(), &part(36.0, "x", "t", "p"));
    story.extend([(1.0, "l1", is(Party::Glue)), (1.0, "l1", tied("l2"))]);
    assert_eq!(call(&story).phase, Phase::Waiting);
    let mut facts = facts(&story);
    facts.insert(event("t", 36.5, "", over()));
    facts.insert(event(
        "t",
        36.5,
        "",
        Fact::SameCall {
            with: "call-1".into(),
        },
    ));
    assert_eq!(derive(&facts).phase, Phase::Ended);
}

#[test]
fn with_a_lost_hangup_the_last_word_closes_the_legs_of_its_key() {
    let mut story = with(answered(), &part(36.0, "x", "t", "p"));
    story.remove(11);
    assert_eq!(
        call(&story).phase,
        Phase::Waiting,
        "201's channel is still there for all we know"
    );
    story.push((36.002, "", over()));
    let call = call(&story);
    assert_eq!(call.phase, Phase::Ended);
    assert_eq!(call.ended_at, Some(moment(36.002)));
}
