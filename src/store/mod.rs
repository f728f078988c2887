//! Two databases, one behaviour: SQLite (embedded default) and PostgreSQL.
//!
//! Callers see verbs of the domain, never SQL or rows. One file per group of tables. The same SQL
//! text serves both engines wherever it can (`on_read!`, `on_write!` expand one expression per
//! engine, so each is typed); where it cannot (`json_each` against `UNNEST`, `skip locked`), there is
//! one function per engine.
//!
//! Everything a call event changes goes through the one writer in one transaction; small changes by
//! people (sessions, audit, settings) use the write side of [`Db`] directly.

pub mod answers;
pub mod arrivals;
pub mod audit;
pub mod bookkeeping;
pub mod cards;
pub mod changes;
pub mod channel_rules;
pub mod channels;
pub mod checkup;
pub mod deliveries;
pub mod depths;
pub mod derived;
pub mod direct;
pub mod erase;
pub mod export;
pub mod figures;
pub mod going_on;
pub mod hold;
pub mod import;
pub mod journal;
pub mod leaving;
pub mod lost;
pub mod marks;
pub mod merging;
pub mod news;
pub mod numbers;
pub mod open;
pub mod people;
pub mod pops;
pub mod purge;
pub mod raw;
pub mod reconcile;
pub mod recorded;
pub mod recordings;
pub mod reports;
pub mod retention;
pub mod routing;
pub mod rows;
pub mod sealing;
pub mod search;
pub mod sessions;
pub mod settings;
pub mod snapshot;
pub mod sources;
pub mod spend;
pub mod sql;
pub mod staff;
pub mod stock;
pub mod subscriptions;
pub mod tasks;
pub mod tokens;
pub mod touches;
pub mod trace;
pub mod visits;
pub mod writer;

use std::{path::PathBuf, str::FromStr, time::Duration};

use sqlx::{
    Connection, PgPool, SqlitePool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};

use self::direct::Direct;

/// A server's connection that was used so lately is not asked whether it still stands.
const RESTED: Duration = Duration::from_secs(1);

/// The migrations; both engines have the same numbers.
static LITE_SCHEMA: Migrator = sqlx::migrate!("src/store/migrations/sqlite");
static PG_SCHEMA: Migrator = sqlx::migrate!("src/store/migrations/postgres");

/// Expands one expression for the read side of either engine: `on_read!(db, pool => expr)`.
#[macro_export]
macro_rules! on_read {
    ($db:expr, $pool:ident => $body:expr) => {
        match $db {
            $crate::store::Db::Lite { read: $pool, .. } => $body,
            $crate::store::Db::Pg($pool) => $body,
        }
    };
}

/// Expands one expression for the write side of either engine: `on_write!(db, pool => expr)`.
#[macro_export]
macro_rules! on_write {
    ($db:expr, $pool:ident => $body:expr) => {
        match $db {
            $crate::store::Db::Lite { write: $pool, .. } => $body,
            $crate::store::Db::Pg($pool) => $body,
        }
    };
}

/// Where the data lives and how it is opened.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `sqlite:path/to/file.db` or `postgres://user@host/database`.
    pub url: String,
    /// Connections of the read side.
    pub read_connections: u32,
    /// How long one statement may wait for a connection, in milliseconds.
    pub acquire_timeout_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "sqlite:ringcard.db".to_owned(),
            read_connections: 4,
            acquire_timeout_ms: 2_000,
        }
    }
}

/// The store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The configured address is of neither engine.
    #[error("database url {0:?} starts with neither sqlite: nor postgres:")]
    Url(String),
    /// The database said no or is away.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The sealed facts of a call cannot be read.
    #[error("facts of call {call}: {source}")]
    Sealed {
        /// The call.
        call: uuid::Uuid,
        /// Why.
        source: crate::tracker::SealError,
    },
    /// A stored value cannot be read by this version.
    #[error("stored value of {what} cannot be read: {source}")]
    Value {
        /// Table and column.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

impl StoreError {
    /// Whether the same may go well later without anybody's help.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Database(error) => matches!(
                error,
                sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Database(_)
            ),
            Self::Migration(sqlx::migrate::MigrateError::Execute(error)) => {
                matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut)
            }
            _ => false,
        }
    }
}

/// The open database.
#[derive(Clone, Debug)]
pub enum Db {
    /// SQLite in WAL mode: one connection writes, a few read.
    Lite {
        /// Read-only connections.
        read: SqlitePool,
        /// The one write connection.
        write: SqlitePool,
        /// The writer's own, for batches: it does not wait for the disk. Who writes with it holds the
        /// connection of `write` meanwhile, and has the log synced before anybody is told
        /// ([`writer`], `log`).
        batch: Direct,
        /// The writer's own read-only connection: no page may keep the writer waiting for one.
        ahead: Direct,
        /// Read-only, for questions that a ringing phone waits for: no thread lies between.
        asked: Direct,
        /// Copies the log back into the file.
        checkpoint: SqlitePool,
    },
    /// PostgreSQL.
    Pg(PgPool),
}

impl Db {
    /// Opens the database, making the SQLite file if it is not there. The schema is not touched.
    pub async fn open(settings: &Settings) -> Result<Self, StoreError> {
        let acquire = Duration::from_millis(settings.acquire_timeout_ms);
        if settings.url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(&settings.url)?.create_if_missing(true);
            let options = direct::COMMON.of_pool(options);
            let write = SqlitePoolOptions::new()
                .max_connections(1)
                // A file does not hang up; asking it before every batch is a trip for nothing.
                .test_before_acquire(false)
                // On a full disk SQLite takes a transaction back by itself; ours then believes for ever
                // that one is open, and no other can begin on it.
                .before_acquire(|connection, _| {
                    let is_clean = !connection.is_in_transaction();
                    Box::pin(async move { Ok(is_clean) })
                })
                .acquire_timeout(acquire)
                // The rows of a batch come in one go, not in portions that each wait for their reader.
                .connect_with(options.clone().row_buffer_size(1_024))
                .await?;
            let batch = Direct::writing(&options, direct::BATCH);
            let ahead = Direct::reading(&options, direct::COMMON);
            let asked = Direct::reading(&options, direct::COMMON);
            let checkpoint = SqlitePoolOptions::new()
                .max_connections(1)
                .acquire_timeout(acquire)
                .connect_lazy_with(options.clone());
            let read = SqlitePoolOptions::new()
                .max_connections(settings.read_connections)
                .test_before_acquire(false)
                .acquire_timeout(acquire)
                .connect_lazy_with(options.read_only(true).create_if_missing(false));
            return Ok(Self::Lite {
                read,
                write,
                batch,
                ahead,
                asked,
                checkpoint,
            });
        }
        if settings.url.starts_with("postgres:") || settings.url.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(&settings.url)?;
            let pool = PgPoolOptions::new()
                .max_connections(settings.read_connections + 4)
                .test_before_acquire(false)
                .before_acquire(|connection, used| {
                    Box::pin(async move {
                        if used.idle_for >= RESTED {
                            connection.ping().await?;
                        }
                        Ok(true)
                    })
                })
                .acquire_timeout(acquire)
                .connect_lazy_with(options);
            return Ok(Self::Pg(pool));
        }
        Err(StoreError::Url(settings.url.clone()))
    }

    /// Brings the schema up to date; forward only.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match self {
            Self::Lite { write, .. } => LITE_SCHEMA.run(write).await?,
            Self::Pg(pool) => PG_SCHEMA.run(pool).await?,
        }
        Ok(())
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        on_read!(self, pool => sqlx::query("select 1").execute(pool).await.map(|_| ()))?;
        Ok(())
    }

    /// `sqlite` or `postgres`.
    pub fn engine(&self) -> &'static str {
        match self {
            Self::Lite { .. } => "sqlite",
            Self::Pg(_) => "postgres",
        }
    }

    /// Closes all connections; SQLite writes its log back into the file.
    pub async fn close(&self) {
        match self {
            Self::Lite {
                read,
                write,
                batch,
                ahead,
                asked,
                checkpoint,
            } => {
                checkpoint.close().await;
                ahead.close().await;
                asked.close().await;
                read.close().await;
                batch.close().await;
                write.close().await;
            }
            Self::Pg(pool) => pool.close().await,
        }
    }

    /// The SQLite file, if there is one.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Self::Lite { write, .. } => Some(write.connect_options().get_filename().to_owned()),
            Self::Pg(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_schema_is_made_and_made_again() {
        let folder = std::env::temp_dir().join(format!("ringcard-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        let settings = Settings {
            url: format!("sqlite:{}", folder.join("t.db").display()),
            ..Settings::default()
        };
        let db = Db::open(&settings).await.unwrap();
        db.migrate().await.unwrap();
        db.migrate().await.unwrap();
        db.ping().await.unwrap();
        let (tables,): (i64,) = on_read!(&db, pool => {
            sqlx::query_as("select count(*) from call").fetch_one(pool).await
        })
        .unwrap();
        assert_eq!(tables, 0);
        db.close().await;
        std::fs::remove_dir_all(folder).unwrap();
    }
}
