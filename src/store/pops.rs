//! The life of pops: decided, delivered, painted, withdrawn; and the time in the call's row.

use sqlx::FromRow;

use super::{Db, StoreError};
use crate::{
    model::{
        ids::{CallId, PersonId},
        time::Timestamp,
    },
    on_read, on_write,
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

const DECIDED: &str = "insert into pop (call, person, reason, received_at, decided_at)
    values ($1, $2, $3, $4, $5)
    on conflict (call, person) do update
    set withdrawn_at = null, withdrawn_why = null";
const DELIVERED: &str = "update pop set delivered_at = $3
    where call = $1 and person = $2 and delivered_at is null";
const FIRST_DELIVERY: &str = "update call set pop_ms =
    (select case when $3 > received_at then ($3 - received_at) / 1000
    else 0 end
    from pop where call = $1 and person = $2)
    where id = $1 and pop_ms is null";
const PAINTED: &str = "update pop set painted_at = $3
    where call = $1 and person = $2 and painted_at is null";
const WITHDRAWN: &str = "update pop set withdrawn_at = $3, withdrawn_why = $4
    where call = $1 and person = $2";

/// Keeps a batch of news. The first delivery of a call is its `pop_ms`.
///
/// SQLite takes the batch in one transaction. PostgreSQL takes one transaction a piece: the writer
/// locks calls in an order of its own, and a transaction with one call cannot cross it.
pub async fn keep(db: &Db, news: &[News]) -> Result<(), StoreError> {
    let at_once = match db {
        Db::Lite { .. } => news.len().max(1),
        Db::Pg(_) => 1,
    };
    for batch in news.chunks(at_once) {
        keep_at_once(db, batch).await?;
    }
    Ok(())
}

async fn keep_at_once(db: &Db, news: &[News]) -> Result<(), StoreError> {
    on_write!(db, pool => {
        let mut transaction = pool.begin().await?;
        for one in news {
            let (call, person) = (one.call.0, one.person.0);
            match &one.what {
                What::Decided { reason, received_at, at } => {
                    sqlx::query(DECIDED)
                    .bind(call)
                    .bind(person)
                    .bind(*reason)
                    .bind(received_at.as_micros())
                    .bind(at.as_micros())
                    .execute(&mut *transaction)
                    .await?;
                }
                What::Delivered(at) => {
                    sqlx::query(DELIVERED)
                    .bind(call)
                    .bind(person)
                    .bind(at.as_micros())
                    .execute(&mut *transaction)
                    .await?;
                    sqlx::query(FIRST_DELIVERY)
                    .bind(call)
                    .bind(person)
                    .bind(at.as_micros())
                    .execute(&mut *transaction)
                    .await?;
                }
                What::Painted(at) => {
                    sqlx::query(PAINTED)
                    .bind(call)
                    .bind(person)
                    .bind(at.as_micros())
                    .execute(&mut *transaction)
                    .await?;
                }
                What::Withdrawn(at, why) => {
                    sqlx::query(WITHDRAWN)
                    .bind(call)
                    .bind(person)
                    .bind(at.as_micros())
                    .bind(*why)
                    .execute(&mut *transaction)
                    .await?;
                }
            }
        }
        transaction.commit().await?;
    });
    Ok(())
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
