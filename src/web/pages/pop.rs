//! The pop: who calls, over which line, whose client it is, why it came here, and what was before.
//! The same panel goes on through the conversation to wrap-up. Modules fetch it by call; the desk
//! shows it without script.

use axum::{
    Form,
    extract::{Path, State as Extract},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    live::{Reason, Shown, Stage},
    model::{
        event::TransferKind,
        ids::{CallId, CardId, Extension},
        time::Timestamp,
    },
    policy::{self, Action, Object},
    store::{
        cards::{self, Card, CardEvent},
        journal::{self, CallPage, CallRow},
        people, reports,
    },
    web::{
        Error, Site, State, Visitor, demand, layout, now,
        parts::{self, Pen},
        routes::{Access, Route},
        sight,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/pops/{call}", Access::Right(Action::UseDesk), || get(show)),
    Route::post("/pops/{call}/done", Access::Right(Action::UseDesk), || {
        post(done)
    }),
];

/// Results one key away; the number is the key.
pub const RESULTS: &[&str] = &[
    "agreed",
    "call_later",
    "thinking",
    "not_interested",
    "wrong_number",
];

/// The longest note.
pub const NOTE_CHARS: usize = 4_000;

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    result: String,
    #[serde(default)]
    note: String,
}

/// All that a pop shows.
struct View {
    shown: Shown,
    page: CallPage,
    card: Option<Card>,
    others: Vec<Card>,
    last: Vec<CallRow>,
    note: Option<CardEvent>,
    channel: Option<String>,
    /// Who passed the client on, by name where known.
    passed_by: Option<String>,
    object: Object,
}

/// The pops a person has now, for pages without script.
pub async fn all(site: &Site, visitor: &Visitor) -> Result<Markup, Error> {
    let mut pops = Vec::new();
    for shown in site.hub.pops(visitor.person.id) {
        if let Some(view) = read(site, visitor, shown).await? {
            pops.push(markup(site, visitor, &view));
        }
    }
    Ok(html! { @for pop in &pops { (pop) } })
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(call): Path<Uuid>,
) -> Result<Response, Error> {
    let Some(shown) = site.hub.pop(visitor.person.id, CallId(call)) else {
        return Ok(StatusCode::NO_CONTENT.into_response()); // over meanwhile
    };
    match read(&site, &visitor, shown).await? {
        Some(view) => Ok(markup(&site, &visitor, &view).into_response()),
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

async fn read(site: &Site, visitor: &Visitor, shown: Shown) -> Result<Option<View>, Error> {
    let Some(page) = journal::call(&site.db, shown.call).await? else {
        return Ok(None);
    };
    let object = sight::call_belongs(site, visitor, &page).await?;
    demand(visitor, Action::SeeCalls, &object)?;
    let card_id = page.row.card.map(CardId);
    let (card, last, note, others) = match card_id {
        Some(id) => (
            cards::card(&site.db, id).await?,
            journal::of_card(&site.db, id, 4).await?,
            cards::events(&site.db, id, 8)
                .await?
                .into_iter()
                .find(|event| event.kind == "note" || event.kind == "result"),
            match &page.row.client {
                Some(e164) => cards::others_with(&site.db, e164, id).await?,
                None => Vec::new(),
            },
        ),
        None => (None, Vec::new(), None, Vec::new()),
    };
    let channel = reports::channel_of(&site.db, shown.call).await?;
    let passed_by = match page.call.transfers.last().map(|last| &last.from) {
        Some(Some(from)) => Some(name_of(site, &page, from).await?),
        _ => None,
    };
    let last = last
        .into_iter()
        .filter(|row| row.id != shown.call.0)
        .take(3)
        .collect();
    Ok(Some(View {
        shown,
        page,
        card,
        others,
        last,
        note,
        channel,
        passed_by,
        object,
    }))
}

/// Whose extension it is at the call's account, or the extension.
async fn name_of(site: &Site, page: &CallPage, extension: &Extension) -> Result<String, Error> {
    let names = people::extensions_with_names(&site.db, &page.row.account).await?;
    let mut names = names.into_iter();
    let found = names.find(|(known, _)| known == extension.as_str());
    Ok(found.map_or_else(|| extension.to_string(), |(_, name)| name))
}

fn markup(site: &Site, visitor: &Visitor, view: &View) -> Markup {
    let sight = sight::of(visitor, &view.object);
    let pen = site.pen(visitor, sight);
    let row = &view.page.row;
    let t = visitor.texts;
    let stage = view.shown.stage;
    let id = view.shown.call;
    let title = format!("pop-{id}");
    let number = pen.client_number(row);
    let name = pen.client_name(row);
    html! {
        article.pop.(stage.as_str()) data-call=(id) data-version=(view.shown.version)
            data-stage=(stage.as_str()) data-watched[view.shown.reason == Reason::Supervises] data-say=(sentence(&pen, view)) aria-labelledby=(title) {
            header {
                span.stage {
                    @if view.shown.reason == Reason::Supervises { (t.say("pop-watched")) }
                    @else { (t.word("pop-stage", stage.as_str())) }
                    @if stage == Stage::Talking {
                        @if let Some(since) = row.answered_at { " " span data-since=(since / 1_000) {} }
                    }
                }
                button.quiet.hide type="button" data-hide hidden title=(t.say("pop-hide")) aria-label=(t.say("pop-hide")) { "✕" }
            }
            h2 id=(title) {
                @match (&name, row.card) {
                    (Some(name), Some(card)) => { a href={ "/cards/" (card) } { (name) } }
                    (None, Some(card)) if sight.names => { a href={ "/cards/" (card) } { (number) } }
                    (Some(name), None) => { (name) }
                    (None, _) => { (number) }
                }
            }
            @if let Some(company) = row.card_company.as_deref().filter(|text| sight.names && !text.is_empty()) {
                p.company { (company) }
            }
            p.phone {
                @if name.is_some() { span.number { (number) } }
                @if let (true, Some(e164)) = (sight.full_numbers, &row.client) {
                    " " button.quiet type="button" data-copy=(e164) hidden { (t.say("copy-number")) }
                }
                // Of a number that is withheld nobody knows whether it is the first call.
                @if view.card.is_some() && view.last.is_empty() { " " span.badge.plain { (t.say("pop-first-call")) } }
            }
            (facts(&pen, visitor, view))
            @if sight.names { (before(&pen, view)) }
            (actions(&pen, visitor, view))
        }
    }
}

/// What a screen reader says when the pop comes.
fn sentence(pen: &Pen<'_>, view: &View) -> String {
    let row = &view.page.row;
    let who = pen
        .client_name(row)
        .unwrap_or_else(|| pen.client_number(row));
    pen.t.fill("pop-say", &[("who", who.into())])
}

fn facts(pen: &Pen<'_>, visitor: &Visitor, view: &View) -> Markup {
    let t = pen.t;
    let row = &view.page.row;
    let line = row.line_name.as_deref().or(row.did.as_deref());
    let keys = &view.page.call.digits;
    html! {
        dl.facts {
            @if let Some(line) = line {
                dt { (t.say("pop-source")) }
                dd {
                    @if let Some(channel) = &view.channel { strong { (channel) } " → " }
                    (line)
                    @if !keys.is_empty() { ", " (t.say("pop-keys")) " " (keys) }
                }
            }
            @if let Some(card) = &view.card {
                dt { (t.say("pop-owner")) }
                dd {
                    @match (&card.owner_name, card.owner) {
                        (_, Some(owner)) if owner == visitor.person.id.0 => { strong { (t.say("pop-owner-you")) } }
                        (Some(name), _) => { (name) }
                        (None, _) => { (t.say("pop-owner-none")) }
                    }
                }
            }
            dt { (t.say("pop-why")) }
            dd { (why(pen, visitor, view)) }
            @if let (Some(reason), true) = (&view.page.more.match_reason, pen.sight.names) {
                dt { (t.say("pop-match")) }
                dd {
                    (t.word("match", reason))
                    @if !view.others.is_empty() {
                        details {
                            summary { (t.count("pop-others", view.others.len() as i64)) }
                            ul { @for other in &view.others { li {
                                a href={ "/cards/" (other.id) } {
                                    @if other.name.is_empty() { (t.say("card-nameless")) } @else { (other.name) }
                                }
                                @if let Some(owner) = &other.owner_name { " · " (owner) }
                            } } }
                        }
                    }
                }
            }
        }
    }
}

/// Why this person's phone rings.
fn why(pen: &Pen<'_>, visitor: &Visitor, view: &View) -> String {
    let t = pen.t;
    if view.shown.reason == Reason::Supervises {
        return t.say("why-supervises");
    }
    if let Some(transfer) = view.page.call.transfers.last() {
        let from = view.passed_by.clone();
        let from = from.unwrap_or_else(|| t.say("party-unknown")).into();
        return match transfer.kind {
            TransferKind::Blind => t.fill("why-transfer-blind", &[("from", from)]),
            TransferKind::Attended => t.fill("why-transfer-attended", &[("from", from)]),
        };
    }
    if let Some(reason) = &view.page.more.route_reason {
        return t.word("route", reason);
    }
    let mine = view.page.more.card_owner == Some(visitor.person.id.0);
    t.say(if mine { "why-owner" } else { "why-pbx" })
}

/// The last contacts and the last note.
fn before(pen: &Pen<'_>, view: &View) -> Markup {
    let t = pen.t;
    html! {
        @if let Some(note) = &view.note {
            blockquote.note { (note_text(pen, note)) }
        }
        @if !view.last.is_empty() {
            h3 { (t.say("pop-last")) }
            ul.last {
                @for row in &view.last {
                    @let at = Timestamp::from_micros(row.started_at);
                    li {
                        (parts::direction(t, row.direction.as_deref())) " "
                        a href={ "/calls/" (row.id) } { (pen.clock.moment(at, pen.now)) } " "
                        (parts::outcome(t, row)) " "
                        (row.person_name.as_deref().unwrap_or_default())
                    }
                }
            }
        }
    }
}

/// A note as it is read; a result comes before the words written with it.
pub fn note_text(pen: &Pen<'_>, event: &CardEvent) -> Markup {
    let at = Timestamp::from_micros(event.at);
    let (result, text) = match event.kind.as_str() {
        "result" => match event.body.split_once('\n') {
            Some((result, text)) => (Some(result), text),
            None => (Some(event.body.as_str()), ""),
        },
        _ => (None, event.body.as_str()),
    };
    html! {
        @if let Some(result) = result { span.badge.plain { (pen.t.word("wrap", result)) } " " }
        span.words { (text) }
        footer { (pen.clock.moment(at, pen.now)) @if let Some(person) = &event.person { " · " (person) } }
    }
}

fn actions(pen: &Pen<'_>, visitor: &Visitor, view: &View) -> Markup {
    let t = pen.t;
    let id = view.shown.call;
    let may_note = view.card.is_some()
        && policy::can(&visitor.person, Action::ChangeCards, &view.object).is_allowed();
    let wrap_up = view.shown.stage == Stage::WrapUp;
    html! {
        div.actions {
            @if let (Some(card), true) = (&view.card, pen.sight.names) {
                a.button.primary href={ "/cards/" (card.id) } data-key="Enter" { (t.say("pop-open-card")) }
            }
            a.button href={ "/calls/" (id) } { (t.say("pop-open-call")) }
        }
        @if wrap_up { (form(pen, visitor, id, may_note, true)) }
        @else if may_note {
            details.note {
                summary { (t.say("note-label")) }
                (form(pen, visitor, id, may_note, false))
            }
        }
    }
}

/// Result and note; in wrap-up one of them, both or neither is a valid finish.
fn form(pen: &Pen<'_>, visitor: &Visitor, id: CallId, may_note: bool, wrap_up: bool) -> Markup {
    let t = pen.t;
    html! {
        form.wrap-up action={ "/pops/" (id) "/done" } method="post" data-finish=(id) {
            (layout::token(visitor))
            @if may_note && wrap_up {
                fieldset {
                    legend { (t.say("wrap-title")) }
                    @for (n, result) in RESULTS.iter().enumerate() {
                        label { input type="radio" name="result" value=(result) data-key=(n + 1); " " (t.word("wrap", result)) }
                    }
                }
            }
            @if may_note {
                label { span.visually-hidden { (t.say("note-label")) }
                    textarea name="note" rows="2" maxlength=(NOTE_CHARS) placeholder=(t.say("note-placeholder")) data-key="n" {}
                }
            }
            button type="submit" {
                @if wrap_up { (t.say("wrap-done")) } @else { (t.say("note-save")) }
            }
        }
    }
}

/// Writes what was typed, and in wrap-up ends the panel.
async fn done(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(call): Path<Uuid>,
    Form(written): Form<Written>,
) -> Result<Response, Error> {
    let id = CallId(call);
    let page = journal::call(&site.db, id).await?.ok_or(Error::NotFound)?;
    let object = sight::call_belongs(&site, &visitor, &page).await?;
    demand(&visitor, Action::SeeCalls, &object)?;
    let note = written.note.trim();
    let result = RESULTS.iter().find(|word| **word == written.result);
    if !note.is_empty() || result.is_some() {
        demand(&visitor, Action::ChangeCards, &object)?;
        let card = page.row.card.ok_or(Error::NotFound)?;
        keep_note(&site, &visitor, CardId(card), result.copied(), note).await?;
    }
    let shown = site.hub.pop(visitor.person.id, id);
    if shown.is_some_and(|shown| shown.stage == Stage::WrapUp) {
        site.hub.finish(visitor.person.id, id, now());
    }
    Ok(Redirect::to("/").into_response())
}

/// Keeps a note, or a result with its words, on a card.
pub async fn keep_note(
    site: &Site,
    visitor: &Visitor,
    card: CardId,
    result: Option<&'static str>,
    note: &str,
) -> Result<(), Error> {
    if note.chars().count() > NOTE_CHARS {
        return Err(Error::Unusable("error-too-large"));
    }
    let person = visitor.known();
    let (kind, body) = match result {
        Some(result) if note.is_empty() => ("result", result.to_owned()),
        Some(result) => ("result", format!("{result}\n{note}")),
        None => ("note", note.to_owned()),
    };
    cards::add_note(&site.db, card, person, kind, &body, now()).await?;
    let object = format!("card:{card}");
    sight::audited(site, visitor, "change", &object, kind).await
}
