//! Counts what was not let in, by account and reason, so that the doctor can tell of a signature that
//! does not fit any more. In memory first: a stranger who knocks must not write to the database.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    model::{ids::AccountName, time::Timestamp},
    store::{Db, StoreError, checkup},
};

/// How often the counts are written.
const EVERY: Duration = Duration::from_secs(30);

/// Account and reason: how many, and when the last one came.
type Counts = BTreeMap<(AccountName, &'static str), (i64, Timestamp)>;

/// Counts since they were written last.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Counts>);

impl Refusals {
    /// Counts one message of a known account.
    pub fn count(&self, account: &AccountName, reason: &'static str, now: Timestamp) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry((account.clone(), reason)).or_default();
        *count = (count.0 + 1, now);
    }

    /// Writes what has been counted since the last time.
    pub async fn write(&self, db: &Db) -> Result<(), StoreError> {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let rows: Vec<checkup::Refusal> = counts
            .into_iter()
            .map(|((account, reason), (times, last_at))| checkup::Refusal {
                account: account.as_str().to_owned(),
                reason: reason.to_owned(),
                times,
                last_at: last_at.as_micros(),
            })
            .collect();
        checkup::add_refusals(db, &rows).await
    }

    /// Writes them now and then for ever.
    pub async fn keep_writing(&self, db: &Db) {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(error) = self.write(db).await {
                tracing::warn!(%error, "counts of refused messages are lost");
            }
        }
    }
}
