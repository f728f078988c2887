//! A message as the journal keeps it, and how it is read back: by `ringcard replay`, and when a dead
//! letter is replayed.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::decode;
use crate::{
    flow::{reconcile, visitor},
    model::event::CallEvent,
    pbx::{DecodeError, Decoded, Input, Pbx, Request},
    store::raw::RawMessage,
};

/// Room for what stands around path, query and body in the journal.
const FRAME_BYTES: usize = 64;

/// A request as the journal keeps it; headers carry access and are left out.
#[derive(Serialize, Deserialize)]
struct Journalled<'a> {
    method: Cow<'a, str>,
    path: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    query: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    body: Cow<'a, str>,
    /// Instead of `body`, when the body is not UTF-8.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    body_base64: Cow<'a, str>,
}

/// A request as the journal keeps it, without so many secret parts at the start of its path.
pub fn journal(request: &Request, secret_path_parts: usize) -> Bytes {
    let (body, body_base64) = match std::str::from_utf8(&request.body) {
        Ok(text) => (text.into(), "".into()),
        Err(_) => ("".into(), STANDARD.encode(&request.body).into()),
    };
    let kept = Journalled {
        method: request.method.as_str().into(),
        path: without_secret(&request.path, secret_path_parts),
        query: request.query.as_str().into(),
        body,
        body_base64,
    };
    let long = request.path.len() + request.query.len() + request.body.len();
    let mut raw = Vec::with_capacity(long + FRAME_BYTES);
    serde_json::to_writer(&mut raw, &kept).expect("a struct of strings is JSON");
    raw.into()
}

/// `/secret/a/b` is `/-/a/b`. Slashes too many are not parts.
fn without_secret(path: &str, secret_parts: usize) -> Cow<'_, str> {
    if secret_parts == 0 {
        return path.into();
    }
    let mut left = secret_parts;
    let parts = path.split('/').map(|part| match left {
        1.. if !part.is_empty() => {
            left -= 1;
            "-"
        }
        _ => part,
    });
    parts.collect::<Vec<_>>().join("/").into()
}

/// Reads a request back from the journal; `None` if it is none.
pub fn from_journal(raw: &[u8]) -> Option<Request> {
    let kept: Journalled<'_> = serde_json::from_slice(raw).ok()?;
    let body = match &*kept.body_base64 {
        "" => kept.body.into_owned().into_bytes(),
        coded => STANDARD.decode(coded).ok()?,
    };
    Some(Request {
        method: kept.method.into_owned(),
        path: kept.path.into_owned(),
        query: kept.query.into_owned(),
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
        (reconcile::SOURCE | visitor::SOURCE, Some(pbx)) => {
            decode(pbx, Input::Records(&letter.body), letter.received_at)
        }
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
