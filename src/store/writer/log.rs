//! SQLite's log on its way to the disk, while the next batch is being written.
//!
//! Batches are committed by a connection that does not wait for the disk (`synchronous = normal`): what
//! it has committed others can read, and power loss may take it, from the end and never from the middle.
//! So nobody is told of a batch before [`Log::make_durable`] has come back. What is copied from the log
//! into the file beside the writer is no danger: SQLite syncs the log before, whoever copies it.
//!
//! When a sync fails, Linux forgets which pages it could not write, and a second try would succeed with
//! nothing done. So the whole log is copied back into the file instead, which writes every page anew
//! and syncs it there.

use std::{
    fs::File,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::SqlitePool;
use tokio::runtime::Handle;

use super::{Health, worker::HealthTold};
use crate::store::Db;

/// Pause between tries while the disk does not take it.
const PAUSE: Duration = Duration::from_millis(250);

/// The log of a SQLite database.
pub(super) struct Log {
    path: PathBuf,
    /// The file that was synced last: SQLite makes a new one when nobody has had the database open.
    known: Option<u64>,
    /// A sync has failed, and the log has not been copied back since.
    is_behind: bool,
    checkpoint: SqlitePool,
    runtime: Handle,
    health: HealthTold,
}

impl Log {
    /// The log of this database; `None` on PostgreSQL, which syncs its own.
    pub(super) fn of(db: &Db, health: HealthTold, runtime: &Handle) -> Option<Self> {
        let Db::Lite { checkpoint, .. } = db else {
            return None;
        };
        let file = db.file()?;
        // SQLite follows links, and its log stands beside the file itself.
        let file = file.canonicalize().unwrap_or(file);
        let mut path = file.into_os_string();
        path.push("-wal");
        Some(Self {
            path: path.into(),
            known: None,
            is_behind: false,
            checkpoint: checkpoint.clone(),
            runtime: runtime.clone(),
            health,
        })
    }

    /// Returns when everything that was committed before is on the disk; while the disk does not take
    /// it, only for as long as somebody waits for that.
    pub(super) fn make_durable(&mut self, is_awaited: impl Fn() -> bool) {
        if !self.is_behind {
            let Err(error) = self.sync() else {
                return;
            };
            self.is_behind = true;
            let reason = format!("the log could not be synced: {error}");
            self.health.is(Health::Failing(reason));
        }
        while self.is_behind && is_awaited() {
            let reason = match self.copy_back() {
                Ok(true) => {
                    self.is_behind = false;
                    self.health.is(Health::Good);
                    return;
                }
                Ok(false) => "the log is being read and cannot be copied back".to_owned(),
                Err(error) => format!("the log could not be copied back: {error}"),
            };
            self.health.is(Health::Failing(reason));
            std::thread::sleep(PAUSE);
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        #[cfg(feature = "planted")]
        if crate::planted::is("log_not_synced") || crate::planted::is("synchronous_off") {
            return Ok(());
        }
        self.known = Some(sync(&self.path, self.known)?);
        Ok(())
    }

    /// Copies the whole log into the file and empties it; `false` if somebody still reads from it.
    fn copy_back(&self) -> Result<bool, sqlx::Error> {
        let copy = sqlx::query_as("pragma wal_checkpoint(truncate)").fetch_one(&self.checkpoint);
        let (busy, _, _): (i64, i64, i64) = self.runtime.block_on(copy)?;
        Ok(busy == 0)
    }
}

/// Syncs the file of this name, and that it is there if it is not the one known; gives its number.
/// It is opened each time: SQLite may have put another one in its place.
fn sync(path: &Path, known: Option<u64>) -> io::Result<u64> {
    let file = File::open(path)?;
    file.sync_data()?;
    let number = file.metadata()?.ino();
    if known != Some(number)
        && let Some(folder) = path.parent()
    {
        File::open(folder)?.sync_all()?;
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::sync::watch;

    use super::*;
    use crate::store::Settings;

    async fn opened(path: &Path) -> Db {
        let url = format!("sqlite:{}", path.display());
        let settings = Settings {
            url,
            ..Settings::default()
        };
        Db::open(&settings).await.unwrap()
    }

    async fn until(what: impl Fn() -> bool) {
        let began = Instant::now();
        while !what() {
            assert!(began.elapsed() < Duration::from_secs(20), "never came so");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_log_that_cannot_be_synced_is_copied_back_first() {
        let folder = std::env::temp_dir().join(format!("ringcard-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("t.db");
        let db = opened(&path).await;
        let Db::Lite { read, batch, .. } = &db else {
            panic!("a SQLite file is a SQLite database");
        };
        for sql in ["create table t (n)", "insert into t values (1)"] {
            batch.run(sql).unwrap();
        }
        let mut reader = read.begin().await.unwrap();
        let seen: (i64,) = sqlx::query_as("select n from t")
            .fetch_one(&mut *reader)
            .await
            .unwrap();
        assert_eq!(seen.0, 1);
        batch.run("insert into t values (2)").unwrap();

        let (told, health) = watch::channel(Health::Good);
        let mut log = Log::of(&db, HealthTold(told), &Handle::current()).unwrap();
        let wal = std::mem::replace(&mut log.path, folder.join("gone"));
        // Nobody waits: it is not tried for ever, and not forgotten either.
        log.make_durable(|| false);
        assert!(log.is_behind);
        log.path.clone_from(&wal);
        let durable = tokio::task::spawn_blocking(move || {
            log.make_durable(|| true);
            log.is_behind
        });
        let being_read = "the log is being read and cannot be copied back";
        until(|| *health.borrow() == Health::Failing(being_read.to_owned())).await;
        assert!(!durable.is_finished(), "somebody reads from the log");
        reader.rollback().await.unwrap();
        assert!(!durable.await.unwrap());
        assert_eq!(*health.borrow(), Health::Good);
        assert_eq!(std::fs::metadata(&wal).unwrap().len(), 0);
        // The file holds everything without its log.
        let alone = folder.join("alone.db");
        std::fs::copy(&path, &alone).unwrap();
        let alone = opened(&alone).await;
        let (rows,): (i64,) = crate::on_read!(&alone, pool => {
            sqlx::query_as("select count(*) from t").fetch_one(pool).await
        })
        .unwrap();
        assert_eq!(rows, 2);
        alone.close().await;
        db.close().await;
        std::fs::remove_dir_all(folder).unwrap();
    }
}
