//! Call-back tasks after a run: one for each missed call, closed by whichever call did it.

use std::collections::{BTreeMap, BTreeSet};

use ringcard::{
    model::{
        call::{Call, CallResult},
        event::Direction,
        time::Timestamp,
    },
    simulator::ledger::Ledger,
    store::Db,
};
use uuid::Uuid;

use super::{
    Plan,
    found::{Row, name},
    tables::{all, wants_call_back},
};

/// A call-back task as it must stand: who closed it, and how.
type Standing = (Option<Uuid>, Option<String>, Option<i64>);

/// Exactly one call-back task per missed call, closed by the earliest later call that connected, with
/// the client's manager or else with whoever was rung first.
pub async fn check(plan: &Plan, rows: &[Row], db: &Db, wrong: &mut Vec<String>) {
    type Task = (
        Uuid,
        Option<Uuid>,
        Option<String>,
        Option<Uuid>,
        Option<i64>,
    );
    let tasks: Vec<Task> = all!(
        db,
        "select call, done_by, outcome, card, person from task where kind = 'call_back'"
    );
    let owners: Vec<(Uuid, Option<i64>, i64)> = all!(db, "select id, owner, version from card");
    // What was done for a client before cards were tidied stays with whoever had it to do.
    let tidied: BTreeSet<Uuid> = owners
        .iter()
        .filter(|(_, _, version)| *version > 1)
        .map(|(card, ..)| *card)
        .collect();
    let is_past = |card: Option<Uuid>, done_by: Option<Uuid>| {
        done_by.is_some() && card.is_some_and(|card| tidied.contains(&card))
    };
    let owners: BTreeMap<Uuid, Option<i64>> = owners
        .into_iter()
        .map(|(card, owner, _)| (card, owner))
        .collect();
    let mut found: BTreeMap<Uuid, Standing> = BTreeMap::new();
    for (call, done_by, outcome, card, person) in tasks {
        if outcome.as_deref() == Some("obsolete") {
            continue; // once thought to be missed
        }
        let row = rows.iter().find(|row| row.exported.id == call);
        if row.is_none_or(|row| row.exported.card != card) {
            wrong.push(format!("a task of call {call} on card {card:?}"));
        }
        let person = person.filter(|_| !is_past(card, done_by));
        if found.insert(call, (done_by, outcome, person)).is_some() {
            wrong.push(format!("two tasks of call {call}"));
        }
    }
    let mut wanted = BTreeMap::new();
    for row in rows {
        let call = row.call();
        // Of a call of which nobody tells whether it was answered, a person has to find out.
        let undecided = call.result.is_none() && call.silent;
        let wants = wants_call_back(call) || undecided;
        if call.direction == Some(Direction::In)
            && call.is_over()
            && wants
            && let Some(client) = row.client()
        {
            let owner = row.exported.card.and_then(|card| *owners.get(&card)?);
            let person = owner.or(first_rung(plan, call));
            let (done_by, outcome) = settled(client, call.started_at, rows);
            let person = person.filter(|_| !is_past(row.exported.card, done_by));
            wanted.insert(row.exported.id, (done_by, outcome, person));
        }
    }
    if found != wanted {
        wrong.push(format!(
            "call-back tasks {found:?}, missed calls {wanted:?}"
        ));
    }
    for call in &plan.calls {
        let ledger = &call.ledger;
        let missed = ledger.direction == Direction::In
            && ledger.result != CallResult::Answered
            && ledger.client.is_some();
        let row_of = |ledger: &Ledger| {
            rows.iter().find(|row| {
                row.exported.account == ledger.account && row.exported.call_key == ledger.call_key
            })
        };
        let task = row_of(ledger).and_then(|row| found.get(&row.exported.id));
        if missed != task.is_some() && !plan.maimed.contains(&call.story.number) {
            wrong.push(format!("{}: missed {missed}, task {task:?}", name(ledger)));
        }
        if let (Some((done_by, ..)), Some(closing)) = (task, closing(plan, ledger)) {
            let wanted = closing.and_then(row_of).map(|row| row.exported.id);
            if *done_by != wanted {
                let by = closing.map(name);
                wrong.push(format!(
                    "{}: its task is done by {done_by:?}, not by {wanted:?}, which is {by:?}",
                    name(ledger)
                ));
            }
        }
    }
}

/// The call that must have closed the task of a missed one: the client's earliest answer in a call that began
/// later. `None` where nobody can say: messages are lost, an answer is known by when it was told, or two moments
/// are too near to each other.
fn closing<'p>(plan: &'p Plan, missed: &Ledger) -> Option<Option<&'p Ledger>> {
    let calls = plan.calls.iter();
    let of_client = calls.filter(|call| call.ledger.client == missed.client);
    let mut later = Vec::new();
    let mut off_ms = missed.tolerance_ms;
    for call in of_client {
        let ledger = &call.ledger;
        let answered = ledger.result == CallResult::Answered;
        if plan.maimed.contains(&call.story.number) || (answered && ledger.by_arrival) {
            return None;
        }
        if answered {
            off_ms = off_ms.max(ledger.tolerance_ms);
            later.push((ledger.started_at.plus_millis(ledger.wait_ms?), ledger));
        }
    }
    let are_near = |one: Timestamp, other: Timestamp| one.millis_since(other).abs() <= 2 * off_ms;
    let began_with_it =
        |(_, ledger): &(Timestamp, &Ledger)| are_near(ledger.started_at, missed.started_at);
    if later.iter().any(began_with_it) {
        return None;
    }
    later.retain(|(_, ledger)| ledger.started_at > missed.started_at);
    later.sort_by_key(|(at, _)| *at);
    match later.as_slice() {
        [(one, _), (other, _), ..] if are_near(*one, *other) => None,
        _ => Some(later.first().map(|(_, ledger)| *ledger)),
    }
}

fn first_rung(plan: &Plan, call: &Call) -> Option<i64> {
    let rung = call.legs.iter().filter(|leg| leg.rang_at.is_some());
    let first = rung.min_by_key(|leg| (leg.rang_at, leg.key.clone()))?;
    let extension = first.extension()?.as_str();
    let place = plan.world.people.iter().position(|who| who == extension)?;
    Some(place as i64 + 1)
}

/// The earliest call of the client since then in which both talked.
pub fn settled(client: &str, since: Timestamp, rows: &[Row]) -> (Option<Uuid>, Option<String>) {
    let later = rows.iter().filter(|row| {
        let call = row.call();
        row.client() == Some(client)
            && call.result == Some(CallResult::Answered)
            && call.started_at > since
    });
    let first = later.min_by_key(|row| {
        let call = row.call();
        let at = call.answered_at.or(call.ended_at).unwrap_or(call.heard_at);
        (at, row.exported.call_key.clone())
    });
    let Some(first) = first else {
        return (None, None);
    };
    let outcome = match first.call().direction {
        Some(Direction::Out) => "connected",
        _ => "client_called_again",
    };
    (Some(first.exported.id), Some(outcome.to_owned()))
}
