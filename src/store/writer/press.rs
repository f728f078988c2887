//! Writes prepared batches one after another, while the next is prepared; makes them durable and tells their
//! senders, while the next is written.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tokio::{
    runtime::Handle,
    sync::{Notify, broadcast, mpsc, oneshot, watch},
};

use super::{
    Waiting, ahead::Prepared, apply::Applied, checkpoints, log::Log, thread, turn::Turn,
    worker::HealthTold,
};
use crate::{
    model::call::Change,
    store::{
        Db,
        rows::{Alone, Pledge},
    },
};

/// The threads that write what was prepared, and tell. Once a batch could not be written it writes nothing more,
/// because what came after stands on it, and gives all of it back.
pub(super) struct Press {
    orders: mpsc::Sender<Order>,
    stopped: watch::Receiver<bool>,
    /// Batches that were ordered, and those of them that have been written or could not be.
    ordered: u64,
    over: watch::Receiver<u64>,
}

enum Order {
    Write(Vec<Waiting>, Box<Prepared>),
    /// All before it are over: give back what was not written and begin anew.
    Finish(oneshot::Sender<Lost>),
}

/// Batches that were not written, or of which nobody knows.
#[derive(Default)]
pub(super) struct Lost {
    /// In the order of arrival.
    pub(super) batch: Vec<Waiting>,
    /// What to tell of those that were written all the same.
    pub(super) untold: Vec<Change>,
}

impl Lost {
    fn add(&mut self, batch: Vec<Waiting>, untold: Vec<Change>) {
        self.batch.extend(batch);
        self.untold.extend(untold);
    }
}

/// What follows a batch that is committed and may not be durable yet.
enum Written {
    Batch(Vec<Waiting>, Applied, Pledge),
    /// All before it are told: give these back.
    Finish(oneshot::Sender<Lost>, Lost),
}

impl Written {
    /// Whether a sender still waits for its answer.
    fn is_awaited(&self) -> bool {
        match self {
            Self::Batch(batch, ..) => batch.iter().any(|waiting| !waiting.done.is_closed()),
            Self::Finish(..) => false,
        }
    }

    fn pledge(&self) -> Option<Pledge> {
        match self {
            Self::Batch(_, _, pledge) => Some(*pledge),
            Self::Finish(..) => None,
        }
    }
}

/// Batches that may be committed while the disk is waited for; the next time it is waited for all of them.
const UNSYNCED: usize = 16;

impl Press {
    /// Starts it; it ends when it is dropped. `runtime` is that of everybody else who uses the database.
    pub(super) fn start(
        (db, alone): (&Db, &Alone),
        changes: broadcast::Sender<Arc<Change>>,
        health: HealthTold,
        runtime: &Handle,
    ) -> Self {
        // One batch is written, one waits.
        let (orders, waiting) = mpsc::channel(1);
        let (stopping, stopped) = watch::channel(false);
        let (ending, over) = watch::channel(0);
        let told = Arc::new(Notify::new());
        let turn = match db {
            Db::Lite {
                checkpoint, write, ..
            } => {
                let news = Arc::downgrade(&told);
                tokio::spawn(checkpoints::run(checkpoint.clone(), news));
                Some(Turn::of(write, runtime))
            }
            Db::Pg(_) => None,
        };
        let (written, unsynced) = mpsc::channel(UNSYNCED);
        let commits = Commits {
            turn,
            runtime: runtime.clone(),
            stopping: stopping.clone(),
            ending,
        };
        let tells = Tells {
            log: Log::of(db, health, runtime),
            alone: alone.clone(),
            runtime: runtime.clone(),
            changes,
            told,
            stopping,
            lost: Lost::default(),
        };
        thread::start("writer-commits", || commits.run(waiting, written));
        thread::start("writer-tells", || tells.run(unsynced));
        Self {
            orders,
            stopped,
            ordered: 0,
            over,
        }
    }

    /// Waits until a batch could be taken at once; `false`: nobody is there to take one.
    pub(super) async fn has_room(&self) -> bool {
        self.orders.reserve().await.is_ok()
    }

    /// Whether a batch is being written or waits for that.
    pub(super) fn is_busy(&self) -> bool {
        *self.over.borrow() < self.ordered
    }

    /// Waits until no batch is.
    pub(super) async fn idle(&mut self) {
        let all = self.ordered;
        // Who ends writes nothing more.
        _ = self.over.wait_for(|over| *over >= all).await;
    }

    /// Waits until a batch could not be written.
    pub(super) async fn stopped(&mut self) {
        if self.stopped.wait_for(|stopped| *stopped).await.is_err() {
            // It ends only with its handle; in no case may who waits spin.
            std::future::pending::<()>().await;
        }
    }

    /// Takes a batch; gives it back if nobody is there to write it any more.
    pub(super) async fn write(
        &mut self,
        batch: Vec<Waiting>,
        prepared: Prepared,
    ) -> Result<(), Vec<Waiting>> {
        let order = Order::Write(batch, Box::new(prepared));
        self.ordered += 1;
        self.orders
            .send(order)
            .await
            .map_err(|refused| match refused.0 {
                Order::Write(batch, _) => batch,
                Order::Finish(_) => Vec::new(),
            })
    }

    /// Waits until nothing is under way; gives back what was not written.
    pub(super) async fn finish(&self) -> Lost {
        let (done, lost) = oneshot::channel();
        _ = self.orders.send(Order::Finish(done)).await;
        lost.await.unwrap_or_default()
    }
}

/// Commits what was prepared, one after another.
struct Commits {
    /// On SQLite.
    turn: Option<Turn>,
    runtime: Handle,
    stopping: watch::Sender<bool>,
    /// Counts the batches that are over.
    ending: watch::Sender<u64>,
}

impl Commits {
    fn run(mut self, mut orders: mpsc::Receiver<Order>, told: mpsc::Sender<Written>) {
        let mut lost = Lost::default();
        while let Some(order) = self.next(&mut orders) {
            let next = match order {
                Order::Finish(done) => {
                    self.end_turn();
                    Written::Finish(done, std::mem::take(&mut lost))
                }
                Order::Write(batch, _) if !lost.batch.is_empty() => {
                    lost.add(batch, Vec::new());
                    self.count();
                    continue;
                }
                Order::Write(batch, prepared) => {
                    let written = self.written(*prepared);
                    self.count();
                    match written {
                        Ok((applied, pledge)) => Written::Batch(batch, applied, pledge),
                        Err(untold) => {
                            lost.add(batch, untold);
                            self.stopping.send_replace(true);
                            continue;
                        }
                    }
                }
            };
            let sent = told.try_send(next).or_else(|full| {
                // The disk is slow: pages that write need not wait for it, too.
                self.end_turn();
                told.blocking_send(full.into_inner())
            });
            if sent.is_err() {
                // Who should tell is gone: nobody is told anything any more, and all of it comes again.
                return;
            }
        }
    }

    /// The next order. The turn is kept only while there is one at once.
    fn next(&mut self, orders: &mut mpsc::Receiver<Order>) -> Option<Order> {
        orders.try_recv().ok().or_else(|| {
            self.end_turn();
            orders.blocking_recv()
        })
    }

    /// One more is over.
    fn count(&self) {
        self.ending.send_modify(|over| *over += 1);
    }

    fn end_turn(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.end();
        }
    }

    /// `Err`: what to tell if it was written all the same.
    fn written(&mut self, prepared: Prepared) -> Result<(Applied, Pledge), Vec<Change>> {
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            if let Some(turn) = &mut self.turn {
                turn.take().map_err(|error| (error, Vec::new()))?;
            }
            self.runtime.block_on(prepared.write())
        }));
        match attempt {
            Ok(Ok(written)) => Ok(written),
            Ok(Err((error, untold))) => {
                tracing::debug!(%error, "a prepared batch goes the plain way");
                Err(untold)
            }
            Err(panic) => {
                let reason = panic_text(panic.as_ref());
                tracing::error!(reason, "a prepared batch goes the plain way");
                Err(Vec::new())
            }
        }
    }
}

/// Tells the senders of each batch once it is durable, in the order of the batches.
struct Tells {
    /// On SQLite.
    log: Option<Log>,
    alone: Alone,
    runtime: Handle,
    changes: broadcast::Sender<Arc<Change>>,
    told: Arc<Notify>,
    stopping: watch::Sender<bool>,
    /// What may not be durable, and all after it.
    lost: Lost,
}

impl Tells {
    fn run(mut self, mut written: mpsc::Receiver<Written>) {
        let mut next = Vec::new();
        while written.blocking_recv_many(&mut next, UNSYNCED) > 0 {
            let is_durable = self.lost.batch.is_empty() && self.make_durable(&next);
            for written in next.drain(..) {
                match written {
                    Written::Batch(batch, applied, _) if is_durable => {
                        acknowledge(&self.changes, batch, applied);
                    }
                    Written::Batch(batch, applied, _) => self.lost.add(batch, applied.changes),
                    Written::Finish(done, lost) => {
                        self.lost.add(lost.batch, lost.untold);
                        self.stopping.send_replace(false);
                        // Who asked waits for the answer.
                        _ = done.send(std::mem::take(&mut self.lost));
                    }
                }
            }
            self.told.notify_one();
        }
    }

    /// `false`: nobody knows whether they are, and nobody will.
    fn make_durable(&mut self, written: &[Written]) -> bool {
        let pledges: BTreeSet<Pledge> = written.iter().filter_map(Written::pledge).collect();
        if let Some(log) = &mut self.log
            && pledges.contains(&Pledge::Log)
        {
            log.make_durable(|| written.iter().any(Written::is_awaited));
        }
        let flush = |pledge| self.runtime.block_on(self.alone.flush(pledge));
        let flushed = pledges.into_iter().try_for_each(flush);
        if let Err(error) = &flushed {
            tracing::warn!(%error, "batches may not be durable, and are applied again");
            self.stopping.send_replace(true);
        }
        flushed.is_ok()
    }
}

/// Without those whose senders have given up: they come again; nothing was promised.
pub(super) fn wanted(mut part: Vec<Waiting>) -> Vec<Waiting> {
    part.retain(|waiting| !waiting.done.is_closed());
    part
}

pub(super) fn acknowledge(
    changes: &broadcast::Sender<Arc<Change>>,
    part: Vec<Waiting>,
    applied: Applied,
) {
    for change in applied.changes {
        // Nobody listening is fine.
        _ = changes.send(Arc::new(change));
    }
    for (waiting, receipt) in part.into_iter().zip(applied.receipts) {
        // A sender that has given up meanwhile is fine, too.
        _ = waiting.done.send(receipt);
    }
}

/// What a panic says.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .map_or_else(|| "panic".to_owned(), |text| format!("panic: {text}"))
}
