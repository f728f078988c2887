//! Calls on which something may be due because time passes, as timers need them.

use uuid::Uuid;

use super::{Db, StoreError};
use crate::{
    model::{
        call::Call,
        ids::{AccountName, CallId, CallKey},
        time::Timestamp,
    },
    on_read,
};

/// A call that is not over, or over and undecided.
#[derive(Clone, Debug)]
pub struct OpenCall {
    /// Our id.
    pub id: CallId,
    /// Grows with every commit that touched it.
    pub version: i64,
    /// Who told of it.
    pub account: AccountName,
    /// Its key there.
    pub key: CallKey,
    /// The call.
    pub call: Call,
}

/// Every call that is not over, and those that came in, are over and undecided and were heard of after
/// `since`.
pub async fn calls(db: &Db, since: Timestamp) -> Result<Vec<OpenCall>, StoreError> {
    const SQL: &str = "select id, version, account, call_key, derived from call \
         where ended is null \
         union all \
         select id, version, account, call_key, derived from call \
         where result is null and ended is not null and direction = 'in' and heard_at > $1";
    let rows: Vec<(Uuid, i64, String, String, String)> = on_read!(db, pool => {
        sqlx::query_as(SQL).bind(since.as_micros()).fetch_all(pool).await?
    });
    rows.into_iter()
        .map(|(id, version, account, key, derived)| {
            let call = serde_json::from_str(&derived).map_err(|source| StoreError::Value {
                what: "call.derived",
                source,
            })?;
            Ok(OpenCall {
                id: CallId(id),
                version,
                account: account.into(),
                key: key.into(),
                call,
            })
        })
        .collect()
}
