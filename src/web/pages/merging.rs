//! Two cards of one client become one, part again, or a number that is somebody else's leaves a card.
//! Before cards are merged the page shows what will come of it.

use axum::{
    Form,
    extract::{Path, Query, State as Extract},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::cards as list;
use crate::{
    model::{ids::CardId, time::Timestamp},
    policy::{Action, Object},
    rules::merging::Face,
    store::{
        cards::{self, Card},
        merging::{self, Deed, MergeError, Moved, Part, Preview},
        people,
    },
    web::{
        Error, Site, State, Visitor, demand,
        layout::{self, Place},
        now,
        parts::{Pen, nothing},
        routes::{Access, Route},
        sight,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get(
        "/cards/{id}/merge",
        Access::Right(Action::ChangeCards),
        || get(show),
    ),
    Route::post(
        "/cards/{id}/merge",
        Access::Right(Action::ChangeCards),
        || post(merge),
    ),
    Route::post(
        "/cards/{id}/part",
        Access::Right(Action::ChangeCards),
        || post(part),
    ),
    Route::post(
        "/cards/{id}/part-number",
        Access::Right(Action::ChangeCards),
        || post(part_number),
    ),
];

/// How many cards a search shows.
const FOUND: i64 = 20;

#[derive(Deserialize)]
struct Asked {
    /// A name, or a number.
    #[serde(default)]
    q: String,
    /// The other card, once it is found.
    with: Option<Uuid>,
}

#[derive(Deserialize)]
struct Decided {
    /// The card that becomes a part of this one.
    other: Uuid,
    /// Versions of both cards as they were shown.
    seen: i64,
    other_seen: i64,
}

#[derive(Deserialize)]
struct Parted {
    /// The card that goes its own way again.
    part: Uuid,
}

#[derive(Deserialize)]
struct PartedNumber {
    /// Which of the card's numbers.
    phone: usize,
    /// Version of the card as it was shown.
    seen: i64,
}

impl From<MergeError> for Error {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Unknown => Self::NotFound,
            MergeError::Same => Self::Unusable("merge-same"),
            MergeError::AlreadyMerged => Self::Unusable("merge-already"),
            MergeError::NotMerged => Self::Unusable("merge-not-merged"),
            MergeError::MergedFurther => Self::Unusable("merge-further"),
            MergeError::Forgotten => Self::Unusable("merge-forgotten"),
            MergeError::NoNumber => Self::Unusable("merge-no-number"),
            MergeError::Changed => Self::Unusable("merge-changed"),
            MergeError::Store(error) => Self::Store(error),
        }
    }
}

/// A live card that this visitor may change.
async fn changeable(site: &Site, visitor: &Visitor, id: Uuid) -> Result<(Card, Object), Error> {
    let card = cards::card(&site.db, CardId(id)).await?;
    let card = card.ok_or(Error::NotFound)?;
    if card.merged_into.is_some() {
        return Err(MergeError::AlreadyMerged.into());
    }
    let object = sight::card_belongs(site, visitor, &card).await?;
    demand(visitor, Action::ChangeCards, &object)?;
    Ok((card, object))
}

/// Merges, as far as the visitor may, and tells open pages and the audit. What the API does, too.
pub async fn carry_out(
    site: &Site,
    visitor: &Visitor,
    (winner, loser): (Uuid, Uuid),
    seen: Option<(i64, i64)>,
) -> Result<(), Error> {
    changeable(site, visitor, winner).await?;
    changeable(site, visitor, loser).await?;
    let both = (CardId(winner), CardId(loser));
    let moved = merging::merge(&site.db, both, seen, deed(visitor)).await?;
    told(site, &moved);
    audited(site, visitor, winner, "merge").await?;
    audited(site, visitor, loser, "merged").await
}

/// Parts a card again, in the same way. Whoever may change the card it is part of may do it.
pub async fn take_back(site: &Site, visitor: &Visitor, part: Uuid) -> Result<(), Error> {
    let card = cards::card(&site.db, CardId(part)).await?;
    let of = card.ok_or(Error::NotFound)?.merged_into;
    let of = of.ok_or(MergeError::NotMerged)?;
    changeable(site, visitor, of)
        .await
        .map_err(|error| match error {
            Error::Unusable("merge-already") => MergeError::MergedFurther.into(),
            other => other,
        })?;
    let moved = merging::part(&site.db, CardId(part), deed(visitor)).await?;
    told(site, &moved);
    audited(site, visitor, of, "part").await?;
    audited(site, visitor, part, "parted").await
}

/// Takes a number out of a card, in the same way; gives the new card.
pub async fn take_out(
    site: &Site,
    visitor: &Visitor,
    card: Uuid,
    number: usize,
    seen: Option<i64>,
) -> Result<CardId, Error> {
    changeable(site, visitor, card).await?;
    let phones = cards::phones(&site.db, CardId(card)).await?;
    let phone = phones.get(number).ok_or(MergeError::NoNumber)?;
    let moved = merging::part_number(&site.db, CardId(card), phone, seen, deed(visitor)).await?;
    told(site, &moved);
    audited(site, visitor, card, "part_number").await?;
    audited(site, visitor, moved.card.0, "parted").await?;
    Ok(moved.card)
}

fn deed(visitor: &Visitor) -> Deed {
    Deed {
        person: visitor.known(),
        at: now(),
    }
}

/// Shows the moved calls anew wherever they stand on a screen.
fn told(site: &Site, moved: &Moved) {
    site.hub.moved(&moved.calls, moved.card);
}

async fn audited(
    site: &Site,
    visitor: &Visitor,
    card: Uuid,
    action: &'static str,
) -> Result<(), Error> {
    // The other card stands in the card's history.
    sight::audited(site, visitor, action, &format!("card:{card}"), "").await
}

async fn merge(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Form(decided): Form<Decided>,
) -> Result<Response, Error> {
    let seen = (decided.seen, decided.other_seen);
    carry_out(&site, &visitor, (id, decided.other), Some(seen)).await?;
    Ok(Redirect::to(&format!("/cards/{id}?said=merged")).into_response())
}

async fn part(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(_): Path<Uuid>,
    Form(parted): Form<Parted>,
) -> Result<Response, Error> {
    take_back(&site, &visitor, parted.part).await?;
    Ok(Redirect::to(&format!("/cards/{}?said=parted", parted.part)).into_response())
}

async fn part_number(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Form(parted): Form<PartedNumber>,
) -> Result<Response, Error> {
    let card = take_out(&site, &visitor, id, parted.phone, Some(parted.seen)).await?;
    Ok(Redirect::to(&format!("/cards/{card}?said=parted")).into_response())
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    let (card, object) = changeable(&site, &visitor, id).await?;
    let pen = site.pen(&visitor, sight::of(&visitor, &object));
    let content = match asked.with {
        Some(other) => confirm(&site, &visitor, &pen, &card, other).await?,
        None => choose(&site, &visitor, &pen, &card, &asked.q).await?,
    };
    let title = visitor.texts.say("merge-title");
    Ok(layout::page(&visitor, Place::Cards, &title, &content).into_response())
}

/// The other card: likely ones, and whatever is looked for.
async fn choose(
    site: &Site,
    visitor: &Visitor,
    pen: &Pen<'_>,
    card: &Card,
    typed: &str,
) -> Result<Markup, Error> {
    let t = visitor.texts;
    let search = list::search(visitor, pen.sight, typed);
    let mut found = Vec::new();
    if typed.trim().is_empty() {
        found = cards::alike(&site.db, card, &search).await?;
    } else if search.digits.is_some() || search.text.is_some() {
        sight::searched(site, visitor, pen.sight, search.digits.as_deref()).await?;
        found = cards::search(&site.db, &search, None, FOUND).await?;
        found.retain(|other| other.id != card.id);
    }
    Ok(html! {
        h1 { (t.say("merge-title")) " " small { (name(pen, card)) } }
        p { (t.say("merge-explain")) }
        form.filters action={ "/cards/" (card.id) "/merge" } method="get" role="search" {
            label { span { (t.say("merge-other")) }
                input type="search" name="q" value=(typed) placeholder=(t.say("search-placeholder")); }
            button.primary type="submit" { (t.say("filter-apply")) }
        }
        @if found.is_empty() {
            (nothing(&t.say(if typed.is_empty() { "merge-none-alike" } else { "cards-not-found" })))
        } @else {
            @if typed.is_empty() { h2 { (t.say("merge-alike")) } }
            ul.choices {
                @for other in &found {
                    li {
                        a href={ "/cards/" (card.id) "/merge?with=" (other.id) } { (name(pen, other)) }
                        @if !other.company.is_empty() { " · " (other.company) }
                        @if let Some(owner) = &other.owner_name { " · " (owner) }
                    }
                }
            }
        }
    })
}

/// What will come of it, and the button.
async fn confirm(
    site: &Site,
    visitor: &Visitor,
    pen: &Pen<'_>,
    card: &Card,
    other: Uuid,
) -> Result<Markup, Error> {
    let t = visitor.texts;
    let (other, of_other) = changeable(site, visitor, other).await?;
    if other.id == card.id {
        return Err(MergeError::Same.into());
    }
    let both = (CardId(card.id), CardId(other.id));
    let preview = merging::preview(&site.db, both.0, both.1).await?;
    let preview = preview.ok_or(Error::NotFound)?;
    let owner = owner_of(site, &preview.after).await?;
    let others = site.pen(visitor, sight::of(visitor, &of_other));
    Ok(html! {
        h1 { (t.say("merge-title")) }
        p { (t.say("merge-sure")) }
        dl.facts {
            dt { (t.say("merge-stays")) }
            dd { strong { (name(pen, card)) } }
            dt { (t.say("merge-goes")) }
            dd { (name(pen, &other)) }
            dt { (t.say("card-name")) }
            dd data-after="name" { (said(&preview.after.name)) }
            dt { (t.say("card-company")) }
            dd data-after="company" { (said(&preview.after.company)) }
            dt { (t.say("pop-owner")) }
            dd data-after="owner" { (owner.unwrap_or_else(|| t.say("pop-owner-none"))) }
            (comes_over(&others, &preview))
        }
        form.inline action={ "/cards/" (card.id) "/merge" } method="post" {
            (layout::token(visitor))
            input type="hidden" name="other" value=(other.id);
            input type="hidden" name="seen" value=(card.version);
            input type="hidden" name="other_seen" value=(other.version);
            button.primary type="submit" { (t.say("merge-do")) }
        }
        p { a href={ "/cards/" (other.id) "/merge?with=" (card.id) } { (t.say("merge-turn-round")) } }
        p { a href={ "/cards/" (card.id) "/merge" } { (t.say("merge-another")) } }
    })
}

fn comes_over(pen: &Pen<'_>, preview: &Preview) -> Markup {
    let t = pen.t;
    html! {
        dt { (t.say("card-phones")) }
        dd data-after="phones" {
            @for (n, phone) in preview.phones.iter().enumerate() {
                @if n > 0 { ", " }
                span.number { (pen.sight.number(&phone.e164)) @if !phone.ext.is_empty() { " #" (phone.ext) } }
            }
            @if preview.phones.is_empty() { "–" }
        }
        dt { (t.say("card-calls")) }
        dd data-after="calls" { (preview.calls) }
        dt { (t.say("merge-tasks")) }
        dd data-after="tasks" { (preview.tasks) }
        dt { (t.say("merge-touches")) }
        dd data-after="touches" { (preview.touches) }
    }
}

async fn owner_of(site: &Site, face: &Face) -> Result<Option<String>, Error> {
    let Some(owner) = face.owner else {
        return Ok(None);
    };
    let owner = people::by_id(&site.db, owner).await?;
    Ok(owner.map(|person| person.name))
}

fn said(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

fn name(pen: &Pen<'_>, card: &Card) -> String {
    match card.name.is_empty() {
        true => pen.t.say("card-nameless"),
        false => card.name.clone(),
    }
}

/// What has become part of a card, each with the way back; and the way to the page.
pub fn section(pen: &Pen<'_>, visitor: &Visitor, card: &Card, parts: &[Part]) -> Markup {
    let t = pen.t;
    html! {
        section.parts {
            @if !parts.is_empty() {
                h2 { (t.say("merge-parts")) }
                ul {
                    @for part in parts {
                        li {
                            @if part.name.is_empty() { (t.say("card-nameless")) } @else { (part.name) }
                            " · " (pen.clock.moment(Timestamp::from_micros(part.at), pen.now))
                            @if let Some(person) = &part.person { " · " (person) }
                            " " form.inline action={ "/cards/" (card.id) "/part" } method="post" {
                                (layout::token(visitor))
                                input type="hidden" name="part" value=(part.id);
                                button.quiet type="submit" title=(t.say("merge-part-explain")) { (t.say("merge-part")) }
                            }
                        }
                    }
                }
            }
            p { a href={ "/cards/" (card.id) "/merge" } { (t.say("merge-link")) } }
        }
    }
}

/// The button that takes one number out of a card.
pub fn number_button(pen: &Pen<'_>, visitor: &Visitor, card: &Card, n: usize) -> Markup {
    let t = pen.t;
    html! {
        " " form.inline action={ "/cards/" (card.id) "/part-number" } method="post" {
            (layout::token(visitor))
            input type="hidden" name="phone" value=(n);
            input type="hidden" name="seen" value=(card.version);
            button.quiet type="submit" title=(t.say("merge-part-number-explain")) { (t.say("merge-part-number")) }
        }
    }
}
