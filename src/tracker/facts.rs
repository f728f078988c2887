//! The set of facts known about one call.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::merge;
use crate::model::{
    event::CallEvent,
    ids::{AccountName, FactId},
};

/// The set of facts known about one call.
///
/// A fact is named by its account and [`FactId`]; told again it changes nothing, told with other
/// words it is united by the rule of [`merge`]. So a set is the same whatever the order and
/// repetition of what was put in, two sets can be united in any order, and everything that is
/// derived from a set inherits this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Sorted by id and account, each pair once.
    events: Vec<CallEvent>,
}

impl Facts {
    /// The empty set: nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts one fact in; returns whether something new was learnt.
    pub fn insert(&mut self, event: CallEvent) -> bool {
        match self.position(&event.account, &event.id) {
            Ok(known) => merge::unite(&mut self.events[known], event),
            Err(place) => {
                self.events.insert(place, event);
                true
            }
        }
    }

    /// Puts every fact of `other` in; returns whether something new was learnt.
    pub fn unite(&mut self, other: Self) -> bool {
        if self.is_empty() && !other.is_empty() {
            *self = other;
            return true;
        }
        let mut learnt = false;
        for event in other.events {
            learnt |= self.insert(event);
        }
        learnt
    }

    /// The fact of this name, if known.
    pub fn get(&self, account: &AccountName, id: &FactId) -> Option<&CallEvent> {
        self.position(account, id)
            .ok()
            .map(|place| &self.events[place])
    }

    /// Every fact once, by id and account.
    pub fn iter(&self) -> std::slice::Iter<'_, CallEvent> {
        self.events.iter()
    }

    /// How many facts are known.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    fn position(&self, account: &AccountName, id: &FactId) -> Result<usize, usize> {
        self.events
            .binary_search_by(|known| known.id.cmp(id).then_with(|| known.account.cmp(account)))
    }
}

impl FromIterator<CallEvent> for Facts {
    fn from_iter<I: IntoIterator<Item = CallEvent>>(events: I) -> Self {
        let mut facts = Self::new();
        facts.extend(events);
        facts
    }
}

impl Extend<CallEvent> for Facts {
    fn extend<I: IntoIterator<Item = CallEvent>>(&mut self, events: I) {
        for event in events {
            self.insert(event);
        }
    }
}

impl IntoIterator for Facts {
    type Item = CallEvent;
    type IntoIter = std::vec::IntoIter<CallEvent>;

    fn into_iter(self) -> Self::IntoIter {
        self.events.into_iter()
    }
}

impl<'a> IntoIterator for &'a Facts {
    type Item = &'a CallEvent;
    type IntoIter = std::slice::Iter<'a, CallEvent>;

    fn into_iter(self) -> Self::IntoIter {
        self.events.iter()
    }
}

/// One list of events in canonical order: equal sets give equal text.
impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.events.serialize(serializer)
    }
}

/// Reads any list of events; order and repetition do not matter.
impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<CallEvent>::deserialize(deserializer).map(Self::from_iter)
    }
}
