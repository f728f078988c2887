//! The button that has the configuration read anew, and what came of it; stands on the page of accounts.

use axum::{
    extract::State as Extract,
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use maud::{Markup, html};

use crate::{
    policy::{Action, Object},
    store::changes::By,
    web::{
        Error, State, Visitor,
        configuration::Reloaded,
        demand, layout,
        parts::Pen,
        routes::{Access, Route},
        sight,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[Route::post(
    "/configuration/reload",
    Access::Right(Action::RunInstallation),
    || post(reload),
)];

async fn reload(Extract(site): Extract<State>, visitor: Visitor) -> Result<Response, Error> {
    demand(&visitor, Action::RunInstallation, &Object::Whole)?;
    sight::audited(&site, &visitor, "reload", "configuration", "").await?;
    let by = By::Page(visitor.person.id);
    site.configuration.reload(by).await;
    Ok(Redirect::to("/accounts#configuration").into_response())
}

/// How the last reading went, and the button.
pub fn section(pen: &Pen<'_>, visitor: &Visitor, last: Option<&Reloaded>) -> Markup {
    let t = pen.t;
    html! {
        section #configuration {
            h2 { (t.say("reload-title")) }
            p.hint { (t.say("reload-hint")) }
            @if let Some(last) = last { (told(pen, last)) }
            form.inline action="/configuration/reload" method="post" {
                (layout::token(visitor))
                button type="submit" { (t.say("reload-now")) }
            }
        }
    }
}

fn told(pen: &Pen<'_>, last: &Reloaded) -> Markup {
    let t = pen.t;
    let outcome = match last.problems.is_empty() {
        true => "taken",
        false => "refused",
    };
    html! {
        div data-reload=(outcome) {
            p {
                @if last.problems.is_empty() { span.badge.good { "✓ " (t.say("reload-taken")) } }
                @else { span.badge.bad { "✕ " (t.say("reload-refused")) } }
                @if let Some(at) = last.at { " " (pen.clock.moment(at, pen.now)) }
            }
            @if !last.problems.is_empty() {
                ul { @for (key, text) in &last.problems { li { code { (key) } ": " (text) } } }
            }
            @if !last.accounts.is_empty() {
                p { (t.say("reload-accounts")) " " (last.accounts.join(", ")) }
            }
            @if !last.restart.is_empty() {
                p { (t.say("reload-restart")) " " code { (last.restart.join(", ")) } }
            }
        }
    }
}
