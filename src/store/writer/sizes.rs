//! PostgreSQL plans by what it knows of the tables' sizes, and of a new database it knows nothing until
//! autovacuum first comes by, a minute or so later. Until then it reads whole tables for every batch.
//! So the writer has them counted itself while they are new; plans already made are made anew.

use crate::store::{Db, StoreError};

/// Having counted tables of so many calls, autovacuum's own pace will do.
const FIRST: u64 = 300;
const LAST: u64 = 100_000;
/// They grow so many times before they are counted again.
const GROWTH: u64 = 8;

/// Counts the calls this writer has added.
#[derive(Debug)]
pub(super) struct Sizes {
    added: u64,
    next: u64,
}

impl Sizes {
    pub(super) fn new() -> Self {
        Self {
            added: 0,
            next: FIRST,
        }
    }

    /// Notes new calls; has the tables counted beside the writer when it is time.
    pub(super) fn grew_by(&mut self, calls: usize, db: &Db) {
        self.added += calls as u64;
        if self.added < self.next || self.next > LAST {
            return;
        }
        while self.next <= self.added {
            self.next *= GROWTH;
        }
        let Db::Pg(_) = db else {
            return;
        };
        let (db, added) = (db.clone(), self.added);
        tokio::spawn(async move {
            if let Err(error) = count(&db, added).await {
                tracing::warn!(%error, "sizes of tables could not be counted; commits may be slow");
            }
        });
    }
}

/// Has the tables counted, unless the server already knows of as many calls.
async fn count(db: &Db, calls: u64) -> Result<(), StoreError> {
    const KNOWN: &str =
        "select coalesce(max(reltuples), 0)::bigint from pg_class where oid = 'call'::regclass";
    let Db::Pg(pool) = db else {
        return Ok(());
    };
    let (known,): (i64,) = sqlx::query_as(KNOWN).fetch_one(pool).await?;
    if u64::try_from(known).unwrap_or(0) < calls / 2 {
        for table in [
            "call",
            "call_key",
            "call_person",
            "card",
            "card_phone",
            "recording",
            "outbox",
            "task",
        ] {
            sqlx::query(sqlx::AssertSqlSafe(format!("analyze {table}")))
                .execute(pool)
                .await?;
        }
    }
    Ok(())
}
