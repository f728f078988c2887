//! A connection to PostgreSQL that one task uses, and that begins with some statements.
//!
//! A pool would ask a connection whether it still lives whenever it comes back: a trip for nothing, at
//! every batch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

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
pub struct Session(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Arc<PgConnectOptions>,
    patience: Duration,
    begin: &'static str,
    types: &'static [String],
    open: Mutex<Option<Open>>,
    /// The number of the one that was open last, 0: it is known to be gone.
    number: AtomicU64,
    /// How many have been opened.
    opened: AtomicU64,
}

/// A connection that has begun, with the types that it has made.
#[derive(Debug)]
struct Open {
    connection: PgConnection,
    types: Vec<RecordType>,
    number: u64,
}

impl Session {
    /// A connection to the database of this pool; `types` are those that `begin` makes.
    pub(super) fn new(shared: &PgPool, begin: &'static str, types: &'static [String]) -> Self {
        Self(Arc::new(Inner {
            options: shared.connect_options(),
            patience: shared.options().get_acquire_timeout(),
            begin,
            types,
            open: Mutex::default(),
            number: AtomicU64::default(),
            opened: AtomicU64::default(),
        }))
    }

    /// The number of the connection that is open; one is opened if there is none.
    pub(super) async fn number(&self) -> Result<u64, sqlx::Error> {
        // Whoever uses the connection holds the lock, and may take long.
        let number = self.0.number.load(Ordering::Relaxed);
        if number != 0 {
            return Ok(number);
        }
        self.with(async |_, _| Ok(())).await?;
        Ok(self.0.number.load(Ordering::Relaxed))
    }

    /// Does something with the connection of this number and with no other.
    pub(super) async fn with_number<T>(
        &self,
        number: u64,
        work: impl AsyncFnOnce(&mut PgConnection, &[RecordType]) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let mut open = self.0.open.lock().await;
        match open.take_if(|begun| begun.number == number) {
            Some(begun) => self.used(&mut open, begun, work).await,
            None => {
                let found = open.as_ref().map_or(0, |begun| begun.number);
                self.0.number.store(found, Ordering::Relaxed);
                Err(std::io::Error::from(std::io::ErrorKind::NotConnected).into())
            }
        }
    }

    /// Does something with it, a statement that is a transaction of its own. It is closed if that is given up, or
    /// fails otherwise than by the server's refusal.
    pub(super) async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection, &[RecordType]) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let mut open = self.0.open.lock().await;
        let begun = match open.take() {
            Some(begun) => begun,
            None => tokio::time::timeout(self.0.patience, self.connect())
                .await
                .map_err(|_| sqlx::Error::PoolTimedOut)??,
        };
        self.used(&mut open, begun, work).await
    }

    async fn used<T>(
        &self,
        open: &mut Option<Open>,
        mut begun: Open,
        work: impl AsyncFnOnce(&mut PgConnection, &[RecordType]) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let done = tokio::time::timeout(LONGEST, work(&mut begun.connection, &begun.types))
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut));
        if done.as_ref().err().is_none_or(is_refusal) {
            *open = Some(begun);
        } else {
            self.0.number.store(0, Ordering::Relaxed);
        }
        done
    }

    async fn connect(&self) -> Result<Open, sqlx::Error> {
        let mut connection = self.0.options.connect().await?;
        let begin = sqlx::raw_sql(AssertSqlSafe(self.0.begin));
        connection.execute(begin).await?;
        let types = sqlx::query_as(TYPES).bind(self.0.types);
        let types = types.fetch_all(&mut connection).await?;
        let number = self.0.opened.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.number.store(number, Ordering::Relaxed);
        Ok(Open {
            connection,
            types,
            number,
        })
    }

    /// Closes it.
    pub(super) async fn close(&self) {
        if let Some(open) = self.0.open.lock().await.take() {
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
