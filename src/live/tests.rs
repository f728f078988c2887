use std::{collections::HashMap, sync::Arc};

use super::{audience::Pop, *};
use crate::model::{
    call::{Call, Leg, LegResult, Phase},
    event::{Direction, Party},
    ids::{AccountName, Extension},
    people::Role,
};

const ANNA: PersonId = PersonId(1);
const BORIS: PersonId = PersonId(2);
const HELEN: PersonId = PersonId(3);
const OLGA: PersonId = PersonId(4);
const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

fn directory() -> Directory {
    let extension = |text: &str| (AccountName::from("office"), Extension::from(text));
    Directory {
        extensions: HashMap::from([(extension("201"), ANNA), (extension("202"), BORIS)]),
        people: HashMap::from([
            (ANNA, (Role::Manager, Some(1))),
            (BORIS, (Role::Manager, Some(2))),
            (HELEN, (Role::Head, Some(1))),
            (OLGA, (Role::Owner, None)),
        ]),
    }
}

fn extensions(all: &[&str]) -> Vec<Extension> {
    all.iter().map(|one| Extension::from(*one)).collect()
}

/// The call as it stands with these phones ringing and talking.
fn change(version: i64, ringing: &[&str], talking: &[&str]) -> Change {
    let call = Call {
        direction: Some(Direction::In),
        phase: Phase::Ringing,
        ringing: extensions(ringing),
        talking: extensions(talking),
        started_at: NOW,
        heard_at: NOW,
        ..Call::default()
    };
    of(version, call)
}

fn over(version: i64, answered: &[&str]) -> Change {
    let legs = answered.iter().map(|extension| Leg {
        key: (*extension).into(),
        party: Some(Party::Person(Extension::from(*extension))),
        caller: None,
        rang_at: Some(NOW),
        answered_at: Some(NOW),
        ended_at: Some(NOW),
        result: Some(LegResult::Answered),
        initiator: false,
    });
    let call = Call {
        direction: Some(Direction::In),
        phase: Phase::Ended,
        answered_at: (!answered.is_empty()).then_some(NOW),
        legs: legs.collect(),
        started_at: NOW,
        heard_at: NOW,
        ..Call::default()
    };
    of(version, call)
}

fn of(version: i64, call: Call) -> Change {
    Change {
        id: CallId(uuid::Uuid::from_u128(7)),
        account: AccountName::from("office"),
        key: "k".into(),
        version,
        call: Arc::new(call),
        card: None,
        match_reason: None,
        line: None,
        merged: Vec::new(),
        received_at: NOW,
    }
}

fn hub() -> (Arc<Hub>, mpsc::Receiver<Moment>) {
    let (hub, moments) = Hub::new(Settings::default(), NOW);
    hub.set_directory(directory());
    (hub, moments)
}

fn stages(hub: &Hub, person: PersonId) -> Vec<Stage> {
    hub.pops(person).into_iter().map(|pop| pop.stage).collect()
}

#[test]
fn only_those_who_ring_get_it() {
    let (hub, _moments) = hub();
    hub.publish(&change(1, &["201", "999"], &[]), NOW);
    assert_eq!(stages(&hub, ANNA), [Stage::Ringing]);
    for other in [BORIS, HELEN, OLGA] {
        assert!(stages(&hub, other).is_empty());
    }
}

#[test]
fn it_follows_the_call_from_phone_to_phone() {
    let (hub, _moments) = hub();
    hub.publish(&change(1, &["201"], &[]), NOW);
    // Overflow: the next one rings instead.
    hub.publish(&change(2, &["202"], &[]), NOW);
    assert!(stages(&hub, ANNA).is_empty());
    assert_eq!(stages(&hub, BORIS), [Stage::Ringing]);
    hub.publish(&change(3, &[], &["202"]), NOW);
    assert_eq!(stages(&hub, BORIS), [Stage::Talking]);
    // Passed on to the first: Boris wraps up, Anna rings and then talks.
    hub.publish(&change(4, &["201"], &[]), NOW);
    assert_eq!(stages(&hub, BORIS), [Stage::WrapUp]);
    assert_eq!(stages(&hub, ANNA), [Stage::Ringing]);
    hub.publish(&change(5, &[], &["201"]), NOW);
    hub.publish(&over(6, &["201", "202"]), NOW);
    assert_eq!(stages(&hub, ANNA), [Stage::WrapUp]);
    assert_eq!(stages(&hub, BORIS), [Stage::WrapUp]);
}

#[test]
fn answer_and_end_in_one_commit_still_lead_to_wrap_up() {
    let (hub, _moments) = hub();
    hub.publish(&change(1, &["201", "202"], &[]), NOW);
    hub.publish(&over(2, &["201"]), NOW);
    assert_eq!(stages(&hub, ANNA), [Stage::WrapUp]);
    assert!(stages(&hub, BORIS).is_empty());
}

#[test]
fn answer_and_passing_on_in_one_commit_still_lead_to_wrap_up() {
    let (hub, _moments) = hub();
    hub.publish(&change(1, &["201"], &[]), NOW);
    let passed_on = Call {
        phase: Phase::Talking,
        ended_at: None,
        talking: vec!["202".into()],
        ..(*over(2, &["201"]).call).clone()
    };
    hub.publish(&of(2, passed_on), NOW);
    assert_eq!(stages(&hub, ANNA), [Stage::WrapUp]);
    assert_eq!(stages(&hub, BORIS), [Stage::Talking]);
}

#[test]
fn a_call_whose_end_was_missed_goes_and_wrap_up_stays() {
    let (hub, mut moments) = hub();
    hub.publish(&change(1, &["201"], &[]), NOW);
    hub.retain(|_| true, NOW);
    assert_eq!(stages(&hub, ANNA), [Stage::Ringing]);
    hub.retain(|_| false, NOW);
    assert!(stages(&hub, ANNA).is_empty());
    let mut last = None;
    while let Ok(moment) = moments.try_recv() {
        last = Some(moment.what);
    }
    assert_eq!(last, Some(Happened::Withdrawn(Gone::Ended)));
    hub.publish(&change(2, &["201"], &[]), NOW);
    hub.publish(&over(3, &["201"]), NOW);
    hub.retain(|_| false, NOW);
    assert_eq!(stages(&hub, ANNA), [Stage::WrapUp]);
}

#[test]
fn a_call_first_heard_of_when_it_was_over_pops_nowhere() {
    let (hub, _moments) = hub();
    hub.publish(&over(1, &["201"]), NOW);
    assert!(stages(&hub, ANNA).is_empty());
}

#[test]
fn outgoing_and_long_silent_calls_pop_nowhere() {
    let (hub, _moments) = hub();
    let mut outgoing = Call::clone(&change(1, &["201"], &[]).call);
    outgoing.direction = Some(Direction::Out);
    hub.publish(&of(1, outgoing), NOW);
    assert!(stages(&hub, ANNA).is_empty());
    let an_hour_later = NOW.plus_millis(3_600_000);
    hub.publish(&change(2, &["201"], &[]), an_hour_later);
    assert!(stages(&hub, ANNA).is_empty());
}

#[test]
fn a_long_talk_stays_and_a_ring_without_end_does_not() {
    let (hub, _moments) = hub();
    hub.publish(&change(1, &[], &["201"]), NOW);
    let later = NOW.plus_millis(20 * 60_000);
    hub.expire(later);
    let _olga = hub.connect(OLGA, true, None, later);
    assert_eq!(stages(&hub, ANNA), [Stage::Talking]);
    let mut ringing = change(1, &["202"], &[]);
    ringing.id = CallId(uuid::Uuid::from_u128(8));
    hub.publish(&ringing, NOW);
    hub.expire(later);
    assert!(stages(&hub, BORIS).is_empty());
}

#[test]
fn a_late_copy_changes_nothing() {
    let (hub, _moments) = hub();
    hub.publish(&change(2, &[], &["201"]), NOW);
    hub.publish(&change(1, &["201", "202"], &[]), NOW);
    assert_eq!(stages(&hub, ANNA), [Stage::Talking]);
    assert!(stages(&hub, BORIS).is_empty());
}

#[test]
fn supervisors_see_their_people_while_they_watch() {
    let (hub, _moments) = hub();
    let helen = hub.connect(HELEN, true, None, NOW);
    let olga = hub.connect(OLGA, true, None, NOW);
    hub.publish(&change(1, &["202"], &[]), NOW);
    assert!(stages(&hub, HELEN).is_empty()); // Boris is of another department
    assert_eq!(stages(&hub, OLGA), [Stage::Ringing]);
    hub.publish(&change(2, &["201"], &[]), NOW);
    assert_eq!(hub.pops(HELEN)[0].reason, Reason::Supervises);
    drop(helen);
    assert!(stages(&hub, HELEN).is_empty());
    // Coming back while it rings, she sees it at once.
    let _helen = hub.connect(HELEN, true, None, NOW);
    assert_eq!(stages(&hub, HELEN), [Stage::Ringing]);
    drop(olga);
}

#[test]
fn an_owner_who_is_rung_is_no_supervisor_of_the_own_phone() {
    let mut directory = directory();
    let own = (AccountName::from("office"), Extension::from("203"));
    directory.extensions.insert(own, OLGA);
    let watchers = [directory.watcher(OLGA).unwrap()];
    let talking = HashMap::from([(
        OLGA,
        Pop {
            stage: Stage::Talking,
            reason: Reason::Rung,
            received_at: NOW,
        },
    )]);
    // She talks with one client while the same call also rings at Anna's: one view, her own.
    let both = change(2, &["201"], &["203"]);
    let after = audience::audience(&both, &talking, &directory, &watchers, NOW);
    assert_eq!(after[&OLGA].stage, Stage::Talking);
    assert_eq!(after[&OLGA].reason, Reason::Rung);
}

#[test]
fn wrap_up_ends_by_itself() {
    let (hub, _moments) = hub();
    hub.publish(&change(1, &[], &["201"]), NOW);
    hub.publish(&over(2, &["201"]), NOW);
    hub.expire(NOW.plus_millis(9 * 60_000));
    assert_eq!(stages(&hub, ANNA), [Stage::WrapUp]);
    hub.expire(NOW.plus_millis(10 * 60_000));
    assert!(stages(&hub, ANNA).is_empty());
}

#[test]
fn a_call_that_is_another_one_gives_its_pop_away() {
    let (hub, _moments) = hub();
    hub.publish(&change(1, &["201"], &[]), NOW);
    let mut winner = change(1, &["201"], &[]);
    winner.id = CallId(uuid::Uuid::from_u128(1));
    winner.merged = vec![CallId(uuid::Uuid::from_u128(7))];
    hub.publish(&winner, NOW);
    let pops = hub.pops(ANNA);
    assert_eq!(pops.len(), 1);
    assert_eq!(pops[0].call, winner.id);
}

#[tokio::test]
async fn a_page_that_fell_out_of_the_buffer_gets_everything_at_once() {
    let (hub, _moments) = Hub::new(
        Settings {
            buffer_frames: 4,
            ..Settings::default()
        },
        NOW,
    );
    hub.set_directory(directory());
    let mut page = hub.connect(ANNA, false, None, NOW);
    let first = page.next().await;
    assert_eq!(*first.frame, Frame::Sync { pops: Vec::new() });
    for version in 1..20 {
        hub.publish(&change(version, &["201"], &[]), NOW);
    }
    let sync = page.next().await;
    let Frame::Sync { pops } = &*sync.frame else {
        panic!("{sync:?}");
    };
    assert_eq!((pops.len(), pops[0].version), (1, 19));
    // From there on frame by frame again.
    hub.publish(&over(20, &[]), NOW);
    let frame = page.next().await;
    assert!(matches!(*frame.frame, Frame::Withdraw { version: 20, .. }));
    assert_eq!(frame.id.count, sync.id.count + 1);
}

#[tokio::test]
async fn what_happens_to_a_pop_is_told_once() {
    let (hub, mut moments) = hub();
    hub.publish(&change(1, &["201"], &[]), NOW);
    hub.publish(&change(2, &["201"], &[]), NOW);
    hub.publish(&over(3, &[]), NOW);
    let mut told = Vec::new();
    while let Ok(moment) = moments.try_recv() {
        told.push(moment.what);
    }
    let decided = Happened::Decided {
        reason: Reason::Rung,
        received_at: NOW,
    };
    assert_eq!(told, [decided, Happened::Withdrawn(Gone::Ended)]);
}

#[test]
fn an_id_survives_the_wire() {
    let id = FrameId {
        epoch: 1_790_000_000_000_000,
        count: 42,
    };
    assert_eq!(id.to_string().parse(), Ok(id));
    for broken in ["", "42", "x-1", "1-x", "1-"] {
        assert_eq!(broken.parse::<FrameId>(), Err(()));
    }
}
