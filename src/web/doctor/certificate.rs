//! Reads until when a certificate is valid: the one field the doctor needs of X.509, without a parser
//! for all the others.

/// The end of validity, in seconds since 1970; `None`: this is no certificate.
pub(super) fn not_after(der: &[u8]) -> Option<i64> {
    // RFC 5280 §4.1: Certificate ::= SEQUENCE { tbsCertificate SEQUENCE { [0] version, serialNumber,
    // signature, issuer, validity, ... } ... }
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest, VERSION)?.1;
    }
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        rest = element(rest, tag)?.1;
    }
    let (validity, _) = element(rest, SEQUENCE)?;
    let (_, after) = any(validity)?;
    let ((tag, text), _) = any(after)?;
    moment(tag, std::str::from_utf8(text).ok()?)
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Content of the next element, which must have this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let ((found, content), rest) = any(der)?;
    (found == tag).then_some((content, rest))
}

type Element<'a> = (u8, &'a [u8]);

/// Tag and content of the next element, and what follows it.
fn any(der: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // Long form: so many bytes of length.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some(((tag, content), rest))
}

/// RFC 5280 §4.1.2.5: `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` from then on.
fn moment(tag: u8, text: &str) -> Option<i64> {
    let text = match tag {
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let moment = jiff::civil::DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    let zoned = moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut bytes = vec![tag];
        match u8::try_from(length) {
            Ok(short) if short < 0x80 => bytes.push(short),
            _ => bytes.extend([0x82, (length >> 8) as u8, length as u8]),
        }
        bytes.extend_from_slice(content);
        bytes
    }

    fn certificate(until: (u8, &[u8]), with_version: bool) -> Vec<u8> {
        let validity = [der(UTC_TIME, b"260101000000Z"), der(until.0, until.1)].concat();
        let mut parts = Vec::new();
        if with_version {
            parts.push(der(VERSION, &[2, 1, 2]));
        }
        parts.extend([
            der(INTEGER, &[7]),
            der(SEQUENCE, &[]),
            der(SEQUENCE, &[0; 300]),
            der(SEQUENCE, &validity),
            der(SEQUENCE, b"and so on"),
        ]);
        der(SEQUENCE, &der(SEQUENCE, &parts.concat()))
    }

    #[test]
    fn the_end_of_validity_is_found() {
        for with_version in [true, false] {
            let short = certificate((UTC_TIME, b"261122093000Z"), with_version);
            assert_eq!(not_after(&short), Some(1_795_339_800));
            let long = certificate((GENERALIZED_TIME, b"20511122093000Z"), with_version);
            assert_eq!(not_after(&long), Some(2_584_258_200));
        }
    }

    #[test]
    fn what_is_no_certificate_says_nothing() {
        let whole = certificate((UTC_TIME, b"261122093000Z"), true);
        for length in 0..whole.len() - b"and so on".len() - 2 {
            assert_eq!(not_after(&whole[..length]), None, "{length}");
        }
        assert_eq!(not_after(b"<html>"), None);
        assert_eq!(not_after(&certificate((UTC_TIME, b"tomorrow"), true)), None);
        assert_eq!(
            not_after(&certificate((INTEGER, b"261122093000Z"), true)),
            None
        );
    }
}
