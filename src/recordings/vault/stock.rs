//! The stock as a whole: what is there, whether it is sound, what has been left lying.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use futures_util::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path as Key};
use sha2::{Digest, Sha256};
use tokio_util::io::StreamReader;

use super::{ABANDONED, Vault, VaultError, key};
use crate::recordings::cipher;

/// Where a file lies that is not what its name says, for somebody to look at.
const DAMAGED: &str = ".damaged";

/// A recording in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// SHA-256 of its sound, by its name.
    pub name: String,
    /// Length of the file.
    pub bytes: u64,
    /// How long it has been lying there.
    pub age: Duration,
}

/// A file that nobody has finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover(pub PathBuf);

impl Vault {
    /// Every recording that is there.
    pub async fn stored(&self) -> Result<Vec<Stored>, VaultError> {
        let now = SystemTime::now();
        let mut stored = Vec::new();
        let mut found = self.store.list(None);
        while let Some(meta) = found.try_next().await? {
            let name = meta.location.filename().unwrap_or_default().to_owned();
            if key(&name).is_ok_and(|place| place == meta.location) {
                let since = SystemTime::from(meta.last_modified);
                stored.push(Stored {
                    name,
                    bytes: meta.size,
                    age: now.duration_since(since).unwrap_or_default(),
                });
            }
        }
        stored.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(stored)
    }

    /// Reads a recording to its end and compares it with its name.
    pub async fn prove(&self, name: &str) -> Result<(), VaultError> {
        let bytes = self.sound_bytes(name).await?;
        let mut hash = Sha256::new();
        if bytes > 0 {
            let mut sound = self.read(name, 0..bytes).await?;
            while let Some(piece) = sound.try_next().await.map_err(opened)? {
                hash.update(&piece);
            }
        }
        match hex::encode(hash.finalize()) == name {
            true => Ok(()),
            false => Err(VaultError::Changed),
        }
    }

    /// Writes a recording anew if it does not lie as it would if it came now: sealed with the current key,
    /// or open if there is none. Only a sound one is written. Returns whether it was.
    pub async fn reseal(&self, name: &str) -> Result<bool, VaultError> {
        let (head, _) = self.head(&key(name)?).await?;
        if self.keys.is_current(&head) {
            return Ok(false);
        }
        self.prove(name).await?;
        let bytes = self.sound_bytes(name).await?;
        let sound = self.read(name, 0..bytes).await?;
        let mut sound = StreamReader::new(sound.map_err(std::io::Error::other));
        self.write(name, &mut sound, bytes).await?;
        Ok(true)
    }

    /// Removes a recording; one that is gone is no trouble.
    pub async fn remove(&self, name: &str) -> Result<(), VaultError> {
        match self.store.delete(&key(name)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts a file aside that is not what its name says.
    pub async fn set_aside(&self, name: &str) -> Result<(), VaultError> {
        let aside = Key::from(format!("{DAMAGED}/{name}"));
        Ok(self.store.rename(&key(name)?, &aside).await?)
    }

    /// Files whose writers are gone.
    pub fn leftovers(&self) -> Result<Vec<Leftover>, VaultError> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let path = entry.path();
                if entry.file_type()?.is_dir() {
                    folders.push(path);
                } else if is_unfinished(&path, folder == self.incoming) && is_old(&entry) {
                    found.push(Leftover(path));
                }
            }
        }
        Ok(found)
    }

    /// Removes a file that nobody finishes.
    pub fn clear(&self, leftover: &Leftover) -> Result<(), VaultError> {
        match fs::remove_file(&leftover.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    async fn sound_bytes(&self, name: &str) -> Result<u64, VaultError> {
        let meta = self.store.head(&key(name)?).await?;
        if meta.size == 0 {
            return Ok(0);
        }
        let (head, meta) = self.head(&key(name)?).await?;
        Ok(match self.keys.opener(name, &head)? {
            None => meta.size,
            Some(_) => cipher::plain_bytes(meta.size).ok_or(cipher::CipherError::Damaged)?,
        })
    }
}

/// What could not be opened half-way is a damaged file, not a store in trouble.
fn opened(error: object_store::Error) -> VaultError {
    match &error {
        object_store::Error::Generic { source, .. } => {
            match source.downcast_ref::<cipher::CipherError>() {
                Some(cipher) => VaultError::Cipher(*cipher),
                None => VaultError::Store(error),
            }
        }
        _ => error.into(),
    }
}

/// The object store writes beside the file it will be, as `name#1`.
fn is_unfinished(path: &Path, is_incoming: bool) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let staged = name.split_once('#');
    is_incoming || staged.is_some_and(|(name, _)| key(name).is_ok())
}

fn is_old(entry: &fs::DirEntry) -> bool {
    let modified = entry.metadata().and_then(|meta| meta.modified());
    // One that cannot be asked may just have gone.
    modified
        .ok()
        .and_then(|at| at.elapsed().ok())
        .is_some_and(|age| age > ABANDONED)
}
