//! OnlinePBX as its API's documentation and working code have it, from outside: wants a sign-in and lets it
//! expire, rings when told to, gives links to files and past calls, and misbehaves on demand.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use ringcard::simulator::{
    onlinepbx::{OnlinePbx, cause, number},
    story::Story,
};
use serde_json::{Value, json};

use super::{
    alike::{calls_as_they_happen, orders_are_not_taken, past_calls_come},
    anna_clicks, calls, first_reading,
    host::{Emulator, Fault, lock, spoilt},
    mango::click,
    office, read_now,
    ring::one_call_with_its_recording,
    trouble::{kept_in_the_end, past_call},
};
use crate::{
    pages::office::Office,
    support::{gateway::answer, scripted::eventually},
};

const TOKEN: &str = "Larch83nfhAq0-_zP51mWx7";
const KEY: &str = "larch-api-key";
const DOMAIN: &str = "pbx000007.onpbx.ru";
/// The limit of these tests; the gateway asks a little less often.
const HISTORY_MS: u64 = 30;
const ASKED_EVERY_MS: u64 = 60;

/// The emulator.
#[derive(Clone)]
pub struct Cloud(Arc<Emulated>);

type Emulated = Emulator<OnlinePbx, Story, SignIn>;

/// How sign-ins stand.
pub struct SignIn {
    /// The pair that is taken now.
    good: AtomicU64,
    /// The pair that a sign-in gives, unless it asks for a new one.
    given: AtomicU64,
    /// Whether an expired pair is told by status 401, else by a field of the answer.
    by_status: AtomicBool,
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
        let product = OnlinePbx {
            account: "larch".to_owned(),
            token: TOKEN.to_owned(),
            records: "https://api.onlinepbx.ru/expired".to_owned(),
            run: 1,
        };
        let own = SignIn {
            good: AtomicU64::new(1),
            given: AtomicU64::new(1),
            by_status: AtomicBool::new(false),
        };
        let cloud = Self(Arc::new(Emulator::new(product, own)));
        let below = |path: &str| format!("/{DOMAIN}/{path}.json");
        let router = Router::new()
            .route(&below("auth"), post(auth))
            .route(&below("call/now"), post(call_now))
            .route(&below("mongo_history/search"), post(search))
            .route("/files/{file}", get(file))
            .with_state(cloud.clone());
        cloud.serve(router, |_, _| {}).await;
        cloud
    }

    /// The account's table for the gateway.
    pub fn settings(&self) -> String {
        format!(
            r#"
            [[pbx]]
            name = "larch"
            type = "onlinepbx"
            token = "{TOKEN}"
            domain = "{DOMAIN}"
            api_key = "{KEY}"
            api_url = "{}"
            line = "+74950000001"
            [pbx.route]
            body = '{{"extension":"{{extension}}"}}'
            nobody = "{{}}"
            [pbx.limits]
            all_every_ms = 1
            history_every_ms = {ASKED_EVERY_MS}
            [pbx.recordings]
            private_network = true
            "#,
            lock(&self.base)
        )
    }

    /// The list of past calls has this one from now on.
    pub fn remember(&self, story: &Story) {
        lock(&self.past).push(story.clone());
    }

    /// The pair in use is taken no longer. A stubborn server gives it again all the same, unless it is asked
    /// for a new one.
    fn expire(&self, is_stubborn: bool) {
        let next = self.good.load(SeqCst) + 1;
        self.good.store(next, SeqCst);
        if !is_stubborn {
            self.given.store(next, SeqCst);
        }
    }
}

fn fields(body: &Bytes) -> BTreeMap<String, String> {
    let form = format!("http://form/?{}", String::from_utf8_lossy(body));
    let form = reqwest::Url::parse(&form).unwrap();
    form.query_pairs().into_owned().collect()
}

fn good(fault: Option<Fault>, data: Value) -> Response {
    let said = json!({"status": "1", "comment": "", "data": data});
    spoilt(fault, said.to_string(), "application/json")
}

async fn auth(State(cloud): State<Cloud>, body: Bytes) -> Response {
    let fields = fields(&body);
    cloud.host.ask("auth", Duration::ZERO, json!(fields));
    if fields.get("auth_key").is_none_or(|key| key != KEY) {
        cloud.host.complain(format!("auth: {fields:?}"));
        return r#"{"status":"0","comment":"incorrect key"}"#.into_response();
    }
    let pair = match fields.get("new").map(String::as_str) {
        Some("true") => cloud.good.load(SeqCst),
        _ => cloud.given.load(SeqCst),
    };
    let fault = cloud.host.fault("auth").await;
    good(
        fault,
        json!({"key_id": format!("id-{pair}"), "key": "session"}),
    )
}

/// A request of ours: signed in, noted, held to its limit. `Err` is the answer to a wrong one.
fn question(
    cloud: &Cloud,
    (kind, limit_ms): (&'static str, u64),
    head: &HeaderMap,
    said: &BTreeMap<String, String>,
) -> Result<(), Box<Response>> {
    let wanted = format!("id-{}:session", cloud.good.load(SeqCst));
    if head
        .get("x-pbx-authentication")
        .is_none_or(|pair| *pair != *wanted)
    {
        let refused = match cloud.by_status.load(SeqCst) {
            true => StatusCode::UNAUTHORIZED.into_response(),
            false => r#"{"status":"0","comment":"not signed in","isNotAuth":true}"#.into_response(),
        };
        return Err(Box::new(refused));
    }
    match cloud
        .host
        .ask(kind, Duration::from_millis(limit_ms), json!(said))
    {
        Some(refused) => Err(Box::new(refused)),
        None => Ok(()),
    }
}

/// Rings the employee, then the client, who answers.
async fn call_now(State(cloud): State<Cloud>, head: HeaderMap, body: Bytes) -> Response {
    let said = fields(&body);
    if let Err(refused) = question(&cloud, ("call", 0), &head, &said) {
        return *refused;
    }
    let names: Vec<&str> = said.keys().map(String::as_str).collect();
    if names != ["from", "gate_to", "to"] || said["to"].starts_with('+') {
        cloud.host.complain(format!("call: {said:?}"));
    }
    let fault = cloud.host.fault("call").await;
    if fault == Some(Fault::Mute) {
        return r#"{"status":"0","comment":"user is not registered"}"#.into_response();
    }
    let story = click(
        cloud.next_call(),
        &said["from"],
        &format!("+{}", said["to"]),
    );
    let key = cloud.product().call_key(&story);
    if fault.is_none() {
        tokio::spawn(ring(cloud, story));
    }
    good(fault, json!({"uuid": key}))
}

async fn ring(cloud: Cloud, story: Story) {
    for sent in cloud.product().tell(&story) {
        cloud.deliver(&sent.what).await;
    }
    cloud.remember(&story);
}

/// The link to the file of a call, or past calls that began in a span.
async fn search(State(cloud): State<Cloud>, head: HeaderMap, body: Bytes) -> Response {
    let said = fields(&body);
    let is_file = said.contains_key("download");
    let kind = if is_file {
        ("record", 0)
    } else {
        ("history", HISTORY_MS)
    };
    if let Err(refused) = question(&cloud, kind, &head, &said) {
        return *refused;
    }
    let fault = cloud.host.fault(kind.0).await;
    if is_file {
        return match fault {
            Some(Fault::Mute) => r#"{"status":"0","comment":"record not found"}"#.into_response(),
            fault => {
                let link = format!("{}/files/{}.mp3", lock(&cloud.base), said["uuid"]);
                good(fault, link.into())
            }
        };
    }
    let stamp = |name: &str| said.get(name).and_then(|text| text.parse::<i64>().ok());
    let (Some(from), Some(to)) = (stamp("start_stamp_from"), stamp("start_stamp_to")) else {
        cloud.host.complain(format!("history: {said:?}"));
        return StatusCode::BAD_REQUEST.into_response();
    };
    let past = lock(&cloud.past);
    let is_within = |story: &&Story| (from..=to).contains(&OnlinePbx::second(story, 0));
    let product = cloud.product();
    let mut rows: Vec<Value> = past
        .iter()
        .filter(is_within)
        .map(|story| row(&product, story))
        .collect();
    rows.truncate(stamp("limit").unwrap_or(i64::MAX) as usize);
    if fault == Some(Fault::Mute) {
        // Of some other time than was asked for.
        rows = vec![json!({"uuid": "1", "start_stamp": 1_600_000_000, "end_stamp": 1_600_000_009})];
    }
    good(fault, rows.into())
}

fn row(product: &OnlinePbx, story: &Story) -> Value {
    let client = number(story.client.as_deref());
    let (kind, from, to) = match (&story.caller, story.answered_by()) {
        (Some(caller), _) => ("outbound", caller.clone(), client),
        (None, Some(person)) => ("inbound", client, person.to_owned()),
        (None, None) => ("missed", client, number(Some(&story.did))),
    };
    let second = |ms: i64| OnlinePbx::second(story, ms);
    json!({
        "uuid": product.call_key(story),
        "caller_id_number": from,
        "destination_number": to,
        "start_stamp": second(0),
        "end_stamp": second(story.end_ms),
        "duration": second(story.end_ms) - second(0),
        "user_talk_time": OnlinePbx::talked_s(story),
        "hangup_cause": cause(story),
        "accountcode": kind,
        "gateway": number(Some(&story.did)),
        "events": [],
    })
}

async fn file(State(cloud): State<Cloud>) -> Response {
    let fault = cloud.host.fault("file").await;
    spoilt(fault, cloud.sound.as_ref().clone(), "audio/mpeg")
}

/// The office of an account at this PBX, which posts there from now on.
async fn told(cloud: &Cloud) -> Office {
    let office = office(&cloud.settings()).await;
    cloud.is_told(office.gateway.url("/hooks/larch"));
    office
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_is_one_call_with_its_recording_however_often_the_sign_in_expires() {
    for (is_stubborn, by_status) in [(false, false), (true, true)] {
        let cloud = Cloud::start().await;
        let office = told(&cloud).await;
        first_reading(&office, "larch").await;
        cloud.by_status.store(by_status, SeqCst);
        cloud.expire(is_stubborn);
        assert_eq!(anna_clicks(&office, "larch").await, 303);
        one_call_with_its_recording(&office).await;
        let said = cloud.host.last_said("call");
        assert_eq!(
            (&said["from"], &said["to"], &said["gate_to"]),
            (&"201".into(), &"74950000011".into(), &"74950000001".into())
        );
        // The first sign-in, and another after it expired; a stubborn server has to be told so.
        let signed_in = if is_stubborn { 3 } else { 2 };
        assert_eq!(
            (cloud.host.times("auth"), cloud.host.times("call")),
            (signed_in, 1)
        );
        assert_eq!(cloud.host.wrong(), Vec::<String>::new());
        office.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_not_taken_makes_no_call() {
    let cloud = Cloud::start().await;
    let office = told(&cloud).await;
    first_reading(&office, "larch").await;
    let faults = [
        Fault::Status(503),
        Fault::TooMany,
        Fault::Page,
        Fault::Half,
        Fault::Mute,
        Fault::Slow(2_000),
    ];
    orders_are_not_taken((&office, "larch"), &cloud.host, "call", &faults).await;
    cloud.expire(false);
    let faults = [Fault::Status(502), Fault::Half];
    orders_are_not_taken((&office, "larch"), &cloud.host, "auth", &faults).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_recording_is_lost_whatever_the_cloud_answers() {
    let cloud = Cloud::start().await;
    let office = told(&cloud).await;
    first_reading(&office, "larch").await;
    // Not ready; too often; then a page, and half a file, where the link leads.
    cloud
        .host
        .fail("record", &[Fault::Mute, Fault::TooMany, Fault::Half]);
    cloud.host.fail("file", &[Fault::Page, Fault::Status(404)]);
    assert_eq!(anna_clicks(&office, "larch").await, 303);
    kept_in_the_end(&office, 5, || cloud.host.is_well()).await;
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_calls_come_and_more_than_one_answer_holds_are_read_in_halves() {
    let cloud = Cloud::start().await;
    let office = told(&cloud).await;
    first_reading(&office, "larch").await;
    let faults = [
        Fault::Status(500),
        Fault::TooMany,
        Fault::Page,
        Fault::Half,
        Fault::Mute,
    ];
    let faults = faults.map(|fault| ("history", fault));
    let remember = |story: &Story| cloud.remember(story);
    past_calls_come((&office, "larch"), &cloud.host, &faults, remember).await;
    for number in 100..610 {
        let mut story = past_call(number);
        story.answered_ms = None; // asks for no file
        cloud.remember(&story);
    }
    let standing = read_now(&office, "larch").await;
    assert_eq!(
        (standing.failing_since, standing.brought.found),
        (None, 510)
    );
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_answered_missed_and_passed_on_as_it_happens() {
    let cloud = Cloud::start().await;
    let office = told(&cloud).await;
    calls_as_they_happen(&office, &cloud, OnlinePbx::tell, OnlinePbx::ledger).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scheme_is_told_the_responsible_manager_as_the_account_describes_it() {
    let cloud = Cloud::start().await;
    let office = told(&cloud).await;
    assert_eq!(anna_clicks(&office, "larch").await, 303); // makes Roza's card, and Anna responsible
    one_call_with_its_recording(&office).await;
    office.gateway.gateway().desk().refresh_now().await;
    let ask = async |token: &str, client: &str| {
        let url = office.gateway.url(&format!("/hooks/larch/{token}/command"));
        let form = format!("caller_number={client}&uuid=q-1");
        answer(office.gateway.client.post(url).body(form)).await
    };
    // A slow machine may miss the time for looking up once.
    eventually("the responsible manager is told", async || {
        let said = ask(TOKEN, "74950000011").await;
        said.status == 200 && said.text == r#"{"extension":"201"}"#
    })
    .await;
    assert_eq!(ask(TOKEN, "74950000098").await.text, "{}");
    assert_eq!(
        ask("guessed-token-of-mine", "74950000011").await.status,
        404
    );
    assert_eq!(
        calls(&office).await.len(),
        1,
        "a question alone makes no call"
    );
    office.close().await;
}
