//! Reading calls: the journal by filter and keyset, one call with all that belongs to it.
//!
//! Lists go by (start, id) downwards and never count rows to skip. Filters become SQL here and nowhere
//! else; values are always bound.

mod filter;

use sqlx::FromRow;
use uuid::Uuid;

use self::filter::{Along, select};
pub use self::filter::{Came, Figure, Filter, LocalTime, Outcome, Whose};
pub(super) use self::filter::{FIRST, target};
use super::{
    Db, StoreError, derived,
    sources::counts,
    sql::{Bound, Sql, fetch_all},
};
use crate::{
    model::{
        call::Call,
        event::CallEvent,
        ids::{CallId, CardId, PersonId},
        time::Timestamp,
    },
    on_read,
    tracker::Facts,
};

/// Totals stop counting here; a page then says "more than".
pub const TOTALS_LIMIT: i64 = 100_000;

/// Where the next page begins: after this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Its start.
    pub started_at: Timestamp,
    /// Its id.
    pub id: Uuid,
}

/// One line of the journal; times in microseconds.
#[derive(Clone, Debug, FromRow)]
#[allow(missing_docs, reason = "columns of `call`, described in the schema")]
pub struct CallRow {
    pub id: Uuid,
    pub version: i64,
    pub account: String,
    pub phase: String,
    pub direction: Option<String>,
    pub result: Option<String>,
    pub client: Option<String>,
    pub client_shown: String,
    pub client_name: String,
    pub did: Option<String>,
    pub line: Option<i64>,
    pub line_name: Option<String>,
    pub started_at: i64,
    pub answered_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub wait_ms: Option<i64>,
    pub talk_ms: Option<i64>,
    pub answered_ext: Option<String>,
    pub person_name: Option<String>,
    pub card: Option<Uuid>,
    pub card_name: Option<String>,
    pub card_company: Option<String>,
    pub recording: Option<String>,
    pub pop_ms: Option<i64>,
    /// 1: somebody still has to call back.
    pub open_task: i64,
}

const ROW: &str =
    "c.id, c.version, c.account, c.phase, c.direction, c.result, c.client, c.client_shown,
    c.client_name, c.did, c.line, l.name as line_name, c.started_at, c.answered_at, c.ended_at,
    c.wait_ms, c.talk_ms, c.answered_ext, p.name as person_name, c.card, k.name as card_name,
    k.company as card_company, c.recording, c.pop_ms,
    cast(case when t.id is null then 0 else 1 end as bigint) as open_task";

const JOINS: &str = " left join line l on l.id = c.line
    left join person p on p.id = c.answered_by
    left join card k on k.id = c.card
    left join task t on t.call = c.id and t.kind = 'call_back' and t.done_at is null";

/// What the totals line says.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromRow)]
pub struct Totals {
    /// Calls; at most [`TOTALS_LIMIT`] + 1.
    pub calls: i64,
    /// Answered.
    pub answered: i64,
    /// Waiting for a call back.
    pub open: i64,
    /// Talk in milliseconds.
    pub talk_ms: i64,
}

/// One page of calls, newest first.
pub async fn page(
    db: &Db,
    filter: &Filter,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<CallRow>, StoreError> {
    let along = Along::of(db, filter).await?;
    let sql = page_of((ROW, JOINS), (filter, along), after, limit);
    Ok(fetch_all!(db, sql))
}

/// A line of the journal with where its client came from.
#[derive(Clone, Debug, FromRow)]
pub struct WithOrigin {
    /// The line.
    #[sqlx(flatten)]
    pub row: CallRow,
    /// Name of the channel.
    pub channel: Option<String>,
    /// Source of the visit that counts; so are the others.
    pub source: Option<String>,
    /// Medium.
    pub medium: Option<String>,
    /// Campaign.
    pub campaign: Option<String>,
    /// Keyword.
    pub term: Option<String>,
}

/// The same page, with where the clients came from.
pub async fn with_origins(
    db: &Db,
    filter: &Filter,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<WithOrigin>, StoreError> {
    let columns = format!("{ROW}, ch.name as channel, v.source, v.medium, v.campaign, v.term");
    let joins = format!("{JOINS} left join visit v on {}", counts("v", "c"));
    let along = Along::of(db, filter).await?;
    let sql = page_of((&columns, &joins), (filter, along), after, limit);
    Ok(fetch_all!(db, sql))
}

fn page_of(
    (columns, joins): (&str, &str),
    (filter, along): (&Filter, Along),
    after: Option<Cursor>,
    limit: i64,
) -> Sql {
    let mut sql = select(columns, joins, filter, along);
    let (start, id) = along.keys();
    if let Some(after) = after {
        sql.push(&format!(" and ({start}, {id}) < ("));
        sql.bind(Bound::Int(after.started_at.as_micros()));
        sql.push(", ");
        sql.bind(Bound::Id(after.id)).push(")");
    }
    sql.push(&format!(" order by {start} desc, {id} desc limit "));
    sql.bind(Bound::Int(limit));
    sql
}

/// Sums over all calls of a filter, up to [`TOTALS_LIMIT`].
pub async fn totals(db: &Db, filter: &Filter) -> Result<Totals, StoreError> {
    const TASK: &str =
        " left join task t on t.call = c.id and t.kind = 'call_back' and t.done_at is null";
    let along = Along::of(db, filter).await?;
    let inner = select("c.result, c.talk_ms, t.id as task", TASK, filter, along);
    let mut sql = Sql {
        text: String::new(),
        values: inner.values,
    };
    sql.push(
        "select count(*) as calls,
            cast(coalesce(sum(case when s.result = 'answered' then 1 else 0 end), 0) as bigint)
                as answered,
            cast(coalesce(sum(case when s.task is null then 0 else 1 end), 0) as bigint) as open,
            cast(coalesce(sum(s.talk_ms), 0) as bigint) as talk_ms
         from (",
    );
    sql.push(&inner.text);
    sql.push(&format!(" limit {}) s", TOTALS_LIMIT + 1));
    let rows: Vec<Totals> = fetch_all!(db, sql);
    Ok(rows.into_iter().next().unwrap_or_default())
}

/// The beginning of a statement over rows of the journal.
fn rows() -> Sql {
    let mut sql = Sql::default();
    sql.push("select ")
        .push(ROW)
        .push(" from call c")
        .push(JOINS);
    sql
}

/// Calls that are not over, newest first; those not heard of since `heard_since` are left out.
pub async fn live(
    db: &Db,
    whose: Whose,
    heard_since: Timestamp,
    limit: i64,
) -> Result<Vec<CallRow>, StoreError> {
    let mut sql = rows();
    sql.push(" where c.phase <> 'ended' and c.heard_at >= ");
    sql.bind(Bound::Int(heard_since.as_micros()));
    newest_of(&mut sql, whose, limit);
    Ok(fetch_all!(db, sql))
}

/// Calls that began at or after `begun_since` and ended at or after `ended_since`, newest first.
pub async fn just_ended(
    db: &Db,
    whose: Whose,
    begun_since: Timestamp,
    ended_since: Timestamp,
    limit: i64,
) -> Result<Vec<CallRow>, StoreError> {
    let mut sql = rows();
    sql.push(" where c.phase = 'ended' and c.started_at >= ");
    sql.bind(Bound::Int(begun_since.as_micros()));
    sql.push(" and c.ended_at >= ");
    sql.bind(Bound::Int(ended_since.as_micros()));
    newest_of(&mut sql, whose, limit);
    Ok(fetch_all!(db, sql))
}

/// The end of a statement over calls: those of these people, newest first.
fn newest_of(sql: &mut Sql, whose: Whose, limit: i64) {
    match whose {
        Whose::Everybody => {}
        Whose::Department(department) => {
            sql.push(
                " and exists (select 1 from call_person o join person q on q.id = o.person
                  where o.call = c.id and q.department = ",
            );
            sql.bind(Bound::Int(department)).push(")");
        }
        Whose::Person(person) => {
            sql.push(
                " and exists (select 1 from call_person o where o.call = c.id and o.person = ",
            );
            sql.bind(Bound::Int(person.0)).push(")");
        }
    }
    sql.push(" order by c.started_at desc, c.id desc limit ");
    sql.bind(Bound::Int(limit));
}

/// The latest calls of a card.
pub async fn of_card(db: &Db, card: CardId, limit: i64) -> Result<Vec<CallRow>, StoreError> {
    let mut sql = rows();
    sql.push(" where c.card = ").bind(Bound::Id(card.0));
    sql.push(" order by c.started_at desc limit ");
    sql.bind(Bound::Int(limit));
    Ok(fetch_all!(db, sql))
}

/// One call as its page needs it.
#[derive(Clone, Debug)]
pub struct CallPage {
    /// The journal's line.
    pub row: CallRow,
    /// The derived call.
    pub call: Call,
    /// Everything the columns of the page show beside it.
    pub more: More,
}

/// Columns of a call that lists do not show.
#[derive(Clone, Debug, FromRow)]
#[allow(missing_docs, reason = "columns of `call`, described in the schema")]
pub struct More {
    pub call_key: String,
    pub ended: Option<String>,
    pub hangup_by: Option<String>,
    pub ring_ms: Option<i64>,
    pub hold_ms: Option<i64>,
    pub match_reason: Option<String>,
    pub route_reason: Option<String>,
    pub heard_at: i64,
    pub card_owner: Option<i64>,
    pub owner_name: Option<String>,
    pub owner_department: Option<i64>,
    pub derived: String,
    pub facts: Option<Vec<u8>>,
}

/// One call, if it is there.
pub async fn call(db: &Db, id: CallId) -> Result<Option<CallPage>, StoreError> {
    let mut sql = rows();
    sql.push(" where c.id = ").bind(Bound::Id(id.0));
    let rows: Vec<CallRow> = fetch_all!(db, sql);
    let more: Option<More> = on_read!(db, pool => {
        sqlx::query_as(
            "select c.call_key, c.ended, c.hangup_by, c.ring_ms, c.hold_ms, c.match_reason,
                    c.route_reason, c.heard_at, k.owner as card_owner, o.name as owner_name,
                    o.department as owner_department, c.derived, c.facts
             from call c left join card k on k.id = c.card left join person o on o.id = k.owner
             where c.id = $1",
        )
        .bind(id.0)
        .fetch_optional(pool)
        .await?
    });
    let (Some(row), Some(more)) = (rows.into_iter().next(), more) else {
        return Ok(None);
    };
    let call = derived::read(id.0, &more.derived, more.facts.as_deref())?;
    Ok(Some(CallPage { row, call, more }))
}

/// The call that a call of another id has become part of, or the same: by any of its keys.
pub async fn by_key(db: &Db, account: &str, key: &str) -> Result<Option<CallId>, StoreError> {
    let row: Option<(Uuid,)> = on_read!(db, pool => {
        sqlx::query_as("select call from call_key where account = $1 and key = $2")
            .bind(account)
            .bind(key)
            .fetch_optional(pool)
            .await?
    });
    Ok(row.map(|(id,)| CallId(id)))
}

/// Who was rung or talked in a call.
#[derive(Clone, Debug, FromRow)]
pub struct Involved {
    /// Who.
    pub person: i64,
    /// Shown name.
    pub name: String,
    /// Department.
    pub department: Option<i64>,
    /// 1: their phone rang.
    pub rang: i64,
    /// 1: talked with the client.
    pub talked: i64,
}

/// Everybody who was rung or talked in a call.
pub async fn involved(db: &Db, id: CallId) -> Result<Vec<Involved>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select cp.person, p.name, p.department, cp.rang, cp.talked
             from call_person cp join person p on p.id = cp.person
             where cp.call = $1 order by cp.person",
        )
        .bind(id.0)
        .fetch_all(pool)
        .await?
    }))
}

/// Facts of a call, by time.
pub async fn facts(db: &Db, id: CallId) -> Result<Vec<CallEvent>, StoreError> {
    let row: Option<(Option<Vec<u8>>,)> = on_read!(db, pool => {
        sqlx::query_as("select facts from call where id = $1")
            .bind(id.0)
            .fetch_optional(pool)
            .await?
    });
    let Some((Some(blob),)) = row else {
        return Ok(Vec::new());
    };
    let facts = Facts::unseal(&blob).map_err(|source| StoreError::Sealed { call: id.0, source })?;
    let mut facts: Vec<CallEvent> = facts.into_iter().collect();
    facts.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    Ok(facts)
}

/// One routing decision; times in microseconds.
#[derive(Clone, Debug, FromRow)]
#[allow(
    missing_docs,
    reason = "columns of `decision`, described in the schema"
)]
pub struct Decision {
    pub at: i64,
    pub attempt: i64,
    pub targets: String,
    pub ring_ms: i64,
    pub reason: String,
    pub explain: String,
    pub took_us: i64,
}

/// Routing decisions of a call, by any of its keys.
pub async fn decisions(db: &Db, id: CallId) -> Result<Vec<Decision>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select d.at, d.attempt, d.targets, d.ring_ms, d.reason, d.explain, d.took_us
             from call_key y join decision d on d.account = y.account and d.key = y.key
             where y.call = $1 order by d.at, d.id",
        )
        .bind(id.0)
        .fetch_all(pool)
        .await?
    }))
}

/// Whether this person was rung by a call of the card (or by the call itself) that is going on or
/// ended after `since`: such a person may see the card until wrap-up ends.
pub async fn is_rung(
    db: &Db,
    person: PersonId,
    call: Option<CallId>,
    card: Option<CardId>,
    since: Timestamp,
    started_since: Timestamp,
) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = on_read!(db, pool => {
        sqlx::query_as(
            "select cp.started_at from call_person cp join call c on c.id = cp.call
             where cp.person = $1 and cp.started_at >= $2 and cp.rang = 1
               and (c.id = $3 or c.card = $4)
               and (c.ended_at is null or c.ended_at >= $5)
             limit 1",
        )
        .bind(person.0)
        .bind(started_since.as_micros())
        .bind(call.map(|call| call.0))
        .bind(card.map(|card| card.0))
        .bind(since.as_micros())
        .fetch_optional(pool)
        .await?
    });
    Ok(row.is_some())
}
