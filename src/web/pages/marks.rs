//! Spam and blocked: marks on a client's card, or on the number of a call. Who is marked makes no
//! call-backs; who is blocked is not put through by routing either.

use axum::{
    Form,
    extract::{Path, State as Extract},
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::card;
use crate::{
    model::ids::{CallId, CardId},
    policy::Action,
    store::{
        journal,
        marks::{self, MARKS, Marking},
    },
    web::{
        Error, State, Visitor, demand, layout, now,
        routes::{Access, Route},
        sight,
    },
};

/// The routes of these forms.
pub const ROUTES: &[Route] = &[
    Route::post(
        "/cards/{id}/mark",
        Access::Right(Action::ChangeCards),
        || post(mark_card),
    ),
    Route::post(
        "/calls/{id}/mark",
        Access::Right(Action::ChangeCards),
        || post(mark_number),
    ),
];

/// Longest reason.
const REASON_CHARS: usize = 200;

#[derive(Deserialize)]
struct Wanted {
    /// `spam`, `blocked`, or nothing to take the mark off.
    #[serde(default)]
    mark: String,
    #[serde(default)]
    reason: String,
}

/// The form that marks, or takes the mark off; `place` is `/cards/<id>` or `/calls/<id>`.
pub fn form(visitor: &Visitor, place: &str, mark: &str) -> Markup {
    let t = visitor.texts;
    html! {
        @if mark.is_empty() {
            details.mark {
                summary { (t.say("mark-title")) }
                form.stacked action={ (place) "/mark" } method="post" {
                    (layout::token(visitor))
                    p.hint { (t.say("mark-hint")) }
                    label { span { (t.say("mark-reason")) }
                        input type="text" name="reason" required maxlength=(REASON_CHARS); }
                    @for mark in MARKS {
                        button type="submit" name="mark" value=(mark) { (t.word("mark-as", mark)) }
                    }
                }
            }
        } @else {
            form.inline.mark action={ (place) "/mark" } method="post" {
                span.badge.bad data-mark=(mark) { (t.word("marked", mark)) }
                (layout::token(visitor))
                button.quiet type="submit" name="mark" value="" { (t.say("mark-off")) }
            }
        }
    }
}

/// What is wanted, checked: a known mark with a reason, or none.
fn marking<'a>(visitor: &Visitor, wanted: &'a Wanted) -> Result<Marking<'a>, Error> {
    let reason = wanted.reason.trim();
    let is_known = MARKS.contains(&wanted.mark.as_str());
    let has_reason = !reason.is_empty() && reason.chars().count() <= REASON_CHARS;
    let is_off = wanted.mark.is_empty();
    if !is_off && (!is_known || !has_reason) {
        return Err(Error::Unusable("mark-unusable"));
    }
    Ok(Marking {
        mark: &wanted.mark,
        reason: if is_off { "" } else { reason },
        person: visitor.person.id,
        at: now(),
    })
}

async fn mark_card(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Form(wanted): Form<Wanted>,
) -> Result<Response, Error> {
    let id = card::changeable(&site, &visitor, CardId(id)).await?;
    let marking = marking(&visitor, &wanted)?;
    let object = format!("card:{id}");
    if marking.mark.is_empty() {
        marks::unmark_card(&site.db, id, &marking).await?;
        sight::audited(&site, &visitor, "unmark", &object, "").await?;
    } else {
        marks::mark_card(&site.db, id, &marking).await?;
        sight::audited(&site, &visitor, "mark", &object, marking.mark).await?;
    }
    site.hub.lists_changed();
    Ok(Redirect::to(&format!("/cards/{id}")).into_response())
}

/// Marks the client's number of a call.
async fn mark_number(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Form(wanted): Form<Wanted>,
) -> Result<Response, Error> {
    let found = journal::call(&site.db, CallId(id)).await?;
    let page = found.ok_or(Error::NotFound)?;
    let belongs = sight::call_belongs(&site, &visitor, &page).await?;
    demand(&visitor, Action::ChangeCards, &belongs)?;
    let e164 = page.row.client.as_deref().ok_or(Error::NotFound)?;
    let marking = marking(&visitor, &wanted)?;
    // The number itself stays out of the audit: the call leads to it.
    let object = format!("call:{id}");
    if marking.mark.is_empty() {
        marks::unmark_number(&site.db, e164).await?;
        sight::audited(&site, &visitor, "unmark", &object, "").await?;
    } else {
        marks::mark_number(&site.db, e164, &marking).await?;
        sight::audited(&site, &visitor, "mark", &object, marking.mark).await?;
    }
    site.hub.lists_changed();
    Ok(Redirect::to(&format!("/calls/{id}")).into_response())
}
