//! The writer task: takes what waits, commits it, tells everybody; tries again while the database is
//! away; finds the one message that cannot be applied.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::{
    runtime::Handle,
    sync::{broadcast, mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use super::{
    Health, Receipt, Submission, Waiting,
    ahead::Prepared,
    apply::{Applied, ApplyError, Committer},
    press::{Press, acknowledge, panic_text, wanted},
};
use crate::model::call::Change;

/// First and longest pause between tries while the database is away.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Worker {
    pub(super) committer: Committer,
    pub(super) waiting: mpsc::UnboundedReceiver<Waiting>,
    pub(super) changes: broadcast::Sender<Arc<Change>>,
    pub(super) health: HealthTold,
    pub(super) batch_messages: usize,
    /// Of everybody else who uses the database.
    pub(super) runtime: Handle,
}

/// How a batch ended that did not go through whole.
enum Trouble {
    /// The database is away or full: all of it may go through later.
    Away(String),
    /// Something in the batch cannot be applied.
    Poison(String),
}

impl Worker {
    pub(super) async fn run(mut self, closing: CancellationToken) {
        let mut press = Press::start(
            (&self.committer.db, &self.committer.alone),
            self.changes.clone(),
            self.health.clone(),
            &self.runtime,
        );
        // How many messages the batch before has.
        let mut last = 0;
        loop {
            let mut batch = Vec::new();
            // Whatever comes while a batch waits for its turn is the next one.
            let is_pressing = press.has_room().await;
            tokio::select! {
                () = press.stopped() => {
                    self.catch_up(&mut press).await;
                    continue;
                }
                taken = self.waiting.recv_many(&mut batch, self.batch_messages) => {
                    if taken == 0 {
                        break;
                    }
                }
                () = closing.cancelled(), if !self.waiting.is_closed() => {
                    self.waiting.close();
                    continue;
                }
            }
            if is_pressing {
                self.gather(&mut batch, &mut press, last).await;
            }
            last = batch.len();
            let batch = wanted(batch);
            let prepared = match is_pressing {
                true => self.prepare(&batch).await,
                false => None,
            };
            let left = match prepared {
                Some(prepared) => {
                    let left = press.write(batch, prepared).await.err();
                    if left.is_some() {
                        // What memory holds stands on what nobody writes.
                        self.committer.forget();
                    }
                    left
                }
                None => Some(batch),
            };
            if let Some(batch) = left {
                self.catch_up(&mut press).await;
                self.commit(batch).await;
            }
        }
        self.catch_up(&mut press).await;
        self.committer.alone.close().await;
    }

    /// Waits, while a batch is being written, until this one is about as large as the `last`. Who takes what has
    /// come so far leaves most of it for the one after, and each batch costs.
    async fn gather(&mut self, batch: &mut Vec<Waiting>, press: &mut Press, last: usize) {
        let enough = (last / 4 * 3).min(self.batch_messages);
        while batch.len() < enough && press.is_busy() {
            let room = self.batch_messages - batch.len();
            tokio::select! {
                () = press.idle() => break,
                taken = self.waiting.recv_many(batch, room) => {
                    if taken == 0 {
                        break;
                    }
                }
            }
        }
        while batch.len() < self.batch_messages
            && let Ok(more) = self.waiting.try_recv()
        {
            batch.push(more);
        }
    }

    async fn prepare(&mut self, batch: &[Waiting]) -> Option<Prepared> {
        let submissions: Vec<&Submission> = batch.iter().map(|w| &w.submission).collect();
        let prepared = AssertUnwindSafe(self.committer.prepare(&submissions))
            .catch_unwind()
            .await;
        prepared.unwrap_or_else(|_| {
            // It comes again in the transaction, and is told there.
            self.committer.forget();
            None
        })
    }

    /// Waits until all that was prepared is written; what was not is committed the plain way.
    async fn catch_up(&mut self, press: &mut Press) {
        let lost = press.finish().await;
        if !lost.batch.is_empty() {
            // What memory holds stands on what was not written.
            self.committer.forget();
            self.committer.untold.add(lost.untold);
            self.commit(lost.batch).await;
        }
    }

    /// Commits a batch, splitting it around what cannot be applied. Works through a stack of parts so
    /// that the order of arrival is kept.
    async fn commit(&mut self, batch: Vec<Waiting>) {
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            let Some((part, reason)) = self.commit_part(part).await else {
                continue;
            };
            if part.len() == 1 {
                self.bury(part, &reason).await;
                continue;
            }
            let mut first = part;
            let second = first.split_off(first.len() / 2);
            parts.push(second);
            parts.push(first);
        }
    }

    /// Commits one part, however often the database must be asked. Gives it back if it holds poison.
    async fn commit_part(&mut self, mut part: Vec<Waiting>) -> Option<(Vec<Waiting>, String)> {
        let mut pause = FIRST_PAUSE;
        loop {
            part = wanted(part);
            if part.is_empty() {
                return None;
            }
            match self.try_commit(&part).await {
                Ok(applied) => {
                    self.health.is(Health::Good);
                    acknowledge(&self.changes, part, applied);
                    return None;
                }
                Err(Trouble::Poison(reason)) => return Some((part, reason)),
                Err(Trouble::Away(reason)) => {
                    self.health.is(Health::Failing(reason));
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn try_commit(&mut self, part: &[Waiting]) -> Result<Applied, Trouble> {
        let submissions: Vec<&Submission> = part.iter().map(|w| &w.submission).collect();
        let attempt = AssertUnwindSafe(self.committer.commit(&submissions))
            .catch_unwind()
            .await;
        let trouble = match attempt {
            Ok(Ok(applied)) => return Ok(applied),
            Ok(Err(ApplyError::Away(error))) => Trouble::Away(error.to_string()),
            Ok(Err(ApplyError::Unusable(reason))) => Trouble::Poison(reason),
            // With nothing in memory it goes through.
            Ok(Err(ApplyError::Later)) => Trouble::Away("what memory held was outdated".to_owned()),
            Err(panic) => Trouble::Poison(panic_text(panic.as_ref())),
        };
        self.committer.forget();
        Err(trouble)
    }

    /// Keeps the one message that cannot be applied as a dead letter, and acknowledges it.
    async fn bury(&mut self, part: Vec<Waiting>, reason: &str) {
        let mut pause = FIRST_PAUSE;
        for waiting in part {
            tracing::error!(
                account = %waiting.submission.account,
                source = waiting.submission.source,
                reason,
                "a message could not be applied and is kept as a dead letter"
            );
            while !waiting.done.is_closed() {
                match self.committer.bury(&waiting.submission, reason).await {
                    Ok(()) => {
                        _ = waiting.done.send(Receipt {
                            new_facts: 0,
                            dead_letter: true,
                        });
                        break;
                    }
                    Err(error) => {
                        self.health.is(Health::Failing(error.to_string()));
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                }
            }
        }
    }
}

/// Tells how the database does.
#[derive(Clone)]
pub(super) struct HealthTold(pub(super) watch::Sender<Health>);

impl HealthTold {
    /// Says it, once for each change.
    pub(super) fn is(&self, now: Health) {
        self.0.send_if_modified(|known| {
            if *known == now {
                return false;
            }
            match &now {
                Health::Good => tracing::info!("the database takes commits again"),
                Health::Failing(reason) => tracing::error!(%reason, "commits fail"),
            }
            *known = now;
            true
        });
    }
}
