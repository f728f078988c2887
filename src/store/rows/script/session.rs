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

use crate::store::rows::wire::RecordType;

/// What takes longer is given up: a server that has gone without a word is not waited for.
const LONGEST: Duration = Duration::from_secs(10);

/// Types by their names, in that order.
const TYPES: &str = "select t.oid as one, t.typarray as array from unnest($1::text[]) \
     with ordinality as named(name, at) join pg_type t on t.oid = named.name::regtype order by at";

/// Opened when it is wanted, and anew after any error but a refusal.
#[derive(Clone, Debug)]
pub struct Session {
    options: Arc<PgConnectOptions>,
    patience: Duration,
    begin: &'static str,
    types: &'static [String],
    open: Arc<Mutex<Option<Open>>>,
}

/// A connection that has begun, with the types that it has made.
#[derive(Debug)]
struct Open {
    connection: PgConnection,
    types: Vec<RecordType>,
}

impl Session {
    /// A connection to the database of this pool; `types` are those that `begin` makes.
    pub(super) fn new(shared: &PgPool, begin: &'static str, types: &'static [String]) -> Self {
        Self {
            options: shared.connect_options(),
            patience: shared.options().get_acquire_timeout(),
            begin,
            types,
            open: Arc::default(),
        }
    }

    /// Does something with it, a statement that is a transaction of its own. It is closed if that is given up, or
    /// fails otherwise than by the server's refusal.
    pub(super) async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection, &[RecordType]) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let mut open = self.open.lock().await;
        let mut begun = match open.take() {
            Some(begun) => begun,
            None => tokio::time::timeout(self.patience, self.connect())
                .await
                .map_err(|_| sqlx::Error::PoolTimedOut)??,
        };
        let done = tokio::time::timeout(LONGEST, work(&mut begun.connection, &begun.types))
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?;
        if done.as_ref().err().is_none_or(is_refusal) {
            *open = Some(begun);
        }
        done
    }

    async fn connect(&self) -> Result<Open, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        let begin = sqlx::raw_sql(AssertSqlSafe(self.begin));
        connection.execute(begin).await?;
        let types = sqlx::query_as(TYPES).bind(self.types);
        let types = types.fetch_all(&mut connection).await?;
        Ok(Open { connection, types })
    }

    /// Closes it.
    pub(super) async fn close(&self) {
        if let Some(open) = self.open.lock().await.take() {
            // Who is away is closed, too.
            _ = open.connection.close().await;
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
