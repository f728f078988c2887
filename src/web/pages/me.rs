//! A person's own settings: language and password.

use axum::{
    Form,
    extract::{Query, State as Extract},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::sign_in::safe_next;
use crate::{
    policy::Action,
    store::{audit, people, sessions},
    web::{
        Error, State, Visitor, auth,
        i18n::{Language, Texts},
        layout::{self, Place},
        now,
        routes::{Access, Route},
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/me", Access::Right(Action::UseDesk), || get(show)),
    Route::post("/me/language", Access::Right(Action::UseDesk), || {
        post(set_language)
    }),
    Route::post("/me/password", Access::Right(Action::UseDesk), || {
        post(set_password)
    }),
];

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    said: String,
}

#[derive(Deserialize)]
struct Chosen {
    language: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct NewPassword {
    #[serde(default)]
    current: String,
    new: String,
    again: String,
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(said): Query<Said>,
) -> Result<Markup, Error> {
    let has_password = people::password_hash(&site.db, &visitor.person.login)
        .await?
        .is_some();
    let t = visitor.texts;
    let content = html! {
        h1 { (visitor.person.name) }
        p { (t.word("role", visitor.person.role.as_str())) ", " (visitor.person.login) }
        @if said.said == "password" {
            p.done role="status" { (t.say("password-set")) }
        }
        h2 { (t.say("password-change")) }
        form.stacked action="/me/password" method="post" {
            (layout::token(&visitor))
            input type="hidden" name="username" autocomplete="username" value=(visitor.person.login);
            @if has_password {
                label { span { (t.say("password-current")) }
                    input type="password" name="current" required autocomplete="current-password"; }
            }
            label { span { (t.say("password-new")) }
                input type="password" name="new" required minlength=(auth::PASSWORD_MIN)
                    maxlength=(auth::PASSWORD_MAX) autocomplete="new-password"; }
            label { span { (t.say("password-again")) }
                input type="password" name="again" required autocomplete="new-password"; }
            p.hint { (t.count("password-hint", auth::PASSWORD_MIN as i64)) }
            button.primary type="submit" { (t.say("save")) }
        }
        p { a.button href="/tokens" { (t.say("me-tokens")) } }
        (alerts(t))
        (keys(t))
    };
    Ok(layout::page(
        &visitor,
        Place::Me,
        &visitor.person.name,
        &content,
    ))
}

/// How a ringing phone is told outside the page; kept by the browser, so without script there is nothing
/// to choose.
fn alerts(t: Texts) -> Markup {
    html! {
        section data-alerts hidden {
            h2 #alerts { (t.say("alerts-title")) }
            p { label { input type="checkbox" data-alert="notice"; " " (t.say("alerts-notice")) } }
            p.problem role="status" data-alert-hint="denied" hidden { (t.say("alerts-denied")) }
            p.problem role="status" data-alert-hint="insecure" hidden { (t.say("alerts-insecure")) }
            p { label { input type="checkbox" data-alert="ring"; " " (t.say("alerts-ring")) } }
            p.hint { (t.say("alerts-hint")) }
        }
    }
}

/// Keys that pages answer to.
fn keys(t: Texts) -> Markup {
    let all: [(&[&str], String); 11] = [
        (&["/"], t.say("keys-search")),
        (&["g", "d"], t.say("keys-desk")),
        (&["g", "j"], t.say("keys-journal")),
        (&["Enter"], t.say("keys-open")),
        (&["n"], t.say("keys-note")),
        (&["1", "…", "5"], t.say("keys-results")),
        (&["Esc"], t.say("keys-hide")),
        (&["Space"], t.say("keys-play")),
        (&["←", "→"], t.say("keys-skip")),
        (&["[", "]"], t.say("keys-speed")),
        (&["?"], t.say("keys-title")),
    ];
    html! {
        h2 #keys { (t.say("keys-title")) }
        dl.facts {
            @for (keys, what) in &all {
                dt { @for key in *keys { kbd { (key) } " " } }
                dd { (what) }
            }
        }
        p { label { input type="checkbox" data-keys-off; " " (t.say("keys-off")) } }
    }
}

async fn set_language(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Form(chosen): Form<Chosen>,
) -> Result<Response, Error> {
    let language =
        Language::parse(&chosen.language).ok_or(Error::Unusable("error-unknown-language"))?;
    people::set_language(&site.db, visitor.person.id, language.code()).await?;
    Ok(Redirect::to(safe_next(&chosen.next)).into_response())
}

async fn set_password(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Form(typed): Form<NewPassword>,
) -> Result<Response, Error> {
    let length = typed.new.chars().count();
    if length < auth::PASSWORD_MIN || typed.new.len() > auth::PASSWORD_MAX {
        return Err(Error::Unusable("error-password-length"));
    }
    if typed.new != typed.again {
        return Err(Error::Unusable("error-password-again"));
    }
    site.guard.admit(visitor.remote, &visitor.person.login)?;
    let known = people::password_hash(&site.db, &visitor.person.login).await?;
    if let Some((_, hash)) = known
        && !site.guard.verify(typed.current, hash).await?
    {
        return Err(Error::Unusable("error-password-current"));
    }
    let hash = site.guard.hash(typed.new).await?;
    people::set_password_hash(&site.db, visitor.person.id, &hash).await?;
    // Whoever knew the old password is out.
    sessions::close_others(&site.db, visitor.person.id, &visitor.session).await?;
    let deed = audit::Entry {
        person: Some(visitor.person.id),
        action: "set_password",
        object: &format!("person:{}", visitor.person.id.0),
        detail: "",
        remote: &visitor.remote.to_string(),
    };
    audit::keep(&site.db, &deed, now()).await?;
    Ok(Redirect::to("/me?said=password").into_response())
}
