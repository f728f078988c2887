//! Signing in by one-time link or by name and password, and signing out.

use axum::{
    Form,
    extract::{Path, Query, State as Extract},
    http::{HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    policy::Action,
    store::{audit, people, sessions},
    web::{
        Error, Guest, State, Visitor, auth,
        i18n::{Language, Texts},
        layout, now,
        routes::{Access, Route},
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/sign-in", Access::Public, || get(ask)),
    Route::post("/sign-in", Access::Public, || post(by_password)),
    Route::get("/sign-in/{token}", Access::Public, || get(ask_by_link)),
    Route::post("/sign-in/{token}", Access::Public, || post(by_link)),
    Route::post("/sign-out", Access::Right(Action::UseDesk), || {
        post(sign_out)
    }),
];

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    next: String,
    language: Option<String>,
}

#[derive(Deserialize)]
struct Typed {
    login: String,
    password: String,
    #[serde(default)]
    next: String,
}

async fn ask(
    guest: Guest,
    visitor: Option<axum::Extension<Visitor>>,
    Query(asked): Query<Asked>,
) -> Response {
    if visitor.is_some() {
        return Redirect::to("/").into_response();
    }
    let chosen = asked.language.as_deref().and_then(Language::parse);
    let guest = in_language(guest, chosen);
    remember(
        chosen,
        sign_in_page(&guest, &asked.next, None).into_response(),
    )
}

/// A link shows who it is for and signs in by a button, so that programs that look into links
/// (messengers, mail filters) do not use it up.
async fn ask_by_link(
    Extract(site): Extract<State>,
    guest: Guest,
    visitor: Option<axum::Extension<Visitor>>,
    Path(token): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    let person = sessions::look_at_link(&site.db, &auth::token_hash(&token), now()).await?;
    let Some(person) = person else {
        return Err(Error::Unusable("error-link-used"));
    };
    let person = people::by_id(&site.db, person)
        .await?
        .ok_or(Error::NotFound)?;
    let chosen = asked.language.as_deref().and_then(Language::parse);
    let guest = in_language(guest, chosen.or_else(|| Language::parse(&person.language)));
    let t = guest.texts;
    let content = html! {
        h1 { (t.fill("link-greeting", &[("name", person.name.as_str().into())])) }
        p { (t.say("link-explain")) }
        form method="post" {
            @if let Some(visitor) = &visitor { (layout::token(visitor)) }
            button.primary type="submit" autofocus { (t.say("sign-in")) }
        }
    };
    let page = layout::guest_page(&guest, &t.say("sign-in"), &content);
    Ok(remember(chosen, page.into_response()))
}

async fn by_link(
    Extract(site): Extract<State>,
    guest: Guest,
    Path(token): Path<String>,
) -> Result<Response, Error> {
    let person = sessions::use_link(&site.db, &auth::token_hash(&token), now()).await?;
    let Some(person) = person else {
        return Err(Error::Unusable("error-link-used"));
    };
    let cookie = auth::open_session(&site, person, "link", guest.remote).await?;
    Ok(signed_in(cookie, "/"))
}

async fn by_password(
    Extract(site): Extract<State>,
    guest: Guest,
    Form(typed): Form<Typed>,
) -> Result<Response, Error> {
    // Trimmed first: a name with spaces around it is no other name to the limit.
    let login = typed.login.trim();
    site.guard.admit(guest.remote, login)?;
    if typed.password.len() > auth::PASSWORD_MAX {
        return Err(Error::Unusable("error-too-large"));
    }
    let person = auth::check_password(&site, login, typed.password).await?;
    let Some(person) = person else {
        let failed = audit::Entry {
            person: None,
            action: "sign_in_failed",
            object: "sign-in",
            detail: "",
            remote: &guest.remote.to_string(),
        };
        audit::keep(&site.db, &failed, now()).await?;
        let page = sign_in_page(&guest, &typed.next, Some("sign-in-failed"));
        return Ok((axum::http::StatusCode::UNAUTHORIZED, page).into_response());
    };
    let cookie = auth::open_session(&site, person, "password", guest.remote).await?;
    Ok(signed_in(cookie, safe_next(&typed.next)))
}

async fn sign_out(Extract(site): Extract<State>, visitor: Visitor) -> Result<Response, Error> {
    sessions::close(&site.db, &visitor.session).await?;
    Ok(signed_in(auth::no_cookie(&site), "/sign-in"))
}

fn signed_in(cookie: HeaderValue, next: &str) -> Response {
    ([(header::SET_COOKIE, cookie)], Redirect::to(next)).into_response()
}

/// Only paths of ours: never a way to somewhere else.
pub fn safe_next(next: &str) -> &str {
    let ours = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && !next.chars().any(char::is_control);
    if ours { next } else { "/" }
}

fn in_language(guest: Guest, chosen: Option<Language>) -> Guest {
    match chosen {
        Some(language) => Guest {
            texts: Texts::new(language),
            ..guest
        },
        None => guest,
    }
}

fn remember(chosen: Option<Language>, mut response: Response) -> Response {
    if let Some(language) = chosen {
        let cookie = format!(
            "{}={}; Path=/; SameSite=Lax; Max-Age=31536000",
            layout::LANGUAGE_COOKIE,
            language.code()
        );
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

fn sign_in_page(guest: &Guest, next: &str, problem: Option<&'static str>) -> Markup {
    let t = guest.texts;
    let content = html! {
        h1 { (t.say("sign-in")) }
        @if let Some(problem) = problem {
            p.problem role="alert" { (t.say(problem)) }
        }
        form.stacked action="/sign-in" method="post" {
            input type="hidden" name="next" value=(next);
            label { span { (t.say("login")) }
                input type="text" name="login" required autofocus autocomplete="username"; }
            label { span { (t.say("password")) }
                input type="password" name="password" required autocomplete="current-password"; }
            button.primary type="submit" { (t.say("sign-in")) }
        }
        p.hint { (t.say("sign-in-hint")) }
    };
    layout::guest_page(guest, &t.say("sign-in"), &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_nowhere_else() {
        assert_eq!(safe_next("/calls?from=1"), "/calls?from=1");
        for evil in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/a\nb",
            "",
        ] {
            assert_eq!(safe_next(evil), "/");
        }
    }
}
