//! Somebody leaves: clients and open call-backs get new people, evenly and for good.

use ringcard::{
    model::ids::PersonId,
    store::{
        import::{self, Client},
        leaving::{self, Handed, Handing, Holdings, Named},
        staff,
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
const THIRD: &str = "+74950000013";
const OWNER: &str = "select owner from card c join card_phone p on p.card = c.id \
     where p.e164 = '+74950000011' and p.ext = ''";
const ANNA: i64 = 1;
const HELEN: i64 = 2;
const IVAN: i64 = 3;

on_both_engines!(
    what_somebody_leaves_is_shared_out_and_stays_so,
    the_last_who_runs_the_installation_cannot_be_switched_off,
);

async fn people(base: &Base) {
    for sql in [
        "insert into person (id, login, name, role, created_at) values \
         (1, 'anna', 'Anna', 'manager', 0), (2, 'helen', 'Helen', 'head', 0), \
         (3, 'ivan', 'Ivan', 'manager', 0), (4, 'adam', 'Adam', 'administrator', 0), \
         (5, 'olga', 'Olga', 'owner', 0)",
        "insert into person_extension values ('office', '201', 1), ('office', '203', 3)",
    ] {
        run(&base.db, sql).await;
    }
}

fn named(id: i64, login: &str, name: &str) -> Named {
    Named {
        id: PersonId(id),
        login: login.to_owned(),
        name: name.to_owned(),
    }
}

fn handing() -> Handing {
    Handing {
        from: named(ANNA, "anna", "Anna"),
        to: vec![named(IVAN, "ivan", "Ivan"), named(HELEN, "helen", "Helen")],
        by: Some(PersonId(5)),
        remote: "127.0.0.1".to_owned(),
        at: moment(9_000),
    }
}

/// Clients with an extension each behind the same few numbers.
fn clients(n: usize, owner: i64, ext: usize) -> Vec<Client> {
    let client = |i: usize| Client {
        at_line: i as u64,
        phones: vec![(
            format!("+749500000{:02}", 20 + i % 80),
            format!("{}", ext + i / 80),
        )],
        name: format!("Client {i}"),
        company: String::new(),
        note: String::new(),
        owner: Some(PersonId(owner)),
    };
    (0..n).map(client).collect()
}

async fn send(writer: &Writer, messages: Vec<Submission>) {
    for message in messages {
        writer.commit(message).await.unwrap();
    }
}

async fn what_somebody_leaves_is_shared_out_and_stays_so(base: Base) {
    people(&base).await;
    let db = &base.db;
    let writer = Writer::start(db.clone(), 1, &Settings::default());
    // Anna's by her answer, and nobody's whom she was rung for; Ivan's, late and handed on to her.
    send(&writer, Told::incoming("1", CLIENT, 0).answered("201")).await;
    send(&writer, Told::incoming("2", OTHER, 0).missed("201")).await;
    send(&writer, Told::incoming("3", THIRD, 0).missed("203")).await;
    run(
        db,
        "update task set escalated_to = 1, escalated_at = 1 where person = 3",
    )
    .await;
    import::clients(db, &clients(430, ANNA, 100), moment(0))
        .await
        .unwrap();
    import::clients(db, &clients(5, HELEN, 200), moment(0))
        .await
        .unwrap();
    let left = leaving::holdings(db, PersonId(ANNA)).await.unwrap();
    assert_eq!((left.clients, left.call_backs), (431, 2));

    assert!(
        staff::switch_off(db, PersonId(ANNA), moment(9_000))
            .await
            .unwrap()
    );
    let handed = leaving::hand_over(db, &handing()).await.unwrap();
    assert_eq!(
        handed,
        Handed {
            clients: 431,
            call_backs: 2
        }
    );
    let left = leaving::holdings(db, PersonId(ANNA)).await.unwrap();
    assert_eq!(left, Holdings::default());
    let owned = [
        "select count(*) from card where owner = 3",
        "select count(*) from card where owner = 2",
        "select count(*) from card_event where kind = 'owner' and body = 'Anna → Ivan'",
        "select count(*) from card_event where person = 5 and body = 'Anna → Helen'",
    ];
    for (sql, expected) in owned.into_iter().zip([216, 215 + 5, 216, 215]) {
        assert_eq!(count(db, sql).await, expected, "{sql}");
    }
    let entry = text(db, "select detail from audit where action = 'hand_over'").await;
    assert_eq!(entry.unwrap(), "clients=431 call_backs=2 to=ivan,helen");

    // News of older calls, and new ones, give nothing back.
    let owner = count(db, OWNER).await;
    send(&writer, Told::incoming("4", OTHER, 9_500).missed("203")).await;
    assert_eq!(count(db, OWNER).await, owner);
    assert_eq!(
        count(
            db,
            "select count(*) from task where person = 1 or escalated_to = 1"
        )
        .await,
        0
    );
    assert_eq!(
        count(db, "select count(*) from task where done_at is null").await,
        3
    );
    writer.close().await;
}

async fn the_last_who_runs_the_installation_cannot_be_switched_off(base: Base) {
    people(&base).await;
    let off = async |who: i64| {
        staff::switch_off(&base.db, PersonId(who), moment(0))
            .await
            .unwrap()
    };
    // At the same moment, of two one stays.
    let (adam, olga) = tokio::join!(off(4), off(5));
    assert!(adam != olga, "{adam} {olga}");
    assert!(off(1).await);
    let left =
        "select count(*) from person where active = 1 and role in ('owner', 'administrator')";
    assert_eq!(count(&base.db, left).await, 1);
    let less = staff::Change {
        name: "Adam",
        role: ringcard::model::people::Role::Manager,
        department: None,
        deputy: None,
    };
    staff::switch_on(&base.db, PersonId(4)).await.unwrap();
    staff::switch_on(&base.db, PersonId(5)).await.unwrap();
    assert!(staff::change(&base.db, PersonId(4), &less).await.unwrap());
    assert!(!staff::change(&base.db, PersonId(5), &less).await.unwrap());
    assert!(!off(5).await);
}
