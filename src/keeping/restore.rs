//! Proves a backup, and brings it back where nothing is.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{
    backup::{self, read_lines},
    digest,
    manifest::{self, DATABASE, FORMAT, Manifest, RECORDINGS, VAULT},
};
use crate::store::{
    self,
    snapshot::{self, SnapshotError},
};

/// What is wrong with a backup; every problem that could be found, in words for people.
#[derive(Debug, thiserror::Error)]
#[error("the backup is not sound:\n  {}", .0.join("\n  "))]
pub struct Unsound(pub Vec<String>);

/// A backup could not be proven or brought back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is no backup.
    #[error("{0} holds no backup: there is no manifest")]
    None(PathBuf),
    /// It is not what it was.
    #[error(transparent)]
    Unsound(#[from] Unsound),
    /// Database or disk said no.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl From<io::Error> for RestoreError {
    fn from(error: io::Error) -> Self {
        Self::Snapshot(error.into())
    }
}

/// The backup meant by a folder: itself, or the newest of those in it.
pub fn find(folder: &Path) -> Result<PathBuf, RestoreError> {
    if folder.join(manifest::FILE).is_file() {
        return Ok(folder.to_owned());
    }
    let newest = backup::all(folder).ok().and_then(|mut all| all.pop());
    newest.ok_or_else(|| RestoreError::None(folder.to_owned()))
}

/// Reads every byte of a backup and compares it with what its manifest says.
pub async fn verify(backup: &Path) -> Result<Manifest, RestoreError> {
    let manifest = Manifest::read(backup)
        .map_err(|error| Unsound(vec![format!("{}: {error}", manifest::FILE)]))?;
    if manifest.format != FORMAT {
        let told = format!("its format is {} and not {FORMAT}", manifest.format);
        return Err(Unsound(vec![told]).into());
    }
    let mut wrong = Vec::new();
    for (name, content) in &manifest.files {
        match digest::of(&backup.join(name)) {
            Ok(there) if there == *content => {}
            Ok(_) => wrong.push(format!("{name} has changed")),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    if !manifest.files.contains_key(RECORDINGS) {
        wrong.push(format!("the manifest does not speak of {RECORDINGS}"));
    }
    // Of damaged files nothing can be counted.
    if wrong.is_empty() {
        wrong.extend(recordings(backup, &manifest)?);
        wrong.extend(counts(backup, &manifest).await);
    }
    match wrong.is_empty() {
        true => Ok(manifest),
        false => Err(Unsound(wrong).into()),
    }
}

/// Compares every recording with the list.
fn recordings(backup: &Path, manifest: &Manifest) -> io::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let (mut files, mut bytes) = (0, 0);
    read_lines(backup, |line| {
        let place = line.place();
        match digest::of(&backup.join(VAULT).join(&place)) {
            Ok(there) if there.sha256 == line.sha256 => {
                files += 1;
                bytes += there.bytes;
                return true;
            }
            Ok(_) => wrong.push(format!("recording {place} has changed")),
            Err(error) => wrong.push(format!("recording {place}: {error}")),
        }
        false
    })?;
    let said = &manifest.recordings;
    if wrong.is_empty() && (files, bytes) != (said.files, said.bytes) {
        wrong.push(format!(
            "there are {files} recordings of {bytes} bytes and should be {} of {}",
            said.files, said.bytes
        ));
    }
    Ok(wrong)
}

/// Compares the rows of every table with the manifest.
async fn counts(backup: &Path, manifest: &Manifest) -> Vec<String> {
    let counted = snapshot::count(&manifest.picture(), &backup.join(DATABASE)).await;
    let tables = match counted {
        Ok(tables) => tables,
        Err(error) => return vec![error.to_string()],
    };
    let names: HashSet<&String> = tables.keys().chain(manifest.tables.keys()).collect();
    let differ = names.into_iter().filter_map(|name| {
        let (there, said) = (tables.get(name), manifest.tables.get(name));
        (there != said).then(|| format!("table {name} has {there:?} rows and should have {said:?}"))
    });
    differ.collect()
}

/// Brings a proven backup back. Database and recordings must hold nothing; else nothing is changed.
pub async fn restore(
    backup: &Path,
    manifest: &Manifest,
    store: &store::Settings,
    folder: &Path,
) -> Result<(), RestoreError> {
    if holds_recordings(folder)? {
        return Err(SnapshotError::NotEmpty(folder.display().to_string()).into());
    }
    // Looked at before anything is copied; the database is filled last, so that nobody takes half a
    // restore for a whole one.
    if !snapshot::is_empty(store).await? {
        return Err(SnapshotError::NotEmpty("the configured database".to_owned()).into());
    }
    let mut trouble = None;
    read_lines(backup, |line| {
        let there = folder.join(manifest::place(&line.name));
        let copied = copy(&backup.join(VAULT).join(line.place()), &there);
        let failed = copied.err();
        let is_well = failed.is_none();
        trouble = trouble.take().or(failed);
        is_well
    })?;
    if let Some(error) = trouble {
        return Err(error.into());
    }
    snapshot::restore(store, &manifest.picture(), &backup.join(DATABASE)).await?;
    Ok(())
}

/// Whether any recording lies there.
fn holds_recordings(folder: &Path) -> io::Result<bool> {
    if !folder.exists() {
        return Ok(false);
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A README and the folder for what is on its way are no recordings.
        if entry.file_type()?.is_dir() && !entry.file_name().to_string_lossy().starts_with('.') {
            return Ok(true);
        }
    }
    Ok(false)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut target = File::create_new(to)?;
    io::copy(&mut File::open(from)?, &mut target)?;
    target.sync_all()
}
