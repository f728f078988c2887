//! The log of what was let go of or erased: how much, when, by which rule, never what it said.

use sqlx::FromRow;

use super::{Db, StoreError};
use crate::{
    model::{ids::PersonId, time::Timestamp},
    on_read, on_write,
};

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purged<'a> {
    /// By which rule.
    pub rule: &'a str,
    /// Table, or files.
    pub what: &'a str,
    /// How many rows, or files.
    pub gone: u64,
    /// Older than this; `None`: not by age.
    pub before: Option<Timestamp>,
    /// Who asked; `None`: upkeep, or the command line.
    pub person: Option<PersonId>,
    /// Anything worth keeping; never what was in it.
    pub detail: &'a str,
}

/// Keeps a line.
pub async fn keep(db: &Db, purged: &Purged<'_>, now: Timestamp) -> Result<(), StoreError> {
    const SQL: &str = "insert into purge (at, rule, what, gone, before, person, detail) \
        values ($1, $2, $3, $4, $5, $6, $7)";
    on_write!(db, pool => {
        sqlx::query(SQL)
            .bind(now.as_micros())
            .bind(purged.rule)
            .bind(purged.what)
            .bind(i64::try_from(purged.gone).unwrap_or(i64::MAX))
            .bind(purged.before.map(Timestamp::as_micros))
            .bind(purged.person.map(|person| person.0))
            .bind(purged.detail)
            .execute(pool)
            .await?;
    });
    Ok(())
}

/// One line as pages show it; times in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Line {
    /// Row id.
    pub id: i64,
    /// When.
    pub at: i64,
    /// By which rule.
    pub rule: String,
    /// Table, or files.
    pub what: String,
    /// How many.
    pub gone: i64,
    /// Older than this.
    pub before: Option<i64>,
    /// Name of who asked.
    pub name: Option<String>,
    /// Anything worth keeping.
    pub detail: String,
}

/// The log, the newest first, older than the line `before`.
pub async fn page(db: &Db, before: Option<i64>, limit: i64) -> Result<Vec<Line>, StoreError> {
    const SQL: &str = "select g.id, g.at, g.rule, g.what, g.gone, g.before, p.name, g.detail \
        from purge g left join person p on p.id = g.person \
        where g.id < $1 order by g.id desc limit $2";
    Ok(on_read!(db, pool => {
        sqlx::query_as(SQL)
            .bind(before.unwrap_or(i64::MAX))
            .bind(limit)
            .fetch_all(pool)
            .await?
    }))
}

/// Counts what a rule by age has let go of: a line for each day, rule and table. Nothing gone, no line.
pub async fn by_age(
    db: &Db,
    rule: &str,
    what: &str,
    gone: u64,
    before: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    const ADD: &str = "update purge set gone = gone + $1, before = $2, at = $3 \
        where rule = $4 and what = $5 and before is not null and at >= $6";
    const DAY_US: i64 = 86_400_000_000;
    if gone == 0 {
        return Ok(());
    }
    let midnight = now.as_micros().div_euclid(DAY_US) * DAY_US;
    let added = on_write!(db, pool => {
        sqlx::query(ADD)
            .bind(i64::try_from(gone).unwrap_or(i64::MAX))
            .bind(before.as_micros())
            .bind(now.as_micros())
            .bind(rule)
            .bind(what)
            .bind(midnight)
            .execute(pool)
            .await?
            .rows_affected()
    });
    if added > 0 {
        return Ok(());
    }
    let purged = Purged {
        rule,
        what,
        gone,
        before: Some(before),
        person: None,
        detail: "",
    };
    keep(db, &purged, now).await
}
