//! Batches and everybody else's changes take turns on SQLite: who commits batches holds everybody else's one
//! connection meanwhile. Left to ask for the lock again and again, SQLite would let the quicker one pass
//! each time.
//!
//! To take it and to give it back costs trips to the thread of that connection. So it is kept from batch to
//! batch, while one follows another, as long as nobody minds.

use std::time::{Duration, Instant};

use sqlx::{Sqlite, SqlitePool, pool::PoolConnection};
use tokio::runtime::Handle;

/// So long others wait at most for the end of a turn, beside the batch that is being written.
const LONGEST: Duration = Duration::from_millis(5);

pub(super) struct Turn {
    write: SqlitePool,
    runtime: Handle,
    held: Option<(PoolConnection<Sqlite>, Instant)>,
}

impl Turn {
    /// None yet on this connection, which is everybody else's as `runtime` is.
    pub(super) fn of(write: &SqlitePool, runtime: &Handle) -> Self {
        Self {
            write: write.clone(),
            runtime: runtime.clone(),
            held: None,
        }
    }

    /// Waits for a turn, if there is none or it has been a long one.
    pub(super) fn take(&mut self) -> Result<(), sqlx::Error> {
        if let Some((_, since)) = &self.held
            && since.elapsed() >= LONGEST
        {
            self.end();
        }
        if self.held.is_none() {
            let connection = self.runtime.block_on(self.write.acquire())?;
            self.held = Some((connection, Instant::now()));
        }
        Ok(())
    }

    /// Lets the next one have it.
    pub(super) fn end(&mut self) {
        // It goes back by a task.
        let _runtime = self.runtime.enter();
        self.held = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.end();
    }
}
