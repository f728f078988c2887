//! `ringcard erase`: takes a person out of everything and prints the proof.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use uuid::Uuid;

use crate::{
    app::settings::Settings,
    flow,
    keeping::erase::{self, Request},
    model::{
        ids::CardId,
        phone::{Number, NumberingPlan},
    },
    recordings::vault::Vault,
    store::erase as rows,
};

/// Whom, and why.
#[derive(clap::Args)]
pub struct Arguments {
    /// Their number, with the country: +7 495 000-00-11
    #[arg(long, conflicts_with = "card")]
    phone: Option<String>,
    /// Their card's id, as in the address of its page
    #[arg(long)]
    card: Option<Uuid>,
    /// Why; kept with the proof, so it must not name them
    #[arg(long, default_value = "at the person's request")]
    reason: String,
    /// Files in which to look for traces as well: logs, exports; they are not changed
    #[arg(long, value_name = "FILE")]
    also_search: Vec<PathBuf>,
}

/// Does it; without phone and card only the database's free space is cleaned.
pub async fn run(settings: Settings, wanted: Arguments) -> Result<()> {
    let db = super::opened(&settings).await?;
    if wanted.phone.is_none() && wanted.card.is_none() {
        rows::clean(&db).await?;
        db.close().await;
        println!("{{\"cleaned\":true}}");
        return Ok(());
    }
    let vault = Vault::open_with(&settings.recordings.folder, settings.recordings.keys()?)?;
    let request = Request {
        number: wanted.phone.as_deref().map(read).transpose()?,
        card: wanted.card.map(CardId),
        person: None,
        reason: wanted.reason,
        clean: true,
        also: wanted.also_search,
    };
    let proof = erase::erase(&db, &vault, &request, flow::now()).await?;
    db.close().await;
    println!("{}", serde_json::to_string(&proof)?);
    let left: usize = proof.files.iter().map(|looked| looked.found).sum();
    match left {
        0 => Ok(()),
        left => bail!("{left} traces are left in files; see above"),
    }
}

fn read(text: &str) -> Result<String> {
    match NumberingPlan::default().read(text) {
        Number::E164 { e164, .. } => Ok(e164),
        _ => None.with_context(|| format!("{text:?} is no number with its country")),
    }
}
