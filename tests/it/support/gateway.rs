//! A whole gateway on a port of its own with a database of its own.

use std::{net::SocketAddr, path::PathBuf};

use ringcard::{
    app::{
        Gateway,
        settings::{Account, Settings},
    },
    store::Db,
};

/// A gateway wired exactly as `ringcard serve` wires it: port zero, a SQLite file (or, if a story asks
/// for it, an empty PostgreSQL database) that goes away with it.
pub struct TestGateway {
    gateway: Option<Gateway>,
    folder: PathBuf,
    settings: Settings,
    accounts: Vec<Account>,
    /// Asks it over HTTP; follows no redirects, so that stories see them.
    pub client: reqwest::Client,
}

/// One answer over HTTP.
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: reqwest::header::HeaderMap,
    /// Body as text.
    pub text: String,
}

impl TestGateway {
    /// Starts with default settings and no account.
    pub async fn start() -> Self {
        Self::start_with("", |_| {}).await
    }

    /// Starts with these lines of configuration (`[[pbx]] ...`) and what `change` does to the settings.
    pub async fn start_with(config: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let (folder, mut settings) = prepare(config);
        change(&mut settings);
        let accounts = settings.open().expect("accounts of this story");
        Self::start_accounts(folder, settings, accounts).await
    }

    /// Starts with PBXes of the story's own, which no provider's file knows.
    pub async fn start_scripted(
        accounts: Vec<Account>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let (folder, mut settings) = prepare("");
        change(&mut settings);
        Self::start_accounts(folder, settings, accounts).await
    }

    async fn start_accounts(folder: PathBuf, settings: Settings, accounts: Vec<Account>) -> Self {
        let gateway = Gateway::start_accounts(&settings, accounts.clone())
            .await
            .expect("the gateway of this story starts");
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client needs nothing");
        Self {
            gateway: Some(gateway),
            folder,
            settings,
            accounts,
            client,
        }
    }

    /// The gateway itself.
    pub fn gateway(&self) -> &Gateway {
        self.gateway
            .as_ref()
            .expect("it runs until the story is over")
    }

    /// Its store.
    pub fn db(&self) -> &Db {
        self.gateway().db()
    }

    /// Folder that goes away with it.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// Address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway().address())
    }

    /// GETs a path.
    pub async fn get(&self, path: &str) -> Answer {
        answer(self.client.get(self.url(path))).await
    }

    /// POSTs a form.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        answer(self.client.post(self.url(path)).form(fields)).await
    }

    /// POSTs bytes as they are.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        answer(self.client.post(self.url(path)).body(body)).await
    }

    /// Stops it in good order and starts it again on the same data, as after an upgrade. The port
    /// changes.
    pub async fn restart(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.stop().await;
        }
        let gateway = Gateway::start_accounts(&self.settings, self.accounts.clone())
            .await
            .expect("it started before");
        self.gateway = Some(gateway);
    }

    /// Stops it and removes its data.
    pub async fn stop(mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.stop().await;
        }
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        // A story that failed leaves the gateway to the runtime; its files go all the same.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Sends a request and reads the whole answer.
pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("the gateway answers");
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await.expect("a body of text"),
    }
}

fn prepare(config: &str) -> (PathBuf, Settings) {
    let folder = std::env::temp_dir().join(format!("ringcard-it-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder).expect("the system's folder for temporary files");
    // Not through `config`: secrets of stories stand as they are.
    let mut settings: Settings = toml::from_str(config).expect("the configuration of this story");
    settings.store.url = format!("sqlite:{}", folder.join("ringcard.db").display());
    settings.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.recordings.folder = folder.join("recordings");
    settings.ops.min_free_mib = 1;
    (folder, settings)
}
