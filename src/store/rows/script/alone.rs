//! What SQLite does on the writer's own connections, without a trip: a whole script in one transaction, and
//! reading what is committed.

use rusqlite::TransactionBehavior;
use sqlx::SqlitePool;

use super::ScriptRows;
use crate::store::{
    Db,
    direct::{Direct, DirectError},
    rows::{Rows, Tx},
};

/// Where a SQLite database stands: what a batch prepared ahead depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Stand {
    /// Of the directory: grows with every change by somebody else that matters to the writer.
    pub version: i64,
    /// Batches written so far.
    pub batches: i64,
}

/// The connections by which batches are read ahead and written, each in the thread that asks.
#[derive(Clone, Debug)]
pub enum Alone {
    /// SQLite.
    Lite {
        /// Reads what is committed.
        ahead: Direct,
        /// Writes, and does not wait for the disk.
        batch: Direct,
        /// Everybody else's: held while the other writes, so that the two take turns.
        write: SqlitePool,
    },
}

impl Alone {
    /// Those of this database; `None` if batches are not prepared ahead there.
    pub fn of(db: &Db) -> Option<Self> {
        let Db::Lite {
            ahead,
            batch,
            write,
            ..
        } = db
        else {
            return None;
        };
        Some(Self::Lite {
            ahead: ahead.clone(),
            batch: batch.clone(),
            write: write.clone(),
        })
    }

    /// Reads outside any write transaction: what is committed by now.
    pub fn fetch<T>(&self, rows: Rows) -> Result<Vec<T>, DirectError>
    where
        T: for<'r> TryFrom<&'r rusqlite::Row<'r>, Error = rusqlite::Error>,
    {
        let Self::Lite { ahead, .. } = self;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        ahead.with(|connection| {
            // All rows see the same, and the lock that readers take is taken once.
            let reading = connection.transaction()?;
            rows.fetch_on(&reading)
        })
    }

    /// Runs the script as a transaction of its own: whole or not at all, and only if the database stands
    /// where it should. Nobody writes with another connection meanwhile: who calls it has a turn.
    pub fn commit(&self, writes: ScriptRows, stand: Stand) -> Result<(), DirectError> {
        let Self::Lite { batch, .. } = self;
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
}

/// Where the database stands.
const STAND: &str = "select version, batches from directory_version";
/// Every batch that is written on SQLite is counted.
const COUNT_BATCH: &str = "update directory_version set batches = batches + 1";

impl Tx {
    /// Where a SQLite database stands.
    pub async fn stand(&mut self) -> Result<Option<Stand>, sqlx::Error> {
        match self {
            Self::Lite(_) => {
                let stands = self.read(STAND).await?;
                Ok(stands.into_iter().next())
            }
            Self::Pg(_) => Ok(None),
        }
    }

    /// Counts the batch of this transaction, on SQLite.
    pub async fn count_batch(&mut self) -> Result<(), sqlx::Error> {
        if let Self::Lite(tx) = self {
            sqlx::query(COUNT_BATCH).execute(&mut **tx).await?;
        }
        Ok(())
    }
}
