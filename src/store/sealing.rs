//! Facts of calls long over, compressed: 30 million calls must fit a small disk.
//!
//! A call is sealed some days after it was last heard of. A late fact opens it again (in the writer),
//! and it is sealed again when its time has come. Facts that cannot be read are set aside as they are, so
//! that one damaged row does not keep all others from being sealed. Leaves out: how a blob is made
//! ([`Facts::seal`]).

use uuid::Uuid;

use super::{
    Db, StoreError,
    rows::{Engine, Kind, Statement, Tx},
};
use crate::{model::time::Timestamp, tracker::Facts};

/// Calls that are over, silent for long, and not sealed. Parameters travel as one row.
static CANDIDATES: Statement = Statement::new(
    "select id, facts from call where sealed = 0 and ended is not null \
     and started_at < (select r.before from {rows} as r) \
     and heard_at < (select r.before from {rows} as r) \
     order by started_at limit (select r.at_most from {rows} as r)",
    &[("before", Kind::Int), ("at_most", Kind::Int)],
);
/// The same under lock; what another node has locked is its business.
static LOCKED_CANDIDATES: Statement = Statement::new(
    "select id, facts from call where sealed = 0 and ended is not null \
     and started_at < (select r.before from {rows} as r) \
     and heard_at < (select r.before from {rows} as r) \
     order by started_at limit (select r.at_most from {rows} as r) for update skip locked",
    &[("before", Kind::Int), ("at_most", Kind::Int)],
);
/// The version grows, so that no writer goes on with what it remembers.
static SEAL: Statement = Statement::new(
    "update call set facts = r.facts, sealed = 1, version = call.version + 1 from {rows} as r \
     where call.id = r.id",
    &[("id", Kind::Id), ("facts", Kind::Bytes)],
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
    let calls: Vec<(Uuid, Option<Vec<u8>>)> = tx.fetch(wanted).await?;
    let mut sealed = SEAL.rows(engine);
    for (call, facts) in &calls {
        let blob = facts.as_deref().unwrap_or(b"[]");
        match Facts::unseal(blob) {
            Ok(facts) => sealed.id(*call).bytes(&facts.seal()),
            Err(error) => {
                tracing::warn!(%call, %error, "facts cannot be read and stay as they are");
                sealed.id(*call).bytes(blob)
            }
        };
    }
    tx.run(sealed).await?;
    tx.commit().await?;
    Ok(calls.len())
}
