//! A person is taken out of everything: found nowhere afterwards, while figures stay.

use std::{
    collections::HashMap,
    fs,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use memchr::memmem;
use ringcard::{
    flow,
    model::ids::CardId,
    on_read, on_write,
    simulator::message::Post,
    store::{
        Db, cards, hold,
        merging::{self, Deed},
    },
    tracker::Facts,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    backup::{messages, post},
    place::{Folder, Place},
};
use crate::support::gateway::TestGateway;

const SOUND: &[u8] = b"what was said";

/// How a number is found in a text without separators.
fn digits(e164: &str) -> &str {
    &e164[e164.len() - 10..]
}

/// The client who called most, and how often.
async fn busiest(db: &Db) -> (String, i64) {
    on_read!(db, pool => {
        sqlx::query_as(
            "select client, count(*) from call where client is not null \
             group by client order by count(*) desc, client limit 1",
        )
        .fetch_one(pool)
        .await
        .unwrap()
    })
}

async fn card_of(db: &Db, client: &str) -> Option<Uuid> {
    let row: Option<(Uuid,)> = on_read!(db, pool => {
        sqlx::query_as("select card from card_phone where e164 = $1 and kind = 'own'")
            .bind(client)
            .fetch_optional(pool)
            .await
            .unwrap()
    });
    row.map(|(card,)| card)
}

/// Everything that figures count, of calls and of sums.
async fn figures(db: &Db) -> Vec<(i64, i64, i64, i64)> {
    let mut figures = Vec::new();
    for sql in [
        "select cast(count(*) as bigint), cast(sum(case when result = 'answered' then 1 else 0 end) \
         as bigint), cast(sum(coalesce(talk_ms, 0)) as bigint), \
         cast(sum(coalesce(wait_ms, 0)) as bigint) from call",
        "select cast(sum(calls) as bigint), cast(sum(answered) as bigint), \
         cast(sum(talk_ms) as bigint), cast(sum(wait_ms) as bigint) from rollup",
    ] {
        figures.push(on_read!(db, pool => sqlx::query_as(sql).fetch_one(pool).await.unwrap()));
    }
    figures
}

/// A recording, a note, a name, and a message nobody can read.
async fn leave_more(gateway: &TestGateway, place: &Place, client: &str) -> String {
    let db = gateway.db();
    let card = card_of(db, client).await.unwrap();
    let card = CardId(card);
    cards::rename(db, card, None, "Vera Example", "", flow::now())
        .await
        .unwrap();
    let name = hex::encode(Sha256::digest(SOUND));
    let file = place
        .recordings()
        .join(&name[..2])
        .join(&name[2..4])
        .join(&name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, SOUND).unwrap();
    on_write!(db, pool => {
        sqlx::query(
            "insert into recording (call, account, recording, state, sha256, size, created_at) \
             select id, account, 'in-' || client || '.wav', 'kept', $2, 13, 1 from call \
             where client = $1 order by id limit 1",
        )
        .bind(client)
        .bind(&name)
        .execute(pool)
        .await
        .unwrap();
        for sql in [
            "insert into subscription (name, address, events, created_at) \
             values ('crm', 'https://crm.invalid/', 'none', 1)",
            "insert into delivery (subscription, message, sequence, kind, lane, head, body, \
             created_at, due_at, retry_from, attempts) select id, 'm', 1, 'call.ended', 'call/x', 1, \
             '{\"client\":\"' || $1 || '\"}', 1, 1, 1, 0 from subscription",
            "insert into number_mark (e164, mark, created_at) values ($1, 'spam', 1)",
        ] {
            let sql = sql.replace("$1", &format!("'{client}'"));
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(pool).await.unwrap();
        }
        sqlx::query("insert into audit (at, action, object, detail) values (1, 'reveal', $1, '')")
            .bind(format!("card:{card}"))
            .execute(pool)
            .await
            .unwrap();
    });
    let json = format!("{{\"call_state\": \"Nonsense\", \"number\": \"{client}\"");
    let sign = hex::encode(Sha256::digest(format!("a-key{json}a-salt")));
    let fields = [("vpbx_api_key", "a-key"), ("sign", &sign), ("json", &json)];
    let told = gateway.post_form("/hooks/cloud/events/call", &fields).await;
    assert_eq!(told.status, 400, "nobody can read it: {}", told.text);
    name
}

/// All texts of all calls, opened.
async fn calls_as_text(db: &Db) -> String {
    let rows: Vec<(String, String, Vec<u8>)> = on_read!(db, pool => {
        sqlx::query_as("select client_name, derived, facts from call")
            .fetch_all(pool)
            .await
            .unwrap()
    });
    let texts = rows.iter().map(|(name, derived, facts)| {
        let facts = serde_json::to_string(&Facts::unseal(facts).unwrap()).unwrap();
        format!("{name} {derived} {facts}\n")
    });
    texts.collect()
}

/// Of the raw journal, percent signs undone: the simulator writes nothing else that hides digits.
async fn journal_as_text(db: &Db) -> String {
    let rows: Vec<(Vec<u8>,)> = on_read!(db, pool => {
        sqlx::query_as("select body from raw").fetch_all(pool).await.unwrap()
    });
    rows.iter()
        .map(|(body,)| String::from_utf8_lossy(body).into_owned())
        .collect()
}

async fn nothing_is_left(place: Place) {
    let gateway = place.gateway().await;
    let posts = messages(120);
    let told = Arc::new(AtomicUsize::new(0));
    post(&gateway, posts.clone(), Duration::ZERO, &told).await;
    let db = gateway.db();
    let (client, calls) = busiest(db).await;
    assert!(calls > 1, "the story needs somebody who called twice");
    let traces = digits(&client).to_owned();
    let name = leave_more(&gateway, &place, &client).await;
    let before = figures(db).await;
    let others = calls_with_card(db).await - calls;
    assert!(calls_as_text(db).await.contains(&traces));
    assert!(journal_as_text(db).await.contains(&traces));

    let log = place.folder.join("a.log");
    fs::write(&log, format!("a line with {client} in it\n")).unwrap();
    let arguments = ["erase", "--phone", &client, "--also-search"];
    let output = place
        .run(&[&arguments[..], &[log.to_str().unwrap()]].concat())
        .await;
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("1 traces are left"), "{complaint}");
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(!output.contains(&traces) && !complaint.contains(&traces));
    let proof: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(proof["tables"]["call"], calls);
    for table in [
        "raw",
        "card",
        "card_phone",
        "recording",
        "rollup_client",
        "audit",
        "delivery",
        "number_mark",
    ] {
        assert!(
            proof["tables"][table].as_i64() > Some(0),
            "{table}: {proof}"
        );
    }
    assert_eq!(proof["recordings"], 1);
    assert_eq!(proof["searched"]["found"], serde_json::json!({}));
    assert_eq!(proof["files"][0]["found"], 1, "the log was looked into");

    // What the test itself can see.
    assert!(!calls_as_text(db).await.contains(&traces));
    assert!(!journal_as_text(db).await.contains(&traces));
    assert!(
        !place
            .recordings()
            .join(&name[..2])
            .join(&name[2..4])
            .join(&name)
            .exists()
    );
    assert_eq!(card_of(db, &client).await, None);
    assert_eq!(figures(db).await, before);
    assert_eq!(
        calls_with_card(db).await,
        others,
        "other clients keep theirs"
    );
    if let Some(file) = db.file() {
        for end in ["", "-wal"] {
            let bytes = fs::read(format!("{}{end}", file.display())).unwrap_or_default();
            assert!(
                memmem::find(&bytes, traces.as_bytes()).is_none(),
                "ringcard.db{end}"
            );
            assert!(
                memmem::find(&bytes, b"Vera Example").is_none(),
                "ringcard.db{end}"
            );
        }
    }

    told_again(&gateway, &client, posts).await;
    gateway.stop().await;
}

async fn calls_with_card(db: &Db) -> i64 {
    let (calls,): (i64,) = on_read!(db, pool => {
        sqlx::query_as("select count(*) from call where card is not null")
            .fetch_one(pool)
            .await
            .unwrap()
    });
    calls
}

/// Messages of erased calls told again bring nothing back; a new call is one of a stranger.
async fn told_again(gateway: &TestGateway, client: &str, posts: Vec<Post>) {
    let db = gateway.db();
    let before = figures(db).await;
    let of_client = |post: &Post| post.body.contains(digits(client));
    let again: Vec<Post> = posts.into_iter().filter(of_client).collect();
    assert!(!again.is_empty());
    post(gateway, again, Duration::ZERO, &Arc::default()).await;
    assert_eq!(figures(db).await, before);
    assert_eq!(card_of(db, client).await, None);
    assert!(!calls_as_text(db).await.contains(digits(client)));

    let number = client.trim_start_matches('+');
    let json = format!(
        "{{\"entry_id\":\"new\",\"call_id\":\"new\",\"timestamp\":{},\"seq\":1,\
         \"call_state\":\"Appeared\",\"location\":\"ivr\",\"from\":{{\"number\":\"{number}\"}},\
         \"to\":{{\"number\":\"74950000001\",\"line_number\":\"74950000001\"}}}}",
        flow::now().as_seconds()
    );
    let sign = hex::encode(Sha256::digest(format!("a-key{json}a-salt")));
    let fields = [("vpbx_api_key", "a-key"), ("sign", &sign), ("json", &json)];
    let told = gateway.post_form("/hooks/cloud/events/call", &fields).await;
    assert_eq!(told.status, 200, "{}", told.text);
    let card = card_of(db, client).await.unwrap();
    let known: HashMap<&str, i64> = on_read!(db, pool => {
        let (calls,): (i64,) = sqlx::query_as("select count(*) from call where card = $1")
            .bind(card)
            .fetch_one(pool)
            .await
            .unwrap();
        let (named,): (i64,) = sqlx::query_as("select count(*) from card where name <> '' and id = $1")
            .bind(card)
            .fetch_one(pool)
            .await
            .unwrap();
        [("calls", calls), ("named", named)].into()
    });
    assert_eq!((known["calls"], known["named"]), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_on_sqlite() {
    let folder = Folder::new();
    nothing_is_left(Place::sqlite(&folder.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_on_postgres() {
    let folder = Folder::new();
    nothing_is_left(Place::postgres(&folder.0).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_or_ours_or_goes_on_is_not_erased() {
    let folder = Folder::new();
    let place = Place::sqlite(&folder.0);
    let gateway = place.gateway().await;
    post(&gateway, messages(20), Duration::ZERO, &Arc::default()).await;
    let db = gateway.db();
    let (client, _) = busiest(db).await;
    let card = card_of(db, &client).await.unwrap();
    let object = format!("card:{card}");
    hold::set(db, &object, "a claim", None, flow::now())
        .await
        .unwrap();
    let told = place.refuse(&["erase", "--phone", &client]).await;
    assert!(told.contains("a legal hold is on card:"), "{told}");
    hold::lift(db, &object, None, flow::now()).await.unwrap();

    let (ours,): (String,) = on_read!(db, pool => {
        sqlx::query_as("select did from line limit 1").fetch_one(pool).await.unwrap()
    });
    let told = place.refuse(&["erase", "--phone", &ours]).await;
    assert!(told.contains("the company's own lines"), "{told}");
    let told = place
        .refuse(&["erase", "--phone", &client, "--reason", &client])
        .await;
    assert!(told.contains("must not name the person"), "{told}");

    on_write!(db, pool => {
        sqlx::query("update call set ended = null where client = $1")
            .bind(&client)
            .execute(pool)
            .await
            .unwrap();
    });
    let told = place.refuse(&["erase", "--phone", &client]).await;
    assert!(told.contains("goes on"), "{told}");
    assert_eq!(card_of(db, &client).await, Some(card));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_of_merged_cards_is_erased_whole_by_any_of_them() {
    for way in 0..3 {
        let folder = Folder::new();
        let place = Place::sqlite(&folder.0);
        let gateway = place.gateway().await;
        post(&gateway, messages(40), Duration::ZERO, &Arc::default()).await;
        let db = gateway.db();
        let (client, _) = busiest(db).await;
        let card = CardId(card_of(db, &client).await.unwrap());
        let others: Vec<(Uuid, String)> = on_read!(db, pool => {
            sqlx::query_as("select card, e164 from card_phone where card <> $1 order by e164 limit 2")
                .bind(card.0)
                .fetch_all(pool)
                .await
                .unwrap()
        });
        let deed = Deed {
            person: None,
            at: flow::now(),
        };
        for (other, _) in &others {
            let both = (card, CardId(*other));
            merging::merge(db, both, None, deed).await.unwrap();
        }
        // By the card that stays, by one that is part of it; and one that was parted before stays whole.
        let erased = if way == 1 { others[0].0 } else { card.0 };
        if way == 2 {
            merging::part(db, CardId(others[1].0), deed).await.unwrap();
        }
        let proof = place.tell(&["erase", "--card", &erased.to_string()]).await;
        assert_eq!(proof["searched"]["found"], serde_json::json!({}));
        let stays = |n: usize| way == 2 && n == 1;
        for (n, (_, number)) in others.iter().enumerate() {
            assert_eq!(card_of(db, number).await.is_some(), stays(n), "{way} {n}");
            let held = calls_as_text(db).await.contains(digits(number));
            assert_eq!(held, stays(n), "{way} {n}");
        }
        assert_eq!(card_of(db, &client).await, None);
        gateway.stop().await;
    }
}
