//! Tasks people see: whom to call back, and by when.

use sqlx::FromRow;
use uuid::Uuid;

use super::{Db, StoreError};
use crate::{
    model::{ids::PersonId, time::Timestamp},
    on_read, on_write,
};

/// An open call-back; times in microseconds.
#[derive(Clone, Debug, FromRow)]
#[allow(missing_docs, reason = "columns of `task`, described in the schema")]
pub struct Task {
    pub id: i64,
    pub call: Option<Uuid>,
    pub card: Option<Uuid>,
    pub client: Option<String>,
    pub person: Option<i64>,
    pub created_at: i64,
    pub due_at: i64,
    pub card_name: Option<String>,
    pub card_company: Option<String>,
    pub line_name: Option<String>,
    /// 1: nobody has told whether anybody talked.
    pub unknown: i64,
}

const OPEN: &str = "select t.id, t.call, t.card, t.client, t.person, t.created_at, t.due_at,
        k.name as card_name, k.company as card_company, l.name as line_name,
        cast(case when c.id is not null and c.result is null then 1 else 0 end as bigint) as unknown
    from task t left join card k on k.id = t.card
    left join call c on c.id = t.call left join line l on l.id = c.line";

/// Open call-backs of a person, the most urgent first.
pub async fn open_of(db: &Db, person: PersonId, limit: i64) -> Result<Vec<Task>, StoreError> {
    let sql = format!(
        "{OPEN} where t.person = $1 and t.done_at is null order by t.due_at, t.id limit $2"
    );
    Ok(on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(person.0)
            .bind(limit)
            .fetch_all(pool)
            .await?
    }))
}

/// Open call-backs that are nobody's yet, the most urgent first.
pub async fn open_of_nobody(db: &Db, limit: i64) -> Result<Vec<Task>, StoreError> {
    let sql = format!(
        "{OPEN} where t.person is null and t.done_at is null order by t.due_at, t.id limit $1"
    );
    Ok(on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(limit).fetch_all(pool).await?
    }))
}

/// Whose task it is and of which card; `None` if there is no such open task.
pub async fn open(
    db: &Db,
    id: i64,
) -> Result<Option<(Option<i64>, Option<Uuid>, Option<Uuid>)>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as("select person, card, call from task where id = $1 and done_at is null")
            .bind(id)
            .fetch_optional(pool)
            .await?
    }))
}

/// Closes a task because a person says so: no later news of the call opens it again. Calls close theirs
/// themselves.
pub async fn close_by_person(db: &Db, id: i64, now: Timestamp) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query(
            "update task set done_at = $2, outcome = 'closed_by_person'
             where id = $1 and done_at is null",
        )
        .bind(id)
        .bind(now.as_micros())
        .execute(pool)
        .await?;
    });
    Ok(())
}

/// Whose an open task is and which number it wants called.
pub async fn client_of(
    db: &Db,
    id: i64,
) -> Result<Option<(Option<i64>, Option<String>)>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as("select person, client from task where id = $1 and done_at is null")
            .bind(id)
            .fetch_optional(pool)
            .await?
    }))
}
