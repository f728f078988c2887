//! Secrets that a sender shows as they are: compared in constant time, and cut from a path.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Request, SettingsError};

/// A shorter token could be guessed; 22 letters and digits make 128 bits.
const SHORTEST_TOKEN: usize = 12;
/// What a token is to be like.
pub const TOKEN_RULE: &str = "must have at least 12 letters, digits, - or _ (22 are better)";

/// Whether the two are the same. Their hashes have one length, so not even the secret's can be measured.
pub fn is(given: impl AsRef<[u8]>, own: impl AsRef<[u8]>) -> bool {
    let (given, own) = (Sha256::digest(given), Sha256::digest(own));
    given.ct_eq(&own).into()
}

/// Whether this can be the secret part of a path: long enough, of letters, digits, `-` and `_`.
pub fn is_token(token: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    token.len() >= SHORTEST_TOKEN && token.bytes().all(is_plain)
}

/// The same of an account's `token`.
pub fn check_token(token: &str) -> Result<(), SettingsError> {
    match is_token(token) {
        true => Ok(()),
        false => Err(SettingsError::Unusable(format!("token {TOKEN_RULE}"))),
    }
}

/// Whether a request shows the account's token where its path begins.
pub fn opens(request: &Request, token: &str) -> bool {
    is(split_path(&request.path).0, token)
}

/// The secret a path begins with, and what stands below it.
pub fn split_path(path: &str) -> (&str, &str) {
    let path = path.trim_matches('/');
    path.split_once('/').unwrap_or((path, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_is_the_secret() {
        assert!(is("birch", b"birch"));
        for given in ["", "birc", "birch ", "Birch", "birchbirch"] {
            assert!(!is(given, "birch"), "{given:?}");
        }
    }

    #[test]
    fn a_token_is_long_and_plain() {
        assert!(is_token("Kd83nfhAq0-_"));
        for wrong in [
            "",
            "Kd83nfhAq0-",
            "Kd83nfhAq0-/",
            "Kd83nfhAq0 1",
            "Кd83nfhAq0-1",
        ] {
            assert!(check_token(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_path_begins_with_its_secret() {
        assert_eq!(split_path("/birch"), ("birch", ""));
        assert_eq!(split_path("/birch/"), ("birch", ""));
        assert_eq!(split_path("/birch/a/b"), ("birch", "a/b"));
        assert_eq!(split_path("/"), ("", ""));
    }
}
