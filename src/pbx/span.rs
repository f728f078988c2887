//! Which part of a cloud's history is read next. The cursor is the moment up to which everything has been
//! read; a call is in the history only once it is over, and is asked for by its start, so each part
//! reaches back by the longest call.

use super::{DecodeError, Decoded, Message, Page, PbxError};
use crate::model::time::Timestamp;

/// Longest call whose record is waited for.
pub const LONGEST_CALL_MS: i64 = 4 * 3_600_000;
/// A call that ended less than this ago may not be in the history yet, and its last words may be on
/// their way to us: it is left to the next reading.
pub const SETTLES_WITHIN_MS: i64 = 60_000;
/// Longest part that is asked for at once.
const LONGEST_PART_MS: i64 = 24 * 3_600_000;

/// A part of history, by the starts of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From this moment,
    pub from: Timestamp,
    /// to this one.
    pub to: Timestamp,
    /// Whether there is more after it.
    pub more: bool,
}

impl Span {
    /// What comes after the cursor; without one (an account just connected), the last `first_ms`.
    pub fn after(cursor: Option<&str>, now: Timestamp, first_ms: i64) -> Self {
        let read_to = cursor
            .and_then(|text| text.parse().ok())
            .map(Timestamp::from_seconds)
            .filter(|at| *at <= now)
            .map_or(now.plus_millis(-first_ms), |at| {
                at.plus_millis(-LONGEST_CALL_MS)
            });
        let to = read_to.plus_millis(LONGEST_PART_MS).min(now);
        Self {
            from: read_to,
            to,
            more: to < now,
        }
    }

    /// The cursor once this part has been read.
    pub fn cursor(&self) -> String {
        self.to.as_seconds().to_string()
    }

    /// What has been read of this part.
    pub fn page(&self, messages: impl IntoIterator<Item = Message>) -> Page {
        Page {
            messages: messages.into_iter().collect(),
            cursor: self.cursor(),
            more: self.more,
            unconfirmed: false,
        }
    }

    /// Whether a call of this start and end belongs to this part and has settled by `now`.
    pub fn has(&self, started: Timestamp, ended: Timestamp, now: Timestamp) -> bool {
        let is_within = self.from.as_seconds() <= started.as_seconds() && started <= self.to;
        is_within && ended.plus_millis(SETTLES_WITHIN_MS) <= now
    }

    /// A record as a message, `told` being the call's start and end; nothing of a call that is not of this
    /// part or has not settled.
    pub fn message(
        &self,
        told: Result<(Timestamp, Timestamp), DecodeError>,
        out: Decoded,
        now: Timestamp,
        raw: impl FnOnce() -> Vec<u8>,
    ) -> Option<Message> {
        if let Ok((started, ended)) = told
            && !self.has(started, ended, now)
        {
            return None;
        }
        Some(Message {
            raw: raw().into(),
            events: out.events,
            error: told.err(),
        })
    }
}

/// A span whose provider says nothing of pages: a part whose answer is as full as it can be is asked for
/// again in halves, the earlier one first.
pub struct Halves {
    parts: Vec<(Timestamp, Timestamp)>,
    /// The part that was given last.
    asked: (Timestamp, Timestamp),
    /// So many records make an answer full.
    full: usize,
}

/// More calls in so short a part than an answer holds cannot be read.
const SHORTEST_PART_MS: i64 = 120_000;

impl Halves {
    /// Of this span, where an answer holds at most `full` records.
    pub fn of(span: Span, full: usize) -> Self {
        let whole = (span.from, span.to);
        Self {
            parts: vec![whole],
            asked: whole,
            full,
        }
    }

    /// The part to be asked for next.
    pub fn next(&mut self) -> Option<(Timestamp, Timestamp)> {
        self.asked = self.parts.pop()?;
        Some(self.asked)
    }

    /// The records of that part; none, and more parts to ask for, where the answer was full.
    pub fn take<R>(&mut self, records: Vec<R>) -> Result<Vec<R>, PbxError> {
        if records.len() < self.full {
            return Ok(records);
        }
        let (from, to) = self.asked;
        let whole_ms = to.millis_since(from);
        if whole_ms < SHORTEST_PART_MS {
            let text = "more calls in two minutes than one answer holds";
            return Err(PbxError::Unreadable(text));
        }
        let middle = from.plus_millis(whole_ms / 2);
        self.parts.extend([(middle, to), (from, middle)]);
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_773_728_100);
    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn a_part_reaches_back_by_the_longest_call() {
        let first = Span::after(None, NOW, 2 * HOUR_MS);
        assert_eq!(first.from, NOW.plus_millis(-2 * HOUR_MS));
        assert_eq!((first.to, first.more), (NOW, false));
        let next = Span::after(Some(&first.cursor()), NOW.plus_millis(HOUR_MS), HOUR_MS);
        assert_eq!(next.from, NOW.plus_millis(-4 * HOUR_MS));
        assert_eq!(next.to, NOW.plus_millis(HOUR_MS));
    }

    #[test]
    fn a_long_absence_is_read_in_parts_that_meet() {
        let mut cursor = NOW.plus_millis(-60 * HOUR_MS).as_seconds().to_string();
        let mut read_to = NOW.plus_millis(-60 * HOUR_MS);
        for part in 0.. {
            let span = Span::after(Some(&cursor), NOW, HOUR_MS);
            assert!(span.from < read_to && span.to > read_to, "{span:?}");
            (cursor, read_to) = (span.cursor(), span.to);
            if !span.more {
                assert_eq!((part, read_to), (2, NOW));
                break;
            }
        }
    }

    #[test]
    fn a_cursor_from_the_future_or_of_another_kind_is_no_cursor() {
        for cursor in ["1873728100", "12:34", ""] {
            let span = Span::after(Some(cursor), NOW, HOUR_MS);
            assert_eq!(span.from, NOW.plus_millis(-HOUR_MS), "{cursor}");
        }
    }

    #[test]
    fn a_part_that_is_too_full_is_read_in_halves() {
        let span = Span::after(None, NOW, HOUR_MS);
        let started: Vec<i64> = (0..10).map(|n| n * HOUR_MS / 10 + 1).collect();
        let mut halves = Halves::of(span, 4);
        let (mut found, mut asked) = (Vec::new(), 0);
        while let Some((from, to)) = halves.next() {
            let within = |ms: &&i64| (from..to).contains(&span.from.plus_millis(**ms));
            let answer: Vec<i64> = started.iter().filter(within).take(4).copied().collect();
            found.extend(halves.take(answer).unwrap());
            asked += 1;
        }
        assert_eq!((found, asked), (started, 7));
        let mut crowded = Halves::of(span, 4);
        let read = std::iter::from_fn(|| crowded.next().map(|_| crowded.take(vec![0; 4])));
        assert!(read.take(20).any(|read| read.is_err()));
    }

    #[test]
    fn a_call_that_has_just_ended_is_left_to_the_next_reading() {
        let span = Span::after(None, NOW, HOUR_MS);
        let ended = |ago_ms: i64| NOW.plus_millis(-ago_ms);
        assert!(span.has(ended(120_000), ended(60_000), NOW));
        assert!(!span.has(ended(120_000), ended(59_000), NOW));
        assert!(!span.has(ended(HOUR_MS + 1_000), ended(60_000), NOW));
    }
}
