//! Whether a message is Twilio's: `X-Twilio-Signature`.
//!
//! <https://www.twilio.com/docs/usage/security#validating-requests>: HMAC-SHA1 with the account's token, in
//! Base64, over the address as it was entered there and, of a form, name and value of every field in the order
//! of the names. Other bodies have their SHA-256 in the query (`bodySHA256`) and only the address is signed.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use sha2::{Digest, Sha256};

use super::settings::Settings;
use crate::pbx::{Request, form, secret};

/// Knows the tokens of one account and the address that it was entered with.
pub struct Signer {
    keys: Vec<hmac::Key>,
    /// The address, with and without its port: proxies on the way were seen to sign either.
    roots: Vec<String>,
}

impl Signer {
    /// Of this account.
    pub fn new(settings: &Settings) -> Self {
        let tokens = [&settings.auth_token, &settings.second_auth_token];
        let tokens = tokens.into_iter().filter(|token| !token.is_empty());
        let key =
            |token: &String| hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
        Self {
            keys: tokens.map(key).collect(),
            roots: roots(&settings.hook_url),
        }
    }

    /// Whether the request is signed with a token of ours.
    pub fn fits(&self, request: &Request) -> bool {
        let mut signatures = request.headers.iter();
        let Some((_, given)) = signatures.find(|(name, _)| name == "x-twilio-signature") else {
            return false;
        };
        let Some(fields) = signed_fields(request) else {
            return false;
        };
        let mut fits = false;
        for root in &self.roots {
            let mut text = format!("{root}{}", request.path);
            if !request.query.is_empty() {
                text = format!("{text}?{}", request.query);
            }
            text.push_str(&fields);
            for key in &self.keys {
                fits |= secret::is(given, STANDARD.encode(hmac::sign(key, text.as_bytes())));
            }
        }
        fits
    }
}

/// The address as it is, with the port of its scheme written out, and without a port.
fn roots(url: &str) -> Vec<String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let port = if scheme == "http" { 80 } else { 443 };
    // The last colon of `[2001:db8::1]` parts no port.
    let bare = match host.rsplit_once(':') {
        Some((bare, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => bare,
        _ => host,
    };
    let with = match bare == host {
        true => format!("{scheme}://{host}:{port}{path}"),
        false => format!("{scheme}://{host}{path}"),
    };
    vec![with, format!("{scheme}://{bare}{path}")]
}

/// What of the body is signed behind the address; `None`: the body is not the one that was signed.
fn signed_fields(request: &Request) -> Option<String> {
    let query = form::texts(request.query.as_bytes()).ok()?;
    let mut hashes = query.iter().filter(|(name, _)| name == "bodySHA256");
    if let Some((_, hash)) = hashes.next() {
        let own = hex::encode(Sha256::digest(&request.body));
        return secret::is(hash.to_ascii_lowercase(), own).then(String::new);
    }
    let mut fields: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in form::texts(&request.body).ok()? {
        fields.entry(name).or_default().insert(value);
    }
    let mut text = String::new();
    for (name, values) in fields {
        for value in values {
            text.push_str(&name);
            text.push_str(&value);
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

    fn signer(url: &str) -> Signer {
        let table = format!(
            "hook_url = '{url}'\naccount_sid = 'AC1'\nauth_token = 'other'\n\
             second_auth_token = '{TOKEN}'\notherwise = ['+74950000031']"
        );
        let settings: Settings = toml::from_str(&table).unwrap();
        Signer::new(&settings.whole().unwrap())
    }

    fn request(query: &str, body: &str, signature: &str) -> Request {
        Request {
            method: "POST".to_owned(),
            path: "/voice".to_owned(),
            query: query.to_owned(),
            headers: vec![("x-twilio-signature".to_owned(), signature.to_owned())],
            body: body.to_owned().into(),
            remote: "192.0.2.1".to_owned(),
        }
    }

    fn sign(text: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TOKEN.as_bytes());
        STANDARD.encode(hmac::sign(&key, text.as_bytes()))
    }

    /// Computed with `openssl dgst -sha1 -hmac <token> -binary | base64` over
    /// `https://calls.example.com/hooks/cedar/voice?x=1CallSidCA1From+74950000021Note`.
    const SIGNATURE: &str = "2DbtoHPRYcjL5+Ed5TDVogDWMqk=";
    const BODY: &str = "From=%2B74950000021&CallSid=CA1&Note=";

    #[test]
    fn a_form_is_signed_with_its_address_and_its_sorted_fields() {
        let signer = signer("https://calls.example.com/hooks/cedar/");
        assert!(signer.fits(&request("x=1", BODY, SIGNATURE)));
        for (query, body) in [
            ("x=2", BODY),
            ("", BODY),
            ("x=1", "CallSid=CA1"),
            ("x=1", ""),
        ] {
            assert!(
                !signer.fits(&request(query, body, SIGNATURE)),
                "{query} {body}"
            );
        }
        assert!(!signer.fits(&request("x=1", BODY, "")));
        assert!(!signer.fits(&request("x=1", BODY, &sign("other"))));
        let unsigned = Request {
            headers: Vec::new(),
            ..request("x=1", BODY, "")
        };
        assert!(!signer.fits(&unsigned));
    }

    #[test]
    fn the_port_may_be_written_or_not() {
        for (entered, signed) in [
            (
                "https://a.example/hooks/x",
                "https://a.example:443/hooks/x/voice",
            ),
            (
                "https://a.example:443/hooks/x",
                "https://a.example/hooks/x/voice",
            ),
            (
                "https://a.example:8443/hooks/x",
                "https://a.example:8443/hooks/x/voice",
            ),
            (
                "http://[2001:db8::1]/hooks/x",
                "http://[2001:db8::1]:80/hooks/x/voice",
            ),
        ] {
            let request = request("", "", &sign(signed));
            assert!(signer(entered).fits(&request), "{entered} {signed}");
        }
        let other = sign("https://a.example:8443/hooks/x/voice");
        assert!(!signer("https://a.example/hooks/x").fits(&request("", "", &other)));
    }

    #[test]
    fn values_of_one_name_are_signed_once_each_in_their_order() {
        let signature = sign("https://a.example/hooks/x/voiceA1A2B");
        let request = request("", "A=2&B=&A=1&A=2", &signature);
        assert!(signer("https://a.example/hooks/x").fits(&request));
    }

    #[test]
    fn a_body_that_is_no_form_has_its_hash_in_the_query() {
        let body = r#"{"type":"x"}"#;
        let hash = hex::encode(Sha256::digest(body));
        let query = format!("bodySHA256={hash}");
        let signature = sign(&format!("https://a.example/hooks/x/voice?{query}"));
        let signer = signer("https://a.example/hooks/x");
        assert!(signer.fits(&request(&query, body, &signature)));
        assert!(!signer.fits(&request(&query, r#"{"type":"y"}"#, &signature)));
        assert!(!signer.fits(&request("", body, &signature)));
    }
}
