//! The desk: what rings, whom to call back, and one's own latest calls.

use axum::{
    Form,
    extract::{Path, Query, State as Extract},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::pop;
use crate::{
    model::{
        ids::{CardId, PersonId},
        time::Timestamp,
    },
    policy::{self, Action, Belongs, Object},
    store::{
        cards,
        journal::{self, CallRow, Filter, Whose},
        tasks::{self, Task},
    },
    web::{
        Error, Site, State, Visitor, demand, format,
        layout::{self, Place},
        now,
        parts::{Columns, Pen, nothing},
        routes::{Access, Route},
        sight,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/", Access::Right(Action::UseDesk), || get(show)),
    Route::get("/desk/lists", Access::Right(Action::UseDesk), || get(lists)),
    Route::post(
        "/tasks/{id}/close",
        Access::Right(Action::ChangeCards),
        || post(close_task),
    ),
];

/// How far back "my latest calls" look.
const LATEST_DAYS: i64 = 7;
const LATEST_ROWS: i64 = 12;
const TASK_ROWS: i64 = 50;
/// Longest reason why a call-back is not needed.
const REASON_CHARS: usize = 200;

#[derive(Deserialize)]
struct Why {
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    watch: u8,
    #[serde(default)]
    said: String,
}

/// All that the lists of the desk show.
struct Lists {
    tasks: Vec<Waiting>,
    unclaimed: Vec<Waiting>,
    /// Overdue call-backs of others, handed on to this person.
    escalated: Vec<Waiting>,
    latest: Vec<CallRow>,
}

/// A client who waits: the most urgent task, and how many tasks of theirs one call back answers.
struct Waiting {
    task: Task,
    contacts: i64,
}

/// One line for each client, however often they came.
fn folded(tasks: Vec<Task>) -> Vec<Waiting> {
    let mut folded: Vec<Waiting> = Vec::new();
    for task in tasks {
        let is_same = |one: &&mut Waiting| {
            task.client.is_some()
                && (&one.task.client, one.task.person) == (&task.client, task.person)
        };
        match folded.iter_mut().find(is_same) {
            Some(one) => one.contacts += 1,
            None => folded.push(Waiting { task, contacts: 1 }),
        }
    }
    folded
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Markup, Error> {
    let may_watch = policy::can(&visitor.person, Action::Supervise, &Object::Whole).is_allowed();
    let watch = wanted.watch == 1 && may_watch;
    let may_run = policy::can(&visitor.person, Action::RunInstallation, &Object::Whole);
    let is_first_run = may_run.is_allowed() && site.accounts.all().is_empty();
    let lists = read(&site, &visitor).await?;
    let pops = pop::all(&site, &visitor).await?;
    let t = visitor.texts;
    let content = html! {
        @if is_first_run { p.nothing { (t.say("setup-first")) " " a.button.primary href="/setup" { (t.say("setup-title")) } } }
        @if wanted.said == "calling" { p.done role="status" { (t.say("calling")) } }
        div.desk data-watch=[watch.then_some("1")] {
            div.heading {
                h1 { (t.say("desk-title")) }
                @if may_watch {
                    @if watch {
                        a.button href="/" aria-pressed="true" { (t.say("watch-stop")) }
                    } @else {
                        a.button href="/?watch=1" { (t.say("watch-start")) }
                    }
                }
            }
            div data-refresh="/desk/lists" { (lists_markup(&site, &visitor, &lists)) }
        }
    };
    Ok(layout::page_with_pops(
        &visitor,
        Place::Desk,
        &t.say("desk-title"),
        &content,
        &pops,
    ))
}

async fn lists(Extract(site): Extract<State>, visitor: Visitor) -> Result<Markup, Error> {
    let lists = read(&site, &visitor).await?;
    Ok(lists_markup(&site, &visitor, &lists))
}

async fn read(site: &Site, visitor: &Visitor) -> Result<Lists, Error> {
    let person = visitor.person.id;
    let latest = Filter::of(
        Whose::Person(person),
        now().plus_millis(-LATEST_DAYS * 86_400_000),
        now().plus_millis(86_400_000),
    );
    let may_change_all = matches!(
        policy::reach(visitor.person.role, Action::ChangeCards),
        Some(policy::Reach::Department | policy::Reach::All)
    );
    Ok(Lists {
        tasks: folded(tasks::open_of(&site.db, person, TASK_ROWS).await?),
        unclaimed: if may_change_all {
            folded(tasks::open_of_nobody(&site.db, TASK_ROWS).await?)
        } else {
            Vec::new()
        },
        escalated: folded(tasks::escalated_to(&site.db, person, TASK_ROWS).await?),
        latest: journal::page(&site.db, &latest, None, LATEST_ROWS).await?,
    })
}

fn lists_markup(site: &Site, visitor: &Visitor, lists: &Lists) -> Markup {
    let t = visitor.texts;
    let pen = site.pen(visitor, sight::in_lists(visitor));
    // Whoever never calls clients back is not told that all of them were.
    let may_change = policy::can(&visitor.person, Action::ChangeCards, &Object::Whole).is_allowed();
    html! {
        @if may_change {
            section.tasks aria-labelledby="tasks-title" {
                h2 #tasks-title {
                    (t.say("tasks-title"))
                    @if !lists.tasks.is_empty() { " " span.count { (lists.tasks.len()) } }
                }
                @if lists.tasks.is_empty() { (nothing(&t.say("tasks-none"))) }
                @else { (task_list(visitor, &pen, &lists.tasks)) }
            }
        }
        @if !lists.escalated.is_empty() {
            section.tasks.escalated aria-labelledby="escalated-title" {
                h2 #escalated-title { (t.say("escalated-title")) " " span.count { (lists.escalated.len()) } }
                (task_list(visitor, &pen, &lists.escalated))
            }
        }
        @if !lists.unclaimed.is_empty() {
            section.tasks aria-labelledby="unclaimed-title" {
                h2 #unclaimed-title { (t.say("unclaimed-title")) " " span.count { (lists.unclaimed.len()) } }
                (task_list(visitor, &pen, &lists.unclaimed))
            }
        }
        section aria-labelledby="latest-title" {
            h2 #latest-title { (t.say("latest-title")) }
            @if lists.latest.is_empty() { (nothing(&t.say("latest-none"))) }
            @else { div.scroll { (pen.calls(&lists.latest, Columns::Few)) } }
        }
    }
}

fn task_list(visitor: &Visitor, pen: &Pen<'_>, clients: &[Waiting]) -> Markup {
    let t = visitor.texts;
    let may_call = policy::can(&visitor.person, Action::CallClients, &Object::Whole).is_allowed();
    html! {
        ul.task-list {
            @for Waiting { task, contacts } in clients {
                @let due = Timestamp::from_micros(task.due_at);
                @let late = pen.now > due;
                li.late[late] {
                    span.clock data-due=(due.as_millis()) { (due_text(pen, due)) }
                    span.who {
                        (task_client(pen, task))
                        @if let Some(line) = &task.line_name { " " small { (line) } }
                        @if *contacts > 1 { " " small.contacts { (t.fill("task-contacts", &[("n", (*contacts).into())])) } }
                        @if task.tries > 0 { " " small.tries { (t.count("task-tries", task.tries)) } }
                        @if let Some(person) = task.person_name.as_ref().filter(|_| task.person != Some(visitor.person.id.0)) {
                            " " small.whose { (person) }
                        }
                    }
                    span.missed {
                        @if task.kind == "first_dial" { (t.say("task-wrote-at")) }
                        @else if task.unknown == 1 { (t.say("task-unknown-at")) }
                        @else { (t.say("task-missed-at")) } " "
                        @match task.call {
                            Some(call) => { a href={ "/calls/" (call) } { (pen.clock.moment(Timestamp::from_micros(task.created_at), pen.now)) } }
                            None => { (pen.clock.moment(Timestamp::from_micros(task.created_at), pen.now)) }
                        }
                    }
                    span.actions {
                        @if may_call && task.client.is_some() {
                            form action={ "/tasks/" (task.id) "/call" } method="post" {
                                (layout::token(visitor))
                                button.primary type="submit" { (t.say("call-back")) }
                            }
                        }
                        form action={ "/tasks/" (task.id) "/close" } method="post" {
                            (layout::token(visitor))
                            input type="text" name="reason" required maxlength=(REASON_CHARS)
                                placeholder=(t.say("task-reason")) aria-label=(t.say("task-reason"));
                            button.quiet type="submit" title=(t.say("task-close-hint")) { (t.say("task-close")) }
                        }
                    }
                }
            }
        }
    }
}

fn due_text(pen: &Pen<'_>, due: Timestamp) -> String {
    if pen.now > due {
        let late = format::about(pen.t, pen.now.millis_since(due));
        pen.t.fill("task-late", &[("span", late.into())])
    } else {
        let left = format::about(pen.t, due.millis_since(pen.now));
        pen.t.fill("task-left", &[("span", left.into())])
    }
}

fn task_client(pen: &Pen<'_>, task: &Task) -> Markup {
    let name = task.card_name.as_deref().unwrap_or_default();
    let company = task.card_company.as_deref().unwrap_or_default();
    let number = task.client.as_deref().map(|e164| pen.sight.number(e164));
    let number = number.unwrap_or_else(|| pen.t.say("number-unknown"));
    html! {
        @match task.card {
            Some(card) if pen.sight.names => {
                a.client.whole[name.is_empty()] href={ "/cards/" (card) } { @if name.is_empty() { (number) } @else { (name) } }
                @if !company.is_empty() { " " span.company { (company) } }
                @if !name.is_empty() { " " span.number { (number) } }
            }
            _ => { span.client.whole { (number) } }
        }
    }
}

async fn close_task(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Form(why): Form<Why>,
) -> Result<Response, Error> {
    let alike = tasks::alike(&site.db, id).await?;
    close(&site, &visitor, id, &why.reason).await?;
    for other in alike {
        match close(&site, &visitor, other, &why.reason).await {
            // Somebody called back or closed it meanwhile.
            Err(Error::NotFound) => {}
            done => done?,
        }
    }
    Ok(Redirect::to("/").into_response())
}

/// Closes a task because the visitor says, with a reason, that nobody need be called. That somebody
/// was called back only a call can say.
pub async fn close(site: &Site, visitor: &Visitor, id: i64, reason: &str) -> Result<(), Error> {
    let (person, card, _) = tasks::open(&site.db, id).await?.ok_or(Error::NotFound)?;
    let object = task_belongs(site, visitor, person, card).await?;
    demand(visitor, Action::ChangeCards, &object)?;
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS {
        return Err(Error::Unusable("task-reason-needed"));
    }
    tasks::not_needed(&site.db, id, reason, now()).await?;
    let object = format!("task:{id}");
    sight::audited(site, visitor, "close_task", &object, "not_needed").await
}

/// Whom a task belongs to: whose it is, and the owner of its card.
pub async fn task_belongs(
    site: &Site,
    visitor: &Visitor,
    person: Option<i64>,
    card: Option<Uuid>,
) -> Result<Object, Error> {
    let mut belongs = Belongs::default();
    belongs.people.extend(person.map(PersonId));
    if let Some(card) = card
        && let Some(card) = cards::card(&site.db, CardId(card)).await?
    {
        belongs.people.extend(card.owner.map(PersonId));
        belongs.departments.extend(card.owner_department);
    }
    // What is nobody's yet is everybody's who may change more than their own.
    if belongs.people.is_empty() {
        belongs.departments.extend(visitor.person.department);
    }
    Ok(Object::Of(belongs))
}
