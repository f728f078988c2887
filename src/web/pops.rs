//! Keeps the life of pops in the database, the picture of people in the hub, and wrap-up in time.
//! [`run`] is one background task that `app` starts and ends.

use std::{collections::HashSet, time::Duration};

use tokio::{sync::mpsc, time::MissedTickBehavior};

use super::{Error, State, now};
use crate::{
    live::{Directory, Happened, Hub, Moment},
    model::ids::{AccountName, CallId, Extension, PersonId},
    store::{Db, going_on, open, people, pops, sessions},
    telemetry,
};

/// How often people are read again and wrap-ups end.
const TICK: Duration = Duration::from_secs(5);
/// How long news of pops is gathered before it is written.
const GATHER: Duration = Duration::from_millis(200);
/// A call nobody has told anything of for so long does not go on.
const LONGEST_SILENCE_MS: i64 = 4 * 3_600_000;
/// How many ticks between sweeps of old sessions.
const SWEEP_TICKS: u32 = 720;

/// Reads people and extensions into the hub; called at start, and whenever people have changed.
pub async fn refresh_people(db: &Db, hub: &Hub) -> Result<(), Error> {
    let people = people::all(db).await?;
    let extensions = people::extensions(db).await?;
    hub.set_directory(Directory {
        extensions: extensions
            .into_iter()
            .map(|(account, extension, person)| {
                let key = (AccountName::from(account), Extension::from(extension));
                (key, PersonId(person))
            })
            .collect(),
        people: people
            .into_iter()
            .filter(|person| person.active)
            .map(|person| (person.id, (person.role, person.department)))
            .collect(),
    });
    Ok(())
}

/// Shows calls that go on as they stand; called at start, after the people are known.
pub async fn restore(db: &Db, hub: &Hub) -> Result<(), Error> {
    let heard_since = now().plus_millis(-LONGEST_SILENCE_MS);
    for change in going_on::calls(db, heard_since).await? {
        // As it would have been decided when it was last heard of; lost ends are swept as always.
        hub.publish(&change, change.received_at);
    }
    Ok(())
}

/// Brings the hub up to date after changes were missed: calls that have ended go, others stand as they
/// are now.
pub async fn catch_up(db: &Db, hub: &Hub) -> Result<(), Error> {
    let calls = open::calls(db).await?;
    let open: HashSet<CallId> = calls.into_iter().map(|call| call.id).collect();
    hub.retain(|call| open.contains(&call), now());
    restore(db, hub).await
}

/// Runs until the hub is gone. A database that is away costs the times of that while, nothing else.
pub async fn run(site: State, mut moments: mpsc::Receiver<Moment>) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks = 0u32;
    loop {
        tokio::select! {
            moment = moments.recv() => {
                let Some(first) = moment else { return };
                keep(&site, first, &mut moments).await;
            }
            _ = tick.tick() => {
                ticks = ticks.wrapping_add(1);
                site.hub.expire(now());
                let swept = ticks.is_multiple_of(SWEEP_TICKS);
                if let Err(error) = look_after(&site, swept).await {
                    tracing::warn!(%error, "people could not be read again");
                }
            }
        }
    }
}

async fn look_after(site: &State, sweep: bool) -> Result<(), Error> {
    refresh_people(&site.db, &site.hub).await?;
    if sweep {
        site.guard.forget_quiet();
        sessions::sweep(&site.db, now()).await?;
    }
    Ok(())
}

async fn keep(site: &State, first: Moment, moments: &mut mpsc::Receiver<Moment>) {
    tokio::time::sleep(GATHER).await;
    let mut batch = vec![news(first)];
    while batch.len() < 1_000 {
        match moments.try_recv() {
            Ok(moment) => batch.push(news(moment)),
            Err(_) => break,
        }
    }
    if let Err(error) = pops::keep(&site.db, &batch).await {
        tracing::warn!(%error, lost = batch.len(), "times of pops could not be kept");
    }
}

/// The moment as the store keeps it; counted on the way.
fn news(moment: Moment) -> pops::News {
    let at = moment.at;
    let what = match moment.what {
        Happened::Decided {
            reason,
            received_at,
        } => pops::What::Decided {
            reason: reason.as_str(),
            received_at,
            at,
        },
        Happened::Delivered { received_at } => {
            let took = Duration::from_millis(at.millis_since(received_at).unsigned_abs());
            telemetry::PopReached {
                stage: "delivered",
                took,
            }
            .emit();
            telemetry::Popped {
                outcome: "delivered",
            }
            .emit();
            pops::What::Delivered(at)
        }
        Happened::Painted => pops::What::Painted(at),
        Happened::Withdrawn(why) => {
            telemetry::Popped {
                outcome: "withdrawn",
            }
            .emit();
            pops::What::Withdrawn(at, why.as_str())
        }
    };
    pops::News {
        call: moment.call,
        person: moment.person,
        what,
    }
}
