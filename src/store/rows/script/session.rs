//! A connection to PostgreSQL that one task uses, and that begins with some statements.
//!
//! A pool would ask a connection whether it still lives whenever it comes back: a trip for nothing, at
//! every batch.

use std::{sync::Arc, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool,
    postgres::PgConnectOptions,
};
use tokio::sync::Mutex;

/// Opened when it is wanted, and anew after any error.
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

    /// Does something with it. It is closed if that fails or is given up.
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
        let done = work(&mut connection).await?;
        *open = Some(connection);
        Ok(done)
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
