//! What goes over the wire, and when.

use crate::model::time::Timestamp;

/// One webhook request of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Post {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path and query below the account's hook root, starting with `/`.
    pub target: String,
    /// Form or JSON; empty for `GET`.
    pub body: String,
    /// What the request is signed with, if that stands in a header: its name, and the signature.
    pub signature: Option<(&'static str, String)>,
}

impl Post {
    /// What the body is.
    pub fn content_type(&self) -> &'static str {
        match self.body.starts_with('{') {
            true => "application/json",
            false => "application/x-www-form-urlencoded",
        }
    }

    /// The request as bytes of HTTP/1.1 on a connection that stays open. `root` is the account's hook
    /// root without a slash at its end.
    pub fn bytes(&self, root: &str, host: &str) -> Vec<u8> {
        let Self {
            method,
            target,
            body,
            signature,
        } = self;
        let mut text = format!("{method} {root}{target} HTTP/1.1\r\nHost: {host}\r\n");
        if let Some((name, signature)) = signature {
            text.push_str(&format!("{name}: {signature}\r\n"));
        }
        if *method == "POST" {
            text.push_str(&format!("Content-Type: {}\r\n", self.content_type()));
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body);
        text.into_bytes()
    }
}

/// A message with the moment at which the PBX sends it.
#[derive(Clone, Debug)]
pub struct Sent<T> {
    /// When.
    pub at: Timestamp,
    /// Which story it belongs to.
    pub story: u64,
    /// What.
    pub what: T,
}

/// Percent-encodes for a form or a query.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
