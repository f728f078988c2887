//! The group-commit writer: step 5 of a call event, and the only way call events reach the tables.
//!
//! One task takes everything that waits, applies it in one transaction and only then acknowledges
//! every sender. Raw message and all its effects commit together, so there is no inbox to drain after
//! a crash. Leaves out: what facts mean (`tracker`) and which card fits (`rules::matching`).

mod ahead;
mod apply;
mod cards;
mod checkpoints;
mod columns;
mod directory;
mod effects;
mod group;
mod known;
mod log;
mod press;
mod sizes;
mod source;
pub(super) mod statements;
mod stored;
mod thread;
mod turn;
mod untold;
mod visits;
mod worker;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::{
    runtime::Handle,
    sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot, watch},
};
use tokio_util::sync::CancellationToken;

use crate::{
    model::{
        call::{Call, Change},
        event::CallEvent,
        ids::AccountName,
        time::Timestamp,
        visit::Visit,
    },
    store::Db,
    tracker::{self, Facts},
};

/// How a call follows from its facts.
type Derive = fn(&Facts) -> Call;

/// Source of a dead letter that is told again: it stands in the journal already.
pub const REPLAY: &str = "replay";

/// One message of a PBX with all that was understood of it.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The account that sent it.
    pub account: AccountName,
    /// How it came: `webhook`, `ami`, `cel`, `timer`, `route`, `replay`...
    pub source: &'static str,
    /// When its bytes came in.
    pub received_at: Timestamp,
    /// The bytes, for the journal. Empty: made by ourselves, not journalled.
    pub raw: Bytes,
    /// What was understood.
    pub events: Vec<CallEvent>,
    /// Visits it tells of, beside any call.
    pub visits: Vec<Visit>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a message, as the journal says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its facts are applied.
    Applied,
    /// Understood; makes no call (`ping`).
    Noted(String),
    /// Known to carry nothing for us, or an unknown kind.
    Ignored(String),
    /// Not understood: a dead letter.
    Undecodable(String),
}

impl Outcome {
    /// The word in table `raw`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Noted(_) => "noted",
            Self::Ignored(_) => "ignored",
            Self::Undecodable(_) => "undecodable",
        }
    }

    /// The reason kept beside it.
    pub fn reason(&self) -> &str {
        match self {
            Self::Applied => "",
            Self::Noted(reason) | Self::Ignored(reason) | Self::Undecodable(reason) => reason,
        }
    }
}

/// The message is durable, with all its effects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// How many facts were new; 0 for a repetition.
    pub new_facts: usize,
    /// Whether the message could not be applied and waits among the dead letters.
    pub dead_letter: bool,
}

/// The message is not durable; the sender must come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The queue is full, or the database does not take anything for too long. Told as 503.
    #[error("the store cannot take more right now")]
    Busy,
    /// Ringcard is shutting down.
    #[error("the store is closing")]
    Closing,
}

/// Bounds of the writer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long a sender waits for its commit before it is told to come again, in milliseconds.
    pub patience_ms: u64,
    /// Most that may wait in memory, in kibibytes of messages (each counts as at least one).
    pub queue_kib: u32,
    /// Most messages in one transaction.
    pub batch_messages: usize,
    /// Open calls kept in memory.
    pub cached_calls: usize,
    /// How soon a missed client should be called back, in milliseconds.
    pub call_back_ms: i64,
    /// How long after a call-back that reached nobody the next one is due, try by try, in
    /// milliseconds; the last wait goes on.
    pub call_back_again_ms: Vec<i64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            patience_ms: 2_000,
            queue_kib: 65_536,
            batch_messages: 1_024,
            cached_calls: 20_000,
            call_back_ms: 15 * 60_000,
            call_back_again_ms: vec![30 * 60_000, 2 * 3_600_000, 24 * 3_600_000],
        }
    }
}

/// Whether the database takes what we write, for `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// The last commit went through.
    Good,
    /// Commits fail, for this reason; tried again and again.
    Failing(String),
}

/// The handle to the writer task; cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: mpsc::UnboundedSender<Waiting>,
    room: Arc<Semaphore>,
    room_kib: u32,
    patience: Duration,
    changes: broadcast::Sender<Arc<Change>>,
    health: watch::Receiver<Health>,
    closing: CancellationToken,
    call_back: Arc<ArcSwap<effects::CallBack>>,
    visits_told: Arc<Notify>,
    task: Arc<Mutex<Option<oneshot::Receiver<()>>>>,
}

/// A message in the queue, with the place it takes and whom to tell.
#[derive(Debug)]
pub(crate) struct Waiting {
    submission: Submission,
    done: oneshot::Sender<Receipt>,
    _room: OwnedSemaphorePermit,
}

/// Changes kept for listeners that lag behind; who lags more is told so and reads the store instead.
const CHANGES_KEPT: usize = 16_384;

impl Writer {
    /// Starts the writer task of this database. There must be only one on a SQLite file and one per
    /// node on PostgreSQL; `node` tells the nodes' figures apart.
    pub fn start(db: Db, node: i64, settings: &Settings) -> Self {
        Self::start_with(db, node, settings, tracker::derive)
    }

    /// Starts the writer with another way to derive calls; tests plant faults with it.
    fn start_with(db: Db, node: i64, settings: &Settings, derive: Derive) -> Self {
        let (queue, waiting) = mpsc::unbounded_channel();
        let (changes, _) = broadcast::channel(CHANGES_KEPT);
        let (health_told, health) = watch::channel(Health::Good);
        let closing = CancellationToken::new();
        let committer = apply::Committer::new(db, node, settings, derive);
        let call_back = Arc::clone(&committer.call_back);
        let worker = worker::Worker {
            committer,
            waiting,
            changes: changes.clone(),
            health: worker::HealthTold(health_told),
            batch_messages: settings.batch_messages,
            runtime: Handle::current(),
        };
        let (ended, task) = oneshot::channel();
        match &worker.committer.db {
            Db::Lite { .. } => thread::run(worker.run(closing.clone()), ended),
            Db::Pg(_) => {
                let work = worker.run(closing.clone());
                _ = tokio::spawn(thread::until_ended(work, ended));
            }
        }
        Self {
            queue,
            room: Arc::new(Semaphore::new(settings.queue_kib as usize)),
            room_kib: settings.queue_kib,
            patience: Duration::from_millis(settings.patience_ms),
            changes,
            health,
            closing,
            call_back,
            visits_told: Arc::default(),
            task: Arc::new(Mutex::new(Some(task))),
        }
    }

    /// Goes on with other times of call-backs; everything else stays as it was at the start.
    pub fn adopt_call_backs(&self, settings: &Settings) {
        let call_back = effects::CallBack::of(settings);
        self.call_back.store(Arc::new(call_back));
    }

    /// Applies one message and returns when it is durable. Waits for room and for the database no
    /// longer than the configured patience; after an error nothing has been promised, though the
    /// message may still have been kept (it will be known as a repetition when it comes again).
    pub async fn commit(&self, submission: Submission) -> Result<Receipt, CommitError> {
        #[cfg(feature = "planted")]
        if crate::planted::is("acknowledged_before_commit") {
            let writer = self.clone();
            tokio::spawn(async move { writer.enqueue_and_wait(submission).await });
            return Ok(Receipt::default());
        }
        tokio::time::timeout(self.patience, self.enqueue_and_wait(submission))
            .await
            .unwrap_or(Err(CommitError::Busy))
    }

    async fn enqueue_and_wait(&self, submission: Submission) -> Result<Receipt, CommitError> {
        if self.closing.is_cancelled() {
            return Err(CommitError::Closing);
        }
        let room = self
            .room
            .clone()
            .acquire_many_owned(self.room_for(&submission))
            .await
            .map_err(|_| CommitError::Closing)?;
        let tells_visits = !submission.visits.is_empty();
        let (done, acknowledged) = oneshot::channel();
        self.queue
            .send(Waiting {
                submission,
                done,
                _room: room,
            })
            .map_err(|_| CommitError::Closing)?;
        // The task drops a sender without an answer only when it ends before its commit.
        let receipt = acknowledged.await.map_err(|_| CommitError::Closing)?;
        if tells_visits {
            self.visits_told.notify_one();
        }
        Ok(receipt)
    }

    /// Woken when visits were told: one waits here, who joins them to calls.
    pub fn visits_told(&self) -> Arc<Notify> {
        Arc::clone(&self.visits_told)
    }

    /// Kibibytes a message takes in the queue: its bytes and about as much for what they mean.
    fn room_for(&self, submission: &Submission) -> u32 {
        let kib = submission.raw.len() / 1_024 + submission.events.len() / 4 + 1;
        u32::try_from(kib).unwrap_or(u32::MAX).min(self.room_kib)
    }

    /// Every change from now on, told after its commit. A receiver that lags is told so.
    pub fn changes(&self) -> broadcast::Receiver<Arc<Change>> {
        self.changes.subscribe()
    }

    /// Whether commits go through.
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// How much of the queue is taken, in kibibytes.
    pub fn queued_kib(&self) -> usize {
        (self.room_kib as usize).saturating_sub(self.room.available_permits())
    }

    /// Takes nothing more, commits what waits, and ends.
    pub async fn close(&self) {
        self.closing.cancel();
        let task = self.task.lock().await.take();
        if let Some(task) = task
            && task.await.is_err()
        {
            tracing::error!("the writer task did not end well");
        }
    }
}

#[cfg(test)]
mod tests;
