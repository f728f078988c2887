//! Lets rows of our own bookkeeping go after their time: who did what, why calls were routed as they
//! were, jobs that are over. In portions, so that call events are not kept waiting.

use super::{Db, StoreError};
use crate::{model::time::Timestamp, on_read, on_write};

/// One kind of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Who did what.
    Audit,
    /// Routing decisions whose call never came, or whose question named no call; the others stay as long
    /// as their call.
    LooseDecisions,
    /// Visits whose call never came; the others stay as long as their call.
    LooseVisits,
    /// Jobs that are done, or were given up and are told elsewhere.
    FinishedJobs,
    /// Messages that were told, or were given up; their attempts go with them.
    FinishedDeliveries,
}

impl Rows {
    /// The last row of the next portion, and its time. Rows are numbered as time goes, so the oldest
    /// have the least numbers and no index by time is kept.
    const fn portion(self) -> &'static str {
        match self {
            Self::Audit => {
                "select max(id), max(at) from \
                 (select id, at from audit where id > $1 order by id limit $2) as oldest"
            }
            Self::LooseDecisions => {
                "select max(id), max(at) from \
                 (select id, at from decision where id > $1 order by id limit $2) as oldest"
            }
            Self::LooseVisits => {
                "select max(id), max(told_at) from \
                 (select id, told_at from visit where id > $1 order by id limit $2) as oldest"
            }
            Self::FinishedJobs => {
                "select max(id), max(created_at) from \
                 (select id, created_at from outbox where id > $1 order by id limit $2) as oldest"
            }
            Self::FinishedDeliveries => {
                "select max(id), max(created_at) from \
                 (select id, created_at from delivery where id > $1 order by id limit $2) as oldest"
            }
        }
    }

    const fn delete(self) -> &'static str {
        match self {
            Self::Audit => "delete from audit where id > $1 and id <= $2 and at < $3",
            Self::LooseDecisions => {
                "delete from decision where id > $1 and id <= $2 and at < $3 \
                 and not exists (select 1 from call_key k \
                 where k.account = decision.account and k.key = decision.key)"
            }
            Self::LooseVisits => {
                "delete from visit where id > $1 and id <= $2 and told_at < $3 and call is null"
            }
            Self::FinishedJobs => {
                "delete from outbox where id > $1 and id <= $2 and created_at < $3 \
                 and state <> 'waiting'"
            }
            Self::FinishedDeliveries => {
                "delete from delivery where id > $1 and id <= $2 and created_at < $3 \
                 and state <> 'waiting'"
            }
        }
    }
}

/// What became of a portion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion {
    /// Rows that went.
    pub gone: u64,
    /// Where to go on; `None`: nothing older than the limit is left.
    pub after: Option<i64>,
}

/// Deletes what is older than `before` of the next rows after row `after`.
pub async fn forget(
    db: &Db,
    rows: Rows,
    after: i64,
    before: Timestamp,
    portion: i64,
) -> Result<Portion, StoreError> {
    let (last, newest): (Option<i64>, Option<i64>) = on_read!(db, pool => {
        sqlx::query_as(rows.portion()).bind(after).bind(portion).fetch_one(pool).await?
    });
    let (Some(last), Some(newest)) = (last, newest) else {
        return Ok(Portion {
            gone: 0,
            after: None,
        });
    };
    let gone = on_write!(db, pool => {
        sqlx::query(rows.delete())
            .bind(after)
            .bind(last)
            .bind(before.as_micros())
            .execute(pool)
            .await?
            .rows_affected()
    });
    Ok(Portion {
        gone,
        after: (newest < before.as_micros()).then_some(last),
    })
}
