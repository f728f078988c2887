//! Which phones of which PBX can be rung: what connections tell, for the desk that answers enquiries.
//!
//! Lives as long as the connection: when it is lost nothing is known any more, and nobody is passed over
//! for it. The PBX is asked anew after the next login.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    model::{
        device::DeviceNews,
        ids::{AccountName, Extension},
    },
    rules::{self, routing::PassedOver},
};

/// The phones of all accounts.
#[derive(Debug, Default)]
pub struct Phones(Mutex<HashMap<AccountName, rules::phones::Phones>>);

impl Phones {
    /// Takes note of what an account's PBX says.
    pub fn note(&self, account: &AccountName, news: Vec<DeviceNews>) {
        if news.is_empty() {
            return;
        }
        let mut accounts = self.lock();
        let phones = accounts.entry(account.clone()).or_default();
        news.into_iter().for_each(|one| phones.note(one));
    }

    /// The account's connection is gone.
    pub fn forget(&self, account: &AccountName) {
        self.lock().remove(account);
    }

    /// The account's phones that cannot be rung, and why.
    pub fn troubled(&self, account: &AccountName) -> BTreeMap<Extension, PassedOver> {
        let accounts = self.lock();
        let phones = accounts.get(account);
        phones
            .map(rules::phones::Phones::troubled)
            .unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountName, rules::phones::Phones>> {
        // Nothing in here panics while it holds the lock; if it ever did, the state is still usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::device::{DeviceState, Told};

    #[test]
    fn a_lost_connection_passes_nobody_over() {
        let phones = Phones::default();
        let (office, branch) = ("office".into(), "branch".into());
        let away = || DeviceNews {
            extension: "101".into(),
            by: Told::Device,
            state: DeviceState::Unreachable,
        };
        phones.note(&office, vec![away()]);
        phones.note(&branch, vec![away()]);
        assert_eq!(phones.troubled(&office).len(), 1);
        phones.forget(&office);
        assert!(phones.troubled(&office).is_empty());
        assert_eq!(phones.troubled(&branch).len(), 1, "another PBX");
    }
}
