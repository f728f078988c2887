//! Whether a message was signed by sipgate: RSA (PKCS #1 v1.5) with SHA-256 over the raw body, in Base64.
//!
//! One key signs for every customer, so the signature says that sipgate has sent the message and not whose
//! it is: that, the secret part of the path says.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use crate::pbx::{Request, SettingsError};

/// The header.
const HEADER: &str = "x-sipgate-signature";

/// A key with which signatures are checked.
pub struct Key(UnparsedPublicKey<Vec<u8>>);

impl Key {
    /// Reads a key as `-----BEGIN PUBLIC KEY-----` has it (RFC 7468 §13).
    pub fn read(pem: &str) -> Result<Self, SettingsError> {
        let coded: String = pem
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        let coded: String = coded.split_whitespace().collect();
        let der = STANDARD.decode(coded).ok();
        let key = der.as_deref().and_then(rsa_key).ok_or_else(|| {
            let text = "public_key is no RSA key as \"-----BEGIN PUBLIC KEY-----\" has it";
            SettingsError::Unusable(text.to_owned())
        })?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.to_vec());
        Ok(Self(key))
    }

    /// Whether the request's body is signed with this key.
    pub fn fits(&self, request: &Request) -> bool {
        let mut headers = request.headers.iter();
        let given = headers.find_map(|(name, value)| (name == HEADER).then_some(value.trim()));
        let given = given.and_then(|given| STANDARD.decode(given).ok());
        given.is_some_and(|given| self.0.verify(&request.body, &given).is_ok())
    }
}

/// RFC 5280 §4.1: `SEQUENCE { algorithm, BIT STRING { key } }`; what stands in the bit string is the key as
/// RFC 8017 §A.1.1 has it.
fn rsa_key(der: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const BIT_STRING: u8 = 0x03;
    const OBJECT_ID: u8 = 0x06;
    const RSA_ENCRYPTION: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    let (outer, after) = element(der, SEQUENCE)?;
    let (algorithm, key) = element(outer, SEQUENCE)?;
    let (name, _) = element(algorithm, OBJECT_ID)?;
    let (bits, rest) = element(key, BIT_STRING)?;
    let (unused, key) = bits.split_first()?;
    let is_whole = after.is_empty() && rest.is_empty() && *unused == 0;
    (is_whole && name == RSA_ENCRYPTION).then_some(key)
}

/// The inside of the first element, if it is of this kind, and what comes after it (X.690 §8.1).
fn element(der: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match *length {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => {
            let (length, rest) = rest.split_first()?;
            (usize::from(*length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    (*first == kind).then_some(rest.split_at_checked(length)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_rsa_key_is_one() {
        assert!(Key::read(super::super::unconfirmed::PUBLIC_KEY).is_ok());
        let short: String = super::super::unconfirmed::PUBLIC_KEY
            .lines()
            .take(4)
            .collect();
        for wrong in ["", "-----BEGIN PUBLIC KEY-----", "AAAA", &short] {
            assert!(Key::read(wrong).is_err(), "{wrong}");
        }
    }
}
