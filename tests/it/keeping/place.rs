//! A place of its own for database and recordings, and the real binary over them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use ringcard::store::{Db, Settings};
use serde_json::Value;
use tokio::process::Command;

use crate::support::{gateway::TestGateway, postgres};

const ACCOUNT: &str = "[[pbx]]\nname = 'cloud'\ntype = 'mango'\nvpbx_api_key = 'a-key'\n\
                       vpbx_api_salt = 'a-salt'\n";

/// A place of its own: database and recordings, and commands over them.
pub struct Place {
    pub folder: PathBuf,
    pub url: String,
}

impl Place {
    pub fn sqlite(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        Self {
            folder: folder.to_owned(),
            url: format!("sqlite:{}", folder.join("ringcard.db").display()),
        }
    }

    pub async fn postgres(folder: &Path) -> Self {
        Self {
            url: postgres::new_database().await,
            ..Self::sqlite(folder)
        }
    }

    pub fn recordings(&self) -> PathBuf {
        self.folder.join("recordings")
    }

    pub async fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_ringcard"))
            .args(arguments)
            .current_dir(&self.folder)
            .env("RINGCARD__STORE__URL", &self.url)
            .env("RINGCARD__RECORDINGS__FOLDER", self.recordings())
            .output()
            .await
            .unwrap()
    }

    /// Runs what must go well, and reads the line it prints.
    pub async fn tell(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments).await;
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaints}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs what must be refused, and reads the complaint.
    pub async fn refuse(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?} must fail");
        String::from_utf8(output.stderr).unwrap()
    }

    pub async fn open(&self) -> Db {
        let url = self.url.clone();
        let settings = Settings {
            url,
            ..Settings::default()
        };
        Db::open(&settings).await.unwrap()
    }

    pub async fn gateway(&self) -> TestGateway {
        let (url, recordings) = (self.url.clone(), self.recordings());
        TestGateway::start_with(ACCOUNT, |settings| {
            settings.store.url = url;
            settings.recordings.folder = recordings;
            settings.hooks.per_second = 100_000;
            settings.hooks.burst = 100_000;
        })
        .await
    }
}

/// A folder that goes with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("ringcard-keep-{}", uuid::Uuid::now_v7()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in the folder of temporary files harms nobody.
        _ = fs::remove_dir_all(&self.0);
    }
}
