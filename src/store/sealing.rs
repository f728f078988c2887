//! Facts of calls long over, packed into one blob each: 30 million calls must fit a small disk.
//!
//! A call is sealed some days after it was last heard of. A late fact unseals it (in the writer), and
//! it is sealed again when its time has come. Leaves out: how a blob is made ([`Facts::seal`]).

use uuid::Uuid;

use super::{
    Db, StoreError,
    figures::facts_by_call,
    rows::{Engine, Kind, Statement, Tx},
};
use crate::model::time::Timestamp;

#[cfg(doc)]
use crate::tracker::Facts;

/// Calls that are over, silent for long, and not sealed. Parameters travel as one row.
static CANDIDATES: Statement = Statement::new(
    "select id from call where facts is null and ended is not null \
     and heard_at < (select r.before from {rows} as r) \
     order by heard_at limit (select r.at_most from {rows} as r)",
    &[("before", Kind::Int), ("at_most", Kind::Int)],
);
/// The same under lock; what another node has locked is its business.
static LOCKED_CANDIDATES: Statement = Statement::new(
    "select id from call where facts is null and ended is not null \
     and heard_at < (select r.before from {rows} as r) \
     order by heard_at limit (select r.at_most from {rows} as r) for update skip locked",
    &[("before", Kind::Int), ("at_most", Kind::Int)],
);
static FACTS: Statement = Statement::new(
    "select f.call, f.body from {rows} as r join fact f on f.call = r.id",
    &[("id", Kind::Id)],
);
/// The version grows, so that no writer goes on with what it remembers.
static SEAL: Statement = Statement::new(
    "update call set facts = r.facts, version = call.version + 1 from {rows} as r \
     where call.id = r.id",
    &[("id", Kind::Id), ("facts", Kind::Bytes)],
);
static DROP_ROWS: Statement = Statement::new(
    "delete from fact where call in (select id from {rows} as r)",
    &[("id", Kind::Id)],
);

/// Seals at most `limit` calls last heard of before `before`; tells how many there were. The write
/// lock is held for one such portion only, so that call events are not kept waiting.
pub async fn seal(db: &Db, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let mut tx = Tx::begin(db).await?;
    let engine = tx.engine();
    let candidates = match engine {
        Engine::Lite => &CANDIDATES,
        Engine::Pg => &LOCKED_CANDIDATES,
    };
    let mut wanted = candidates.rows(engine);
    wanted.int(before.as_micros()).int(limit);
    let calls: Vec<(Uuid,)> = tx.fetch(wanted).await?;
    let mut rows = FACTS.rows(engine);
    let mut dropped = DROP_ROWS.rows(engine);
    for (id,) in &calls {
        rows.id(*id);
        dropped.id(*id);
    }
    let mut facts = facts_by_call(tx.fetch(rows).await?)?;
    let mut sealed = SEAL.rows(engine);
    for (id,) in &calls {
        let facts = facts.remove(id).unwrap_or_default();
        sealed.id(*id).bytes(&facts.seal());
    }
    tx.run(sealed).await?;
    tx.run(dropped).await?;
    tx.commit().await?;
    Ok(calls.len())
}
