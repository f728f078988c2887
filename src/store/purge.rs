//! The log of what was let go of or erased: how much, when, by which rule, never what it said.

use super::{Db, StoreError};
use crate::{
    model::{ids::PersonId, time::Timestamp},
    on_write,
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
