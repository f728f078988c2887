//! The set of facts known about one call.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::merge;
use crate::model::{
    event::{CallEvent, Fact},
    ids::{AccountName, FactId},
};

/// The set of facts known about one call.
///
/// A fact is named by its account and [`FactId`]; told again it changes nothing, told with other
/// words it is united by the rule of `merge`. So a set is the same whatever the order and
/// repetition of what was put in, two sets can be united in any order, and everything that is
/// derived from a set inherits this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Sorted by id and account, each pair once.
    events: Vec<CallEvent>,
    /// Whether it holds [`Fact::Erased`]: what was taken out must not come in again.
    closed: bool,
}

impl Facts {
    /// The empty set: nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts one fact in; returns whether something new was learnt. A set that was erased learns nothing.
    pub fn insert(&mut self, event: CallEvent) -> bool {
        !self.closed && self.put(event)
    }

    /// Puts in a fact that was in the set when it was written down.
    pub(super) fn put(&mut self, event: CallEvent) -> bool {
        self.closed |= matches!(event.fact, Fact::Erased);
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
        // Of two calls that turn out to be one, one was erased: so is the other.
        if other.closed && !self.closed {
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
        for event in events {
            facts.put(event);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            event::{Cause, Clock, Direction, Party, RecordingSource, RecordingStage},
            phone::Number,
        },
        tracker::story::*,
    };

    /// The fact under the name `same`, so that tellings meet.
    fn told(at: f64, clock: Clock, fact: Fact) -> CallEvent {
        CallEvent {
            id: "same".into(),
            clock,
            ..event("call-1", at, "201", fact)
        }
    }

    fn exact(at: f64, fact: Fact) -> CallEvent {
        told(at, Clock::Exact, fact)
    }

    /// What remains of several tellings, which must not depend on their order or repetition.
    fn kept(tellings: &[CallEvent]) -> CallEvent {
        let forwards: Facts = tellings.iter().cloned().collect();
        let backwards: Facts = tellings.iter().rev().chain(tellings).cloned().collect();
        assert_eq!(forwards, backwards);
        assert_eq!(forwards.len(), 1);
        forwards.events[0].clone()
    }

    #[test]
    fn the_same_fact_told_again_teaches_nothing() {
        let mut facts = Facts::new();
        assert!(facts.insert(exact(1.0, Fact::Rings)));
        assert!(!facts.insert(exact(1.0, Fact::Rings)));
        assert!(
            !facts.insert(exact(2.0, Fact::Rings)),
            "a later time is no news"
        );
        assert!(facts.insert(exact(0.5, Fact::Rings)), "an earlier one is");
        assert_eq!(facts.len(), 1);
        assert_eq!(
            facts.get(&"office".into(), &"same".into()).unwrap().at,
            moment(0.5)
        );
    }

    #[test]
    fn the_same_id_of_another_account_is_another_fact() {
        let mut facts = Facts::new();
        facts.insert(exact(1.0, Fact::Rings));
        facts.insert(CallEvent {
            account: "branch".into(),
            ..exact(1.0, Fact::Rings)
        });
        assert_eq!(facts.len(), 2);
    }

    #[test]
    fn an_exact_time_beats_a_bound_and_the_earlier_beats_the_later() {
        let seen = |at| told(at, Clock::NoLaterThan, Fact::Up);
        let times = |tellings: &[CallEvent]| {
            let kept = kept(tellings);
            (kept.at, kept.clock)
        };
        assert_eq!(
            times(&[seen(3.0), exact(9.0, Fact::Up)]),
            (moment(9.0), Clock::Exact)
        );
        assert_eq!(
            times(&[exact(9.0, Fact::Up), exact(8.0, Fact::Up)]),
            (moment(8.0), Clock::Exact)
        );
        assert_eq!(
            times(&[seen(3.0), seen(2.0)]),
            (moment(2.0), Clock::NoLaterThan)
        );
    }

    #[test]
    fn time_and_content_are_judged_apart() {
        let poor = exact(1.0, is(Party::Client(Number::Other("?".into()))));
        let rich = told(5.0, Clock::NoLaterThan, is(client()));
        let kept = kept(&[poor, rich]);
        assert_eq!(
            (kept.at, kept.clock, kept.fact),
            (moment(1.0), Clock::Exact, is(client()))
        );
    }

    #[test]
    fn descriptions_are_united_field_by_field() {
        let parties = |direction, client, did| Fact::Parties {
            direction,
            client,
            client_name: None,
            did,
        };
        let united = kept(&[
            exact(1.0, parties(Some(Direction::In), None, None)),
            exact(
                2.0,
                parties(None, Some(Number::Withheld), Some(number(DID))),
            ),
            exact(3.0, parties(None, Some(number(CLIENT)), None)),
        ]);
        let expected = parties(Some(Direction::In), Some(number(CLIENT)), Some(number(DID)));
        assert_eq!(united.fact, expected);

        let leg = kept(&[
            exact(1.0, between(person("202"), person("201"))),
            exact(1.0, between(person("202"), client())),
            exact(
                1.0,
                Fact::Leg {
                    party: person("202"),
                    with: None,
                    initiator: true,
                },
            ),
        ]);
        let with = Some(client());
        assert_eq!(
            leg.fact,
            Fact::Leg {
                party: person("202"),
                with,
                initiator: true
            }
        );
    }

    #[test]
    fn a_recording_goes_as_far_as_it_was_told() {
        let news = |stage, link: Option<&str>| {
            let source = link.map(|link| RecordingSource::Link(link.into()));
            exact(
                1.0,
                Fact::Recording {
                    recording: "r".into(),
                    stage,
                    source,
                },
            )
        };
        let kept = kept(&[
            news(RecordingStage::Ready, None),
            news(RecordingStage::Absent, None),
            news(RecordingStage::Started, Some("https://records.example/1")),
        ]);
        let Fact::Recording { stage, source, .. } = kept.fact else {
            panic!("a recording stays one");
        };
        assert_eq!((stage, source.is_some()), (RecordingStage::Ready, true));
    }

    #[test]
    fn a_contradiction_is_decided_by_value_not_by_order() {
        let busy = exact(1.0, ends(Cause::Busy));
        let rejected = exact(1.0, ends(Cause::Rejected));
        assert_eq!(
            kept(&[rejected.clone(), busy.clone()]).fact,
            ends(Cause::Busy)
        );
        let other_kind = exact(1.0, Fact::Up);
        assert_eq!(kept(&[busy, other_kind, rejected]).fact, Fact::Up);
        let legless = CallEvent {
            leg: None,
            ..exact(1.0, Fact::Rings)
        };
        assert_eq!(
            kept(&[legless, exact(1.0, Fact::Rings)]).leg,
            Some("201".into())
        );
    }

    #[test]
    fn text_is_canonical_and_read_in_any_order() {
        let facts = facts(&[
            (1.0, "201", Fact::Rings),
            (2.0, "201", Fact::Up),
            (0.0, "", over()),
        ]);
        let turned: Vec<&CallEvent> = facts.iter().rev().collect();
        let text = serde_json::to_string(&turned).unwrap();
        let read: Facts = serde_json::from_str(&text).unwrap();
        assert_eq!(read, facts);
        assert_eq!(
            serde_json::to_string(&read).unwrap(),
            serde_json::to_string(&facts).unwrap()
        );
    }
}
