//! What an owner decides about a card or call: that it must stay whatever its age (a legal hold), or that
//! the person is erased. Both want a reason and leave a trace in the audit.

use axum::{
    Form,
    extract::{Path, State as Extract},
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    keeping::erase::{self, EraseError, Proof, Request},
    model::{
        ids::{CallId, CardId},
        time::Timestamp,
    },
    policy::{self, Action, Object},
    store::{
        Db, cards,
        hold::{self, Hold},
        journal,
    },
    web::{
        Error, Site, State, Visitor, demand,
        layout::{self, Place},
        now,
        parts::Pen,
        routes::{Access, Route},
        sight,
    },
};

/// The routes of these decisions.
pub const ROUTES: &[Route] = &[
    Route::post(
        "/cards/{id}/hold",
        Access::Right(Action::DecideWhatStays),
        || post(hold_card),
    ),
    Route::post(
        "/cards/{id}/release",
        Access::Right(Action::DecideWhatStays),
        || post(release_card),
    ),
    Route::post(
        "/calls/{id}/hold",
        Access::Right(Action::DecideWhatStays),
        || post(hold_call),
    ),
    Route::post(
        "/calls/{id}/release",
        Access::Right(Action::DecideWhatStays),
        || post(release_call),
    ),
    Route::post(
        "/cards/{id}/erase",
        Access::Right(Action::DecideWhatStays),
        || post(erase_card),
    ),
];

const REASON_CHARS: usize = 500;
/// A file up to this length is written anew at once: nobody can write to it meanwhile (about a second).
const CLEANED_BYTES: u64 = 200 << 20;

#[derive(Deserialize)]
struct Reason {
    reason: String,
}

#[derive(Deserialize)]
struct Erasure {
    reason: String,
    #[serde(default)]
    sure: String,
}

impl Reason {
    fn read(&self) -> Result<&str, Error> {
        let reason = self.reason.trim();
        match reason.is_empty() || reason.chars().count() > REASON_CHARS {
            true => Err(Error::Unusable("keep-needs-reason")),
            false => Ok(reason),
        }
    }
}

async fn hold_card(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Form(reason): Form<Reason>,
) -> Result<Redirect, Error> {
    known_card(&site, &visitor, id).await?;
    set(&site, &visitor, &format!("card:{id}"), reason.read()?).await?;
    Ok(Redirect::to(&format!("/cards/{id}")))
}

async fn release_card(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Redirect, Error> {
    known_card(&site, &visitor, id).await?;
    lift(&site, &visitor, &format!("card:{id}")).await?;
    Ok(Redirect::to(&format!("/cards/{id}")))
}

async fn hold_call(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Form(reason): Form<Reason>,
) -> Result<Redirect, Error> {
    known_call(&site, &visitor, id).await?;
    set(&site, &visitor, &format!("call:{id}"), reason.read()?).await?;
    Ok(Redirect::to(&format!("/calls/{id}")))
}

async fn release_call(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Redirect, Error> {
    known_call(&site, &visitor, id).await?;
    lift(&site, &visitor, &format!("call:{id}")).await?;
    Ok(Redirect::to(&format!("/calls/{id}")))
}

async fn known_card(site: &Site, visitor: &Visitor, id: Uuid) -> Result<(), Error> {
    let card = cards::card(&site.db, CardId(id)).await?;
    let object = sight::card_belongs(site, visitor, &card.ok_or(Error::NotFound)?).await?;
    demand(visitor, Action::DecideWhatStays, &object)?;
    Ok(())
}

async fn known_call(site: &Site, visitor: &Visitor, id: Uuid) -> Result<(), Error> {
    let call = journal::call(&site.db, CallId(id)).await?;
    let object = sight::call_belongs(site, visitor, &call.ok_or(Error::NotFound)?).await?;
    demand(visitor, Action::DecideWhatStays, &object)?;
    Ok(())
}

async fn set(site: &Site, visitor: &Visitor, object: &str, reason: &str) -> Result<(), Error> {
    hold::set(&site.db, object, reason, visitor.known(), now()).await?;
    sight::audited(site, visitor, "hold", object, reason).await
}

async fn lift(site: &Site, visitor: &Visitor, object: &str) -> Result<(), Error> {
    hold::lift(&site.db, object, visitor.known(), now()).await?;
    sight::audited(site, visitor, "release", object, "").await
}

async fn erase_card(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Form(asked): Form<Erasure>,
) -> Result<Response, Error> {
    known_card(&site, &visitor, id).await?;
    let reason = Reason {
        reason: asked.reason,
    };
    let request = Request {
        number: None,
        card: Some(CardId(id)),
        person: visitor.known(),
        reason: reason.read()?.to_owned(),
        clean: is_small(&site.db),
        also: Vec::new(),
    };
    if asked.sure != "yes" {
        return Err(Error::Unusable("erase-needs-sure"));
    }
    let proof = erase::erase(&site.db, &site.vault, &request, now())
        .await
        .map_err(refused)?;
    site.hub.lists_changed();
    Ok(proof_page(&visitor, &proof).into_response())
}

fn is_small(db: &Db) -> bool {
    let length = db.file().and_then(|file| std::fs::metadata(file).ok());
    length.is_some_and(|meta| meta.len() <= CLEANED_BYTES)
}

fn refused(error: EraseError) -> Error {
    match error {
        EraseError::Nobody => Error::NotFound,
        EraseError::Ours => Error::Unusable("erase-ours"),
        EraseError::Held(_) => Error::Unusable("erase-held"),
        EraseError::GoingOn => Error::Unusable("erase-going-on"),
        EraseError::Reason => Error::Unusable("erase-names"),
        EraseError::Store(error) => Error::Store(error),
        other => Error::Unavailable(other.to_string()),
    }
}

fn proof_page(visitor: &Visitor, proof: &Proof) -> Markup {
    let t = visitor.texts;
    let content = html! {
        h1 { (t.say("erased-title")) }
        p.done role="status" { (t.say("erased-found-nothing")) }
        p { (t.fill("erased-searched", &[("values", (proof.searched.values as i64).into()), ("columns", (proof.searched.columns as i64).into())])) }
        @if !proof.cleaned { p { (t.say("erased-not-cleaned")) } }
        table.proof {
            thead { tr { th { (t.say("erased-table")) } th { (t.say("erased-rows")) } } }
            tbody {
                @for (table, rows) in &proof.tables { tr { td { code { (table) } } td { (rows) } } }
                tr { td { (t.say("erased-recordings")) } td { (proof.recordings) } }
            }
        }
        p.fine { (t.say("erased-not-reached")) }
    };
    layout::page(visitor, Place::Cards, &t.say("erased-title"), &content)
}

/// What is shown on a card's or call's page to those who may decide.
pub struct Decisions {
    /// `cards` or `calls`.
    place: &'static str,
    id: Uuid,
    hold: Option<Hold>,
}

/// Reads what there is to show; `None` for those who may not decide.
pub async fn decisions(
    site: &Site,
    visitor: &Visitor,
    object: &Object,
    place: &'static str,
    id: Uuid,
) -> Result<Option<Decisions>, Error> {
    if !policy::can(&visitor.person, Action::DecideWhatStays, object).is_allowed() {
        return Ok(None);
    }
    let kind = place.trim_end_matches('s');
    let hold = hold::on(&site.db, &format!("{kind}:{id}")).await?;
    Ok(Some(Decisions { place, id, hold }))
}

/// The hold, or the form that sets one; on a card the form that erases.
pub fn section(pen: &Pen<'_>, visitor: &Visitor, decisions: &Decisions) -> Markup {
    let t = pen.t;
    let root = format!("/{}/{}", decisions.place, decisions.id);
    html! {
        section.keep aria-labelledby="keep-title" {
            h2 #keep-title { (t.say("keep-title")) }
            @if let Some(hold) = &decisions.hold {
                p.hold { (t.say("hold-on")) " " span.words { (hold.reason) } }
                footer {
                    (pen.clock.moment(Timestamp::from_micros(hold.at), pen.now))
                    @if let Some(person) = &hold.name { " · " (person) }
                }
                form action={ (root) "/release" } method="post" {
                    (layout::token(visitor))
                    button type="submit" { (t.say("hold-lift")) }
                }
            } @else {
                details {
                    summary { (t.say("hold-set")) }
                    form.stacked action={ (root) "/hold" } method="post" {
                        (layout::token(visitor))
                        p.fine { (t.say("hold-explain")) }
                        (reason(pen))
                        button type="submit" { (t.say("hold-set")) }
                    }
                }
                @if decisions.place == "cards" {
                    details {
                        summary { (t.say("erase-person")) }
                        form.stacked action={ (root) "/erase" } method="post" {
                            (layout::token(visitor))
                            p.fine { (t.say("erase-explain")) }
                            (reason(pen))
                            label { input type="checkbox" name="sure" value="yes" required; " " (t.say("erase-sure")) }
                            button type="submit" { (t.say("erase-person")) }
                        }
                    }
                }
            }
        }
    }
}

fn reason(pen: &Pen<'_>) -> Markup {
    html! {
        label { span { (pen.t.say("keep-reason")) }
            input type="text" name="reason" required maxlength=(REASON_CHARS);
        }
    }
}
