//! Accounts at PBXes for those who run the installation: when each last spoke, whether its connection
//! stands, and the messages nobody could read.

use std::collections::BTreeMap;

use axum::{
    extract::{Path, Query, State as Extract},
    routing::get,
};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    flow::dial::Link,
    model::time::Timestamp,
    policy::{Action, Object},
    store::arrivals,
    web::{
        Account, Error, State, Visitor, demand, format,
        layout::{self, Place},
        parts::{Pen, nothing},
        routes::{Access, Route},
        sight,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/accounts", Access::Right(Action::RunInstallation), || {
        get(show)
    }),
    Route::get(
        "/dead-letters",
        Access::Right(Action::RunInstallation),
        || get(letters),
    ),
    Route::get(
        "/dead-letters/{id}",
        Access::Right(Action::RunInstallation),
        || get(letter),
    ),
];

const PAGE_ROWS: i64 = 50;
/// Shown of one message.
const BODY_BYTES: usize = 64 * 1024;

#[derive(Deserialize)]
struct Asked {
    before: Option<i64>,
}

async fn show(Extract(site): Extract<State>, visitor: Visitor) -> Result<Markup, Error> {
    let heard = arrivals::last_heard(&site.db).await?;
    let heard: BTreeMap<String, i64> = heard.into_iter().map(|(name, at, _)| (name, at)).collect();
    let dead = arrivals::dead_by_account(&site.db).await?;
    let dead: BTreeMap<String, i64> = dead.into_iter().collect();
    let t = visitor.texts;
    let pen = site.pen(&visitor, sight::in_lists(&visitor));
    let content = html! {
        h1 { (t.say("accounts-title")) }
        @if site.accounts.is_empty() { (nothing(&t.say("accounts-none"))) }
        @else {
            div.scroll { table {
                thead { tr {
                    th scope="col" { (t.say("account-name")) }
                    th scope="col" { (t.say("account-kind")) }
                    th scope="col" { (t.say("account-link")) }
                    th scope="col" { (t.say("account-heard")) }
                    th.number scope="col" { (t.say("account-dead")) }
                } }
                tbody { @for account in &site.accounts {
                    (row(&pen, account, heard.get(account.name.as_str()), dead.get(account.name.as_str())))
                } }
            } }
        }
        p { a.button href="/dead-letters" { (t.say("letters-title")) } }
    };
    Ok(layout::page(
        &visitor,
        Place::Accounts,
        &t.say("accounts-title"),
        &content,
    ))
}

fn row(pen: &Pen<'_>, account: &Account, heard: Option<&i64>, dead: Option<&i64>) -> Markup {
    let t = pen.t;
    html! {
        tr data-account=(account.name) {
            th scope="row" { (account.name) }
            td { (account.kind) }
            td { (link(pen, account)) }
            td {
                @match heard {
                    Some(at) => {
                        @let at = Timestamp::from_micros(*at);
                        (pen.clock.moment(at, pen.now)) " "
                        small { (t.fill("account-ago", &[("span", format::about(t, pen.now.millis_since(at)).into())])) }
                    }
                    None => { (t.say("account-silent")) }
                }
            }
            td.number { (format::number(t, dead.copied().unwrap_or_default())) }
        }
    }
}

fn link(pen: &Pen<'_>, account: &Account) -> Markup {
    let t = pen.t;
    let Some(link) = &account.link else {
        return html! { (t.say("link-webhook")) };
    };
    let link = link.borrow().clone();
    html! {
        @match link {
            Link::Up { .. } => { span.badge.good { "✓ " (t.say("link-up")) } }
            Link::Down { why, .. } => { span.badge.bad { "✕ " (t.say("link-down")) } " " small { (why) } }
        }
    }
}

async fn letters(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Markup, Error> {
    let mut found = arrivals::dead_letters(&site.db, asked.before, PAGE_ROWS + 1).await?;
    let more = found.len() as i64 > PAGE_ROWS;
    found.truncate(PAGE_ROWS as usize);
    let t = visitor.texts;
    let pen = site.pen(&visitor, sight::in_lists(&visitor));
    let content = html! {
        h1 { (t.say("letters-title")) }
        p.hint { (t.say("letters-hint")) }
        @if found.is_empty() { (nothing(&t.say("letters-none"))) }
        @else {
            div.scroll { table {
                thead { tr {
                    th scope="col" { (t.say("letter-at")) }
                    th scope="col" { (t.say("account-name")) }
                    th scope="col" { (t.say("letter-source")) }
                    th scope="col" { (t.say("letter-outcome")) }
                    th scope="col" { (t.say("letter-reason")) }
                    th.number scope="col" { (t.say("letter-size")) }
                } }
                tbody { @for one in &found { tr {
                    td { a href={ "/dead-letters/" (one.id) } { (pen.clock.moment(Timestamp::from_micros(one.received_at), pen.now)) } }
                    td { (one.account) }
                    td { (one.source) }
                    td { (t.word("letter-outcome", &one.outcome)) }
                    td { (one.reason) }
                    td.number { (format::size(t, one.size)) }
                } } }
            } }
        }
        @if let (true, Some(last)) = (more, found.last()) {
            nav.pages aria-label=(t.say("pages-label")) {
                a.button rel="next" href={ "/dead-letters?before=" (last.id) } { (t.say("pages-older")) }
            }
        }
    };
    Ok(layout::page(
        &visitor,
        Place::Accounts,
        &t.say("letters-title"),
        &content,
    ))
}

/// One message as it came. Numbers stand in it, so looking is a reveal.
async fn letter(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Markup, Error> {
    demand(&visitor, Action::RevealNumbers, &Object::Whole)?;
    let found = arrivals::dead_letter(&site.db, id).await?;
    let (letter, body) = found.ok_or(Error::NotFound)?;
    sight::audited(&site, &visitor, "reveal", &format!("raw:{id}"), "").await?;
    let t = visitor.texts;
    let pen = site.pen(&visitor, sight::in_lists(&visitor));
    let shown = String::from_utf8_lossy(&body[..body.len().min(BODY_BYTES)]).into_owned();
    let title = t.say("letter-title");
    let content = html! {
        h1 { (title) }
        dl.facts {
            dt { (t.say("letter-at")) } dd { (pen.clock.moment(Timestamp::from_micros(letter.received_at), pen.now)) }
            dt { (t.say("account-name")) } dd { (letter.account) }
            dt { (t.say("letter-source")) } dd { (letter.source) }
            dt { (t.say("letter-reason")) } dd { (letter.reason) }
        }
        pre { code { (shown) } }
        p { a.button href="/dead-letters" { (t.say("letters-title")) } }
    };
    Ok(layout::page(&visitor, Place::Accounts, &title, &content))
}
