//! Mango Office as its API text describes it, from outside: checks our signatures, holds us to its limits,
//! rings when told to, keeps files and statistics, and misbehaves on demand.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::{civil::DateTime, fmt::strtime, tz::TimeZone};
use ringcard::{
    flow,
    model::time::Timestamp,
    simulator::{
        dice::Dice,
        mango::Mango,
        story::{Outcome, Plot, Ring, Story, Tempo, World},
    },
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::host::{Emulator, Fault, lock, spoilt};

pub const KEY: &str = "larch-key";
pub const SALT: &str = "larch-salt";
/// Limits of these tests: the documented ones, so many times shorter.
pub const STATISTICS_MS: u64 = 40;
pub const POLL_MS: u64 = 60;
pub const COMMAND_MS: u64 = 50;
pub const ROUTE_MS: u64 = 2_000; // the documented one

/// The emulator.
#[derive(Clone)]
pub struct Cloud(Arc<Emulated>);

type Emulated = Emulator<Mango, (Timestamp, Value), Files>;

/// What is given once, or after a while.
pub struct Files {
    /// Who has a dynamic number now.
    pub visitors: Mutex<HashMap<String, Value>>,
    /// Statistics ordered: what they hold, and how often they were asked for.
    ordered: Mutex<HashMap<String, (Vec<Value>, usize)>>,
    /// Links of one use, and whether they still work.
    links: Mutex<HashMap<String, bool>>,
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
        let product = Mango {
            account: "office".to_owned(),
            key: KEY.to_owned(),
            salt: SALT.to_owned(),
            run: 1,
        };
        let own = Files {
            visitors: Mutex::default(),
            ordered: Mutex::default(),
            links: Mutex::default(),
        };
        let cloud = Self(Arc::new(Emulator::new(product, own)));
        let router = Router::new()
            .route("/vpbx/commands/callback", post(callback))
            .route("/vpbx/commands/route", post(route))
            .route("/vpbx/config/users/request", post(users))
            .route("/vpbx/queries/recording/post", post(recording))
            .route("/vpbx/queries/user_info_by_dct_number/", post(visitor))
            .route("/files/{link}", get(file))
            .route("/vpbx/stats/calls/request/", post(order))
            .route("/vpbx/stats/calls/result/", post(result))
            .with_state(cloud.clone());
        cloud.serve(router, |_, _| {}).await;
        cloud
    }

    /// The account's table for the gateway.
    pub fn settings(&self) -> String {
        format!(
            r#"
            [[pbx]]
            name = "office"
            type = "mango"
            vpbx_api_key = "{KEY}"
            vpbx_api_salt = "{SALT}"
            api_url = "{}/vpbx"
            route_calls = true
            [pbx.limits]
            all_every_ms = 1
            command_every_ms = {COMMAND_MS}
            recording_every_ms = 1
            statistics_every_ms = {STATISTICS_MS}
            poll_every_ms = {POLL_MS}
            [pbx.recordings]
            hosts = ["127.0.0.1"]
            private_network = true
            "#,
            lock(&self.base)
        )
    }

    /// The statistics know of this call from now on.
    pub fn remember(&self, story: &Story) {
        lock(&self.past).push((story.start, record(&self.product(), story)));
    }
}

/// A question of ours: checked, noted, held to its limit. `Err` is the answer to a wrong one.
fn question(
    cloud: &Cloud,
    kind: &'static str,
    limit_ms: u64,
    body: &Bytes,
) -> Result<Value, Box<Response>> {
    let fields: HashMap<String, String> =
        reqwest::Url::parse(&format!("http://form/?{}", String::from_utf8_lossy(body)))
            .unwrap()
            .query_pairs()
            .into_owned()
            .collect();
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let json = field("json");
    let sign = hex::encode(Sha256::digest(format!("{KEY}{json}{SALT}")));
    if field("vpbx_api_key") != KEY || field("sign") != sign || fields.len() != 3 {
        cloud
            .host
            .complain(format!("{kind}: not signed as it should be"));
        return Err(Box::new(refusal(3_102)));
    }
    let said: Value = serde_json::from_str(&json).expect("signed JSON");
    match cloud
        .host
        .ask(kind, Duration::from_millis(limit_ms), said.clone())
    {
        Some(refused) => Err(Box::new(refused)),
        None => Ok(said),
    }
}

fn refusal(code: u32) -> Response {
    let status = StatusCode::from_u16(420).unwrap();
    (status, json!({ "code": code }).to_string()).into_response()
}

/// `commands/callback`: rings the employee, then the client, who answers.
/// Three employees: one has no short number.
async fn users(State(cloud): State<Cloud>, body: Bytes) -> Response {
    if let Err(refused) = question(&cloud, "users", 1, &body) {
        return *refused;
    }
    let fault = cloud.host.fault("users").await;
    let user = |name: &str, email: &str, extension: &str| {
        json!({
            "general": {"name": name, "email": email, "department": "Sales", "position": ""},
            "telephony": {"extension": extension, "outgoingline": "", "numbers": []},
        })
    };
    let all = [
        user("Anna \"Larch\" Larina\n", "anna@firma.example", "201"),
        user("Boris Orlov", "", "202"),
        user("Daria Belova", "daria@firma.example", ""),
    ];
    spoilt(
        fault,
        json!({ "users": all }).to_string(),
        "application/json",
    )
}

async fn callback(State(cloud): State<Cloud>, body: Bytes) -> Response {
    let said = match question(&cloud, "callback", COMMAND_MS, &body) {
        Ok(said) => said,
        Err(refused) => return *refused,
    };
    let fault = cloud.host.fault("callback").await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (employee, client) = (text(&said["from"]["extension"]), text(&said["to_number"]));
    if employee.is_empty() || client.is_empty() {
        cloud.host.complain(format!("callback: {said}"));
        return refusal(3_103);
    }
    if fault.is_none() {
        tokio::spawn(ring(
            cloud.clone(),
            text(&said["command_id"]),
            employee,
            client,
        ));
    }
    spoilt(fault, "{}", "application/json")
}

async fn ring(cloud: Cloud, command: String, employee: String, client: String) {
    let number = cloud.next_call();
    let story = click(number, &employee, &format!("+{client}"));
    let own = format!("click-{number}");
    for sent in cloud.product().tell(&story) {
        let json = json_of(&sent.what.body).replace(&own, &command);
        let path = sent.what.target.clone();
        cloud.deliver(&cloud.product().signed(&path, &json)).await;
    }
    let done = json!({"command_id": command, "result": 1000}).to_string();
    cloud
        .deliver(&cloud.product().signed("/result/callback", &done))
        .await;
    cloud.remember(&story);
}

/// A click of this employee on this client five minutes ago, answered and recorded.
pub fn click(number: u64, employee: &str, client: &str) -> Story {
    let world = World::company(6, 20);
    let start = flow::now().plus_millis(-1_000);
    let mut dice = Dice::new(number);
    let mut story = Story::draw(&mut dice, &world, Plot::Click, number, start, Tempo::DEMO);
    story.caller = Some(employee.to_owned());
    story.client = Some(client.to_owned());
    story.rings[0].who = client.to_owned();
    story.recorded = true;
    story
}

fn json_of(body: &str) -> String {
    let form = reqwest::Url::parse(&format!("http://form/?{body}")).unwrap();
    let json = form.query_pairs().find(|(name, _)| name == "json");
    json.unwrap().1.into_owned()
}

/// `commands/route`: the employee's phone rings.
async fn route(State(cloud): State<Cloud>, body: Bytes) -> Response {
    let said = match question(&cloud, "route", ROUTE_MS, &body) {
        Ok(said) => said,
        Err(refused) => return *refused,
    };
    let own = ["command_id", "call_id", "to_number"];
    if own.iter().any(|name| !said[*name].is_string()) {
        cloud.host.complain(format!("route: {said}"));
        return refusal(3_103);
    }
    spoilt(cloud.host.fault("route").await, "{}", "application/json")
}

/// `queries/recording/post`: a link that works once.
async fn recording(State(cloud): State<Cloud>, body: Bytes) -> Response {
    let said = match question(&cloud, "recording", 0, &body) {
        Ok(said) => said,
        Err(refused) => return *refused,
    };
    if said["action"] != "download" || !said["recording_id"].is_string() {
        return refusal(3_103);
    }
    if let Some(fault) = cloud.host.fault("recording").await {
        return spoilt(Some(fault), "{}", "application/json");
    }
    let link = uuid::Uuid::now_v7().to_string();
    let works = cloud.host.fault("link").await.is_none();
    lock(&cloud.links).insert(link.clone(), works);
    let location = format!("{}/files/{link}", lock(&cloud.base));
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}

/// `queries/user_info_by_dct_number`: who has this number now; an empty object if nobody has.
async fn visitor(State(cloud): State<Cloud>, body: Bytes) -> Response {
    let said = match question(&cloud, "visitor", 0, &body) {
        Ok(said) => said,
        Err(refused) => return *refused,
    };
    let number = said["number"].as_str().unwrap_or_default();
    let data = lock(&cloud.visitors).get(number).cloned();
    let answer = json!({"result": 1000, "data": data.unwrap_or_else(|| json!({}))});
    spoilt(
        cloud.host.fault("visitor").await,
        answer.to_string(),
        "application/json",
    )
}

async fn file(State(cloud): State<Cloud>, Path(link): Path<String>) -> Response {
    if lock(&cloud.links).remove(&link) != Some(true) {
        return StatusCode::NOT_FOUND.into_response(); // used, or out of date
    }
    let fault = cloud.host.fault("file").await;
    spoilt(fault, cloud.sound.as_ref().clone(), "audio/mp3")
}

/// `stats/calls/request/`: dates by Moscow's clock, a limit of the set, an offset, less than 30 days.
async fn order(State(cloud): State<Cloud>, body: Bytes) -> Response {
    let said = match question(&cloud, "order", STATISTICS_MS, &body) {
        Ok(said) => said,
        Err(refused) => return *refused,
    };
    let fault = cloud.host.fault("order").await;
    let (Some(from), Some(to)) = (moscow(&said["start_date"]), moscow(&said["end_date"])) else {
        cloud.host.complain(format!("order: {said}"));
        return refusal(3_104);
    };
    let limits = [1, 5, 10, 20, 50, 100, 500, 1_000, 2_000, 5_000];
    let (limit, offset) = (said["limit"].as_u64(), said["offset"].as_u64());
    let (Some(limit), Some(mut offset)) = (limit.filter(|n| limits.contains(n)), offset) else {
        cloud.host.complain(format!("order: {said}"));
        return refusal(3_103);
    };
    if to.millis_since(from) >= 30 * 86_400_000 {
        cloud.host.complain(format!("order: {said}"));
        return refusal(3_100);
    }
    if fault == Some(Fault::Mute) {
        offset = 0;
    }
    let past = lock(&cloud.past);
    let within = past.iter().filter(|(start, _)| (from..=to).contains(start));
    let list = within.map(|(_, record)| record.clone());
    let page = list.skip(offset as usize).take(limit as usize).collect();
    let key = uuid::Uuid::now_v7().to_string();
    lock(&cloud.ordered).insert(key.clone(), (page, 0));
    spoilt(fault, json!({ "key": key }).to_string(), "application/json")
}

/// `stats/calls/result/`: nothing at first, then a part while at work, then all in two chunks.
async fn result(State(cloud): State<Cloud>, body: Bytes) -> Response {
    let said = match question(&cloud, "result", POLL_MS, &body) {
        Ok(said) => said,
        Err(refused) => return *refused,
    };
    let fault = cloud.host.fault("result").await;
    let mut ordered = lock(&cloud.ordered);
    let Some((page, asked)) = said["key"].as_str().and_then(|key| ordered.get_mut(key)) else {
        return (StatusCode::OK, json!({"status": "not-found"}).to_string()).into_response();
    };
    *asked += 1;
    let middle = page.len() / 2;
    let chunk = |list: &[Value]| json!({ "list": list });
    let answer = match asked {
        1 if fault.is_none() => return StatusCode::NO_CONTENT.into_response(),
        2 => json!({"result": 1000, "status": "work", "data": [chunk(&page[..middle])]}),
        _ => json!({"result": 1000, "status": "complete",
            "data": [chunk(&page[..middle]), chunk(&page[middle..])]}),
    };
    spoilt(fault, answer.to_string(), "application/json")
}

fn moscow(text: &Value) -> Option<Timestamp> {
    let moment = strtime::parse("%d.%m.%Y %H:%M:%S", text.as_str()?).ok()?;
    let moment: DateTime = moment.to_datetime().ok()?;
    let zone = TimeZone::get("Europe/Moscow").ok()?;
    let at = zone.to_ambiguous_zoned(moment).earlier().ok()?;
    Some(Timestamp::from_micros(at.timestamp().as_microsecond()))
}

/// A call as the extended statistics have it.
fn record(product: &Mango, story: &Story) -> Value {
    let seconds = |ms: i64| story.start.plus_millis(ms).as_seconds();
    let digits = |number: &str| number.trim_start_matches('+').to_owned();
    let client = story
        .client
        .as_deref()
        .map_or("anonymous".to_owned(), digits);
    let talked = story.answered_ms.map_or(0, seconds);
    let ended = seconds(story.end_ms);
    let (kind, caller, called) = match &story.caller {
        Some(caller) => (2, caller.clone(), client.clone()),
        None => (1, client.clone(), digits(&story.did)),
    };
    let mut calls: Vec<Value> = story
        .rings
        .iter()
        .map(|ring| member(story, ring, &seconds))
        .collect();
    if let Some(passing) = &story.passing {
        calls.push(json!({
            "call_type": "user", "call_abonent_number": passing.to,
            "call_start_time": seconds(passing.rings_ms),
            "call_answer_time": seconds(passing.picks_up_ms),
            "call_end_time": ended, "call_end_reason": 1110, "recording_id": [],
        }));
    }
    if let (true, Some(first)) = (story.recorded, calls.first_mut()) {
        first["recording_id"] = json!([format!("{}:rec", product.call_key(story))]);
    }
    json!({
        "entry_id": product.call_key(story),
        "context_type": kind,
        "context_status": i32::from(talked > 0),
        "caller_number": caller,
        "called_number": called,
        "context_start_time": seconds(0),
        "duration": ended - seconds(0),
        "talk_duration": if talked > 0 { ended - talked } else { 0 },
        "context_calls": calls,
    })
}

fn member(story: &Story, ring: &Ring, seconds: &impl Fn(i64) -> i64) -> Value {
    let is_out = story.caller.is_some();
    let (answered, reason) = match ring.outcome {
        Outcome::Answered => (seconds(ring.to_ms), 1_110),
        Outcome::NoAnswer => (0, 1_111),
        Outcome::Busy => (0, 1_121),
        Outcome::Elsewhere => (0, 1_182),
        Outcome::Cancelled => (0, 1_110),
    };
    let ended = match (ring.outcome, &story.passing) {
        (Outcome::Answered, Some(passing)) => seconds(passing.at_ms),
        (Outcome::Answered, None) => seconds(story.end_ms),
        _ => seconds(ring.to_ms),
    };
    json!({
        "call_type": if is_out { "number" } else { "user" },
        "call_abonent_number": ring.who.trim_start_matches('+'),
        "call_start_time": seconds(ring.from_ms),
        "call_answer_time": answered,
        "call_end_time": ended,
        "call_end_reason": reason,
        "recording_id": [],
    })
}
