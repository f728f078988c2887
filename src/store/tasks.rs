//! Tasks people see: whom to call back, and by when.

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Db, StoreError,
    sql::{Bound, Sql, fetch_all},
};
use crate::{
    model::{
        ids::{CardId, PersonId},
        time::Timestamp,
    },
    on_read, on_write,
};

/// A task; times in microseconds.
#[derive(Clone, Debug, FromRow)]
#[allow(missing_docs, reason = "columns of `task`, described in the schema")]
pub struct Task {
    pub id: i64,
    pub kind: String,
    pub call: Option<Uuid>,
    pub card: Option<Uuid>,
    pub client: Option<String>,
    pub person: Option<i64>,
    pub created_at: i64,
    pub due_at: i64,
    pub done_at: Option<i64>,
    pub done_by: Option<Uuid>,
    pub outcome: Option<String>,
    pub card_name: Option<String>,
    pub card_company: Option<String>,
    pub line_name: Option<String>,
    /// 1: nobody has told whether anybody talked.
    pub unknown: i64,
}

const OPEN: &str = "select t.id, t.kind, t.call, t.card, t.client, t.person, t.created_at, t.due_at, t.done_at, t.done_by, t.outcome,
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

/// Whose tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Everybody's, and those that are nobody's.
    Everybody,
    /// Those of people of this department, and those that are nobody's.
    Department(i64),
    /// Those of this person.
    Person(PersonId),
}

/// Which tasks.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Whose.
    pub whose: Whose,
    /// Of this person.
    pub person: Option<PersonId>,
    /// On this card.
    pub card: Option<CardId>,
    /// Closed ones instead of open ones.
    pub done: bool,
}

/// A page of tasks by (due, id), after a task.
pub async fn page(
    db: &Db,
    filter: &Filter,
    after: Option<(i64, i64)>,
    limit: i64,
) -> Result<Vec<Task>, StoreError> {
    let mut sql = Sql::default();
    sql.push(OPEN).push(match filter.done {
        true => " where t.done_at is not null",
        false => " where t.done_at is null",
    });
    match filter.whose {
        Whose::Everybody => {}
        Whose::Department(department) => {
            sql.push(
                " and (t.person is null or t.person in (select id from person where department = ",
            );
            sql.bind(Bound::Int(department)).push("))");
        }
        Whose::Person(person) => {
            sql.push(" and t.person = ").bind(Bound::Int(person.0));
        }
    }
    if let Some(person) = filter.person {
        sql.push(" and t.person = ").bind(Bound::Int(person.0));
    }
    if let Some(card) = filter.card {
        sql.push(" and t.card = ").bind(Bound::Id(card.0));
    }
    if let Some((due_at, id)) = after {
        sql.push(" and (t.due_at, t.id) > (");
        sql.bind(Bound::Int(due_at)).push(", ");
        sql.bind(Bound::Int(id)).push(")");
    }
    sql.push(" order by t.due_at, t.id limit ")
        .bind(Bound::Int(limit));
    Ok(fetch_all!(db, sql))
}

/// One task, open or closed.
pub async fn by_id(db: &Db, id: i64) -> Result<Option<Task>, StoreError> {
    let mut sql = Sql::default();
    sql.push(OPEN).push(" where t.id = ").bind(Bound::Int(id));
    let rows: Vec<Task> = fetch_all!(db, sql);
    Ok(rows.into_iter().next())
}
