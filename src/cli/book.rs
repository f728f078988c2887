//! Calls of a recorded conversation: facts in, derived calls out, without a database.

use std::{collections::BTreeMap, io::Write};

use anyhow::Result;
use serde_json::json;

use super::export;
use crate::{
    model::{
        event::{CallEvent, Fact},
        ids::{AccountName, CallKey},
    },
    tracker::{self, Facts},
};

/// Facts grouped into calls by the keys they were told under.
#[derive(Default)]
pub struct Book {
    calls: Vec<Facts>,
    by_key: BTreeMap<(AccountName, CallKey), usize>,
}

impl Book {
    /// Puts a fact where it belongs; a fact that ties two calls makes one of them.
    pub fn take(&mut self, event: CallEvent) {
        let mut at = self.place(&event.account, &event.call);
        if let Fact::SameCall { with } = &event.fact {
            let other = self.place(&event.account, with);
            at = self.unite(at, other);
        }
        self.calls[at].insert(event);
    }

    fn place(&mut self, account: &AccountName, key: &CallKey) -> usize {
        let name = (account.clone(), key.clone());
        let next = self.calls.len();
        let at = *self.by_key.entry(name).or_insert(next);
        if at == next {
            self.calls.push(Facts::new());
        }
        at
    }

    fn unite(&mut self, stays: usize, goes: usize) -> usize {
        if stays != goes {
            let gone = std::mem::take(&mut self.calls[goes]);
            self.calls[stays].unite(gone);
            for at in self.by_key.values_mut().filter(|at| **at == goes) {
                *at = stays;
            }
        }
        stays
    }

    /// Writes one line of JSON for each call, by start.
    pub fn write(&self, out: &mut impl Write) -> Result<()> {
        let mut calls: Vec<_> = self
            .calls
            .iter()
            .filter(|facts| !facts.is_empty())
            .map(|facts| (tracker::derive(facts), facts))
            .collect();
        calls.sort_by_key(|(call, facts)| (call.started_at, tracker::main_key(facts).cloned()));
        for (call, facts) in calls {
            let mut json = export::derived_json(&call);
            json["call_key"] = json!(tracker::main_key(facts));
            writeln!(out, "{}", json!({ "call": json }))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        event::{Clock, Direction},
        time::Timestamp,
    };

    fn event(call: &str, second: i64, fact: Fact) -> CallEvent {
        CallEvent {
            account: "office".into(),
            call: call.into(),
            leg: None,
            at: Timestamp::from_seconds(1_790_000_000 + second),
            clock: Clock::Exact,
            id: format!("{call}/{second}").into(),
            fact,
        }
    }

    #[test]
    fn a_tie_told_late_makes_one_call_of_two() {
        let mut book = Book::default();
        let begins = || Fact::Parties {
            direction: Some(Direction::In),
            client: None,
            client_name: None,
            did: None,
        };
        book.take(event("a", 1, begins()));
        book.take(event("b", 2, begins()));
        book.take(event("c", 3, begins()));
        book.take(event("b", 4, Fact::SameCall { with: "a".into() }));
        let mut out = Vec::new();
        book.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let keys: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|line| line["call"]["call_key"].clone())
            .collect();
        assert_eq!(keys, ["a", "c"], "{text}");
    }
}
