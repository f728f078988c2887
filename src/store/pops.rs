//! The life of pops: decided, delivered, painted, withdrawn; and the time in the call's row.

use std::collections::BTreeMap;

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Db, StoreError,
    rows::{Engine, Kind, Rows, Statement, Tx},
};
use crate::{
    model::{
        ids::{CallId, PersonId},
        time::Timestamp,
    },
    on_read,
};

/// What is known of one pop; later news only adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The call.
    pub call: CallId,
    /// Whose pop.
    pub person: PersonId,
    /// What is new.
    pub what: What,
}

/// One thing that is new about a pop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// This person was chosen.
    Decided {
        /// `rung` or `supervises`.
        reason: &'static str,
        /// When the causing bytes came in.
        received_at: Timestamp,
        /// When it was decided.
        at: Timestamp,
    },
    /// Written to a socket.
    Delivered(Timestamp),
    /// On the screen.
    Painted(Timestamp),
    /// Taken away, and why.
    Withdrawn(Timestamp, &'static str),
}

/// Pops chosen in a batch, with what else is known of them by its end.
static DECIDED: Statement = Statement::new(
    "insert into pop (call, person, reason, received_at, decided_at, delivered_at, painted_at, \
     withdrawn_at, withdrawn_why) \
     select call, person, reason, received_at, decided_at, delivered_at, painted_at, withdrawn_at, \
     withdrawn_why from {rows} as r where true \
     on conflict (call, person) do update set \
     delivered_at = coalesce(pop.delivered_at, excluded.delivered_at), \
     painted_at = coalesce(pop.painted_at, excluded.painted_at), \
     withdrawn_at = excluded.withdrawn_at, withdrawn_why = excluded.withdrawn_why",
    POP,
);
/// News of pops that were chosen before.
static KNOWN: Statement = Statement::new(
    "update pop set delivered_at = coalesce(pop.delivered_at, r.delivered_at), \
     painted_at = coalesce(pop.painted_at, r.painted_at), \
     withdrawn_at = coalesce(r.withdrawn_at, pop.withdrawn_at), \
     withdrawn_why = coalesce(r.withdrawn_why, pop.withdrawn_why) \
     from {rows} as r where pop.call = r.call and pop.person = r.person",
    POP,
);
const POP: &[(&str, Kind)] = &[
    ("call", Kind::Id),
    ("person", Kind::Int),
    ("reason", Kind::Text),
    ("received_at", Kind::Int),
    ("decided_at", Kind::Int),
    ("delivered_at", Kind::Int),
    ("painted_at", Kind::Int),
    ("withdrawn_at", Kind::Int),
    ("withdrawn_why", Kind::Text),
];

/// PostgreSQL: locks calls in the order of their ids, as the writer does.
static LOCK_CALLS: Statement = Statement::new(
    "select c.id from {rows} as r join call c on c.id = r.call order by c.id for update of c",
    FIRST,
);
/// The first delivery of a call.
static FIRST_DELIVERY: Statement = Statement::new(
    "update call set pop_ms = case when r.at > p.received_at then (r.at - p.received_at) / 1000 \
     else 0 end from {rows} as r join pop p on p.call = r.call and p.person = r.person \
     where call.id = r.call and call.pop_ms is null",
    FIRST,
);
const FIRST: &[(&str, Kind)] = &[("call", Kind::Id), ("person", Kind::Int), ("at", Kind::Int)];

/// What a batch says of one pop.
#[derive(Debug, Default)]
struct Told {
    /// Reason, arrival and decision.
    decided: Option<(&'static str, Timestamp, Timestamp)>,
    delivered_at: Option<Timestamp>,
    painted_at: Option<Timestamp>,
    withdrawn: Option<(Timestamp, &'static str)>,
}

impl Told {
    fn hear(&mut self, what: &What) {
        match *what {
            What::Decided {
                reason,
                received_at,
                at,
            } => {
                self.decided.get_or_insert((reason, received_at, at));
                self.withdrawn = None;
            }
            What::Delivered(at) => _ = self.delivered_at.get_or_insert(at),
            What::Painted(at) => _ = self.painted_at.get_or_insert(at),
            What::Withdrawn(at, why) => self.withdrawn = Some((at, why)),
        }
    }

    fn write(&self, rows: &mut Rows, call: CallId, person: PersonId) {
        let micros = |at: Option<Timestamp>| at.map(Timestamp::as_micros);
        rows.id(call.0)
            .int(person.0)
            .text(self.decided.map(|(reason, ..)| reason))
            .int(micros(self.decided.map(|(_, received_at, _)| received_at)))
            .int(micros(self.decided.map(|(.., at)| at)))
            .int(micros(self.delivered_at))
            .int(micros(self.painted_at))
            .int(micros(self.withdrawn.map(|(at, _)| at)))
            .text(self.withdrawn.map(|(_, why)| why));
    }
}

/// Keeps a batch of news, in the order in which they came, in one transaction. The first delivery of a
/// call is its `pop_ms`.
pub async fn keep(db: &Db, news: &[News]) -> Result<(), StoreError> {
    let engine = Engine::of(db);
    let mut told: BTreeMap<(CallId, PersonId), Told> = BTreeMap::new();
    let mut first = BTreeMap::new();
    for one in news {
        let pop = told.entry((one.call, one.person)).or_default();
        pop.hear(&one.what);
        if let What::Delivered(at) = one.what {
            first.entry(one.call).or_insert((one.person, at));
        }
    }
    let (mut decided, mut known) = (DECIDED.rows(engine), KNOWN.rows(engine));
    for ((call, person), pop) in &told {
        let rows = match pop.decided {
            Some(_) => &mut decided,
            None => &mut known,
        };
        pop.write(rows, *call, *person);
    }
    let mut tx = Tx::begin(db).await?;
    tx.run(decided).await?;
    tx.run(known).await?;
    if engine == Engine::Pg {
        let _: Vec<(Uuid,)> = tx.fetch(deliveries(&LOCK_CALLS, engine, &first)).await?;
    }
    tx.run(deliveries(&FIRST_DELIVERY, engine, &first)).await?;
    tx.commit().await?;
    Ok(())
}

fn deliveries(
    statement: &'static Statement,
    engine: Engine,
    first: &BTreeMap<CallId, (PersonId, Timestamp)>,
) -> Rows {
    let mut rows = statement.rows(engine);
    for (call, (person, at)) in first {
        rows.id(call.0).int(person.0).int(at.as_micros());
    }
    rows
}

/// One pop as the "why no pop?" view shows it; times in microseconds.
#[derive(Clone, Debug, FromRow)]
pub struct Pop {
    /// Whose.
    pub person: i64,
    /// Their name.
    pub name: String,
    /// `rung` or `supervises`.
    pub reason: String,
    /// The causing bytes came in.
    pub received_at: i64,
    /// The person was chosen.
    pub decided_at: i64,
    /// Written to the first socket.
    pub delivered_at: Option<i64>,
    /// On the screen.
    pub painted_at: Option<i64>,
    /// Taken away.
    pub withdrawn_at: Option<i64>,
    /// Why.
    pub withdrawn_why: Option<String>,
}

/// The pops of one call.
pub async fn of_call(db: &Db, call: CallId) -> Result<Vec<Pop>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select o.person, p.name, o.reason, o.received_at, o.decided_at, o.delivered_at,
                    o.painted_at, o.withdrawn_at, o.withdrawn_why
             from pop o join person p on p.id = o.person
             where o.call = $1 order by o.decided_at, o.person",
        )
        .bind(call.0)
        .fetch_all(pool)
        .await?
    }))
}
