//! Moments, spans, numbers and phones the way people of either language read them.

use jiff::tz::TimeZone;

use super::i18n::{Language, Texts, Value};
use crate::model::{money::Currency, time::Timestamp};

/// Writes moments in the company's time zone.
#[derive(Clone, Debug)]
pub struct Clock<'a> {
    zone: &'a TimeZone,
    language: Language,
}

impl<'a> Clock<'a> {
    /// For one page.
    pub const fn new(zone: &'a TimeZone, texts: Texts) -> Self {
        Self {
            zone,
            language: texts.language,
        }
    }

    /// The time zone.
    pub const fn zone(&self) -> &'a TimeZone {
        self.zone
    }

    /// `14:03`.
    pub fn time(&self, at: Timestamp) -> String {
        self.write(at, "%H:%M")
    }

    /// `14:03:27`.
    pub fn time_s(&self, at: Timestamp) -> String {
        self.write(at, "%H:%M:%S")
    }

    /// `14:03:27.125`, for chains of events.
    pub fn time_ms(&self, at: Timestamp) -> String {
        self.write(at, "%H:%M:%S%.3f")
    }

    /// `21.11.2026` or `21 Nov 2026`.
    pub fn day(&self, at: Timestamp) -> String {
        match self.language {
            Language::Russian => self.write(at, "%d.%m.%Y"),
            Language::English => self.write(at, "%-d %b %Y"),
        }
    }

    /// Time alone if `at` is on the day of `now`, else day and time.
    pub fn moment(&self, at: Timestamp, now: Timestamp) -> String {
        if self.date(at) == self.date(now) {
            return self.time(at);
        }
        match self.language {
            Language::Russian => self.write(at, "%d.%m.%Y %H:%M"),
            Language::English => self.write(at, "%-d %b %Y %H:%M"),
        }
    }

    /// The calendar day of a moment.
    pub fn date(&self, at: Timestamp) -> jiff::civil::Date {
        self.zoned(at).date()
    }

    /// When a calendar day begins.
    pub fn begin(&self, day: jiff::civil::Date) -> Timestamp {
        day.to_zoned(self.zone.clone())
            .map_or(Timestamp::default(), |zoned| {
                Timestamp::from_micros(zoned.timestamp().as_microsecond())
            })
    }

    fn write(&self, at: Timestamp, pattern: &str) -> String {
        self.zoned(at).strftime(pattern).to_string()
    }

    fn zoned(&self, at: Timestamp) -> jiff::Zoned {
        jiff::Timestamp::from_microsecond(at.as_micros())
            .unwrap_or_default()
            .to_zoned(self.zone.clone())
    }
}

/// A span of talk or waiting: `0:07`, `12:45`, `1:02:03`.
pub fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// A short span in words, by its greatest unit: "3 min".
pub fn about(texts: Texts, ms: i64) -> String {
    let minutes = ms.max(0) / 60_000;
    let (key, n) = match minutes {
        0..60 => ("span-minutes", minutes),
        60..2_880 => ("span-hours", minutes / 60),
        _ => ("span-days", minutes / 1_440),
    };
    match key {
        "span-minutes" => texts.fill("span-minutes", &[("n", Value::Number(n))]),
        "span-hours" => texts.fill("span-hours", &[("n", Value::Number(n))]),
        _ => texts.fill("span-days", &[("n", Value::Number(n))]),
    }
}

/// A whole number with groups of three: `12 480` in Russian, `12,480` in English.
pub fn number(texts: Texts, n: i64) -> String {
    let separator = match texts.language {
        Language::Russian => '\u{a0}',
        Language::English => ',',
    };
    let digits = n.unsigned_abs().to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(separator);
        }
        grouped.push(digit);
    }
    if n < 0 {
        grouped.insert(0, '−');
    }
    grouped
}

/// An amount with its currency: `12 480,50 ₽` in Russian, `12,480.50 ₽` in English.
pub fn money(texts: Texts, currency: Currency, minor: i64) -> String {
    let (group, point) = match texts.language {
        Language::Russian => ('\u{a0}', ','),
        Language::English => (',', '.'),
    };
    let sign = match currency.code() {
        "RUB" => "₽",
        "EUR" => "€",
        "USD" => "$",
        code => code,
    };
    format!("{}\u{a0}{sign}", currency.figures(minor, group, point))
}

/// A share as a whole per cent, halves rounded up; a dash where there is nothing to divide by.
pub fn percent(part: i64, whole: i64) -> String {
    if whole <= 0 {
        return "–".to_owned();
    }
    let share = (part * 200 + whole) / (whole * 2);
    format!("{share}\u{a0}%")
}

/// A size in bytes, in whole kilobytes or tenths of megabytes.
pub fn size(texts: Texts, bytes: i64) -> String {
    if bytes < 1_000_000 {
        let n = Value::Text(number(texts, (bytes + 999) / 1_000));
        return texts.fill("size-kilobytes", &[("n", n)]);
    }
    let (key, tenths) = match bytes {
        ..1_000_000_000 => ("size-megabytes", bytes / 100_000),
        _ => ("size-gigabytes", bytes / 100_000_000),
    };
    let point = match texts.language {
        Language::Russian => ',',
        Language::English => '.',
    };
    let n = format!("{}{point}{}", tenths / 10, tenths % 10);
    texts.fill(key, &[("n", Value::Text(n))])
}

#[cfg(test)]
mod tests {
    use super::*;

    const RU: Texts = Texts::new(Language::Russian);
    const EN: Texts = Texts::new(Language::English);

    #[test]
    fn days_begin_by_the_company_s_clock() {
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        let clock = Clock::new(&zone, RU);
        let late = Timestamp::parse_rfc3339("2026-11-21T22:30:00Z").unwrap();
        assert_eq!(clock.day(late), "22.11.2026");
        assert_eq!(clock.time(late), "01:30");
        assert_eq!(Clock::new(&zone, EN).day(late), "22 Nov 2026");
        let begin = clock.begin(clock.date(late));
        assert_eq!(begin.rfc3339(), "2026-11-21T21:00:00.000Z");
    }

    #[test]
    fn spans_read_like_a_clock() {
        assert_eq!(span(7_900), "0:07");
        assert_eq!(span(765_000), "12:45");
        assert_eq!(span(3_723_000), "1:02:03");
        assert_eq!(span(-5), "0:00");
    }

    #[test]
    fn numbers_are_grouped_by_language() {
        assert_eq!(number(RU, 1_234_567), "1\u{a0}234\u{a0}567");
        assert_eq!(number(EN, 12_480), "12,480");
        assert_eq!(number(EN, 999), "999");
        assert_eq!(number(EN, -1_000), "−1,000");
    }

    #[test]
    fn sizes_are_told_in_the_unit_people_would_use() {
        assert_eq!(size(EN, 1), "1 KB");
        assert_eq!(size(RU, 2_340_000), "2,3 МБ");
        assert_eq!(size(EN, 61_432_900_000), "61.4 GB");
    }

    #[test]
    fn shares_say_when_there_is_nothing_to_divide() {
        assert_eq!(percent(1, 3), "33\u{a0}%");
        assert_eq!(percent(1, 200), "1\u{a0}%");
        assert_eq!(percent(0, 0), "–");
    }
}
