//! Accounts that we dial, or that dial us and stay: keeps the connection, feeds the decoder, hands messages to the writer.
//!
//! Reading never waits for the database (Asterisk cuts off a client that does not read): messages go
//! through a bounded queue to a committer. If the queue overflows, the connection is given up and
//! history fills the gap. History is read at start, after every lost connection and on a schedule,
//! through the same path as live messages.

mod gone;
mod past;
pub(super) mod way;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::BytesMut;
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use self::way::Socket;
use super::phones::Phones;
use crate::{
    model::{ids::AccountName, time::Timestamp},
    pbx::{Decoded, Decoder, Fault, Input, Intake, Message, Pbx, PbxError},
    store::{
        Db,
        writer::{CommitError, Outcome, Receipt, Submission, Writer},
    },
    telemetry,
};

/// Note of a decoder that says: logged in, events flow.
pub const READY: &str = "ready";

/// Bounds of a dialled account.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long connecting may take, in milliseconds.
    pub connect_timeout_ms: u64,
    /// First pause before dialling again, in milliseconds; it doubles.
    pub retry_first_ms: u64,
    /// Longest pause before dialling again, in milliseconds.
    pub retry_longest_ms: u64,
    /// A connection that says nothing for this long is given up, in milliseconds. The decoder asks
    /// for a sign of life well before.
    pub silence_ms: u64,
    /// Most messages between reading and the writer.
    pub queue_messages: usize,
    /// How often history is read while the connection stands, in milliseconds.
    pub reconcile_every_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 5_000,
            retry_first_ms: 250,
            retry_longest_ms: 15_000,
            silence_ms: 60_000,
            queue_messages: 20_000,
            reconcile_every_ms: 60_000,
        }
    }
}

/// How the connection stands, for readiness and people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Not connected, or not logged in yet.
    Down {
        /// Since when.
        since: Timestamp,
        /// Why: the last failure.
        why: Fault,
    },
    /// Events flow.
    Up {
        /// Since when.
        since: Timestamp,
    },
}

impl Link {
    /// Whether events flow.
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Up { .. })
    }
}

/// One dialled account.
pub struct Line {
    /// The account's name.
    pub account: AccountName,
    /// Its adapter.
    pub pbx: Arc<dyn Pbx>,
    /// How its connection comes about.
    pub intake: Intake,
    /// Where messages go.
    pub writer: Writer,
    /// Where the cursor of history is kept.
    pub db: Db,
    /// Bounds.
    pub settings: Settings,
    /// Where the PBX's words on its phones go.
    pub phones: Arc<Phones>,
    /// Our clock.
    pub clock: fn() -> Timestamp,
}

impl Line {
    /// Keeps the account connected until `stop`. `link` tells how it stands.
    pub async fn run(self, link: watch::Sender<Link>, stop: CancellationToken) {
        let line = Arc::new(self);
        let (queue, waiting) = mpsc::channel(line.settings.queue_messages);
        let committer = tokio::spawn(commit_all(line.clone(), waiting));
        let historian = tokio::spawn(line.clone().reconcile_often(link.subscribe(), stop.clone()));
        let mut pauses = line.pauses();
        while !stop.is_cancelled() {
            let starts_anew = tokio::select! {
                why = line.one_connection(&queue, &link) => {
                    let was_up = matches!(*link.borrow(), Link::Up { .. });
                    let starts_anew = was_up || way::has_come(&line.intake, &why);
                    tracing::warn!(account = %line.account, %why, "connection to the PBX is down");
                    link.send_replace(Link::Down { since: (line.clock)(), why });
                    line.phones.forget(&line.account);
                    starts_anew
                }
                () = stop.cancelled() => break,
            };
            if starts_anew {
                pauses = line.pauses();
            }
            let pause = pauses
                .next()
                .unwrap_or(Duration::from_millis(line.settings.retry_longest_ms));
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => break,
            }
        }
        drop(queue);
        for task in [committer, historian] {
            if let Err(error) = task.await {
                tracing::error!(account = %line.account, %error, "a task of the connection failed");
            }
        }
    }

    fn pauses(&self) -> backon::ExponentialBackoff {
        ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(self.settings.retry_first_ms))
            .with_max_delay(Duration::from_millis(self.settings.retry_longest_ms))
            .with_jitter()
            .without_max_times()
            .build()
    }

    /// One connection from dialling to its end; says why it ended.
    async fn one_connection(
        self: &Arc<Self>,
        queue: &mpsc::Sender<Message>,
        link: &watch::Sender<Link>,
    ) -> Fault {
        let patience = Duration::from_millis(self.settings.connect_timeout_ms);
        let mut socket = match way::connect(&self.intake, patience).await {
            Ok(socket) => socket,
            Err(why) => return why,
        };
        let mut talk = Talk {
            line: self,
            queue,
            link,
            decoder: self.pbx.decoder(),
            wake_at: None,
        };
        let why = talk.hold(&mut socket).await;
        // What the decoder still knows at the end of a connection counts as well.
        let _ = talk.feed(Input::Closed, &mut socket).await;
        why
    }

    async fn reconcile_often(
        self: Arc<Self>,
        mut link: watch::Receiver<Link>,
        stop: CancellationToken,
    ) {
        let every = Duration::from_millis(self.settings.reconcile_every_ms.max(1_000));
        loop {
            let stands = link.borrow().clone();
            if let Err(PbxError::Unsupported) = self.reconcile(stands).await {
                return;
            }
            tokio::select! {
                () = sleep(every) => {}
                () = came_up(&mut link) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn submit(&self, source: &'static str, message: Message) -> Result<Receipt, CommitError> {
        let submission = submission(&self.account, source, (self.clock)(), message);
        self.writer.commit(submission).await
    }
}

/// One connection being held.
struct Talk<'a> {
    line: &'a Arc<Line>,
    queue: &'a mpsc::Sender<Message>,
    link: &'a watch::Sender<Link>,
    decoder: Box<dyn Decoder>,
    wake_at: Option<Timestamp>,
}

impl Talk<'_> {
    async fn hold(&mut self, socket: &mut Socket) -> Fault {
        if let Err(why) = self.feed(Input::Opened, socket).await {
            return why;
        }
        let silence = Duration::from_millis(self.line.settings.silence_ms);
        let mut heard = Instant::now();
        let mut buffer = BytesMut::with_capacity(64 * 1024);
        loop {
            buffer.clear();
            let wake = self.wake();
            let fed = tokio::select! {
                read = socket.read_buf(&mut buffer) => match read {
                    Ok(0) => return Fault::Closed,
                    Ok(_) => {
                        heard = Instant::now();
                        self.feed(Input::Bytes(&buffer), socket).await
                    }
                    Err(error) => return Fault::Lost(error.into()),
                },
                bytes = self.line.pbx.outgoing() => send(socket, &bytes).await,
                () = sleep_until(wake) => {
                    self.wake_at = None;
                    self.feed(Input::Timer, socket).await
                }
                () = sleep_until(heard + silence) => return Fault::Silent,
            };
            if let Err(why) = fed {
                return why;
            }
        }
    }

    fn wake(&self) -> Instant {
        const NEVER: Duration = Duration::from_secs(86_400);
        let now = (self.line.clock)();
        let pause = self.wake_at.map_or(NEVER, |at| {
            Duration::from_millis(u64::try_from(at.millis_since(now)).unwrap_or(0))
        });
        Instant::now() + pause
    }

    /// Feeds the decoder and acts on what it says.
    async fn feed(&mut self, input: Input<'_>, socket: &mut Socket) -> Result<(), Fault> {
        let mut decoded = Decoded::default();
        let now = (self.line.clock)();
        // A decoder that panics costs its connection, not the account.
        let fed = catch_unwind(AssertUnwindSafe(|| {
            self.decoder.feed(input, now, &mut decoded)
        }));
        let result = fed.map_err(|_| Fault::Decoder)?;
        if decoded.notes.contains(&READY) {
            let since = (self.line.clock)();
            self.link.send_replace(Link::Up { since });
        }
        if decoded.wake_at.is_some() {
            self.wake_at = decoded.wake_at;
        }
        for note in decoded
            .notes
            .iter()
            .filter(|note| note.starts_with("missing_right"))
        {
            tracing::warn!(account = %self.line.account, note, "our user at the PBX may not do all it should");
        }
        self.line.phones.note(&self.line.account, decoded.devices);
        if let Some(alive) = decoded.alive {
            tokio::spawn(gone::end_the_gone(Arc::clone(self.line), alive));
        }
        for message in decoded.messages {
            // A full queue means that the database has been away for long. Nothing was promised to
            // the PBX: give the connection up, history will tell what was missed.
            self.queue.try_send(message).map_err(|_| Fault::Behind)?;
        }
        if !decoded.send.is_empty() {
            send(socket, &decoded.send).await?;
        }
        result.map_err(Fault::from)
    }
}

async fn send(socket: &mut Socket, bytes: &[u8]) -> Result<(), Fault> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let sending = async {
        socket.write_all(bytes).await?;
        socket.flush().await
    };
    match timeout(PATIENCE, sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Fault::Lost(error.into())),
        Err(_) => Err(Fault::Unheard),
    }
}

/// Commits whatever comes, many at a time, each until it is durable.
async fn commit_all(line: Arc<Line>, mut waiting: mpsc::Receiver<Message>) {
    const TOGETHER: usize = 512;
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            message = waiting.recv(), if running.len() < TOGETHER => match message {
                Some(message) => running.push(commit_one(&line, message)),
                None => break,
            },
            Some(()) = running.next(), if !running.is_empty() => {}
        }
    }
    while running.next().await.is_some() {}
}

async fn commit_one(line: &Line, message: Message) {
    let source = line.pbx.provider();
    let submission = submission(&line.account, source, (line.clock)(), message);
    let came = Instant::now();
    loop {
        match line.writer.commit(submission.clone()).await {
            Ok(_) => {
                let ingested = telemetry::Ingested {
                    provider: source,
                    way: "dial",
                    outcome: submission.outcome.as_str(),
                    account: line.account.as_str(),
                    took: came.elapsed(),
                };
                return ingested.emit();
            }
            Err(CommitError::Closing) => return, // History tells it after the next start.
            Err(CommitError::Busy) => sleep(Duration::from_millis(100)).await,
        }
    }
}

fn submission(
    account: &AccountName,
    source: &'static str,
    received_at: Timestamp,
    message: Message,
) -> Submission {
    let outcome = match &message.error {
        None => Outcome::Applied,
        Some(error) => Outcome::Undecodable(error.to_string()),
    };
    Submission {
        account: account.clone(),
        source,
        received_at,
        raw: message.raw,
        events: message.events,
        visits: Vec::new(),
        outcome,
    }
}

/// Resolves when the link comes up again; never, once nobody tells any more.
async fn came_up(link: &mut watch::Receiver<Link>) {
    loop {
        if link.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        if matches!(*link.borrow_and_update(), Link::Up { .. }) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use async_trait::async_trait;
    use bytes::Bytes;
    use tokio::{
        io::AsyncBufReadExt,
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::{
        model::{
            event::{CallEvent, Clock, Fact},
            ids::FactId,
        },
        on_read,
        pbx::{DecodeError, Page},
    };

    const AT: Timestamp = Timestamp::from_seconds(1_773_728_100);

    /// A PBX of the tests: each line of the stream is one leg that rings; `hello` logs in.
    struct Liner {
        address: String,
        commands: tokio::sync::Mutex<mpsc::Receiver<Bytes>>,
        asked: Mutex<Vec<Option<String>>>,
        pages: AtomicUsize,
    }

    struct Lines(Vec<u8>);

    impl Decoder for Lines {
        fn feed(
            &mut self,
            input: Input<'_>,
            _: Timestamp,
            out: &mut Decoded,
        ) -> Result<(), DecodeError> {
            match input {
                Input::Opened => out.send.extend_from_slice(b"login\n"),
                Input::Bytes(bytes) => self.0.extend_from_slice(bytes),
                _ => {}
            }
            while let Some(end) = self.0.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.0.drain(..=end).collect();
                match String::from_utf8_lossy(&line).trim() {
                    "hello" => out.notes.push(READY),
                    text => out.messages.push(message(text)),
                }
            }
            Ok(())
        }
    }

    fn message(text: &str) -> Message {
        let event = CallEvent {
            account: "office".into(),
            call: text.into(),
            leg: Some(text.into()),
            at: AT,
            clock: Clock::Exact,
            id: FactId::from(format!("{text}/rings")),
            fact: Fact::Rings,
        };
        Message {
            raw: Bytes::from(text.to_owned()),
            events: vec![event],
            error: None,
        }
    }

    #[async_trait]
    impl Pbx for Liner {
        fn provider(&self) -> &'static str {
            "liner"
        }
        fn intake(&self) -> Intake {
            Intake::Dial {
                address: self.address.clone(),
                tls: None,
            }
        }
        fn decoder(&self) -> Box<dyn Decoder> {
            Box::new(Lines(Vec::new()))
        }
        async fn outgoing(&self) -> Bytes {
            match self.commands.lock().await.recv().await {
                Some(bytes) => bytes,
                None => std::future::pending().await,
            }
        }
        async fn history(&self, cursor: Option<&str>, _: Timestamp) -> Result<Page, PbxError> {
            self.asked.lock().unwrap().push(cursor.map(str::to_owned));
            let page = self.pages.fetch_add(1, Ordering::SeqCst);
            Ok(Page {
                messages: vec![message(&format!("past-{page}"))],
                cursor: page.to_string(),
                more: page == 0,
                ..Page::default()
            })
        }
    }

    struct Bench {
        db: Db,
        writer: Writer,
        pbx: Arc<Liner>,
        server: TcpListener,
        link: watch::Receiver<Link>,
        commands: mpsc::Sender<Bytes>,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<()>,
        folder: std::path::PathBuf,
    }

    impl Bench {
        async fn start() -> Self {
            let folder = std::env::temp_dir().join(format!("ringcard-{}", uuid::Uuid::now_v7()));
            std::fs::create_dir_all(&folder).unwrap();
            let url = format!("sqlite:{}", folder.join("t.db").display());
            let db = Db::open(&crate::store::Settings {
                url,
                ..Default::default()
            })
            .await
            .unwrap();
            db.migrate().await.unwrap();
            let writer = Writer::start(db.clone(), 0, &Default::default());
            let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = server.local_addr().unwrap().to_string();
            let (commands, queue) = mpsc::channel(1);
            let pbx = Arc::new(Liner {
                address: address.clone(),
                commands: tokio::sync::Mutex::new(queue),
                asked: Mutex::default(),
                pages: AtomicUsize::new(0),
            });
            let settings = Settings {
                retry_first_ms: 5,
                retry_longest_ms: 10,
                ..Settings::default()
            };
            let (told, link) = watch::channel(Link::Down {
                since: AT,
                why: Fault::NotYet,
            });
            let stop = CancellationToken::new();
            let line = Line {
                account: "office".into(),
                pbx: pbx.clone(),
                intake: Intake::Dial { address, tls: None },
                writer: writer.clone(),
                db: db.clone(),
                settings,
                phones: Arc::default(),
                clock: || AT,
            };
            let task = tokio::spawn(line.run(told, stop.clone()));
            Self {
                db,
                writer,
                pbx,
                server,
                link,
                commands,
                stop,
                task,
                folder,
            }
        }

        /// Takes the next connection and its login, and greets it.
        async fn accept(&self) -> tokio::io::BufReader<TcpStream> {
            let (mut socket, _) = self.server.accept().await.unwrap();
            socket.write_all(b"hello\n").await.unwrap();
            let mut socket = tokio::io::BufReader::new(socket);
            assert_eq!(read_line(&mut socket).await, "login");
            socket
        }

        async fn until_raw(&self, wanted: &[&str]) {
            for _ in 0..400 {
                let rows: Vec<(Vec<u8>,)> = on_read!(&self.db, pool => {
                    sqlx::query_as("select body from raw").fetch_all(pool).await
                })
                .unwrap();
                let bodies: Vec<String> = rows
                    .into_iter()
                    .map(|(body,)| String::from_utf8(body).unwrap())
                    .collect();
                if wanted
                    .iter()
                    .all(|text| bodies.iter().any(|body| body == text))
                {
                    return;
                }
                sleep(Duration::from_millis(5)).await;
            }
            panic!("{wanted:?} did not reach the journal");
        }

        async fn finish(self) {
            self.stop.cancel();
            self.task.await.unwrap();
            self.writer.close().await;
            self.db.close().await;
            std::fs::remove_dir_all(self.folder).unwrap();
        }
    }

    async fn read_line(socket: &mut tokio::io::BufReader<TcpStream>) -> String {
        let mut line = String::new();
        socket.read_line(&mut line).await.unwrap();
        line.trim().to_owned()
    }

    #[tokio::test]
    async fn messages_cut_anywhere_reach_the_journal_across_connections() {
        let mut bench = Bench::start().await;
        let mut socket = bench.accept().await;
        socket.get_mut().write_all(b"one\ntw").await.unwrap();
        socket.get_mut().flush().await.unwrap();
        bench.until_raw(&["one"]).await;
        socket.get_mut().write_all(b"o\nthree\n").await.unwrap();
        bench.until_raw(&["one", "two", "three"]).await;
        drop(socket);
        let mut socket = bench.accept().await;
        socket.get_mut().write_all(b"four\n").await.unwrap();
        bench.until_raw(&["four"]).await;
        bench
            .link
            .wait_for(|link| matches!(link, Link::Up { .. }))
            .await
            .unwrap();
        bench.finish().await;
    }

    #[tokio::test]
    async fn history_is_read_at_start_and_when_the_connection_comes_back() {
        let bench = Bench::start().await;
        drop(bench.accept().await);
        let _socket = bench.accept().await;
        bench.until_raw(&["past-0", "past-1", "past-2"]).await;
        let asked = bench.pbx.asked.lock().unwrap().clone();
        let cursors: Vec<Option<&str>> = asked.iter().map(Option::as_deref).collect();
        assert_eq!(&cursors[..3], [None, Some("0"), Some("1")]);
        bench.finish().await;
    }

    #[tokio::test]
    async fn commands_leave_on_the_live_connection() {
        let bench = Bench::start().await;
        let mut socket = bench.accept().await;
        bench
            .commands
            .send(Bytes::from_static(b"dial 101\n"))
            .await
            .unwrap();
        assert_eq!(read_line(&mut socket).await, "dial 101");
        bench.finish().await;
    }

    #[tokio::test]
    async fn a_pbx_that_is_away_is_told_with_the_reason() {
        let mut bench = Bench::start().await;
        drop(bench.accept().await);
        let closed = |link: &Link| {
            matches!(
                link,
                Link::Down {
                    why: Fault::Closed,
                    ..
                }
            )
        };
        bench.link.wait_for(closed).await.unwrap();
        bench.finish().await;
    }
}
