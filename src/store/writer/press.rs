//! Writes prepared batches one after another and tells their senders, while the next is prepared.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};

use super::{Waiting, ahead::Prepared, apply::Applied, checkpoints};
use crate::{model::call::Change, store::Db};

/// The task that writes what was prepared. Once a batch could not be written it writes nothing more,
/// because what came after stands on it, and gives all of it back.
pub(super) struct Press {
    orders: mpsc::Sender<Order>,
    stopped: watch::Receiver<bool>,
}

enum Order {
    Write(Vec<Waiting>, Prepared),
    /// All before it are over: give back what was not written and begin anew.
    Finish(oneshot::Sender<Vec<Waiting>>),
}

impl Press {
    /// Starts it; it ends when it is dropped.
    pub(super) fn start(db: &Db, changes: broadcast::Sender<Arc<Change>>) -> Self {
        let committed = Arc::new(Notify::new());
        if let Db::Lite { checkpoint, .. } = db {
            tokio::spawn(checkpoints::run(
                checkpoint.clone(),
                Arc::downgrade(&committed),
            ));
        }
        // One batch is written, one waits.
        let (orders, waiting) = mpsc::channel(1);
        let (stopping, stopped) = watch::channel(false);
        tokio::spawn(run(waiting, changes, committed, stopping));
        Self { orders, stopped }
    }

    /// Waits until a batch could be taken at once.
    pub(super) async fn has_room(&self) {
        // It ends only with its handle.
        _ = self.orders.reserve().await;
    }

    /// Waits until a batch could not be written.
    pub(super) async fn stopped(&mut self) {
        if self.stopped.wait_for(|stopped| *stopped).await.is_err() {
            // It ends only with its handle; in no case may who waits spin.
            std::future::pending::<()>().await;
        }
    }

    /// Takes a batch.
    pub(super) async fn write(&self, batch: Vec<Waiting>, prepared: Prepared) {
        _ = self.orders.send(Order::Write(batch, prepared)).await;
    }

    /// Waits until nothing is under way; gives back what was not written, in the order of arrival.
    pub(super) async fn finish(&self) -> Vec<Waiting> {
        let (done, lost) = oneshot::channel();
        _ = self.orders.send(Order::Finish(done)).await;
        lost.await.unwrap_or_default()
    }
}

async fn run(
    mut orders: mpsc::Receiver<Order>,
    changes: broadcast::Sender<Arc<Change>>,
    committed: Arc<Notify>,
    stopping: watch::Sender<bool>,
) {
    let mut lost: Vec<Waiting> = Vec::new();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Finish(done) => {
                stopping.send_replace(false);
                // Who asked waits for the answer.
                _ = done.send(std::mem::take(&mut lost));
            }
            Order::Write(batch, _) if !lost.is_empty() => lost.extend(batch),
            Order::Write(batch, prepared) => match written(prepared).await {
                Some(applied) => {
                    acknowledge(&changes, batch, applied);
                    committed.notify_one();
                }
                None => {
                    lost.extend(batch);
                    stopping.send_replace(true);
                }
            },
        }
    }
}

async fn written(prepared: Prepared) -> Option<Applied> {
    match AssertUnwindSafe(prepared.write()).catch_unwind().await {
        Ok(Ok(applied)) => Some(applied),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a prepared batch goes the plain way");
            None
        }
        Err(panic) => {
            let reason = panic_text(panic.as_ref());
            tracing::error!(reason, "a prepared batch goes the plain way");
            None
        }
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
