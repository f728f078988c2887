//! A request as the journal keeps it and as `ringcard replay` reads it back.

use base64::Engine as _;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::pbx::Request;

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

/// A request as the journal keeps it.
pub fn journal(request: &Request) -> Bytes {
    let mut kept = Journalled {
        method: request.method.clone(),
        path: request.path.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

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
            let raw = journal(&request);
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
