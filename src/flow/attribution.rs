//! Joins visits to calls: when a visit is told, when a call of its client changes, and once more when it
//! has waited long enough. Beside the way of call events, which does not wait for it.
//!
//! What is found is no fact of the call: a join by nearness may turn out to be another call's when more is
//! known, and is then put right. `rules::attribution` says which call; `store::visits` keeps it.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::Flow;
use crate::{
    model::{call::Change, event::Direction, time::Timestamp},
    rules::attribution::{WAITS_MS, choose},
    store::{
        Db, StoreError,
        visits::{self, Waiting},
    },
    telemetry,
};

/// Visits looked at in one transaction.
const AT_ONCE: i64 = 200;
/// How often to look although nothing was told: for visits that have waited long enough.
const EVERY: Duration = Duration::from_secs(30);
/// Pause after a failure of the store.
const RETRY: Duration = Duration::from_secs(2);

/// Looks again and again.
pub async fn run(flow: Flow, db: Db, clock: fn() -> Timestamp) {
    let told = flow.writer().visits_told();
    loop {
        // From before it is read: a call may come in between.
        let mut changes = flow.writer().changes();
        match known(&db).await {
            Ok(mut waits_for) => loop {
                let looked = async {
                    all_due(&db, clock(), &mut waits_for).await?;
                    let heard = tokio::select! {
                        () = told.notified() => Heard::Visits,
                        // Where nothing waits, nobody is woken by calls; having missed some is told.
                        heard = heard(&mut changes, &waits_for), if !waits_for.is_empty() => heard,
                        () = tokio::time::sleep(EVERY) => Heard::Nothing,
                    };
                    match heard {
                        Heard::Visits => {}
                        Heard::Nothing => waits_for = known(&db).await?,
                        Heard::Calls(clients) => of_clients(&db, clock(), &clients).await?,
                        Heard::NotAll => of_clients(&db, clock(), &waits_for).await?,
                    }
                    Ok::<(), StoreError>(())
                };
                if let Err(error) = looked.await {
                    tracing::warn!(%error, "visits could not be joined to calls");
                    break;
                }
            },
            Err(error) => tracing::warn!(%error, "visits could not be read"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Whose calls are waited for.
async fn known(db: &Db) -> Result<HashSet<String>, StoreError> {
    Ok(visits::clients(db).await?.into_iter().collect())
}

/// What happened.
enum Heard {
    Visits,
    Nothing,
    /// Calls of these clients, for whom visits wait.
    Calls(HashSet<String>),
    /// More than could be heard.
    NotAll,
}

/// Waits for a change that concerns somebody who is waited for; takes in all that are there.
async fn heard(changes: &mut Receiver<Arc<Change>>, waits_for: &HashSet<String>) -> Heard {
    let mut clients = HashSet::new();
    loop {
        let next = match clients.is_empty() {
            true => changes.recv().await,
            false => match changes.try_recv() {
                Ok(change) => Ok(change),
                Err(_) => return Heard::Calls(clients),
            },
        };
        match next {
            Ok(change) => {
                let client = change.call.client.as_ref().and_then(|client| client.e164());
                let came_in = change.call.direction == Some(Direction::In);
                if let Some(client) = client.filter(|client| came_in && waits_for.contains(*client))
                {
                    clients.insert(client.to_owned());
                }
            }
            Err(RecvError::Lagged(_)) => return Heard::NotAll,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Looks at everything that is due, and remembers whom it waits for.
async fn all_due(
    db: &Db,
    now: Timestamp,
    waits_for: &mut HashSet<String>,
) -> Result<(), StoreError> {
    loop {
        let due = visits::due(db, now, AT_ONCE).await?;
        let more = due.len() as i64 == AT_ONCE;
        if due.is_empty() {
            return Ok(());
        }
        waits_for.extend(due.iter().filter_map(|one| one.visit.client.clone()));
        look(db, due, now).await?;
        if !more {
            return Ok(());
        }
    }
}

async fn of_clients(db: &Db, now: Timestamp, clients: &HashSet<String>) -> Result<(), StoreError> {
    for client in clients.iter().collect::<BTreeSet<_>>() {
        let waiting = visits::of_client(db, client).await?;
        look(db, waiting, now).await?;
    }
    Ok(())
}

/// Looks for the call of everything that is due now; for tests and people who do not want to wait.
pub async fn once(db: &Db, now: Timestamp) -> Result<(), StoreError> {
    all_due(db, now, &mut HashSet::new()).await
}

async fn look(db: &Db, waiting: Vec<Waiting>, now: Timestamp) -> Result<(), StoreError> {
    if waiting.is_empty() {
        return Ok(());
    }
    let mut looked_at = Vec::with_capacity(waiting.len());
    for one in waiting {
        let candidates = visits::candidates(db, &one.visit).await?;
        let found = choose(&one.visit, &candidates);
        looked_at.push((one, found));
    }
    visits::settle(db, &looked_at, now).await?;
    for (was, found) in &looked_at {
        let waits = now < was.told_at.plus_millis(WAITS_MS);
        let is = visits::state(*found, waits);
        if is != was.state {
            telemetry::VisitLooked { outcome: is }.emit();
        }
    }
    Ok(())
}
