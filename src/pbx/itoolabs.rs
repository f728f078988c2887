//! The cloud PBX of ITooLabs, which operators sell under their own names: MegaFon VATS, Gravitel, Dom.ru
//! Business, WestCall, Kcell, Moldcell and others. One protocol ("CRM API"), one address per customer.
//!
//! Vendor's documentation: <https://api.megapbx.ru> (crmapi/v1). Everything is posted to one address, as a
//! form or as JSON; the field `cmd` says what it is:
//!
//! * `event`: a phone rings, was answered, has ended, the client was passed on; tells no time, so the
//!   arrival is the time;
//! * `history`: the record of the finished call, with start and length;
//! * `contact`: who is it that calls, and who is responsible? Answered with a name and an employee's login;
//! * `rating`: the mark that the caller has given; counted, there is no place for it yet.
//!
//! Nothing is signed: a text that both sides know (`crm_token`) stands in every message. It gets neither
//! into the journal nor into a log.
//!
//! An employee is known by the **login**: it stands in every message, the short number only in some. So the
//! login is the "extension" of this account's people, unless `users` names another for it.
//!
//! ```toml
//! [[pbx]]
//! name = "megafon"
//! type = "itoolabs"
//! crm_token = "env:MEGAFON_CRM_TOKEN"      # entered at the PBX: openssl rand -hex 16
//! ```
//!
//! The cabinet is given `<public_url>/hooks/megafon` as the address of the CRM.
//! `docs/providers/itoolabs.en.md` says what to click there.
//!
//! | File | What |
//! |---|---|
//! | `settings` | the account in the configuration |
//! | `message` | the fields of a form or of JSON |
//! | `event` | what posted messages say |
//! | `past` | the facts of a finished call |
//! | `unconfirmed` | what nobody has confirmed, and what we do until then |

mod event;
mod message;
mod past;
mod settings;
mod unconfirmed;

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use self::{event::Words, message::Fields, settings::Settings};
use super::{
    Ability, DecodeError, Decoded, Decoder, Enquiry, Input, Intake, Pbx, Provider, Refused, Reply,
    Request, RouteAnswer, SettingsError, Tools, numbers::Numbers,
};
use crate::model::{ids::AccountName, time::Timestamp};

/// The family in the registry.
pub const PROVIDER: Provider = Provider {
    name: "itoolabs",
    title: "MegaFon VATS, Gravitel, Dom.ru (ITooLabs)",
    abilities: &[Ability::Routing],
    not_offered: &[Ability::Signature, Ability::Tracking],
    open,
};

/// Longest name that a phone is given to show.
const LONGEST_NAME: usize = 64;

fn open(
    name: AccountName,
    table: toml::Table,
    tools: Tools,
) -> Result<Arc<dyn Pbx>, SettingsError> {
    let settings = super::settings::<Settings>(table)?.whole()?;
    Ok(Arc::new(Account {
        words: Words {
            account: name,
            numbers: Numbers::new(tools.plan),
            zone: settings.zone()?,
            people: settings.people.clone(),
            choices: settings.choices,
        }
        .into(),
        settings,
    }))
}

struct Account {
    words: Arc<Words>,
    settings: Settings,
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
        let fields = Fields::read(&request.body).map_err(|_| Refused::Signature)?;
        let token = fields.get(message::TOKEN).ok_or(Refused::Signature)?;
        // Hashes have one length, so not even the token's length can be measured.
        let given = Sha256::digest(token.as_bytes());
        let own = Sha256::digest(self.settings.crm_token.as_bytes());
        match bool::from(given.ct_eq(&own)) {
            true => Ok(()),
            false => Err(Refused::Signature),
        }
    }

    /// The token stands in every body.
    fn kept<'r>(&self, request: &'r Request) -> Cow<'r, Request> {
        Cow::Owned(Request {
            query: String::new(), // says nothing, and somebody may have put the token there
            body: message::without_token(&request.body).into(),
            ..request.clone()
        })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(ItoolabsDecoder {
            words: Arc::clone(&self.words),
        })
    }

    fn accepted(&self) -> Reply {
        Reply::json("{}")
    }

    /// The client's name for the display, and to whom the call goes if the scheme has "to the responsible
    /// employee". Of nobody known it is an empty object: an empty list is said to break the scheme.
    fn format_route(&self, _enquiry: &Enquiry, answer: &RouteAnswer) -> Reply {
        let mut told = serde_json::Map::new();
        if let Some(name) = &answer.display_name {
            let shown = name.chars().filter(|letter| !letter.is_control());
            let shown: String = shown.take(LONGEST_NAME).collect();
            told.insert("contact_name".to_owned(), shown.into());
        }
        // Only one can be named; several who ring at once are a group, which is the scheme's own matter.
        let is_group = answer.together && answer.targets.len() > 1;
        if let Some(target) = answer.targets.first().filter(|_| !is_group) {
            let login = self.words.people.login(target);
            told.insert("responsible".to_owned(), login.into());
        }
        Reply {
            status: 200,
            content_type: "application/json",
            body: serde_json::Value::Object(told).to_string().into(),
        }
    }
}

struct ItoolabsDecoder {
    words: Arc<Words>,
}

impl Decoder for ItoolabsDecoder {
    fn feed(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        match input {
            Input::Request(request) => self.words.tell(&Fields::read(&request.body)?, now, out),
            _ => Ok(()), // webhooks have no connection to open or close
        }
    }
}

#[cfg(test)]
mod tests;
