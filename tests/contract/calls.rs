//! Conversations and the calls that come of them, whatever order, repetition or single loss the
//! network adds.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, test_runner::TestRunner};
use ringcard::{
    model::{call::Call, event::CallEvent, phone::Number},
    pbx::Intake,
    tracker::{self, Facts},
};
use serde_json::{Value, json};

use crate::conversation::{self, Conversation, Heard};

/// What people see of a call, in the form of `calls.json`.
fn seen(key: &str, call: &Call) -> Value {
    let number = |number: &Option<Number>| match number {
        None => Value::Null,
        Some(Number::Withheld) => "withheld".into(),
        Some(number) => number.e164().into(),
    };
    let transfers = call.transfers.iter().map(|transfer| {
        json!({
            "kind": transfer.kind,
            "from": transfer.from,
            "to": transfer.to,
            "at": transfer.at.rfc3339(),
        })
    });
    let legs = call.employees_legs();
    let legs = legs.map(|(extension, leg)| json!({"extension": extension, "result": leg.result}));
    let recordings = call.recordings.iter().map(|news| news.recording.clone());
    json!({
        "call_key": key,
        "direction": call.direction,
        "client": number(&call.client),
        "did": number(&call.did),
        "result": call.result,
        "started_at": call.started_at.rfc3339(),
        "wait_ms": call.wait_ms,
        "ring_ms": call.ring_ms,
        "talk_ms": call.talk_ms,
        "hold_ms": call.hold_ms,
        "answered_by": call.answered_by,
        "hangup_by": call.hangup_by,
        "ended": call.ended.map(|ended| ended.as_str()),
        "legs": legs.collect::<Vec<_>>(),
        "transfers": transfers.collect::<Vec<_>>(),
        "recordings": recordings.collect::<Vec<_>>(),
    })
}

/// Every field that is expected of a call and is not so.
fn differences(expected: &Value, call: &Call, key: &str) -> Vec<String> {
    let seen = seen(key, call);
    let fields = expected.as_object().expect("a call is an object");
    fields
        .iter()
        .filter(|(name, value)| match (name.as_str(), value.as_u64()) {
            // Where messages hold no ids, only the number of recordings is known.
            ("recordings", Some(count)) => call.recordings.len() as u64 != count,
            (name, _) => seen[name] != **value,
        })
        .map(|(name, value)| format!("{name} is {} and should be {value}", seen[name]))
        .collect()
}

pub fn derive(events: impl IntoIterator<Item = CallEvent>) -> BTreeMap<String, Call> {
    let mut facts: BTreeMap<String, Facts> = BTreeMap::new();
    for event in events {
        let key = event.call.as_str().to_owned();
        facts.entry(key).or_default().insert(event);
    }
    let calls = facts
        .iter()
        .map(|(key, facts)| (key.clone(), tracker::derive(facts)));
    calls.collect()
}

/// Facts of each message that has some.
fn by_message(conversation: &Conversation) -> Vec<Vec<CallEvent>> {
    let heard = conversation.hear_all();
    let messages = heard.iter().map(|heard| heard.events().cloned().collect());
    messages
        .filter(|events: &Vec<_>| !events.is_empty())
        .collect()
}

fn check(conversation: &Conversation, calls: &BTreeMap<String, Call>, when: &str) {
    let name = &conversation.name;
    let found: BTreeSet<_> = calls.keys().collect();
    let expected: BTreeSet<_> = conversation.calls.keys().collect();
    assert_eq!(found, expected, "{name} {when}");
    for (key, call) in calls {
        let wrong = differences(&conversation.calls[key], call, key);
        assert!(
            wrong.is_empty(),
            "{name} {when}: call {key}: {wrong:#?}\n{call:#?}"
        );
    }
}

#[test]
fn in_order_and_doubled_the_calls_are_as_written() {
    for conversation in conversation::all() {
        let events = conversation.events();
        check(&conversation, &derive(events.clone()), "in order");
        let doubled = events.iter().chain(&events).cloned();
        check(&conversation, &derive(doubled), "told twice");
        let by_and_by = events.iter().flat_map(|event| [event, event]).cloned();
        check(&conversation, &derive(by_and_by), "each told twice");
    }
}

#[test]
fn in_every_order_the_calls_are_as_written() {
    for conversation in conversation::all() {
        let messages = by_message(&conversation);
        let orders = Just(messages).prop_shuffle();
        let mut runner = TestRunner::deterministic();
        let done = runner.run(&orders, |messages| {
            check(&conversation, &derive(messages.concat()), "shuffled");
            Ok(())
        });
        if let Err(error) = done {
            panic!("{error}");
        }
    }
}

/// A lost message may cost knowledge, never turn what is said into something else: each of these is
/// right, or not known (until history repairs it). A stream loses no single message: it breaks, and
/// everything behind is lost.
#[test]
fn without_any_single_message_nothing_said_is_wrong() {
    for conversation in conversation::all() {
        let messages = by_message(&conversation);
        let streams = conversation.pbx.intake() != Intake::Webhook;
        for lost in 0..messages.len() {
            let mut heard = messages.clone();
            match streams {
                true => heard.truncate(lost),
                false => drop(heard.remove(lost)),
            }
            for (key, call) in derive(heard.concat()) {
                let expected = &conversation.calls[&key];
                let seen = seen(&key, &call);
                for field in [
                    "result",
                    "direction",
                    "client",
                    "did",
                    "answered_by",
                    "hangup_by",
                ] {
                    let is_told = expected.get(field).is_some() && !seen[field].is_null();
                    assert!(
                        !is_told || seen[field] == expected[field],
                        "{}: without message {lost} of call {key} {field} is {} and should be {}: {:#?}",
                        conversation.name,
                        seen[field],
                        expected[field],
                        messages[lost]
                    );
                }
            }
        }
    }
}

/// Events of some providers have no times: one that is under way for long seems to have happened when it comes.
/// That may cost moments; who called whom, which phones there were and who answered stay what they were.
#[test]
fn a_message_that_comes_after_all_others_changes_nobody() {
    for conversation in conversation::all() {
        let lines: Vec<_> = conversation.lines.iter().collect();
        let webhook = conversation.pbx.intake() == Intake::Webhook;
        let last = lines.iter().map(|line| line.at()).max().unwrap_or_default();
        for late in (0..lines.len()).filter(|_| webhook) {
            let heard = lines
                .iter()
                .enumerate()
                .map(|(place, line)| match place == late {
                    true => conversation.hear(&line.arriving(last.plus_millis(5_000))),
                    false => conversation.hear(line),
                });
            let heard: Vec<_> = heard.collect();
            for (key, call) in derive(heard.iter().flat_map(Heard::events).cloned()) {
                let (expected, seen) = (&conversation.calls[&key], seen(&key, &call));
                for field in ["direction", "client", "did", "answered_by", "legs"] {
                    let is_told = expected.get(field).is_some();
                    assert!(
                        !is_told || who(&seen[field]) == who(&expected[field]),
                        "{}: message {late} comes late, and {field} of call {key} is {} and should be {}: {call:#?}",
                        conversation.name,
                        seen[field],
                        expected[field],
                    );
                }
            }
        }
    }
}

/// A field; of legs whose phones they were.
fn who(field: &Value) -> Vec<&Value> {
    let Some(legs) = field.as_array() else {
        return vec![field];
    };
    let mut phones: Vec<&Value> = legs.iter().map(|leg| &leg["extension"]).collect();
    phones.sort_by_key(|extension| extension.to_string());
    phones
}

#[test]
fn every_call_that_started_ends() {
    for conversation in conversation::committed() {
        for (key, call) in derive(conversation.events()) {
            assert!(
                call.is_over(),
                "{}: call {key} never ends",
                conversation.name
            );
            assert!(
                call.result.is_some(),
                "{}: call {key} has no result",
                conversation.name
            );
        }
    }
}

/// A new decoder for every message gives what one decoder for all gives: nothing is kept in between.
#[test]
fn decoders_keep_no_call() {
    for conversation in conversation::all() {
        let mut decoder = conversation.pbx.decoder();
        for line in conversation.lines.iter().filter(|line| !line.is_streamed()) {
            let alone = conversation.hear(line);
            if alone.refused.is_some() {
                continue;
            }
            let mut together = Heard::default();
            let request = line.request();
            let input = ringcard::pbx::Input::Request(&request);
            together.error = decoder.feed(input, line.at(), &mut together.decoded).err();
            assert!(
                alone.events().eq(together.events()),
                "{}",
                conversation.name
            );
        }
    }
}
