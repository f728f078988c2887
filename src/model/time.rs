//! Moments in UTC with microseconds, as both databases keep them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A moment: microseconds since 1970-01-01T00:00:00Z.
///
/// An integer means the same in SQLite, in PostgreSQL and in a fact; people see it through
/// [`Timestamp::rfc3339`] or, in a time zone, through the pages.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// From whole seconds since 1970.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Milliseconds from `earlier` to `self`, never below zero.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        let micros = self.0.saturating_sub(earlier.0);
        if micros < 0 { 0 } else { micros / 1_000 }
    }

    /// This moment moved by `millis` (which may be negative).
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis.saturating_mul(1_000)))
    }

    /// RFC 3339 in UTC with milliseconds: `2026-03-17T06:15:00.000Z`.
    pub fn rfc3339(self) -> String {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => format!("{moment:.3}"),
            Err(_) => format!("@{}us", self.0), // outside years -9999..9999
        }
    }

    /// Reads RFC 3339 text with an offset.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let moment: jiff::Timestamp = text.parse().ok()?;
        Some(Self(moment.as_microsecond()))
    }

    /// Whether a provider could honestly have sent this time: between the year 2000 and one day
    /// after `now`. Anything else is a broken clock or a broken message.
    pub const fn is_plausible(self, now: Self) -> bool {
        const YEAR_2000_S: i64 = 946_684_800;
        self.0 >= YEAR_2000_S * 1_000_000 && self.0 <= now.plus_millis(86_400_000).0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_carries_milliseconds_and_utc() {
        let moment = Timestamp::from_micros(1_773_728_100_123_456);
        assert_eq!(moment.rfc3339(), "2026-03-17T06:15:00.123Z");
        assert_eq!(
            Timestamp::parse_rfc3339("2026-03-17T09:15:00.123456+03:00"),
            Some(moment)
        );
    }

    #[test]
    fn a_span_is_never_negative() {
        let early = Timestamp::from_seconds(10);
        let late = Timestamp::from_millis(10_250);
        assert_eq!(late.millis_since(early), 250);
        assert_eq!(early.millis_since(late), 0);
    }

    #[test]
    fn impossible_times_are_told() {
        let now = Timestamp::from_seconds(1_773_728_100);
        assert!(now.is_plausible(now));
        assert!(!Timestamp::from_seconds(0).is_plausible(now));
        assert!(!Timestamp::from_seconds(99_999_999_999).is_plausible(now));
    }
}
