//! A consistent picture of the whole database, taken while the gateway runs, and brought back elsewhere.
//!
//! SQLite: `VACUUM INTO` on a connection that only reads. It is one read transaction, so the picture is
//! of one moment; writers go on, the log of the database grows until it is done, and what was deleted is
//! not in the picture. PostgreSQL: one `repeatable read` transaction that copies out each table. Not
//! `pg_dump`: it must be of the server's version and on every machine (our image has none), and a table as
//! `COPY` text is the same without it. Tables are found in the database, so a new migration needs nothing
//! here. Leaves out: recordings, the configuration, and where a backup lies (`keeping`).

mod lite;
mod pg;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use super::{Settings, StoreError};

/// Table in which sqlx writes down which migrations have run.
const MIGRATIONS: &str = "_sqlx_migrations";

/// What a picture holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// `sqlite` or `postgres`.
    pub engine: String,
    /// Number of the last migration.
    pub schema: i64,
    /// Rows of each table.
    pub tables: BTreeMap<String, u64>,
    /// Its files, below the folder they were written to.
    pub files: Vec<PathBuf>,
}

/// A picture, and what it speaks of that lies outside the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The picture.
    pub picture: Picture,
    /// Names of the kept recordings, sorted, each once.
    pub recordings: Vec<String>,
}

/// The picture could not be taken or brought back.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The database said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is nothing to take a picture of.
    #[error("there is no database at {0}")]
    NoDatabase(String),
    /// Restoring would write over something.
    #[error("{0} is not empty; nothing was changed")]
    NotEmpty(String),
    /// The picture is of the other engine.
    #[error("the backup is of {0} and the configured database is of another kind")]
    Engine(String),
    /// Made by a newer program.
    #[error("the backup has schema {0}, which this program does not know")]
    Schema(i64),
    /// The picture itself is damaged.
    #[error("the backup's database is damaged: {0}")]
    Damaged(String),
}

impl From<sqlx::Error> for SnapshotError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<sqlx::migrate::MigrateError> for SnapshotError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Store(error.into())
    }
}

/// Takes the picture of the database of these settings into an existing folder.
pub async fn take(settings: &Settings, folder: &Path) -> Result<Taken, SnapshotError> {
    match engine(settings)? {
        "sqlite" => lite::take(settings, folder).await,
        _ => pg::take(settings, folder).await,
    }
}

/// Reads a picture, all of it, and counts the rows of each table; damage is an error.
pub async fn count(
    picture: &Picture,
    folder: &Path,
) -> Result<BTreeMap<String, u64>, SnapshotError> {
    match picture.engine.as_str() {
        "sqlite" => lite::count(folder).await,
        _ => pg::count(picture, folder),
    }
}

/// Whether the database of these settings holds nothing that restoring would write over.
pub async fn is_empty(settings: &Settings) -> Result<bool, SnapshotError> {
    match engine(settings)? {
        "sqlite" => lite::is_empty(settings),
        _ => pg::is_empty(settings).await,
    }
}

/// Brings a picture back into the empty database of these settings. The schema is that of the picture;
/// the gateway brings it up to date when it starts.
pub async fn restore(
    settings: &Settings,
    picture: &Picture,
    folder: &Path,
) -> Result<(), SnapshotError> {
    if engine(settings)? != picture.engine {
        return Err(SnapshotError::Engine(picture.engine.clone()));
    }
    if !super::LITE_SCHEMA.version_exists(picture.schema) {
        return Err(SnapshotError::Schema(picture.schema));
    }
    if !is_empty(settings).await? {
        return Err(SnapshotError::NotEmpty(
            "the configured database".to_owned(),
        ));
    }
    match picture.engine.as_str() {
        "sqlite" => lite::restore(settings, folder),
        _ => pg::restore(settings, picture, folder).await,
    }
}

fn engine(settings: &Settings) -> Result<&'static str, StoreError> {
    let url = settings.url.as_str();
    if url.starts_with("sqlite:") {
        return Ok("sqlite");
    }
    match url.starts_with("postgres:") || url.starts_with("postgresql:") {
        true => Ok("postgres"),
        false => Err(StoreError::Url(settings.url.clone())),
    }
}

/// An identifier as SQL takes it, whatever it holds.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
