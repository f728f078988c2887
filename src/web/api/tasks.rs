//! Tasks: whom to call, by when, and what call has done it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    caller::Caller,
    cards::living,
    endpoint::{About, Act, Endpoint, Nothing, Row, read, write},
    problem::Problem,
    scope::Scope,
    words::{self, Limit, Moment, Page, Phone, some},
};
use crate::{
    model::ids::PersonId,
    policy::{self, Action, Reach},
    store::tasks::{self, Filter, Whose},
    web::{
        Error, Visitor, demand,
        pages::desk,
        sight::{self, Sight},
    },
};

/// The endpoints of tasks.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        read("/api/v1/tasks", LIST, list),
        read("/api/v1/tasks/{id}", ONE, one),
        write::<Act, _, _, _, _>("/api/v1/tasks/{id}/close", CLOSE, close),
    ]
}

const LIST: About = About {
    id: "listTasks",
    summary: "Tasks, the most urgent first",
    details: "Open ones, unless closed ones are asked for.",
    scope: Scope::TasksRead,
    action: Action::ChangeCards,
};
const ONE: About = About {
    id: "getTask",
    summary: "One task, open or closed",
    details: "",
    scope: Scope::TasksRead,
    action: Action::ChangeCards,
};
const CLOSE: About = About {
    id: "closeTask",
    summary: "Close a task without a call",
    details: "Tasks are done by calls; this says that none is needed, and why.",
    scope: Scope::TasksWrite,
    action: Action::ChangeCards,
};

/// Why a task is closed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// Why nobody need be called.
    #[schemars(length(min = 1, max = 200))]
    reason: String,
}

/// Which tasks.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Closed ones instead of open ones.
    #[serde(default)]
    done: bool,
    /// Of this person.
    person: Option<i64>,
    /// On this card.
    card: Option<Uuid>,
    /// How many.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u16>,
    /// Where to go on: `next` of the page before.
    after: Option<String>,
}

/// Whom to call, and by when.
#[derive(Serialize, JsonSchema)]
pub struct Task {
    /// Our id.
    id: i64,
    /// `call_back`: a client reached nobody; `first_dial`: a client wrote.
    kind: String,
    /// The client's number.
    client: Option<Phone>,
    /// The client's card.
    card: Option<Uuid>,
    /// Name on it.
    card_name: Option<String>,
    /// The call in which nobody was reached.
    call: Option<Uuid>,
    /// Whose task it is; null: nobody's yet.
    person: Option<i64>,
    /// Since when.
    created_at: Moment,
    /// By when.
    due_at: Moment,
    /// When it was closed; null: it is open.
    done_at: Option<Moment>,
    /// Calls to the client that reached nobody.
    tries: i64,
    /// The call that did it.
    done_by: Option<Uuid>,
    /// How it was closed: `connected`, `client_called_again`, `obsolete`, `not_needed`, `blocked`,
    /// or `closed_by_person` by an earlier version.
    outcome: Option<String>,
}

impl Task {
    fn of(task: tasks::Task, sight: Sight) -> Self {
        let name = task.card_name.as_deref().filter(|_| sight.names);
        Self {
            id: task.id,
            card_name: name.and_then(some),
            client: task.client.as_deref().map(|e164| Phone::of(e164, sight)),
            card: task.card,
            call: task.call,
            person: task.person,
            created_at: Moment::from_micros(task.created_at),
            due_at: Moment::from_micros(task.due_at),
            done_at: task.done_at.map(Moment::from_micros),
            tries: task.tries,
            done_by: task.done_by,
            outcome: task.outcome,
            kind: task.kind,
        }
    }
}

fn whose(visitor: &Visitor) -> Whose {
    match policy::reach(visitor.person.role, Action::ChangeCards) {
        Some(Reach::All) => Whose::Everybody,
        Some(Reach::Department) => match visitor.person.department {
            Some(department) => Whose::Department(department),
            None => Whose::Person(visitor.person.id),
        },
        Some(Reach::Own) | None => Whose::Person(visitor.person.id),
    }
}

async fn list(caller: Caller, _: Nothing, asked: Asked) -> Result<Page<Task>, Problem> {
    let limit = Limit::of(asked.limit)?;
    let after: Option<(i64, i64)> = words::place(asked.after.as_deref())?;
    let sight = sight::in_lists(&caller.visitor);
    let filter = Filter {
        whose: whose(&caller.visitor),
        person: asked.person.map(PersonId),
        card: living(&caller, asked.card).await?,
        done: asked.done,
    };
    caller.exports("tasks").await?;
    let rows = tasks::page(&caller.site.db, &filter, after, limit.rows()).await?;
    let place = |task: &tasks::Task| (task.due_at, task.id);
    Ok(Page::of(rows, limit, place, |row| Task::of(row, sight)))
}

async fn one(caller: Caller, place: Row, _: Nothing) -> Result<Task, Problem> {
    seen(&caller, place.id).await
}

async fn close(caller: Caller, place: Row, why: Why) -> Result<Task, Problem> {
    desk::close(&caller.site, &caller.visitor, place.id, &why.reason).await?;
    caller.site.hub.lists_changed();
    seen(&caller, place.id).await
}

async fn seen(caller: &Caller, id: i64) -> Result<Task, Problem> {
    let task = tasks::by_id(&caller.site.db, id).await?;
    let task = task.ok_or(Error::NotFound)?;
    let (site, visitor) = (&caller.site, &caller.visitor);
    let object = desk::task_belongs(site, visitor, task.person, task.card).await?;
    demand(visitor, Action::ChangeCards, &object)?;
    Ok(Task::of(task, sight::of(visitor, &object)))
}
