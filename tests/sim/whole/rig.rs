//! The gateway of one seed: in a runtime of its own that can be killed without a goodbye, on a
//! database that survives it.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use ringcard::{
    app::{Gateway, settings::Settings},
    bench::cluster::Cluster,
    on_write,
    simulator::ami_server::AmiServer,
    store::{self, Db},
};
use tokio::runtime::Runtime;

use super::{Plan, accounts::SECRET, found, witness::Witness};

/// How often the PBX's log is read.
const RECONCILE_MS: u64 = 150;
/// How often due recordings are looked for.
const RECORDINGS_MS: u64 = 20;

/// Where the data of one seed lies.
pub struct Place {
    /// Folder that goes away with it.
    pub folder: PathBuf,
    /// The database.
    pub url: String,
}

impl Place {
    /// A fresh folder and an empty database.
    pub async fn new(seed: u64, cluster: Option<&Cluster>) -> Self {
        let name = format!("ringcard-sim-{seed}-{}", uuid::Uuid::now_v7());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("the temporary folder can be written");
        let url = match cluster {
            Some(cluster) => cluster.database().expect("a new database"),
            None => format!("sqlite:{}", folder.join("ringcard.db").display()),
        };
        Self { folder, url }
    }

    /// Opens the database beside the gateway.
    pub async fn open(&self) -> Db {
        let settings = store::Settings {
            url: self.url.clone(),
            read_connections: 1,
            ..store::Settings::default()
        };
        Db::open(&settings)
            .await
            .expect("the database can be opened")
    }

    /// Where the PBX writes its log.
    pub fn cel(&self) -> PathBuf {
        self.folder.join("cel.csv")
    }

    /// Removes the files.
    pub async fn remove(self) {
        // Left-overs in the temporary folder hurt nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Puts employees, their extensions and our numbers into a fresh database.
async fn seed_people(place: &Place, plan: &Plan) {
    let db = place.open().await;
    db.migrate()
        .await
        .expect("a fresh database takes the schema");
    let people: Vec<String> = (1..)
        .zip(&plan.world.people)
        .map(|(id, who)| format!("({id}, 'p{who}', 'p{who}', 'manager', 'en', 1, 0)"))
        .collect();
    let extensions: Vec<String> = plan
        .accounts
        .iter()
        .flat_map(|account| {
            let people = (1..).zip(&plan.world.people);
            people.map(|(id, who)| format!("('{}', '{who}', {id})", account.name))
        })
        .collect();
    let lines: Vec<String> = plan
        .lines()
        .map(|(id, account, did)| format!("({id}, '{account}', '{did}', '{did}')"))
        .collect();
    for (table, rows) in [
        (
            "person (id, login, name, role, language, active, created_at)",
            people,
        ),
        ("person_extension (account, extension, person)", extensions),
        ("line (id, account, did, name)", lines),
    ] {
        let sql = format!("insert into {table} values {}", rows.join(", "));
        on_write!(&db, pool => sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(pool).await.map(drop))
            .expect("a fresh database takes them");
    }
    db.close().await;
}

/// A gateway that runs, and the PBX it dials.
pub struct Rig {
    settings: Settings,
    running: Option<(Runtime, Gateway)>,
    /// The PBX's manager socket.
    pub ami: AmiServer,
    place: (PathBuf, String),
    people: usize,
    /// Looks at every screen.
    pub witness: Witness,
    /// How often the gateway was killed.
    pub kills: usize,
}

impl Rig {
    /// Starts on an empty database with people in it.
    pub async fn start(place: &Place, plan: &Plan) -> Self {
        seed_people(place, plan).await;
        let (ami, _clicks) = AmiServer::start("127.0.0.1:0", "ringcard", SECRET)
            .await
            .expect("a port is free");
        fs::write(place.cel(), "").expect("the folder of this seed can be written");
        let mut rig = Self {
            settings: settings(place, plan, ami.address()),
            running: None,
            ami,
            place: (place.folder.clone(), place.url.clone()),
            people: plan.world.people.len(),
            witness: Witness::default(),
            kills: 0,
        };
        rig.up().await;
        rig
    }

    async fn up(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("gateway")
            .enable_all()
            .build()
            .expect("threads can be started");
        let settings = self.settings.clone();
        let started = runtime.spawn(async move { Gateway::start(&settings).await });
        let gateway = started
            .await
            .expect("the gateway does not panic while it starts")
            .expect("the gateway starts");
        self.witness.attend(&gateway, self.people).await;
        self.running = Some((runtime, gateway));
    }

    /// The gateway that runs.
    pub fn gateway(&self) -> &Gateway {
        let (_, gateway) = self.running.as_ref().expect("it is up between kills");
        gateway
    }

    /// Where webhooks go.
    pub fn address(&self) -> SocketAddr {
        self.gateway().address()
    }

    /// Kills the gateway in the middle of whatever it does, and starts it again.
    pub async fn kill(&mut self) {
        if let Some((runtime, gateway)) = self.running.take() {
            runtime.shutdown_background();
            drop(gateway);
        }
        // A dead process has no connections.
        self.ami.cut();
        self.witness.leave();
        self.kills += 1;
        self.up().await;
    }

    /// Waits until what came over the manager socket, or was read from the log, is in the database.
    pub async fn settle(&self, plan: &Plan) {
        if plan.said.is_empty() {
            return;
        }
        let place = Place {
            folder: self.place.0.clone(),
            url: self.place.1.clone(),
        };
        let db = place.open().await;
        let patience = Instant::now() + Duration::from_secs(20);
        let mut quiet_since = Instant::now();
        let mut seen = (0, 0);
        let log = fs::metadata(self.log()).map_or(0, |log| log.len());
        while Instant::now() < patience {
            let now = found::progress(&db).await;
            if now != seen {
                seen = now;
                quiet_since = Instant::now();
            }
            let ended = found::office_calls_are_over(&db, plan).await;
            // What we did not hear stands in the log, which is read every so often.
            let read = !plan.deaf_for_a_while() || found::log_is_read(&db, log).await;
            if ended && read && quiet_since.elapsed() > Duration::from_millis(60) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        db.close().await;
    }

    /// Stops in good order.
    pub async fn stop(&mut self, wrong: &mut Vec<String>) {
        if let Some((runtime, gateway)) = self.running.take() {
            // On its own threads, as in the product.
            let stopped = runtime.spawn(gateway.stop());
            if let Err(error) = stopped.await {
                wrong.push(format!("the gateway does not stop: {error}"));
            }
            runtime.shutdown_background();
        }
        self.witness.leave();
    }
}

fn settings(place: &Place, plan: &Plan, ami: SocketAddr) -> Settings {
    let tables = plan
        .accounts
        .iter()
        .map(|account| account.table(ami, place));
    let config: String = tables.collect();
    // Not through `config`: the secrets of a simulation stand as they are.
    let mut settings: Settings = toml::from_str(&config).expect("the configuration of this test");
    settings.store.url.clone_from(&place.url);
    settings.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.server.shutdown_ms = 10_000;
    settings.recordings.folder = place.folder.join("recordings");
    settings.hooks.per_second = 100_000;
    settings.hooks.burst = 100_000;
    settings.dial.retry_first_ms = 10;
    settings.dial.retry_longest_ms = 50;
    settings.dial.reconcile_every_ms = RECONCILE_MS;
    settings.ops.min_free_mib = 1;
    // Recordings are asked for, in vain, while calls go on.
    settings.recordings.poll_ms = RECORDINGS_MS;
    settings
}

impl Rig {
    /// Where the PBX writes its log.
    pub fn log(&self) -> PathBuf {
        self.place.0.join("cel.csv")
    }

    /// Waits until the gateway is logged in at the PBX and has been told the live channels, so that
    /// what happens next is not missed and no list shows the middle of it.
    pub async fn wait_for_login(&self) {
        let patience = Instant::now() + Duration::from_secs(10);
        while !self.ami.is_listed() && Instant::now() < patience {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
