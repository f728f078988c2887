//! Leads for programs: the card, the clock of the first call, and what stops it.

use reqwest::Method;
use ringcard::{flow, model::people::Role, on_read};
use serde_json::{Value, json};

use super::client::{ALL, Api};
use crate::pages::office::{CLIENT, CLIENT_SHOWN, Office, all};

async fn count(office: &Office, what: &str) -> i64 {
    let sql = format!("select count(*) from {what}");
    let (n,): (i64,) = on_read!(office.gateway.db(), pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_one(pool).await
    })
    .unwrap();
    n
}

fn form(phone: &str) -> Value {
    json!({"kind": "form", "phone": phone, "name": "Vera", "text": "A window", "source": "site"})
}

/// What a clock says: whether it stopped, and by what.
async fn clock(api: &Api<'_>, touch: &Value) -> (bool, Value) {
    let id = touch["id"].as_str().unwrap();
    let touch = api.read(&format!("/touches/{id}")).await;
    (!touch["done_at"].is_null(), touch["done_by"].clone())
}

#[tokio::test]
async fn a_form_of_the_site_opens_the_card_and_starts_the_clock() {
    let office = Office::open().await;
    let site = Api::service(&office, Role::Owner, &["touches:write"]).await;
    let before = flow::now();
    let said = site.post("/touches", form("8 (495) 000-00-11")).await;
    assert_eq!(said.status, 201, "{}", said.json);
    let touch = said.json;
    assert_eq!(
        touch["client"]["masked"], true,
        "the token is not for numbers"
    );
    let due = touch["due_at"].as_str().unwrap();
    let due = ringcard::model::time::Timestamp::parse_rfc3339(due).unwrap();
    let left = due.millis_since(before);
    assert!((299_000..310_000).contains(&left), "{left}");

    let olga = Api::of(&office, "olga", &ALL).await;
    let card = touch["card"].as_str().unwrap();
    let card = olga.read(&format!("/cards/{card}")).await;
    assert_eq!(card["name"], "Vera");
    assert_eq!(card["phones"][0]["phone"]["number"], CLIENT);
    assert_eq!(card["history"][0]["kind"], "touch");
    assert_eq!(card["history"][0]["text"], "form · site · A window");
    let tasks = olga.read("/tasks").await;
    assert_eq!(tasks["items"][0]["kind"], "first_dial");
    assert_eq!(tasks["items"][0]["id"], touch["task"]);

    // People see it as well.
    let browser = office.browser("olga").await;
    let page = browser.page("/").await;
    let lines = all(&page, ".task-list li");
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("wrote"), "{lines:?}");
    let page = browser
        .page(&format!("/cards/{}", card["id"].as_str().unwrap()))
        .await;
    let timeline = all(&page, ".timeline li.touch");
    assert!(timeline[0].contains("A window"), "{timeline:?}");
    assert!(all(&page, ".phones li")[0].starts_with(CLIENT_SHOWN));
    office.close().await;
}

#[tokio::test]
async fn the_example_of_the_readme_works_as_written() {
    let readme = include_str!("../../../README.md");
    let scopes: Vec<&str> = readme
        .lines()
        .find(|line| line.starts_with("TOKEN="))
        .map(|line| line.trim_end_matches(')').split("--scope ").skip(1))
        .unwrap()
        .map(str::trim)
        .collect();
    let body = readme
        .split("-d '")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap();
    let office = Office::open().await;
    let site = Api::service(&office, Role::Owner, &scopes).await;
    assert_eq!(site.get("/calls?limit=5").await.status, 200);
    let named = [("idempotency-key", "form-1001")];
    let body: Value = serde_json::from_str(body).unwrap();
    let said = site.ask(Method::POST, "/touches", &named, Some(body)).await;
    assert_eq!(said.status, 201, "{}", said.json);
    office.close().await;
}

#[tokio::test]
async fn only_a_call_in_which_somebody_talks_stops_the_clock() {
    let office = Office::open().await;
    let api = Api::of(&office, "olga", &ALL).await;
    let touch = api.post("/touches", form(CLIENT)).await.json;
    office
        .call("before", CLIENT)
        .minutes_ago(60)
        .answered_by("201")
        .await;
    assert_eq!(clock(&api, &touch).await, (false, Value::Null));
    office
        .call("vain", CLIENT)
        .minutes_ago(-1)
        .goes_out_in_vain("201")
        .await;
    assert_eq!(clock(&api, &touch).await, (false, Value::Null));
    office
        .call("other", "+74950000022")
        .minutes_ago(-1)
        .answered_by("201")
        .await;
    assert_eq!(clock(&api, &touch).await, (false, Value::Null));
    office
        .call("talk", CLIENT)
        .minutes_ago(-2)
        .answered_by("201")
        .await;
    let talk = office.id("talk").await.to_string();
    assert_eq!(clock(&api, &touch).await, (true, json!(talk)));
    let closed = api.read("/tasks?done=true").await;
    assert_eq!(closed["items"][0]["outcome"], "client_called_again");
    office.close().await;
}

#[tokio::test]
async fn a_lead_handed_in_late_finds_the_call_that_was_made() {
    let office = Office::open().await;
    let api = Api::of(&office, "olga", &ALL).await;
    office
        .call("talk", CLIENT)
        .minutes_ago(10)
        .answered_by("201")
        .await;
    let mut late = form(CLIENT);
    late["at"] = json!(flow::now().plus_millis(-20 * 60_000).rfc3339());
    let touch = api.post("/touches", late).await.json;
    let talk = office.id("talk").await.to_string();
    assert_eq!(clock(&api, &touch).await, (true, json!(talk)));
    // The card is the one the call made, and its manager is whoever answered.
    assert_eq!(count(&office, "card").await, 1);
    let again = api.post("/touches", form(CLIENT)).await.json;
    assert_eq!(again["card"], touch["card"]);
    assert_ne!(again["task"], touch["task"], "the first clock has stopped");
    let task = again["task"].to_string();
    let task = api.read(&format!("/tasks/{task}")).await;
    assert_eq!(task["person"], json!(office.anna.0));
    office.close().await;
}

#[tokio::test]
async fn while_a_clock_runs_there_is_no_second_one() {
    let office = Office::open().await;
    let api = Api::of(&office, "olga", &ALL).await;
    let mut first = form(CLIENT);
    first["person"] = json!(office.ivan.0);
    let first = api.post("/touches", first).await.json;
    let second = api
        .post("/touches", json!({"kind": "chat", "phone": CLIENT}))
        .await
        .json;
    assert_ne!(first["id"], second["id"]);
    assert_eq!(first["task"], second["task"]);
    assert_eq!(
        api.read("/touches").await["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let ivan = Api::of(&office, "ivan", &ALL).await;
    let tasks = ivan.read("/tasks").await;
    assert_eq!(tasks["items"][0]["id"], first["task"]);
    let anna = Api::of(&office, "anna", &ALL).await;
    assert_eq!(anna.read("/tasks").await["items"], json!([]));
    assert_eq!(anna.read("/touches").await["items"], json!([]));
    let id = first["id"].as_str().unwrap();
    assert_eq!(anna.get(&format!("/touches/{id}")).await.status, 403);
    office.close().await;
}

#[tokio::test]
async fn many_first_touches_and_a_call_at_once_make_one_card() {
    let office = Office::open().await;
    let api = Api::of(&office, "olga", &ALL).await;
    let call = office.call("c1", CLIENT);
    let touches = (0..8).map(|_| api.post("/touches", form(CLIENT)));
    let (answers, ()) = tokio::join!(
        futures_util::future::join_all(touches),
        call.rings(&["201"], 1)
    );
    assert!(answers.iter().all(|said| said.status == 201));
    assert_eq!(count(&office, "card").await, 1);
    assert_eq!(count(&office, "task where kind = 'first_dial'").await, 1);
    office.close().await;
}

#[tokio::test]
async fn what_is_no_lead_is_refused_and_leaves_nothing() {
    let office = Office::open().await;
    let api = Api::of(&office, "olga", &ALL).await;
    for (wrong, status) in [
        (json!({"kind": "form", "phone": "112"}), 422),
        (json!({"kind": "form", "phone": "call me"}), 422),
        (json!({"kind": "form", "phone": CLIENT, "person": 999}), 422),
        (
            json!({"kind": "form", "phone": CLIENT, "name": "x".repeat(201)}),
            422,
        ),
        (
            json!({"kind": "form", "phone": CLIENT, "at": "2100-01-01T00:00:00Z"}),
            422,
        ),
        (json!({"kind": "form", "phone": CLIENT, "at": "now"}), 400),
        (json!({"kind": "fax", "phone": CLIENT}), 400),
        (json!({"kind": "form"}), 400),
        (json!({"kind": "form", "phone": CLIENT, "age": 7}), 400),
        (
            json!({"kind": "form", "phone": CLIENT, "text": "a\u{0}b"}),
            400,
        ),
        (json!([]), 400),
    ] {
        let said = api.post("/touches", wrong.clone()).await;
        assert_eq!(said.status, status, "{wrong}: {}", said.json);
    }
    let bare = [("content-type", "text/plain")];
    let said = api.ask(Method::POST, "/touches", &bare, None).await;
    assert_eq!(said.status, 415);
    let long = json!({"kind": "form", "phone": CLIENT, "text": "x".repeat(70_000)});
    assert_eq!(api.post("/touches", long).await.status, 413);
    assert_eq!(
        count(&office, "card").await + count(&office, "task").await,
        0
    );
    office.close().await;
}
