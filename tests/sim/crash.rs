//! Kills the real `ringcard serve` under a thousand events a second, again and again, and cuts the
//! power: whatever was acknowledged must be there afterwards, and no call twice.
//!
//! * kill -9 of the process, on both stores;
//! * power loss with SQLite: a preload shim (`powerloss.c`) keeps only what was synced, every other time
//!   with some of what was not, whole or torn; the next start finds no more than that;
//! * PostgreSQL stopped in immediate mode under a gateway that lives on, also in a storm of messages: it does
//!   not wait for the disk with each large batch.
//!
//! A message without an answer is sent again, as a provider would; one with an answer never is.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use ringcard::{
    bench::{cluster::Cluster, load::Load},
    model::time::Timestamp,
    on_read,
    simulator::{connection::Connection, dice::Dice, ledger::Ledger, mango::Mango},
    store::{Db, Settings, StoreError, derived},
};
use uuid::Uuid;

use crate::{
    check::{Told, differences},
    program,
};

const ACCOUNT: &str = "crash";
const KEY: &str = "crash-key";
const SALT: &str = "crash-salt";
/// How messages are sent.
#[derive(Clone, Copy)]
struct Pace {
    connections: u64,
    /// Messages a second; without it each as soon as the last one of its connection is answered.
    rate: Option<u64>,
    /// New calls before each blow, of some six messages: more than can be sent.
    calls: u64,
}

/// A thousand events a second, while answers take less than 64 ms.
const STEADY: Pace = Pace {
    connections: 64,
    rate: Some(1_000),
    calls: 150,
};
/// As many as can be taken, in batches as large as they get.
const STORM: Pace = Pace {
    connections: 400,
    rate: None,
    calls: 1_500,
};

/// How often everything is killed.
fn kills() -> u64 {
    crate::number("RINGCARD_KILLS").unwrap_or(3)
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed_on_sqlite() {
    let place = Place::new();
    let url = format!("sqlite:{}", place.data().join("ringcard.db").display());
    let wrong = Trial::new(&place, url, None).run(kills(), Blow::Kill);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_fails_on_sqlite() {
    let wrong = power_fails(&[]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed_on_postgres() {
    let place = Place::new();
    let cluster = Cluster::start("").expect("PostgreSQL is installed: `make test` does it");
    let url = cluster.database().expect("a new database");
    let wrong = Trial::new(&place, url, None).run(kills(), Blow::Kill);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_acknowledged_is_lost_when_postgres_stops_at_once() {
    let wrong = postgres_stops(STEADY, &[]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_acknowledged_is_lost_when_postgres_stops_at_once_in_a_storm() {
    let wrong = postgres_stops(STORM, &[]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The test must be able to fail: with a store that does not wait for the disk, power loss is seen.
#[cfg(feature = "planted")]
#[test]
fn a_store_that_does_not_sync_is_found_out() {
    let wrong = power_fails(&[("RINGCARD_PLANTED", "synchronous_off")]);
    println!("{}", wrong.join("\n"));
    assert!(!wrong.is_empty(), "synchronous=OFF lost nothing");
}

/// Nor may the store acknowledge what is committed and not yet on the disk.
#[cfg(feature = "planted")]
#[test]
fn a_log_that_is_not_synced_is_found_out() {
    let wrong = power_fails(&[("RINGCARD_PLANTED", "log_not_synced")]);
    println!("{}", wrong.join("\n"));
    assert!(
        !wrong.is_empty(),
        "a log that was never synced lost nothing"
    );
}

/// Nor on PostgreSQL.
#[cfg(feature = "planted")]
#[test]
fn a_flush_that_is_left_out_is_found_out() {
    let wrong = postgres_stops(STORM, &[("RINGCARD_PLANTED", "log_not_synced")]);
    println!("{}", wrong.join("\n"));
    assert!(!wrong.is_empty(), "batches never flushed lost nothing");
}

/// A server that writes its log only when somebody waits for it: what nobody has waited for is lost.
const LAZY: &str = "wal_writer_delay = '10s'\nwal_writer_flush_after = '1GB'\nwal_buffers = '64MB'";

fn postgres_stops(pace: Pace, planted: &[(&str, &str)]) -> Vec<String> {
    let place = Place::new();
    let cluster = Cluster::start(LAZY).expect("PostgreSQL is installed: `make test` does it");
    let url = cluster.database().expect("a new database");
    let mut trial = Trial::new(&place, url, None);
    trial.pace = pace;
    trial.env = owned(planted);
    trial.run(kills().div_ceil(2), Blow::Database(&cluster))
}

fn owned(planted: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = planted.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn power_fails(planted: &[(&str, &str)]) -> Vec<String> {
    let place = Place::new();
    let url = format!("sqlite:{}", place.data().join("ringcard.db").display());
    let mut trial = Trial::new(&place, url, Some(place.shim()));
    trial.env = owned(planted);
    trial.run(kills().div_ceil(2), Blow::Power)
}

/// What happens to the gateway.
enum Blow<'a> {
    /// kill -9.
    Kill,
    /// kill -9, and what was not synced is gone.
    Power,
    /// The database server stops without a checkpoint and comes back; the gateway lives on.
    Database(&'a Cluster),
}

/// Folders of one trial.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let place =
            Self(std::env::temp_dir().join(format!("ringcard-crash-{}", uuid::Uuid::now_v7())));
        for folder in [place.data(), place.durable()] {
            fs::create_dir_all(folder).expect("the temporary folder can be written");
        }
        place
    }

    fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// What a disk would hold after power loss.
    fn durable(&self) -> PathBuf {
        self.0.join("durable")
    }

    /// Compiles the shim.
    fn shim(&self) -> PathBuf {
        let library = self.0.join("powerloss.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim/powerloss.c");
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .arg(&library)
            .arg(source)
            .args(["-ldl", "-lpthread"])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "cc compiles the shim"
        );
        library
    }

    /// Puts what was durable where the gateway looks.
    fn lose_power(&self) {
        let _ = fs::remove_dir_all(self.data());
        fs::create_dir_all(self.data()).expect("it was there before");
        for entry in fs::read_dir(self.durable()).expect("it was made with the place") {
            let entry = entry.expect("a folder of ours");
            fs::copy(entry.path(), self.data().join(entry.file_name())).expect("room on the disk");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Left-overs in the temporary folder hurt nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A gateway that is killed, and everything it has acknowledged.
struct Trial<'a> {
    place: &'a Place,
    url: String,
    shim: Option<PathBuf>,
    pace: Pace,
    address: SocketAddr,
    env: Vec<(String, String)>,
    dice: Dice,
    /// Bodies of messages that were answered with 2xx, by signature.
    acknowledged: BTreeMap<String, String>,
    /// Calls that at least one message was sent of, and what must be found of them.
    calls: Vec<Ledger>,
    /// Messages answered before the blows, and for how long they were sent.
    taken: u64,
    sent_for: Duration,
    /// Blows that cut off somebody who waited for an answer.
    cut: u64,
}

impl<'a> Trial<'a> {
    fn new(place: &'a Place, url: String, shim: Option<PathBuf>) -> Self {
        Self {
            place,
            url,
            shim,
            pace: STEADY,
            address: program::free_address(),
            env: Vec::new(),
            dice: Dice::new(crate::number("RINGCARD_CRASH_SEED").unwrap_or(11)),
            acknowledged: BTreeMap::new(),
            calls: Vec::new(),
            taken: 0,
            sent_for: Duration::ZERO,
            cut: 0,
        }
    }

    fn run(mut self, blows: u64, blow: Blow<'_>) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads can be started");
        let mut waiting: Vec<Bytes> = Vec::new();
        let mut gateway = self.start().expect("a gateway on nothing yet starts");
        for _ in 0..blows {
            waiting.extend(self.messages());
            let stop = Arc::new(AtomicBool::new(false));
            let load = runtime.spawn(send(self.address, self.pace, waiting, Arc::clone(&stop)));
            let pause = Duration::from_millis(self.dice.between(350, 900) as u64);
            std::thread::sleep(pause);
            self.sent_for += pause;
            match &blow {
                Blow::Kill => program::kill(&mut gateway),
                Blow::Power => {
                    program::kill(&mut gateway);
                    self.place.lose_power();
                }
                Blow::Database(cluster) => {
                    cluster.crash().expect("the server was up");
                    std::thread::sleep(Duration::from_millis(300));
                    cluster.up().expect("it recovers by itself");
                }
            }
            if !matches!(blow, Blow::Database(_)) {
                stop.store(true, Ordering::Relaxed);
            }
            std::thread::sleep(Duration::from_millis(200));
            stop.store(true, Ordering::Relaxed);
            let told = runtime.block_on(load).expect("the load does not panic");
            self.taken += told.acknowledged.len() as u64;
            self.cut += u64::from(told.cut > 0);
            self.acknowledged.extend(told.acknowledged);
            waiting = told.unanswered;
            if !matches!(blow, Blow::Database(_)) {
                // What the blow has left may be past using, which is what was to be found out.
                let Some(again) = self.start() else {
                    return vec!["ringcard serve does not start any more".to_owned()];
                };
                gateway = again;
            }
        }
        // Everything that was not answered comes once more, to a gateway that is left alone.
        let last = Arc::new(AtomicBool::new(false));
        let told = runtime.block_on(send(self.address, self.pace, waiting, last));
        self.acknowledged.extend(told.acknowledged);
        let mut wrong = Vec::new();
        if !told.unanswered.is_empty() {
            wrong.push(format!(
                "{} messages were never taken",
                told.unanswered.len()
            ));
        }
        program::kill(&mut gateway);
        if matches!(blow, Blow::Power) {
            self.place.lose_power();
        }
        wrong.extend(runtime.block_on(self.check()));
        wrong
    }

    /// Messages of some new calls: more than can be sent before the blow.
    fn messages(&mut self) -> Vec<Bytes> {
        let load = Load {
            account: Mango {
                account: ACCOUNT.to_owned(),
                key: KEY.to_owned(),
                salt: SALT.to_owned(),
                run: 1,
            },
            root: format!("/hooks/{ACCOUNT}"),
            first: 0,
            clients: 300,
            people: 10,
        };
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = Timestamp::from_seconds(since.map_or(0, |since| since.as_secs() as i64));
        let first = self.calls.len() as u64;
        let (stories, messages) = load.stories(first, self.pace.calls, now, &mut self.dice);
        let ledgers = stories.iter().map(|story| load.account.ledger(story));
        self.calls.extend(ledgers);
        messages
    }

    /// A gateway that listens; `None` if it does not within half a minute.
    fn start(&self) -> Option<Child> {
        let config = self.place.0.join("ringcard.toml");
        let text = format!(
            "[server]\nlisten = \"{}\"\n[store]\nurl = \"{}\"\n[log]\nlevel = \"error\"\n\
             [hooks]\nper_second = 100000\nburst = 100000\n[ops]\nmin_free_mib = 1\n\
             [recordings]\nfolder = \"{}\"\n[[pbx]]\nname = \"{ACCOUNT}\"\ntype = \"mango\"\n\
             vpbx_api_key = \"env:CRASH_KEY\"\nvpbx_api_salt = \"env:CRASH_SALT\"\napi_url = \"http://127.0.0.1:9\"\n",
            self.address,
            self.url,
            self.place.0.join("recordings").display()
        );
        fs::write(&config, text).expect("the folder of this trial can be written");
        let mut command = program::ringcard();
        command.arg("--config").arg(&config).arg("serve");
        command.env("CRASH_KEY", KEY).env("CRASH_SALT", SALT);
        command.envs(self.env.iter().cloned());
        if let Some(shim) = &self.shim {
            command.env("LD_PRELOAD", shim);
            command.env("POWERLOSS_DATA", self.place.data());
            command.env("POWERLOSS_DURABLE", self.place.durable());
            // Every other time some of what was not synced is there nevertheless.
            let calls = self.calls.len() as u64;
            let survive = calls / self.pace.calls % 2 * 40;
            command.env("POWERLOSS_SURVIVE", survive.to_string());
            command.env("POWERLOSS_SEED", calls.to_string());
        }
        program::serve(command, self.address)
    }

    async fn check(&self) -> Vec<String> {
        match self.read_back().await {
            Ok(wrong) => wrong,
            Err(error) => vec![format!("the database cannot be read any more: {error}")],
        }
    }

    async fn read_back(&self) -> Result<Vec<String>, StoreError> {
        let settings = Settings {
            url: self.url.clone(),
            ..Settings::default()
        };
        let db = Db::open(&settings).await?;
        let raw: Vec<(Vec<u8>,)> = on_read!(&db, pool => {
            sqlx::query_as("select body from raw").fetch_all(pool).await
        })?;
        let kept: BTreeMap<String, String> = raw
            .iter()
            .filter_map(|(body,)| Some((signature(body)?, body_of(body)?)))
            .collect();
        let lost = self
            .acknowledged
            .iter()
            .filter(|(signature, body)| kept.get(*signature) != Some(*body))
            .count();
        let (calls, counted, keys, cards, clients): (i64, i64, i64, i64, i64) = on_read!(&db, pool => {
            sqlx::query_as(
                "select (select count(*) from call), (select cast(sum(calls) as bigint) from rollup),
                        (select count(distinct call_key) from call), (select count(*) from card),
                        (select count(distinct client) from call)",
            )
            .fetch_one(pool)
            .await
        })?;
        let mut wrong = self.told_of_calls(&db).await?;
        db.close().await;
        let taken = self.acknowledged.len();
        let rate = self.taken as f64 / self.sent_for.as_secs_f64();
        let made = self.calls.len() as i64;
        let cut = self.cut;
        println!(
            "{taken} acknowledged at {rate:.0}/s of {made} calls; {cut} blows cut somebody off; \
             {} messages kept",
            raw.len()
        );
        // The rate is told, not asked for: how much is taken shortly after a start is the machine's.
        if taken < 200 {
            wrong.push(format!("only {taken} messages were taken"));
        }
        if lost > 0 {
            wrong.push(format!("{lost} of {taken} acknowledged events are lost"));
        }
        if calls != keys || keys != made || counted != made {
            wrong.push(format!(
                "{calls} calls with {keys} keys, {counted} in figures, {made} were made"
            ));
        }
        if cards != clients {
            wrong.push(format!("{cards} cards of {clients} clients"));
        }
        Ok(wrong)
    }

    /// Every call must be what its messages told, all of which were taken in the end.
    async fn told_of_calls(&self, db: &Db) -> Result<Vec<String>, StoreError> {
        type Row = (String, Uuid, String, Option<Vec<u8>>);
        let rows: Vec<Row> = on_read!(db, pool => {
            sqlx::query_as("select call_key, id, derived, facts from call").fetch_all(pool).await
        })?;
        let mut calls = BTreeMap::new();
        for (key, id, text, facts) in rows {
            calls.insert(key, derived::read(id, &text, facts.as_deref())?);
        }
        let mut wrong = Vec::new();
        for ledger in &self.calls {
            match calls.get(&ledger.call_key) {
                Some(call) => {
                    let differences = differences(ledger, call, Told::All).into_iter();
                    // This load leaves out the news that the file can be had.
                    let told = differences.filter(|what| !what.starts_with("recording:"));
                    wrong.extend(told.map(|what| format!("{}: {what}", ledger.call_key)));
                }
                None => wrong.push(format!("{}: not in the journal", ledger.call_key)),
            }
        }
        wrong.truncate(20);
        Ok(wrong)
    }
}

/// What became of messages.
#[derive(Default)]
struct Sent {
    /// Bodies by signature.
    acknowledged: BTreeMap<String, String>,
    unanswered: Vec<Bytes>,
    /// How many waited for an answer when the connection broke.
    cut: u64,
}

/// Sends until all is sent or `stop` is said.
async fn send(
    address: SocketAddr,
    pace: Pace,
    messages: Vec<Bytes>,
    stop: Arc<AtomicBool>,
) -> Sent {
    let connections = pace.connections as usize;
    let mut lanes: Vec<Vec<Bytes>> = vec![Vec::new(); connections];
    for (n, message) in messages.into_iter().enumerate() {
        lanes[n % connections].push(message);
    }
    let lanes: Vec<_> = lanes
        .into_iter()
        .map(|lane| tokio::spawn(send_lane(address, pace, lane, Arc::clone(&stop))))
        .collect();
    let mut told = Sent::default();
    for lane in lanes {
        let part = lane.await.expect("the load does not panic");
        told.acknowledged.extend(part.acknowledged);
        told.unanswered.extend(part.unanswered);
        told.cut += part.cut;
    }
    told
}

async fn send_lane(
    address: SocketAddr,
    pace: Pace,
    lane: Vec<Bytes>,
    stop: Arc<AtomicBool>,
) -> Sent {
    let mut told = Sent::default();
    let mut connection = None;
    let pause = pace.rate.map_or(Duration::ZERO, |rate| {
        Duration::from_micros(1_000_000 * pace.connections / rate)
    });
    let mut due = Instant::now();
    for message in lane {
        // Whoever had to wait makes up for it: the rate is kept.
        due += pause;
        let mut taken = false;
        // While the database is away the answer is 503, and the message comes again.
        for _ in 0..100 {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let was_open = connection.is_some();
            let answer = exchange(address, &mut connection, &message).await;
            told.cut += u64::from(was_open && answer.is_none());
            if matches!(answer, Some(200..300)) {
                taken = true;
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        match (signature(&message), form_of(&message)) {
            (Some(signature), Some(form)) if taken => {
                told.acknowledged.insert(signature, form);
            }
            _ => told.unanswered.push(message),
        }
        if !stop.load(Ordering::Relaxed) {
            tokio::time::sleep_until(due.into()).await;
        }
    }
    told
}

async fn exchange(
    address: SocketAddr,
    connection: &mut Option<Connection>,
    message: &[u8],
) -> Option<u16> {
    if connection.is_none() {
        *connection = Connection::open(address).await.ok();
    }
    let patience = Duration::from_secs(10);
    let answer = tokio::time::timeout(patience, connection.as_mut()?.exchange(message)).await;
    match answer {
        Ok(Ok(status)) => Some(status),
        _ => {
            *connection = None;
            None
        }
    }
}

/// The signature inside a message: every message has its own.
fn signature(message: &[u8]) -> Option<String> {
    let at = memchr::memmem::find(message, b"sign=")? + 5;
    let text = message.get(at..at + 64)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// The form in a request.
fn form_of(request: &[u8]) -> Option<String> {
    let at = memchr::memmem::find(request, b"\r\n\r\n")? + 4;
    Some(String::from_utf8_lossy(request.get(at..)?).into_owned())
}

/// The form as the journal keeps it.
fn body_of(raw: &[u8]) -> Option<String> {
    let request: serde_json::Value = serde_json::from_slice(raw).ok()?;
    Some(request["body"].as_str()?.to_owned())
}
