//! A thread for the writer to SQLite.
//!
//! Each batch goes several times to SQLite's own thread, to the disk and back. Among the tasks of
//! requests what comes back would wait its turn every time, while SQLite has nothing to do; in a thread
//! of its own it goes on at once.

use tokio::{runtime::Builder, sync::oneshot};

/// Runs the work with all that it starts, in a thread of its own.
pub(super) fn run(work: impl Future<Output = ()> + Send + 'static, ended: oneshot::Sender<()>) {
    let work = until_ended(work, ended);
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::warn!(%error, "the writer shares the threads of requests");
            tokio::spawn(work);
            return;
        }
    };
    // Without a thread the process is as good as dead; what is sent to the writer then hears so.
    let thread = std::thread::Builder::new().name("writer".to_owned());
    if let Err(error) = thread.spawn(move || runtime.block_on(work)) {
        tracing::error!(%error, "the writer could not be started");
    }
}

/// Says when the work has ended; if it panics, nothing is said.
pub(super) async fn until_ended(work: impl Future<Output = ()>, ended: oneshot::Sender<()>) {
    work.await;
    // Nobody may wait for it.
    _ = ended.send(());
}
