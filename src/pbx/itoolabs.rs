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
//! api_url = "https://vats000001.megapbx.ru"   # for click-to-call, past calls, files and employees
//! api_key = "env:MEGAFON_API_KEY"
//! ```
//!
//! The cabinet is given `<public_url>/hooks/megafon` as the address of the CRM.
//! `docs/providers/itoolabs.en.md` says what to click there.
//!
//! | File | What |
//! |---|---|
//! | `settings` | the account in the configuration |
//! | `message` | the token in a message |
//! | `event` | what posted messages say |
//! | `past` | the facts of a finished call |
//! | `api` | questions to the PBX with its key |
//! | `history` | the PBX's own records of past calls |
//! | `employees` | who works there |
//! | `unconfirmed` | what nobody has confirmed, and what we do until then |

mod api;
mod employees;
mod event;
mod history;
mod message;
mod past;
mod settings;
mod unconfirmed;

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;

use self::{api::Api, event::Words, settings::Settings};
use super::{
    Ability, Command, DecodeError, Decoded, Decoder, Employee, Enquiry, Input, Intake, Page, Pbx,
    PbxError, Provider, Refused, Reply, Request, RouteAnswer, SettingsError, Taken, Tools,
    dialable, fields::Fields, numbers::Numbers, recording::Fetch, secret,
};
use crate::model::{
    event::RecordingSource,
    ids::{AccountName, CallKey},
    time::Timestamp,
};

/// The family in the registry.
pub const PROVIDER: Provider = Provider {
    name: "itoolabs",
    title: "MegaFon VATS, Gravitel, Dom.ru (ITooLabs)",
    abilities: &[
        Ability::Command,
        Ability::Recording,
        Ability::Routing,
        Ability::History,
    ],
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
    let api = (!settings.api_url.is_empty()).then(|| {
        Api::new(
            settings.api_key.as_str().into(),
            &settings.api_url,
            settings.recordings.reach_of(&settings.api_url),
            tools.http,
            settings.limits,
        )
    });
    Ok(Arc::new(Account {
        api,
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
    /// Without address and key nothing can be asked.
    api: Option<Api>,
}

impl Account {
    fn api(&self) -> Result<&Api, PbxError> {
        self.api.as_ref().ok_or(PbxError::Unsupported)
    }
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
        let fields = Fields::of_body(&request.body).map_err(|_| Refused::Signature)?;
        let token = fields.get(message::TOKEN).ok_or(Refused::Signature)?;
        match secret::is(token, &self.settings.crm_token) {
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

    /// The link of a record. The PBX itself wants its key with it; nobody else gets that.
    async fn recording(
        &self,
        source: &RecordingSource,
        _now: Timestamp,
    ) -> Result<Fetch, PbxError> {
        let RecordingSource::Link(link) = source else {
            return Err(PbxError::Unsupported);
        };
        let request = self.settings.recordings.get(link.clone(), None);
        let Some(api) = self.api.as_ref().filter(|api| api.is_own(link)) else {
            return Ok(Fetch::Http(request));
        };
        api.all.take()?;
        Ok(Fetch::Http(api.keyed(request)))
    }

    /// Rings the employee, then the client.
    async fn command(&self, command: &Command) -> Result<Taken, PbxError> {
        let Command::ClickToCall {
            extension, client, ..
        } = command;
        let (api, phone) = (self.api()?, dialable::digits(client)?);
        let user = self.words.people.login(extension);
        if self.words.person(Some(&user)).is_none() || user.is_empty() {
            return Err(PbxError::Refused("no such login can be".to_owned()));
        }
        let key = match self.settings.legacy_click {
            false => api.make_call(phone, &user).await?,
            true => api.make_call_by_form(phone, &user).await.map(|()| None)?,
        };
        Ok(Taken::Perhaps {
            key: key.map(CallKey::from),
        })
    }

    async fn history(&self, cursor: Option<&str>, now: Timestamp) -> Result<Page, PbxError> {
        let first_ms = i64::from(self.settings.history_hours) * 3_600_000;
        self.words.page(self.api()?, cursor, now, first_ms).await
    }

    async fn employees(&self) -> Result<Vec<Employee>, PbxError> {
        employees::all(self.api()?, &self.words.people).await
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
            Input::Request(request) => self.words.tell(&Fields::of_body(&request.body)?, now, out),
            Input::Records(record) => self.words.record(record, now, out).map(|_| ()),
            _ => Ok(()), // webhooks have no connection to open or close
        }
    }
}

#[cfg(test)]
mod tests;
