//! Click-to-call: rings the person's own phone, then the client. The number never comes from the
//! page: a form names a task, a card's phone or a call, and the server looks it up. So masked numbers
//! can be called, and nothing typed can reach the PBX.

use axum::{
    Form,
    extract::{Path, State as Extract},
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    model::ids::{AccountName, CallId, CardId, Extension, PersonId},
    pbx::{Command, PbxError},
    policy::{Action, Belongs, Object},
    store::{cards, journal, people, tasks},
    web::{
        Error, Site, State, Visitor, demand,
        routes::{Access, Route},
        sight,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::post(
        "/tasks/{id}/call",
        Access::Right(Action::CallClients),
        || post(of_task),
    ),
    Route::post(
        "/cards/{id}/call",
        Access::Right(Action::CallClients),
        || post(of_card),
    ),
    Route::post(
        "/calls/{id}/call",
        Access::Right(Action::CallClients),
        || post(of_call),
    ),
];

#[derive(Deserialize)]
struct Which {
    /// Place of the phone among those of the card.
    #[serde(default)]
    phone: usize,
}

async fn of_task(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, Error> {
    task(&site, &visitor, id, None).await?;
    Ok(Redirect::to("/?said=calling").into_response())
}

async fn of_card(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Form(which): Form<Which>,
) -> Result<Response, Error> {
    card(&site, &visitor, CardId(id), which.phone, None).await?;
    Ok(Redirect::to(&format!("/cards/{id}?said=calling")).into_response())
}

async fn of_call(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Response, Error> {
    call(&site, &visitor, CallId(id), None).await?;
    Ok(Redirect::to(&format!("/calls/{id}?said=calling")).into_response())
}

/// Calls the client of a task from the phone of `from`, or the visitor's own; gives our id of the command.
pub async fn task(
    site: &Site,
    visitor: &Visitor,
    id: i64,
    from: Option<PersonId>,
) -> Result<String, Error> {
    let task = tasks::client_of(&site.db, id).await?;
    let (person, client) = task.ok_or(Error::NotFound)?;
    let mut belongs = Belongs::default();
    belongs.people.extend(person.map(PersonId));
    if person.is_none() {
        // Nobody's yet: whoever may call for more than themselves may take it.
        belongs.departments.extend(visitor.person.department);
    }
    demand(visitor, Action::CallClients, &Object::Of(belongs))?;
    let client = client.ok_or(Error::Unusable("error-no-number"))?;
    ring(site, visitor, &client, &format!("task:{id}"), from).await
}

/// Calls a number of a card.
pub async fn card(
    site: &Site,
    visitor: &Visitor,
    id: CardId,
    phone: usize,
    from: Option<PersonId>,
) -> Result<String, Error> {
    let card = cards::card(&site.db, id).await?.ok_or(Error::NotFound)?;
    let object = sight::card_belongs(site, visitor, &card).await?;
    demand(visitor, Action::CallClients, &object)?;
    let phones = cards::phones(&site.db, id).await?;
    let phone = phones.get(phone);
    let phone = phone.ok_or(Error::Unusable("error-no-number"))?;
    ring(site, visitor, &phone.e164, &format!("card:{id}"), from).await
}

/// Calls the client of a call.
pub async fn call(
    site: &Site,
    visitor: &Visitor,
    id: CallId,
    from: Option<PersonId>,
) -> Result<String, Error> {
    let page = journal::call(&site.db, id).await?.ok_or(Error::NotFound)?;
    let object = sight::call_belongs(site, visitor, &page).await?;
    demand(visitor, Action::CallClients, &object)?;
    let client = page.row.client.ok_or(Error::Unusable("error-no-number"))?;
    ring(site, visitor, &client, &format!("call:{id}"), from).await
}

async fn ring(
    site: &Site,
    visitor: &Visitor,
    client: &str,
    object: &str,
    from: Option<PersonId>,
) -> Result<String, Error> {
    let from = from.unwrap_or(visitor.person.id);
    let own = people::extension_of(&site.db, from).await?;
    let (account, extension) = own.ok_or(Error::Unusable("error-no-extension"))?;
    sight::audited(site, visitor, "call", object, "").await?;
    let id = Uuid::now_v7().simple().to_string();
    let command = Command::ClickToCall {
        command: id.clone(),
        extension: Extension::from(extension),
        client: client.to_owned(),
    };
    let account = AccountName::from(account);
    match site.commands.command(&account, command).await {
        Ok(()) => Ok(id),
        Err(PbxError::Unsupported) => Err(Error::Unusable("error-call-unsupported")),
        Err(PbxError::Refused(_)) => Err(Error::Unusable("error-call-refused")),
        Err(error) => Err(Error::Unavailable(error.to_string())),
    }
}
