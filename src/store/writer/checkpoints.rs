//! SQLite's log is written back into the file beside the writer, not by it.
//!
//! A commit that has to do it keeps everybody waiting for two more trips to the disk and thousands of
//! pages. A connection of its own copies what is committed every moment; it never waits for the writer
//! nor keeps it waiting.
//!
//! The log begins anew only when all of it is copied, and while commits come there is always something left.
//! So once it is long it is copied again and again until little is left, and that little while nobody commits.
//! Only if that never succeeds does a commit have to do it (`wal_autocheckpoint`, [`super::super::direct`]).

use std::{sync::Weak, time::Duration};

use sqlx::SqlitePool;
use tokio::sync::Notify;

/// The log grows so long before it is looked at again.
const PAUSE: Duration = Duration::from_millis(200);
/// A log of so many pages begins anew: 64 MB.
const LONG: i64 = 16_384;
/// So many pages may be copied while nobody commits.
const FEW: i64 = 256;
/// So often it is tried to come to that: who commits faster than the disk copies is let pass.
const TRIES: usize = 8;

/// Copies the log whenever something was committed, until the writer is gone. Who holds the connection of
/// `write` commits alone.
pub(super) async fn run(checkpoint: SqlitePool, write: SqlitePool, committed: Weak<Notify>) {
    loop {
        let Some(news) = committed.upgrade() else {
            return;
        };
        tokio::select! {
            () = news.notified() => {}
            () = tokio::time::sleep(PAUSE) => continue,
        }
        drop(news);
        if let Err(error) = copy(&checkpoint, &write, LONG).await {
            // A commit's own checkpoint takes its place.
            tracing::debug!(%error, "the log could not be copied");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Copies what is there; a log of `long` pages to its end.
async fn copy(checkpoint: &SqlitePool, write: &SqlitePool, long: i64) -> Result<(), sqlx::Error> {
    let mut left = copied(checkpoint).await?;
    if left.all < long {
        return Ok(());
    }
    for _ in 0..TRIES {
        if left.pages <= FEW {
            let _alone = write.acquire().await?;
            copied(checkpoint).await?;
            return Ok(());
        }
        left = copied(checkpoint).await?;
    }
    Ok(())
}

/// What a log holds, in pages.
struct Left {
    all: i64,
    /// Of these not in the file yet.
    pages: i64,
}

async fn copied(checkpoint: &SqlitePool) -> Result<Left, sqlx::Error> {
    let (_, all, copied): (i64, i64, i64) = sqlx::query_as("pragma wal_checkpoint(passive)")
        .fetch_one(checkpoint)
        .await?;
    Ok(Left {
        all,
        pages: all - copied,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;
    use crate::store::{Db, Settings};

    /// Writes about a page.
    const A_PAGE: &str = "insert into t values (randomblob(3500))";
    const LONG: i64 = 400;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_long_log_begins_anew_although_commits_keep_coming() {
        let folder = std::env::temp_dir().join(format!("ringcard-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        let settings = Settings {
            url: format!("sqlite:{}", folder.join("t.db").display()),
            ..Settings::default()
        };
        let db = Db::open(&settings).await.unwrap();
        let Db::Lite {
            write, checkpoint, ..
        } = &db
        else {
            panic!("a SQLite file is a SQLite database");
        };
        sqlx::query("create table t (text)")
            .execute(write)
            .await
            .unwrap();
        let enough = Arc::new(AtomicBool::new(false));
        let commits = tokio::spawn({
            let (write, enough) = (write.clone(), Arc::clone(&enough));
            async move {
                let mut pages = 0;
                while !enough.load(Ordering::Relaxed) {
                    sqlx::query(A_PAGE).execute(&write).await.unwrap();
                    pages += 1;
                }
                pages
            }
        });
        let mut longest = 0;
        for _ in 0..400 {
            longest = longest.max(copied(checkpoint).await.unwrap().all);
            copy(checkpoint, write, LONG).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
            if longest > 3 * LONG {
                break;
            }
        }
        enough.store(true, Ordering::Relaxed);
        let pages: i64 = commits.await.unwrap();
        assert!(pages > 4 * LONG, "{pages} pages are too few to see it");
        assert!(longest < 3 * LONG, "the log grew to {longest} pages");
        db.close().await;
        std::fs::remove_dir_all(folder).unwrap();
    }
}
