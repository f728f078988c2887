//! What is known of calls that a PBX's own records name, for the comparison with them.

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

/// Most calls of one client that are looked at around one moment.
const MOST_NEAR: i64 = 20;

/// A call as it stands.
pub struct Stored {
    /// Its id.
    pub id: CallId,
    /// The key that names it.
    pub key: CallKey,
    /// The call.
    pub call: Call,
}

type Row = (Uuid, String, String, Option<Vec<u8>>);

/// The call known under this key.
pub async fn by_key(
    db: &Db,
    account: &AccountName,
    key: &CallKey,
) -> Result<Option<Stored>, StoreError> {
    const SQL: &str = "select c.id, c.call_key, c.derived, c.facts from call_key k \
         join call c on c.id = k.call where k.account = $1 and k.key = $2";
    let row: Option<Row> = on_read!(db, pool => {
        sqlx::query_as(SQL)
            .bind(account.as_str())
            .bind(key.as_str())
            .fetch_optional(pool)
            .await?
    });
    Ok(row.and_then(stored))
}

/// Calls of a client (`None`: of those without a number) that began in this span, those nearest to `at` first.
pub async fn near(
    db: &Db,
    account: &AccountName,
    client: Option<&str>,
    at: Timestamp,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<Stored>, StoreError> {
    const SQL: [&str; 2] = [
        "select id, call_key, derived, facts from call \
         where client = $1 and account = $2 and started_at between $3 and $4 \
         order by abs(started_at - $5) limit $6",
        "select id, call_key, derived, facts from call \
         where client is null and coalesce($1, '') = '' and account = $2 and started_at between $3 and $4 \
         order by abs(started_at - $5) limit $6",
    ];
    let sql = SQL[usize::from(client.is_none())];
    let rows: Vec<Row> = on_read!(db, pool => {
        sqlx::query_as(sql)
            .bind(client)
            .bind(account.as_str())
            .bind(from.as_micros())
            .bind(to.as_micros())
            .bind(at.as_micros())
            .bind(MOST_NEAR)
            .fetch_all(pool)
            .await?
    });
    Ok(rows.into_iter().filter_map(stored).collect())
}

/// Every key that this call is known by.
pub async fn keys(db: &Db, call: CallId) -> Result<Vec<CallKey>, StoreError> {
    let rows: Vec<(String,)> = on_read!(db, pool => {
        sqlx::query_as("select key from call_key where call = $1")
            .bind(call.0)
            .fetch_all(pool)
            .await?
    });
    Ok(rows.into_iter().map(|(key,)| key.into()).collect())
}

/// A call that cannot be read is as good as unknown: it is told again.
fn stored((id, key, derived, facts): Row) -> Option<Stored> {
    Some(Stored {
        id: CallId(id),
        key: key.into(),
        call: derived::read(id, &derived, facts.as_deref()).ok()?,
    })
}
