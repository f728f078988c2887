//! What the database says after a run, against the ledger: calls, cards, figures, tasks, journal.

use std::collections::{BTreeMap, BTreeSet};

use ringcard::{
    model::{
        call::{Call, CallResult},
        event::Direction,
    },
    on_read,
    simulator::ledger::Ledger,
    store::Db,
};

use super::{
    Plan,
    rig::{ACCOUNTS, Place},
};
use crate::check::differences;

/// A row of the journal.
struct Row {
    account: String,
    key: String,
    call: Call,
    card: Option<uuid::Uuid>,
    person: Option<i64>,
    line: Option<i64>,
}

/// How many calls and facts there are: moves while something is still being applied.
pub async fn progress(db: &Db) -> (i64, i64) {
    on_read!(db, pool => {
        sqlx::query_as("select (select count(*) from call), (select coalesce(sum(version), 0) from call)")
            .fetch_one(pool)
            .await
    })
    .unwrap_or_default()
}

/// Whether every call of the dialled account has come to its end.
pub async fn office_calls_are_over(db: &Db, plan: &Plan) -> bool {
    let wanted = plan
        .calls
        .iter()
        .filter(|call| call.ledger.account == "office")
        .count();
    let (over,): (i64,) = on_read!(db, pool => {
        sqlx::query_as("select count(*) from call where account = 'office' and phase = 'ended'")
            .fetch_one(pool)
            .await
    })
    .unwrap_or_default();
    over as usize >= wanted
}

/// Whether the PBX's log of so many bytes has been read to its end.
pub async fn log_is_read(db: &Db, bytes: u64) -> bool {
    let cursor: Option<(String,)> = on_read!(db, pool => {
        sqlx::query_as("select value from setting where name = 'history/office'")
            .fetch_optional(pool)
            .await
    })
    .unwrap_or_default();
    cursor.is_some_and(|(cursor,)| cursor.ends_with(&format!(":{bytes}")))
}

/// Everything that is not as the ledger says.
pub async fn check(plan: &Plan, place: &Place) -> Vec<String> {
    let db = place.open().await;
    let mut wrong = Vec::new();
    let rows = rows(&db).await;
    calls(plan, &rows, &mut wrong);
    cards(plan, &rows, &db, &mut wrong).await;
    figures(&rows, &db, &mut wrong).await;
    tasks(plan, &rows, &db, &mut wrong).await;
    rung(plan, &db, &mut wrong).await;
    journal(&db, &mut wrong).await;
    db.close().await;
    wrong
}

async fn rows(db: &Db) -> Vec<Row> {
    type Columns = (
        String,
        String,
        String,
        Option<uuid::Uuid>,
        Option<i64>,
        Option<i64>,
    );
    let rows: Vec<Columns> = on_read!(db, pool => {
        sqlx::query_as(
            "select account, call_key, derived, card, answered_by, line
             from call order by started_at, id",
        )
        .fetch_all(pool)
        .await
    })
    .expect("the journal can be read");
    rows.into_iter()
        .map(|(account, key, derived, card, person, line)| Row {
            account,
            key,
            call: serde_json::from_str(&derived).expect("a stored call can be read"),
            card,
            person,
            line,
        })
        .collect()
}

fn calls(plan: &Plan, rows: &[Row], wrong: &mut Vec<String>) {
    let mut known = BTreeSet::new();
    for call in &plan.calls {
        let ledger = &call.ledger;
        let maimed = plan.maimed.contains(&call.story.number);
        let mut of_key = rows
            .iter()
            .filter(|row| row.account == ledger.account && row.key == ledger.call_key);
        let Some(row) = of_key.next() else {
            if !maimed {
                wrong.push(format!("{}: not in the journal", name(ledger)));
            }
            continue;
        };
        if of_key.next().is_some() {
            wrong.push(format!("{}: twice in the journal", name(ledger)));
        }
        known.insert((row.account.clone(), row.key.clone()));
        let mut ledger = ledger.clone();
        let mut found = row.call.clone();
        if ledger.account == "office" && plan.deaf_for_a_while() {
            heard_in_part(&mut ledger, &mut found);
        }
        persons(plan, &ledger, row, wrong);
        for difference in differences(&ledger, &found, maimed) {
            wrong.push(format!("{}: {difference}", name(&ledger)));
        }
    }
    for row in rows {
        if !known.contains(&(row.account.clone(), row.key.clone())) {
            wrong.push(format!("{} {}: a call nobody made", row.account, row.key));
        }
    }
}

/// What neither the list of live channels nor the PBX's log tells about the time when we were deaf:
/// recordings that began, holds and their ends, and when a phone began to ring. The list is stamped by
/// our clock, which in a run without pauses is far ahead of the story's: what it adds after the end of
/// the story says nothing.
fn heard_in_part(ledger: &mut Ledger, found: &mut Call) {
    ledger.recordings = found.recordings.len();
    ledger.tolerance_ms = 1_000;
    if found.ring_ms <= ledger.ring_ms {
        ledger.ring_ms = None;
    }
    if let (Some(talk), Some(hold)) = (ledger.talk_ms, ledger.hold_ms.take()) {
        ledger.talk_ms = Some(talk + hold - found.hold_ms.unwrap_or(0));
    }
    found
        .transfers
        .retain(|transfer| transfer.at <= ledger.ended_at);
}

/// The answering person and the line stand in the row as they follow from extension and number.
fn persons(plan: &Plan, ledger: &Ledger, row: &Row, wrong: &mut Vec<String>) {
    let answered_by = row
        .call
        .answered_by
        .as_ref()
        .map(|extension| extension.as_str());
    let place = |list: &[String], wanted: Option<&str>| {
        let at = list.iter().position(|known| Some(known.as_str()) == wanted);
        at.map(|at| at as i64 + 1)
    };
    if row.person != place(&plan.world.people, answered_by) {
        wrong.push(format!(
            "{}: answered by person {:?}",
            name(ledger),
            row.person
        ));
    }
    let did = row.call.did.as_ref().and_then(|number| number.e164());
    let line = place(&plan.world.dids, did);
    // Lines are numbered by account, then by number.
    let wanted = line.map(|line| {
        let account = ACCOUNTS.iter().position(|known| *known == row.account);
        line + account.unwrap_or(0) as i64 * plan.world.dids.len() as i64
    });
    if row.line != wanted {
        wrong.push(format!(
            "{}: line {:?}, not {wanted:?}",
            name(ledger),
            row.line
        ));
    }
}

fn name(ledger: &Ledger) -> String {
    format!("{} {} {:?}", ledger.account, ledger.call_key, ledger.plot)
}

/// One card per number, owned by whoever answered first, and every call on the card of its client.
async fn cards(plan: &Plan, rows: &[Row], db: &Db, wrong: &mut Vec<String>) {
    let phones: Vec<(String, uuid::Uuid)> = on_read!(db, pool => {
        sqlx::query_as("select e164, card from card_phone where kind = 'own'")
            .fetch_all(pool)
            .await
    })
    .expect("cards can be read");
    let (cards,): (i64,) = on_read!(db, pool => {
        sqlx::query_as("select count(*) from card where merged_into is null")
            .fetch_one(pool)
            .await
    })
    .expect("cards can be read");
    let by_number: BTreeMap<&str, uuid::Uuid> = phones
        .iter()
        .map(|(e164, card)| (e164.as_str(), *card))
        .collect();
    if cards as usize != by_number.len() || phones.len() != by_number.len() {
        wrong.push(format!(
            "{cards} cards and {} phones for {} numbers",
            phones.len(),
            by_number.len()
        ));
    }
    for row in rows {
        let client = row.call.client.as_ref().and_then(|number| number.e164());
        let wanted = client.and_then(|number| by_number.get(number)).copied();
        if row.card != wanted {
            wrong.push(format!("{} {}: on a wrong card", row.account, row.key));
        }
    }
    owners(plan, &by_number, db, wrong).await;
}

async fn owners(plan: &Plan, cards: &BTreeMap<&str, uuid::Uuid>, db: &Db, wrong: &mut Vec<String>) {
    let owners: Vec<(uuid::Uuid, Option<String>)> = on_read!(db, pool => {
        sqlx::query_as(
            "select card.id, person.login from card left join person on person.id = card.owner",
        )
        .fetch_all(pool)
        .await
    })
    .expect("cards can be read");
    for (number, card) in cards {
        let of_number = |call: &&super::Call| call.ledger.client.as_deref() == Some(*number);
        let calls: Vec<_> = plan.calls.iter().filter(of_number).collect();
        if calls
            .iter()
            .any(|call| plan.maimed.contains(&call.story.number))
        {
            continue;
        }
        let mut answers: Vec<_> = calls
            .iter()
            .filter_map(|call| {
                let answered = call.ledger.answered_by.as_ref()?;
                let at = call.story.at(call.story.answered_ms?);
                Some((at.as_millis(), format!("p{answered}")))
            })
            .collect();
        answers.sort();
        let found = owners
            .iter()
            .find(|(id, _)| id == card)
            .and_then(|(_, owner)| owner.clone());
        // Two answers within the tolerance of whole seconds may stand in either order.
        let first = answers.first().map(|(at, _)| *at);
        let allowed = answers
            .iter()
            .filter(|(at, _)| first.is_some_and(|first| at - first < 1_000))
            .any(|(_, person)| Some(person) == found.as_ref());
        let nobody = answers.is_empty() && found.is_none();
        if !allowed && !nobody {
            wrong.push(format!("{number}: owner {found:?}, answers {answers:?}"));
        }
    }
}

/// Sums in reports equal counts in the journal: by direction and person, and clients by day and line.
async fn figures(rows: &[Row], db: &Db, wrong: &mut Vec<String>) {
    let sums: Vec<(String, i64, i64, i64, i64, i64)> = on_read!(db, pool => {
        sqlx::query_as(
            "select direction, person, cast(sum(calls) as bigint), cast(sum(answered) as bigint),
                    cast(sum(missed) as bigint), cast(sum(talk_ms) as bigint)
             from rollup group by direction, person",
        )
        .fetch_all(pool)
        .await
    })
    .expect("figures can be read");
    let mut told = BTreeMap::new();
    for (direction, person, calls, answered, missed, talk) in sums {
        told.insert((direction, person), [calls, answered, missed, talk]);
    }
    told.retain(|_, sums| *sums != [0; 4]);
    let mut counted: BTreeMap<(String, i64), [i64; 4]> = BTreeMap::new();
    let mut clients = BTreeSet::new();
    for row in rows.iter().filter(|row| row.call.is_over()) {
        let call = &row.call;
        let direction = call.direction.map_or("unknown", Direction::as_str);
        let sums = counted
            .entry((direction.to_owned(), row.person.unwrap_or(0)))
            .or_default();
        sums[0] += 1;
        sums[1] += i64::from(call.result == Some(CallResult::Answered));
        sums[2] += i64::from(call.result.is_some_and(CallResult::wants_call_back));
        sums[3] += call.talk_ms.unwrap_or(0);
        if let (Some(Direction::In), Some(number)) = (call.direction, &call.client)
            && let Some(number) = number.e164()
        {
            let day = call.started_at.as_seconds().div_euclid(86_400);
            clients.insert((day, row.line.unwrap_or(0), number.to_owned()));
        }
    }
    if told != counted {
        wrong.push(format!(
            "figures (calls, answered, missed, talk): {told:?}, journal {counted:?}"
        ));
    }
    let seen: Vec<(i64, i64, String)> = on_read!(db, pool => {
        sqlx::query_as("select day, line, client from rollup_client where calls > 0")
            .fetch_all(pool)
            .await
    })
    .expect("figures can be read");
    let seen: BTreeSet<_> = seen.into_iter().collect();
    if seen != clients {
        wrong.push(format!("clients by day: {seen:?}, journal {clients:?}"));
    }
}

/// One call-back task per missed call that nobody made good.
async fn tasks(plan: &Plan, rows: &[Row], db: &Db, wrong: &mut Vec<String>) {
    let open: Vec<(String,)> = on_read!(db, pool => {
        sqlx::query_as(
            "select call.call_key from task join call on call.id = task.call
             where task.kind = 'call_back'",
        )
        .fetch_all(pool)
        .await
    })
    .expect("tasks can be read");
    let mut keys: Vec<&str> = open.iter().map(|(key,)| key.as_str()).collect();
    keys.sort_unstable();
    let all = keys.len();
    keys.dedup();
    if keys.len() != all {
        wrong.push(format!("{all} call-back tasks for {} calls", keys.len()));
    }
    for call in &plan.calls {
        let missed = call.ledger.direction == Direction::In
            && call.ledger.result == CallResult::Missed
            && call.ledger.client.is_some();
        let key = call.ledger.call_key.as_str();
        let whole = !plan.maimed.contains(&call.story.number);
        let known = rows.iter().any(|row| row.key == key);
        if missed && whole && known && !keys.contains(&key) {
            wrong.push(format!(
                "{}: missed, and nobody is told to call back",
                name(&call.ledger)
            ));
        }
    }
}

/// Sight of a call, and "my calls", go to exactly those whose phones rang.
async fn rung(plan: &Plan, db: &Db, wrong: &mut Vec<String>) {
    let persons: Vec<(String, String)> = on_read!(db, pool => {
        sqlx::query_as(
            "select call.call_key, person.login from call_person
             join call on call.id = call_person.call
             join person on person.id = call_person.person
             where call_person.rang = 1",
        )
        .fetch_all(pool)
        .await
    })
    .expect("the people of calls can be read");
    for (key, login) in persons {
        let call = plan.calls.iter().find(|call| call.ledger.call_key == key);
        let rang = call.is_some_and(|call| {
            let mut people = call.ledger.rang.iter();
            people.any(|extension| login == format!("p{extension}"))
        });
        if !rang {
            wrong.push(format!("{key}: {login} is told to have been rung"));
        }
    }
}

/// Nothing that a provider sent may be unreadable or impossible to apply.
async fn journal(db: &Db, wrong: &mut Vec<String>) {
    let dead: Vec<(String, String)> = on_read!(db, pool => {
        sqlx::query_as(
            "select outcome, reason from raw where outcome in ('undecodable', 'apply_failed')",
        )
        .fetch_all(pool)
        .await
    })
    .expect("the journal of messages can be read");
    for (outcome, reason) in dead {
        wrong.push(format!("dead letter, {outcome}: {reason}"));
    }
}
