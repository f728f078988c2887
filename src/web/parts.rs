//! Pieces of markup that several pages use: calls in a table, results as badges, numbers, notes.

use maud::{Markup, html};

use super::{
    format::{self, Clock},
    i18n::Texts,
    sight::Sight,
};
use crate::{model::time::Timestamp, store::journal::CallRow};

/// Which columns a table of calls has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// Everything.
    All,
    /// Without line and waiting.
    Few,
    /// Of one client: without the client.
    OfClient,
}

/// What every piece needs to write for one person.
#[derive(Clone, Debug)]
pub struct Pen<'a> {
    /// Texts.
    pub t: Texts,
    /// Moments.
    pub clock: Clock<'a>,
    /// What may be shown.
    pub sight: Sight,
    /// Now.
    pub now: Timestamp,
}

/// The sign beside a direction; the word stands beside it too.
fn arrow(direction: Option<&str>) -> &'static str {
    match direction {
        Some("in") => "↘",
        Some("out") => "↗",
        Some("internal") => "⇄",
        _ => "·",
    }
}

/// The way to older rows.
pub fn older(t: Texts, address: &str) -> Markup {
    html! {
        nav.pages aria-label=(t.say("pages-label")) {
            a.button rel="next" href=(address) { (t.say("pages-older")) }
        }
    }
}

/// Direction as a sign with its word.
pub fn direction(t: Texts, direction: Option<&str>) -> Markup {
    let word = t.word("direction", direction.unwrap_or("unknown"));
    html! {
        span.direction.{ "is-" (direction.unwrap_or("unknown")) } title=(word) {
            span aria-hidden="true" { (arrow(direction)) }
            span.visually-hidden { (word) }
        }
    }
}

/// How a call turned out, or where it stands, as a closed word.
fn standing(row: &CallRow) -> &str {
    match &row.result {
        _ if row.phase != "ended" => row.phase.as_str(),
        Some(result) => result.as_str(),
        None => "unknown",
    }
}

/// How a call turned out, or where it stands, in a word of the language.
pub fn outcome_word(t: Texts, row: &CallRow) -> String {
    if row.phase == "ended" {
        t.word("result", standing(row))
    } else {
        t.word("phase", standing(row))
    }
}

/// The same as a badge with a sign: colour is never alone.
pub fn outcome(t: Texts, row: &CallRow) -> Markup {
    let (class, sign) = match standing(row) {
        "answered" => ("good", "✓"),
        "talking" => ("good", "●"),
        "ringing" | "waiting" => ("live", "●"),
        "unknown" => ("plain", "?"),
        "blocked" => ("plain", "–"),
        _ if row.open_task == 1 => ("bad", "✕"),
        _ => ("warn", "✕"),
    };
    html! {
        span.badge.(class) { span aria-hidden="true" { (sign) } " " (outcome_word(t, row)) }
    }
}

impl Pen<'_> {
    /// Who the client is: name and company where they may be seen, and the number.
    pub fn client(&self, row: &CallRow) -> Markup {
        let name = self.client_name(row);
        let number = self.client_number(row);
        let company = row.card_company.as_deref().filter(|_| self.sight.names);
        let company = company.unwrap_or_default();
        html! {
            @match (row.card, &name) {
                (Some(card), Some(name)) if self.sight.names => {
                    a.client href={ "/cards/" (card) } { (name) }
                }
                (Some(card), None) if self.sight.names => {
                    a.client.whole href={ "/cards/" (card) } { (number) }
                }
                (_, Some(name)) => { span.client { (name) } }
                (_, None) => { span.client.whole { (number) } }
            }
            @if !company.is_empty() { " " span.company { (company) } }
            @if name.is_some() { " " span.number { (number) } }
        }
    }

    /// The client's name, where there is one and it may be seen.
    pub fn client_name(&self, row: &CallRow) -> Option<String> {
        if !self.sight.names {
            return None;
        }
        let name = row.card_name.as_deref().unwrap_or_default();
        let name = if name.is_empty() {
            row.client_name.as_str()
        } else {
            name
        };
        Some(name.to_owned()).filter(|name| !name.is_empty())
    }

    /// The client's number as this person may see it, or the word for what there is instead.
    pub fn client_number(&self, row: &CallRow) -> String {
        match row.client.as_deref() {
            Some(e164) => self.sight.number(e164),
            None if row.client_shown.is_empty() => self.t.say("number-unknown"),
            None if row.client_shown == "withheld" => self.t.say("number-withheld"),
            None => self.sight.other(&row.client_shown),
        }
    }

    /// Calls as a table.
    pub fn calls(&self, rows: &[CallRow], columns: Columns) -> Markup {
        let t = self.t;
        let wide = columns != Columns::Few;
        html! {
            table.calls {
                thead { tr {
                    th scope="col" { (t.say("col-started")) }
                    @if columns != Columns::OfClient { th scope="col" { (t.say("col-client")) } }
                    th scope="col" { (t.say("col-result")) }
                    th scope="col" { (t.say("col-person")) }
                    @if wide { th scope="col" { (t.say("col-line")) } }
                    @if wide { th.number scope="col" title=(t.say("wait-formula")) { (t.say("col-wait")) } }
                    th.number scope="col" title=(t.say("talk-formula")) { (t.say("col-talk")) }
                    th scope="col" { span.visually-hidden { (t.say("col-recording")) } }
                } }
                tbody {
                    @for row in rows { (self.call_row(row, columns)) }
                }
            }
        }
    }

    fn call_row(&self, row: &CallRow, columns: Columns) -> Markup {
        let t = self.t;
        let wide = columns != Columns::Few;
        let started = Timestamp::from_micros(row.started_at);
        let live = row.phase != "ended";
        let since = row.answered_at.filter(|_| row.phase == "talking");
        html! {
            tr.live[live] data-call=(row.id) {
                td.when {
                    (direction(t, row.direction.as_deref())) " "
                    a href={ "/calls/" (row.id) } {
                        time datetime=(started.rfc3339()) { (self.clock.moment(started, self.now)) }
                    }
                }
                @if columns != Columns::OfClient { td { (self.client(row)) } }
                td { (outcome(t, row)) }
                td { (self.person(row)) }
                @if wide { td { (row.line_name.as_deref().or(row.did.as_deref()).unwrap_or("–")) } }
                @if wide { td.number { (row.wait_ms.map_or_else(|| "–".to_owned(), format::span)) } }
                td.number {
                    @match (row.talk_ms, since) {
                        (_, Some(since)) => {
                            span data-since=(since / 1_000) {
                                (format::span(self.now.millis_since(Timestamp::from_micros(since))))
                            }
                        }
                        (Some(talk_ms), None) if talk_ms > 0 => { (format::span(talk_ms)) }
                        _ => { "–" }
                    }
                }
                td { @if let Some(state) = &row.recording { (recording_mark(t, state)) } }
            }
        }
    }

    fn person(&self, row: &CallRow) -> String {
        match (&row.person_name, &row.answered_ext) {
            (Some(name), _) => name.clone(),
            (None, Some(extension)) => extension.clone(),
            (None, None) => "–".to_owned(),
        }
    }
}

fn recording_mark(t: Texts, state: &str) -> Markup {
    let sign = match state {
        "kept" => "♪",
        "no_player" => "⤓",
        "withheld" => "⏸",
        "waiting" | "fetching" => "…",
        _ => "∅",
    };
    let word = t.word("recording-mark", state);
    html! { span.recording-mark title=(word) role="img" aria-label=(word) { (sign) } }
}

/// What an empty list says.
pub fn nothing(text: &str) -> Markup {
    html! { p.nothing { (text) } }
}
