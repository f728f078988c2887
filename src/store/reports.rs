//! Figures by line and channel, from the roll-ups; and where a line's calls come from.
//!
//! Roll-ups know lines; a line's channel is joined when they are read. Calls to which a rule gives another
//! channel stand by themselves (`call_channel`): they are taken from their line's channel and added to the
//! rule's.
//!
//! Distinct clients come from the per-day rows for the whole UTC days of a period and from the calls
//! themselves for its edges, so a period of any time zone counts exactly, and a line may change its
//! channel within it. First-time callers and target calls are counted from the calls.

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::{
    Db, StoreError,
    channel_rules::{self, OF_CALL},
    channels::{self, Assignment},
    journal::{FIRST, LocalTime, target},
};
use crate::{
    model::{ids::CallId, time::Timestamp},
    on_read,
};

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
    let quarter = |at: Timestamp| at.as_micros().div_euclid(QUARTER_US) * QUARTER_US;
    // Read first: a call that ends meanwhile has its channel a moment later, and is never taken from a line
    // that has not counted it.
    let moved = by_rules(db, quarter(from), quarter(to)).await?;
    let mut figures = of_lines(db, from, to).await?;
    if moved.is_empty() {
        return Ok(figures);
    }
    for (was, now) in moved {
        place(&mut figures, was).take(&now);
        place(&mut figures, (now.channel, now.line)).give(&now);
    }
    figures.retain(|one| one.calls != 0);
    Ok(figures)
}

/// The figures of a channel and line; of one that is not there, empty ones.
fn place(figures: &mut Vec<LineFigures>, (channel, line): (i64, i64)) -> &mut LineFigures {
    let key = |one: &LineFigures| (one.channel, one.line);
    let place = match figures.binary_search_by_key(&(channel, line), key) {
        Ok(place) => place,
        Err(place) => {
            let none = LineFigures {
                channel,
                line,
                ..LineFigures::default()
            };
            figures.insert(place, none);
            place
        }
    };
    &mut figures[place]
}

impl LineFigures {
    fn give(&mut self, other: &Self) {
        self.calls += other.calls;
        self.reached += other.reached;
        self.missed += other.missed;
        self.talk_ms += other.talk_ms;
    }

    fn take(&mut self, other: &Self) {
        self.calls -= other.calls;
        self.reached -= other.reached;
        self.missed -= other.missed;
        self.talk_ms -= other.talk_ms;
    }
}

/// A channel and a line.
type Key = (i64, i64);

/// Calls to which rules give channels, and the channel and line that roll-ups have counted them under.
async fn by_rules(db: &Db, from: i64, to: i64) -> Result<Vec<(Key, LineFigures)>, StoreError> {
    const SQL: &str = "select coalesce(x.channel, 0), rc.channel, rc.line, count(*), \
                cast(sum(rc.reached) as bigint), cast(sum(rc.missed) as bigint), \
                cast(sum(rc.talk_ms) as bigint) \
         from call_channel rc left join line_channel x on x.line = rc.line \
              and x.valid_from <= rc.started_at \
              and (x.valid_to is null or x.valid_to > rc.started_at) \
         where rc.started_at >= $1 and rc.started_at < $2 and rc.counted = 1 \
           and rc.channel <> coalesce(x.channel, 0) \
         group by coalesce(x.channel, 0), rc.channel, rc.line";
    type Row = (i64, i64, i64, i64, i64, i64, i64);
    let rows: Vec<Row> =
        on_read!(db, pool => sqlx::query_as(SQL).bind(from).bind(to).fetch_all(pool).await?);
    let read = |(was, channel, line, calls, reached, missed, talk_ms): Row| {
        let figures = LineFigures {
            channel,
            line,
            calls,
            reached,
            missed,
            talk_ms,
        };
        ((was, line), figures)
    };
    Ok(rows.into_iter().map(read).collect())
}

/// What roll-ups say, by the channels of the lines.
async fn of_lines(db: &Db, from: Timestamp, to: Timestamp) -> Result<Vec<LineFigures>, StoreError> {
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
    let seen = seen(&stretches, from, to, channel_rules::any(db).await?);
    // Read once, counted three ways: a client of two lines is one client of their channel.
    let sql = format!(
        "{seen}, per_channel as materialized (select distinct channel, client from seen)
         select cast(channel as bigint), cast(line as bigint), count(*) from seen
             group by channel, line
         union all
         select cast(channel as bigint), null, count(*) from per_channel group by channel
         union all
         select null, null, count(*) from (select distinct client from per_channel) as every_client"
    );
    let rows: Vec<(Option<i64>, Option<i64>, i64)> = on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await?
    });
    let mut unique = Unique::default();
    for (channel, line, clients) in rows {
        match (channel, line) {
            (Some(channel), Some(line)) => {
                unique.by_line.insert((channel, line), clients);
            }
            (Some(channel), None) => {
                unique.by_channel.insert(channel, clients);
            }
            (None, _) => unique.all = clients,
        }
    }
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
/// With rules, calls that have their channel by one are taken out of their line's and put into that.
fn seen(stretches: &[Stretch], from: i64, to: i64, has_rules: bool) -> String {
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
    let rules = match has_rules {
        true => Rules::of(from, to),
        false => Rules::default(),
    };
    let Rules {
        tables,
        gone,
        left,
        unruled,
        put,
    } = rules;
    format!(
        "with days (channel, line, first_day, end_day) as (values {}),
              edges (channel, line, begins, ends) as (values {}),
         {tables} seen as materialized (
             select d.channel, d.line, r.client from rollup_client r join days d
                 on d.line = r.line and r.day >= d.first_day and r.day < d.end_day {gone}
                 where r.day >= {first} and r.day < {end} and r.calls > {left}
             union
             select e.channel, e.line, c.client from edges e join call c
                 on c.line = e.line and c.started_at >= e.begins and c.started_at < e.ends
                 where c.direction = 'in' and c.client is not null and c.phase = 'ended' {unruled}
             union
             select e.channel, e.line, c.client from edges e join call c
                 on c.line is null and c.started_at >= e.begins and c.started_at < e.ends
                 where e.line = 0 and c.direction = 'in' and c.client is not null
                   and c.phase = 'ended' {unruled}
             {put})",
        days.join(", "),
        edges.join(", ")
    )
}

/// What rules add to the question who was seen where.
struct Rules {
    /// Clients whose calls have channels by rules, and how many of their calls of a line and day.
    tables: String,
    /// Joins those to a day's row.
    gone: &'static str,
    /// How many calls of a day's row are not the line's channel's.
    left: &'static str,
    /// Call `c` has its line's channel.
    unruled: &'static str,
    /// Puts them where they belong.
    put: &'static str,
}

impl Default for Rules {
    /// There are none.
    fn default() -> Self {
        Self {
            tables: String::new(),
            gone: "",
            left: "0",
            unruled: "",
            put: "",
        }
    }
}

impl Rules {
    fn of(from: i64, to: i64) -> Self {
        Self {
            tables: format!(
                "ruled as materialized (
                     select channel, line, started_at / {DAY_US} as day, client from call_channel
                     where started_at >= {from} and started_at < {to} and counted = 1
                       and client is not null),
                 gone (line, day, client, calls) as (
                     select line, day, client, count(*) from ruled group by line, day, client),"
            ),
            gone: "left join gone g on g.line = r.line and g.day = r.day and g.client = r.client",
            left: "coalesce(g.calls, 0)",
            unruled: "and not exists (select 1 from call_channel rc where rc.call = c.id)",
            put: "union select channel, line, client from ruled",
        }
    }
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
        "select coalesce(ch.id, 0) as channel, coalesce(c.line, 0) as line,
                cast(sum(case when {FIRST} then 1 else 0 end) as bigint) as first,
                cast(sum(case when {target} then 1 else 0 end) as bigint) as target
         from call c{OF_CALL}
         where c.started_at >= $1 and c.started_at < $2
           and c.direction = 'in' and c.phase = 'ended'
         group by coalesce(ch.id, 0), coalesce(c.line, 0)",
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
        "select coalesce(ch.id, 0), coalesce(c.line, 0), count(*)
         from task t join call c on c.id = t.call{OF_CALL}
         where t.kind = 'call_back' and t.done_at is null and c.direction = 'in'
           and c.started_at >= $1 and c.started_at < $2
         group by coalesce(ch.id, 0), coalesce(c.line, 0)"
    );
    Ok(on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(from.as_micros())
            .bind(to.as_micros())
            .fetch_all(pool)
            .await?
    }))
}

/// The channel of a call.
pub async fn channel_of(db: &Db, call: CallId) -> Result<Option<String>, StoreError> {
    let sql = format!("select ch.name from call c{OF_CALL} where c.id = $1 and ch.id is not null");
    let row: Option<(String,)> = on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(call.0).fetch_optional(pool).await?
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
