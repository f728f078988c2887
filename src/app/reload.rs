//! Reading the configuration anew while the gateway runs: by SIGHUP, by `ringcard reload` (a wish in the
//! database, so that it works wherever the store can be reached), and by a button.
//!
//! All of it is read and checked first; one problem, and nothing changes. What cannot change while
//! running is left as it is and told by name ([`TAKEN`] is the list of what can).

use std::{
    io::{self, ErrorKind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::{
    fragments,
    office::Running,
    parts::{Beside, Parts},
    settings::{Account, Settings},
};
use crate::{
    config::{Loaded, Problem, Problems, Secret},
    flow::{
        self,
        probe::{self, Probe},
    },
    model::ids::AccountName,
    store::{
        changes::{self, By},
        settings as values,
    },
    telemetry,
    web::{
        self,
        configuration::{
            AccountChange, AddError, Configuration, KeptAccount, NewAccount, Reloaded, WISH,
        },
    },
};

/// How often it is looked whether somebody at the machine wants the configuration read.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Reads the configuration from where it stands.
pub type Source = Arc<dyn Fn() -> Result<Loaded<Settings>, Problems> + Send + Sync>;

/// Sections and keys that are taken over while running; every other one waits for a restart.
const TAKEN: [&str; 17] = [
    "pbx",
    "accounts",
    "hooks",
    "routing",
    "enquiry",
    "reconcile",
    "upkeep",
    "overdue",
    "retention",
    "delivery",
    "mail",
    "writer.call_back_ms",
    "writer.call_back_again_ms",
    "recordings.workers",
    "recordings.max_size_mib",
    "recordings.settle_ms",
    "recordings.poll_ms",
];

/// The configuration of this gateway.
pub(super) struct Reloader {
    parts: Arc<Parts>,
    source: OnceLock<Source>,
    /// Whether pages may add accounts.
    adds: AtomicBool,
    now: Mutex<Now>,
}

/// What is in effect.
pub(super) struct Now {
    pub(super) settings: Settings,
    pub(super) running: Vec<Running>,
    pub(super) beside: Beside,
}

impl Reloader {
    pub(super) fn new(parts: Arc<Parts>, now: Now) -> Arc<Self> {
        Arc::new(Self {
            parts,
            source: OnceLock::new(),
            adds: AtomicBool::new(adds(&now.settings)),
            now: Mutex::new(now),
        })
    }

    /// From here the configuration is read. Later calls change nothing.
    pub(super) fn reads_from(&self, source: Source) {
        let _ = self.source.set(source);
    }

    /// Reads it whenever somebody at the machine asks for it, for ever.
    pub(super) async fn listen(self: Arc<Self>) {
        let db = &self.parts.db;
        // A wish from before the start is fulfilled by the start.
        let mut answered = loop {
            let Ok(wish) = values::get(db, WISH).await else {
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            };
            let wish = wish.unwrap_or_default();
            let fresh = Reloaded {
                wish: wish.clone(),
                ..Reloaded::default()
            };
            match fresh.keep(db).await {
                Ok(()) => break wish,
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // While the database is away, nobody can have wished anything in it.
            let Ok(Some(wish)) = values::get(db, WISH).await else {
                continue;
            };
            if wish != answered {
                self.read_anew(By::Command, &wish).await;
                answered = wish;
            }
        }
    }

    async fn read_anew(&self, by: By, wish: &str) -> Reloaded {
        // One at a time, so that what was read last is what holds.
        let mut now = self.now.lock().await;
        self.read_over(&mut now, by, wish).await
    }

    async fn read_over(&self, now: &mut Now, by: By, wish: &str) -> Reloaded {
        let mut read = match self.read().await {
            Ok((settings, accounts)) => self.take_over(now, settings, accounts, by).await,
            Err(Problems(problems)) => Reloaded {
                problems: problems.into_iter().map(told).collect(),
                ..Reloaded::default()
            },
        };
        read.wish = wish.to_owned();
        read.at = Some(flow::now());
        telemetry::ConfigurationRead {
            problems: &read.problems,
            restart: &read.restart,
            accounts: &read.accounts,
        }
        .emit();
        if let Err(error) = read.keep(&self.parts.db).await {
            tracing::warn!(%error, "what came of reading the configuration could not be kept");
        }
        read
    }

    /// Reads all of it and opens every account, or tells everything that is wrong.
    async fn read(&self) -> Result<(Settings, Vec<Account>), Problems> {
        let Some(source) = self.source.get().cloned() else {
            return Err(problem("this gateway was not started from a file"));
        };
        // Files are read, which may wait for a disk.
        let read = tokio::task::spawn_blocking(move || source());
        let loaded = read
            .await
            .unwrap_or_else(|_| Err(problem("the configuration could not be read")))?;
        telemetry::hide(loaded.secrets.iter().map(Secret::expose));
        let mut problems = loaded.problems;
        match loaded.settings.open() {
            Ok(accounts) if problems.is_empty() => return Ok((loaded.settings, accounts)),
            Ok(_) => {}
            Err(Problems(more)) => problems.extend(more),
        }
        Err(Problems(problems))
    }

    async fn take_over(
        &self,
        now: &mut Now,
        wanted: Settings,
        accounts: Vec<Account>,
        by: By,
    ) -> Reloaded {
        let (settings, restart) = in_effect(&now.settings, wanted);
        let was = std::mem::replace(&mut now.settings, settings.clone());
        let office = &self.parts.office;
        let changed = office
            .take_over(&mut now.running, accounts, &settings, &was)
            .await;
        self.parts.adopt(&settings);
        self.adds.store(adds(&settings), Ordering::Relaxed);
        now.beside.renew(&self.parts, &was, &settings).await;
        let shown = settings.accounts_shown();
        if let Err(error) = changes::note(&self.parts.db, by, Some(&shown), flow::now()).await {
            tracing::warn!(%error, "the log of changes could not be written");
        }
        Reloaded {
            restart,
            accounts: changed,
            ..Reloaded::default()
        }
    }
}

#[async_trait]
impl Configuration for Reloader {
    async fn reload(&self, by: By) -> Reloaded {
        self.read_anew(by, "").await
    }

    fn adds_accounts(&self) -> bool {
        self.source.get().is_some() && self.adds.load(Ordering::Relaxed)
    }

    async fn add_account(&self, account: NewAccount, by: By) -> Result<Reloaded, AddError> {
        let mut now = self.now.lock().await;
        if !self.adds_accounts() {
            return Err(AddError::Off);
        }
        if now.settings.table_of(&account.name).is_some() {
            return Err(AddError::Taken);
        }
        let folder = now.settings.accounts.folder.clone();
        let written = on_disk(move || fragments::write(&folder, &account)).await?;
        let read = self.read_over(&mut now, by, "").await;
        taken(read, || written.undo())
    }

    async fn kept_account(&self, name: &AccountName) -> Option<KeptAccount> {
        if !self.adds_accounts() {
            return None;
        }
        let folder = self.now.lock().await.settings.accounts.folder.clone();
        let name = name.clone();
        let kept = on_disk(move || fragments::kept(&folder, name.as_str())).await;
        kept.ok().flatten()
    }

    async fn change_account(&self, change: AccountChange, by: By) -> Result<Reloaded, AddError> {
        let mut now = self.now.lock().await;
        if !self.adds_accounts() {
            return Err(AddError::Off);
        }
        let folder = now.settings.accounts.folder.clone();
        let before = on_disk(move || fragments::change(&folder, &change)).await?;
        let before = before.ok_or(AddError::Elsewhere)?;
        let read = self.read_over(&mut now, by, "").await;
        taken(read, || before.undo())
    }

    async fn remove_account(&self, name: &AccountName, by: By) -> Result<Reloaded, AddError> {
        let mut now = self.now.lock().await;
        if !self.adds_accounts() {
            return Err(AddError::Off);
        }
        let folder = now.settings.accounts.folder.clone();
        let name = name.clone();
        let moment = flow::now().as_micros().to_string();
        let moved = on_disk(move || fragments::remove(&folder, name.as_str(), &moment)).await?;
        let moved = moved.ok_or(AddError::Elsewhere)?;
        let read = self.read_over(&mut now, by, "").await;
        taken(read, || moved.undo())
    }

    async fn office_changed(&self) {
        let parts = &self.parts;
        parts.desk.refresh_now().await;
        if let Err(error) = web::pops::refresh_people(&parts.db, &parts.hub).await {
            tracing::warn!(%error, "people could not be read again");
        }
    }

    async fn probe(&self, account: &AccountName) -> Option<Probe> {
        let apart = self.now.lock().await.settings.open_apart(account)?;
        probe::probe(apart.pbx.as_ref()).await
    }
}

/// Does something with the files of accounts, which may wait for a disk.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, AddError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) if error.kind() == ErrorKind::AlreadyExists => Err(AddError::Taken),
        Ok(Err(error)) => {
            tracing::error!(%error, "an account's files could not be written (accounts.folder)");
            Err(AddError::Unwritten)
        }
        Err(_) => Err(AddError::Unwritten),
    }
}

/// What was written holds if nothing is wrong with the whole; else it is taken back.
fn taken(read: Reloaded, undo: impl FnOnce()) -> Result<Reloaded, AddError> {
    match read.problems.is_empty() {
        true => Ok(read),
        false => {
            undo();
            Err(AddError::Refused)
        }
    }
}

fn adds(settings: &Settings) -> bool {
    !settings.accounts.folder.as_os_str().is_empty()
}

fn told(problem: Problem) -> (String, String) {
    // The words of a parser may quote a value.
    let text = telemetry::redact(&problem.text, tracing::Level::DEBUG).into_owned();
    (problem.key, text)
}

fn problem(text: &str) -> Problems {
    Problems(vec![Problem {
        key: "file".to_owned(),
        text: text.to_owned(),
    }])
}

/// What is in effect from now on, and the keys that were changed and wait for a restart.
fn in_effect(now: &Settings, wanted: Settings) -> (Settings, Vec<String>) {
    let table = |settings: &Settings| {
        toml::Table::try_from(settings).expect("settings are tables of plain values")
    };
    let (now, files) = (table(now), wanted.files.clone());
    let (mut merged, mut restart) = (now.clone(), Vec::new());
    for (section, value) in table(&wanted) {
        let is_taken = |key: &str| TAKEN.contains(&key);
        let (toml::Value::Table(keys), Some(toml::Value::Table(kept))) =
            (&value, merged.get_mut(&section))
        else {
            // A list of tables: accounts.
            merged.insert(section, value);
            continue;
        };
        for (key, value) in keys {
            let name = format!("{section}.{key}");
            if is_taken(&section) || is_taken(&name) {
                kept.insert(key.clone(), value.clone());
            } else if kept.get(key) != Some(value) {
                restart.push(name);
            }
        }
    }
    let mut settings: Settings = merged
        .try_into()
        .expect("each key stood in settings that were read");
    settings.files = files;
    restart.sort_unstable();
    (settings, restart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_change_is_left_and_told_by_name() {
        let now = Settings::default();
        let mut wanted = now.clone();
        wanted.server.listen = ([127, 0, 0, 1], 9_999).into();
        wanted.store.url = "sqlite:other.db".to_owned();
        wanted.writer.patience_ms += 1;
        wanted.writer.call_back_ms += 1;
        wanted.routing.rings_before_next += 1;
        wanted.recordings.folder = "elsewhere".into();
        wanted.recordings.workers += 1;
        let (settings, restart) = in_effect(&now, wanted.clone());
        assert_eq!(
            restart,
            [
                "recordings.folder",
                "server.listen",
                "store.url",
                "writer.patience_ms"
            ]
        );
        assert_eq!(settings.server, now.server);
        assert_eq!(settings.store, now.store);
        assert_eq!(settings.writer.patience_ms, now.writer.patience_ms);
        assert_eq!(settings.writer.call_back_ms, wanted.writer.call_back_ms);
        assert_eq!(settings.routing, wanted.routing);
        assert_eq!(settings.recordings.folder, now.recordings.folder);
        assert_eq!(settings.recordings.workers, wanted.recordings.workers);
        // The same file once more: it still waits.
        assert_eq!(in_effect(&settings, wanted).1, restart);
    }

    #[test]
    fn what_is_said_to_be_taken_over_exists() {
        let known = crate::config::keys(&toml::Table::try_from(Settings::default()).unwrap());
        for taken in TAKEN {
            let below = format!("{taken}.");
            let is_known = known
                .iter()
                .any(|key| key == taken || key.starts_with(&below));
            assert!(is_known, "{taken}");
        }
    }
}
