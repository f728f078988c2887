//! Rules that give calls their channels by where the clients came from, for numbers that several channels
//! share: the first rule that the visit fits counts, and a call that fits none has its number's channel.
//!
//! Joined when figures are read, as the channels of numbers are: so a visit that is told late, or turns out
//! to be another call's, moves the call in every figure, and a changed rule moves figures of the past.

use sqlx::FromRow;

use super::{
    Db, StoreError,
    rows::{Kind, Statement, Tx},
    sources::counts,
};
use crate::{on_read, on_write};

/// What a rule asks of a call: each part may be empty, and then it asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Source of the visit, in small letters; `x*`: begins with `x`. So are the next two.
    pub source: String,
    /// Medium.
    pub medium: String,
    /// Campaign.
    pub campaign: String,
    /// The number that was dialled.
    pub line: Option<i64>,
}

impl Wanted {
    /// Whether it asks anything of the visit: else it would be one more way to give a number a channel.
    pub fn is_possible(&self) -> bool {
        [&self.source, &self.medium, &self.campaign]
            .iter()
            .any(|part| !part.is_empty())
    }
}

/// A rule as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
#[allow(
    missing_docs,
    reason = "columns of `channel_rule`, described in the schema"
)]
pub struct Rule {
    pub id: i64,
    pub place: i64,
    pub source: String,
    pub medium: String,
    pub campaign: String,
    pub line: Option<i64>,
    pub channel: i64,
    pub channel_name: String,
}

/// Every rule, the first one first.
pub async fn all(db: &Db) -> Result<Vec<Rule>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select u.id, u.place, u.source, u.medium, u.campaign, u.line, u.channel,
                    h.name as channel_name
             from channel_rule u join channel h on h.id = u.channel order by u.place, u.id",
        )
        .fetch_all(pool)
        .await?
    }))
}

/// Whether there is any.
pub async fn any(db: &Db) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = on_read!(db, pool => {
        sqlx::query_as("select id from channel_rule limit 1").fetch_optional(pool).await?
    });
    Ok(row.is_some())
}

/// Adds one after all others; `false`: nothing was written.
pub async fn add(db: &Db, wanted: &Wanted, channel: i64) -> Result<bool, StoreError> {
    let added = on_write!(db, pool => {
        sqlx::query(
            "insert into channel_rule (place, source, medium, campaign, line, channel)
             select coalesce(max(place), 0) + 1, $1, $2, $3, $4, $5 from channel_rule",
        )
        .bind(&wanted.source)
        .bind(&wanted.medium)
        .bind(&wanted.campaign)
        .bind(wanted.line)
        .bind(channel)
        .execute(pool)
        .await?
        .rows_affected()
    });
    Ok(added == 1)
}

/// Takes one away; `false`: it was not there.
pub async fn remove(db: &Db, id: i64) -> Result<bool, StoreError> {
    let removed = on_write!(db, pool => {
        sqlx::query("delete from channel_rule where id = $1")
            .bind(id)
            .execute(pool)
            .await?
            .rows_affected()
    });
    Ok(removed == 1)
}

static PLACE: Statement = Statement::new(
    "update channel_rule set place = r.place from {rows} as r where channel_rule.id = r.id",
    &[("id", Kind::Int), ("place", Kind::Int)],
);

/// Puts one before the rule ahead of it; `false`: it is not there, or the first.
pub async fn raise(db: &Db, id: i64) -> Result<bool, StoreError> {
    let rules = all(db).await?;
    let Some(place) = rules.iter().position(|rule| rule.id == id) else {
        return Ok(false);
    };
    if place == 0 {
        return Ok(false);
    }
    let mut order: Vec<i64> = rules.iter().map(|rule| rule.id).collect();
    order.swap(place - 1, place);
    let mut tx = Tx::begin(db).await?;
    let mut rows = PLACE.rows(tx.engine());
    for (id, place) in order.into_iter().zip(1..) {
        rows.int(id).int(place);
    }
    tx.run(rows).await?;
    tx.commit().await?;
    Ok(true)
}

/// The channel that a rule gives this call (the table's alias): SQL; null: none does. Costs nothing while
/// there is no rule.
pub(super) fn by_rule(call: &str) -> String {
    let fits = |part: &str| {
        format!(
            "(ru.{part} = '' or ru.{part} = rv.{part} or (ru.{part} like '%*'
               and substr(rv.{part}, 1, length(ru.{part}) - 1)
                 = substr(ru.{part}, 1, length(ru.{part}) - 1)))"
        )
    };
    format!(
        "(case when exists (select 1 from channel_rule) then
          (select ru.channel from visit rv join channel_rule ru
             on {source} and {medium} and {campaign} and (ru.line is null or ru.line = {call}.line)
           where {counts} order by ru.place, ru.id limit 1) end)",
        source = fits("source"),
        medium = fits("medium"),
        campaign = fits("campaign"),
        counts = counts("rv", call),
    )
}

/// The channel (`ch`) of call `c`: by rule, else that of its line when the call began.
pub(super) fn of_call() -> String {
    format!(
        " left join line_channel x on x.line = c.line
          and x.valid_from <= c.started_at and (x.valid_to is null or x.valid_to > c.started_at)
          left join channel ch on ch.id = coalesce({}, x.channel)",
        by_rule("c")
    )
}

/// Calls of a period (microseconds) to which a rule gives a channel, of the visits that count: SQL of a
/// table `(line, channel, was, ...)` with what is asked for of the call `c`. Reads the visits of that time,
/// which lie within a day of their calls; another day is for calls whose start has moved since. A cross join is
/// SQLite's way to be told what to read first: it would read every call of the period.
pub(super) fn ruled(columns: &str, from: i64, to: i64) -> String {
    const DAYS_US: i64 = 2 * 86_400_000_000;
    format!(
        "(select * from (
            select coalesce(c.line, 0) as line, coalesce(x.channel, 0) as was, {by_rule} as channel, {columns}
            from visit v cross join call c
            left join line_channel x on x.line = c.line and x.valid_from <= c.started_at
                 and (x.valid_to is null or x.valid_to > c.started_at)
            where c.id = v.call and v.at >= {first} and v.at < {last} and c.started_at >= {from} and c.started_at < {to}
              and c.direction = 'in' and c.phase = 'ended' and {counts}) as every_visit
          where channel is not null)",
        by_rule = by_rule("c"),
        first = from.saturating_sub(DAYS_US),
        last = to.saturating_add(DAYS_US),
        counts = counts("v", "c"),
    )
}
