//! sipgate.io, and any PBX that speaks its push dialect.
//!
//! Vendor's documentation: <https://www.sipgate.io> and <https://api.sipgate.com/v2/doc>. What the events say
//! stands in `push`. Every event is signed with a key that sipgate has for all its customers, so the first
//! part of the path is a secret of ours besides. A call that was forwarded goes on under a new `callId`, with
//! the first one in `origCallId`: that is the call's key.
//!
//! The answer to a new call says where its answer and its end are to be told (without that they are not), and
//! with `route_calls` whose phones ring, by their numbers. For how long one rings it cannot say, so whoever
//! would be next rings with the first one. A click to call is `POST /sessions/calls`. Past calls, and where
//! their recordings are, are asked of the same API.
//!
//! ```toml
//! [[pbx]]
//! name = "berlin"
//! type = "sipgate"
//! token = "env:SIPGATE_PATH_TOKEN"            # ours: openssl rand -hex 16
//! hook_url = "https://ring.example.com/hooks/berlin"
//! api_token_id = "token-A1B2C3"               # a personal access token: clicks, past calls, recordings
//! api_token = "env:SIPGATE_API_TOKEN"
//! [pbx.users]
//! w0 = "201"                                  # sipgate's ids, and the short numbers here
//! [pbx.phones]
//! 201 = "+74950000041"                        # the number that rings somebody
//! ```
//!
//! sipgate is given `<hook_url>/<token>` for calls in both directions.
//! `docs/providers/sipgate.en.md` says what to click there.
//!
//! | File | What |
//! |---|---|
//! | `signature` | whether sipgate has signed |
//! | `answers` | what is answered, in XML |
//! | `api` | questions to the REST API |
//! | `history` | past calls, and where their recordings are |
//! | `unconfirmed` | what nobody has confirmed, and what we do until then |

mod answers;
mod api;
mod history;
mod signature;
mod unconfirmed;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde::Deserialize;

use self::{answers::Answers, api::Api, history::Records, signature::Key, unconfirmed::Choices};
use super::{
    Ability, Command, DecodeError, Decoded, Decoder, Enquiry, Input, Intake, Page, Pbx, PbxError,
    Provider, Refused, Reply, Request, RouteAnswer, SettingsError, Taken, Tools, dialable,
    fields::Fields,
    intake,
    numbers::Numbers,
    people::People,
    push::Words,
    recording::{Fetch, RecordingSettings},
    secret,
};
use crate::model::{
    event::RecordingSource,
    ids::{AccountName, Extension},
    time::Timestamp,
};

/// sipgate in the registry.
pub const PROVIDER: Provider = Provider {
    name: "sipgate",
    title: "sipgate.io",
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

/// The account's table in the configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The secret part of the path given to sipgate: letters, digits, `-` and `_`.
    token: String,
    /// The account's address as sipgate reaches it, up to `/hooks/<name>`: answers name it.
    hook_url: String,
    /// The key that checks signatures, as `-----BEGIN PUBLIC KEY-----` has it; none: that of sipgate.
    #[serde(default)]
    public_key: String,
    /// Short numbers of people by sipgate's words for them: user ids, names or numbers.
    #[serde(default)]
    users: People,
    /// Numbers that ring somebody, E.164, by short numbers.
    #[serde(default)]
    phones: BTreeMap<String, String>,
    /// Whether the answer to a new call says who rings.
    #[serde(default)]
    route_calls: bool,
    /// A personal access token of the API; without it nothing is asked.
    #[serde(default)]
    api_token_id: String,
    #[serde(default)]
    api_token: String,
    #[serde(default = "default_api_url")]
    api_url: String,
    /// How often the API may be asked: any two requests, in milliseconds.
    #[serde(default = "default_ask_every_ms")]
    ask_every_ms: u64,
    /// Whether the API may lie in a private network.
    #[serde(default)]
    private_network: bool,
    /// How far back past calls are read when the account is new, in hours.
    #[serde(default = "default_history_hours")]
    history_hours: u16,
    /// Which hosts give recordings; empty: sipgate's own.
    #[serde(default)]
    recordings: RecordingSettings,
    /// What nobody has confirmed.
    #[serde(default)]
    unconfirmed: Choices,
}

fn default_api_url() -> String {
    "https://api.sipgate.com/v2".to_owned()
}

fn default_history_hours() -> u16 {
    24
}

fn default_ask_every_ms() -> u64 {
    unconfirmed::ASK_EVERY_MS
}

impl Settings {
    fn check(&self) -> Result<(), SettingsError> {
        secret::check_token(&self.token)?;
        self.users.check()?;
        if let Some((person, number)) = self
            .phones
            .iter()
            .find(|(_, number)| dialable::digits(number).is_err())
        {
            let text = format!("phones: {number} of {person} is no number with a plus");
            return Err(SettingsError::Unusable(text));
        }
        intake::check_hook_url(&self.hook_url, "sipgate")?;
        match self.api_token_id.is_empty() == self.api_token.is_empty() {
            true => Ok(()),
            false => {
                let text = "api_token_id and api_token belong together: both or none";
                Err(SettingsError::Unusable(text.to_owned()))
            }
        }
    }

    /// Where files may come from: what is asked may answer itself.
    fn files(&self) -> RecordingSettings {
        let mut files = self.recordings.clone();
        files.come_from(unconfirmed::HOSTS);
        files.url = Some(self.api_url.clone());
        files.private_network |= self.private_network;
        files
    }

    fn api(&self, tools: &Tools) -> Option<Api> {
        (!self.api_token.is_empty()).then(|| {
            Api::new(
                (&self.api_token_id, &self.api_token),
                &self.api_url,
                self.files().reach_of(&self.api_url),
                tools.http.clone(),
                self.ask_every_ms,
            )
        })
    }
}

fn open(
    name: AccountName,
    table: toml::Table,
    tools: Tools,
) -> Result<Arc<dyn Pbx>, SettingsError> {
    let mut settings: Settings = super::settings(table)?;
    settings.check()?;
    for (person, number) in &settings.phones {
        // As `answeringNumber` has it.
        settings.users.also(number.trim_start_matches('+'), person);
    }
    let key = match settings.public_key.as_str() {
        "" => Key::read(unconfirmed::PUBLIC_KEY)?,
        own => Key::read(own)?,
    };
    let hook = settings.hook_url.trim_end_matches('/');
    Ok(Arc::new(Account {
        key,
        api: settings.api(&tools),
        files: settings.files(),
        history_hours: settings.history_hours,
        answers: Answers {
            address: format!("{hook}/{}", settings.token),
            phones: settings.phones,
        },
        words: Arc::new(Words {
            account: name,
            numbers: Numbers::new(tools.plan),
            people: settings.users,
            names: &["userId", "user"],
            keys: &["callId"],
            whole_numbers: true,
            goes_on: true,
            routes: settings.route_calls,
            choices: settings.unconfirmed.of_events(),
        }),
        choices: Arc::new(settings.unconfirmed),
        token: settings.token,
    }))
}

struct Account {
    words: Arc<Words>,
    choices: Arc<Choices>,
    token: String,
    key: Key,
    answers: Answers,
    /// Without a token nothing can be asked.
    api: Option<Api>,
    files: RecordingSettings,
    history_hours: u16,
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

    /// The secret path first: it costs nothing to say no to a stranger.
    fn verify(&self, request: &Request, _now: Timestamp) -> Result<(), Refused> {
        match secret::opens(request, &self.token) {
            false => Err(Refused::Token),
            true if self.key.fits(request) => Ok(()),
            true => Err(Refused::Signature),
        }
    }

    fn secret_path_parts(&self) -> usize {
        1
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(SipgateDecoder {
            words: Arc::clone(&self.words),
            choices: Arc::clone(&self.choices),
        })
    }

    fn accepted(&self) -> Reply {
        self.answers.goes_on()
    }

    fn format_route(&self, _enquiry: &Enquiry, answer: &RouteAnswer) -> Reply {
        self.answers.route(answer)
    }

    /// Rings the employee's number or device, then the client. Which call that makes the answer does not say.
    async fn command(&self, command: &Command) -> Result<Taken, PbxError> {
        let Command::ClickToCall {
            extension, client, ..
        } = command;
        let api = self.api()?;
        let callee = format!("+{}", dialable::digits(client)?);
        let own = Extension::from(self.words.people.login(extension));
        let caller = match self.answers.phones.get(extension.as_str()) {
            Some(number) => number,
            None => dialable::extension(&own)?,
        };
        api.call(caller, &callee).await?;
        Ok(Taken::Perhaps { key: None })
    }

    /// Nobody has told for how long a link is good, so it is asked for anew.
    async fn recording(
        &self,
        source: &RecordingSource,
        _now: Timestamp,
    ) -> Result<Fetch, PbxError> {
        let api = self.api()?;
        let link = match source {
            RecordingSource::Api(file) => history::link(api, file).await?,
            RecordingSource::Link(link) => link.clone(),
            RecordingSource::File(_) => return Err(PbxError::Unsupported),
        };
        let key = api.authorization_for(&link);
        Ok(Fetch::Http(self.files.get(link, key)))
    }

    async fn history(&self, cursor: Option<&str>, now: Timestamp) -> Result<Page, PbxError> {
        let first_ms = i64::from(self.history_hours) * 3_600_000;
        let records = Records {
            words: &self.words,
            choices: &self.choices,
        };
        records.page(self.api()?, cursor, now, first_ms).await
    }
}

struct SipgateDecoder {
    words: Arc<Words>,
    choices: Arc<Choices>,
}

impl Decoder for SipgateDecoder {
    fn feed(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        match input {
            Input::Request(request) => self.words.tell(&Fields::of_body(&request.body)?, now, out),
            Input::Records(raw) => {
                let records = Records {
                    words: &self.words,
                    choices: &self.choices,
                };
                records.read(raw, now, out)
            }
            _ => Ok(()), // webhooks have no connection to open or close
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::phone::NumberingPlan;

    const TABLE: &str = "token = 'Linden-token-of-the-path'\n\
        hook_url = 'https://calls.example.org/hooks/linden'\n\
        api_token_id = 'id'\napi_token = 'linden'\nphones = { 301 = '+74950000041' }\n";

    fn open_with(from: &str, to: &str) -> Result<Arc<dyn Pbx>, SettingsError> {
        let table = TABLE.replace(from, to).parse().unwrap();
        open(
            "berlin".into(),
            table,
            Tools::of_tests(NumberingPlan::default()),
        )
    }

    #[test]
    fn an_account_that_cannot_work_is_refused_with_its_key() {
        assert!(open_with("", "").is_ok());
        for (from, to, key) in [
            ("Linden-token-of-the-path", "short", "token"),
            ("https://calls", "calls", "hook_url"),
            ("https://calls", "ftp://calls", "hook_url"),
            ("/linden'", "/linden#a'", "hook_url"),
            ("api_token = 'linden'", "", "api_token"),
            ("+74950000041", "301", "phones"),
        ] {
            let Err(SettingsError::Unusable(text)) = open_with(from, to) else {
                panic!("{to} can be used");
            };
            assert!(text.contains(key), "{text}");
        }
    }

    /// The token is shown at sipgate's own hosts, as safely as the API is asked, and nowhere else.
    #[tokio::test]
    async fn a_listed_link_gets_the_token_at_home_only() {
        let pbx = open_with("phones", "unconfirmed = { takes_links = true }\nphones").unwrap();
        let authorized = async |link: &str| {
            let source = RecordingSource::Link(link.to_owned());
            match pbx.recording(&source, Timestamp::default()).await {
                Ok(Fetch::Http(request)) => request.authorization.is_some(),
                other => panic!("{link}: {other:?}"),
            }
        };
        assert!(authorized("https://api.sipgate.com/v2/files/1.mp3").await);
        assert!(authorized("https://secure.sipgate.com/1.mp3").await);
        for elsewhere in [
            "http://api.sipgate.com/1.mp3",
            "https://sipgate.com.example.org/1.mp3",
            "https://notsipgate.com/1.mp3",
            "https://files.example.org/api.sipgate.com/1.mp3",
        ] {
            assert!(!authorized(elsewhere).await, "{elsewhere}");
        }
    }
}
