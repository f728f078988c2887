//! Zadarma as its API's documentation describes it, from outside: checks our signatures, holds us to its
//! limits, rings when told to, gives links to files and the call log, and misbehaves on demand.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use ring::hmac;
use ringcard::{
    model::{call::CallResult, recording::RecordingState},
    simulator::{
        dice::Dice,
        story::{Outcome, Plot, Story, Tempo, World},
        zadarma::Zadarma,
    },
};
use serde_json::{Value, json};

use super::{
    anna_clicks, calls, first_reading,
    host::{Emulator, Fault, lock, spoilt},
    hurry_recordings,
    mango::click,
    office, read_now, recordings,
};
use crate::support::scripted::{eventually, eventually_nothing};

pub const TOKEN: &str = "Kd83nfhAq0-_zP51mWx7Lq";
const KEY: &str = "birch-key";
const SECRET: &str = "birch-secret";
/// Limits of these tests: the documented ones are many times longer.
const STATISTICS_MS: u64 = 40;

/// The emulator.
#[derive(Clone)]
pub struct Cloud(Arc<Emulated>);

type Emulated = Emulator<Zadarma, Value>;

impl std::ops::Deref for Cloud {
    type Target = Emulated;
    fn deref(&self) -> &Emulated {
        &self.0
    }
}

impl Cloud {
    /// Starts it; knows no gateway yet.
    pub async fn start() -> Self {
        let product = Zadarma {
            account: "birch".to_owned(),
            token: TOKEN.to_owned(),
            secret: SECRET.to_owned(),
            run: 1,
        };
        let cloud = Self(Arc::new(Emulator::new(product, ())));
        let router = Router::new()
            .route("/v1/request/callback/", get(callback))
            .route("/v1/pbx/record/request/", get(record))
            .route("/v1/pbx/internal/", get(internal))
            .route("/v1/statistics/pbx/", get(statistics))
            .route("/files/{link}", get(file))
            .with_state(cloud.clone());
        cloud.serve(router, |_, _| {}).await;
        cloud
    }

    /// The account's table for the gateway.
    pub fn settings(&self) -> String {
        format!(
            r#"
            [[pbx]]
            name = "birch"
            type = "zadarma"
            token = "{TOKEN}"
            api_key = "{KEY}"
            api_secret = "{SECRET}"
            api_url = "{}"
            time_zone = "UTC+3"
            route_calls = true
            [pbx.limits]
            all_every_ms = 1
            statistics_every_ms = {STATISTICS_MS}
            [pbx.recordings]
            hosts = ["127.0.0.1"]
            private_network = true
            "#,
            lock(&self.base)
        )
    }

    /// The call log has this call from now on.
    pub fn remember(&self, story: &Story) {
        lock(&self.past).extend(rows(&self.product(), story));
    }
}

fn sign(text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes());
    STANDARD.encode(hex::encode(hmac::sign(&key, text.as_bytes())))
}

/// A question of ours: checked, noted, held to its limit. `Err` is the answer to a wrong one.
fn question(
    cloud: &Cloud,
    kind: &'static str,
    limit_ms: u64,
    (uri, headers): (&Uri, &HeaderMap),
) -> Result<BTreeMap<String, String>, Box<Response>> {
    let query = uri.query().unwrap_or_default();
    let text = format!("{}{query}{}", uri.path(), hex::encode(Md5::digest(query)));
    let wanted = format!("{KEY}:{}", sign(&text));
    let fields: Vec<(String, String)> = reqwest::Url::parse(&format!("http://form/?{query}"))
        .unwrap()
        .query_pairs()
        .into_owned()
        .collect();
    let is_signed = headers
        .get("authorization")
        .is_some_and(|given| *given == *wanted);
    if !is_signed || !fields.is_sorted() {
        cloud
            .host
            .complain(format!("{kind}: not signed as it should be"));
        let said = json!({"status": "error", "message": "Not authorized"}).to_string();
        return Err(Box::new((StatusCode::UNAUTHORIZED, said).into_response()));
    }
    let fields: BTreeMap<String, String> = fields.into_iter().collect();
    match cloud
        .host
        .ask(kind, Duration::from_millis(limit_ms), json!(fields))
    {
        Some(refused) => Err(Box::new(refused)),
        None => Ok(fields),
    }
}

fn success(fault: Option<Fault>, mut said: Value) -> Response {
    said["status"] = "success".into();
    spoilt(fault, said.to_string(), "application/json")
}

async fn callback(State(cloud): State<Cloud>, uri: Uri, headers: HeaderMap) -> Response {
    let fields = match question(&cloud, "callback", 1, (&uri, &headers)) {
        Ok(fields) => fields,
        Err(refused) => return *refused,
    };
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    let is_good = names == ["format", "from", "sip", "to"] && fields["to"].starts_with('+');
    if !is_good || fields["from"] != fields["sip"] {
        cloud.host.complain(format!("callback: {fields:?}"));
    }
    let fault = cloud.host.fault("callback").await;
    if fault.is_none() {
        let (employee, client) = (fields["from"].clone(), fields["to"].clone());
        tokio::spawn(ring(cloud.clone(), employee, client));
    }
    success(
        fault,
        json!({"from": fields["from"], "to": fields["to"], "time": 1}),
    )
}

async fn ring(cloud: Cloud, employee: String, client: String) {
    let number = cloud.next_call();
    let story = click(number, &employee, &client);
    for sent in cloud.product().tell(&story) {
        cloud.deliver(&sent.what).await;
    }
    cloud.remember(&story);
}

/// The link to a file, by its id.
async fn record(State(cloud): State<Cloud>, uri: Uri, headers: HeaderMap) -> Response {
    let fields = match question(&cloud, "record", 0, (&uri, &headers)) {
        Ok(fields) => fields,
        Err(refused) => return *refused,
    };
    if !fields.contains_key("call_id") {
        cloud.host.complain(format!("record: {fields:?}"));
    }
    let fault = cloud.host.fault("record").await;
    if fault == Some(Fault::Mute) {
        let said = json!({"status": "error", "message": "Record not found"}).to_string();
        return (StatusCode::BAD_REQUEST, said).into_response();
    }
    let link = format!("{}/files/{}.mp3", lock(&cloud.base), fields["call_id"]);
    success(
        fault,
        json!({"link": link, "lifetime_till": "2026-01-01 00:00:00"}),
    )
}

async fn file(State(cloud): State<Cloud>) -> Response {
    let fault = cloud.host.fault("file").await;
    spoilt(fault, cloud.sound.as_ref().clone(), "audio/mpeg")
}

async fn internal(State(cloud): State<Cloud>, uri: Uri, headers: HeaderMap) -> Response {
    if let Err(refused) = question(&cloud, "internal", 1, (&uri, &headers)) {
        return *refused;
    }
    let fault = cloud.host.fault("internal").await;
    success(fault, json!({"pbx_id": 1, "numbers": [201, 202]}))
}

/// The call log between two moments of the cabinet's clock, so many rows after so many.
async fn statistics(State(cloud): State<Cloud>, uri: Uri, headers: HeaderMap) -> Response {
    let fields = match question(&cloud, "statistics", STATISTICS_MS, (&uri, &headers)) {
        Ok(fields) => fields,
        Err(refused) => return *refused,
    };
    let fault = cloud.host.fault("statistics").await;
    let (start, end) = (fields["start"].as_str(), fields["end"].as_str());
    let past = lock(&cloud.past);
    // Written so, the order of texts is that of moments.
    let is_within = |row: &&Value| (start..=end).contains(&row["callstart"].as_str().unwrap());
    let skip = match fault {
        Some(Fault::Mute) => 0, // the same page again
        _ => fields["skip"].parse().unwrap(),
    };
    let limit: usize = fields["limit"].parse().unwrap();
    assert_eq!((limit, fields["version"].as_str()), (1_000, "2"));
    let stats: Vec<Value> = past
        .iter()
        .filter(is_within)
        .skip(skip)
        .take(limit)
        .cloned()
        .collect();
    success(fault, json!({"start": start, "end": end, "stats": stats}))
}

/// A row for each phone.
fn rows(product: &Zadarma, story: &Story) -> Vec<Value> {
    let row = |sip: &str, said: &str, seconds: i64, number: usize| {
        let is_talk = said == "answered";
        let (clid, destination) = match &story.caller {
            Some(caller) => (format!("{caller} ({caller})"), Zadarma::client(story)),
            None => {
                let client = Zadarma::client(story);
                (
                    format!("Name ({client})"),
                    story.did.trim_start_matches('+'),
                )
            }
        };
        let id = match is_talk && story.recorded {
            true => product.recording(story),
            false => format!("{}.{number}", product.recording(story)),
        };
        json!({
            "call_id": id, "sip": sip, "callstart": Zadarma::started(story), "clid": clid,
            "destination": destination, "disposition": said, "seconds": seconds,
            "is_recorded": (is_talk && story.recorded).to_string(),
            "pbx_call_id": product.call_key(story),
        })
    };
    let (said, talked_s) = (Zadarma::disposition(story), Zadarma::talked_s(story));
    if let Some(caller) = &story.caller {
        return vec![row(caller, said, talked_s, 0)];
    }
    let phones = story.rings.iter().enumerate();
    let told = phones.map(|(n, ring)| match ring.outcome {
        Outcome::Answered => row(&ring.who, "answered", talked_s, n),
        Outcome::Busy => row(&ring.who, "busy", 0, n),
        Outcome::NoAnswer => row(&ring.who, "no answer", 0, n),
        Outcome::Elsewhere | Outcome::Cancelled => row(&ring.who, "cancel", 0, n),
    });
    told.collect()
}

fn story(plot: Plot, number: u64) -> Story {
    let world = World::company(6, 20);
    let start = ringcard::flow::now().plus_millis(-1_000);
    let mut dice = Dice::new(number);
    let mut story = Story::draw(&mut dice, &world, plot, number, start, Tempo::DEMO);
    story.client = Some("+74950000021".to_owned());
    story.recorded = false;
    story
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_is_one_call_with_its_recording_whatever_the_cloud_answers_first() {
    let cloud = Cloud::start().await;
    let office = office(&cloud.settings()).await;
    cloud.is_told(office.gateway.url("/hooks/birch"));
    for fault in [Fault::Status(503), Fault::Page, Fault::TooMany, Fault::Half] {
        cloud.host.fail("callback", &[fault]);
        let status = anna_clicks(&office, "birch").await;
        assert!([422, 503].contains(&status), "{fault:?}: {status}");
        office.run("delete from card_phone").await;
    }
    assert_eq!(calls(&office).await.len(), 0);
    // Not ready; too often; a server that is away; half an answer; then a page for a file.
    let record = [Fault::Mute, Fault::TooMany, Fault::Status(502), Fault::Half];
    cloud.host.fail("record", &record);
    cloud.host.fail("file", &[Fault::Page]);
    assert_eq!(anna_clicks(&office, "birch").await, 303);
    eventually_nothing("the file is kept", async || {
        hurry_recordings(&office).await;
        let told = recordings(&office).await;
        let is_kept = matches!(told.as_slice(), [(RecordingState::Kept, _)]);
        (!is_kept)
            .then(|| format!("{told:?}"))
            .into_iter()
            .collect()
    })
    .await;
    assert!(cloud.host.is_well());
    let told = calls(&office).await;
    let [(_, call)] = told.as_slice() else {
        panic!("{told:#?}");
    };
    assert_eq!(call.result, Some(CallResult::Answered));
    assert_eq!(call.answered_by, Some("201".into()));
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answered_missed_and_transferred_calls_stand_in_the_journal() {
    let cloud = Cloud::start().await;
    let office = office(&cloud.settings()).await;
    cloud.is_told(office.gateway.url("/hooks/birch"));
    for (number, plot) in [(1, Plot::Answered), (2, Plot::Missed)] {
        for sent in cloud.product().tell(&story(plot, number)) {
            cloud.deliver(&sent.what).await;
        }
    }
    // No message names a transfer: a second one answers.
    let mut transfer = story(Plot::Answered, 3);
    transfer.rings[0].who = "201".to_owned();
    transfer.end_ms = transfer.answered_ms.unwrap(); // no longer than it takes to tell
    let mut told = cloud.product().tell(&transfer);
    let rings = [("internal", "202".to_owned())];
    let second = [
        cloud.product().event("NOTIFY_INTERNAL", &transfer, &rings),
        cloud.product().answer(&transfer, "202"),
    ];
    let end = told.pop().unwrap();
    for message in told.into_iter().map(|sent| sent.what).chain(second) {
        cloud.deliver(&message).await;
    }
    // They part where it is clear that they did not hang up together.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    cloud.deliver(&end.what).await;

    let key = |number| cloud.product().call_key(&story(Plot::Answered, number));
    let all: BTreeMap<_, _> = calls(&office).await.into_iter().collect();
    assert_eq!(all.len(), 3);
    assert_eq!(all[&key(1)].result, Some(CallResult::Answered));
    // All is told at once here, so the caller has not stayed for long.
    let missed = [Some(CallResult::Missed), Some(CallResult::Abandoned)];
    assert!(missed.contains(&all[&key(2)].result));
    let passed: Vec<_> = all[&key(3)]
        .transfers
        .iter()
        .map(|one| (&one.from, &one.to))
        .collect();
    assert_eq!(passed, [(&Some("201".into()), &Some("202".into()))]);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_call_rings_at_the_responsible_manager_and_the_address_can_be_checked() {
    let cloud = Cloud::start().await;
    let office = office(&cloud.settings()).await;
    cloud.is_told(office.gateway.url("/hooks/birch"));
    assert_eq!(anna_clicks(&office, "birch").await, 303); // makes Roza's card, and Anna responsible
    eventually("the call of the click is over", async || {
        let calls = calls(&office).await;
        calls.len() == 1 && calls.iter().all(|(_, call)| call.is_over())
    })
    .await;
    office.gateway.gateway().desk().refresh_now().await;
    let hook = office.gateway.url(&format!("/hooks/birch/{TOKEN}"));
    let echo = office
        .gateway
        .client
        .get(&hook)
        .query(&[("zd_echo", "e-77")]);
    assert_eq!(echo.send().await.unwrap().text().await.unwrap(), "e-77");
    let ask = async |number: u64, client: &str| {
        let mut story = story(Plot::Answered, number);
        story.client = Some(client.to_owned());
        let start = cloud.product().event("NOTIFY_START", &story, &[]);
        let (name, signature) = start.signature.unwrap();
        let form = "application/x-www-form-urlencoded";
        let request = office
            .gateway
            .client
            .post(&hook)
            .header("content-type", form);
        let answer = request
            .header(name, signature)
            .body(start.body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap()
    };
    let known = ask(7, crate::pages::office::CLIENT).await;
    assert_eq!(
        (&known["redirect"], &known["caller_name"]),
        (&"201".into(), &"Roza".into())
    );
    assert!(known["return_timeout"].as_i64() >= Some(3), "{known}");
    let stranger = ask(8, "+74950000077").await;
    assert_ne!(stranger["caller_name"], "Roza");
    let key = cloud.product().call_key(&story(Plot::Answered, 7));
    eventually("the call says why", async || {
        let calls = calls(&office).await;
        let routed = calls.iter().find(|(known, _)| *known == key);
        routed.is_some_and(|(_, call)| call.route_reason.as_deref() == Some("owner"))
    })
    .await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_calls_come_whatever_went_wrong_before() {
    let cloud = Cloud::start().await;
    let office = office(&cloud.settings()).await;
    first_reading(&office, "birch").await;
    let faults = [Fault::Status(502), Fault::TooMany, Fault::Page, Fault::Half];
    for (number, fault) in (1_u64..).zip(faults) {
        let mut story = story(Plot::Answered, number);
        story.start = story.start.plus_millis(-1_800_000 - 1_000 * number as i64);
        cloud.remember(&story);
        cloud.host.fail("statistics", &[fault]);
        let standing = read_now(&office, "birch").await;
        assert!(standing.failing_since.is_some(), "{fault:?}: {standing:?}");
        let standing = read_now(&office, "birch").await;
        assert_eq!(
            (standing.failing_since, standing.brought.found),
            (None, 1),
            "{fault:?}"
        );
        assert_eq!(calls(&office).await.len() as u64, number);
    }
    // More than a page: the same one again is no next one.
    for number in 100..1_110_u64 {
        let mut story = story(Plot::Out, number);
        story.start = story.start.plus_millis(-3_600_000 - 1_000 * number as i64);
        cloud.remember(&story);
    }
    cloud
        .host
        .fail("statistics", &[Fault::Slow(0), Fault::Mute]);
    assert!(read_now(&office, "birch").await.failing_since.is_some());
    let standing = read_now(&office, "birch").await;
    assert_eq!(
        (standing.failing_since, standing.brought.found),
        (None, 1_010)
    );
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    office.close().await;
}
