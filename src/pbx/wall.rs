//! Times as clouds write them for people, by the clock on the wall: `17.03.2026 09:15:00`, or
//! `2026-03-17 09:15:00` (`…_iso`).

use jiff::{civil::DateTime, fmt::strtime, tz::TimeZone};

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

fn parsed(text: &str, zone: &TimeZone, form: &str) -> Option<Timestamp> {
    let moment = strtime::parse(form, text.trim()).ok()?;
    let moment: DateTime = moment.to_datetime().ok()?;
    let moment = zone.to_ambiguous_zoned(moment).earlier().ok()?;
    Some(Timestamp::from_micros(moment.timestamp().as_microsecond()))
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
}
