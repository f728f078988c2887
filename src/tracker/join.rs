//! Under which keys a call is known, and which of two calls that are one keeps its name.

use std::collections::BTreeMap;

use super::Facts;
use crate::model::{event::Fact, ids::CallKey, time::Timestamp};

/// Every key of the call that the set knows: those the facts were told under and those that
/// [`Fact::SameCall`] ties to them; each once, in order. A call stored under any of them is the same call.
pub fn keys(facts: &Facts) -> Vec<&CallKey> {
    let mut keys: Vec<&CallKey> = Vec::new();
    for event in facts {
        if keys.last() != Some(&&event.call) {
            keys.push(&event.call);
        }
        if let Fact::SameCall { with } = &event.fact {
            keys.push(with);
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The key that names the call: the one with the earliest fact told under it, then the lesser key.
pub fn main_key(facts: &Facts) -> Option<&CallKey> {
    let mut starts: BTreeMap<&CallKey, Timestamp> = BTreeMap::new();
    for event in facts {
        starts
            .entry(&event.call)
            .and_modify(|start| *start = event.at.min(*start))
            .or_insert(event.at);
    }
    winner(starts.into_iter().map(|(key, start)| (start, key)))
}

/// Of several calls that turn out to be one, the key that stays: the least (start, key).
pub fn winner<'a>(
    calls: impl IntoIterator<Item = (Timestamp, &'a CallKey)>,
) -> Option<&'a CallKey> {
    calls.into_iter().min().map(|(_, key)| key)
}
