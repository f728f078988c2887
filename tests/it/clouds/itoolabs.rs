//! A PBX of the ITooLabs family as public descriptions and working code have it, from outside: wants its key,
//! holds us to limits, rings when told to, gives files, past calls and employees, and misbehaves on demand.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::{civil::DateTime, fmt::strtime, tz::TimeZone};
use ringcard::{
    model::time::Timestamp,
    simulator::{
        itoolabs::{Itoolabs, Part},
        story::Story,
    },
};
use serde_json::{Value, json};

use super::{
    host::{Emulator, Fault, lock, spoilt},
    mango::click,
};

pub const TOKEN: &str = "maple-crm-token-2026";
pub const KEY: &str = "maple-api-key";
/// The limit of these tests; the gateway asks a little less often.
const HISTORY_MS: u64 = 30;
const ASKED_EVERY_MS: u64 = 60;

/// The emulator.
#[derive(Clone)]
pub struct Cloud(Arc<Emulated>);

type Emulated = Emulator<Itoolabs, Story, Switches>;

/// What a test can choose.
pub struct Switches {
    /// Whether clicks go by the form API.
    pub is_legacy: AtomicBool,
    /// Whether listed calls have the names of their events.
    pub names_calls: AtomicBool,
}

impl std::ops::Deref for Cloud {
    type Target = Emulated;
    fn deref(&self) -> &Emulated {
        &self.0
    }
}

impl Cloud {
    /// Starts it; knows no gateway yet.
    pub async fn start() -> Self {
        let product = Itoolabs {
            account: "vats".to_owned(),
            token: TOKEN.to_owned(),
            records: String::new(),
            run: 1,
        };
        let own = Switches {
            is_legacy: AtomicBool::new(false),
            names_calls: AtomicBool::new(true),
        };
        let cloud = Self(Arc::new(Emulator::new(product, own)));
        let router = Router::new()
            .route("/crmapi/v1/makecall", post(make_call))
            .route("/sys/crm_api.wcgp", post(make_call_by_form))
            .route("/crmapi/v1/history/json", get(history))
            .route("/crmapi/v1/users", get(users))
            .route("/api/records/{file}", get(record))
            .with_state(cloud.clone());
        cloud
            .serve(router, |product, base| {
                product.records = format!("{base}/api/records")
            })
            .await;
        cloud
    }

    /// The account's table for the gateway.
    pub fn settings(&self) -> String {
        format!(
            r#"
            [[pbx]]
            name = "vats"
            type = "itoolabs"
            crm_token = "{TOKEN}"
            api_url = "{}"
            api_key = "{KEY}"
            legacy_click = {}
            [pbx.users]
            "a.larina" = "201"
            [pbx.unconfirmed]
            records_name_calls = {}
            [pbx.limits]
            all_every_ms = 1
            history_every_ms = {ASKED_EVERY_MS}
            [pbx.recordings]
            private_network = true
            "#,
            lock(&self.base),
            self.is_legacy.load(SeqCst),
            self.names_calls.load(SeqCst),
        )
    }

    /// The list of past calls has this one from now on.
    pub fn remember(&self, story: &Story) {
        lock(&self.past).push(story.clone());
    }
}

/// A request of ours: with its key, noted, held to its limit. `Err` is the answer to a wrong one.
fn question(
    cloud: &Cloud,
    (kind, limit_ms): (&'static str, u64),
    head: &HeaderMap,
    said: Value,
) -> Result<(), Box<Response>> {
    if head.get("x-api-key").is_none_or(|key| key != KEY) {
        cloud.host.complain(format!("{kind}: without the key"));
        return Err(Box::new(StatusCode::FORBIDDEN.into_response()));
    }
    match cloud.host.ask(kind, Duration::from_millis(limit_ms), said) {
        Some(refused) => Err(Box::new(refused)),
        None => Ok(()),
    }
}

/// Rings the employee, then the client, who answers.
async fn make_call(State(cloud): State<Cloud>, head: HeaderMap, body: Bytes) -> Response {
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let is_json = head
        .get("content-type")
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if let Err(refused) = question(&cloud, ("makecall", 0), &head, said.clone()) {
        return *refused;
    }
    let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    let (user, phone) = (text("user"), text("phone"));
    if !is_json || user.is_empty() || phone.is_empty() {
        cloud.host.complain(format!("makecall: {said}"));
        return (StatusCode::BAD_REQUEST, r#"{"message":"Invalid"}"#).into_response();
    }
    let fault = cloud.host.fault("makecall").await;
    let story = order(&cloud, &user, &phone);
    let key = cloud.product().call_key(&story);
    if fault.is_none() {
        tokio::spawn(ring(cloud, story));
    }
    spoilt(
        fault,
        json!({"callid": key, "clid": phone}).to_string(),
        "application/json",
    )
}

/// The same at older PBXes. The answer may be empty.
async fn make_call_by_form(State(cloud): State<Cloud>, body: Bytes) -> Response {
    let fields: BTreeMap<String, String> =
        reqwest::Url::parse(&format!("http://form/?{}", String::from_utf8_lossy(&body)))
            .unwrap()
            .query_pairs()
            .into_owned()
            .collect();
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    if field("cmd") != "makeCall" || field("token") != KEY || fields.len() != 4 {
        cloud
            .host
            .complain("crm_api: not as it should be".to_owned());
        return r#"{"error":"Invalid token"}"#.into_response();
    }
    cloud.host.ask("crm_api", Duration::ZERO, json!(fields));
    let fault = cloud.host.fault("crm_api").await;
    if fault == Some(Fault::Mute) {
        return r#"{"error":"user is not logged in"}"#.into_response();
    }
    let story = order(&cloud, &field("user"), &field("phone"));
    if fault.is_none() {
        tokio::spawn(ring(cloud, story));
    }
    spoilt(fault, "", "text/plain")
}

fn order(cloud: &Cloud, user: &str, phone: &str) -> Story {
    let number = cloud.next_call();
    click(number, user, &format!("+{phone}"))
}

async fn ring(cloud: Cloud, story: Story) {
    for sent in cloud.product().tell(&story) {
        cloud.deliver(&sent.what).await;
    }
    cloud.remember(&story);
}

/// A file, for whoever has the key.
async fn record(State(cloud): State<Cloud>, head: HeaderMap) -> Response {
    if let Err(refused) = question(&cloud, ("record", 0), &head, Value::Null) {
        return *refused;
    }
    let fault = cloud.host.fault("record").await;
    spoilt(fault, cloud.sound.as_ref().clone(), "audio/mpeg")
}

/// Past calls that began in a span, at most `limit` of them.
async fn history(
    State(cloud): State<Cloud>,
    head: HeaderMap,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    if let Err(refused) = question(&cloud, ("history", HISTORY_MS), &head, json!(asked)) {
        return *refused;
    }
    let moment = |name: &str| {
        let told = asked.get(name)?.strip_suffix('Z')?;
        let told: DateTime = strtime::parse("%Y%m%dT%H%M%S", told)
            .ok()?
            .to_datetime()
            .ok()?;
        Some(told.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
    };
    let limit = asked
        .get("limit")
        .and_then(|limit| limit.parse::<usize>().ok());
    let (Some(from), Some(to), Some(limit)) = (moment("start"), moment("end"), limit) else {
        cloud.host.complain(format!("history: {asked:?}"));
        return StatusCode::BAD_REQUEST.into_response();
    };
    let fault = cloud.host.fault("history").await;
    let product = cloud.product();
    let names = cloud.names_calls.load(SeqCst);
    let mut found = Vec::new();
    for story in lock(&cloud.past).iter() {
        let at = |ms: i64| story.at(ms).as_seconds();
        let parts = product.parts(story);
        let own = parts
            .iter()
            .filter(|part| (from..=to).contains(&at(part.from_ms)));
        found.extend(own.map(|part| listed(&product, story, part, names)));
    }
    found.truncate(limit);
    if fault == Some(Fault::Mute) {
        // Of some other time than was asked for.
        found = vec![
            json!({"uid": "1", "type": "in", "status": "missed", "client": "74950000011",
            "start": "2020-01-01T00:00:00Z", "wait": 9, "duration": 0}),
        ];
    }
    spoilt(fault, Value::from(found).to_string(), "application/json")
}

fn listed(product: &Itoolabs, story: &Story, part: &Part, names: bool) -> Value {
    let second = |ms: i64| story.at(ms).as_seconds();
    let over = part.answered_ms.unwrap_or(part.to_ms);
    let kind = match (&story.caller, part.answered_ms) {
        (Some(_), _) => "out",
        (None, Some(_)) => "in",
        (None, None) => "missed",
    };
    let uid = product.call_key(story);
    let client = story.client.as_deref().unwrap_or("anonymous");
    json!({
        "uid": if names { uid } else { format!("list-{uid}") },
        "type": kind,
        "status": part.status.to_lowercase(),
        "client": client.trim_start_matches('+'),
        "diversion": story.did.trim_start_matches('+'),
        "user": part.user,
        "start": Timestamp::from_seconds(second(part.from_ms)).rfc3339(),
        "wait": second(over) - second(part.from_ms),
        "duration": second(part.to_ms) - second(over),
        "record": part.link,
    })
}

/// Three employees on two pages.
async fn users(
    State(cloud): State<Cloud>,
    head: HeaderMap,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    if let Err(refused) = question(&cloud, ("users", 0), &head, json!(asked)) {
        return *refused;
    }
    let fault = cloud.host.fault("users").await;
    let page = match asked.get("start").map(String::as_str) {
        None => json!({
            "items": [
                {"login": "a.larina", "ext": "201", "name": "Anna Larina", "email": "anna@firma.example"},
                {"login": "b.orlov", "ext": null, "telnum": null, "name": "Boris Orlov", "email": null},
            ],
            "info": {"start": 0, "limit": 2, "total": 3, "next": 2},
        }),
        Some("2") => json!({
            "items": [{"login": "d.belova", "name": "Daria Belova"}],
            "info": {"start": 2, "limit": 2, "total": 3, "next": 0},
        }),
        Some(other) => {
            cloud.host.complain(format!("users: from {other}"));
            return StatusCode::BAD_REQUEST.into_response();
        }
    };
    spoilt(fault, page.to_string(), "application/json")
}
