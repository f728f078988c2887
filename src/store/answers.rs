//! Answers to writes of the API that named themselves: whoever asks the same again under the same name
//! gets the same answer, and nothing is done twice.

use sqlx::FromRow;

use super::{Db, StoreError};
use crate::{model::time::Timestamp, on_read, on_write};

/// A write and the name that it was given.
#[derive(Clone, Debug)]
pub struct Named<'a> {
    /// Token that it came with.
    pub token: i64,
    /// The name.
    pub name: &'a str,
    /// SHA-256 of what was asked.
    pub asked: &'a [u8],
}

/// Whether a write may be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is the first of its name.
    First,
    /// It was done: status and body of the answer.
    Done(u16, String),
    /// It is under way.
    UnderWay,
    /// Something else was asked under this name.
    Other,
}

#[derive(FromRow)]
struct Row {
    asked: Vec<u8>,
    status: Option<i64>,
    body: String,
}

/// Claims a name. Names older than `remembered_since` are forgotten; a write that has been under way
/// since before `stuck_since` broke off and may be begun anew.
pub async fn claim(
    db: &Db,
    named: &Named<'_>,
    remembered_since: Timestamp,
    stuck_since: Timestamp,
    now: Timestamp,
) -> Result<Claim, StoreError> {
    let is_first = on_write!(db, pool => {
        let mut transaction = pool.begin().await?;
        sqlx::query("delete from api_answer where created_at < $1")
            .bind(remembered_since.as_micros())
            .execute(&mut *transaction)
            .await?;
        let added = sqlx::query(
            "insert into api_answer (token, name, asked, created_at) values ($1, $2, $3, $4)
             on conflict (token, name) do update set created_at = excluded.created_at
             where api_answer.status is null and api_answer.created_at < $5
               and api_answer.asked = excluded.asked",
        )
        .bind(named.token)
        .bind(named.name)
        .bind(named.asked)
        .bind(now.as_micros())
        .bind(stuck_since.as_micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        added.rows_affected() > 0
    });
    if is_first {
        return Ok(Claim::First);
    }
    let row: Option<Row> = on_read!(db, pool => {
        sqlx::query_as(
            "select asked, status, body from api_answer
             where token = $1 and name = $2",
        )
        .bind(named.token)
        .bind(named.name)
        .fetch_optional(pool)
        .await?
    });
    Ok(match row {
        // The first of its name failed in between.
        None => Claim::UnderWay,
        Some(row) if row.asked != named.asked => Claim::Other,
        Some(row) => match row.status.map(u16::try_from) {
            Some(Ok(status)) => Claim::Done(status, row.body),
            _ => Claim::UnderWay,
        },
    })
}

/// Keeps the answer to what was done.
pub async fn keep(db: &Db, named: &Named<'_>, status: u16, body: &str) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query("update api_answer set status = $3, body = $4 where token = $1 and name = $2")
            .bind(named.token)
            .bind(named.name)
            .bind(i64::from(status))
            .bind(body)
            .execute(pool)
            .await?;
    });
    Ok(())
}

/// Gives a name back: nothing was done under it.
pub async fn give_back(db: &Db, named: &Named<'_>) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query("delete from api_answer where token = $1 and name = $2 and status is null")
            .bind(named.token)
            .bind(named.name)
            .execute(pool)
            .await?;
    });
    Ok(())
}
