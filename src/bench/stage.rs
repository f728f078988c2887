//! What every bench stands on: a database, a gateway with one account, people at their desks.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{
    cluster::Cluster,
    load::Load,
    seed::{self, Size},
};
use crate::{
    app::{Gateway, settings::Settings},
    flow,
    simulator::mango::Mango,
    store::{self, Db},
};

/// Which engine is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Store {
    /// The embedded one.
    Sqlite,
    /// A private server, started for the bench.
    Postgres,
}

impl Store {
    /// The word in the report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// The account that sends.
pub const ACCOUNT: &str = "bench";
/// The account that asks who should ring.
pub const ASKING: &str = "asking";
/// What the asking account shows.
pub const ROUTE_TOKEN: &str = "bench-route-token";
/// Calls that a load may tell; a later one begins behind them. More loads than that are told to new databases,
/// and there are not more numbers than so many.
const CALLS_OF_A_LOAD: u64 = 1_000_000;
const LOADS: u64 = 4;
const KEY: &str = "bench-key";
const SALT: &str = "bench-salt";

/// A place for databases, gone when dropped.
pub struct Stage {
    folder: PathBuf,
    cluster: Option<Cluster>,
    databases: usize,
    loads: u64,
}

impl Stage {
    /// A folder in `parent` (else the system's for temporary files), and a server if one is needed.
    pub fn new(store: Store, parent: Option<&Path>) -> Result<Self> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let folder = parent.join(format!("ringcard-bench-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        let cluster = match store {
            Store::Sqlite => None,
            Store::Postgres => Some(Cluster::start(&for_millions_of_rows())?),
        };
        Ok(Self {
            folder,
            cluster,
            databases: 0,
            loads: 0,
        })
    }

    /// Where files may be put.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the databases lie.
    pub fn data(&self) -> &Path {
        self.cluster.as_ref().map_or(&self.folder, Cluster::folder)
    }

    /// The server's process, if there is one.
    pub fn server(&self) -> Option<u32> {
        self.cluster.as_ref()?.server()
    }

    /// Settings of a new empty database.
    pub fn database(&mut self) -> Result<store::Settings> {
        self.databases += 1;
        let url = match &self.cluster {
            Some(cluster) => cluster.database()?,
            None => {
                let file = self.folder.join(format!("bench-{}.db", self.databases));
                format!("sqlite:{}", file.display())
            }
        };
        Ok(store::Settings {
            url,
            ..store::Settings::default()
        })
    }

    /// Settings of a new database with that much in it.
    pub async fn filled(&mut self, size: Size) -> Result<store::Settings> {
        let settings = self.database()?;
        let db = Db::open(&settings).await?;
        db.migrate().await?;
        db.close().await;
        seed::fill(&settings.url, size, flow::now()).await?;
        Ok(settings)
    }

    /// The load of the account in that state; its calls and new clients are those of none of the last three.
    pub fn load(&mut self, size: Size) -> Load {
        let first = self.loads % LOADS * CALLS_OF_A_LOAD;
        self.loads += 1;
        Load {
            account: Mango {
                account: ACCOUNT.to_owned(),
                key: KEY.to_owned(),
                salt: SALT.to_owned(),
                run: 1,
            },
            root: format!("/hooks/{ACCOUNT}"),
            first,
            clients: size.clients.max(5_000),
            people: size.people,
        }
    }

    /// A gateway on this database, as `ringcard serve` would start it.
    pub async fn gateway(&self, store: store::Settings) -> Result<Gateway> {
        self.gateway_with(store, "").await
    }

    /// The same with more accounts.
    pub async fn gateway_with(&self, store: store::Settings, more: &str) -> Result<Gateway> {
        let accounts = format!(
            "[[pbx]]\nname = \"{ACCOUNT}\"\ntype = \"mango\"\nvpbx_api_key = \"{KEY}\"\n\
             vpbx_api_salt = \"{SALT}\"\napi_url = \"http://127.0.0.1:9\"\n\
             [[pbx]]\nname = \"{ASKING}\"\ntype = \"asterisk\"\naddress = \"127.0.0.1:9\"\n\
             secret = \"unused\"\nroute_token = \"{ROUTE_TOKEN}\"\n{more}"
        );
        // Not through `config`: the secrets of a bench are no secrets.
        let mut settings: Settings = toml::from_str(&accounts)?;
        settings.store = store;
        settings.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        settings.recordings.folder = self.folder.join("recordings");
        // The limit of an account is far below what is measured here.
        settings.hooks.per_second = 1_000_000;
        settings.hooks.burst = 1_000_000;
        Gateway::start(&settings).await
    }
}

/// PostgreSQL as it comes, with durable commits, but for room: a quarter of the memory, as its manual advises
/// for a server of its own (`shared_buffers`), and a log that needs no checkpoint for that.
fn for_millions_of_rows() -> String {
    let machine = rustix::system::sysinfo();
    let memory = machine.totalram as u64 * u64::from(machine.mem_unit);
    format!(
        "max_wal_size = 4GB\nshared_buffers = {}MB",
        memory / 4 / 1_048_576
    )
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What cannot be removed stays for a person to look at.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
