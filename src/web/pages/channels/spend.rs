//! What channels cost: the amounts there are, and bringing in others.

use axum::{
    Form,
    extract::State as Extract,
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{before, noted};
use crate::{
    model::money::Currency,
    policy::{Action, Object},
    reports::{
        channels::day_of,
        spend::{self, ImportError, Imported},
    },
    store::spend::{self as kept, Kept},
    web::{
        Error, Site, State, Visitor, demand,
        format::{self, Clock},
        layout::{self, Place},
        now,
        parts::nothing,
    },
};

const SHOWN: i64 = 200;
const EXAMPLE: &str = "channel,from,to,amount,currency\nSearch ads,2026-11-01,2026-11-30,90000,RUB";

/// How an import fared.
enum Fared {
    Done(Imported),
    WrongColumns,
}

pub(super) async fn show(Extract(site): Extract<State>, visitor: Visitor) -> Result<Markup, Error> {
    page(&site, &visitor, None).await
}

async fn page(site: &Site, visitor: &Visitor, fared: Option<Fared>) -> Result<Markup, Error> {
    let t = visitor.texts;
    let amounts = kept::latest(&site.db, SHOWN).await?;
    let clock = Clock::new(&site.zone, t);
    let content = html! {
        h1 { (t.say("spend-title")) }
        @match &fared {
            None => {}
            Some(Fared::WrongColumns) => { p.done role="alert" data-fared="columns" { (t.say("spend-columns")) } }
            Some(Fared::Done(done)) => {
                p.done role="status" data-fared="done" {
                    (t.fill("spend-done", &[("created", format::number(t, done.created as i64).into()), ("replaced", format::number(t, done.replaced as i64).into())]))
                }
                @if !done.refused.is_empty() {
                    ul.refused { @for (line, why) in &done.refused {
                        li { (t.fill("spend-line", &[("n", line.to_string().into())])) " " (t.word("spend-why", why)) }
                    } }
                }
            }
        }
        form.stacked action="/spend" method="post" {
            (layout::token(visitor))
            label { span { (t.say("spend-csv")) }
                textarea name="csv" rows="8" required placeholder=(EXAMPLE) {}
            }
            p.hint { (t.say("spend-hint")) }
            button.primary type="submit" { (t.say("spend-import")) }
        }
        @if amounts.is_empty() { (nothing(&t.say("spend-none"))) }
        @else { div.scroll { table {
            thead { tr {
                th scope="col" { (t.say("filter-channel")) }
                th scope="col" { (t.say("channel-from")) }
                th scope="col" { (t.say("channel-to")) }
                th.number scope="col" { (t.say("lines-spend")) }
                th scope="col" { span.visually-hidden { (t.say("channel-remove")) } }
            } }
            tbody { @for one in &amounts { (row(visitor, &clock, one)) } }
        } } }
        p { a.button href="/channels" { (t.say("channels-title")) } }
    };
    Ok(layout::page(
        visitor,
        Place::Lines,
        &t.say("spend-title"),
        &content,
    ))
}

fn row(visitor: &Visitor, clock: &Clock<'_>, one: &Kept) -> Markup {
    let t = visitor.texts;
    let day = |number| clock.day(clock.begin(day_of(number)));
    let amount = Currency::parse(&one.currency)
        .map(|currency| format::money(t, currency, one.amount_minor))
        .unwrap_or_default();
    html! {
        tr {
            th scope="row" { (one.channel_name) }
            td { (day(one.day_from)) }
            td { (day(one.day_to)) }
            td.number { (amount) }
            td { form.inline action="/spend/remove" method="post" {
                (layout::token(visitor))
                input type="hidden" name="channel" value=(one.channel);
                input type="hidden" name="from" value=(one.day_from);
                input type="hidden" name="to" value=(one.day_to);
                button.quiet type="submit" { (t.say("channel-remove")) }
            } }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Pasted {
    csv: String,
}

pub(super) async fn import(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Form(pasted): Form<Pasted>,
) -> Result<Markup, Error> {
    demand(&visitor, Action::ManageChannels, &Object::Whole)?;
    before(&site).await?;
    let fared = match spend::import(&site.db, &pasted.csv, now()).await {
        Ok(done) => Fared::Done(done),
        Err(ImportError::Columns(_)) => Fared::WrongColumns,
        Err(ImportError::Store(error)) => return Err(error.into()),
    };
    if matches!(fared, Fared::Done(_)) {
        noted(&site, &visitor, "spend", "import").await?;
    }
    page(&site, &visitor, Some(fared)).await
}

#[derive(Deserialize)]
pub(super) struct Which {
    channel: i64,
    from: i64,
    to: i64,
}

pub(super) async fn remove(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Form(which): Form<Which>,
) -> Result<Response, Error> {
    demand(&visitor, Action::ManageChannels, &Object::Whole)?;
    before(&site).await?;
    if kept::remove(&site.db, which.channel, which.from, which.to).await? {
        noted(&site, &visitor, "spend", "remove").await?;
    }
    Ok(Redirect::to("/spend").into_response())
}
