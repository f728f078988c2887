//! Threads of the writer to SQLite: one prepares batches, one commits them, one syncs the log and tells.
//!
//! Each of them waits for SQLite or the disk where it stands. Among the tasks of requests it would keep
//! them waiting; and every change of threads costs as much as several statements, so there is only one
//! from each to the next.

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

/// Starts a thread for work that waits for SQLite or the disk.
pub(super) fn start(name: &str, work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name(name.to_owned());
    // What is sent to it then finds nobody, and the sender hears so.
    if let Err(error) = thread.spawn(work) {
        tracing::error!(%error, name, "a thread of the writer could not be started");
    }
}
