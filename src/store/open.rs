//! Calls that are not over, as timers need them.

use uuid::Uuid;

use super::{Db, StoreError};
use crate::{
    model::{
        call::Call,
        ids::{AccountName, CallId, CallKey},
    },
    on_read,
};

/// A call that is not over.
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

/// Every call that is not over.
pub async fn calls(db: &Db) -> Result<Vec<OpenCall>, StoreError> {
    const SQL: &str =
        "select id, version, account, call_key, derived from call where ended is null";
    let rows: Vec<(Uuid, i64, String, String, String)> =
        on_read!(db, pool => sqlx::query_as(SQL).fetch_all(pool).await?);
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
