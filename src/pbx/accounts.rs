//! The accounts there are, for everybody who needs one by its name while the configuration may change.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;

use super::Pbx;
use crate::model::ids::AccountName;

/// Accounts by name; every copy sees the same ones, also after [`Accounts::replace`].
#[derive(Clone, Default)]
pub struct Accounts(Arc<ArcSwap<BTreeMap<AccountName, Arc<dyn Pbx>>>>);

impl Accounts {
    /// The account of this name, as it is set up now.
    pub fn get(&self, name: &AccountName) -> Option<Arc<dyn Pbx>> {
        self.0.load().get(name).cloned()
    }

    /// From now on these.
    pub fn replace(&self, accounts: impl IntoIterator<Item = (AccountName, Arc<dyn Pbx>)>) {
        self.0.store(Arc::new(accounts.into_iter().collect()));
    }
}

impl FromIterator<(AccountName, Arc<dyn Pbx>)> for Accounts {
    fn from_iter<T: IntoIterator<Item = (AccountName, Arc<dyn Pbx>)>>(accounts: T) -> Self {
        let made = Self::default();
        made.replace(accounts);
        made
    }
}
