//! From an empty database to the first popped call, as README and the guided page say: the binary, a
//! browser without script, and a real Asterisk that gets what the page tells to enter.

use std::time::{Duration, Instant};

use scraper::{Html, Selector};

use super::{ROUTED, STRANGER};
use crate::support::{
    asterisk::{ACCOUNT, Lab, Scenario, Wishes},
    desk::Desk,
    process::Process,
    scripted::eventually,
};

/// A browser of somebody who is signed in.
struct Browser {
    client: reqwest::Client,
    base: String,
    cookie: String,
    csrf: String,
}

impl Browser {
    async fn open(base: &str, link: &str) -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client needs nothing");
        let path = &link[link.find("/sign-in/").expect("a link")..];
        let url = format!("{base}{}", path.trim());
        let signed_in = client.post(url).send().await.expect("an answer");
        let cookie = signed_in.headers()["set-cookie"].to_str().expect("text");
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let mut browser = Self {
            client,
            base: base.to_owned(),
            cookie,
            csrf: String::new(),
        };
        let desk = browser.page("/").await;
        let token = Selector::parse("meta[name=csrf]").expect("a selector");
        let token = desk.select(&token).next().expect("a token");
        browser.csrf = token.attr("content").expect("a value").to_owned();
        browser
    }

    async fn page(&self, path: &str) -> Html {
        let request = self.client.get(format!("{}{path}", self.base));
        let answer = request.header("cookie", &self.cookie).send().await;
        let answer = answer.expect("an answer");
        Html::parse_document(&answer.text().await.expect("a page"))
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Html {
        let mut form = vec![("csrf", self.csrf.as_str())];
        form.extend_from_slice(fields);
        let request = self.client.post(format!("{}{path}", self.base)).form(&form);
        let answer = request.header("cookie", &self.cookie).send().await;
        let answer = answer.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a page");
        assert!(
            [200, 204, 303].contains(&status),
            "{path}: {status}: {text}"
        );
        Html::parse_document(&text)
    }
}

fn all(page: &Html, selector: &str) -> Vec<String> {
    let parsed = Selector::parse(selector).expect("a selector");
    page.select(&parsed)
        .map(|found| found.text().collect())
        .collect()
}

/// What stands behind `key` in the texts to be entered.
fn told(page: &Html, key: &str) -> String {
    let texts = all(page, "#account pre");
    let found = texts.iter().find_map(|text| {
        let lines = text.lines();
        lines.filter_map(|line| line.strip_prefix(key)).next_back()
    });
    found.expect("the page tells it").to_owned()
}

#[tokio::test]
async fn the_guided_page_leads_from_nothing_to_a_popped_call() {
    leads_to_a_popped_call("ami", "secret = ").await;
}

#[tokio::test]
async fn the_guided_page_leads_to_a_popped_call_over_ari() {
    leads_to_a_popped_call("ari", "password = ").await;
}

/// Over this interface, whose secret the page tells behind these words.
async fn leads_to_a_popped_call(over: &str, secret: &str) {
    let began = Instant::now();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut lab = Lab::plan(ACCOUNT, Wishes::default());
    let folder = std::env::temp_dir().join(format!("ringcard-guide-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder).expect("a folder for the gateway");
    let store = format!("sqlite:{}", folder.join("ringcard.db").display());
    let mut process = Process::plan(&folder, &store, "");

    // README: the first administrator, then serve.
    let (code, link) = process
        .beside(&["user", "add", "root", "--role", "administrator"])
        .await;
    assert_eq!(code, Some(0), "{link}");
    process.start();
    eventually("it listens", async || {
        reqwest::get(process.url("/healthz")).await.is_ok()
    })
    .await;
    let root = Browser::open(&process.url(""), &link).await;
    assert_eq!(all(&root.page("/setup").await, "h1").len(), 1);

    // Step 1: the account. What the page tells to enter is what the Asterisk gets.
    let port = match over {
        "ari" => lab.http(),
        _ => lab.ami(),
    };
    let address = format!("127.0.0.1:{port}");
    let fields = [
        ("kind", "asterisk"),
        ("over", over),
        ("name", "office"),
        ("address", &address),
        ("user", "ringcard"),
    ];
    let page = root.post("/setup", &fields).await;
    let secret = told(&page, secret);
    let token = told(&page, "RINGCARD_TOKEN=");
    assert!(told(&page, "RINGCARD_URL=").ends_with("/hooks/office"));
    let tried = root.post("/setup/office/test", &[]).await;
    assert_eq!(
        all(&tried, "[data-probe=refused]").len(),
        1,
        "nobody listens yet"
    );
    lab.boot_as(&process.url("/hooks/office"), &secret, &token);
    process.until_linked(ACCOUNT).await;
    let stands = async || process.readiness().await["pbx"][ACCOUNT].clone();
    let linked_at = stands().await["since"].clone();
    let tried = root.post("/setup/office/test", &[]).await;
    assert_eq!(all(&tried, "[data-probe=good]").len(), 1);

    // Steps 2 and 3: a person with a phone, who signs in; a number.
    let anna = [
        ("extension", "101"),
        ("name", "Anna Larina"),
        ("login", "anna"),
    ];
    let page = root.post("/setup/office/people", &anna).await;
    let link = all(&page, "code[data-link]").concat();
    let way_in = link.rsplit('/').next().expect("a link").trim();
    let desk = Desk::open(&process.url(""), "anna", way_in).await;
    let line = [
        ("number", "+7 495 000-00-01"),
        ("name", "Site"),
        ("group", "*"),
    ];
    root.post("/setup/office/lines", &line).await;
    let page = root.page("/setup/office").await;
    assert_eq!(all(&page, "#call[data-standing=next]").len(), 1);

    // Step 4: a real call, which asks who should ring.
    let since = jiff::Timestamp::now().as_microsecond();
    let watch = format!("/setup/office?since={since}");
    let _phone = lab.phone(101, Scenario::answers(1_500));
    let caller = lab.world(Scenario::calls(STRANGER, ROUTED, 1_000));
    eventually("her screen shows the card", async || {
        !desk.shown().is_empty()
    })
    .await;
    let call = desk.shown().into_keys().next().expect("a call");
    desk.painted(&call).await;
    caller.finish().await;
    let steps =
        |page: &Html, what: &str| all(page, &format!("[data-step={what}][data-standing=done]"));
    eventually("every step is done", async || {
        let page = root.page(&watch).await;
        let done = ["event", "call", "rung", "card", "route", "pop"];
        done.iter().all(|what| !steps(&page, what).is_empty())
    })
    .await;
    let page = root.page(&watch).await;
    assert!(steps(&page, "rung").concat().contains("Anna Larina"));
    assert!(steps(&page, "route").concat().contains("101"));

    // Step 5: every step of the guide is done.
    for step in ["account", "people", "lines", "call", "pop"] {
        let done = all(&page, &format!("#{step}[data-standing=done]"));
        assert_eq!(done.len(), 1, "{step}");
    }
    // Trying the connection has not cost the one that stands.
    let now = stands().await;
    assert_eq!(&now["since"], &linked_at, "{now}");
    assert!(began.elapsed() < Duration::from_secs(600));
    process.stop().await;
    let _ = std::fs::remove_dir_all(&folder);
}
