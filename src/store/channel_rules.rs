//! Rules that give calls their channels by where the clients came from, for numbers that several channels
//! share: the first rule that the visit fits counts, and a call that fits none has its number's channel.
//!
//! What a rule gives is kept beside the call (`call_channel`), with what figures need of it. The database
//! keeps that right itself, in the transaction that changes a call or a visit (migration 0020): so a visit that
//! is told late, or turns out to be another call's, moves the call in every figure. A changed rule moves
//! figures of the past portion by portion, the newest visits first ([`apply`]); figures and the lists behind
//! them read the same rows all the while.

use sqlx::FromRow;

use super::{
    Db, StoreError,
    rows::{Engine, Kind, Statement, Tx},
};
use crate::on_read;

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

/// Whether any call has its channel by a rule.
pub async fn any(db: &Db) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = on_read!(db, pool => {
        sqlx::query_as("select channel from call_channel limit 1").fetch_optional(pool).await?
    });
    Ok(row.is_some())
}

static ADD: Statement = Statement::new(
    "insert into channel_rule (place, source, medium, campaign, line, channel) \
     select coalesce((select max(place) from channel_rule), 0) + 1, r.source, r.medium, r.campaign, \
     r.line, r.channel from {rows} as r",
    &[
        ("source", Kind::Text),
        ("medium", Kind::Text),
        ("campaign", Kind::Text),
        ("line", Kind::Int),
        ("channel", Kind::Int),
    ],
);
static REMOVE: Statement = Statement::new(
    "delete from channel_rule where id in (select r.id from {rows} as r)",
    &[("id", Kind::Int)],
);
static PLACE: Statement = Statement::new(
    "update channel_rule set place = r.place from {rows} as r where channel_rule.id = r.id",
    &[("id", Kind::Int), ("place", Kind::Int)],
);

/// Adds one after all others; `false`: nothing was written.
pub async fn add(db: &Db, wanted: &Wanted, channel: i64) -> Result<bool, StoreError> {
    let mut rows = ADD.rows(Engine::of(db));
    rows.text(wanted.source.as_str())
        .text(wanted.medium.as_str())
        .text(wanted.campaign.as_str())
        .int(wanted.line)
        .int(channel);
    change(db, rows).await
}

/// Takes one away; `false`: it was not there.
pub async fn remove(db: &Db, id: i64) -> Result<bool, StoreError> {
    let mut rows = REMOVE.rows(Engine::of(db));
    rows.int(id);
    change(db, rows).await
}

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
    let mut rows = PLACE.rows(Engine::of(db));
    for (id, place) in order.into_iter().zip(1..) {
        rows.int(id).int(place);
    }
    change(db, rows).await
}

// ---- every call gets the channel that the rules of today give it

static ASK: Statement = Statement::new(
    "insert into rule_change (one, below) select 1, r.below from {rows} as r where true \
     on conflict (one) do update set below = excluded.below",
    &[("below", Kind::Int)],
);
/// On PostgreSQL, so that two nodes take turns, and a rule changed meanwhile begins anew.
static WAITING: Statement = Statement::per_engine(
    "select c.below from {rows} as r join rule_change c on c.one = r.one",
    "select c.below from {rows} as r join rule_change c on c.one = r.one for update of c",
    &[("one", Kind::Int)],
);
/// The first of the next visits, and how many they are.
static NEXT: Statement = Statement::new(
    "select coalesce(min(n.id), 0), count(*) from (select id from visit \
     where id < (select r.below from {rows} as r) order by id desc \
     limit (select r.at_most from {rows} as r)) as n",
    &[("below", Kind::Int), ("at_most", Kind::Int)],
);
const SPAN: &[(&str, Kind)] = &[("first", Kind::Int), ("below", Kind::Int)];
static TAKE: Statement = Statement::new(
    "delete from call_channel where call in (select v.call from {rows} as r \
     join visit v on v.id >= r.first and v.id < r.below where v.call is not null)",
    SPAN,
);
static PUT: Statement = Statement::new(
    "insert into call_channel select * from call_by_rule where call in (select v.call from {rows} as r \
     join visit v on v.id >= r.first and v.id < r.below where v.call is not null)",
    SPAN,
);
/// Both under the locks of the calls, as the triggers do it there.
static TAKE_AND_PUT: Statement = Statement::new(
    "select place_calls((select array_agg(distinct v.call) from {rows} as r \
     join visit v on v.id >= r.first and v.id < r.below where v.call is not null))",
    SPAN,
);
static DONE_DOWN_TO: Statement = Statement::new(
    "update rule_change set below = r.below from {rows} as r where true",
    &[("below", Kind::Int)],
);
static DONE: Statement = Statement::new(
    "delete from rule_change where one in (select r.one from {rows} as r)",
    &[("one", Kind::Int)],
);

/// Changes rules, and asks for every call to be looked at again; `false`: nothing was changed.
async fn change(db: &Db, rows: super::rows::Rows) -> Result<bool, StoreError> {
    let mut tx = Tx::begin(db).await?;
    if tx.run(rows).await? == 0 {
        tx.rollback().await?;
        return Ok(false);
    }
    let mut ask = ASK.rows(tx.engine());
    ask.int(i64::MAX);
    tx.run(ask).await?;
    if let Tx::Pg(pg) = &mut tx {
        // Who tells a visit at this moment may not know of the rule, and is not seen by who applies it.
        // What is told next waits behind this: rather the rule is not changed than senders wait long.
        const LOCK: &str =
            "set local lock_timeout = '1500ms'; lock table visit in share row exclusive mode";
        sqlx::raw_sql(LOCK).execute(&mut **pg).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Whether changed rules are still to be applied to visits of the past.
pub async fn is_waiting(db: &Db) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = on_read!(db, pool => {
        sqlx::query_as("select below from rule_change").fetch_optional(pool).await?
    });
    Ok(row.is_some())
}

/// Applies changed rules to the next visits, the newest first; says whether more may wait.
pub async fn apply(db: &Db, at_most: i64) -> Result<bool, StoreError> {
    if !is_waiting(db).await? {
        return Ok(false);
    }
    let mut tx = Tx::begin(db).await?;
    let engine = tx.engine();
    let mut waiting = WAITING.rows(engine);
    waiting.int(1);
    let waiting: Vec<(i64,)> = tx.fetch(waiting).await?;
    let Some(&(below,)) = waiting.first() else {
        tx.rollback().await?;
        return Ok(false);
    };
    let mut next = NEXT.rows(engine);
    next.int(below).int(at_most);
    let next: Vec<(i64, i64)> = tx.fetch(next).await?;
    let (first, visits) = next.first().copied().unwrap_or_default();
    let statements: Vec<&'static Statement> = match engine {
        Engine::Lite => vec![&TAKE, &PUT],
        Engine::Pg => vec![&TAKE_AND_PUT],
    };
    for statement in statements {
        let mut span = statement.rows(engine);
        span.int(first).int(below);
        tx.run(span).await?;
    }
    let more = visits == at_most;
    let mut done = match more {
        true => DONE_DOWN_TO.rows(engine),
        false => DONE.rows(engine),
    };
    done.int(if more { first } else { 1 });
    tx.run(done).await?;
    tx.commit().await?;
    Ok(more)
}

/// The channel (`ch`) of call `c`: by rule, else that of its line when the call began.
pub(super) const OF_CALL: &str = " left join call_channel rc on rc.call = c.id
    left join line_channel x on x.line = c.line
         and x.valid_from <= c.started_at and (x.valid_to is null or x.valid_to > c.started_at)
    left join channel ch on ch.id = coalesce(rc.channel, x.channel)";
