//! The log of configuration changes, for those who run the installation.

use axum::{
    extract::{Query, State as Extract},
    routing::get,
};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    model::time::Timestamp,
    policy::Action,
    store::changes::{self, Change},
    web::{
        Error, State, Visitor,
        layout::{self, Place},
        parts::{Pen, nothing, older},
        routes::{Access, Route},
        sight,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[Route::get(
    "/changes",
    Access::Right(Action::RunInstallation),
    || get(show),
)];

const PAGE_ROWS: i64 = 100;

#[derive(Deserialize)]
struct Asked {
    before: Option<i64>,
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Markup, Error> {
    let mut found = changes::page(&site.db, asked.before, PAGE_ROWS + 1).await?;
    let more = found.len() as i64 > PAGE_ROWS;
    found.truncate(PAGE_ROWS as usize);
    let t = visitor.texts;
    let pen = site.pen(&visitor, sight::in_lists(&visitor));
    let content = html! {
        h1 { (t.say("changes-title")) }
        p.hint { (t.say("changes-hint")) }
        @if found.is_empty() { (nothing(&t.say("changes-none"))) }
        @else { div.scroll { (table(&pen, &found)) } }
        @if let (true, Some(last)) = (more, found.last()) {
            (older(t, &format!("/changes?before={}", last.id)))
        }
    };
    Ok(layout::page(
        &visitor,
        Place::Accounts,
        &t.say("changes-title"),
        &content,
    ))
}

fn table(pen: &Pen<'_>, found: &[Change]) -> Markup {
    let t = pen.t;
    html! {
        table.changes {
            thead { tr {
                th scope="col" { (t.say("letter-at")) }
                th scope="col" { (t.say("change-who")) }
                th scope="col" { (t.say("change-what")) }
                th scope="col" { (t.say("change-before")) }
                th scope="col" { (t.say("change-after")) }
            } }
            tbody { @for one in found { tr data-kind=(one.kind) {
                td { (pen.clock.moment(Timestamp::from_micros(one.at), pen.now)) }
                td { @match &one.name { Some(name) => { (name) } None => { (t.word("change-origin", &one.origin)) } } }
                td { (t.word("change-kind", &one.kind)) " " strong { (one.object) } }
                td { (one.before.as_deref().unwrap_or("–")) }
                td { (one.after.as_deref().unwrap_or("–")) }
            } } }
        }
    }
}
