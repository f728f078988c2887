//! Brings the file of a recording to this machine, from a shared folder or over HTTP.
//!
//! It leaves open what the file is: that is for [`super::audio`] to say.

use std::{
    fs::Metadata,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
};

use crate::{
    http::{self, Retry},
    pbx::recording::Fetch,
};

/// The longest answer in which an address is looked for.
const LONGEST_ANSWER: u64 = 256 * 1024;

/// Why a file did not come.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No such file in the shared folder, or the PBX does not say where it is.
    #[error("the file is not there")]
    NotThere,
    /// The shared folder itself is gone: not mounted, perhaps.
    #[error("the shared folder is not there")]
    FolderGone,
    /// The PBX is still writing the file.
    #[error("the file is still growing")]
    StillGrowing,
    /// A link leads out of the shared folder, or the name is no file.
    #[error("the file lies outside the recordings folder")]
    Outside,
    /// Longer than allowed.
    #[error("the file is longer than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// A disk said no: the shared one or ours.
    #[error("the file cannot be copied: {0}")]
    Io(#[from] io::Error),
    /// The host said no.
    #[error(transparent)]
    Http(#[from] http::Error),
}

impl FetchError {
    /// Whether trying again can help. Providers say "not found" of recordings that are not ready, and
    /// "not allowed" to who has asked for them too soon or too often: none is given up for one such word.
    pub fn retry(&self) -> Retry {
        match self {
            Self::NotThere | Self::FolderGone | Self::StillGrowing | Self::Io(_) => Retry::Later,
            Self::Outside | Self::TooLarge { .. } => Retry::Never,
            Self::Http(http::Error::Status {
                status: 401..=404 | 409 | 410 | 420,
                ..
            }) => Retry::Later,
            Self::Http(error) => error.retry(),
        }
    }

    /// Whether this says nothing of the file: a host, a mount or a disk is away and will be back.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::FolderGone | Self::Io(_) => true,
            Self::Http(error) => matches!(
                error,
                http::Error::Timeout
                    | http::Error::Unreachable
                    | http::Error::Status {
                        status: 408 | 429 | 500..,
                        ..
                    }
            ),
            Self::NotThere | Self::StillGrowing | Self::Outside | Self::TooLarge { .. } => false,
        }
    }

    /// The closed word kept with the recording.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotThere => "not_there",
            Self::FolderGone => "folder_gone",
            Self::StillGrowing => "still_growing",
            Self::Outside => "outside_folder",
            Self::TooLarge { .. } | Self::Http(http::Error::TooLarge { .. }) => "too_large",
            Self::Io(_) => "disk",
            Self::Http(error) => match error {
                http::Error::Address => "bad_address",
                http::Error::HostNotAllowed(_) => "host_not_allowed",
                http::Error::PrivateAddress(_) => "private_address",
                http::Error::UnsafeRedirect | http::Error::Redirects => "bad_redirect",
                http::Error::Timeout => "too_slow",
                http::Error::Unreachable => "unreachable",
                http::Error::Status { status: 404, .. } => "not_there",
                http::Error::Status {
                    status: 401 | 403, ..
                } => "not_allowed",
                http::Error::Status { .. } => "host_error",
                http::Error::TooLarge { .. } => "too_large",
            },
        }
    }
}

/// Fetches files within limits.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// The outbound client.
    pub http: http::Client,
    /// The longest file that is taken.
    pub max_bytes: u64,
    /// How long the size of a shared file must stay the same before it counts as whole.
    pub settle: Duration,
}

impl Fetcher {
    /// Brings the file to `into`.
    pub async fn fetch(&self, from: &Fetch, into: &Path) -> Result<(), FetchError> {
        match from {
            Fetch::File { folder, file } => self.copy_shared(folder, file, into).await,
            Fetch::Http(request) => self.download(request, into).await,
            Fetch::Link { ask, read, reach } => {
                let answer = self.http.ask(ask, LONGEST_ANSWER).await?;
                if let status @ (408 | 429 | 500..) = answer.status {
                    let retry_after = answer.retry_after;
                    return Err(http::Error::Status {
                        status,
                        retry_after,
                    }
                    .into());
                }
                // Whatever else it answers: as long as it names no file, there is none yet.
                let url = read(&answer.body).ok_or(FetchError::NotThere)?;
                let link = http::Request {
                    url, // carries access itself
                    reach: reach.clone(),
                    ..http::Request::default()
                };
                self.download(&link, into).await
            }
        }
    }

    async fn copy_shared(&self, folder: &Path, file: &Path, into: &Path) -> Result<(), FetchError> {
        let path = inside(folder, file).await?;
        let before = facts(&path).await?;
        if before.len() > self.max_bytes {
            return Err(self.too_large());
        }
        tokio::time::sleep(self.settle).await;
        let after = facts(&path).await?;
        let is_settled = before.len() == after.len() && before.modified()? == after.modified()?;
        if !is_settled {
            return Err(FetchError::StillGrowing);
        }
        let mut reading = File::open(&path)
            .await
            .map_err(not_there)?
            .take(self.max_bytes + 1);
        let mut writing = File::create(into).await?;
        let copied = tokio::io::copy(&mut reading, &mut writing).await?;
        writing.flush().await?;
        match copied {
            copied if copied > self.max_bytes => Err(self.too_large()),
            copied if copied != after.len() => Err(FetchError::StillGrowing),
            _ => Ok(()),
        }
    }

    async fn download(&self, request: &http::Request, into: &Path) -> Result<(), FetchError> {
        let mut answer = self.http.open(request, self.max_bytes).await?;
        let mut writing = File::create(into).await?;
        while let Some(piece) = answer.chunk().await? {
            writing.write_all(&piece).await?;
        }
        writing.flush().await?;
        Ok(())
    }

    fn too_large(&self) -> FetchError {
        FetchError::TooLarge {
            limit: self.max_bytes,
        }
    }
}

/// The real path of a file in a folder, after all links, if it still lies in the folder.
async fn inside(folder: &Path, file: &Path) -> Result<PathBuf, FetchError> {
    let folder = match tokio::fs::canonicalize(folder).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(FetchError::FolderGone),
        found => found?,
    };
    let path = tokio::fs::canonicalize(folder.join(file))
        .await
        .map_err(not_there)?;
    match path.starts_with(&folder) {
        true => Ok(path),
        false => Err(FetchError::Outside),
    }
}

async fn facts(path: &Path) -> Result<Metadata, FetchError> {
    let facts = tokio::fs::metadata(path).await.map_err(not_there)?;
    match facts.is_file() {
        true => Ok(facts),
        false => Err(FetchError::Outside),
    }
}

fn not_there(error: io::Error) -> FetchError {
    match error.kind() {
        ErrorKind::NotFound => FetchError::NotThere,
        _ => FetchError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::recordings::fixtures::Folder;

    fn fetcher(settle_ms: u64) -> Fetcher {
        Fetcher {
            http: http::Client::new(&http::Settings::default()).unwrap(),
            max_bytes: 1_000,
            settle: Duration::from_millis(settle_ms),
        }
    }

    async fn fetch(folder: &Folder, file: &str, settle_ms: u64) -> Result<Vec<u8>, FetchError> {
        let from = Fetch::File {
            folder: folder.join("shared"),
            file: file.into(),
        };
        let into = folder.join("into");
        fetcher(settle_ms).fetch(&from, &into).await?;
        Ok(std::fs::read(into).unwrap())
    }

    fn shared(content: &[u8]) -> Folder {
        let folder = Folder::new();
        std::fs::create_dir_all(folder.join("shared/2026")).unwrap();
        std::fs::write(folder.join("shared/2026/a.wav"), content).unwrap();
        folder
    }

    #[tokio::test]
    async fn a_settled_file_is_copied() {
        let folder = shared(b"sound");
        assert_eq!(fetch(&folder, "2026/a.wav", 0).await.unwrap(), b"sound");
        // The original stays: it belongs to the PBX.
        assert!(folder.join("shared/2026/a.wav").exists());
    }

    #[tokio::test(start_paused = true)]
    async fn a_growing_file_is_left_for_later() {
        let folder = shared(b"sound");
        let path = folder.join("shared/2026/a.wav");
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(1_000)).await;
            let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
            file.write_all(b" and more").unwrap();
        });
        let error = fetch(&folder, "2026/a.wav", 2_000).await.unwrap_err();
        assert!(matches!(error, FetchError::StillGrowing));
        assert_eq!(error.retry(), Retry::Later);
        assert_eq!(
            fetch(&folder, "2026/a.wav", 2_000).await.unwrap(),
            b"sound and more"
        );
    }

    #[tokio::test]
    async fn a_missing_file_or_folder_may_come_later() {
        let folder = shared(b"sound");
        for file in ["2026/b.wav", "2025/a.wav"] {
            let error = fetch(&folder, file, 0).await.unwrap_err();
            assert!(matches!(error, FetchError::NotThere), "{file}");
            assert_eq!(error.retry(), Retry::Later);
        }
        std::fs::remove_dir_all(folder.join("shared")).unwrap();
        let error = fetch(&folder, "2026/a.wav", 0).await.unwrap_err();
        assert!(matches!(error, FetchError::FolderGone));
        assert!(error.is_outage());
    }

    #[tokio::test]
    async fn links_and_dots_do_not_lead_out_of_the_folder() {
        let folder = shared(b"sound");
        std::fs::write(folder.join("secret"), b"secret").unwrap();
        std::os::unix::fs::symlink(folder.join("secret"), folder.join("shared/link.wav")).unwrap();
        for file in ["link.wav", "../secret", "2026/../../secret", "2026"] {
            let error = fetch(&folder, file, 0).await.unwrap_err();
            assert!(matches!(error, FetchError::Outside), "{file}: {error}");
            assert_eq!(error.retry(), Retry::Never);
        }
    }

    #[tokio::test]
    async fn a_huge_file_is_refused() {
        let folder = shared(&[0; 1_001]);
        let error = fetch(&folder, "2026/a.wav", 0).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge { limit: 1_000 }));
    }
}
