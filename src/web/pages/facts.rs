//! The facts of a call as a timeline: what the PBX told, by its own clock. No route of its own.

use maud::{Markup, html};
use serde::Serialize;

use crate::{
    model::event::{CallEvent, Clock, Fact, Party},
    web::parts::Pen,
};

/// All facts by time. Old calls keep theirs sealed; then this says so.
pub fn timeline(pen: &Pen<'_>, facts: &[CallEvent], sealed: bool) -> Markup {
    let t = pen.t;
    html! {
        details.facts-list {
            summary { (t.count("facts-title", facts.len() as i64)) }
            @if sealed { p.fine { (t.say("facts-sealed")) } }
            ol {
                @for event in facts {
                    li {
                        time datetime=(event.at.rfc3339()) {
                            @if event.clock == Clock::NoLaterThan { "≤ " }
                            (pen.clock.time_ms(event.at))
                        }
                        " " (t.word("fact", &kind(&event.fact)))
                        @if let Some(leg) = &event.leg { " " code { (leg) } }
                        @if let Some(detail) = detail(pen, &event.fact) { " " span.detail { (detail) } }
                    }
                }
            }
        }
    }
}

/// The closed word of a fact: its tag.
fn kind(fact: &Fact) -> String {
    let value = serde_json::to_value(fact).unwrap_or_default();
    value["is"].as_str().unwrap_or("unknown").to_owned()
}

/// The closed word of a value that is written as one word.
pub fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or("unknown").to_owned()
}

/// What else a fact says, with numbers as this person may see them.
fn detail(pen: &Pen<'_>, fact: &Fact) -> Option<String> {
    match fact {
        Fact::Leg { party, .. } => Some(party_text(pen, party)),
        Fact::Talks { with } => Some(party_text(pen, with)),
        Fact::Runs { what } => Some(party_text(pen, what)),
        Fact::Ends { cause, .. } => Some(pen.t.word("cause", &word(cause))),
        Fact::Enters { bridge } | Fact::Leaves { bridge } => Some(bridge.clone()),
        Fact::SameCall { with } => Some(with.to_string()),
        Fact::Dialled { by } => by.as_ref().map(ToString::to_string),
        Fact::Digits { digits } => Some(pen.sight.words(digits)),
        // PBXes write the client into the file name.
        Fact::Recording { recording, .. } => Some(pen.sight.words(recording)),
        Fact::TransferredFrom { from } => Some(from.to_string()),
        Fact::Transfers { to, .. } => to.as_ref().map(ToString::to_string),
        Fact::RouteAnswered {
            targets, reason, ..
        } => {
            let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
            Some(format!(
                "{} ({})",
                targets.join(", "),
                pen.t.word("route", reason)
            ))
        }
        _ => None,
    }
}

fn party_text(pen: &Pen<'_>, party: &Party) -> String {
    match party {
        Party::Client(number) => number
            .e164()
            .map_or_else(|| pen.t.say("party-client"), |e164| pen.sight.number(e164)),
        Party::Person(extension) => extension.to_string(),
        Party::Queue(name) | Party::Conference(name) => name.clone(),
        Party::Menu => pen.t.say("party-menu"),
        Party::Voicemail => pen.t.say("party-voicemail"),
        Party::Glue => pen.t.say("party-glue"),
    }
}
