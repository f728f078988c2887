//! What is done to a subscription at its page: a new secret, stopped, told again, removed.

use axum::{
    Form,
    extract::{Path, State as Extract},
    response::{IntoResponse, Redirect, Response},
};
use maud::Markup;
use serde::Deserialize;

use super::{LONGEST_REPLAY_HOURS, new_secret, object, with_secret};
use crate::{
    policy::{Action, Object},
    store::{
        deliveries::{self, Again},
        subscriptions::{self, Subscription},
    },
    web::{Error, State, Visitor, demand, now, sight},
};

/// How long the former secret goes on signing.
const OVERLAP_MS: i64 = 24 * HOUR_MS;
const HOUR_MS: i64 = 3_600_000;

pub(super) async fn rotate(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Markup, Error> {
    let one = known(&site, &visitor, id).await?;
    if one.mailbox().is_some() {
        return Err(Error::NotFound);
    }
    let secret = new_secret();
    subscriptions::rotate(&site.db, id, &secret, now().plus_millis(OVERLAP_MS)).await?;
    sight::audited(&site, &visitor, "rotate_secret", &object(id), &one.name).await?;
    Ok(with_secret(&visitor, id, &secret))
}

/// The subscription, for who may change it.
async fn known(site: &State, visitor: &Visitor, id: i64) -> Result<Subscription, Error> {
    demand(visitor, Action::RunInstallation, &Object::Whole)?;
    let found = subscriptions::by_id(&site.db, id).await?;
    found.ok_or(Error::NotFound)
}

pub(super) async fn disable(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, Error> {
    let one = known(&site, &visitor, id).await?;
    subscriptions::disable(&site.db, id, "by_person").await?;
    sight::audited(
        &site,
        &visitor,
        "disable_subscription",
        &object(id),
        &one.name,
    )
    .await?;
    Ok(Redirect::to(&format!("/outside/{id}")).into_response())
}

pub(super) async fn enable(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, Error> {
    let one = known(&site, &visitor, id).await?;
    subscriptions::enable(&site.db, id).await?;
    sight::audited(
        &site,
        &visitor,
        "enable_subscription",
        &object(id),
        &one.name,
    )
    .await?;
    Ok(Redirect::to(&format!("/outside/{id}")).into_response())
}

pub(super) async fn remove(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, Error> {
    let one = known(&site, &visitor, id).await?;
    sight::audited(&site, &visitor, "unsubscribe", &object(id), &one.name).await?;
    subscriptions::remove(&site.db, id).await?;
    Ok(Redirect::to("/outside").into_response())
}

#[derive(Deserialize)]
pub(super) struct Since {
    #[serde(default)]
    hours: i64,
}

/// Tells again all that failed in the last hours.
pub(super) async fn replay(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Form(since): Form<Since>,
) -> Result<Response, Error> {
    known(&site, &visitor, id).await?;
    let hours = since.hours.clamp(1, LONGEST_REPLAY_HOURS);
    let from = now().plus_millis(-hours * HOUR_MS);
    let count = deliveries::replay(&site.db, id, Again::FailedSince(from), now()).await?;
    let detail = format!("{count} of {hours} h");
    sight::audited(&site, &visitor, "replay", &object(id), &detail).await?;
    Ok(Redirect::to(&format!("/outside/{id}")).into_response())
}

pub(super) async fn replay_one(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path((id, message)): Path<(i64, i64)>,
) -> Result<Response, Error> {
    known(&site, &visitor, id).await?;
    deliveries::replay(&site.db, id, Again::One(message), now()).await?;
    let object = format!("delivery:{message}");
    sight::audited(&site, &visitor, "replay", &object, "").await?;
    Ok(Redirect::to(&format!("/outside/{id}")).into_response())
}
