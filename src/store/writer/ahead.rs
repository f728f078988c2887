//! A batch is prepared while the one before it is on its way to disk.
//!
//! Everything a batch must know is read and derived outside its transaction, so locks are held for the
//! writing alone. Calls come from the writer's memory, which no one else changes; numbers and
//! forgotten calls are read as committed, and what the batch on its way has made is known besides
//! ([`Unread`]). The transaction begins by asking whether `directory_version` still is what the
//! preparation was made with: triggers let it grow with every change by which it may be wrong, and batches
//! are counted, should another writer be at work. PostgreSQL, where others write meanwhile, also changes a
//! call only in the version that it had, and keeps other writers away. If anything is not as it was, or out of the
//! ordinary (calls that turn out to be one, a new line, an error), nothing is written and the batch goes
//! the plain way: read and written in one transaction. While other nodes write too, all batches do.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

use super::{
    Submission,
    apply::{Applied, ApplyError, Committer, Stored},
    group::Keys,
    source::{Source, Unread},
    statements as sql,
};
use crate::{
    model::{call::Change, ids::CallId},
    store::rows::{self, Alone, Engine, Pledge, ScriptRows, Stand},
};

/// A batch ready to be written.
pub(super) struct Prepared {
    alone: Alone,
    writes: ScriptRows,
    /// Where the database must stand.
    stand: Stand,
    /// Whether the next batch is written only when this one is durable.
    waits: bool,
    /// What to tell once it is written.
    applied: Applied,
    fate: Arc<Fate>,
}

impl Prepared {
    /// Writes it in one transaction, whole or not at all. It is durable once that is flushed. An error gives what
    /// to tell if it was written all the same.
    pub(super) async fn write(self) -> Result<(Applied, Pledge), (sqlx::Error, Vec<Change>)> {
        let Self { alone, writes, .. } = self;
        match alone.commit(writes, self.stand, self.waits).await {
            Ok(pledge) => {
                self.fate.written.fetch_add(1, Ordering::Relaxed);
                Ok((self.applied, pledge))
            }
            Err(error) => {
                if stays(&error) && !self.fate.refused.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "batches are not prepared ahead for a while");
                }
                let untold = match may_be_written(&error) {
                    true => self.applied.changes,
                    false => Vec::new(),
                };
                Err((error, untold))
            }
        }
    }
}

/// PostgreSQL writes the next batch while the disk takes one of so many messages. Were it so with smaller ones,
/// those that come while the disk is busy would be smaller still, and each batch costs.
pub(super) const MANY: usize = 64;

/// Batches that are not prepared ahead after another writer was met, or the database refused one for good: each
/// would be prepared for nothing.
const COMPANY: u32 = 100;

/// What has become of batches that were prepared ahead.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// How many were written.
    pub(super) written: AtomicI64,
    /// One could not be written for a reason that will be there again.
    pub(super) refused: AtomicBool,
}

/// Whether PostgreSQL will say the same of the next batch. What was prepared may be outdated, its values may
/// be refused, locks may be held by others, and the server may have gone: that passes.
fn stays(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else {
        return !matches!(error, sqlx::Error::AnyDriverError(_) | sqlx::Error::Io(_));
    };
    // Classes: raised, data exception, integrity violation, rollback, program limit, not ready, given up.
    let code = error.code().unwrap_or_default();
    !["P0", "22", "23", "40", "54", "55", "57"]
        .iter()
        .any(|class| code.starts_with(class))
}

/// Whether a commit that ended like this may have been made: no server has said anything of it.
pub(super) fn may_be_written(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_)
    ) || error.as_database_error().is_some_and(|error| {
        // The server ends the session: before the commit, or after it.
        error.code().is_some_and(|code| code.starts_with("57P"))
    })
}

impl Committer {
    /// Prepares a batch. `None`: it must wait for the one on its way, and go in one transaction.
    pub(super) async fn prepare(&mut self, batch: &[&Submission]) -> Option<Prepared> {
        let stand = self.stand?;
        if self.company > 0 {
            self.company -= 1;
            return None;
        }
        let alone = self.alone.clone();
        self.next_unread = Unread::default();
        let plan = match self.plan(&mut Source::Ahead(&alone), batch).await {
            Ok(plan) => plan,
            Err(ApplyError::Later) => return None,
            // Whatever is wrong will show itself in the transaction, too.
            Err(_) => {
                self.forget();
                return None;
            }
        };
        let mut unread = std::mem::take(&mut self.next_unread);
        unread.calls = plan.works.iter().map(|work| work.known.id).collect();
        self.unread = unread;
        self.stand = Some(Stand {
            batches: stand.batches + 1,
            ..stand
        });
        Some(Prepared {
            alone,
            writes: plan.writes,
            stand,
            waits: batch.len() < MANY,
            applied: self.remember(plan.works, plan.receipts),
            fate: Arc::clone(&self.fate),
        })
    }

    /// Where somebody else has written, names and calls, also of other batches, may be others by now. On
    /// PostgreSQL a call is used only if it is of the version that is found under its lock.
    pub(super) fn meet_others(&mut self, begun: Option<rows::Stand>) {
        // All that was prepared ahead is over by now.
        let is_known = self.count > 0;
        self.count += self.fate.written.swap(0, Ordering::Relaxed);
        let is_company = is_known && begun.is_some_and(|begun| begun.batches > self.count);
        if self.fate.refused.swap(false, Ordering::Relaxed) || is_company {
            self.company = COMPANY;
        }
        if self.stand != begun {
            match self.engine {
                Engine::Lite => self.memory.clear(),
                Engine::Pg => self.memory.forget_names(),
            }
        }
    }

    /// Which call each key names: by the batch on its way, by memory, else as committed.
    pub(super) async fn find_ahead(
        &mut self,
        ahead: &Alone,
        keys: &Keys<'_>,
    ) -> Result<Stored, ApplyError> {
        let mut stored = Vec::with_capacity(keys.list().len());
        let mut unknown = sql::READ_KEYS.rows(self.engine);
        for (n, (account, key)) in (0_i64..).zip(keys.list()) {
            let call = self
                .unread
                .call(account, key)
                .or_else(|| self.memory.named(account, key));
            stored.push(call.map(|id| (id, None)));
            if call.is_none() {
                unknown.int(n).text(account.as_str()).text(key.as_str());
            }
        }
        let rows: Vec<sql::FoundKey> = Source::Ahead(ahead).fetch(unknown).await?;
        for (n, id, version, _) in rows {
            if let (Ok(n), Some(id)) = (usize::try_from(n), id) {
                stored[n] = Some((CallId(id), version));
            }
        }
        Ok(stored)
    }

    /// Gives up preparing after calls were taken from memory.
    pub(super) fn not_ahead(&mut self) -> ApplyError {
        self.forget();
        ApplyError::Later
    }
}
