//! Form bodies and query strings (`application/x-www-form-urlencoded`) as cloud PBXes send them.
//!
//! Strict, because a message half read makes a wrong call: a broken escape or broken UTF-8 is an
//! error and the message becomes a dead letter. Serves step 2, and step 1 where a signature covers a
//! decoded field.

use super::DecodeError;

/// Name and value as decoded bytes.
pub type Field = (Vec<u8>, Vec<u8>);

/// Every field, in the order sent.
pub fn fields(raw: &[u8]) -> Result<Vec<Field>, DecodeError> {
    raw.split(|&byte| byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let cut = pair.iter().position(|&byte| byte == b'=');
            let (name, value) = match cut {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &pair[pair.len()..]),
            };
            Ok((unescape(name)?, unescape(value)?))
        })
        .collect()
}

/// Every field as text.
pub fn texts(raw: &[u8]) -> Result<Vec<(String, String)>, DecodeError> {
    fields(raw)?
        .into_iter()
        .map(|(name, value)| Ok((text(name)?, text(value)?)))
        .collect()
}

/// Decoded bytes as text.
pub fn text(bytes: Vec<u8>) -> Result<String, DecodeError> {
    String::from_utf8(bytes).map_err(|_| DecodeError::Malformed("not UTF-8".to_owned()))
}

/// Decodes `%41` and `+`.
pub fn unescape(raw: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut plain = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => plain.push(b' '),
            b'%' => {
                let (digits, after) = rest.split_at_checked(2).ok_or_else(broken_escape)?;
                let mut decoded = [0];
                hex::decode_to_slice(digits, &mut decoded).map_err(|_| broken_escape())?;
                plain.push(decoded[0]);
                rest = after;
            }
            byte => plain.push(byte),
        }
    }
    Ok(plain)
}

fn broken_escape() -> DecodeError {
    DecodeError::Malformed("broken percent escape".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn fields_keep_their_order_and_may_be_bare() {
        assert_eq!(
            texts(b"a=1&&b=%D0%B4%2b+x=y&c&=d").unwrap(),
            [
                pair("a", "1"),
                pair("b", "д+ x=y"),
                pair("c", ""),
                pair("", "d")
            ]
        );
        assert_eq!(texts(b"").unwrap(), []);
    }

    #[test]
    fn broken_escapes_and_letters_are_refused() {
        for raw in ["a=%", "a=%4", "a=%4x", "%zz=1", "a=%ff", "a=%D0", "a=%+1"] {
            assert!(texts(raw.as_bytes()).is_err(), "{raw}");
        }
        assert!(texts(b"a=\xff").is_err());
    }

    proptest! {
        #[test]
        fn every_text_comes_back(value in "\\PC*") {
            let escaped: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(texts(format!("v={escaped}").as_bytes()).unwrap(), [pair("v", &value)]);
        }
    }
}
