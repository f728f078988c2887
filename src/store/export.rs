//! Calls for an export, in order of their start, a page at a time.

use std::collections::HashMap;

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Db, StoreError,
    channel_rules::OF_CALL,
    derived,
    sql::{Bound, Sql, fetch_all},
};
use crate::{
    model::{call::Call, time::Timestamp},
    on_read,
};

/// Calls a page holds.
const PAGE: usize = 1_000;

/// A call with what stands beside it.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Our id.
    pub id: Uuid,
    /// Who told of it.
    pub account: String,
    /// Its key there.
    pub call_key: String,
    /// The call.
    pub call: Call,
    /// Login of the person who answered.
    pub person: Option<String>,
    /// Channel of the line when the call started.
    pub channel: Option<String>,
    /// The client's card.
    pub card: Option<Uuid>,
    /// Why this card.
    pub match_reason: Option<String>,
    /// Why it was routed as it was.
    pub route_reason: Option<String>,
    /// From the event's bytes to the pop.
    pub pop_ms: Option<i64>,
    /// Its recordings.
    pub recordings: Vec<Recording>,
}

/// A recording of an exported call.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Recording {
    call: Uuid,
    /// Word of a state.
    pub state: String,
    /// Name under which it is kept.
    pub sha256: Option<String>,
    /// Length.
    pub duration_ms: Option<i64>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    account: String,
    call_key: String,
    started_at: i64,
    derived: String,
    facts: Option<Vec<u8>>,
    person: Option<String>,
    channel: Option<String>,
    card: Option<Uuid>,
    match_reason: Option<String>,
    route_reason: Option<String>,
    pop_ms: Option<i64>,
}

/// Where the next page begins: after this call.
#[derive(Clone, Copy, Debug)]
pub struct After {
    started_at: i64,
    id: Uuid,
}

impl After {
    /// Before the first call that started at `from` or later.
    pub fn start(from: Timestamp) -> Self {
        Self {
            started_at: from.as_micros(),
            id: Uuid::nil(),
        }
    }
}

/// Which calls are exported; nothing: all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `in`, `out` or `internal`.
    pub direction: Option<String>,
    /// Word of a result; `unreached`: over, and somebody should call back.
    pub result: Option<String>,
    /// Number of ours, E.164 or as the PBX tells it.
    pub line: Option<String>,
    /// Name of the channel the line belonged to then.
    pub channel: Option<String>,
    /// Login of somebody who was rung or talked.
    pub person: Option<String>,
}

impl Wanted {
    fn narrow(&self, sql: &mut Sql) {
        if let Some(direction) = &self.direction {
            sql.push(" and c.direction = ");
            sql.bind(Bound::Text(direction.clone()));
        }
        match self.result.as_deref() {
            None => {}
            Some("unreached") => {
                sql.push(" and c.phase = 'ended' and c.result not in ('answered', 'blocked')");
            }
            Some(result) => {
                sql.push(" and c.result = ");
                sql.bind(Bound::Text(result.to_owned()));
            }
        }
        if let Some(line) = &self.line {
            sql.push(" and c.line in (select id from line where did = ");
            sql.bind(Bound::Text(line.clone())).push(")");
        }
        if let Some(channel) = &self.channel {
            sql.push(" and ch.name = ");
            sql.bind(Bound::Text(channel.clone()));
        }
        if let Some(person) = &self.person {
            sql.push(
                " and exists (select 1 from call_person o join person q on q.id = o.person \
                 where o.call = c.id and q.login = ",
            );
            sql.bind(Bound::Text(person.clone())).push(")");
        }
    }
}

/// The next page of calls that started before `to`, and where to go on; no call: the end.
pub async fn page(
    db: &Db,
    wanted: &Wanted,
    after: After,
    to: Timestamp,
) -> Result<(Vec<Exported>, After), StoreError> {
    const SQL: &str = "select c.id, c.account, c.call_key, c.started_at, c.derived, c.facts, \
         p.login as person, ch.name as channel, c.card, c.match_reason, c.route_reason, c.pop_ms \
         from call c left join person p on p.id = c.answered_by";
    let mut sql = Sql::default();
    sql.push(SQL).push(OF_CALL);
    sql.push(" where (c.started_at, c.id) > (");
    sql.bind(Bound::Int(after.started_at)).push(", ");
    sql.bind(Bound::Id(after.id)).push(") and c.started_at < ");
    sql.bind(Bound::Int(to.as_micros()));
    wanted.narrow(&mut sql);
    sql.push(" order by c.started_at, c.id limit ");
    sql.bind(Bound::Int(i64::try_from(PAGE).unwrap_or(i64::MAX)));
    let rows: Vec<Row> = fetch_all!(db, sql);
    let Some(last) = rows.last() else {
        return Ok((Vec::new(), after));
    };
    let next = After {
        started_at: last.started_at,
        id: last.id,
    };
    let mut recordings = recordings(db, after, next).await?;
    let calls: Result<Vec<Exported>, StoreError> = rows
        .into_iter()
        .map(|row| exported(row, &mut recordings))
        .collect();
    Ok((calls?, next))
}

async fn recordings(
    db: &Db,
    after: After,
    last: After,
) -> Result<HashMap<Uuid, Vec<Recording>>, StoreError> {
    const SQL: &str = "select r.call, r.state, r.sha256, r.duration_ms \
         from call c join recording r on r.call = c.id \
         where (c.started_at, c.id) > ($1, $2) and (c.started_at, c.id) <= ($3, $4) order by r.id";
    let rows: Vec<Recording> = on_read!(db, pool => {
        sqlx::query_as(SQL)
            .bind(after.started_at)
            .bind(after.id)
            .bind(last.started_at)
            .bind(last.id)
            .fetch_all(pool)
            .await?
    });
    let mut found: HashMap<Uuid, Vec<Recording>> = HashMap::new();
    for row in rows {
        found.entry(row.call).or_default().push(row);
    }
    Ok(found)
}

fn exported(
    row: Row,
    recordings: &mut HashMap<Uuid, Vec<Recording>>,
) -> Result<Exported, StoreError> {
    let call = derived::read(row.id, &row.derived, row.facts.as_deref())?;
    Ok(Exported {
        recordings: recordings.remove(&row.id).unwrap_or_default(),
        id: row.id,
        account: row.account,
        call_key: row.call_key,
        call,
        person: row.person,
        channel: row.channel,
        card: row.card,
        match_reason: row.match_reason,
        route_reason: row.route_reason,
        pop_ms: row.pop_ms,
    })
}
