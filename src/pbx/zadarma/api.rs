//! Asks the API: signs, keeps its limits, reads its refusals and answers.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use ring::hmac;
use serde::Deserialize;

use crate::{
    http::{Client, Reach, Request, Whole},
    pbx::{
        PbxError,
        asking::{self, CLICK_PATIENCE, WORK_PATIENCE},
        budget::Budget,
    },
};

/// How long "too often" is taken to mean where it is not said.
const TOO_OFTEN: Duration = Duration::from_secs(20);
/// How long a link to a file works, in seconds: the shortest allowed, for it is used at once.
const LINK_S: &str = "180";

/// How often one account may be asked: table `limits` of the account. The defaults are what the API's
/// documentation allows: 100 requests a minute in all, 3 a minute for statistics, beyond that 429.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Any two requests, in milliseconds.
    all_every_ms: u64,
    /// Two requests for the call log.
    statistics_every_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            all_every_ms: 600,
            statistics_every_ms: 20_000,
        }
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A person waits for it.
    Command,
    /// Past calls.
    Statistics,
    /// Somebody at the machine wants a list.
    List,
}

/// One account at the provider.
pub struct Api {
    key: String,
    secret: hmac::Key,
    base: String,
    reach: Reach,
    http: Client,
    pub all: Budget,
    statistics: Budget,
}

impl Api {
    /// Asks at `base`, with key and secret of the cabinet.
    pub fn new(
        (key, secret): (String, String),
        base: &str,
        reach: Reach,
        http: Client,
        limits: Limits,
    ) -> Self {
        Self {
            key,
            secret: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes()),
            base: base.trim_end_matches('/').to_owned(),
            reach,
            http,
            all: Budget::every_ms(limits.all_every_ms),
            statistics: Budget::every_ms(limits.statistics_every_ms),
        }
    }

    /// `base64(hex(HMAC-SHA1(secret, text)))`, in both directions. It is the hexadecimal text that is
    /// encoded, not the bytes: the vendor's own client is written so.
    pub fn sign(&self, text: &str) -> String {
        let hash = hmac::sign(&self.secret, text.as_bytes());
        STANDARD.encode(hex::encode(hash))
    }

    /// The signed GET of this path with these values: `sign(path + query + md5hex(query))`, the query
    /// sorted by name and encoded as RFC 1738 has it.
    pub fn request(&self, path: &str, values: &[(&str, &str)]) -> Request {
        let lifetime = [("lifetime", LINK_S)];
        let own: &[(&str, &str)] = match path.contains("/record/") {
            true => &lifetime,
            false => &[],
        };
        let mut sorted = [values, own, &[("format", "json")]].concat();
        sorted.sort_unstable();
        let pairs = sorted
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)));
        let query = pairs.collect::<Vec<_>>().join("&");
        let text = format!("{path}{query}{}", hex::encode(Md5::digest(&query)));
        Request {
            url: format!("{}{path}?{query}", self.base),
            authorization: Some(format!("{}:{}", self.key, self.sign(&text)).into()),
            reach: self.reach.clone(),
            ..Request::default()
        }
    }

    /// Asks, within the limits of its purpose. A refusal is an error.
    pub async fn ask(
        &self,
        purpose: Purpose,
        path: &str,
        values: &[(&str, &str)],
    ) -> Result<Vec<u8>, PbxError> {
        let (patience, budgets): (_, &[&Budget]) = match purpose {
            Purpose::Command => (CLICK_PATIENCE, &[&self.all]),
            Purpose::Statistics => (WORK_PATIENCE, &[&self.statistics, &self.all]),
            Purpose::List => (WORK_PATIENCE, &[&self.all]),
        };
        let request = self.request(path, values);
        asking::ask(&self.http, &request, budgets, patience, read).await
    }
}

/// Letters, digits, `-`, `_` and `.` stand for themselves, a space is `+`.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                out.push_str(&hex::encode_upper([byte]));
            }
        }
    }
    out
}

#[derive(Deserialize)]
struct Said {
    status: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    link: Option<String>,
    #[serde(default)]
    links: Vec<String>,
}

/// `{"status":"success", ...}` or `{"status":"error","message":...}`.
fn read(answer: Whole) -> Result<Vec<u8>, PbxError> {
    let said: Option<Said> = serde_json::from_slice(&answer.body).ok();
    match (answer.status, said) {
        (408 | 429 | 500.., _) => asking::good(answer, TOO_OFTEN).map(|answer| answer.body),
        (200..=299, Some(said)) if said.status == "success" => Ok(answer.body),
        (status, Some(said)) => Err(PbxError::Refused(format!(
            "{} ({status})",
            asking::shown(&said.message)
        ))),
        (200..=299, None) => Err(PbxError::Unreadable("no answer of the API, or half of one")),
        (_, None) => asking::good(answer, TOO_OFTEN).map(|answer| answer.body),
    }
}

/// Where a file is, by the answer of `pbx/record/request`.
pub fn link(answer: &[u8]) -> Option<String> {
    let said: Said = serde_json::from_slice(answer).ok()?;
    let link = said.link.or_else(|| said.links.into_iter().next());
    link.filter(|link| said.status == "success" && !link.is_empty())
}

/// The extensions of `pbx/internal`: numbers, or texts.
pub fn extensions(answer: &[u8]) -> Result<Vec<String>, PbxError> {
    #[derive(Deserialize)]
    struct Listed {
        numbers: Vec<Short>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Short {
        Text(String),
        Number(u64),
    }
    let listed: Listed = serde_json::from_slice(answer)
        .map_err(|_| PbxError::Unreadable("it is no list of extensions"))?;
    let text = |short| match short {
        Short::Text(text) => text,
        Short::Number(number) => number.to_string(),
    };
    Ok(listed.numbers.into_iter().map(text).collect())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn api() -> Api {
        let http = Client::new(&crate::http::Settings::default()).unwrap();
        Api::new(
            ("birch-key".to_owned(), "birch-secret".to_owned()),
            "https://api.zadarma.com/",
            Reach::default(),
            http,
            Limits::default(),
        )
    }

    /// Computed with `openssl dgst -sha1 -hmac birch-secret`, its text through `base64`.
    #[test]
    fn a_request_is_signed_over_its_path_and_its_sorted_query() {
        let values = [("to", "+74950000021"), ("from", "301"), ("sip", "301")];
        let request = api().request("/v1/request/callback/", &values);
        let query = "format=json&from=301&sip=301&to=%2B74950000021";
        let url = format!("https://api.zadarma.com/v1/request/callback/?{query}");
        assert_eq!(request.url, url);
        assert_eq!(
            request.authorization.unwrap().expose_secret(),
            "birch-key:NTM1YjlmMWJhYWNlMWRlMWYyYTkwN2RmZjQ5M2MxY2RhZjgzZmIwYw=="
        );
    }

    #[test]
    fn a_query_is_encoded_as_rfc_1738_has_it() {
        assert_eq!(encode("2026-03-17 09:15:00"), "2026-03-17+09%3A15%3A00");
        assert_eq!(encode("a~b/ü"), "a%7Eb%2F%C3%BC");
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
        assert!(said(200, r#"{"status":"success"}"#).is_ok());
        let refused = said(200, r#"{"status":"error","message":"Wrong 74950000021"}"#);
        let Err(PbxError::Refused(words)) = refused else {
            panic!("an error is a refusal");
        };
        assert_eq!(words, "Wrong ########### (200)");
        for body in ["<html>", r#"{"status":"succ"#, "{}", ""] {
            assert!(
                matches!(said(200, body), Err(PbxError::Unreadable(_))),
                "{body}"
            );
        }
        let limited = said(429, r#"{"status":"error"}"#);
        assert!(matches!(limited, Err(PbxError::Throttled { .. })));
        assert!(matches!(said(502, "<html>"), Err(PbxError::Unreachable)));
        assert!(matches!(said(401, "x"), Err(PbxError::Refused(_))));
    }

    #[test]
    fn a_link_is_one_or_several() {
        let one = r#"{"status":"success","link":"https://a.example/1","lifetime_till":"x"}"#;
        assert_eq!(link(one.as_bytes()).as_deref(), Some("https://a.example/1"));
        let some = r#"{"status":"success","links":["https://a.example/2","y"]}"#;
        assert_eq!(
            link(some.as_bytes()).as_deref(),
            Some("https://a.example/2")
        );
        for none in [
            r#"{"status":"error","message":"no"}"#,
            r#"{"status":"success"}"#,
            r#"{"status":"error","link":"https://a.example/1"}"#,
            "<html>",
        ] {
            assert_eq!(link(none.as_bytes()), None, "{none}");
        }
        let listed = br#"{"status":"success","numbers":[100,"101"]}"#;
        assert_eq!(extensions(listed).unwrap(), ["100", "101"]);
        assert!(extensions(br#"{"status":"success"}"#).is_err());
    }
}
