//! `ringcard hold`: calls and cards that must stay, whatever their age or who wants them erased.

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::json;
use uuid::Uuid;

use crate::{
    app::settings::Settings,
    flow,
    model::{
        ids::{CallId, CardId},
        time::Timestamp,
    },
    store::{
        Db,
        audit::{self, Entry},
        cards, hold, journal,
    },
};

/// What is to be done.
#[derive(Subcommand)]
pub enum Command {
    /// Keep a call or card from going, until the hold is lifted
    Add {
        /// `call:<id>` or `card:<id>`, as in the address of its page
        object: String,
        /// Why; shown on its page
        #[arg(long)]
        reason: String,
    },
    /// What is under a hold, one a line as JSON
    List,
    /// Let time and erasure take it again
    Lift {
        /// `call:<id>` or `card:<id>`
        object: String,
    },
}

/// Does it.
pub async fn run(settings: Settings, command: Command) -> Result<()> {
    let db = super::opened(&settings).await?;
    let done = act(&db, command).await;
    db.close().await;
    done
}

async fn act(db: &Db, command: Command) -> Result<()> {
    match command {
        Command::Add { object, reason } => {
            let reason = reason.trim();
            if reason.is_empty() {
                bail!("a hold needs a reason");
            }
            if !is_there(db, &object).await? {
                bail!("there is no {object}: name call:<id> or card:<id>");
            }
            hold::set(db, &object, reason, None, flow::now()).await?;
            traced(db, "hold", &object, reason).await
        }
        Command::List => {
            for hold in hold::all(db).await? {
                let since = Timestamp::from_micros(hold.at).rfc3339();
                println!(
                    "{}",
                    json!({ "object": hold.object, "reason": hold.reason, "since": since, "by": hold.name })
                );
            }
            Ok(())
        }
        Command::Lift { object } => {
            if hold::on(db, &object).await?.is_none() {
                bail!("{object} is under no hold");
            }
            hold::lift(db, &object, None, flow::now()).await?;
            traced(db, "release", &object, "").await
        }
    }
}

async fn is_there(db: &Db, object: &str) -> Result<bool> {
    let Some((kind, id)) = object.split_once(':') else {
        return Ok(false);
    };
    let Ok(id) = id.parse::<Uuid>() else {
        return Ok(false);
    };
    // Another spelling of the id would be another hold.
    if object != format!("{kind}:{id}") {
        return Ok(false);
    }
    Ok(match kind {
        "call" => journal::call(db, CallId(id)).await?.is_some(),
        "card" => cards::card(db, CardId(id)).await?.is_some(),
        _ => false,
    })
}

async fn traced(db: &Db, action: &'static str, object: &str, detail: &str) -> Result<()> {
    let entry = Entry {
        person: None,
        action,
        object,
        detail,
        remote: "",
    };
    audit::keep(db, &entry, flow::now()).await?;
    Ok(())
}
