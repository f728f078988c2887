//! Which messages of a batch are about one call. Pure.

use std::collections::HashMap;

use crate::model::{
    event::{CallEvent, Fact},
    ids::{AccountName, CallId, CallKey},
};

/// The keys of a batch, each once, and which of them are known to be one call.
#[derive(Debug, Default)]
pub(super) struct Keys<'a> {
    list: Vec<(&'a AccountName, &'a CallKey)>,
    index: HashMap<(&'a AccountName, &'a CallKey), usize>,
    parent: Vec<usize>,
}

/// Events of one call, with the stored calls they belong to.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Places of the keys.
    pub(super) keys: Vec<usize>,
    /// Stored calls: none for a new one, several if they turn out to be one.
    pub(super) calls: Vec<CallId>,
    /// Places of the events in the batch, in order of arrival.
    pub(super) events: Vec<usize>,
}

impl<'a> Keys<'a> {
    /// The keys of these events.
    pub(super) fn of(events: &[(usize, &'a CallEvent)]) -> Self {
        let mut keys = Self::default();
        for (_, event) in events {
            let place = keys.place(&event.account, &event.call);
            #[cfg(feature = "planted")]
            if crate::planted::is("joins_are_lost") {
                continue;
            }
            if let Fact::SameCall { with } = &event.fact {
                let other = keys.place(&event.account, with);
                keys.join(place, other);
            }
        }
        keys
    }

    /// All keys, by place.
    pub(super) fn list(&self) -> &[(&'a AccountName, &'a CallKey)] {
        &self.list
    }

    fn place(&mut self, account: &'a AccountName, key: &'a CallKey) -> usize {
        let next = self.list.len();
        let place = *self.index.entry((account, key)).or_insert(next);
        if place == next {
            self.list.push((account, key));
            self.parent.push(next);
        }
        place
    }

    fn root(&mut self, mut place: usize) -> usize {
        while self.parent[place] != place {
            self.parent[place] = self.parent[self.parent[place]];
            place = self.parent[place];
        }
        place
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.parent[one.max(other)] = one.min(other);
    }

    /// Groups the events by call, given the stored call of each key. Groups come in the order in which
    /// their first key was told.
    pub(super) fn group(
        &mut self,
        events: &[(usize, &'a CallEvent)],
        stored: &[Option<CallId>],
    ) -> Vec<Group> {
        let mut first: HashMap<CallId, usize> = HashMap::new();
        for (place, call) in stored.iter().enumerate() {
            if let Some(call) = call {
                let same = *first.entry(*call).or_insert(place);
                self.join(same, place);
            }
        }
        let mut groups: Vec<Group> = Vec::new();
        let mut of_root: HashMap<usize, usize> = HashMap::new();
        for (place, call) in stored.iter().enumerate() {
            let root = self.root(place);
            let group = *of_root.entry(root).or_insert_with(|| {
                groups.push(Group::default());
                groups.len() - 1
            });
            groups[group].keys.push(place);
            if let Some(call) = call
                && !groups[group].calls.contains(call)
            {
                groups[group].calls.push(*call);
            }
        }
        for (n, (_, event)) in events.iter().enumerate() {
            let place = self.place(&event.account, &event.call);
            let root = self.root(place);
            groups[of_root[&root]].events.push(n);
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{event::Clock, time::Timestamp};

    fn event(call: &str, fact: Fact) -> CallEvent {
        CallEvent {
            account: "office".into(),
            call: call.into(),
            leg: None,
            at: Timestamp::from_seconds(1),
            clock: Clock::Exact,
            id: format!("{call}/x").as_str().into(),
            fact,
        }
    }

    fn same(with: &str) -> Fact {
        Fact::SameCall { with: with.into() }
    }

    fn groups(events: &[CallEvent], stored: impl Fn(&str) -> Option<CallId>) -> Vec<Vec<usize>> {
        let events: Vec<(usize, &CallEvent)> = events.iter().enumerate().collect();
        let mut keys = Keys::of(&events);
        let stored: Vec<Option<CallId>> = keys
            .list()
            .iter()
            .map(|(_, key)| stored(key.as_str()))
            .collect();
        keys.group(&events, &stored)
            .into_iter()
            .map(|group| group.events)
            .collect()
    }

    #[test]
    fn each_key_is_a_call_of_its_own_until_something_joins_them() {
        let events = [
            event("a", Fact::Unheard),
            event("b", Fact::Unheard),
            event("a", Fact::Unheard),
        ];
        assert_eq!(groups(&events, |_| None), [vec![0, 2], vec![1]]);
    }

    #[test]
    fn a_join_in_the_batch_holds_for_all_of_it() {
        let events = [
            event("a", Fact::Unheard),
            event("b", Fact::Unheard),
            event("c", same("a")),
            event("b", same("c")),
        ];
        assert_eq!(groups(&events, |_| None), [vec![0, 1, 2, 3]]);
    }

    #[test]
    fn keys_of_one_stored_call_are_one_group() {
        let stored = CallId(uuid::Uuid::from_u128(1));
        let events = [event("a", Fact::Unheard), event("b", Fact::Unheard)];
        assert_eq!(groups(&events, |_| Some(stored)), [vec![0, 1]]);
    }
}
