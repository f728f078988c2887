//! Click to call: the phone of a person rings, then the client's. The number never comes from outside:
//! a request names a card, a task or a call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    caller::Caller,
    endpoint::{About, Begin, Endpoint, Nothing, write},
    problem::Problem,
    scope::Scope,
};
use crate::{
    model::ids::{CallId, CardId, PersonId},
    policy::{Action, Belongs, Object},
    store::people,
    web::{Error, demand, pages::dial},
};

/// The endpoint of commands.
pub fn endpoints() -> Vec<Endpoint> {
    vec![write::<Begin, _, _, _, _>("/api/v1/calls", DIAL, begin)]
}

const DIAL: About = About {
    id: "callClient",
    summary: "Have a person's phone call a client",
    details: "The phone of the token's person rings first, or of another `person` whom the holder may \
        watch; a service has no phone and must name one. The number comes from the card, the task or \
        the call. Accepted means that the PBX has taken the command.",
    scope: Scope::CallsDial,
    action: Action::CallClients,
};

/// Whom to call: the client of a card, of a task or of a call.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "NewCall")]
pub enum Whom {
    /// A number of a card.
    Card(OfCard),
    /// The client of a task.
    Task(OfTask),
    /// The client of a call.
    Call(OfCall),
}

/// A number of a card.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewCallOfCard")]
pub struct OfCard {
    /// The card.
    card: Uuid,
    /// Which of its numbers, counted from 0.
    #[serde(default)]
    phone: u16,
    /// Whose phone rings first.
    person: Option<i64>,
}

/// The client of a task.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewCallOfTask")]
pub struct OfTask {
    /// The task.
    task: i64,
    /// Whose phone rings first.
    person: Option<i64>,
}

/// The client of a call.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewCallOfCall")]
pub struct OfCall {
    /// The call.
    call: Uuid,
    /// Whose phone rings first.
    person: Option<i64>,
}

/// A command that the PBX has taken.
#[derive(Serialize, JsonSchema)]
pub struct Command {
    /// Our id of it. The call that comes of it goes by this name, too.
    command: String,
}

async fn begin(caller: Caller, _: Nothing, whom: Whom) -> Result<Command, Problem> {
    let (site, visitor) = (&caller.site, &caller.visitor);
    let command = match whom {
        Whom::Card(of) => {
            let from = phone_of(&caller, of.person).await?;
            dial::card(site, visitor, CardId(of.card), of.phone.into(), from).await
        }
        Whom::Task(of) => {
            let from = phone_of(&caller, of.person).await?;
            dial::task(site, visitor, of.task, from).await
        }
        Whom::Call(of) => {
            let from = phone_of(&caller, of.person).await?;
            dial::call(site, visitor, CallId(of.call), from).await
        }
    };
    match command {
        Ok(command) => Ok(Command { command }),
        // The path of this endpoint names nothing that could be missing.
        Err(Error::NotFound) => Err(Problem::Unusable(
            "There is no such card, task or call.".to_owned(),
        )),
        Err(error) => Err(error.into()),
    }
}

/// Whose phone rings first: one's own, or that of somebody one may watch.
async fn phone_of(caller: &Caller, person: Option<i64>) -> Result<Option<PersonId>, Problem> {
    let Some(id) = person.map(PersonId) else {
        return Ok(None);
    };
    if caller.visitor.known() != Some(id) {
        let person = people::by_id(&caller.site.db, id).await?;
        let person = person.filter(|person| person.active);
        let person = person
            .ok_or_else(|| Problem::Unusable("person: there is nobody like that.".to_owned()))?;
        let object = Object::Of(Belongs {
            people: vec![id],
            departments: person.department.into_iter().collect(),
            rung: false,
        });
        demand(&caller.visitor, Action::Supervise, &object)?;
    }
    Ok(Some(id))
}
