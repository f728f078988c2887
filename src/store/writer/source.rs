//! Where a batch reads what it is about: in its own transaction under the locks, or ahead of it while
//! the batch before is still on its way to disk.
//!
//! What was read ahead holds only while nobody else has changed what it depends on; a version in the
//! database tells ([`super::ahead`]). What the batch on its way has made cannot be read yet: [`Unread`].

use std::collections::{HashMap, HashSet};

use sqlx::{FromRow, postgres::PgRow, sqlite::SqliteRow};

use crate::{
    model::ids::{AccountName, CallId, CallKey},
    rules::matching::Candidate,
    store::rows::{Alone, Rows, Tx},
};

/// Where to read.
pub(super) enum Source<'a> {
    /// In the transaction that writes the batch.
    Held(&'a mut Tx),
    /// Before it: what is committed by now.
    Ahead(&'a Alone),
}

impl Source<'_> {
    /// Reads what a statement returns over its rows.
    pub(super) async fn fetch<T>(&mut self, rows: Rows) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
        T: for<'r> TryFrom<&'r rusqlite::Row<'r>, Error = rusqlite::Error>,
    {
        match self {
            Self::Held(tx) => tx.fetch(rows).await,
            Self::Ahead(alone) => alone.fetch(rows).await,
        }
    }
}

/// What the batch on its way to disk has made or changed.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// Names of its calls, new and old.
    pub(super) names: HashMap<AccountName, HashMap<CallKey, CallId>>,
    /// Its calls; they stand in the writer's memory.
    pub(super) calls: HashSet<CallId>,
    /// Cards it made, by number.
    pub(super) numbers: HashMap<String, Vec<Candidate>>,
}

impl Unread {
    /// Notes a name of a call.
    pub(super) fn name(&mut self, account: &AccountName, key: &CallKey, id: CallId) {
        let names = self.names.entry(account.clone()).or_default();
        names.insert(key.clone(), id);
    }

    /// The call of this name.
    pub(super) fn call(&self, account: &AccountName, key: &CallKey) -> Option<CallId> {
        self.names.get(account)?.get(key).copied()
    }
}
