//! Twilio as its documentation has it, from outside: checks our orders and who asks, rings when told to, gives
//! files and past calls page by page, and misbehaves on demand.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ringcard::simulator::{
    story::{Outcome, Plot, Story},
    twilio::{Twilio, client, word},
};
use serde_json::{Value, json};

use super::{
    alike::{calls_as_they_happen, orders_are_not_taken, past_calls_come, told_at_once},
    anna_clicks, calls, first_reading,
    host::{Emulator, Fault, lock, spoilt},
    mango::click,
    office, read_now,
    ring::one_call_with_its_recording,
    trouble::{kept_in_the_end, past_call},
};
use crate::{
    pages::office::{CLIENT, Office},
    support::{gateway::answer, scripted::eventually},
};

const ACCOUNT: &str = "AC5f3a9c01d2e4b6875f3a9c01d2e4b687";
const TOKEN: &str = "cedar-auth-token";
/// What signatures are over; the gateway of a test listens elsewhere.
const HOOK: &str = "https://calls.example.org/hooks/cedar";
pub const LINE: &str = "+74950000001";
/// Who rings where nobody is responsible.
const LAST: &str = "+74950000039";

/// The emulator.
#[derive(Clone)]
pub struct Cloud(Arc<Emulated>);

type Emulated = Emulator<Twilio, Story>;

impl std::ops::Deref for Cloud {
    type Target = Emulated;
    fn deref(&self) -> &Emulated {
        &self.0
    }
}

impl Cloud {
    /// Starts it; knows no gateway yet.
    pub async fn start() -> Self {
        let product = Twilio {
            account: "cedar".to_owned(),
            hook_url: HOOK.to_owned(),
            token: TOKEN.to_owned(),
            run: 1,
        };
        let cloud = Self(Arc::new(Emulator::new(product, ())));
        let below = |path: &str| format!("/2010-04-01/Accounts/{ACCOUNT}/{path}");
        let router = Router::new()
            .route(&below("Calls.json"), get(listed_calls).post(call))
            .route(&below("Recordings.json"), get(listed_recordings))
            .route(&below("Recordings/{file}"), get(file))
            .with_state(cloud.clone());
        cloud.serve(router, |_, _| {}).await;
        cloud
    }

    /// The account's table for the gateway.
    pub fn settings(&self) -> String {
        let phones = (201..=206).map(|n| {
            let n = n.to_string();
            format!("{n} = \"{}\"\n", Twilio::dialled(&n))
        });
        format!(
            r#"
            [[pbx]]
            name = "cedar"
            type = "twilio"
            hook_url = "{HOOK}"
            account_sid = "{ACCOUNT}"
            auth_token = "{TOKEN}"
            api_url = "{}"
            line = "{LINE}"
            otherwise = ["{LAST}"]
            record = true
            [pbx.phones]
            {}
            [pbx.limits]
            calls_every_ms = 1
            all_every_ms = 1
            [pbx.recordings]
            private_network = true
            "#,
            lock(&self.base),
            phones.collect::<String>(),
        )
    }

    /// The API lists this call from now on.
    pub fn remember(&self, story: &Story) {
        lock(&self.past).push(story.clone());
    }
}

/// A request of ours: in the account's name, and noted. `Err` is the answer to a wrong one.
fn question(
    cloud: &Cloud,
    kind: &'static str,
    head: &HeaderMap,
    said: Value,
) -> Result<(), Box<Response>> {
    let wanted = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{TOKEN}")));
    if head
        .get("authorization")
        .is_none_or(|given| *given != *wanted)
    {
        cloud.host.complain(format!("{kind}: in nobody's name"));
        let said = r#"{"code":20003,"message":"Authenticate"}"#;
        return Err(Box::new((StatusCode::UNAUTHORIZED, said).into_response()));
    }
    match cloud.host.ask(kind, Duration::ZERO, said) {
        Some(refused) => Err(Box::new(refused)),
        None => Ok(()),
    }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let form = reqwest::Url::parse(&format!("http://form/?{text}")).unwrap();
    form.query_pairs().into_owned().collect()
}

/// Takes an order: its addresses must be ours and its TwiML must name the client.
async fn call(State(cloud): State<Cloud>, head: HeaderMap, body: Bytes) -> Response {
    let said = pairs(&String::from_utf8_lossy(&body));
    let fields: BTreeMap<&str, &str> = said
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    if let Err(refused) = question(&cloud, "call", &head, json!(fields)) {
        return *refused;
    }
    let extension = fields["To"]
        .trim_start_matches("sip:")
        .split('@')
        .next()
        .unwrap_or_default();
    let own = |path: &str| format!("{HOOK}/{path}?click={extension}");
    let twiml = fields["Twiml"];
    let told = twiml.split(['>', '<']).find(|text| text.starts_with('+'));
    let client = told.unwrap_or_default().to_owned();
    let events: Vec<&str> = said
        .iter()
        .filter(|(name, _)| name == "StatusCallbackEvent")
        .map(|(_, value)| value.as_str())
        .collect();
    let is_good = fields["From"] == LINE
        && fields["StatusCallback"] == own("status")
        && fields["RecordingStatusCallback"] == own("recording")
        && events == ["initiated", "ringing", "answered", "completed"]
        && twiml.contains(&format!("statusCallback=\"{}\"", own("leg")))
        && twiml.contains(&format!("callerId=\"{LINE}\""));
    if !is_good {
        cloud.host.complain(format!("call: {fields:?}"));
    }
    let fault = cloud.host.fault("call").await;
    if fault == Some(Fault::Mute) {
        let said = r#"{"code":21215,"message":"Geo permission"}"#;
        return (StatusCode::BAD_REQUEST, said).into_response();
    }
    let mut story = click(cloud.next_call(), extension, &client);
    LINE.clone_into(&mut story.did);
    let key = cloud.product().call_key(&story);
    if fault.is_none() {
        tokio::spawn(ring(cloud, story));
    }
    let said = json!({"sid": key, "status": "queued"}).to_string();
    spoilt(fault, said, "application/json")
}

async fn ring(cloud: Cloud, story: Story) {
    for sent in cloud.product().tell(&story) {
        cloud.deliver(&sent.what).await;
    }
    cloud.remember(&story);
}

/// A page of a list: its days, and what comes after it.
fn page(cloud: &Cloud, kind: &'static str, uri: &Uri, rows: Vec<Value>) -> Value {
    let asked: BTreeMap<String, String> =
        pairs(uri.query().unwrap_or_default()).into_iter().collect();
    let field = |row: &Value| {
        let name = if kind == "calls" {
            "start_time"
        } else {
            "date_created"
        };
        let told = row[name].as_str().unwrap_or_default();
        jiff::fmt::rfc2822::parse(told).map_or(String::new(), |at| at.strftime("%F").to_string())
    };
    let name = if kind == "calls" {
        "StartTime"
    } else {
        "DateCreated"
    };
    let (Some(from), Some(to)) = (
        asked.get(&format!("{name}>")),
        asked.get(&format!("{name}<")),
    ) else {
        cloud.host.complain(format!("{kind}: {asked:?}"));
        return json!({});
    };
    let is_within = |row: &Value| (from..=to).contains(&&field(row));
    let rows: Vec<Value> = rows.into_iter().filter(is_within).collect();
    let number: usize = asked.get("Page").map_or(0, |page| page.parse().unwrap());
    const ROWS: usize = 100; // fewer than was asked for: that is the provider's own matter
    let more = rows.len() > (number + 1) * ROWS;
    let first = format!("{}?{}", uri.path(), uri.query().unwrap_or_default());
    let next = first.split("&Page=").next().unwrap_or_default().to_owned();
    let next = more.then(|| format!("{next}&Page={}", number + 1));
    let own: Vec<Value> = rows.into_iter().skip(number * ROWS).take(ROWS).collect();
    json!({kind: own, "next_page_uri": next, "page": number})
}

async fn listed_calls(State(cloud): State<Cloud>, head: HeaderMap, uri: Uri) -> Response {
    if let Err(refused) = question(&cloud, "history", &head, Value::Null) {
        return *refused;
    }
    let fault = cloud.host.fault("history").await;
    let product = cloud.product();
    let past = lock(&cloud.past);
    let rows = past.iter().rev().flat_map(|story| rows(&product, story));
    let mut said = page(&cloud, "calls", &uri, rows.collect());
    drop(past);
    if fault == Some(Fault::Mute) {
        said["next_page_uri"] = uri.to_string().into(); // the same page again
    }
    spoilt(fault, said.to_string(), "application/json")
}

async fn listed_recordings(State(cloud): State<Cloud>, head: HeaderMap, uri: Uri) -> Response {
    if let Err(refused) = question(&cloud, "recordings", &head, Value::Null) {
        return *refused;
    }
    let fault = cloud.host.fault("recordings").await;
    let product = cloud.product();
    let past = lock(&cloud.past);
    let recorded = past.iter().filter(|story| story.recorded);
    let rows = recorded.map(|story| {
        let leg = if story.caller.is_some() { 0 } else { 1 };
        json!({
            "sid": product.recording(story),
            "call_sid": product.leg_key(story, leg),
            "status": "completed",
            "date_created": Twilio::moment(story, story.end_ms),
        })
    });
    let said = page(&cloud, "recordings", &uri, rows.collect());
    drop(past);
    spoilt(fault, said.to_string(), "application/json")
}

/// The caller's call and each phone that was rung.
fn rows(product: &Twilio, story: &Story) -> Vec<Value> {
    let call = product.call_key(story);
    let row = |leg: usize, (from, to): (&str, &str), said: &str, (from_ms, to_ms): (i64, i64)| {
        json!({
            "sid": product.leg_key(story, leg),
            "parent_call_sid": if leg == 0 { Value::Null } else { call.as_str().into() },
            "direction": match (leg, &story.caller) {
                (0, None) => "inbound",
                (0, Some(_)) => "outbound-api",
                _ => "outbound-dial",
            },
            "from": from,
            "to": to,
            "status": said,
            "date_created": Twilio::moment(story, from_ms),
            "start_time": Twilio::moment(story, from_ms),
            "end_time": Twilio::moment(story, to_ms),
        })
    };
    let with_talk = |mut row: Value, from_ms: i64, to_ms: i64| {
        row["duration"] = Twilio::talked_s(story, Some(from_ms), to_ms)
            .to_string()
            .into();
        row
    };
    let (client, did) = (client(story), story.did.as_str());
    let whole = (0, story.end_ms);
    let mut rows = Vec::new();
    match &story.caller {
        None => rows.push(row(0, (&client, did), "completed", whole)),
        Some(caller) => rows.push(row(0, (did, &Twilio::dialled(caller)), "completed", whole)),
    }
    for (n, ring) in story.rings.iter().enumerate() {
        let who = match &story.caller {
            None => (client.clone(), Twilio::dialled(&ring.who)),
            Some(_) => (did.to_owned(), client.clone()),
        };
        let (leg, who) = (n + 1, (who.0.as_str(), who.1.as_str()));
        rows.push(match ring.outcome {
            Outcome::Answered => {
                let talked = row(leg, who, "completed", (ring.from_ms, story.end_ms));
                with_talk(talked, ring.to_ms, story.end_ms)
            }
            outcome => {
                // What did not complete successfully has no end.
                let mut row = row(leg, who, word(outcome), (ring.from_ms, ring.to_ms));
                row["date_updated"] = row["end_time"].take();
                row
            }
        });
    }
    rows
}

async fn file(State(cloud): State<Cloud>, head: HeaderMap, uri: Uri) -> Response {
    if let Err(refused) = question(&cloud, "file", &head, uri.path().into()) {
        return *refused;
    }
    let fault = cloud.host.fault("file").await;
    spoilt(fault, cloud.sound.as_ref().clone(), "audio/x-wav")
}

/// The office of an account there, which posts to it from now on.
async fn told(cloud: &Cloud) -> Office {
    let office = office(&cloud.settings()).await;
    cloud.is_told(office.gateway.url("/hooks/cedar"));
    first_reading(&office, "cedar").await;
    office
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_is_one_call_with_its_recording_whatever_the_cloud_answers_first() {
    let cloud = Cloud::start().await;
    let office = told(&cloud).await;
    let faults = [
        Fault::Status(503),
        Fault::TooMany,
        Fault::Page,
        Fault::Half,
        Fault::Shape,
        Fault::Mute,
        Fault::Slow(2_000),
    ];
    orders_are_not_taken((&office, "cedar"), &cloud.host, "call", &faults).await;
    assert_eq!(anna_clicks(&office, "cedar").await, 303);
    one_call_with_its_recording(&office).await;
    let said = cloud.host.last_said("file");
    assert!(said.as_str().is_some_and(|path| path.ends_with(".wav")));
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_recording_is_lost_whatever_the_cloud_answers() {
    let cloud = Cloud::start().await;
    let office = told(&cloud).await;
    let faults = [Fault::Status(404), Fault::TooMany, Fault::Page, Fault::Half];
    cloud.host.fail("file", &faults);
    assert_eq!(anna_clicks(&office, "cedar").await, 303);
    kept_in_the_end(&office, faults.len(), || cloud.host.is_well()).await;
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_calls_come_page_by_page_whatever_went_wrong_before() {
    let cloud = Cloud::start().await;
    let office = told(&cloud).await;
    let faults = [
        ("history", Fault::Status(500)),
        ("history", Fault::TooMany),
        ("history", Fault::Page),
        ("history", Fault::Half),
        ("history", Fault::Shape),
        ("history", Fault::Mute),
        ("recordings", Fault::Status(502)),
        ("recordings", Fault::Shape),
    ];
    let remember = |story: &Story| cloud.remember(story);
    past_calls_come((&office, "cedar"), &cloud.host, &faults, remember).await;
    (100..310).for_each(|number| cloud.remember(&past_call(number)));
    let start = past_call(310).start;
    cloud.remember(&Story {
        start,
        ..told_at_once(Plot::Busy, 310)
    });
    let standing = read_now(&office, "cedar").await;
    assert_eq!(
        (standing.failing_since, standing.brought.found),
        (None, 211)
    );
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_answered_missed_and_passed_on_as_it_happens() {
    let cloud = Cloud::start().await;
    let office = told(&cloud).await;
    calls_as_they_happen(&office, &cloud, Twilio::tell, Twilio::ledger).await;
    office.close().await;
}

/// Asks what comes next, and gives whom the answer rings and where it wants to be asked again.
async fn asked(office: &Office, post: &ringcard::simulator::message::Post) -> (String, String) {
    let url = office.gateway.url(&format!("/hooks/cedar{}", post.target));
    let (name, signature) = post.signature.clone().unwrap();
    let request = office.gateway.client.post(url).header(name, signature);
    let request = request.header("content-type", post.content_type());
    let said = answer(request.body(post.body.clone())).await;
    assert_eq!(said.status, 200, "{}", said.text);
    assert!(
        said.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/xml")
    );
    let text = said.text.replace("&amp;", "&");
    let action = text
        .split("action=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let action = action.map(|url| url.trim_start_matches(HOOK).to_owned());
    let rung = text
        .split(['<', '>'])
        .find(|part| part.starts_with("sip:") || part.starts_with('+'));
    (
        rung.unwrap_or_default().to_owned(),
        action.unwrap_or_default(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_responsible_manager_rings_then_the_deputy_then_whoever_is_left() {
    let cloud = Cloud::start().await;
    let office = told(&cloud).await;
    assert_eq!(anna_clicks(&office, "cedar").await, 303); // makes Roza's card, and Anna responsible
    one_call_with_its_recording(&office).await;
    for sql in [
        format!(
            "insert into person_extension (account, extension, person) values ('cedar', '202', {})",
            office.ivan.0
        ),
        format!(
            "update person set deputy = {} where id = {}",
            office.ivan.0, office.anna.0
        ),
    ] {
        office.run(&sql).await;
    }
    office.gateway.gateway().desk().refresh_now().await;
    let mut story = past_call(7);
    story.start = ringcard::flow::now();
    story.client = Some(CLIENT.to_owned());
    let product = cloud.product();
    // A slow machine may miss the time for looking up; a call asked about again hears the same answer.
    let asking = std::cell::Cell::new(7);
    eventually("the responsible manager rings", async || {
        asking.set(asking.get() + 1);
        let story = Story {
            number: asking.get(),
            ..story.clone()
        };
        asked(&office, &product.voice(&story)).await.0 == Twilio::dialled("201")
    })
    .await;
    story.number = asking.get();
    let (_, action) = asked(&office, &product.voice(&story)).await;
    assert!(action.starts_with("/dial-action?attempt=1"), "{action}");
    let next = product.dial_action(&story, &action, "no-answer", 1);
    let (second, action) = asked(&office, &next).await;
    assert_eq!(second, Twilio::dialled("202"));
    assert!(action.contains("attempt=2"), "{action}");
    let next = product.dial_action(&story, &action, "busy", 2);
    let (last, action) = asked(&office, &next).await;
    assert_eq!(last, LAST);
    let next = product.dial_action(&story, &action, "no-answer", 3);
    assert_eq!(asked(&office, &next).await, (String::new(), String::new()));
    // Who has been talked with is not put through again.
    let talked = product.dial_action(&story, "/dial-action?attempt=1", "completed", 1);
    assert_eq!(asked(&office, &talked).await.0, "");
    let key = product.call_key(&story);
    eventually("the call says why", async || {
        let calls = calls(&office).await;
        let routed = calls.iter().find(|(known, _)| *known == key);
        routed.is_some_and(|(_, call)| call.route_reason.is_some())
    })
    .await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withheld_number_makes_no_card_and_a_forged_message_no_call() {
    let cloud = Cloud::start().await;
    let office = told(&cloud).await;
    let mut story = past_call(8);
    story.start = ringcard::flow::now();
    story.client = None;
    let product = cloud.product();
    assert_eq!(asked(&office, &product.voice(&story)).await.0, LAST);
    eventually("the call is in the journal", async || {
        calls(&office).await.len() == 1
    })
    .await;
    let told = calls(&office).await.remove(0).1;
    assert_eq!(told.client, Some(ringcard::model::phone::Number::Withheld));
    let cards: Vec<(i64,)> = ringcard::on_read!(office.gateway.db(), pool => {
        sqlx::query_as("select count(*) from card_phone").fetch_all(pool).await.unwrap()
    });
    assert_eq!(cards, [(0,)]);
    let forged = Twilio {
        token: "guessed".to_owned(),
        ..product
    };
    story.number = 9;
    let post = forged.voice(&story);
    let (name, signature) = post.signature.clone().unwrap();
    let url = office.gateway.url("/hooks/cedar/voice");
    let request = office.gateway.client.post(url).header(name, signature);
    assert_eq!(answer(request.body(post.body)).await.status, 401);
    assert_eq!(calls(&office).await.len(), 1);
    office.close().await;
}
