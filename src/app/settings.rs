//! The configuration as a whole: each module owns its section, this file only puts them together.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::fragments;
use crate::{
    config::{self, Loaded, Problem, Problems, is_secret, nearest},
    delivery,
    flow::{dial, enquiry, overdue, reconcile, upkeep},
    http,
    keeping::retention,
    live,
    model::{ids::AccountName, phone::NumberingPlan},
    pbx::{self, Pbx},
    recordings::lane,
    rules::routing,
    store::{self, writer},
    telemetry,
    web::{self, doctor, hooks, ops},
};

/// Every section of the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where we listen.
    pub server: Server,
    /// The log.
    pub log: telemetry::Settings,
    /// The database.
    pub store: store::Settings,
    /// The writer of call events.
    pub writer: writer::Settings,
    /// Sealing and letting go.
    pub upkeep: upkeep::Settings,
    /// Call-backs that nobody made in time.
    pub overdue: overdue::Settings,
    /// How long recordings, calls and cards are kept.
    pub retention: retention::Settings,
    /// What PBXes post.
    pub hooks: hooks::Settings,
    /// Connections we dial, and PBXes' own records.
    pub dial: dial::Settings,
    /// Clouds' own records.
    pub reconcile: reconcile::Settings,
    /// Who should ring.
    pub routing: routing::Policy,
    /// How fast questions are answered.
    pub enquiry: enquiry::Settings,
    /// What we fetch over HTTP.
    pub http: http::Settings,
    /// Call audio.
    pub recordings: lane::Settings,
    /// Telling the outside.
    pub delivery: delivery::Settings,
    /// The mail server.
    pub mail: delivery::MailSettings,
    /// Pages.
    pub web: web::Settings,
    /// The API for other programs.
    pub api: web::api::Settings,
    /// Pops.
    pub live: live::Settings,
    /// Health and metrics.
    pub ops: ops::Settings,
    /// Accounts that pages set up.
    pub accounts: fragments::Settings,
    /// Accounts at PBXes; each is opened by its provider.
    pub pbx: Vec<toml::Table>,
    /// The files all this was read from, for the doctor.
    #[serde(skip)]
    pub files: doctor::Files,
}

/// Where we listen, and for how long we say goodbye.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port.
    pub listen: SocketAddr,
    /// Addresses of reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Most connections at once; new ones wait.
    pub max_connections: usize,
    /// How long the head of a request may take to come, and a connection may say nothing between two
    /// requests, in milliseconds.
    pub head_timeout_ms: u64,
    /// How long the body of a request may take to come, in milliseconds.
    pub body_timeout_ms: u64,
    /// How long open requests may take to finish at shutdown, in milliseconds.
    pub shutdown_ms: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            trusted_proxies: Vec::new(),
            max_connections: 4_096,
            head_timeout_ms: 20_000,
            body_timeout_ms: 30_000,
            shutdown_ms: 5_000,
        }
    }
}

/// An account that could be opened.
#[derive(Clone)]
pub struct Account {
    /// Its name.
    pub name: AccountName,
    /// The PBX behind it.
    pub pbx: Arc<dyn Pbx>,
}

/// Reads the configuration, with the accounts that pages have set up. Nothing is opened yet.
pub fn load(file: Option<&Path>, env: Vec<(String, String)>) -> Result<Loaded<Settings>, Problems> {
    let mut loaded = config::load::<Settings>(file, env.iter().cloned())?;
    fragments::add(&mut loaded, &env)?;
    Ok(loaded)
}

impl Settings {
    /// Opens the account of this name apart from the one that runs.
    pub(super) fn open_apart(&self, name: &AccountName) -> Option<Account> {
        let http = http::Client::new(&self.http).ok()?;
        let mut table = self.table_of(name)?.clone();
        let apart = format!("{name}-apart"); // what a PBX keeps by our name stays with the account
        table.insert("name".to_owned(), apart.into());
        open_account(&table, &http).ok()
    }

    /// Opens every account and checks what no single section can know. All problems at once.
    pub fn open(&self) -> Result<Vec<Account>, Problems> {
        let mut problems = self.check();
        let mut accounts: Vec<Account> = Vec::new();
        let http = match http::Client::new(&self.http) {
            Ok(http) => http,
            Err(error) => {
                problems.push(Problem {
                    key: "http".to_owned(),
                    text: error.to_string(),
                });
                return Err(Problems(problems));
            }
        };
        for (n, table) in self.pbx.iter().enumerate() {
            match open_account(table, &http) {
                Err(found) => problems.extend(found.into_iter().map(|(key, text)| Problem {
                    key: place(n, table, key),
                    text,
                })),
                Ok(account) if accounts.iter().any(|known| known.name == account.name) => {
                    problems.push(Problem {
                        key: place(n, table, "name"),
                        text: "another account has this name".to_owned(),
                    });
                }
                Ok(account) => accounts.push(account),
            }
        }
        match problems.is_empty() {
            true => Ok(accounts),
            false => Err(Problems(problems)),
        }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut demand = |holds: bool, key: &str, text: &str| {
            if !holds {
                problems.push(Problem {
                    key: key.to_owned(),
                    text: text.to_owned(),
                });
            }
        };
        let known_engine = ["sqlite:", "postgres:", "postgresql:"]
            .iter()
            .any(|engine| self.store.url.starts_with(engine));
        demand(
            known_engine,
            "store.url",
            "must start with sqlite: or postgres:",
        );
        demand(
            self.store.read_connections > 0,
            "store.read_connections",
            "must be at least 1",
        );
        demand(
            self.hooks.max_body_bytes >= 1_024,
            "hooks.max_body_bytes",
            "must be at least 1024",
        );
        demand(
            self.hooks.burst >= self.hooks.per_second,
            "hooks.burst",
            "must not be less than hooks.per_second",
        );
        demand(
            self.writer.batch_messages > 0,
            "writer.batch_messages",
            "must be at least 1",
        );
        demand(
            self.routing.ring_cycle_ms > self.routing.guard_ms,
            "routing.guard_ms",
            "must be less than routing.ring_cycle_ms",
        );
        if let Err(error) = self.recordings.keys() {
            let key = "recordings.encryption_secret";
            demand(false, key, &error.to_string());
        }
        if let Some(text) = self.api.plan().problem() {
            demand(false, "api.country", &text);
        }
        self.spans(&mut demand);
        self.outside(&mut demand);
        demand(
            self.web.zone().is_ok(),
            "web.time_zone",
            "is no time zone of this machine; names are like Europe/Moscow",
        );
        demand(
            ["http://", "https://"]
                .iter()
                .any(|scheme| self.web.public_url.starts_with(scheme)),
            "web.public_url",
            "must start with https:// or http://",
        );
        if let Err(text) = telemetry::check(&self.log) {
            demand(false, "log.level", &text);
        }
        problems
    }

    /// Call-backs, and what tells the outside.
    fn outside(&self, demand: &mut impl FnMut(bool, &str, &str)) {
        let waits = &self.writer.call_back_again_ms;
        demand(
            !waits.is_empty() && waits.iter().all(|wait| *wait > 0),
            "writer.call_back_again_ms",
            "must hold at least one wait, each more than 0",
        );
        let delivery = &self.delivery;
        for (key, holds) in [
            ("delivery.poll_ms", delivery.poll_ms >= 10),
            (
                "delivery.max_open_messages",
                delivery.max_open_messages >= 1,
            ),
            (
                "delivery.answer_timeout_ms",
                delivery.answer_timeout_ms >= 100,
            ),
            ("delivery.horizon_hours", delivery.horizon_hours >= 1),
        ] {
            demand(holds, key, "is too little");
        }
        let lease_holds = i128::from(delivery.lease_ms) > i128::from(delivery.answer_timeout_ms);
        demand(
            lease_holds,
            "delivery.lease_ms",
            "must be more than delivery.answer_timeout_ms",
        );
        if let Some((key, text)) = self.mail.problem() {
            demand(false, key, text);
        }
    }

    /// A zero here would delete, or cut off, everything.
    fn spans(&self, demand: &mut impl FnMut(bool, &str, &str)) {
        for (key, days) in [
            ("api.remember_hours", self.api.remember_hours),
            ("api.first_dial_ms", self.api.first_dial_ms),
            ("upkeep.seal_after_days", self.upkeep.seal_after_days),
            ("upkeep.journal_days", self.upkeep.journal_days),
            ("upkeep.dead_letter_days", self.upkeep.dead_letter_days),
            ("upkeep.audit_days", self.upkeep.audit_days),
            (
                "upkeep.loose_decision_days",
                self.upkeep.loose_decision_days,
            ),
            ("upkeep.finished_job_days", self.upkeep.finished_job_days),
        ] {
            demand(days >= 1, key, "must be at least 1");
        }
        for (key, days) in [
            ("retention.recording_days", self.retention.recording_days),
            ("retention.call_days", self.retention.call_days),
            ("retention.card_days", self.retention.card_days),
            ("retention.consent_days", self.retention.consent_days),
        ] {
            demand(days >= 0, key, "must not be negative; 0 keeps for ever");
        }
        for (key, wait) in [
            ("server.head_timeout_ms", self.server.head_timeout_ms),
            ("server.body_timeout_ms", self.server.body_timeout_ms),
            ("reconcile.every_ms", self.reconcile.every_ms),
            ("reconcile.retry_ms", self.reconcile.retry_ms),
        ] {
            demand(wait >= 100, key, "must be at least 100");
        }
    }

    /// The table of an account.
    pub(super) fn table_of(&self, name: &AccountName) -> Option<&toml::Table> {
        let named = |table: &&toml::Table| {
            table.get("name").and_then(toml::Value::as_str) == Some(name.as_str())
        };
        self.pbx.iter().find(named)
    }

    /// Accounts as the log of changes tells of them: what is set, without secrets.
    pub fn accounts_shown(&self) -> BTreeMap<String, String> {
        let mut shown = BTreeMap::new();
        for table in &self.pbx {
            let name = table.get("name").and_then(toml::Value::as_str);
            let keys = table.iter().filter(|(key, _)| *key != "name");
            let keys: Vec<String> = keys
                .map(|(key, value)| match is_secret(key) {
                    true => format!("{key}=***"),
                    // Whatever else came from a reference is known to the log as a secret.
                    false => {
                        let value = value.to_string();
                        format!("{key}={}", telemetry::redact(&value, tracing::Level::DEBUG))
                    }
                })
                .collect();
            shown.insert(name.unwrap_or_default().to_owned(), keys.join("; "));
        }
        shown
    }

    /// Folders in which data is kept, for the check of free space.
    pub fn folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.recordings.folder.clone()];
        if let Some(path) = self.store.url.strip_prefix("sqlite:") {
            let file = PathBuf::from(path.trim_start_matches("//"));
            let folder = file.parent().map(PathBuf::from).unwrap_or_default();
            folders.push(match folder.as_os_str().is_empty() {
                true => PathBuf::from("."),
                false => folder,
            });
        }
        folders
    }
}

/// `pbx.office.secret`, or `pbx[2].name` while it has no name.
fn place(n: usize, table: &toml::Table, key: &str) -> String {
    match table.get("name").and_then(toml::Value::as_str) {
        Some(name) if !name.is_empty() => format!("pbx.{name}.{key}"),
        _ => format!("pbx[{}].{key}", n + 1),
    }
}

type AccountProblem = (&'static str, String);

/// Opens an account, or tells everything that is wrong with it.
fn open_account(table: &toml::Table, http: &http::Client) -> Result<Account, Vec<AccountProblem>> {
    let mut rest = table.clone();
    let name = take_name(&mut rest);
    let provider = take_provider(&mut rest);
    let plan = take_plan(&mut rest);
    let (Ok(name), Ok(provider), Ok(plan)) = (&name, &provider, &plan) else {
        let problems = [name.err(), provider.err(), plan.err()];
        return Err(problems.into_iter().flatten().collect());
    };
    let tools = pbx::Tools {
        plan: plan.clone(),
        http: http.clone(),
    };
    let pbx = (provider.open)(name.clone(), rest, tools)
        .map_err(|error| vec![(provider.name, error.to_string())])?;
    Ok(Account {
        name: name.clone(),
        pbx,
    })
}

fn take_name(table: &mut toml::Table) -> Result<AccountName, AccountProblem> {
    let name = take_text(table, "name")?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(fits) {
        let text = "must be made of small letters, digits, - and _: it stands in addresses";
        return Err(("name", text.to_owned()));
    }
    Ok(AccountName::from(name))
}

fn take_provider(table: &mut toml::Table) -> Result<&'static pbx::Provider, AccountProblem> {
    let kind = take_text(table, "type")?;
    let mut known = pbx::PROVIDERS.iter();
    let found = known.find(|provider| provider.name == kind);
    found.ok_or_else(|| ("type", unknown_type(&kind)))
}

fn take_plan(table: &mut toml::Table) -> Result<NumberingPlan, AccountProblem> {
    let plan: NumberingPlan = match table.remove("numbers") {
        None => NumberingPlan::default(),
        Some(plan) => plan
            .try_into()
            .map_err(|error: toml::de::Error| ("numbers", error.message().to_owned()))?,
    };
    match plan.problem() {
        Some(problem) => Err(("numbers", problem)),
        None => Ok(plan),
    }
}

fn take_text(table: &mut toml::Table, key: &'static str) -> Result<String, AccountProblem> {
    match table.remove(key) {
        Some(toml::Value::String(text)) => Ok(text),
        Some(_) => Err((key, "must be text".to_owned())),
        None => Err((key, "is missing".to_owned())),
    }
}

fn unknown_type(kind: &str) -> String {
    let known: Vec<&str> = pbx::PROVIDERS
        .iter()
        .map(|provider| provider.name)
        .collect();
    match nearest(kind, known.iter().copied()) {
        Some(near) => format!("no provider {kind:?}; did you mean {near:?}?"),
        None => format!("no provider {kind:?}; there are {}", known.join(", ")),
    }
}
