//! What nobody has confirmed of this family: its documentation does not say it, and we know it from working
//! code of others, from memory, or not at all. Each stands here alone, with what we do until a real account
//! has shown it; every choice errs to the side on which no call and no recording is lost.
//!
//! Also not known: how soon and how often a message is posted again, and whether the same phone that rings
//! twice in one call tells so (no message has a time or a number, so the second ring is taken for a
//! repetition of the first).

use jiff::{civil::DateTime, fmt::strtime, tz::TimeZone};

use crate::model::{
    event::{Cause, TransferKind},
    time::Timestamp,
};

/// What a real account can show to be otherwise: table `unconfirmed` of the account.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choices {
    /// Of a call that goes out, `ACCEPTED` says that the client has picked up; else it is the employee, and
    /// only the record of the call says whether anybody talked.
    pub accepted_is_client: bool,
    /// `second_callid` names another part of the same call.
    pub joins_second_call: bool,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            accepted_is_client: true,
            joins_second_call: true,
        }
    }
}

/// `TRANSFERRED` does not say how the client was passed on. A consultation that was told makes it an
/// attended one all the same.
pub const TRANSFER: TransferKind = TransferKind::Blind;

/// How a call ended, in any case of letters: whether somebody talked, and else why not. `None`: a word that
/// nobody knows, so nothing is said of the answer.
pub fn status(word: &str) -> Option<(bool, Cause)> {
    match word.to_lowercase().as_str() {
        "success" => Some((true, Cause::Normal)),
        "missed" | "noanswer" => Some((false, Cause::NoAnswer)),
        "cancel" => Some((false, Cause::Cancelled)),
        "busy" => Some((false, Cause::Busy)),
        "notavailable" => Some((false, Cause::Unreachable)),
        "notallowed" => Some((false, Cause::Blocked)),
        "notfound" => Some((false, Cause::NoRoute)),
        _ => None,
    }
}

/// Times: `20260317T061500Z`, `2026-03-17T06:15:00Z` or with a space. UTC is documented, and one operator was
/// seen to write Moscow's time with the same letter: so the account's `time_zone` decides, not the letter.
pub fn time(told: &str, zone: &TimeZone) -> Option<Timestamp> {
    let plain: String = told
        .trim()
        .trim_end_matches('Z')
        .chars()
        .filter(|letter| !matches!(letter, '-' | ':'))
        .map(|letter| if letter == ' ' { 'T' } else { letter })
        .collect();
    let plain = plain.split('.').next().unwrap_or_default();
    let moment: DateTime = strtime::parse("%Y%m%dT%H%M%S", plain)
        .ok()?
        .to_datetime()
        .ok()?;
    let moment = zone.to_ambiguous_zoned(moment).earlier().ok()?;
    Some(Timestamp::from_micros(moment.timestamp().as_microsecond()))
}

/// A record posted after the call cannot end later than it arrives; clocks differ by so much.
pub const CLOCKS_DIFFER_MS: i64 = 60_000;

/// What names a recording: the name of its file. Posted records and the list of past calls may give it
/// under different addresses.
pub fn recording_id(link: &str) -> Option<&str> {
    let path = link.split(['?', '#']).next()?;
    let name = path.rsplit('/').next()?;
    let is_plain = |byte: u8| byte.is_ascii_graphic();
    ((1..=128).contains(&name.len()) && name.bytes().all(is_plain)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_the_account_s_clock_whatever_letter_stands_behind() {
        let at = Timestamp::from_seconds(1_773_728_100);
        for told in [
            "20260317T061500Z",
            "2026-03-17T06:15:00Z",
            "2026-03-17 06:15:00",
            "2026-03-17T06:15:00.250Z",
        ] {
            assert_eq!(time(told, &TimeZone::UTC), Some(at), "{told}");
        }
        let moscow = TimeZone::get("Europe/Moscow").unwrap();
        assert_eq!(time("20260317T091500Z", &moscow), Some(at));
        for wrong in [
            "",
            "1773728100",
            "20261317T061500Z",
            "20260317T0615Z",
            "yesterday",
        ] {
            assert_eq!(time(wrong, &TimeZone::UTC), None, "{wrong}");
        }
    }

    #[test]
    fn words_and_names() {
        assert_eq!(status("SUCCESS"), Some((true, Cause::Normal)));
        assert_eq!(status("missed"), Some((false, Cause::NoAnswer)));
        assert_eq!(status("?"), None);
        let link = "https://vats.example.org/api/records/ab12.mp3?key=1";
        assert_eq!(recording_id(link), Some("ab12.mp3"));
        assert_eq!(recording_id("https://vats.example.org/records/"), None);
    }
}
