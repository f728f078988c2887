//! Twilio (Programmable Voice): numbers without a PBX. What a call does next it asks of us, as TwiML; so we
//! ring the responsible manager and, if nobody answers, the next one.
//!
//! Vendor's documentation: <https://www.twilio.com/docs/voice> and <https://www.twilio.com/docs/usage/security>.
//! Below the account's hook root there is an address for each kind of message, all signed:
//!
//! * `/voice`: a client calls, what shall be done? `/fallback`: the same, after `/voice` has failed;
//! * `/dial-action`: ringing somebody has ended, what next?
//! * `/leg`: how a phone that we ring fares; `/status`: how the whole call fares;
//! * `/recording`: a recording is ready, or there will be none.
//!
//! ```toml
//! [[pbx]]
//! name = "cedar"
//! type = "twilio"
//! hook_url = "https://calls.example.com/hooks/cedar"   # as entered there: it is signed
//! account_sid = "AC..."
//! auth_token = "env:TWILIO_AUTH_TOKEN"
//! line = "+74950000001"                                # ours, seen by clients after a click
//! otherwise = ["301"]                                  # rings if nobody is responsible
//! [pbx.phones]
//! 301 = "+74950000031"                                 # or "sip:anna@example.sip.twilio.com", "client:anna"
//! ```
//!
//! `docs/providers/twilio.en.md` says what to click there.
//!
//! | File | What |
//! |---|---|
//! | `settings` | the account in the configuration |
//! | `signature` | whether a message is Twilio's |
//! | `event` | what posted messages say |
//! | `twiml` | what we answer and order |
//! | `api` | questions to the REST API |
//! | `history` | past calls of the API |
//! | `unconfirmed` | what nobody has confirmed, and what we do until then |

mod api;
mod event;
mod history;
mod settings;
mod signature;
mod twiml;
mod unconfirmed;

use std::sync::Arc;

use async_trait::async_trait;

use self::{
    api::Api,
    event::{Question, Words},
    settings::Settings,
    signature::Signer,
};
use super::{
    Ability, Command, DecodeError, Decoded, Decoder, Enquiry, Input, Intake, Page, Pbx, PbxError,
    Provider, Refused, Reply, Request, RouteAnswer, SettingsError, Taken, Tools, dialable,
    numbers::Numbers, recording::Fetch,
};
use crate::model::{
    event::RecordingSource,
    ids::{AccountName, CallKey},
    time::Timestamp,
};

/// Twilio in the registry.
pub const PROVIDER: Provider = Provider {
    name: "twilio",
    title: "Twilio",
    abilities: &[
        Ability::Signature,
        Ability::Command,
        Ability::Recording,
        Ability::Routing,
        Ability::History,
    ],
    not_offered: &[Ability::Tracking],
    open,
};

fn open(
    name: AccountName,
    table: toml::Table,
    tools: Tools,
) -> Result<Arc<dyn Pbx>, SettingsError> {
    let settings = Arc::new(super::settings::<Settings>(table)?.whole()?);
    let api = Api::new(&settings, tools.http);
    let words = Words {
        account: name,
        numbers: Numbers::new(tools.plan),
        settings: Arc::clone(&settings),
    };
    Ok(Arc::new(Account {
        signer: Signer::new(&settings),
        words: Arc::new(words),
        settings,
        api,
    }))
}

struct Account {
    settings: Arc<Settings>,
    signer: Signer,
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
        match self.signer.fits(request) {
            true => Ok(()),
            false => Err(Refused::Signature),
        }
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(TwilioDecoder {
            words: Arc::clone(&self.words),
        })
    }

    /// Nothing more to do: of a call that asks, that is its end.
    fn accepted(&self) -> Reply {
        twiml::reply(twiml::NOTHING.to_owned())
    }

    /// Rings whom the answer names; at first, and once more when all others have been tried in vain, whoever
    /// is named for that in the account.
    fn format_route(&self, enquiry: &Enquiry, answer: &RouteAnswer) -> Reply {
        twiml::reply(twiml::route(&self.settings, enquiry, answer))
    }

    async fn recording(
        &self,
        source: &RecordingSource,
        _now: Timestamp,
    ) -> Result<Fetch, PbxError> {
        let RecordingSource::Api(recording) = source else {
            return Err(PbxError::Unsupported);
        };
        self.api.file(recording).map(Fetch::Http)
    }

    /// Rings the employee, then the client. The call's key is that of all its events.
    async fn command(&self, command: &Command) -> Result<Taken, PbxError> {
        let Command::ClickToCall {
            extension, client, ..
        } = command;
        let client = format!("+{}", dialable::digits(client)?);
        let order = twiml::order(&self.settings, extension, &client)?;
        let key = self.api.call(&order).await?;
        Ok(Taken::Perhaps {
            key: Some(CallKey::from(key)),
        })
    }

    async fn history(&self, cursor: Option<&str>, now: Timestamp) -> Result<Page, PbxError> {
        let first_ms = i64::from(self.settings.history_hours) * 3_600_000;
        self.words.page(&self.api, cursor, now, first_ms).await
    }
}

struct TwilioDecoder {
    words: Arc<Words>,
}

impl Decoder for TwilioDecoder {
    fn feed(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        match input {
            Input::Request(request) => match Question::read(request)? {
                Some(question) => self.words.tell(&question, now, out),
                None => {
                    out.ignored.push("unknown_address");
                    Ok(())
                }
            },
            Input::Records(record) => self.words.record(record, now, out).map(|_| ()),
            _ => Ok(()), // webhooks have no connection to open or close
        }
    }
}

#[cfg(test)]
mod tests;
