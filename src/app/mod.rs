//! Builds each part once, wires them together, and owns shutdown.
//!
//! Start: database, schema, writer, routing desk, intakes, then the listener: a message can only come
//! when it can be kept. Stop, in the opposite order: no new requests, open ones finish, intakes end,
//! the writer commits what waits, the database closes.

mod counters;
pub mod settings;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use async_trait::async_trait;
use axum::Router;
use tokio::{
    net::TcpListener,
    sync::{
        broadcast::{self, error::RecvError},
        watch,
    },
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    counters::Counters,
    settings::{Account, Settings},
};
use crate::{
    flow::{
        self, Flow,
        dial::{Line, Link},
        enquiry::Desk,
        timers, upkeep,
    },
    http,
    live::Hub,
    model::ids::AccountName,
    pbx::{self, Intake, Pbx},
    recordings::{
        lane::{Lane, Told},
        vault::Vault,
    },
    store::{Db, writer::Writer},
    telemetry,
    web::{
        self,
        hooks::{self, Hooks},
        ops::{self, Ops},
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
    /// Tasks that end by themselves once `stop` is said.
    tasks: TaskTracker,
    stop: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
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
        let vault = Vault::open(folder)
            .with_context(|| format!("recordings cannot be kept in {}", folder.display()))?;
        let lane = start_lane(settings, &db, &accounts, vault.clone())?;
        let (hub, moments) = Hub::new(settings.live.clone(), flow::now());
        let mut parts = Parts {
            db,
            flow,
            desk,
            lane,
            hub,
            links: Vec::new(),
            accounts,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        web::pops::refresh_people(&parts.db, &parts.hub)
            .await
            .context("people could not be read")?;
        parts.watch_changes();
        parts.watch_time(settings);
        parts.start_dialled(settings);
        let site = parts.site(settings, vault)?;
        parts.until_stop(web::pops::run(Arc::clone(&site), moments));
        let lane = Arc::clone(&parts.lane);
        parts.until_stop(show_recordings(lane.listen(), Arc::clone(&parts.hub)));
        parts.tasks.spawn(lane.run(parts.stop.clone()));
        let hooks = parts.hooks(settings);
        let router = hooks::router(Arc::clone(&hooks))
            .merge(ops::router(parts.ops(settings)))
            .merge(web::router(Arc::clone(&site)));
        Ok(Self {
            address: listener.local_addr()?,
            server: serve(listener, router, parts.stop.clone()),
            hooks,
            site,
            shutdown: Duration::from_millis(settings.server.shutdown_ms),
            db: parts.db,
            flow: parts.flow,
            desk: parts.desk,
            lane: parts.lane,
            accounts: parts.accounts,
            tasks: parts.tasks,
            stop: parts.stop,
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
        self.stop.cancel();
        self.site.hub.close();
        if tokio::time::timeout(self.shutdown, &mut self.server)
            .await
            .is_err()
        {
            tracing::info!("some requests did not end in time and are cut off");
            self.server.abort();
        }
        self.hooks.drain().await;
        self.tasks.close();
        if tokio::time::timeout(self.shutdown, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some tasks did not end in time");
        }
        self.flow.writer().close().await;
        self.db.close().await;
    }
}

/// The number of this node in figures; one until there can be several.
const NODE: i64 = 1;

/// Parts while they are put together.
struct Parts {
    db: Db,
    flow: Flow,
    desk: Arc<Desk>,
    lane: Arc<Lane>,
    hub: Arc<Hub>,
    links: Vec<(AccountName, watch::Receiver<Link>)>,
    accounts: Vec<Account>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Parts {
    fn hooks(&self, settings: &Settings) -> Arc<Hooks> {
        let accounts: Vec<(AccountName, Arc<dyn Pbx>)> = self
            .accounts
            .iter()
            .map(|account| (account.name.clone(), Arc::clone(&account.pbx)))
            .collect();
        Hooks::new(
            &accounts,
            self.flow.clone(),
            Arc::clone(&self.desk),
            settings.hooks.clone(),
            settings.server.trusted_proxies.clone(),
        )
    }

    fn ops(&self, settings: &Settings) -> Arc<Ops> {
        Arc::new(Ops {
            db: self.db.clone(),
            flow: self.flow.clone(),
            links: self.links.clone(),
            folders: settings.folders(),
            settings: settings.ops.clone(),
            trusted_proxies: settings.server.trusted_proxies.clone(),
            started: Instant::now(),
        })
    }

    fn site(&self, settings: &Settings, vault: Vault) -> Result<web::State> {
        let accounts = self
            .accounts
            .iter()
            .map(|account| (account.name.clone(), Arc::clone(&account.pbx)))
            .collect();
        Ok(Arc::new(web::Site {
            db: self.db.clone(),
            hub: Arc::clone(&self.hub),
            vault,
            commands: Arc::new(Commands(accounts)),
            settings: settings.web.clone(),
            trusted_proxies: settings.server.trusted_proxies.clone(),
            accounts: self.shown_accounts(),
            guard: web::auth::Guard::default(),
            zone: settings.web.zone().context("web.time_zone")?,
        }))
    }

    fn shown_accounts(&self) -> Vec<web::Account> {
        let link = |name: &AccountName| {
            let (_, link) = self.links.iter().find(|(of, _)| of == name)?;
            Some(link.clone())
        };
        self.accounts
            .iter()
            .map(|account| web::Account {
                name: account.name.clone(),
                kind: account.pbx.provider(),
                link: link(&account.name),
            })
            .collect()
    }

    /// Tells those who keep something current what each commit changed.
    fn watch_changes(&mut self) {
        let mut changes = self.flow.writer().changes();
        let desk = Arc::clone(&self.desk);
        let hub = Arc::clone(&self.hub);
        let mut counters = Counters::new(self.db.clone());
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            loop {
                let change = tokio::select! {
                    change = changes.recv() => change,
                    () = stop.cancelled() => return,
                };
                match change {
                    Ok(change) => {
                        hub.publish(&change, flow::now());
                        desk.note(&change);
                        counters.note(&change).await;
                    }
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "changes came faster than they could be told");
                        desk.refresh_now().await;
                    }
                    Err(RecvError::Closed) => return,
                }
            }
        });
        self.until_stop(Arc::clone(&self.desk).refresh());
    }

    /// Asks what is due on calls, and does the work of the quiet hours.
    fn watch_time(&self, settings: &Settings) {
        let clock: timers::Clock = Arc::new(flow::now);
        self.until_stop(timers::run(self.flow.clone(), self.db.clone(), clock));
        let upkeep = settings.upkeep.clone();
        self.until_stop(upkeep::run(self.db.clone(), upkeep, flow::now));
    }

    /// Runs something that has nothing to finish.
    fn until_stop(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = task => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Keeps the connections to who wants to be dialled, and reads their own records.
    fn start_dialled(&mut self, settings: &Settings) {
        for account in &self.accounts {
            let Intake::Dial { address } = account.pbx.intake() else {
                continue;
            };
            let line = Line {
                account: account.name.clone(),
                pbx: Arc::clone(&account.pbx),
                address,
                writer: self.flow.writer().clone(),
                db: self.db.clone(),
                settings: settings.dial.clone(),
                clock: flow::now,
            };
            let (link, told) = watch::channel(Link::Down {
                since: flow::now(),
                why: "not dialled yet".to_owned(),
            });
            self.tasks.spawn(line.run(link, self.stop.clone()));
            self.links.push((account.name.clone(), told));
        }
    }
}

/// Commands of people, to the account they are for.
struct Commands(HashMap<AccountName, Arc<dyn Pbx>>);

#[async_trait]
impl web::Commands for Commands {
    async fn command(
        &self,
        account: &AccountName,
        command: pbx::Command,
    ) -> Result<(), pbx::PbxError> {
        match self.0.get(account) {
            Some(pbx) => pbx.command(&command).await,
            None => Err(pbx::PbxError::Unsupported),
        }
    }
}

/// Open lists are read anew when a recording has come to another state.
async fn show_recordings(mut told: broadcast::Receiver<Told>, hub: Arc<Hub>) {
    // One that was missed is as good a reason as one that was heard.
    while !matches!(told.recv().await, Err(RecvError::Closed)) {
        hub.lists_changed();
    }
}

fn start_lane(
    settings: &Settings,
    db: &Db,
    accounts: &[Account],
    vault: Vault,
) -> Result<Arc<Lane>> {
    let accounts = accounts
        .iter()
        .map(|account| (account.name.clone(), Arc::clone(&account.pbx)))
        .collect();
    Ok(Arc::new(Lane::new(
        &settings.recordings,
        db.clone(),
        Arc::new(accounts),
        vault,
        http::Client::new(&settings.http)?,
        Arc::new(flow::now),
    )))
}

fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> JoinHandle<std::io::Result<()>> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move {
        axum::serve(listener, service)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await
    })
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
            Ok(db) => return Ok(db),
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

async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate =
        signal(SignalKind::terminate()).expect("the process may listen to its own signals");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
