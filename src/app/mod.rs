//! Builds each part once, wires them together, and owns shutdown.
//!
//! Start: database, schema, writer, routing desk, intakes, then the listener: a message can only come
//! when it can be kept. Stop, in the opposite order: no new requests, open ones finish, intakes end,
//! the writer commits what waits, the database closes.

mod changes;
mod counters;
mod fragments;
mod office;
mod parts;
mod reload;
mod server;
pub mod settings;
mod tasks;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use tokio::{net::TcpListener, task::JoinHandle};

pub use self::reload::Source;
use self::{
    office::Office,
    parts::{Beside, Parts},
    reload::{Now, Reloader},
    settings::{Account, Settings},
    tasks::Tasks,
};
use crate::{
    flow::{self, Flow, enquiry::Desk},
    live::Hub,
    model::ids::AccountName,
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
        configuration::{Configuration, Reloaded},
        hooks::{self, Hooks},
        ops,
        refusals::Refusals,
    },
};

/// A gateway that runs.
pub struct Gateway {
    address: SocketAddr,
    parts: Arc<Parts>,
    reloader: Arc<Reloader>,
    site: web::State,
    server: JoinHandle<()>,
    shutdown: Duration,
}

/// Runs until SIGINT or SIGTERM; SIGHUP has the configuration read anew from `source`.
pub async fn run(settings: Settings, source: Source) -> Result<()> {
    let gateway = Gateway::start(&settings).await?;
    gateway.reads_from(source);
    tracing::info!(address = %gateway.address, "listening");
    tokio::select! {
        () = asked_to_stop() => {}
        () = gateway.reload_on_signal() => {}
    }
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
        let listener = TcpListener::bind(settings.server.listen)
            .await
            .with_context(|| format!("cannot listen on {}", settings.server.listen))?;
        let (hub, moments) = Hub::new(settings.live.clone(), flow::now());
        let parts = Arc::new(put_together(settings, db, hub).await?);
        know_people(&parts.db, &parts.hub).await?;
        // Work left from before the start begins at once, and asks for its account.
        parts.office.know(accounts.iter());
        parts.start();
        let mut now = Now {
            beside: Beside::start(&parts, settings)?,
            settings: settings.clone(),
            running: Vec::new(),
        };
        let (office, none) = (&parts.office, Settings::default());
        office
            .take_over(&mut now.running, accounts, settings, &none)
            .await;
        let reloader = Reloader::new(Arc::clone(&parts), now);
        let listening = Arc::clone(&reloader);
        let listen = move || Arc::clone(&listening).listen();
        parts.tasks.until_stop("wishes to read anew", listen);
        let site = parts.site(settings, Arc::clone(&reloader) as _)?;
        let pops = web::pops::run(Arc::clone(&site), moments);
        parts.tasks.once("pops", pops);
        let router = hooks::router(Arc::clone(&office.hooks))
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
            site,
            shutdown: Duration::from_millis(settings.server.shutdown_ms),
            parts,
            reloader,
        })
    }

    /// Where it listens; the port the system chose if it was asked for any.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The store.
    pub fn db(&self) -> &Db {
        &self.parts.db
    }

    /// The way in.
    pub fn flow(&self) -> &Flow {
        &self.parts.flow
    }

    /// Who answers "who should ring".
    pub fn desk(&self) -> &Arc<Desk> {
        &self.parts.desk
    }

    /// Fetches recordings.
    pub fn lane(&self) -> &Arc<Lane> {
        &self.parts.lane
    }

    /// What the pages stand on.
    pub fn site(&self) -> &web::State {
        &self.site
    }

    /// An account by its name.
    pub fn account(&self, name: &str) -> Option<Arc<dyn Pbx>> {
        self.parts.office.pbxes.get(&AccountName::from(name))
    }

    /// Where the configuration stands, so that it can be read anew.
    pub fn reads_from(&self, source: Source) {
        self.reloader.reads_from(source);
    }

    /// Reads the configuration anew and takes it over, if nothing is wrong with it.
    pub async fn reload(&self, by: By) -> Reloaded {
        self.reloader.reload(by).await
    }

    /// Does so whenever SIGHUP comes, for ever.
    async fn reload_on_signal(&self) {
        use tokio::signal::unix::{SignalKind, signal};
        let mut asked =
            signal(SignalKind::hangup()).expect("the process may listen to its own signals");
        while asked.recv().await.is_some() {
            self.reload(By::Command).await;
        }
        std::future::pending().await
    }

    /// Stops; what has been taken in is durable when this returns.
    pub async fn stop(mut self) {
        self.parts.tasks.stop().cancel();
        self.site.hub.close();
        if tokio::time::timeout(self.shutdown, &mut self.server)
            .await
            .is_err()
        {
            tracing::info!("some requests did not end in time and are cut off");
            self.server.abort();
        }
        if tokio::time::timeout(self.shutdown, self.parts.office.hooks.drain())
            .await
            .is_err()
        {
            tracing::warn!("facts of some answers did not reach the store in time");
        }
        if !self.parts.tasks.end(self.shutdown).await {
            tracing::warn!("some tasks did not end in time");
        }
        if tokio::time::timeout(self.shutdown, self.parts.desk.close())
            .await
            .is_err()
        {
            tracing::warn!("some routing decisions did not reach the store in time");
        }
        self.parts.flow.writer().close().await;
        self.parts.db.close().await;
    }
}

/// Makes what lives as long as the gateway; nothing runs yet but the writer.
async fn put_together(settings: &Settings, db: Db, hub: Arc<Hub>) -> Result<Parts> {
    let flow = Flow::new(Writer::start(db.clone(), NODE, &settings.writer));
    let (policy, deadlines) = (settings.routing.clone(), settings.enquiry.clone());
    let desk = Desk::open(db.clone(), policy, deadlines)
        .await
        .context("people and lines could not be read")?;
    let folder = &settings.recordings.folder;
    let keys = settings.recordings.keys();
    let keys = keys.context("recordings.encryption_secret")?;
    let vault = Vault::open_with(folder, keys)
        .with_context(|| format!("recordings cannot be kept in {}", folder.display()))?;
    let (refusals, tasks) = (Arc::<Refusals>::default(), Tasks::default());
    let office = Office {
        db: db.clone(),
        flow: flow.clone(),
        hooks: Hooks::new(
            flow.clone(),
            Arc::clone(&desk),
            settings.server.trusted_proxies.clone(),
            Arc::clone(&refusals),
        ),
        phones: Arc::clone(desk.phones()),
        tasks: tasks.clone(),
        pbxes: Default::default(),
        shown: Default::default(),
    };
    Ok(Parts {
        lane: parts::lane(settings, &db, &office.pbxes, &vault)?,
        files: Arc::new(ArcSwap::from_pointee(settings.files.clone())),
        db,
        flow,
        desk,
        hub,
        vault,
        office,
        refusals,
        tasks,
    })
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
