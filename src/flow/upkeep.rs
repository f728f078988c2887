//! Work of the quiet hours: seals the facts of calls long over and lets the journal of raw messages
//! go after its time. In small portions, because both hold the write lock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    model::time::Timestamp,
    store::{Db, StoreError, raw, sealing},
};

/// Calls sealed, and journal rows looked at, in one transaction.
const SEALED_AT_ONCE: i64 = 200;
const JOURNAL_AT_ONCE: i64 = 2_000;
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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            every_ms: 600_000,
            seal_after_days: 7,
            journal_days: 30,
            dead_letter_days: 180,
        }
    }
}

/// Looks again and again.
pub async fn run(db: Db, settings: Settings, now: fn() -> Timestamp) {
    loop {
        if let Err(error) = once(&db, &settings, now()).await {
            tracing::warn!(%error, "upkeep stopped half-way and goes on next time");
        }
        tokio::time::sleep(Duration::from_millis(settings.every_ms.max(1_000))).await;
    }
}

/// Does what there is to do; trouble with facts does not keep the journal from going in time.
pub async fn once(db: &Db, settings: &Settings, now: Timestamp) -> Result<(), StoreError> {
    let days_ago = |days: i64| now.plus_millis(-days.saturating_mul(DAY_MS));
    let sealed = seal(db, days_ago(settings.seal_after_days)).await;
    raw::forget(
        db,
        days_ago(settings.journal_days),
        days_ago(settings.dead_letter_days),
        JOURNAL_AT_ONCE,
    )
    .await?;
    sealed
}

async fn seal(db: &Db, before: Timestamp) -> Result<(), StoreError> {
    while sealing::seal(db, before, SEALED_AT_ONCE).await? > 0 {
        tokio::time::sleep(BREATH).await;
    }
    Ok(())
}
