//! Writes that name themselves: the same again is answered the same and done once.

use reqwest::Method;
use ringcard::{flow, on_read};
use serde_json::{Value, json};

use super::client::{ALL, Api, Said};
use crate::pages::office::{CLIENT, Office};

async fn named(api: &Api<'_>, path: &str, name: &str, body: Value) -> Said {
    let headers = [("idempotency-key", name)];
    api.ask(Method::POST, path, &headers, Some(body)).await
}

fn form(text: &str) -> Value {
    json!({"kind": "form", "phone": CLIENT, "text": text})
}

async fn touches(office: &Office) -> i64 {
    let (n,): (i64,) = on_read!(office.gateway.db(), pool => {
        sqlx::query_as("select count(*) from touch").fetch_one(pool).await
    })
    .unwrap();
    n
}

#[tokio::test]
async fn the_same_again_gets_the_same_answer() {
    let office = Office::open().await;
    let api = Api::of(&office, "olga", &ALL).await;
    let first = named(&api, "/touches", "lead-1", form("a")).await;
    assert_eq!(first.status, 201);
    assert!(first.headers.get("idempotency-replayed").is_none());
    let again = named(&api, "/touches", "lead-1", form("a")).await;
    assert_eq!((again.status, &again.json), (201, &first.json));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(touches(&office).await, 1);

    let other = named(&api, "/touches", "lead-1", form("b")).await;
    assert_eq!(other.status, 422);
    // Names of another token are other names.
    let neighbour = Api::of(&office, "olga", &ALL).await;
    let theirs = named(&neighbour, "/touches", "lead-1", form("b")).await;
    assert_eq!(theirs.status, 201);
    assert_eq!(touches(&office).await, 2);
    office.close().await;
}

#[tokio::test]
async fn many_of_one_name_at_once_are_done_once() {
    let office = Office::open().await;
    let api = Api::of(&office, "olga", &ALL).await;
    let all = (0..10).map(|_| named(&api, "/touches", "lead-1", form("a")));
    let answers = futures_util::future::join_all(all).await;
    let of = |status: u16| answers.iter().filter(|said| said.status == status).count();
    assert!(of(201) >= 1 && of(201) + of(409) == 10, "{answers:?}");
    assert_eq!(touches(&office).await, 1);
    let id = |said: &Said| said.json["id"].clone();
    let done: Vec<Value> = answers
        .iter()
        .filter(|said| said.status == 201)
        .map(id)
        .collect();
    assert!(done.iter().all(|one| *one == done[0]));
    office.close().await;
}

#[tokio::test]
async fn what_was_refused_may_be_tried_again_under_its_name() {
    let office = Office::open_with_pbx().await;
    office.call("c1", CLIENT).answered_by("201").await;
    let call = office.id("c1").await.to_string();
    let api = Api::of(&office, "olga", &ALL).await;
    // Olga has no phone yet.
    let refused = named(&api, "/calls", "dial-1", json!({"call": call})).await;
    assert_eq!(refused.status, 422, "{}", refused.json);
    office
        .run(
            "insert into person_extension (account, extension, person)
             select 'office', '209', id from person where login = 'olga'",
        )
        .await;
    let taken = named(&api, "/calls", "dial-1", json!({"call": call})).await;
    assert_eq!(taken.status, 202, "{}", taken.json);
    let again = named(&api, "/calls", "dial-1", json!({"call": call})).await;
    assert_eq!(again.json, taken.json, "the phone rings once");
    office.close().await;
}

#[tokio::test]
async fn a_write_that_broke_off_is_carried_out_once_all_the_same() {
    let office = Office::open().await;
    let api = Api::of(&office, "olga", &ALL).await;
    let first = named(&api, "/touches", "lead-1", form("a")).await;
    // As if the machine had stopped between the touch and the keeping of the answer.
    let set = async |at: i64| {
        let sql = format!("update api_answer set status = null, body = '', created_at = {at}");
        office.run(&sql).await;
    };
    set(flow::now().as_micros()).await;
    let early = named(&api, "/touches", "lead-1", form("a")).await;
    assert_eq!(early.status, 409, "it may still be under way");
    set(flow::now().plus_millis(-61_000).as_micros()).await;
    let again = named(&api, "/touches", "lead-1", form("a")).await;
    assert_eq!((again.status, &again.json["id"]), (201, &first.json["id"]));
    assert_eq!(touches(&office).await, 1);
    // Forgotten after a day; another write may then have the name.
    set(flow::now().plus_millis(-25 * 3_600_000).as_micros()).await;
    assert_eq!(
        named(&api, "/touches", "lead-1", form("b")).await.status,
        201
    );
    assert_eq!(touches(&office).await, 2);
    office.close().await;
}
