//! Secrets that a sender shows as they are: compared in constant time, and cut from a path.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Whether the two are the same. Their hashes have one length, so not even the secret's can be measured.
pub fn is(given: impl AsRef<[u8]>, own: impl AsRef<[u8]>) -> bool {
    let (given, own) = (Sha256::digest(given), Sha256::digest(own));
    given.ct_eq(&own).into()
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
    fn a_path_begins_with_its_secret() {
        assert_eq!(split_path("/birch"), ("birch", ""));
        assert_eq!(split_path("/birch/"), ("birch", ""));
        assert_eq!(split_path("/birch/a/b"), ("birch", "a/b"));
        assert_eq!(split_path("/"), ("", ""));
    }
}
