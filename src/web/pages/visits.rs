//! Where calls came from: figures by source, each with the calls behind it; how sure that is; visits that
//! have found no call; and what a call's own page says of it.

use axum::{
    extract::{Query, State as Extract},
    routing::get,
};
use jiff::{ToSpan, civil::Date};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    model::time::Timestamp,
    policy::Action,
    rules::attribution::Confidence,
    store::sources::{self, Attribution, Loose, OfSource},
    web::{
        Error, State, Visitor,
        format::{self},
        i18n::Texts,
        layout::{self, Place},
        parts::{Pen, nothing},
        query_escape,
        routes::{Access, Route},
        sight,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[Route::get(
    "/visits",
    Access::Right(Action::SeeFigures),
    || get(show),
)];

/// Rows of either table.
const SHOWN: i64 = 200;

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Markup, Error> {
    let pen = site.pen(&visitor, sight::in_lists(&visitor));
    let t = visitor.texts;
    let today = pen.clock.date(pen.now);
    let week_ago = today.checked_sub(6.days()).unwrap_or(today);
    let from: Date = asked.from.parse().unwrap_or(week_ago);
    let to: Date = asked.to.parse().unwrap_or(today).max(from);
    let end = to.checked_add(1.day()).unwrap_or(to);
    let (begin, end) = (pen.clock.begin(from), pen.clock.begin(end));
    let by_source = sources::by_source(&site.db, begin, end, SHOWN).await?;
    let shares = sources::shares(&site.db, begin, end).await?;
    let loose = sources::loose(&site.db, begin, end, SHOWN).await?;
    let days = format!("from={from}&to={to}");
    let calls: i64 = shares.values().sum();
    let content = html! {
        h1 { (t.say("visits-title")) }
        form.filters action="/visits" method="get" {
            label { span { (t.say("filter-from")) } input type="date" name="from" value=(from); }
            label { span { (t.say("filter-to")) } input type="date" name="to" value=(to); }
            button.primary type="submit" { (t.say("filter-apply")) }
        }
        p.hint { (t.say("visits-hint")) }
        @if by_source.is_empty() { (nothing(&t.say("visits-none"))) }
        @else {
            p.totals {
                @for (sure, of) in &shares {
                    span data-sure=(word(*sure)) {
                        (t.word("sure", word(*sure))) " " (format::number(t, *of))
                        " (" (format::percent(*of, calls)) ")"
                    }
                }
            }
            div.scroll { (figures(t, &days, &by_source)) }
        }
        h2 { (t.say("visits-loose")) }
        p.hint { (t.say("visits-loose-hint")) }
        @if loose.is_empty() { (nothing(&t.say("visits-loose-none"))) }
        @else { div.scroll { (without_call(&pen, &loose)) } }
    };
    let title = t.say("visits-title");
    Ok(layout::page(&visitor, Place::Lines, &title, &content))
}

fn word(sure: Option<Confidence>) -> &'static str {
    sure.map_or("unknown", Confidence::as_str)
}

fn heads(t: Texts) -> Markup {
    html! {
        th scope="col" { (t.say("col-source")) }
        th scope="col" { (t.say("col-medium")) }
        th scope="col" { (t.say("col-campaign")) }
        th scope="col" { (t.say("col-keyword")) }
    }
}

fn cells(of: [&String; 4]) -> Markup {
    html! { @for text in of { td { @if text.is_empty() { "–" } @else { (text) } } } }
}

fn figures(t: Texts, days: &str, rows: &[OfSource]) -> Markup {
    html! {
        table.figures {
            thead { tr {
                (heads(t))
                th.number scope="col" title=(t.say("formula-calls")) { (t.say("lines-calls")) }
                th.number scope="col" title=(t.say("formula-reached")) { (t.say("lines-reached")) }
                th.number scope="col" title=(t.say("formula-missed")) { (t.say("lines-missed")) }
                th.number scope="col" title=(t.say("formula-talk")) { (t.say("lines-talk")) }
            } }
            tbody { @for row in rows { tr {
                (cells([&row.source, &row.medium, &row.campaign, &row.term]))
                td.number data-figure="calls" { a href=(address(days, row, "over")) { (format::number(t, row.calls)) } }
                td.number data-figure="reached" { a href=(address(days, row, "reached")) { (format::number(t, row.reached)) } }
                td.number data-figure="missed" { a href=(address(days, row, "unreached")) { (format::number(t, row.missed)) } }
                td.number data-figure="talk" { (format::span(row.talk_ms)) }
            } } }
        }
    }
}

/// The calls behind a figure.
fn address(days: &str, row: &OfSource, result: &str) -> String {
    let mut address = format!("/calls?{days}&direction=in&result={result}");
    for (name, value) in [
        ("source", &row.source),
        ("medium", &row.medium),
        ("campaign", &row.campaign),
        ("keyword", &row.term),
    ] {
        let value = if value.is_empty() { "-" } else { value };
        address.push_str(&format!("&{name}={}", query_escape(value)));
    }
    address
}

fn without_call(pen: &Pen<'_>, rows: &[Loose]) -> Markup {
    let t = pen.t;
    html! {
        table.loose {
            thead { tr {
                th scope="col" { (t.say("col-started")) }
                th scope="col" { (t.say("col-client")) }
                (heads(t))
                th scope="col" { (t.say("visits-state")) }
                th scope="col" { (t.say("visits-by")) }
            } }
            tbody { @for row in rows { tr data-state=(row.state) {
                td { (pen.clock.moment(Timestamp::from_micros(row.at), pen.now)) }
                td { @match &row.client {
                    Some(e164) => { span.client { (pen.sight.number(e164)) } }
                    None => { "–" }
                } }
                (cells([&row.source, &row.medium, &row.campaign, &row.term]))
                td { (t.word("visit-state", &row.state)) }
                td { (row.account) }
            } } }
        }
    }
}

/// What is known of where the client of a call came from.
pub(super) fn of_call(t: Texts, visits: &[Attribution]) -> Markup {
    html! {
        @if !visits.is_empty() {
            section aria-labelledby="visits-title" {
                h2 #visits-title { (t.say("visits-of-call")) }
                @for visit in visits {
                    p data-sure=(visit.confidence.as_str()) {
                        strong { (t.word("sure", visit.confidence.as_str())) } " · "
                        (t.say("visits-by")) " " code { (visit.account) }
                    }
                    div.scroll { table.visit {
                        thead { tr { (heads(t)) } }
                        tbody { tr { (cells([&visit.source, &visit.medium, &visit.campaign, &visit.term])) } }
                    } }
                    details {
                        summary { (t.say("visits-all")) }
                        dl { @for (name, value) in &visit.fields { dt { code { (name) } } dd { (value) } } }
                    }
                }
            }
        }
    }
}
