//! `ringcard recordings`: whether they are all there, and under which key they lie.

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde_json::json;

use crate::{
    app::settings::Settings,
    flow,
    keeping::{fsck, rekey},
    recordings::{cipher::KEY_BYTES, vault::Vault},
};

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Compare every kept recording with the database and with its own name
    Fsck {
        /// Mend what can be mended
        #[arg(long)]
        repair: bool,
    },
    /// Seal every recording with the key of the configuration, or open all if it has none
    Rekey,
    /// Print a new key
    NewKey,
}

/// Does it.
pub async fn run(settings: Settings, command: Command) -> Result<()> {
    let folder = &settings.recordings.folder;
    let keys = settings.recordings.keys()?;
    let vault = Vault::open_with(folder, keys)
        .with_context(|| format!("recordings in {}", folder.display()))?;
    match command {
        Command::Fsck { repair } => check(&settings, &vault, repair).await,
        Command::Rekey => {
            let report = rekey::run(&vault).await?;
            println!("{}", json!(report));
            match report.left.len() {
                0 => Ok(()),
                left => bail!("{left} recordings were left as they are"),
            }
        }
        Command::NewKey => new_key(),
    }
}

async fn check(settings: &Settings, vault: &Vault, repair: bool) -> Result<()> {
    let db = super::opened(settings).await?;
    let report = fsck::look(&db, vault).await?;
    let mut told = json!(report);
    let mut left = report.problems();
    if repair && left > 0 {
        let repaired = fsck::repair(&db, vault, &report, flow::now()).await?;
        told["repaired"] = json!(repaired);
        left = report.locked.len();
    }
    db.close().await;
    println!("{told}");
    match left {
        0 => Ok(()),
        problems => bail!("{problems} problems; see above"),
    }
}

/// Prints a key that nobody has yet.
pub fn new_key() -> Result<()> {
    println!("{}", hex::encode(rand::random::<[u8; KEY_BYTES]>()));
    Ok(())
}
