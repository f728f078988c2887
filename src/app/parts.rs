//! The parts of a gateway while they are put together, and the tasks that run beside requests.

use std::{collections::HashMap, sync::Arc, time::Instant};

use anyhow::{Context, Result};
use async_trait::async_trait;
use tokio::sync::{
    Notify,
    broadcast::{Receiver, error::RecvError},
    watch,
};

use super::{
    changes::{self, Listeners},
    counters::Counters,
    settings::{Account, Settings},
    tasks::Tasks,
};
use crate::{
    delivery::Outside,
    flow::{
        self, Flow,
        dial::{Line, Link},
        enquiry::Desk,
        overdue,
        reconcile::Reader,
        route, timers, upkeep,
    },
    http,
    keeping::retention,
    live::Hub,
    model::ids::AccountName,
    pbx::{self, Intake, Pbx},
    recordings::{
        lane::{Lane, Told},
        vault::Vault,
    },
    store::Db,
    web::{self, hooks::Hooks, ops::Ops, refusals::Refusals},
};

/// Parts while they are put together.
pub(super) struct Parts {
    pub(super) db: Db,
    pub(super) flow: Flow,
    pub(super) desk: Arc<Desk>,
    pub(super) lane: Arc<Lane>,
    pub(super) outside: Arc<Outside>,
    pub(super) hub: Arc<Hub>,
    pub(super) links: Vec<(AccountName, watch::Receiver<Link>)>,
    /// How the readers of records are asked to read now.
    pub(super) asked: Vec<(AccountName, Arc<Notify>)>,
    pub(super) accounts: Vec<Account>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) tasks: Tasks,
}

impl Parts {
    pub(super) fn hooks(&self, settings: &Settings) -> Arc<Hooks> {
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
            Arc::clone(&self.refusals),
        )
    }

    pub(super) fn ops(&self, settings: &Settings) -> Arc<Ops> {
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

    pub(super) fn site(&self, settings: &Settings, vault: Vault) -> Result<web::State> {
        let accounts = self
            .accounts
            .iter()
            .map(|account| (account.name.clone(), Arc::clone(&account.pbx)))
            .collect();
        Ok(Arc::new(web::Site {
            db: self.db.clone(),
            flow: self.flow.clone(),
            hub: Arc::clone(&self.hub),
            vault,
            commands: Arc::new(Commands {
                accounts,
                flow: self.flow.clone(),
            }),
            settings: settings.web.clone(),
            trusted_proxies: settings.server.trusted_proxies.clone(),
            accounts: self.shown_accounts(),
            api: web::api::caller::Door::new(settings.api.clone()),
            machine: web::doctor::Machine {
                folders: settings.folders(),
                min_free_mib: settings.ops.min_free_mib,
                files: settings.files.clone(),
                http: http::Client::new(&settings.http)?,
                refusals: Arc::clone(&self.refusals),
            },
            guard: web::auth::Guard::default(),
            listens: web::listens::Listens::default(),
            zone: settings.web.zone().context("web.time_zone")?,
        }))
    }

    fn shown_accounts(&self) -> Vec<web::Account> {
        let link = |name: &AccountName| {
            let (_, link) = self.links.iter().find(|(of, _)| of == name)?;
            Some(link.clone())
        };
        let asked = |name: &AccountName| {
            let (_, asked) = self.asked.iter().find(|(of, _)| of == name)?;
            Some(Arc::clone(asked))
        };
        self.accounts
            .iter()
            .map(|account| web::Account {
                name: account.name.clone(),
                kind: account.pbx.provider(),
                pbx: Arc::clone(&account.pbx),
                link: link(&account.name),
                records: asked(&account.name),
            })
            .collect()
    }

    /// Starts everything that runs beside requests.
    pub(super) fn start(&mut self, settings: &Settings, vault: &Vault) {
        self.watch_changes();
        self.watch_time(settings, vault);
        let (refusals, db) = (Arc::clone(&self.refusals), self.db.clone());
        self.tasks.until_stop("refusals", move || {
            let (refusals, db) = (Arc::clone(&refusals), db.clone());
            async move { refusals.keep_writing(&db).await }
        });
        self.keep_dialled(settings);
        self.read_records(settings);
        self.route_by_command();
        let (lane, hub) = (Arc::clone(&self.lane), Arc::clone(&self.hub));
        let show = move || show_recordings(lane.listen(), Arc::clone(&hub));
        self.tasks.until_stop("recordings shown", show);
        let (lane, stop) = (Arc::clone(&self.lane), self.tasks.stop().clone());
        let run = move || Arc::clone(&lane).run(stop.clone());
        self.tasks.to_the_end("recordings", run);
        let (outside, stop) = (Arc::clone(&self.outside), self.tasks.stop().clone());
        let run = move || Arc::clone(&outside).run(stop.clone());
        self.tasks.to_the_end("outside", run);
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
        let desk = Arc::clone(&self.desk);
        let refresh = move || Arc::clone(&desk).refresh();
        self.tasks.until_stop("people and lines", refresh);
    }

    /// Asks what is due on calls, and does the work of the quiet hours.
    fn watch_time(&self, settings: &Settings, vault: &Vault) {
        let (flow, db) = (self.flow.clone(), self.db.clone());
        let clock: timers::Clock = Arc::new(flow::now);
        self.tasks.until_stop("timers", move || {
            timers::run(flow.clone(), db.clone(), Arc::clone(&clock))
        });
        let (db, hub) = (self.db.clone(), Arc::clone(&self.hub));
        let overdue = settings.overdue.clone();
        self.tasks.until_stop("overdue call-backs", move || {
            overdue::run(db.clone(), Arc::clone(&hub), overdue.clone(), flow::now)
        });
        let (db, upkeep) = (self.db.clone(), settings.upkeep.clone());
        self.tasks.until_stop("upkeep", move || {
            upkeep::run(db.clone(), upkeep.clone(), flow::now)
        });
        let (db, vault, periods) = (self.db.clone(), vault.clone(), settings.retention.clone());
        self.tasks.until_stop("retention", move || {
            retention::run(db.clone(), vault.clone(), periods.clone(), flow::now)
        });
    }

    /// Tells those who do not ask where their calls shall go.
    fn route_by_command(&self) {
        let told = self.accounts.iter();
        let accounts: route::Accounts = told
            .filter(|account| account.pbx.routes_by_command())
            .map(|account| (account.name.clone(), Arc::clone(&account.pbx)))
            .collect();
        if accounts.is_empty() {
            return;
        }
        let (flow, desk) = (self.flow.clone(), Arc::clone(&self.desk));
        self.tasks.until_stop("routing by command", move || {
            route::run(accounts.clone(), flow.clone(), Arc::clone(&desk))
        });
    }

    /// Reads the records of those who post.
    fn read_records(&mut self, settings: &Settings) {
        for account in &self.accounts {
            if account.pbx.intake() != Intake::Webhook {
                continue;
            }
            let asked = Arc::new(Notify::new());
            self.asked.push((account.name.clone(), Arc::clone(&asked)));
            let (account, flow, db) = (account.clone(), self.flow.clone(), self.db.clone());
            let (settings, stop) = (settings.reconcile.clone(), self.tasks.stop().clone());
            self.tasks.until_stop("past calls", move || {
                let reader = Reader {
                    account: account.name.clone(),
                    pbx: Arc::clone(&account.pbx),
                    flow: flow.clone(),
                    db: db.clone(),
                    settings: settings.clone(),
                    clock: flow::now,
                };
                reader.run(Arc::clone(&asked), stop.clone())
            });
        }
    }

    /// Keeps the connections to who wants to be dialled, and reads their own records.
    fn keep_dialled(&mut self, settings: &Settings) {
        for account in &self.accounts {
            let Intake::Dial { address } = account.pbx.intake() else {
                continue;
            };
            let (link, told) = watch::channel(Link::Down {
                since: flow::now(),
                why: "not dialled yet".to_owned(),
            });
            self.links.push((account.name.clone(), told));
            let (account, writer, db) =
                (account.clone(), self.flow.writer().clone(), self.db.clone());
            let (settings, stop) = (settings.dial.clone(), self.tasks.stop().clone());
            self.tasks.to_the_end("dial", move || {
                let line = Line {
                    account: account.name.clone(),
                    pbx: Arc::clone(&account.pbx),
                    address: address.clone(),
                    writer: writer.clone(),
                    db: db.clone(),
                    settings: settings.clone(),
                    clock: flow::now,
                };
                line.run(link.clone(), stop.clone())
            });
        }
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
    accounts: HashMap<AccountName, Arc<dyn Pbx>>,
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
}

/// What tells the outside; nothing runs yet.
pub(super) fn outside(settings: &Settings, db: &Db) -> Result<Arc<Outside>> {
    let http = http::Client::new(&settings.http).context("the HTTP client")?;
    let zone = settings.web.zone().context("web.time_zone")?;
    Ok(Arc::new(Outside::new(
        db.clone(),
        http,
        (&settings.delivery, &settings.mail),
        (&settings.web.public_url, zone),
        Arc::new(flow::now),
    )))
}

/// The lane that fetches recordings; nothing runs yet.
pub(super) fn lane(
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
