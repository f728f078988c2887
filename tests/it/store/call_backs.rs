//! Call-backs: tried again, handed on when overdue, done by talk, and never made for who is marked.

use ringcard::{
    flow::overdue,
    model::{event::CallEvent, ids::PersonId},
    store::{
        marks::{self, Marking},
        tasks,
        writer::{Settings, Submission, Writer},
    },
};

use super::{
    read::{count, run, text},
    told::{Told, moment},
};
use crate::{on_both_engines, support::base::Base};

const CLIENT: &str = "+74950000011";
const OTHER: &str = "+74950000012";
const OPEN: &str = "select count(*) from task where done_at is null";
const MINUTE: i64 = 60;

on_both_engines!(
    a_try_in_vain_puts_the_next_one_off_whatever_the_order,
    a_call_is_later_than_the_missed_one_by_the_start_that_is_known_last,
    an_overdue_call_back_goes_to_the_head_once_and_is_done_by_talk,
    who_is_marked_makes_no_call_backs_until_the_mark_is_taken_off,
);

async fn writer(base: &Base) -> Writer {
    for sql in [
        "insert into department (id, name) values (1, 'Sales')",
        "insert into person (id, login, name, role, department, created_at) values \
         (1, 'anna', 'Anna', 'manager', 1, 0), (2, 'helen', 'Helen', 'head', 1, 0), \
         (3, 'olga', 'Olga', 'owner', null, 0), (4, 'ivan', 'Ivan', 'manager', null, 0)",
        "insert into person_extension values ('office', '201', 1), ('office', '202', 4)",
    ] {
        run(&base.db, sql).await;
    }
    Writer::start(base.db.clone(), 1, &Settings::default())
}

async fn send(writer: &Writer, messages: Vec<Submission>) {
    for message in messages {
        writer.commit(message).await.unwrap();
    }
}

/// Tries and, in minutes after the stories' midnight, when the one call-back is due.
async fn due(base: &Base) -> (i64, i64) {
    let tries = count(&base.db, "select tries from task").await;
    let at = count(&base.db, "select due_at from task").await;
    (tries, (at - moment(0).as_micros()) / 60_000_000)
}

async fn a_try_in_vain_puts_the_next_one_off_whatever_the_order(base: Base) {
    let writer = writer(&base).await;
    // The second try is heard of before the missed call, and before the first one.
    let second = Told::outgoing("3", CLIENT, 60 * MINUTE).missed("201");
    send(&writer, second.clone()).await;
    send(&writer, Told::incoming("1", CLIENT, 0).missed("201")).await;
    assert_eq!(due(&base).await, (1, 60 + 30), "half an hour after the try");
    send(
        &writer,
        Told::outgoing("2", CLIENT, 20 * MINUTE).missed("201"),
    )
    .await;
    assert_eq!(
        due(&base).await,
        (2, 60 + 120),
        "two hours after the second"
    );
    // Told again, they are not tried again; somebody else's calls are no tries.
    send(&writer, second).await;
    send(
        &writer,
        Told::outgoing("9", OTHER, 70 * MINUTE).missed("201"),
    )
    .await;
    send(
        &writer,
        Told::outgoing("0", CLIENT, -20 * MINUTE).missed("201"),
    )
    .await;
    assert_eq!(due(&base).await, (2, 60 + 120));
    for (n, hour) in [(4, 4), (5, 28)] {
        let key = n.to_string();
        send(
            &writer,
            Told::outgoing(&key, CLIENT, hour * 60 * MINUTE).missed("201"),
        )
        .await;
        let expected = (n - 1, (hour + 24) * 60);
        assert_eq!(due(&base).await, expected, "a day, and a day again");
    }
    assert_eq!(count(&base.db, OPEN).await, 1);
    send(
        &writer,
        Told::outgoing("7", CLIENT, 30 * 60 * MINUTE).answered("201"),
    )
    .await;
    assert_eq!(count(&base.db, OPEN).await, 0, "only talk does it");
    writer.close().await;
}

async fn a_call_is_later_than_the_missed_one_by_the_start_that_is_known_last(base: Base) {
    let writer = writer(&base).await;
    let missed = Told::incoming("1", CLIENT, 10);
    send(&writer, missed.missed("201")).await;
    // Meanwhile the client is on the line by another way.
    send(&writer, Told::incoming("2", CLIENT, 5).answered("202")).await;
    assert_eq!(count(&base.db, OPEN).await, 1, "that one came before");
    // The missed call had begun before it; its first message came late.
    let earlier = CallEvent {
        id: "1//first".into(),
        ..Told::incoming("1", CLIENT, 0).parties()
    };
    send(&writer, vec![super::told::message(vec![earlier])]).await;
    assert_eq!(count(&base.db, OPEN).await, 0, "it came after");
    writer.close().await;
}

async fn an_overdue_call_back_goes_to_the_head_once_and_is_done_by_talk(base: Base) {
    let writer = writer(&base).await;
    send(&writer, Told::incoming("1", CLIENT, 0).missed("201")).await;
    send(&writer, Told::incoming("2", OTHER, 0).missed("202")).await;
    let settings = overdue::Settings::default();
    let at = |minutes: i64| moment(minutes * MINUTE);
    let handed_on = overdue::once(&base.db, &settings, at(29)).await.unwrap();
    assert_eq!(handed_on, 0, "due after 15 minutes, and 15 of grace");
    assert_eq!(overdue::once(&base.db, &settings, at(31)).await.unwrap(), 2);
    assert_eq!(overdue::once(&base.db, &settings, at(32)).await.unwrap(), 0);
    let helens = tasks::escalated_to(&base.db, PersonId(2), 9).await.unwrap();
    assert_eq!(helens.len(), 1);
    assert_eq!(
        helens[0].person_name.as_deref(),
        Some("Anna"),
        "whose it stays"
    );
    let olgas = tasks::escalated_to(&base.db, PersonId(3), 9).await.unwrap();
    assert_eq!(olgas.len(), 1, "who has no head has the owner");
    send(
        &writer,
        Told::incoming("3", CLIENT, 40 * MINUTE).answered("201"),
    )
    .await;
    assert!(
        tasks::escalated_to(&base.db, PersonId(2), 9)
            .await
            .unwrap()
            .is_empty()
    );
    writer.close().await;
}

async fn who_is_marked_makes_no_call_backs_until_the_mark_is_taken_off(base: Base) {
    let writer = writer(&base).await;
    let missed = Told::incoming("1", CLIENT, 0).missed("201");
    send(&writer, missed.clone()).await;
    assert_eq!(count(&base.db, OPEN).await, 1);
    let marking = Marking {
        mark: "spam",
        reason: "sells advertising",
        person: PersonId(1),
        at: moment(60),
    };
    marks::mark_number(&base.db, CLIENT, &marking)
        .await
        .unwrap();
    assert_eq!(count(&base.db, OPEN).await, 0);
    // Later news of the call, and another call, open nothing.
    let earlier = Told::incoming("1", CLIENT, 0).rings("202", 1);
    send(&writer, vec![super::told::message(earlier)]).await;
    send(&writer, Told::incoming("2", CLIENT, 100).missed("201")).await;
    assert_eq!(count(&base.db, OPEN).await, 0);
    const WHY: &str = "select reason from task where outcome = 'blocked'";
    assert_eq!(
        text(&base.db, WHY).await.as_deref(),
        Some("sells advertising")
    );
    assert!(
        marks::blocked(&base.db).await.unwrap().is_empty(),
        "spam is put through"
    );
    marks::unmark_number(&base.db, CLIENT).await.unwrap();
    send(&writer, Told::incoming("3", CLIENT, 200).missed("201")).await;
    assert_eq!(count(&base.db, OPEN).await, 1);
    // A card's mark counts for its own numbers.
    let card = format!("select card from call where client = '{CLIENT}' limit 1");
    let (card,): (uuid::Uuid,) = ringcard::on_read!(&base.db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(card)).fetch_one(pool).await
    })
    .unwrap();
    let card = ringcard::model::ids::CardId(card);
    let blocking = Marking {
        mark: "blocked",
        ..marking
    };
    marks::mark_card(&base.db, card, &blocking).await.unwrap();
    assert_eq!(count(&base.db, OPEN).await, 0);
    assert!(marks::blocked(&base.db).await.unwrap().contains(CLIENT));
    send(&writer, Told::incoming("4", CLIENT, 300).missed("201")).await;
    assert_eq!(count(&base.db, OPEN).await, 0);
    marks::unmark_card(&base.db, card, &blocking).await.unwrap();
    assert!(marks::blocked(&base.db).await.unwrap().is_empty());
    writer.close().await;
}
