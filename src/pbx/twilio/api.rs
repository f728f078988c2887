//! Asks the REST API, <https://www.twilio.com/docs/voice/api>: forms and lists with basic authentication.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use super::{
    settings::Settings,
    twiml::Order,
    unconfirmed::{ALL_EVERY_MS, CALLS_EVERY_MS},
};
use crate::{
    http::{Client, Reach, Request, Whole},
    pbx::{
        PbxError,
        asking::{self, CLICK_PATIENCE, WORK_PATIENCE},
        budget::Budget,
    },
};

/// How long "too often" is taken to mean where it is not said.
const TOO_OFTEN: Duration = Duration::from_secs(10);
/// The version of the API that the address names.
const VERSION: &str = "2010-04-01";

/// How often one account may be asked: table `limits` of the account.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Two orders to call, in milliseconds.
    calls_every_ms: u64,
    /// Any two requests.
    all_every_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls_every_ms: CALLS_EVERY_MS,
            all_every_ms: ALL_EVERY_MS,
        }
    }
}

/// One account at the provider.
pub struct Api {
    root: String,
    /// Path of the account, as pages name the next one.
    path: String,
    authorization: SecretString,
    reach: Reach,
    /// Where files may come from.
    files: Reach,
    http: Client,
    calls: Budget,
    all: Budget,
}

impl Api {
    /// Asks in the name of this account.
    pub fn new(settings: &Settings, http: Client) -> Self {
        let (user, password) = match settings.api_key.is_empty() {
            true => (&settings.account_sid, &settings.auth_token),
            false => (&settings.api_key, &settings.api_secret),
        };
        let basic = STANDARD.encode(format!("{user}:{password}"));
        Self {
            root: settings.api_url.clone(),
            path: format!("/{VERSION}/Accounts/{}/", settings.account_sid),
            authorization: format!("Basic {basic}").into(),
            reach: settings.recordings.reach_of(&settings.api_url),
            files: settings.recordings.get(String::new(), None).reach,
            http,
            calls: Budget::every_ms(settings.limits.calls_every_ms),
            all: Budget::every_ms(settings.limits.all_every_ms),
        }
    }

    fn request(&self, path: &str) -> Request {
        Request {
            url: format!("{}{path}", self.root),
            authorization: Some(self.authorization.clone()),
            reach: self.reach.clone(),
            ..Request::default()
        }
    }

    /// Orders a call; gives its key.
    pub async fn call(&self, order: &Order) -> Result<String, PbxError> {
        let own = |(name, value): &(&str, String)| ((*name).to_owned(), value.clone());
        let request = Request {
            form: Some(order.iter().map(own).collect()),
            ..self.request(&format!("{}Calls.json", self.path))
        };
        let budgets = [&self.calls, &self.all];
        let said = asking::ask(&self.http, &request, &budgets, CLICK_PATIENCE, read).await?;
        let key = said["sid"].as_str().filter(|sid| sid.starts_with("CA"));
        let key = key.ok_or(PbxError::Unreadable("an order whose call has no name"))?;
        Ok(key.to_owned())
    }

    /// Everything of a list (`Calls`, `Recordings`) whose values fit, page by page.
    pub async fn list(
        &self,
        what: &'static str,
        values: &[(&str, String)],
    ) -> Result<Vec<Value>, PbxError> {
        let mut query = reqwest::Url::parse("http://query/")
            .map_err(|_| PbxError::Unreadable("an address of our own"))?;
        query
            .query_pairs_mut()
            .extend_pairs(values)
            .append_pair("PageSize", PAGE);
        let query = query.query().unwrap_or_default();
        let mut next = Some(format!("{}{what}.json?{query}", self.path));
        let mut items = Vec::new();
        let mut asked = std::collections::HashSet::new();
        while let Some(path) = next {
            // A page leads on within the account's own list, and to each page once.
            if !path.starts_with(&self.path) || !asked.insert(path.clone()) {
                return Err(PbxError::Unreadable("a page that leads nowhere new"));
            }
            if asked.len() > MOST_PAGES {
                return Err(PbxError::Unreadable("more pages than a day can have"));
            }
            let request = self.request(&path);
            let mut said =
                asking::ask(&self.http, &request, &[&self.all], WORK_PATIENCE, read).await?;
            items.extend(rows(&mut said, what)?);
            next = said["next_page_uri"].as_str().map(str::to_owned);
        }
        Ok(items)
    }

    /// The file of a recording, each side on a channel of its own where it was recorded so.
    pub fn file(&self, recording: &str) -> Result<Request, PbxError> {
        let is_sid = recording.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !recording.starts_with("RE") || !is_sid {
            return Err(PbxError::Refused("no such recording can be".to_owned()));
        }
        self.all.take()?;
        Ok(Request {
            reach: self.files.clone(),
            ..self.request(&format!("{}Recordings/{recording}.wav", self.path))
        })
    }
}

/// Rows of a page: as many as are given at most.
const PAGE: &str = "1000";
/// So many pages make one part of history.
const MOST_PAGES: usize = 100;

/// The rows of a page of this list.
fn rows(said: &mut Value, what: &str) -> Result<Vec<Value>, PbxError> {
    match said.get_mut(what.to_lowercase()).map(Value::take) {
        Some(Value::Array(rows)) => Ok(rows),
        _ => Err(PbxError::Unreadable("it is no list")),
    }
}

/// JSON, also of a refusal: `{"code":20003,"message":...}`. Its words may hold numbers of people.
fn read(answer: Whole) -> Result<Value, PbxError> {
    let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
    match (answer.status, said) {
        (200..=299, Some(said)) => Ok(said),
        (200..=299, None) => Err(PbxError::Unreadable("no answer of the API, or half of one")),
        (400..=407 | 409..=428, Some(said)) => {
            let words = said["message"].as_str().unwrap_or_default();
            let code = said["code"].as_i64().unwrap_or_default();
            let words = asking::shown(words);
            Err(PbxError::Refused(format!("{words} ({code})")))
        }
        _ => Err(match asking::good(answer, TOO_OFTEN) {
            Err(error) => error,
            Ok(_) => PbxError::Unreadable("no answer of the API"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_of_another_shape_is_no_list() {
        let mut page = serde_json::json!({"calls": [1], "next_page_uri": null});
        assert_eq!(rows(&mut page, "Calls").unwrap(), [1]);
        for shape in ["[]", "5", "\"x\"", "null", "{}", r#"{"calls":{}}"#] {
            let mut said = serde_json::from_str(shape).unwrap();
            let read = rows(&mut said, "Calls");
            assert!(matches!(read, Err(PbxError::Unreadable(_))), "{shape}");
        }
    }

    #[test]
    fn an_answer_says_whether_it_was_done() {
        let said = |status, body: &str| {
            read(Whole {
                status,
                retry_after: None,
                body: body.as_bytes().to_vec(),
            })
        };
        assert!(said(201, r#"{"sid":"CA1"}"#).is_ok());
        let refused = said(
            400,
            r#"{"code":21211,"message":"'+74950000021' is invalid"}"#,
        );
        assert!(
            matches!(refused, Err(PbxError::Refused(words)) if words == "'+###########' is invalid (21211)")
        );
        for wrong in ["<html>", r#"{"sid":"#, ""] {
            assert!(
                matches!(said(200, wrong), Err(PbxError::Unreadable(_))),
                "{wrong}"
            );
        }
        assert!(matches!(said(429, "{}"), Err(PbxError::Throttled { .. })));
        assert!(matches!(said(503, "{}"), Err(PbxError::Unreachable)));
        assert!(matches!(said(404, "<html>"), Err(PbxError::Refused(_))));
    }
}
