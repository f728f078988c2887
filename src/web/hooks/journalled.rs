//! A message as the journal keeps it, and how it is read back: by `ringcard replay`, and when a dead
//! letter is replayed.

use base64::Engine as _;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::decode;
use crate::{
    model::event::CallEvent,
    pbx::{DecodeError, Decoded, Input, Pbx, Request},
    store::raw::RawMessage,
};

/// A request as the journal keeps it; headers carry access and are left out.
#[derive(Serialize, Deserialize)]
struct Journalled {
    method: String,
    path: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    query: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    body: String,
    /// Instead of `body`, when the body is not UTF-8.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    body_base64: String,
}

/// A request as the journal keeps it, without so many secret parts at the start of its path.
pub fn journal(request: &Request, secret_path_parts: usize) -> Bytes {
    let mut kept = Journalled {
        method: request.method.clone(),
        path: without_secret(&request.path, secret_path_parts),
        query: request.query.clone(),
        body: String::new(),
        body_base64: String::new(),
    };
    match std::str::from_utf8(&request.body) {
        Ok(text) => kept.body = text.to_owned(),
        Err(_) => {
            kept.body_base64 = base64::engine::general_purpose::STANDARD.encode(&request.body);
        }
    }
    serde_json::to_vec(&kept)
        .expect("a struct of strings is JSON")
        .into()
}

/// `/secret/a/b` is `/-/a/b`. Slashes too many are not parts.
fn without_secret(path: &str, secret_parts: usize) -> String {
    let mut left = secret_parts;
    let parts = path.split('/').map(|part| match left {
        1.. if !part.is_empty() => {
            left -= 1;
            "-"
        }
        _ => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Reads a request back from the journal; `None` if it is none.
pub fn from_journal(raw: &[u8]) -> Option<Request> {
    let kept: Journalled = serde_json::from_slice(raw).ok()?;
    let body = match kept.body_base64.as_str() {
        "" => kept.body.into_bytes(),
        coded => base64::engine::general_purpose::STANDARD
            .decode(coded)
            .ok()?,
    };
    Some(Request {
        method: kept.method,
        path: kept.path,
        query: kept.query,
        headers: Vec::new(),
        body: body.into(),
        remote: String::new(),
    })
}

/// Reads a dead letter with today's decoder, as of the moment at which it came. Without an account of
/// that name any more, only facts of our own can be read.
pub fn read_again(pbx: Option<&dyn Pbx>, letter: &RawMessage) -> (Decoded, Option<DecodeError>) {
    let unread = |why: &str| {
        (
            Decoded::default(),
            Some(DecodeError::Malformed(why.to_owned())),
        )
    };
    let provider = pbx.map(Pbx::provider);
    match (letter.source.as_str(), pbx) {
        ("webhook", Some(pbx)) => match from_journal(&letter.body) {
            Some(request) => decode(pbx, Input::Request(&request), letter.received_at),
            None => unread("the journal does not hold a request"),
        },
        ("history", Some(pbx)) => decode(pbx, Input::Records(&letter.body), letter.received_at),
        (source, Some(pbx)) if provider == Some(source) => {
            decode(pbx, Input::Message(&letter.body), letter.received_at)
        }
        _ => match own_facts(letter) {
            Some(events) => {
                let decoded = Decoded {
                    events,
                    ..Decoded::default()
                };
                (decoded, None)
            }
            None if pbx.is_none() => unread("the account is not in the configuration"),
            None => unread("it is neither of the account's type nor facts of our own"),
        },
    }
}

/// Facts that we told ourselves have no message: the letter holds them as they are.
fn own_facts(letter: &RawMessage) -> Option<Vec<CallEvent>> {
    let events: Vec<CallEvent> = serde_json::from_slice(&letter.body).ok()?;
    let ours = events.iter().all(|event| event.account == letter.account);
    ours.then_some(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_parts_of_the_path_are_not_kept() {
        for (path, parts, kept) in [
            ("/s/a/b", 0, "/s/a/b"),
            ("/s/a/b", 1, "/-/a/b"),
            ("//s/a/", 1, "//-/a/"),
            ("/s", 1, "/-"),
            ("/", 1, "/"),
            ("/s/t", 3, "/-/-"),
        ] {
            assert_eq!(without_secret(path, parts), kept, "{path} {parts}");
        }
    }

    #[test]
    fn the_journal_gives_back_what_was_sent_without_headers() {
        for body in [&b"json={\"a\":1}"[..], b"\xff\xfe", b""] {
            let request = Request {
                method: "POST".into(),
                path: "/x".into(),
                query: "a=1".into(),
                headers: vec![("authorization".into(), "secret".into())],
                body: Bytes::copy_from_slice(body),
                remote: "192.0.2.1".into(),
            };
            let raw = journal(&request, 0);
            assert!(!String::from_utf8_lossy(&raw).contains("secret"));
            let back = from_journal(&raw).unwrap();
            assert_eq!(
                (back.method, back.path, back.query, back.body),
                (request.method, request.path, request.query, request.body)
            );
        }
        assert!(from_journal(b"Event: Hangup").is_none());
    }
}
