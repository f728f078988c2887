//! Who did what that must be traceable: reveals, listens, downloads, exports, changes, sign-ins.

use std::collections::HashMap;

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Db, StoreError,
    sql::{Bound, Sql, fetch_all},
};
use crate::{
    model::{ids::PersonId, time::Timestamp},
    on_read, on_write,
};

/// One traceable deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Who; `None`: nobody we know (a failed sign-in).
    pub person: Option<PersonId>,
    /// What, as a closed word (`reveal`, `listen`, ...).
    pub action: &'static str,
    /// To what (`call:<id>`, `card:<id>`, `person:<id>`).
    pub object: &'a str,
    /// Anything worth keeping; never a full number or a secret.
    pub detail: &'a str,
    /// Address of the browser.
    pub remote: &'a str,
}

/// Keeps a deed. The caller goes on only after it is kept.
pub async fn keep(db: &Db, entry: &Entry<'_>, now: Timestamp) -> Result<(), StoreError> {
    keep_by(db, entry, None, now).await
}

/// Keeps a deed done with a token of the API, or without one.
pub async fn keep_by(
    db: &Db,
    entry: &Entry<'_>,
    token: Option<i64>,
    now: Timestamp,
) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query(
            "insert into audit (at, person, action, object, detail, remote, token)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(now.as_micros())
        .bind(entry.person.map(|person| person.0))
        .bind(entry.action)
        .bind(entry.object)
        .bind(entry.detail)
        .bind(entry.remote)
        .bind(token)
        .execute(pool)
        .await?;
    });
    Ok(())
}

/// A deed as pages show it.
#[derive(Clone, Debug, FromRow)]
pub struct Deed {
    /// When, in microseconds.
    pub at: i64,
    /// Who; a service by the name of its token.
    pub name: Option<String>,
    /// What.
    pub action: String,
    /// Anything kept with it.
    pub detail: String,
}

/// The latest deeds done to one object.
pub async fn of_object(db: &Db, object: &str, limit: i64) -> Result<Vec<Deed>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select a.at, coalesce(p.name, k.name) as name, a.action, a.detail
             from audit a left join person p on p.id = a.person
             left join api_token k on k.id = a.token
             where a.object = $1 order by a.at desc, a.id desc limit $2",
        )
        .bind(object)
        .bind(limit)
        .fetch_all(pool)
        .await?
    }))
}

/// Everything that is kept as a deed; whoever keeps a new one adds its word.
pub const DEEDS: [&str; 38] = [
    "sign_in",
    "sign_in_failed",
    "set_password",
    "reveal",
    "see_by_ring",
    "search",
    "listen",
    "download",
    "export",
    "change",
    "call",
    "close_task",
    "mark",
    "unmark",
    "merge",
    "merged",
    "part",
    "parted",
    "part_number",
    "consent",
    "pause",
    "resume",
    "hold",
    "release",
    "erase",
    "link",
    "switch_off",
    "switch_on",
    "hand_over",
    "subscribe",
    "unsubscribe",
    "rotate_secret",
    "enable_subscription",
    "disable_subscription",
    "replay",
    "reload",
    "reconcile",
    "test_connection",
];

/// Kinds of things that deeds are done to: what stands before the colon.
pub const OBJECTS: [&str; 11] = [
    "call",
    "card",
    "recording",
    "person",
    "task",
    "token",
    "line",
    "channel",
    "account",
    "subscription",
    "raw",
];

/// Which deeds.
#[derive(Clone, Debug)]
pub struct Filter {
    /// From then on.
    pub from: Timestamp,
    /// Until before then.
    pub to: Timestamp,
    /// By whom; `Some(None)`: by nobody we know, or at the machine.
    pub by: Option<Option<PersonId>>,
    /// One of [`DEEDS`].
    pub action: Option<&'static str>,
    /// One of [`OBJECTS`].
    pub kind: Option<&'static str>,
    /// Exactly this object.
    pub object: Option<String>,
}

/// A deed with all that is kept of it.
#[derive(Clone, Debug, FromRow)]
pub struct Kept {
    /// Row id: lists go by it.
    pub id: i64,
    /// When, in microseconds.
    pub at: i64,
    /// Who, by name.
    pub name: Option<String>,
    /// The token it was done with, by name.
    pub token: Option<String>,
    /// What.
    pub action: String,
    /// To what.
    pub object: String,
    /// Anything kept with it.
    pub detail: String,
    /// Address of the browser, or the command line.
    pub remote: String,
}

/// Deeds of one moment may stand in another order than they were numbered in.
const SLACK_MS: i64 = 600_000;

/// A page of deeds, the newest first, before a deed. Deeds are numbered as time goes on, so a period is
/// a span of numbers, found by halving; no other deeds are read, and time needs no index of its own.
pub async fn page(
    db: &Db,
    filter: &Filter,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Kept>, StoreError> {
    let first = first_since(db, filter.from.plus_millis(-SLACK_MS)).await?;
    let end = first_since(db, filter.to.plus_millis(SLACK_MS)).await?;
    let mut sql = Sql::default();
    sql.push(
        "select a.id, a.at, p.name, k.name as token, a.action, a.object, a.detail, a.remote
         from audit a left join person p on p.id = a.person
         left join api_token k on k.id = a.token where a.id >= ",
    );
    sql.bind(Bound::Int(first)).push(" and a.id < ");
    sql.bind(Bound::Int(before.unwrap_or(end).min(end)));
    sql.push(" and a.at >= ")
        .bind(Bound::Int(filter.from.as_micros()));
    sql.push(" and a.at < ")
        .bind(Bound::Int(filter.to.as_micros()));
    match filter.by {
        None => {}
        Some(None) => {
            sql.push(" and a.person is null");
        }
        Some(Some(person)) => {
            sql.push(" and a.person = ").bind(Bound::Int(person.0));
        }
    }
    if let Some(action) = filter.action {
        sql.push(" and a.action = ")
            .bind(Bound::Text(action.to_owned()));
    }
    if let Some(kind) = filter.kind {
        sql.push(" and a.object like ")
            .bind(Bound::Text(format!("{kind}:%")));
    }
    if let Some(object) = &filter.object {
        sql.push(" and a.object = ")
            .bind(Bound::Text(object.clone()));
    }
    sql.push(" order by a.id desc limit ")
        .bind(Bound::Int(limit));
    Ok(fetch_all!(db, sql))
}

/// The number of the first deed at or after `at`; past the last one if there is none.
async fn first_since(db: &Db, at: Timestamp) -> Result<i64, StoreError> {
    const LAST: &str = "select coalesce(max(id), 0) from audit";
    const NEXT: &str = "select id, at from audit where id >= $1 order by id limit 1";
    let (last,): (i64,) = on_read!(db, pool => sqlx::query_as(LAST).fetch_one(pool).await?);
    let (mut low, mut high) = (0, last + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let next: Option<(i64, i64)> =
            on_read!(db, pool => sqlx::query_as(NEXT).bind(middle).fetch_optional(pool).await?);
        match next {
            Some((id, then)) if then < at.as_micros() => low = id + 1,
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

/// The calls of these recordings.
pub async fn calls_of(db: &Db, recordings: &[i64]) -> Result<HashMap<i64, Uuid>, StoreError> {
    if recordings.is_empty() {
        return Ok(HashMap::new());
    }
    let mut sql = Sql::default();
    sql.push("select id, call from recording where id in (");
    for (n, id) in recordings.iter().enumerate() {
        sql.push(if n > 0 { ", " } else { "" })
            .bind(Bound::Int(*id));
    }
    sql.push(")");
    let rows: Vec<(i64, Uuid)> = fetch_all!(db, sql);
    Ok(rows.into_iter().collect())
}
