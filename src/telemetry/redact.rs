//! What must never stand in a log line: secrets at every level, full phone numbers above `debug`.
//!
//! Stands between the log and where it is written, so no caller has to remember it.

use std::{
    borrow::Cow,
    io::{self, Write},
    sync::RwLock,
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

static SECRETS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Secrets shorter than this would blank out ordinary words.
const SHORTEST_SECRET: usize = 4;

/// What stands before user and secret in a header of HTTP.
const LOGIN: &str = "Basic ";

/// Letters of base64 that hold a user, a colon and a secret; ordinary words are mostly shorter.
const SHORTEST_LOGIN: usize = 8;

/// Makes these texts unreadable in every log line from now on.
pub fn hide<'a>(secrets: impl IntoIterator<Item = &'a str>) {
    let mut known = SECRETS
        .write()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for secret in secrets {
        if secret.len() >= SHORTEST_SECRET && !known.iter().any(|known| known == secret) {
            known.push(secret.to_owned());
        }
    }
}

/// A log line as it may be seen: without secrets, and above `debug` without full phone numbers.
pub fn redact(line: &str, level: Level) -> Cow<'_, str> {
    let mut line = Cow::Borrowed(line);
    let secrets = SECRETS
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for secret in secrets.iter() {
        if line.contains(secret.as_str()) {
            line = Cow::Owned(line.replace(secret.as_str(), "***"));
        }
    }
    if let Some(masked) = mask_logins(&line) {
        line = Cow::Owned(masked);
    }
    if level <= Level::INFO
        && let Some(masked) = mask_numbers(&line)
    {
        line = Cow::Owned(masked);
    }
    line
}

/// Blanks out what follows `Basic `, as HTTP shows user and secret; `None` if nothing does.
fn mask_logins(text: &str) -> Option<String> {
    let is_base64 = |letter: char| letter.is_ascii_alphanumeric() || "+/=-_".contains(letter);
    let mut parts = text.split(LOGIN);
    let mut masked = parts.next()?.to_owned();
    let mut found = false;
    for part in parts {
        let rest = part.trim_start_matches(is_base64);
        let is_login = part.len() - rest.len() >= SHORTEST_LOGIN;
        found |= is_login;
        masked.push_str(LOGIN);
        match is_login {
            true => masked.extend(["***", rest]),
            false => masked.push_str(part),
        }
    }
    found.then_some(masked)
}

/// Blanks out what looks like a phone number; `None` if nothing does.
///
/// `+` with 7 to 15 digits, or 10 to 15 bare digits. Bare unix times (10 or 13 digits from `1`) and
/// the last group of a uuid are left alone: they are how calls are found again.
fn mask_numbers(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut masked: Option<Vec<u8>> = None;
    let mut at = 0;
    while at < bytes.len() {
        let plus = bytes[at] == b'+';
        let starts = plus || bytes[at].is_ascii_digit();
        if !starts || (!plus && at > 0 && bytes[at - 1].is_ascii_alphanumeric()) {
            at += 1;
            continue;
        }
        let digits = digits_from(bytes, at + usize::from(plus), plus);
        let end = digits.last().map_or(at + 1, |last| last + 1);
        if is_number(bytes, at, plus, &digits, end) {
            let out = masked.get_or_insert_with(|| bytes.to_vec());
            for digit in &digits[1..digits.len() - 2] {
                out[*digit] = b'*';
            }
        }
        at = end;
    }
    masked.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Places of the digits that belong together; after a `+` they may be written in groups.
fn digits_from(bytes: &[u8], from: usize, grouped: bool) -> Vec<usize> {
    let mut digits = Vec::new();
    let mut gap = 0;
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'0'..=b'9' => {
                digits.push(at);
                gap = 0;
            }
            b' ' | b'-' | b'(' | b')' if grouped && gap < 2 => gap += 1,
            _ => break,
        }
    }
    digits
}

fn is_number(bytes: &[u8], start: usize, plus: bool, digits: &[usize], end: usize) -> bool {
    if plus {
        return (7..=15).contains(&digits.len());
    }
    if bytes.get(end).is_some_and(u8::is_ascii_alphabetic) {
        return false;
    }
    let unix_time = bytes[start] == b'1' && matches!(digits.len(), 10 | 13);
    (10..=15).contains(&digits.len()) && !unix_time && !ends_uuid(bytes, start, digits.len())
}

/// Whether the digits are the last group of a uuid: twelve, after `-xxxx-`.
fn ends_uuid(bytes: &[u8], start: usize, len: usize) -> bool {
    len == 12
        && start >= 6
        && bytes[start - 1] == b'-'
        && bytes[start - 6] == b'-'
        && bytes[start - 5..start - 1]
            .iter()
            .all(u8::is_ascii_hexdigit)
}

/// Puts [`redact`] between the log and where it is written.
pub(super) struct Redacting<M>(pub(super) M);

pub(super) struct RedactingWriter<W> {
    to: W,
    level: Level,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Redacting<M> {
    type Writer = RedactingWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        RedactingWriter {
            to: self.0.make_writer(),
            level: Level::ERROR, // unknown: the stricter reading
        }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        RedactingWriter {
            to: self.0.make_writer_for(meta),
            level: *meta.level(),
        }
    }
}

impl<W: Write> Write for RedactingWriter<W> {
    // The log hands over one whole line a call, so nothing is cut in two.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        self.to
            .write_all(redact(&line, self.level).as_bytes())
            .map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn numbers_are_masked_and_ids_are_not() {
        for (line, shown) in [
            ("caller +74950000011 rings", "caller +7********11 rings"),
            ("caller +7 (495) 000-00-11.", "caller +7 (***) ***-**-11."),
            ("from 84950000011", "from 8********11"),
            ("tel:4950000011;x", "tel:4*******11;x"),
            ("in-74950000011-101.wav", "in-7********11-101.wav"),
        ] {
            assert_eq!(redact(line, Level::INFO), shown);
            assert_eq!(redact(line, Level::DEBUG), line);
        }
        for line in [
            "linkedid=1763000000.12 at 1763000000123",
            "call 018f0000-0000-7000-8000-000000000001",
            "took_us=1200 extension 201 on 10.0.0.5:5038",
            "2026-03-17T06:15:00.123456Z",
        ] {
            assert_eq!(redact(line, Level::ERROR), line);
        }
    }

    #[test]
    fn secrets_are_blanked_at_every_level() {
        hide(["correct-horse", "abc"]);
        assert_eq!(
            redact("login with correct-horse: abc", Level::TRACE),
            "login with ***: abc"
        );
        for (line, shown) in [
            (
                "authorization: Basic cmluZ2NhcmQ6aW52ZW50ZWQ=\\r\\nHost: a",
                "authorization: Basic ***\\r\\nHost: a",
            ),
            ("Basic YTpiOmM6ZA==, Basic x", "Basic ***, Basic x"),
            ("Basic", "Basic"),
        ] {
            assert_eq!(redact(line, Level::TRACE), shown);
        }
    }

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whatever_is_logged_goes_through_the_redaction() {
        let page = Page::default();
        let to = page.clone();
        let log = tracing_subscriber::fmt()
            .json()
            .with_max_level(Level::DEBUG)
            .with_writer(Redacting(move || to.clone()))
            .finish();
        hide(["battery-staple"]);
        tracing::subscriber::with_default(log, || {
            let client = "+74950000012";
            tracing::warn!(client, token = "battery-staple", "odd caller {client}");
            tracing::debug!(client = "+74950000013", "seen");
        });
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("74950000012"), "{text}");
        assert!(!text.contains("battery-staple"), "{text}");
        assert!(text.contains("+74950000013"), "{text}");
    }
}
