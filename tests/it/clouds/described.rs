//! PBXes that are nothing but a description in the configuration: the shipped files, through HTTP.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use ring::hmac;
use ringcard::model::{
    call::CallResult, event::Direction, recording::RecordingState, time::Timestamp,
};
use serde_json::{Value, json};

use super::{
    anna_clicks, calls,
    host::{lock, serve, sound},
    office, recordings,
};
use crate::{
    pages::office::{CLIENT, Office},
    support::scripted::eventually,
};

const SECRET: &str = "a-secret-of-these-tests";

/// A shipped description with invented secrets, and some of its text replaced.
fn described(name: &str, replaced: &[(&str, &str)]) -> String {
    let path = format!("config/webhook/{name}.toml");
    let mut text = std::fs::read_to_string(path).unwrap();
    for (from, to) in replaced {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    let lines = text.lines().map(|line| match line.split_once("\"env:") {
        Some((before, after)) => {
            let (_, rest) = after.split_once('"').unwrap();
            format!("{before}\"{SECRET}\"{rest}")
        }
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The API of the PBX that does not exist: takes orders and gives files to who knows the secret.
async fn api(orders: Arc<Mutex<Vec<(String, String, Value)>>>) -> String {
    let file = sound();
    let knows = |headers: &HeaderMap| {
        let given = headers.get(header::AUTHORIZATION);
        given.is_some_and(|given| *given == format!("Bearer {SECRET}"))
    };
    let order =
        async move |Path(user): Path<String>, headers: HeaderMap, body: Bytes| -> Response {
            if !knows(&headers) {
                return StatusCode::UNAUTHORIZED.into_response();
            }
            let order = headers["x-order"].to_str().unwrap().to_owned();
            let said: Value = serde_json::from_slice(&body).unwrap();
            lock(&orders).push((user, order, said));
            json!({"ok": true, "call": {"id": "ex-900"}})
                .to_string()
                .into_response()
        };
    let give = async move |Path(id): Path<String>, headers: HeaderMap| -> Response {
        match knows(&headers) && id == "rec-9" {
            true => ([(header::CONTENT_TYPE, "audio/mpeg")], file.to_vec()).into_response(),
            false => StatusCode::FORBIDDEN.into_response(),
        }
    };
    let router = Router::new()
        .route("/v1/users/{user}/calls", post(order))
        .route("/v1/files/{id}", get(give));
    format!("http://{}", serve(router).await)
}

/// Posts what the PBX says, signed by this secret.
async fn say(office: &Office, path: &str, said: &Value, secret: &str) -> (u16, String) {
    let body = said.to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let sign = hex::encode(hmac::sign(&key, body.as_bytes()));
    let url = office.gateway.url(&format!("/hooks/example{path}"));
    let posted = office.gateway.client.post(url);
    let posted = posted.header("x-example-signature", format!("sha256={sign}"));
    let answer = posted.body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_described_pbx_is_ordered_a_call_tells_it_gives_its_file_and_asks() {
    let orders = Arc::default();
    let base = api(Arc::clone(&orders)).await;
    let hosts = "hosts = [\"127.0.0.1\"]\nprivate_network = true";
    let settings = described(
        "example",
        &[
            ("https://api.pbx.example", &base),
            ("hosts = [\"files.pbx.example\"]", hosts),
        ],
    );
    let office = office(&settings).await;
    assert_eq!(anna_clicks(&office, "example").await, 303);
    {
        let orders = lock(&orders);
        let [(user, order, said)] = orders.as_slice() else {
            panic!("{orders:?}");
        };
        assert_eq!((user.as_str(), said), ("201", &json!({"to": CLIENT})));
        assert!(!order.is_empty());
    }

    let start = ringcard::flow::now().plus_millis(-60_000);
    let start = Timestamp::from_seconds(start.as_seconds());
    let at = |seconds: i64| start.plus_millis(seconds * 1_000).rfc3339();
    let tell = async |event: &str, seconds: i64, more: Value| {
        let mut said = json!({
            "event": event,
            "at": at(seconds),
            "call": {
                "id": "ex-900", "way": "outward", "client": {"number": CLIENT},
                "started": at(0), "talked": 20, "first": "201",
            },
            "leg": {"id": "x1", "user": "100*201@office"},
        });
        let fields = said.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        let forged = say(&office, "", &said, "another-secret").await;
        assert_eq!(forged.0, 401, "{event}");
        let told = say(&office, "", &said, SECRET).await;
        assert_eq!(told, (202, r#"{"taken":true}"#.to_owned()), "{event}");
    };
    tell("ring", 1, json!({})).await;
    tell("end", 30, json!({"why": "done", "who": "caller"})).await;
    tell("talk", 10, json!({})).await;
    tell("file", 31, json!({"file": "rec-9"})).await;
    let kept = [(RecordingState::Kept, String::new())];
    eventually(
        "order and events are one call, and its file is kept",
        async || calls(&office).await.len() == 1 && recordings(&office).await == kept,
    )
    .await;
    let (_, call) = calls(&office).await.remove(0);
    assert_eq!(call.direction, Some(Direction::Out));
    assert_eq!(call.result, Some(CallResult::Answered));
    assert_eq!(call.answered_by, Some("201".into()));
    assert_eq!(call.talk_ms, Some(20_000));

    office
        .run("update card set name = 'Roza & \"Sons\" <x>' where name = 'Roza'")
        .await;
    office.gateway.gateway().desk().refresh_now().await;
    let question = json!({"at": at(50), "call": {"id": "ex-901", "way": "inward", "line": "74950000099",
        "client": {"number": CLIENT}}});
    let (status, answer) = say(&office, "/who", &question, SECRET).await;
    assert_eq!(status, 200);
    assert!(answer.starts_with("<go to=\"201\" seconds=\""), "{answer}");
    let title = "<title>Roza &amp; &quot;Sons&quot; &lt;x&gt;</title></go>";
    assert!(answer.ends_with(title), "{answer}");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_descriptions_take_what_their_pbx_says_and_answer_as_it_wants() {
    let settings = [described("onlinepbx", &[]), described("binotel", &[])].join("\n");
    let office = office(&settings).await;
    let start = ringcard::flow::now().as_seconds() - 120;
    let say = async |path: &str, body: String| {
        let posted = office.gateway.client.post(office.gateway.url(path));
        let answer = posted.body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };

    let online = format!("/hooks/onlinepbx/{SECRET}");
    let event = |event: &str, at: i64, callee: &str| {
        json!({
            "event": event, "direction": "inbound", "uuid": "7d0e5b1c", "caller": "74950000011",
            "callee": callee, "gateway": "74950000099", "date": at.to_string(),
            "hangup_cause": "NORMAL_CLEARING", "call_duration": "50", "dialog_duration": "40",
        })
        .to_string()
    };
    for (name, at, callee) in [
        ("call_end", start + 50, "201"),
        ("call_start", start, "74950000099"),
        ("call_answered", start + 10, "201"),
    ] {
        let elsewhere = say(
            "/hooks/onlinepbx/wrong-token-of-all",
            event(name, at, callee),
        )
        .await;
        assert_eq!(elsewhere.0, 404);
        assert_eq!(say(&online, event(name, at, callee)).await.0, 200);
    }

    let binotel = format!("/hooks/binotel/{SECRET}");
    let whole = format!(
        "requestType=apiCallCompleted&callDetails[generalCallID]=8001&callDetails[startTime]={start}\
         &callDetails[callType]=0&callDetails[internalNumber]=201&callDetails[externalNumber]=74950000012\
         &callDetails[waitsec]=7&callDetails[billsec]=33&callDetails[disposition]=ANSWER"
    );
    let taken = (200, r#"{"status":"success"}"#.to_owned());
    for _ in 0..2 {
        assert_eq!(say(&binotel, whole.clone()).await, taken);
    }
    let asked =
        "requestType=apiCallSettings&callType=0&externalNumber=74950000012&pbxNumber=74950000099";
    assert_eq!(say(&binotel, asked.to_owned()).await.0, 200);

    let mut seen: Vec<_> = calls(&office)
        .await
        .into_iter()
        .map(|(key, call)| {
            (
                key,
                call.result,
                call.wait_ms,
                call.talk_ms,
                call.answered_by,
            )
        })
        .collect();
    seen.sort_by(|one, other| one.0.cmp(&other.0));
    let answered = Some(CallResult::Answered);
    let anna = || Some("201".into());
    assert_eq!(
        seen,
        [
            (
                "7d0e5b1c".to_owned(),
                answered,
                Some(10_000),
                Some(40_000),
                anna()
            ),
            (
                "8001".to_owned(),
                answered,
                Some(7_000),
                Some(33_000),
                anna()
            ),
        ]
    );
    office.close().await;
}
