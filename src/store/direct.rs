//! SQLite in the thread that asks: the writer's own connections, one that reads ahead and one that commits
//! batches, and one for questions that a ringing phone waits for. Everybody else's go through sqlx, which has
//! a thread for each.
//!
//! How a connection is set up is said here once, for both. Leaves out: what is read and written ([`super::rows`]).

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use tokio::runtime::{Handle, RuntimeFlavor};

/// How long SQLite asks again for a lock that somebody else holds.
const BUSY: Duration = Duration::from_secs(5);
/// Statements kept ready on a connection.
const STATEMENTS: usize = 256;

/// What tells one connection from another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Whether a commit waits for the disk.
    synchronous: SqliteSynchronous,
    /// Most that it keeps of the file, in KiB; taken only as needed.
    cache_kib: u32,
}

/// Everybody's.
pub(super) const COMMON: Manner = Manner {
    // FULL: an acknowledged message survives power loss.
    synchronous: SqliteSynchronous::Full,
    // The default of 2 MB holds no more than one batch's pages.
    cache_kib: 32_000,
};

/// Of the connection that commits batches and does not wait for the disk.
pub(super) const BATCH: Manner = Manner {
    synchronous: SqliteSynchronous::Normal,
    // SQLite looks through all of it at every commit that has split a page.
    cache_kib: 8_000,
};

impl Manner {
    /// What is said to a new connection, in this order. sqlx says `foreign_keys` by itself, and nothing else.
    fn pragmas(self) -> [(&'static str, String); 6] {
        let synchronous = match synchronous(self.synchronous) {
            SqliteSynchronous::Off => "OFF",
            SqliteSynchronous::Normal => "NORMAL",
            SqliteSynchronous::Full => "FULL",
            SqliteSynchronous::Extra => "EXTRA",
        };
        [
            ("journal_mode", "WAL".to_owned()),
            ("foreign_keys", "ON".to_owned()),
            ("synchronous", synchronous.to_owned()),
            ("cache_size", format!("-{}", self.cache_kib)),
            ("temp_store", "memory".to_owned()),
            // 64 MB. While the writer runs, little is left to be copied by then.
            ("wal_autocheckpoint", "16384".to_owned()),
        ]
    }

    /// The same for sqlx.
    pub(super) fn of_pool(self, options: SqliteConnectOptions) -> SqliteConnectOptions {
        let pragmas = self.pragmas().into_iter();
        pragmas
            .fold(options, |options, (name, value)| {
                options.pragma(name, value)
            })
            .busy_timeout(BUSY)
            .statement_cache_capacity(STATEMENTS)
    }
}

fn synchronous(wanted: SqliteSynchronous) -> SqliteSynchronous {
    #[cfg(feature = "planted")]
    if crate::planted::is("synchronous_off") {
        return SqliteSynchronous::Off;
    }
    wanted
}

/// What went wrong on a connection of the writer's own.
#[derive(Debug, thiserror::Error)]
pub enum DirectError {
    /// SQLite said no.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The database is being closed.
    #[error("the database is closed")]
    Closed,
    /// Somebody else has changed what a prepared batch stands on.
    #[error("what the batch was prepared with is outdated")]
    Outdated,
    /// Rows filled for the other engine: a mistake in the caller.
    #[error("rows were filled for another engine")]
    MixedEngines,
}

impl From<DirectError> for sqlx::Error {
    fn from(error: DirectError) -> Self {
        Self::AnyDriverError(Box::new(error))
    }
}

/// A connection to SQLite, opened when it is first needed; who uses it waits for it in his own thread.
#[derive(Clone, Debug)]
pub struct Direct(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: PathBuf,
    access: OpenFlags,
    manner: Manner,
    slot: Mutex<Slot>,
}

#[derive(Debug)]
enum Slot {
    Unopened,
    Open(Connection),
    Closed,
}

impl Direct {
    /// One that only reads the file of these options.
    pub(super) fn reading(options: &SqliteConnectOptions, manner: Manner) -> Self {
        Self::new(options, manner, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    /// One that writes it, and makes it if it is not there.
    pub(super) fn writing(options: &SqliteConnectOptions, manner: Manner) -> Self {
        let access = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        Self::new(options, manner, access)
    }

    fn new(options: &SqliteConnectOptions, manner: Manner, access: OpenFlags) -> Self {
        Self(Arc::new(Shared {
            file: options.get_filename().to_owned(),
            // As sqlx opens it: one thread at a time, and a `file:` name may say more.
            access: access
                | OpenFlags::SQLITE_OPEN_NO_MUTEX
                | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE
                | OpenFlags::SQLITE_OPEN_URI,
            manner,
            slot: Mutex::new(Slot::Unopened),
        }))
    }

    /// Does something with it. What is begun in `work` must be ended by guards: it may panic.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, DirectError>,
    ) -> Result<T, DirectError> {
        self.0.with(self.slot(), work)
    }

    /// Does something with it in this thread, a runtime's, whose other tasks go on elsewhere meanwhile. `None`:
    /// somebody else has the connection, or it cannot; then one of sqlx is to be asked.
    pub(super) fn at_once<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, DirectError>,
    ) -> Option<T> {
        let slot = match self.0.slot.try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(slot)) => slot.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let work = || self.0.with(slot, work);
        let done = match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
            _ => work(),
        };
        done.inspect_err(|error| tracing::debug!(%error, "not read in the thread that asks"))
            .ok()
    }

    /// Runs a text without rows.
    pub fn run(&self, text: &str) -> Result<(), DirectError> {
        self.with(|connection| Ok(connection.execute_batch(text)?))
    }

    /// Closes it for good, once who uses it is done.
    pub(super) async fn close(&self) {
        let this = self.clone();
        let closed = tokio::task::spawn_blocking(move || {
            drop(std::mem::replace(&mut *this.slot(), Slot::Closed));
        });
        if let Err(error) = closed.await {
            tracing::warn!(%error, "a connection of the writer's own could not be closed");
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        // A panic leaves nothing open: see `with`.
        self.0.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn with<T>(
        &self,
        mut slot: MutexGuard<'_, Slot>,
        work: impl FnOnce(&mut Connection) -> Result<T, DirectError>,
    ) -> Result<T, DirectError> {
        if let Slot::Unopened = *slot {
            *slot = Slot::Open(self.open()?);
        }
        match &mut *slot {
            Slot::Open(connection) => work(connection),
            Slot::Unopened | Slot::Closed => Err(DirectError::Closed),
        }
    }

    fn open(&self) -> Result<Connection, rusqlite::Error> {
        let connection = Connection::open_with_flags(&self.file, self.access)?;
        connection.busy_timeout(BUSY)?;
        for (name, value) in self.manner.pragmas() {
            connection.execute_batch(&format!("pragma {name} = {value}"))?;
        }
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    }
}

#[cfg(test)]
mod tests {
    use std::{str::FromStr, sync::mpsc};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_asks_at_once_never_waits_for_another() {
        let folder = std::env::temp_dir().join(format!("ringcard-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        let url = format!("sqlite:{}", folder.join("t.db").display());
        let options = SqliteConnectOptions::from_str(&url).unwrap();
        let ask = |asked: &Direct| {
            asked.at_once(|connection| {
                Ok(connection.query_row("select count(*) from t", [], |row| row.get(0))?)
            })
        };
        let asked = Direct::reading(&options, COMMON);
        assert_eq!(ask(&asked), None::<i64>, "there is no file yet");
        let writing = Direct::writing(&options, COMMON);
        writing.run("create table t (n)").unwrap();
        assert_eq!(ask(&asked), Some(0));

        let (held, is_held) = mpsc::channel();
        let (enough, is_enough) = mpsc::channel::<()>();
        let other = std::thread::spawn({
            let asked = asked.clone();
            move || {
                asked.with(|_| {
                    held.send(()).unwrap();
                    is_enough.recv().unwrap();
                    Ok(())
                })
            }
        });
        is_held.recv().unwrap();
        assert_eq!(ask(&asked), None);
        enough.send(()).unwrap();
        other.join().unwrap().unwrap();
        assert_eq!(ask(&asked), Some(0));

        asked.close().await;
        assert_eq!(ask(&asked), None);
        writing.close().await;
        std::fs::remove_dir_all(folder).unwrap();
    }
}
