//! A connection to PostgreSQL that one task uses, and that begins with some statements.
//!
//! A pool would ask a connection whether it still lives whenever it comes back: a trip for nothing, at
//! every batch.

use std::{sync::Arc, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgDatabaseError, PgSeverity},
};
use tokio::sync::Mutex;

/// What takes longer is given up: a server that has gone without a word is not waited for.
const LONGEST: Duration = Duration::from_secs(10);

/// Opened when it is wanted, and anew after any error but a refusal.
#[derive(Clone, Debug)]
pub struct Session {
    options: Arc<PgConnectOptions>,
    patience: Duration,
    begin: &'static str,
    open: Arc<Mutex<Option<PgConnection>>>,
}

impl Session {
    /// A connection to the database of this pool.
    pub(super) fn new(shared: &PgPool, begin: &'static str) -> Self {
        Self {
            options: shared.connect_options(),
            patience: shared.options().get_acquire_timeout(),
            begin,
            open: Arc::default(),
        }
    }

    /// Does something with it, a statement that is a transaction of its own. It is closed if that is given up, or
    /// fails otherwise than by the server's refusal.
    pub(super) async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let mut open = self.open.lock().await;
        let mut connection = match open.take() {
            Some(connection) => connection,
            None => tokio::time::timeout(self.patience, self.connect())
                .await
                .map_err(|_| sqlx::Error::PoolTimedOut)??,
        };
        let done = tokio::time::timeout(LONGEST, work(&mut connection))
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?;
        if done.as_ref().err().is_none_or(is_refusal) {
            *open = Some(connection);
        }
        done
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        let begin = sqlx::raw_sql(AssertSqlSafe(self.begin));
        connection.execute(begin).await?;
        Ok(connection)
    }

    /// Closes it.
    pub(super) async fn close(&self) {
        if let Some(connection) = self.open.lock().await.take() {
            // Who is away is closed, too.
            _ = connection.close().await;
        }
    }
}

/// Whether the server said no, and nothing else is wrong.
fn is_refusal(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
        .is_some_and(|error| error.severity() == PgSeverity::Error)
}
