//! What a message means, in words that every provider shares, against the facts that the decoder made
//! of it. The expectations are written by hand from the provider's documents, so they hold where a
//! snapshot would only repeat what the code does.

use ringcard::model::{
    event::{CallEvent, Direction, Fact, Party, RecordingSource, RecordingStage, Side, Summary},
    phone::Number,
    time::Timestamp,
};
use serde_json::Value;

use crate::conversation::{self, Heard};

#[test]
fn messages_mean_what_the_documents_say() {
    let mut checked = 0;
    for conversation in conversation::all() {
        for (n, (line, heard)) in conversation
            .lines
            .iter()
            .zip(conversation.hear_all())
            .enumerate()
        {
            let place = format!("{} line {}", conversation.name, n + 1);
            assert_eq!(heard.refused.is_some(), line.refused, "{place}: {heard:?}");
            assert_eq!(heard.error.is_some(), line.unreadable, "{place}: {heard:?}");
            if line.refused || line.unreadable {
                assert_eq!(heard.events().count(), 0, "{place}: {heard:?}");
            }
            if let Some(means) = &line.means {
                check(means, &heard).unwrap_or_else(|what| {
                    panic!("{place}: {what} of {means} not in {heard:#?}");
                });
                checked += 1;
            }
        }
    }
    assert!(checked > 60, "only {checked} messages have a meaning");
}

/// A visit says who called which number, and where they came from.
fn visit(means: &Value, heard: &Heard) -> Result<(), String> {
    let [visit] = &heard.decoded.visits[..] else {
        return Err("one visit".to_owned());
    };
    for (name, value) in means.as_object().expect("a meaning is an object") {
        let text = value.as_str().unwrap_or_default();
        let number = format!("+{text}");
        let fits = match name.as_str() {
            "kind" => true,
            "client" => visit.client == Some(number),
            "did" => visit.hints.dids.contains(&number),
            name => visit.fields.get(name).is_some_and(|told| told == text),
        };
        if !fits {
            return Err(name.clone());
        }
    }
    Ok(())
}

/// Compares field by field; `Err` names the first that does not fit.
fn check(means: &Value, heard: &Heard) -> Result<(), String> {
    let events: Vec<&CallEvent> = heard.events().collect();
    let has = |test: &dyn Fn(&CallEvent) -> bool| events.iter().any(|event| test(event));
    let fact = |test: &dyn Fn(&Fact) -> bool| has(&|event| test(&event.fact));
    let kind = means["kind"].as_str().expect("a meaning has a kind");
    let is_kind = match kind {
        "call_started" => fact(&|fact| matches!(fact, Fact::Parties { .. })),
        "machine" => fact(&|fact| matches!(fact, Fact::Up)),
        "leg_ringing" | "client_ringing" => fact(&|fact| matches!(fact, Fact::Rings)),
        "initiator_answered" => {
            fact(&|fact| {
                matches!(
                    fact,
                    Fact::Leg {
                        initiator: true,
                        ..
                    }
                )
            }) && fact(&|fact| matches!(fact, Fact::Up))
        }
        "answered" => match talks(&events) {
            Some((one, other)) => is_client(one) != is_client(other),
            // Who of ours talks may be left open.
            None => fact(&|fact| matches!(fact, Fact::Talks { with } if is_client(with))),
        },
        "consult" => {
            talks(&events).is_some_and(|(one, other)| !is_client(one) && !is_client(other))
        }
        // Where it is told of no leg, the one who gets the client need not have answered.
        "transferred" => {
            let told = |leg: bool| {
                has(&|event| {
                    matches!(event.fact, Fact::Transfers { .. }) && event.leg.is_some() == leg
                })
            };
            told(false) || (talks(&events).is_some() && told(true))
        }
        "rating" => heard.decoded.notes == ["rating"],
        "hold" => fact(&|fact| matches!(fact, Fact::Holds)),
        "leg_ended" => {
            fact(&|fact| matches!(fact, Fact::Ends { .. })) && summary(&events).is_none()
        }
        "ended" => fact(&|fact| matches!(fact, Fact::Over { .. })),
        "dtmf" => {
            fact(&|fact| matches!(fact, Fact::Digits { digits } if means["digits"] == **digits))
        }
        "recording_started" => recording(&events, means) == Some(RecordingStage::Started),
        "recording_continued" => recording(&events, means) == Some(RecordingStage::Continued),
        "recording_completed" => recording(&events, means) == Some(RecordingStage::Completed),
        "recording_ready" => {
            recording(&events, means) == Some(RecordingStage::Ready) && has_source(&events)
        }
        // Near-duplicates are told as facts and clustered when the call is derived.
        "duplicate" => !events.is_empty(),
        "tracking" if !heard.decoded.visits.is_empty() => return visit(means, heard),
        "tracking" | "ping" | "command_result" => heard.decoded.notes == [kind],
        "sms" => heard.decoded.ignored == [kind],
        "note" => heard
            .decoded
            .notes
            .iter()
            .any(|name| means["name"] == **name),
        "ignored" => heard
            .decoded
            .ignored
            .iter()
            .any(|name| means["name"] == **name),
        "lookup" => heard.decoded.enquiries.len() == 1,
        other => panic!("no such kind: {other}"),
    };
    if !is_kind {
        return Err("kind".to_owned());
    }
    if matches!(kind, "tracking" | "duplicate" | "sms") {
        return Ok(()); // the rest of what they say is kept raw, or is that of the first telling
    }
    for (name, value) in means.as_object().expect("a meaning is an object") {
        if !fits(name, value, heard, &events) {
            return Err(name.clone());
        }
    }
    Ok(())
}

fn fits(name: &str, value: &Value, heard: &Heard, events: &[&CallEvent]) -> bool {
    let summary = summary(events);
    let enquiry = heard.decoded.enquiries.first();
    let seconds = |at: Option<Timestamp>| at.map(Timestamp::as_seconds) == value.as_i64();
    match name {
        "direction" => parties(events).iter().any(|(direction, ..)| {
            direction.is_some_and(|direction: Direction| *value == *direction.as_str())
        }),
        "client" => {
            let told = parties(events)
                .into_iter()
                .filter_map(|(_, client, _)| client);
            let on_leg = on_legs(events).into_iter().filter_map(|party| match party {
                Party::Client(number) => Some(number),
                _ => None,
            });
            let asked = enquiry.and_then(|enquiry| enquiry.client.as_ref());
            told.chain(on_leg)
                .chain(asked)
                .any(|number| is_number(number, value))
        }
        "did" => {
            let told = parties(events).into_iter().filter_map(|(.., did)| did);
            let asked = enquiry.and_then(|enquiry| enquiry.did.as_ref());
            told.chain(asked).any(|number| is_number(number, value))
        }
        "ext" => {
            let on_leg = on_legs(events).into_iter().filter_map(|party| match party {
                Party::Person(extension) => Some(extension),
                _ => None,
            });
            let summed = summary.and_then(|summary| summary.extension.as_ref());
            let asked = enquiry.and_then(|enquiry| enquiry.is_it.as_ref());
            on_leg
                .chain(summed)
                .chain(asked)
                .any(|extension| *value == *extension.as_str())
        }
        "transfer_from" => {
            let told = events.iter().any(|event| match &event.fact {
                Fact::TransferredFrom { from } => *value == *from.as_str(),
                Fact::Transfers { .. } => true, // stands on the leg of the one who passes on
                _ => false,
            });
            let with = on_legs(events).into_iter().any(|party| match party {
                Party::Person(extension) => *value == *extension.as_str(),
                _ => false,
            });
            told || with
        }
        "initiator" => events.iter().any(|event| {
            matches!(
                event.fact,
                Fact::Leg {
                    initiator: true,
                    ..
                }
            )
        }),
        "at" => events
            .iter()
            .any(|event| seconds(Some(event.at)) && event.clock.is_exact()),
        "by" => events.iter().any(|event| match event.fact {
            Fact::Ends { by: Some(by), .. } => *value == *Side::as_str(by),
            _ => false,
        }),
        "started" => seconds(summary.and_then(|summary| summary.started)),
        "answered" => seconds(summary.and_then(|summary| summary.answered)),
        "ended" => seconds(summary.and_then(|summary| summary.ended)),
        "recording" => {
            let is_told = events
                .iter()
                .any(|event| matches!(event.fact, Fact::Recording { .. }));
            value.as_bool() == Some(is_told)
        }
        "result" => match summary {
            Some(summary) => match value.as_str() {
                Some("answered") => summary.answered.is_some(),
                _ => summary.answered.is_none(),
            },
            None => true, // of a leg: its cause is in the snapshot
        },
        // Checked with the kind, or derived: a decoder counts no seconds.
        // Of the whole call, or of the talk: each provider has its own word.
        "duration_s" => summary.is_some_and(|summary| {
            let until = summary.ended.map(Timestamp::as_seconds);
            let since = |at: Option<Timestamp>| Some(until? - at?.as_seconds());
            let talk = since(summary.answered).or(summary.answered_known.then_some(0));
            [since(summary.started), talk].contains(&value.as_i64())
        }),
        "linked" => events.iter().any(
            |event| matches!(&event.fact, Fact::SameCall { with } if *value == *with.as_str()),
        ),
        "kind" | "value" | "name" | "digits" | "recording_id" | "talk_s" | "ok" => true,
        visit if visit.starts_with("utm_") => events.iter().any(|event| match &event.fact {
            Fact::Tracking { fields } => fields
                .iter()
                .any(|(name, told)| name == visit && value == told.as_str()),
            _ => false,
        }),
        other => panic!("no such field: {other}"),
    }
}

fn summary<'a>(events: &[&'a CallEvent]) -> Option<&'a Summary> {
    events.iter().find_map(|event| match &event.fact {
        Fact::Summary(summary) => Some(&**summary),
        _ => None,
    })
}

type Parties<'a> = (Option<Direction>, Option<&'a Number>, Option<&'a Number>);

fn parties<'a>(events: &[&'a CallEvent]) -> Vec<Parties<'a>> {
    let told = events.iter().filter_map(|event| match &event.fact {
        Fact::Parties {
            direction,
            client,
            did,
            ..
        } => Some((*direction, client.as_ref(), did.as_ref())),
        Fact::Summary(summary) => Some((
            summary.direction,
            summary.client.as_ref(),
            summary.did.as_ref(),
        )),
        _ => None,
    });
    told.collect()
}

fn on_legs<'a>(events: &[&'a CallEvent]) -> Vec<&'a Party> {
    let legs = events.iter().filter_map(|event| match &event.fact {
        Fact::Leg { party, with, .. } => Some([Some(party), with.as_ref()]),
        _ => None,
    });
    legs.flatten().flatten().collect()
}

/// The two who talk.
fn talks<'a>(events: &[&'a CallEvent]) -> Option<(&'a Party, &'a Party)> {
    let with = events.iter().find_map(|event| match &event.fact {
        Fact::Talks { with } => Some(with),
        _ => None,
    })?;
    let party = events.iter().find_map(|event| match &event.fact {
        Fact::Leg { party, .. } => Some(party),
        _ => None,
    })?;
    Some((party, with))
}

fn is_client(party: &Party) -> bool {
    matches!(party, Party::Client(_))
}

fn recording(events: &[&CallEvent], means: &Value) -> Option<RecordingStage> {
    events.iter().find_map(|event| match &event.fact {
        Fact::Recording {
            recording, stage, ..
        } => match means.get("recording_id") {
            Some(id) => (*id == **recording).then_some(*stage),
            None => Some(*stage), // its name is nobody's but the provider's
        },
        _ => None,
    })
}

fn has_source(events: &[&CallEvent]) -> bool {
    events.iter().any(|event| match &event.fact {
        Fact::Recording { source, .. } => matches!(
            source,
            Some(RecordingSource::Api(_) | RecordingSource::Link(_) | RecordingSource::File(_))
        ),
        _ => false,
    })
}

fn is_number(number: &Number, expected: &Value) -> bool {
    match number {
        Number::Withheld => expected == "withheld",
        number => number.e164().is_some_and(|e164| expected == &e164[1..]),
    }
}
