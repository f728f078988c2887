//! Asterisk 20 and 22 over the manager interface (AMI) or the REST interface (ARI), with its event log (CEL)
//! as history.
//!
//! `deploy/asterisk` has the configuration that belongs to it. Ringcard dials one of the two interfaces,
//! follows every channel, asks for what is alive after each login, and reads in the event log what it
//! did not hear. The dialplan asks over HTTP who should ring; click-to-call is an Originate; recordings
//! are files of MixMonitor in a shared folder or behind a web server.
//!
//! | File | What |
//! |---|---|
//! | `wire` | blocks on the wire, actions |
//! | `session` | one connection: login, list of channels, signs of life |
//! | `ari` | the same over the REST interface, whose words become those of the manager interface |
//! | `events`, `passing` | what events say about calls; transfers and Local channels |
//! | `recorded` | the client's word on being recorded, pauses |
//! | `states` | which phones can be rung: devices, hints, pauses in queues |
//! | `facts` | channels as legs and parties, identities of facts |
//! | `cel`, `rows` | the event log: the file, and what its rows say |
//! | `route`, `agi` | the dialplan's question and our answer: over HTTP, over FastAGI |
//! | `commands` | click-to-call, sending on what rings |
//!
//! Left out: calls in Stasis, SQL back ends of CEL and CDR.

mod agi;
mod ari;
mod cel;
mod commands;
mod events;
mod facts;
mod passing;
mod recorded;
mod route;
mod rows;
mod session;
mod states;
#[cfg(test)]
mod tests;
mod wire;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;

use self::{commands::Commands, events::Reader, facts::Directory, rows::Rows, session::Session};
use super::{
    Ability, Command, DecodeError, Decoded, Decoder, Enquiry, Intake, Page, Pbx, PbxError,
    Provider, Refused, Reply, Request, RouteAnswer, SettingsError, Shown, Taken, Tls, Tools,
    recording::{Fetch, RecordingSettings},
};
use crate::model::{
    event::RecordingSource,
    ids::{AccountName, Extension, LegKey},
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
    not_offered: &[Ability::Signature, Ability::Tracking],
    open,
};

/// Where Asterisk's packages put recordings.
const MONITOR: &str = "/var/spool/asterisk/monitor";

/// The account's table in the configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Which interface tells events and takes commands.
    over: Over,
    /// `host:port` of that interface.
    address: String,
    /// Whether TLS is spoken there.
    tls: bool,
    /// File with the authority (PEM) that its certificate comes from; none: those whom the system trusts.
    tls_ca: Option<PathBuf>,
    /// The name in its certificate, if it is not that of the address.
    tls_name: String,
    /// Files (PEM) that we show where Asterisk dials us over TLS: the certificate, and its key.
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    /// Where Asterisk dials us instead (`over = "ari"`, `outbound_websocket`), `127.0.0.1:8071`.
    ari_listen: String,
    /// Name of our application at the REST interface; `ringcard-` and the account's name if empty.
    application: String,
    /// User of the interface.
    user: String,
    /// Their secret.
    secret: String,
    /// Token of the dialplan's questions; without it none is answered.
    route_token: String,
    /// Where we listen for the same questions over FastAGI, `127.0.0.1:4573`; empty: nowhere.
    agi_listen: String,
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
    /// Context to which a client is sent who hears somebody else's phone ring than the responsible
    /// manager's (`ringcard-sent-on` of the dialplan we ship); empty: nobody is.
    send_on_context: String,
    /// Where recordings lie.
    recordings: RecordingSettings,
}

/// The ways of hearing an Asterisk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Over {
    /// The manager interface.
    Ami,
    /// The REST interface.
    Ari,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            over: Over::Ami,
            address: String::new(),
            tls: false,
            tls_ca: None,
            tls_name: String::new(),
            tls_certificate: None,
            tls_key: None,
            ari_listen: String::new(),
            application: String::new(),
            user: "ringcard".to_owned(),
            secret: String::new(),
            route_token: String::new(),
            agi_listen: String::new(),
            trunks: Vec::new(),
            extensions: BTreeMap::new(),
            cel: None,
            click_channel: "PJSIP/{endpoint}".to_owned(),
            click_context: "from-internal".to_owned(),
            click_timeout_ms: 25_000,
            dial_prefix: String::new(),
            send_on_context: String::new(),
            recordings: RecordingSettings::default(),
        }
    }
}

impl Settings {
    fn check(&self) -> Result<(), SettingsError> {
        let problem = |text: &str| Err(SettingsError::Unusable(text.to_owned()));
        self.check_way()
            .map_err(|text| SettingsError::Unusable(text.to_owned()))?;
        if !self.application.is_empty() && !commands::is_name(&self.application, 80) {
            return problem("application may hold letters, digits, -, _ and .");
        }
        if self.user.is_empty() || self.secret.is_empty() {
            return problem("user and secret must not be empty");
        }
        if !commands::all_digits(&self.dial_prefix) {
            return problem("dial_prefix may hold only digits");
        }
        if !self.agi_listen.is_empty() && self.agi_address().is_none() {
            return problem("agi_listen must be an address and a port");
        }
        if !self.agi_listen.is_empty() && self.route_token.is_empty() {
            return problem("agi_listen needs a route_token: FastAGI itself knows no passwords");
        }
        if !self.send_on_context.is_empty() && !commands::is_name(&self.send_on_context, 80) {
            return problem("send_on_context must be the name of a context");
        }
        Ok(())
    }
}

impl Settings {
    /// How Asterisk is reached, and what cannot be asked of it so.
    fn check_way(&self) -> Result<(), &'static str> {
        let is_address = self
            .address
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        match (self.over, self.is_dialled()) {
            (_, false) if !is_address => {
                return Err("address must be host:port of the interface that `over` names");
            }
            (Over::Ami, true) => return Err("ari_listen needs over = \"ari\""),
            (Over::Ari, true) if !self.address.is_empty() => {
                return Err("either address or ari_listen: one side dials");
            }
            (Over::Ari, true) if self.ari_listen.parse::<SocketAddr>().is_err() => {
                return Err("ari_listen must be an address and a port");
            }
            _ => {}
        }
        self.check_tls()?;
        match self.over == Over::Ari && !self.send_on_context.is_empty() {
            true => Err("send_on_context needs over = \"ami\": ARI redirects only calls in Stasis"),
            false => Ok(()),
        }
    }

    /// The side that dials looks at a certificate, the other one shows it.
    fn check_tls(&self) -> Result<(), &'static str> {
        let looks = self.tls_ca.is_some() || !self.tls_name.is_empty();
        let shows = [&self.tls_certificate, &self.tls_key].map(Option::is_some);
        match (self.tls, self.is_dialled()) {
            (false, _) if looks || shows != [false; 2] => {
                Err("tls_ca, tls_name, tls_certificate and tls_key need tls = true")
            }
            (true, true) if looks || shows != [true; 2] => {
                Err("ari_listen with tls needs tls_certificate and tls_key, and no more of TLS")
            }
            (true, false) if shows != [false; 2] => {
                Err("tls_certificate and tls_key need ari_listen: whoever is dialled shows them")
            }
            _ => Ok(()),
        }
    }

    fn is_dialled(&self) -> bool {
        !self.ari_listen.is_empty()
    }

    fn tls(&self) -> Option<Tls> {
        let name = Some(self.tls_name.clone()).filter(|name| !name.is_empty());
        self.tls.then(|| Tls {
            authority: self.tls_ca.clone(),
            name,
        })
    }

    fn shown(&self) -> Option<Shown> {
        Some(Shown {
            certificate: self.tls_certificate.clone()?,
            key: self.tls_key.clone()?,
        })
    }

    fn agi_address(&self) -> Option<SocketAddr> {
        self.agi_listen.parse().ok()
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

    fn reader(&self) -> Reader<'_> {
        Reader {
            account: &self.name,
            directory: &self.directory,
        }
    }

    fn rows(&self, now: Timestamp) -> Rows<'_> {
        Rows {
            account: &self.name,
            directory: &self.directory,
            now,
        }
    }

    /// Reads rows of the event log.
    fn records(&self, raw: &[u8], now: Timestamp, out: &mut Decoded) -> Result<(), DecodeError> {
        for message in self.rows(now).messages(raw, false) {
            out.events.extend(message.events);
            message.error.map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// Reads the dialplan's question.
    fn question(
        &self,
        request: &Request,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        out.enquiries.push(route::enquiry(self, request, now)?);
        Ok(())
    }

    /// Which side of a WebSocket we are.
    fn side(&self) -> ari::Side {
        match self.settings.is_dialled() {
            true => ari::Side::IsDialled,
            false => ari::Side::Dials,
        }
    }

    /// The name under which the REST interface tells us events. Whoever takes it next takes it over.
    fn application(&self) -> String {
        match self.settings.application.as_str() {
            "" => format!("ringcard-{}", self.name),
            named => named.to_owned(),
        }
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
        match self.settings.ari_listen.parse() {
            Ok(address) => Intake::Listen {
                address,
                shown: self.settings.shown(),
            },
            Err(_) => Intake::Dial {
                address: self.settings.address.clone(),
                tls: self.settings.tls(),
            },
        }
    }

    fn verify(&self, request: &Request, _now: Timestamp) -> Result<(), Refused> {
        route::verify(&self.settings.route_token, request)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        match self.settings.over {
            Over::Ami => Box::new(Session::new(self.shared())),
            Over::Ari => Box::new(ari::Session::new(self.shared())),
        }
    }

    fn asks_at(&self) -> Option<SocketAddr> {
        self.settings.agi_address()
    }

    fn read_question(&self, raw: &[u8], remote: &str) -> Result<Option<Request>, DecodeError> {
        agi::question(raw, remote)
    }

    fn write_answer(&self, answer: &RouteAnswer) -> Bytes {
        agi::answer(answer)
    }

    fn format_route(&self, _enquiry: &Enquiry, answer: &RouteAnswer) -> Reply {
        route::reply(answer)
    }

    async fn recording(
        &self,
        source: &RecordingSource,
        _now: Timestamp,
    ) -> Result<Fetch, PbxError> {
        self.settings.recordings.fetch(source)
    }

    async fn command(&self, command: &Command) -> Result<Taken, PbxError> {
        let Command::ClickToCall {
            command,
            extension,
            client,
        } = command;
        let (settings, directory) = (&self.settings, &self.directory);
        let extension = extension.as_str();
        let (id, action): (String, Bytes) = match settings.over {
            Over::Ami => {
                let click =
                    commands::click_to_call(settings, directory, command, extension, client)?;
                (click.0, click.1.into())
            }
            Over::Ari => {
                let click = ari::click_to_call(settings, directory, command, extension, client)?;
                (click.0, self.side().text(&click.1).into())
            }
        };
        self.commands.carry_out(&id, action).await?;
        Ok(Taken::ByCommand)
    }

    /// ARI pauses only what it records itself.
    async fn pause_recording(&self, leg: &LegKey, pause: bool) -> Result<(), PbxError> {
        if self.settings.over == Over::Ari {
            return Err(PbxError::Unsupported);
        }
        let (id, action) = commands::pause_recording(leg.as_str(), pause)?;
        self.commands.carry_out(&id, action).await.map(drop)
    }

    fn routes_by_command(&self) -> bool {
        !self.settings.send_on_context.is_empty()
    }

    fn sends_on_what_rings(&self) -> bool {
        self.routes_by_command()
    }

    /// Never a client whom somebody has answered: what is between the question and the command is the
    /// way to the PBX and back.
    async fn route(
        &self,
        leg: &LegKey,
        target: &Extension,
        answer: &RouteAnswer,
        command: &str,
    ) -> Result<(), PbxError> {
        let client = (leg.as_str(), target.as_str());
        let context = &self.settings.send_on_context;
        let send = commands::send_on(context, client, answer.ring_ms, command)?;
        let (id, action) = send.ring;
        self.commands.carry_out(&id, action).await?;
        let (id, action) = send.peer;
        let peer = self.commands.carry_out(&id, action).await?;
        if !peer.is_empty() {
            return Err(PbxError::Refused("somebody has answered".to_owned()));
        }
        let (id, action) = send.redirect;
        self.commands.carry_out(&id, action).await.map(drop)
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
            cel::page(&path, cursor.as_deref(), &account.rows(now))
        });
        match reading.await {
            Ok(Ok(page)) => Ok(page),
            Ok(Err(_)) | Err(_) => Err(PbxError::Unreachable),
        }
    }
}
