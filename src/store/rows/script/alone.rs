//! What is done without a transaction that somebody holds open: a whole script in one trip, and reading
//! what is committed.

use sqlx::{FromRow, SqlitePool, postgres::PgRow, sqlite::SqliteRow};

use super::{
    Function, Script, ScriptRows,
    function::{COUNT_BATCH_PG, reading},
    session::Session,
};
use crate::store::{
    Db,
    rows::{Cells, Rows, Tx, mixed_engines},
};

/// Where a database stands: what a batch prepared ahead depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Stand {
    /// Of the directory: grows with every change by somebody else that matters to the writer.
    pub version: i64,
    /// Batches written so far.
    pub batches: i64,
}

/// The connections by which batches are read ahead and written, each in one trip.
#[derive(Clone, Debug)]
pub enum Alone {
    /// SQLite.
    Lite {
        /// Reads what is committed.
        ahead: SqlitePool,
        /// Writes, and does not wait for the disk.
        batch: SqlitePool,
        /// Everybody else's: held while the other writes, so that the two take turns.
        write: SqlitePool,
    },
    /// PostgreSQL.
    Pg {
        /// Reads what is committed.
        ahead: Session,
        /// Writes by the function.
        batch: Session,
        /// What it runs.
        function: &'static Function,
    },
}

impl Alone {
    /// Those of this database, for this script.
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
                function,
            },
        }
    }

    /// Closes those that nobody else has.
    pub async fn close(&self) {
        if let Self::Pg { ahead, batch, .. } = self {
            ahead.close().await;
            batch.close().await;
        }
    }

    /// Reads outside any write transaction: what is committed by now.
    pub async fn fetch<T>(&self, rows: Rows) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        match self {
            Self::Lite { ahead, .. } => fetch_committed(ahead, rows).await,
            Self::Pg { ahead, .. } => {
                ahead
                    .with(async |connection| rows.fetch_pg(connection).await)
                    .await
            }
        }
    }

    /// Runs the script as a transaction of its own, in one trip: whole or not at all, and only if the
    /// database stands where it should. On PostgreSQL the rows of `held` must be as they were, too; on
    /// SQLite nobody changes any without the database standing elsewhere.
    pub async fn commit(
        &self,
        held: Rows,
        writes: ScriptRows,
        stand: Stand,
    ) -> Result<(), sqlx::Error> {
        match self {
            Self::Lite { batch, write, .. } => writes.commit_alone((batch, write), stand).await,
            Self::Pg {
                batch, function, ..
            } => function.run(batch, (held, writes), stand).await,
        }
    }
}

/// Every batch that is written on SQLite is counted.
const COUNT_BATCH: &str = "update directory_version set batches = batches + 1";

impl Script {
    /// The same as a whole transaction, which fails if the directory is not of the version, or the last
    /// batch not of the number, that come as the last parameters.
    fn alone(&'static self, with_rare: bool) -> &'static str {
        self.alone[usize::from(with_rare)].get_or_init(|| {
            let steps = self.steps.iter().filter(|step| with_rare || !step.rare);
            let statements: usize = steps.map(|step| step.statements.len()).sum();
            format!(
                "begin immediate;\n\
                 insert into directory_version (version) select null from directory_version \
                 where version <> ${} or batches <> ${};\n{};\n{COUNT_BATCH};\ncommit",
                2 * statements + 1,
                2 * statements + 2,
                self.lite(with_rare),
            )
        })
    }
}

impl ScriptRows {
    /// The same on SQLite. `batch` may be a connection that does not wait for the disk; nobody writes with
    /// another one meanwhile.
    async fn commit_alone(
        self,
        (batch, write): (&SqlitePool, &SqlitePool),
        stand: Stand,
    ) -> Result<(), sqlx::Error> {
        let with_rare = self.with_rare();
        let query = sqlx::query(self.script.alone(with_rare));
        let query = self.bind(query, with_rare)?;
        let query = query.bind(stand.version).bind(stand.batches);
        // SQLite would let the two ask for the lock again and again; this way they take turns.
        let _turn = write.acquire().await?;
        let mut connection = batch.acquire().await?;
        let done = query.execute(&mut *connection).await;
        if done.is_err() {
            // Fails where nothing was begun, or SQLite has taken it back by itself.
            _ = sqlx::query("rollback").execute(&mut *connection).await;
        }
        done.map(drop)
    }
}

impl Tx {
    /// Where the database stands.
    pub async fn stand(&mut self) -> Result<Option<Stand>, sqlx::Error> {
        let stands = match self {
            Self::Lite(_) => self.read("select version, batches from directory_version"),
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

/// Reads on a SQLite connection outside any write transaction: what is committed by now.
async fn fetch_committed<T>(pool: &SqlitePool, rows: Rows) -> Result<Vec<T>, sqlx::Error>
where
    T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
{
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let Cells::Lite { mut json, blob } = rows.cells else {
        return Err(mixed_engines());
    };
    json.push(']');
    let query = sqlx::query_as(rows.statement.lite()).bind(json).bind(blob);
    query.fetch_all(pool).await
}
