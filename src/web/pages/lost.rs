//! Clients who called and were never reached, for those who lead: by age, with who should have called.

use axum::{extract::State as Extract, routing::get};
use maud::{Markup, html};

use crate::{
    model::time::Timestamp,
    policy::{self, Action, Reach},
    store::{
        lost::{self, Lost},
        tasks::Whose,
    },
    web::{
        Error, State, Visitor, format,
        layout::{self, Place},
        parts::{Pen, nothing},
        routes::{Access, Route},
        sight,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[Route::get(
    "/lost",
    Access::Right(Action::Supervise),
    || get(show),
)];

/// How far back is looked.
const DAYS: i64 = 90;
const SHOWN: usize = 500;
const HOUR_MS: i64 = 3_600_000;

/// Ages with their words, the oldest first: from so many milliseconds on.
const AGES: [(&str, i64); 4] = [
    ("week", 7 * 24 * HOUR_MS),
    ("day", 24 * HOUR_MS),
    ("hour", HOUR_MS),
    ("now", 0),
];

async fn show(Extract(site): Extract<State>, visitor: Visitor) -> Result<Markup, Error> {
    let t = visitor.texts;
    let pen = site.pen(&visitor, sight::in_lists(&visitor));
    let since = pen.now.plus_millis(-DAYS * 24 * HOUR_MS);
    let found = lost::clients(&site.db, whose(&visitor), since).await?;
    let shown = &found[..found.len().min(SHOWN)];
    let age = |one: &Lost| pen.now.millis_since(Timestamp::from_micros(one.since));
    let of_age = |n: usize| {
        let until = n.checked_sub(1).map_or(i64::MAX, |older| AGES[older].1);
        shown
            .iter()
            .filter(move |one| (AGES[n].1..until).contains(&age(one)))
    };
    let content = html! {
        h1 { (t.say("lost-title")) }
        p.hint { (t.fill("lost-hint", &[("days", DAYS.into())])) }
        @if found.is_empty() { (nothing(&t.say("lost-none"))) }
        @else {
            p.totals role="status" { strong data-total="lost" { (format::number(t, found.len() as i64)) } " " (t.say("lost-clients")) }
            @for (n, (word, _)) in AGES.iter().enumerate() {
                @if of_age(n).next().is_some() {
                    h2 { (t.word("lost-age", word)) }
                    div.scroll { (table(&pen, word, of_age(n))) }
                }
            }
            @if found.len() > SHOWN { p.hint { (t.say("lost-more")) } }
        }
    };
    Ok(layout::page(
        &visitor,
        Place::Lost,
        &t.say("lost-title"),
        &content,
    ))
}

/// Whose clients: those of the people this person leads.
fn whose(visitor: &Visitor) -> Whose {
    match policy::reach(visitor.person.role, Action::Supervise) {
        Some(Reach::All) => Whose::Everybody,
        Some(Reach::Department) => match visitor.person.department {
            Some(department) => Whose::Department(department),
            None => Whose::Person(visitor.person.id),
        },
        Some(Reach::Own) | None => Whose::Person(visitor.person.id),
    }
}

fn table<'a>(pen: &Pen<'_>, word: &str, rows: impl Iterator<Item = &'a Lost>) -> Markup {
    let t = pen.t;
    html! {
        table.lost data-age=(word) {
            thead { tr {
                th scope="col" { (t.say("col-client")) }
                th scope="col" { (t.say("lost-since")) }
                th.number scope="col" { (t.say("lines-calls")) }
                th scope="col" { (t.say("col-line")) }
                th scope="col" { (t.say("lost-person")) }
                th scope="col" { span.visually-hidden { (t.say("lost-by-hand")) } }
            } }
            tbody { @for one in rows { tr {
                td { (client(pen, one)) }
                td {
                    @let at = Timestamp::from_micros(one.since);
                    @match one.call {
                        Some(call) => { a href={ "/calls/" (call) } { (pen.clock.moment(at, pen.now)) } }
                        None => { (pen.clock.moment(at, pen.now)) }
                    }
                    " " small { (t.fill("account-ago", &[("span", format::about(t, pen.now.millis_since(at)).into())])) }
                }
                td.number { (format::number(t, one.calls)) }
                td { (one.line.as_deref().unwrap_or("–")) }
                td { (one.person.clone().unwrap_or_else(|| t.say("lost-nobody"))) }
                td { @if one.closed_by_hand { span.badge.warn { "! " (t.say("lost-by-hand")) } } }
            } } }
        }
    }
}

fn client(pen: &Pen<'_>, one: &Lost) -> Markup {
    let number = pen.sight.number(&one.client);
    html! {
        @match one.card {
            Some(card) if pen.sight.names => {
                a.client.whole[one.name.is_empty()] href={ "/cards/" (card) } { @if one.name.is_empty() { (number) } @else { (one.name) } }
                @if !one.name.is_empty() { " " span.number { (number) } }
            }
            _ => { span.client.whole { (number) } }
        }
    }
}
