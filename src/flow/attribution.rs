//! Joins visits to calls: when a visit is told, when a call of its client (or, if it names none, the call
//! that it names) changes, and once more when it has waited long enough. Beside the way of call events, which does not wait for it.
//!
//! What is found is no fact of the call: a join by nearness may turn out to be another call's when more is
//! known, and is then put right. `rules::attribution` says which call; `store::visits` keeps it.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::MissedTickBehavior,
};

use super::Flow;
use crate::{
    model::{call::Change, event::Direction, ids::CallKey, time::Timestamp},
    rules::attribution::{Found, WAITS_MS, choose},
    store::{
        Db, StoreError, channel_rules,
        visits::{self, Waiting},
    },
    telemetry,
};

/// Visits looked at in one transaction.
const AT_ONCE: i64 = 200;
/// How often to look although nothing was told: for visits that have waited long enough, and for calls that
/// have got another name.
const EVERY: Duration = Duration::from_secs(30);
/// Pause after a failure of the store.
const RETRY: Duration = Duration::from_secs(2);

/// Visits to which changed rules are applied in one transaction.
pub const RULED_AT_ONCE: i64 = 1_000;
/// How often to look whether rules were changed, by whatever way.
const RULES_EVERY: Duration = Duration::from_secs(2);
/// Pause between two portions: each holds the write lock.
const BREATH: Duration = Duration::from_millis(20);

/// Gives calls of the past their channels by changed rules, portion by portion.
pub async fn apply_rules(db: Db) {
    loop {
        let pause = match channel_rules::apply(&db, RULED_AT_ONCE).await {
            Ok(true) => BREATH,
            Ok(false) => RULES_EVERY,
            Err(error) => {
                tracing::warn!(%error, "changed channel rules could not be applied");
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Looks again and again.
pub async fn run(flow: Flow, db: Db, clock: fn() -> Timestamp) {
    let told = flow.writer().visits_told();
    // Not put off by what is heard meanwhile.
    let mut rounds = tokio::time::interval(EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // From before it is read: a call may come in between.
        let mut changes = flow.writer().changes();
        match Awaited::read(&db).await {
            Ok(mut awaited) => loop {
                let looked = async {
                    all_due(&db, clock(), &mut awaited).await?;
                    let heard = tokio::select! {
                        () = told.notified() => Heard::Visits,
                        // Where nothing waits, nobody is woken by calls; having missed some is told.
                        heard = heard(&mut changes, &awaited), if !awaited.is_empty() => heard,
                        _ = rounds.tick() => Heard::Nothing,
                    };
                    match heard {
                        Heard::Visits => {}
                        Heard::Nothing => {
                            renamed(&db, clock()).await?;
                            awaited = Awaited::read(&db).await?;
                        }
                        Heard::Calls(calls) => of_calls(&db, clock(), &calls).await?,
                        Heard::NotAll => of_calls(&db, clock(), &awaited).await?,
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

/// Which calls are waited for.
#[derive(Default)]
struct Awaited {
    /// Those of these clients.
    clients: HashSet<String>,
    /// Those of these names, of visits that name no client.
    calls: HashSet<CallKey>,
}

impl Awaited {
    async fn read(db: &Db) -> Result<Self, StoreError> {
        let mut awaited = Self {
            clients: visits::clients(db).await?.into_iter().collect(),
            calls: HashSet::new(),
        };
        awaited.add(&visits::nameless(db).await?);
        Ok(awaited)
    }

    fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.calls.is_empty()
    }

    fn add(&mut self, waiting: &[Waiting]) {
        for Waiting { visit, .. } in waiting {
            match &visit.client {
                Some(client) => drop(self.clients.insert(client.clone())),
                None => self.calls.extend(visit.hints.calls.iter().cloned()),
            }
        }
    }

    /// Takes in a call of the others, if it is waited for.
    fn take(&mut self, change: &Change, awaited: &Self) {
        if change.call.direction != Some(Direction::In) {
            return;
        }
        let client = change.call.client.as_ref().and_then(|client| client.e164());
        if let Some(client) = client.filter(|client| awaited.clients.contains(*client)) {
            self.clients.insert(client.to_owned());
        }
        if awaited.calls.contains(&change.key) {
            self.calls.insert(change.key.clone());
        }
    }
}

/// What happened.
enum Heard {
    Visits,
    Nothing,
    /// These calls, for which visits wait.
    Calls(Awaited),
    /// More than could be heard.
    NotAll,
}

/// Waits for a change that concerns a call that is waited for; takes in all that are there.
async fn heard(changes: &mut Receiver<Arc<Change>>, awaited: &Awaited) -> Heard {
    let mut calls = Awaited::default();
    loop {
        let next = match calls.is_empty() {
            true => changes.recv().await,
            false => match changes.try_recv() {
                Ok(change) => Ok(change),
                Err(_) => return Heard::Calls(calls),
            },
        };
        match next {
            Ok(change) => calls.take(&change, awaited),
            Err(RecvError::Lagged(_)) => return Heard::NotAll,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Looks at everything that is due, and remembers what it waits for.
async fn all_due(db: &Db, now: Timestamp, awaited: &mut Awaited) -> Result<(), StoreError> {
    loop {
        let due = visits::due(db, now, AT_ONCE).await?;
        let more = due.len() as i64 == AT_ONCE;
        if due.is_empty() {
            return Ok(());
        }
        awaited.add(&due);
        look(db, due, now).await?;
        if !more {
            return Ok(());
        }
    }
}

async fn of_calls(db: &Db, now: Timestamp, calls: &Awaited) -> Result<(), StoreError> {
    for client in calls.clients.iter().collect::<BTreeSet<_>>() {
        let waiting = visits::of_client(db, client).await?;
        look(db, waiting, now).await?;
    }
    if calls.calls.is_empty() {
        return Ok(());
    }
    let mut waiting = visits::nameless(db).await?;
    waiting.retain(|one| {
        let mut names = one.visit.hints.calls.iter();
        names.any(|name| calls.calls.contains(name))
    });
    look(db, waiting, now).await
}

/// Looks for the call of everything that is due now; for tests and people who do not want to wait.
pub async fn once(db: &Db, now: Timestamp) -> Result<(), StoreError> {
    all_due(db, now, &mut Awaited::default()).await?;
    renamed(db, now).await
}

/// Looks for calls of visits that name no client: a call that has become part of another one is told under
/// the other one's name only ([`Awaited::take`]), and the visit may know it by its own.
async fn renamed(db: &Db, now: Timestamp) -> Result<(), StoreError> {
    let mut looked_at = search(db, visits::nameless(db).await?).await?;
    // What stays as it was is not written again and again.
    looked_at.retain(|(was, found)| visits::state(*found, true) != was.state);
    settle(db, looked_at, now).await
}

async fn look(db: &Db, waiting: Vec<Waiting>, now: Timestamp) -> Result<(), StoreError> {
    let looked_at = search(db, waiting).await?;
    settle(db, looked_at, now).await
}

async fn search(db: &Db, waiting: Vec<Waiting>) -> Result<Vec<(Waiting, Found)>, StoreError> {
    let mut looked_at = Vec::with_capacity(waiting.len());
    for one in waiting {
        let candidates = visits::candidates(db, &one.visit).await?;
        let found = choose(&one.visit, &candidates);
        looked_at.push((one, found));
    }
    Ok(looked_at)
}

async fn settle(
    db: &Db,
    looked_at: Vec<(Waiting, Found)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if looked_at.is_empty() {
        return Ok(());
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
