//! Asks the Call API and the Data API: JSON-RPC 2.0 with our key among the parameters.

use std::time::Duration;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::unconfirmed::{ALL_EVERY_MS, REPORT_EVERY_MS};
use crate::{
    http::{Client, Reach, Request, Whole},
    pbx::{
        PbxError,
        asking::{self, CLICK_PATIENCE, WORK_PATIENCE},
        budget::Budget,
    },
};

/// How long we stay away after the points of a minute are used up.
const POINTS_COME_BACK: Duration = Duration::from_secs(60);

/// How often one account may be asked: table `limits` of the account.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Any two requests, in milliseconds.
    all_every_ms: u64,
    /// Two pages of past calls.
    report_every_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            all_every_ms: ALL_EVERY_MS,
            report_every_ms: REPORT_EVERY_MS,
        }
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A person waits for it.
    Command,
    /// Past calls.
    Report,
    /// A list that something else needs.
    List,
}

/// One of the two APIs.
pub struct Place {
    url: String,
    reach: Reach,
}

impl Place {
    /// At this address.
    pub fn new(url: &str, reach: Reach) -> Self {
        let url = url.to_owned();
        Self { url, reach }
    }
}

/// An account at both.
pub struct Api {
    access_token: String,
    pub call: Place,
    pub data: Place,
    http: Client,
    all: Budget,
    report: Budget,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    id: Value,
    result: Option<Value>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    #[serde(default)]
    data: Value,
}

impl Api {
    /// Asks at these places with this key.
    pub fn new(
        access_token: &str,
        (call, data): (Place, Place),
        http: Client,
        limits: Limits,
    ) -> Self {
        Self {
            access_token: access_token.to_owned(),
            call,
            data,
            http,
            all: Budget::every_ms(limits.all_every_ms),
            report: Budget::every_ms(limits.report_every_ms),
        }
    }

    /// Calls a method within the limits of its purpose; gives its `result`.
    pub async fn ask(
        &self,
        purpose: Purpose,
        place: &Place,
        method: &str,
        mut params: Value,
    ) -> Result<Value, PbxError> {
        let patience = match purpose {
            Purpose::Command => CLICK_PATIENCE,
            Purpose::Report | Purpose::List => WORK_PATIENCE,
        };
        let id = uuid::Uuid::now_v7().simple().to_string();
        params["access_token"] = self.access_token.as_str().into();
        let question = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let request = Request {
            url: place.url.clone(),
            json: Some(question.to_string()),
            reach: place.reach.clone(),
            ..Request::default()
        };
        let budgets: &[&Budget] = match purpose {
            Purpose::Report => &[&self.report, &self.all],
            Purpose::Command | Purpose::List => &[&self.all],
        };
        asking::ask(&self.http, &request, budgets, patience, |answer| {
            read(answer, &id)
        })
        .await
    }
}

/// The list that a result holds; `wrong` says what is amiss where it holds none.
pub fn data<T: DeserializeOwned>(
    mut result: Value,
    wrong: &'static str,
) -> Result<Vec<T>, PbxError> {
    let data = result.get_mut("data").map(Value::take);
    let list = data.and_then(|data| serde_json::from_value(data).ok());
    list.ok_or(PbxError::Unreadable(wrong))
}

fn read(answer: Whole, id: &str) -> Result<Value, PbxError> {
    let answer = asking::good(answer, POINTS_COME_BACK)?;
    let said: Answer = serde_json::from_slice(&answer.body)
        .map_err(|_| PbxError::Unreadable("an answer that is no JSON-RPC, or half of one"))?;
    match (said.result, said.error) {
        (_, Some(refusal)) => Err(refusal.into()),
        (Some(_), None) if said.id != id => {
            Err(PbxError::Unreadable("an answer to another question"))
        }
        (Some(result), None) => Ok(result),
        (None, None) => Err(PbxError::Unreadable("neither a result nor an error")),
    }
}

/// The table of errors of both APIs. Words of theirs may quote numbers, so only their short name for what
/// was wrong is told on.
impl From<Refusal> for PbxError {
    fn from(refusal: Refusal) -> Self {
        let what = match refusal.code {
            -32_029 => {
                let retry_after = POINTS_COME_BACK;
                return Self::Throttled { retry_after };
            }
            -32_603 | -32_099 => return Self::Unreachable,
            -32_001 => "the access token",
            -32_002 => "the direction, or the client is in the black list",
            -32_003 => "our address is not in the list of allowed ones",
            -32_004 => "the state of the call",
            -32_007 => "the virtual number",
            -32_008 => "a component is switched off",
            -32_009 => "the account is not active",
            _ => "the request",
        };
        let name = refusal.data["mnemonic"].as_str().unwrap_or_default();
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        let name = match name.len() <= 64 && name.bytes().all(is_name) {
            true => name,
            false => "",
        };
        Self::Refused(format!("{what} ({} {name})", refusal.code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Result<Value, PbxError> {
        let answer = Whole {
            status,
            retry_after: None,
            body: body.into(),
        };
        read(answer, "q1")
    }

    #[test]
    fn an_answer_is_read_only_if_it_is_one_to_our_question() {
        let result = answer(200, r#"{"jsonrpc":"2.0","id":"q1","result":{"data":[]}}"#);
        assert_eq!(result.unwrap(), json!({"data": []}));
        for body in [
            r#"{"jsonrpc":"2.0","id":"q2","result":{"data":[]}}"#,
            r#"{"jsonrpc":"2.0","id":"q1"}"#,
            r#"{"jsonrpc":"2.0","id":"q1","res"#,
            "<html>",
        ] {
            assert!(
                matches!(answer(200, body), Err(PbxError::Unreadable(_))),
                "{body}"
            );
        }
    }

    #[test]
    fn a_result_of_another_shape_is_no_list() {
        assert_eq!(data::<i64>(json!({"data": [7]}), "").unwrap(), [7]);
        for shape in [
            json!([]),
            json!(5),
            json!("x"),
            json!({}),
            json!({"data": {}}),
        ] {
            let read = data::<i64>(shape.clone(), "wrong");
            assert!(
                matches!(read, Err(PbxError::Unreadable("wrong"))),
                "{shape}"
            );
        }
    }

    #[test]
    fn refusals_say_what_to_do_and_quote_nothing() {
        let refused = |code: i64| {
            let error = json!({"code": code, "message": "74950000011 is odd",
                "data": {"mnemonic": "employee_not_found"}});
            answer(200, &json!({"id": null, "error": error}).to_string()).unwrap_err()
        };
        assert!(matches!(refused(-32_029), PbxError::Throttled { .. }));
        assert!(matches!(refused(-32_603), PbxError::Unreachable));
        let text = refused(-32_602).to_string();
        assert_eq!(text, "refused: the request (-32602 employee_not_found)");
        assert!(matches!(answer(503, ""), Err(PbxError::Unreachable)));
        assert!(matches!(answer(429, ""), Err(PbxError::Throttled { .. })));
        assert!(matches!(answer(403, ""), Err(PbxError::Refused(_))));
    }
}
