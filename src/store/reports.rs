//! Figures by line and channel, from the roll-ups; and where a line's calls come from.
//!
//! Distinct clients come from the per-day rows for the whole UTC days of a period and from the calls
//! themselves for its edges, so a period of any time zone counts exactly, and a line may change its
//! channel within it. First-time callers and target calls are counted from the calls.

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::{
    Db, StoreError,
    channels::{self, Assignment},
    journal::{CHANNEL_OF_CALL, FIRST, LocalTime, target},
};
use crate::{model::time::Timestamp, on_read};

const QUARTER_US: i64 = 900_000_000;
const DAY_US: i64 = 86_400_000_000;

/// Figures of one line within one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromRow)]
pub struct LineFigures {
    /// Row id of the channel the line belonged to; 0: none.
    pub channel: i64,
    /// Row id of the line; 0: calls whose line is not known.
    pub line: i64,
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
            "select coalesce(lc.channel, 0) as channel, r.line,
                    cast(sum(r.calls) as bigint) as calls,
                    cast(sum(r.answered) as bigint) as reached,
                    cast(sum(r.missed) as bigint) as missed,
                    cast(sum(r.talk_ms) as bigint) as talk_ms
             from rollup r
             left join line_channel lc on lc.line = r.line
                  and lc.valid_from <= r.quarter * 900000000
                  and (lc.valid_to is null or lc.valid_to > r.quarter * 900000000)
             where r.quarter >= $1 and r.quarter < $2 and r.direction = 'in'
             group by coalesce(lc.channel, 0), r.line
             having sum(r.calls) <> 0
             order by 1, 2",
        )
        .bind(from.as_micros().div_euclid(QUARTER_US))
        .bind(to.as_micros().div_euclid(QUARTER_US))
        .fetch_all(pool)
        .await?
    }))
}

/// Distinct clients of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unique {
    /// By channel and line; 0: none, or not known.
    pub by_line: BTreeMap<(i64, i64), i64>,
    /// By channel: a client of two of its lines counts once.
    pub by_channel: BTreeMap<i64, i64>,
    /// Of all lines together.
    pub all: i64,
}

/// A line within one channel, for a part of the period.
struct Stretch {
    channel: i64,
    line: i64,
    from: i64,
    to: i64,
}

/// Distinct clients. What is counted by day comes from the per-day rows, the rest from the calls.
pub async fn unique(db: &Db, from: Timestamp, to: Timestamp) -> Result<Unique, StoreError> {
    let (from, to) = (from.as_micros(), to.as_micros());
    let lines: Vec<(i64,)> = on_read!(db, pool => {
        sqlx::query_as("select id from line order by id").fetch_all(pool).await?
    });
    let assignments = channels::assignments(db).await?;
    let mut stretches = vec![Stretch {
        channel: 0,
        line: 0,
        from,
        to,
    }];
    for (line,) in lines {
        let of_line = assignments.iter().filter(|one| one.line == line);
        stretches.extend(stretches_of(line, of_line, from, to));
    }
    let seen = seen(&stretches, from, to);
    let mut unique = Unique::default();
    let by_line = format!(
        "{seen} select cast(channel as bigint), cast(line as bigint), count(*) from seen \
         group by channel, line"
    );
    let by_line: Vec<(i64, i64, i64)> = on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(by_line)).fetch_all(pool).await?
    });
    for (channel, line, clients) in by_line {
        unique.by_line.insert((channel, line), clients);
    }
    let by_channel = format!(
        "{seen} select cast(channel as bigint), count(distinct client) from seen group by channel"
    );
    let by_channel: Vec<(i64, i64)> = on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(by_channel)).fetch_all(pool).await?
    });
    unique.by_channel.extend(by_channel);
    let all = format!("{seen} select count(distinct client) from seen");
    let (all,): (i64,) = on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(all)).fetch_one(pool).await?
    });
    unique.all = all;
    Ok(unique)
}

/// The period cut where the line changes its channel.
fn stretches_of<'a>(
    line: i64,
    assignments: impl Iterator<Item = &'a Assignment>,
    from: i64,
    to: i64,
) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let mut push = |channel, from: i64, to: i64| {
        if from < to {
            stretches.push(Stretch {
                channel,
                line,
                from,
                to,
            });
        }
    };
    let mut at = from;
    for one in assignments {
        let begin = one.valid_from.clamp(at, to.max(at));
        let end = one.valid_to.unwrap_or(to).clamp(begin, to.max(begin));
        push(0, at, begin);
        push(one.channel, begin, end);
        at = end;
    }
    push(0, at, to);
    stretches
}

/// `with ... seen (channel, line, client)`: every client of the period once per channel and line. Only
/// whole numbers stand in the text.
fn seen(stretches: &[Stretch], from: i64, to: i64) -> String {
    let (mut days, mut edges) = (Vec::new(), Vec::new());
    for one in stretches {
        let first_day = one.from.div_euclid(DAY_US) + i64::from(one.from.rem_euclid(DAY_US) > 0);
        let end_day = one.to.div_euclid(DAY_US);
        let (channel, line) = (one.channel, one.line);
        let mut edge = |from: i64, to: i64| {
            if from < to {
                edges.push(format!("({channel}, {line}, {from}, {to})"));
            }
        };
        if first_day >= end_day {
            edge(one.from, one.to);
            continue;
        }
        days.push(format!("({channel}, {line}, {first_day}, {end_day})"));
        edge(one.from, first_day * DAY_US);
        edge(end_day * DAY_US, one.to);
    }
    // An empty list of values is no SQL.
    for list in [&mut days, &mut edges] {
        if list.is_empty() {
            list.push("(0, -1, 0, 0)".to_owned());
        }
    }
    let (first, end) = (from.div_euclid(DAY_US), to.div_euclid(DAY_US) + 1);
    format!(
        "with days (channel, line, first_day, end_day) as (values {}),
              edges (channel, line, begins, ends) as (values {}),
         seen as (
             select d.channel, d.line, r.client from rollup_client r join days d
                 on d.line = r.line and r.day >= d.first_day and r.day < d.end_day
                 where r.day >= {first} and r.day < {end} and r.calls > 0
             union
             select e.channel, e.line, c.client from edges e join call c
                 on c.line = e.line and c.started_at >= e.begins and c.started_at < e.ends
                 where c.direction = 'in' and c.client is not null and c.phase = 'ended'
             union
             select e.channel, e.line, c.client from edges e join call c
                 on c.line is null and c.started_at >= e.begins and c.started_at < e.ends
                 where e.line = 0
                   and c.direction = 'in' and c.client is not null and c.phase = 'ended')",
        days.join(", "),
        edges.join(", ")
    )
}

/// What only the calls themselves tell, of one line within one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromRow)]
pub struct Told {
    /// Row id of the channel; 0: none.
    pub channel: i64,
    /// Row id of the line; 0: not known.
    pub line: i64,
    /// First calls of clients ever.
    pub first: i64,
    /// Target calls by the rule of the channel.
    pub target: i64,
}

/// First-time callers and target calls by channel and line. Reads every call of the period.
pub async fn told(
    db: &Db,
    from: Timestamp,
    to: Timestamp,
    local: &LocalTime,
) -> Result<Vec<Told>, StoreError> {
    let sql = format!(
        "select coalesce(x.channel, 0) as channel, coalesce(c.line, 0) as line,
                cast(sum(case when {FIRST} then 1 else 0 end) as bigint) as first,
                cast(sum(case when {target} then 1 else 0 end) as bigint) as target
         from call c{CHANNEL_OF_CALL}
         where c.started_at >= $1 and c.started_at < $2
           and c.direction = 'in' and c.phase = 'ended'
         group by coalesce(x.channel, 0), coalesce(c.line, 0)",
        target = target(local),
    );
    Ok(on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(from.as_micros())
            .bind(to.as_micros())
            .fetch_all(pool)
            .await?
    }))
}

/// Open call-backs of incoming calls of a period, per channel (0: none) and line (0: not known).
pub async fn open_missed(
    db: &Db,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(i64, i64, i64)>, StoreError> {
    let sql = format!(
        "select coalesce(x.channel, 0), coalesce(c.line, 0), count(*)
         from task t join call c on c.id = t.call{CHANNEL_OF_CALL}
         where t.kind = 'call_back' and t.done_at is null and c.direction = 'in'
           and c.started_at >= $1 and c.started_at < $2
         group by coalesce(x.channel, 0), coalesce(c.line, 0)"
    );
    Ok(on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql))
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

/// A number of ours.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct LineRow {
    /// Row id.
    pub id: i64,
    /// Name.
    pub name: String,
    /// E.164, or as the PBX tells it.
    pub did: String,
    /// Account that tells of it.
    pub account: String,
}

/// Every line, by name.
pub async fn all_lines(db: &Db) -> Result<Vec<LineRow>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as("select id, name, did, account from line order by name, id")
            .fetch_all(pool)
            .await?
    }))
}
