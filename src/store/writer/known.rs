//! A call as the writer holds it between commits, and the bounded memory of open calls.

use std::{collections::HashMap, sync::Arc};

use uuid::Uuid;

use crate::{
    model::{
        call::Call,
        ids::{AccountName, CallId, CallKey, CardId, LineId, PersonId},
    },
    rules::{figures::Counted, matching::MatchReason},
    store::news::CallNews,
    tracker::Facts,
};

/// A call with all that the store holds of it. Good for use only while `version` is what the database
/// says under lock.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) id: CallId,
    /// 0: not stored yet.
    pub(super) version: i64,
    pub(super) account: AccountName,
    pub(super) key: CallKey,
    pub(super) facts: Facts,
    /// Whether the facts are stored compressed, as those of calls long over.
    pub(super) sealed: bool,
    /// Whether the row was written by nobody knows which program, which may have derived another call: all of it
    /// is written anew.
    pub(super) strange: bool,
    pub(super) stand: Stand,
}

/// What the tables say of a call: everything that other tables count by.
#[derive(Clone, Debug, Default)]
pub(super) struct Stand {
    pub(super) call: Arc<Call>,
    pub(super) card: Option<CardId>,
    pub(super) reason: Option<MatchReason>,
    pub(super) line: Option<LineId>,
    pub(super) answered_by: Option<PersonId>,
}

impl Stand {
    /// What figures count of it.
    pub(super) fn counted(&self) -> Counted<'_> {
        Counted {
            call: &self.call,
            line: self.line,
            person: self.answered_by,
        }
    }
}

impl Known {
    /// What the outside is told of it.
    pub(super) fn news(&self) -> CallNews {
        CallNews {
            account: self.account.clone(),
            key: self.key.clone(),
            version: self.version,
            card: self.stand.card,
            match_reason: self.stand.reason.map(|reason| reason.as_str().to_owned()),
            line: self.stand.line,
            answered_by: self.stand.answered_by,
            call: Arc::clone(&self.stand.call),
        }
    }

    /// A call nobody has heard of.
    pub(super) fn new(account: AccountName, key: CallKey) -> Self {
        Self {
            id: CallId(Uuid::now_v7()),
            version: 0,
            account,
            key,
            facts: Facts::new(),
            sealed: false,
            strange: false,
            stand: Stand::default(),
        }
    }
}

/// Calls touched lately, in two generations: when the young one is full it becomes the old one, and
/// what nobody touched since is dropped.
#[derive(Debug)]
pub(super) struct Memory {
    young: HashMap<CallId, Known>,
    old: HashMap<CallId, Known>,
    generation: usize,
    /// Names of calls, with generations of their own.
    names: Names,
    old_names: Names,
    named: usize,
}

type Names = HashMap<AccountName, HashMap<CallKey, CallId>>;

/// Names a call goes by, on average and generously.
const NAMES_OF_CALL: usize = 4;

impl Memory {
    /// A memory of about `calls` calls.
    pub(super) fn new(calls: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            generation: (calls / 2).max(1),
            names: Names::new(),
            old_names: Names::new(),
            named: 0,
        }
    }

    /// Takes a call out if it is of this version, or of any; an outdated one is dropped.
    pub(super) fn take(&mut self, id: CallId, version: Option<i64>) -> Option<Known> {
        let known = self.young.remove(&id).or_else(|| self.old.remove(&id))?;
        version
            .is_none_or(|version| known.version == version)
            .then_some(known)
    }

    /// Notes a name of a call.
    pub(super) fn name(&mut self, account: &AccountName, key: &CallKey, id: CallId) {
        if self.named >= self.generation * NAMES_OF_CALL {
            self.old_names = std::mem::take(&mut self.names);
            self.named = 0;
        }
        let names = match self.names.get_mut(account) {
            Some(names) => names,
            None => self.names.entry(account.clone()).or_default(),
        };
        if names.insert(key.clone(), id).is_none() {
            self.named += 1;
        }
    }

    /// The call of this name, if it is remembered.
    pub(super) fn named(&self, account: &AccountName, key: &CallKey) -> Option<CallId> {
        [&self.names, &self.old_names]
            .into_iter()
            .find_map(|names| names.get(account)?.get(key).copied())
    }

    /// Forgets all names.
    pub(super) fn forget_names(&mut self) {
        self.names.clear();
        self.old_names.clear();
        self.named = 0;
    }

    /// Puts a call in.
    pub(super) fn keep(&mut self, known: Known) {
        if self.young.len() >= self.generation {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(known.id, known);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.forget_names();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(version: i64) -> Known {
        Known {
            version,
            ..Known::new("office".into(), "1".into())
        }
    }

    #[test]
    fn an_outdated_call_is_not_used() {
        let mut memory = Memory::new(10);
        let known = call(3);
        memory.keep(known.clone());
        assert!(memory.take(known.id, Some(4)).is_none());
        assert!(memory.take(known.id, Some(3)).is_none(), "and it is gone");
    }

    #[test]
    fn what_is_not_touched_is_dropped() {
        let mut memory = Memory::new(4);
        let calls: Vec<Known> = (0..5).map(|_| call(1)).collect();
        for known in &calls {
            memory.keep(known.clone());
        }
        assert!(memory.take(calls[0].id, Some(1)).is_none());
        assert!(memory.take(calls[2].id, Some(1)).is_some());
        assert!(memory.take(calls[4].id, Some(1)).is_some());
    }
}
