//! Work of the quiet hours: seals the facts of calls long over and lets the journal of raw messages and
//! our own bookkeeping go after their time. In small portions, because all of it holds the write lock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    model::time::Timestamp,
    store::{
        Db, StoreError,
        bookkeeping::{self, Rows},
        purge, raw, sealing,
    },
};

/// Calls sealed, and journal rows looked at, in one transaction.
const SEALED_AT_ONCE: i64 = 200;
const JOURNAL_AT_ONCE: i64 = 2_000;
/// Rows of our own bookkeeping looked at in one transaction.
const ROWS_AT_ONCE: i64 = 1_000;
/// Pause between two portions.
const BREATH: Duration = Duration::from_millis(50);
const DAY_MS: i64 = 86_400_000;

/// How long things are kept as they are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How often to look, in milliseconds.
    pub every_ms: u64,
    /// Days after which the facts of a call over are compressed.
    pub seal_after_days: i64,
    /// Days for which raw messages are kept.
    pub journal_days: i64,
    /// Days for which messages that could not be understood or applied are kept.
    pub dead_letter_days: i64,
    /// Days for which it is kept who did what.
    pub audit_days: i64,
    /// Days for which routing decisions and visits are kept whose call never came; the others stay with
    /// their call.
    pub loose_decision_days: i64,
    /// Days for which jobs and messages that are done or were given up are kept.
    pub finished_job_days: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            every_ms: 600_000,
            seal_after_days: 7,
            journal_days: 30,
            dead_letter_days: 180,
            audit_days: 3 * 365,
            loose_decision_days: 30,
            finished_job_days: 30,
        }
    }
}

/// Looks again and again; once a day also at what it takes long to look through.
pub async fn run(db: Db, settings: Settings, now: fn() -> Timestamp) {
    let mut looked_through = None;
    loop {
        let today = now().as_millis().div_euclid(DAY_MS);
        let done = async {
            once(&db, &settings, now()).await?;
            if looked_through != Some(today) {
                daily(&db, &settings, now()).await?;
                looked_through = Some(today);
            }
            Ok::<(), StoreError>(())
        };
        if let Err(error) = done.await {
            tracing::warn!(%error, "upkeep stopped half-way and goes on next time");
        }
        tokio::time::sleep(Duration::from_millis(settings.every_ms.max(1_000))).await;
    }
}

/// Does what there is to do; trouble with facts does not keep the journal from going in time.
pub async fn once(db: &Db, settings: &Settings, now: Timestamp) -> Result<(), StoreError> {
    let sealed = seal(db, days_ago(now, settings.seal_after_days)).await;
    let journal_before = days_ago(now, settings.journal_days);
    let gone = raw::forget(
        db,
        journal_before,
        days_ago(now, settings.dead_letter_days),
        JOURNAL_AT_ONCE,
    )
    .await?;
    purge::by_age(db, "journal", "raw", gone, journal_before, now).await?;
    let audit_before = days_ago(now, settings.audit_days);
    let gone = forget(db, Rows::Audit, audit_before).await?;
    purge::by_age(db, "audit", "audit", gone, audit_before, now).await?;
    let jobs_before = days_ago(now, settings.finished_job_days);
    forget(db, Rows::FinishedJobs, jobs_before).await?;
    forget(db, Rows::FinishedDeliveries, jobs_before).await?;
    sealed
}

/// Does what needs a look at every old row: most decisions and visits stay.
pub async fn daily(db: &Db, settings: &Settings, now: Timestamp) -> Result<(), StoreError> {
    let before = days_ago(now, settings.loose_decision_days);
    forget(db, Rows::LooseDecisions, before).await?;
    forget(db, Rows::LooseVisits, before).await?;
    Ok(())
}

async fn forget(db: &Db, rows: Rows, before: Timestamp) -> Result<u64, StoreError> {
    let (mut gone, mut after) = (0, Some(0));
    while let Some(row) = after {
        let done = bookkeeping::forget(db, rows, row, before, ROWS_AT_ONCE).await?;
        gone += done.gone;
        after = done.after;
        // Also when nothing went: to look is a turn on the writer's connection.
        if after.is_some() {
            tokio::time::sleep(BREATH).await;
        }
    }
    Ok(gone)
}

fn days_ago(now: Timestamp, days: i64) -> Timestamp {
    now.plus_millis(-days.saturating_mul(DAY_MS))
}

async fn seal(db: &Db, before: Timestamp) -> Result<(), StoreError> {
    while sealing::seal(db, before, SEALED_AT_ONCE).await? > 0 {
        tokio::time::sleep(BREATH).await;
    }
    Ok(())
}
