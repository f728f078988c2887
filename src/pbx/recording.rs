//! How the file of a recording can be had from a PBX: words between the adapter, which knows, and
//! the recordings lane, which fetches.

use std::path::{Component, Path, PathBuf};

use secrecy::SecretString;

use super::PbxError;
use crate::{
    http::{Reach, Request},
    model::event::RecordingSource,
};

/// One way to the file of a recording.
#[derive(Clone, Debug)]
pub enum Fetch {
    /// A file in a folder that this machine can read.
    File {
        /// The folder; nothing outside of it is ever read.
        folder: PathBuf,
        /// The file, relative to the folder.
        file: PathBuf,
    },
    /// An HTTP request that gives the file.
    Http(Request),
    /// An HTTP request whose answer says where the file is.
    Link {
        /// The request.
        ask: Request,
        /// Reads the address out of the answer; `None`: there is none in it (yet).
        read: fn(&[u8]) -> Option<String>,
        /// Where the address may lead.
        reach: Reach,
    },
}

/// Where an account's recordings lie: table `recordings` of the account's configuration.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordingSettings {
    /// Folder of this machine in which the PBX's files appear (shared, mounted or copied).
    pub folder: Option<PathBuf>,
    /// What the PBX's own paths start with (`/var/spool/asterisk/monitor`); the rest is looked up
    /// under `folder` or `url`.
    pub strip: PathBuf,
    /// Address of a web server that gives the same files; used when `folder` is not set.
    pub url: Option<String>,
    /// Value of the `Authorization` header for `url`. A secret.
    pub authorization_secret: Option<SecretString>,
    /// Hosts that links and redirects may lead to, besides that of `url`; `.example.org` allows
    /// every name below it.
    pub hosts: Vec<String>,
    /// Whether these hosts, and that of the account's API, may lie in a private network.
    pub private_network: bool,
}

impl RecordingSettings {
    /// Names the provider's own hosts, unless the account names others.
    pub fn come_from(&mut self, hosts: &str) {
        if self.hosts.is_empty() {
            self.hosts.push(hosts.to_owned());
        }
    }

    /// The way to a file or link as the PBX told it. Ids of an API are the adapter's own matter.
    pub fn fetch(&self, source: &RecordingSource) -> Result<Fetch, PbxError> {
        match source {
            RecordingSource::File(path) => self.file(Path::new(path)),
            RecordingSource::Link(url) => Ok(Fetch::Http(self.get(url.clone(), None))),
            RecordingSource::Api(_) => Err(PbxError::Unsupported),
        }
    }

    /// A GET within the hosts of this account.
    pub fn get(&self, url: String, authorization: Option<SecretString>) -> Request {
        let own_host = self.url.as_deref().and_then(host_of);
        Request {
            url,
            authorization,
            reach: Reach {
                hosts: self.hosts.iter().cloned().chain(own_host).collect(),
                private_network: self.private_network,
            },
            ..Request::default()
        }
    }

    /// The reach of questions to the account's API at this address: its own host and no other.
    pub fn reach_of(&self, url: &str) -> Reach {
        Reach {
            hosts: host_of(url).into_iter().collect(),
            private_network: self.private_network,
        }
    }

    fn file(&self, path: &Path) -> Result<Fetch, PbxError> {
        let file = self.below(path)?;
        if let Some(folder) = &self.folder {
            let folder = folder.clone();
            return Ok(Fetch::File { folder, file });
        }
        let base = self.url.as_deref().ok_or_else(|| {
            PbxError::Refused("neither a folder nor an address of recordings is set".into())
        })?;
        let url = join(base, &file)?;
        Ok(Fetch::Http(
            self.get(url, self.authorization_secret.clone()),
        ))
    }

    /// The path below the PBX's folder of recordings, without a way out of it.
    fn below(&self, path: &Path) -> Result<PathBuf, PbxError> {
        let outside = || PbxError::Refused("the file lies outside the recordings folder".into());
        let file = match path.is_absolute() {
            true => path.strip_prefix(&self.strip).map_err(|_| outside())?,
            false => path,
        };
        let is_plain = file
            .components()
            .all(|component| matches!(component, Component::Normal(_)));
        match is_plain && file.file_name().is_some() {
            true => Ok(file.to_owned()),
            false => Err(outside()),
        }
    }
}

fn host_of(url: &str) -> Option<String> {
    reqwest::Url::parse(url).ok()?.host_str().map(str::to_owned)
}

fn join(base: &str, file: &Path) -> Result<String, PbxError> {
    let unusable = || PbxError::Refused("the address of recordings cannot be used".into());
    let mut url = reqwest::Url::parse(base).map_err(|_| unusable())?;
    url.path_segments_mut()
        .map_err(|()| unusable())?
        .pop_if_empty()
        .extend(file.iter().map(|part| part.to_string_lossy()));
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared() -> RecordingSettings {
        RecordingSettings {
            folder: Some("/mnt/pbx".into()),
            strip: "/var/spool/asterisk/monitor".into(),
            ..RecordingSettings::default()
        }
    }

    fn file(path: &str) -> RecordingSource {
        RecordingSource::File(path.into())
    }

    #[test]
    fn a_path_of_the_pbx_is_found_in_the_shared_folder() {
        for path in ["/var/spool/asterisk/monitor/2026/a.wav", "2026/a.wav"] {
            let Ok(Fetch::File { folder, file }) = shared().fetch(&file(path)) else {
                panic!("{path} gives no file");
            };
            assert_eq!(folder.join(file), Path::new("/mnt/pbx/2026/a.wav"));
        }
    }

    #[test]
    fn ways_out_of_the_folder_are_refused() {
        let paths = [
            "/etc/passwd",
            "../a.wav",
            "2026/../../a.wav",
            "/var/spool/asterisk/monitor",
            "/var/spool/asterisk/monitor/../../x",
            "/var/spool/asterisk/monitoring/a.wav",
            "",
            ".",
        ];
        for path in paths {
            assert!(
                matches!(shared().fetch(&file(path)), Err(PbxError::Refused(_))),
                "{path}"
            );
        }
    }

    #[test]
    fn a_web_server_gives_the_same_files() {
        let settings = RecordingSettings {
            folder: None,
            url: Some("https://pbx.example/rec/".into()),
            authorization_secret: Some("Basic x".into()),
            ..shared()
        };
        let source = file("/var/spool/asterisk/monitor/2026/in 201?.wav");
        let Ok(Fetch::Http(request)) = settings.fetch(&source) else {
            panic!("no request");
        };
        assert_eq!(request.url, "https://pbx.example/rec/2026/in%20201%3F.wav");
        assert_eq!(request.reach.hosts, ["pbx.example"]);
        assert!(request.authorization.is_some());
    }

    #[test]
    fn a_link_gets_no_secret_of_the_web_server() {
        let settings = RecordingSettings {
            authorization_secret: Some("Basic x".into()),
            hosts: vec![".cloud.example".into()],
            ..shared()
        };
        let link = RecordingSource::Link("https://files.cloud.example/1".into());
        let Ok(Fetch::Http(request)) = settings.fetch(&link) else {
            panic!("no request");
        };
        assert!(request.authorization.is_none());
        assert_eq!(request.reach.hosts, [".cloud.example"]);
    }
}
