//! What the first bytes of a file say it is. Only a first guess: [`super::decode`] has the last word.

use std::io::{self, Read, SeekFrom};

use super::{InspectError, Refused, Source};

/// The first guess at a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    /// RIFF/WAVE.
    Wave,
    /// MPEG layer III that starts at this byte (after ID3 tags).
    Mp3 { at: u64 },
    /// Bare GSM frames.
    Gsm,
    /// Ogg.
    Ogg,
    /// FLAC.
    Flac,
    /// MP4 family.
    Mp4,
    /// Matroska or WebM.
    Matroska,
    /// AMR.
    Amr,
}

/// Length of one bare GSM 6.10 frame (20 ms).
pub const GSM_FRAME_BYTES: u64 = 33;
/// Fewer GSM frames than this are too weak a sign: the format has no header.
const GSM_MIN_FRAMES: u64 = 10;
const HEAD_BYTES: u64 = 512;
/// Tags are sometimes stacked, but not endlessly.
const MAX_ID3_TAGS: usize = 4;

/// Guesses what `source` of `size_bytes` is, or says what came instead of audio.
pub fn guess<S: Source>(source: &mut S, size_bytes: u64) -> Result<Guess, InspectError> {
    if size_bytes == 0 {
        return Err(Refused::Empty.into());
    }
    let mut at = 0;
    for _ in 0..=MAX_ID3_TAGS {
        let head = head(source, at)?;
        match id3_tag_bytes(&head) {
            Some(length) => at += length,
            None => return by_magic(&head, at, size_bytes).map_err(Into::into),
        }
    }
    Err(Refused::NotAudio.into())
}

fn head<S: Source>(source: &mut S, at: u64) -> io::Result<Vec<u8>> {
    source.seek(SeekFrom::Start(at))?;
    let mut head = Vec::with_capacity(HEAD_BYTES as usize);
    source.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

/// Whole length of an ID3v2 tag that `head` starts with.
fn id3_tag_bytes(head: &[u8]) -> Option<u64> {
    let header = head.strip_prefix(b"ID3")?.get(..7)?;
    // ID3v2.4 §6.2: the size is four bytes of seven bits, so that no sync word can occur in it.
    let size = &header[3..7];
    if size.iter().any(|byte| byte & 0x80 != 0) {
        return None;
    }
    let size = size.iter().fold(0, |sum, byte| sum << 7 | u64::from(*byte));
    let footer = if header[2] & 0x10 != 0 { 10 } else { 0 };
    Some(10 + size + footer)
}

fn by_magic(head: &[u8], at: u64, size_bytes: u64) -> Result<Guess, Refused> {
    match head {
        [] => Err(Refused::Truncated),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'A',
            b'V',
            b'E',
            ..,
        ] if at == 0 => Ok(Guess::Wave),
        [b'R', b'I', b'F', b'F', ..] if size_bytes < 12 => Err(Refused::Truncated),
        [b'O', b'g', b'g', b'S', ..] => Ok(Guess::Ogg),
        [b'f', b'L', b'a', b'C', ..] => Ok(Guess::Flac),
        [b'#', b'!', b'A', b'M', b'R', ..] => Ok(Guess::Amr),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Ok(Guess::Mp4),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => Ok(Guess::Matroska),
        [b'P', b'K', 3 | 5, ..] | [0x1f, 0x8b, ..] | [b'R', b'a', b'r', b'!', ..] => {
            Err(Refused::Archive)
        }
        _ if is_layer_three(head) => Ok(Guess::Mp3 { at }),
        _ if looks_like_gsm(head, size_bytes) => Ok(Guess::Gsm),
        _ => Err(written_text(head).unwrap_or(Refused::NotAudio)),
    }
}

/// Whether an MPEG layer III frame header starts here (ISO 11172-3 §2.4.1.3 and 13818-3).
fn is_layer_three(head: &[u8]) -> bool {
    let [0xff, b, c, _, ..] = *head else {
        return false;
    };
    let version_is_reserved = b & 0x18 == 0x08;
    let is_layer_three = b & 0x06 == 0x02;
    let bitrate_is_known = !matches!(c >> 4, 0 | 15);
    let rate_is_known = c & 0x0c != 0x0c;
    b & 0xe0 == 0xe0 && !version_is_reserved && is_layer_three && bitrate_is_known && rate_is_known
}

/// Whether the head is made of GSM frames; each starts with the nibble `0xD` (RFC 3551 §4.5.8.1).
fn looks_like_gsm(head: &[u8], size_bytes: u64) -> bool {
    size_bytes.is_multiple_of(GSM_FRAME_BYTES)
        && size_bytes >= GSM_MIN_FRAMES * GSM_FRAME_BYTES
        && head
            .iter()
            .step_by(GSM_FRAME_BYTES as usize)
            .all(|byte| is_gsm_frame_start(*byte))
}

/// Whether a GSM frame can start with this byte.
pub fn is_gsm_frame_start(byte: u8) -> bool {
    byte & 0xf0 == 0xd0
}

/// What kind of text the head is, if it is text.
fn written_text(head: &[u8]) -> Option<Refused> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if text.trim_ascii_start().first() == Some(&b'<') {
        return Some(Refused::WebPage);
    }
    let is_text = |byte: &u8| !byte.is_ascii_control() || byte.is_ascii_whitespace();
    // A multi-byte character may be cut at the end of the head, nowhere else.
    let is_utf8 = match std::str::from_utf8(text) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    (is_utf8 && text.iter().all(is_text)).then_some(Refused::Text)
}
