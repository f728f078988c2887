//! Where recordings lie: each file once, under the SHA-256 of its bytes, and never changed.
//!
//! Behind an object store: a local folder by default, fsynced before a recording counts as kept.

use std::{
    io::ErrorKind,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, WriteMultipart, local::LocalFileSystem,
    path::Path as Key,
};
use tokio::io::AsyncReadExt;

/// Pieces in which a file is handed to the store; object stores ask for at least 5 MiB.
const PIECE_BYTES: usize = 5 * 1024 * 1024;
/// Pieces on their way to the store at once.
const PIECES_ON_THE_WAY: usize = 2;
/// Nothing is fetched for as long as this.
const ABANDONED: Duration = Duration::from_secs(6 * 60 * 60);
/// Where files lie until they are known to be recordings, below the folder.
const INCOMING: &str = ".incoming";

/// The store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file under this name is gone.
    #[error("the recording is not in the store")]
    Missing,
    /// The store cannot be reached or is full.
    #[error("the recordings store: {0}")]
    Store(object_store::Error),
    /// The local disk said no.
    #[error("the recordings folder: {0}")]
    Io(#[from] std::io::Error),
}

impl From<object_store::Error> for VaultError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing,
            error => Self::Store(error),
        }
    }
}

/// The kept recordings.
#[derive(Clone, Debug)]
pub struct Vault {
    store: Arc<dyn ObjectStore>,
    incoming: PathBuf,
}

impl Vault {
    /// Opens (and makes) a local folder. What was left half-fetched long ago is removed.
    pub fn open(folder: &Path) -> Result<Self, VaultError> {
        let incoming = folder.join(INCOMING);
        std::fs::create_dir_all(&incoming)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        sweep(&incoming)?;
        Ok(Self {
            store: Arc::new(store),
            incoming,
        })
    }

    /// A place for a file that is on its way in; whatever is left there goes when it is dropped.
    pub fn incoming(&self) -> Incoming {
        Incoming(self.incoming.join(uuid::Uuid::now_v7().to_string()))
    }

    /// Keeps the file under its name; does nothing if it is here already.
    pub async fn keep(&self, file: &Path, sha256: &str, size_bytes: u64) -> Result<(), VaultError> {
        let key = key(sha256)?;
        match self.store.head(&key).await {
            Ok(there) if there.size == size_bytes => return Ok(()),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let mut file = tokio::fs::File::open(file).await?;
        let upload = self.store.put_multipart(&key).await?;
        let mut writing = WriteMultipart::new_with_chunk_size(upload, PIECE_BYTES);
        match copy(&mut file, &mut writing).await {
            Ok(()) => writing.finish().await.map(|_| ()).map_err(Into::into),
            Err(error) => {
                // What failed is told; that the rest could not be removed would not help anybody.
                _ = writing.abort().await;
                Err(error)
            }
        }
    }

    /// Reads a part of a recording; `span` must lie within it and hold something.
    pub async fn read(
        &self,
        sha256: &str,
        span: Range<u64>,
    ) -> Result<BoxStream<'static, object_store::Result<Bytes>>, VaultError> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(span)),
            ..GetOptions::default()
        };
        let found = self.store.get_opts(&key(sha256)?, options).await?;
        Ok(found.into_stream())
    }
}

async fn copy(file: &mut tokio::fs::File, writing: &mut WriteMultipart) -> Result<(), VaultError> {
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        file.take(PIECE_BYTES as u64)
            .read_to_end(&mut piece)
            .await?;
        if piece.is_empty() {
            return Ok(());
        }
        writing.wait_for_capacity(PIECES_ON_THE_WAY).await?;
        writing.put(piece.into());
    }
}

/// `ab/cd/abcd…`: no folder grows without bound.
fn key(sha256: &str) -> Result<Key, VaultError> {
    let is_name = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    match is_name {
        true => Ok(Key::from(format!(
            "{}/{}/{sha256}",
            &sha256[..2],
            &sha256[2..4]
        ))),
        false => Err(VaultError::Missing),
    }
}

/// Removes what lies there for so long that nobody can still be fetching it.
fn sweep(incoming: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(incoming)? {
        match sweep_one(&entry?) {
            // Another node that shares the folder was quicker.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            swept => swept?,
        }
    }
    Ok(())
}

fn sweep_one(entry: &std::fs::DirEntry) -> std::io::Result<()> {
    let age = entry.metadata()?.modified()?.elapsed();
    if age.is_ok_and(|age| age > ABANDONED) {
        std::fs::remove_file(entry.path())?;
    }
    Ok(())
}

/// A file on its way in.
#[derive(Debug)]
pub struct Incoming(PathBuf);

impl Incoming {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // It may never have been made; a leftover is swept at the next start.
        _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;
    use crate::recordings::fixtures::Folder;

    const NAME: &str = "aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899";

    async fn bytes(vault: &Vault, span: Range<u64>) -> Vec<u8> {
        let stream = vault.read(NAME, span).await.unwrap();
        let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
        pieces.concat()
    }

    #[tokio::test]
    async fn a_file_is_kept_under_its_name_and_read_in_parts() {
        let folder = Folder::new();
        let vault = Vault::open(&folder.join("recordings")).unwrap();
        let content: Vec<u8> = (0..PIECE_BYTES + 1000).map(|at| (at % 251) as u8).collect();
        let incoming = vault.incoming();
        std::fs::write(incoming.path(), &content).unwrap();
        let size = content.len() as u64;
        vault.keep(incoming.path(), NAME, size).await.unwrap();
        let kept = folder.join("recordings/aa/bb").join(NAME);
        assert_eq!(std::fs::read(&kept).unwrap(), content);
        assert_eq!(bytes(&vault, 0..size).await, content);
        assert_eq!(bytes(&vault, 1000..2000).await, &content[1000..2000]);
    }

    #[tokio::test]
    async fn the_same_file_is_kept_once_and_a_torn_one_is_replaced() {
        let folder = Folder::new();
        let vault = Vault::open(&folder.join("recordings")).unwrap();
        let kept = folder.join("recordings/aa/bb").join(NAME);
        let source = folder.join("source");
        std::fs::write(&source, b"sound").unwrap();
        vault.keep(&source, NAME, 5).await.unwrap();
        std::fs::write(&source, b"other").unwrap();
        vault.keep(&source, NAME, 5).await.unwrap();
        assert_eq!(std::fs::read(&kept).unwrap(), b"sound");
        std::fs::write(&kept, b"so").unwrap();
        vault.keep(&source, NAME, 5).await.unwrap();
        assert_eq!(std::fs::read(&kept).unwrap(), b"other");
    }

    #[tokio::test]
    async fn what_is_not_there_is_missing() {
        let folder = Folder::new();
        let vault = Vault::open(&folder.join("recordings")).unwrap();
        for name in [NAME, "", "../../etc/passwd", "aé"] {
            assert!(matches!(
                vault.read(name, 0..1).await,
                Err(VaultError::Missing)
            ));
        }
    }

    #[test]
    fn leftovers_go_with_their_owner_or_when_old() {
        let folder = Folder::new();
        let vault = Vault::open(&folder.join("recordings")).unwrap();
        let incoming = vault.incoming();
        let path = incoming.path().to_owned();
        std::fs::write(&path, b"x").unwrap();
        drop(incoming);
        assert!(!path.exists());
        std::fs::write(&path, b"x").unwrap();
        Vault::open(&folder.join("recordings")).unwrap();
        assert!(path.exists(), "another node may be fetching it");
        let long_ago = std::time::SystemTime::now() - 2 * ABANDONED;
        let file = std::fs::File::open(&path).unwrap();
        file.set_modified(long_ago).unwrap();
        Vault::open(&folder.join("recordings")).unwrap();
        assert!(!path.exists());
    }
}
