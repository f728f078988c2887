//! Lines and channels: what each brought in a period. Every figure has its formula beside it and opens
//! the calls behind it.

use std::collections::BTreeMap;

use axum::{
    extract::{Query, State as Extract},
    routing::get,
};
use jiff::{ToSpan, civil::Date};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    model::phone::Number,
    policy::Action,
    store::reports::{self, LineFigures},
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
pub const ROUTES: &[Route] = &[Route::get(
    "/lines",
    Access::Right(Action::SeeFigures),
    || get(show),
)];

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
}

/// One row of the table.
#[derive(Clone, Debug, Default)]
struct Row {
    name: String,
    did: Option<String>,
    line: Option<i64>,
    calls: i64,
    unique: i64,
    reached: i64,
    missed: i64,
    open: i64,
    talk_ms: i64,
}

/// A channel with its lines.
struct Group {
    name: Option<String>,
    rows: Vec<Row>,
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Markup, Error> {
    let t = visitor.texts;
    let clock = Clock::new(&site.zone, t);
    let today = clock.date(now());
    let from: Date = asked.from.parse().unwrap_or(today);
    let to: Date = asked.to.parse().unwrap_or(today).max(from);
    let begin = clock.begin(from);
    let end = clock.begin(to.checked_add(1.day()).unwrap_or(to));
    let figures = reports::lines(&site.db, begin, end).await?;
    let unique = reports::unique(&site.db, begin, end).await?;
    let open = reports::open_missed(&site.db, begin, end).await?;
    let (groups, total) = group(t, figures, &unique, &open);
    let period = Period { from, to };
    let content = html! {
        h1 { (t.say("lines-title")) }
        (periods(t, &period, today))
        @if groups.is_empty() { (nothing(&t.say("lines-empty"))) }
        @else {
            div.scroll { (table(t, &period, &groups, &total)) }
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

/// A number of ours as people write it; it is no secret.
fn written(did: &str) -> String {
    let number = Number::E164 {
        e164: did.to_owned(),
        ext: None,
    };
    match did.starts_with('+') {
        true => number.formatted().unwrap_or_else(|| did.to_owned()),
        false => did.to_owned(),
    }
}

struct Period {
    from: Date,
    to: Date,
}

fn group(
    t: Texts,
    figures: Vec<LineFigures>,
    unique: &[(Option<i64>, i64)],
    open: &[(i64, i64)],
) -> (Vec<Group>, Row) {
    let unique: BTreeMap<Option<i64>, i64> = unique.iter().copied().collect();
    let open: BTreeMap<i64, i64> = open.iter().copied().collect();
    let mut total = Row {
        name: t.say("lines-total"),
        unique: unique.get(&None).copied().unwrap_or_default(),
        open: open.values().sum(),
        ..Row::default()
    };
    let mut groups: BTreeMap<Option<String>, Vec<Row>> = BTreeMap::new();
    for one in figures {
        total.calls += one.calls;
        total.reached += one.reached;
        total.missed += one.missed;
        total.talk_ms += one.talk_ms;
        let row = Row {
            name: one.line_name.unwrap_or_else(|| t.say("lines-unknown")),
            did: one.did.map(|did| written(&did)),
            line: Some(one.line).filter(|line| *line != 0),
            calls: one.calls,
            unique: unique.get(&Some(one.line)).copied().unwrap_or_default(),
            reached: one.reached,
            missed: one.missed,
            open: open.get(&one.line).copied().unwrap_or_default(),
            talk_ms: one.talk_ms,
        };
        groups.entry(one.channel).or_default().push(row);
    }
    // Named channels first; lines without one last.
    let mut groups: Vec<Group> = groups
        .into_iter()
        .map(|(name, rows)| Group { name, rows })
        .collect();
    groups.sort_by_key(|group| group.name.is_none());
    (groups, total)
}

fn periods(t: Texts, period: &Period, today: Date) -> Markup {
    let back = |days: i64| today.checked_sub(days.days()).unwrap_or(today);
    let choices = [
        (t.say("period-today"), today, today),
        (t.say("period-yesterday"), back(1), back(1)),
        (t.say("period-week"), back(6), today),
        (t.say("period-month"), back(29), today),
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

fn table(t: Texts, period: &Period, groups: &[Group], total: &Row) -> Markup {
    html! {
        table.figures {
            thead { tr {
                th scope="col" { (t.say("lines-line")) }
                th.number scope="col" title=(t.say("formula-calls")) { (t.say("lines-calls")) }
                th.number scope="col" title=(t.say("formula-unique")) { (t.say("lines-clients")) }
                th.number scope="col" title=(t.say("formula-reached")) { (t.say("lines-reached")) }
                th.number scope="col" title=(t.say("formula-missed")) { (t.say("lines-missed")) }
                th.number scope="col" title=(t.say("formula-open")) { (t.say("lines-open")) }
                th.number scope="col" title=(t.say("formula-talk")) { (t.say("lines-talk")) }
            } }
            @for group in groups {
                tbody {
                    tr.group { th colspan="7" scope="rowgroup" {
                        @match &group.name { Some(name) => { (name) } None => { (t.say("lines-no-channel")) } }
                    } }
                    @for row in &group.rows { (line(t, period, row, false)) }
                }
            }
            tfoot { (line(t, period, total, true)) }
        }
    }
}

fn line(t: Texts, period: &Period, row: &Row, is_total: bool) -> Markup {
    // Calls of an unknown line cannot be asked for by line, so their figures are plain numbers.
    let linked = is_total || row.line.is_some();
    let figure = |result: &str, text: String| {
        let mut address = format!(
            "/calls?from={}&to={}&direction=in&result={result}",
            period.from, period.to
        );
        if let Some(line) = row.line {
            address.push_str(&format!("&line={line}"));
        }
        html! { @if linked { a href=(address) { (text) } } @else { (text) } }
    };
    html! {
        tr.total[is_total] data-line=[row.line] {
            th scope="row" { (row.name) @if let Some(did) = &row.did { " " small { (did) } } }
            td.number data-figure="calls" { (figure("over", format::number(t, row.calls))) }
            td.number data-figure="unique" { (format::number(t, row.unique)) }
            td.number data-figure="reached" {
                (figure("answered", format::number(t, row.reached)))
                " " small { (format::percent(row.reached, row.calls)) }
            }
            td.number data-figure="missed" { (figure("unreached", format::number(t, row.missed))) }
            td.number.bad[row.open > 0] data-figure="open" { (figure("open", format::number(t, row.open))) }
            td.number data-figure="talk" { (format::span(row.talk_ms)) }
        }
    }
}

/// What each figure means, in words.
fn formulas(t: Texts) -> Markup {
    let all = [
        (t.say("lines-calls"), t.say("formula-calls")),
        (t.say("lines-clients"), t.say("formula-unique")),
        (t.say("lines-reached"), t.say("formula-reached")),
        (t.say("lines-missed"), t.say("formula-missed")),
        (t.say("lines-open"), t.say("formula-open")),
        (t.say("lines-talk"), t.say("formula-talk")),
    ];
    html! {
        details.formulas open {
            summary { (t.say("formulas-title")) }
            dl { @for (name, formula) in &all { dt { (name) } dd { (formula) } } }
        }
    }
}
