//! The picture of a PostgreSQL database: each table as `COPY` text, deflated; a line is a row.
//!
//! Everything goes back in one transaction. Foreign keys are taken off for it and put on again, which
//! checks them all: no order of tables has to be kept by hand, and a picture that contradicts itself is
//! not restored.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};

use super::{MIGRATIONS, Picture, SnapshotError, Taken, quoted};
use crate::store::{PG_SCHEMA, Settings};

const ENDING: &str = ".copy.gz";
/// Rows are read back in pieces of this size.
const PIECE_BYTES: usize = 1 << 18;

pub(super) async fn take(settings: &Settings, folder: &Path) -> Result<Taken, SnapshotError> {
    let mut connection = open(settings).await?;
    sqlx::query("begin transaction isolation level repeatable read read only")
        .execute(&mut connection)
        .await?;
    let tables = tables(&mut connection).await?;
    if !tables.contains_key(MIGRATIONS) {
        let place = "the configured address".to_owned();
        return Err(SnapshotError::NoDatabase(place));
    }
    let (schema,) = sqlx::query_as("select max(version) from _sqlx_migrations where success")
        .fetch_one(&mut connection)
        .await?;
    let mut picture = Picture {
        engine: "postgres".to_owned(),
        schema,
        tables: BTreeMap::new(),
        files: Vec::new(),
    };
    for (table, columns) in tables.iter().filter(|(table, _)| *table != MIGRATIONS) {
        let file = PathBuf::from(format!("{table}{ENDING}"));
        let rows = copy_out(&mut connection, table, columns, &folder.join(&file)).await?;
        picture.tables.insert(table.clone(), rows);
        picture.files.push(file);
    }
    let kept: Vec<(String,)> = sqlx::query_as(
        "select sha256 from recording where sha256 is not null group by sha256 \
         order by sha256 collate \"C\"",
    )
    .fetch_all(&mut connection)
    .await?;
    sqlx::query("commit").execute(&mut connection).await?;
    connection.close().await?;
    Ok(Taken {
        picture,
        recordings: kept.into_iter().map(|(sha256,)| sha256).collect(),
    })
}

/// In text form a line is a row: a line break within a value is written as two characters.
pub(super) fn count(
    picture: &Picture,
    folder: &Path,
) -> Result<BTreeMap<String, u64>, SnapshotError> {
    let mut counts = BTreeMap::new();
    let mut piece = vec![0; PIECE_BYTES];
    for table in picture.tables.keys() {
        let file = fs::File::open(folder.join(format!("{table}{ENDING}")))?;
        let mut text = GzDecoder::new(BufReader::new(file));
        let mut rows = 0;
        loop {
            match text.read(&mut piece)? {
                0 => break,
                len => rows += breaks(&piece[..len]),
            }
        }
        counts.insert(table.clone(), rows);
    }
    Ok(counts)
}

fn breaks(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

pub(super) async fn is_empty(settings: &Settings) -> Result<bool, SnapshotError> {
    let mut connection = open(settings).await?;
    let is_empty = tables(&mut connection).await?.is_empty();
    connection.close().await?;
    Ok(is_empty)
}

pub(super) async fn restore(
    settings: &Settings,
    picture: &Picture,
    folder: &Path,
) -> Result<(), SnapshotError> {
    let mut connection = open(settings).await?;
    PG_SCHEMA.run_to(picture.schema, &mut connection).await?;
    let mut tx = connection.begin().await?;
    let columns = tables(&mut tx).await?;
    let keys = foreign_keys(&mut tx).await?;
    for (table, name, _) in &keys {
        let sql = format!(
            "alter table {} drop constraint {}",
            quoted(table),
            quoted(name)
        );
        run(&mut tx, sql).await?;
    }
    for (table, rows) in &picture.tables {
        let columns = columns
            .get(table)
            .ok_or_else(|| SnapshotError::Damaged(format!("no table {table} in this schema")))?;
        let file = folder.join(format!("{table}{ENDING}"));
        let there = copy_in(&mut tx, table, columns, &file).await?;
        if there != *rows {
            let told = format!("{table} has {there} rows and should have {rows}");
            return Err(SnapshotError::Damaged(told));
        }
    }
    for (table, name, definition) in &keys {
        let (table, name) = (quoted(table), quoted(name));
        run(
            &mut tx,
            format!("alter table {table} add constraint {name} {definition}"),
        )
        .await?;
    }
    count_on(&mut tx).await?;
    tx.commit().await?;
    connection.close().await?;
    Ok(())
}

async fn open(settings: &Settings) -> Result<PgConnection, sqlx::Error> {
    PgConnectOptions::from_str(&settings.url)?.connect().await
}

async fn run(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

/// Our tables with their columns, in one order.
async fn tables(
    connection: &mut PgConnection,
) -> Result<BTreeMap<String, Vec<String>>, sqlx::Error> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select c.table_name::text, c.column_name::text from information_schema.columns c \
         join information_schema.tables t using (table_schema, table_name) \
         where c.table_schema = current_schema() and t.table_type = 'BASE TABLE' \
         and c.is_generated = 'NEVER' order by c.table_name, c.ordinal_position",
    )
    .fetch_all(connection)
    .await?;
    let mut tables = BTreeMap::<String, Vec<String>>::new();
    for (table, column) in rows {
        tables.entry(table).or_default().push(column);
    }
    Ok(tables)
}

/// Table, name and definition of each.
async fn foreign_keys(
    connection: &mut PgConnection,
) -> Result<Vec<(String, String, String)>, sqlx::Error> {
    sqlx::query_as(
        "select r.relname::text, c.conname::text, pg_get_constraintdef(c.oid) \
         from pg_constraint c join pg_class r on r.oid = c.conrelid \
         where c.contype = 'f' and r.relnamespace = current_schema()::regnamespace \
         order by 1, 2",
    )
    .fetch_all(connection)
    .await
}

fn columns_of(columns: &[String]) -> String {
    let quoted: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
    quoted.join(", ")
}

async fn copy_out(
    connection: &mut PgConnection,
    table: &str,
    columns: &[String],
    file: &Path,
) -> Result<u64, SnapshotError> {
    let sql = format!("copy {} ({}) to stdout", quoted(table), columns_of(columns));
    let file = fs::File::create(file)?;
    // Level 1: a backup shares the machine with the server.
    let mut out = GzEncoder::new(BufWriter::new(file), Compression::fast());
    let mut rows = 0;
    let mut pieces = connection.copy_out_raw(&sql).await?;
    while let Some(piece) = pieces.try_next().await? {
        rows += breaks(&piece);
        out.write_all(&piece)?;
    }
    let written = out.finish()?.into_inner();
    written.map_err(std::io::Error::from)?.sync_all()?;
    Ok(rows)
}

/// Fills a table anew. Its triggers sleep meanwhile: what they would do is in the picture.
async fn copy_in(
    connection: &mut PgConnection,
    table: &str,
    columns: &[String],
    file: &Path,
) -> Result<u64, SnapshotError> {
    let name = quoted(table);
    run(
        connection,
        format!("alter table {name} disable trigger user"),
    )
    .await?;
    run(connection, format!("delete from {name}")).await?;
    let sql = format!("copy {name} ({}) from stdin", columns_of(columns));
    let mut text = GzDecoder::new(BufReader::new(fs::File::open(file)?));
    let mut copy = connection.copy_in_raw(&sql).await?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match text.read(&mut piece) {
            Ok(0) => break,
            Ok(len) => copy.send(&piece[..len]).await?,
            Err(error) => {
                copy.abort("the backup cannot be read").await?;
                return Err(error.into());
            }
        };
    }
    let rows = copy.finish().await?;
    run(
        connection,
        format!("alter table {name} enable trigger user"),
    )
    .await?;
    Ok(rows)
}

/// Lets every counter of rows go on after the greatest number that is there.
async fn count_on(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let counted: Vec<(String, String)> = sqlx::query_as(
        "select table_name::text, column_name::text from information_schema.columns \
         where table_schema = current_schema() and is_identity = 'YES'",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (table, column) in counted {
        let sql = format!(
            "select setval(pg_get_serial_sequence('{}', '{}'), \
             coalesce(max({column}), 1), max({column}) is not null) from {}",
            quoted(&table).replace('\'', "''"),
            column.replace('\'', "''"),
            quoted(&table),
            column = quoted(&column),
        );
        run(connection, sql).await?;
    }
    Ok(())
}
