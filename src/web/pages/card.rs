//! A client's card: who it is, numbers, who is responsible, and everything that happened.

use axum::{
    Form,
    extract::{Path, Query, State as Extract},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::{keep, marks, merging, pop};
use crate::{
    model::{ids::CardId, time::Timestamp},
    policy::{self, Action, Object},
    store::{
        self,
        cards::{self, Card, CardEvent, CardPhone},
        journal::{self, CallRow},
        merging::Part,
    },
    web::{
        Error, Site, State, Visitor, demand,
        layout::{self, Place},
        now,
        parts::{Columns, Pen, nothing},
        routes::{Access, Route},
        sight::{self, Sight},
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/cards/{id}", Access::Right(Action::UseDesk), || get(show)),
    Route::post(
        "/cards/{id}/reveal",
        Access::Right(Action::RevealNumbers),
        || post(reveal),
    ),
    Route::post(
        "/cards/{id}/notes",
        Access::Right(Action::ChangeCards),
        || post(note),
    ),
    Route::post(
        "/cards/{id}/name",
        Access::Right(Action::ChangeCards),
        || post(rename),
    ),
];

const CALL_ROWS: i64 = 50;
const EVENT_ROWS: i64 = 100;
const NAME_CHARS: usize = 200;

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    said: String,
}

#[derive(Deserialize)]
struct Note {
    note: String,
}

#[derive(Deserialize)]
struct Name {
    name: String,
    company: String,
}

/// All that the page shows.
struct View {
    card: Card,
    object: Object,
    phones: Vec<CardPhone>,
    calls: Vec<CallRow>,
    events: Vec<CardEvent>,
    decisions: Option<keep::Decisions>,
    /// Cards that have become part of this one.
    parts: Vec<Part>,
    /// What has just been done.
    done: Option<&'static str>,
    /// `spam`, `blocked` or nothing.
    mark: String,
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(said): Query<Said>,
) -> Result<Response, Error> {
    let mut view = match read(&site, &visitor, CardId(id)).await? {
        Found::Card(view) => view,
        Found::MergedInto(id) => {
            return Ok(Redirect::to(&format!("/cards/{id}")).into_response());
        }
    };
    let verdict = demand(&visitor, Action::SeeCards, &view.object)?;
    sight::audit_ring(&site, &visitor, verdict, &format!("card:{id}")).await?;
    view.done = match said.said.as_str() {
        "calling" => Some("calling"),
        "merged" => Some("merge-done"),
        "parted" => Some("merge-parted"),
        _ => None,
    };
    let sight = sight::of(&visitor, &view.object);
    Ok(markup(&site, &visitor, &view, sight).into_response())
}

/// Shows the numbers of this one card in full, and leaves a trace of that.
async fn reveal(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Response, Error> {
    let Found::Card(view) = read(&site, &visitor, CardId(id)).await? else {
        return Err(Error::NotFound);
    };
    demand(&visitor, Action::SeeCards, &view.object)?;
    demand(&visitor, Action::RevealNumbers, &view.object)?;
    sight::audited(&site, &visitor, "reveal", &format!("card:{id}"), "").await?;
    let sight = Sight {
        full_numbers: true,
        ..sight::of(&visitor, &view.object)
    };
    Ok(markup(&site, &visitor, &view, sight).into_response())
}

async fn note(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Form(note): Form<Note>,
) -> Result<Response, Error> {
    let id = changeable(&site, &visitor, CardId(id)).await?;
    let text = note.note.trim();
    if !text.is_empty() {
        pop::keep_note(&site, &visitor, id, None, text).await?;
    }
    Ok(Redirect::to(&format!("/cards/{id}")).into_response())
}

async fn rename(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Form(name): Form<Name>,
) -> Result<Response, Error> {
    let id = changeable(&site, &visitor, CardId(id)).await?;
    let (name, company) = (name.name.trim(), name.company.trim());
    if name.chars().count() > NAME_CHARS || company.chars().count() > NAME_CHARS {
        return Err(Error::Unusable("error-too-large"));
    }
    cards::rename(&site.db, id, visitor.known(), name, company, now()).await?;
    sight::audited(&site, &visitor, "change", &format!("card:{id}"), "name").await?;
    Ok(Redirect::to(&format!("/cards/{id}")).into_response())
}

/// The live card that is changed: a page that was open while cards were merged means the winner.
pub async fn changeable(site: &Site, visitor: &Visitor, id: CardId) -> Result<CardId, Error> {
    let living = cards::living(&site.db, id).await?.ok_or(Error::NotFound)?;
    let card = cards::card(&site.db, living).await?;
    let card = card.ok_or(Error::NotFound)?;
    let object = sight::card_belongs(site, visitor, &card).await?;
    demand(visitor, Action::ChangeCards, &object)?;
    Ok(living)
}

/// A card, or where it has gone.
enum Found {
    Card(Box<View>),
    MergedInto(Uuid),
}

async fn read(site: &Site, visitor: &Visitor, id: CardId) -> Result<Found, Error> {
    let card = cards::card(&site.db, id).await?.ok_or(Error::NotFound)?;
    if card.merged_into.is_some() {
        let into = cards::living(&site.db, id).await?.ok_or(Error::NotFound)?;
        return Ok(Found::MergedInto(into.0));
    }
    let object = sight::card_belongs(site, visitor, &card).await?;
    Ok(Found::Card(Box::new(View {
        decisions: keep::decisions(site, visitor, &object, "cards", id.0).await?,
        object,
        phones: cards::phones(&site.db, id).await?,
        calls: journal::of_card(&site.db, id, CALL_ROWS).await?,
        events: cards::events(&site.db, id, EVENT_ROWS).await?,
        parts: store::merging::parts_of(&site.db, id).await?,
        done: None,
        mark: store::marks::of_card(&site.db, id).await?,
        card,
    })))
}

fn markup(site: &Site, visitor: &Visitor, view: &View, sight: Sight) -> Markup {
    let pen = site.pen(visitor, sight);
    let t = visitor.texts;
    let card = &view.card;
    let title = match (card.name.is_empty(), view.phones.first()) {
        (false, _) => card.name.clone(),
        (true, Some(phone)) => sight.number(&phone.e164),
        (true, None) => t.say("card-nameless"),
    };
    let may = |action| policy::can(&visitor.person, action, &view.object).is_allowed();
    let content = html! {
        @if let Some(done) = view.done { p.done role="status" { (t.say(done)) } }
        div.heading {
            h1 { (title) @if !card.company.is_empty() { " " small.company { (card.company) } } }
            @if card.provisional == 1 { span.badge.plain { (t.say("card-provisional")) } }
        }
        div.columns {
            aside {
                (facts(&pen, view))
                (phones(&pen, visitor, view))
                @if may(Action::ChangeCards) {
                    (rename_form(&pen, visitor, card))
                    (marks::form(visitor, &format!("/cards/{}", card.id), &view.mark))
                    (merging::section(&pen, visitor, card, &view.parts))
                }
                @if let Some(decisions) = &view.decisions { (keep::section(&pen, visitor, decisions)) }
            }
            div {
                @if may(Action::ChangeCards) { (note_form(&pen, visitor, card)) }
                (history(&pen, view))
            }
        }
    };
    layout::page(visitor, Place::Cards, &title, &content)
}

fn facts(pen: &Pen<'_>, view: &View) -> Markup {
    let t = pen.t;
    let card = &view.card;
    let created = Timestamp::from_micros(card.created_at);
    html! {
        dl.facts {
            dt { (t.say("pop-owner")) }
            dd { (card.owner_name.clone().unwrap_or_else(|| t.say("pop-owner-none"))) }
            @if let Some(line) = &card.first_line { dt { (t.say("card-first-line")) } dd { (line) } }
            dt { (t.say("card-since")) }
            dd { (pen.clock.day(created)) }
        }
        @if !card.note.is_empty() { p.words { (card.note) } }
    }
}

fn phones(pen: &Pen<'_>, visitor: &Visitor, view: &View) -> Markup {
    let t = pen.t;
    let id = view.card.id;
    let may = |action| policy::can(&visitor.person, action, &view.object).is_allowed();
    html! {
        h2 { (t.say("card-phones")) }
        ul.phones {
            @for (n, phone) in view.phones.iter().enumerate() {
                li {
                    span.number { (pen.sight.number(&phone.e164)) @if !phone.ext.is_empty() { " #" (phone.ext) } }
                    " " small { (t.word("phone-kind", &phone.kind)) }
                    @if pen.sight.full_numbers {
                        " " button.quiet type="button" data-copy=(phone.e164) hidden { (t.say("copy-number")) }
                    }
                    @if may(Action::CallClients) {
                        form.inline action={ "/cards/" (id) "/call" } method="post" {
                            (layout::token(visitor))
                            input type="hidden" name="phone" value=(n);
                            button type="submit" { (t.say("call-client")) }
                        }
                    }
                    @if view.phones.len() > 1 && may(Action::ChangeCards) {
                        (merging::number_button(pen, visitor, &view.card, n))
                    }
                }
            }
        }
        @if !pen.sight.full_numbers && !view.phones.is_empty() && may(Action::RevealNumbers) {
            form action={ "/cards/" (id) "/reveal" } method="post" {
                (layout::token(visitor))
                button.quiet type="submit" { (t.say("reveal")) }
            }
        }
    }
}

fn note_form(pen: &Pen<'_>, visitor: &Visitor, card: &Card) -> Markup {
    let t = pen.t;
    html! {
        form.note-form action={ "/cards/" (card.id) "/notes" } method="post" {
            (layout::token(visitor))
            label { span.visually-hidden { (t.say("note-label")) }
                textarea name="note" rows="2" required maxlength=(pop::NOTE_CHARS) placeholder=(t.say("note-placeholder")) data-key="n" {}
            }
            button.primary type="submit" { (t.say("note-save")) }
        }
    }
}

fn rename_form(pen: &Pen<'_>, visitor: &Visitor, card: &Card) -> Markup {
    let t = pen.t;
    html! {
        details {
            summary { (t.say("card-rename")) }
            form.stacked action={ "/cards/" (card.id) "/name" } method="post" {
                (layout::token(visitor))
                label { span { (t.say("card-name")) } input type="text" name="name" value=(card.name) maxlength=(NAME_CHARS); }
                label { span { (t.say("card-company")) } input type="text" name="company" value=(card.company) maxlength=(NAME_CHARS); }
                button type="submit" { (t.say("save")) }
            }
        }
    }
}

/// Notes and changes, then calls; both newest first.
fn history(pen: &Pen<'_>, view: &View) -> Markup {
    let t = pen.t;
    html! {
        section aria-labelledby="notes-title" {
            h2 #notes-title { (t.say("card-notes")) }
            @if view.events.is_empty() { (nothing(&t.say("card-notes-none"))) }
            ol.timeline {
                @for event in &view.events {
                    li.(event.kind) {
                        @if event.kind == "note" || event.kind == "result" { (pop::note_text(pen, event)) }
                        @else { (change(pen, event)) }
                    }
                }
            }
        }
        section aria-labelledby="card-calls-title" {
            h2 #card-calls-title { (t.say("card-calls")) }
            @if view.calls.is_empty() { (nothing(&t.say("card-calls-none"))) }
            @else { div.scroll { (pen.calls(&view.calls, Columns::OfClient)) } }
        }
    }
}

fn change(pen: &Pen<'_>, event: &CardEvent) -> Markup {
    let at = Timestamp::from_micros(event.at);
    html! {
        span.words {
            (pen.t.word("card-event", &event.kind))
            @if matches!(event.kind.as_str(), "renamed" | "touch" | "owner") && !event.body.is_empty() { ": " (event.body) }
        }
        footer { (pen.clock.moment(at, pen.now)) @if let Some(person) = &event.person { " · " (person) } }
    }
}
