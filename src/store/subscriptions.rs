//! Who wants to hear of what: addresses outside, with the secrets that sign what goes there.

use sqlx::FromRow;

use super::{Db, StoreError};
use crate::{model::time::Timestamp, on_read, on_write};

/// A subscription; times in microseconds.
#[derive(Clone, FromRow)]
#[allow(
    missing_docs,
    reason = "columns of `subscription`, described in the schema"
)]
pub struct Subscription {
    pub id: i64,
    pub name: String,
    pub address: String,
    pub events: String,
    pub secret: String,
    pub former_secret: Option<String>,
    pub former_until: Option<i64>,
    pub state: String,
    pub reason: String,
    pub failing_since: Option<i64>,
    pub told_at: Option<i64>,
    pub created_at: i64,
}

impl Subscription {
    /// Whether it wants news of this kind.
    pub fn wants(&self, kind: &str) -> bool {
        let mut wanted = self.events.split_whitespace();
        wanted.any(|event| event == "*" || event == kind)
    }

    /// Whether it is told of anything at present.
    pub fn is_active(&self) -> bool {
        self.state == "active"
    }

    /// The mailbox, if it is one.
    pub fn mailbox(&self) -> Option<&str> {
        self.address.strip_prefix("mailto:")
    }

    /// The secrets that sign what goes out now: the present one, and for a while the one before.
    pub fn secrets(&self, now: Timestamp) -> Vec<&str> {
        let former = self.former_secret.as_deref();
        let still = self
            .former_until
            .is_some_and(|until| until > now.as_micros());
        let former = former.filter(|_| still);
        std::iter::once(self.secret.as_str())
            .chain(former)
            .collect()
    }
}

/// What a person enters.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// How people call it.
    pub name: &'a str,
    /// `https://...` or `mailto:...`.
    pub address: &'a str,
    /// Kinds with a blank between, or `*`.
    pub events: &'a str,
    /// `whsec_...`; empty for a mailbox.
    pub secret: &'a str,
}

/// Whether anybody listens.
pub async fn any(db: &Db) -> Result<bool, StoreError> {
    const SQL: &str = "select id from subscription limit 1";
    let found = on_read!(db, pool => sqlx::query(SQL).fetch_optional(pool).await?.is_some());
    Ok(found)
}

const COLUMNS: &str = "select id, name, address, events, secret, former_secret, former_until, state, \
     reason, failing_since, told_at, created_at from subscription";

/// All of them, oldest first.
pub async fn all(db: &Db) -> Result<Vec<Subscription>, StoreError> {
    let sql = format!("{COLUMNS} order by id");
    Ok(on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await?
    }))
}

/// One of them.
pub async fn by_id(db: &Db, id: i64) -> Result<Option<Subscription>, StoreError> {
    let sql = format!("{COLUMNS} where id = $1");
    Ok(on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(pool).await?
    }))
}

/// Adds one; whatever is committed from now on is news for it.
pub async fn add(db: &Db, new: &New<'_>, now: Timestamp) -> Result<i64, StoreError> {
    const SQL: &str = "insert into subscription (name, address, events, secret, created_at) \
         values ($1, $2, $3, $4, $5) returning id";
    let (id,): (i64,) = on_write!(db, pool => {
        sqlx::query_as(SQL)
            .bind(new.name)
            .bind(new.address)
            .bind(new.events)
            .bind(new.secret)
            .bind(now.as_micros())
            .fetch_one(pool)
            .await?
    });
    Ok(id)
}

/// Gives it another secret; the one before goes on signing, too, until `former_until`.
pub async fn rotate(
    db: &Db,
    id: i64,
    secret: &str,
    former_until: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "update subscription set former_secret = secret, former_until = $3, \
         secret = $2 where id = $1";
    on_write!(db, pool => {
        sqlx::query(SQL)
            .bind(id)
            .bind(secret)
            .bind(former_until.as_micros())
            .execute(pool)
            .await?;
    });
    Ok(())
}

/// Stops telling it anything: `by_person`, `gone` or `gave_up`. What waits for it fails by and by.
/// Returns `false` if it was disabled before.
pub async fn disable(db: &Db, id: i64, reason: &str) -> Result<bool, StoreError> {
    const SQL: &str = "update subscription set state = 'disabled', reason = $2 \
         where id = $1 and state = 'active'";
    let disabled = on_write!(db, pool => {
        sqlx::query(SQL).bind(id).bind(reason).execute(pool).await?.rows_affected()
    });
    Ok(disabled > 0)
}

/// Tells it again from now on; what failed meanwhile stays failed until it is replayed.
pub async fn enable(db: &Db, id: i64) -> Result<(), StoreError> {
    const SQL: &str = "update subscription set state = 'active', reason = '', failing_since = null \
         where id = $1";
    on_write!(db, pool => {
        sqlx::query(SQL).bind(id).execute(pool).await?;
    });
    Ok(())
}

/// Removes it with all its deliveries.
pub async fn remove(db: &Db, id: i64) -> Result<(), StoreError> {
    on_write!(db, pool => {
        let mut tx = pool.begin().await?;
        for sql in [
            "delete from delivery_attempt where delivery in \
             (select id from delivery where subscription = $1)",
            "delete from delivery where subscription = $1",
            "delete from subscription where id = $1",
        ] {
            sqlx::query(sql).bind(id).execute(&mut *tx).await?;
        }
        tx.commit().await?;
    });
    Ok(())
}
