//! Looks at everything that goes wrong quietly; and counts the figures anew.

use std::{
    io::{self, Write},
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use serde_json::json;

use crate::{
    app::settings::Settings,
    flow, http,
    store::{
        Db,
        figures::{self, Of},
    },
    web::{
        doctor::{self, Account, Finding, Machine, Patient, Value, Verdict},
        i18n::{Language, Texts},
    },
};

/// What to look at, and how to say it.
#[derive(clap::Args)]
pub struct Arguments {
    /// One JSON object a finding
    #[arg(long)]
    json: bool,
    /// Count all figures anew from the calls and tell what differs (none should)
    #[arg(long)]
    recount: bool,
    /// Write the figures as they count, where they differ
    #[arg(long, requires = "recount")]
    repair: bool,
    /// Do not read the whole database
    #[arg(long)]
    quick: bool,
}

/// Differences told one by one; of more only the number is told.
const SHOWN: usize = 100;

/// Does it; fails if something is wrong.
pub async fn run(settings: Settings, wanted: Arguments) -> Result<()> {
    let patient = patient(&settings, !wanted.quick).await?;
    let mut found = doctor::examine(&patient, flow::now())
        .await
        .context("the database")?;
    let is_ours = found
        .iter()
        .all(|one| one.check != "migrations" || one.verdict == Verdict::Good);
    if wanted.recount && is_ours {
        found.push(recount(&patient.db, &wanted).await?);
    }
    tell(&found, wanted.json)?;
    patient.db.close().await;
    match found
        .iter()
        .filter(|one| one.verdict == Verdict::Wrong)
        .count()
    {
        0 => Ok(()),
        wrong => bail!("{wrong} of {} findings need somebody", found.len()),
    }
}

async fn patient(settings: &Settings, is_thorough: bool) -> Result<Patient> {
    // The schema is looked at, not brought up to date.
    let db = Db::open(&settings.store).await.context("the database")?;
    let accounts = settings.open()?.into_iter().map(|account| Account {
        name: account.name,
        pbx: account.pbx,
        link: None,
    });
    Ok(Patient {
        db,
        accounts: accounts.collect(),
        public_url: settings.web.public_url.clone(),
        machine: Machine {
            folders: settings.folders(),
            min_free_mib: settings.ops.min_free_mib,
            files: Arc::new(ArcSwap::from_pointee(settings.files.clone())),
            http: http::Client::new(&settings.http)?,
            refusals: Default::default(),
        },
        is_thorough,
    })
}

async fn recount(db: &Db, wanted: &Arguments) -> Result<Finding> {
    let checked = figures::check(db, wanted.repair)
        .await
        .context("the figures")?;
    let mut out = io::stdout().lock();
    for one in checked.differences.iter().take(SHOWN) {
        let difference = match &one.of {
            Of::Sums(slot, stored, counted) => json!({
                "day": one.day,
                "quarter": slot.quarter,
                "line": slot.line,
                "person": slot.person,
                "direction": slot.direction_word(),
                "stored": [stored.calls, stored.answered, stored.missed, stored.talk_ms, stored.wait_ms, stored.ring_ms],
                "counted": [counted.calls, counted.answered, counted.missed, counted.talk_ms, counted.wait_ms, counted.ring_ms],
            }),
            Of::Client {
                line,
                stored,
                counted,
            } => json!({ "day": one.day, "line": line, "stored": stored, "counted": counted }),
            Of::Ruled(calls) => json!({ "day": one.day, "channels_by_rule": calls }),
        };
        writeln!(out, "{}", json!({ "difference": difference }))?;
    }
    let differences = i64::try_from(checked.differences.len()).unwrap_or(i64::MAX);
    let verdict = match (differences, wanted.repair) {
        (0, _) => Verdict::Good,
        (_, true) => Verdict::Remark,
        (_, false) => Verdict::Wrong,
    };
    Ok(Finding {
        check: "figures",
        subject: format!("{} days, {} calls", checked.days, checked.calls),
        verdict,
        value: Value::Count(differences),
    })
}

fn tell(found: &[Finding], as_json: bool) -> Result<()> {
    let mut out = io::stdout().lock();
    let t = Texts::new(Language::English);
    for one in found {
        if as_json {
            writeln!(out, "{}", serde_json::to_string(one)?)?;
            continue;
        }
        let verdict = match one.verdict {
            Verdict::Good => "ok",
            Verdict::Remark => "remark",
            Verdict::Wrong => "WRONG",
        };
        let check = t.word("doctor-check", one.check);
        let measured = one.measured(t);
        writeln!(out, "{verdict:7} {check:28} {:40} {measured}", one.subject)?;
    }
    Ok(())
}
