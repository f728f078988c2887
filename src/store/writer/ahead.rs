//! On SQLite a batch is prepared while the one before it is on its way to disk.
//!
//! Everything a batch must know is read and derived outside its transaction, so the write lock is held
//! for the writing alone. Calls come from the writer's memory, which no one else changes; numbers and
//! forgotten calls are read as committed, and what the batch on its way has made is known besides
//! ([`Unread`]). The transaction begins by asking whether `directory_version` still is what the
//! preparation was made with: triggers let it grow with every change by which it may be wrong, and it
//! counts the batches, should another writer be at work. If it has grown, or anything else is out of the
//! ordinary (calls that turn out to be one, a new line, an error), nothing is written and the batch goes
//! the plain way: read and written in one transaction.

use super::{
    Submission,
    apply::{Applied, ApplyError, Committer, Stored},
    group::Keys,
    source::{Source, Unread},
    statements as sql,
};
use crate::{
    model::ids::CallId,
    store::{
        direct::DirectError,
        rows::{Alone, ScriptRows, Stand},
    },
};

/// A batch ready to be written.
pub(super) struct Prepared {
    alone: Alone,
    writes: ScriptRows,
    /// Where the database must stand.
    stand: Stand,
    /// What to tell once it is written.
    applied: Applied,
}

impl Prepared {
    /// Writes it in one transaction, whole or not at all. It is durable once the log is synced.
    pub(super) fn write(self) -> Result<Applied, DirectError> {
        self.alone.commit(self.writes, self.stand)?;
        Ok(self.applied)
    }
}

impl Committer {
    /// Prepares a batch. `None`: it must wait for the one on its way, and go in one transaction.
    pub(super) async fn prepare(&mut self, batch: &[&Submission]) -> Option<Prepared> {
        let alone = self.alone.clone()?;
        let stand = self.stand?;
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
            applied: self.remember(plan.works, plan.receipts),
        })
    }

    /// Which call each key names: by the batch on its way, by memory, else as committed.
    pub(super) async fn find_ahead(
        &mut self,
        ahead: &Alone,
        keys: &Keys<'_>,
    ) -> Result<Stored, ApplyError> {
        let mut stored = Vec::with_capacity(keys.list().len());
        let mut unknown = sql::FIND_KEYS.rows(self.engine);
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
