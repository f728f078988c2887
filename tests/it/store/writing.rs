//! From messages to calls, cards, tasks and figures.

use ringcard::{
    model::event::{Cause, Fact, RecordingSource, RecordingStage},
    store::{
        stock, tasks,
        writer::{Settings, Submission, Writer},
    },
};

use super::{
    read::{self, count, people, picture, text},
    told::{Told, event, message, moment},
};
use crate::{on_both_engines, support::base::Base};

const CLIENT: &str = "+74950000011";
const OTHER: &str = "+74950000012";

fn writer(base: &Base) -> Writer {
    Writer::start(base.db.clone(), 1, &Settings::default())
}

async fn send(writer: &Writer, messages: impl IntoIterator<Item = Submission>) {
    for message in messages {
        let receipt = writer.commit(message).await.unwrap();
        assert!(!receipt.dead_letter);
    }
}

on_both_engines!(
    a_first_call_makes_a_card_and_the_next_one_finds_it,
    a_repetition_changes_nothing,
    the_owner_is_who_answered_first_not_who_was_told_first,
    a_missed_call_becomes_a_task_until_the_client_is_reached,
    two_keys_turn_out_to_be_one_call,
    a_recording_is_fetched_once,
    a_recording_that_calls_knew_which_are_one_is_fetched_once,
    a_call_that_was_another_clients_leaves_no_card_behind,
    undecodable_messages_are_kept_as_they_came,
    hostile_names_are_only_names,
);

async fn a_first_call_makes_a_card_and_the_next_one_finds_it(base: Base) {
    people(&base.db).await;
    let writer = writer(&base);
    let mut changes = writer.changes();
    send(&writer, Told::incoming("1", CLIENT, 0).answered("201")).await;
    send(&writer, Told::incoming("2", CLIENT, 500).answered("202")).await;

    assert_eq!(count(&base.db, "select count(*) from card").await, 1);
    assert_eq!(
        count(&base.db, "select count(distinct card) from call").await,
        1
    );
    let reasons: Vec<_> = std::iter::from_fn(|| changes.try_recv().ok())
        .map(|change| change.match_reason.unwrap())
        .collect();
    assert_eq!(
        reasons,
        [&["created"; 4][..], &["own_number"; 4][..]].concat()
    );
    let seen = picture(&base.db).await;
    assert_eq!(seen.figures.len(), 2, "two people answered: {seen:?}");
    assert_eq!(seen.clients[0][3], "2");
    assert_eq!(seen.persons.len(), 2);
    writer.close().await;
}

async fn a_repetition_changes_nothing(base: Base) {
    people(&base.db).await;
    let writer = writer(&base);
    let told = Told::incoming("1", CLIENT, 0).answered("201");
    send(&writer, told.clone()).await;
    let before = picture(&base.db).await;
    let mut changes = writer.changes();
    for message in told {
        assert_eq!(writer.commit(message).await.unwrap().new_facts, 0);
    }
    assert_eq!(picture(&base.db).await, before);
    assert!(changes.try_recv().is_err(), "nobody is told of nothing");
    assert_eq!(count(&base.db, "select count(*) from raw").await, 8);
    writer.close().await;
}

async fn the_owner_is_who_answered_first_not_who_was_told_first(base: Base) {
    people(&base.db).await;
    let writer = writer(&base);
    send(&writer, Told::incoming("late", CLIENT, 500).answered("202")).await;
    const OWNER: &str = "select cast(owner as text) from card";
    assert_eq!(text(&base.db, OWNER).await.as_deref(), Some("2"));
    send(
        &writer,
        Told::outgoing("early", CLIENT, 100).answered("201"),
    )
    .await;
    assert_eq!(text(&base.db, OWNER).await.as_deref(), Some("1"));
    // An owner set by hand stays.
    read::run(&base.db, "update card set owner = 3, owner_since = null").await;
    send(&writer, Told::incoming("first", CLIENT, 5).answered("202")).await;
    assert_eq!(text(&base.db, OWNER).await.as_deref(), Some("3"));
    writer.close().await;
}

async fn a_missed_call_becomes_a_task_until_the_client_is_reached(base: Base) {
    people(&base.db).await;
    let writer = writer(&base);
    const OPEN: &str = "select count(*) from task where done_at is null";
    send(&writer, Told::incoming("1", CLIENT, 0).missed("201")).await;
    send(&writer, Told::incoming("2", OTHER, 0).missed("202")).await;
    assert_eq!(count(&base.db, OPEN).await, 2);
    // Called back in vain: still open. Reached: closed, for this client only.
    send(&writer, Told::outgoing("3", CLIENT, 100).missed("201")).await;
    assert_eq!(count(&base.db, OPEN).await, 2);
    send(&writer, Told::outgoing("4", CLIENT, 200).answered("201")).await;
    assert_eq!(count(&base.db, OPEN).await, 1);
    let tasks = picture(&base.db).await.tasks;
    assert_eq!(tasks[0][5..7], ["connected", "4"]);
    // Put off by the try in vain.
    let due = moment(121).plus_millis(30 * 60_000).as_micros().to_string();
    assert_eq!(tasks[0][3], due);
    // A call that connected before the missed one closes nothing.
    send(&writer, Told::incoming("0", OTHER, -500).answered("202")).await;
    assert_eq!(count(&base.db, OPEN).await, 1);
    // What a person has closed stays closed, though another phone turns out to have rung first.
    let id = count(&base.db, "select id from task where done_at is null").await;
    tasks::not_needed(&base.db, id, "wrong number", moment(300))
        .await
        .unwrap();
    let earlier = Told::incoming("2", OTHER, 0).rings("203", 1);
    send(&writer, [message(earlier)]).await;
    assert_eq!(count(&base.db, OPEN).await, 0);
    const WHY: &str = "select outcome from task where done_by is null";
    assert_eq!(text(&base.db, WHY).await.as_deref(), Some("not_needed"));
    writer.close().await;
}

async fn two_keys_turn_out_to_be_one_call(base: Base) {
    people(&base.db).await;
    let writer = writer(&base);
    send(&writer, Told::incoming("a", CLIENT, 0).answered("201")).await;
    let mut other = Told::incoming("b", CLIENT, 10).answered("202");
    let last = other.pop().unwrap();
    send(&writer, other).await;
    assert_eq!(count(&base.db, "select count(*) from call").await, 2);
    let mut changes = writer.changes();
    let same = Fact::SameCall { with: "a".into() };
    send(
        &writer,
        [message(vec![event("b", 70, "", "same", same)]), last],
    )
    .await;
    assert_eq!(changes.recv().await.unwrap().merged.len(), 1);
    assert_eq!(count(&base.db, "select count(*) from call").await, 1);
    let seen = picture(&base.db).await;
    assert_eq!(seen.calls[0][0], "a");
    assert_eq!(seen.calls[0][7], "2", "both keys name it");
    let calls: i64 = seen
        .figures
        .iter()
        .map(|f| f[4].parse::<i64>().unwrap())
        .sum();
    assert_eq!(calls, 1, "counted once: {:?}", seen.figures);
    writer.close().await;
}

async fn a_recording_is_fetched_once(base: Base) {
    people(&base.db).await;
    let writer = writer(&base);
    let call = Told::incoming("1", CLIENT, 0);
    send(&writer, call.answered("201")).await;
    let news = |what: &str, stage, source: Option<&str>| {
        let fact = Fact::Recording {
            recording: "r1".to_owned(),
            stage,
            source: source.map(|link| RecordingSource::Link(link.to_owned())),
        };
        message(vec![event("1", 70, "", what, fact)])
    };
    send(&writer, [news("started", RecordingStage::Started, None)]).await;
    assert_eq!(count(&base.db, "select count(*) from outbox").await, 0);
    let link = Some("https://pbx.example/r1");
    send(&writer, [news("ready", RecordingStage::Ready, link)]).await;
    send(&writer, [news("ready-again", RecordingStage::Ready, link)]).await;
    assert_eq!(
        text(
            &base.db,
            "select kind || ' ' || target || ' ' || body from outbox"
        )
        .await,
        Some("recording office r1".to_owned())
    );
    assert_eq!(count(&base.db, "select count(*) from outbox").await, 1);
    assert_eq!(
        text(&base.db, "select recording from call")
            .await
            .as_deref(),
        Some("waiting")
    );
    // Long after: the job is forgotten, what it fetched is kept.
    read::run(&base.db, "update recording set state = 'kept'").await;
    read::run(&base.db, "delete from outbox").await;
    let late = Some("https://pbx.example/r1-again");
    send(&writer, [news("ready-late", RecordingStage::Ready, late)]).await;
    assert_eq!(count(&base.db, "select count(*) from outbox").await, 0);
    let shown = text(&base.db, "select recording from call").await;
    assert_eq!(shown.as_deref(), Some("kept"));
    writer.close().await;
}

async fn a_recording_that_calls_knew_which_are_one_is_fetched_once(base: Base) {
    people(&base.db).await;
    let writer = writer(&base);
    const JOBS: &str = "select count(*) from outbox where kind = 'recording' and state = 'waiting'";
    for (n, key) in (0..).zip(["a", "b", "c"]) {
        let call = Told::incoming(key, CLIENT, 10 * n).answered("201");
        send(&writer, call).await;
        send(&writer, [recorded(key, "r1"), recorded(key, key)]).await;
    }
    assert_eq!(count(&base.db, JOBS).await, 6);
    // What the first one knew was kept, and its file is lost: the job is done, and there is another.
    for sql in [
        "update outbox set state = 'done' where id = (select min(id) from outbox)",
        "update recording set state = 'kept', sha256 = 'ab' where id = (select min(id) from recording)",
    ] {
        read::run(&base.db, sql).await;
    }
    let lost = stock::lost(&base.db, "ab", "gone", moment(200)).await;
    assert_eq!(lost.unwrap(), (1, 0));
    assert_eq!(count(&base.db, JOBS).await, 6);
    let same = |key, with: &str| {
        let fact = Fact::SameCall { with: with.into() };
        message(vec![event(key, 300, "", "same", fact)])
    };
    send(&writer, [same("b", "a")]).await;
    assert_eq!(count(&base.db, JOBS).await, 5);
    send(&writer, [same("c", "b")]).await;
    assert_eq!(count(&base.db, "select count(*) from call").await, 1);
    assert_eq!(count(&base.db, JOBS).await, 4);
    const WANTED: &str = "select count(distinct lane) from outbox where state = 'waiting' \
         and call = (select id from call)";
    assert_eq!(count(&base.db, WANTED).await, 4, "r1, a, b and c");
    writer.close().await;
}

/// News of a recording that can be fetched.
fn recorded(key: &str, recording: &str) -> Submission {
    let link = format!("https://pbx.example/{recording}");
    let fact = Fact::Recording {
        recording: recording.to_owned(),
        stage: RecordingStage::Ready,
        source: Some(RecordingSource::Link(link)),
    };
    message(vec![event(key, 70, "", recording, fact)])
}

async fn a_call_that_was_another_clients_leaves_no_card_behind(base: Base) {
    people(&base.db).await;
    let writer = writer(&base);
    send(&writer, Told::incoming("1", OTHER, 0).missed("201")).await;
    let summary = ringcard::model::event::Summary {
        client: Some(super::told::number(CLIENT)),
        ..Default::default()
    };
    let fact = Fact::Summary(Box::new(summary));
    send(
        &writer,
        [message(vec![event("1", 90, "", "summary", fact)])],
    )
    .await;
    let seen = picture(&base.db).await;
    assert_eq!(seen.cards.len(), 1, "{:?}", seen.cards);
    assert_eq!(seen.cards[0][0], format!("{CLIENT}/"));
    assert_eq!(seen.tasks[0][1], CLIENT);
    writer.close().await;
}

async fn undecodable_messages_are_kept_as_they_came(base: Base) {
    let writer = writer(&base);
    let bytes = b"\x00\xff\"quoted\" \\ '\n{".to_vec();
    let unread = Submission {
        raw: bytes.clone().into(),
        outcome: ringcard::store::writer::Outcome::Undecodable("not readable: \"x\"".to_owned()),
        ..message(Vec::new())
    };
    let plain = message(vec![Told::incoming("1", CLIENT, 0).parties()]);
    let (one, other) = tokio::join!(writer.commit(unread), writer.commit(plain));
    one.unwrap();
    other.unwrap();
    let row: (Vec<u8>, String) = ringcard::on_read!(&base.db, pool => sqlx::query_as(
        "select body, reason from raw where outcome = 'undecodable'").fetch_one(pool).await.unwrap());
    assert_eq!(row, (bytes, "not readable: \"x\"".to_owned()));
    writer.close().await;
}

async fn hostile_names_are_only_names(base: Base) {
    let writer = writer(&base);
    let name = "\0'; drop table call; -- \"\\\u{1}\u{202e}𝕏";
    let fact = Fact::Parties {
        direction: None,
        client: None,
        client_name: Some(name.to_owned()),
        did: None,
    };
    let call = Told::incoming("1'\"\0", CLIENT, 0);
    send(
        &writer,
        [message(vec![
            call.parties(),
            event("1'\"\0", 1, "", "name", fact),
        ])],
    )
    .await;
    assert_eq!(
        text(&base.db, "select client_name from call").await,
        Some(name.replace('\0', ""))
    );
    // Read back from the tables by a writer that has nothing in memory.
    writer.close().await;
    let again = self::writer(&base);
    send(&again, [message(vec![call.ends("201", 9, Cause::Normal)])]).await;
    assert_eq!(count(&base.db, "select count(*) from call").await, 1);
    again.close().await;
}
