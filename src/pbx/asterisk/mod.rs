//! Asterisk 20 and 22 over the manager interface (AMI), with its event log (CEL) as history.
//!
//! `deploy/asterisk` has the configuration that belongs to it. Ringcard dials the manager interface,
//! follows every channel, asks for what is alive after each login, and reads in the event log what it
//! did not hear. The dialplan asks over HTTP who should ring; click-to-call is an Originate; recordings
//! are files of MixMonitor in a shared folder or behind a web server.
//!
//! | File | What |
//! |---|---|
//! | `wire` | blocks on the wire, actions |
//! | `session` | one connection: login, list of channels, signs of life |
//! | `events`, `passing` | what events say about calls; transfers and Local channels |
//! | `recorded` | the client's word on being recorded, pauses |
//! | `facts` | channels as legs and parties, identities of facts |
//! | `cel`, `rows` | the event log: the file, and what its rows say |
//! | `route` | the dialplan's question and our answer |
//! | `commands` | click-to-call |
//!
//! Left out: ARI, FastAGI, SQL back ends of CEL and CDR.

mod cel;
mod commands;
mod events;
mod facts;
mod passing;
mod recorded;
mod route;
mod rows;
mod session;
#[cfg(test)]
mod tests;
mod wire;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;

use self::{commands::Commands, facts::Directory, session::Session};
use super::{
    Ability, Command, Decoder, Enquiry, Intake, Page, Pbx, PbxError, Provider, Refused, Reply,
    Request, RouteAnswer, SettingsError, Taken, Tools,
    recording::{Fetch, RecordingSettings},
};
use crate::model::{
    event::RecordingSource,
    ids::{AccountName, LegKey},
    time::Timestamp,
};

/// Asterisk in the registry.
pub const PROVIDER: Provider = Provider {
    name: "asterisk",
    title: "Asterisk",
    abilities: &[
        Ability::Command,
        Ability::Recording,
        Ability::Routing,
        Ability::History,
        Ability::Pause,
    ],
    open,
};

/// Where Asterisk's packages put recordings.
const MONITOR: &str = "/var/spool/asterisk/monitor";

/// The account's table in the configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// `host:port` of the manager interface.
    address: String,
    /// User of the manager interface.
    user: String,
    /// Their secret.
    secret: String,
    /// Token of the dialplan's questions; without it none is answered.
    route_token: String,
    /// Endpoints that lead outside; none named: every endpoint whose name is not a short number.
    trunks: Vec<String>,
    /// Endpoints whose name is not their extension: `anna-desk = "201"`.
    extensions: BTreeMap<String, String>,
    /// The log of channel events (`cel_custom.conf`), where Ringcard can read it.
    cel: Option<PathBuf>,
    /// What click-to-call rings; `{endpoint}` is the employee's. `Local/{endpoint}@from-internal`
    /// rings as the dialplan would.
    click_channel: String,
    /// Context in which click-to-call dials the client.
    click_context: String,
    /// How long the employee's phone rings for a click, in milliseconds.
    click_timeout_ms: u32,
    /// Digits that stand for the plus of a number when the dialplan dials it.
    dial_prefix: String,
    /// Where recordings lie.
    recordings: RecordingSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: String::new(),
            user: "ringcard".to_owned(),
            secret: String::new(),
            route_token: String::new(),
            trunks: Vec::new(),
            extensions: BTreeMap::new(),
            cel: None,
            click_channel: "PJSIP/{endpoint}".to_owned(),
            click_context: "from-internal".to_owned(),
            click_timeout_ms: 25_000,
            dial_prefix: String::new(),
            recordings: RecordingSettings::default(),
        }
    }
}

impl Settings {
    fn check(&self) -> Result<(), SettingsError> {
        let problem = |text: &str| Err(SettingsError::Unusable(text.to_owned()));
        match self.address.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {}
            _ => return problem("address must be host:port of the manager interface"),
        }
        if self.user.is_empty() || self.secret.is_empty() {
            return problem("user and secret must not be empty");
        }
        if !commands::all_digits(&self.dial_prefix) {
            return problem("dial_prefix may hold only digits");
        }
        Ok(())
    }
}

fn open(
    name: AccountName,
    table: toml::Table,
    tools: Tools,
) -> Result<Arc<dyn Pbx>, SettingsError> {
    let settings: Settings = super::settings(table)?;
    settings.check()?;
    Ok(Account::new(name, settings, tools))
}

/// One Asterisk.
struct Account {
    name: AccountName,
    settings: Settings,
    directory: Directory,
    commands: Commands,
    /// Decoders share the account: answers to commands come in through them.
    me: std::sync::Weak<Account>,
}

impl Account {
    fn new(name: AccountName, mut settings: Settings, tools: Tools) -> Arc<Self> {
        if settings.recordings.strip.as_os_str().is_empty() {
            settings.recordings.strip = PathBuf::from(MONITOR);
        }
        Arc::new_cyclic(|me| Self {
            directory: Directory {
                trunks: settings.trunks.clone(),
                extensions: settings.extensions.clone(),
                plan: tools.plan,
                recordings: settings.recordings.strip.clone(),
            },
            name,
            settings,
            commands: Commands::default(),
            me: me.clone(),
        })
    }

    fn shared(&self) -> Arc<Self> {
        self.me
            .upgrade()
            .expect("an account lives in the Arc that `new` made, and somebody holds it to call us")
    }
}

#[async_trait]
impl Pbx for Account {
    fn provider(&self) -> &'static str {
        PROVIDER.name
    }

    fn intake(&self) -> Intake {
        Intake::Dial {
            address: self.settings.address.clone(),
        }
    }

    fn verify(&self, request: &Request, _now: Timestamp) -> Result<(), Refused> {
        route::verify(&self.settings.route_token, request)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Session::new(self.shared()))
    }

    fn format_route(&self, _enquiry: &Enquiry, answer: &RouteAnswer) -> Reply {
        route::reply(answer)
    }

    fn recording(&self, source: &RecordingSource, _now: Timestamp) -> Result<Fetch, PbxError> {
        self.settings.recordings.fetch(source)
    }

    async fn command(&self, command: &Command) -> Result<Taken, PbxError> {
        let Command::ClickToCall {
            command,
            extension,
            client,
        } = command;
        let (id, action) = commands::click_to_call(
            &self.settings,
            &self.directory,
            command,
            extension.as_str(),
            client,
        )?;
        self.commands.carry_out(&id, action).await?;
        Ok(Taken::ByCommand)
    }

    async fn pause_recording(&self, leg: &LegKey, pause: bool) -> Result<(), PbxError> {
        let (id, action) = commands::pause_recording(leg.as_str(), pause)?;
        self.commands.carry_out(&id, action).await
    }

    async fn outgoing(&self) -> Bytes {
        self.commands.next().await
    }

    async fn history(&self, cursor: Option<&str>, now: Timestamp) -> Result<Page, PbxError> {
        let Some(path) = self.settings.cel.clone() else {
            return Err(PbxError::Unsupported);
        };
        let account = self.shared();
        let cursor = cursor.map(str::to_owned);
        let reading = tokio::task::spawn_blocking(move || {
            let rows = rows::Rows {
                account: &account.name,
                directory: &account.directory,
                now,
            };
            cel::page(&path, cursor.as_deref(), &rows)
        });
        match reading.await {
            Ok(Ok(page)) => Ok(page),
            Ok(Err(_)) | Err(_) => Err(PbxError::Unreachable),
        }
    }
}
