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
    /// Calls to the client that reached nobody.
    pub tries: i64,
    /// Whose it is, by name.
    pub person_name: Option<String>,
}

const OPEN: &str = "select t.id, t.kind, t.call, t.card, t.client, t.person, t.created_at, t.due_at, t.done_at, t.done_by, t.outcome,
        k.name as card_name, k.company as card_company, l.name as line_name,
        cast(case when c.id is not null and c.result is null then 1 else 0 end as bigint) as unknown,
        t.tries, p.name as person_name
    from task t left join person p on p.id = t.person left join card k on k.id = t.card
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

/// Other open tasks of the same client and person: one call back answers them all.
pub async fn alike(db: &Db, id: i64) -> Result<Vec<i64>, StoreError> {
    let found: Vec<(i64,)> = on_read!(db, pool => {
        sqlx::query_as(
            "select o.id from task t join task o on o.client = t.client and o.done_at is null \
             and o.person is not distinct from t.person and o.id <> t.id where t.id = $1 order by o.id",
        )
        .bind(id)
        .fetch_all(pool)
        .await?
    });
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Closes a task because a person says, with a reason, that nobody need be called: no later news of
/// the call opens it again. That somebody was called back only a call can say.
pub async fn not_needed(db: &Db, id: i64, reason: &str, now: Timestamp) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query(
            "update task set done_at = $2, outcome = 'not_needed', reason = $3
             where id = $1 and done_at is null",
        )
        .bind(id)
        .bind(now.as_micros())
        .bind(reason)
        .execute(pool)
        .await?;
    });
    Ok(())
}

/// Hands call-backs that were due before `before` to the head of their person's department, else to
/// the owner, at most `limit`; tells how many. Each is handed on once.
pub async fn escalate(
    db: &Db,
    before: Timestamp,
    now: Timestamp,
    limit: i64,
) -> Result<u64, StoreError> {
    const ANY: &str = "select 1 from task where done_at is null and escalated_at is null \
         and due_at < $1 limit 1";
    const SQL: &str = "update task set escalated_at = $2, escalated_to = coalesce( \
         (select min(h.id) from person p join person h on h.department = p.department \
         where p.id = task.person and h.role = 'head' and h.active = 1 and h.id <> p.id), \
         (select min(o.id) from person o where o.role = 'owner' and o.active = 1)) \
         where id in (select id from task where done_at is null and escalated_at is null \
         and due_at < $1 order by due_at limit $3)";
    let some = on_read!(db, pool => {
        sqlx::query(ANY).bind(before.as_micros()).fetch_optional(pool).await?.is_some()
    });
    if !some {
        return Ok(0);
    }
    Ok(on_write!(db, pool => {
        sqlx::query(SQL)
            .bind(before.as_micros())
            .bind(now.as_micros())
            .bind(limit)
            .execute(pool)
            .await?
            .rows_affected()
    }))
}

/// Open call-backs that were handed on to a person, the most overdue first.
pub async fn escalated_to(db: &Db, person: PersonId, limit: i64) -> Result<Vec<Task>, StoreError> {
    let sql = format!(
        "{OPEN} where t.escalated_to = $1 and t.done_at is null and t.escalated_at is not null \
         order by t.due_at, t.id limit $2"
    );
    Ok(on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(person.0)
            .bind(limit)
            .fetch_all(pool)
            .await?
    }))
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
