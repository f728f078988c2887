//! One account: how its connection stands, when it last spoke, and a test call watched live.
//!
//! The stream carries the same markup as the page, whenever it has changed; without script the page is
//! asked for again by a link.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Path, Query, State as Extract},
    response::{
        IntoResponse, Redirect, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::{StreamExt, stream};
use maud::{Markup, html};
use serde::Deserialize;

use super::accounts;
use crate::{
    model::{ids::AccountName, time::Timestamp},
    policy::{Action, Object},
    store::trace as rows,
    web::{
        Account, Accounts, Error, Site, State, Visitor, auth, demand,
        layout::{self, Place},
        now,
        parts::Pen,
        routes::{Access, Route},
        sight, trace,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get(
        "/accounts/{name}",
        Access::Right(Action::RunInstallation),
        || get(show),
    ),
    Route::get(
        "/accounts/{name}/trace",
        Access::Right(Action::RunInstallation),
        || get(watch),
    ),
];

/// Where accounts stand.
const PLACE: &str = "/accounts/";
/// How often the steps are worked out while somebody watches.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// So many looks, and the page opens the stream anew, as whoever it is then.
const LOOKS: usize = 2_000;
/// A stream in which nothing changes says so much, so that proxies leave it open.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Nobody watches for a call of longer ago.
const LONGEST_MS: i64 = 24 * 3_600_000;

/// What a page that watches is asked for.
#[derive(Deserialize)]
pub struct Watched {
    /// Since when, in microseconds.
    since: Option<i64>,
    /// `1`: from now on.
    #[serde(default)]
    watch: u8,
}

impl Watched {
    /// As another page that watches was asked.
    pub const fn of(since: Option<i64>) -> Self {
        Self { since, watch: 0 }
    }

    /// Since when a call is watched for; none: nobody watches.
    pub fn since(&self, now: Timestamp) -> Option<Timestamp> {
        let earliest = now.plus_millis(-LONGEST_MS);
        let since = Timestamp::from_micros(self.since?);
        Some(since.max(earliest).min(now))
    }

    /// Whether to begin now.
    pub const fn begins(&self) -> bool {
        self.watch == 1
    }
}

/// An account by its name in an address.
pub fn named(accounts: &Accounts, name: &str) -> Result<usize, Error> {
    let accounts = accounts.all();
    let found = accounts.iter().position(|one| one.name.as_str() == name);
    found.ok_or(Error::NotFound)
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(watched): Query<Watched>,
) -> Result<Response, Error> {
    demand(&visitor, Action::RunInstallation, &Object::Whole)?;
    let accounts = site.accounts.all();
    let account = &accounts[named(&site.accounts, &name)?];
    if watched.begins() {
        let to = format!("/accounts/{name}?since={}#trace", now().as_micros());
        return Ok(Redirect::to(&to).into_response());
    }
    let seen = accounts::seen(&site, account).await?;
    let progress = rows::progress(&site.db, &name).await?;
    let t = visitor.texts;
    let pen = site.pen(&visitor, sight::in_lists(&visitor));
    let content = html! {
        div.heading {
            h1 { (account.name) " " small { (account.kind) } }
            a.button href={ "/setup/" (account.name) } { (t.say("setup-title")) }
        }
        (accounts::facts(&pen, &visitor, account, &seen))
        p.totals {
            span { (t.count("setup-phones", progress.phones)) }
            span { (t.count("setup-lines", progress.lines)) }
        }
        (section(&site, &visitor, &pen, account, watched.since(now()), PLACE).await?)
        p { a href="/accounts" { (t.say("accounts-title")) } }
    };
    Ok(layout::page(&visitor, Place::Accounts, &name, &content).into_response())
}

/// The test call: a button, or the steps of the one that is watched. `place` is the page it stands on.
pub async fn section(
    site: &Site,
    visitor: &Visitor,
    pen: &Pen<'_>,
    account: &Account,
    since: Option<Timestamp>,
    place: &str,
) -> Result<Markup, Error> {
    let t = pen.t;
    // The guide has a heading of its own.
    let is_alone = place == PLACE;
    let (name, here) = (&account.name, format!("{place}{}", account.name));
    let Some(since) = since else {
        return Ok(html! {
            section #trace {
                @if is_alone { h2 { (t.say("trace-title")) } }
                p.hint { (t.say("trace-hint")) }
                a.button.primary href={ (here) "?watch=1" } { (t.say("trace-start")) }
            }
        });
    };
    let steps = trace::markup(site, visitor, account, since).await?;
    let stream = format!("/accounts/{name}/trace?since={}", since.as_micros());
    Ok(html! {
        section #trace {
            @if is_alone { h2 { (t.say("trace-title")) } }
            p { (t.say("trace-now")) " " small { (pen.clock.time_s(since)) } }
            div data-trace=(stream) aria-live="polite" { (steps) }
            p.pages {
                a.button href={ (here) "?since=" (since.as_micros()) "#trace" } { (t.say("trace-refresh")) }
                a.button href={ (here) "?watch=1" } { (t.say("trace-again")) }
            }
        }
    })
}

async fn watch(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(watched): Query<Watched>,
) -> Result<Response, Error> {
    demand(&visitor, Action::RunInstallation, &Object::Whole)?;
    named(&site.accounts, &name)?;
    let since = watched.since(now()).unwrap_or_else(now);
    let over = auth::over(&site, &visitor).await?;
    let watching = Watching {
        site,
        visitor,
        account: AccountName::from(name.as_str()),
        since,
        told: String::new(),
        looks: 0,
    };
    let events = stream::unfold(watching, |mut watching| async move {
        let event = watching.next().await?;
        Some((Ok::<_, Infallible>(event), watching))
    });
    let events = events.take_until(over);
    let sse = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // nginx gathers answers unless told not to.
    Ok(([("x-accel-buffering", "no")], sse).into_response())
}

/// Somebody who watches.
struct Watching {
    site: State,
    visitor: Visitor,
    account: AccountName,
    since: Timestamp,
    told: String,
    looks: usize,
}

impl Watching {
    /// The steps when they next differ from what was told; nothing when it is time to come again.
    async fn next(&mut self) -> Option<Event> {
        while self.looks < LOOKS {
            if self.looks > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            self.looks += 1;
            let accounts = self.site.accounts.all();
            let account = accounts.iter().find(|one| one.name == self.account)?;
            // A database that is away for a moment is asked again.
            let steps = trace::markup(&self.site, &self.visitor, account, self.since).await;
            if let Ok(steps) = steps
                && steps.0 != self.told
            {
                self.told = steps.0;
                return Some(Event::default().data(self.told.replace('\n', " ")));
            }
        }
        None
    }
}
