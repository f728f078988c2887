//! The roll-ups as they are stored, and as they would be if every call were counted anew.
//!
//! Reports read the roll-ups; a recount from facts must give the same numbers. `check` compares day by
//! day, each within one view of the database, so it may run beside the gateway. Leaves out: what a
//! figure means (`rules::figures`).

mod check;

use uuid::Uuid;

pub use self::check::{Checked, Difference, Of, check};
use super::{Db, StoreError};
use crate::{
    model::ids::{LineId, PersonId},
    on_read,
    rules::figures::{ClientDay, Counted, Figures, Slot, Sums},
    tracker::{self, Facts},
};

/// Calls read at once while recounting.
const PAGE: i64 = 500;

/// A row of the roll-up: quarter, line, person, direction, calls, answered, missed, talk, wait, ring.
type SumsRow = (i64, i64, i64, String, i64, i64, i64, i64, i64, i64);

/// Puts rows in as figures know them; what has come to nothing is left out.
fn put_sums(figures: &mut Figures, rows: Vec<SumsRow>) {
    for (quarter, line, person, direction, calls, answered, missed, talk_ms, wait_ms, ring_ms) in
        rows
    {
        let slot = Slot {
            quarter,
            line,
            person,
            direction: Slot::direction_of(&direction),
        };
        let sums = Sums {
            calls,
            answered,
            missed,
            talk_ms,
            wait_ms,
            ring_ms,
        };
        if sums != Sums::default() {
            figures.slots.insert(slot, sums);
        }
    }
}

/// The roll-ups, summed over writers.
pub async fn stored(db: &Db) -> Result<Figures, StoreError> {
    const SUMS: &str = "select quarter, line, person, direction, \
        cast(sum(calls) as bigint), cast(sum(answered) as bigint), cast(sum(missed) as bigint), \
        cast(sum(talk_ms) as bigint), cast(sum(wait_ms) as bigint), cast(sum(ring_ms) as bigint) \
        from rollup group by quarter, line, person, direction";
    const CLIENTS: &str = "select day, line, client, calls from rollup_client where calls <> 0";
    let sums: Vec<SumsRow> = on_read!(db, pool => sqlx::query_as(SUMS).fetch_all(pool).await?);
    let clients: Vec<(i64, i64, String, i64)> =
        on_read!(db, pool => sqlx::query_as(CLIENTS).fetch_all(pool).await?);
    let mut figures = Figures::default();
    put_sums(&mut figures, sums);
    for (day, line, client, calls) in clients {
        figures
            .clients
            .insert(ClientDay { day, line, client }, calls);
    }
    Ok(figures)
}

/// Counts every call anew from its facts, sealed or not. Reads page by page; run it while nothing is
/// written, or expect it to differ by the calls of the meantime.
pub async fn recount(db: &Db) -> Result<Figures, StoreError> {
    type Row = (Uuid, Option<i64>, Option<i64>, Option<Vec<u8>>);
    const CALLS: &str = "select id, line, answered_by, facts from call where id > $1 \
        order by id limit $2";
    let mut figures = Figures::default();
    let mut after = Uuid::nil();
    loop {
        let calls: Vec<Row> = on_read!(db, pool => {
            sqlx::query_as(CALLS).bind(after).bind(PAGE).fetch_all(pool).await?
        });
        let Some((last, ..)) = calls.last() else {
            return Ok(figures);
        };
        after = *last;
        for (id, line, person, facts) in calls {
            let facts = Facts::unseal(facts.as_deref().unwrap_or(b"[]"))
                .map_err(|source| StoreError::Sealed { call: id, source })?;
            let call = tracker::derive(&facts);
            let counted = Counted {
                call: &call,
                line: line.map(LineId),
                person: person.map(PersonId),
            };
            figures.delta(None, Some(counted));
        }
    }
}
