//! What the journal says of calls after a run, against the ledger. The tables around stand in `tables`.

use std::collections::{BTreeMap, BTreeSet};

use ringcard::{
    model::{call::Call, time::Timestamp},
    on_read,
    simulator::ledger::Ledger,
    store::{
        Db,
        export::{self, After, Exported},
    },
    tracker::{self, Facts},
};

use super::{Plan, accounts::OFFICE, cards::Tidier, heard, rig::Place, tables, touches};
use crate::check::{Told, differences};

/// A call as it is exported, and what else its row says.
pub struct Row {
    /// The export.
    pub exported: Exported,
    /// Who answered.
    pub person: Option<i64>,
    /// Our line.
    pub line: Option<i64>,
}

impl Row {
    /// The call itself.
    pub fn call(&self) -> &Call {
        &self.exported.call
    }

    /// The client's number.
    pub fn client(&self) -> Option<&str> {
        self.call().client.as_ref().and_then(|number| number.e164())
    }

    /// For people who read a failure.
    pub fn name(&self) -> String {
        format!("{} {}", self.exported.account, self.exported.call_key)
    }
}

/// How many calls and facts there are: moves while something is still being applied.
pub async fn progress(db: &Db) -> (i64, i64) {
    on_read!(db, pool => {
        sqlx::query_as("select (select count(*) from call), (select cast(coalesce(sum(version), 0) as bigint) from call)")
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
        .filter(|call| call.ledger.account == OFFICE)
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
pub async fn check(plan: &Plan, tidier: &Tidier, place: &Place) -> Vec<String> {
    let db = place.open().await;
    let mut wrong = Vec::new();
    let rows = rows(&db).await;
    let events = heard::events(&db).await;
    calls(plan, &rows, &events, &mut wrong);
    columns(&rows, &db, &mut wrong).await;
    tables::check(plan, &rows, &db, &mut wrong).await;
    touches::check(tidier, &rows, &db, &mut wrong).await;
    db.close().await;
    wrong
}

/// The whole export, with persons and lines.
async fn rows(db: &Db) -> Vec<Row> {
    let everything = After::start(Timestamp::from_micros(i64::MIN));
    let (calls, _) = export::page(
        db,
        &export::Wanted::default(),
        everything,
        Timestamp::from_micros(i64::MAX),
    )
    .await
    .expect("calls can be exported");
    let beside: Vec<(uuid::Uuid, Option<i64>, Option<i64>)> = on_read!(db, pool => {
        sqlx::query_as("select id, answered_by, line from call").fetch_all(pool).await
    })
    .expect("the journal can be read");
    let mut beside: BTreeMap<_, _> = beside
        .into_iter()
        .map(|(id, person, line)| (id, (person, line)))
        .collect();
    calls
        .into_iter()
        .map(|exported| {
            let (person, line) = beside.remove(&exported.id).unwrap_or_default();
            Row {
                exported,
                person,
                line,
            }
        })
        .collect()
}

fn calls(plan: &Plan, rows: &[Row], events: &BTreeSet<String>, wrong: &mut Vec<String>) {
    let mut known = BTreeSet::new();
    for call in &plan.calls {
        let mut ledger = call.ledger.clone();
        let maimed = plan.maimed.contains(&call.story.number);
        let mut of_key = rows.iter().filter(|row| {
            row.exported.account == ledger.account && row.exported.call_key == ledger.call_key
        });
        let Some(row) = of_key.next() else {
            if !maimed {
                wrong.push(format!("{}: not in the journal", name(&ledger)));
            }
            continue;
        };
        if of_key.next().is_some() {
            wrong.push(format!("{}: twice in the journal", name(&ledger)));
        }
        known.insert(row.exported.id);
        let unheard = match ledger.account.as_str() {
            OFFICE => heard::limits(call, &mut ledger, events),
            _ => None,
        };
        if unheard.is_some() && !plan.deaf_for_a_while() {
            wrong.push(format!("{}: events got lost on the way", name(&ledger)));
        }
        let told = match (&unheard, maimed) {
            (_, true) => Told::Maimed,
            (Some(unheard), _) => Told::FromLog(unheard),
            (None, false) => Told::All,
        };
        persons(plan, &ledger, row, wrong);
        for difference in differences(&ledger, row.call(), told) {
            let told = format!("{told:?}").chars().take(200).collect::<String>();
            wrong.push(format!("{} ({told}): {difference}", name(&ledger)));
        }
    }
    for row in rows.iter().filter(|row| !known.contains(&row.exported.id)) {
        wrong.push(format!("{}: a call nobody made", row.name()));
    }
}

/// The answering person and the line stand in the row as they follow from extension and number.
fn persons(plan: &Plan, ledger: &Ledger, row: &Row, wrong: &mut Vec<String>) {
    let answered_by = row.call().answered_by.as_ref().map(|who| who.as_str());
    let place = |list: &[String], wanted: Option<&str>| {
        let at = list.iter().position(|known| Some(known.as_str()) == wanted);
        at.map(|at| at as i64 + 1)
    };
    let login = answered_by.map(|extension| format!("p{extension}"));
    if row.person != place(&plan.world.people, answered_by) || row.exported.person != login {
        let found = (row.person, &row.exported.person);
        wrong.push(format!("{}: answered by person {found:?}", name(ledger)));
    }
    let did = row.call().did.as_ref().and_then(|number| number.e164());
    let account = &row.exported.account;
    let wanted = plan
        .lines()
        .find(|(_, of, number)| of == account && Some(*number) == did)
        .map(|(line, ..)| line);
    if row.line != wanted {
        let found = row.line;
        wrong.push(format!("{}: line {found:?}, not {wanted:?}", name(ledger)));
    }
}

/// What stands in the columns of a call.
#[derive(sqlx::FromRow)]
struct Stored {
    phase: String,
    direction: Option<String>,
    result: Option<String>,
    ended: Option<String>,
    hangup_by: Option<String>,
    client: Option<String>,
    started_at: i64,
    rang_at: Option<i64>,
    answered_at: Option<i64>,
    ended_at: Option<i64>,
    heard_at: i64,
    wait_ms: Option<i64>,
    ring_ms: Option<i64>,
    talk_ms: Option<i64>,
    hold_ms: Option<i64>,
    answered_ext: Option<String>,
    derived: String,
    facts: Option<Vec<u8>>,
}

/// A column of a call as text, and what the call itself says.
type Column<'a> = (&'a str, Option<String>, Option<String>);

/// The columns by which lists search and sort say what the call says, and the stored facts give it.
async fn columns(rows: &[Row], db: &Db, wrong: &mut Vec<String>) {
    for row in rows {
        let call = row.call();
        let Stored {
            phase,
            direction,
            result,
            ended,
            hangup_by,
            client,
            started_at,
            rang_at,
            answered_at,
            ended_at,
            heard_at,
            wait_ms,
            ring_ms,
            talk_ms,
            hold_ms,
            answered_ext,
            derived,
            facts,
        } = on_read!(db, pool => {
            sqlx::query_as("select * from call where id = $1")
                .bind(row.exported.id)
                .fetch_one(pool)
                .await
        })
        .expect("a call can be read");
        let text = |text: Option<&str>| text.map(str::to_owned);
        let micros = |at: Option<Timestamp>| at.map(|at| at.as_micros().to_string());
        let number = |number: Option<i64>| number.map(|number| number.to_string());
        let columns: [Column<'_>; 16] = [
            ("phase", Some(phase), text(Some(call.phase.as_str()))),
            (
                "direction",
                direction,
                text(call.direction.map(|d| d.as_str())),
            ),
            ("result", result, text(call.result.map(|r| r.as_str()))),
            ("ended", ended, text(call.ended.map(|e| e.as_str()))),
            (
                "hangup_by",
                hangup_by,
                text(call.hangup_by.map(|s| s.as_str())),
            ),
            ("client", client, text(row.client())),
            (
                "started_at",
                number(Some(started_at)),
                micros(Some(call.started_at)),
            ),
            ("rang_at", number(rang_at), micros(call.rang_at)),
            ("answered_at", number(answered_at), micros(call.answered_at)),
            ("ended_at", number(ended_at), micros(call.ended_at)),
            (
                "heard_at",
                number(Some(heard_at)),
                micros(Some(call.heard_at)),
            ),
            ("wait_ms", number(wait_ms), number(call.wait_ms)),
            ("ring_ms", number(ring_ms), number(call.ring_ms)),
            ("talk_ms", number(talk_ms), number(call.talk_ms)),
            ("hold_ms", number(hold_ms), number(call.hold_ms)),
            (
                "answered_ext",
                answered_ext,
                text(call.answered_by.as_ref().map(|who| who.as_str())),
            ),
        ];
        for (what, column, said) in columns {
            if column != said {
                wrong.push(format!(
                    "{}: column {what} {column:?}, call {said:?}",
                    row.name()
                ));
            }
        }
        if !derived.is_empty() {
            wrong.push(format!("{}: what follows from facts is stored", row.name()));
        }
        let facts = Facts::unseal(facts.as_deref().unwrap_or(b"[]"));
        let again = facts.map(|facts| tracker::derive(&facts));
        if again.as_ref().ok() != Some(call) {
            wrong.push(format!("{}: its facts make another call", row.name()));
        }
    }
}

/// For people who read a failure.
pub fn name(ledger: &Ledger) -> String {
    format!("{} {} {:?}", ledger.account, ledger.call_key, ledger.plot)
}
