//! Asks the API. It wants a sign-in first: the key of the cabinet is exchanged for a pair of keys, which is
//! kept and shown with every question until the API no longer takes it.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::unconfirmed::{ALL_EVERY_MS, HISTORY_EVERY_MS};
use crate::{
    http::{Client, Reach, Request, Whole},
    pbx::{
        PbxError,
        asking::{self, CLICK_PATIENCE, WORK_PATIENCE},
        budget::Budget,
    },
};

/// How long "too often" is taken to mean where it is not said.
const TOO_OFTEN: Duration = Duration::from_secs(30);
/// The header of the pair.
const PAIR: &str = "x-pbx-authentication";

/// How often one account may be asked: table `limits` of the account.
#[derive(Clone, Copy, Debug, Deserialize)]
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
    /// A person waits for it.
    Command,
    /// Where the file of a call is.
    Record,
    /// Past calls.
    History,
}

/// One account at the provider.
pub struct Api {
    key: SecretString,
    base: String,
    reach: Reach,
    http: Client,
    all: Budget,
    history: Budget,
    /// `key_id:key`, once signed in. Whoever signs in holds the lock: the others wait for its pair.
    pair: Mutex<Option<String>>,
}

/// What came of a question.
enum Said {
    Data(Value),
    /// The pair is not taken, or not any more.
    SignIn,
    /// No, with the provider's words.
    No(String),
}

impl Api {
    /// Asks below `base` with this key.
    pub fn new(key: SecretString, base: &str, reach: Reach, http: Client, limits: Limits) -> Self {
        Self {
            key,
            base: base.to_owned(),
            reach,
            http,
            all: Budget::every_ms(limits.all_every_ms),
            history: Budget::every_ms(limits.history_every_ms),
            pair: Mutex::default(),
        }
    }

    /// Asks, within the limits of its purpose; signs in where that is needed, and once more where the pair
    /// has expired. Gives what the answer holds.
    pub async fn ask(
        &self,
        purpose: Purpose,
        path: &str,
        values: &[(&str, &str)],
    ) -> Result<Value, PbxError> {
        let pair = self.pair(purpose, None).await?;
        let mut said = self.with(purpose, path, values, &pair).await?;
        if matches!(said, Said::SignIn) {
            let fresh = self.pair(purpose, Some(&pair)).await?;
            said = self.with(purpose, path, values, &fresh).await?;
        }
        match said {
            Said::Data(data) => Ok(data),
            Said::SignIn => Err(PbxError::Refused("the sign-in is not taken".to_owned())),
            // How "the file is not ready" is said nobody tells, so no word ends the search for it.
            Said::No(_) if purpose == Purpose::Record => Err(PbxError::NotThere),
            Said::No(words) => Err(PbxError::Refused(words)),
        }
    }

    /// The pair of keys, another one than the `stale` one.
    async fn pair(&self, purpose: Purpose, stale: Option<&str>) -> Result<String, PbxError> {
        let mut known = self.pair.lock().await;
        if let Some(pair) = known.as_deref().filter(|pair| Some(*pair) != stale) {
            return Ok(pair.to_owned());
        }
        // Making a new pair ends the old one, which another program may use: only where it must be.
        let mut pair = self.sign_in(purpose, false).await?;
        if Some(pair.as_str()) == stale {
            pair = self.sign_in(purpose, true).await?;
        }
        *known = Some(pair.clone());
        Ok(pair)
    }

    async fn sign_in(&self, purpose: Purpose, new: bool) -> Result<String, PbxError> {
        let mut values = vec![("auth_key", self.key.expose_secret())];
        values.extend(new.then_some(("new", "true")));
        let request = self.request("auth", &values);
        let said = asking::ask(&self.http, &request, &[&self.all], patience(purpose), read).await?;
        match said {
            Said::Data(data) => match (data["key_id"].as_str(), data["key"].as_str()) {
                (Some(id), Some(key)) => Ok(format!("{id}:{key}")),
                _ => Err(PbxError::Unreadable("a sign-in that gives no keys")),
            },
            Said::SignIn => Err(PbxError::Refused("the key of the API is not taken".into())),
            Said::No(words) => Err(PbxError::Refused(words)),
        }
    }

    async fn with(
        &self,
        purpose: Purpose,
        path: &str,
        values: &[(&str, &str)],
        pair: &str,
    ) -> Result<Said, PbxError> {
        let request = Request {
            key: Some((PAIR, pair.into())),
            ..self.request(path, values)
        };
        let budgets: &[&Budget] = match purpose {
            Purpose::History => &[&self.history, &self.all],
            Purpose::Command | Purpose::Record => &[&self.all],
        };
        asking::ask(&self.http, &request, budgets, patience(purpose), read).await
    }

    fn request(&self, path: &str, values: &[(&str, &str)]) -> Request {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Request {
            url: format!("{}/{path}.json", self.base),
            form: Some(values.iter().map(own).collect()),
            reach: self.reach.clone(),
            ..Request::default()
        }
    }
}

fn patience(purpose: Purpose) -> Duration {
    match purpose {
        Purpose::Command => CLICK_PATIENCE,
        Purpose::Record | Purpose::History => WORK_PATIENCE,
    }
}

/// `{"status":"1","data":...}`, or `{"status":"0","comment":...}`.
fn read(answer: Whole) -> Result<Said, PbxError> {
    if answer.status == 401 {
        return Ok(Said::SignIn);
    }
    let answer = asking::good(answer, TOO_OFTEN)?;
    let mut said: Value = serde_json::from_slice(&answer.body)
        .map_err(|_| PbxError::Unreadable("no answer of the API, or half of one"))?;
    if is_told(&said["isNotAuth"]) {
        return Ok(Said::SignIn);
    }
    match &said["status"] {
        status if is_told(status) => Ok(Said::Data(said["data"].take())),
        Value::Null => Err(PbxError::Unreadable("no answer of the API")),
        _ => {
            let words = said["comment"].as_str().unwrap_or_default();
            Ok(Said::No(asking::shown(words)))
        }
    }
}

/// `"1"`, 1 or true.
fn is_told(value: &Value) -> bool {
    match value {
        Value::String(text) => text == "1" || text == "true",
        Value::Number(number) => number.as_i64() == Some(1),
        value => value == &Value::Bool(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_whether_it_was_done_and_whether_to_sign_in() {
        let said = |status, body: &str| {
            read(Whole {
                status,
                retry_after: None,
                body: body.as_bytes().to_vec(),
            })
        };
        for good in [r#"{"status":"1","data":7}"#, r#"{"status":1,"data":7}"#] {
            assert!(matches!(said(200, good), Ok(Said::Data(data)) if data == 7));
        }
        let refused = said(200, r#"{"status":"0","comment":"no 74950000021"}"#);
        assert!(matches!(refused, Ok(Said::No(words)) if words == "no ###########"));
        for stale in [r#"{"status":"0","isNotAuth":true}"#, r#"{"isNotAuth":"1"}"#] {
            assert!(matches!(said(200, stale), Ok(Said::SignIn)), "{stale}");
        }
        assert!(matches!(said(401, ""), Ok(Said::SignIn)));
        for wrong in ["<html>", r#"{"status":"1""#, "{}", ""] {
            assert!(
                matches!(said(200, wrong), Err(PbxError::Unreadable(_))),
                "{wrong}"
            );
        }
        assert!(matches!(said(429, ""), Err(PbxError::Throttled { .. })));
        assert!(matches!(said(503, ""), Err(PbxError::Unreachable)));
    }
}
