//! Call-backs that nobody made in time go to the head of the department, each once.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    live::Hub,
    model::time::Timestamp,
    store::{Db, StoreError, tasks},
};

/// Handed on in one transaction: it holds the write lock.
const AT_ONCE: i64 = 200;

/// When a call-back is overdue for long enough.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How often to look, in milliseconds.
    pub every_ms: u64,
    /// How long after its time a call-back is handed on, in milliseconds.
    pub grace_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            every_ms: 15_000,
            grace_ms: 15 * 60_000,
        }
    }
}

/// Looks again and again; open lists are read anew when something was handed on.
pub async fn run(db: Db, hub: std::sync::Arc<Hub>, settings: Settings, now: fn() -> Timestamp) {
    loop {
        match once(&db, &settings, now()).await {
            Ok(0) => {}
            Ok(_) => hub.lists_changed(),
            Err(error) => tracing::warn!(%error, "overdue call-backs could not be handed on"),
        }
        tokio::time::sleep(Duration::from_millis(settings.every_ms.max(100))).await;
    }
}

/// Hands on what is overdue now; tells how many.
pub async fn once(db: &Db, settings: &Settings, now: Timestamp) -> Result<u64, StoreError> {
    let before = now.plus_millis(-settings.grace_ms);
    let mut all = 0;
    loop {
        let some = tasks::escalate(db, before, now, AT_ONCE).await?;
        all += some;
        if some < AT_ONCE.unsigned_abs() {
            return Ok(all);
        }
    }
}
