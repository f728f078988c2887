//! What the machine can do at best: a bare POST server, and a reference that stores each body durably
//! before it answers. Ringcard's ingest is told as a ratio to the second in the same round.
//!
//! Both run in the bench's own runtime, as the product does, and the reference opens its database as
//! the product does ([`Db::open`]): one write connection in WAL mode with `synchronous=FULL`, or
//! PostgreSQL as it comes.

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use anyhow::{Context, ensure};
use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use serde::Deserialize;
use sqlx::{AssertSqlSafe, Executor, PgPool, SqlitePool};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    Report,
    client::{Pace, send},
    median,
};
use crate::store::{Db, StoreError};

/// Bytes of the body that both servers are sent.
pub const BODY_BYTES: usize = 514;

/// The fields a body must have; reading them is the servers' parsing work.
#[derive(Deserialize)]
struct Parsed {
    key: String,
    #[serde(rename = "event")]
    _event: String,
    #[serde(rename = "timestamp")]
    _timestamp: i64,
    #[serde(rename = "from")]
    _from: String,
    #[serde(rename = "to")]
    _to: String,
}

/// The n-th body, of exactly [`BODY_BYTES`].
pub fn body(n: usize) -> String {
    let head = format!(
        "{{\"key\":\"k{n:012}\",\"event\":\"Connected\",\"timestamp\":1773728100,\
         \"from\":\"+74950000011\",\"to\":\"201\",\"filler\":\""
    );
    let filler = BODY_BYTES - head.len() - 2;
    format!("{head}{}\"}}", "x".repeat(filler))
}

/// Writes the n-th request to either server.
pub fn request(n: usize, into: &mut Vec<u8>) {
    static FIRST: LazyLock<(String, usize)> = LazyLock::new(|| {
        let text = format!(
            "POST / HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
             Content-Length: {BODY_BYTES}\r\n\r\n{}",
            body(0)
        );
        let key = text.find(FIRST_KEY).unwrap_or_default();
        (text, key)
    });
    let (text, key) = &*FIRST;
    into.extend_from_slice(text.as_bytes());
    let mut rest = n;
    for digit in into[*key + 1..*key + FIRST_KEY.len()].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// The key of body 0; the others differ in its digits.
const FIRST_KEY: &str = "k000000000000";

/// A server that runs until it is dropped.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn listen(app: Router, mut tasks: Vec<JoinHandle<()>>) -> std::io::Result<Running> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tasks.push(tokio::spawn(async move {
        // Ends only with an error of the listening socket; then the load fails visibly.
        let _ = axum::serve(listener, app).await;
    }));
    Ok(Running { address, tasks })
}

/// Parses and answers, keeps nothing.
pub async fn bare() -> std::io::Result<Running> {
    async fn take(body: Bytes) -> StatusCode {
        match serde_json::from_slice::<Parsed>(&body) {
            Ok(_) => StatusCode::OK,
            Err(_) => StatusCode::BAD_REQUEST,
        }
    }
    listen(Router::new().route("/", post(take)), Vec::new()).await
}

/// A bare server in a thread of its own, asked a hundred times a second beside what is measured: of a latency
/// this is the machine's part, whoever answers.
pub struct Beside {
    address: SocketAddr,
    halves: Vec<f64>,
    most: Vec<f64>,
    /// The server goes on until this is dropped.
    _until: oneshot::Sender<()>,
}

impl Beside {
    /// How often it is asked.
    const PER_SECOND: f64 = 100.0;

    /// Starts the server.
    pub async fn start() -> anyhow::Result<Self> {
        let (until, stopped) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        std::thread::Builder::new()
            .name("beside".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(async {
                    let server = bare().await?;
                    // Nobody to tell: then nobody holds `until` either.
                    _ = tell.send(server.address);
                    _ = stopped.await;
                    Ok::<_, std::io::Error>(())
                })
            })?;
        Ok(Self {
            address: told.await.context("a bare server does not start")?,
            halves: Vec::new(),
            most: Vec::new(),
            _until: until,
        })
    }

    /// Asks it while `load` runs, which takes about so long.
    pub async fn during<T>(
        &mut self,
        long: Duration,
        load: impl Future<Output = T>,
    ) -> anyhow::Result<T> {
        let made = |n| {
            let mut made = Vec::new();
            request(n, &mut made);
            Bytes::from(made)
        };
        let asked = (long.as_secs_f64() * Self::PER_SECOND) as usize;
        let requests: Vec<Bytes> = (0..asked).map(made).collect();
        let per_second = Self::PER_SECOND;
        let asked = send(self.address, requests.into(), 4, Pace::Open { per_second });
        let (done, run) = tokio::join!(load, asked);
        let run = run?;
        ensure!(
            run.refused == 0,
            "a bare server refused {} requests",
            run.refused
        );
        self.halves.push(run.percentile_ms(0.5));
        self.most.push(run.percentile_ms(0.99));
        Ok(done)
    }

    /// Says how it did.
    pub fn tell(self, report: &mut Report) {
        report.beside_p50_ms = median(self.halves);
        report.beside_p99_ms = median(self.most);
    }
}

type Waiting = (String, String, oneshot::Sender<()>);

/// Parses, stores everything that waits with one insert in one transaction, then answers.
pub async fn reference(db: Db) -> Result<Running, StoreError> {
    async fn take(State(queue): State<mpsc::Sender<Waiting>>, body: Bytes) -> StatusCode {
        let Ok(parsed) = serde_json::from_slice::<Parsed>(&body) else {
            return StatusCode::BAD_REQUEST;
        };
        let (done, stored) = oneshot::channel();
        let body = String::from_utf8_lossy(&body).into_owned();
        if queue.send((parsed.key, body, done)).await.is_err() || stored.await.is_err() {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        StatusCode::OK
    }
    let table = "create table if not exists reference (key text primary key, body text not null)";
    crate::on_write!(&db, pool => pool.execute(table).await.map(drop))?;
    let (queue, waiting) = mpsc::channel(4_096);
    let writer = tokio::spawn(write(Arc::new(db), waiting));
    let app = Router::new().route("/", post(take)).with_state(queue);
    listen(app, vec![writer])
        .await
        .map_err(|error| StoreError::Database(sqlx::Error::Io(error)))
}

async fn write(db: Arc<Db>, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, 4_096).await > 0 {
        let stored = match db.as_ref() {
            Db::Lite { write, .. } => insert_lite(write, &batch).await,
            Db::Pg(pool) => insert_pg(pool, &batch).await,
        };
        for (_, _, done) in batch.drain(..) {
            if stored.is_ok() {
                // A client that went away needs no answer.
                let _ = done.send(());
            }
        }
    }
}

const INSERT: &str = "insert into reference (key, body)";

async fn insert_lite(pool: &SqlitePool, batch: &[Waiting]) -> Result<(), sqlx::Error> {
    let rows: Vec<(&str, &str)> = batch
        .iter()
        .map(|(key, body, _)| (key.as_str(), body.as_str()))
        .collect();
    let rows = serde_json::to_string(&rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let sql = format!(
        "{INSERT} select value ->> 0, value ->> 1 from json_each($1) where true on conflict do nothing"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(rows)
        .execute(pool)
        .await?;
    Ok(())
}

async fn insert_pg(pool: &PgPool, batch: &[Waiting]) -> Result<(), sqlx::Error> {
    let keys: Vec<&str> = batch.iter().map(|(key, _, _)| key.as_str()).collect();
    let bodies: Vec<&str> = batch.iter().map(|(_, body, _)| body.as_str()).collect();
    let sql =
        format!("{INSERT} select * from unnest($1::text[], $2::text[]) on conflict do nothing");
    sqlx::query(AssertSqlSafe(sql))
        .bind(keys)
        .bind(bodies)
        .execute(pool)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::client::Requests;

    #[test]
    fn requests_differ_in_their_keys() {
        for n in [0, 7, 1_234_567] {
            let mut made = Vec::new();
            request(n, &mut made);
            let text = String::from_utf8(made).unwrap();
            assert!(text.ends_with(&format!("\r\n\r\n{}", body(n))), "{text}");
        }
    }

    #[test]
    fn every_body_has_the_size_that_is_promised() {
        assert_eq!(body(0).len(), BODY_BYTES);
        assert_eq!(body(999_999).len(), BODY_BYTES);
        assert!(serde_json::from_str::<Parsed>(&body(7)).is_ok());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_is_asked_beside_a_load_tells_its_latencies() {
        let mut beside = Beside::start().await.unwrap();
        for _ in 0..2 {
            let load = tokio::time::sleep(Duration::from_millis(10));
            beside
                .during(Duration::from_millis(50), load)
                .await
                .unwrap();
        }
        let mut report = Report::default();
        beside.tell(&mut report);
        assert!(report.beside_p50_ms > Some(0.0), "{report:?}");
        assert!(report.beside_p99_ms >= report.beside_p50_ms, "{report:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_reference_answers_after_it_has_stored() {
        let folder = std::env::temp_dir().join(format!("ringcard-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        let settings = crate::store::Settings {
            url: format!("sqlite:{}", folder.join("t.db").display()),
            ..Default::default()
        };
        let db = Db::open(&settings).await.unwrap();
        let server = reference(db.clone()).await.unwrap();
        let pace = Pace::ClosedFor(Duration::from_millis(100));
        let run = send(server.address, Requests::Made(request), 8, pace)
            .await
            .unwrap();
        assert!(run.accepted > 0 && run.refused == 0, "{run:?}");
        let (rows,): (i64,) = crate::on_read!(&db, pool => {
            sqlx::query_as("select count(*) from reference").fetch_one(pool).await
        })
        .unwrap();
        assert_eq!(rows, run.accepted as i64);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
