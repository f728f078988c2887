//! A writer, what tells the outside, a clock that is set by hand, and a receiver that records.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use ringcard::{
    delivery::{MailSettings, Outside, Settings},
    http,
    model::time::Timestamp,
    store::{
        subscriptions::{self, New},
        writer::{self, Submission, Writer},
    },
};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::base::Base;

pub const SECRET: &str = "whsec_cmluZ2NhcmQgdGVsbHMgdGhlIG91dHNpZGU=";
pub const CLIENT: &str = "+74950000011";
pub const OTHER: &str = "+74950000012";
/// When the stories begin, in seconds.
const BEGIN_S: i64 = 1_773_800_000;

/// One message as it came in.
#[derive(Clone, Debug)]
pub struct Heard {
    pub id: String,
    pub seconds: i64,
    pub signatures: Vec<String>,
    pub text: String,
    pub body: Value,
    /// What it was answered.
    pub status: u16,
}

impl Heard {
    pub fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }

    /// The call or card it is about.
    pub fn subject(&self) -> &str {
        self.body["data"]["id"].as_str().unwrap()
    }

    /// Whether this secret made one of the signatures.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD
            .decode(secret.strip_prefix("whsec_").unwrap())
            .unwrap();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.{}", self.id, self.seconds, self.text).as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.signatures.contains(&expected)
    }
}

/// What the receiver answers.
type Answer = Arc<dyn Fn(&Heard) -> (u16, Vec<(&'static str, String)>, Duration) + Send + Sync>;

/// Somebody outside.
pub struct Receiver {
    pub url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// Answers every message with a status.
    pub async fn saying(status: impl Fn(&Heard) -> u16 + Send + Sync + 'static) -> Self {
        Self::answering(move |heard| (status(heard), Vec::new(), Duration::ZERO)).await
    }

    pub async fn answering(
        answer: impl Fn(&Heard) -> (u16, Vec<(&'static str, String)>, Duration) + Send + Sync + 'static,
    ) -> Self {
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let state: (Arc<Mutex<Vec<Heard>>>, Answer) = (Arc::clone(&heard), Arc::new(answer));
        let router = Router::new().fallback(hear).with_state(state);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, heard, task }
    }

    /// Everything that came in, in order.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Only what was accepted.
    pub fn accepted(&self) -> Vec<Heard> {
        let heard = self.heard();
        heard
            .into_iter()
            .filter(|heard| heard.status == 200)
            .collect()
    }
}

async fn hear(
    State((list, answer)): State<(Arc<Mutex<Vec<Heard>>>, Answer)>,
    headers: HeaderMap,
    text: String,
) -> Response {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let mut heard = Heard {
        id: header("webhook-id"),
        seconds: header("webhook-timestamp").parse().unwrap(),
        signatures: header("webhook-signature")
            .split(' ')
            .map(str::to_owned)
            .collect(),
        body: serde_json::from_str(&text).unwrap(),
        text,
        status: 0,
    };
    let (status, more, delay) = answer(&heard);
    heard.status = status;
    list.lock().unwrap().push(heard);
    tokio::time::sleep(delay).await;
    let mut response = StatusCode::from_u16(status).unwrap().into_response();
    for (name, value) in more {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// All the parts of a story.
pub struct Story {
    pub base: Base,
    pub writer: Writer,
    pub outside: Arc<Outside>,
    now: Arc<AtomicI64>,
}

impl Story {
    pub fn begin(base: Base) -> Self {
        let settings = Settings {
            private_hosts: vec!["127.0.0.1".to_owned()],
            answer_timeout_ms: 300,
            ..Settings::default()
        };
        Self::begin_with(base, &settings, &MailSettings::default())
    }

    pub fn begin_with(base: Base, settings: &Settings, mail: &MailSettings) -> Self {
        let now = Arc::new(AtomicI64::new(BEGIN_S * 1_000));
        let clock = Arc::clone(&now);
        let outside = Outside::new(
            base.db.clone(),
            http::Client::new(&http::Settings::default()).unwrap(),
            (settings, mail),
            ("https://calls.company.example", jiff::tz::TimeZone::UTC),
            Arc::new(move || Timestamp::from_millis(clock.load(SeqCst))),
        );
        Self {
            writer: Writer::start(base.db.clone(), 1, &writer::Settings::default()),
            outside: Arc::new(outside),
            base,
            now,
        }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(SeqCst))
    }

    pub async fn subscribe(&self, address: &str, events: &str) -> i64 {
        let new = New {
            name: "CRM",
            address,
            events,
            secret: SECRET,
        };
        subscriptions::add(&self.base.db, &new, self.now())
            .await
            .unwrap()
    }

    pub async fn commit(&self, messages: Vec<Submission>) {
        for message in messages {
            self.writer.commit(message).await.unwrap();
        }
    }

    /// Tells what is due now; returns the number of attempts.
    pub async fn work(&self) -> usize {
        self.outside.work_due().await.unwrap()
    }

    /// Lets time pass, a step at a time, telling what becomes due.
    pub async fn pass(&self, seconds: i64, step_s: i64) -> usize {
        let (mut left, mut attempts) = (seconds, self.work().await);
        while left > 0 {
            let step = step_s.min(left);
            self.now.fetch_add(step * 1_000, SeqCst);
            left -= step;
            attempts += self.work().await;
        }
        attempts
    }

    /// Lets time pass without telling anything.
    pub fn skip(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1_000, SeqCst);
    }

    /// State and error of every message, in the order in which they were made.
    pub async fn states(&self) -> Vec<(String, String)> {
        ringcard::on_read!(&self.base.db, pool => {
            sqlx::query_as("select state, error from delivery order by id").fetch_all(pool).await
        })
        .unwrap()
    }
}
