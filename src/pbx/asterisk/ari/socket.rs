//! A WebSocket (RFC 6455) as far as the REST interface needs one: the handshake of the side that dials
//! and of the side that is dialled, and frames cut out of bytes that may be cut anywhere.
//!
//! No extension is offered, so none is spoken. Text comes out whole, however it was split into frames.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Buf, Bytes, BytesMut};
use ring::digest;

use crate::pbx::DecodeError;

/// Larger than any honest message: the list of ten thousand channels is smaller.
pub const LONGEST_MESSAGE: usize = 16 * 1024 * 1024;
/// Larger than any honest head of a handshake.
const LONGEST_HEAD: usize = 16 * 1024;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole message of text.
    Text(Bytes),
    /// The other side wants a sign of life with these bytes.
    Ping(Bytes),
    /// A sign of life.
    Pong,
    /// The other side goes.
    Close,
}

/// Cuts bytes into messages.
#[derive(Default)]
pub struct Framer {
    buffer: BytesMut,
    /// The beginning of a message in several frames, once there is one.
    begun: Option<BytesMut>,
    /// What came was no WebSocket's: whatever follows means nothing.
    is_broken: bool,
}

impl Framer {
    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The head of an HTTP message, without the empty line behind it, once it is whole.
    pub fn next_head(&mut self) -> Result<Option<String>, DecodeError> {
        let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") else {
            return match self.buffer.len() > LONGEST_HEAD {
                true => Err(DecodeError::TooLarge {
                    limit: LONGEST_HEAD,
                }),
                false => Ok(None),
            };
        };
        let head = self.buffer.split_to(end);
        self.buffer.advance(4);
        Ok(Some(String::from_utf8_lossy(&head).into_owned()))
    }

    /// The next message or sign, if there is one. After an error nothing more can be read.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        if self.is_broken {
            return Err(broken("after something that was wrong"));
        }
        let told = self.told();
        self.is_broken = told.is_err();
        told
    }

    fn told(&mut self) -> Result<Option<Frame>, DecodeError> {
        while let Some((first, payload)) = self.cut()? {
            let is_last = first & 0x80 != 0;
            let told = match first & 0x0f {
                TEXT | BINARY if is_last && self.begun.is_none() => Frame::Text(payload),
                TEXT | BINARY if self.begun.is_none() => {
                    self.begun = Some(payload.into());
                    continue;
                }
                CONTINUATION => match self.goes_on(&payload, is_last)? {
                    Some(whole) => Frame::Text(whole),
                    None => continue,
                },
                PING => Frame::Ping(payload),
                PONG => Frame::Pong,
                CLOSE => Frame::Close,
                _ => return Err(broken("a frame of an unknown kind")),
            };
            return Ok(Some(told));
        }
        Ok(None)
    }

    fn goes_on(&mut self, payload: &[u8], is_last: bool) -> Result<Option<Bytes>, DecodeError> {
        let begun = self.begun.as_mut();
        let begun = begun.ok_or_else(|| broken("a frame that continues nothing"))?;
        if begun.len() + payload.len() > LONGEST_MESSAGE {
            return Err(too_large());
        }
        begun.extend_from_slice(payload);
        Ok(is_last.then(|| self.begun.take().unwrap_or_default().freeze()))
    }

    /// One frame: its first byte and what it carries, without its mask.
    fn cut(&mut self) -> Result<Option<(u8, Bytes)>, DecodeError> {
        // RFC 6455 §5.2: two bytes, the rest of the length, the mask, the payload.
        let [first, second, rest @ ..] = &self.buffer[..] else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(broken("a frame of an extension"));
        }
        let (length, of_length) = match (second & 0x7f, rest) {
            (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 2),
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                let length = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
                (usize::try_from(length).unwrap_or(usize::MAX), 8)
            }
            (126 | 127, _) => return Ok(None),
            (short, _) => (usize::from(short), 0),
        };
        if length > LONGEST_MESSAGE {
            return Err(too_large());
        }
        let first = *first;
        let of_mask = if second & 0x80 != 0 { 4 } else { 0 };
        let head = 2 + of_length + of_mask;
        if self.buffer.len() < head + length {
            return Ok(None);
        }
        let head = self.buffer.split_to(head);
        let mut payload = self.buffer.split_to(length);
        if let Some(mask) = head.len().checked_sub(4).filter(|_| of_mask > 0) {
            let mask = &head[mask..];
            for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
                *byte ^= mask;
            }
        }
        Ok(Some((first, payload.freeze())))
    }
}

/// Which side of the connection we are: whoever dials masks what it sends (RFC 6455 §5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// We have dialled.
    Dials,
    /// We were dialled.
    IsDialled,
}

impl Side {
    /// A message of text.
    pub fn text(self, text: &str) -> Vec<u8> {
        self.frame(TEXT, text.as_bytes())
    }

    /// Asks for a sign of life.
    pub fn ping(self) -> Vec<u8> {
        self.frame(PING, b"ringcard")
    }

    /// Gives the sign of life that was asked for with these bytes.
    pub fn pong(self, asked: &[u8]) -> Vec<u8> {
        self.frame(PONG, asked)
    }

    fn frame(self, kind: u8, payload: &[u8]) -> Vec<u8> {
        let masked = if self == Self::Dials { 0x80 } else { 0 };
        let mut frame = vec![0x80 | kind];
        match payload.len() {
            short @ ..126 => frame.push(masked | short as u8),
            middle @ ..65_536 => {
                frame.push(masked | 126);
                frame.extend((middle as u16).to_be_bytes());
            }
            long => {
                frame.push(masked | 127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        match self {
            Self::IsDialled => frame.extend_from_slice(payload),
            Self::Dials => {
                let mask: [u8; 4] = rand::random();
                frame.extend(mask);
                frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
            }
        }
        frame
    }
}

/// A key for one handshake.
pub fn new_key() -> String {
    STANDARD.encode(rand::random::<[u8; 16]>())
}

/// What answers a key (RFC 6455 §4.2.2).
pub fn accept(key: &str) -> String {
    const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let text = format!("{key}{GUID}");
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    STANDARD.encode(hash)
}

/// The value of a header in the head of an HTTP message.
pub fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let lines = head.split("\r\n").skip(1);
    let mut headers = lines.filter_map(|line| line.split_once(':'));
    let (_, value) = headers.find(|(known, _)| known.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim())
}

fn broken(why: &str) -> DecodeError {
    DecodeError::Malformed(format!("no WebSocket speaks so: {why}"))
}

fn too_large() -> DecodeError {
    DecodeError::TooLarge {
        limit: LONGEST_MESSAGE,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(stream: &[u8], places: &[usize]) -> Vec<Frame> {
        let mut framer = Framer::default();
        let mut found = Vec::new();
        let mut from = 0;
        for &to in places.iter().chain([&stream.len()]) {
            framer.push(&stream[from..to]);
            found.extend(std::iter::from_fn(|| framer.next_frame().ok().flatten()));
            from = to;
        }
        found
    }

    fn text(text: &str) -> Frame {
        Frame::Text(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn what_one_side_sends_the_other_reads_whatever_its_length() {
        for side in [Side::Dials, Side::IsDialled] {
            for length in [0, 1, 125, 126, 65_535, 65_536, 200_000] {
                let long = "x".repeat(length);
                assert_eq!(cut(&side.text(&long), &[]), [text(&long)], "{length}");
            }
            let ping = Frame::Ping(Bytes::from_static(b"ringcard"));
            assert_eq!(cut(&side.ping(), &[]), [ping]);
            assert_eq!(cut(&side.pong(b"?"), &[]), [Frame::Pong]);
        }
    }

    #[test]
    fn a_message_in_several_frames_comes_whole_with_signs_between() {
        let mut stream = vec![0x01, 2, b'a', b'b', 0x89, 0];
        stream.extend([0x00, 1, b'c', 0x80, 1, b'd', 0x88, 0]);
        let whole = [Frame::Ping(Bytes::new()), text("abcd"), Frame::Close];
        for place in 0..stream.len() {
            assert_eq!(cut(&stream, &[place]), whole, "cut at {place}");
        }
    }

    #[test]
    fn what_no_websocket_sends_is_refused() {
        for wrong in [
            &[0x80, 1, b'x'][..],                         // continues nothing
            &[0xc1, 1, b'x'],                             // compressed, which nobody offered
            &[0x83, 0],                                   // no such kind
            &[0x81, 127, 0, 0, 0, 0, 0xff, 0, 0, 0],      // 4 GB
            &[0x81, 127, 0xff, 0, 0, 0, 0, 0, 0, 0, 0x0], // more than there is
        ] {
            let mut framer = Framer::default();
            framer.push(wrong);
            assert!(framer.next_frame().is_err(), "{wrong:?}");
            framer.push(&[0x81, 1, b'x']);
            assert!(framer.next_frame().is_err(), "after {wrong:?}");
        }
        let mut framer = Framer::default();
        framer.push(&[b'x'; LONGEST_HEAD + 1]);
        assert!(framer.next_head().is_err());
    }

    #[test]
    fn a_key_is_answered_as_the_document_says() {
        // RFC 6455 §1.3.
        let accepted = accept("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accepted, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_ne!(new_key(), new_key());
    }

    #[test]
    fn a_head_is_cut_off_and_its_headers_found() {
        let mut framer = Framer::default();
        framer.push(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r");
        assert_eq!(framer.next_head(), Ok(None));
        framer.push(b"\n\x81\x01x");
        let head = framer.next_head().unwrap().unwrap();
        assert_eq!(header(&head, "Upgrade"), Some("websocket"));
        assert_eq!(header(&head, "HTTP/1.1 101 Switching Protocols"), None);
        assert_eq!(framer.next_frame(), Ok(Some(text("x"))));
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_pushed_anyhow(
            stream in proptest::collection::vec(any::<u8>(), 0..300),
            places in proptest::collection::vec(0_usize..300, 0..6),
        ) {
            let mut places: Vec<usize> = places.into_iter().map(|place| place.min(stream.len())).collect();
            places.sort_unstable();
            prop_assert_eq!(cut(&stream, &places), cut(&stream, &[]));
        }
    }
}
