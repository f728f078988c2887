//! Asks the PBX's API: with the key in a header, or (older PBXes, for clicks) with a form; its answers.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::unconfirmed::{ALL_EVERY_MS, HISTORY_EVERY_MS};
use crate::{
    http::{Client, Reach, Request, Whole},
    pbx::{
        PbxError, asking,
        asking::{CLICK_PATIENCE, WORK_PATIENCE, good},
        budget::Budget,
    },
};

/// How long to wait where the PBX says "too often" and not how long.
const TOO_OFTEN: Duration = Duration::from_secs(10);
/// The header of the key.
const KEY: &str = "x-api-key";

/// How often one PBX may be asked: table `limits` of the account.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Any two requests, in milliseconds.
    all_every_ms: u64,
    /// Two questions for past calls.
    history_every_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            all_every_ms: ALL_EVERY_MS,
            history_every_ms: HISTORY_EVERY_MS,
        }
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Past calls.
    History,
    /// Somebody at the machine wants a list.
    List,
}

/// One PBX.
pub struct Api {
    key: SecretString,
    base: String,
    reach: Reach,
    http: Client,
    pub all: Budget,
    history: Budget,
}

impl Api {
    /// Asks below `base` with this key.
    pub fn new(key: SecretString, base: &str, reach: Reach, http: Client, limits: Limits) -> Self {
        Self {
            key,
            base: base.trim_end_matches('/').to_owned(),
            reach,
            http,
            all: Budget::every_ms(limits.all_every_ms),
            history: Budget::every_ms(limits.history_every_ms),
        }
    }

    /// Whether this link leads to the PBX itself, which wants the key with it.
    pub fn is_own(&self, link: &str) -> bool {
        let origin = |url: &str| reqwest::Url::parse(url).ok().map(|url| url.origin());
        origin(link).is_some_and(|own| Some(own) == origin(&self.base))
    }

    /// The key as the request's own header.
    pub fn keyed(&self, request: Request) -> Request {
        Request {
            key: Some((KEY, self.key.clone())),
            ..request
        }
    }

    fn request(&self, path: &str) -> Request {
        Request {
            url: format!("{}/{path}", self.base),
            reach: self.reach.clone(),
            ..Request::default()
        }
    }

    /// Asks for something that is there: `crmapi/v1/...`.
    pub async fn get(&self, purpose: Purpose, path: &str) -> Result<Vec<u8>, PbxError> {
        let request = self.keyed(self.request(&format!("crmapi/v1/{path}")));
        let budgets: &[&Budget] = match purpose {
            Purpose::History => &[&self.history, &self.all],
            Purpose::List => &[&self.all],
        };
        asking::ask(&self.http, &request, budgets, WORK_PATIENCE, read).await
    }

    /// `POST crmapi/v1/makecall`: rings the employee, then the client. Gives the key that events will have.
    pub async fn make_call(&self, phone: &str, user: &str) -> Result<Option<String>, PbxError> {
        let request = self.keyed(Request {
            json: Some(json!({"phone": phone, "user": user}).to_string()),
            ..self.request("crmapi/v1/makecall")
        });
        let body = asking::ask(&self.http, &request, &[&self.all], CLICK_PATIENCE, read).await?;
        let told: Value = serde_json::from_slice(&body)
            .map_err(|_| PbxError::Unreadable("an answer to an order that is no JSON"))?;
        Ok(match &told["callid"] {
            Value::String(id) if !id.is_empty() && id.len() <= 128 => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        })
    }

    /// The same at older PBXes: `cmd=makeCall` of `sys/crm_api.wcgp`. A refusal says `error`; a yes may say
    /// nothing at all.
    pub async fn make_call_by_form(&self, phone: &str, user: &str) -> Result<(), PbxError> {
        let fields = [
            ("cmd", "makeCall"),
            ("phone", phone),
            ("user", user),
            ("token", self.key.expose_secret()),
        ];
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let request = Request {
            form: Some(fields.map(own).into()),
            ..self.request("sys/crm_api.wcgp")
        };
        let body = asking::ask(&self.http, &request, &[&self.all], CLICK_PATIENCE, read).await?;
        let text = body.trim_ascii();
        if text.starts_with(b"{") {
            let told: Value = serde_json::from_slice(text)
                .map_err(|_| PbxError::Unreadable("an answer to an order that breaks off"))?;
            return match told.get("error") {
                None => Ok(()),
                Some(_) => Err(PbxError::Refused(
                    "the order to call was not taken".to_owned(),
                )),
            };
        }
        match text.starts_with(b"<") {
            true => Err(PbxError::Unreadable("a page instead of an answer")),
            false => Ok(()),
        }
    }
}

/// A refusal says why in words that may hold numbers, so only its status is told on.
fn read(answer: Whole) -> Result<Vec<u8>, PbxError> {
    match answer.status {
        // Seen at one operator, for past calls.
        501 => Err(PbxError::Refused(
            "this PBX does not offer it (501)".to_owned(),
        )),
        _ => good(answer, TOO_OFTEN).map(|answer| answer.body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pbx_itself_gets_its_key() {
        let http = Client::new(&crate::http::Settings::default()).unwrap();
        let base = "https://vats.example.org/";
        let api = Api::new("k".into(), base, Reach::default(), http, Limits::default());
        assert!(api.is_own("https://vats.example.org/api/records/1.mp3"));
        for other in [
            "http://vats.example.org/1.mp3",
            "https://vats.example.org:8443/1.mp3",
            "https://vats.example.org.evil.example/1.mp3",
            "https://other.example.org/1.mp3",
            "1.mp3",
        ] {
            assert!(!api.is_own(other), "{other}");
        }
    }
}
