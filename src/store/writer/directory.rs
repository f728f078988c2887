//! Whose extension it is and which line, and whether anybody outside listens: small tables kept in
//! memory while their version stands.

use std::collections::HashMap;

use crate::{
    model::ids::{AccountName, Extension, LineId, PersonId},
    store::rows::Tx,
};

/// Extensions and lines by account.
#[derive(Debug, Default)]
pub(super) struct Directory {
    accounts: HashMap<AccountName, Account>,
    /// Whether there is a subscription.
    has_listeners: bool,
    /// Version in memory; 0: nothing read yet.
    version: i64,
    /// Version in the database.
    wanted: i64,
}

#[derive(Debug, Default)]
struct Account {
    persons: HashMap<Extension, PersonId>,
    lines: HashMap<String, LineId>,
}

impl Directory {
    /// Notes the version the database has.
    pub(super) fn is_at(&mut self, version: i64) {
        self.wanted = version;
    }

    /// The version in memory; 0 if nothing has been read yet.
    pub(super) fn version(&self) -> i64 {
        self.version
    }

    /// Reads the tables if they have changed.
    pub(super) async fn refresh(&mut self, tx: &mut Tx) -> Result<(), sqlx::Error> {
        if self.version != 0 && self.version == self.wanted {
            return Ok(());
        }
        self.accounts.clear();
        let versions: Vec<(i64,)> = tx.read("select version from directory_version").await?;
        let persons: Vec<(String, String, i64)> = tx
            .read("select account, extension, person from person_extension")
            .await?;
        for (account, extension, person) in persons {
            self.account(account)
                .persons
                .insert(Extension::from(extension), PersonId(person));
        }
        let lines: Vec<(String, String, i64)> =
            tx.read("select account, did, id from line").await?;
        for (account, did, line) in lines {
            self.account(account).lines.insert(did, LineId(line));
        }
        let listeners: Vec<(i64,)> = tx.read("select id from subscription limit 1").await?;
        self.has_listeners = !listeners.is_empty();
        self.version = versions.first().map_or(0, |(version,)| *version);
        self.wanted = self.version;
        Ok(())
    }

    fn account(&mut self, name: String) -> &mut Account {
        self.accounts.entry(AccountName::from(name)).or_default()
    }

    /// Whether anybody outside wants to hear of changes.
    pub(super) fn has_listeners(&self) -> bool {
        self.has_listeners
    }

    /// Who has this extension.
    pub(super) fn person(&self, account: &AccountName, extension: &Extension) -> Option<PersonId> {
        self.accounts.get(account)?.persons.get(extension).copied()
    }

    /// The line with this number.
    pub(super) fn line(&self, account: &AccountName, did: &str) -> Option<LineId> {
        self.accounts.get(account)?.lines.get(did).copied()
    }
}
