//! What may be given to a PBX to dial. Nothing that people or clients wrote goes there unchecked.

use super::PbxError;
use crate::model::ids::Extension;

/// An extension as cloud PBXes have them.
pub fn extension(extension: &Extension) -> Result<&str, PbxError> {
    let text = extension.as_str();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match (1..=32).contains(&text.len()) && text.bytes().all(is_plain) {
        true => Ok(text),
        false => Err(PbxError::Refused("no such extension can be".to_owned())),
    }
}

/// The digits of an E.164 number. RFC 3966 §5.1.4: a global number is a plus and digits; E.164 allows 15.
pub fn digits(e164: &str) -> Result<&str, PbxError> {
    let digits = e164.strip_prefix('+').unwrap_or_default();
    let is_number =
        (5..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    match is_number {
        true => Ok(digits),
        false => Err(PbxError::Refused(
            "this number cannot be dialled".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_and_names_are_dialled() {
        assert_eq!(digits("+74950000011").unwrap(), "74950000011");
        for wrong in [
            "74950000011",
            "+7495000001a",
            "+1234",
            "",
            "+1234567890123456",
            "+٧٤٩٥٠٠",
        ] {
            assert!(digits(wrong).is_err(), "{wrong}");
        }
        assert_eq!(extension(&"201".into()).unwrap(), "201");
        for wrong in ["", "201&202", "201 ", "201/n", &"1".repeat(33)] {
            assert!(extension(&wrong.into()).is_err(), "{wrong}");
        }
    }
}
