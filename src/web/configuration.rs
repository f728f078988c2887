//! The configuration while the gateway runs, as pages, the doctor and the command line see it: what came
//! of reading it anew.
//!
//! Leaves out how it is read and taken over (`app`).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    flow::probe::Probe,
    model::{ids::AccountName, time::Timestamp},
    store::{Db, StoreError, changes::By, settings},
};

/// Name of the value in which somebody at the machine asks to read the configuration anew.
pub const WISH: &str = "configuration/wish";
/// Name of the value that holds what came of the last reading.
const LAST: &str = "configuration/last";

/// What came of reading the configuration anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// The wish it answers; empty: a signal or a page.
    pub wish: String,
    /// When.
    pub at: Option<Timestamp>,
    /// What is wrong, as key and text; then nothing was changed.
    pub problems: Vec<(String, String)>,
    /// Keys that have changed and wait for a restart.
    pub restart: Vec<String>,
    /// Accounts that came, went or changed.
    pub accounts: Vec<String>,
}

impl Reloaded {
    /// What came of the last reading since the gateway started; `None`: there was none.
    pub async fn last(db: &Db) -> Result<Option<Self>, StoreError> {
        Ok(Self::kept(db).await?.filter(|last| last.at.is_some()))
    }

    /// What was kept last; without a time it is a start.
    pub async fn kept(db: &Db) -> Result<Option<Self>, StoreError> {
        let text = settings::get(db, LAST).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Keeps it where [`Reloaded::last`] finds it.
    pub async fn keep(&self, db: &Db) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).expect("a struct of texts is JSON");
        settings::set(db, LAST, &text).await
    }

    /// What was wrong or waits, in one line; empty if neither.
    pub fn told(&self) -> String {
        let problems = self.problems.iter();
        let problems: Vec<String> = problems
            .map(|(key, text)| format!("{key}: {text}"))
            .collect();
        match (problems.is_empty(), self.restart.is_empty()) {
            (false, _) => problems.join("; "),
            (true, false) => format!("restart: {}", self.restart.join(", ")),
            (true, true) => String::new(),
        }
    }
}

/// An account that somebody sets up on a page.
#[derive(Clone)]
pub struct NewAccount {
    /// Its name, fit for addresses and files.
    pub name: AccountName,
    /// The provider's name.
    pub kind: &'static str,
    /// What is set, by key.
    pub values: Vec<(&'static str, toml::Value)>,
    /// What is set and secret.
    pub secrets: Vec<(&'static str, String)>,
}

/// An account that a page has set up, as its file says it; secrets are not read back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptAccount {
    /// The provider's name.
    pub kind: String,
    /// What is set.
    pub values: toml::Table,
    /// Which secrets it has.
    pub secrets: Vec<String>,
}

/// What somebody changes about such an account.
#[derive(Clone)]
pub struct AccountChange {
    /// Whose.
    pub name: AccountName,
    /// Keys that are taken out first: whatever the form asks for and was left empty.
    pub cleared: Vec<&'static str>,
    /// What is set, by key.
    pub values: Vec<(&'static str, toml::Value)>,
    /// Secrets that take the place of old ones; all others stay.
    pub secrets: Vec<(&'static str, String)>,
}

/// Why an account was not added, changed or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// The configuration does not allow it.
    #[error("pages may add no accounts here")]
    Off,
    /// There is one of this name.
    #[error("the name is taken")]
    Taken,
    /// No page has set up one of this name.
    #[error("no page has set up this account")]
    Elsewhere,
    /// The configuration with it has problems, which are told where readings are.
    #[error("the configuration has problems")]
    Refused,
    /// Its files could not be written; the log says why.
    #[error("its files could not be written")]
    Unwritten,
}

/// The configuration of a gateway that runs.
#[async_trait]
pub trait Configuration: Send + Sync {
    /// Reads it anew, checks all of it, and takes it over if nothing is wrong.
    async fn reload(&self, by: By) -> Reloaded;

    /// Whether pages may add accounts.
    fn adds_accounts(&self) -> bool;

    /// Writes a new account beside the configuration and takes it over.
    async fn add_account(&self, account: NewAccount, by: By) -> Result<Reloaded, AddError>;

    /// The account as its file says it; `None`: no page has set it up, so no page changes it.
    async fn kept_account(&self, name: &AccountName) -> Option<KeptAccount>;

    /// Writes what has changed about an account that a page has set up, and takes it over.
    async fn change_account(&self, change: AccountChange, by: By) -> Result<Reloaded, AddError>;

    /// Moves the files of such an account away, and lets go of it. What it has told stays.
    async fn remove_account(&self, name: &AccountName, by: By) -> Result<Reloaded, AddError>;

    /// Lets everybody know people and lines as they are now: who has just changed them on a page does
    /// not wait until the change is noticed.
    async fn office_changed(&self);

    /// Tries the connection of an account that is dialled; `None`: there is no such account.
    async fn probe(&self, account: &AccountName) -> Option<Probe>;
}
