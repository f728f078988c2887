//! `ringcard backup` and `ringcard restore`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::json;

use crate::{
    app::settings::Settings,
    flow,
    keeping::{
        backup::{self, Request},
        manifest::Manifest,
        restore,
    },
};

/// Where to, and what beside the data.
#[derive(clap::Args)]
pub struct Backup {
    /// Folder of backups; each lies in a folder of its own in it
    folder: PathBuf,
    /// Hard links to recordings instead of copies, where it is the same disk: no space, and no protection
    /// from a disk that fails
    #[arg(long)]
    link: bool,
    /// Also the secrets the configuration refers to
    #[arg(long)]
    with_secrets: bool,
    /// Remove all but so many of the newest backups afterwards
    #[arg(long)]
    keep: Option<std::num::NonZeroUsize>,
}

/// Which backup, and whether only to look.
#[derive(clap::Args)]
pub struct Restore {
    /// A backup, or a folder of backups, of which the newest is taken
    folder: PathBuf,
    /// Only prove that everything is there and as it was
    #[arg(long)]
    verify: bool,
}

/// Makes a backup of what these settings speak of; `file` is where they were read from.
pub async fn run(settings: Settings, file: Option<&Path>, wanted: Backup) -> Result<()> {
    let mut papers = Vec::new();
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("{} cannot be read", path.display()));
    if let Some(file) = file {
        papers.push((PathBuf::from("ringcard.toml"), read(file)?));
    }
    // Accounts that pages have set up stand in files of their own.
    for path in settings.accounts.files().context("accounts.folder")? {
        let name = path.file_name().unwrap_or_default();
        papers.push((Path::new("accounts.d").join(name), read(&path)?));
    }
    if wanted.with_secrets && !papers.is_empty() {
        let texts = papers.iter().map(|(_, text)| String::from_utf8_lossy(text));
        let texts: Vec<_> = texts.map(|text| text.into_owned()).collect();
        papers.extend(secrets(&texts)?);
    }
    let made = backup::make(&Request {
        store: &settings.store,
        recordings: &settings.recordings.folder,
        folder: &wanted.folder,
        link: wanted.link,
        papers,
        now: flow::now(),
    })
    .await
    .context("no backup was made")?;
    let gone = match wanted.keep {
        Some(keep) => backup::thin_out(&wanted.folder, keep.get()).context("older backups")?,
        None => Vec::new(),
    };
    let mut told = report(&made.folder, &made.manifest);
    told["new_recordings"] = json!(made.new_recordings);
    told["removed"] = json!(gone);
    println!("{told}");
    Ok(())
}

/// Proves a backup and, unless that is all, brings it back.
pub async fn bring_back(settings: Settings, wanted: Restore) -> Result<()> {
    let folder = restore::find(&wanted.folder)?;
    let manifest = restore::verify(&folder).await?;
    if !wanted.verify {
        let recordings = &settings.recordings.folder;
        restore::restore(&folder, &manifest, &settings.store, recordings)
            .await
            .context("the backup was not brought back")?;
    }
    let mut told = report(&folder, &manifest);
    told["restored"] = json!(!wanted.verify);
    println!("{told}");
    Ok(())
}

fn report(folder: &Path, manifest: &Manifest) -> serde_json::Value {
    let rows: u64 = manifest.tables.values().sum();
    json!({
        "backup": folder,
        "taken_at": manifest.taken_at,
        "engine": manifest.engine,
        "calls": manifest.tables.get("call"),
        "cards": manifest.tables.get("card"),
        "rows": rows,
        "recordings": manifest.recordings.files,
        "recordings_missing": manifest.recordings.missing.len(),
    })
}

/// What the configuration's references stand for: variables as lines for an environment file, files as
/// they are.
fn secrets(texts: &[String]) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut references = Vec::new();
    for text in texts {
        let table: toml::Table = text.parse().context("the configuration")?;
        collect(&toml::Value::Table(table), &mut references);
    }
    references.sort();
    references.dedup();
    let mut variables = String::new();
    let mut papers = Vec::new();
    for reference in references {
        if let Some(name) = reference.strip_prefix("env:") {
            if let Ok(value) = env::var(name) {
                variables.push_str(&format!("{name}={value}\n"));
            }
        } else if let Some(path) = reference.strip_prefix("file:") {
            let text = fs::read(path).with_context(|| format!("{path} cannot be read"))?;
            // The whole path makes the name, so that no two meet.
            let name = path.trim_start_matches('/').replace('/', "__");
            papers.push((Path::new("secrets").join(name), text));
        }
    }
    papers.push((PathBuf::from("secrets.env"), variables.into_bytes()));
    Ok(papers)
}

fn collect(value: &toml::Value, found: &mut Vec<String>) {
    match value {
        toml::Value::String(text) => found.push(text.clone()),
        toml::Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        toml::Value::Table(table) => table.values().for_each(|item| collect(item, found)),
        _ => {}
    }
}
