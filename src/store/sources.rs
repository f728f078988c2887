//! Where calls came from, for people: the visits of a call, figures by source, how sure joins are, and
//! visits that have found no call.
//!
//! Of several visits of a call those count that say something; of these the surest, then the earliest.

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::{Db, StoreError};
use crate::{
    model::{ids::CallId, time::Timestamp},
    on_read,
    rules::attribution::Confidence,
};

/// In which order the visits of a call count: SQL. A visit of which only the visitor's number at the PBX is
/// known says nothing of where the client came from, however sure it is. The view `call_by_rule` (migration
/// 0020) has the same order.
const BY_WORTH: &str = "case when source = '' and medium = '' and campaign = '' then 1 else 0 end, \
    confidence, at, id";

/// Which visit of a call counts (the aliases of both): SQL.
pub(super) fn counts(visit: &str, call: &str) -> String {
    format!(
        "{visit}.id = (select id from visit where call = {call}.id order by {BY_WORTH} limit 1)"
    )
}

/// A visit of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribution {
    /// Who told it.
    pub account: String,
    /// How sure it is that it is this call's.
    pub confidence: Confidence,
    /// Source, in small letters; empty: not told. So are the others.
    pub source: String,
    /// Medium.
    pub medium: String,
    /// Campaign.
    pub campaign: String,
    /// Keyword.
    pub term: String,
    /// Everything told, by name.
    pub fields: BTreeMap<String, String>,
}

/// The visits of a call, the one that counts first.
pub async fn of_call(db: &Db, call: CallId) -> Result<Vec<Attribution>, StoreError> {
    type Row = (String, i64, String, String, String, String, String);
    let sql = format!(
        "select account, confidence, source, medium, campaign, term, fields \
         from visit where call = $1 order by {BY_WORTH}"
    );
    let rows: Vec<Row> = on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(call.0).fetch_all(pool).await?
    });
    let read = |(account, rank, source, medium, campaign, term, fields): Row| {
        Ok(Attribution {
            account,
            // A rank that a later release wrote is not believed to be sure.
            confidence: Confidence::of_rank(rank).unwrap_or(Confidence::Client),
            source,
            medium,
            campaign,
            term,
            fields: serde_json::from_str(&fields).map_err(|source| StoreError::Value {
                what: "visit.fields",
                source,
            })?,
        })
    };
    rows.into_iter().map(read).collect()
}

/// What calls of one source came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromRow)]
pub struct OfSource {
    /// Source.
    pub source: String,
    /// Medium.
    pub medium: String,
    /// Campaign.
    pub campaign: String,
    /// Keyword.
    pub term: String,
    /// Finished incoming calls.
    pub calls: i64,
    /// Of those, a person talked with the client.
    pub reached: i64,
    /// Over without that.
    pub missed: i64,
    /// Talk in milliseconds.
    pub talk_ms: i64,
}

/// Figures by source, medium, campaign and keyword; the most calls first.
pub async fn by_source(
    db: &Db,
    from: Timestamp,
    to: Timestamp,
    limit: i64,
) -> Result<Vec<OfSource>, StoreError> {
    let sql = format!(
        "select v.source, v.medium, v.campaign, v.term, count(*) as calls,
                cast(sum(case when c.result = 'answered' then 1 else 0 end) as bigint) as reached,
                cast(sum(case when c.result not in ('answered', 'blocked') then 1 else 0 end)
                     as bigint) as missed,
                cast(sum(coalesce(c.talk_ms, 0)) as bigint) as talk_ms
         from call c join visit v on {counts}
         where c.started_at >= $1 and c.started_at < $2
           and c.direction = 'in' and c.phase = 'ended'
         group by v.source, v.medium, v.campaign, v.term
         order by count(*) desc, v.source, v.medium, v.campaign, v.term limit $3",
        counts = counts("v", "c"),
    );
    Ok(on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(from.as_micros())
            .bind(to.as_micros())
            .bind(limit)
            .fetch_all(pool)
            .await?
    }))
}

/// Finished incoming calls of a period by how sure it is where they came from; `None`: nobody told.
pub async fn shares(
    db: &Db,
    from: Timestamp,
    to: Timestamp,
) -> Result<BTreeMap<Option<Confidence>, i64>, StoreError> {
    let sql = format!(
        "select v.confidence, count(*) from call c left join visit v on {counts}
         where c.started_at >= $1 and c.started_at < $2
           and c.direction = 'in' and c.phase = 'ended' group by v.confidence",
        counts = counts("v", "c"),
    );
    let rows: Vec<(Option<i64>, i64)> = on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(from.as_micros())
            .bind(to.as_micros())
            .fetch_all(pool)
            .await?
    });
    let mut shares = BTreeMap::new();
    for (rank, calls) in rows {
        *shares
            .entry(rank.and_then(Confidence::of_rank))
            .or_default() += calls;
    }
    Ok(shares)
}

/// A visit without a call; times in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
#[allow(missing_docs, reason = "columns of `visit`, described in the schema")]
pub struct Loose {
    pub account: String,
    pub at: i64,
    pub client: Option<String>,
    pub source: String,
    pub medium: String,
    pub campaign: String,
    pub term: String,
    pub state: String,
}

/// Visits of a period that have found no call, the newest first.
pub async fn loose(
    db: &Db,
    from: Timestamp,
    to: Timestamp,
    limit: i64,
) -> Result<Vec<Loose>, StoreError> {
    const SQL: &str = "select account, at, client, source, medium, campaign, term, state \
        from visit where at >= $1 and at < $2 and call is null order by at desc, id desc limit $3";
    Ok(on_read!(db, pool => {
        sqlx::query_as(SQL)
            .bind(from.as_micros())
            .bind(to.as_micros())
            .bind(limit)
            .fetch_all(pool)
            .await?
    }))
}
