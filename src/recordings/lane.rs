//! Works through the jobs that fetch recordings, until each is kept or visibly given up.
//!
//! An attempt is: ask the account's adapter where the file is, fetch it, let [`super::audio`] say
//! what it is, keep it, write down what was measured. What may still come right is tried again after
//! 5 s, 30 s, 2 min, 10 min and 1 h; while a host, a mount or a disk is away every hour, for three days.
//! A shared file with nothing in it is looked at twice.

mod verdict;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{sync::broadcast, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use verdict::{Ended, filed, pause_after};

use super::{
    audio::{self, InspectError, Measured, Refused},
    cipher::{Keys, NotAKey},
    fetch::Fetcher,
    vault::Vault,
};
use crate::{
    http,
    model::{
        ids::CallId,
        recording::{CONSENT_REFUSED, LINE_NOT_RECORDED, RecordingState, Verdict},
        time::Timestamp,
    },
    pbx::{self, recording::Fetch},
    store::{
        Db, StoreError, recorded,
        recordings::{self as rows, Job, Wanted},
    },
    telemetry::{RecordingFetched, RecordingLeft},
};

/// States told and not yet heard by a slow listener; who lags reads the store instead.
const TOLD_KEPT: usize = 1_024;

/// Where recordings lie and how they are fetched.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Folder of the kept recordings.
    pub folder: PathBuf,
    /// How many are fetched at once.
    pub workers: usize,
    /// The longest file that is taken, in mebibytes.
    pub max_size_mib: u64,
    /// How long the size of a shared file must stay the same, in milliseconds.
    pub settle_ms: u64,
    /// How long a claimed job is left alone if its worker has died, in milliseconds.
    pub lease_ms: u64,
    /// How often due jobs are looked for, in milliseconds.
    pub poll_ms: u64,
    /// The key with which recordings are sealed on disk; empty: they lie as they are.
    pub encryption_secret: String,
    /// Keys that were used before and still open recordings.
    pub former_encryption_secrets: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            folder: "recordings".into(),
            workers: 2,
            max_size_mib: 1_024,
            settle_ms: 2_000,
            lease_ms: 60_000,
            poll_ms: 1_000,
            encryption_secret: String::new(),
            former_encryption_secrets: Vec::new(),
        }
    }
}

impl Settings {
    /// The configured keys.
    pub fn keys(&self) -> Result<Keys, NotAKey> {
        Keys::parse(&self.encryption_secret, &self.former_encryption_secrets)
    }
}

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A recording has come to a new state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The call.
    pub call: CallId,
    /// Row id of the recording.
    pub recording: i64,
    /// Its state now.
    pub state: RecordingState,
    /// Why, as a closed word; empty where the state says it all.
    pub reason: &'static str,
}

/// The lane: one per node; several nodes share the jobs by leases.
pub struct Lane {
    db: Db,
    accounts: pbx::Accounts,
    http: http::Client,
    vault: Vault,
    settings: ArcSwap<Settings>,
    clock: Clock,
    told: broadcast::Sender<Told>,
}

impl Lane {
    /// Puts the lane together. Nothing runs before [`Lane::run`].
    pub fn new(
        settings: &Settings,
        db: Db,
        accounts: pbx::Accounts,
        vault: Vault,
        http: http::Client,
        clock: Clock,
    ) -> Self {
        Self {
            db,
            accounts,
            http,
            vault,
            settings: ArcSwap::from_pointee(settings.clone()),
            clock,
            told: broadcast::channel(TOLD_KEPT).0,
        }
    }

    /// Goes on under other settings. The folder and the keys are the vault's, which stays as it is.
    pub fn adopt(&self, settings: &Settings) {
        self.settings.store(Arc::new(settings.clone()));
    }

    /// Every change of state from now on.
    pub fn listen(&self) -> broadcast::Receiver<Told> {
        self.told.subscribe()
    }

    /// Works until told to stop. Attempts under way are broken off and their jobs given back.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut running = JoinSet::new();
        let mut jobs = HashMap::new();
        loop {
            let settings = self.settings.load_full();
            let free = settings.workers.saturating_sub(running.len());
            for job in self.claim(free).await {
                let work = running.spawn(self.clone().work(job.clone()));
                jobs.insert(work.id(), job);
            }
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = running.join_next_with_id(), if !running.is_empty() => {
                    let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                    jobs.remove(&id);
                }
                () = tokio::time::sleep(Duration::from_millis(settings.poll_ms)) => {}
            }
        }
        // Whoever comes next need not wait until our leases are over.
        running.shutdown().await;
        for job in jobs.values() {
            if let Err(error) = rows::give_back(&self.db, job).await {
                tracing::warn!(%error, call = %job.call, "a recording's job could not be given back");
            }
        }
    }

    /// Claims and works through everything that is due now; returns how many attempts were made.
    pub async fn work_due(self: &Arc<Self>) -> usize {
        let mut attempts = 0;
        loop {
            let jobs = self.claim(self.settings.load().workers).await;
            if jobs.is_empty() {
                return attempts;
            }
            for job in jobs {
                self.clone().work(job).await;
                attempts += 1;
            }
        }
    }

    async fn claim(&self, free: usize) -> Vec<Job> {
        if free == 0 {
            return Vec::new();
        }
        self.try_claim(free).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "jobs of recordings cannot be read");
            Vec::new()
        })
    }

    async fn try_claim(&self, free: usize) -> Result<Vec<Job>, StoreError> {
        let now = (self.clock)();
        if !rows::is_due(&self.db, now).await? {
            return Ok(Vec::new());
        }
        rows::claim(&self.db, now, self.lease_from(now), free as i64).await
    }

    fn lease_from(&self, now: Timestamp) -> Timestamp {
        now.plus_millis(self.settings.load().lease_ms as i64)
    }

    /// One attempt, with its lease renewed while it takes.
    async fn work(self: Arc<Self>, job: Job) {
        let outcome = tokio::select! {
            outcome = self.attempt(&job) => outcome,
            () = self.hold(&job) => return,
        };
        if let Err(error) = outcome {
            // The lease runs out and the job is tried again.
            tracing::warn!(%error, call = %job.call, "a recording's job could not be written down");
        }
    }

    /// Renews the lease; returns when it is lost.
    async fn hold(&self, job: &Job) {
        loop {
            let lease_ms = self.settings.load().lease_ms;
            tokio::time::sleep(Duration::from_millis(lease_ms / 3)).await;
            let until = self.lease_from((self.clock)());
            match rows::renew(&self.db, job, until).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, "a recording's lease could not be renewed"),
            }
        }
    }

    async fn attempt(&self, job: &Job) -> Result<(), StoreError> {
        let Some(wanted) = rows::wanted(&self.db, job).await? else {
            rows::drop_job(&self.db, job).await?;
            return Ok(());
        };
        if wanted.state.is_here() {
            rows::drop_job(&self.db, job).await?;
            return Ok(());
        }
        let started = Instant::now();
        let ended = match recorded::verdict(&self.db, wanted.call).await? {
            Verdict::Leave(reason) => {
                recorded::forget_source(&self.db, wanted.id).await?;
                Ended::left(reason)
            }
            Verdict::Keep | Verdict::Withhold => match self.place(job, &wanted).await {
                Ok(from) => {
                    rows::mark_fetching(&self.db, wanted.id).await?;
                    self.tell(&wanted, RecordingState::Fetching, "");
                    self.bring(&from).await
                }
                // Nothing to fetch, so nothing to show or write for the time of fetching.
                Err(ended) => ended,
            },
        };
        let Some((state, reason)) = self.write_down(job, &wanted, ended).await? else {
            return Ok(());
        };
        self.tell(&wanted, state, reason);
        count(job, state, reason, started.elapsed());
        Ok(())
    }

    /// Returns the state that was written; `None` if the claim was no longer ours.
    async fn write_down(
        &self,
        job: &Job,
        wanted: &Wanted,
        ended: Ended,
    ) -> Result<Option<(RecordingState, &'static str)>, StoreError> {
        let now = (self.clock)();
        let (state, reason) = match ended {
            Ended::Here(mut filed) => {
                // The client may have said something while it was fetched.
                if recorded::verdict(&self.db, wanted.call).await? != Verdict::Keep {
                    filed.state = RecordingState::Withheld;
                }
                let is_ours = rows::file(&self.db, job, wanted.id, &filed, now).await?;
                return Ok(is_ours.then_some((filed.state, "")));
            }
            Ended::Later {
                reason,
                wait,
                trouble,
            } => match pause_after(job.attempt, trouble) {
                Some(pause) => {
                    let pause = pause.max(wait.unwrap_or_default());
                    let due_at = now.plus_millis(pause.as_millis() as i64);
                    let is_ours = rows::put_off(&self.db, job, wanted.id, due_at, reason).await?;
                    return Ok(is_ours.then_some((RecordingState::Waiting, reason)));
                }
                None => (trouble.at_last(), reason),
            },
            Ended::Never { state, reason } => (state, reason),
        };
        let is_ours = rows::give_up(&self.db, job, wanted.id, state, reason).await?;
        Ok(is_ours.then_some((state, reason)))
    }

    fn tell(&self, wanted: &Wanted, state: RecordingState, reason: &'static str) {
        // Nobody has to listen.
        _ = self.told.send(Told {
            call: wanted.call,
            recording: wanted.id,
            state,
            reason,
        });
    }

    /// Where the file can be had, says the account's adapter.
    async fn place(&self, job: &Job, wanted: &Wanted) -> Result<Fetch, Ended> {
        let Some(source) = &wanted.source else {
            return Err(Ended::never("no_source"));
        };
        let Some(pbx) = self.accounts.get(&job.account) else {
            return Err(Ended::never("no_account"));
        };
        pbx.recording(source, (self.clock)())
            .await
            .map_err(|error| Ended::of_pbx(&error))
    }

    fn fetcher(&self) -> Fetcher {
        let settings = self.settings.load();
        Fetcher {
            http: self.http.clone(),
            max_bytes: settings.max_size_mib * 1024 * 1024,
            settle: Duration::from_millis(settings.settle_ms),
        }
    }

    /// Fetches, inspects and keeps the file.
    async fn bring(&self, from: &Fetch) -> Ended {
        let incoming = self.vault.incoming();
        let fetcher = self.fetcher();
        if let Err(error) = fetcher.fetch(from, incoming.path()).await {
            return Ended::of_fetch(&error);
        }
        let measured = match inspect(incoming.path().to_owned()).await {
            Ok(measured) => measured,
            Err(error) => {
                let is_shared = matches!(from, Fetch::File { .. });
                return Ended::of_inspection(&error, is_shared);
            }
        };
        let (sha256, size) = (&measured.sha256, measured.size_bytes);
        match self.vault.keep(incoming.path(), sha256, size).await {
            Ok(()) => Ended::Here(Box::new(filed(measured))),
            Err(error) => Ended::of_vault(&error),
        }
    }
}

/// Counts a recording that has come to its end, and logs one that is not kept.
fn count(job: &Job, state: RecordingState, reason: &'static str, took: Duration) {
    let failed = match state {
        state if state.is_here() => None,
        RecordingState::Failed | RecordingState::Refused => Some(reason),
        RecordingState::Absent if is_left(reason) => {
            RecordingLeft { reason }.emit();
            return;
        }
        _ => return,
    };
    if let Some(reason) = failed {
        tracing::warn!(account = %job.account, call = %job.call, reason, "a recording is given up");
    }
    RecordingFetched { failed, took }.emit();
}

/// Whether a rule of the line said that it stays where it is.
fn is_left(reason: &str) -> bool {
    [LINE_NOT_RECORDED, CONSENT_REFUSED].contains(&reason)
}

/// Decodes on a thread that may be blocked. A decoder that panics has met a damaged file.
async fn inspect(file: PathBuf) -> Result<Measured, InspectError> {
    let inspecting = move || inspect_file(&file);
    match tokio::task::spawn_blocking(inspecting).await {
        Ok(inspected) => inspected,
        Err(_) => Err(Refused::Damaged.into()),
    }
}

fn inspect_file(file: &Path) -> Result<Measured, InspectError> {
    audio::inspect(&mut std::fs::File::open(file)?)
}
