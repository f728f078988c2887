//! Reads the PBXes' own records: at start, after a connection was made or lost, and on a schedule.
//!
//! What they tell goes the same way as live messages; a repetition changes nothing. How far they have
//! been read is kept in the store, after what was read is durable.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    dial::keep,
    settings::{Account, Intake},
};
use crate::{
    flow::{self, Flow},
    pbx::PbxError,
    store::{Db, StoreError, depths},
    telemetry,
};

/// The records of one account.
pub struct History {
    /// The account.
    pub account: Account,
    /// Where the cursor is kept.
    pub db: Db,
    /// Where messages go.
    pub flow: Flow,
    /// Told when a connection was made or lost.
    pub changed: Arc<Notify>,
    /// Limits.
    pub settings: Intake,
    /// Shutdown.
    pub stop: CancellationToken,
}

/// Why reading stopped before the end.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("{0}")]
    Pbx(#[from] PbxError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("shutting down")]
    Stopped,
}

impl History {
    /// Reads until shutdown; ends at once if this PBX keeps no records for us.
    pub async fn run(self) {
        let every = Duration::from_millis(self.settings.reconcile_every_ms);
        let again = Duration::from_millis(self.settings.reconcile_again_ms);
        let mut next = every;
        loop {
            match self.read().await {
                Ok(()) => {}
                Err(Cut::Pbx(PbxError::Unsupported) | Cut::Stopped) => return,
                Err(error) => tracing::warn!(
                    account = self.account.name.as_str(),
                    %error,
                    "the PBX's own records could not be read; tried again later"
                ),
            }
            tokio::select! {
                () = tokio::time::sleep(next) => next = every,
                // At once, and once more for what the PBX writes only when calls end.
                () = self.changed.notified() => next = again,
                () = self.stop.cancelled() => return,
            }
        }
    }

    async fn read(&self) -> Result<(), Cut> {
        let name = format!("history/{}", self.account.name);
        let mut cursor = depths::setting(&self.db, &name).await?;
        let (mut read, mut missing) = (0, 0);
        loop {
            let page = self.account.pbx.history(cursor.as_deref()).await?;
            for message in page.messages {
                let now = flow::now();
                let new_facts = keep(
                    &self.flow,
                    &self.account,
                    "history",
                    message,
                    now,
                    &self.stop,
                )
                .await
                .ok_or(Cut::Stopped)?;
                read += 1;
                missing += u64::from(new_facts > 0);
            }
            if cursor.as_deref() != Some(page.cursor.as_str()) {
                depths::keep_setting(&self.db, &name, &page.cursor).await?;
            }
            cursor = Some(page.cursor);
            if !page.more {
                break;
            }
        }
        telemetry::Reconciled {
            provider: self.account.pbx.provider(),
            account: self.account.name.as_str(),
            read,
            missing,
        }
        .emit();
        Ok(())
    }
}
