//! Reads the past calls of a cloud account from its own records, and says what that has brought. The
//! gateway does the same by itself; while it runs, rather use the button of its page of accounts: its
//! open browsers hear of the calls then.

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::{
    app::settings::Settings,
    flow::{self, Flow, reconcile::Reader},
    pbx::Intake,
    store::writer::Writer,
};

/// The number of this node in figures, as the gateway's own.
const NODE: i64 = 1;

/// Whose records.
#[derive(clap::Args)]
pub struct Arguments {
    /// Account of the configuration
    account: String,
}

/// Does it, and prints one line of JSON.
pub async fn run(settings: Settings, arguments: Arguments) -> Result<()> {
    let name = &arguments.account;
    let accounts = settings.open()?;
    let account = accounts
        .into_iter()
        .find(|known| known.name.as_str() == name);
    let account = account.with_context(|| format!("the configuration has no account {name:?}"))?;
    if account.pbx.intake() != Intake::Webhook {
        bail!("{name} is dialled: the gateway reads its records beside the connection");
    }
    let db = super::opened(&settings).await?;
    let flow = Flow::new(Writer::start(db.clone(), NODE, &settings.writer));
    let reader = Reader {
        account: account.name,
        pbx: account.pbx,
        flow: flow.clone(),
        db: db.clone(),
        settings: settings.reconcile.clone(),
        clock: flow::now,
    };
    let read = reader.read().await;
    flow.writer().close().await;
    db.close().await;
    let brought = read.with_context(|| format!("past calls of {name} could not be read"))?;
    println!("{}", json!({ "account": name, "brought": brought }));
    Ok(())
}
