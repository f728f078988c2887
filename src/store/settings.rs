//! Small values of the installation itself: cursors of history and the like.

use super::{Db, StoreError};
use crate::{on_read, on_write};

/// Reads a value.
pub async fn get(db: &Db, name: &str) -> Result<Option<String>, StoreError> {
    const SQL: &str = "select value from setting where name = $1";
    let row: Option<(String,)> =
        on_read!(db, pool => sqlx::query_as(SQL).bind(name).fetch_optional(pool).await?);
    Ok(row.map(|(value,)| value))
}

/// Writes a value over whatever was there.
pub async fn set(db: &Db, name: &str, value: &str) -> Result<(), StoreError> {
    const SQL: &str = "insert into setting (name, value) values ($1, $2) \
         on conflict (name) do update set value = excluded.value";
    on_write!(db, pool => sqlx::query(SQL).bind(name).bind(value).execute(pool).await.map(|_| ()))?;
    Ok(())
}
