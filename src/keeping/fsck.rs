//! Compares the kept recordings with the database, file by file and byte by byte.
//!
//! Repairing deletes only what no row speaks of and nobody can still be writing. A file that is not what
//! its name says is put aside, for somebody may still make use of it; its recording is fetched again if the
//! provider has told from where, else it shows as failed. One whose key is not configured is told and
//! left alone.

use std::{collections::HashSet, path::PathBuf, time::Duration};

use serde::Serialize;

use crate::{
    model::time::Timestamp,
    recordings::{
        cipher::CipherError,
        vault::{Leftover, Vault, VaultError},
    },
    store::{Db, StoreError, stock},
};

/// A file comes before its row: until then it is nobody's mistake.
const YOUNG: Duration = Duration::from_secs(60 * 60);

/// Looking could not go on.
#[derive(Debug, thiserror::Error)]
pub enum FsckError {
    /// The database said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The recordings cannot be reached.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// What was found; names are SHA-256 of the sound.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Files that are there.
    pub files: usize,
    /// Their length on disk.
    pub bytes: u64,
    /// Files that no row speaks of.
    pub without_row: Vec<String>,
    /// Rows speak of them and there is no file.
    pub without_file: Vec<String>,
    /// Files that are not what their names say.
    pub changed: Vec<String>,
    /// Files sealed with a key that is not configured.
    pub locked: Vec<String>,
    /// Files that nobody finishes.
    pub left_over: Vec<PathBuf>,
}

impl Report {
    /// How much there is to complain of.
    pub fn problems(&self) -> usize {
        self.without_row.len()
            + self.without_file.len()
            + self.changed.len()
            + self.locked.len()
            + self.left_over.len()
    }
}

/// What repairing came to.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// Recordings that will be fetched again.
    pub fetched_again: u64,
    /// Recordings that show as failed now.
    pub lost: u64,
    /// Files that were removed.
    pub removed: usize,
    /// Files that were put aside.
    pub set_aside: usize,
}

/// Looks at everything.
pub async fn look(db: &Db, vault: &Vault) -> Result<Report, FsckError> {
    // Files before rows: what comes in between then has both.
    let stored = vault.stored().await?;
    let rows: HashSet<String> = stock::kept(db).await?.into_iter().collect();
    let mut report = Report {
        files: stored.len(),
        ..Report::default()
    };
    let there: HashSet<&String> = stored.iter().map(|stored| &stored.name).collect();
    for name in rows.iter().filter(|name| !there.contains(name)) {
        report.without_file.push(name.clone());
    }
    report.without_file.sort();
    for stored in &stored {
        report.bytes += stored.bytes;
        if !rows.contains(&stored.name) {
            if stored.age > YOUNG {
                report.without_row.push(stored.name.clone());
            }
            continue;
        }
        match vault.prove(&stored.name).await {
            Ok(()) => {}
            Err(VaultError::Changed | VaultError::Cipher(CipherError::Damaged)) => {
                report.changed.push(stored.name.clone());
            }
            Err(VaultError::Cipher(CipherError::Locked(_))) => {
                report.locked.push(stored.name.clone());
            }
            // Let go since it was listed.
            Err(VaultError::Missing) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let left = vault.leftovers()?;
    report.left_over = left.into_iter().map(|Leftover(path)| path).collect();
    report.left_over.sort();
    Ok(report)
}

/// Mends what [`look`] has found.
pub async fn repair(
    db: &Db,
    vault: &Vault,
    report: &Report,
    now: Timestamp,
) -> Result<Repaired, FsckError> {
    let mut repaired = Repaired::default();
    for name in &report.changed {
        vault.set_aside(name).await?;
        repaired.set_aside += 1;
    }
    for (names, reason) in [(&report.changed, "changed"), (&report.without_file, "gone")] {
        for name in names {
            let (again, lost) = stock::lost(db, name, reason, now).await?;
            repaired.fetched_again += again;
            repaired.lost += lost;
        }
    }
    for name in &report.without_row {
        vault.remove(name).await?;
        repaired.removed += 1;
    }
    for path in &report.left_over {
        vault.clear(&Leftover(path.clone()))?;
        repaired.removed += 1;
    }
    Ok(repaired)
}
