//! UIS as its help pages describe it, from outside: checks our key and the form of JSON-RPC, holds us to
//! limits, rings when told to, gives files, employees and the report of past calls, and misbehaves on
//! demand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use ringcard::{
    model::event::Direction,
    simulator::{
        story::Story,
        uis::{Uis, employee_id, wall},
    },
};
use serde_json::{Value, json};

use super::{
    host::{Emulator, Fault, lock, spoilt},
    mango::click,
};

pub const TOKEN: &str = "Rw6tJm2Zq8Lc4Xv9Bn3Ks7";
pub const ACCESS: &str = "juniper-access-token";
pub const NUMBER: &str = "74950000002";
/// How often the gateway is told that it may ask for reports, and what is held against it: less, because
/// two requests sent apart may arrive nearer to each other.
const TOLD_MS: u64 = 200;
const REPORT_MS: u64 = 50;

/// The emulator.
#[derive(Clone)]
pub struct Cloud(Arc<Emulated>);

type Emulated = Emulator<Uis, Value, Switches>;

/// What a test can choose.
pub struct Switches {
    /// Whether the templates carry `external_id`.
    pub names_orders: AtomicBool,
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
        let product = Uis {
            account: "uis".to_owned(),
            token: TOKEN.to_owned(),
            records: String::new(),
            run: 1,
        };
        let own = Switches {
            names_orders: AtomicBool::new(true),
        };
        let cloud = Self(Arc::new(Emulator::new(product, own)));
        let router = Router::new()
            .route("/v4.0", post(call_api))
            .route("/v2.0", post(data_api))
            .route("/talk/{communication}/{record}/", get(file))
            .with_state(cloud.clone());
        cloud
            .serve(router, |product, base| {
                product.records = format!("{base}/talk")
            })
            .await;
        cloud
    }

    /// The account's table for the gateway.
    pub fn settings(&self) -> String {
        let base = lock(&self.base);
        format!(
            r#"
            [[pbx]]
            name = "uis"
            type = "uis"
            token = "{TOKEN}"
            access_token = "{ACCESS}"
            call_api_url = "{base}/v4.0"
            data_api_url = "{base}/v2.0"
            records_url = "{base}/talk"
            virtual_number = "{NUMBER}"
            [pbx.phones]
            201 = "74950000031"
            [pbx.limits]
            all_every_ms = 1
            report_every_ms = {TOLD_MS}
            [pbx.recordings]
            hosts = ["127.0.0.1"]
            private_network = true
            "#
        )
    }

    /// The report has this call from now on.
    pub fn remember(&self, story: &Story) {
        self.remember_with(story, &json!({}));
    }

    /// The report has this call, and more of it, from now on.
    pub fn remember_with(&self, story: &Story, more: &Value) {
        let mut record = record(&self.product(), story);
        for (name, value) in more.as_object().into_iter().flatten() {
            record[name] = value.clone();
        }
        lock(&self.past).push(record);
    }
}

/// A question of ours.
struct Question {
    id: Value,
    method: String,
    params: Value,
}

/// An answer with this result, or this error, to a question.
fn answered(id: &Value, what: &str, said: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, what: said}).to_string()
}

fn refusal(id: &Value, code: i64, mnemonic: &str) -> Response {
    let error = json!({"code": code, "message": "no", "data": {"mnemonic": mnemonic}});
    let body = answered(id, "error", error);
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

impl Question {
    /// Reads and checks it, whatever it asks. `Err` is the answer to a wrong one.
    fn read(cloud: &Cloud, headers: &HeaderMap, body: &Bytes) -> Result<Self, Box<Response>> {
        let wrong = |what: &str, code, mnemonic| {
            cloud.host.complain(what.to_owned());
            Err(Box::new(refusal(&Value::Null, code, mnemonic)))
        };
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        if kind != Some("application/json; charset=UTF-8") {
            return wrong("the type of the body", -32_600, "");
        }
        let Ok(mut said) = serde_json::from_slice::<Value>(body) else {
            return wrong("no JSON", -32_700, "");
        };
        let id = said["id"].take();
        let is_whole = said["jsonrpc"] == "2.0" && id.as_str().is_some_and(|id| !id.is_empty());
        let (Some(method), true) = (said["method"].as_str().map(str::to_owned), is_whole) else {
            return wrong("no JSON-RPC 2.0", -32_600, "");
        };
        let mut params = said["params"].take();
        if params["access_token"].take() != ACCESS {
            return wrong("the access token", -32_001, "access_token_invalid");
        }
        params
            .as_object_mut()
            .expect("it has an access token")
            .remove("access_token");
        Ok(Self { id, method, params })
    }

    /// Notes it as one of this kind, and holds it to its limit.
    fn is_in_time(&self, cloud: &Cloud, kind: &'static str, limit_ms: u64) -> Option<Response> {
        let limit = Duration::from_millis(limit_ms);
        let refused = cloud.host.ask(kind, limit, self.params.clone());
        refused.map(|_| refusal(&self.id, -32_029, "limit_exceeded"))
    }

    /// The answer as this fault spoils it; too many requests are told in the platform's own way.
    fn answer(&self, fault: Option<Fault>, data: Value) -> Response {
        if fault == Some(Fault::TooMany) {
            return refusal(&self.id, -32_029, "limit_exceeded");
        }
        let limits = json!({"minute_limit": 250, "minute_remaining": 200, "day_limit": 1_000});
        let result = json!({"data": data, "metadata": {"limits": limits}});
        let body = answered(&self.id, "result", result);
        spoilt(fault, body, "application/json")
    }
}

async fn call_api(State(cloud): State<Cloud>, headers: HeaderMap, body: Bytes) -> Response {
    let question = match Question::read(&cloud, &headers, &body) {
        Ok(question) => question,
        Err(refused) => return *refused,
    };
    match question.method.as_str() {
        "start.employee_call" => employee_call(&cloud, &question).await,
        method => {
            cloud.host.complain(format!("no method {method}"));
            refusal(&question.id, -32_601, "")
        }
    }
}

/// `start.employee_call`: rings the employee, then the client, who answers.
async fn employee_call(cloud: &Cloud, question: &Question) -> Response {
    if let Some(refused) = question.is_in_time(cloud, "employee_call", 0) {
        return refused;
    }
    let said = &question.params;
    let mut names: Vec<&String> = said
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, _)| k)
        .collect();
    names.sort();
    let wanted = "contact direction employee external_id first_call show_virtual_phone_number \
        switch_at_once virtual_phone_number";
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    let is_right = names.join(" ") == wanted
        && said["direction"] == "out"
        && said["first_call"] == "employee"
        && said["virtual_phone_number"] == NUMBER;
    let employee = ["201", "202"]
        .into_iter()
        .find(|extension| said["employee"] == json!({"id": employee_id(extension)}));
    let (Some(employee), true) = (employee, is_right) else {
        cloud.host.complain(format!("start.employee_call: {said}"));
        return refusal(&question.id, -32_602, "employee_not_found");
    };
    let fault = cloud.host.fault("employee_call").await;
    let number = cloud.next_call();
    let contact = said["contact"].as_str().unwrap_or_default();
    let mut story = click(number, employee, &format!("+{contact}"));
    story.did = format!("+{NUMBER}");
    let id = cloud.product().call_id(&story);
    if fault.is_none() {
        let order = said["external_id"].as_str().unwrap_or_default().to_owned();
        tokio::spawn(ring(cloud.clone(), story, order));
    }
    question.answer(fault, json!({ "call_session_id": id }))
}

async fn ring(cloud: Cloud, story: Story, order: String) {
    for mut sent in cloud.product().tell(&story) {
        if cloud.names_orders.load(SeqCst) {
            let mut body: Value = serde_json::from_str(&sent.what.body).unwrap();
            body["external_id"] = order.as_str().into();
            sent.what.body = body.to_string();
        }
        cloud.deliver(&sent.what).await;
    }
    cloud.remember_with(&story, &json!({"call_api_external_id": order}));
}

async fn data_api(State(cloud): State<Cloud>, headers: HeaderMap, body: Bytes) -> Response {
    let question = match Question::read(&cloud, &headers, &body) {
        Ok(question) => question,
        Err(refused) => return *refused,
    };
    match question.method.as_str() {
        "get.calls_report" => report(&cloud, &question).await,
        "get.employees" => employees(&cloud, &question).await,
        method => {
            cloud.host.complain(format!("no method {method}"));
            refusal(&question.id, -32_601, "")
        }
    }
}

/// Six of them, and one without an extension.
async fn employees(cloud: &Cloud, question: &Question) -> Response {
    if let Some(refused) = question.is_in_time(cloud, "employees", 0) {
        return refused;
    }
    let fault = cloud.host.fault("employees").await;
    let one = |id: Value, name: &str, extension: Value| {
        json!({"id": id, "full_name": name,
            "extension": {"extension_phone_number": extension}})
    };
    let names = [
        "Anna Larina",
        "Boris Orlov",
        "Vera",
        "Gleb",
        "Daria",
        "Egor",
    ];
    let mut all: Vec<Value> = (201..)
        .zip(names)
        .map(|(short, name)| {
            let short: u32 = short;
            one(
                employee_id(&short.to_string()),
                name,
                json!(short.to_string()),
            )
        })
        .collect();
    all.push(one(json!(9_999), "Zoya", Value::Null));
    question.answer(fault, json!(all))
}

/// Fields of a call's record, as the text names them; another one is refused.
const KNOWN: &str = "id start_time finish_time direction is_lost contact_phone_number \
    virtual_phone_number communication_id wait_duration talk_duration total_duration call_records \
    first_talked_employee_id last_talked_employee_id call_api_external_id campaign_name channel \
    entrance_page gclid ua_client_id referrer search_engine search_query site_domain_name utm_campaign \
    utm_content utm_medium utm_source utm_term visitor_id visitor_session_id yclid ym_client_id";

/// `get.calls_report`: by the starts of calls, by the account's clock, page by page.
async fn report(cloud: &Cloud, question: &Question) -> Response {
    if let Some(refused) = question.is_in_time(cloud, "report", REPORT_MS) {
        return refused;
    }
    let said = &question.params;
    let text = |name: &str| said[name].as_str().filter(|text| text.len() == 19);
    let fields: Option<Vec<&str>> = said["fields"]
        .as_array()
        .map(|fields| fields.iter().filter_map(Value::as_str).collect());
    let (
        Some(from),
        Some(till),
        Some(fields),
        Some(limit @ 1..=10_000),
        Some(offset @ 0..=100_000),
    ) = (
        text("date_from"),
        text("date_till"),
        fields,
        said["limit"].as_u64(),
        said["offset"].as_u64(),
    )
    else {
        cloud.host.complain(format!("get.calls_report: {said}"));
        return refusal(&question.id, -32_602, "invalid_parameter_value");
    };
    if fields
        .iter()
        .any(|field| !KNOWN.split(' ').any(|known| known == *field))
    {
        cloud.host.complain(format!("get.calls_report: {fields:?}"));
        return refusal(&question.id, -32_602, "field_not_found");
    }
    let fault = cloud.host.fault("report").await;
    let offset = match fault {
        Some(Fault::Mute) => 0, // the first page again
        _ => offset,
    };
    let fault = fault.filter(|fault| *fault != Fault::Mute);
    let past = lock(&cloud.past).clone();
    let is_within = |record: &&Value| {
        record["start_time"]
            .as_str()
            .is_some_and(|start| from <= start && start <= till)
    };
    let page = past.iter().filter(is_within);
    let page = page.skip(offset as usize).take(limit as usize);
    let wanted = |record: &Value| {
        let own = fields
            .iter()
            .map(|field| ((*field).to_owned(), record[*field].clone()));
        Value::Object(own.collect())
    };
    question.answer(fault, page.map(wanted).collect())
}

/// The link of a recording.
async fn file(State(cloud): State<Cloud>) -> Response {
    let fault = cloud.host.fault("file").await;
    spoilt(fault, cloud.sound.as_ref().clone(), "audio/mpeg")
}

/// A call as the report has it.
fn record(product: &Uis, story: &Story) -> Value {
    let seconds = |from_ms: i64, to_ms: i64| {
        story.start.plus_millis(to_ms).as_seconds() - story.start.plus_millis(from_ms).as_seconds()
    };
    let is_out = story.plot.direction() == Direction::Out;
    let waited_ms = story.answered_ms.unwrap_or(story.end_ms);
    let first = story.answered_by().map(employee_id);
    let passed = story
        .passing
        .as_ref()
        .map(|passing| employee_id(&passing.to));
    let files: Vec<String> = story
        .recorded
        .then(|| product.recording(story))
        .into_iter()
        .collect();
    let client = story.client.as_deref().unwrap_or("anonymous");
    json!({
        "id": product.call_id(story),
        "start_time": wall(story.start),
        "finish_time": wall(story.start.plus_millis(story.end_ms)),
        "direction": if is_out { "out" } else { "in" },
        "is_lost": !is_out && story.answered_ms.is_none(),
        "contact_phone_number": client.trim_start_matches('+'),
        "virtual_phone_number": story.did.trim_start_matches('+'),
        "communication_id": product.call_id(story),
        "wait_duration": seconds(0, waited_ms),
        "talk_duration": seconds(waited_ms, story.end_ms),
        "total_duration": seconds(0, story.end_ms),
        "call_records": files,
        "first_talked_employee_id": first,
        "last_talked_employee_id": passed.or(first),
    })
}
