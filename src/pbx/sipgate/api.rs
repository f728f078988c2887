//! Asks sipgate's REST API: a call by a click.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::SecretString;
use serde_json::json;

use super::unconfirmed::TOO_OFTEN;
use crate::{
    http::{Client, Reach, Request},
    pbx::{
        PbxError,
        asking::{self, CLICK_PATIENCE, good},
        budget::Budget,
    },
};

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

    /// `POST /sessions/calls`: rings this device or number, then the client.
    pub async fn call(&self, caller: &str, callee: &str) -> Result<(), PbxError> {
        let request = Request {
            url: format!("{}/sessions/calls", self.base),
            json: Some(json!({"caller": caller, "callee": callee}).to_string()),
            authorization: Some(self.authorization.clone()),
            reach: self.reach.clone(),
            ..Request::default()
        };
        asking::ask(
            &self.http,
            &request,
            &[&self.all],
            CLICK_PATIENCE,
            |answer| {
                let answer = good(answer, TOO_OFTEN)?;
                let said: serde_json::Value = serde_json::from_slice(&answer.body)
                    .map_err(|_| PbxError::Unreadable("it is no JSON, or half of it"))?;
                match said["sessionId"].as_str() {
                    Some(_) => Ok(()),
                    None => Err(PbxError::Unreadable("it names no session")),
                }
            },
        )
        .await
    }
}
