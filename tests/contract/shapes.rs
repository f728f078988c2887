//! Messages of the right form with something odd inside: a field that is missing, that nobody knows, or that
//! is a text where it was a number.

use ringcard::pbx::Request;
use serde_json::Value;

use crate::{
    body::Fields,
    calls::derive,
    conversation::{self, Conversation, Heard, Line, decode},
    promises::survives,
};

/// Every message that is let in and can be taken apart.
fn each(mut visit: impl FnMut(&Conversation, &Line, &Fields, &Heard)) {
    let mut visited = 0;
    for conversation in conversation::all() {
        let lines = conversation.lines.iter();
        for line in lines.filter(|line| !line.is_streamed() && !line.refused && !line.unreadable) {
            let request = line.request();
            let Some(fields) = Fields::of(&request) else {
                continue;
            };
            let told = decode(&*conversation.pbx, &request, line.at());
            visit(&conversation, line, &fields, &told);
            visited += 1;
        }
    }
    assert!(visited > 100, "only {visited} messages were tried");
}

/// What is told of calls and visits, or that it cannot be read.
fn told(heard: &Heard) -> Result<String, String> {
    match &heard.error {
        Some(error) => Err(error.to_string()),
        None => {
            let events: Vec<_> = heard.events().collect();
            Ok(format!("{events:#?} {:#?}", heard.decoded.visits))
        }
    }
}

#[test]
fn putting_a_message_together_again_tells_the_same() {
    each(|conversation, line, fields, before| {
        let heard = decode(&*conversation.pbx, &fields.request(), line.at());
        assert_eq!(told(&heard), told(before), "{}", conversation.name);
    });
}

#[test]
fn a_field_that_nobody_knows_changes_nothing() {
    each(|conversation, line, fields, before| {
        let request = fields.with_unknown().request();
        let heard = decode(&*conversation.pbx, &request, line.at());
        assert_eq!(
            told(&heard),
            told(before),
            "{}: {request:?}",
            conversation.name
        );
    });
}

/// Without one of its fields a message tells something, or is counted, or becomes a dead letter; and the call
/// that comes of it can be shown.
#[test]
fn a_field_that_is_missing_does_no_harm() {
    each(|conversation, line, fields, _| {
        for leaf in fields.leaves() {
            let request = fields.without(&leaf).request();
            survives(conversation, line, &request);
            let heard = decode(&*conversation.pbx, &request, line.at());
            let decoded = &heard.decoded;
            let is_accounted_for = heard.error.is_some()
                || heard.events().next().is_some()
                || !decoded.visits.is_empty()
                || !decoded.notes.is_empty()
                || !decoded.ignored.is_empty()
                || !decoded.enquiries.is_empty();
            assert!(
                is_accounted_for,
                "{}: nothing comes of {request:?} without {leaf:?}",
                conversation.name
            );
            for call in derive(heard.events().cloned()).values() {
                assert!(
                    call.ended_at.is_none_or(|at| call.started_at <= at),
                    "{call:#?}"
                );
            }
        }
    });
}

/// A number that comes as a text, or a text of digits as a number, is understood or refused, never taken for
/// something else.
#[test]
fn numbers_may_be_texts_and_texts_numbers() {
    let mut refused = Vec::new();
    let mut understood = 0;
    each(|conversation, line, fields, before| {
        for leaf in fields.leaves() {
            let Some(other) = other_type(fields.at(&leaf)) else {
                continue;
            };
            let request: Request = fields.with(&leaf, other).request();
            let heard = decode(&*conversation.pbx, &request, line.at());
            match told(&heard) {
                Err(why) if before.error.is_none() => {
                    refused.push(format!("{} {leaf:?}: {why}", conversation.name));
                }
                now => {
                    assert_eq!(now, told(before), "{} {leaf:?}", conversation.name);
                    understood += 1;
                }
            }
        }
    });
    assert!(understood > 100, "only {understood} were tried");
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// A number as a text, or a text that a number would be written like as a number.
fn other_type(value: &Value) -> Option<Value> {
    match value {
        Value::Number(number) => Some(number.to_string().into()),
        Value::String(text) => {
            let number: u64 = text.parse().ok()?;
            (number.to_string() == *text).then(|| number.into())
        }
        _ => None,
    }
}
