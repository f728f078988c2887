//! Calls that are not over, or over and undecided: who is busy, and on what something may be due because
//! time passes.

use uuid::Uuid;

use super::{Db, StoreError, derived};
use crate::{
    model::{
        call::Call,
        ids::{AccountName, CallId, CallKey},
        time::Timestamp,
    },
    on_read,
};

/// A call that is not over, or over and undecided.
#[derive(Clone, Debug)]
pub struct OpenCall {
    /// Our id.
    pub id: CallId,
    /// Grows with every commit that touched it.
    pub version: i64,
    /// Who told of it.
    pub account: AccountName,
    /// Its key there.
    pub key: CallKey,
    /// The call.
    pub call: Call,
}

type Row = (Uuid, i64, String, String, String, Option<Vec<u8>>);

/// Every call that is not over. One that cannot be read is left out, so that it keeps nothing else from
/// going on.
pub async fn calls(db: &Db) -> Result<Vec<OpenCall>, StoreError> {
    const SQL: &str =
        "select id, version, account, call_key, derived, facts from call where ended is null";
    let rows: Vec<Row> = on_read!(db, pool => sqlx::query_as(SQL).fetch_all(pool).await?);
    Ok(rows.into_iter().filter_map(open_call).collect())
}

/// No call goes on for so long: by its start an undecided one is found in the index.
const LONGEST_CALL_MS: i64 = 30 * 86_400_000;

/// Calls that came in, are over and undecided, and were heard of after `since`.
pub async fn undecided(db: &Db, since: Timestamp) -> Result<Vec<OpenCall>, StoreError> {
    const SQL: &str = "select id, version, account, call_key, derived, facts from call \
         where result is null and ended is not null and direction = 'in' and heard_at > $1 \
         and started_at > $2";
    let started = since.plus_millis(-LONGEST_CALL_MS);
    let rows: Vec<Row> = on_read!(db, pool => {
        sqlx::query_as(SQL)
            .bind(since.as_micros())
            .bind(started.as_micros())
            .fetch_all(pool)
            .await?
    });
    Ok(rows.into_iter().filter_map(open_call).collect())
}

fn open_call((id, version, account, key, derived, facts): Row) -> Option<OpenCall> {
    let call = derived::read(id, &derived, facts.as_deref())
        .inspect_err(|error| tracing::warn!(call = %id, %error, "an open call cannot be read"))
        .ok()?;
    Some(OpenCall {
        id: CallId(id),
        version,
        account: account.into(),
        key: key.into(),
        call,
    })
}
