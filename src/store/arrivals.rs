//! What came in, for those who run the installation: dead letters, and when each account last spoke.

use sqlx::FromRow;

use super::{Db, StoreError};
use crate::on_read;

/// The latest messages looked at to see who has spoken; bounded, as the journal has no index by account.
const LATEST: i64 = 20_000;

/// A message that could not be understood or applied.
#[derive(Clone, Debug, FromRow)]
#[allow(missing_docs, reason = "columns of `raw`, described in the schema")]
pub struct DeadLetter {
    pub id: i64,
    pub account: String,
    pub received_at: i64,
    pub source: String,
    pub outcome: String,
    pub reason: String,
    pub size: i64,
}

const DEAD: &str = "select id, account, received_at, source, outcome, reason,
    cast(length(body) as bigint) as size from raw
    where outcome in ('undecodable', 'apply_failed')";

/// Dead letters, the newest first, older than `before`.
pub async fn dead_letters(
    db: &Db,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<DeadLetter>, StoreError> {
    let sql = format!("{DEAD} and id < $1 order by id desc limit $2");
    Ok(on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(before.unwrap_or(i64::MAX))
            .bind(limit)
            .fetch_all(pool)
            .await?
    }))
}

/// One dead letter with its bytes.
pub async fn dead_letter(db: &Db, id: i64) -> Result<Option<(DeadLetter, Vec<u8>)>, StoreError> {
    let sql = format!("{DEAD} and id = $1");
    let letter: Option<DeadLetter> = on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(pool).await?
    });
    let body: Option<(Vec<u8>,)> = on_read!(db, pool => {
        sqlx::query_as("select body from raw where id = $1").bind(id).fetch_optional(pool).await?
    });
    Ok(letter.zip(body.map(|(body,)| body)))
}

/// When each account last spoke, and how many of its latest messages are known: account, time of the
/// last message in microseconds, messages among the latest ones.
pub async fn last_heard(db: &Db) -> Result<Vec<(String, i64, i64)>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select account, max(received_at), count(*)
             from (select account, received_at from raw order by id desc limit $1) latest
             group by account order by account",
        )
        .bind(LATEST)
        .fetch_all(pool)
        .await?
    }))
}

/// Dead letters per account.
pub async fn dead_by_account(db: &Db) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select account, count(*) from raw where outcome in ('undecodable', 'apply_failed')
             group by account",
        )
        .fetch_all(pool)
        .await?
    }))
}
