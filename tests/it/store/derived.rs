//! What follows from the facts of a call is not stored beside them, and rows of versions that did so go on.

use ringcard::{
    model::{
        call::Call,
        event::{Cause, Fact},
        ids::CallId,
    },
    on_read, on_write,
    store::{
        Db, erase, figures, journal, sealing,
        writer::{Settings, Submission, Writer},
    },
};
use uuid::Uuid;

use super::{
    read::{count, people, picture, run, text},
    told::{Told, event, message, moment},
};
use crate::{on_both_engines, support::base::Base};

const CLIENT: &str = "+74950000011";
const STORED: &str = "select count(*) from call where derived <> ''";

on_both_engines!(
    a_call_of_an_earlier_version_is_read_as_stored_until_something_is_told_of_it,
    what_an_earlier_program_has_counted_is_taken_back_as_it_was,
    an_erased_person_stays_erased,
);

async fn the_call(db: &Db) -> (CallId, Call) {
    let (id,): (Uuid,) = on_read!(db, pool => {
        sqlx::query_as("select id from call").fetch_one(pool).await.unwrap()
    });
    let page = journal::call(db, CallId(id)).await.unwrap().unwrap();
    (CallId(id), page.call)
}

/// Leaves the call as an earlier version would have, but for what marks the text.
async fn write_as_before(db: &Db) -> Call {
    let (id, call) = the_call(db).await;
    let marked = Call {
        client_name: Some("As stored".to_owned()),
        ..call
    };
    on_write!(db, pool => {
        sqlx::query("update call set derived = $2 where id = $1")
            .bind(id.0)
            .bind(serde_json::to_string(&marked).unwrap())
            .execute(pool)
            .await
            .unwrap();
    });
    marked
}

/// What makes the writer name each set of columns that it can.
fn told() -> Vec<Submission> {
    let call = Told::incoming("1", CLIENT, 100);
    let digits = |at| {
        let digits = "1".to_owned();
        event(
            "1",
            at,
            "",
            &format!("digits-{at}"),
            Fact::Digits { digits },
        )
    };
    let said_earlier = event("1", 90, "", "earlier", Fact::Up);
    let named = Fact::Parties {
        direction: None,
        client: None,
        client_name: Some("As told".to_owned()),
        did: None,
    };
    vec![
        message(vec![call.parties()]),
        message(vec![digits(101)]),
        message(call.rings("201", 102)),
        message(vec![event("1", 103, "", "named", named)]),
        message(vec![said_earlier]),
        message(vec![call.talks("201", 106)]),
        message(vec![call.ends("201", 160, Cause::Normal)]),
        message(vec![call.over(160)]),
        message(vec![call.ends("202", 161, Cause::NoAnswer)]),
    ]
}

async fn a_call_of_an_earlier_version_is_read_as_stored_until_something_is_told_of_it(base: Base) {
    let db = &base.db;
    people(db).await;
    // Each has two messages in turn: the first it reads the call for, the second it remembers it.
    let writers = [1, 2].map(|node| Writer::start(db.clone(), node, &Settings::default()));
    let mut told = told().into_iter();
    writers[0].commit(told.next().unwrap()).await.unwrap();
    let late = told.next_back().unwrap();
    for (n, message) in told.enumerate() {
        assert_eq!(count(db, STORED).await, 0, "before message {n}");
        let marked = write_as_before(db).await;
        assert_eq!(the_call(db).await.1, marked);
        let mut changes = writers[n / 2 % 2].changes();
        writers[n / 2 % 2].commit(message).await.unwrap();
        assert_eq!(count(db, STORED).await, 0, "after message {n}");
        let change = changes.try_recv().unwrap();
        assert_eq!(the_call(db).await.1, *change.call);
        assert_ne!(change.call.client_name, marked.client_name);
    }
    assert!(the_call(db).await.1.is_over());

    let marked = write_as_before(db).await;
    assert_eq!(sealing::seal(db, moment(3_600), 10).await.unwrap(), 1);
    assert_eq!(the_call(db).await.1, marked, "sealing changes no call");
    writers[0].commit(late).await.unwrap();
    assert_eq!(count(db, STORED).await, 0);
    assert_eq!(the_call(db).await.1.client_name.as_deref(), Some("As told"));
    for writer in writers {
        writer.close().await;
    }
    assert_eq!(figures::check(db, false).await.unwrap().differences, []);
}

/// An earlier program has made another length and another client of the same facts.
async fn what_an_earlier_program_has_counted_is_taken_back_as_it_was(base: Base) {
    let db = &base.db;
    people(db).await;
    let writer = Writer::start(db.clone(), 1, &Settings::default());
    let call = Told::incoming("1", CLIENT, 0);
    for message in call.answered("201") {
        writer.commit(message).await.unwrap();
    }
    writer.close().await;
    let before = picture(db).await;
    for sql in [
        "update call set talk_ms = talk_ms + 1000, client = '+74950000012'",
        "update rollup set talk_ms = talk_ms + 1000",
        "update rollup_client set client = '+74950000012'",
    ] {
        run(db, sql).await;
    }
    let counted = async |db: &Db| figures::check(db, false).await.unwrap().differences;
    assert_eq!(counted(db).await.len(), 3);

    let writer = Writer::start(db.clone(), 1, &Settings::default());
    let late = message(vec![call.ends("202", 70, Cause::NoAnswer)]);
    writer.commit(late).await.unwrap();
    writer.close().await;
    assert_eq!(counted(db).await, []);
    let after = picture(db).await;
    assert_eq!(
        (after.figures, after.clients),
        (before.figures, before.clients)
    );
    // The columns are today's, too.
    assert_eq!(
        text(db, "select client || ' ' || talk_ms from call")
            .await
            .as_deref(),
        Some("+74950000011 60000")
    );
}

async fn an_erased_person_stays_erased(base: Base) {
    let db = &base.db;
    people(db).await;
    let writer = Writer::start(db.clone(), 1, &Settings::default());
    let call = Told::incoming("1", CLIENT, 0);
    for message in call.answered("201") {
        writer.commit(message).await.unwrap();
    }
    let before = the_call(db).await.1;
    let subject = erase::subject(db, None, Some(CLIENT)).await.unwrap();
    erase::erase(db, &subject).await.unwrap();
    let (_, after) = the_call(db).await;
    assert_eq!(
        (after.talk_ms, &after.legs.len()),
        (before.talk_ms, &before.legs.len())
    );
    let as_text = |call: &Call| serde_json::to_string(call).unwrap();
    assert!(as_text(&before).contains(CLIENT) && !as_text(&after).contains(CLIENT));
    let late = message(vec![call.ends("202", 70, Cause::NoAnswer)]);
    assert_eq!(writer.commit(late).await.unwrap().new_facts, 0);
    assert_eq!(the_call(db).await.1, after);
    writer.close().await;
}
