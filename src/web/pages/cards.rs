//! Finding clients by name, company or the end of a number.

use axum::{
    extract::{Query, State as Extract},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    model::{ids::PersonId, time::Timestamp},
    policy::{self, Action, Reach},
    store::cards::{self, Card, Search},
    web::{
        Error, State, Visitor,
        layout::{self, Place},
        parts::nothing,
        query_escape,
        routes::{Access, Route},
        sight::{self, Sight},
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[Route::get(
    "/cards",
    Access::Right(Action::SeeCards),
    || get(show),
)];

const PAGE_ROWS: i64 = 50;

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    after_name: String,
    after: Option<Uuid>,
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    let sight = sight::in_lists(&visitor);
    let search = search(&visitor, sight, &asked.q);
    sight::searched(&site, &visitor, sight, search.digits.as_deref()).await?;
    let after = asked.after.map(|id| (asked.after_name.as_str(), id));
    let mut found = cards::search(&site.db, &search, after, PAGE_ROWS + 1).await?;
    // A number that is one client's leads straight there.
    if let ([only], true, None) = (found.as_slice(), search.digits.is_some(), asked.after) {
        return Ok(Redirect::to(&format!("/cards/{}", only.id)).into_response());
    }
    let more = found.len() as i64 > PAGE_ROWS;
    found.truncate(PAGE_ROWS as usize);
    let t = visitor.texts;
    let pen = site.pen(&visitor, sight);
    let part_ignored = search.digits.is_none() && is_number(&asked.q);
    let content = html! {
        h1 { (t.say("cards-title")) }
        form.filters action="/cards" method="get" role="search" {
            label { span { (t.say("search-label")) }
                input type="search" name="q" value=(asked.q) placeholder=(t.say("search-placeholder")); }
            button.primary type="submit" { (t.say("filter-apply")) }
        }
        @if part_ignored { p.hint role="status" { (t.say("number-part-ignored")) } }
        @if found.is_empty() { (nothing(&t.say(if asked.q.is_empty() { "cards-none" } else { "cards-not-found" }))) }
        @else { div.scroll { (table(&pen, &found)) } }
        @if let (true, Some(last)) = (more, found.last()) {
            nav.pages aria-label=(t.say("pages-label")) {
                a.button rel="next" href={ "/cards?q=" (query_escape(&asked.q)) "&after_name=" (query_escape(&last.name)) "&after=" (last.id) } { (t.say("pages-more")) }
            }
        }
    };
    Ok(layout::page(&visitor, Place::Cards, &t.say("cards-title"), &content).into_response())
}

/// Digits make it a number, anything else a name.
fn is_number(typed: &str) -> bool {
    typed.chars().filter(char::is_ascii_digit).count() >= 3
        && !typed.chars().any(char::is_alphabetic)
}

/// What was typed, cut to what the person may see.
pub fn search(visitor: &Visitor, sight: Sight, typed: &str) -> Search {
    let typed = typed.trim();
    let mut search = Search::default();
    if is_number(typed) {
        search.digits = sight.digits_to_find(typed);
    } else if !typed.is_empty() {
        search.text = Some(typed.to_owned());
    }
    (search.owner, search.department) = reach(visitor);
    search
}

/// Whose cards the visitor may list: of this owner, or of this department, or all.
pub fn reach(visitor: &Visitor) -> (Option<PersonId>, Option<i64>) {
    match policy::reach(visitor.person.role, Action::SeeCards) {
        Some(Reach::All) => (None, None),
        Some(Reach::Department) if visitor.person.department.is_some() => {
            (None, visitor.person.department)
        }
        _ => (Some(visitor.person.id), None),
    }
}

fn table(pen: &crate::web::parts::Pen<'_>, found: &[Card]) -> Markup {
    let t = pen.t;
    html! {
        table {
            thead { tr {
                th scope="col" { (t.say("card-name")) }
                th scope="col" { (t.say("card-company")) }
                th scope="col" { (t.say("pop-owner")) }
                th scope="col" { (t.say("card-first-line")) }
                th scope="col" { (t.say("card-changed")) }
            } }
            tbody {
                @for card in found {
                    tr {
                        td { a href={ "/cards/" (card.id) } {
                            @if card.name.is_empty() { (t.say("card-nameless")) } @else { (card.name) }
                        } }
                        td { (card.company) }
                        td { (card.owner_name.as_deref().unwrap_or("–")) }
                        td { (card.first_line.as_deref().unwrap_or("–")) }
                        td { (pen.clock.moment(Timestamp::from_micros(card.updated_at), pen.now)) }
                    }
                }
            }
        }
    }
}
