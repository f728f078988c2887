//! How a PBX shows that a message is its own: a hash over the message and a secret, or the secret itself in
//! a field or header. Serves step 1; everything is compared in constant time.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use ring::{digest, hmac as signed};
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::place::{Fields, Place};
use crate::pbx::Request;

/// How the proof is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Scheme {
    /// The secret itself.
    Token,
    HmacSha256,
    HmacSha1,
    HmacMd5,
    /// Plain hashes: the secret must stand in `over`.
    Sha256,
    Sha1,
    Md5,
}

/// How the hash is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Encoding {
    #[default]
    Hex,
    Base64,
    /// Base64 of the hexadecimal text.
    Base64OfHex,
}

/// The part of the configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSignature {
    scheme: Scheme,
    secret: String,
    at: Place,
    #[serde(default)]
    encoding: Encoding,
    #[serde(default = "body")]
    over: String,
}

fn body() -> String {
    "{body}".to_owned()
}

/// The same, checked.
pub struct Signature {
    scheme: Scheme,
    secret: String,
    at: Place,
    encoding: Encoding,
    over: Vec<Piece>,
}

/// What is hashed, piece by piece.
enum Piece {
    Text(String),
    Secret,
    Body,
    Query,
    Field(String),
}

/// A secret of fewer letters could be guessed.
const SHORTEST_SECRET: usize = 8;
/// What a place in a header begins with.
const HEADER: &str = "header:";

impl RawSignature {
    pub fn checked(self, told: &mut Vec<String>) -> Option<Signature> {
        let before = told.len();
        if self.secret.len() < SHORTEST_SECRET {
            told.push(format!(
                "signature.secret must have at least {SHORTEST_SECRET} letters"
            ));
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if self.scheme == Scheme::Token && !self.secret.bytes().all(is_plain) {
            let text = "may have letters, digits, - and _ only: so it is found wherever it stands";
            told.push(format!("signature.secret {text}"));
        }
        if let Some(text) = self.at.problem() {
            told.push(format!("signature.at {text}"));
        }
        let over = pieces(&self.over);
        if over.is_none() {
            told.push("signature.over has a { without }".to_owned());
        }
        let over = over.unwrap_or_default();
        let has = |test: fn(&Piece) -> bool| over.iter().any(test);
        let is_plain = matches!(self.scheme, Scheme::Sha256 | Scheme::Sha1 | Scheme::Md5);
        if is_plain && !has(|piece| matches!(piece, Piece::Secret)) {
            told.push("signature.over must hold {secret}, as this scheme has no key".to_owned());
        }
        if !has(|piece| !matches!(piece, Piece::Text(_) | Piece::Secret)) {
            told.push("signature.over holds nothing of the message".to_owned());
        }
        (told.len() == before).then_some(Signature {
            scheme: self.scheme,
            secret: self.secret,
            at: self.at,
            encoding: self.encoding,
            over,
        })
    }
}

/// `{caller}{/call/id}{secret}`: names in braces, other text as it is; `None` for a brace that stays open.
fn pieces(over: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = over;
    while let Some((text, from)) = rest.split_once('{') {
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
        let (name, after) = from.split_once('}')?;
        pieces.push(match name {
            "secret" => Piece::Secret,
            "body" => Piece::Body,
            "query" => Piece::Query,
            name => Piece::Field(name.to_owned()),
        });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Some(pieces)
}

impl Signature {
    /// The secret that stands in every message as it is: the journal must not have it.
    pub fn shown_secret(&self) -> Option<&str> {
        (self.scheme == Scheme::Token).then_some(self.secret.as_str())
    }

    /// Whether the message shows that it comes from somebody who knows the secret.
    pub fn fits(&self, request: &Request, fields: &Fields) -> bool {
        let given = self
            .at
            .at
            .iter()
            .find_map(|name| match name.strip_prefix(HEADER) {
                Some(name) => header(request, name),
                None => fields.named(name),
            });
        let Some(given) = given else {
            return false;
        };
        let given = self.at.cut(&given);
        if self.scheme == Scheme::Token {
            // Hashes have one length, so not even the secret's length can be measured.
            let hash = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
            let (given, own) = (hash(given), hash(&self.secret));
            return given.as_ref().ct_eq(own.as_ref()).into();
        }
        let given = match self.encoding {
            Encoding::Hex => hex::decode(given).ok(),
            Encoding::Base64 => STANDARD.decode(given).ok(),
            Encoding::Base64OfHex => STANDARD
                .decode(given)
                .ok()
                .and_then(|text| hex::decode(text).ok()),
        };
        let own = self.hash(&self.signed(request, fields));
        given.is_some_and(|given| bool::from(given.ct_eq(&own)))
    }

    /// The text that is hashed; a field that is not there is nothing.
    fn signed(&self, request: &Request, fields: &Fields) -> Vec<u8> {
        let mut text = Vec::new();
        for piece in &self.over {
            match piece {
                Piece::Text(own) => text.extend_from_slice(own.as_bytes()),
                Piece::Secret => text.extend_from_slice(self.secret.as_bytes()),
                Piece::Body => text.extend_from_slice(&request.body),
                Piece::Query => text.extend_from_slice(request.query.as_bytes()),
                Piece::Field(name) => {
                    text.extend_from_slice(fields.named(name).unwrap_or_default().as_bytes());
                }
            }
        }
        text
    }

    fn hash(&self, text: &[u8]) -> Vec<u8> {
        let key = |algorithm| signed::Key::new(algorithm, self.secret.as_bytes());
        let plain = |algorithm| digest::digest(algorithm, text).as_ref().to_vec();
        match self.scheme {
            Scheme::HmacSha256 => signed::sign(&key(signed::HMAC_SHA256), text)
                .as_ref()
                .to_vec(),
            Scheme::HmacSha1 => {
                let key = key(signed::HMAC_SHA1_FOR_LEGACY_USE_ONLY);
                signed::sign(&key, text).as_ref().to_vec()
            }
            Scheme::HmacMd5 => {
                let mut mac = Hmac::<Md5>::new_from_slice(self.secret.as_bytes())
                    .expect("HMAC takes a key of any length");
                mac.update(text);
                mac.finalize().into_bytes().to_vec()
            }
            Scheme::Sha256 => plain(&digest::SHA256),
            Scheme::Sha1 => plain(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Scheme::Md5 => Md5::digest(text).to_vec(),
            Scheme::Token => self.secret.clone().into_bytes(), // compared before it comes to this
        }
    }
}

fn header(request: &Request, name: &str) -> Option<String> {
    let mut headers = request.headers.iter();
    headers.find_map(|(known, value)| (known == name).then(|| value.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pbx::webhook::place::Body;

    fn fits(settings: &str, headers: &[(&str, &str)], body: &str) -> bool {
        let raw: RawSignature = toml::from_str(settings).unwrap();
        let mut told = Vec::new();
        let signature = raw.checked(&mut told).unwrap_or_else(|| panic!("{told:?}"));
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        let request = Request {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            headers: headers.collect(),
            body: body.to_owned().into(),
            remote: "192.0.2.1".to_owned(),
        };
        let fields = Fields::read(&request, Body::Auto, None).unwrap();
        signature.fits(&request, &fields)
    }

    /// Each was made by `printf '%s' 'a=1&b=2' | openssl dgst -<hash> -hmac maple-secret`, or without the key
    /// over `maple-secreta=1&b=2`.
    #[test]
    fn every_scheme_and_encoding() {
        for (scheme, encoding, over, sign) in [
            (
                "hmac-sha256",
                "hex",
                "{body}",
                "c9bd6c6e8f10ec3a9a9c5825b2a63c25362e2fd45914657ce901feffea3ba8e5",
            ),
            (
                "hmac-sha256",
                "base64",
                "{body}",
                "yb1sbo8Q7DqanFglsqY8JTYuL9RZFGV86QH+/+o7qOU=",
            ),
            (
                "hmac-sha256",
                "base64-of-hex",
                "{body}",
                "YzliZDZjNmU4ZjEwZWMzYTlhOWM1ODI1YjJhNjNjMjUzNjJlMmZkNDU5MTQ2NTdjZTkwMWZlZmZlYTNiYThlNQ==",
            ),
            (
                "hmac-sha1",
                "hex",
                "{body}",
                "3ff343e52481ef5720996877f7fd576c6f278714",
            ),
            (
                "hmac-sha1",
                "base64",
                "{body}",
                "P/ND5SSB71cgmWh39/1XbG8nhxQ=",
            ),
            (
                "hmac-sha1",
                "base64-of-hex",
                "{body}",
                "M2ZmMzQzZTUyNDgxZWY1NzIwOTk2ODc3ZjdmZDU3NmM2ZjI3ODcxNA==",
            ),
            (
                "hmac-md5",
                "hex",
                "{body}",
                "baf529d85660610d2ccdc81be574f40e",
            ),
            ("hmac-md5", "base64", "{body}", "uvUp2FZgYQ0szcgb5XT0Dg=="),
            (
                "hmac-md5",
                "base64-of-hex",
                "{body}",
                "YmFmNTI5ZDg1NjYwNjEwZDJjY2RjODFiZTU3NGY0MGU=",
            ),
            (
                "sha256",
                "hex",
                "{secret}a={a}&b={b}",
                "2201b3c9120b5e0a271e1d0476af31cbe7d0132657a0e067966ae1a9d2b2e17f",
            ),
            (
                "sha1",
                "hex",
                "{secret}a={a}&b={b}",
                "f0a3a2f2073f76be38eb8aed5ca9a637fed09412",
            ),
            (
                "md5",
                "hex",
                "{secret}a={a}&b={b}",
                "cbe5631457c496b435c995269bd049cf",
            ),
        ] {
            let settings = format!(
                "scheme = '{scheme}'\nencoding = '{encoding}'\nover = '{over}'\n\
                 secret = 'maple-secret'\nat = {{ at = 'header:x-sign', after = 'v1:' }}"
            );
            let is_let_in = |sign: &str, body| fits(&settings, &[("x-sign", sign)], body);
            let sent = format!("v1:{sign}");
            assert!(is_let_in(&sent, "a=1&b=2"), "{scheme} {encoding}");
            assert!(!is_let_in(&sent, "a=1&b=3"), "{scheme} {encoding}");
            assert!(!is_let_in("v1:", "a=1&b=2"), "{scheme} {encoding}");
            assert!(!fits(&settings, &[], "a=1&b=2"), "{scheme}");
        }
    }

    #[test]
    fn a_token_may_stand_in_a_field_and_a_hash_may_be_over_fields() {
        let token = "scheme = 'token'\nsecret = 'maple-secret'\nat = 'key'";
        assert!(fits(token, &[], "key=maple-secret&a=1"));
        assert!(!fits(token, &[], "key=maple-secre&a=1"));
        assert!(!fits(token, &[], "a=1"));
    }

    #[test]
    fn what_proves_nothing_is_refused() {
        for (settings, expected) in [
            (
                "scheme = 'md5'\nsecret = 'maple-secret'\nat = 's'",
                "{secret}",
            ),
            (
                "scheme = 'hmac-md5'\nsecret = 'maple-secret'\nat = 's'\nover = 'x'",
                "nothing of",
            ),
            (
                "scheme = 'hmac-md5'\nsecret = 'maple-secret'\nat = 's'\nover = '{x'",
                "without }",
            ),
            ("scheme = 'hmac-md5'\nsecret = 'short'\nat = ''", "at least"),
        ] {
            let raw: RawSignature = toml::from_str(settings).unwrap();
            let mut told = Vec::new();
            assert!(raw.checked(&mut told).is_none());
            assert!(told.join("; ").contains(expected), "{told:?}");
        }
    }
}
