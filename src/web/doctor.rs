//! The doctor: looks at everything that goes wrong quietly, and says it in findings that the command
//! and the page show alike.
//!
//! It changes nothing. What cannot be looked at from here (the gateway's connections from the command
//! line, a `public_url` that this machine cannot reach) is left out or told as such.

mod accounts;
mod certificate;
mod machine;

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use serde::Serialize;

use super::{
    configuration::Reloaded,
    format,
    i18n::{Texts, Value as Filled},
    refusals::Refusals,
    why,
};
use crate::{
    http,
    model::{ids::AccountName, time::Timestamp},
    pbx::{Fault, Pbx},
    store::{Db, StoreError, checkup, depths},
};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Somebody should know.
    Remark,
    /// Somebody must do something.
    Wrong,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Nothing: the verdict says it.
    None,
    /// So many.
    Count(i64),
    /// So many, the last one (or the oldest) so long ago in milliseconds.
    CountSince(i64, i64),
    /// So long ago, in milliseconds.
    AgoMs(i64),
    /// A difference of clocks in milliseconds; above zero the other one is behind.
    SkewMs(i64),
    /// Days left.
    Days(i64),
    /// Free space in mebibytes.
    FreeMib(u64),
    /// Words of the system.
    Words(String),
    /// Why a connection does not stand.
    #[serde(rename = "words", serialize_with = "as_words")]
    Fault(Fault),
}

fn as_words<S: serde::Serializer>(fault: &Fault, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(fault)
}

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What: a closed word ([`CHECKS`]).
    pub check: &'static str,
    /// Of which account, file, number; empty: of the installation.
    pub subject: String,
    /// How bad it is.
    pub verdict: Verdict,
    /// What was measured.
    pub value: Value,
}

/// Everything that is looked at.
pub const CHECKS: [&str; 17] = [
    "configuration",
    "migrations",
    "integrity",
    "account",
    "link",
    "refused",
    "clock",
    "extension",
    "number",
    "recordings_waiting",
    "recordings_failed",
    "outbox",
    "letters",
    "certificate",
    "disk",
    "permissions",
    "figures",
];

impl Finding {
    fn new(check: &'static str, subject: &str, verdict: Verdict, value: Value) -> Self {
        Self {
            check,
            subject: subject.to_owned(),
            verdict,
            value,
        }
    }

    /// What was measured, for people.
    pub fn measured(&self, t: Texts) -> String {
        let since = |ms: i64| t.fill("account-ago", &[("span", format::about(t, ms).into())]);
        match &self.value {
            Value::None => String::new(),
            Value::Count(n) => format::number(t, *n),
            Value::CountSince(n, ms) => format!("{}, {}", format::number(t, *n), since(*ms)),
            Value::AgoMs(ms) => since(*ms),
            Value::SkewMs(ms) => {
                let seconds = format!("{:.1}", *ms as f64 / 1_000.0);
                t.fill("doctor-seconds", &[("n", seconds.into())])
            }
            Value::Days(n) => t.fill("span-days", &[("n", Filled::Number(*n))]),
            Value::FreeMib(n) => {
                let bytes = i64::try_from(*n)
                    .unwrap_or(i64::MAX)
                    .saturating_mul(1_048_576);
                format::size(t, bytes)
            }
            Value::Words(words) => words.clone(),
            Value::Fault(fault) => why::fault(t, fault),
        }
    }
}

/// An account as the doctor sees it.
#[derive(Clone)]
pub struct Account {
    /// Its name.
    pub name: AccountName,
    /// Reads its messages.
    pub pbx: Arc<dyn Pbx>,
    /// Whether its connection stands, and why not; `None`: it has none, or nobody knows here.
    pub link: Option<Result<(), Fault>>,
}

/// What is looked at.
pub struct Patient {
    /// The store.
    pub db: Db,
    /// Accounts of the configuration.
    pub accounts: Vec<Account>,
    /// Where people open the pages.
    pub public_url: String,
    /// The machine.
    pub machine: Machine,
    /// Whether the database is read whole.
    pub is_thorough: bool,
}

/// What of the machine is looked at, and by what.
#[derive(Clone)]
pub struct Machine {
    /// Folders whose disks must have room.
    pub folders: Vec<PathBuf>,
    /// Least free space, in mebibytes.
    pub min_free_mib: u64,
    /// The configuration file and those its secrets come from.
    pub files: Arc<ArcSwap<Files>>,
    /// Asks `public_url`.
    pub http: http::Client,
    /// What was not let in and is not written yet.
    pub refusals: Arc<Refusals>,
}

/// Files that not everybody may read or write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The configuration: others may read it and not write it.
    pub config: Option<PathBuf>,
    /// Secrets: others may not read them.
    pub secrets: Vec<PathBuf>,
}

/// Looks at everything.
pub async fn examine(patient: &Patient, now: Timestamp) -> Result<Vec<Finding>, StoreError> {
    let mut found = Vec::new();
    let missing = depths::missing_migrations(&patient.db).await?;
    if missing > 0 {
        // Nothing else can be asked of a schema that is not ours yet.
        let value = Value::Count(i64::try_from(missing).unwrap_or(i64::MAX));
        return Ok(vec![Finding::new("migrations", "", Verdict::Wrong, value)]);
    }
    found.push(Finding::new("migrations", "", Verdict::Good, Value::None));
    if patient.is_thorough {
        found.extend(integrity(&patient.db).await?);
    }
    found.extend(configuration(&patient.db).await?);
    found.extend(accounts::look(patient, now).await?);
    found.extend(numbers(&patient.db, now).await?);
    found.extend(waiting(&patient.db, now).await?);
    found.push(machine::certificate(patient, now).await);
    found.extend(machine::disks(patient).await);
    found.extend(machine::permissions(patient).await);
    Ok(found)
}

/// What came of reading the configuration anew last, if it was.
async fn configuration(db: &Db) -> Result<Option<Finding>, StoreError> {
    let Some(read) = Reloaded::last(db).await? else {
        return Ok(None);
    };
    let (verdict, words) = match (read.problems.is_empty(), read.restart.is_empty()) {
        (false, _) => (Verdict::Wrong, read.told()),
        (true, false) => (Verdict::Remark, read.told()),
        (true, true) => (Verdict::Good, String::new()),
    };
    let value = match words.is_empty() {
        true => Value::None,
        false => Value::Words(words),
    };
    Ok(Some(Finding::new("configuration", "", verdict, value)))
}

async fn integrity(db: &Db) -> Result<Vec<Finding>, StoreError> {
    let wrong = checkup::integrity(db).await?;
    if wrong.is_empty() {
        return Ok(vec![Finding::new(
            "integrity",
            "",
            Verdict::Good,
            Value::None,
        )]);
    }
    let found = wrong.into_iter();
    let finding = |words| Finding::new("integrity", "", Verdict::Wrong, Value::Words(words));
    Ok(found.map(finding).collect())
}

/// Phones of nobody, and numbers of no channel.
async fn numbers(db: &Db, now: Timestamp) -> Result<Vec<Finding>, StoreError> {
    let mut found = Vec::new();
    for (account, extension) in checkup::extensions_of_nobody(db).await? {
        let subject = format!("{account}/{extension}");
        found.push(Finding::new(
            "extension",
            &subject,
            Verdict::Remark,
            Value::None,
        ));
    }
    for (account, did) in checkup::lines_of_no_channel(db, now).await? {
        let subject = format!("{account}/{did}");
        found.push(Finding::new(
            "number",
            &subject,
            Verdict::Remark,
            Value::None,
        ));
    }
    Ok(found)
}

/// Jobs that wait for longer than this are late.
const LATE_MS: i64 = 3_600_000;

/// Recordings, jobs and letters that wait or have failed.
async fn waiting(db: &Db, now: Timestamp) -> Result<Vec<Finding>, StoreError> {
    let mut found = Vec::new();
    for (state, count) in checkup::recordings(db).await? {
        let (check, verdict) = match state.as_str() {
            "waiting" | "fetching" => ("recordings_waiting", Verdict::Good),
            "failed" | "refused" => ("recordings_failed", Verdict::Remark),
            _ => continue,
        };
        found.push(Finding::new(check, &state, verdict, Value::Count(count)));
    }
    for waits in depths::outbox(db).await? {
        let age_ms = now.millis_since(waits.oldest);
        let verdict = if age_ms > LATE_MS {
            Verdict::Wrong
        } else {
            Verdict::Good
        };
        let value = Value::CountSince(waits.jobs, age_ms);
        found.push(Finding::new("outbox", &waits.kind, verdict, value));
    }
    let letters = depths::dead_letters(db).await?;
    let verdict = if letters > 0 {
        Verdict::Remark
    } else {
        Verdict::Good
    };
    found.push(Finding::new("letters", "", verdict, Value::Count(letters)));
    Ok(found)
}
