//! Tasks, click to call and availability for programs.

use reqwest::Method;
use ringcard::model::people::Role;
use ringcard::{flow, on_read};
use serde_json::{Value, json};

use super::client::{ALL, Api};
use crate::pages::office::{CLIENT, Office};

#[tokio::test]
async fn tasks_come_by_urgency_and_are_closed_by_those_who_may() {
    let office = Office::open().await;
    for (n, extension) in ["201", "203", "201"].iter().enumerate() {
        let (key, client) = (format!("c{n}"), format!("+7495000002{n}"));
        let call = office.call(&key, &client).minutes_ago(90 - 10 * n as i64);
        call.missed_by(extension).await;
    }
    let olga = Api::of(&office, "olga", &ALL).await;
    let all = olga.read("/tasks").await;
    let all = all["items"].as_array().unwrap();
    assert_eq!(all.len(), 3);
    assert!(
        all.windows(2)
            .all(|two| two[0]["due_at"].as_str() <= two[1]["due_at"].as_str())
    );
    let first = olga.read("/tasks?limit=2").await;
    let next = first["next"].as_str().unwrap();
    let rest = olga.read(&format!("/tasks?limit=2&after={next}")).await;
    assert_eq!(rest["items"][0], all[2]);

    let ivan = Api::of(&office, "ivan", &ALL).await;
    assert_eq!(
        ivan.read("/tasks").await["items"].as_array().unwrap().len(),
        1
    );
    let helen = Api::of(&office, "helen", &ALL).await;
    assert_eq!(
        helen.read("/tasks").await["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let annas = format!("/tasks/{}", all[0]["id"]);
    assert_eq!(ivan.get(&annas).await.status, 403);
    let close = format!("{annas}/close");
    let why = || Some(json!({"reason": "asked us not to call"}));
    assert_eq!(ivan.ask(Method::POST, &close, &[], why()).await.status, 403);
    let anna = Api::of(&office, "anna", &ALL).await;
    let closed = anna.ask(Method::POST, &close, &[], why()).await;
    assert_eq!(
        (closed.status, &closed.json["outcome"]),
        (200, &json!("not_needed"))
    );
    assert_eq!(anna.ask(Method::POST, &close, &[], why()).await.status, 404);
    assert_eq!(
        olga.read("/tasks").await["items"].as_array().unwrap().len(),
        2
    );
    assert_eq!(
        olga.read("/tasks?done=true").await["items"][0]["id"],
        all[0]["id"]
    );
    office.close().await;
}

async fn calls_of_commands(office: &Office) -> i64 {
    let (n,): (i64,) = on_read!(office.gateway.db(), pool => {
        sqlx::query_as("select count(*) from call where direction = 'out'").fetch_one(pool).await
    })
    .unwrap();
    n
}

#[tokio::test]
async fn a_program_has_a_phone_call_a_client() {
    let office = Office::open_with_pbx().await;
    office
        .call("c1", CLIENT)
        .minutes_ago(60)
        .missed_by("201")
        .await;
    let anna = Api::of(&office, "anna", &ALL).await;
    let call = office.id("c1").await.to_string();
    let task = anna.read("/tasks").await["items"][0]["id"].clone();
    let card = anna.read(&format!("/calls/{call}")).await["card"].clone();
    for whom in [json!({"call": call}), json!({"task": task})] {
        let said = anna.post("/calls", whom.clone()).await;
        assert_eq!(said.status, 202, "{whom}: {}", said.json);
        assert!(said.json["command"].as_str().unwrap().len() > 30);
    }
    assert_eq!(calls_of_commands(&office).await, 2);
    let service = Api::service(&office, Role::Owner, &ALL).await;
    let whom = json!({"card": card});
    assert_eq!(
        service.post("/calls", whom).await.status,
        422,
        "a service has no phone"
    );
    let whom = json!({"card": card, "phone": 0, "person": office.ivan.0});
    assert_eq!(service.post("/calls", whom.clone()).await.status, 202);
    assert_eq!(
        anna.post("/calls", whom).await.status,
        403,
        "Ivan's phone is not hers"
    );
    for (wrong, status) in [
        (json!({}), 400),
        (json!({"number": CLIENT}), 400),
        (json!({"task": task, "call": call}), 400),
        (json!({"task": 999}), 422),
        (json!({"card": card, "phone": 5}), 422),
    ] {
        assert_eq!(
            service.post("/calls", wrong.clone()).await.status,
            status,
            "{wrong}"
        );
    }
    assert_eq!(calls_of_commands(&office).await, 3);
    office.close().await;
}

fn of<'a>(list: &'a Value, name: &str) -> &'a Value {
    let mut all = list["items"].as_array().unwrap().iter();
    all.find(|one| one["name"] == name).unwrap()
}

#[tokio::test]
async fn a_break_is_seen_by_everybody_and_by_routing() {
    let office = Office::open().await;
    let anna = Api::of(&office, "anna", &ALL).await;
    let before = anna.read("/availability").await;
    assert_eq!(of(&before, "Anna")["state"], "available");
    assert_eq!(of(&before, "Anna")["extensions"][0]["extension"], "201");
    let until = flow::now().plus_millis(600_000).rfc3339();
    let own = format!("/availability/{}", office.anna.0);
    let body = json!({"break_until": until});
    let said = anna.ask(Method::PUT, &own, &[], Some(body.clone())).await;
    assert_eq!((said.status, &said.json["state"]), (200, &json!("break")));
    let tables = ringcard::store::routing::tables(office.gateway.db())
        .await
        .unwrap();
    assert!(tables.agents[&office.anna].break_until.is_some());

    let ivans = format!("/availability/{}", office.ivan.0);
    let said = anna.ask(Method::PUT, &ivans, &[], Some(body.clone())).await;
    assert_eq!(said.status, 403);
    let helen = Api::of(&office, "helen", &ALL).await;
    assert_eq!(
        helen
            .ask(Method::PUT, &ivans, &[], Some(body.clone()))
            .await
            .status,
        403
    );
    let back = json!({"break_until": null});
    let said = helen.ask(Method::PUT, &own, &[], Some(back)).await;
    assert_eq!(
        (said.status, &said.json["state"]),
        (200, &json!("available"))
    );
    for (path, wrong, status) in [
        (&own, json!({}), 400),
        (&own, json!({"break_until": "2200-01-01T00:00:00Z"}), 422),
        (&"/availability/999".to_owned(), body, 404),
    ] {
        let said = anna.ask(Method::PUT, path, &[], Some(wrong.clone())).await;
        assert_eq!(said.status, status, "{wrong}: {}", said.json);
    }
    office.close().await;
}

#[tokio::test]
async fn whoever_is_rung_or_talks_is_shown_so() {
    let office = Office::open().await;
    let api = Api::of(&office, "adam", &ALL).await;
    let state = async |name: &str| {
        let list = api.read("/availability").await;
        of(&list, name)["state"].as_str().unwrap().to_owned()
    };
    let call = office.call("c1", CLIENT);
    call.rings(&["201", "202"], 1).await;
    assert_eq!(state("Anna").await, "ringing");
    call.answers("201", 5).await;
    assert_eq!(state("Anna").await, "talking");
    call.ends(30).await;
    assert_eq!(state("Anna").await, "available");
    let page = api.read("/availability?limit=3").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 3);
    assert!(page["next"].is_string());
    office.close().await;
}

#[tokio::test]
async fn lines_and_channels_are_told_with_their_times() {
    let office = Office::open().await;
    let mark = Api::of(&office, "mark", &ALL).await;
    let lines = mark.read("/lines").await;
    assert_eq!(lines["items"][0]["name"], "Site");
    assert_eq!(lines["items"][0]["channel_name"], "Search ads");
    let channels = mark.read("/channels").await;
    assert_eq!(channels["items"][0]["lines"][0]["line"], 1);
    assert_eq!(channels["items"][0]["lines"][0]["to"], Value::Null);
    office.close().await;
}
