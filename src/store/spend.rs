//! What channels cost. A row that tells of the same channel and days again replaces what was there, so
//! an import can be repeated; one that tells of some of its days only is refused, as both would count.

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::{
    Db, StoreError,
    rows::{Kind, Statement, Tx},
};
use crate::{model::time::Timestamp, on_read, on_write, rules::channels::Spend};

/// A kept amount.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Kept {
    /// Row id of the channel.
    pub channel: i64,
    /// Name of the channel.
    pub channel_name: String,
    /// First day, since 1970-01-01.
    pub day_from: i64,
    /// Last day.
    pub day_to: i64,
    /// In minor units.
    pub amount_minor: i64,
    /// ISO 4217 code.
    pub currency: String,
}

impl Kept {
    /// The amount and its days.
    pub const fn spend(&self) -> Spend {
        Spend {
            day_from: self.day_from,
            day_to: self.day_to,
            minor: self.amount_minor,
        }
    }
}

/// An amount to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Line of the file, for complaints.
    pub at_line: u64,
    /// Name of the channel.
    pub channel: String,
    /// The amount and its days.
    pub spend: Spend,
    /// ISO 4217 code.
    pub currency: String,
}

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// New amounts.
    pub created: u64,
    /// Amounts that stand in place of others.
    pub replaced: u64,
    /// Lines refused and why: `no_channel`, `overlaps`, `twice`.
    pub refused: Vec<(u64, &'static str)>,
}

const ALL: &str = "select s.channel, c.name as channel_name, s.day_from, s.day_to, \
    s.amount_minor, s.currency from spend s join channel c on c.id = s.channel";

/// Amounts of all channels that tell of some of these days, both included.
pub async fn of_days(db: &Db, from: i64, to: i64) -> Result<Vec<Kept>, StoreError> {
    let sql =
        format!("{ALL} where s.day_from <= $2 and s.day_to >= $1 order by c.name, s.day_from");
    Ok(on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(from).bind(to).fetch_all(pool).await?
    }))
}

/// The latest amounts.
pub async fn latest(db: &Db, limit: i64) -> Result<Vec<Kept>, StoreError> {
    let sql = format!("{ALL} order by s.day_from desc, c.name limit $1");
    Ok(on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(limit).fetch_all(pool).await?
    }))
}

/// Takes an amount away.
pub async fn remove(db: &Db, channel: i64, day_from: i64, day_to: i64) -> Result<bool, StoreError> {
    let gone = on_write!(db, pool => {
        sqlx::query("delete from spend where channel = $1 and day_from = $2 and day_to = $3")
            .bind(channel)
            .bind(day_from)
            .bind(day_to)
            .execute(pool)
            .await?
            .rows_affected()
    });
    Ok(gone == 1)
}

static KEEP: Statement = Statement::new(
    "insert into spend (channel, day_from, day_to, amount_minor, currency, imported_at) \
     select channel, day_from, day_to, amount_minor, currency, at from {rows} as r where true \
     on conflict (channel, day_from, day_to) do update set \
     amount_minor = excluded.amount_minor, currency = excluded.currency, \
     imported_at = excluded.imported_at",
    &[
        ("channel", Kind::Int),
        ("day_from", Kind::Int),
        ("day_to", Kind::Int),
        ("amount_minor", Kind::Int),
        ("currency", Kind::Text),
        ("at", Kind::Int),
    ],
);

/// Keeps what a file tells, in one transaction; lines that do not fit are left out and told.
pub async fn keep(db: &Db, told: &[Told], now: Timestamp) -> Result<Taken, StoreError> {
    let mut tx = Tx::begin(db).await?;
    let channels: Vec<(i64, String)> = tx.read("select id, name from channel").await?;
    let channels: BTreeMap<String, i64> = channels
        .into_iter()
        .map(|(id, name)| (name.to_lowercase(), id))
        .collect();
    let kept: Vec<(i64, i64, i64, i64)> = tx
        .read("select channel, day_from, day_to, amount_minor from spend")
        .await?;
    let mut known: BTreeMap<i64, Vec<(Spend, bool)>> = BTreeMap::new();
    for (channel, day_from, day_to, minor) in kept {
        let spend = Spend {
            day_from,
            day_to,
            minor,
        };
        known.entry(channel).or_default().push((spend, false));
    }
    let mut rows = KEEP.rows(tx.engine());
    let mut taken = Taken::default();
    for one in told {
        let Some(channel) = channels.get(&one.channel.to_lowercase()) else {
            taken.refused.push((one.at_line, "no_channel"));
            continue;
        };
        match place(known.entry(*channel).or_default(), one.spend) {
            Ok(true) => taken.replaced += 1,
            Ok(false) => taken.created += 1,
            Err(why) => {
                taken.refused.push((one.at_line, why));
                continue;
            }
        }
        rows.int(*channel)
            .int(one.spend.day_from)
            .int(one.spend.day_to)
            .int(one.spend.minor)
            .text(one.currency.as_str())
            .int(now.as_micros());
    }
    tx.run(rows).await?;
    tx.commit().await?;
    Ok(taken)
}

/// Puts an amount among those of its channel (with whether this file told them); tells whether it
/// replaces one.
fn place(known: &mut Vec<(Spend, bool)>, spend: Spend) -> Result<bool, &'static str> {
    if let Some(same) = known.iter_mut().find(|(other, _)| other.is_same(&spend)) {
        if same.1 {
            return Err("twice");
        }
        *same = (spend, true);
        return Ok(true);
    }
    if known.iter().any(|(other, _)| other.meets(&spend)) {
        return Err("overlaps");
    }
    known.push((spend, true));
    Ok(false)
}
