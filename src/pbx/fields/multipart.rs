//! Bodies in several parts (`multipart/form-data`), as `curl -F` and some bridges send them. The journal keeps
//! no headers, so the boundary is read off the first line. Serves step 2.

use std::borrow::Cow;

use crate::pbx::{DecodeError, form};

/// Parts beyond so many are no honest message's.
const MOST_PARTS: usize = 256;

/// RFC 7578 §4: parts between boundary lines, each with a name in its head. The first line is the boundary.
pub fn parts(body: &[u8]) -> Result<Vec<(String, String)>, DecodeError> {
    let malformed = |what: &str| DecodeError::Malformed(format!("parts: {what}"));
    let text = form::text(Cow::Borrowed(body))?;
    let (boundary, rest) = text
        .split_once("\r\n")
        .ok_or_else(|| malformed("no line"))?;
    if boundary.len() < 3 {
        return Err(malformed("no boundary")); // RFC 2046 §5.1.1: it has at least one character
    }
    let (inner, _) = rest
        .rsplit_once(&format!("\r\n{boundary}--"))
        .ok_or_else(|| malformed("no end"))?;
    let between = format!("\r\n{boundary}\r\n");
    if inner.matches(&between).count() >= MOST_PARTS {
        return Err(malformed("too many"));
    }
    let fields = inner.split(&between).map(|part| {
        let (head, value) = part.split_once("\r\n\r\n")?;
        Some((name_of(head)?.to_owned(), value.to_owned()))
    });
    fields
        .collect::<Option<_>>()
        .ok_or_else(|| malformed("one without a name"))
}

/// `Content-Disposition: form-data; name="event"`.
fn name_of(head: &str) -> Option<&str> {
    let mut lines = head.split("\r\n");
    let line = lines.find(|line| {
        let (name, _) = line.split_once(':').unwrap_or_default();
        name.eq_ignore_ascii_case("content-disposition")
    })?;
    let mut words = line.split(';').map(str::trim);
    let name = words.find_map(|word| word.strip_prefix("name="))?;
    Some(name.trim_matches('"')).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "--x7\r\nContent-Disposition: form-data; name=\"cmd\"\r\n\r\nevent\r\n\
        --x7\r\ncontent-disposition: form-data; name=user\r\nContent-Type: text/plain\r\n\r\nboris\r\noak\r\n\
        --x7--\r\n";

    #[test]
    fn each_part_has_a_name_and_a_value() {
        let wanted = [("cmd", "event"), ("user", "boris\r\noak")];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parts(WHOLE.as_bytes()).unwrap(), wanted);
    }

    #[test]
    fn half_of_a_message_is_none() {
        let cut = &WHOLE[..WHOLE.len() - 8];
        let part = "\r\n--x7\r\nContent-Disposition: form-data; name=a\r\n\r\n1";
        let many = format!("{}\r\n--x7--", &part.repeat(MOST_PARTS + 1)[2..]);
        for wrong in ["--", "--x7\r\n", "--x7\r\n\r\n--x7--", cut, &many] {
            assert!(parts(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }
}
