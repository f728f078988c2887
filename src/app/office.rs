//! The accounts that run: what dials or reads records for each, and telling everybody who needs an
//! account when there are others.
//!
//! An account whose table has not changed is left alone: its connection stands, whatever else changes.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Notify, watch};

use super::{
    settings::{Account, Settings},
    tasks::{Part, Tasks},
};
use crate::{
    flow::{
        self, Flow,
        dial::{Line, Link},
        phones::Phones,
        reconcile::Reader,
    },
    pbx::{self, Fault, Intake},
    store::Db,
    web::{
        self,
        hooks::{Hooks, asked::Door},
    },
};

/// Everybody who needs accounts by name, and what runs them.
pub(super) struct Office {
    pub(super) db: Db,
    pub(super) flow: Flow,
    pub(super) hooks: Arc<Hooks>,
    pub(super) phones: Arc<Phones>,
    pub(super) tasks: Tasks,
    /// For those who ask an account something.
    pub(super) pbxes: pbx::Accounts,
    /// For pages and operations.
    pub(super) shown: web::Accounts,
}

/// One account that runs.
pub(super) struct Running {
    account: Account,
    /// Its table in the configuration; none for accounts of a test's own.
    table: Option<toml::Table>,
    link: Option<watch::Receiver<Link>>,
    records: Option<Arc<Notify>>,
    part: Part,
    /// Where it asks over plain connections.
    door: Option<Part>,
}

impl Office {
    /// Runs these accounts from now on. Those that run already and have not changed go on; others end
    /// first, with everything they have heard durable. Says which came, went or changed.
    pub(super) async fn take_over(
        &self,
        running: &mut Vec<Running>,
        accounts: Vec<Account>,
        settings: &Settings,
        was: &Settings,
    ) -> Vec<String> {
        let mut changed = Vec::new();
        let patience = Duration::from_millis(settings.server.shutdown_ms);
        let mut before: Vec<Running> = std::mem::take(running);
        let mut new = Vec::new();
        for account in accounts {
            let table = settings.table_of(&account.name);
            let same = |one: &Running| {
                one.account.name == account.name
                    && one.table.as_ref() == table
                    && (one.link.is_some() || settings.reconcile == was.reconcile)
            };
            match before.iter().position(same) {
                Some(at) => new.push(Ok(before.swap_remove(at))),
                None => {
                    if was.table_of(&account.name) != table {
                        changed.push(account.name.to_string());
                    }
                    new.push(Err(account));
                }
            }
        }
        for mut gone in before {
            let name = gone.account.name.to_string();
            if settings.table_of(&gone.account.name).is_none() {
                changed.push(name);
            }
            if let Some(door) = &mut gone.door {
                door.end(patience).await;
            }
            gone.part.end(patience).await;
        }
        for one in new {
            running.push(one.unwrap_or_else(|account| self.run(account, settings)));
        }
        self.tell(running, settings);
        changed
    }

    /// Lets those find these accounts who ask one something. They do not run yet.
    pub(super) fn know<'a>(&self, accounts: impl Iterator<Item = &'a Account>) {
        self.pbxes
            .replace(accounts.map(|account| (account.name.clone(), Arc::clone(&account.pbx))));
    }

    /// Lets everybody know the accounts there are.
    pub(super) fn tell(&self, running: &[Running], settings: &Settings) {
        let accounts = || running.iter().map(|one| &one.account);
        self.know(accounts());
        self.shown
            .replace(running.iter().map(Running::shown).collect());
        self.hooks.adopt(
            accounts().map(|account| (&account.name, &account.pbx)),
            &settings.hooks,
        );
    }

    fn run(&self, account: Account, settings: &Settings) -> Running {
        let table = settings.table_of(&account.name).cloned();
        let door = self.open_door(&account);
        match account.pbx.intake() {
            intake @ (Intake::Dial { .. } | Intake::Listen { .. }) => {
                let (link, told) = watch::channel(Link::Down {
                    since: flow::now(),
                    why: Fault::NotYet,
                });
                Running {
                    part: self.dial(&account, intake, link, settings),
                    account,
                    table,
                    link: Some(told),
                    records: None,
                    door,
                }
            }
            Intake::Webhook => {
                let asked = Arc::new(Notify::new());
                Running {
                    part: self.read_records(&account, Arc::clone(&asked), settings),
                    account,
                    table,
                    link: None,
                    records: Some(asked),
                    door,
                }
            }
        }
    }

    /// Listens for the questions of one who asks over plain connections.
    fn open_door(&self, account: &Account) -> Option<Part> {
        let address = account.pbx.asks_at()?;
        let door = Door::new(Arc::clone(&self.hooks), account.name.clone(), address);
        Some(self.tasks.part("questions", move |stop| {
            let serve = Arc::clone(&door).serve();
            async move {
                stop.run_until_cancelled_owned(serve)
                    .await
                    .unwrap_or_default()
            }
        }))
    }

    /// Reads the records of one who posts.
    fn read_records(&self, account: &Account, asked: Arc<Notify>, settings: &Settings) -> Part {
        let (account, flow, db) = (account.clone(), self.flow.clone(), self.db.clone());
        let settings = settings.reconcile.clone();
        self.tasks.part("past calls", move |stop| {
            let reader = Reader {
                account: account.name.clone(),
                pbx: Arc::clone(&account.pbx),
                flow: flow.clone(),
                db: db.clone(),
                settings: settings.clone(),
                clock: flow::now,
            };
            let read = reader.run(Arc::clone(&asked), stop.clone());
            async move {
                // Reading has nothing to finish: what it has not come to is read the next time.
                tokio::select! {
                    () = read => {}
                    () = stop.cancelled() => {}
                }
            }
        })
    }

    /// Keeps the connection to one who wants to be dialled, and reads his own records.
    fn dial(
        &self,
        account: &Account,
        intake: Intake,
        link: watch::Sender<Link>,
        settings: &Settings,
    ) -> Part {
        let (account, writer, db) = (account.clone(), self.flow.writer().clone(), self.db.clone());
        let (settings, phones) = (settings.dial.clone(), Arc::clone(&self.phones));
        self.tasks.part("dial", move |stop| {
            let line = Line {
                account: account.name.clone(),
                pbx: Arc::clone(&account.pbx),
                intake: intake.clone(),
                writer: writer.clone(),
                db: db.clone(),
                settings: settings.clone(),
                phones: Arc::clone(&phones),
                clock: flow::now,
            };
            line.run(link.clone(), stop)
        })
    }
}

impl Running {
    fn shown(&self) -> web::Account {
        web::Account {
            name: self.account.name.clone(),
            kind: self.account.pbx.provider(),
            pbx: Arc::clone(&self.account.pbx),
            link: self.link.clone(),
            records: self.records.clone(),
        }
    }
}
