//! Whether the roll-ups say what the calls say, day by day, and setting them right.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{SumsRow, put_sums};
use crate::{
    model::ids::{LineId, PersonId},
    on_read,
    rules::figures::{ClientDay, Counted, Figures, Slot, Sums},
    store::{
        Db, StoreError,
        rows::{Engine, Kind, Rows, Statement, Tx},
    },
    tracker::{self, Facts},
};

/// Quarter-hours of a day.
const QUARTERS: i64 = 96;
const DAY_US: i64 = 86_400_000_000;
/// Under which writer a repair is written: no node has this number.
const REPAIRER: i64 = 0;

/// A figure that stands otherwise than it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Day (UTC), since 1970-01-01.
    pub day: i64,
    /// Where it differs, and in what.
    pub of: Of,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// Sums of a quarter-hour, line, person and direction: as stored, as counted.
    Sums(Slot, Sums, Sums),
    /// Calls of one client on a line: as stored, as counted. Whose they are is not told.
    Client {
        /// Row id of the line; 0: not known.
        line: i64,
        /// As stored.
        stored: i64,
        /// As counted.
        counted: i64,
    },
    /// So many calls have another channel by a rule than the rules give them, or are kept beside it otherwise
    /// than they are.
    Ruled(i64),
}

/// What came of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Days looked at.
    pub days: u64,
    /// Calls counted.
    pub calls: u64,
    /// What differs, or differed before the repair.
    pub differences: Vec<Difference>,
}

const SPAN: &[(&str, Kind)] = &[("begins", Kind::Int), ("ends", Kind::Int)];
static CALLS: Statement = Statement::new(
    "select c.id, c.line, c.answered_by, c.facts from {rows} as r \
     join call c on c.started_at >= r.begins and c.started_at < r.ends",
    SPAN,
);
static SUMS: Statement = Statement::new(
    "select s.quarter, s.line, s.person, s.direction, \
     cast(sum(s.calls) as bigint), cast(sum(s.answered) as bigint), \
     cast(sum(s.missed) as bigint), cast(sum(s.talk_ms) as bigint), \
     cast(sum(s.wait_ms) as bigint), cast(sum(s.ring_ms) as bigint) \
     from {rows} as r join rollup s on s.quarter >= r.begins and s.quarter < r.ends \
     group by s.quarter, s.line, s.person, s.direction",
    SPAN,
);
static CLIENTS: Statement = Statement::new(
    "select s.day, s.line, s.client, s.calls from {rows} as r \
     join rollup_client s on s.day >= r.begins and s.day < r.ends where s.calls <> 0",
    SPAN,
);
/// While changed rules are still being applied, calls may stand otherwise.
static RULED: Statement = Statement::new(
    "select count(*) from (
       select call from (
         select b.* from {rows} as r join call_channel b \
           on b.started_at >= r.begins and b.started_at < r.ends
         except
         select b.* from {rows} as r join call_by_rule b \
           on b.started_at >= r.begins and b.started_at < r.ends) as kept
       union
       select call from (
         select b.* from {rows} as r join call_by_rule b \
           on b.started_at >= r.begins and b.started_at < r.ends
         except
         select b.* from {rows} as r join call_channel b \
           on b.started_at >= r.begins and b.started_at < r.ends) as ruled) as every_one
     where not exists (select 1 from rule_change)",
    SPAN,
);
static DROP_RULED: Statement = Statement::new(
    "delete from call_channel where call in (
       select b.call from {rows} as r join call_channel b \
         on b.started_at >= r.begins and b.started_at < r.ends
       union
       select b.call from {rows} as r join call_by_rule b \
         on b.started_at >= r.begins and b.started_at < r.ends)",
    SPAN,
);
static PUT_RULED: Statement = Statement::new(
    "insert into call_channel select b.* from {rows} as r join call_by_rule b \
     on b.started_at >= r.begins and b.started_at < r.ends",
    SPAN,
);
static DROP_SUMS: Statement = Statement::new(
    "delete from rollup where quarter >= (select min(begins) from {rows} as r) \
     and quarter < (select max(ends) from {rows} as r)",
    SPAN,
);
static DROP_CLIENTS: Statement = Statement::new(
    "delete from rollup_client where day >= (select min(begins) from {rows} as r) \
     and day < (select max(ends) from {rows} as r)",
    SPAN,
);
static PUT_SUMS: Statement = Statement::new(
    "insert into rollup (quarter, line, person, writer, direction, calls, answered, missed, \
     talk_ms, wait_ms, ring_ms) select quarter, line, person, writer, direction, calls, answered, \
     missed, talk_ms, wait_ms, ring_ms from {rows} as r",
    &[
        ("quarter", Kind::Int),
        ("line", Kind::Int),
        ("person", Kind::Int),
        ("writer", Kind::Int),
        ("direction", Kind::Text),
        ("calls", Kind::Int),
        ("answered", Kind::Int),
        ("missed", Kind::Int),
        ("talk_ms", Kind::Int),
        ("wait_ms", Kind::Int),
        ("ring_ms", Kind::Int),
    ],
);
static PUT_CLIENTS: Statement = Statement::new(
    "insert into rollup_client (day, line, client, calls) \
     select day, line, client, calls from {rows} as r",
    &[
        ("day", Kind::Int),
        ("line", Kind::Int),
        ("client", Kind::Text),
        ("calls", Kind::Int),
    ],
);

/// Counts every day anew from the facts of its calls, sealed or not, and compares; with `repair`, days
/// that differ are written as they count.
pub async fn check(db: &Db, repair: bool) -> Result<Checked, StoreError> {
    let mut checked = Checked::default();
    for day in days(db).await? {
        let mut tx = view(db).await?;
        let (found, calls) = day_differences(&mut tx, day).await?;
        tx.rollback().await?;
        checked.days += 1;
        checked.calls += calls;
        if repair && !found.is_empty() {
            mend(db, day).await?;
        }
        checked.differences.extend(found);
    }
    Ok(checked)
}

/// Every day of which there are calls or figures.
async fn days(db: &Db) -> Result<BTreeSet<i64>, StoreError> {
    const SQL: &str = "select quarter / 96 from rollup union select day from rollup_client \
        union select started_at / 86400000000 from call \
        union select started_at / 86400000000 from call_channel";
    let days: Vec<(i64,)> = on_read!(db, pool => sqlx::query_as(SQL).fetch_all(pool).await?);
    Ok(days.into_iter().map(|(day,)| day).collect())
}

/// One view of the database for several statements, without holding anybody up.
async fn view(db: &Db) -> Result<Tx, StoreError> {
    Ok(match db {
        Db::Lite { read, .. } => Tx::Lite(read.begin().await?),
        Db::Pg(pool) => {
            const BEGIN: &str = "begin isolation level repeatable read read only";
            Tx::Pg(pool.begin_with(BEGIN).await?)
        }
    })
}

/// A day of figures as stored and as counted.
struct Day {
    stored: Figures,
    counted: Figures,
    calls: u64,
}

async fn day_differences(tx: &mut Tx, day: i64) -> Result<(Vec<Difference>, u64), StoreError> {
    let read = read(tx, day).await?;
    let mut found = Vec::new();
    let slots: BTreeSet<&Slot> = read
        .stored
        .slots
        .keys()
        .chain(read.counted.slots.keys())
        .collect();
    let sums = |figures: &Figures, slot| figures.slots.get(slot).copied().unwrap_or_default();
    for slot in slots {
        let (stored, counted) = (sums(&read.stored, slot), sums(&read.counted, slot));
        if stored != counted {
            let of = Of::Sums(*slot, stored, counted);
            found.push(Difference { day, of });
        }
    }
    let clients: BTreeSet<&ClientDay> = read
        .stored
        .clients
        .keys()
        .chain(read.counted.clients.keys())
        .collect();
    let calls =
        |figures: &BTreeMap<ClientDay, i64>, client| figures.get(client).copied().unwrap_or(0);
    for client in clients {
        let stored = calls(&read.stored.clients, client);
        let counted = calls(&read.counted.clients, client);
        if stored != counted {
            let of = Of::Client {
                line: client.line,
                stored,
                counted,
            };
            found.push(Difference { day, of });
        }
    }
    let rows = span(tx, &RULED, day * DAY_US, (day + 1) * DAY_US);
    let ruled: Vec<(i64,)> = tx.fetch(rows).await?;
    if let Some(&(calls,)) = ruled.first().filter(|(calls,)| *calls != 0) {
        let of = Of::Ruled(calls);
        found.push(Difference { day, of });
    }
    Ok((found, read.calls))
}

fn span(tx: &Tx, statement: &'static Statement, begins: i64, ends: i64) -> Rows {
    let mut rows = statement.rows(tx.engine());
    rows.int(begins).int(ends);
    rows
}

async fn read(tx: &mut Tx, day: i64) -> Result<Day, StoreError> {
    type Call = (Uuid, Option<i64>, Option<i64>, Option<Vec<u8>>);
    let rows = span(tx, &CALLS, day * DAY_US, (day + 1) * DAY_US);
    let calls: Vec<Call> = tx.fetch(rows).await?;
    let rows = span(tx, &SUMS, day * QUARTERS, (day + 1) * QUARTERS);
    let sums: Vec<SumsRow> = tx.fetch(rows).await?;
    let rows = span(tx, &CLIENTS, day, day + 1);
    let clients: Vec<(i64, i64, String, i64)> = tx.fetch(rows).await?;
    let mut read = Day {
        stored: Figures::default(),
        counted: Figures::default(),
        calls: 0,
    };
    for (id, line, person, facts) in calls {
        let facts = Facts::unseal(facts.as_deref().unwrap_or(b"[]"))
            .map_err(|source| StoreError::Sealed { call: id, source })?;
        let counted = Counted {
            call: &tracker::derive(&facts),
            line: line.map(LineId),
            person: person.map(PersonId),
        };
        read.counted.delta(None, Some(counted));
        read.calls += 1;
    }
    put_sums(&mut read.stored, sums);
    let clients = clients
        .into_iter()
        .map(|(day, line, client, calls)| (ClientDay { day, line, client }, calls));
    read.stored.clients.extend(clients);
    Ok(read)
}

/// Writes a day as it counts, while no writer is between a call and its figures.
async fn mend(db: &Db, day: i64) -> Result<(), StoreError> {
    const LOCK: &str = "lock table rollup, rollup_client, call_channel in share row exclusive mode";
    let mut tx = Tx::begin(db).await?;
    if let Tx::Pg(pg) = &mut tx {
        sqlx::query(LOCK).execute(&mut **pg).await?;
    }
    let engine: Engine = tx.engine();
    let read = read(&mut tx, day).await?;
    let gone = span(&tx, &DROP_SUMS, day * QUARTERS, (day + 1) * QUARTERS);
    tx.run(gone).await?;
    let gone = span(&tx, &DROP_CLIENTS, day, day + 1);
    tx.run(gone).await?;
    let mut sums = PUT_SUMS.rows(engine);
    for (slot, counted) in &read.counted.slots {
        sums.int(slot.quarter)
            .int(slot.line)
            .int(slot.person)
            .int(REPAIRER)
            .text(slot.direction_word())
            .int(counted.calls)
            .int(counted.answered)
            .int(counted.missed)
            .int(counted.talk_ms)
            .int(counted.wait_ms)
            .int(counted.ring_ms);
    }
    tx.run(sums).await?;
    let mut clients = PUT_CLIENTS.rows(engine);
    for (seen, calls) in &read.counted.clients {
        clients
            .int(seen.day)
            .int(seen.line)
            .text(seen.client.as_str())
            .int(*calls);
    }
    tx.run(clients).await?;
    for statement in [&DROP_RULED, &PUT_RULED] {
        let ruled = span(&tx, statement, day * DAY_US, (day + 1) * DAY_US);
        tx.run(ruled).await?;
    }
    tx.commit().await?;
    Ok(())
}
