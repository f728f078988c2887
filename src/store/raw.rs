//! The journal of raw messages: bounded in days; what could not be understood or applied is listed as
//! dead letters and can be replayed after a fix.

use super::{Db, StoreError};
use crate::{
    model::{ids::AccountName, time::Timestamp},
    on_read, on_write,
};

/// One message of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawMessage {
    /// Row id.
    pub id: i64,
    /// Who sent it.
    pub account: AccountName,
    /// When its bytes came in.
    pub received_at: Timestamp,
    /// How it came: `webhook`, `ami`, `cel`, ...
    pub source: String,
    /// As received.
    pub body: Vec<u8>,
    /// `applied`, `noted`, `ignored`, `undecodable`, `apply_failed`, `replayed`.
    pub outcome: String,
    /// Why, where there is more to say.
    pub reason: String,
}

impl RawMessage {
    /// Whether it could not be understood or applied, and nobody has replayed it.
    pub fn is_dead(&self) -> bool {
        matches!(self.outcome.as_str(), "undecodable" | "apply_failed")
    }
}

type Row = (i64, String, i64, String, Vec<u8>, String, String);

fn message((id, account, received_at, source, body, outcome, reason): Row) -> RawMessage {
    RawMessage {
        id,
        account: AccountName::from(account),
        received_at: Timestamp::from_micros(received_at),
        source,
        body,
        outcome,
        reason,
    }
}

/// Dead letters before row `before` (`i64::MAX` for the first page), newest first.
pub async fn dead_letters(db: &Db, before: i64, limit: i64) -> Result<Vec<RawMessage>, StoreError> {
    const SQL: &str = "select id, account, received_at, source, body, outcome, reason from raw \
        where outcome in ('undecodable', 'apply_failed') and id < $1 order by id desc limit $2";
    let rows: Vec<Row> = on_read!(db, pool => {
        sqlx::query_as(SQL).bind(before).bind(limit).fetch_all(pool).await?
    });
    Ok(rows.into_iter().map(message).collect())
}

/// One message of the journal.
pub async fn get(db: &Db, id: i64) -> Result<Option<RawMessage>, StoreError> {
    const SQL: &str = "select id, account, received_at, source, body, outcome, reason from raw \
        where id = $1";
    let row: Option<Row> =
        on_read!(db, pool => sqlx::query_as(SQL).bind(id).fetch_optional(pool).await?);
    Ok(row.map(message))
}

/// Marks a dead letter as replayed: what it said is applied now.
pub async fn replayed(db: &Db, id: i64) -> Result<(), StoreError> {
    const SQL: &str = "update raw set outcome = 'replayed' where id = $1 \
        and outcome in ('undecodable', 'apply_failed')";
    on_write!(db, pool => sqlx::query(SQL).bind(id).execute(pool).await.map(|_| ()))?;
    Ok(())
}

/// Deletes messages received before `before`; dead letters stay until `dead_before`. Tells how many
/// went. Rows go in portions of `portion`, so that call events are not kept waiting.
pub async fn forget(
    db: &Db,
    before: Timestamp,
    dead_before: Timestamp,
    portion: i64,
) -> Result<u64, StoreError> {
    // The journal grows with time, so the oldest rows have the least ids and no index by time is kept.
    const PORTION: &str = "select max(id), max(received_at) from (select id, received_at from raw \
        where id > $1 order by id limit $2) as oldest";
    const DELETE: &str = "delete from raw where id > $1 and id <= $2 and received_at < $3 \
        and (outcome not in ('undecodable', 'apply_failed') or received_at < $4)";
    let mut gone = 0;
    let mut after = 0_i64;
    loop {
        let (last, newest): (Option<i64>, Option<i64>) = on_read!(db, pool => {
            sqlx::query_as(PORTION).bind(after).bind(portion).fetch_one(pool).await?
        });
        let (Some(last), Some(newest)) = (last, newest) else {
            return Ok(gone);
        };
        gone += on_write!(db, pool => {
            sqlx::query(DELETE)
                .bind(after)
                .bind(last)
                .bind(before.as_micros())
                .bind(dead_before.as_micros())
                .execute(pool)
                .await?
                .rows_affected()
        });
        if newest >= before.as_micros() {
            return Ok(gone);
        }
        after = last;
    }
}
