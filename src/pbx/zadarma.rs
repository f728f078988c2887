//! Zadarma, and Novofon's first API, which is a copy of it under another name and at another address.
//!
//! Vendor's documentation: <https://zadarma.com/en/support/api/>. Events are posted as forms to one
//! address of ours. A header signs some of the fields, not the event's name nor how the call went, so the
//! first part of the path is a secret of ours besides, and what is a day old is refused:
//!
//! * `NOTIFY_START`, `NOTIFY_INTERNAL`, `NOTIFY_ANSWER`, `NOTIFY_END`: an incoming call begins, a phone
//!   rings, somebody answers, it is over;
//! * `NOTIFY_OUT_START`, `NOTIFY_ANSWER`, `NOTIFY_OUT_END`: an outgoing one;
//! * `NOTIFY_RECORD`: a file can be asked for; `NOTIFY_IVR`: keys were pressed;
//! * `zd_echo` in the query: the cabinet checks the address.
//!
//! The answer to `NOTIFY_START` may say which extension rings, with `route_calls`.
//!
//! ```toml
//! [[pbx]]
//! name = "birch-office"
//! type = "zadarma"                    # or "novofon"
//! token = "env:ZADARMA_TOKEN"         # ours: openssl rand -hex 16
//! api_key = "env:ZADARMA_KEY"         # both from the cabinet: Настройки, API
//! api_secret = "env:ZADARMA_SECRET"
//! time_zone = "Europe/Moscow"         # the clock of the cabinet
//! ```
//!
//! The cabinet is given `<public_url>/hooks/birch-office/<token>`. `docs/providers/zadarma.en.md` says
//! what to click there.
//!
//! | File | What |
//! |---|---|
//! | `settings` | the account in the configuration |
//! | `event` | what posted messages say, and what of them is signed |
//! | `api` | signed questions, their limits and refusals |
//! | `history` | the provider's own records of past calls |
//! | `unconfirmed` | what nobody has confirmed, and what we do until then |
//!
//! Click-to-call is `/v1/request/callback/`. A file is asked for by `/v1/pbx/record/request/`, whose
//! answer names a link that soon expires.

mod api;
mod event;
mod history;
mod settings;
mod unconfirmed;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use serde_json::json;
use subtle::ConstantTimeEq;

use self::{
    api::{Api, Purpose},
    event::{Event, Kind},
    history::Records,
    settings::Settings,
};
use super::{
    Ability, Command, DecodeError, Decoded, Decoder, Employee, Enquiry, Input, Intake, Page, Pbx,
    PbxError, Provider, Refused, Reply, Request, RouteAnswer, SettingsError, Taken, Tools,
    dialable, fields::Fields, numbers::Numbers, recording::Fetch, secret,
};
use crate::model::{
    event::RecordingSource,
    ids::{AccountName, Extension},
    time::Timestamp,
};

const ABILITIES: &[Ability] = &[
    Ability::Signature,
    Ability::Command,
    Ability::Recording,
    Ability::Routing,
    Ability::History,
];
const NOT_OFFERED: &[Ability] = &[Ability::Pause];

/// Zadarma in the registry.
pub const PROVIDER: Provider = Provider {
    name: "zadarma",
    title: "Zadarma",
    abilities: ABILITIES,
    not_offered: NOT_OFFERED,
    open: |name, table, tools| open(&ZADARMA, name, table, tools),
};

/// Novofon's first API in the registry.
pub const NOVOFON: Provider = Provider {
    name: "novofon",
    title: "Novofon (API 1.0)",
    abilities: ABILITIES,
    not_offered: NOT_OFFERED,
    open: |name, table, tools| open(&NOVOFON_BRAND, name, table, tools),
};

/// What differs between the two names.
struct Brand {
    provider: &'static str,
    api_url: &'static str,
    /// Where files lie.
    hosts: &'static str,
}

static ZADARMA: Brand = Brand {
    provider: PROVIDER.name,
    api_url: "https://api.zadarma.com",
    hosts: ".zadarma.com",
};

static NOVOFON_BRAND: Brand = Brand {
    provider: NOVOFON.name,
    api_url: "https://api.novofon.com",
    hosts: ".novofon.com",
};

/// What happened longer ago than any call lasts is not news: a signature can be used again.
const OLDEST_MS: i64 = 24 * 3_600_000;
/// The shortest time after which a call may come back from a phone; 0 would mean never.
const SHORTEST_RING_S: i64 = 3;
/// Longest name that a phone is given to show.
const LONGEST_NAME: usize = 64;
/// Longest text that the check of the address may have us repeat.
const LONGEST_ECHO: usize = 128;

fn open(
    brand: &'static Brand,
    name: AccountName,
    table: toml::Table,
    tools: Tools,
) -> Result<Arc<dyn Pbx>, SettingsError> {
    let (settings, zone) = super::settings::<Settings>(table)?.whole(brand.api_url, brand.hosts)?;
    let api = Api::new(
        (settings.api_key.clone(), settings.api_secret.clone()),
        &settings.api_url,
        settings.recordings.reach_of(&settings.api_url),
        tools.http,
        settings.limits,
    );
    Ok(Arc::new(Account {
        brand,
        name,
        settings,
        numbers: Arc::new(Numbers::new(tools.plan)),
        zone,
        api,
    }))
}

struct Account {
    brand: &'static Brand,
    name: AccountName,
    settings: Settings,
    numbers: Arc<Numbers>,
    /// The clock on the cabinet's wall.
    zone: TimeZone,
    api: Api,
}

#[async_trait]
impl Pbx for Account {
    fn provider(&self) -> &'static str {
        self.brand.provider
    }

    fn intake(&self) -> Intake {
        Intake::Webhook
    }

    /// The secret path first. What is signed must also be signed well and be of today; what the vendor
    /// does not sign tells nothing of calls.
    fn verify(&self, request: &Request, now: Timestamp) -> Result<(), Refused> {
        // Hashes have one length, so not even the token's length can be measured.
        if !secret::is(request.path.trim_matches('/'), &self.settings.token) {
            return Err(Refused::Token);
        }
        let fields = Fields::read(request).map_err(|_| Refused::Signature)?;
        if echo_of(request, &fields).is_some() || event::is_of_second_channel(&fields) {
            return Ok(());
        }
        let signed = event::signed_text(&fields).ok_or(Refused::Signature)?;
        let headers = request.headers.iter();
        let mut signatures = headers.filter(|(name, _)| name == "signature");
        let (_, given) = signatures.next().ok_or(Refused::Signature)?;
        if !bool::from(self.api.sign(&signed).as_bytes().ct_eq(given.as_bytes())) {
            return Err(Refused::Signature);
        }
        match event::started(&fields, &self.zone, now) {
            Some(at) if at.plus_millis(OLDEST_MS) < now || now.plus_millis(OLDEST_MS) < at => {
                Err(Refused::Stale)
            }
            _ => Ok(()),
        }
    }

    fn secret_path_parts(&self) -> usize {
        1
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(ZadarmaDecoder {
            account: self.name.clone(),
            numbers: Arc::clone(&self.numbers),
            zone: self.zone.clone(),
            routes: self.settings.route_calls,
        })
    }

    /// "No wishes": the call goes on by the scheme of the cabinet.
    fn accepted(&self) -> Reply {
        Reply::json("{}")
    }

    /// One extension, or nobody: the call goes on by the scheme. A group cannot be named here, so the first
    /// target rings alone, and after its time the call is back in the scheme.
    fn format_route(&self, _enquiry: &Enquiry, answer: &RouteAnswer) -> Reply {
        let mut said = serde_json::Map::new();
        let target = answer.targets.first();
        if answer.is_blocked() {
            said.insert("redirect".to_owned(), "blacklist".into());
        } else if let Some(target) = target.and_then(|target| dialable::extension(target).ok()) {
            let ring_s = (answer.ring_ms / 1_000).max(SHORTEST_RING_S);
            said.insert("redirect".to_owned(), target.into());
            said.insert("return_timeout".to_owned(), ring_s.into());
        }
        if let Some(name) = answer
            .display_name
            .as_deref()
            .filter(|_| !answer.is_blocked())
        {
            let visible = name.chars().filter(|letter| !letter.is_control());
            let name: String = visible.take(LONGEST_NAME).collect();
            said.insert("caller_name".to_owned(), name.into());
        }
        Reply {
            body: json!(said).to_string().into(),
            ..Reply::json("")
        }
    }

    /// The link is asked for anew at every attempt: it expires.
    async fn recording(
        &self,
        source: &RecordingSource,
        _now: Timestamp,
    ) -> Result<Fetch, PbxError> {
        let RecordingSource::Api(id) = source else {
            return Err(PbxError::Unsupported);
        };
        self.api.all.take()?;
        let values = [("call_id", id.as_str())];
        Ok(Fetch::Link {
            ask: self.api.request("/v1/pbx/record/request/", &values),
            read: api::link,
            reach: self.settings.recordings.get(String::new(), None).reach,
        })
    }

    /// Rings the employee, then the client. The answer names no call.
    async fn command(&self, command: &Command) -> Result<Taken, PbxError> {
        let Command::ClickToCall {
            extension, client, ..
        } = command;
        let employee = dialable::extension(extension)?;
        // Without the plus, and without `sip`, clients were seen to be shown a wrong line.
        let client = format!("+{}", dialable::digits(client)?);
        let values = [("from", employee), ("sip", employee), ("to", &client)];
        let path = "/v1/request/callback/";
        self.api.ask(Purpose::Command, path, &values).await?;
        Ok(Taken::Perhaps { key: None })
    }

    async fn history(&self, cursor: Option<&str>, now: Timestamp) -> Result<Page, PbxError> {
        let records = Records {
            account: &self.name,
            numbers: &self.numbers,
            zone: &self.zone,
        };
        let first_ms = i64::from(self.settings.history_hours) * 3_600_000;
        records.page(&self.api, cursor, now, first_ms).await
    }

    /// Short numbers; names are not listed.
    async fn employees(&self) -> Result<Vec<Employee>, PbxError> {
        let answer = self
            .api
            .ask(Purpose::List, "/v1/pbx/internal/", &[])
            .await?;
        let employee = |extension: String| Employee {
            extension: Extension::from(extension),
            name: String::new(),
            email: String::new(),
            department: String::new(),
        };
        Ok(api::extensions(&answer)?
            .into_iter()
            .map(employee)
            .collect())
    }
}

/// What the check of the address wants to read again. It is printable, so that nothing else can be made
/// of it.
fn echo_of(request: &Request, fields: &Fields) -> Option<String> {
    let wanted = fields.get("zd_echo").filter(|_| request.method == "GET")?;
    let fits = wanted.len() <= LONGEST_ECHO && wanted.bytes().all(|byte| byte.is_ascii_graphic());
    (fits && fields.get("event").is_none()).then(|| wanted.to_owned())
}

struct ZadarmaDecoder {
    account: AccountName,
    numbers: Arc<Numbers>,
    zone: TimeZone,
    /// Whether the answer to a question is wanted.
    routes: bool,
}

impl Decoder for ZadarmaDecoder {
    fn feed(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let request = match input {
            Input::Request(request) => request,
            Input::Records(rows) => {
                let records = Records {
                    account: &self.account,
                    numbers: &self.numbers,
                    zone: &self.zone,
                };
                return records.read(rows, now, out);
            }
            _ => return Ok(()), // webhooks have no connection to open or close
        };
        let fields = Fields::read(request)?;
        if let Some(echo) = echo_of(request, &fields) {
            out.notes.push("ping");
            out.send = echo.into_bytes();
            return Ok(());
        }
        let Some(kind) = Kind::of(&fields)? else {
            out.ignored.push(event::quiet_name(&fields));
            return Ok(());
        };
        let event = Event::read(kind, &fields, &self.zone, now)?;
        event.tell(&self.account, &self.numbers, now, out)?;
        if self.routes && matches!(kind, Kind::Start | Kind::Menu) {
            let enquiry = event.enquiry(&self.account, &self.numbers, now);
            out.enquiries.push(enquiry);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
