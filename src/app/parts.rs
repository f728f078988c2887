//! The parts of a gateway, and the tasks that run beside requests.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    changes::{self, Listeners},
    counters::Counters,
    office::Office,
    settings::Settings,
    tasks::{Part, Tasks},
};
use crate::{
    delivery::Outside,
    flow::{self, Flow, attribution, enquiry::Desk, overdue, route, timers, upkeep, visitor},
    http,
    keeping::retention,
    live::Hub,
    model::ids::{AccountName, LegKey},
    pbx,
    recordings::{
        lane::{Lane, Told},
        vault::Vault,
    },
    store::{Db, routing},
    web::{self, configuration::Configuration, doctor::Files, ops::Ops, refusals::Refusals},
};

/// How often it is looked whether people or lines have changed.
const OFFICE_EVERY: Duration = Duration::from_millis(250);

/// What lives as long as the gateway.
pub(super) struct Parts {
    pub(super) db: Db,
    pub(super) flow: Flow,
    pub(super) desk: Arc<Desk>,
    pub(super) lane: Arc<Lane>,
    pub(super) hub: Arc<Hub>,
    pub(super) vault: Vault,
    pub(super) office: Office,
    pub(super) refusals: Arc<Refusals>,
    /// Files that the doctor looks at.
    pub(super) files: Arc<ArcSwap<Files>>,
    pub(super) tasks: Tasks,
}

impl Parts {
    pub(super) fn ops(&self, settings: &Settings) -> Arc<Ops> {
        Arc::new(Ops {
            db: self.db.clone(),
            flow: self.flow.clone(),
            accounts: self.office.shown.clone(),
            phones: Arc::clone(self.desk.phones()),
            folders: settings.folders(),
            settings: settings.ops.clone(),
            trusted_proxies: settings.server.trusted_proxies.clone(),
            started: std::time::Instant::now(),
        })
    }

    pub(super) fn site(
        &self,
        settings: &Settings,
        configuration: Arc<dyn Configuration>,
    ) -> Result<web::State> {
        Ok(Arc::new(web::Site {
            db: self.db.clone(),
            flow: self.flow.clone(),
            hub: Arc::clone(&self.hub),
            vault: self.vault.clone(),
            commands: Arc::new(Commands {
                accounts: self.office.pbxes.clone(),
                flow: self.flow.clone(),
            }),
            settings: settings.web.clone(),
            trusted_proxies: settings.server.trusted_proxies.clone(),
            accounts: self.office.shown.clone(),
            configuration,
            api: web::api::caller::Door::new(settings.api.clone()),
            machine: web::doctor::Machine {
                folders: settings.folders(),
                min_free_mib: settings.ops.min_free_mib,
                files: Arc::clone(&self.files),
                http: http::Client::new(&settings.http)?,
                refusals: Arc::clone(&self.refusals),
            },
            guard: web::auth::Guard::default(),
            listens: web::listens::Listens::default(),
            zone: settings.web.zone().context("web.time_zone")?,
        }))
    }

    /// Starts everything that runs beside requests, apart from accounts and [`Beside`].
    pub(super) fn start(&self) {
        self.watch_changes();
        self.watch_time();
        let (refusals, db) = (Arc::clone(&self.refusals), self.db.clone());
        self.tasks.until_stop("refusals", move || {
            let (refusals, db) = (Arc::clone(&refusals), db.clone());
            async move { refusals.keep_writing(&db).await }
        });
        self.route_by_command();
        let (accounts, flow) = (self.office.pbxes.clone(), self.flow.clone());
        let db = self.db.clone();
        self.tasks.until_stop("visitors", move || {
            let wanted = flow.visitors();
            visitor::run(
                accounts.clone(),
                flow.clone(),
                db.clone(),
                wanted,
                flow::now,
            )
        });
        let (flow, db) = (self.flow.clone(), self.db.clone());
        self.tasks.until_stop("visits", move || {
            attribution::run(flow.clone(), db.clone(), flow::now)
        });
        let db = self.db.clone();
        let apply = move || attribution::apply_rules(db.clone());
        self.tasks.until_stop("channel rules", apply);
        let (lane, hub) = (Arc::clone(&self.lane), Arc::clone(&self.hub));
        let show = move || show_recordings(lane.listen(), Arc::clone(&hub));
        self.tasks.until_stop("recordings shown", show);
        let (lane, stop) = (Arc::clone(&self.lane), self.tasks.stop().clone());
        let run = move || Arc::clone(&lane).run(stop.clone());
        self.tasks.to_the_end("recordings", run);
    }

    /// Goes on under other settings, apart from accounts and [`Beside`].
    pub(super) fn adopt(&self, settings: &Settings) {
        let (policy, deadlines) = (settings.routing.clone(), settings.enquiry.clone());
        self.desk.adopt(policy, deadlines);
        self.lane.adopt(&settings.recordings);
        self.flow.writer().adopt_call_backs(&settings.writer);
        self.files.store(Arc::new(settings.files.clone()));
    }

    /// Tells those who keep something current what each commit changed.
    fn watch_changes(&self) {
        let (flow, listeners) = (
            self.flow.clone(),
            Listeners {
                db: self.db.clone(),
                hub: Arc::clone(&self.hub),
                desk: Arc::clone(&self.desk),
            },
        );
        self.tasks.until_stop("changes", move || {
            let counters = Counters::new(listeners.db.clone());
            let flow = flow.clone();
            let subscribe = move || flow.writer().changes();
            changes::tell(listeners.clone(), subscribe, counters)
        });
        let (db, hub, desk) = (
            self.db.clone(),
            Arc::clone(&self.hub),
            Arc::clone(&self.desk),
        );
        self.tasks.until_stop("people and lines", move || {
            know_office(db.clone(), Arc::clone(&hub), Arc::clone(&desk))
        });
    }

    /// Asks what is due on calls.
    fn watch_time(&self) {
        let (flow, db) = (self.flow.clone(), self.db.clone());
        let clock: timers::Clock = Arc::new(flow::now);
        self.tasks.until_stop("timers", move || {
            timers::run(flow.clone(), db.clone(), Arc::clone(&clock))
        });
    }

    /// Tells those who do not ask where their calls shall go.
    fn route_by_command(&self) {
        let (accounts, flow, desk) = (
            self.office.pbxes.clone(),
            self.flow.clone(),
            Arc::clone(&self.desk),
        );
        self.tasks.until_stop("routing by command", move || {
            route::run(accounts.clone(), flow.clone(), Arc::clone(&desk))
        });
    }
}

/// Tasks with settings of their own: when those change, the task ends and another one begins.
pub(super) struct Beside {
    overdue: Part,
    upkeep: Part,
    retention: Part,
    outside: Part,
}

impl Beside {
    pub(super) fn start(parts: &Parts, settings: &Settings) -> Result<Self> {
        Ok(Self {
            overdue: overdue_part(parts, settings),
            upkeep: upkeep_part(parts, settings),
            retention: retention_part(parts, settings),
            outside: outside_part(parts, settings)?,
        })
    }

    /// Ends and starts anew what has other settings. What is cut off is taken up by the next one, as
    /// after a restart.
    pub(super) async fn renew(&mut self, parts: &Parts, was: &Settings, is: &Settings) {
        let patience = Duration::from_millis(is.server.shutdown_ms);
        if was.overdue != is.overdue {
            self.overdue.end(patience).await;
            self.overdue = overdue_part(parts, is);
        }
        if was.upkeep != is.upkeep {
            self.upkeep.end(patience).await;
            self.upkeep = upkeep_part(parts, is);
        }
        if was.retention != is.retention {
            self.retention.end(patience).await;
            self.retention = retention_part(parts, is);
        }
        if was.delivery != is.delivery || was.mail != is.mail {
            self.outside.end(patience).await;
            match outside_part(parts, is) {
                Ok(part) => self.outside = part,
                Err(error) => tracing::error!(%error, "the outside is told nothing"),
            }
        }
    }
}

fn overdue_part(parts: &Parts, settings: &Settings) -> Part {
    let (db, hub) = (parts.db.clone(), Arc::clone(&parts.hub));
    let settings = settings.overdue.clone();
    parts.tasks.part("overdue call-backs", move |stop| {
        let run = overdue::run(db.clone(), Arc::clone(&hub), settings.clone(), flow::now);
        async move {
            stop.run_until_cancelled_owned(run)
                .await
                .unwrap_or_default()
        }
    })
}

fn upkeep_part(parts: &Parts, settings: &Settings) -> Part {
    let (db, settings) = (parts.db.clone(), settings.upkeep.clone());
    parts.tasks.part("upkeep", move |stop| {
        let run = upkeep::run(db.clone(), settings.clone(), flow::now);
        async move {
            stop.run_until_cancelled_owned(run)
                .await
                .unwrap_or_default()
        }
    })
}

fn retention_part(parts: &Parts, settings: &Settings) -> Part {
    let (db, vault) = (parts.db.clone(), parts.vault.clone());
    let settings = settings.retention.clone();
    parts.tasks.part("retention", move |stop| {
        let run = retention::run(db.clone(), vault.clone(), settings.clone(), flow::now);
        async move {
            stop.run_until_cancelled_owned(run)
                .await
                .unwrap_or_default()
        }
    })
}

fn outside_part(parts: &Parts, settings: &Settings) -> Result<Part> {
    let http = http::Client::new(&settings.http).context("the HTTP client")?;
    let zone = settings.web.zone().context("web.time_zone")?;
    let outside = Arc::new(Outside::new(
        parts.db.clone(),
        http,
        (&settings.delivery, &settings.mail),
        (&settings.web.public_url, zone),
        Arc::new(flow::now),
    ));
    Ok(parts
        .tasks
        .part("outside", move |stop| Arc::clone(&outside).run(stop)))
}

/// Reads people, groups and lines again as soon as anything says that they changed, and now and then
/// although nothing does.
async fn know_office(db: Db, hub: Arc<Hub>, desk: Arc<Desk>) {
    let mut known = None;
    let mut read_at = tokio::time::Instant::now();
    loop {
        // While the database is away, what is known goes on serving; readiness tells it.
        if let Ok(version) = routing::office_version(&db).await
            && (known != Some(version) || read_at.elapsed() >= desk.refresh_pause())
        {
            read_at = tokio::time::Instant::now();
            desk.refresh_now().await;
            match web::pops::refresh_people(&db, &hub).await {
                Ok(()) => known = Some(version),
                Err(error) => tracing::warn!(%error, "people could not be read again"),
            }
        }
        tokio::time::sleep(OFFICE_EVERY).await;
    }
}

/// Open lists are read anew when a recording has come to another state.
async fn show_recordings(mut told: Receiver<Told>, hub: Arc<Hub>) {
    // One that was missed is as good a reason as one that was heard.
    while !matches!(told.recv().await, Err(RecvError::Closed)) {
        hub.lists_changed();
    }
}

/// Commands of people, to the account they are for.
struct Commands {
    accounts: pbx::Accounts,
    flow: Flow,
}

#[async_trait]
impl web::Commands for Commands {
    async fn command(
        &self,
        account: &AccountName,
        command: pbx::Command,
    ) -> Result<(), pbx::PbxError> {
        let Some(pbx) = self.accounts.get(account) else {
            return Err(pbx::PbxError::Unsupported);
        };
        let now = flow::now();
        self.flow
            .command(account, pbx.as_ref(), &command, now)
            .await
    }

    async fn pause_recording(
        &self,
        account: &AccountName,
        leg: &LegKey,
        pause: bool,
    ) -> Result<(), pbx::PbxError> {
        let Some(pbx) = self.accounts.get(account) else {
            return Err(pbx::PbxError::Unsupported);
        };
        pbx.pause_recording(leg, pause).await
    }
}

/// The lane that fetches recordings; nothing runs yet.
pub(super) fn lane(
    settings: &Settings,
    db: &Db,
    accounts: &pbx::Accounts,
    vault: &Vault,
) -> Result<Arc<Lane>> {
    Ok(Arc::new(Lane::new(
        &settings.recordings,
        db.clone(),
        accounts.clone(),
        vault.clone(),
        http::Client::new(&settings.http)?,
        Arc::new(flow::now),
    )))
}
