//! The API on PostgreSQL: every statement it makes runs there and says the same as on SQLite.

use reqwest::Method;
use ringcard::flow;
use serde_json::json;

use super::client::{ALL, Api};
use crate::pages::office::{CLIENT, Office};

#[tokio::test]
async fn the_api_stands_on_postgres_too() {
    let office = Office::open_on_postgres().await;
    office
        .call("c1", CLIENT)
        .minutes_ago(60)
        .missed_by("201")
        .await;
    let olga = Api::of(&office, "olga", &ALL).await;
    let form = json!({"kind": "form", "phone": "+74950000022", "name": "Vera"});
    let named = [("idempotency-key", "lead-1")];
    let touch = olga
        .ask(Method::POST, "/touches", &named, Some(form.clone()))
        .await;
    assert_eq!(touch.status, 201, "{}", touch.json);
    let again = olga.ask(Method::POST, "/touches", &named, Some(form)).await;
    assert_eq!((again.status, &again.json), (201, &touch.json));
    let other = json!({"kind": "chat", "phone": CLIENT});
    let other = olga
        .ask(Method::POST, "/touches", &named, Some(other))
        .await;
    assert_eq!(other.status, 422);
    let (card, task) = (touch.json["card"].as_str().unwrap(), &touch.json["task"]);
    let touch = touch.json["id"].as_str().unwrap();
    let call = office.id("c1").await;
    for path in [
        "/calls?limit=1&result=open",
        "/calls?number=0011",
        &format!("/calls/{call}"),
        &format!("/calls/{call}/recordings"),
        "/cards?name=vera",
        "/cards?number=0022",
        &format!("/cards/{card}"),
        &format!("/touches?card={card}"),
        &format!("/touches/{touch}"),
        "/tasks?limit=1",
        "/tasks?done=true",
        &format!("/tasks/{task}"),
        "/lines",
        "/channels",
        "/availability",
    ] {
        olga.read(path).await;
    }
    for list in ["/calls", "/tasks", "/touches", "/cards", "/availability"] {
        let first = olga.read(&format!("{list}?limit=1")).await;
        assert_eq!(first["items"].as_array().unwrap().len(), 1, "{list}");
        if let Some(next) = first["next"].as_str() {
            olga.read(&format!("{list}?limit=1&after={next}")).await;
        }
    }
    let until = json!({"break_until": flow::now().plus_millis(60_000).rfc3339()});
    let own = format!("/availability/{}", office.anna.0);
    assert_eq!(
        olga.ask(Method::PUT, &own, &[], Some(until)).await.status,
        200
    );
    let names = json!({"company": "Windows"});
    let path = format!("/cards/{card}");
    assert_eq!(
        olga.ask(Method::PATCH, &path, &[], Some(names))
            .await
            .status,
        200
    );
    let note = olga
        .post(&format!("{path}/notes"), json!({"text": "x"}))
        .await;
    assert_eq!(note.status, 201);
    for login in ["helen", "anna", "mark", "quinn", "adam"] {
        let api = Api::of(&office, login, &ALL).await;
        for list in ["/calls", "/tasks", "/touches", "/cards", "/availability"] {
            let said = api.get(list).await;
            assert!([200, 403].contains(&said.status), "{login} {list}");
        }
    }
    // The clock stops by a call on this store as well.
    office
        .call("c2", "+74950000022")
        .minutes_ago(-1)
        .answered_by("201")
        .await;
    let touch = olga.read(&format!("/touches/{touch}")).await;
    assert_eq!(touch["done_by"], json!(office.id("c2").await.to_string()));
    let browser = office.browser("olga").await;
    browser.page("/tokens").await;
    browser.page("/").await;
    office.close().await;
}
