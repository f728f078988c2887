//! Cards for programs: found, read, renamed, written on, uncovered.

use reqwest::Method;
use ringcard::model::people::Role;
use serde_json::{Value, json};

use super::client::{ALL, Api};
use crate::pages::office::{CLIENT, CLIENT_MASKED, Office};

const OTHER: &str = "+74950000022";

/// Two clients: Anna's and Ivan's. Gives the path of the first card.
async fn clients(office: &Office) -> String {
    office
        .call("c1", CLIENT)
        .minutes_ago(90)
        .answered_by("201")
        .await;
    office
        .call("c2", OTHER)
        .minutes_ago(80)
        .answered_by("203")
        .await;
    let hub = &office.gateway.gateway().site().hub;
    hub.expire(ringcard::flow::now().plus_millis(3_600_000));
    let olga = Api::of(office, "olga", &ALL).await;
    let id = office.id("c1").await;
    let call = olga.read(&format!("/calls/{id}")).await;
    format!("/cards/{}", call["card"].as_str().unwrap())
}

fn len(list: &Value) -> usize {
    list["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn everybody_finds_the_cards_they_may_see() {
    let office = Office::open().await;
    let card = clients(&office).await;
    for (login, expected) in [
        ("anna", 1),
        ("ivan", 1),
        ("helen", 1),
        ("olga", 2),
        ("quinn", 2),
    ] {
        let api = Api::of(&office, login, &ALL).await;
        assert_eq!(len(&api.read("/cards").await), expected, "{login}");
    }
    let ivan = Api::of(&office, "ivan", &ALL).await;
    assert_eq!(ivan.get(&card).await.status, 403);
    let olga = Api::of(&office, "olga", &ALL).await;
    assert_eq!(len(&olga.read("/cards?number=0011").await), 1);
    let first = olga.read("/cards?limit=1").await;
    let next = first["next"].as_str().unwrap();
    let second = olga.read(&format!("/cards?limit=1&after={next}")).await;
    assert_ne!(first["items"], second["items"]);
    assert_eq!(second["next"], Value::Null);
    office.close().await;
}

#[tokio::test]
async fn a_name_and_a_note_reach_the_card() {
    let office = Office::open().await;
    let card = clients(&office).await;
    let anna = Api::of(&office, "anna", &ALL).await;
    let names = json!({"name": "Vera", "company": "Windows"});
    let said = anna.ask(Method::PATCH, &card, &[], Some(names)).await;
    assert_eq!(said.status, 200, "{}", said.json);
    let said = anna
        .ask(Method::PATCH, &card, &[], Some(json!({"name": "Vera S."})))
        .await;
    assert_eq!(
        (&said.json["name"], &said.json["company"]),
        (&json!("Vera S."), &json!("Windows"))
    );
    let note = anna
        .post(&format!("{card}/notes"), json!({"text": "Comes on Monday"}))
        .await;
    assert_eq!(note.status, 201);
    assert_eq!(note.json["person_name"], "Anna");
    let service = Api::service(&office, Role::Owner, &["cards:write", "cards:read"]).await;
    let note = service
        .post(&format!("{card}/notes"), json!({"text": "From the site"}))
        .await;
    assert_eq!(
        (note.status, &note.json["person_name"]),
        (201, &Value::Null)
    );
    let read = service.read(&card).await;
    let texts: Vec<&str> = read["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts[..2], ["From the site", "Comes on Monday"]);
    assert_eq!(len(&service.read("/cards?name=vera").await), 1);
    for wrong in [json!({"text": " "}), json!({"text": "x".repeat(4_001)})] {
        assert_eq!(anna.post(&format!("{card}/notes"), wrong).await.status, 422);
    }
    let ivan = Api::of(&office, "ivan", &ALL).await;
    assert_eq!(
        ivan.post(&format!("{card}/notes"), json!({"text": "x"}))
            .await
            .status,
        403
    );
    office.close().await;
}

#[tokio::test]
async fn uncovering_a_number_leaves_a_trace() {
    let office = Office::open().await;
    let card = clients(&office).await;
    let quinn = Api::of(&office, "quinn", &ALL).await;
    let read = quinn.read(&card).await;
    assert_eq!(read["phones"][0]["phone"]["number"], CLIENT_MASKED);
    let shown = quinn
        .ask(Method::POST, &format!("{card}/reveal"), &[], None)
        .await;
    assert_eq!(shown.json["phones"][0]["phone"]["number"], CLIENT);
    let call = format!("/calls/{}", office.id("c1").await);
    let shown = quinn
        .ask(Method::POST, &format!("{call}/reveal"), &[], None)
        .await;
    assert_eq!(shown.json["client"]["number"], CLIENT);
    assert_eq!(office.audit("reveal").await.len(), 2);
    let anna = Api::of(&office, "anna", &ALL).await;
    let refused = anna
        .ask(Method::POST, &format!("{card}/reveal"), &[], None)
        .await;
    assert_eq!(refused.status, 403);
    assert_eq!(office.audit("reveal").await.len(), 2);
    office.close().await;
}

#[tokio::test]
async fn cards_become_one_part_again_and_give_a_number_away() {
    let office = Office::open().await;
    let one = clients(&office).await;
    let olga = Api::of(&office, "olga", &ALL).await;
    let call = olga
        .read(&format!("/calls/{}", office.id("c2").await))
        .await;
    let other = call["card"].clone();
    let two = format!("/cards/{}", other.as_str().unwrap());
    let merge = format!("{one}/merge");
    let body = json!({"card": other});

    // Anna may change her own client and not Ivan's.
    let anna = Api::of(&office, "anna", &ALL).await;
    assert_eq!(anna.post(&merge, body.clone()).await.status, 403);
    let named = [("idempotency-key", "merge-1")];
    let ask = async || {
        olga.ask(Method::POST, &merge, &named, Some(body.clone()))
            .await
    };
    let first = ask().await;
    assert_eq!(first.status, 200, "{}", first.json);
    assert_eq!(first.json["phones"].as_array().unwrap().len(), 2);
    assert_eq!(ask().await.json, first.json, "done once");
    let said = olga.post(&merge, body.clone()).await;
    assert_eq!(said.status, 422, "it is part of the other already");
    assert!(!said.json["detail"].as_str().unwrap().is_empty());
    let gone = olga.read(&two).await;
    assert_eq!(
        format!("/cards/{}", gone["merged_into"].as_str().unwrap()),
        one
    );
    // Lists asked for by the old card are those of the new one.
    for list in ["calls", "tasks", "touches"] {
        let of = |card: &str| format!("/{list}?card={}", card.rsplit('/').next().unwrap());
        let (old, new) = (olga.read(&of(&two)).await, olga.read(&of(&one)).await);
        assert_eq!(old["items"], new["items"], "{list}");
        assert_eq!(len(&new), if list == "calls" { 2 } else { 0 }, "{list}");
    }
    let note = olga
        .post(&format!("{two}/notes"), json!({"text": "x"}))
        .await;
    assert_eq!(note.status, 422);
    assert_eq!(len(&olga.read("/cards").await), 1);

    let unmerge = format!("{two}/unmerge");
    let back = olga.ask(Method::POST, &unmerge, &[], None).await;
    assert_eq!(
        (back.status, &back.json["merged_into"]),
        (200, &Value::Null)
    );
    assert_eq!(back.json["phones"][0]["phone"]["number"], OTHER);
    let again = olga.ask(Method::POST, &unmerge, &[], None).await;
    assert_eq!(again.status, 422);

    let part = format!("{one}/part");
    let only = olga.post(&part, json!({"phone": 0})).await;
    assert_eq!(only.status, 422, "its only number stays");
    assert_eq!(olga.post(&merge, body).await.status, 200);
    let parted = olga.post(&part, json!({"phone": 1})).await;
    assert_eq!(parted.status, 201, "{}", parted.json);
    assert_eq!(parted.json["phones"][0]["phone"]["number"], OTHER);
    let id = parted.json["id"].as_str().unwrap();
    let calls = olga
        .read(&format!("/calls/{}", office.id("c2").await))
        .await;
    assert_eq!(calls["card"], id);
    office.close().await;
}
