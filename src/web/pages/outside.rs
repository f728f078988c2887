//! Whom the outside is told: subscriptions of webhooks and mailboxes, their log of messages, and
//! telling again. For those who run the installation. A secret is shown once, when it is made.

mod change;

use axum::{
    Form,
    extract::{Path, Query, State as Extract},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    model::time::Timestamp,
    policy::{Action, Object},
    rules::news::KINDS,
    store::{
        deliveries::{self, Logged},
        subscriptions::{self, New, Subscription},
    },
    web::{
        Error, State, Visitor, demand, format,
        layout::{self, Place},
        now,
        parts::{Pen, nothing},
        routes::{Access, Route},
        sight,
    },
};

const RIGHT: Access = Access::Right(Action::RunInstallation);

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/outside", RIGHT, || get(show)),
    Route::post("/outside", RIGHT, || post(add)),
    Route::get("/outside/{subscription}", RIGHT, || get(log)),
    Route::post("/outside/{subscription}/rotate", RIGHT, || {
        post(change::rotate)
    }),
    Route::post("/outside/{subscription}/disable", RIGHT, || {
        post(change::disable)
    }),
    Route::post("/outside/{subscription}/enable", RIGHT, || {
        post(change::enable)
    }),
    Route::post("/outside/{subscription}/remove", RIGHT, || {
        post(change::remove)
    }),
    Route::post("/outside/{subscription}/replay", RIGHT, || {
        post(change::replay)
    }),
    Route::get("/outside/{subscription}/messages/{message}", RIGHT, || {
        get(message)
    }),
    Route::post(
        "/outside/{subscription}/messages/{message}/replay",
        RIGHT,
        || post(change::replay_one),
    ),
];

const PAGE_ROWS: i64 = 50;
/// How far back "tell again what failed" may go: longer nothing is kept.
const LONGEST_REPLAY_HOURS: i64 = 30 * 24;
const LONGEST_NAME: usize = 100;
const LONGEST_ADDRESS: usize = 2_000;

async fn show(Extract(site): Extract<State>, visitor: Visitor) -> Result<Markup, Error> {
    let subscriptions = subscriptions::all(&site.db).await?;
    let depths = deliveries::depths(&site.db).await?;
    let t = visitor.texts;
    let pen = site.pen(&visitor, sight::in_lists(&visitor));
    let content = html! {
        h1 { (t.say("outside-title")) }
        p.hint { (t.say("outside-hint")) }
        @if subscriptions.is_empty() { (nothing(&t.say("outside-none"))) }
        @else {
            div.scroll { table {
                thead { tr {
                    th scope="col" { (t.say("outside-name")) }
                    th scope="col" { (t.say("outside-state")) }
                    th scope="col" { (t.say("outside-events")) }
                    th scope="col" { (t.say("outside-told")) }
                    th.number scope="col" { (t.say("outside-waiting")) }
                    th.number scope="col" { (t.say("outside-failed")) }
                } }
                tbody { @for one in &subscriptions {
                    @let depth = depths.iter().find(|(id, ..)| *id == one.id);
                    tr data-subscription=(one.id) {
                        th scope="row" { a href={ "/outside/" (one.id) } { (one.name) } " " small { (host(one)) } }
                        td { (state(&pen, one)) }
                        td { small { (events(&pen, one)) } }
                        td { @if let Some(at) = one.told_at { (pen.clock.moment(Timestamp::from_micros(at), pen.now)) } }
                        td.number { (format::number(t, depth.map_or(0, |depth| depth.1))) }
                        td.number { (format::number(t, depth.map_or(0, |depth| depth.2))) }
                    }
                } }
            } }
        }
        (form(&visitor))
    };
    Ok(page(&visitor, &t.say("outside-title"), &content))
}

fn page(visitor: &Visitor, title: &str, content: &Markup) -> Markup {
    layout::page(visitor, Place::Outside, title, content)
}

/// Only the host: the rest of an address may carry access.
fn host(one: &Subscription) -> &str {
    match one.mailbox() {
        Some(mailbox) => mailbox,
        None => {
            let rest = one.address.split_once("://").map_or("", |(_, rest)| rest);
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            authority.rsplit('@').next().unwrap_or_default()
        }
    }
}

fn state(pen: &Pen<'_>, one: &Subscription) -> Markup {
    let t = pen.t;
    html! {
        @if !one.is_active() {
            span.badge.bad { "✕ " (t.word("outside-disabled", &one.reason)) }
        } @else if let Some(since) = one.failing_since {
            span.badge.bad { "! " (t.say("outside-failing")) }
            " " small { (pen.clock.moment(Timestamp::from_micros(since), pen.now)) }
        } @else {
            span.badge.good { "✓ " (t.say("outside-active")) }
        }
    }
}

fn events(pen: &Pen<'_>, one: &Subscription) -> String {
    if one.events == "*" {
        return pen.t.say("outside-every-event");
    }
    one.events.clone()
}

fn form(visitor: &Visitor) -> Markup {
    let t = visitor.texts;
    html! {
        h2 { (t.say("outside-add")) }
        form.stacked action="/outside" method="post" {
            (layout::token(visitor))
            label { span { (t.say("outside-name")) } input type="text" name="name" required maxlength=(LONGEST_NAME); }
            label { span { (t.say("outside-address")) }
                input type="text" name="address" required maxlength=(LONGEST_ADDRESS)
                    placeholder="https://crm.example.org/ringcard"; }
            p.hint { (t.say("outside-address-hint")) }
            fieldset {
                legend { (t.say("outside-events")) }
                @for kind in KINDS {
                    label { input type="checkbox" name="event" value=(kind); " " code { (kind) } }
                }
                p.hint { (t.say("outside-events-hint")) }
            }
            button.primary type="submit" { (t.say("outside-add")) }
        }
    }
}

async fn add(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Markup, Error> {
    demand(&visitor, Action::RunInstallation, &Object::Whole)?;
    let field = |wanted: &str| {
        let mut fields = fields.iter();
        let found = fields.find(|(name, _)| name == wanted);
        found.map_or("", |(_, value)| value.trim())
    };
    let (name, address) = (field("name"), field("address"));
    let has_name = !name.is_empty() && name.chars().count() <= LONGEST_NAME;
    if !has_name || address.len() > LONGEST_ADDRESS || !is_address(address) {
        return Err(Error::Unusable("outside-unusable"));
    }
    let chosen: Vec<&str> = KINDS
        .into_iter()
        .filter(|kind| {
            fields
                .iter()
                .any(|(name, value)| name == "event" && value == kind)
        })
        .collect();
    let events = match chosen.is_empty() {
        true => "*".to_owned(),
        false => chosen.join(" "),
    };
    let is_mail = address.starts_with("mailto:");
    let secret = if is_mail { String::new() } else { new_secret() };
    let new = New {
        name,
        address,
        events: &events,
        secret: &secret,
    };
    let id = subscriptions::add(&site.db, &new, now()).await?;
    sight::audited(&site, &visitor, "subscribe", &object(id), name).await?;
    Ok(with_secret(&visitor, id, &secret))
}

/// A mailbox, or a web address with a host.
fn is_address(address: &str) -> bool {
    if let Some(mailbox) = address.strip_prefix("mailto:") {
        let parts = mailbox.split_once('@');
        return parts.is_some_and(|(who, domain)| !who.is_empty() && !domain.is_empty())
            && !mailbox.contains(char::is_whitespace);
    }
    let is_web = ["https://", "http://"]
        .iter()
        .any(|scheme| address.starts_with(scheme));
    is_web && reqwest::Url::parse(address).is_ok_and(|url| url.has_host())
}

/// 256 bits as Standard Webhooks writes them.
fn new_secret() -> String {
    format!("whsec_{}", STANDARD.encode(rand::random::<[u8; 32]>()))
}

/// The page that shows a secret, once.
fn with_secret(visitor: &Visitor, id: i64, secret: &str) -> Markup {
    let t = visitor.texts;
    let content = html! {
        h1 { (t.say("outside-title")) }
        p.done role="status" { (t.say("outside-added")) }
        @if !secret.is_empty() {
            p { (t.say("outside-secret-hint")) }
            pre { code #secret { (secret) } }
        }
        p { a.button href={ "/outside/" (id) } { (t.say("outside-log")) } }
    };
    page(visitor, &t.say("outside-title"), &content)
}

fn object(id: i64) -> String {
    format!("subscription:{id}")
}

#[derive(Deserialize)]
struct Asked {
    before: Option<i64>,
    #[serde(default)]
    state: String,
}

async fn log(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Error> {
    let found = subscriptions::by_id(&site.db, id).await?;
    let one = found.ok_or(Error::NotFound)?;
    let state_asked = match asked.state.as_str() {
        "waiting" | "done" | "failed" => asked.state.as_str(),
        _ => "",
    };
    let mut rows = deliveries::log(&site.db, id, state_asked, asked.before, PAGE_ROWS + 1).await?;
    let more = rows.len() as i64 > PAGE_ROWS;
    rows.truncate(PAGE_ROWS as usize);
    let t = visitor.texts;
    let pen = site.pen(&visitor, sight::in_lists(&visitor));
    let address = format!("/outside/{id}?state={state_asked}");
    let content = html! {
        h1 { (one.name) }
        dl.facts {
            dt { (t.say("outside-address")) } dd { (host(&one)) }
            dt { (t.say("outside-events")) } dd { (events(&pen, &one)) }
            dt { (t.say("outside-state")) } dd { (state(&pen, &one)) }
        }
        (actions(&visitor, &one))
        nav.segments aria-label=(t.say("outside-log")) {
            @for word in ["", "waiting", "done", "failed"] {
                a href={ "/outside/" (id) "?state=" (word) } aria-current=[(word == state_asked).then_some("true")] {
                    @if word.is_empty() { (t.say("outside-all")) } @else { (t.word("delivery-state", word)) }
                }
            }
        }
        @if rows.is_empty() { (nothing(&t.say("outside-log-none"))) }
        @else { div.scroll { (log_table(&visitor, &pen, id, &rows)) } }
        @if let (true, Some(last)) = (more, rows.last()) {
            nav.pages aria-label=(t.say("pages-label")) {
                a.button rel="next" href={ (address) "&before=" (last.id) } { (t.say("pages-older")) }
            }
        }
    };
    Ok(page(&visitor, &one.name, &content))
}

fn log_table(visitor: &Visitor, pen: &Pen<'_>, id: i64, rows: &[Logged]) -> Markup {
    let t = pen.t;
    html! {
        table.log {
            thead { tr {
                th.number scope="col" { (t.say("delivery-sequence")) }
                th scope="col" { (t.say("delivery-at")) }
                th scope="col" { (t.say("delivery-kind")) }
                th scope="col" { (t.say("outside-state")) }
                th.number scope="col" { (t.say("delivery-tries")) }
                th scope="col" { (t.say("delivery-again")) }
            } }
            tbody { @for row in rows { tr data-message=(row.message) {
                td.number { a href={ "/outside/" (id) "/messages/" (row.id) } { (row.sequence) } }
                td { (pen.clock.moment(Timestamp::from_micros(row.created_at), pen.now)) }
                td { code { (row.kind) } }
                td { (outcome(pen, row)) }
                td.number { (row.tries) }
                td { @if row.state == "waiting" {
                    (t.say("delivery-due")) " " (pen.clock.moment(Timestamp::from_micros(row.due_at), pen.now))
                } @else { (again(visitor, id, row.id)) } }
            } } }
        }
    }
}

fn outcome(pen: &Pen<'_>, row: &Logged) -> Markup {
    let t = pen.t;
    html! {
        span.badge.good[row.state == "done"].bad[row.state == "failed"] { (t.word("delivery-state", &row.state)) }
        @if !row.error.is_empty() {
            " " small { (t.word("delivery-error", &row.error)) @if let Some(status) = row.status { " " (status) } }
        }
    }
}

fn again(visitor: &Visitor, id: i64, message: i64) -> Markup {
    html! {
        form.inline action={ "/outside/" (id) "/messages/" (message) "/replay" } method="post" {
            (layout::token(visitor))
            button.quiet type="submit" { (visitor.texts.say("delivery-again")) }
        }
    }
}

fn actions(visitor: &Visitor, one: &Subscription) -> Markup {
    let t = visitor.texts;
    let button = |action: &str, text: String| {
        html! {
            form.inline action={ "/outside/" (one.id) "/" (action) } method="post" {
                (layout::token(visitor))
                button type="submit" { (text) }
            }
        }
    };
    html! {
        div.actions {
            @if one.is_active() { (button("disable", t.say("outside-disable"))) }
            @else { (button("enable", t.say("outside-enable"))) }
            @if one.mailbox().is_none() { (button("rotate", t.say("outside-rotate"))) }
            (button("remove", t.say("outside-remove")))
        }
        form.inline action={ "/outside/" (one.id) "/replay" } method="post" {
            (layout::token(visitor))
            label { span { (t.say("outside-replay-hours")) }
                input type="number" name="hours" min="1" max=(LONGEST_REPLAY_HOURS) value="24"; }
            button type="submit" { (t.say("outside-replay")) }
        }
    }
}

/// One message as it was sent. Numbers stand in it, so looking is a reveal.
async fn message(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path((id, message)): Path<(i64, i64)>,
) -> Result<Markup, Error> {
    demand(&visitor, Action::RevealNumbers, &Object::Whole)?;
    let found = deliveries::one(&site.db, id, message).await?;
    let (row, body, tried) = found.ok_or(Error::NotFound)?;
    sight::audited(
        &site,
        &visitor,
        "reveal",
        &format!("delivery:{message}"),
        "",
    )
    .await?;
    let t = visitor.texts;
    let pen = site.pen(&visitor, sight::in_lists(&visitor));
    let content = html! {
        h1 { code { (row.kind) } " " (row.sequence) }
        dl.facts {
            dt { "webhook-id" } dd { code { (row.message) } }
            dt { (t.say("outside-state")) } dd { (outcome(&pen, &row)) }
        }
        pre { code { (body) } }
        div.scroll { table {
            thead { tr {
                th scope="col" { (t.say("delivery-at")) }
                th scope="col" { (t.say("outside-state")) }
                th.number scope="col" { (t.say("delivery-took")) }
                th scope="col" { (t.say("delivery-answer")) }
            } }
            tbody { @for one in &tried { tr {
                td { (pen.clock.moment(Timestamp::from_micros(one.at), pen.now)) }
                td {
                    @if one.error.is_empty() { (t.word("delivery-state", "done")) }
                    @else { (t.word("delivery-error", &one.error)) }
                    @if let Some(status) = one.status { " " (status) }
                }
                td.number { (format::number(t, one.took_ms)) }
                td { code { (one.answer) } }
            } } }
        } }
        @if row.state != "waiting" { (again(&visitor, id, row.id)) }
        p { a.button href={ "/outside/" (id) } { (t.say("outside-log")) } }
    };
    Ok(page(&visitor, &row.kind, &content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_the_web_or_a_mailbox() {
        for good in [
            "https://crm.example.org/x?y=1",
            "http://10.0.0.5:8080",
            "mailto:a@example.org",
        ] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "crm.example.org",
            "ftp://example.org",
            "mailto:a",
            "mailto:a b@c",
            "https://",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
