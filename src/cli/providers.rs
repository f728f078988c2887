//! `ringcard providers`: which PBXes there are and what they can do; also as the table in README.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use anyhow::Result;
use serde_json::json;

use crate::pbx::{
    Ability, PROVIDERS, Provider,
    offers::{Offer, TOLD},
};

/// In which form.
#[derive(clap::Args)]
pub struct Arguments {
    /// As JSON, one provider a line
    #[arg(long)]
    json: bool,
    /// As the table in README
    #[arg(long, conflicts_with = "json")]
    table: bool,
}

/// Prints them.
pub fn run(wanted: &Arguments) -> Result<()> {
    let mut out = io::stdout().lock();
    if wanted.table {
        write!(out, "{}", table())?;
        return Ok(());
    }
    for provider in PROVIDERS {
        if wanted.json {
            writeln!(out, "{}", as_json(provider))?;
            continue;
        }
        let (name, title) = (provider.name, provider.title);
        let abilities = words(provider.abilities).join(", ");
        writeln!(out, "{name:12} {title:24} {abilities}")?;
    }
    Ok(())
}

fn as_json(provider: &Provider) -> serde_json::Value {
    json!({
        "name": provider.name,
        "title": provider.title,
        "abilities": words(provider.abilities),
        "not_offered": words(provider.not_offered),
    })
}

fn words(abilities: &[Ability]) -> Vec<String> {
    let word = |ability: &Ability| format!("{ability:?}").to_lowercase();
    abilities.iter().map(word).collect()
}

/// Every provider and what can be had of it, in Markdown. Events come from all of them: that is what makes
/// one.
pub fn table() -> String {
    let heads: Vec<&str> = TOLD.iter().map(|(_, word)| *word).collect();
    let mut table = format!("| | `type` | events | {} |\n", heads.join(" | "));
    let _ = writeln!(table, "|---|---|---|{}", "---|".repeat(heads.len())); // text takes everything
    for provider in PROVIDERS {
        let cells: Vec<&str> = TOLD
            .iter()
            .map(|(ability, _)| provider.offers(*ability).as_str())
            .collect();
        let (title, name, yes) = (provider.title, provider.name, Offer::Yes.as_str());
        let _ = writeln!(
            table,
            "| {title} | `{name}` | {yes} | {} |",
            cells.join(" | ")
        );
    }
    table
}
