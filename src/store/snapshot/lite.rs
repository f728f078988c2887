//! The picture of a SQLite file is a SQLite file.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions,
};

use super::{MIGRATIONS, Picture, SnapshotError, Taken, quoted};
use crate::store::{Settings, StoreError};

const FILE: &str = "ringcard.db";
/// Complaints of `integrity_check` that are told.
const COMPLAINTS: usize = 3;

pub(super) async fn take(settings: &Settings, folder: &Path) -> Result<Taken, SnapshotError> {
    let file = path(settings)?;
    if !file.exists() {
        return Err(SnapshotError::NoDatabase(file.display().to_string()));
    }
    let mut connection = open(&file).await?;
    let picture = folder.join(FILE);
    sqlx::query("vacuum into $1")
        .bind(picture.display().to_string())
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    fs::File::open(&picture)?.sync_all()?;
    describe(&picture).await
}

/// After the file has proven sound.
pub(super) async fn count(folder: &Path) -> Result<BTreeMap<String, u64>, SnapshotError> {
    let mut connection = open(&folder.join(FILE)).await?;
    let told: Vec<(String,)> = sqlx::query_as("pragma integrity_check")
        .fetch_all(&mut connection)
        .await?;
    if told.iter().any(|(line,)| line != "ok") {
        let told: Vec<String> = told
            .into_iter()
            .take(COMPLAINTS)
            .map(|(line,)| line)
            .collect();
        return Err(SnapshotError::Damaged(told.join("; ")));
    }
    let broken = sqlx::query("pragma foreign_key_check")
        .fetch_all(&mut connection)
        .await?
        .len();
    if broken > 0 {
        let told = format!("{broken} rows refer to rows that are not there");
        return Err(SnapshotError::Damaged(told));
    }
    let tables = tables(&mut connection).await?;
    connection.close().await?;
    Ok(tables)
}

pub(super) fn is_empty(settings: &Settings) -> Result<bool, SnapshotError> {
    let file = path(settings)?;
    Ok(beside(&file).iter().all(|file| !file.exists()))
}

pub(super) fn restore(settings: &Settings, folder: &Path) -> Result<(), SnapshotError> {
    let file = path(settings)?;
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    // Under its name only when it is whole: a server that starts meanwhile must not find half of it.
    let mut half = file.clone().into_os_string();
    half.push(".restoring");
    let half = PathBuf::from(half);
    io::copy(
        &mut fs::File::open(folder.join(FILE))?,
        &mut fs::File::create(&half)?,
    )?;
    fs::File::open(&half)?.sync_all()?;
    fs::rename(&half, &file)?;
    Ok(())
}

async fn describe(file: &Path) -> Result<Taken, SnapshotError> {
    let mut connection = open(file).await?;
    let tables = tables(&mut connection).await?;
    let (schema,) = sqlx::query_as("select max(version) from _sqlx_migrations where success")
        .fetch_one(&mut connection)
        .await?;
    let kept: Vec<(String,)> = sqlx::query_as(
        "select distinct sha256 from recording where sha256 is not null order by sha256",
    )
    .fetch_all(&mut connection)
    .await?;
    connection.close().await?;
    Ok(Taken {
        picture: Picture {
            engine: "sqlite".to_owned(),
            schema,
            tables,
            files: vec![PathBuf::from(FILE)],
        },
        recordings: kept.into_iter().map(|(sha256,)| sha256).collect(),
    })
}

async fn tables(connection: &mut SqliteConnection) -> Result<BTreeMap<String, u64>, sqlx::Error> {
    let names: Vec<(String,)> = sqlx::query_as(
        "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut tables = BTreeMap::new();
    for (name,) in names.into_iter().filter(|(name,)| name != MIGRATIONS) {
        let sql = format!("select count(*) from {}", quoted(&name));
        let (rows,): (i64,) = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_one(&mut *connection)
            .await?;
        tables.insert(name, rows.unsigned_abs());
    }
    Ok(tables)
}

async fn open(file: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .connect()
        .await
}

fn path(settings: &Settings) -> Result<PathBuf, StoreError> {
    let options = SqliteConnectOptions::from_str(&settings.url)?;
    Ok(options.get_filename().to_owned())
}

/// The file, and what SQLite keeps beside it.
fn beside(file: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| {
        let mut name = file.to_owned().into_os_string();
        name.push(end);
        PathBuf::from(name)
    })
}
