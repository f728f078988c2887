//! Figures by line and channel, from the roll-ups; and where a line's calls come from.
//!
//! Distinct clients come from the per-day rows for the whole UTC days of a period and from the calls
//! themselves for its edges, so a period of any time zone counts exactly.

use sqlx::FromRow;

use super::{Db, StoreError};
use crate::{model::time::Timestamp, on_read};

const QUARTER_US: i64 = 900_000_000;
const DAY_US: i64 = 86_400_000_000;

/// Figures of one line within one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromRow)]
pub struct LineFigures {
    /// Channel the line belonged to; `None`: none.
    pub channel: Option<String>,
    /// Row id of the line; 0: calls whose line is not known.
    pub line: i64,
    /// Name of the line.
    pub line_name: Option<String>,
    /// Number of the line.
    pub did: Option<String>,
    /// Incoming calls.
    pub calls: i64,
    /// Reached: a person talked with the client.
    pub reached: i64,
    /// Over without that, so that somebody should call back.
    pub missed: i64,
    /// Talk in milliseconds.
    pub talk_ms: i64,
}

/// Incoming calls by channel and line. `from` and `to` are taken to whole quarter-hours.
pub async fn lines(
    db: &Db,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<LineFigures>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select ch.name as channel, r.line, l.name as line_name, l.did,
                    cast(sum(r.calls) as bigint) as calls,
                    cast(sum(r.answered) as bigint) as reached,
                    cast(sum(r.missed) as bigint) as missed,
                    cast(sum(r.talk_ms) as bigint) as talk_ms
             from rollup r
             left join line l on l.id = r.line
             left join line_channel lc on lc.line = r.line
                  and lc.valid_from <= r.quarter * 900000000
                  and (lc.valid_to is null or lc.valid_to > r.quarter * 900000000)
             left join channel ch on ch.id = lc.channel
             where r.quarter >= $1 and r.quarter < $2 and r.direction = 'in'
             group by ch.name, r.line, l.name, l.did
             having sum(r.calls) <> 0
             order by ch.name, l.name, r.line",
        )
        .bind(from.as_micros().div_euclid(QUARTER_US))
        .bind(to.as_micros().div_euclid(QUARTER_US))
        .fetch_all(pool)
        .await?
    }))
}

/// Distinct clients per line (0: line not known) and of all lines together (line `None`).
pub async fn unique(
    db: &Db,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(Option<i64>, i64)>, StoreError> {
    const SEEN: &str = "select line, client from rollup_client
             where day >= $1 and day < $2 and calls > 0
         union
         select coalesce(line, 0), client from call
             where direction = 'in' and client is not null and phase = 'ended'
               and ((started_at >= $3 and started_at < $4)
                    or (started_at >= $5 and started_at < $6))";
    let (from, to) = (from.as_micros(), to.as_micros());
    let first_day = from.div_euclid(DAY_US) + i64::from(from.rem_euclid(DAY_US) > 0);
    let end_day = to.div_euclid(DAY_US).max(first_day);
    // Edges before the first and after the last whole day; one edge when there is no whole day.
    let (left, right) = if first_day * DAY_US >= to {
        ((from, to), (to, to))
    } else {
        ((from, first_day * DAY_US), (end_day * DAY_US, to))
    };
    let by_line = format!("select line, count(*) from ({SEEN}) s group by line");
    let all = format!("select count(distinct client) from ({SEEN}) s");
    let values = [first_day, end_day, left.0, left.1, right.0, right.1];
    let mut unique: Vec<(Option<i64>, i64)> = on_read!(db, pool => {
        let mut query = sqlx::query_as(sqlx::AssertSqlSafe(by_line));
        for value in values {
            query = query.bind(value);
        }
        query.fetch_all(pool).await?
    });
    let (all,): (i64,) = on_read!(db, pool => {
        let mut query = sqlx::query_as(sqlx::AssertSqlSafe(all));
        for value in values {
            query = query.bind(value);
        }
        query.fetch_one(pool).await?
    });
    unique.push((None, all));
    Ok(unique)
}

/// Open call-backs of incoming calls of a period, per line (0: line not known).
pub async fn open_missed(
    db: &Db,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(i64, i64)>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select coalesce(c.line, 0), count(*)
             from task t join call c on c.id = t.call
             where t.kind = 'call_back' and t.done_at is null and c.direction = 'in'
               and c.started_at >= $1 and c.started_at < $2
             group by coalesce(c.line, 0)",
        )
        .bind(from.as_micros())
        .bind(to.as_micros())
        .fetch_all(pool)
        .await?
    }))
}

/// The channel a line belonged to at a moment (microseconds).
pub async fn channel_of(db: &Db, line: i64, at: i64) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = on_read!(db, pool => {
        sqlx::query_as(
            "select ch.name from line_channel lc join channel ch on ch.id = lc.channel
             where lc.line = $1 and lc.valid_from <= $2 and (lc.valid_to is null or lc.valid_to > $2)",
        )
        .bind(line)
        .bind(at)
        .fetch_optional(pool)
        .await?
    });
    Ok(row.map(|(name,)| name))
}

/// Every line: id, name, number, account.
pub async fn all_lines(db: &Db) -> Result<Vec<(i64, String, String, String)>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as("select id, name, did, account from line order by name, id")
            .fetch_all(pool)
            .await?
    }))
}
