//! Our numbers and the channels they stand for, as they are.

use sqlx::FromRow;

use super::{Db, StoreError};
use crate::{model::time::Timestamp, on_read};

/// A line with the channel it belongs to now.
#[derive(Clone, Debug, FromRow)]
#[allow(missing_docs, reason = "columns of `line`, described in the schema")]
pub struct Line {
    pub id: i64,
    pub account: String,
    pub did: String,
    pub name: String,
    pub channel: Option<i64>,
    pub channel_name: Option<String>,
}

/// A page of lines by id, after a line.
pub async fn lines(
    db: &Db,
    now: Timestamp,
    after: i64,
    limit: i64,
) -> Result<Vec<Line>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select l.id, l.account, l.did, l.name, ch.id as channel, ch.name as channel_name
             from line l
             left join line_channel lc on lc.line = l.id and lc.valid_from <= $1
                  and (lc.valid_to is null or lc.valid_to > $1)
             left join channel ch on ch.id = lc.channel
             where l.id > $2 order by l.id limit $3",
        )
        .bind(now.as_micros())
        .bind(after)
        .bind(limit)
        .fetch_all(pool)
        .await?
    }))
}

/// A channel.
#[derive(Clone, Debug, FromRow)]
pub struct Channel {
    /// Row id.
    pub id: i64,
    /// Name.
    pub name: String,
}

/// A page of channels by id, after a channel.
pub async fn channels(db: &Db, after: i64, limit: i64) -> Result<Vec<Channel>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as("select id, name from channel where id > $1 order by id limit $2")
            .bind(after)
            .bind(limit)
            .fetch_all(pool)
            .await?
    }))
}

/// A time for which a line belonged to a channel; in microseconds.
#[derive(Clone, Debug, FromRow)]
pub struct Span {
    /// The channel.
    pub channel: i64,
    /// The line.
    pub line: i64,
    /// From.
    pub valid_from: i64,
    /// Until; `None`: still.
    pub valid_to: Option<i64>,
}

/// The times of the channels between two ids, both included.
pub async fn spans(db: &Db, first: i64, last: i64) -> Result<Vec<Span>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select channel, line, valid_from, valid_to from line_channel
             where channel >= $1 and channel <= $2 order by channel, valid_from, line",
        )
        .bind(first)
        .bind(last)
        .fetch_all(pool)
        .await?
    }))
}
