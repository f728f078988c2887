//! Visits on their way to their calls: which are to be looked at, the calls that may be theirs, and what
//! was found. How they come in is the writer's; which call is the right one, `rules::attribution`'s.

use std::collections::BTreeMap;

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Db, StoreError,
    rows::{Kind, Statement, Tx},
};
use crate::{
    model::{
        ids::{AccountName, CallId},
        time::Timestamp,
        visit::{Hints, Visit},
    },
    on_read,
    rules::attribution::{Candidate, Found, KEY_WITHIN_MS, WAITS_MS},
};

/// Most calls of one client that are looked at around one visit.
const MOST_NEAR: i64 = 20;

/// Most visits without a client that are kept in mind.
const MOST_NAMELESS: i64 = 1_000;

/// A visit that is looked at.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Row id.
    pub id: i64,
    /// Which telling of it was read.
    pub version: i64,
    /// When it was first told.
    pub told_at: Timestamp,
    /// What was found until now: `waiting`, `joined`, `ambiguous`.
    pub state: String,
    /// The visit; without its fields.
    pub visit: Visit,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    version: i64,
    account: String,
    visit: String,
    at: i64,
    told_at: i64,
    client: Option<String>,
    hints: String,
    stage: i64,
    state: String,
}

impl Row {
    fn read(self) -> Result<Waiting, StoreError> {
        let hints: Hints =
            serde_json::from_str(&self.hints).map_err(|source| StoreError::Value {
                what: "visit.hints",
                source,
            })?;
        Ok(Waiting {
            id: self.id,
            version: self.version,
            told_at: Timestamp::from_micros(self.told_at),
            state: self.state,
            visit: Visit {
                account: self.account.into(),
                key: self.visit,
                at: Timestamp::from_micros(self.at),
                client: self.client,
                hints,
                stage: self.stage,
                fields: BTreeMap::new(),
            },
        })
    }
}

const ROW: &str =
    "select id, version, account, visit, at, told_at, client, hints, stage, state from visit";

/// Visits that are due, the earliest first.
pub async fn due(db: &Db, now: Timestamp, limit: i64) -> Result<Vec<Waiting>, StoreError> {
    let sql = format!("{ROW} where due_at <= $1 order by due_at, id limit $2");
    let rows: Vec<Row> = on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(now.as_micros())
            .bind(limit)
            .fetch_all(pool)
            .await?
    });
    rows.into_iter().map(Row::read).collect()
}

/// Visits of a client that may still find a better call.
pub async fn of_client(db: &Db, client: &str) -> Result<Vec<Waiting>, StoreError> {
    let sql = format!("{ROW} where client = $1 and due_at is not null order by id");
    let rows: Vec<Row> = on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(client).fetch_all(pool).await?
    });
    rows.into_iter().map(Row::read).collect()
}

/// Visits that name their call and no client, and have not found it; the latest ones.
pub async fn nameless(db: &Db) -> Result<Vec<Waiting>, StoreError> {
    let sql = format!(
        "{ROW} where client is null and due_at is not null and call is null order by id desc limit $1"
    );
    let rows: Vec<Row> = on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(MOST_NAMELESS).fetch_all(pool).await?
    });
    rows.into_iter().map(Row::read).collect()
}

/// How much of its call was over when a visit was told; `None`: it is not known.
pub async fn stage(db: &Db, account: &AccountName, key: &str) -> Result<Option<i64>, StoreError> {
    const SQL: &str = "select stage from visit where account = $1 and visit = $2";
    let row: Option<(i64,)> = on_read!(db, pool => {
        sqlx::query_as(SQL).bind(account.as_str()).bind(key).fetch_optional(pool).await?
    });
    Ok(row.map(|(stage,)| stage))
}

/// Clients of all visits that may still find a better call.
pub async fn clients(db: &Db) -> Result<Vec<String>, StoreError> {
    const SQL: &str =
        "select distinct client from visit where due_at is not null and client is not null";
    let rows: Vec<(String,)> = on_read!(db, pool => sqlx::query_as(SQL).fetch_all(pool).await?);
    Ok(rows.into_iter().map(|(client,)| client).collect())
}

#[derive(FromRow)]
struct Near {
    id: Uuid,
    account: String,
    started_at: i64,
    client: Option<String>,
    did: Option<String>,
}

/// Calls that came in and may be the visit's: of its client about its time, and of its names.
pub async fn candidates(db: &Db, visit: &Visit) -> Result<Vec<Candidate>, StoreError> {
    const NEAR: &str = "select c.id, c.account, c.started_at, c.client, c.did from call c \
         where c.client = $1 and c.direction = 'in' and c.started_at between $2 and $3 \
         order by c.started_at limit $4";
    const NAMED: &str = "select c.id, c.account, c.started_at, c.client, c.did \
         from (select distinct account from line) a \
         join call_key k on k.account = a.account and k.key = $1 join call c on c.id = k.call \
         where c.direction = 'in' and c.started_at between $2 and $3";
    let around = |ms: i64| {
        let at = |ms| visit.at.plus_millis(ms).as_micros();
        (at(-ms), at(ms))
    };
    let mut found: BTreeMap<Uuid, Candidate> = BTreeMap::new();
    let mut add = |rows: Vec<Near>, by_key: bool| {
        for row in rows {
            let call = found.entry(row.id).or_insert_with(|| Candidate {
                call: CallId(row.id),
                account: row.account.into(),
                started_at: Timestamp::from_micros(row.started_at),
                client: row.client,
                did: row.did,
                by_key,
            });
            call.by_key |= by_key;
        }
    };
    for key in &visit.hints.calls {
        let (from, to) = around(KEY_WITHIN_MS);
        let rows = on_read!(db, pool => {
            let query = sqlx::query_as(NAMED).bind(key.as_str()).bind(from).bind(to);
            query.fetch_all(pool).await?
        });
        add(rows, true);
    }
    if let Some(client) = &visit.client {
        let (from, to) = around(visit.hints.within_ms);
        let rows = on_read!(db, pool => {
            let query = sqlx::query_as(NEAR).bind(client).bind(from).bind(to).bind(MOST_NEAR);
            query.fetch_all(pool).await?
        });
        add(rows, false);
    }
    Ok(found.into_values().collect())
}

/// A visit told again meanwhile is due again, and what was found of it before says nothing.
static SETTLE: Statement = Statement::new(
    "update visit set call = r.call, confidence = r.confidence, state = r.state, due_at = r.due_at \
     from {rows} as r where visit.id = r.id and visit.version = r.version",
    &[
        ("id", Kind::Int),
        ("version", Kind::Int),
        ("call", Kind::Id),
        ("confidence", Kind::Int),
        ("state", Kind::Text),
        ("due_at", Kind::Int),
    ],
);

/// Keeps what was found of each, and when to look again: no more, once it has waited long enough.
pub async fn settle(
    db: &Db,
    looked_at: &[(Waiting, Found)],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = Tx::begin(db).await?;
    let mut rows = SETTLE.rows(tx.engine());
    for (waiting, found) in looked_at {
        let until = waiting.told_at.plus_millis(WAITS_MS);
        let state = state(*found, now < until);
        let (call, confidence) = match found {
            Found::Call(call, confidence) => (Some(call.0), Some(confidence.rank())),
            _ => (None, None),
        };
        rows.int(waiting.id)
            .int(waiting.version)
            .id(call)
            .int(confidence)
            .text(state)
            .int((now < until).then_some(until.as_micros()));
    }
    tx.run(rows).await?;
    tx.commit().await?;
    Ok(())
}

/// The word for what was found.
pub const fn state(found: Found, waits: bool) -> &'static str {
    match found {
        Found::Call(..) => "joined",
        Found::Ambiguous => "ambiguous",
        Found::Nothing if waits => "waiting",
        Found::Nothing => "unmatched",
    }
}
