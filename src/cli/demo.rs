//! `ringcard demo`: an office that works, for people who want to see before they install.
//!
//! An embedded database in a folder of its own, invented people and clients, and the PBX simulator,
//! which talks to the same webhooks and manager interface that a real PBX would use. First a week of
//! past calls is told, then calls come in as long as the demo runs. Nothing leaves this machine.

mod cloud;
mod company;
mod traffic;

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tokio::sync::mpsc;

use self::{cloud::Cloud, company::Words, traffic::Traffic};
use crate::{
    app::{Gateway, settings::Settings},
    flow,
    simulator::{
        ami_server::{AmiServer, Originate},
        dice::Dice,
    },
    store::{Db, people},
    telemetry,
};

/// How the demo is run.
#[derive(clap::Args)]
pub struct Arguments {
    /// Where it listens; if the port is taken, any other is used
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Folder for database and recordings, kept afterwards [default: a new temporary one]
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Language of people and clients: ru or en
    #[arg(long, default_value = "ru", value_parser = ["ru", "en"])]
    language: String,
    /// What chance decides
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Where the PBX says it keeps recordings; the same files lie in the demo's folder.
const PBX_RECORDINGS: &str = "/var/spool/asterisk/monitor";
/// The secrets of an office that does not exist.
const AMI_USER: &str = "ringcard";
const AMI_SECRET: &str = "demo-manager";
const MANGO_KEY: &str = "demo-key";
const MANGO_SALT: &str = "demo-salt";
const SIPUNI_TOKEN: &str = "demo-token-0123456789";

/// Runs until it is interrupted.
pub async fn run(arguments: Arguments) -> Result<()> {
    let folder = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => std::env::temp_dir().join(format!("ringcard-demo-{}", uuid::Uuid::now_v7())),
    };
    let place = Place::make(&folder)?;
    let (ami, clicks) = AmiServer::start("127.0.0.1:0", AMI_USER, AMI_SECRET).await?;
    let cloud = Cloud::start().await?;
    let settings = settings(&arguments, &place, (&ami, &cloud))?;
    telemetry::start_log(&settings.log);
    let words = Words::of(&arguments.language);
    company::found(&settings, &words).await?;
    let gateway = Gateway::start(&settings).await?;
    greet(&settings, gateway.db(), &place).await?;
    let traffic = Traffic {
        gateway: gateway.address(),
        ami,
        cel: place.cel(),
        recordings: place.pbx_recordings(),
        dice: Dice::new(arguments.seed),
    };
    let ended = play(traffic, clicks).await;
    gateway.stop().await;
    ended
}

/// Tells calls until somebody interrupts.
async fn play(traffic: Traffic, clicks: mpsc::UnboundedReceiver<Originate>) -> Result<()> {
    tokio::select! {
        played = traffic.play(clicks) => played,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

/// The demo's folder.
struct Place(PathBuf);

impl Place {
    fn make(folder: &Path) -> Result<Self> {
        let place = Self(folder.to_owned());
        for folder in [&place.pbx_recordings(), &place.0.join("recordings")] {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        std::fs::File::create(place.cel())?;
        Ok(place)
    }

    /// What the PBX records.
    fn pbx_recordings(&self) -> PathBuf {
        self.0.join("pbx-recordings")
    }

    /// The PBX's log.
    fn cel(&self) -> PathBuf {
        self.0.join("cel.csv")
    }
}

/// An office with a PBX of its own and two in clouds, which all are this machine.
fn settings(
    arguments: &Arguments,
    place: &Place,
    (ami, cloud): (&AmiServer, &Cloud),
) -> Result<Settings> {
    let accounts = format!(
        "[[pbx]]\nname = \"office\"\ntype = \"asterisk\"\naddress = \"{}\"\n\
         user = \"{AMI_USER}\"\nsecret = \"{AMI_SECRET}\"\ncel = {:?}\n\
         recordings = {{ folder = {:?}, strip = \"{PBX_RECORDINGS}\" }}\n\
         [[pbx]]\nname = \"cloud\"\ntype = \"mango\"\nvpbx_api_key = \"{MANGO_KEY}\"\n\
         vpbx_api_salt = \"{MANGO_SALT}\"\napi_url = \"http://{}\"\n\
         recordings = {{ private_network = true }}\n\
         [[pbx]]\nname = \"branch\"\ntype = \"sipuni\"\ntoken = \"{SIPUNI_TOKEN}\"\n",
        ami.address(),
        place.cel().display().to_string(),
        place.pbx_recordings().display().to_string(),
        cloud.address(),
    );
    // Not through `config`: these secrets are none, and open only this demo.
    let mut settings: Settings = toml::from_str(&accounts)?;
    settings.server.listen = free(arguments.listen)?;
    settings.web.public_url = format!("http://{}", settings.server.listen);
    settings.store.url = format!("sqlite:{}", place.0.join("ringcard.db").display());
    settings.recordings.folder = place.0.join("recordings");
    settings.log.level = "warn".to_owned();
    // The past is told faster than any PBX would.
    settings.hooks.per_second = 100_000;
    settings.hooks.burst = 100_000;
    Ok(settings)
}

/// `wanted`, or the same address with a port that is free.
fn free(wanted: SocketAddr) -> Result<SocketAddr> {
    let listener = TcpListener::bind(wanted)
        .or_else(|_| TcpListener::bind((wanted.ip(), 0)))
        .with_context(|| format!("no port is free on {}", wanted.ip()))?;
    Ok(listener.local_addr()?)
}

/// Says where to look and how to get in.
async fn greet(settings: &Settings, db: &Db, place: &Place) -> Result<()> {
    let mut links = String::new();
    for (login, who) in company::VISITORS {
        let person = people::by_login(db, login)
            .await?
            .with_context(|| format!("{login} was not made"))?;
        let link = super::user::link(settings, db, &person, 12 * 60).await?;
        links.push_str(&format!("  {who}:\n    {link}\n"));
    }
    let mut out = io::stdout().lock();
    writeln!(out, "\nRingcard runs at {}\n", settings.web.public_url)?;
    write!(
        out,
        "Sign in with one of these links; each works once:\n{links}"
    )?;
    writeln!(
        out,
        "\nCalls come every few seconds. Data lies in {}. Ctrl-C ends it.\n",
        place.0.display()
    )?;
    Ok(())
}

/// The time now, for stories.
fn now() -> crate::model::time::Timestamp {
    flow::now()
}
