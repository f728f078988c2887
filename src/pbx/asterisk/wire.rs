//! The manager interface (AMI) on the wire: blocks of `Key: value` lines with an empty line behind each.
//!
//! Framing survives whatever a network or a hostile caller name can do: blocks cut anywhere, lines that
//! never end, bytes that are no text. What it cannot read becomes an error that keeps the bytes.

use std::borrow::Cow;

use bytes::{Buf, Bytes, BytesMut};

use crate::{model::time::Timestamp, pbx::DecodeError};

/// Larger than any honest block; one event has at most a hundred short lines.
pub const LONGEST_BLOCK: usize = 256 * 1024;
/// How much of an over-long block is kept for people to look at.
pub const KEPT_OF_TOO_LONG: usize = 4 * 1024;

/// Cuts a stream into blocks.
#[derive(Default)]
pub struct Framer {
    buffer: BytesMut,
    /// Where the search for the end goes on; everything before holds no end.
    searched: usize,
    /// Inside a block that was too long: everything up to its end is dropped.
    skipping: bool,
}

/// What the framer has cut out.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// One block, without the empty line behind it.
    Block(Bytes),
    /// The beginning of a block that was too long.
    TooLong(Bytes),
}

impl Framer {
    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole block, if there is one.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            let Some((end, after)) = self.find_end() else {
                return self.give_up_too_long();
            };
            let block = self.buffer.split_to(end).freeze();
            self.buffer.advance(after - end);
            self.searched = 0;
            if std::mem::take(&mut self.skipping) || block.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return Some(if block.len() > LONGEST_BLOCK {
                Frame::TooLong(block.slice(..KEPT_OF_TOO_LONG))
            } else {
                Frame::Block(block)
            });
        }
    }

    /// The end of the first block and the start of what follows it. Line ends may lack their CR.
    fn find_end(&mut self) -> Option<(usize, usize)> {
        let mut from = self.searched;
        while let Some(found) = memchr::memchr(b'\n', &self.buffer[from..]) {
            let newline = from + found;
            match &self.buffer[newline + 1..] {
                [b'\n', ..] => return Some((newline, newline + 2)),
                [b'\r', b'\n', ..] => return Some((newline, newline + 3)),
                // The next bytes decide: look at this line end again when they are here.
                [] | [b'\r'] => {
                    self.searched = newline;
                    return None;
                }
                _ => from = newline + 1,
            }
        }
        self.searched = self.buffer.len();
        None
    }

    fn give_up_too_long(&mut self) -> Option<Frame> {
        if self.buffer.len() <= LONGEST_BLOCK {
            return None;
        }
        let first = !std::mem::replace(&mut self.skipping, true);
        let kept = Bytes::copy_from_slice(&self.buffer[..KEPT_OF_TOO_LONG]);
        // The last bytes may be the first half of the end.
        self.buffer.advance(self.buffer.len() - 2);
        self.searched = 0;
        first.then_some(Frame::TooLong(kept))
    }
}

/// One block, read.
pub struct Block<'a> {
    text: Cow<'a, str>,
}

impl<'a> Block<'a> {
    /// Reads a block; bytes that are no UTF-8 become replacement characters.
    pub fn new(raw: &'a [u8]) -> Self {
        Self {
            text: String::from_utf8_lossy(raw),
        }
    }

    fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.split('\n').filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim(), value.trim()))
        })
    }

    /// Every value of a key that may stand several times, in order.
    pub fn all<'b>(&'b self, key: &'b str) -> impl Iterator<Item = &'b str> {
        self.lines()
            .filter(move |(name, _)| name.eq_ignore_ascii_case(key))
            .map(|(_, value)| value)
    }

    /// The value of a key; empty and `<unknown>` are no values.
    pub fn get(&self, key: &str) -> Option<&str> {
        Some(self.raw(key)).filter(|value| !value.is_empty() && *value != UNKNOWN)
    }

    /// The value of a key as it stands, `<unknown>` included.
    pub fn raw(&self, key: &str) -> &str {
        self.lines()
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
            .map_or("", |(_, value)| value)
    }

    /// The value of `prefix` + `key`, for the channels of an event about several.
    pub fn of(&self, prefix: &str, key: &str) -> Option<&str> {
        self.lines()
            .find(|(name, _)| {
                name.len() == prefix.len() + key.len()
                    && name.is_char_boundary(prefix.len())
                    && name[..prefix.len()].eq_ignore_ascii_case(prefix)
                    && name[prefix.len()..].eq_ignore_ascii_case(key)
            })
            .map(|(_, value)| value)
            .filter(|value| !value.is_empty() && *value != UNKNOWN)
    }

    /// Refuses a block in which a key that says what the block is about stands twice with different
    /// values: Asterisk never writes that, so something in it is not Asterisk's.
    pub fn check(&self) -> Result<(), DecodeError> {
        for key in [
            "Event", "Response", "Channel", "Uniqueid", "Linkedid", "ActionID",
        ] {
            let mut values = self.all(key);
            if let Some(first) = values.next()
                && values.any(|other| other != first)
            {
                return Err(DecodeError::Malformed(format!("{key} stands twice")));
            }
        }
        Ok(())
    }

    /// The PBX's own time of the event (`timestampevents = yes`), else `now`.
    pub fn time(&self, now: Timestamp) -> Timestamp {
        self.get("Timestamp")
            .and_then(seconds)
            .filter(|at| at.is_plausible(now))
            .unwrap_or(now)
    }
}

/// What Asterisk writes where it knows nothing.
pub const UNKNOWN: &str = "<unknown>";

/// Reads `seconds.microseconds`.
pub fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = whole.parse().ok()?;
    if part.len() > 9 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = format!("{part:0<6}")[..6].parse().ok()?;
    Some(Timestamp::from_micros(
        whole.checked_mul(1_000_000)?.checked_add(micros)?,
    ))
}

/// One action to send. Values are cleaned of line ends, so nothing can be smuggled in.
pub struct Action(String);

impl Action {
    /// An action of this name and id.
    pub fn new(name: &str, id: &str) -> Self {
        Self(String::new())
            .with("Action", name)
            .with("ActionID", id)
    }

    /// Adds a line.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        let clean = value.chars().filter(|letter| !letter.is_control());
        self.0.push_str(key);
        self.0.push_str(": ");
        self.0.extend(clean);
        self.0.push_str("\r\n");
        self
    }

    /// The bytes, with the empty line.
    pub fn bytes(mut self) -> Vec<u8> {
        self.0.push_str("\r\n");
        self.0.into_bytes()
    }
}

impl From<Action> for Bytes {
    fn from(action: Action) -> Self {
        action.bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TWO: &[u8] = b"Asterisk Call Manager/11.0.0\r\nResponse: Success\r\n\r\nEvent: Hold\r\nUniqueid: 1.2\r\n\r\n";

    fn frames(framer: &mut Framer) -> Vec<Frame> {
        std::iter::from_fn(|| framer.next_frame()).collect()
    }

    fn cut(stream: &[u8], places: &[usize]) -> Vec<Frame> {
        let mut framer = Framer::default();
        let mut found = Vec::new();
        let mut from = 0;
        for &to in places.iter().chain([&stream.len()]) {
            framer.push(&stream[from..to]);
            found.extend(frames(&mut framer));
            from = to;
        }
        found
    }

    #[test]
    fn blocks_are_the_same_wherever_the_stream_is_cut() {
        let whole = cut(TWO, &[]);
        assert_eq!(whole.len(), 2);
        for place in 0..TWO.len() {
            assert_eq!(cut(TWO, &[place]), whole, "cut at {place}");
        }
        let every: Vec<usize> = (0..TWO.len()).collect();
        assert_eq!(cut(TWO, &every), whole);
    }

    #[test]
    fn line_ends_may_lack_their_carriage_return() {
        let bare = b"Event: A\nX: 1\n\nEvent: B\n\n";
        assert_eq!(cut(bare, &[]).len(), 2);
    }

    #[test]
    fn a_block_that_never_ends_is_given_up_and_the_next_one_is_read() {
        let mut framer = Framer::default();
        let mut found = Vec::new();
        for _ in 0..40 {
            framer.push(&[b'x'; 16 * 1024]);
            found.extend(frames(&mut framer));
        }
        assert!(matches!(found.as_slice(), [Frame::TooLong(kept)] if kept.len() == 4096));
        assert!(framer.buffer.len() < LONGEST_BLOCK + 16 * 1024);
        framer.push(b"\r\n\r\nEvent: Hold\r\n\r\n");
        assert_eq!(
            frames(&mut framer),
            [Frame::Block(Bytes::from_static(b"Event: Hold\r"))]
        );
    }

    #[test]
    fn values_are_found_whatever_the_case_of_their_key() {
        let block = Block::new(b"Event: DialBegin\r\ndestuniqueid: 7.1\r\nDestUniqueidX: 9\r\nCallerIDNum: <unknown>\r\nNote: a: b");
        assert_eq!(block.of("Dest", "Uniqueid"), Some("7.1"));
        assert_eq!(block.get("CallerIDNum"), None);
        assert_eq!(block.raw("CallerIDNum"), "<unknown>");
        assert_eq!(block.get("note"), Some("a: b"));
    }

    #[test]
    fn a_block_with_two_subjects_is_refused() {
        let honest =
            Block::new(b"Event: X\r\nVariable: a\r\nVariable: b\r\nUniqueid: 1\r\nUniqueid: 1");
        assert_eq!(honest.check(), Ok(()));
        let forged = Block::new(b"Event: X\r\nUniqueid: 1\r\nUniqueid: 2");
        assert!(forged.check().is_err());
    }

    #[test]
    fn an_action_cannot_be_broken_out_of() {
        let bytes = Action::new("Originate", "1")
            .with("Exten", "7\r\nAction: Command\r\n\r\n")
            .bytes();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            "Action: Originate\r\nActionID: 1\r\nExten: 7Action: Command\r\n\r\n"
        );
    }

    #[test]
    fn times_have_up_to_six_places() {
        assert_eq!(
            seconds("1773728100.5"),
            Some(Timestamp::from_micros(1_773_728_100_500_000))
        );
        assert_eq!(
            seconds("1773728100"),
            Some(Timestamp::from_seconds(1_773_728_100))
        );
        for wrong in ["", "x", "1.x", "99999999999999999999", "1.0000000000"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_cut_anywhere_give_the_same_blocks(
            stream in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), any::<u8>()], 0..400),
            places in proptest::collection::vec(0_usize..400, 0..8),
        ) {
            let mut places: Vec<usize> = places.into_iter().map(|place| place.min(stream.len())).collect();
            places.sort_unstable();
            prop_assert_eq!(cut(&stream, &places), cut(&stream, &[]));
        }

        #[test]
        fn any_bytes_can_be_read(raw in proptest::collection::vec(any::<u8>(), 0..400)) {
            let block = Block::new(&raw);
            let _ = (block.check(), block.get("Event"), block.of("Dest", "Uniqueid"));
            let _ = block.time(Timestamp::from_seconds(1_773_728_100));
        }
    }
}
