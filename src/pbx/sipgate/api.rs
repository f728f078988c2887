//! Asks sipgate's REST API: a call by a click, past calls, and where a recording is.

use std::collections::HashSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Url;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::unconfirmed::{ENTRIES, HOSTS, TOO_OFTEN};
use crate::{
    http::{Client, Reach, Request, Whole},
    model::time::Timestamp,
    pbx::{
        PbxError,
        asking::{self, CLICK_PATIENCE, WORK_PATIENCE, good},
        budget::Budget,
        form::in_path,
    },
};

/// So many entries make one part of history; a day has not more.
const MOST_ENTRIES: usize = 20_000;

/// The API with one personal access token.
pub struct Api {
    authorization: SecretString,
    base: String,
    reach: Reach,
    http: Client,
    all: Budget,
}

impl Api {
    /// Asks below `base` with this token.
    pub fn new(
        (id, token): (&str, &str),
        base: &str,
        reach: Reach,
        http: Client,
        every_ms: u64,
    ) -> Self {
        Self {
            authorization: format!("Basic {}", STANDARD.encode(format!("{id}:{token}"))).into(),
            base: base.trim_end_matches('/').to_owned(),
            reach,
            http,
            all: Budget::every_ms(every_ms),
        }
    }

    fn request(&self, path: &str) -> Request {
        Request {
            url: format!("{}{path}", self.base),
            authorization: Some(self.authorization.clone()),
            reach: self.reach.clone(),
            ..Request::default()
        }
    }

    /// By what the API lets us in, for files at sipgate's own hosts, as safely as the API is asked.
    pub fn authorization_for(&self, link: &str) -> Option<SecretString> {
        let (link, own) = (Url::parse(link).ok()?, Url::parse(&self.base).ok()?);
        let host = link.host_str()?;
        let is_own = Some(host) == own.host_str() || host.ends_with(HOSTS);
        let is_as_safe = link.scheme() == "https" || link.scheme() == own.scheme();
        (is_own && is_as_safe).then(|| self.authorization.clone())
    }

    /// `POST /sessions/calls`: rings this device or number, then the client.
    pub async fn call(&self, caller: &str, callee: &str) -> Result<(), PbxError> {
        let request = Request {
            json: Some(json!({"caller": caller, "callee": callee}).to_string()),
            ..self.request("/sessions/calls")
        };
        let said = asking::ask(&self.http, &request, &[&self.all], CLICK_PATIENCE, read).await?;
        match said["sessionId"].as_str() {
            Some(_) => Ok(()),
            None => Err(PbxError::Unreadable("it names no session")),
        }
    }

    /// `GET /history`: everything listed of this span, page by page. What is added or taken away meanwhile moves
    /// the pages, so each entry counts once, and what has slipped through is found by the next reading.
    pub async fn list(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Value>, PbxError> {
        let second = |at: Timestamp| in_path(&format!("{}Z", &at.rfc3339()[..19]));
        let span = format!("from={}&to={}", second(from), second(to));
        let mut entries: Vec<Value> = Vec::new();
        let (mut seen, mut offset) = (HashSet::new(), 0);
        while offset < MOST_ENTRIES {
            let path = format!("/history?{span}&limit={ENTRIES}&offset={offset}");
            let mut said = self.ask(&path, read).await?;
            let total = said["totalCount"].as_u64();
            let Some(Value::Array(items)) = said.get_mut("items").map(Value::take) else {
                return Err(PbxError::Unreadable("it is no list of past calls"));
            };
            offset += items.len();
            let is_last = items.is_empty() || total.is_some_and(|total| offset as u64 >= total);
            let known = entries.len();
            let new = |entry: &Value| {
                seen.insert(match &entry["id"] {
                    Value::Null => entry.to_string(),
                    id => id.to_string(),
                })
            };
            entries.extend(items.into_iter().filter(new));
            if is_last {
                return Ok(entries);
            }
            if entries.len() == known {
                let text = "the same entries again instead of the next";
                return Err(PbxError::Unreadable(text));
            }
        }
        Err(PbxError::Unreadable("more calls than a day can have"))
    }

    /// `GET /history/{id}`: what is listed of one call, by its id as a path has it.
    pub async fn entry(&self, id: &str) -> Result<Value, PbxError> {
        let read = |answer: Whole| match answer.status {
            404 => Err(PbxError::NotThere),
            _ => read(answer),
        };
        self.ask(&format!("/history/{id}"), read).await
    }

    async fn ask(
        &self,
        path: &str,
        read: impl FnOnce(Whole) -> Result<Value, PbxError>,
    ) -> Result<Value, PbxError> {
        let request = self.request(path);
        asking::ask(&self.http, &request, &[&self.all], WORK_PATIENCE, read).await
    }
}

/// A good answer is a JSON object.
fn read(answer: Whole) -> Result<Value, PbxError> {
    let answer = good(answer, TOO_OFTEN)?;
    let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
    said.filter(Value::is_object)
        .ok_or(PbxError::Unreadable("no answer of the API, or half of one"))
}
