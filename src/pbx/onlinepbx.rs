//! OnlinePBX.
//!
//! Vendor's documentation: <https://kb.onlinepbx.ru> (web hooks, API). Four events are posted to one address
//! of ours, as JSON or as a form: `call_start`, `call_answered`, `call_missed`, `call_end`. Nothing is signed,
//! so the first part of the path is a secret of ours. Below it, `command` is the address for the scheme's
//! block "HTTP command", which asks who should ring.
//!
//! ```toml
//! [[pbx]]
//! name = "larch-office"
//! type = "onlinepbx"
//! token = "env:ONLINEPBX_TOKEN"       # ours: openssl rand -hex 16
//! domain = "pbx000001.onpbx.ru"
//! api_key = "env:ONLINEPBX_KEY"       # key of the API, from the cabinet
//! ```
//!
//! The cabinet is given `<public_url>/hooks/larch-office/<token>`. `docs/providers/onlinepbx.en.md` says what
//! to click there, and when the description `config/webhook/onlinepbx.toml` is enough.
//!
//! | File | What |
//! |---|---|
//! | `settings` | the account in the configuration |
//! | `event` | what posted messages say |
//! | `api` | questions to the API: the sign-in that it wants first, its refusals |
//! | `history` | the PBX's own records of past calls |
//! | `unconfirmed` | what nobody has confirmed, and what we do until then |

mod api;
mod event;
mod history;
mod settings;
mod unconfirmed;

use std::sync::Arc;

use async_trait::async_trait;

use self::{
    api::{Api, Purpose},
    event::Words,
    settings::Settings,
};
use super::{
    Ability, Command, DecodeError, Decoded, Decoder, Enquiry, Input, Intake, Page, Pbx, PbxError,
    Provider, Refused, Reply, Request, RouteAnswer, SettingsError, Taken, Tools, dialable,
    fields::Fields, numbers::Numbers, recording::Fetch, secret, webhook::answers::Route,
};
use crate::model::{
    event::RecordingSource,
    ids::{AccountName, CallKey},
    time::Timestamp,
};

/// OnlinePBX in the registry.
pub const PROVIDER: Provider = Provider {
    name: "onlinepbx",
    title: "OnlinePBX",
    abilities: &[
        Ability::Command,
        Ability::Recording,
        Ability::Routing,
        Ability::History,
    ],
    not_offered: &[Ability::Signature, Ability::Tracking],
    open,
};

/// What stands below the secret in the address for questions.
const COMMAND: &str = "command";

fn open(
    name: AccountName,
    table: toml::Table,
    tools: Tools,
) -> Result<Arc<dyn Pbx>, SettingsError> {
    let (settings, route) = super::settings::<Settings>(table)?.whole()?;
    let api = Api::new(
        settings.api_key.as_str().into(),
        &format!(
            "{}/{}",
            settings.api_url.trim_end_matches('/'),
            settings.domain
        ),
        settings.recordings.reach_of(&settings.api_url),
        tools.http,
        settings.limits,
    );
    let words = Words {
        account: name,
        numbers: Numbers::new(tools.plan),
        choices: settings.choices,
        asks: route.is_some(),
    };
    Ok(Arc::new(Account {
        settings,
        route,
        words: Arc::new(words),
        api,
    }))
}

struct Account {
    settings: Settings,
    /// How the block "HTTP command" is answered, where that is known.
    route: Option<Route>,
    words: Arc<Words>,
    api: Api,
}

#[async_trait]
impl Pbx for Account {
    fn provider(&self) -> &'static str {
        PROVIDER.name
    }

    fn intake(&self) -> Intake {
        Intake::Webhook
    }

    fn verify(&self, request: &Request, _now: Timestamp) -> Result<(), Refused> {
        match secret::opens(request, &self.settings.token) && request.method == "POST" {
            true => Ok(()),
            false => Err(Refused::Token),
        }
    }

    fn secret_path_parts(&self) -> usize {
        1
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(OnlinePbxDecoder {
            words: Arc::clone(&self.words),
        })
    }

    /// As the account describes it. What cannot be written so says nothing: the scheme goes on.
    fn format_route(&self, enquiry: &Enquiry, answer: &RouteAnswer) -> Reply {
        let reply = self
            .route
            .as_ref()
            .and_then(|route| route.reply(enquiry, answer).ok());
        reply.unwrap_or_else(|| self.accepted())
    }

    /// The link is asked for anew at every attempt: it soon expires.
    async fn recording(
        &self,
        source: &RecordingSource,
        _now: Timestamp,
    ) -> Result<Fetch, PbxError> {
        let RecordingSource::Api(call) = source else {
            return self.settings.recordings.fetch(source);
        };
        let values = [("uuid", call.as_str()), ("download", "1")];
        let link = self
            .api
            .ask(Purpose::Record, history::PATH, &values)
            .await?;
        let link = link.as_str().filter(|link| !link.is_empty());
        let link = link.ok_or(PbxError::NotThere)?;
        Ok(Fetch::Http(
            self.settings.recordings.get(link.to_owned(), None),
        ))
    }

    /// Rings the employee, then the client.
    async fn command(&self, command: &Command) -> Result<Taken, PbxError> {
        let Command::ClickToCall {
            extension, client, ..
        } = command;
        let employee = dialable::extension(extension)?;
        let client = dialable::digits(client)?;
        let mut values = vec![("from", employee), ("to", client)];
        if !self.settings.line.is_empty() {
            values.push(("gate_to", &self.settings.line));
        }
        let taken = self.api.ask(Purpose::Command, "call/now", &values).await?;
        let key = taken["uuid"].as_str().filter(|key| event::is_key(key));
        Ok(Taken::Perhaps {
            key: key.map(CallKey::from),
        })
    }

    async fn history(&self, cursor: Option<&str>, now: Timestamp) -> Result<Page, PbxError> {
        let first_ms = i64::from(self.settings.history_hours) * 3_600_000;
        self.words.page(&self.api, cursor, now, first_ms).await
    }
}

struct OnlinePbxDecoder {
    words: Arc<Words>,
}

impl Decoder for OnlinePbxDecoder {
    fn feed(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        match input {
            Input::Request(request) => {
                let fields = Fields::read(request)?;
                match secret::split_path(&request.path) {
                    (_, "") => self.words.tell(&fields, now, out),
                    (_, COMMAND) => self.words.ask(&fields, now, out),
                    _ => {
                        out.ignored.push("unknown_address");
                        Ok(())
                    }
                }
            }
            Input::Records(record) => self.words.record(record, now, out).map(|_| ()),
            _ => Ok(()), // webhooks have no connection to open or close
        }
    }
}

#[cfg(test)]
mod tests;
