//! Event PBXes: one leg is one attempt, the provider says who talks to whom.

use crate::{
    model::{
        call::{Call, CallResult, Ended, LegResult, Phase},
        event::{CallEvent, Cause, Clock, Direction, Fact, Party, Side, Summary, TransferKind},
        phone::Number,
    },
    tracker::{derive, story::*},
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

/// 201 rings at 0 and answers at 5.
fn answered_by_201() -> Vec<Line> {
    vec![
        (0.0, "", parties(IN)),
        (0.0, "201", between(person("201"), client())),
        (0.0, "201", rings()),
        (5.0, "201", talks(client())),
    ]
}

fn with(mut story: Vec<Line>, more: &[Line]) -> Vec<Line> {
    story.extend_from_slice(more);
    story
}

fn summed_up(direction: Direction, answered: Option<f64>, ended: f64) -> Fact {
    summed(summary(direction, 0.0, answered, ended))
}

fn missed_by(cause: Cause, ended: f64) -> Fact {
    summed(Summary {
        cause: Some(cause),
        ..summary(IN, 0.0, None, ended)
    })
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
    assert_eq!(spans(&call), [Some(9.0), Some(8.0), Some(90.0), Some(0.0)]);
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
        (talking.phase, &talking.talking),
        (Phase::Talking, &vec![ext("201")])
    );
    assert!(talking.ringing.is_empty());
    assert_eq!(talking.result, Some(CallResult::Answered));
    assert_eq!(spans(&talking), [Some(9.0), Some(8.0), None, None]);
    let over = after(8);
    assert_eq!(over.phase, Phase::Ended, "the client is gone");
    assert_eq!(over.talk_ms, Some(90_000));
}

#[test]
fn missed_or_abandoned_is_a_matter_of_five_seconds_of_ringing() {
    let rung_until = |ended: f64| {
        call(&[
            (0.0, "", parties(IN)),
            (0.0, "q", between(Party::Queue("sales".into()), client())),
            (10.0, "201", between(person("201"), client())),
            (10.0, "201", rings()),
            (ended, "q", hangs_up(Side::Client)),
            (ended, "", missed_by(Cause::Cancelled, ended)),
        ])
    };
    let missed = rung_until(15.0);
    assert_eq!(missed.result, Some(CallResult::Missed));
    assert_eq!(
        spans(&missed),
        [Some(15.0), Some(5.0), Some(0.0), Some(0.0)]
    );
    assert_eq!(missed.hangup_by, Some(Side::Client));
    assert_eq!(missed.answered_by, None);
    let abandoned = rung_until(14.999);
    assert_eq!(abandoned.result, Some(CallResult::Abandoned));
}

#[test]
fn a_group_missed_by_all_is_one_missed_call_with_a_leg_for_each() {
    let call = call(&[
        (0.0, "", parties(IN)),
        (0.0, "201", between(person("201"), client())),
        (0.0, "201", rings()),
        (20.0, "201", ends(Cause::NoAnswer)),
        (20.0, "202", between(person("202"), client())),
        (20.0, "202", rings()),
        (38.0, "", missed_by(Cause::NoAnswer, 38.0)),
    ]);
    assert_eq!(call.result, Some(CallResult::Missed));
    assert_eq!(spans(&call), [Some(38.0), Some(38.0), Some(0.0), Some(0.0)]);
    assert_eq!(
        call.legs[0].result,
        Some(LegResult::Failed(Cause::NoAnswer))
    );
    assert_eq!(
        call.legs[1].ended_at,
        Some(moment(38.0)),
        "its end was not told"
    );
    assert!(call.ringing.is_empty());
}

#[test]
fn results_of_calls_that_reached_nobody() {
    let result = |lines: &[Line]| call(&with(vec![(0.0, "", parties(IN))], lines)).result;
    let menu = || (0.0, "m", between(Party::Menu, client()));
    let queue = || (0.0, "q", between(Party::Queue("sales".into()), client()));
    let over = |cause| (30.0, "", missed_by(cause, 30.0));
    let person_leg = |cause| {
        [
            (1.0, "201", between(person("201"), client())),
            (2.0, "201", ends(cause)),
        ]
    };
    let cases: &[(&[Line], CallResult)] = &[
        (&[menu(), over(Cause::Cancelled)], CallResult::IvrOnly),
        (&[queue(), over(Cause::Cancelled)], CallResult::Abandoned),
        (
            &[menu(), queue(), over(Cause::Cancelled)],
            CallResult::Abandoned,
        ),
        (&[menu(), over(Cause::AfterHours)], CallResult::AfterHours),
        (&[menu(), over(Cause::Blocked)], CallResult::Blocked),
        (
            &[
                (3.0, "v", between(Party::Voicemail, client())),
                over(Cause::Normal),
            ],
            CallResult::Voicemail,
        ),
        (&[over(Cause::NoRoute)], CallResult::NoRoute),
        (&[over(Cause::Busy)], CallResult::Busy),
        (&[over(Cause::Failed)], CallResult::Failed),
        (&[over(Cause::Cancelled)], CallResult::Missed),
        (
            &with(person_leg(Cause::Busy).to_vec(), &[over(Cause::Normal)]),
            CallResult::Busy,
        ),
        (
            &with(person_leg(Cause::Rejected).to_vec(), &[over(Cause::Normal)]),
            CallResult::Rejected,
        ),
        (
            &with(
                person_leg(Cause::Unreachable).to_vec(),
                &[over(Cause::Normal)],
            ),
            CallResult::Failed,
        ),
        (
            &with(person_leg(Cause::NoAnswer).to_vec(), &[over(Cause::Normal)]),
            CallResult::Missed,
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(result(lines), Some(*expected), "{lines:?}");
    }
}

#[test]
fn voicemail_after_ringing_is_voicemail() {
    let call = call(&[
        (0.0, "", parties(IN)),
        (0.0, "201", between(person("201"), client())),
        (0.0, "201", rings()),
        (20.0, "201", ends(Cause::NoAnswer)),
        (20.0, "v", between(Party::Voicemail, client())),
        (20.0, "v", Fact::Up),
        (40.0, "", missed_by(Cause::Normal, 40.0)),
    ]);
    assert_eq!(call.result, Some(CallResult::Voicemail));
    assert_eq!(spans(&call), [Some(40.0), Some(40.0), Some(0.0), Some(0.0)]);
}

#[test]
fn refused_by_the_only_phone_is_rejected_but_by_one_of_two_is_missed() {
    let refused = [
        (0.0, "", parties(IN)),
        (0.0, "201", between(person("201"), client())),
        (0.0, "201", rings()),
        (8.0, "201", ends(Cause::Rejected)),
    ];
    let alone = with(
        refused.to_vec(),
        &[(8.0, "", missed_by(Cause::Rejected, 8.0))],
    );
    assert_eq!(call(&alone).result, Some(CallResult::Rejected));
    let another = with(
        refused.to_vec(),
        &[
            (8.0, "202", between(person("202"), client())),
            (8.0, "202", rings()),
            (30.0, "202", ends(Cause::NoAnswer)),
            (30.0, "", missed_by(Cause::NoAnswer, 30.0)),
        ],
    );
    assert_eq!(call(&another).result, Some(CallResult::Missed));
}

#[test]
fn the_employees_own_leg_of_a_click_to_call_is_no_answer() {
    let story = [
        (0.0, "a", initiator(person("201"))),
        (0.0, "a", rings()),
        (4.0, "a", Fact::Up),
        (4.0, "a", ends(Cause::Normal)),
        (4.0, "b", between(client(), person("201"))),
        (4.0, "b", rings()),
        (16.0, "b", talks(person("201"))),
        (76.0, "b", hangs_up(Side::Client)),
        (76.0, "", summed_up(OUT, Some(16.0), 76.0)),
    ];
    let half = call(&story[..3]);
    assert_eq!(
        (half.direction, half.result, half.answered_at),
        (Some(OUT), None, None)
    );
    assert_eq!(call(&story[..2]).ringing, [ext("201")]);
    assert_eq!(call(&story[..6]).phase, Phase::Ringing);
    let whole = call(&story);
    assert_eq!(whole.result, Some(CallResult::Answered));
    assert_eq!(whole.answered_by, Some(ext("201")));
    assert_eq!(
        spans(&whole),
        [Some(16.0), Some(12.0), Some(60.0), Some(0.0)]
    );
    assert_eq!(whole.rang_at, Some(moment(4.0)));
    assert_eq!(
        call(&story[..8]).answered_by,
        Some(ext("201")),
        "without the summary, too"
    );
}

#[test]
fn a_click_to_call_that_the_employee_never_takes_is_abandoned() {
    let call = call(&[
        (0.0, "a", initiator(person("201"))),
        (0.0, "a", rings()),
        (30.0, "a", ends(Cause::NoAnswer)),
        (30.0, "", Fact::Over { by: None }),
    ]);
    assert_eq!(
        (call.direction, call.result),
        (Some(OUT), Some(CallResult::Abandoned))
    );
}

#[test]
fn results_of_outgoing_calls() {
    let result = |ended: Fact| {
        call(&[
            (0.0, "", parties(OUT)),
            (0.0, "b", between(client(), person("201"))),
            (2.0, "b", rings()),
            (22.0, "b", ended),
            (22.0, "", over()),
        ])
        .result
    };
    assert_eq!(result(ends(Cause::Busy)), Some(CallResult::Busy));
    assert_eq!(result(ends(Cause::Rejected)), Some(CallResult::Rejected));
    assert_eq!(result(ends(Cause::NoRoute)), Some(CallResult::NoRoute));
    assert_eq!(result(ends(Cause::Failed)), Some(CallResult::Failed));
    assert_eq!(result(ends(Cause::NoAnswer)), Some(CallResult::Missed));
    assert_eq!(result(ends(Cause::Normal)), Some(CallResult::Missed));
    assert_eq!(result(ends(Cause::Cancelled)), Some(CallResult::Abandoned));
    assert_eq!(
        result(hangs_up(Side::Employee)),
        Some(CallResult::Abandoned)
    );
}

/// 201 talks, holds, consults 202 and leaves; one leg is 201's, the other 202's.
fn attended_transfer() -> Vec<Line> {
    with(
        answered_by_201(),
        &[
            (40.0, "201", Fact::Holds),
            (41.0, "202", between(person("202"), person("201"))),
            (41.0, "202", rings()),
            (45.0, "202", talks(person("201"))),
            (55.0, "202", talks(client())),
            (55.0, "201", hangs_up(Side::Employee)),
            (107.0, "202", hangs_up(Side::Client)),
            (
                107.0,
                "",
                summed(Summary {
                    extension: Some(ext("201")),
                    ..summary(IN, 0.0, Some(5.0), 107.0)
                }),
            ),
        ],
    )
}

#[test]
fn an_attended_transfer_holds_the_client_until_the_colleague_talks_to_them() {
    let story = attended_transfer();
    let whole = call(&story);
    assert_eq!(whole.result, Some(CallResult::Answered));
    assert_eq!(whole.answered_by, Some(ext("201")));
    assert_eq!(
        spans(&whole),
        [Some(5.0), Some(5.0), Some(87.0), Some(15.0)]
    );
    assert_eq!(
        passings(&whole),
        [(TransferKind::Attended, "201", "202", 55.0)]
    );
    assert_eq!(whole.hangup_by, Some(Side::Client));
    let consulting = call(&story[..8]);
    assert_eq!(
        consulting.talking,
        [ext("201")],
        "202 does not talk with the client yet"
    );
    assert_eq!(consulting.transfers, []);
    assert_eq!(call(&story[..10]).talking, [ext("202")]);
}

#[test]
fn a_lost_answer_shows_in_the_hold_that_follows_it() {
    let mut story = attended_transfer();
    story.remove(3);
    let call = call(&story);
    assert_eq!(call.answered_by, Some(ext("201")));
    assert_eq!(call.answered_at, Some(moment(5.0)), "the summary says when");
    assert_eq!(
        passings(&call),
        [(TransferKind::Attended, "201", "202", 55.0)]
    );
    assert_eq!(spans(&call), [Some(5.0), Some(5.0), Some(87.0), Some(15.0)]);
}

#[test]
fn who_consults_keeps_the_client_waiting_even_if_no_hold_was_told() {
    let mut story = attended_transfer();
    story.remove(4);
    let call = call(&story);
    assert_eq!(spans(&call), [Some(5.0), Some(5.0), Some(92.0), Some(10.0)]);
    assert_eq!(
        passings(&call),
        [(TransferKind::Attended, "201", "202", 55.0)]
    );
}

#[test]
fn the_one_who_was_asked_has_the_client_when_the_other_is_gone() {
    let mut story = attended_transfer();
    // The word that 202 talks with the client is lost; a later one names the client for that leg.
    story[8] = (107.0, "202", between(person("202"), client()));
    let call = call(&story);
    assert_eq!(
        passings(&call),
        [(TransferKind::Attended, "201", "202", 55.0)]
    );
    assert_eq!(spans(&call), [Some(5.0), Some(5.0), Some(87.0), Some(15.0)]);
}

#[test]
fn who_passed_the_client_on_had_them() {
    let story = [
        (0.0, "", parties(IN)),
        (0.0, "201", between(person("201"), client())),
        (0.0, "201", rings()),
        (40.0, "202", between(person("202"), client())),
        (40.0, "202", rings()),
        (40.0, "202", transferred_from("201")),
        (41.0, "201", ends(Cause::Normal)),
        (47.0, "202", talks(client())),
        (107.0, "", over()),
    ];
    let call = call(&story);
    assert_eq!(call.answered_by, Some(ext("201")));
    assert_eq!(
        (call.answered_at, call.wait_ms),
        (None, None),
        "nobody told when"
    );
    assert_eq!(passings(&call), [(TransferKind::Blind, "201", "202", 47.0)]);
}

#[test]
fn a_phone_that_rang_out_rang_before_the_one_that_was_told() {
    let call = call(&[
        (0.0, "", parties(IN)),
        (20.0, "201", between(person("201"), client())),
        (20.0, "201", ends(Cause::NoAnswer)),
        (20.0, "202", between(person("202"), client())),
        (20.0, "202", rings()),
        (38.0, "", missed_by(Cause::NoAnswer, 38.0)),
    ]);
    assert_eq!(call.result, Some(CallResult::Missed));
    assert_eq!((call.rang_at, call.ring_ms), (None, None));
}

#[test]
fn a_blind_transfer_told_by_the_new_leg() {
    let story = with(
        answered_by_201(),
        &[
            (40.0, "202", between(person("202"), client())),
            (40.0, "202", rings()),
            (40.0, "202", transferred_from("201")),
            (41.0, "201", ends(Cause::Normal)),
            (47.0, "202", talks(client())),
            (
                107.0,
                "",
                summed(Summary {
                    extension: Some(ext("202")),
                    ..summary(IN, 0.0, Some(5.0), 107.0)
                }),
            ),
        ],
    );
    let whole = call(&story);
    assert_eq!(whole.answered_by, Some(ext("201")));
    assert_eq!(
        passings(&whole),
        [(TransferKind::Blind, "201", "202", 47.0)]
    );
    assert_eq!(
        spans(&whole),
        [Some(5.0), Some(5.0), Some(102.0), Some(0.0)]
    );

    let mut end_of_201_lost = story.clone();
    end_of_201_lost.remove(7);
    let call_without = call(&end_of_201_lost);
    assert_eq!(
        passings(&call_without),
        [(TransferKind::Blind, "201", "202", 47.0)]
    );
    assert_eq!(call(&end_of_201_lost[..8]).talking, [ext("202")]);

    let mut never_answered = story;
    never_answered.remove(8);
    let call_without = call(&never_answered);
    assert_eq!(
        passings(&call_without),
        [(TransferKind::Blind, "201", "202", 40.0)]
    );
}

#[test]
fn an_answerer_is_never_invented_from_the_last_talker() {
    let mut story = with(
        answered_by_201(),
        &[
            (40.0, "202", between(person("202"), client())),
            (40.0, "202", rings()),
            (47.0, "202", talks(client())),
            (
                107.0,
                "",
                summed(Summary {
                    extension: Some(ext("202")),
                    ..summary(IN, 0.0, Some(5.0), 107.0)
                }),
            ),
        ],
    );
    story.remove(3);
    let call = call(&story);
    assert_eq!(call.result, Some(CallResult::Answered));
    assert_eq!(call.answered_at, Some(moment(5.0)));
    assert_eq!(call.answered_by, None, "201 or 202: nobody has told");
}

#[test]
fn a_repeated_ring_is_one_and_a_later_one_is_another() {
    let ring = |at: f64| (at, "201", rings());
    let who = (0.0, "201", between(person("201"), client()));
    let twice = call(&[(0.0, "", parties(IN)), who.clone(), ring(0.0), ring(1.0)]);
    assert_eq!(twice.legs.len(), 1);
    assert_eq!(twice.rang_at, Some(moment(0.0)));

    let repeated_late = call(&[
        (0.0, "", parties(IN)),
        who.clone(),
        ring(0.0),
        (0.5, "201", ends(Cause::Busy)),
        ring(1.0),
    ]);
    assert_eq!(repeated_late.legs.len(), 1);
    assert!(repeated_late.ringing.is_empty());

    let again = call(&[
        (0.0, "", parties(IN)),
        who,
        ring(0.0),
        (20.0, "201", ends(Cause::NoAnswer)),
        ring(25.0),
    ]);
    assert_eq!(again.legs.len(), 2);
    assert_eq!(again.ringing, [ext("201")]);
    assert_eq!(again.rang_at, Some(moment(0.0)));
}

#[test]
fn phones_stop_ringing_when_another_one_is_answered() {
    let story = [
        (0.0, "", parties(IN)),
        (0.0, "201", between(person("201"), client())),
        (0.0, "201", rings()),
        (0.0, "202", between(person("202"), client())),
        (0.0, "202", rings()),
        (6.0, "202", talks(client())),
    ];
    assert_eq!(call(&story[..5]).ringing, [ext("201"), ext("202")]);
    let answered = call(&story);
    assert!(
        answered.ringing.is_empty(),
        "the end of 201's ring was lost"
    );
    assert_eq!(answered.legs[0].result, Some(LegResult::AnsweredElsewhere));
    assert_eq!(answered.answered_by, Some(ext("202")));
}

#[test]
fn impossible_times_say_nothing() {
    let target = Summary {
        extension: Some(ext("201")),
        ..summary(IN, 500.0, Some(497.0), 530.0)
    };
    let cancelled = Summary {
        cause: Some(Cause::Cancelled),
        ..target.clone()
    };
    let call_of = |summary: Summary| call(&[(530.0, "", summed(summary))]);
    let missed = call_of(cancelled);
    assert_eq!(missed.result, Some(CallResult::Missed));
    assert_eq!(spans(&missed), [Some(30.0), None, Some(0.0), Some(0.0)]);
    assert_eq!(missed.hangup_by, None);

    let answered = call_of(target.clone());
    assert_eq!(
        answered.result,
        Some(CallResult::Answered),
        "it says so, only not when"
    );
    assert_eq!(spans(&answered), [None, None, None, None]);
    assert_eq!(answered.answered_by, Some(ext("201")));

    let after_the_end = call_of(Summary {
        answered: Some(moment(600.0)),
        ..target.clone()
    });
    assert_eq!(
        (after_the_end.result, after_the_end.answered_at),
        (Some(CallResult::Answered), None)
    );

    let ends_before_it_starts = call_of(Summary {
        answered: None,
        ended: Some(moment(400.0)),
        ..target
    });
    assert_eq!(ends_before_it_starts.ended_at, Some(moment(530.0)));
    assert_eq!(ends_before_it_starts.started_at, moment(530.0));
}

#[test]
fn the_summary_beats_the_legs() {
    let story = with(
        answered_by_201(),
        &[(99.0, "", summed_up(IN, Some(7.0), 98.0))],
    );
    let answered_later = call(&story);
    assert_eq!(answered_later.answered_at, Some(moment(7.0)));
    assert_eq!(answered_later.ended_at, Some(moment(98.0)));
    assert_eq!(answered_later.answered_by, Some(ext("201")));
    let nobody = call(&with(
        answered_by_201(),
        &[(99.0, "", missed_by(Cause::NoAnswer, 98.0))],
    ));
    assert_eq!(nobody.result, Some(CallResult::Missed));
    assert_eq!((nobody.answered_at, nobody.answered_by), (None, None));
}

#[test]
fn of_two_summaries_the_one_that_says_answered_wins() {
    let call = call(&with(
        answered_by_201(),
        &[
            (60.0, "", summed_up(IN, None, 60.0)),
            (61.0, "", summed_up(IN, Some(5.0), 60.0)),
        ],
    ));
    assert_eq!(call.result, Some(CallResult::Answered));
    assert_eq!(call.answered_at, Some(moment(5.0)));
}

#[test]
fn an_answered_call_whose_end_was_lost_stays_answered() {
    let story = with(answered_by_201(), &[(14_405.0, "", Fact::Unheard)]);
    let call = call(&story);
    assert_eq!(call.result, Some(CallResult::Answered));
    assert_eq!(
        (call.phase, call.ended, call.ended_at),
        (Phase::Ended, Some(Ended::Unknown), None)
    );
    assert_eq!(spans(&call), [Some(5.0), Some(5.0), None, None]);
    assert!(call.talking.is_empty());
}

#[test]
fn an_unanswered_call_whose_end_was_lost_is_undecided() {
    let call = call(&[
        (0.0, "", parties(IN)),
        (0.0, "201", between(person("201"), client())),
        (0.0, "201", rings()),
        (14_400.0, "", Fact::Unheard),
    ]);
    assert_eq!((call.result, call.ended), (None, Some(Ended::Unknown)));
    assert_eq!(spans(&call), [None, None, None, None]);
    assert!(call.ringing.is_empty());
}

#[test]
fn a_late_word_repairs_a_call_given_up() {
    let lost = with(answered_by_201(), &[(14_405.0, "", Fact::Unheard)]);
    let repaired = call(&with(
        lost.clone(),
        &[(99.0, "", summed_up(IN, Some(5.0), 99.0))],
    ));
    assert_eq!(
        (repaired.ended, repaired.talk_ms),
        (Some(Ended::HungUp), Some(94_000))
    );
    let goes_on = call(&with(lost, &[(15_000.0, "201", Fact::Holds)]));
    assert_eq!(
        (goes_on.phase, goes_on.ended),
        (Phase::Talking, None),
        "a fact says that it lives"
    );
}

#[test]
fn a_leg_of_an_unknown_party_breaks_nothing() {
    let alone = call(&[(0.0, "x", rings())]);
    assert_eq!(
        (alone.direction, alone.result, alone.phase),
        (None, None, Phase::Waiting)
    );
    let talking = call(&[
        (0.0, "", parties(IN)),
        (0.0, "x", rings()),
        (4.0, "x", talks(client())),
        (9.0, "", over()),
    ]);
    assert_eq!(talking.result, Some(CallResult::Answered));
    assert_eq!(talking.answered_by, None);
    let in_doubt = call(&[
        (0.0, "", parties(OUT)),
        (4.0, "x", talks(person("201"))),
        (9.0, "", over()),
    ]);
    assert_eq!(
        in_doubt.result, None,
        "the client, or a colleague? nobody has told"
    );
}

#[test]
fn colleagues_among_themselves() {
    let story = [
        (0.0, "b", between(person("202"), person("201"))),
        (0.0, "b", rings()),
        (6.0, "b", talks(person("201"))),
        (30.0, "", over()),
    ];
    assert_eq!(call(&story[..2]).ringing, [ext("202")]);
    let call = call(&story);
    assert_eq!(call.direction, Some(Direction::Internal));
    assert_eq!(call.result, Some(CallResult::Answered));
    assert_eq!(call.answered_by, Some(ext("202")));
    assert_eq!(call.client, None);
    assert_eq!(spans(&call), [Some(6.0), Some(6.0), Some(24.0), Some(0.0)]);
}

#[test]
fn a_call_forwarded_to_an_outside_phone_is_answered_by_nobody_of_ours() {
    let mobile = Party::Client(number("+74950000099"));
    let call = call(&[
        (0.0, "", parties(IN)),
        (0.0, "m", between(mobile, client())),
        (0.0, "m", rings()),
        (8.0, "m", talks(client())),
        (20.0, "", over()),
    ]);
    assert_eq!(call.result, Some(CallResult::Answered));
    assert_eq!(call.answered_by, None);
    assert_eq!(
        call.client,
        Some(number(CLIENT)),
        "not the phone it was forwarded to"
    );
    assert_eq!(call.talk_ms, Some(12_000));
}

#[test]
fn a_withheld_number_stays_withheld() {
    let call = call(&[
        (
            0.0,
            "",
            Fact::Parties {
                direction: Some(IN),
                client: Some(Number::Withheld),
                client_name: Some("Anonymous".into()),
                did: Some(number(DID)),
            },
        ),
        (
            1.0,
            "m",
            between(
                Party::Client(number("+74950000099")),
                Party::Client(Number::Withheld),
            ),
        ),
    ]);
    assert_eq!(call.client, Some(Number::Withheld));
    assert_eq!(call.client_name.as_deref(), Some("Anonymous"));
}

#[test]
fn who_was_not_put_through_is_blocked_however_the_call_ended() {
    let told = |reason: &str| {
        (
            -1.0,
            "",
            Fact::RouteAnswered {
                targets: Vec::new(),
                ring_ms: 0,
                attempt: 1,
                reason: reason.into(),
            },
        )
    };
    let menu = (0.0, "m", between(Party::Menu, client()));
    let over = (30.0, "", missed_by(Cause::Busy, 30.0));
    let turned_away = call(&[menu.clone(), over.clone(), told("blocked")]);
    assert_eq!(turned_away.result, Some(CallResult::Blocked));
    assert!(!turned_away.wants_call_back());
    let other = call(&[menu, over, told("nobody_left")]);
    assert_ne!(other.result, Some(CallResult::Blocked));
    // Whoever talked with the client all the same has answered.
    let answered = call(&with(answered_by_201(), &[told("blocked")]));
    assert_eq!(answered.result, Some(CallResult::Answered));
}

#[test]
fn what_is_told_around_the_call_does_not_move_its_start() {
    let call = call(&with(
        answered_by_201(),
        &[
            (
                -20.0,
                "",
                Fact::Tracking {
                    fields: vec![("utm_source".into(), "late".into())],
                },
            ),
            (
                -60.0,
                "",
                Fact::Tracking {
                    fields: vec![("utm_source".into(), "first".into())],
                },
            ),
            (
                -1.0,
                "",
                Fact::RouteAnswered {
                    targets: vec![ext("201")],
                    ring_ms: 10_000,
                    attempt: 1,
                    reason: "owner".into(),
                },
            ),
            (6.0, "", Fact::Digits { digits: "1".into() }),
            (
                7.0,
                "",
                Fact::Digits {
                    digits: "23".into(),
                },
            ),
        ],
    ));
    assert_eq!(call.started_at, moment(0.0));
    assert_eq!(call.digits, "123");
    assert_eq!(call.route_reason.as_deref(), Some("owner"));
    assert_eq!(
        call.tracking,
        [("utm_source".to_owned(), "first".to_owned())]
    );
    assert_eq!(call.heard_at, moment(7.0));
}

#[test]
fn recordings_go_as_far_as_any_word_of_them() {
    use crate::model::event::{RecordingSource, RecordingStage};
    let news = |at: f64, stage, link: Option<&str>| -> Line {
        let source = link.map(|link| RecordingSource::Link(link.into()));
        (
            at,
            "",
            Fact::Recording {
                recording: "rec-1".into(),
                stage,
                source,
            },
        )
    };
    let stage_of = |lines: &[Line]| -> (RecordingStage, bool) {
        let call: Call = call(lines);
        assert_eq!(call.recordings.len(), 1);
        (
            call.recordings[0].stage,
            call.recordings[0].source.is_some(),
        )
    };
    let started = || news(1.0, RecordingStage::Started, None);
    let ready = || {
        news(
            9.0,
            RecordingStage::Ready,
            Some("https://records.example/1"),
        )
    };
    let absent = || news(8.0, RecordingStage::Absent, None);
    assert_eq!(stage_of(&[started()]), (RecordingStage::Started, false));
    assert_eq!(
        stage_of(&[started(), ready()]),
        (RecordingStage::Ready, true)
    );
    assert_eq!(
        stage_of(&[started(), absent()]),
        (RecordingStage::Absent, false)
    );
    assert_eq!(
        stage_of(&[absent(), ready()]),
        (RecordingStage::Ready, true)
    );
}

#[test]
fn a_leg_to_the_client_is_that_of_the_employee_who_calls() {
    let out = call(&[
        (0.0, "", parties(OUT)),
        (0.0, "a", between(client(), person("201"))),
        (0.0, "a", rings()),
        (30.0, "a", ends(Cause::NoAnswer)),
        (30.0, "", summed_up(OUT, None, 30.0)),
    ]);
    let legs: Vec<_> = out.employees_legs().collect();
    assert_eq!(legs.len(), 1);
    assert_eq!(legs[0].0, &ext("201"));
    let result = LegResult::Failed(Cause::NoAnswer);
    assert_eq!(legs[0].1.result, Some(result));
    assert_eq!(out.extensions(), [&ext("201")]);
    // Who has a leg of their own is not listed twice.
    let ordered = call(&[
        (0.0, "", parties(OUT)),
        (0.0, "a", initiator(person("201"))),
        (0.0, "a", rings()),
        (3.0, "a", Fact::Up),
        (4.0, "b", between(client(), person("201"))),
        (4.0, "b", rings()),
        (34.0, "b", ends(Cause::NoAnswer)),
        (34.0, "", summed_up(OUT, None, 34.0)),
    ]);
    assert_eq!(ordered.employees_legs().count(), 1);
}

#[test]
fn a_ring_that_ends_without_a_cause_was_given_up_if_nobody_talked() {
    let missed = call(&[
        (0.0, "", parties(IN)),
        (0.0, "201", between(person("201"), client())),
        (0.0, "201", rings()),
        (9.0, "201", hangs_up(Side::Client)),
        (9.0, "", missed_by(Cause::Cancelled, 9.0)),
    ]);
    let given_up = LegResult::Failed(Cause::Cancelled);
    assert_eq!(missed.legs[0].result, Some(given_up));
}

#[test]
fn the_record_alone_tells_whose_leg_was_answered() {
    let told = |extension: &str| {
        call(&[
            (50.0, "", parties(IN)),
            (50.0, "201", between(person("201"), client())),
            (50.0, "201", ends(Cause::Normal)),
            (
                50.0,
                "",
                summed(Summary {
                    extension: Some(ext(extension)),
                    ..summary(IN, 0.0, Some(5.0), 50.0)
                }),
            ),
        ])
    };
    let leg = |call: &Call| (call.legs[0].answered_at, call.legs[0].result);
    let answered = (Some(moment(5.0)), Some(LegResult::Answered));
    assert_eq!(leg(&told("201")), answered);
    let unsaid = (None, Some(LegResult::Failed(Cause::Normal)));
    assert_eq!(leg(&told("202")), unsaid, "the record names somebody else");
}

#[test]
fn a_call_first_heard_of_when_somebody_talks_has_waited_nobody_knows_how_long() {
    let half = call(&[
        (5.0, "201", between(person("201"), client())),
        (5.0, "201", talks(client())),
        (50.0, "201", hangs_up(Side::Client)),
    ]);
    assert_eq!(half.started_at, moment(5.0));
    assert_eq!(half.wait_ms, None);
    let whole = call(&with(
        answered_by_201(),
        &[(50.0, "201", hangs_up(Side::Client))],
    ));
    assert_eq!(whole.wait_ms, Some(5_000));
}

#[test]
fn a_leg_whose_answer_was_not_told_is_not_answered_when_it_must_have_been() {
    let story = [
        (0.0, "", parties(IN)),
        (0.0, "201", between(person("201"), client())),
        (0.0, "201", rings()),
        (20.0, "201", Fact::Holds),
        (50.0, "201", ends(Cause::Normal)),
    ];
    let untold = call(&story);
    assert_eq!(untold.legs[0].answered_at, None);
    assert_eq!(untold.legs[0].result, Some(LegResult::Answered));
    let summed = with(
        story.to_vec(),
        &[(50.0, "", summed_up(IN, Some(5.0), 50.0))],
    );
    assert_eq!(call(&summed).legs[0].answered_at, Some(moment(5.0)));
}

#[test]
fn who_takes_the_client_over_has_them_alone_although_no_leg_of_the_other_ended() {
    let call = call(&[
        (0.0, "", parties(IN)),
        (0.0, "201", between(person("201"), client())),
        (0.0, "201", rings()),
        (5.0, "201", talks(client())),
        (5.0, "201", Fact::TakesOver),
        (40.0, "202", between(person("202"), client())),
        (40.0, "202", rings()),
        (46.0, "202", talks(client())),
        (46.0, "202", Fact::TakesOver),
    ]);
    assert_eq!(call.talking, ["202".into()]);
    let passed: Vec<_> = call.transfers.iter().collect();
    let [transfer] = passed.as_slice() else {
        panic!("{passed:?}");
    };
    let who = (transfer.from.as_ref(), transfer.to.as_ref(), transfer.at);
    assert_eq!(
        who,
        (Some(&"201".into()), Some(&"202".into()), moment(46.0))
    );
    assert_eq!(call.answered_by, Some("201".into()));
}

/// Some providers do not repeat, with the answer of a call that goes out, who of ours has made it.
#[test]
fn who_called_the_client_talks_with_them_though_the_answer_names_nobody() {
    let told = |with: Party| {
        call(&[
            (0.0, "", parties(OUT)),
            (0.0, "a", between(client(), person("201"))),
            (0.0, "a", rings()),
            (6.0, "a", talks(with)),
            (66.0, "", summed_up(OUT, Some(6.0), 66.0)),
        ])
    };
    let call = told(client());
    assert_eq!(call.result, Some(CallResult::Answered));
    assert_eq!(call.answered_by, Some(ext("201")));
    assert_eq!((call.wait_ms, call.talk_ms), (Some(6_000), Some(60_000)));
    // Somebody outside to whom 201 has passed the client on talks for themselves.
    let outside = Party::Client(Number::Other("77".to_owned()));
    assert_eq!(told(outside).answered_by, None);
}

/// Only the end of a call that came in was heard: how long the caller stayed nobody knows, so they have
/// been missed.
#[test]
fn a_call_of_which_only_the_end_is_known_is_missed() {
    let mut end = facts(&[(
        24.0,
        "",
        summed(Summary {
            direction: Some(IN),
            ended: Some(moment(24.0)),
            answered_known: true,
            cause: Some(Cause::Cancelled),
            ..Summary::default()
        }),
    )]);
    let begun = CallEvent {
        clock: Clock::NoLaterThan,
        ..event("call-1", 24.0, "", parties(IN))
    };
    end.insert(begun.clone());
    assert_eq!(derive(&end).result, Some(CallResult::Missed));
    end.insert(event("call-1", 22.0, "", parties(IN)));
    assert_eq!(derive(&end).result, Some(CallResult::Abandoned));
}

/// The end says that somebody answered, perhaps a mailbox: without the answer nothing is said.
#[test]
fn a_doubt_whether_somebody_talked_is_settled_by_the_answer() {
    let doubt = |more: &[Line]| {
        let begun = [
            (0.0, "", parties(IN)),
            (0.0, "201", between(person("201"), client())),
            (0.0, "201", rings()),
            (60.0, "x", talks(Party::Glue)),
            (60.0, "", Fact::Over { by: None }),
        ];
        call(&with(begun.to_vec(), more))
    };
    assert_eq!((doubt(&[]).result, doubt(&[]).legs.len()), (None, 1));
    let answered = doubt(&[(5.0, "201", talks(client()))]);
    assert_eq!(answered.result, Some(CallResult::Answered));
    assert_eq!((answered.wait_ms, answered.legs.len()), (Some(5_000), 1));
    let mailbox = doubt(&[
        (20.0, "x", between(Party::Voicemail, client())),
        (20.0, "x", Fact::Up),
    ]);
    assert_eq!(mailbox.result, Some(CallResult::Voicemail));
    assert_eq!(mailbox.legs.len(), 2);
}
