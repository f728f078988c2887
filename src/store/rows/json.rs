//! Cells as SQLite gets them from sqlx.

use std::fmt::Write as _;

/// A JSON string: quotes, backslashes and control characters escaped.
pub(super) fn push_text(json: &mut String, text: &str) {
    json.push('"');
    let mut from = 0;
    for (i, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        json.push_str(&text[from..i]);
        match byte {
            b'"' => json.push_str("\\\""),
            b'\\' => json.push_str("\\\\"),
            // Writing to a String cannot fail.
            other => _ = write!(json, "\\u{other:04x}"),
        }
        from = i + 1;
    }
    json.push_str(&text[from..]);
    json.push('"');
}

/// Position (from 1, as `substr` counts) and length of what is kept from there to there.
pub(super) fn push_span(json: &mut String, from: usize, to: usize) {
    // Writing to a String cannot fail.
    _ = write!(json, "{},{}", from + 1, to - from);
}
