//! Channels, their rules, and when each number belongs to which. A change of the past moves figures:
//! they join numbers and channels when they are read.

use sqlx::FromRow;

use super::{
    Db, StoreError,
    rows::{Engine, Kind, Statement, Tx},
};
use crate::{
    on_read, on_write,
    rules::channels::{Span, TargetRule, Unfit, fit},
};

/// A channel with its rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Row id.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Which of its calls are target calls.
    pub rule: TargetRule,
}

/// A number that belongs, or belonged, to a channel; times in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Assignment {
    /// Row id of the line.
    pub line: i64,
    /// Name of the line.
    pub line_name: String,
    /// Number of the line.
    pub did: String,
    /// Row id of the channel.
    pub channel: i64,
    /// Name of the channel.
    pub channel_name: String,
    /// Since when; 0: ever.
    pub valid_from: i64,
    /// Until when; `None`: still.
    pub valid_to: Option<i64>,
}

impl Assignment {
    /// Its time.
    pub const fn span(&self) -> Span {
        Span {
            from: self.valid_from,
            to: self.valid_to,
        }
    }
}

/// Every channel by name.
pub async fn all(db: &Db) -> Result<Vec<Channel>, StoreError> {
    type Row = (i64, String, i64, i64, String, i64, i64);
    const SQL: &str = "select id, name, target_talk_s, target_first, target_days, \
        target_from_min, target_to_min from channel order by name";
    let rows: Vec<Row> = on_read!(db, pool => sqlx::query_as(SQL).fetch_all(pool).await?);
    let channels =
        rows.into_iter().map(
            |(id, name, talk_s, first, days, from_min, to_min)| Channel {
                id,
                name,
                rule: TargetRule {
                    talk_s,
                    first_only: first == 1,
                    days: TargetRule::days_of(&days),
                    from_min,
                    to_min,
                },
            },
        );
    Ok(channels.collect())
}

/// Every assignment, by line and time.
pub async fn assignments(db: &Db) -> Result<Vec<Assignment>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select x.line, l.name as line_name, l.did, x.channel, c.name as channel_name,
                    x.valid_from, x.valid_to
             from line_channel x join line l on l.id = x.line join channel c on c.id = x.channel
             order by l.name, x.line, x.valid_from",
        )
        .fetch_all(pool)
        .await?
    }))
}

/// Makes a channel; `false`: there is one of this name.
pub async fn create(db: &Db, name: &str) -> Result<bool, StoreError> {
    let made = on_write!(db, pool => {
        sqlx::query("insert into channel (name) values ($1) on conflict (name) do nothing")
            .bind(name)
            .execute(pool)
            .await?
            .rows_affected()
    });
    Ok(made == 1)
}

/// Gives a channel another name and rule; `false`: another one has this name, or it is not there.
pub async fn change(db: &Db, channel: &Channel) -> Result<bool, StoreError> {
    let rule = &channel.rule;
    let changed = on_write!(db, pool => {
        sqlx::query(
            "update channel set name = $2, target_talk_s = $3, target_first = $4,
                    target_days = $5, target_from_min = $6, target_to_min = $7
             where id = $1 and not exists (select 1 from channel o where o.name = $2 and o.id <> $1)",
        )
        .bind(channel.id)
        .bind(&channel.name)
        .bind(rule.talk_s)
        .bind(i64::from(rule.first_only))
        .bind(rule.days_word())
        .bind(rule.from_min)
        .bind(rule.to_min)
        .execute(pool)
        .await?
        .rows_affected()
    });
    Ok(changed == 1)
}

/// What is to become of a number's channels, in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reassignment {
    /// Row id of the line.
    pub line: i64,
    /// Takes away what begins then.
    pub take: Option<i64>,
    /// Puts the number into this channel for this time.
    pub put: Option<(i64, Span)>,
}

static OF_LINE: Statement = Statement::new(
    "select x.valid_from, x.valid_to from {rows} as r join line_channel x on x.line = r.line \
     order by x.valid_from",
    &[("line", Kind::Int)],
);
static TAKE: Statement = Statement::new(
    "delete from line_channel where (line, valid_from) in (select line, valid_from from {rows} as r)",
    &[("line", Kind::Int), ("valid_from", Kind::Int)],
);
static CUT: Statement = Statement::new(
    "update line_channel set valid_to = r.valid_to from {rows} as r \
     where line_channel.line = r.line and line_channel.valid_from = r.valid_from",
    &[
        ("line", Kind::Int),
        ("valid_from", Kind::Int),
        ("valid_to", Kind::Int),
    ],
);
static PUT: Statement = Statement::new(
    "insert into line_channel (line, channel, valid_from, valid_to) \
     select line, channel, valid_from, valid_to from {rows} as r",
    &[
        ("line", Kind::Int),
        ("channel", Kind::Int),
        ("valid_from", Kind::Int),
        ("valid_to", Kind::Int),
    ],
);

/// Two people change the same number one after another, or both see an overlap that is not there yet.
const ONE_AT_A_TIME: &str = "select cast(1 as bigint) from pg_advisory_xact_lock(4207101)";

/// Changes when a number belongs to which channel; nothing happens if it does not fit.
pub async fn reassign(db: &Db, change: &Reassignment) -> Result<Result<(), Unfit>, StoreError> {
    let line = change.line;
    let mut tx = Tx::begin(db).await?;
    let engine = tx.engine();
    if engine == Engine::Pg {
        tx.read::<(i64,)>(ONE_AT_A_TIME).await?;
    }
    if let Some(begins) = change.take {
        let mut taken = TAKE.rows(engine);
        taken.int(line).int(begins);
        tx.run(taken).await?;
    }
    if let Some((channel, span)) = change.put {
        let mut has = OF_LINE.rows(engine);
        has.int(line);
        let has: Vec<(i64, Option<i64>)> = tx.fetch(has).await?;
        let has: Vec<Span> = has
            .into_iter()
            .map(|(from, to)| Span { from, to })
            .collect();
        match fit(&has, span) {
            Err(unfit) => {
                tx.rollback().await?;
                return Ok(Err(unfit));
            }
            Ok(None) => {}
            Ok(Some(cut)) => {
                let mut shorter = CUT.rows(engine);
                shorter.int(line).int(cut.from).int(span.from);
                tx.run(shorter).await?;
            }
        }
        let mut put = PUT.rows(engine);
        put.int(line).int(channel).int(span.from).int(span.to);
        tx.run(put).await?;
    }
    tx.commit().await?;
    Ok(Ok(()))
}
