//! Who may ask for what: every endpoint times every role, held against a table written here; and every
//! endpoint with tokens for everything but it.

use std::collections::BTreeMap;

use reqwest::Method;
use ringcard::web::api;
use serde_json::{Value, json};

use super::client::{ALL, Api};
use crate::pages::office::Office;

/// Logins of the office by role.
const LOGINS: [(&str, &str); 6] = [
    ("m", "anna"),
    ("h", "helen"),
    ("k", "mark"),
    ("q", "quinn"),
    ("o", "olga"),
    ("a", "adam"),
];

/// For every endpoint, the roles that come in and a body that can be read: m manager, h head,
/// k marketer, q quality, o owner, a administrator. Written by hand on purpose.
fn table() -> BTreeMap<&'static str, (&'static str, Value)> {
    BTreeMap::from([
        ("get /availability", ("mhkqoa", Value::Null)),
        ("get /calls", ("mhkqoa", Value::Null)),
        ("get /calls/{id}", ("mhkqoa", Value::Null)),
        ("get /calls/{id}/recordings", ("mhkqoa", Value::Null)),
        ("get /cards", ("mhqo", Value::Null)),
        ("get /cards/{id}", ("mhkqoa", Value::Null)),
        ("get /channels", ("hkqo", Value::Null)),
        ("get /lines", ("mhkqoa", Value::Null)),
        ("get /recordings/{id}", ("mhkqoa", Value::Null)),
        ("get /recordings/{id}/audio", ("mhqo", Value::Null)),
        ("get /recordings/{id}/file", ("hqo", Value::Null)),
        ("get /tasks", ("mho", Value::Null)),
        ("get /tasks/{id}", ("mho", Value::Null)),
        ("get /touches", ("mhqo", Value::Null)),
        ("get /touches/{id}", ("mhqo", Value::Null)),
        ("patch /cards/{id}", ("mho", json!({"name": "x"}))),
        ("post /calls", ("mho", json!({"task": 0}))),
        ("post /calls/{id}/reveal", ("hqoa", Value::Null)),
        (
            "post /cards/{id}/merge",
            ("mho", json!({"card": uuid::Uuid::nil()})),
        ),
        ("post /cards/{id}/notes", ("mho", json!({"text": "x"}))),
        ("post /cards/{id}/part", ("mho", json!({"phone": 0}))),
        ("post /cards/{id}/unmerge", ("mho", Value::Null)),
        ("post /cards/{id}/reveal", ("hqoa", Value::Null)),
        ("post /tasks/{id}/close", ("mho", json!({"reason": "x"}))),
        (
            "post /touches",
            ("mho", json!({"kind": "form", "phone": "?"})),
        ),
        (
            "put /availability/{id}",
            ("mhkqoa", json!({"break_until": null})),
        ),
    ])
}

fn address(path: &str) -> String {
    let nobody = uuid::Uuid::nil().to_string();
    path.replace("/tasks/{id}", "/tasks/0")
        .replace("/recordings/{id}", "/recordings/0")
        .replace("/availability/{id}", "/availability/0")
        .replace("{id}", &nobody)
}

async fn ask(api: &Api<'_>, route: &str, body: &Value) -> (u16, String) {
    let (method, path) = route.split_once(' ').unwrap();
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
    let body = (!body.is_null()).then(|| body.clone());
    let said = api.ask(method, &address(path), &[], body).await;
    (said.status, said.json.to_string())
}

#[test]
fn every_endpoint_stands_in_the_table() {
    let mut routes: Vec<String> = api::endpoints()
        .iter()
        .map(|endpoint| format!("{} {}", endpoint.method, &endpoint.path["/api/v1".len()..]))
        .collect();
    routes.sort();
    let table: Vec<&str> = table().into_keys().collect();
    assert_eq!(routes, table);
}

#[tokio::test]
async fn every_role_gets_exactly_where_the_table_says() {
    let office = Office::open().await;
    let mut wrong = Vec::new();
    for (letter, login) in LOGINS {
        let api = Api::of(&office, login, &ALL).await;
        for (route, (may, body)) in table() {
            let (status, words) = ask(&api, route, &body).await;
            if (status == 403) == may.contains(letter) {
                wrong.push(format!("{login} {route}: {status} {words}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    office.close().await;
}

#[tokio::test]
async fn a_token_is_good_for_its_scopes_only() {
    let office = Office::open().await;
    for endpoint in api::endpoints() {
        let route = format!("{} {}", endpoint.method, &endpoint.path["/api/v1".len()..]);
        let scope = endpoint.about.scope.as_str();
        let others: Vec<&str> = ALL.iter().copied().filter(|word| *word != scope).collect();
        let (_, body) = &table()[route.as_str()];
        let without = Api::of(&office, "olga", &others).await;
        let (status, words) = ask(&without, &route, body).await;
        assert_eq!(status, 403, "{route}");
        assert!(words.contains(scope), "{route}: {words}");
        let with = Api::of(&office, "olga", &[scope]).await;
        assert_ne!(ask(&with, &route, body).await.0, 403, "{route}");
    }
    office.close().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_said_and_never_a_fault() {
    let office = Office::open().await;
    let api = Api::of(&office, "olga", &ALL).await;
    for endpoint in api::endpoints() {
        let path = address(&endpoint.path["/api/v1".len()..]);
        let method = Method::from_bytes(endpoint.method.to_uppercase().as_bytes()).unwrap();
        let odd = format!("{path}?no_such_word=1");
        let said = api.ask(method.clone(), &odd, &[], Some(json!({}))).await;
        assert_eq!(said.status, 400, "{} {odd}: {}", endpoint.method, said.json);
    }
    office.close().await;
}
