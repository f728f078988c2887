//! Builds each part once, wires them together, and owns shutdown.
//!
//! Start: database, schema, writer, routing desk, intakes, then the listener: a message can only come
//! when it can be kept. Stop, in the opposite order: no new requests, open ones finish, intakes end,
//! the writer commits what waits, the database closes.

mod changes;
mod counters;
mod parts;
mod server;
pub mod settings;
mod tasks;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokio::{net::TcpListener, task::JoinHandle};

use self::{
    parts::Parts,
    settings::{Account, Settings},
    tasks::Tasks,
};
use crate::{
    flow::{self, Flow, enquiry::Desk},
    live::Hub,
    pbx::Pbx,
    recordings::{lane::Lane, vault::Vault},
    store::{
        Db,
        changes::{self as configuration, By},
        writer::Writer,
    },
    telemetry,
    web::{
        self,
        hooks::{self, Hooks},
        ops,
    },
};

/// A gateway that runs.
pub struct Gateway {
    address: SocketAddr,
    db: Db,
    flow: Flow,
    desk: Arc<Desk>,
    hooks: Arc<Hooks>,
    lane: Arc<Lane>,
    site: web::State,
    accounts: Vec<Account>,
    tasks: Tasks,
    server: JoinHandle<()>,
    shutdown: Duration,
}

/// Runs until SIGINT or SIGTERM.
pub async fn run(settings: Settings) -> Result<()> {
    let gateway = Gateway::start(&settings).await?;
    tracing::info!(address = %gateway.address, "listening");
    asked_to_stop().await;
    tracing::info!("stopping");
    gateway.stop().await;
    Ok(())
}

impl Gateway {
    /// Builds and starts everything; returns when messages can come.
    pub async fn start(settings: &Settings) -> Result<Self> {
        let accounts = settings.open()?;
        Self::start_accounts(settings, accounts).await
    }

    /// [`Gateway::start`] with accounts that are already open.
    pub async fn start_accounts(settings: &Settings, accounts: Vec<Account>) -> Result<Self> {
        start_tls();
        telemetry::start_metrics();
        let db = open_database(settings).await?;
        let flow = Flow::new(Writer::start(db.clone(), NODE, &settings.writer));
        let desk = Desk::open(
            db.clone(),
            settings.routing.clone(),
            settings.enquiry.clone(),
        )
        .await
        .context("people and lines could not be read")?;
        let listener = TcpListener::bind(settings.server.listen)
            .await
            .with_context(|| format!("cannot listen on {}", settings.server.listen))?;
        let folder = &settings.recordings.folder;
        let keys = settings
            .recordings
            .keys()
            .context("recordings.encryption_secret")?;
        let vault = Vault::open_with(folder, keys)
            .with_context(|| format!("recordings cannot be kept in {}", folder.display()))?;
        let lane = parts::lane(settings, &db, &accounts, vault.clone())?;
        let (hub, moments) = Hub::new(settings.live.clone(), flow::now());
        let mut parts = Parts {
            outside: parts::outside(settings, &db)?,
            db,
            flow,
            desk,
            lane,
            hub,
            links: Vec::new(),
            asked: Vec::new(),
            accounts,
            refusals: Arc::default(),
            tasks: Tasks::default(),
        };
        know_people(&parts.db, &parts.hub).await?;
        parts.start(settings, &vault);
        let site = parts.site(settings, vault)?;
        let pops = web::pops::run(Arc::clone(&site), moments);
        parts.tasks.once("pops", pops);
        let hooks = parts.hooks(settings);
        let router = hooks::router(Arc::clone(&hooks))
            .merge(ops::router(parts.ops(settings)))
            .merge(web::api::router(Arc::clone(&site)))
            .merge(web::router(Arc::clone(&site)));
        Ok(Self {
            address: listener.local_addr()?,
            server: tokio::spawn(server::serve(
                listener,
                router,
                settings.server.clone(),
                parts.tasks.stop().clone(),
            )),
            hooks,
            site,
            shutdown: Duration::from_millis(settings.server.shutdown_ms),
            db: parts.db,
            flow: parts.flow,
            desk: parts.desk,
            lane: parts.lane,
            accounts: parts.accounts,
            tasks: parts.tasks,
        })
    }

    /// Where it listens; the port the system chose if it was asked for any.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The store.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The way in.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Who answers "who should ring".
    pub fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Fetches recordings.
    pub fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// What the pages stand on.
    pub fn site(&self) -> &web::State {
        &self.site
    }

    /// An account by its name.
    pub fn account(&self, name: &str) -> Option<&Arc<dyn Pbx>> {
        let account = self
            .accounts
            .iter()
            .find(|account| account.name.as_str() == name)?;
        Some(&account.pbx)
    }

    /// Stops; what has been taken in is durable when this returns.
    pub async fn stop(mut self) {
        self.tasks.stop().cancel();
        self.site.hub.close();
        if tokio::time::timeout(self.shutdown, &mut self.server)
            .await
            .is_err()
        {
            tracing::info!("some requests did not end in time and are cut off");
            self.server.abort();
        }
        if tokio::time::timeout(self.shutdown, self.hooks.drain())
            .await
            .is_err()
        {
            tracing::warn!("facts of some answers did not reach the store in time");
        }
        if !self.tasks.end(self.shutdown).await {
            tracing::warn!("some tasks did not end in time");
        }
        self.flow.writer().close().await;
        self.db.close().await;
    }
}

/// The number of this node in figures; one until there can be several.
const NODE: i64 = 1;

/// Who works here, and what goes on: pops stand on both from the first moment.
async fn know_people(db: &Db, hub: &Arc<Hub>) -> Result<()> {
    web::pops::refresh_people(db, hub)
        .await
        .context("people could not be read")?;
    web::pops::restore(db, hub)
        .await
        .context("calls that go on could not be read")
}

/// Opens the database and brings its schema up to date; waits while it is away, so that the order in
/// which machines start does not matter.
async fn open_database(settings: &Settings) -> Result<Db> {
    let mut pause = Duration::from_millis(250);
    loop {
        let opened = async {
            let db = Db::open(&settings.store).await?;
            db.migrate().await?;
            Ok::<Db, crate::store::StoreError>(db)
        };
        match opened.await {
            Ok(db) => {
                let accounts = settings.accounts_shown();
                configuration::note(&db, By::Found, Some(&accounts), flow::now())
                    .await
                    .context("the log of changes")?;
                return Ok(db);
            }
            Err(error) if !error.may_pass() => return Err(error).context("the database"),
            Err(error) => tracing::warn!(%error, "the database is away; tried again"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// One TLS implementation for the whole process, chosen before the first connection.
fn start_tls() {
    // An error only says that it has been chosen before (tests start many gateways).
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Returns on SIGINT or SIGTERM.
pub async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate =
        signal(SignalKind::terminate()).expect("the process may listen to its own signals");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
