//! Takes out of a call what could name its client. Pure.
//!
//! Times, legs, people of ours and results stay, so that figures stay and a recount gives the same; the
//! client becomes one who withheld the number. What was told around the call (recordings, keys pressed,
//! visits, SIP ids) goes whole. The set is closed after it ([`Fact::Erased`]): messages told again would
//! bring back what was taken out.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::Facts;
use crate::model::{
    call::Call,
    event::{CallEvent, Clock, Fact},
    ids::FactId,
    traces::Traces,
};

/// Identity of the fact that closes a set.
const ID: &str = "erased";

/// The set without its client, closed.
pub fn of_facts(facts: &Facts, traces: &Traces) -> Result<Facts, serde_json::Error> {
    let mut scrub = Scrub::new(traces);
    let mut left = Vec::with_capacity(facts.len() + 1);
    for event in facts {
        if is_around(&event.fact) {
            continue;
        }
        let mut value = serde_json::to_value(event)?;
        scrub.value(&mut value);
        left.push(serde_json::from_value::<CallEvent>(value)?);
    }
    // An empty set would be open.
    if let Some(last) = facts.iter().max_by_key(|event| event.at) {
        left.push(CallEvent {
            leg: None,
            clock: Clock::NoLaterThan,
            id: FactId::from(ID),
            fact: Fact::Erased,
            call: left
                .last()
                .map_or_else(|| last.call.clone(), |event| event.call.clone()),
            ..last.clone()
        });
    }
    Ok(left.into_iter().collect())
}

/// The call as it is derived from such a set, with all that figures count.
pub fn of_call(call: &Call, traces: &Traces) -> Result<Call, serde_json::Error> {
    let mut value = serde_json::to_value(call)?;
    Scrub::new(traces).value(&mut value);
    let mut call: Call = serde_json::from_value(value)?;
    call.recordings.clear();
    call.digits.clear();
    call.tracking.clear();
    Ok(call)
}

fn is_around(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Recording { .. }
            | Fact::Digits { .. }
            | Fact::Tracking { .. }
            | Fact::SipCallId { .. }
    )
}

/// Replaces texts in JSON; the same text by the same word, so that legs stay apart.
struct Scrub<'a> {
    traces: &'a Traces,
    words: HashMap<String, String>,
}

impl<'a> Scrub<'a> {
    fn new(traces: &'a Traces) -> Self {
        Self {
            traces,
            words: HashMap::new(),
        }
    }

    fn value(&mut self, value: &mut Value) {
        match value {
            Value::String(text) if self.traces.are_in(text.as_bytes()) => {
                let next = self.words.len() + 1;
                let word = self.words.entry(std::mem::take(text));
                *text = word.or_insert_with(|| format!("erased-{next}")).clone();
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) if self.is_this_number(fields) => {
                *value = Value::from("withheld");
            }
            Value::Object(fields) => {
                for (name, field) in fields.iter_mut() {
                    match name.as_str() {
                        "client_name" => *field = Value::Null,
                        _ => self.value(field),
                    }
                }
            }
            _ => {}
        }
    }

    /// A `Number` of the client, in any of its forms that hold one.
    fn is_this_number(&self, fields: &Map<String, Value>) -> bool {
        let mut fields = fields.iter();
        let (Some((form, inner)), None) = (fields.next(), fields.next()) else {
            return false;
        };
        ["e164", "service", "other"].contains(&form.as_str())
            && self.traces.are_in(inner.to_string().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            event::{Direction, Party, RecordingStage, Side},
            phone::Number,
        },
        tracker::{derive, story::*},
    };

    fn told() -> Facts {
        facts(&[
            (0.0, "", parties(Direction::In)),
            (
                0.0,
                "",
                Fact::Recording {
                    recording: "in-74950000011.wav".into(),
                    stage: RecordingStage::Ready,
                    source: None,
                },
            ),
            (0.0, "Local/84950000011-1", between(person("201"), client())),
            (0.0, "Local/84950000011-1", rings()),
            (5.0, "Local/84950000011-1", talks(client())),
            (60.0, "Local/84950000011-1", hangs_up(Side::Client)),
            (
                60.0,
                "",
                summed(summary(Direction::In, 0.0, Some(5.0), 60.0)),
            ),
        ])
    }

    fn traces() -> Traces {
        Traces::new(&[CLIENT.to_owned()], &[])
    }

    #[test]
    fn the_client_is_gone_and_what_is_counted_stays() {
        let before = derive(&told());
        assert_eq!(before.client, Some(number(CLIENT)));
        let erased = of_facts(&told(), &traces()).unwrap();
        let after = derive(&erased);
        assert_eq!(after.client, Some(Number::Withheld));
        let text = serde_json::to_string(&(&erased, &after)).unwrap();
        assert!(!traces().are_in(text.as_bytes()), "{text}");
        let counted = |call: &Call| {
            (
                (call.direction, call.result, call.ended, call.hangup_by),
                (call.started_at, call.answered_at, call.ended_at),
                (call.wait_ms, call.ring_ms, call.talk_ms, call.hold_ms),
                call.answered_by.clone(),
                call.legs.len(),
            )
        };
        assert_eq!(counted(&after), counted(&before));
        // What is written beside the facts is what they say.
        let written = of_call(&before, &traces()).unwrap();
        assert_eq!(counted(&written), counted(&after));
        assert_eq!(written.client, after.client);
    }

    #[test]
    fn another_outside_party_stays_who_it_is() {
        let other = Party::Client(number("+74950000022"));
        let mut facts = told();
        facts.insert(event("call-1", 30.0, "9", is(other.clone())));
        let erased = of_facts(&facts, &traces()).unwrap();
        let there = |event: &CallEvent| event.fact == is(other.clone());
        assert!(erased.iter().any(there));
    }

    #[test]
    fn what_is_told_again_brings_nothing_back() {
        let erased = of_facts(&told(), &traces()).unwrap();
        for stored in [erased.pack(), erased.seal()] {
            let mut read = Facts::unseal(&stored).unwrap();
            assert_eq!(read, erased);
            for event in &told() {
                assert!(!read.insert(event.clone()));
            }
            assert!(!read.unite(told()));
            assert_eq!(read, erased);
        }
        let mut other = told();
        assert!(other.unite(erased.clone()));
        assert_eq!(other, erased);
    }
}
