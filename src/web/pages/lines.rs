//! Lines and channels: what each brought in a period, beside the period before, and what it cost. Every
//! figure has its formula beside it and opens the calls behind it.

mod file;
mod table;

use axum::{
    extract::{Query, State as Extract},
    routing::get,
};
use jiff::{ToSpan, civil::Date};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    policy::{self, Action, Object},
    reports::channels::{self, COUNTED_UNASKED, Period, Table},
    web::{
        Error, State, Visitor,
        format::{self, Clock},
        i18n::Texts,
        layout::{self, Place},
        now,
        parts::nothing,
        routes::{Access, Route},
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/lines", Access::Right(Action::SeeFigures), || get(show)),
    Route::get("/lines.csv", Access::Right(Action::Export), || {
        get(file::export)
    }),
];

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    /// `1`: count call by call, however many there are.
    #[serde(default)]
    all: String,
}

impl Asked {
    fn period(&self, clock: &Clock<'_>) -> Period {
        let today = clock.date(now());
        let from: Date = self.from.parse().unwrap_or(today);
        let to: Date = self.to.parse().unwrap_or(today).max(from);
        Period { from, to }
    }
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Markup, Error> {
    let t = visitor.texts;
    let clock = Clock::new(&site.zone, t);
    let period = asked.period(&clock);
    let table = channels::table(&site.db, &site.zone, &period, asked.all == "1").await?;
    let may = |action| policy::can(&visitor.person, action, &Object::Whole).is_allowed();
    let days = format!("from={}&to={}", period.from, period.to);
    let content = html! {
        div.heading {
            h1 { (t.say("lines-title")) }
            span {
                @if may(Action::RunInstallation) { a.button href="/lines/recording" { (t.say("recorded-title")) } " " }
                a.button href={ "/visits?" (days) } { (t.say("visits-title")) } " "
                @if may(Action::ManageChannels) { a.button href="/channels" { (t.say("channels-title")) } " " }
                @if may(Action::Export) {
                    a.button href={ "/lines.csv?" (days) "&all=" (asked.all) } { (t.say("export-csv")) }
                }
            }
        }
        (periods(t, &period, clock.date(now())))
        @if table.channels.is_empty() { (nothing(&t.say("lines-empty"))) }
        @else {
            (compared_with(t, &clock, &period))
            div.scroll { (table::markup(t, &period, &table)) }
            (not_counted(t, &days, &table))
        }
        (formulas(t))
    };
    Ok(layout::page(
        &visitor,
        Place::Lines,
        &t.say("lines-title"),
        &content,
    ))
}

fn periods(t: Texts, period: &Period, today: Date) -> Markup {
    let back = |days: i64| today.checked_sub(days.days()).unwrap_or(today);
    let this_month = today.first_of_month();
    let last_month = this_month.checked_sub(1.day()).unwrap_or(this_month);
    let choices = [
        (t.say("period-today"), today, today),
        (t.say("period-yesterday"), back(1), back(1)),
        (t.say("period-week"), back(6), today),
        (t.say("period-month"), back(29), today),
        (
            t.say("period-last-month"),
            last_month.first_of_month(),
            last_month,
        ),
    ];
    html! {
        nav.segments aria-label=(t.say("period-label")) {
            @for (name, from, to) in &choices {
                a href={ "/lines?from=" (from) "&to=" (to) }
                    aria-current=[(period.from == *from && period.to == *to).then_some("true")] { (name) }
            }
        }
        form.filters action="/lines" method="get" {
            label { span { (t.say("filter-from")) } input type="date" name="from" value=(period.from); }
            label { span { (t.say("filter-to")) } input type="date" name="to" value=(period.to); }
            button.primary type="submit" { (t.say("filter-apply")) }
        }
    }
}

/// Which period the changes are against.
fn compared_with(t: Texts, clock: &Clock<'_>, period: &Period) -> Markup {
    let before = period.before();
    let day = |day| clock.day(clock.begin(day));
    let days = match before.from == before.to {
        true => day(before.from),
        false => format!("{} – {}", day(before.from), day(before.to)),
    };
    html! { p.hint { (t.fill("lines-compared", &[("days", days.into())])) } }
}

/// A period of very many calls says that some figures take longer.
fn not_counted(t: Texts, days: &str, table: &Table) -> Markup {
    html! {
        @if table.total.now.first.is_none() || table.total.before.first.is_none() {
            p.hint role="status" {
                (t.fill("lines-not-counted", &[("calls", format::number(t, COUNTED_UNASKED).into())])) " "
                a href={ "/lines?" (days) "&all=1" } { (t.say("lines-count-all")) }
            }
        }
    }
}

/// What each figure means, in words.
fn formulas(t: Texts) -> Markup {
    let all = [
        (t.say("lines-calls"), t.say("formula-calls")),
        (t.say("lines-clients"), t.say("formula-unique")),
        (t.say("lines-first"), t.say("formula-first")),
        (t.say("lines-reached"), t.say("formula-reached")),
        (t.say("lines-missed"), t.say("formula-missed")),
        (t.say("lines-open"), t.say("formula-open")),
        (t.say("lines-target"), t.say("formula-target")),
        (t.say("lines-talk"), t.say("formula-talk")),
        (t.say("lines-spend"), t.say("formula-spend")),
    ];
    html! {
        details.formulas open {
            summary { (t.say("formulas-title")) }
            dl { @for (name, formula) in &all { dt { (name) } dd { (formula) } } }
        }
    }
}
