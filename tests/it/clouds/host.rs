//! What all emulators stand on: a server of its own, faults on demand, and what must never have happened.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use ringcard::simulator::message::Post;
use serde_json::Value;

/// How a provider misbehaves, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers after so many milliseconds, and then well.
    Slow(u64),
    /// Answers this status with nothing.
    Status(u16),
    /// 429 with `Retry-After: 1`.
    TooMany,
    /// A page for people, with a good status.
    Page,
    /// The first half of the answer.
    Half,
    /// Good JSON of another shape: a list where an object should be.
    Shape,
    /// Takes the order and never rings anybody (Sipuni), or gives the same page again (Mango, UIS).
    Mute,
}

/// What an emulator has seen and is to do.
#[derive(Default)]
pub struct Host {
    faults: Mutex<HashMap<&'static str, VecDeque<Fault>>>,
    /// Requests that no honest client of this provider sends: a wrong signature, a limit not kept.
    wrong: Mutex<Vec<String>>,
    last: Mutex<HashMap<&'static str, Instant>>,
    asked: Mutex<Vec<(&'static str, Value)>>,
}

impl Host {
    /// The next requests of this kind meet these faults, one each.
    pub fn fail(&self, kind: &'static str, faults: &[Fault]) {
        lock(&self.faults).entry(kind).or_default().extend(faults);
    }

    /// The fault that this request meets. A slow answer waits here.
    pub async fn fault(&self, kind: &'static str) -> Option<Fault> {
        let fault = lock(&self.faults).get_mut(kind)?.pop_front();
        if let Some(Fault::Slow(ms)) = fault {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            return None;
        }
        fault
    }

    /// Whether all faults have been met.
    pub fn is_well(&self) -> bool {
        lock(&self.faults).values().all(VecDeque::is_empty)
    }

    /// Notes a request, and complains of one that comes sooner than the limit of its kind allows.
    pub fn ask(&self, kind: &'static str, limit: Duration, said: Value) -> Option<Response> {
        let now = Instant::now();
        lock(&self.asked).push((kind, said));
        let before = lock(&self.last).insert(kind, now);
        // A little less is forgiven: the way here takes its time, and not always the same.
        let soon = before.is_some_and(|before| now - before < limit.mul_f64(0.7));
        soon.then(|| {
            self.complain(format!("{kind} sooner than {limit:?}"));
            StatusCode::TOO_MANY_REQUESTS.into_response()
        })
    }

    pub fn complain(&self, what: String) {
        lock(&self.wrong).push(what);
    }

    /// What the client did wrong.
    pub fn wrong(&self) -> Vec<String> {
        lock(&self.wrong).clone()
    }

    /// How often this kind was asked.
    pub fn times(&self, kind: &str) -> usize {
        lock(&self.asked)
            .iter()
            .filter(|(asked, _)| *asked == kind)
            .count()
    }

    /// What was said with the last request of this kind.
    pub fn last_said(&self, kind: &str) -> Value {
        let asked = lock(&self.asked);
        let mut own = asked.iter().rev().filter(|(asked, _)| *asked == kind);
        own.next().map(|(_, said)| said.clone()).unwrap_or_default()
    }
}

/// What every emulated cloud has: a server of its own, a product that knows the words, and past calls, each
/// kept as an `R`; and `own`, what it alone has.
pub struct Emulator<P, R, O = ()> {
    pub host: Host,
    product: Mutex<P>,
    /// Where its API is.
    pub base: Mutex<String>,
    /// Where events are posted.
    hook: Mutex<String>,
    client: reqwest::Client,
    pub past: Mutex<Vec<R>>,
    pub sound: Arc<Vec<u8>>,
    calls: AtomicU64,
    own: O,
}

impl<P, R, O> std::ops::Deref for Emulator<P, R, O> {
    type Target = O;
    fn deref(&self) -> &O {
        &self.own
    }
}

impl<P: Clone, R, O> Emulator<P, R, O> {
    /// Knows no gateway yet, and has no address.
    pub fn new(product: P, own: O) -> Self {
        Self {
            host: Host::default(),
            product: Mutex::new(product),
            base: Mutex::default(),
            hook: Mutex::default(),
            client: client(),
            past: Mutex::default(),
            sound: sound(),
            calls: AtomicU64::new(900_000),
            own,
        }
    }

    /// Serves this; the address of its API is known from now on, to the product too.
    pub async fn serve(&self, router: Router, tell: impl FnOnce(&mut P, &str)) {
        let base = format!("http://{}", serve(router).await);
        tell(&mut lock(&self.product), &base);
        *lock(&self.base) = base;
    }

    /// Posts events to this gateway from now on.
    pub fn is_told(&self, url: String) {
        *lock(&self.hook) = url;
    }

    pub async fn deliver(&self, message: &Post) {
        let hook = lock(&self.hook).clone();
        post(&self.client, &hook, message).await;
    }

    pub fn product(&self) -> P {
        lock(&self.product).clone()
    }

    /// The number of the next call by command.
    pub fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, SeqCst)
    }
}

/// An answer as this fault spoils it.
pub fn spoilt(
    fault: Option<Fault>,
    whole: impl Into<Bytes>,
    content_type: &'static str,
) -> Response {
    let whole = whole.into();
    let with = |body: Bytes| ([(header::CONTENT_TYPE, content_type)], body).into_response();
    match fault {
        Some(Fault::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Fault::TooMany) => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")]).into_response()
        }
        Some(Fault::Page) => {
            let page = "<!DOCTYPE html><html><body>Технические работы</body></html>";
            ([(header::CONTENT_TYPE, "text/html")], page).into_response()
        }
        Some(Fault::Half) => with(whole.slice(..whole.len() / 2)),
        Some(Fault::Shape) => with(of_another_shape(&whole).into()),
        _ => with(whole),
    }
}

/// A list in the place of all, or of what JSON-RPC calls the result.
fn of_another_shape(whole: &[u8]) -> String {
    let mut said: Value = serde_json::from_slice(whole).unwrap_or_default();
    match said.get_mut("result") {
        Some(result) => *result = Value::Array(Vec::new()),
        None => said = Value::Array(Vec::new()),
    }
    said.to_string()
}

/// Serves this router on a port of its own until the test is over.
pub async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // What nobody documents is not there.
    let lost = |uri: Uri| async move { (StatusCode::NOT_FOUND, uri.to_string()) };
    tokio::spawn(async move { axum::serve(listener, router.fallback(lost)).await });
    address
}

/// What posts events.
pub fn client() -> reqwest::Client {
    // An error only says that it has been chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Posts one message to a gateway's hook, as the provider does.
pub async fn post(client: &reqwest::Client, hook: &str, post: &Post) {
    let url = format!("{hook}{}", post.target);
    let request = match post.method {
        "GET" => client.get(url),
        _ => client
            .post(url)
            .header("content-type", post.content_type())
            .body(post.body.clone()),
    };
    let request = match &post.signature {
        Some((name, signature)) => request.header(*name, signature),
        None => request,
    };
    let answer = request.send().await.expect("the gateway answers");
    assert_eq!(answer.status(), 200, "{}", post.target);
}

pub fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().expect("nobody panics with it")
}

/// A two-sided recording.
pub fn sound() -> Arc<Vec<u8>> {
    use ringcard::simulator::{dice::Dice, voices};
    let file = std::env::temp_dir().join(format!("ringcard-{}.wav", uuid::Uuid::now_v7()));
    voices::record(&file, 2_000, &mut Dice::new(7)).unwrap();
    let sound = std::fs::read(&file).unwrap();
    std::fs::remove_file(file).unwrap();
    Arc::new(sound)
}
