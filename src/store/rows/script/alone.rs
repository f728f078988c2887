//! What the writer does on connections of its own: a whole script in one transaction, and reading what is
//! committed. On SQLite that takes no trip, on PostgreSQL one.

use rusqlite::TransactionBehavior;
use sqlx::{FromRow, PgConnection, SqlitePool, postgres::PgRow};

use super::{
    Function, ScriptRows,
    function::{COUNT_BATCH_PG, FLUSH, flushing, reading},
    session::Session,
};
use crate::store::{
    Db,
    direct::{Direct, DirectError},
    rows::{Rows, Tx},
};

/// Where a database stands: what a batch prepared ahead depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Stand {
    /// Of the directory: grows with every change by somebody else that matters to the writer.
    pub version: i64,
    /// Batches written so far.
    pub batches: i64,
}

/// How what was committed becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pledge {
    /// It is.
    Durable,
    /// When SQLite's log is synced.
    Log,
    /// When PostgreSQL says so over the connection of this number, which was open before: if that one still is
    /// there, so is the server, with all that it has not written to disk yet.
    Connection(u64),
}

/// The connections by which batches are read ahead and written.
#[derive(Clone, Debug)]
pub enum Alone {
    /// SQLite, in the thread that asks.
    Lite {
        /// Reads what is committed.
        ahead: Direct,
        /// Writes, and does not wait for the disk.
        batch: Direct,
        /// Everybody else's: held while the other writes, so that the two take turns.
        write: SqlitePool,
    },
    /// PostgreSQL.
    Pg {
        /// Reads what is committed.
        ahead: Session,
        /// Writes by the function.
        batch: Session,
        /// Waits for the disk where that one does not.
        flush: Session,
        /// What it runs.
        function: &'static Function,
    },
}

impl Alone {
    /// Those of this database, for the script of this function.
    pub fn of(db: &Db, function: &'static Function) -> Self {
        match db {
            Db::Lite {
                ahead,
                batch,
                write,
                ..
            } => Self::Lite {
                ahead: ahead.clone(),
                batch: batch.clone(),
                write: write.clone(),
            },
            Db::Pg(shared) => Self::Pg {
                ahead: reading(shared),
                batch: function.session(shared),
                flush: flushing(shared),
                function,
            },
        }
    }

    /// Closes those that nobody else closes.
    pub async fn close(&self) {
        if let Self::Pg {
            ahead,
            batch,
            flush,
            ..
        } = self
        {
            ahead.close().await;
            batch.close().await;
            flush.close().await;
        }
    }

    /// Waits until PostgreSQL has made durable what was committed with this pledge, and all before it. After an
    /// error nobody knows: a server that has come back may have lost the last of it.
    pub async fn flush(&self, pledge: Pledge) -> Result<(), sqlx::Error> {
        #[cfg(feature = "planted")]
        if crate::planted::is("log_not_synced") {
            return Ok(());
        }
        let (Self::Pg { flush, .. }, Pledge::Connection(number)) = (self, pledge) else {
            return Ok(());
        };
        let wait = async |connection: &mut PgConnection, _: &[_]| {
            sqlx::raw_sql(FLUSH).execute(connection).await.map(drop)
        };
        flush.with_number(number, wait).await
    }

    /// Reads outside any write transaction: what is committed by now.
    pub async fn fetch<T>(&self, rows: Rows) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> TryFrom<&'r rusqlite::Row<'r>, Error = rusqlite::Error>
            + for<'r> FromRow<'r, PgRow>
            + Send
            + Unpin,
    {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Self::Lite { ahead, .. } => Ok(ahead.with(|connection| {
                // All rows see the same, and the lock that readers take is taken once.
                let reading = connection.transaction()?;
                rows.fetch_on(&reading)
            })?),
            Self::Pg { ahead, .. } => {
                ahead
                    .with(async |connection, _| rows.fetch_pg(connection).await)
                    .await
            }
        }
    }

    /// Runs the script as a transaction of its own: whole or not at all, and only if the database stands
    /// where it should. It is durable once the pledge is redeemed ([`Alone::flush`]); `waits`: until PostgreSQL has
    /// made it so. There, what is changed must be as it was, too; on SQLite nobody changes any of it without the
    /// database standing elsewhere, and nobody writes with another connection meanwhile: who calls it has a
    /// turn.
    pub async fn commit(
        &self,
        writes: ScriptRows,
        stand: Stand,
        waits: bool,
    ) -> Result<Pledge, sqlx::Error> {
        match self {
            Self::Lite { batch, .. } => {
                commit_lite(batch, writes, stand)?;
                Ok(Pledge::Log)
            }
            Self::Pg {
                batch,
                flush,
                function,
                ..
            } => {
                let pledge = match waits {
                    true => Pledge::Durable,
                    false => Pledge::Connection(flush.number().await?),
                };
                function.run(batch, writes, stand, waits).await?;
                Ok(pledge)
            }
        }
    }
}

fn commit_lite(batch: &Direct, writes: ScriptRows, stand: Stand) -> Result<(), DirectError> {
    batch.with(|connection| {
        // When it is dropped, by an error or a panic, all is taken back.
        let writing = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: Stand = writing.prepare_cached(STAND)?.query_row([], |row| {
            let (version, batches) = row.try_into()?;
            Ok(Stand { version, batches })
        })?;
        if found != stand {
            return Err(DirectError::Outdated);
        }
        for rows in writes.rows {
            rows.run_on(&writing)?;
        }
        writing.prepare_cached(COUNT_BATCH)?.execute([])?;
        Ok(writing.commit()?)
    })
}

/// Where the database stands.
const STAND: &str = "select version, batches from directory_version";
/// Every batch that is written on SQLite is counted.
const COUNT_BATCH: &str = "update directory_version set batches = batches + 1";

impl Tx {
    /// Where the database stands.
    pub async fn stand(&mut self) -> Result<Option<Stand>, sqlx::Error> {
        let stands = match self {
            Self::Lite(_) => self.read(STAND),
            Self::Pg(_) => {
                self.read("select version, batches from directory_version, writer_stand")
            }
        };
        Ok(stands.await?.into_iter().next())
    }

    /// Counts the batch of this transaction.
    pub async fn count_batch(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Lite(tx) => _ = sqlx::query(COUNT_BATCH).execute(&mut **tx).await?,
            Self::Pg(tx) => _ = sqlx::query(COUNT_BATCH_PG).execute(&mut **tx).await?,
        }
        Ok(())
    }
}
