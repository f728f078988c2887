//! What has come of an account since a moment, for whoever watches a test call, and how far its set-up
//! has got. Bounded reads: the journal and the calls have no index by account.

use uuid::Uuid;

use super::{Db, StoreError};
use crate::{
    model::{ids::CallId, time::Timestamp},
    on_read,
};

/// The latest messages or calls among which the account's are looked for.
const LATEST: i64 = 20_000;

/// Messages since a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// How many.
    pub messages: i64,
    /// When the last one came.
    pub last_at: Option<Timestamp>,
    /// How many of them could not be understood or applied.
    pub dead: i64,
}

/// Messages of an account since a moment.
pub async fn heard(db: &Db, account: &str, since: Timestamp) -> Result<Heard, StoreError> {
    const SQL: &str = "select count(*), max(received_at), \
         coalesce(sum(case when outcome in ('undecodable', 'apply_failed') then 1 else 0 end), 0) \
         from (select account, received_at, outcome from raw order by id desc limit $1) latest \
         where account = $2 and received_at >= $3";
    let (messages, last_at, dead): (i64, Option<i64>, i64) = on_read!(db, pool => {
        sqlx::query_as(SQL)
            .bind(LATEST)
            .bind(account)
            .bind(since.as_micros())
            .fetch_one(pool)
            .await?
    });
    Ok(Heard {
        messages,
        last_at: last_at.map(Timestamp::from_micros),
        dead,
    })
}

/// The first call of an account that became known after a moment: ids of calls grow with time.
pub async fn first_call(
    db: &Db,
    account: &str,
    since: Timestamp,
) -> Result<Option<CallId>, StoreError> {
    const SQL: &str = "select id from call where id >= $1 and account = $2 order by id limit 1";
    let millis = u128::try_from(since.as_millis()).unwrap_or(0);
    let least = Uuid::from_u128(millis << 80);
    let row: Option<(Uuid,)> = on_read!(db, pool => {
        sqlx::query_as(SQL).bind(least).bind(account).fetch_optional(pool).await?
    });
    Ok(row.map(|(id,)| CallId(id)))
}

/// How far the set-up of an account has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Phones of people.
    pub phones: i64,
    /// Numbers of ours.
    pub lines: i64,
    /// Calls among the latest.
    pub calls: i64,
    /// Of these: whose pop stood on a screen.
    pub seen: i64,
}

/// How far the set-up of an account has got.
pub async fn progress(db: &Db, account: &str) -> Result<Progress, StoreError> {
    const SQL: &str = "select (select count(*) from person_extension where account = $1), \
         (select count(*) from line where account = $1), \
         (select count(*) from (select account from call order by id desc limit $2) c \
          where c.account = $1), \
         (select count(*) from (select id, account from call order by id desc limit $2) c \
          where c.account = $1 and exists (select 1 from pop p \
          where p.call = c.id and p.painted_at is not null))";
    let (phones, lines, calls, seen): (i64, i64, i64, i64) = on_read!(db, pool => {
        sqlx::query_as(SQL).bind(account).bind(LATEST).fetch_one(pool).await?
    });
    Ok(Progress {
        phones,
        lines,
        calls,
        seen,
    })
}
