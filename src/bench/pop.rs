//! `bench pop`: from the bytes of a ringing event to the pop on the socket of the person who rings,
//! with a desk open for everybody and two hundred events a second.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use memchr::memmem;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
};

use super::{
    Options, Report,
    client::percentile_ms,
    load::Load,
    machine::{Machine, settle, warm},
    median,
    stage::Stage,
};
use crate::{
    flow,
    model::ids::PersonId,
    simulator::{connection::Connection, dice::Dice},
    store::{self, Db, sessions},
};

/// Events a second.
const PER_SECOND: f64 = 200.0;
/// Calls of a round; each is six events and rings another desk.
const CALLS: u64 = 250;
/// Calls that nobody counts: the first messages meet cold caches and tables.
const WARM_UP_CALLS: u64 = 50;
/// Connections of the PBX.
const CONNECTIONS: usize = 8;
/// How long the last pops may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs it on a database in the state asked for.
pub async fn run(
    stage: &mut Stage,
    settings: store::Settings,
    options: &Options,
) -> Result<Report> {
    let machine = Machine::settled(stage.data()).await?;
    let db = Db::open(&settings).await?;
    let tokens = sign_in(&db, options.size.people).await?;
    db.close().await;
    let url = settings.url.clone();
    let gateway = stage.gateway(settings).await?;
    let server = gateway.address();
    let load = stage.load(options.size);
    let (rounds, people) = (options.rounds, options.size.people);
    let (done, told) = tokio::sync::oneshot::channel();
    // A thread of its own, as the other loads have.
    std::thread::Builder::new()
        .name("load".to_owned())
        .spawn(move || {
            let played = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(anyhow::Error::from)
                .and_then(|runtime| {
                    runtime.block_on(play((server, &url), tokens, load, rounds, people))
                });
            // The receiver is gone only if the bench itself was stopped.
            let _ = done.send(played);
        })?;
    let played = told.await??;
    let mut report = Report::of("pop", options);
    report.refused = played.refused;
    let of_rounds = |share| {
        let rounds = played.rounds.iter();
        median(rounds.map(|round| percentile_ms(round, share)).collect())
    };
    report.pop_p50_ms = of_rounds(0.5);
    report.pop_p99_ms = of_rounds(0.99);
    gateway.stop().await;
    machine.tell(&mut report).await?;
    Ok(report)
}

/// A session for everybody; their cookies.
async fn sign_in(db: &Db, people: usize) -> Result<Vec<String>> {
    let now = flow::now();
    let mut tokens = Vec::with_capacity(people);
    for person in 1..=people {
        let token = format!("bench-desk-{person}");
        let hash = Sha256::digest(token.as_bytes());
        let until = now.plus_millis(86_400_000);
        sessions::open(db, &hash, PersonId(person as i64), "bench", now, until).await?;
        tokens.push(token);
    }
    Ok(tokens)
}

/// What the load saw.
struct Played {
    /// Latencies of each round, sorted.
    rounds: Vec<Vec<Duration>>,
    refused: usize,
}

/// When the event that rings a person's phone was sent; taken by the first pop that person gets.
type Waiting = Arc<Mutex<HashMap<usize, Instant>>>;

async fn play(
    (server, url): (SocketAddr, &str),
    tokens: Vec<String>,
    load: Load,
    rounds: usize,
    people: usize,
) -> Result<Played> {
    let waiting = Waiting::default();
    let (pops, mut popped) = mpsc::unbounded_channel();
    let mut desks = Vec::new();
    for (person, token) in tokens.into_iter().enumerate() {
        let socket = open_desk(server, &token).await?;
        desks.push(Desk(tokio::spawn(watch(
            socket,
            person,
            Arc::clone(&waiting),
            pops.clone(),
        ))));
    }
    let mut played = Played {
        rounds: Vec::new(),
        refused: 0,
    };
    let mut pbx = Pbx::open(server).await?;
    let mut dice = Dice::new(3);
    let mut calls = load.first..load.first + WARM_UP_CALLS;
    pbx.ring(&load, calls.clone(), people, &waiting, &mut dice)
        .await?;
    tokio::time::sleep(PATIENCE).await;
    lock(&waiting).clear();
    while popped.try_recv().is_ok() {}
    for _ in 0..rounds {
        calls = calls.end..calls.end + CALLS;
        warm(url).await?;
        settle().await;
        let refused = pbx.ring(&load, calls.clone(), people, &waiting, &mut dice);
        played.refused += refused.await?;
        tokio::time::sleep(PATIENCE).await;
        let mut latencies = Vec::new();
        while let Ok(latency) = popped.try_recv() {
            latencies.push(latency);
        }
        let unseen = lock(&waiting).drain().count();
        ensure!(
            unseen * 100 <= CALLS as usize,
            "{unseen} of {CALLS} pops were never seen"
        );
        latencies.sort_unstable();
        played.rounds.push(latencies);
    }
    Ok(played)
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<usize, Instant>> {
    // Each change is one statement: a panic elsewhere leaves it whole.
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An open page; closed when dropped.
struct Desk(JoinHandle<()>);

impl Drop for Desk {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn open_desk(server: SocketAddr, token: &str) -> Result<TcpStream> {
    let mut socket = TcpStream::connect(server).await?;
    let request = format!(
        "GET /live HTTP/1.1\r\nHost: {server}\r\nAccept: text/event-stream\r\n\
         Cookie: ringcard_session={token}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await?;
    let mut head = [0; 12];
    socket.read_exact(&mut head).await?;
    ensure!(head.ends_with(b"200"), "a desk was not let in");
    Ok(socket)
}

async fn watch(
    mut socket: TcpStream,
    person: usize,
    waiting: Waiting,
    pops: mpsc::UnboundedSender<Duration>,
) {
    let mut buffer = Vec::with_capacity(16 * 1024);
    while let Ok(1..) = socket.read_buf(&mut buffer).await {
        let seen = Instant::now();
        if memmem::find(&buffer, br#""kind":"pop""#).is_some()
            && let Some(sent) = lock(&waiting).remove(&person)
        {
            // The bench may have ended.
            let _ = pops.send(seen - sent);
        }
        buffer.clear();
    }
}

/// The account's connections.
struct Pbx {
    lanes: Vec<mpsc::UnboundedSender<Vec<u8>>>,
    answers: mpsc::UnboundedReceiver<bool>,
    next: usize,
}

impl Pbx {
    async fn open(server: SocketAddr) -> Result<Self> {
        let (told, answers) = mpsc::unbounded_channel();
        let mut lanes = Vec::new();
        for _ in 0..CONNECTIONS {
            let connection = Connection::open(server).await?;
            let (lane, messages) = mpsc::unbounded_channel();
            tokio::spawn(send_all(connection, messages, told.clone()));
            lanes.push(lane);
        }
        Ok(Self {
            lanes,
            answers,
            next: 0,
        })
    }

    fn send(&mut self, message: Vec<u8>) -> Result<()> {
        self.next = (self.next + 1) % self.lanes.len();
        self.lanes[self.next]
            .send(message)
            .ok()
            .context("a connection of the PBX broke")
    }

    /// Rings one desk after the other, and tells the rest of each call a little later.
    async fn ring(
        &mut self,
        load: &Load,
        calls: Range<u64>,
        people: usize,
        waiting: &Waiting,
        dice: &mut Dice,
    ) -> Result<usize> {
        let step = Duration::from_secs_f64(1.0 / PER_SECOND);
        let mut later: std::collections::VecDeque<Vec<u8>> = std::collections::VecDeque::new();
        let mut due = tokio::time::Instant::now();
        let mut sent = 0;
        for number in calls {
            let person = number as usize % people;
            let story = load.ringing(number, person, flow::now(), dice);
            let mut told = load.account.tell(&story).into_iter().map(|sent| {
                let post = sent.what;
                post.bytes(&load.root, "bench")
            });
            let rings = told.next().context("a story begins")?;
            later.extend(told.take(5));
            tokio::time::sleep_until(due).await;
            lock(waiting).insert(person, Instant::now());
            self.send(rings)?;
            sent += 1;
            due += step;
            // The rest of calls that rang a while ago, at the same even pace.
            for _ in 0..5 {
                tokio::time::sleep_until(due).await;
                due += step;
                if later.len() > 100
                    && let Some(message) = later.pop_front()
                {
                    self.send(message)?;
                    sent += 1;
                }
            }
        }
        for message in later {
            tokio::time::sleep_until(due).await;
            due += step;
            self.send(message)?;
            sent += 1;
        }
        let mut refused = 0;
        for _ in 0..sent {
            let taken = self.answers.recv().await.context("the PBX is gone")?;
            refused += usize::from(!taken);
        }
        Ok(refused)
    }
}

async fn send_all(
    mut connection: Connection,
    mut messages: mpsc::UnboundedReceiver<Vec<u8>>,
    told: mpsc::UnboundedSender<bool>,
) {
    while let Some(message) = messages.recv().await {
        let answer: io::Result<u16> = connection.exchange(&message).await;
        // The bench may have ended.
        let _ = told.send(matches!(answer, Ok(200..300)));
    }
}
