//! The guided set-up: account, people and phones, lines, a test call, a pop that was seen.
//!
//! Nothing is remembered of how far somebody has come: each step looks at what there is. What is secret
//! is shown once, in the answer to the form that made it.

mod account;
mod asterisk;
mod change;
mod office;
mod snippets;
mod strict;

use axum::{
    Form,
    extract::{Path, Query, State as Extract},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;

use self::{account::Shown, office::Made};
use super::account::{named, section as test_call};
use crate::{
    flow::{dial::Link, probe::Probe},
    pbx::{Intake, PROVIDERS, Provider, webhook},
    policy::{Action, Object},
    store::{
        changes::{self, By},
        import, people,
        trace::{self, Progress},
    },
    web::{
        Account, Error, Site, State, Visitor, demand,
        layout::{self, Place},
        now,
        parts::Pen,
        routes::{Access, Route},
        sight,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/setup", Access::Right(Action::RunInstallation), || {
        get(begin)
    }),
    Route::post("/setup", Access::Right(Action::RunInstallation), || {
        post(add)
    }),
    Route::get(
        "/setup/{name}",
        Access::Right(Action::RunInstallation),
        || get(show),
    ),
    Route::post(
        "/setup/{name}/test",
        Access::Right(Action::RunInstallation),
        || post(test),
    ),
    Route::post(
        "/setup/{name}/change",
        Access::Right(Action::RunInstallation),
        || post(change::change),
    ),
    Route::post(
        "/setup/{name}/remove",
        Access::Right(Action::RunInstallation),
        || post(change::remove),
    ),
    Route::post(
        "/setup/{name}/people",
        Access::Right(Action::RunInstallation),
        || post(person),
    ),
    Route::post(
        "/setup/{name}/lines",
        Access::Right(Action::RunInstallation),
        || post(line),
    ),
];

#[derive(Deserialize)]
struct Chosen {
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize)]
struct Asked {
    since: Option<i64>,
    #[serde(default)]
    watch: u8,
    /// A short number that rang and belongs to nobody.
    #[serde(default)]
    extension: String,
}

/// PBXes with a form of their own: what is described takes a file.
fn with_form() -> impl Iterator<Item = &'static Provider> {
    let is_described = |one: &&Provider| one.name == webhook::PROVIDER.name;
    PROVIDERS.iter().filter(move |one| !is_described(one))
}

/// Which PBX, and its form.
async fn begin(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(chosen): Query<Chosen>,
) -> Result<Markup, Error> {
    demand(&visitor, Action::RunInstallation, &Object::Whole)?;
    let t = visitor.texts;
    let accounts = site.accounts.all();
    let provider = with_form().find(|one| one.name == chosen.kind);
    let title = t.say("setup-title");
    let content = html! {
        h1 { (title) }
        p { (t.say("setup-intro")) }
        @if !accounts.is_empty() {
            h2 { (t.say("setup-going-on")) }
            ul { @for account in accounts.iter() {
                li { a href={ "/setup/" (account.name) } { (account.name) } " " small { (account.kind) } }
            } }
        }
        h2 { (t.say("setup-which")) }
        div.providers { @for one in with_form() {
            a.button href={ "/setup?kind=" (one.name) "#account" }
                aria-pressed=(provider.is_some_and(|chosen| chosen.name == one.name)) { (one.title) }
        } }
        @if let Some(provider) = provider { (account::form(&site, &visitor, provider)) }
    };
    Ok(layout::page(&visitor, Place::Accounts, &title, &content))
}

/// Sets up an account, and shows once what has to be entered at the PBX.
async fn add(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Form(typed): Form<account::Typed>,
) -> Result<Markup, Error> {
    demand(&visitor, Action::RunInstallation, &Object::Whole)?;
    let read = account::read(&site, &typed)?;
    let object = format!("account:{}", read.account.name);
    let by = By::Page(visitor.person.id);
    let name = read.account.name.to_string();
    let shown = account::add(&site, read, by).await?;
    sight::audited(&site, &visitor, "change", &object, "added").await?;
    page(&site, &visitor, &name, &None, Said::Added(shown)).await
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    demand(&visitor, Action::RunInstallation, &Object::Whole)?;
    if asked.watch == 1 {
        named(&site.accounts, &name)?;
        let to = format!("/setup/{name}?since={}#trace", now().as_micros());
        return Ok(Redirect::to(&to).into_response());
    }
    let shown = page(&site, &visitor, &name, &Some(asked), Said::Nothing).await?;
    Ok(shown.into_response())
}

/// Tries the connection.
async fn test(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Result<Markup, Error> {
    demand(&visitor, Action::RunInstallation, &Object::Whole)?;
    let accounts = site.accounts.all();
    let account = &accounts[named(&site.accounts, &name)?];
    let object = format!("account:{name}");
    sight::audited(&site, &visitor, "test_connection", &object, "").await?;
    let probe = site.configuration.probe(&account.name).await;
    page(&site, &visitor, &name, &None, Said::Tried(probe)).await
}

/// Adds a person with a phone, or gives somebody one.
async fn person(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(name): Path<String>,
    Form(typed): Form<office::Person>,
) -> Result<Markup, Error> {
    demand(&visitor, Action::RunInstallation, &Object::Whole)?;
    named(&site.accounts, &name)?;
    changes::note(&site.db, By::Found, None, now()).await?;
    let made = office::add_person(&site, &visitor, &name, &typed).await?;
    changes::note(&site.db, By::Page(visitor.person.id), None, now()).await?;
    site.configuration.office_changed().await;
    page(&site, &visitor, &name, &None, Said::Person(made)).await
}

/// Adds a number of ours.
async fn line(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(name): Path<String>,
    Form(typed): Form<office::Line>,
) -> Result<Response, Error> {
    demand(&visitor, Action::RunInstallation, &Object::Whole)?;
    named(&site.accounts, &name)?;
    changes::note(&site.db, By::Found, None, now()).await?;
    office::add_line(&site, &visitor, &name, &typed).await?;
    changes::note(&site.db, By::Page(visitor.person.id), None, now()).await?;
    site.configuration.office_changed().await;
    Ok(Redirect::to(&format!("/setup/{name}#lines")).into_response())
}

/// What has just been done.
enum Said {
    Nothing,
    Added(Shown),
    Changed(Shown),
    Tried(Option<Probe>),
    Person(Made),
}

/// The five steps, in their order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Account,
    People,
    Lines,
    Call,
    Pop,
}

/// Which steps are done.
struct Steps([bool; 5]);

impl Steps {
    fn of(account: &Account, has_spoken: bool, progress: Progress) -> Self {
        let connected = match &account.link {
            Some(link) => matches!(&*link.borrow(), Link::Up { .. }),
            None => has_spoken,
        };
        Self([
            connected,
            progress.phones > 0,
            progress.lines > 0,
            progress.calls > 0,
            progress.seen > 0,
        ])
    }

    /// `done`, `next` (the first that is not) or `later`.
    fn class(&self, step: Step) -> &'static str {
        let at = step as usize;
        match (self.0[at], self.0[..at].iter().all(|done| *done)) {
            (true, _) => "done",
            (false, true) => "next",
            (false, false) => "later",
        }
    }
}

async fn page(
    site: &Site,
    visitor: &Visitor,
    name: &str,
    asked: &Option<Asked>,
    said: Said,
) -> Result<Markup, Error> {
    let accounts = site.accounts.all();
    let account = &accounts[named(&site.accounts, name)?];
    let seen = super::accounts::seen(site, account).await?;
    let kept = site.configuration.kept_account(&account.name).await;
    let progress = trace::progress(&site.db, name).await?;
    let steps = Steps::of(account, seen.has_spoken(), progress);
    let t = visitor.texts;
    let pen = site.pen(visitor, sight::in_lists(visitor));
    let since = asked.as_ref().and_then(|asked| {
        let watched = super::account::Watched::of(asked.since);
        watched.since(now())
    });
    let wanted = asked.as_ref().map_or("", |asked| asked.extension.as_str());
    let title = t.fill("setup-of", &[("account", name.into())]);
    let content = html! {
        h1 { (title) }
        p.hint { (t.say("setup-hint")) }
        div.guide {
            (heading(&pen, &steps, Step::Account, html! {
                (super::accounts::facts(&pen, visitor, account, &seen))
                (account::section(site, visitor, (account, kept.as_ref()), &said))
                (change::section(visitor, account, kept.as_ref()))
            }))
            (heading(&pen, &steps, Step::People, office::people(site, visitor, name, wanted, &said).await?))
            (heading(&pen, &steps, Step::Lines, office::lines(site, visitor, name).await?))
            (heading(&pen, &steps, Step::Call, html! {
                (test_call(site, visitor, &pen, account, since, "/setup/").await?)
            }))
            (heading(&pen, &steps, Step::Pop, html! {
                p {
                    @if progress.seen > 0 { (t.count("setup-seen", progress.seen)) }
                    @else { (t.say("setup-unseen")) }
                }
                @if progress.seen > 0 {
                    p { a href="/calls" { (t.say("nav-journal")) } " · " a href="/channels" { (t.say("channels-title")) }
                        " · " a href="/health" { (t.say("health-title")) } }
                }
            }))
        }
    };
    Ok(layout::page(visitor, Place::Accounts, &title, &content))
}

fn heading(pen: &Pen<'_>, steps: &Steps, step: Step, content: Markup) -> Markup {
    let t = pen.t;
    let (id, text) = match step {
        Step::Account => ("account", t.say("setup-account")),
        Step::People => ("people", t.say("setup-people")),
        Step::Lines => ("lines", t.say("setup-numbers")),
        Step::Call => ("call", t.say("setup-call")),
        Step::Pop => ("pop", t.say("setup-pop")),
    };
    let class = steps.class(step);
    html! {
        section.(class) id=(id) data-standing=(class) {
            h2 {
                (step as usize + 1) ". " (text)
                @match class {
                    "done" => { span.badge.good { "✓ " (t.say("setup-done")) } }
                    "next" => { span.badge.live { (t.say("setup-next")) } }
                    _ => {}
                }
            }
            (content)
        }
    }
}

/// Whether this account is dialled.
fn is_dialled(account: &Account) -> bool {
    matches!(account.pbx.intake(), Intake::Dial { .. })
}

/// People's logins and groups' names, for the forms.
async fn choices(site: &Site) -> Result<(Vec<(String, String)>, Vec<String>), Error> {
    let all = people::all(&site.db).await?.into_iter();
    let active = all.filter(|person| person.active);
    let people = active.map(|person| (person.login, person.name)).collect();
    let groups = import::groups_known(&site.db).await?;
    Ok((people, groups.into_iter().collect()))
}
