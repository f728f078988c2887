//! Accounts at PBXes for those who run the installation: when each last spoke, whether its connection
//! stands, what reading its own records has brought, and the messages nobody could read, which can be read again after an update.

use axum::{
    extract::{Path, Query, State as Extract},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    flow::{
        self, ReplayError, Replayed,
        dial::Link,
        reconcile::{self, Standing},
    },
    model::time::Timestamp,
    policy::{Action, Object},
    store::arrivals,
    web::{
        Account, Error, Site, State, Visitor,
        configuration::Reloaded,
        demand, format,
        hooks::read_again,
        layout::{self, Place},
        pages::reload,
        parts::{Pen, nothing, older},
        routes::{Access, Route},
        sight, why,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/accounts", Access::Right(Action::RunInstallation), || {
        get(show)
    }),
    Route::post(
        "/accounts/{name}/read",
        Access::Right(Action::RunInstallation),
        || post(read_records),
    ),
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
    Route::post(
        "/dead-letters/{id}/replay",
        Access::Right(Action::RunInstallation),
        || post(replay),
    ),
];

const PAGE_ROWS: i64 = 50;
/// Shown of one message.
const BODY_BYTES: usize = 64 * 1024;

#[derive(Deserialize)]
struct Asked {
    before: Option<i64>,
    /// What was done, for a line above the list.
    #[serde(default)]
    said: String,
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Markup, Error> {
    let accounts = site.accounts.all();
    let mut all = Vec::new();
    for account in accounts.iter() {
        all.push((account, seen(&site, account).await?));
    }
    let read = Reloaded::last(&site.db).await?;
    let t = visitor.texts;
    let pen = site.pen(&visitor, sight::in_lists(&visitor));
    let content = html! {
        h1 { (t.say("accounts-title")) }
        @if asked.said == "reading" { p.done role="status" { (t.say("records-reading")) } }
        @if accounts.is_empty() { (nothing(&t.say("accounts-none"))) }
        @else {
            div.scroll { table {
                thead { tr {
                    th scope="col" { (t.say("account-name")) }
                    th scope="col" { (t.say("account-kind")) }
                    th scope="col" { (t.say("account-link")) }
                    th scope="col" { (t.say("account-heard")) }
                    th scope="col" { (t.say("account-records")) }
                    th.number scope="col" { (t.say("account-dead")) }
                } }
                tbody { @for (account, seen) in &all { (row(&pen, &visitor, account, seen)) } }
            } }
        }
        (reload::section(&pen, &visitor, read.as_ref()))
        p {
            a.button.primary href="/setup" { (t.say("setup-title")) } " "
            a.button href="/dead-letters" { (t.say("letters-title")) } " "
            a.button href="/health" { (t.say("health-title")) } " "
            a.button href="/changes" { (t.say("changes-title")) } " "
            a.button href="/purged" { (t.say("purged-title")) } " "
            a.button href="/channels" { (t.say("channels-title")) }
        }
    };
    Ok(layout::page(
        &visitor,
        Place::Accounts,
        &t.say("accounts-title"),
        &content,
    ))
}

/// What is known of an account.
pub(super) struct Seen {
    heard: Option<i64>,
    dead: i64,
    standing: Option<Standing>,
}

impl Seen {
    /// Whether it has ever said anything, as far as is kept.
    pub(super) const fn has_spoken(&self) -> bool {
        self.heard.is_some()
    }
}

/// Reads it.
pub(super) async fn seen(site: &Site, account: &Account) -> Result<Seen, Error> {
    let own = |name: &str| name == account.name.as_str();
    let heard = arrivals::last_heard(&site.db).await?;
    let dead = arrivals::dead_by_account(&site.db).await?;
    Ok(Seen {
        heard: heard.iter().find(|one| own(&one.0)).map(|one| one.1),
        dead: dead.iter().find(|one| own(&one.0)).map_or(0, |one| one.1),
        standing: reconcile::standing(&site.db, &account.name).await?,
    })
}

/// The same as a row says, one under the other.
pub(super) fn facts(pen: &Pen<'_>, visitor: &Visitor, account: &Account, seen: &Seen) -> Markup {
    let t = pen.t;
    html! {
        dl.facts {
            dt { (t.say("account-link")) } dd { (link(pen, account)) }
            dt { (t.say("account-heard")) } dd { (last_event(pen, seen)) }
            dt { (t.say("account-records")) } dd { (records(pen, visitor, account, seen.standing.as_ref())) }
            dt { (t.say("account-dead")) } dd { (format::number(t, seen.dead)) }
        }
    }
}

fn last_event(pen: &Pen<'_>, seen: &Seen) -> Markup {
    html! {
        @match seen.heard {
            Some(at) => { (ago(pen, Timestamp::from_micros(at))) }
            None => { (pen.t.say("account-silent")) }
        }
    }
}

fn row(pen: &Pen<'_>, visitor: &Visitor, account: &Account, seen: &Seen) -> Markup {
    let t = pen.t;
    html! {
        tr data-account=(account.name) {
            th scope="row" { a href={ "/accounts/" (account.name) } { (account.name) } }
            td { (account.kind) }
            td { (link(pen, account)) }
            td { (last_event(pen, seen)) }
            td { (records(pen, visitor, account, seen.standing.as_ref())) }
            td.number { (format::number(t, seen.dead)) }
        }
    }
}

fn ago(pen: &Pen<'_>, at: Timestamp) -> Markup {
    let span = format::about(pen.t, pen.now.millis_since(at));
    html! {
        (pen.clock.moment(at, pen.now)) " "
        small { (pen.t.fill("account-ago", &[("span", span.into())])) }
    }
}

/// When past calls were read last, what a reading last brought, and why the last one failed.
fn records(
    pen: &Pen<'_>,
    visitor: &Visitor,
    account: &Account,
    standing: Option<&Standing>,
) -> Markup {
    let t = pen.t;
    let Some(standing) = standing else {
        return html! { (t.say("records-none")) };
    };
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    html! {
        @if let Some(since) = standing.failing_since {
            p { span.badge.bad { "✕ " (t.say("records-failing")) } " " (ago(pen, since)) " " small { (why::reason(t, &standing.why)) " " code { (standing.why) } } }
        }
        @if let Some(at) = standing.read_at { p data-read { (t.say("records-read")) " " (ago(pen, at)) } }
        @if let Some(at) = standing.brought_at {
            p data-found=(standing.brought.found) data-repaired=(standing.brought.repaired) {
                (t.fill("records-brought", &[
                    ("found", count(standing.brought.found).into()),
                    ("repaired", count(standing.brought.repaired).into()),
                ])) " " (ago(pen, at))
            }
        }
        @if standing.unread > 0 {
            p { (t.fill("records-unread", &[("count", count(standing.unread).into())])) }
        }
        @if account.records.is_some() {
            form.inline action={ "/accounts/" (account.name) "/read" } method="post" {
                (layout::token(visitor))
                button type="submit" { (t.say("records-now")) }
            }
        }
    }
}

/// Has the records of an account read now.
async fn read_records(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Result<Response, Error> {
    demand(&visitor, Action::RunInstallation, &Object::Whole)?;
    let accounts = site.accounts.all();
    let account = accounts
        .iter()
        .find(|account| account.name.as_str() == name);
    let asked = account.and_then(|account| account.records.as_ref());
    let asked = asked.ok_or(Error::NotFound)?;
    sight::audited(&site, &visitor, "reconcile", &format!("account:{name}"), "").await?;
    asked.notify_one();
    Ok(Redirect::to("/accounts?said=reading").into_response())
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
            Link::Down { why, .. } => { span.badge.bad { "✕ " (t.say("link-down")) } " " small { (why::fault(t, &why)) } }
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
        @if let Some(fate) = Fate::parse(&asked.said) {
            p.done role="status" data-fate=(fate.as_str()) { (t.say(fate.text())) }
        }
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
                    th scope="col" { (t.say("letter-again")) }
                } }
                tbody { @for one in &found { tr {
                    td { a href={ "/dead-letters/" (one.id) } { (pen.clock.moment(Timestamp::from_micros(one.received_at), pen.now)) } }
                    td { (one.account) }
                    td { (one.source) }
                    td { (t.word("letter-outcome", &one.outcome)) }
                    td data-why { (why::reason(t, &one.reason)) }
                    td.number { (format::size(t, one.size)) }
                    td { (again(&visitor, one.id)) }
                } } }
            } }
        }
        @if let (true, Some(last)) = (more, found.last()) {
            (older(t, &format!("/dead-letters?before={}", last.id)))
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
            dt { (t.say("letter-reason")) } dd data-why { span { (why::reason(t, &letter.reason)) } " " code { (letter.reason) } }
        }
        pre { code { (shown) } }
        (again(&visitor, letter.id))
        p { a.button href="/dead-letters" { (t.say("letters-title")) } }
    };
    Ok(layout::page(&visitor, Place::Accounts, &title, &content))
}

/// The button that takes a letter in again.
fn again(visitor: &Visitor, id: i64) -> Markup {
    html! {
        form.inline action={ "/dead-letters/" (id) "/replay" } method="post" {
            (layout::token(visitor))
            button type="submit" { (visitor.texts.say("letter-again")) }
        }
    }
}

/// Takes a letter in again with today's decoder.
async fn replay(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, Error> {
    demand(&visitor, Action::RunInstallation, &Object::Whole)?;
    sight::audited(&site, &visitor, "replay", &format!("raw:{id}"), "").await?;
    let replayed = site
        .flow
        .replay(&site.db, id, flow::now(), |letter| {
            let accounts = site.accounts.all();
            let account = accounts
                .iter()
                .find(|account| account.name == letter.account);
            read_again(account.map(|account| account.pbx.as_ref()), letter)
        })
        .await;
    let fate = match replayed {
        Ok(replayed) => Fate::of(&replayed).ok_or(Error::NotFound)?,
        Err(ReplayError::Store(error)) => return Err(error.into()),
        Err(ReplayError::Commit(error)) => return Err(Error::Unavailable(error.to_string())),
    };
    let to = format!("/dead-letters?said={}", fate.as_str());
    Ok(Redirect::to(&to).into_response())
}

/// How a letter fared, as the page says it.
#[derive(Clone, Copy)]
enum Fate {
    Applied,
    Unread,
    Unfit,
}

impl Fate {
    fn of(replayed: &Replayed) -> Option<Self> {
        match replayed {
            Replayed::Applied(_) => Some(Self::Applied),
            Replayed::StillUnread(_) => Some(Self::Unread),
            Replayed::StillUnfit => Some(Self::Unfit),
            Replayed::Gone => None,
        }
    }

    fn parse(word: &str) -> Option<Self> {
        let all = [Self::Applied, Self::Unread, Self::Unfit];
        all.into_iter().find(|fate| fate.as_str() == word)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unread => "unread",
            Self::Unfit => "unfit",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Applied => "letter-applied",
            Self::Unread => "letter-unread",
            Self::Unfit => "letter-unfit",
        }
    }
}
