//! Messages on their way to subscriptions: made of news, told in lanes, kept with every attempt.
//!
//! A lane holds the messages of one call or card to one subscription; only its first one (`head`) may
//! be told, so order is kept, and lanes do not wait for each other. Whoever makes or ends messages of a
//! subscription touches its row first: that is the lock under which the next head is chosen.

use std::collections::{HashMap, HashSet};

use sqlx::FromRow;

use super::{
    Db, StoreError,
    rows::{Engine, Kind, Statement, Tx},
};
use crate::{model::time::Timestamp, on_read, on_write};

use Kind::{Int, Long, Text};

/// A message to be made.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// To which subscription.
    pub subscription: i64,
    /// The same on every attempt.
    pub message: String,
    /// Kind of news.
    pub kind: String,
    /// `call/...`, `card/...`.
    pub lane: String,
    /// The message up to its number, and the rest.
    pub body: (String, String),
    /// Whether it has failed already, for its subscription is disabled.
    pub is_failed: bool,
}

/// A message that is ours to tell for a while.
#[derive(Clone, Debug, FromRow)]
pub struct Claimed {
    /// Row of `delivery`.
    pub id: i64,
    /// To which subscription.
    pub subscription: i64,
    /// The same on every attempt.
    pub message: String,
    /// Kind of news.
    pub kind: String,
    /// Its lane.
    pub lane: String,
    /// What is sent.
    pub body: String,
    /// Which attempt of this schedule it is, from 1.
    pub attempts: i64,
    /// When the schedule began, in microseconds.
    pub retry_from: i64,
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// What was told.
    pub claimed: Claimed,
    /// When, and how long it took.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    /// Status of the answer, if one came.
    pub status: Option<i64>,
    /// Why it failed; empty: it did not.
    pub error: String,
    /// The answer's first bytes.
    pub answer: String,
    /// When to try again; `None`: it is over.
    pub again_at: Option<Timestamp>,
}

static TAKE_NEWS: Statement = Statement::new(
    "delete from news where id in (select id from {rows} as r)",
    &[("id", Int)],
);
static NUMBER: Statement = Statement::new(
    "update subscription set sequence = sequence + r.more from {rows} as r \
     where subscription.id = r.whose returning subscription.id, sequence",
    &[("whose", Int), ("more", Int)],
);
static ADD: Statement = Statement::new(
    "insert into delivery (subscription, message, sequence, kind, lane, head, body, created_at, \
     due_at, retry_from, state, error, ended_at) \
     select r.subscription, r.message, r.sequence, r.kind, r.lane, \
     case when r.leads = 1 and r.failed = 0 and not exists (select 1 from delivery d \
     where d.subscription = r.subscription and d.lane = r.lane and d.state = 'waiting') \
     then 1 else 0 end, r.body, r.now, r.now, r.now, \
     case r.failed when 1 then 'failed' else 'waiting' end, \
     case r.failed when 1 then 'disabled' else '' end, \
     case r.failed when 1 then r.now else null end from {rows} as r order by r.sequence",
    &[
        ("subscription", Int),
        ("message", Text),
        ("sequence", Int),
        ("kind", Text),
        ("lane", Text),
        ("leads", Int),
        ("failed", Int),
        ("body", Long),
        ("now", Int),
    ],
);

/// Turns news into messages, in one transaction: neither lost nor doubled whatever happens. Returns
/// `false`, and changes nothing, if somebody else has taken any of the news.
pub async fn make(
    db: &Db,
    news: &[i64],
    new: Vec<NewDelivery>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let engine = Engine::of(db);
    let mut taken = TAKE_NEWS.rows(engine);
    for id in news {
        taken.int(*id);
    }
    let mut counts: HashMap<i64, i64> = HashMap::new();
    for one in &new {
        *counts.entry(one.subscription).or_default() += 1;
    }
    let mut more = NUMBER.rows(engine);
    for (subscription, count) in &counts {
        more.int(*subscription).int(*count);
    }
    let mut tx = Tx::begin(db).await?;
    if tx.run(taken).await? != news.len() as u64 {
        tx.rollback().await?;
        return Ok(false);
    }
    let numbered: Vec<(i64, i64)> = tx.fetch(more).await?;
    let mut last: HashMap<i64, i64> = numbered
        .into_iter()
        .map(|(subscription, last)| (subscription, last - counts[&subscription]))
        .collect();
    let mut added = ADD.rows(engine);
    let mut lanes = HashSet::new();
    for one in new {
        // A subscription that has been removed meanwhile is told nothing.
        let Some(sequence) = last.get_mut(&one.subscription) else {
            continue;
        };
        *sequence += 1;
        let body = format!("{}{sequence}{}", one.body.0, one.body.1);
        let leads = lanes.insert((one.subscription, one.lane.clone()));
        added
            .int(one.subscription)
            .text(one.message.as_str())
            .int(*sequence)
            .text(one.kind.as_str())
            .text(one.lane.as_str())
            .int(i64::from(leads))
            .int(i64::from(one.is_failed))
            .text(body.as_str())
            .int(now.as_micros());
    }
    tx.run(added).await?;
    tx.commit().await?;
    Ok(true)
}

/// Active subscriptions for which something could be claimed now. A read, so that an idle worker never
/// meets the writer.
pub async fn due(db: &Db, now: Timestamp) -> Result<Vec<i64>, StoreError> {
    const SQL: &str = "select s.id from subscription s where s.state = 'active' and exists \
         (select 1 from delivery d where d.subscription = s.id and d.state = 'waiting' \
         and d.head = 1 and d.due_at <= $1 and (d.claimed_until is null or d.claimed_until <= $1))";
    let rows: Vec<(i64,)> = on_read!(db, pool => {
        sqlx::query_as(SQL).bind(now.as_micros()).fetch_all(pool).await?
    });
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Claims due messages of one subscription until `lease_until`: the first of each lane.
pub async fn claim(
    db: &Db,
    subscription: i64,
    now: Timestamp,
    lease_until: Timestamp,
    limit: i64,
) -> Result<Vec<Claimed>, StoreError> {
    macro_rules! claim_sql {
        ($lock:literal) => {
            concat!(
                "update delivery set claimed_until = $1, attempts = attempts + 1 where id in ( \
                 select id from delivery where subscription = $2 and state = 'waiting' \
                 and head = 1 and due_at <= $3 and (claimed_until is null or claimed_until <= $3) \
                 order by due_at, id limit $4 ",
                $lock,
                ") returning id, subscription, message, kind, lane, body, attempts, retry_from"
            )
        };
    }
    let text = match db {
        Db::Lite { .. } => claim_sql!(""),
        Db::Pg(_) => claim_sql!("for update skip locked"),
    };
    let mut claimed: Vec<Claimed> = on_write!(db, pool => {
        sqlx::query_as(text)
            .bind(lease_until.as_micros())
            .bind(subscription)
            .bind(now.as_micros())
            .bind(limit)
            .fetch_all(pool)
            .await?
    });
    claimed.sort_by_key(|one| one.id);
    Ok(claimed)
}

static TOUCH: Statement = Statement::new(
    "update subscription set told_at = coalesce(r.told, told_at), failing_since = case \
     when r.told is null then coalesce(failing_since, r.failed) else null end \
     from {rows} as r where subscription.id = r.whose",
    &[("whose", Int), ("told", Int), ("failed", Int)],
);
static SETTLE: Statement = Statement::new(
    "update delivery set state = r.outcome, status = r.answered, error = r.trouble, \
     due_at = coalesce(r.again, delivery.due_at), ended_at = r.ended, claimed_until = null, \
     head = case when r.outcome = 'waiting' then 1 else 0 end \
     from {rows} as r where delivery.id = r.told and delivery.attempts = r.attempt \
     and delivery.state = 'waiting'",
    &[
        ("told", Int),
        ("attempt", Int),
        ("outcome", Text),
        ("answered", Int),
        ("trouble", Text),
        ("again", Int),
        ("ended", Int),
    ],
);
static KEEP_ATTEMPT: Statement = Statement::new(
    "insert into delivery_attempt (delivery, at, status, error, answer, took_ms) \
     select d.id, r.at, r.status, r.error, r.answer, r.took_ms from {rows} as r \
     join delivery d on d.id = r.delivery",
    &[
        ("delivery", Int),
        ("at", Int),
        ("status", Int),
        ("error", Text),
        ("answer", Text),
        ("took_ms", Int),
    ],
);
/// The next of a lane whose first one is over.
static LEAD: Statement = Statement::new(
    "update delivery set head = 1 where id in (select min(d.id) from {rows} as r \
     join delivery d on d.subscription = r.whose and d.lane = r.lane and d.state = 'waiting' \
     group by d.subscription, d.lane)",
    &[("whose", Int), ("lane", Text)],
);

/// Writes down what came of attempts, all in one transaction. An attempt whose claim had run out
/// changes nothing but the log.
pub async fn settle(db: &Db, attempts: &[Attempted]) -> Result<(), StoreError> {
    let engine = Engine::of(db);
    let (mut touch, mut settle) = (TOUCH.rows(engine), SETTLE.rows(engine));
    let (mut log, mut lead) = (KEEP_ATTEMPT.rows(engine), LEAD.rows(engine));
    let mut stands: HashMap<i64, (Option<i64>, i64)> = HashMap::new();
    for one in attempts {
        let (claimed, at) = (&one.claimed, one.at.as_micros());
        let has_gone_well = one.error.is_empty();
        let stand = stands.entry(claimed.subscription).or_insert((None, at));
        stand.0 = stand.0.max(has_gone_well.then_some(at));
        let outcome = match (has_gone_well, one.again_at) {
            (true, _) => "done",
            (false, Some(_)) => "waiting",
            (false, None) => "failed",
        };
        let is_over = outcome != "waiting";
        settle
            .int(claimed.id)
            .int(claimed.attempts)
            .text(outcome)
            .int(one.status)
            .text(one.error.as_str())
            .int(one.again_at.map(Timestamp::as_micros))
            .int(is_over.then_some(at));
        log.int(claimed.id)
            .int(at)
            .int(one.status)
            .text(one.error.as_str())
            .text(one.answer.as_str())
            .int(one.took_ms);
        if is_over {
            lead.int(claimed.subscription).text(claimed.lane.as_str());
        }
    }
    for (subscription, (told, failed)) in stands {
        touch.int(subscription).int(told).int(failed);
    }
    let mut tx = Tx::begin(db).await?;
    for rows in [touch, settle, log, lead] {
        tx.run(rows).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Lets what waits for disabled subscriptions fail, at most `limit`; tells how many did.
pub async fn fail_disabled(db: &Db, now: Timestamp, limit: i64) -> Result<u64, StoreError> {
    const ANY: &str = "select 1 from subscription s where s.state = 'disabled' and exists \
         (select 1 from delivery d where d.subscription = s.id and d.state = 'waiting') limit 1";
    const SQL: &str = "update delivery set state = 'failed', head = 0, ended_at = $1, \
         error = case error when '' then 'disabled' else error end where id in \
         (select d.id from subscription s join delivery d on d.subscription = s.id \
         where s.state = 'disabled' and d.state = 'waiting' limit $2)";
    let some = on_read!(db, pool => sqlx::query(ANY).fetch_optional(pool).await?.is_some());
    if !some {
        return Ok(0);
    }
    Ok(on_write!(db, pool => {
        sqlx::query(SQL).bind(now.as_micros()).bind(limit).execute(pool).await?.rows_affected()
    }))
}

/// Whether a subscription has been told anything since.
pub async fn told_since(db: &Db, subscription: i64, since: i64) -> Result<bool, StoreError> {
    const SQL: &str = "select 1 from subscription where id = $1 and told_at >= $2";
    Ok(on_read!(db, pool => {
        sqlx::query(SQL).bind(subscription).bind(since).fetch_optional(pool).await?.is_some()
    }))
}

/// Which messages are to be told again.
#[derive(Clone, Copy, Debug)]
pub enum Again {
    /// This one.
    One(i64),
    /// All that failed and were made since.
    FailedSince(Timestamp),
}

/// Tells messages of a subscription again, under the same ids and with a schedule begun anew; tells how
/// many. Those of one lane go in their old order.
pub async fn replay(
    db: &Db,
    subscription: i64,
    which: Again,
    now: Timestamp,
) -> Result<u64, StoreError> {
    const LOCK: &str = "update subscription set sequence = sequence where id = $1";
    const ONE: &str = "update delivery set state = 'waiting', head = 0, due_at = $2, \
         retry_from = $2, attempts = 0, claimed_until = null, ended_at = null \
         where subscription = $1 and id = $3 and state <> 'waiting'";
    const SINCE: &str = "update delivery set state = 'waiting', head = 0, due_at = $2, \
         retry_from = $2, attempts = 0, claimed_until = null, ended_at = null \
         where subscription = $1 and created_at >= $3 and state = 'failed'";
    const LEAD: &str = "update delivery set head = 1 where id in (select min(id) from delivery \
         where subscription = $1 and state = 'waiting' group by lane)";
    let (text, value) = match which {
        Again::One(id) => (ONE, id),
        Again::FailedSince(since) => (SINCE, since.as_micros()),
    };
    Ok(on_write!(db, pool => {
        let mut tx = pool.begin().await?;
        sqlx::query(LOCK).bind(subscription).execute(&mut *tx).await?;
        let replayed = sqlx::query(text)
            .bind(subscription)
            .bind(now.as_micros())
            .bind(value)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        sqlx::query(LEAD).bind(subscription).execute(&mut *tx).await?;
        tx.commit().await?;
        replayed
    }))
}

/// A message as its log shows it; times in microseconds.
#[derive(Clone, Debug, FromRow)]
#[allow(
    missing_docs,
    reason = "columns of `delivery`, described in the schema"
)]
pub struct Logged {
    pub id: i64,
    pub message: String,
    pub sequence: i64,
    pub kind: String,
    pub created_at: i64,
    pub due_at: i64,
    pub state: String,
    pub status: Option<i64>,
    pub error: String,
    pub tries: i64,
}

/// The latest messages of a subscription, older than row `before`; perhaps only those in one state.
pub async fn log(
    db: &Db,
    subscription: i64,
    state: &str,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Logged>, StoreError> {
    const SQL: &str = "select d.id, d.message, d.sequence, d.kind, d.created_at, d.due_at, d.state, \
         d.status, d.error, (select count(*) from delivery_attempt a where a.delivery = d.id) as tries \
         from delivery d where d.subscription = $1 and d.id < $2 and ($3 = '' or d.state = $3) \
         order by d.id desc limit $4";
    Ok(on_read!(db, pool => {
        sqlx::query_as(SQL)
            .bind(subscription)
            .bind(before.unwrap_or(i64::MAX))
            .bind(state)
            .bind(limit)
            .fetch_all(pool)
            .await?
    }))
}

/// One attempt as the log shows it.
#[derive(Clone, Debug, FromRow)]
#[allow(
    missing_docs,
    reason = "columns of `delivery_attempt`, described in the schema"
)]
pub struct Tried {
    pub at: i64,
    pub status: Option<i64>,
    pub error: String,
    pub answer: String,
    pub took_ms: i64,
}

/// One message of a subscription: what was sent, and every attempt.
pub async fn one(
    db: &Db,
    subscription: i64,
    id: i64,
) -> Result<Option<(Logged, String, Vec<Tried>)>, StoreError> {
    const SQL: &str = "select at, status, error, answer, took_ms from delivery_attempt \
         where delivery = $1 order by id";
    const BODY: &str = "select body from delivery where id = $1 and subscription = $2";
    let found = log(db, subscription, "", Some(id.saturating_add(1)), 1).await?;
    let Some(logged) = found.into_iter().find(|logged| logged.id == id) else {
        return Ok(None);
    };
    let (body,): (String,) = on_read!(db, pool => {
        sqlx::query_as(BODY).bind(id).bind(subscription).fetch_one(pool).await?
    });
    let tried = on_read!(db, pool => sqlx::query_as(SQL).bind(id).fetch_all(pool).await?);
    Ok(Some((logged, body, tried)))
}

/// How many news and messages wait.
pub async fn waiting(db: &Db) -> Result<i64, StoreError> {
    const SQL: &str = "select (select count(*) from news) + (select count(*) from delivery d \
         join subscription s on s.id = d.subscription where d.state = 'waiting')";
    let (count,): (i64,) = on_read!(db, pool => sqlx::query_as(SQL).fetch_one(pool).await?);
    Ok(count)
}

/// How many messages of each subscription wait and how many failed, and since when the oldest waits.
pub async fn depths(db: &Db) -> Result<Vec<(i64, i64, i64, Option<i64>)>, StoreError> {
    const SQL: &str = "select s.id, \
         (select count(*) from delivery d where d.subscription = s.id and d.state = 'waiting'), \
         (select count(*) from delivery d where d.subscription = s.id and d.state = 'failed'), \
         (select min(d.created_at) from delivery d where d.subscription = s.id \
         and d.state = 'waiting') from subscription s order by s.id";
    Ok(on_read!(db, pool => sqlx::query_as(SQL).fetch_all(pool).await?))
}
