//! Tokens of the API: a person's own, and for those who run the installation everybody's and those of
//! services. A new token is shown once, in the answer to the form that made it.

use std::collections::BTreeMap;

use axum::{
    Form,
    extract::{Path, State as Extract},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{Markup, html};

use crate::{
    model::{people::Role, time::Timestamp},
    policy::{self, Action, Object},
    store::tokens::{self, Holder, NewToken, Token},
    web::{
        Error, Site, State, Visitor,
        api::{
            caller::{Minted, mint},
            scope::{Scope, Scopes},
        },
        format::Clock,
        i18n::Texts,
        layout::{self, Place},
        now,
        parts::nothing,
        routes::{Access, Route},
        sight,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/tokens", Access::Right(Action::UseDesk), || get(show)),
    Route::post("/tokens", Access::Right(Action::UseDesk), || post(add)),
    Route::post(
        "/tokens/{id}/revoke",
        Access::Right(Action::UseDesk),
        || post(revoke),
    ),
];

const NAME_CHARS: usize = 100;
/// For how many days a token can be made.
const DAYS: [i64; 3] = [30, 90, 365];
const DAY_MS: i64 = 86_400_000;

async fn show(Extract(site): Extract<State>, visitor: Visitor) -> Result<Markup, Error> {
    page(&site, &visitor, None).await
}

async fn add(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Form(typed): Form<BTreeMap<String, String>>,
) -> Result<Markup, Error> {
    let text = |name: &str| typed.get(name).map_or("", |text| text.trim());
    let name = text("name");
    if name.is_empty() || name.chars().count() > NAME_CHARS {
        return Err(Error::Unusable("error-token-name"));
    }
    let scopes: Vec<String> = Scope::ALL
        .iter()
        .map(|scope| scope.as_str().to_owned())
        .filter(|word| typed.contains_key(word))
        .collect();
    let scopes = Scopes::parse(&scopes).unwrap_or_default();
    if scopes.is_empty() {
        return Err(Error::Unusable("error-token-scopes"));
    }
    let days = text("days").parse().ok().filter(|days| DAYS.contains(days));
    let days = days.ok_or(Error::Unusable("error-token-days"))?;
    let minted = mint();
    let token = NewToken {
        name,
        holder: holder(&visitor, text("service"))?,
        scopes: &scopes.words(),
        hash: &minted.hash,
        hint: &minted.hint,
        created_by: Some(visitor.person.id),
        expires_at: Some(now().plus_millis(days * DAY_MS)),
    };
    let id = tokens::create(&site.db, &token, now()).await?;
    let object = format!("token:{id}");
    sight::audited(&site, &visitor, "change", &object, "added").await?;
    page(&site, &visitor, Some(&minted)).await
}

/// Whose rights a new token has: one's own, or those of a role that gives nothing one has not.
fn holder(visitor: &Visitor, service: &str) -> Result<Holder, Error> {
    if service.is_empty() {
        return Ok(Holder::Person(visitor.person.id));
    }
    let role = Role::parse(service).ok_or(Error::Forbidden)?;
    match services(visitor).contains(&role) {
        true => Ok(Holder::Service(role)),
        false => Err(Error::Forbidden),
    }
}

/// Roles for which this person may make tokens of services.
fn services(visitor: &Visitor) -> Vec<Role> {
    if !runs_installation(visitor) {
        return Vec::new();
    }
    let own = visitor.person.role;
    Role::ALL
        .into_iter()
        .filter(|role| role.reaches_beyond_itself() && policy::covers(own, *role))
        .collect()
}

fn runs_installation(visitor: &Visitor) -> bool {
    policy::can(&visitor.person, Action::RunInstallation, &Object::Whole).is_allowed()
}

async fn revoke(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, Error> {
    let token = tokens::by_id(&site.db, id).await?.ok_or(Error::NotFound)?;
    if token.person != Some(visitor.person.id.0) && !runs_installation(&visitor) {
        return Err(Error::Forbidden);
    }
    if tokens::revoke(&site.db, id, now()).await? {
        let object = format!("token:{id}");
        sight::audited(&site, &visitor, "change", &object, "revoked").await?;
    }
    Ok(Redirect::to("/tokens").into_response())
}

async fn page(site: &Site, visitor: &Visitor, minted: Option<&Minted>) -> Result<Markup, Error> {
    let t = visitor.texts;
    let all = runs_installation(visitor);
    let of = (!all).then_some(visitor.person.id);
    let listed = tokens::list(&site.db, of).await?;
    let clock = Clock::new(&site.zone, t);
    let content = html! {
        h1 { (t.say("tokens-title")) }
        p { (t.say("tokens-explain")) " " a href="/api/v1/docs" { (t.say("tokens-docs")) } }
        @if let Some(minted) = minted {
            div.done role="status" {
                p { (t.say("token-once")) }
                p { code data-token { (minted.token) } }
            }
        }
        @if listed.is_empty() { (nothing(&t.say("tokens-none"))) }
        @else { div.scroll { (table(visitor, &clock, &listed)) } }
        (form(visitor))
    };
    let title = t.say("tokens-title");
    Ok(layout::page(visitor, Place::Me, &title, &content))
}

fn table(visitor: &Visitor, clock: &Clock<'_>, listed: &[Token]) -> Markup {
    let t = visitor.texts;
    let day = |at: i64| clock.day(Timestamp::from_micros(at));
    html! {
        table.tokens {
            thead { tr {
                th scope="col" { (t.say("token-name")) }
                th scope="col" { (t.say("token-holder")) }
                th scope="col" { (t.say("token-scopes")) }
                th scope="col" { (t.say("token-used")) }
                th scope="col" { (t.say("token-ends")) }
                th scope="col" { span.visually-hidden { (t.say("token-revoke")) } }
            } }
            tbody { @for token in listed {
                tr data-token=(token.id) {
                    th scope="row" { (token.name) " " small { code { (token.hint) "…" } } }
                    td { (holder_name(t, token)) }
                    td { (token.scopes.replace(' ', ", ")) }
                    td { @match token.used_at { Some(at) => { (day(at)) } None => { (t.say("token-never")) } } }
                    td {
                        @match (token.revoked_at, token.expires_at) {
                            (Some(at), _) => { span.badge.plain { (t.say("token-revoked")) } " " (day(at)) }
                            (None, Some(at)) => { (day(at)) }
                            (None, None) => { (t.say("token-never")) }
                        }
                    }
                    td {
                        @if token.revoked_at.is_none() {
                            form.inline action={ "/tokens/" (token.id) "/revoke" } method="post" {
                                (layout::token(visitor))
                                button.quiet type="submit" { (t.say("token-revoke")) }
                            }
                        }
                    }
                }
            } }
        }
    }
}

fn holder_name(t: Texts, token: &Token) -> String {
    match (&token.person_name, &token.role) {
        (Some(name), _) => name.clone(),
        (None, Some(role)) => {
            let role = t.word("role", role);
            t.fill("token-service", &[("role", role.into())])
        }
        (None, None) => String::new(),
    }
}

fn form(visitor: &Visitor) -> Markup {
    let t = visitor.texts;
    let services = services(visitor);
    html! {
        h2 { (t.say("token-new")) }
        form.stacked action="/tokens" method="post" {
            (layout::token(visitor))
            label { span { (t.say("token-name")) } input type="text" name="name" required maxlength=(NAME_CHARS); }
            @if !services.is_empty() {
                label { span { (t.say("token-holder")) }
                    select name="service" {
                        option value="" { (visitor.person.name) }
                        @for role in &services {
                            option value=(role.as_str()) {
                                (t.fill("token-service", &[("role", t.word("role", role.as_str()).into())]))
                            }
                        }
                    }
                }
            }
            fieldset {
                legend { (t.say("token-scopes")) }
                @for scope in Scope::ALL {
                    label { input type="checkbox" name=(scope.as_str()); " "
                        (t.word("scope", &scope.text_word())) " " small { code { (scope.as_str()) } } }
                }
            }
            label { span { (t.say("token-ends")) }
                select name="days" {
                    @for days in DAYS { option value=(days) { (t.count("token-days", days)) } }
                }
            }
            button.primary type="submit" { (t.say("token-make")) }
        }
    }
}
