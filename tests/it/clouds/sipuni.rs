//! Sipuni as its documentation and working code describe it, from outside: checks our hashes, holds us to
//! limits, rings when told to, gives files and the table of past calls, and misbehaves on demand.

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
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::{fmt::strtime, tz::TimeZone};
use md5::{Digest, Md5};
use ringcard::{
    model::time::Timestamp,
    simulator::{
        dice::Dice,
        sipuni::Sipuni,
        story::{Outcome, Plot, Story},
    },
};
use serde_json::json;

use super::{
    host::{Emulator, Fault, lock, spoilt},
    mango::click,
};

pub const TOKEN: &str = "Kd83nfhAq0-_zP51mWx7Lq";
const USER: &str = "012345";
const SECRET: &str = "spruce-secret";
/// Limits of these tests.
const ALL_MS: u64 = 5;
const EXPORT_MS: u64 = 40;

/// The emulator.
#[derive(Clone)]
pub struct Cloud(Arc<Emulated>);

type Emulated = Emulator<Sipuni, Story, Switches>;

/// What a test can choose.
pub struct Switches {
    /// Whether events of an ordered call carry `callbackId`.
    pub names_orders: AtomicBool,
    /// Whether the table names calls that nobody talked in.
    pub names_missed: AtomicBool,
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
        let product = Sipuni {
            account: "lossy".to_owned(),
            token: TOKEN.to_owned(),
            records: String::new(),
            run: 1,
        };
        let own = Switches {
            names_orders: AtomicBool::new(true),
            names_missed: AtomicBool::new(true),
        };
        let cloud = Self(Arc::new(Emulator::new(product, own)));
        let router = Router::new()
            .route("/api/callback/call_number", post(call_number))
            .route("/api/statistic/record", post(record))
            .route("/api/crm/record", get(link))
            .route("/api/statistic/export", post(export))
            .with_state(cloud.clone());
        cloud
            .serve(router, |product, base| {
                product.records = format!("{base}/api/crm/record")
            })
            .await;
        cloud
    }

    /// The account's table for the gateway.
    pub fn settings(&self) -> String {
        format!(
            r#"
            [[pbx]]
            name = "lossy"
            type = "sipuni"
            token = "{TOKEN}"
            user = "{USER}"
            api_secret = "{SECRET}"
            api_url = "{}/api"
            [pbx.limits]
            all_every_ms = {ALL_MS}
            export_every_ms = {EXPORT_MS}
            [pbx.recordings]
            hosts = ["127.0.0.1"]
            private_network = true
            "#,
            lock(&self.base)
        )
    }

    /// The table has this call from now on.
    pub fn remember(&self, story: &Story) {
        lock(&self.past).push(story.clone());
    }
}

/// A question of ours: checked, noted, held to its limit.
fn question(
    cloud: &Cloud,
    kind: &'static str,
    limit_ms: u64,
    body: &Bytes,
) -> Result<BTreeMap<String, String>, Box<Response>> {
    let form = format!("http://form/?{}", String::from_utf8_lossy(body));
    let mut fields: BTreeMap<String, String> = reqwest::Url::parse(&form)
        .unwrap()
        .query_pairs()
        .into_owned()
        .collect();
    let hash = fields.remove("hash").unwrap_or_default();
    let user = fields.remove("user").unwrap_or_default();
    let values: Vec<&str> = fields.values().map(String::as_str).collect();
    let text = format!("{}+{USER}+{SECRET}", values.join("+"));
    if user != USER || hash != hex::encode(Md5::digest(text)) {
        cloud
            .host
            .complain(format!("{kind}: not signed as it should be"));
        return Err(Box::new("Неверный hash".into_response())); // errors come with status 200
    }
    match cloud
        .host
        .ask(kind, Duration::from_millis(limit_ms), json!(fields))
    {
        Some(refused) => Err(Box::new(refused)),
        None => Ok(fields),
    }
}

/// `callback/call_number`.
async fn call_number(State(cloud): State<Cloud>, body: Bytes) -> Response {
    let fields = match question(&cloud, "call_number", ALL_MS, &body) {
        Ok(fields) => fields,
        Err(refused) => return *refused,
    };
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    if names != ["antiaon", "phone", "reverse", "sipnumber"] || fields["reverse"] != "0" {
        cloud.host.complain(format!("call_number: {fields:?}"));
    }
    let fault = cloud.host.fault("call_number").await;
    let id = uuid::Uuid::now_v7().simple().to_string();
    if fault.is_none() {
        let (employee, client) = (fields["sipnumber"].clone(), fields["phone"].clone());
        tokio::spawn(ring(cloud.clone(), id.clone(), employee, client));
    }
    let fault = fault.filter(|fault| *fault != Fault::Mute);
    spoilt(
        fault,
        json!({"success": true, "id": id}).to_string(),
        "text/html",
    )
}

async fn ring(cloud: Cloud, order: String, employee: String, client: String) {
    let number = cloud.next_call();
    let story = click(number, &employee, &format!("+{client}"));
    for mut sent in cloud.product().tell(&story, &mut Dice::new(number)) {
        if cloud.names_orders.load(SeqCst) {
            let place = match sent.what.method {
                "GET" => &mut sent.what.target,
                _ => &mut sent.what.body,
            };
            place.push_str(&format!("&callbackId={order}"));
        }
        cloud.deliver(&sent.what).await;
    }
    cloud.remember(&story);
}

/// `statistic/record`: the file by its id.
async fn record(State(cloud): State<Cloud>, body: Bytes) -> Response {
    match question(&cloud, "record", 0, &body) {
        Ok(fields) if fields.keys().eq(["id"]) => {}
        Ok(fields) => {
            cloud.host.complain(format!("record: {fields:?}"));
            return StatusCode::BAD_REQUEST.into_response();
        }
        Err(refused) => return *refused,
    }
    let fault = cloud.host.fault("record").await;
    spoilt(fault, cloud.sound.as_ref().clone(), "audio/mpeg")
}

/// The link of event 2.
async fn link(State(cloud): State<Cloud>) -> Response {
    let fault = cloud.host.fault("link").await;
    spoilt(fault, cloud.sound.as_ref().clone(), "audio/mpeg")
}

/// `statistic/export`: whole days, a table with Russian heads.
async fn export(State(cloud): State<Cloud>, body: Bytes) -> Response {
    let fields = match question(&cloud, "export", EXPORT_MS, &body) {
        Ok(fields) => fields,
        Err(refused) => return *refused,
    };
    let wanted = "anonymous firstTime from fromNumber state to toAnswer toNumber tree type";
    if fields.keys().cloned().collect::<Vec<_>>().join(" ") != wanted {
        cloud.host.complain(format!("export: {fields:?}"));
        return "Не хватает параметров".into_response();
    }
    let fault = cloud.host.fault("export").await;
    let day = |text: &str| strtime::parse("%d.%m.%Y", text).unwrap().to_date().unwrap();
    let (from, to) = (day(&fields["from"]), day(&fields["to"]));
    let mut table = String::from(
        "\u{feff}Тип;Статус;Время;Схема;Откуда;Куда;Кто ответил;Кто разговаривал;Кому звонили;\
         Длительность звонка, сек;Длительность разговора, сек;ID записи;Запись существует\n",
    );
    for story in lock(&cloud.past).iter() {
        if (from..=to).contains(&moscow(story.start).date()) {
            table.push_str(&row(&cloud, story));
        }
    }
    spoilt(fault, table, "text/csv; charset=utf-8")
}

fn moscow(at: Timestamp) -> jiff::Zoned {
    let zone = TimeZone::get("Europe/Moscow").unwrap();
    jiff::Timestamp::from_microsecond(at.as_micros())
        .unwrap()
        .to_zoned(zone)
}

fn row(cloud: &Cloud, story: &Story) -> String {
    let seconds = |ms: i64| story.start.plus_millis(ms).as_seconds();
    let client = story.client.as_deref().unwrap_or("anonymous");
    let (kind, from, to) = match &story.caller {
        Some(caller) => ("Исходящий", format!("{caller} (Анна)"), client.to_owned()),
        None => ("Входящий", client.to_owned(), story.did.clone()),
    };
    let rung: Vec<&str> = match story.caller {
        Some(_) => Vec::new(),
        None => story.rings.iter().map(|ring| ring.who.as_str()).collect(),
    };
    let status = match (
        story.answered_ms,
        story.rings.last().map(|ring| ring.outcome),
    ) {
        (Some(_), _) => "Отвечен",
        (None, Some(Outcome::Busy)) => "Занят",
        (None, Some(Outcome::Cancelled)) => "Отменен",
        (None, _) => "Не отвечен",
    };
    let answered = match story.caller {
        Some(_) => None,
        None => story.answered_by(),
    };
    let talked_s = story
        .answered_ms
        .map_or(0, |ms| seconds(story.end_ms) - seconds(ms));
    let is_named = story.answered_ms.is_some() || cloud.names_missed.load(SeqCst);
    let id = match is_named {
        true => cloud.product().call_key(story),
        false => String::new(),
    };
    format!(
        "{kind};{status};{};Основная;{from};{to};{};;{};{};{talked_s};{id};{}\n",
        moscow(story.start).strftime("%d.%m.%Y %H:%M:%S"),
        answered
            .map(|who| format!("{who} (Борис)"))
            .unwrap_or_default(),
        rung.join(", "),
        seconds(story.end_ms) - seconds(0),
        i32::from(story.recorded),
    )
}

/// Plots whose calls Sipuni's table tells whole.
pub fn plots() -> Vec<Plot> {
    ringcard::simulator::sipuni::PLOTS.to_vec()
}
