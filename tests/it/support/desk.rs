//! A person's open page: the live stream over HTTP with a session, as a browser holds it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::task::JoinHandle;

use super::scripted::eventually;

/// A browser waits for seconds before it comes back; stories have less time.
const COMES_BACK: Duration = Duration::from_millis(100);

/// A signed-in person with the stream open. It comes back by itself whenever the stream ends, with the
/// id of the last frame, as `EventSource` does.
pub struct Desk {
    pub login: &'static str,
    cookie: String,
    base: String,
    client: reqwest::Client,
    shown: Arc<Mutex<BTreeMap<String, Shown>>>,
    task: JoinHandle<()>,
}

/// The life of one call's pop on this desk; moments in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Each stage when it was first shown, and again after another.
    pub stages: Vec<(i64, String)>,
    /// When it was taken away, and why; `sync`: it stood no longer when the stream was resumed.
    pub gone: Option<(i64, String)>,
}

impl Desk {
    /// Signs in by a one-time link and opens the stream.
    pub async fn open(base: &str, login: &'static str, token: &str) -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client needs nothing");
        let link = format!("{base}/sign-in/{token}");
        let signed_in = client.post(link).send().await.expect("an answer");
        let cookie = signed_in.headers()["set-cookie"].to_str().expect("text");
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let shown = Arc::default();
        let synced = Arc::new(Mutex::new(false));
        let stream = Stream {
            client: client.clone(),
            url: format!("{base}/live"),
            cookie: cookie.clone(),
            shown: Arc::clone(&shown),
            synced: Arc::clone(&synced),
        };
        let task = tokio::spawn(stream.hold());
        eventually("the stream is open", async || {
            *synced.lock().expect("nobody panics with it")
        })
        .await;
        Self {
            login,
            cookie,
            base: base.to_owned(),
            client,
            shown,
            task,
        }
    }

    /// Every pop that this desk has shown, by call.
    pub fn shown(&self) -> BTreeMap<String, Shown> {
        self.shown.lock().expect("nobody panics with it").clone()
    }

    /// A GET of this person's.
    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        let asked = self.client.get(format!("{}{path}", self.base));
        asked.header("cookie", &self.cookie)
    }

    /// A page as this person sees it.
    pub async fn page(&self, path: &str) -> String {
        let shown = self.get(path).send().await.expect("an answer");
        assert_eq!(shown.status(), 200, "{path} is shown to {}", self.login);
        shown.text().await.expect("a page")
    }

    /// What a form of this page must show.
    async fn csrf(&self, path: &str) -> String {
        let page = self.page(path).await;
        let (_, rest) = page
            .split_once("name=\"csrf\" content=\"")
            .expect("a token");
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    /// Says that a pop stands on the screen, as the page does.
    pub async fn painted(&self, call: &str) {
        let csrf = self.csrf("/").await;
        let said = self.client.post(format!("{}/live/painted", self.base));
        let said = said.header("cookie", &self.cookie);
        let said = said.form(&[("csrf", csrf.as_str()), ("call", call)]);
        let said = said.send().await;
        assert_eq!(said.expect("an answer").status(), 204);
    }

    /// Asks for a call to the first phone of this card, as the button on its page does.
    pub async fn calls(&self, card: uuid::Uuid) {
        let page = format!("/cards/{card}");
        self.posts(&page, "call", &[("phone", "0")]).await;
    }

    /// Sends a form of a page to this address below it, which must be taken.
    pub async fn posts(&self, page: &str, below: &str, fields: &[(&str, &str)]) {
        let csrf = self.csrf(page).await;
        let form = [&[("csrf", csrf.as_str())], fields].concat();
        let asked = self.client.post(format!("{}{page}/{below}", self.base));
        let asked = asked
            .header("cookie", &self.cookie)
            .form(&form)
            .send()
            .await;
        let asked = asked.expect("an answer");
        assert_eq!(asked.status(), 303, "{below} is asked for");
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Stream {
    client: reqwest::Client,
    url: String,
    cookie: String,
    shown: Arc<Mutex<BTreeMap<String, Shown>>>,
    synced: Arc<Mutex<bool>>,
}

impl Stream {
    async fn hold(self) {
        let mut last = String::new();
        loop {
            let mut request = self.client.get(&self.url).header("cookie", &self.cookie);
            if !last.is_empty() {
                request = request.header("last-event-id", &last);
            }
            if let Ok(response) = request.send().await
                && response.status() == 200
            {
                self.read(response, &mut last).await;
            }
            tokio::time::sleep(COMES_BACK).await;
        }
    }

    async fn read(&self, mut response: reqwest::Response, last: &mut String) {
        let mut text = String::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            text.push_str(&String::from_utf8_lossy(&chunk));
            while let Some(end) = text.find("\n\n") {
                let event: String = text.drain(..end + 2).collect();
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                if let Some(id) = field("id:") {
                    id.trim().clone_into(last);
                }
                if let Some(data) = field("data:") {
                    self.frame(&serde_json::from_str(data).expect("frames are JSON"));
                }
            }
        }
    }

    fn frame(&self, frame: &Value) {
        let now = jiff::Timestamp::now().as_microsecond();
        let mut shown = self.shown.lock().expect("nobody panics with it");
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut pop = |pop: &Value| {
            let shown = shown.entry(word(&pop["call"])).or_default();
            let stage = word(&pop["stage"]);
            if shown.gone.take().is_some()
                || shown.stages.last().map(|(_, last)| last) != Some(&stage)
            {
                shown.stages.push((now, stage));
            }
        };
        match frame["kind"].as_str() {
            Some("pop") => pop(frame),
            Some("sync") => {
                let pops = frame["pops"].as_array().cloned().unwrap_or_default();
                pops.iter().for_each(&mut pop);
                let stands = |call: &str| pops.iter().any(|pop| pop["call"] == call);
                for (_, shown) in shown.iter_mut().filter(|(call, _)| !stands(call)) {
                    shown.gone.get_or_insert((now, "sync".to_owned()));
                }
                *self.synced.lock().expect("nobody panics with it") = true;
            }
            Some("withdraw") => {
                let shown = shown.entry(word(&frame["call"])).or_default();
                shown.gone = Some((now, word(&frame["why"])));
            }
            _ => {}
        }
    }
}
