//! Form bodies and query strings (`application/x-www-form-urlencoded`) as cloud PBXes send them.
//!
//! Strict, because a message half read makes a wrong call: a broken escape or broken UTF-8 is an
//! error and the message becomes a dead letter. Serves step 2, and step 1 where a signature covers a
//! decoded field.

use std::borrow::Cow;

use super::DecodeError;

/// Name and value as decoded bytes; those without an escape are not copied.
pub type Field<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// Every field, in the order sent.
pub fn fields(raw: &[u8]) -> impl Iterator<Item = Result<Field<'_>, DecodeError>> {
    raw.split(|&byte| byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = match memchr::memchr(b'=', pair) {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &pair[pair.len()..]),
            };
            Ok((unescape(name)?, unescape(value)?))
        })
}

/// Every field as text.
pub fn texts(raw: &[u8]) -> Result<Vec<(String, String)>, DecodeError> {
    fields(raw)
        .map(|field| {
            let (name, value) = field?;
            Ok((text(name)?, text(value)?))
        })
        .collect()
}

/// Decoded bytes as text.
pub fn text(bytes: Cow<'_, [u8]>) -> Result<String, DecodeError> {
    String::from_utf8(bytes.into_owned())
        .map_err(|_| DecodeError::Malformed("not UTF-8".to_owned()))
}

/// Decodes `%41` and `+`.
pub fn unescape(raw: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    let Some(plain_until) = memchr::memchr2(b'%', b'+', raw) else {
        return Ok(Cow::Borrowed(raw));
    };
    let mut plain = Vec::with_capacity(raw.len());
    plain.extend_from_slice(&raw[..plain_until]);
    let mut rest = raw[plain_until..].iter();
    while let Some(&byte) = rest.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => match (digit(rest.next()), digit(rest.next())) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(broken_escape()),
            },
            byte => byte,
        });
    }
    Ok(Cow::Owned(plain))
}

/// A text as one part of a path or query.
pub fn in_path(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        // RFC 3986 §2.3: only these mean themselves everywhere.
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => escaped.push(char::from(byte)),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// The value of a hexadecimal digit.
fn digit(byte: Option<&u8>) -> Option<u8> {
    match byte? {
        byte @ b'0'..=b'9' => Some(byte - b'0'),
        byte @ b'a'..=b'f' => Some(byte - b'a' + 10),
        byte @ b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
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
