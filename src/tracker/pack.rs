//! The facts of a live call as one blob.
//!
//! A live call is rewritten with every event, so its blob is made to be short and quick: JSON in which
//! account, keys and legs stand once, times count from the first, and identities leave out the call's
//! key they begin with. A call and its facts should share one page of the database.

use std::{borrow::Cow, collections::HashMap};

use serde::{Deserialize, Serialize};

use super::Facts;
use crate::model::{
    event::{CallEvent, Clock, Fact},
    ids::{AccountName, CallKey, FactId, LegKey},
    time::Timestamp,
};

/// Begins an identity from which the call's key was left out, and one that is whole.
const SHORT: &str = "+";
const WHOLE: &str = "=";

/// Room for one fact; the blob grows if that is not enough.
const USUAL_BYTES: usize = 160;

impl Facts {
    /// The set as one blob that is quick to write and read; `Facts::unseal` reads it.
    pub fn pack(&self) -> Vec<u8> {
        let mut blob = Vec::with_capacity((self.len() + 1) * USUAL_BYTES);
        let written = match Packed::of(self) {
            Some(packed) => serde_json::to_writer(&mut blob, &packed),
            None => serde_json::to_writer(&mut blob, self),
        };
        written.expect("facts have text keys only, so JSON can hold them");
        blob
    }
}

/// Reads a packed set; `Ok(None)` if it names a key or leg that it does not hold.
pub(super) fn unpack(text: &[u8]) -> Result<Option<Facts>, serde_json::Error> {
    let packed: Packed<'_> = serde_json::from_slice(text)?;
    Ok(packed.facts())
}

/// A set of facts of one account, with what repeats said once.
#[derive(Deserialize, Serialize)]
struct Packed<'a> {
    #[serde(rename = "a")]
    account: Cow<'a, str>,
    #[serde(rename = "k")]
    keys: Vec<Cow<'a, str>>,
    #[serde(rename = "l")]
    legs: Vec<Cow<'a, str>>,
    #[serde(rename = "t")]
    from: i64,
    #[serde(rename = "f")]
    facts: Vec<PackedFact<'a>>,
}

/// Key, leg, microseconds after the first fact, whether the time is only a bound, identity, fact.
#[derive(Deserialize, Serialize)]
struct PackedFact<'a>(usize, Option<usize>, i64, u8, Cow<'a, str>, Cow<'a, Fact>);

/// Texts by place, each once.
#[derive(Default)]
struct Once<'a> {
    list: Vec<Cow<'a, str>>,
    places: HashMap<&'a str, usize>,
}

impl<'a> Once<'a> {
    fn place(&mut self, text: &'a str) -> usize {
        // Identities begin with key and leg, so what repeats mostly stands together.
        if self.list.last().is_some_and(|last| last == text) {
            return self.list.len() - 1;
        }
        *self.places.entry(text).or_insert_with(|| {
            self.list.push(Cow::Borrowed(text));
            self.list.len() - 1
        })
    }
}

impl<'a> Packed<'a> {
    /// `None` for an empty set and for one of several accounts.
    fn of(facts: &'a Facts) -> Option<Self> {
        let first = facts.iter().next()?;
        let from = facts.iter().map(|event| event.at).min()?.as_micros();
        let (mut keys, mut legs) = (Once::default(), Once::default());
        let mut packed = Vec::with_capacity(facts.len());
        for event in facts {
            if event.account != first.account {
                return None;
            }
            let key = event.call.as_str();
            let id = match event.id.as_str().strip_prefix(key) {
                Some(rest) => [SHORT, rest].concat(),
                None => [WHOLE, event.id.as_str()].concat(),
            };
            packed.push(PackedFact(
                keys.place(key),
                event.leg.as_ref().map(|leg| legs.place(leg.as_str())),
                event.at.as_micros().saturating_sub(from),
                u8::from(!event.clock.is_exact()),
                Cow::Owned(id),
                Cow::Borrowed(&event.fact),
            ));
        }
        Some(Self {
            account: Cow::Borrowed(first.account.as_str()),
            keys: keys.list,
            legs: legs.list,
            from,
            facts: packed,
        })
    }

    /// The set; `None` if a place is named that is not there.
    fn facts(self) -> Option<Facts> {
        let account = AccountName::from(&*self.account);
        let keys: Vec<CallKey> = self.keys.iter().map(|key| CallKey::from(&**key)).collect();
        let legs: Vec<LegKey> = self.legs.iter().map(|leg| LegKey::from(&**leg)).collect();
        let mut facts = Facts::new();
        for PackedFact(key, leg, after, bound, id, fact) in self.facts {
            let call = keys.get(key)?.clone();
            let leg = match leg {
                Some(leg) => Some(legs.get(leg)?.clone()),
                None => None,
            };
            let id = match id.strip_prefix(SHORT) {
                Some(rest) => FactId::from(format!("{call}{rest}")),
                None => FactId::from(id.strip_prefix(WHOLE)?),
            };
            facts.put(CallEvent {
                account: account.clone(),
                call,
                leg,
                at: Timestamp::from_micros(self.from.saturating_add(after)),
                clock: match bound {
                    0 => Clock::Exact,
                    _ => Clock::NoLaterThan,
                },
                id,
                fact: fact.into_owned(),
            });
        }
        Some(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::story::*;

    fn mixed() -> Facts {
        let mut other = event("call-2", 7.0, "", over());
        other.clock = Clock::NoLaterThan;
        let own = CallEvent {
            id: "of its own".into(),
            ..event("call-1", 9.0, "202", rings())
        };
        [
            event("call-1", 5.0, "201", rings()),
            event("call-1", 1.0, "", over()),
            other,
            own,
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn a_packed_set_is_read_back_whole() {
        let facts = mixed();
        let blob = facts.pack();
        assert_eq!(blob[0], b'{');
        assert_eq!(Facts::unseal(&blob).unwrap(), facts);
        let plain = serde_json::to_vec(&facts).unwrap();
        assert!(
            blob.len() * 3 < plain.len() * 2,
            "{} of {}",
            blob.len(),
            plain.len()
        );
    }

    #[test]
    fn an_empty_set_and_one_of_two_accounts_are_plain_lists() {
        assert_eq!(Facts::unseal(&Facts::new().pack()).unwrap(), Facts::new());
        let mut facts = mixed();
        facts.insert(CallEvent {
            account: "elsewhere".into(),
            ..event("call-1", 5.0, "201", rings())
        });
        let blob = facts.pack();
        assert_eq!(blob[0], b'[');
        assert_eq!(Facts::unseal(&blob).unwrap(), facts);
    }

    #[test]
    fn what_is_cut_or_names_what_is_not_there_is_refused() {
        let blob = mixed().pack();
        for cut in 1..blob.len() {
            assert!(Facts::unseal(&blob[..cut]).is_err(), "cut at {cut}");
        }
        let wrong = br#"{"a":"x","k":[],"l":[],"t":0,"f":[[0,null,0,0,"+/over",{"is":"over"}]]}"#;
        assert!(Facts::unseal(wrong).is_err());
    }
}
