//! Calls for programs: whose, in which order, and how much of a number.

use ringcard::model::people::Role;
use serde_json::{Value, json};

use super::client::{ALL, Api};
use crate::pages::office::{CLIENT, CLIENT_MASKED, Office};

const OTHER: &str = "+74950000022";

/// The wordings of the numbers in a list.
fn numbers(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|call| call["client"]["number"].as_str().unwrap())
        .collect()
}

async fn two_calls(office: &Office) {
    let older = office.call("c1", CLIENT).minutes_ago(100);
    older.answered_by("201").await;
    let newer = office.call("c2", OTHER).minutes_ago(80);
    newer.missed_by("203").await;
}

#[tokio::test]
async fn everybody_gets_the_calls_of_the_journal_and_no_others() {
    let office = Office::open().await;
    two_calls(&office).await;
    for (login, expected) in [
        ("anna", vec![CLIENT]),
        ("ivan", vec![OTHER]),
        ("olga", vec![OTHER, CLIENT]),
        ("helen", vec![CLIENT]),
    ] {
        let api = Api::of(&office, login, &ALL).await;
        assert_eq!(numbers(&api.read("/calls").await), expected, "{login}");
    }
    let id = office.id("c1").await;
    let ivan = Api::of(&office, "ivan", &ALL).await;
    office
        .gateway
        .gateway()
        .site()
        .hub
        .expire(ringcard::flow::now().plus_millis(3_600_000));
    assert_eq!(ivan.get(&format!("/calls/{id}")).await.status, 403);
    let olga = Api::of(&office, "olga", &ALL).await;
    let call = olga.read(&format!("/calls/{id}")).await;
    assert_eq!(call["result"], "answered");
    assert_eq!(
        (&call["wait_ms"], &call["talk_ms"]),
        (&json!(6_000), &json!(60_000))
    );
    assert_eq!(call["people"][0]["name"], "Anna");
    assert_eq!(call["line_name"], "Site");
    let nil = uuid::Uuid::nil();
    assert_eq!(olga.get(&format!("/calls/{nil}")).await.status, 404);
    assert_eq!(olga.get("/calls/7").await.status, 400);
    office.close().await;
}

#[tokio::test]
async fn numbers_are_masked_as_on_pages_and_without_the_scope() {
    let office = Office::open().await;
    two_calls(&office).await;
    let quinn = Api::of(&office, "quinn", &ALL).await;
    let list = quinn.read("/calls").await;
    assert_eq!(numbers(&list)[1], CLIENT_MASKED);
    assert_eq!(list["items"][1]["client"]["masked"], true);
    let without: Vec<&str> = ALL
        .iter()
        .copied()
        .filter(|word| *word != "numbers")
        .collect();
    let olga = Api::of(&office, "olga", &without).await;
    assert_eq!(numbers(&olga.read("/calls").await)[1], CLIENT_MASKED);
    let id = office.id("c1").await;
    let call = olga.read(&format!("/calls/{id}")).await;
    assert_eq!(call["client"]["number"], CLIENT_MASKED);
    let service = Api::service(&office, Role::Owner, &ALL).await;
    assert_eq!(numbers(&service.read("/calls").await)[1], CLIENT);

    // The digits of a hidden number cannot be found by trying endings.
    assert_eq!(quinn.get("/calls?number=0011").await.status, 400);
    let found = quinn.read("/calls?number=4950000011").await;
    assert_eq!(numbers(&found), [CLIENT_MASKED]);
    assert_eq!(office.audit("search").await.len(), 1);
    let olga = Api::of(&office, "olga", &ALL).await;
    assert_eq!(numbers(&olga.read("/calls?number=0011").await), [CLIENT]);
    office.close().await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let office = Office::open().await;
    for n in 0..7 {
        let key = format!("c{n}");
        let call = office.call(&key, CLIENT).minutes_ago(60 + 5 * n);
        call.answered_by("201").await;
    }
    for login in ["olga", "anna"] {
        let api = Api::of(&office, login, &ALL).await;
        let whole = api.read("/calls").await;
        assert_eq!(whole["next"], Value::Null);
        let mut paged = Vec::new();
        let mut path = "/calls?limit=3".to_owned();
        loop {
            let page = api.read(&path).await;
            paged.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else {
                break;
            };
            path = format!("/calls?limit=3&after={next}");
        }
        assert_eq!(whole["items"], Value::Array(paged), "{login}");
        assert_eq!(whole["items"].as_array().unwrap().len(), 7);
    }
    office.close().await;
}

#[tokio::test]
async fn filters_narrow_and_what_is_no_filter_is_refused() {
    let office = Office::open().await;
    two_calls(&office).await;
    let api = Api::of(&office, "olga", &ALL).await;
    let ivan = office.ivan.0;
    for (query, expected) in [
        ("result=answered", vec![CLIENT]),
        ("result=open", vec![OTHER]),
        ("result=missed", vec![OTHER]),
        ("direction=in", vec![OTHER, CLIENT]),
        ("direction=out", vec![]),
        (&*format!("person={ivan}"), vec![OTHER]),
        ("line=1", vec![OTHER, CLIENT]),
        ("line=2", vec![]),
        ("channel=1", vec![OTHER, CLIENT]),
        ("channel=0", vec![]),
        ("from=2100-01-01T00:00:00Z", vec![]),
        ("to=2020-01-01T00:00:00Z", vec![]),
        ("from=2020-01-01T00:00:00%2B03:00", vec![OTHER, CLIENT]),
    ] {
        let found = api.read(&format!("/calls?{query}")).await;
        assert_eq!(numbers(&found), expected, "{query}");
    }
    for wrong in [
        "result=good",
        "direction=up",
        "person=anna",
        "from=yesterday",
        "limit=0",
        "limit=201",
        "after=x",
        "card=1",
        "number=%00",
        "to=2020-01-01",
    ] {
        assert_eq!(
            api.get(&format!("/calls?{wrong}")).await.status,
            400,
            "{wrong}"
        );
    }
    office.close().await;
}
