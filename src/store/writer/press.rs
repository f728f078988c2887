//! Writes prepared batches one after another, while the next is prepared; tells their senders when they
//! are durable, while the next is written.

use std::{
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
use crate::{model::call::Change, store::Db};

/// The threads that write what was prepared, and tell. Once a batch could not be written it writes nothing more,
/// because what came after stands on it, and gives all of it back.
pub(super) struct Press {
    orders: mpsc::Sender<Order>,
    stopped: watch::Receiver<bool>,
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

/// What follows a batch that is committed and not yet synced.
enum Written {
    Batch(Vec<Waiting>, Applied),
    /// All before it are told: give these back.
    Finish(oneshot::Sender<Lost>, Lost),
}

impl Written {
    /// Whether a sender still waits for its answer.
    fn is_awaited(&self) -> bool {
        match self {
            Self::Batch(batch, _) => batch.iter().any(|waiting| !waiting.done.is_closed()),
            Self::Finish(..) => false,
        }
    }
}

/// Batches that may be committed while one sync goes on; the next sync is for all of them.
const UNSYNCED: usize = 16;

impl Press {
    /// Starts it; it ends when it is dropped. `runtime` is that of everybody else who uses the database.
    pub(super) fn start(
        db: &Db,
        changes: broadcast::Sender<Arc<Change>>,
        health: HealthTold,
        runtime: &Handle,
    ) -> Self {
        // One batch is written, one waits.
        let (orders, waiting) = mpsc::channel(1);
        let (stopping, stopped) = watch::channel(false);
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
        let log = Log::of(db, health, runtime);
        let (written, unsynced) = mpsc::channel(UNSYNCED);
        let commits = Commits {
            turn,
            runtime: runtime.clone(),
        };
        thread::start("writer-commits", || {
            commits.run(waiting, written, stopping);
        });
        thread::start("writer-tells", move || tell(unsynced, log, &changes, &told));
        Self { orders, stopped }
    }

    /// Waits until a batch could be taken at once; `false`: nobody is there to take one.
    pub(super) async fn has_room(&self) -> bool {
        self.orders.reserve().await.is_ok()
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
        &self,
        batch: Vec<Waiting>,
        prepared: Prepared,
    ) -> Result<(), Vec<Waiting>> {
        let order = Order::Write(batch, Box::new(prepared));
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
}

impl Commits {
    fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        told: mpsc::Sender<Written>,
        stopping: watch::Sender<bool>,
    ) {
        let mut lost = Lost::default();
        while let Some(order) = self.next(&mut orders) {
            let next = match order {
                Order::Finish(done) => {
                    self.end_turn();
                    stopping.send_replace(false);
                    Written::Finish(done, std::mem::take(&mut lost))
                }
                Order::Write(batch, _) if !lost.batch.is_empty() => {
                    lost.batch.extend(batch);
                    continue;
                }
                Order::Write(batch, prepared) => match self.written(*prepared) {
                    Ok(applied) => Written::Batch(batch, applied),
                    Err(untold) => {
                        lost = Lost { batch, untold };
                        stopping.send_replace(true);
                        continue;
                    }
                },
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

    fn end_turn(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.end();
        }
    }

    /// `Err`: what to tell if it was written all the same.
    fn written(&mut self, prepared: Prepared) -> Result<Applied, Vec<Change>> {
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            if let Some(turn) = &mut self.turn {
                turn.take().map_err(|error| (error, Vec::new()))?;
            }
            self.runtime.block_on(prepared.write())
        }));
        match attempt {
            Ok(Ok(applied)) => Ok(applied),
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
fn tell(
    mut written: mpsc::Receiver<Written>,
    mut log: Option<Log>,
    changes: &broadcast::Sender<Arc<Change>>,
    told: &Notify,
) {
    let mut next = Vec::new();
    while written.blocking_recv_many(&mut next, UNSYNCED) > 0 {
        // PostgreSQL has waited for its own.
        if let Some(log) = &mut log
            && next
                .iter()
                .any(|written| matches!(written, Written::Batch(..)))
        {
            log.make_durable(|| next.iter().any(Written::is_awaited));
        }
        for written in next.drain(..) {
            match written {
                Written::Batch(batch, applied) => acknowledge(changes, batch, applied),
                // Who asked waits for the answer.
                Written::Finish(done, lost) => _ = done.send(lost),
            }
        }
        told.notify_one();
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
