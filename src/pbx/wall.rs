//! Times as clouds write them for people, by the clock on the wall: `17.03.2026 09:15:00`, or
//! `2026-03-17 09:15:00` (`…_iso`).

use jiff::{Zoned, civil::DateTime, fmt::strtime, tz::TimeZone};

use crate::model::time::Timestamp;

const DAY: &str = "%d.%m.%Y";
const MOMENT: &str = "%d.%m.%Y %H:%M:%S";
const MOMENT_ISO: &str = "%Y-%m-%d %H:%M:%S";

/// Reads a moment of this zone; an hour that comes twice is the first of the two.
pub fn read(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    parsed(text, zone, MOMENT)
}

/// Reads a moment that begins with its year.
pub fn read_iso(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    parsed(text, zone, MOMENT_ISO)
}

/// The same of what was told as it happened, and heard at `heard`.
pub fn heard_iso(text: &str, zone: &TimeZone, heard: Timestamp) -> Option<Timestamp> {
    let moment = strtime::parse(MOMENT_ISO, text.trim()).ok()?;
    told_live(moment.to_datetime().ok()?, zone, heard)
}

/// When the clock on the wall showed this, for somebody who tells what happens as it happens: of an hour that
/// comes twice it is the second one, unless that is still to come.
pub fn told_live(moment: DateTime, zone: &TimeZone, heard: Timestamp) -> Option<Timestamp> {
    // How far the clock of a PBX may be ahead of ours.
    const AHEAD_MS: i64 = 10 * 60_000;
    let shown = zone.to_ambiguous_zoned(moment);
    let first = timestamp(&shown.clone().earlier().ok()?);
    if !shown.is_ambiguous() {
        return Some(first);
    }
    let second = timestamp(&shown.later().ok()?);
    Some(match second <= heard.plus_millis(AHEAD_MS) {
        true => second,
        false => first,
    })
}

/// Reads a moment written in this form.
pub fn parsed(text: &str, zone: &TimeZone, form: &str) -> Option<Timestamp> {
    let moment = strtime::parse(form, text.trim()).ok()?;
    let moment: DateTime = moment.to_datetime().ok()?;
    let moment = zone.to_ambiguous_zoned(moment).earlier().ok()?;
    Some(timestamp(&moment))
}

fn timestamp(at: &Zoned) -> Timestamp {
    Timestamp::from_micros(at.timestamp().as_microsecond())
}

/// Writes a moment.
pub fn write(at: Timestamp, zone: &TimeZone) -> String {
    formatted(at, zone, MOMENT)
}

/// Writes a moment, its year first.
pub fn write_iso(at: Timestamp, zone: &TimeZone) -> String {
    formatted(at, zone, MOMENT_ISO)
}

/// Writes the day of a moment.
pub fn day(at: Timestamp, zone: &TimeZone) -> String {
    formatted(at, zone, DAY)
}

fn formatted(at: Timestamp, zone: &TimeZone, form: &str) -> String {
    let at = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or_default();
    at.to_zoned(zone.clone()).strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_on_the_wall_is_that_of_its_zone() {
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        let at = Timestamp::from_seconds(1_773_728_100);
        assert_eq!(write(at, &zone), "17.03.2026 09:15:00");
        assert_eq!(day(at, &zone), "17.03.2026");
        assert_eq!(read(" 17.03.2026 09:15:00 ", &zone), Some(at));
        assert_eq!(write_iso(at, &zone), "2026-03-17 09:15:00");
        assert_eq!(read_iso("2026-03-17 09:15:00", &zone), Some(at));
        assert_eq!(read_iso("17.03.2026 09:15:00", &zone), None);
        for wrong in [
            "",
            "2026-03-17 09:15:00",
            "32.03.2026 09:15:00",
            "17.03.2026",
        ] {
            assert_eq!(read(wrong, &zone), None, "{wrong}");
        }
    }

    #[test]
    fn of_an_hour_that_comes_twice_it_is_the_one_that_has_come() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text| Timestamp::parse_rfc3339(text).unwrap();
        let text = "2026-10-25 02:30:00";
        let (first, second) = (at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z"));
        assert_eq!(read_iso(text, &zone), Some(first));
        for (heard, told) in [
            ("2026-10-25T00:30:05Z", first),
            ("2026-10-25T01:15:00Z", first),
            ("2026-10-25T01:29:50Z", second), // their clock is ahead of ours
            ("2026-10-25T01:30:02Z", second),
            ("2026-10-26T12:00:00Z", second),
        ] {
            assert_eq!(heard_iso(text, &zone, at(heard)), Some(told), "{heard}");
        }
        let once = heard_iso("2026-10-25 03:30:00", &zone, at("2026-10-25T00:00:00Z"));
        assert_eq!(once, Some(at("2026-10-25T02:30:00Z")));
    }
}
