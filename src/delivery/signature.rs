//! Standard Webhooks signatures: `v1,` and the base64 of an HMAC-SHA256 over id, time and body, one for
//! each secret that is good now.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// The headers of a message sent at `seconds` since 1970.
pub fn headers(
    id: &str,
    seconds: i64,
    body: &str,
    secrets: &[&str],
) -> Vec<(&'static str, String)> {
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| format!("v1,{}", sign(id, seconds, body, secret)))
        .collect();
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signatures.join(" ")),
    ]
}

fn sign(id: &str, seconds: i64, body: &str, secret: &str) -> String {
    let encoded = secret.strip_prefix(PREFIX).unwrap_or(secret);
    let key = STANDARD
        .decode(encoded)
        .unwrap_or_else(|_| encoded.as_bytes().to_vec());
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `cmluZ2NhcmQgdGVsbHMgdGhlIG91dHNpZGU=` is base64 of "ringcard tells the outside".
    const SECRET: &str = "whsec_cmluZ2NhcmQgdGVsbHMgdGhlIG91dHNpZGU=";

    #[test]
    fn it_is_what_another_program_computes() {
        // printf '%s' 'msg_1.1773700000.{"a":"б"}' | openssl dgst -sha256 -hmac 'ringcard tells the outside' -binary | base64
        let signed = headers("msg_1", 1_773_700_000, "{\"a\":\"б\"}", &[SECRET]);
        assert_eq!(
            signed,
            [
                ("webhook-id", "msg_1".to_owned()),
                ("webhook-timestamp", "1773700000".to_owned()),
                (
                    "webhook-signature",
                    "v1,vDuuEtChbZ7HjUFAt4guyLejmJlqMnmU1+UU6ZRki1s=".to_owned()
                ),
            ]
        );
    }

    #[test]
    fn two_secrets_make_two_signatures() {
        let other = "whsec_b3RoZXI=";
        let both = headers("msg_1", 1, "{}", &[SECRET, other]);
        let (first, second) = both[2].1.split_once(' ').unwrap();
        assert_eq!(first, headers("msg_1", 1, "{}", &[SECRET])[2].1);
        assert_eq!(second, headers("msg_1", 1, "{}", &[other])[2].1);
        assert_ne!(first, second);
    }
}
