//! Where recordings lie: each file once, under the SHA-256 of its sound, and never changed.
//!
//! Behind an object store: a local folder by default, fsynced before a recording counts as kept. With a
//! key they lie sealed (`cipher`); the name stays that of the sound. What is done with the stock as a
//! whole stands in `stock`.

mod sealed;
mod stock;

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
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, WriteMultipart,
    local::LocalFileSystem, path::Path as Key,
};
use tokio::io::{AsyncRead, AsyncReadExt};

pub use self::stock::{Leftover, Stored};
use super::cipher::{self, CipherError, Keys, Piecewise};

/// Pieces in which a file is handed to the store; object stores ask for at least 5 MiB.
const PIECE_BYTES: usize = 5 * 1024 * 1024;
/// Pieces on their way to the store at once.
const PIECES_ON_THE_WAY: usize = 2;
/// Nothing is fetched for as long as this.
const ABANDONED: Duration = Duration::from_secs(6 * 60 * 60);
/// How often a recording is looked at again that got another key meanwhile.
const LOOKS: usize = 3;
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
    /// It cannot be opened.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// The sound is not the one of this name.
    #[error("the recording is not what its name says")]
    Changed,
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
    folder: PathBuf,
    incoming: PathBuf,
    keys: Keys,
}

impl Vault {
    /// Opens (and makes) a local folder in which recordings lie as they are.
    pub fn open(folder: &Path) -> Result<Self, VaultError> {
        Self::open_with(folder, Keys::default())
    }

    /// Opens (and makes) a local folder. What was left half-fetched long ago is removed.
    pub fn open_with(folder: &Path, keys: Keys) -> Result<Self, VaultError> {
        let incoming = folder.join(INCOMING);
        std::fs::create_dir_all(&incoming)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        sweep(&incoming)?;
        Ok(Self {
            store: Arc::new(store),
            folder: folder.to_owned(),
            incoming,
            keys,
        })
    }

    /// A place for a file that is on its way in; whatever is left there goes when it is dropped.
    pub fn incoming(&self) -> Incoming {
        Incoming(self.incoming.join(uuid::Uuid::now_v7().to_string()))
    }

    /// Keeps the file under its name; does nothing if it is here already.
    pub async fn keep(&self, file: &Path, sha256: &str, size_bytes: u64) -> Result<(), VaultError> {
        let lengths = [size_bytes, cipher::sealed_bytes(size_bytes)];
        match self.store.head(&key(sha256)?).await {
            Ok(there) if lengths.contains(&there.size) => return Ok(()),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let mut file = tokio::fs::File::open(file).await?;
        self.write(sha256, &mut file, size_bytes).await
    }

    /// Writes what is read over whatever is there; until all of it is, nothing changes.
    async fn write(
        &self,
        sha256: &str,
        from: &mut (impl AsyncRead + Unpin),
        size_bytes: u64,
    ) -> Result<(), VaultError> {
        let upload = self.store.put_multipart(&key(sha256)?).await?;
        let mut writing = WriteMultipart::new_with_chunk_size(upload, PIECE_BYTES);
        let copied = match self.keys.sealer(sha256, rand::random()) {
            None => copy(from, &mut writing).await,
            Some(sealer) => seal(from, size_bytes, &sealer, &mut writing).await,
        };
        match copied {
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
        let key = key(sha256)?;
        for _ in 0..LOOKS {
            let (head, meta) = self.head(&key).await?;
            let opener = self.keys.opener(sha256, &head)?;
            let window = match &opener {
                None => None,
                Some(_) => Some(cipher::Window::of(&span, meta.size).ok_or(CipherError::Damaged)?),
            };
            let part = window.map_or(span.clone(), |window| window.file.0..window.file.1);
            let options = GetOptions {
                range: Some(GetRange::Bounded(part)),
                // The head that was read must belong to what is read now.
                if_match: meta.e_tag,
                ..GetOptions::default()
            };
            let found = match self.store.get_opts(&key, options).await {
                Err(object_store::Error::Precondition { .. }) => continue,
                found => found?,
            };
            return Ok(match opener.zip(window) {
                None => found.into_stream(),
                Some((opener, window)) => {
                    sealed::open(found.into_stream(), opener, window, meta.size)
                }
            });
        }
        Err(VaultError::Missing)
    }

    /// The first bytes of a file, and what the store knows of it.
    async fn head(&self, key: &Key) -> Result<(Bytes, ObjectMeta), VaultError> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(0..cipher::HEAD_BYTES)),
            ..GetOptions::default()
        };
        let found = self.store.get_opts(key, options).await?;
        let meta = found.meta.clone();
        Ok((found.bytes().await?, meta))
    }
}

async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    writing: &mut WriteMultipart,
) -> Result<(), VaultError> {
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        from.take(PIECE_BYTES as u64)
            .read_to_end(&mut piece)
            .await?;
        if piece.is_empty() {
            return Ok(());
        }
        writing.wait_for_capacity(PIECES_ON_THE_WAY).await?;
        writing.put(piece.into());
    }
}

async fn seal(
    from: &mut (impl AsyncRead + Unpin),
    size_bytes: u64,
    sealer: &Piecewise,
    writing: &mut WriteMultipart,
) -> Result<(), VaultError> {
    writing.write(sealer.head());
    let last = size_bytes.div_ceil(cipher::PIECE_BYTES).max(1) - 1;
    for number in 0..=last {
        let wanted = cipher::PIECE_BYTES.min(size_bytes - number * cipher::PIECE_BYTES);
        let mut piece = vec![0; wanted as usize];
        from.read_exact(&mut piece).await?;
        writing.wait_for_capacity(PIECES_ON_THE_WAY).await?;
        writing.write(&sealer.seal(number, number == last, piece));
    }
    Ok(())
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
