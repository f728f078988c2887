//! What a backup says of itself. Written last: a folder without it is no backup.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::digest::Content;
use crate::store::snapshot::Picture;

/// Its file.
pub const FILE: &str = "manifest.json";
/// The list of recordings, as `sha256sum --check` reads it.
pub const RECORDINGS: &str = "recordings.sha256";
/// The folder of the database's picture.
pub const DATABASE: &str = "database";
/// Where the recordings of all backups of one folder lie, seen from one backup.
pub const VAULT: &str = "../recordings";
/// Counts up when an older program could not read it.
pub const FORMAT: u32 = 1;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of the program that wrote it.
    pub ringcard: String,
    /// When the picture of the database was begun (RFC 3339).
    pub taken_at: String,
    /// `sqlite` or `postgres`.
    pub engine: String,
    /// Number of the last migration.
    pub schema: i64,
    /// Rows of each table.
    pub tables: BTreeMap<String, u64>,
    /// Every file beside this one.
    pub files: BTreeMap<String, Content>,
    /// The recordings.
    pub recordings: Recordings,
}

/// How many recordings a backup has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recordings {
    /// Files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// Names that the database speaks of and that could not be found when the backup was made.
    pub missing: Vec<String>,
}

impl Manifest {
    /// Reads the manifest of a backup.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let text = fs::read(folder.join(FILE))?;
        serde_json::from_slice(&text).map_err(io::Error::from)
    }

    /// Writes it, so that it is whole or not there.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::from)?;
        let half = folder.join(".manifest");
        let mut file = fs::File::create(&half)?;
        file.write_all(&text)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&half, folder.join(FILE))?;
        sync(folder)
    }

    /// What the store needs to know to bring its part back.
    pub fn picture(&self) -> Picture {
        let below = |path: &String| Some(PathBuf::from(path.strip_prefix("database/")?));
        Picture {
            engine: self.engine.clone(),
            schema: self.schema,
            tables: self.tables.clone(),
            files: self.files.keys().filter_map(below).collect(),
        }
    }
}

/// Makes the names in a folder durable.
pub fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// One line of [`RECORDINGS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// SHA-256 of the file as it lies there (of an encrypted one: not its name).
    pub sha256: String,
    /// SHA-256 of the sound: the recording's name.
    pub name: String,
}

impl Line {
    /// Where the file lies below [`VAULT`]. A sealed one has more to its name: under another key it is
    /// another file, and older backups keep theirs.
    pub fn place(&self) -> String {
        let place = place(&self.name);
        match self.sha256 == self.name {
            true => place,
            false => format!("{place}.{}", self.sha256.get(..16).unwrap_or_default()),
        }
    }

    /// As text.
    pub fn text(&self) -> String {
        format!("{}  {VAULT}/{}\n", self.sha256, self.place())
    }

    /// Reads a line; `None` if it is not one of ours.
    pub fn parse(line: &str) -> Option<Self> {
        let (sha256, path) = line.split_once("  ")?;
        let file = path.rsplit('/').next()?;
        let name = file.split_once('.').map_or(file, |(name, _)| name);
        let line = Self {
            sha256: sha256.to_owned(),
            name: name.to_owned(),
        };
        let is_ours = path.strip_prefix(VAULT)?.strip_prefix('/')? == line.place();
        (is_ours && is_sha256(name) && is_sha256(sha256)).then_some(line)
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `ab/cd/abcd…`, as in the vault.
pub fn place(name: &str) -> String {
    match (name.get(..2), name.get(2..4)) {
        (Some(first), Some(second)) => format!("{first}/{second}/{name}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let name = "ab".repeat(32);
        for sha256 in [name.clone(), "cd".repeat(32)] {
            let name = name.clone();
            let line = Line { sha256, name };
            assert_eq!(Line::parse(line.text().trim_end()), Some(line));
        }
        assert_eq!(Line::parse("cd  ../recordings/../../etc/passwd"), None);
        assert_eq!(Line::parse("cd  ../recordings/.."), None);
        assert_eq!(Line::parse(""), None);
    }
}
