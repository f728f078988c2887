//! What a newcomer sees within a minute of the README's first command, once it is built.

use std::{collections::BTreeSet, path::PathBuf, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::Instant,
};

use super::support::desk::Desk;

/// A newcomer waits no longer.
const MINUTE: Duration = Duration::from_secs(60);

/// `ringcard demo` in a folder of its own.
struct Demo {
    folder: PathBuf,
    child: Child,
    said: Vec<String>,
    until: Instant,
}

impl Demo {
    /// Starts it and reads what it says until it names everybody's link.
    async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("ringcard-demo-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringcard"))
            .args(["demo", "--language", "en", "--folder", "data"])
            .args(["--listen", "127.0.0.1:0"])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let until = Instant::now() + MINUTE;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = tokio::time::timeout_at(until, greeting(&mut lines)).await;
        Self {
            folder,
            child,
            said: said.expect("it greets within a minute"),
            until,
        }
    }

    /// The desk of whom the greeting calls so.
    async fn desk(&self, login: &'static str, who: &str) -> Desk {
        let at = self.said.iter().position(|line| line.contains(who));
        let link = self.said[at.expect("everybody has a link") + 1].trim();
        let (base, token) = link.split_once("/sign-in/").expect("a link to sign in");
        Desk::open(base, login, token).await
    }

    /// Waits until it gives something.
    async fn sees<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            assert!(Instant::now() < self.until, "within a minute: {what}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Before its folder goes: it would write there again.
        _ = self.child.start_kill();
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Where the link of this name leads.
fn named(page: &str, name: &str) -> String {
    let before = page.split_once(&format!(">{name}<"));
    let (_, link) = before
        .and_then(|(before, _)| before.rsplit_once("href=\""))
        .expect("the page has that link");
    let address = link.split('"').next().unwrap_or_default();
    address.replace("&amp;", "&")
}

/// Addresses on a page that begin so, each once.
fn links(page: &str, beginning: &str) -> Vec<String> {
    let quoted = page.split('"').filter(|text| text.starts_with(beginning));
    let links: BTreeSet<&str> = quoted.collect();
    links.into_iter().map(str::to_owned).collect()
}

async fn greeting(lines: &mut tokio::io::Lines<BufReader<ChildStdout>>) -> Vec<String> {
    let mut said = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        let is_last = line.contains("Ctrl-C");
        said.push(line);
        if is_last {
            return said;
        }
    }
    panic!("it ended: {said:#?}");
}

#[tokio::test]
async fn a_newcomer_sees_an_office_that_works_within_a_minute() {
    // What a gateway in this process would have done.
    _ = rustls::crypto::ring::default_provider().install_default();
    let demo = Demo::start().await;
    let manager = demo.desk("manager", "a manager whose phone rings").await;
    let owner = demo.desk("owner", "the owner").await;

    let today = owner.page("/calls").await;
    let week = named(&today, "7 days");
    let calls = async || links(&owner.page(&week).await, "/calls/");
    let some = async || Some(calls().await).filter(|calls| calls.len() > 10);
    demo.sees("a journal of calls", some).await;

    let known = async || {
        for call in calls().await {
            for card in links(&owner.page(&call).await, "/cards/") {
                let history = links(&owner.page(&card).await, "/calls/");
                if history.len() > 1 {
                    return Some(());
                }
            }
        }
        None
    };
    demo.sees("a card with several calls", known).await;

    let recording = async || {
        for call in calls().await {
            let mut sounds = links(&owner.page(&call).await, "/recordings/");
            sounds.retain(|sound| sound.ends_with("/audio"));
            if let Some(sound) = sounds.pop() {
                return Some(sound);
            }
        }
        None
    };
    let sound = demo.sees("a call with a player", recording).await;
    let part = owner.get(&sound).header("range", "bytes=0-999");
    let part = part.send().await.unwrap();
    assert_eq!(part.status(), 206);
    let kind = part.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("audio/"), "{kind}");
    assert_eq!(part.bytes().await.unwrap().len(), 1_000);

    let today = owner.page("/lines").await;
    let week = named(&today, "7 days");
    let figures = async || {
        let page = owner.page(&week).await;
        assert!(page.contains("Search ads"), "channels are named");
        for figure in links(&page, "/calls?") {
            let behind = owner.page(&figure.replace("&amp;", "&")).await;
            if !links(&behind, "/calls/").is_empty() {
                return Some(());
            }
        }
        None
    };
    demo.sees("calls behind a figure of a channel", figures)
        .await;
    let before = owner.page("/calls?from=2020-01-01&to=2020-01-01").await;
    assert_eq!(links(&before, "/calls/"), [""; 0], "a list is of its calls");

    let pop = async || (!manager.shown().is_empty()).then_some(());
    demo.sees("a pop on the manager's screen", pop).await;

    let accounts = owner.page("/accounts").await;
    assert!(!accounts.contains("cannot be read"), "{accounts}");
    let log = std::fs::read_to_string(demo.folder.join("log")).unwrap();
    assert_eq!(log, "", "nothing to warn of");
}
