//! For those who run Ringcard: `/healthz`, `/readyz`, `/metrics`.
//!
//! `/healthz` says that the process lives. `/readyz` says whether messages can be taken in now, and
//! which PBX connections stand; a PBX that is away does not make us unready. Numbers and reasons are
//! for this machine and for who has the token; anybody else learns the status code only.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::{
    flow::{self, Flow, dial::Link, phones::Phones},
    store::{Db, deliveries, depths, writer::Health},
    telemetry,
};

/// Limits of readiness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Least free space beside the database and the recordings, in mebibytes.
    pub min_free_mib: u64,
    /// How long the database may take to answer, in milliseconds.
    pub database_timeout_ms: u64,
    /// Bearer token for `/metrics` and the reasons in `/readyz` from other machines; empty: only this
    /// machine may read them.
    pub token: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_free_mib: 256,
            database_timeout_ms: 1_000,
            token: String::new(),
        }
    }
}

/// What operations look at.
pub struct Ops {
    /// The store.
    pub db: Db,
    /// The way in.
    pub flow: Flow,
    /// Accounts, with the connections we dial.
    pub accounts: super::Accounts,
    /// Which phones their PBXes say cannot be rung.
    pub phones: Arc<Phones>,
    /// Folders whose disks must have room.
    pub folders: Vec<PathBuf>,
    /// Limits.
    pub settings: Settings,
    /// Proxies whose word on the sender's address counts.
    pub trusted_proxies: Vec<IpAddr>,
    /// When the process began to serve.
    pub started: Instant,
}

/// The routes of operations.
pub fn router(ops: Arc<Ops>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(ops)
}

async fn healthz(State(ops): State<Arc<Ops>>) -> Json<Value> {
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": ops.started.elapsed().as_secs(),
    }))
}

async fn readyz(
    State(ops): State<Arc<Ops>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    let checks = [
        ("database", database(&ops).await),
        ("migrations", migrations(&ops).await),
        ("writer", writer(&ops)),
        ("disk", disk(&ops).await),
    ];
    let ready = checks.iter().all(|(_, check)| check.is_ok());
    let status = match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    if !is_insider(&ops, peer, &headers) {
        return (status, Json(json!({ "ready": ready }))).into_response();
    }
    let checks: BTreeMap<&str, String> = checks
        .into_iter()
        .map(|(name, check)| (name, check.err().unwrap_or_else(|| "ok".to_owned())))
        .collect();
    let report = json!({
        "ready": ready,
        "checks": checks,
        "queued_kib": ops.flow.writer().queued_kib(),
        "pbx": links(&ops),
    });
    (status, Json(report)).into_response()
}

/// How the connections we dial stand, and which phones cannot be rung there.
fn links(ops: &Ops) -> BTreeMap<String, Value> {
    let accounts = ops.accounts.all();
    let told = accounts.iter().filter_map(|account| {
        let link = account.link.as_ref()?;
        let stands = match &*link.borrow() {
            Link::Up { since } => json!({
                "up": true,
                "since": since.rfc3339(),
                "phones_not_rung": ops.phones.troubled(&account.name),
            }),
            Link::Down { since, why } => {
                json!({ "up": false, "since": since.rfc3339(), "why": why.to_string() })
            }
        };
        Some((account.name.to_string(), stands))
    });
    told.collect()
}

async fn database(ops: &Ops) -> Result<(), String> {
    in_time(ops, ops.db.ping()).await
}

async fn migrations(ops: &Ops) -> Result<(), String> {
    match in_time(ops, depths::missing_migrations(&ops.db)).await? {
        0 => Ok(()),
        n => Err(format!("{n} migrations are missing")),
    }
}

async fn in_time<T, E: std::fmt::Display>(
    ops: &Ops,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    let limit = Duration::from_millis(ops.settings.database_timeout_ms);
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} ms", limit.as_millis())),
    }
}

fn writer(ops: &Ops) -> Result<(), String> {
    match ops.flow.writer().health() {
        Health::Good => Ok(()),
        Health::Failing(why) => Err(why),
    }
}

async fn disk(ops: &Ops) -> Result<(), String> {
    let folders = ops.folders.clone();
    let least = ops.settings.min_free_mib;
    // A hanging network disk must not hold up a worker thread.
    let looked = tokio::task::spawn_blocking(move || {
        folders.into_iter().try_for_each(|folder| {
            let free =
                free_mib(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            if free < least {
                return Err(format!("{}: {free} MiB free", folder.display()));
            }
            Ok(())
        })
    });
    in_time(ops, async { Ok::<_, String>(looked.await) })
        .await?
        .unwrap_or_else(|error| Err(error.to_string()))
}

pub(super) fn free_mib(folder: &std::path::Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize) / 1_048_576)
}

async fn metrics(
    State(ops): State<Arc<Ops>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    if !is_insider(&ops, peer, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    look_at_depths(&ops).await;
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (content_type, telemetry::metrics_text()).into_response()
}

/// Depths are read when somebody asks; without the database the last ones stand.
async fn look_at_depths(ops: &Ops) {
    let looked = in_time(ops, async {
        tokio::try_join!(
            depths::dead_letters(&ops.db),
            depths::outbox(&ops.db),
            deliveries::waiting(&ops.db)
        )
    });
    let Ok((dead_letters, outbox, deliveries)) = looked.await else {
        return;
    };
    let now = flow::now();
    let outbox: Vec<(String, i64, i64)> = outbox
        .into_iter()
        .map(|waiting| (waiting.kind, waiting.jobs, now.millis_since(waiting.oldest)))
        .collect();
    let accounts = ops.accounts.all();
    let links: Vec<(&str, bool)> = accounts
        .iter()
        .filter_map(|account| {
            let link = account.link.as_ref()?;
            Some((account.name.as_str(), link.borrow().is_up()))
        })
        .collect();
    telemetry::Depths {
        links: &links,
        queued_kib: ops.flow.writer().queued_kib(),
        dead_letters,
        outbox: &outbox,
        deliveries,
    }
    .emit();
}

/// Whether the asker sits at this machine or has the token.
fn is_insider(ops: &Ops, peer: SocketAddr, headers: &HeaderMap) -> bool {
    if super::remote(headers, peer.ip(), &ops.trusted_proxies).is_loopback() {
        return true;
    }
    let shown = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let token = ops.settings.token.as_bytes();
    !token.is_empty() && shown.is_some_and(|shown| shown.ct_eq(token).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_can_be_read() {
        assert!(free_mib(std::path::Path::new("/")).unwrap() > 0);
        assert!(free_mib(std::path::Path::new("/does/not/exist")).is_err());
    }
}
