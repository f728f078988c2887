//! Looks for a person in every text of every table, whatever the tables are: the proof that an erasure
//! has left nothing. Packed facts are opened for it.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use sqlx::AssertSqlSafe;

use super::{Db, StoreError, snapshot::quoted};
use crate::{model::traces::Traces, on_read, tracker::Facts};

/// What was looked through, and where something was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Searched {
    /// Columns that hold texts or bytes.
    pub columns: usize,
    /// Values read.
    pub values: u64,
    /// `table.column` and how many of its values.
    pub found: BTreeMap<String, u64>,
}

/// Reads everything.
pub async fn all(db: &Db, traces: &Traces) -> Result<Searched, StoreError> {
    let mut searched = Searched::default();
    for (table, column, kind) in columns(db).await? {
        searched.columns += 1;
        let name = quoted(&column);
        let bytes = match (db, kind.as_str()) {
            (Db::Lite { .. }, _) => format!("cast({name} as blob)"),
            (Db::Pg(_), "bytea") => name.clone(),
            (Db::Pg(_), _) => format!("convert_to({name}::text, 'UTF8')"),
        };
        let table_name = quoted(&table);
        let sql = format!("select {bytes} from {table_name} where {name} is not null");
        let is_facts = (table.as_str(), column.as_str()) == ("call", "facts");
        let mut found = 0;
        on_read!(db, pool => {
            let mut rows = sqlx::query_as(AssertSqlSafe(sql)).fetch(pool);
            while let Some((value,)) = rows.try_next().await? {
                let value: Vec<u8> = value;
                searched.values += 1;
                found += u64::from(holds(traces, value, is_facts));
            }
        });
        if found > 0 {
            searched.found.insert(format!("{table}.{column}"), found);
        }
    }
    Ok(searched)
}

fn holds(traces: &Traces, value: Vec<u8>, is_facts: bool) -> bool {
    let opened = match is_facts {
        // What cannot be opened is looked through as it is.
        true => Facts::unseal(&value)
            .ok()
            .and_then(|facts| serde_json::to_vec(&facts).ok()),
        false => None,
    };
    traces.are_in(&opened.unwrap_or(value))
}

/// Every column that is no number, of every table.
async fn columns(db: &Db) -> Result<Vec<(String, String, String)>, StoreError> {
    const LITE: &str = "select m.name, c.name, lower(c.type) from sqlite_schema m, pragma_table_info(m.name) c \
        where m.type = 'table' and m.name not like 'sqlite_%' and m.name <> '_sqlx_migrations' \
        and lower(c.type) in ('text', 'blob') order by 1, 2";
    const PG: &str = "select c.table_name::text, c.column_name::text, c.data_type::text \
        from information_schema.columns c \
        join information_schema.tables t using (table_schema, table_name) \
        where c.table_schema = current_schema() and t.table_type = 'BASE TABLE' \
        and c.table_name <> '_sqlx_migrations' \
        and c.data_type not in ('bigint', 'integer', 'boolean') order by 1, 2";
    Ok(match db {
        Db::Lite { read, .. } => sqlx::query_as(LITE).fetch_all(read).await?,
        Db::Pg(pool) => sqlx::query_as(PG).fetch_all(pool).await?,
    })
}
