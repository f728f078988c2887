//! What was let go of or erased: how much, when, by which class or rule; and what must stay.

use axum::{
    extract::{Query, State as Extract},
    routing::get,
};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    model::time::Timestamp,
    policy::{self, Action, Object},
    store::{
        hold::{self, Hold},
        purge::{self, Line},
    },
    web::{
        Error, State, Visitor, format,
        layout::{self, Place},
        parts::{Pen, nothing, older},
        routes::{Access, Route},
        sight,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[Route::get(
    "/purged",
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
    let mut found = purge::page(&site.db, asked.before, PAGE_ROWS + 1).await?;
    let more = found.len() as i64 > PAGE_ROWS;
    found.truncate(PAGE_ROWS as usize);
    let t = visitor.texts;
    let pen = site.pen(&visitor, sight::in_lists(&visitor));
    // Why something is held may say who: that is for those who decide it.
    let decides =
        policy::can(&visitor.person, Action::DecideWhatStays, &Object::Whole).is_allowed();
    let holds = match decides {
        true => Some(hold::all(&site.db).await?),
        false => None,
    };
    let content = html! {
        h1 { (t.say("purged-title")) }
        p.hint { (t.say("purged-hint")) }
        @if let Some(holds) = &holds { (held(&pen, holds)) }
        @if found.is_empty() { (nothing(&t.say("purged-none"))) }
        @else { div.scroll { (table(&pen, &found)) } }
        @if let (true, Some(last)) = (more, found.last()) {
            (older(t, &format!("/purged?before={}", last.id)))
        }
    };
    Ok(layout::page(
        &visitor,
        Place::Accounts,
        &t.say("purged-title"),
        &content,
    ))
}

fn table(pen: &Pen<'_>, found: &[Line]) -> Markup {
    let t = pen.t;
    let moment = |micros: i64| pen.clock.moment(Timestamp::from_micros(micros), pen.now);
    html! {
        table.purged {
            thead { tr {
                th scope="col" { (t.say("purged-at")) }
                th scope="col" { (t.say("purged-rule")) }
                th scope="col" { (t.say("purged-what")) }
                th.number scope="col" { (t.say("purged-gone")) }
                th scope="col" { (t.say("purged-before")) }
                th scope="col" { (t.say("purged-who")) }
                th scope="col" { (t.say("purged-detail")) }
            } }
            tbody { @for line in found { tr data-rule=(line.rule) data-what=(line.what) {
                td { (moment(line.at)) }
                td { (t.word("purge-rule", &line.rule)) }
                td { code { (line.what) } }
                td.number { (format::number(t, line.gone)) }
                td { @match line.before { Some(before) => { (moment(before)) } None => { "–" } } }
                td { @match &line.name { Some(name) => { (name) } None => { (t.say("purged-upkeep")) } } }
                td { (line.detail) }
            } } }
        }
    }
}

fn held(pen: &Pen<'_>, holds: &[Hold]) -> Markup {
    let t = pen.t;
    html! {
        section.holds aria-labelledby="holds-title" {
            h2 #holds-title { (t.say("purged-holds")) }
            @if holds.is_empty() { p.fine { (t.say("purged-no-holds")) } }
            @else { div.scroll { table {
                thead { tr {
                    th scope="col" { (t.say("purged-hold-object")) }
                    th scope="col" { (t.say("purged-hold-reason")) }
                    th scope="col" { (t.say("purged-hold-since")) }
                    th scope="col" { (t.say("purged-hold-by")) }
                } }
                tbody { @for hold in holds { tr {
                    td { (object(hold)) }
                    td.words { (hold.reason) }
                    td { (pen.clock.moment(Timestamp::from_micros(hold.at), pen.now)) }
                    td { @match &hold.name { Some(name) => { (name) } None => { (t.say("purged-upkeep")) } } }
                } } }
            } } }
        }
    }
}

/// The way to what is held: `call:<id>` is `/calls/<id>`.
fn object(hold: &Hold) -> Markup {
    html! {
        @match hold.object.split_once(':') {
            Some((kind @ ("call" | "card"), id)) => { a href={ "/" (kind) "s/" (id) } { code { (hold.object) } } }
            _ => { code { (hold.object) } }
        }
    }
}
