//! Any PBX that posts what happens, described in its account's table and nowhere else: there is no word of a
//! vendor here. `config/webhook/` has descriptions that work, `docs/providers/webhook.en.md` says how to
//! write one.
//!
//! Every message is a GET or POST below `/hooks/<account>/[<token>/]`, with a form, a query or JSON. It is
//! let in by the token, by a signature or by both; the first rule whose path and values fit says what it
//! means. Past calls are not read: there are as many ways as there are PBXes.
//!
//! | File | What |
//! |---|---|
//! | `settings`, `parts`, `answers` | the description, checked, with every problem told by its key |
//! | `place`, `clock` | where values stand, and how times are written |
//! | `signature` | who may post |
//! | `event` | what messages mean |
//! | `template` | text with values in it that cannot break out |

pub(super) mod answers;
mod clock;
mod event;
mod parts;
mod place;
mod settings;
mod signature;
mod template;

use std::{borrow::Cow, sync::Arc, time::Duration};

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::time::timeout;

use self::{
    answers::{Click, Headers},
    event::Event,
    place::{Body, Fields},
    settings::Dialect,
    signature::Signature,
};
use super::{
    Ability, Command, DecodeError, Decoded, Decoder, Enquiry, Input, Intake, Pbx, PbxError,
    Provider, Refused, Reply, Request, RouteAnswer, SettingsError, Taken, Tools, budget::Budget,
    dialable, numbers::Numbers, recording::Fetch, secret,
};
use crate::{
    http,
    model::{
        event::RecordingSource,
        ids::{AccountName, CallKey},
        time::Timestamp,
    },
};

/// The generic webhook in the registry.
pub const PROVIDER: Provider = Provider {
    name: "webhook",
    title: "Any PBX, by description",
    abilities: &[
        Ability::Signature,
        Ability::Command,
        Ability::Recording,
        Ability::Routing,
        Ability::Tracking,
    ],
    not_offered: &[Ability::History, Ability::Pause],
    open,
};

/// How long a person who has clicked may be kept waiting.
const CLICK_PATIENCE: Duration = Duration::from_secs(10);
/// What stands for a secret in the journal.
const HIDDEN: &str = "-";
/// Largest answer to an order that is read.
const LARGEST_ANSWER: u64 = 256 * 1024;

fn open(
    name: AccountName,
    table: toml::Table,
    tools: Tools,
) -> Result<Arc<dyn Pbx>, SettingsError> {
    let dialect =
        Dialect::read(table).map_err(|problems| SettingsError::Unusable(problems.join("; ")))?;
    let every_ms = dialect.click.as_ref().map_or(0, |click| click.every_ms);
    Ok(Arc::new(Account {
        name,
        dialect: Arc::new(dialect),
        numbers: Arc::new(Numbers::new(tools.plan)),
        http: tools.http,
        clicks: Budget::every_ms(every_ms),
    }))
}

struct Account {
    name: AccountName,
    dialect: Arc<Dialect>,
    numbers: Arc<Numbers>,
    http: http::Client,
    clicks: Budget,
}

impl Account {
    fn has_token(&self, path: &str) -> bool {
        let (given, _) = secret::split_path(path);
        let token = self.dialect.token.as_ref();
        token.is_none_or(|token| secret::is(given, token))
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
        let dialect = &self.dialect;
        if !self.has_token(&request.path) || !dialect.methods.contains(&request.method) {
            return Err(Refused::Token);
        }
        let Some(signature) = &dialect.signature else {
            return Ok(());
        };
        // What cannot be read may be authentic all the same, where the signature is over the body.
        let fields = dialect.fields(request).unwrap_or_default();
        match signature.fits(request, &fields) {
            true => Ok(()),
            false => Err(Refused::Signature),
        }
    }

    fn secret_path_parts(&self) -> usize {
        usize::from(self.dialect.token.is_some())
    }

    fn kept<'r>(&self, request: &'r Request) -> Cow<'r, Request> {
        let signature = self.dialect.signature.as_ref();
        match signature.and_then(Signature::shown_secret) {
            None => Cow::Borrowed(request),
            Some(secret) => Cow::Owned(Request {
                query: request.query.replace(secret, HIDDEN),
                body: without(&request.body, secret).into(),
                ..request.clone()
            }),
        }
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(DescribedDecoder {
            account: self.name.clone(),
            dialect: Arc::clone(&self.dialect),
            numbers: Arc::clone(&self.numbers),
        })
    }

    fn accepted(&self) -> Reply {
        self.dialect.answer.0.clone()
    }

    fn format_route(&self, enquiry: &Enquiry, answer: &RouteAnswer) -> Reply {
        let Some(route) = &self.dialect.route else {
            return self.accepted();
        };
        // A value that fits nowhere is no reason to keep the caller waiting.
        let reply = route.reply(enquiry, answer);
        reply.unwrap_or_else(|_| self.accepted())
    }

    async fn recording(
        &self,
        source: &RecordingSource,
        _now: Timestamp,
    ) -> Result<Fetch, PbxError> {
        let RecordingSource::Api(id) = source else {
            return self.dialect.recordings.fetch(source);
        };
        let asked = self.dialect.file_request.as_ref();
        let asked = asked.ok_or(PbxError::Unsupported)?;
        let value = |name: &str| match name {
            "recording" => Some(id.clone()),
            name => asked.secrets.get(name).cloned(),
        };
        let mut request = self.dialect.recordings.get(asked.url.fill(value)?, None);
        request.headers = filled(&asked.headers, value)?;
        Ok(Fetch::Http(request))
    }

    /// Orders a call, and reads from the answer whether the order was taken and how the call is called.
    async fn command(&self, command: &Command) -> Result<Taken, PbxError> {
        let click = self.dialect.click.as_ref();
        let click = click.ok_or(PbxError::Unsupported)?;
        let mut request = order(click, command)?;
        request.reach = self.dialect.recordings.reach_of(&click.base);
        let asking = async {
            self.clicks.wait(CLICK_PATIENCE).await?;
            let answer = self.http.ask(&request, LARGEST_ANSWER).await;
            answer.map_err(|error| PbxError::of_http(&error))
        };
        let answer = timeout(CLICK_PATIENCE, asking)
            .await
            .unwrap_or(Err(PbxError::Unreachable))?;
        match answer.status {
            200..=299 => taken(click, answer.body),
            429 => Err(PbxError::Throttled {
                retry_after: answer.retry_after.unwrap_or(Duration::from_secs(10)),
            }),
            408 | 500.. => Err(PbxError::Unreachable),
            status => Err(PbxError::Refused(format!("status {status}"))),
        }
    }
}

impl Dialect {
    fn fields(&self, request: &Request) -> Result<Fields, DecodeError> {
        Fields::read(request, self.body, self.json_field.as_deref())
    }

    /// What stands behind the token in a path.
    fn below<'a>(&self, path: &'a str) -> &'a str {
        let path = path.trim_matches('/');
        match self.token {
            Some(_) => path.split_once('/').map_or("", |(_, below)| below),
            None => path,
        }
    }
}

/// The request that orders this call.
fn order(click: &Click, command: &Command) -> Result<http::Request, PbxError> {
    let Command::ClickToCall {
        command,
        extension,
        client,
    } = command;
    let (employee, digits) = (dialable::extension(extension)?, dialable::digits(client)?);
    let value = |name: &str| match name {
        "extension" => Some(employee.to_owned()),
        "client" => Some(digits.to_owned()),
        "client_e164" => Some(client.clone()),
        "command" => Some(command.clone()),
        name => click.secrets.get(name).cloned(),
    };
    let form = click.form.as_ref().map(|form| {
        let fields = form
            .iter()
            .map(|(name, text)| Ok((name.clone(), text.fill(value)?)));
        fields.collect::<Result<_, PbxError>>()
    });
    let json = click.json.as_ref().map(|json| json.fill(value));
    Ok(http::Request {
        url: click.url.fill(value)?,
        form: form.transpose()?,
        json: json.transpose()?,
        headers: filled(&click.headers, value)?,
        ..http::Request::default()
    })
}

fn filled(
    headers: &Headers,
    value: impl Fn(&str) -> Option<String> + Copy,
) -> Result<Vec<(String, SecretString)>, PbxError> {
    let filled = headers.iter().map(|(name, text)| {
        let text = text.fill(value)?;
        Ok((name.clone(), SecretString::from(text)))
    });
    filled.collect()
}

/// What the answer to an order says. A call whose key is not told is known by employee, client and time.
fn taken(click: &Click, body: Vec<u8>) -> Result<Taken, PbxError> {
    let answer = Request {
        method: String::new(),
        path: String::new(),
        query: String::new(),
        headers: Vec::new(),
        body: body.into(),
        remote: String::new(),
    };
    let fields = Fields::read(&answer, Body::Auto, None);
    let unreadable = |_| PbxError::Unreadable("it is neither JSON nor a form");
    let fields = match &click.success {
        None => fields.ok(),
        Some(success) => {
            let fields = fields.map_err(unreadable)?;
            if !success.is_told(&fields) {
                return Err(PbxError::Refused(
                    "the PBX did not take the order".to_owned(),
                ));
            }
            Some(fields)
        }
    };
    let key = fields.zip(click.call.as_ref());
    let key = key.and_then(|(fields, place)| fields.get(place));
    Ok(Taken::Perhaps {
        key: key.map(CallKey::from),
    })
}

/// The bytes without a secret.
fn without(bytes: &[u8], secret: &str) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for at in memchr::memmem::find_iter(bytes, secret) {
        kept.extend_from_slice(&bytes[from..at]);
        kept.extend_from_slice(HIDDEN.as_bytes());
        from = at + secret.len();
    }
    kept.extend_from_slice(&bytes[from..]);
    kept
}

struct DescribedDecoder {
    account: AccountName,
    dialect: Arc<Dialect>,
    numbers: Arc<Numbers>,
}

impl Decoder for DescribedDecoder {
    fn feed(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let Input::Request(request) = input else {
            return Ok(()); // webhooks have no connection to open or close
        };
        let dialect = &*self.dialect;
        let fields = dialect.fields(request)?;
        let path = dialect.below(&request.path);
        let Some(rule) = dialect.rules.iter().find(|rule| rule.fits(path, &fields)) else {
            out.ignored.push("undescribed");
            return Ok(());
        };
        let event = Event {
            dialect,
            rule,
            fields: &fields,
            numbers: &self.numbers,
            account: &self.account,
            now,
        };
        event.tell(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::phone::NumberingPlan;

    #[test]
    fn a_secret_that_comes_in_a_field_is_not_kept() {
        let settings = "signature = { scheme = 'token', secret = 'maple-secret', at = 'key' }\n\
                        [fields]\ncall = 'id'\n[[events]]\nis = 'started'";
        let tools = Tools::of_tests(NumberingPlan::default());
        let pbx = open("pbx".into(), settings.parse().unwrap(), tools).unwrap();
        let request = Request {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: "key=maple-secret&id=7".to_owned(),
            headers: Vec::new(),
            body: "a=maple-secret&b=maple-secret".into(),
            remote: "192.0.2.1".to_owned(),
        };
        assert_eq!(pbx.verify(&request, Timestamp::default()), Ok(()));
        let kept = pbx.kept(&request);
        assert_eq!((&*kept.query, &*kept.body), ("key=-&id=7", &b"a=-&b=-"[..]));
    }

    #[test]
    fn an_answer_that_does_not_say_success_is_no_success() {
        let settings = "token = 'a-token-long-enough'\n[fields]\ncall = 'id'\n\
                        [[events]]\nis = 'started'\n[click]\nurl = 'https://a.example/{client}'\n\
                        call = '/data/id'\nsuccess = { at = 'status', is = ['1', 'ok'] }";
        let dialect =
            Dialect::read(settings.parse().unwrap()).unwrap_or_else(|told| panic!("{told:?}"));
        let click = dialect.click.unwrap();
        let taken = |answer: &str| taken(&click, answer.as_bytes().to_vec());
        let Ok(Taken::Perhaps { key }) = taken(r#"{"status":"1","data":{"id":77}}"#) else {
            panic!("it was taken");
        };
        assert_eq!(key, Some("77".into()));
        assert!(matches!(
            taken(r#"{"status":"ok"}"#),
            Ok(Taken::Perhaps { key: None })
        ));
        assert!(matches!(
            taken(r#"{"status":"0"}"#),
            Err(PbxError::Refused(_))
        ));
        assert!(matches!(taken("<html>"), Err(PbxError::Refused(_))));
        assert!(matches!(
            taken(r#"{"status":"#),
            Err(PbxError::Unreadable(_))
        ));
    }
}
