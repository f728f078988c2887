//! Legal holds: calls and cards that must not be let go of or erased until somebody lifts the hold.

use sqlx::FromRow;

use super::{Db, StoreError};
use crate::{
    model::{ids::PersonId, time::Timestamp},
    on_read, on_write,
};

/// A hold as pages show it; times in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Hold {
    /// `call:<id>` or `card:<id>`.
    pub object: String,
    /// Why.
    pub reason: String,
    /// Who set it.
    pub name: Option<String>,
    /// Since when.
    pub at: i64,
}

/// The hold on one object, if there is one.
pub async fn on(db: &Db, object: &str) -> Result<Option<Hold>, StoreError> {
    const SQL: &str = "select h.object, h.reason, p.name, h.at from hold h \
        left join person p on p.id = h.person where h.object = $1 and h.lifted_at is null";
    Ok(on_read!(db, pool => sqlx::query_as(SQL).bind(object).fetch_optional(pool).await?))
}

/// Every hold that is on, the oldest first.
pub async fn all(db: &Db) -> Result<Vec<Hold>, StoreError> {
    const SQL: &str = "select h.object, h.reason, p.name, h.at from hold h \
        left join person p on p.id = h.person where h.lifted_at is null order by h.at, h.id";
    Ok(on_read!(db, pool => sqlx::query_as(SQL).fetch_all(pool).await?))
}

/// Sets a hold; one that is there stays as it is.
pub async fn set(
    db: &Db,
    object: &str,
    reason: &str,
    person: Option<PersonId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "insert into hold (object, reason, person, at) values ($1, $2, $3, $4) \
        on conflict (object) where lifted_at is null do nothing";
    on_write!(db, pool => {
        sqlx::query(SQL)
            .bind(object)
            .bind(reason)
            .bind(person.map(|person| person.0))
            .bind(now.as_micros())
            .execute(pool)
            .await?;
    });
    Ok(())
}

/// Lifts a hold.
pub async fn lift(
    db: &Db,
    object: &str,
    person: Option<PersonId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "update hold set lifted_at = $2, lifted_by = $3 \
        where object = $1 and lifted_at is null";
    on_write!(db, pool => {
        sqlx::query(SQL)
            .bind(object)
            .bind(now.as_micros())
            .bind(person.map(|person| person.0))
            .execute(pool)
            .await?;
    });
    Ok(())
}
