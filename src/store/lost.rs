//! Clients who called and were never reached: nobody has talked with them since, whatever became of the
//! task. A task that somebody closed by hand reached nobody.

use std::collections::BTreeMap;

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Db, StoreError,
    sql::{Bound, Sql, fetch_all},
    tasks::Whose,
};
use crate::model::time::Timestamp;

/// Missed calls looked at; of more the newest are left out.
const LOOKED_AT: i64 = 5_000;

/// A client nobody has reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// E.164.
    pub client: String,
    /// The card, if there is one.
    pub card: Option<Uuid>,
    /// The card's name.
    pub name: String,
    /// The first call nobody took since somebody talked with the client last.
    pub call: Option<Uuid>,
    /// When it ended, in microseconds.
    pub since: i64,
    /// How many there have been.
    pub calls: i64,
    /// The line of the last one.
    pub line: Option<String>,
    /// Who should have called back: whose task it is, else who was rung first.
    pub person: Option<String>,
    /// Somebody closed a task of theirs by hand.
    pub closed_by_hand: bool,
}

#[derive(FromRow)]
struct Missed {
    client: String,
    call: Option<Uuid>,
    card: Option<Uuid>,
    card_name: Option<String>,
    created_at: i64,
    line: Option<String>,
    person: Option<String>,
    closed: i64,
}

/// Clients whom nobody has reached, those who have waited longest first.
pub async fn clients(db: &Db, whose: Whose, since: Timestamp) -> Result<Vec<Lost>, StoreError> {
    let mut sql = Sql::default();
    sql.push(
        "select t.client, t.call, t.card, k.name as card_name, t.created_at, l.name as line,
                p.name as person,
                cast(case when t.done_at is null then 0 else 1 end as bigint) as closed
         from task t left join call c on c.id = t.call left join line l on l.id = c.line
         left join card k on k.id = t.card left join person p on p.id = coalesce(t.person, t.rung)
         where t.kind = 'call_back' and t.client is not null
           and (t.done_at is null or t.outcome in ('closed_by_person', 'not_needed'))
           and not exists (select 1 from call e where e.client = t.client
               and e.result = 'answered' and e.direction in ('in', 'out')
               and e.started_at >= coalesce(c.started_at, t.created_at))
           and t.created_at >= ",
    );
    sql.bind(Bound::Int(since.as_micros()));
    match whose {
        Whose::Everybody => {}
        Whose::Department(department) => {
            sql.push(" and (p.id is null or p.department = ");
            sql.bind(Bound::Int(department)).push(")");
        }
        Whose::Person(person) => {
            sql.push(" and p.id = ").bind(Bound::Int(person.0));
        }
    }
    sql.push(" order by t.created_at, t.id limit ");
    sql.bind(Bound::Int(LOOKED_AT));
    let missed: Vec<Missed> = fetch_all!(db, sql);
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut lost: Vec<Lost> = Vec::new();
    for one in missed {
        let place = *places.entry(one.client.clone()).or_insert(lost.len());
        match lost.get_mut(place) {
            Some(known) => {
                known.calls += 1;
                known.line = one.line.or(known.line.take());
                known.person = one.person.or(known.person.take());
                known.closed_by_hand |= one.closed == 1;
            }
            None => lost.push(Lost {
                client: one.client,
                card: one.card,
                name: one.card_name.unwrap_or_default(),
                call: one.call,
                since: one.created_at,
                calls: 1,
                line: one.line,
                person: one.person,
                closed_by_hand: one.closed == 1,
            }),
        }
    }
    Ok(lost)
}
