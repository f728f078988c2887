//! Sealing, the journal's bounds, timers and several nodes.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use ringcard::{
    flow::{Flow, Replayed, timers, upkeep},
    model::{
        event::{Cause, Fact, Party},
        time::Timestamp,
    },
    pbx::{DecodeError, Decoded},
    store::{
        Db, figures, journal, raw, sealing,
        writer::{Outcome, Settings, Submission, Writer},
    },
};

use super::{
    read::{count, people, picture, run, text},
    told::{Told, event, message, moment},
};
use crate::{on_both_engines, support::base::Base};

const CLIENT: &str = "+74950000011";
const OTHER: &str = "+74950000012";
const DAY_S: i64 = 86_400;

on_both_engines!(
    a_sealed_call_says_the_same_and_a_late_fact_opens_it,
    the_journal_goes_after_its_time_but_dead_letters_stay,
    bookkeeping_goes_after_its_time_and_what_waits_stays,
    facts_that_cannot_be_read_stop_nothing_else,
    a_dead_letter_is_replayed_once_it_can_be_read,
    a_call_nobody_hears_of_is_closed,
    a_call_left_open_is_closed_after_a_restart,
    a_call_nobody_decides_becomes_a_task_until_late_word_comes,
    an_undecided_call_is_not_forgotten_over_a_restart,
    two_nodes_agree,
);

fn writer(base: &Base, node: i64) -> Writer {
    Writer::start(base.db.clone(), node, &Settings::default())
}

async fn send(writer: &Writer, messages: impl IntoIterator<Item = Submission>) {
    for message in messages {
        writer.commit(message).await.unwrap();
    }
}

async fn a_sealed_call_says_the_same_and_a_late_fact_opens_it(base: Base) {
    people(&base.db).await;
    let writer = writer(&base, 1);
    let call = Told::incoming("1", CLIENT, 0);
    send(&writer, call.answered("201")).await;
    send(
        &writer,
        [message(vec![Told::incoming("2", CLIENT, 5).parties()])],
    )
    .await;
    let before = picture(&base.db).await;
    let seal = async |before| sealing::seal(&base.db, before, 10).await.unwrap();
    assert_eq!(seal(moment(60)).await, 0, "heard of since");
    assert_eq!(seal(moment(DAY_S)).await, 1, "only the one that is over");
    assert_eq!(seal(moment(DAY_S)).await, 0);
    picture(&base.db).await.is(&before, "after sealing");
    assert_eq!(
        figures::recount(&base.db).await.unwrap(),
        figures::stored(&base.db).await.unwrap()
    );
    let checked = figures::check(&base.db, false).await.unwrap();
    assert_eq!(checked.differences, []);
    // The writer still remembers the call as it was; the version tells it to read again.
    let late = message(vec![call.ends("202", 70, Cause::NoAnswer)]);
    send(&writer, [late.clone()]).await;
    assert_eq!(writer.commit(late).await.unwrap().new_facts, 0);
    assert_eq!(
        count(&base.db, "select count(*) from call where sealed = 1").await,
        0
    );
    assert_eq!(count(&base.db, "select max(version) from call").await, 6);
    writer.close().await;
}

async fn the_journal_goes_after_its_time_but_dead_letters_stay(base: Base) {
    let writer = writer(&base, 1);
    for day in 0..10 {
        let told = Told::incoming("1", CLIENT, day * DAY_S);
        send(&writer, [message(vec![told.parties()])]).await;
        let dead = Submission {
            outcome: Outcome::Undecodable("no".to_owned()),
            events: Vec::new(),
            visits: Vec::new(),
            ..message(vec![told.parties()])
        };
        send(&writer, [dead]).await;
    }
    let gone = raw::forget(&base.db, moment(5 * DAY_S), moment(2 * DAY_S), 3)
        .await
        .unwrap();
    assert_eq!(gone, 5 + 2);
    let dead = raw::dead_letters(&base.db, i64::MAX, 100).await.unwrap();
    assert_eq!(dead.len(), 8);
    let settings = upkeep::Settings::default();
    upkeep::once(&base.db, &settings, moment(365 * DAY_S))
        .await
        .unwrap();
    assert_eq!(count(&base.db, "select count(*) from raw").await, 0);
    writer.close().await;
}

async fn bookkeeping_goes_after_its_time_and_what_waits_stays(base: Base) {
    people(&base.db).await;
    let writer = writer(&base, 1);
    send(&writer, Told::incoming("1", CLIENT, 0).missed("201")).await;
    // 250 deeds, 10 decisions and 10 jobs a day, for ten days.
    run(
        &base.db,
        "with recursive n (x) as (select 0 union all select x + 1 from n where x < 2499) \
         insert into audit (at, action, object) \
         select 1773700000000000 + (x / 250) * 86400000000, 'reveal', 'x' from n order by x",
    )
    .await;
    run(
        &base.db,
        "with recursive n (x) as (select 0 union all select x + 1 from n where x < 99) \
         insert into decision (at, account, key, attempt, targets, ring_ms, reason, explain, took_us) \
         select 1773700000000000 + (x / 10) * 86400000000, 'office', \
         case when x % 2 = 0 then '1' end, 1, '[]', 0, 'owner', '[]', 1 from n order by x",
    )
    .await;
    run(
        &base.db,
        "with recursive n (x) as (select 0 union all select x + 1 from n where x < 99) \
         insert into outbox (kind, target, lane, body, created_at, due_at, state) \
         select 'x', 'x', 'x', '', 1773700000000000 + (x / 10) * 86400000000, 0, \
         case x % 3 when 0 then 'waiting' when 1 then 'done' else 'failed' end from n order by x",
    )
    .await;
    let settings = upkeep::Settings {
        audit_days: 4,
        finished_job_days: 4,
        loose_decision_days: 4,
        ..Default::default()
    };
    let now = moment(9 * DAY_S);
    let counts = async || {
        [
            count(&base.db, "select count(*) from audit").await,
            count(
                &base.db,
                "select count(*) from outbox where state = 'waiting'",
            )
            .await,
            count(
                &base.db,
                "select count(*) from outbox where state <> 'waiting'",
            )
            .await,
            count(
                &base.db,
                "select count(*) from decision where key is not null",
            )
            .await,
            count(&base.db, "select count(*) from decision where key is null").await,
        ]
    };
    assert_eq!(counts().await, [2_500, 34, 66, 50, 50]);
    upkeep::once(&base.db, &settings, now).await.unwrap();
    upkeep::daily(&base.db, &settings, now).await.unwrap();
    // Days 5 to 9 are left.
    assert_eq!(counts().await, [1_250, 34, 33, 50, 25]);
    writer.close().await;
}

async fn facts_that_cannot_be_read_stop_nothing_else(base: Base) {
    people(&base.db).await;
    let writer = writer(&base, 1);
    for key in ["1", "2"] {
        send(&writer, Told::incoming(key, CLIENT, 0).answered("201")).await;
    }
    let damage = match base.db {
        Db::Pg(_) => "update call set facts = '?'::bytea where call_key = '1'",
        Db::Lite { .. } => "update call set facts = cast('?' as blob) where call_key = '1'",
    };
    run(&base.db, damage).await;
    upkeep::once(&base.db, &upkeep::Settings::default(), moment(365 * DAY_S))
        .await
        .unwrap();
    assert_eq!(count(&base.db, "select count(*) from raw").await, 0);
    let sizes = "select count(*) from call where length(facts) > 1";
    assert_eq!(
        count(&base.db, sizes).await,
        1,
        "the damaged facts are as they were"
    );
    let left = "select count(*) from call where sealed = 0";
    assert_eq!(count(&base.db, left).await, 0);
    writer.close().await;
}

async fn a_dead_letter_is_replayed_once_it_can_be_read(base: Base) {
    let flow = Flow::new(writer(&base, 1));
    let unread = Submission {
        outcome: Outcome::Undecodable("field x is missing".to_owned()),
        events: Vec::new(),
        visits: Vec::new(),
        ..message(vec![Told::incoming("1", CLIENT, 0).parties()])
    };
    send(flow.writer(), [unread]).await;
    let id = raw::dead_letters(&base.db, i64::MAX, 1).await.unwrap()[0].id;
    let error = DecodeError::Field("x");
    let still = flow
        .replay(&base.db, id, moment(9), |_| {
            (Decoded::default(), Some(error.clone()))
        })
        .await
        .unwrap();
    assert_eq!(still, Replayed::StillUnread(error.clone()));
    let read = |_: &raw::RawMessage| {
        let decoded = Decoded {
            events: vec![Told::incoming("1", CLIENT, 0).parties()],
            ..Decoded::default()
        };
        (decoded, None)
    };
    let applied = flow.replay(&base.db, id, moment(9), read).await.unwrap();
    assert!(matches!(applied, Replayed::Applied(receipt) if receipt.new_facts == 1));
    assert_eq!(count(&base.db, "select count(*) from call").await, 1);
    let gone = flow.replay(&base.db, id, moment(9), read).await.unwrap();
    assert_eq!(gone, Replayed::Gone);
    flow.writer().close().await;
}

/// A clock that the test sets.
fn clock(at: Timestamp) -> (Arc<AtomicI64>, timers::Clock) {
    let hands = Arc::new(AtomicI64::new(at.as_micros()));
    let read = Arc::clone(&hands);
    (
        hands,
        Arc::new(move || Timestamp::from_micros(read.load(Ordering::Relaxed))),
    )
}

async fn a_call_nobody_hears_of_is_closed(base: Base) {
    people(&base.db).await;
    let flow = Flow::new(writer(&base, 1));
    let mut changes = flow.writer().changes();
    let (hands, clock) = clock(moment(10));
    let timers = tokio::spawn(timers::run(flow.clone(), base.db.clone(), clock));
    let mut told = Told::incoming("1", CLIENT, 0).answered("201");
    told.truncate(2); // rang and answered; then silence
    send(flow.writer(), told).await;
    for _ in 0..2 {
        assert!(!changes.recv().await.unwrap().call.is_over());
    }
    hands.store(moment(5 * 3_600).as_micros(), Ordering::Relaxed);
    // Anything heard of another call makes the wheel look at the clock.
    send(
        flow.writer(),
        Told::incoming("2", CLIENT, 5 * 3_600).missed("202"),
    )
    .await;
    let closed = loop {
        let change = changes.recv().await.unwrap();
        if change.key.as_str() == "1" {
            break change;
        }
    };
    assert!(closed.call.is_over());
    assert_eq!(
        text(
            &base.db,
            "select result || ' ' || ended from call where call_key = '1'"
        )
        .await,
        Some("answered unknown".to_owned())
    );
    timers.abort();
    flow.writer().close().await;
}

/// It comes in, somebody talks with a colleague, and whether it was about this client nobody says.
fn undecided(told: &Told<'_>) -> Vec<Submission> {
    let talks = Fact::Talks {
        with: Party::Person("201".into()),
    };
    vec![
        message(vec![told.parties()]),
        message(vec![event(told.key, told.at + 4, "x", "talks", talks)]),
        message(vec![told.over(told.at + 20)]),
    ]
}

const OPEN_TASKS: &str = "select count(*) from task where done_at is null";

async fn a_call_nobody_decides_becomes_a_task_until_late_word_comes(base: Base) {
    people(&base.db).await;
    let flow = Flow::new(writer(&base, 1));
    let mut changes = flow.writer().changes();
    let (hands, clock) = clock(moment(30));
    let timers = tokio::spawn(timers::run(flow.clone(), base.db.clone(), clock));
    let told = Told::incoming("1", CLIENT, 0);
    send(flow.writer(), undecided(&told)).await;
    assert_eq!(count(&base.db, OPEN_TASKS).await, 0, "word may still come");
    hands.store(moment(11 * 60).as_micros(), Ordering::Relaxed);
    send(
        flow.writer(),
        Told::incoming("2", OTHER, 11 * 60).answered("202"),
    )
    .await;
    while !changes.recv().await.unwrap().call.silent {}
    assert_eq!(count(&base.db, OPEN_TASKS).await, 1);
    let filter = journal::Filter {
        outcome: Some(journal::Outcome::Unknown),
        ..journal::Filter::of(journal::Whose::Everybody, moment(-1), moment(86_400))
    };
    let found = journal::page(&base.db, &filter, None, 10).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].result, found[0].open_task), (&None, 1));
    send(flow.writer(), [message(vec![told.talks("201", 4)])]).await;
    assert_eq!(
        count(&base.db, OPEN_TASKS).await,
        0,
        "it was answered after all"
    );
    let found = journal::page(&base.db, &filter, None, 10).await.unwrap();
    assert!(found.is_empty());
    timers.abort();
    flow.writer().close().await;
}

async fn an_undecided_call_is_not_forgotten_over_a_restart(base: Base) {
    let before = writer(&base, 1);
    send(&before, undecided(&Told::incoming("1", CLIENT, 0))).await;
    before.close().await;
    let flow = Flow::new(writer(&base, 1));
    let mut changes = flow.writer().changes();
    let (_, clock) = clock(moment(3_600));
    let timers = tokio::spawn(timers::run(flow.clone(), base.db.clone(), clock));
    assert!(changes.recv().await.unwrap().call.silent);
    assert_eq!(count(&base.db, OPEN_TASKS).await, 1);
    timers.abort();
    flow.writer().close().await;
}

async fn a_call_left_open_is_closed_after_a_restart(base: Base) {
    let before = writer(&base, 1);
    send(
        &before,
        [message(vec![Told::incoming("1", CLIENT, 0).parties()])],
    )
    .await;
    before.close().await;
    let flow = Flow::new(writer(&base, 1));
    let mut changes = flow.writer().changes();
    let (_, clock) = clock(moment(5 * 3_600));
    let timers = tokio::spawn(timers::run(flow.clone(), base.db.clone(), clock));
    assert!(changes.recv().await.unwrap().call.is_over());
    timers.abort();
    flow.writer().close().await;
}

/// Two writers hear halves of the same calls, at the same time. (On one SQLite file this is a tool
/// beside the server; on PostgreSQL two nodes.)
async fn two_nodes_agree(base: Base) {
    people(&base.db).await;
    let nodes = [
        writer(&base, 1),
        Writer::start(base.another().await, 2, &Settings::default()),
    ];
    let keys: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    let mut all = Vec::new();
    for (n, key) in keys.iter().enumerate() {
        let client = ["+74950000011", "+74950000012", "+74950000013"][n % 3];
        let at = i64::try_from(n).unwrap() * 3;
        all.extend(Told::incoming(key, client, at).answered("201"));
    }
    let commits = all.into_iter().enumerate().map(|(n, message)| {
        let node = nodes[n % 2].clone();
        async move { while node.commit(message.clone()).await.is_err() {} }
    });
    futures_util::future::join_all(commits).await;
    assert_eq!(count(&base.db, "select count(*) from call").await, 30);
    assert_eq!(count(&base.db, "select count(*) from card").await, 3);
    assert_eq!(
        figures::recount(&base.db).await.unwrap(),
        figures::stored(&base.db).await.unwrap()
    );
    let checked = figures::check(&base.db, false).await.unwrap();
    assert_eq!(checked.differences, []);
    for node in nodes {
        node.close().await;
    }
}
