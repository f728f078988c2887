//! Calls that go on, as the last commit left them: what pops are rebuilt from after a restart.

use sqlx::FromRow;
use uuid::Uuid;

use super::{Db, StoreError, derived};
use crate::{
    model::{
        call::Change,
        ids::{AccountName, CallId, CallKey, CardId, LineId},
        time::Timestamp,
    },
    on_read,
};

#[derive(FromRow)]
struct Row {
    id: Uuid,
    account: String,
    call_key: String,
    version: i64,
    derived: String,
    facts: Option<Vec<u8>>,
    card: Option<Uuid>,
    line: Option<i64>,
    heard_at: i64,
}

/// A call is over when it is known how it ended; by that the open ones are found in an index (`call_open`) among
/// millions.
pub(super) const SQL: &str = "select id, account, call_key, version, derived, facts, card, line, heard_at \
     from call where ended is null and heard_at >= $1 order by started_at";

/// Calls that are not over and were heard of since `heard_since`, oldest first; without those that
/// cannot be read.
pub async fn calls(db: &Db, heard_since: Timestamp) -> Result<Vec<Change>, StoreError> {
    let rows: Vec<Row> = on_read!(db, pool => {
        sqlx::query_as(SQL)
            .bind(heard_since.as_micros())
            .fetch_all(pool)
            .await?
    });
    let calls = rows.into_iter().filter_map(|row| {
        let call = derived::read(row.id, &row.derived, row.facts.as_deref())
            .inspect_err(
                |error| tracing::warn!(call = %row.id, %error, "an open call cannot be read"),
            )
            .ok()?;
        Some(Change {
            id: CallId(row.id),
            account: AccountName::from(row.account),
            key: CallKey::from(row.call_key),
            version: row.version,
            call: std::sync::Arc::new(call),
            card: row.card.map(CardId),
            match_reason: None, // pops read it with the card
            line: row.line.map(LineId),
            merged: Vec::new(),
            received_at: Timestamp::from_micros(row.heard_at),
        })
    });
    Ok(calls.collect())
}
