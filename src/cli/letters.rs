//! Takes dead letters in again, after an update or a change of the configuration, the way the page of
//! dead letters does. What can be read and applied now is no dead letter any more.

use std::io::{self, Write};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::{
    app::settings::{Account, Settings},
    flow::{self, Flow, Replayed},
    store::{
        Db, audit,
        raw::{self, RawMessage},
        writer::Writer,
    },
    web::hooks::read_again,
};

/// Letters read from the store at once.
const PORTION: i64 = 200;
/// The number of this node in figures, as the gateway's own.
const NODE: i64 = 1;

/// Replays the dead letters of one account, or of all, and says of each how it fared.
pub async fn run(settings: Settings, account: Option<&str>) -> Result<()> {
    let accounts = settings.open()?;
    if let Some(name) = account
        && !accounts.iter().any(|known| known.name.as_str() == name)
    {
        bail!("the configuration has no account {name:?}");
    }
    let db = super::opened(&settings).await?;
    let flow = Flow::new(Writer::start(db.clone(), NODE, &settings.writer));
    let done = every(&db, &flow, &accounts, account).await;
    flow.writer().close().await;
    db.close().await;
    done
}

async fn every(db: &Db, flow: &Flow, accounts: &[Account], only: Option<&str>) -> Result<()> {
    let mut out = io::stdout().lock();
    let mut before = i64::MAX;
    loop {
        let letters = raw::dead_letters(db, before, PORTION).await?;
        let Some(last) = letters.last() else {
            return Ok(());
        };
        before = last.id;
        for letter in &letters {
            if only.is_none_or(|name| letter.account.as_str() == name) {
                let fate = one(db, flow, accounts, letter).await?;
                writeln!(out, "{fate}")?;
            }
        }
    }
}

async fn one(
    db: &Db,
    flow: &Flow,
    accounts: &[Account],
    letter: &RawMessage,
) -> Result<serde_json::Value> {
    let now = flow::now();
    let object = format!("raw:{}", letter.id);
    let entry = audit::Entry {
        person: None,
        action: "replay",
        object: &object,
        detail: "command line",
        remote: "",
    };
    audit::keep(db, &entry, now).await?;
    let replayed = flow
        .replay(db, letter.id, now, |letter| {
            let mut accounts = accounts.iter();
            let account = accounts.find(|account| account.name == letter.account);
            read_again(account.map(|account| account.pbx.as_ref()), letter)
        })
        .await
        .with_context(|| format!("dead letter {}", letter.id))?;
    let (fate, why) = match replayed {
        Replayed::Applied(_) => ("applied", None),
        Replayed::StillUnread(error) => ("unread", Some(error.to_string())),
        Replayed::StillUnfit => ("unfit", None),
        Replayed::Gone => ("gone", None),
    };
    Ok(json!({
        "letter": letter.id,
        "account": letter.account,
        "source": letter.source,
        "fate": fate,
        "why": why,
    }))
}
