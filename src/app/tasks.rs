//! Background tasks: a panic in one is told and the task starts again; at shutdown all of them end.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Pause before a task that gave up starts again.
const PAUSE: Duration = Duration::from_secs(1);

/// Every background task of a gateway.
#[derive(Clone, Default)]
pub(super) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Said when the gateway stops.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Runs what has nothing to finish at shutdown.
    pub(super) fn until_stop<F>(&self, name: &'static str, make: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                () = again(name, make) => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Runs what ends by itself once it is told to stop, and may take a moment for it.
    pub(super) fn to_the_end<F>(&self, name: &'static str, make: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(again(name, make));
    }

    /// Runs what may be ended before the gateway is: by the token it is given.
    pub(super) fn part<F>(
        &self,
        name: &'static str,
        make: impl Fn(CancellationToken) -> F + Send + 'static,
    ) -> Part
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.child_token();
        let told = stop.clone();
        let task = self.tracker.spawn(again(name, move || make(told.clone())));
        Part { stop, task }
    }

    /// Runs what cannot be started a second time, and has nothing to finish at shutdown.
    pub(super) fn once(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                ended = AssertUnwindSafe(task).catch_unwind() => if ended.is_err() {
                    tracing::error!(task = name, "a task gave up and cannot be started again");
                },
                () = stop.cancelled() => {}
            }
        });
    }

    /// Waits until all have ended, at most so long; says whether they have.
    pub(super) async fn end(&self, within: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(within, self.tracker.wait())
            .await
            .is_ok()
    }
}

/// A task that can be ended while the gateway goes on.
pub(super) struct Part {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Part {
    /// Tells it to stop and waits, at most so long; one that does not end goes on ending by itself.
    pub(super) async fn end(&mut self, within: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(within, &mut self.task).await.is_err() {
            tracing::warn!("a task that was to be replaced takes long to end");
        }
    }
}

/// Runs a task until it ends; one that panics is made anew.
async fn again<F>(name: &'static str, make: impl Fn() -> F)
where
    F: Future<Output = ()>,
{
    while AssertUnwindSafe(make()).catch_unwind().await.is_err() {
        tracing::error!(task = name, "a task gave up and is started again");
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_starts_again_and_stops_when_told() {
        let tasks = Tasks::default();
        let starts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&starts);
        tasks.until_stop("test", move || {
            let turn = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                assert!(turn >= 2, "planted");
                std::future::pending::<()>().await;
            }
        });
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(starts.load(Ordering::SeqCst), 3);
        assert!(tasks.end(Duration::from_secs(1)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_not_waited_for_for_ever() {
        let tasks = Tasks::default();
        tasks.to_the_end("test", std::future::pending);
        assert!(!tasks.end(Duration::from_secs(1)).await);
    }
}
