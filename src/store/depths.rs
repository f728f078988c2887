//! How much waits or lies dead, for operations.

use super::{Db, StoreError};
use crate::{model::time::Timestamp, on_read};

/// Jobs of one kind that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// `recording`, ...
    pub kind: String,
    /// How many.
    pub jobs: i64,
    /// When the oldest was made.
    pub oldest: Timestamp,
}

/// Messages kept but not understood or not applied.
pub async fn dead_letters(db: &Db) -> Result<i64, StoreError> {
    const SQL: &str = "select count(*) from raw where outcome in ('undecodable', 'apply_failed')";
    let (count,): (i64,) = on_read!(db, pool => sqlx::query_as(SQL).fetch_one(pool).await?);
    Ok(count)
}

/// Jobs and deliveries that wait, by kind.
pub async fn outbox(db: &Db) -> Result<Vec<Waiting>, StoreError> {
    const SQL: &str = "select kind, count(*), min(created_at) from outbox \
         where state = 'waiting' group by kind order by kind";
    let rows: Vec<(String, i64, i64)> =
        on_read!(db, pool => sqlx::query_as(SQL).fetch_all(pool).await?);
    let waiting = rows.into_iter().map(|(kind, jobs, oldest)| Waiting {
        kind,
        jobs,
        oldest: Timestamp::from_micros(oldest),
    });
    Ok(waiting.collect())
}

/// How many of this version's migrations the database has not had yet.
pub async fn missing_migrations(db: &Db) -> Result<usize, StoreError> {
    const SQL: &str = "select count(*) from _sqlx_migrations where success";
    let (done,): (i64,) = on_read!(db, pool => sqlx::query_as(SQL).fetch_one(pool).await?);
    let known = match db {
        Db::Lite { .. } => sqlx::migrate!("src/store/migrations/sqlite").iter().count(),
        Db::Pg(_) => sqlx::migrate!("src/store/migrations/postgres")
            .iter()
            .count(),
    };
    Ok(known.saturating_sub(usize::try_from(done).unwrap_or(0)))
}
