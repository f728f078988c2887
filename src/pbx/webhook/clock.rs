//! How a PBX writes moments and lengths of time.

use jiff::{civil::DateTime, fmt::strtime, tz::TimeZone};
use serde::Deserialize;

use crate::{
    model::time::Timestamp,
    pbx::{facts::told_at, wall},
};

/// In which unit lengths of time are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spans {
    /// Seconds.
    #[default]
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// `hours:minutes:seconds` or `minutes:seconds`.
    Clock,
}

/// How moments are written.
#[derive(Clone, Debug, Default)]
enum Form {
    /// Seconds since 1970 (milliseconds are known by their size).
    #[default]
    Unix,
    UnixMillis,
    UnixMicros,
    Rfc3339,
    /// By a clock on a wall.
    Wall {
        form: String,
        zone: TimeZone,
    },
}

/// Reads moments and lengths of time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    form: Form,
    spans: Spans,
}

impl Clock {
    /// A clock of this form: `unix`, `unix_ms`, `unix_us`, `rfc3339`, or how the wall's clock is written
    /// (`%d.%m.%Y %H:%M:%S`), which needs a zone.
    pub fn new(form: &str, zone: Option<&str>, spans: Spans) -> Result<Self, &'static str> {
        let form = match form {
            "unix" => Form::Unix,
            "unix_ms" => Form::UnixMillis,
            "unix_us" => Form::UnixMicros,
            "rfc3339" => Form::Rfc3339,
            wall if wall.contains('%') => {
                let name = zone.ok_or("needs time.zone, like Europe/Moscow")?;
                let zone = TimeZone::get(name);
                let zone =
                    zone.map_err(|_| "has no such time.zone; names are like Europe/Moscow")?;
                Form::Wall {
                    form: wall.to_owned(),
                    zone,
                }
            }
            _ => return Err("must be unix, unix_ms, unix_us, rfc3339 or like %Y-%m-%d %H:%M:%S"),
        };
        let clock = Self { form, spans };
        match &clock.form {
            Form::Wall { form, zone } => {
                let noon = jiff::Timestamp::UNIX_EPOCH.to_zoned(zone.clone());
                let text = strtime::format(form.as_str(), &noon);
                let is_read = text.is_ok_and(|text| clock.moment(&text, told_at(0)).is_some());
                is_read
                    .then_some(clock)
                    .ok_or("must write day and time so that they can be read again")
            }
            _ => Ok(clock),
        }
    }

    /// A moment, told in a message that came at `heard`.
    pub fn moment(&self, text: &str, heard: Timestamp) -> Option<Timestamp> {
        match &self.form {
            Form::Unix => match text.split_once('.') {
                None => text.parse().ok().map(told_at),
                Some(_) => decimal_micros(text, 1_000_000).map(Timestamp::from_micros),
            },
            Form::UnixMillis => decimal_micros(text, 1_000).map(Timestamp::from_micros),
            Form::UnixMicros => text.parse().ok().map(Timestamp::from_micros),
            Form::Rfc3339 => Timestamp::parse_rfc3339(text),
            Form::Wall { form, zone } => {
                let read = strtime::parse(form, text).ok()?;
                let read: DateTime = read.to_datetime().ok()?;
                wall::told_live(read, zone, heard)
            }
        }
    }

    /// A length of time in milliseconds; a negative one, or one beyond a day, is none.
    pub fn span_ms(&self, text: &str) -> Option<i64> {
        const DAY_MS: i64 = 86_400_000;
        let ms = match self.spans {
            Spans::Seconds => decimal_micros(text, 1_000_000)? / 1_000,
            Spans::Millis => decimal_micros(text, 1_000)? / 1_000,
            Spans::Micros => text.parse::<i64>().ok()? / 1_000,
            Spans::Clock => {
                let parts = text.split(':').map(|part| part.parse::<u32>().ok());
                let parts: Vec<u32> = parts.collect::<Option<_>>()?;
                if !(2..=3).contains(&parts.len()) {
                    return None;
                }
                let add = |sum: i64, part: &u32| sum.saturating_mul(60) + i64::from(*part);
                parts.iter().fold(0, add).saturating_mul(1_000)
            }
        };
        (0..=DAY_MS).contains(&ms).then_some(ms)
    }
}

/// A decimal number of units of so many microseconds.
fn decimal_micros(text: &str, unit: i64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = whole.parse().ok()?;
    let is_number = fraction.bytes().all(|byte| byte.is_ascii_digit());
    if whole < 0 || !is_number {
        return None;
    }
    let scale = unit.ilog10() as usize;
    let kept: String = fraction
        .chars()
        .chain("000000".chars())
        .take(scale)
        .collect();
    let part: i64 = if kept.is_empty() {
        0
    } else {
        kept.parse().ok()?
    };
    whole.checked_mul(unit)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_773_728_100;

    fn clock(form: &str, zone: Option<&str>) -> Clock {
        Clock::new(form, zone, Spans::Seconds).unwrap()
    }

    #[test]
    fn one_moment_in_every_form() {
        let at = Timestamp::from_seconds(AT);
        for (form, zone, text) in [
            ("unix", None, "1773728100"),
            ("unix", None, "1773728100000"),
            ("unix", None, "1773728100.0"),
            ("unix_ms", None, "1773728100000"),
            ("unix_us", None, "1773728100000000"),
            ("rfc3339", None, "2026-03-17T09:15:00+03:00"),
            (
                "%Y-%m-%d %H:%M:%S",
                Some("Europe/Moscow"),
                "2026-03-17 09:15:00",
            ),
            ("%d.%m.%Y %H:%M", Some("UTC"), "17.03.2026 06:15"),
        ] {
            assert_eq!(
                clock(form, zone).moment(text, Timestamp::from_seconds(AT)),
                Some(at),
                "{form} {text}"
            );
            for wrong in ["", "x", "-", "1e9", "99999999999999999999"] {
                assert_eq!(
                    clock(form, zone).moment(wrong, Timestamp::from_seconds(AT)),
                    None,
                    "{form} {wrong}"
                );
            }
        }
        let half = clock("unix", None).moment("1773728100.25", Timestamp::from_seconds(AT));
        assert_eq!(half, Some(at.plus_millis(250)));
    }

    #[test]
    fn an_hour_that_comes_twice_is_the_one_that_has_come_and_one_that_never_comes_is_moved() {
        let clock = clock("%Y-%m-%d %H:%M", Some("Europe/Berlin"));
        let heard = |text| Timestamp::parse_rfc3339(text).unwrap();
        let told = |at| {
            clock
                .moment("2026-10-25 02:30", heard(at))
                .map(Timestamp::rfc3339)
        };
        let (first, second) = ("2026-10-25T00:30:20Z", "2026-10-25T01:30:20Z");
        assert_eq!(told(first).unwrap(), "2026-10-25T00:30:00.000Z");
        assert_eq!(told(second).unwrap(), "2026-10-25T01:30:00.000Z");
        assert!(clock.moment("2026-03-29 02:30", heard(first)).is_some());
    }

    #[test]
    fn forms_that_cannot_be_read_are_refused() {
        for (form, zone) in [
            ("seconds", None),
            ("%Y-%m-%d %H:%M:%S", None),
            ("%Y-%m-%d %H:%M:%S", Some("Mars/Base")),
            ("%Y", Some("UTC")),
            ("%!", Some("UTC")),
        ] {
            assert!(Clock::new(form, zone, Spans::Seconds).is_err(), "{form}");
        }
    }

    #[test]
    fn lengths_of_time_have_a_unit() {
        let told = |spans, text| Clock::new("unix", None, spans).unwrap().span_ms(text);
        assert_eq!(told(Spans::Seconds, "90"), Some(90_000));
        assert_eq!(told(Spans::Seconds, "1.5"), Some(1_500));
        assert_eq!(told(Spans::Millis, "90000"), Some(90_000));
        assert_eq!(told(Spans::Micros, "90000000"), Some(90_000));
        assert_eq!(told(Spans::Clock, "01:30"), Some(90_000));
        assert_eq!(told(Spans::Clock, "1:00:01"), Some(3_601_000));
        for wrong in ["", "-1", "x", "99999999999999999999", "1:2:3:4", "86401"] {
            assert_eq!(told(Spans::Seconds, wrong), None, "{wrong}");
            assert_eq!(told(Spans::Clock, wrong), None, "{wrong}");
        }
    }
}
