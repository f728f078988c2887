//! What the doctor asks the database. Everything is bounded: the latest messages, calls and recordings,
//! never all of them; only the look at the database itself reads it whole.

use std::collections::BTreeSet;

use sqlx::FromRow;
use uuid::Uuid;

use super::{Db, StoreError, derived, raw::RawMessage};
use crate::{
    model::{
        ids::{AccountName, Extension},
        time::Timestamp,
    },
    on_read, on_write,
};

/// The latest messages looked at.
const LATEST_MESSAGES: i64 = 2_000;
/// The latest calls looked at.
const LATEST_CALLS: i64 = 500;
/// The latest recordings looked at.
const LATEST_RECORDINGS: i64 = 5_000;

/// The latest messages of every account that were understood, newest first.
pub async fn latest_messages(db: &Db) -> Result<Vec<RawMessage>, StoreError> {
    type Row = (i64, String, i64, String, Vec<u8>, String, String);
    let rows: Vec<Row> = on_read!(db, pool => {
        sqlx::query_as(
            "select id, account, received_at, source, body, outcome, reason from
             (select * from raw order by id desc limit $1) latest
             where outcome = 'applied' order by id desc",
        )
        .bind(LATEST_MESSAGES)
        .fetch_all(pool)
        .await?
    });
    let messages = rows.into_iter().map(
        |(id, account, received_at, source, body, outcome, reason)| RawMessage {
            id,
            account: AccountName::from(account),
            received_at: Timestamp::from_micros(received_at),
            source,
            body,
            outcome,
            reason,
        },
    );
    Ok(messages.collect())
}

/// Every extension that is somebody's, with its account.
pub async fn extensions(db: &Db) -> Result<BTreeSet<(String, String)>, StoreError> {
    let known: Vec<(String, String)> = on_read!(db, pool => {
        sqlx::query_as("select account, extension from person_extension").fetch_all(pool).await?
    });
    Ok(known.into_iter().collect())
}

/// Extensions of the latest calls that belong to nobody.
pub async fn extensions_of_nobody(db: &Db) -> Result<BTreeSet<(String, Extension)>, StoreError> {
    type Row = (Uuid, String, String, Option<Vec<u8>>);
    const SQL: &str =
        "select id, account, derived, facts from call order by started_at desc limit $1";
    let calls: Vec<Row> = on_read!(db, pool => {
        sqlx::query_as(SQL).bind(LATEST_CALLS).fetch_all(pool).await?
    });
    let known = extensions(db).await?;
    let mut found = BTreeSet::new();
    for (id, account, derived, facts) in calls {
        let call = derived::read(id, &derived, facts.as_deref())?;
        for extension in call.extensions() {
            let key = (account.clone(), extension.as_str().to_owned());
            if !known.contains(&key) {
                found.insert((account.clone(), extension.clone()));
            }
        }
    }
    Ok(found)
}

/// Numbers of ours that belong to no channel now: account and number.
pub async fn lines_of_no_channel(
    db: &Db,
    now: Timestamp,
) -> Result<Vec<(String, String)>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select l.account, l.did from line l where not exists (select 1 from line_channel x
                 where x.line = l.id and x.valid_from <= $1
                   and (x.valid_to is null or x.valid_to > $1))
             order by l.account, l.did",
        )
        .bind(now.as_micros())
        .fetch_all(pool)
        .await?
    }))
}

/// How many of the latest recordings are in each state.
pub async fn recordings(db: &Db) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select state, count(*) from recording
             where id > (select coalesce(max(id), 0) from recording) - $1
             group by state order by state",
        )
        .bind(LATEST_RECORDINGS)
        .fetch_all(pool)
        .await?
    }))
}

/// Messages of one account that were not let in, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Refusal {
    /// The account.
    pub account: String,
    /// Why.
    pub reason: String,
    /// How many, ever.
    pub times: i64,
    /// When the last one came, in microseconds.
    pub last_at: i64,
}

/// Everything that was not let in.
pub async fn refusals(db: &Db) -> Result<Vec<Refusal>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as("select account, reason, times, last_at from refusal order by 1, 2")
            .fetch_all(pool)
            .await?
    }))
}

/// Adds to what was not let in.
pub async fn add_refusals(db: &Db, more: &[Refusal]) -> Result<(), StoreError> {
    for one in more {
        on_write!(db, pool => {
            sqlx::query(
                "insert into refusal (account, reason, times, last_at) values ($1, $2, $3, $4)
                 on conflict (account, reason) do update
                 set times = refusal.times + excluded.times, last_at = excluded.last_at",
            )
            .bind(&one.account)
            .bind(&one.reason)
            .bind(one.times)
            .bind(one.last_at)
            .execute(pool)
            .await?;
        });
    }
    Ok(())
}

/// What is wrong with the database itself, in its own words; nothing: it is whole. Reads all of an
/// SQLite file; of PostgreSQL it only asks for indexes that are not valid.
pub async fn integrity(db: &Db) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = match db {
        Db::Lite { read, .. } => {
            sqlx::query_as("pragma quick_check(20)")
                .fetch_all(read)
                .await?
        }
        Db::Pg(pool) => {
            const INVALID: &str = "select 'index ' || c.relname || ' is not valid' \
                from pg_index i join pg_class c on c.oid = i.indexrelid where not i.indisvalid";
            sqlx::query_as(INVALID).fetch_all(pool).await?
        }
    };
    Ok(rows
        .into_iter()
        .map(|(text,)| text)
        .filter(|text| text != "ok")
        .collect())
}

/// The database server's clock; SQLite has none of its own.
pub async fn clock(db: &Db) -> Result<Option<Timestamp>, StoreError> {
    let Db::Pg(pool) = db else {
        return Ok(None);
    };
    const NOW: &str = "select cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)";
    let (micros,): (i64,) = sqlx::query_as(NOW).fetch_one(pool).await?;
    Ok(Some(Timestamp::from_micros(micros)))
}
