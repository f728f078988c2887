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
    /// `uid` of a listed call is `callid` of its events. Else a call is known by its client and second, and
    /// calls of withheld numbers are not taken from the list.
    pub records_name_calls: bool,
    /// `duration` of a listed call is the talk alone; else it is the whole call, as in posted records.
    pub duration_is_talk: bool,
}

impl Choices {
    /// Of a listed call: after how many seconds it was answered, and after how many it was over. Of one
    /// that nobody answered, `wait` and `duration` may both be the whole of it.
    pub fn spans(self, talked: bool, wait_s: i64, duration_s: i64) -> (Option<i64>, i64) {
        let (wait_s, duration_s) = (wait_s.clamp(0, LONGEST_S), duration_s.clamp(0, LONGEST_S));
        match (talked, self.duration_is_talk) {
            (false, _) => (None, wait_s.max(duration_s)),
            (true, true) => (Some(wait_s), wait_s + duration_s),
            (true, false) => (Some(wait_s.min(duration_s)), duration_s),
        }
    }
}

/// Longest call that is believed.
pub const LONGEST_S: i64 = 86_400;

/// Limits: none is documented. Two requests a second, and past calls once in ten seconds, is what a person at
/// the cabinet could do; one program is known to ask once a minute.
pub const ALL_EVERY_MS: u64 = 500;
pub const HISTORY_EVERY_MS: u64 = 10_000;

impl Default for Choices {
    fn default() -> Self {
        Self {
            accepted_is_client: true,
            joins_second_call: true,
            records_name_calls: true,
            duration_is_talk: true,
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

/// A time as the list of past calls is asked with.
pub fn told_time(at: Timestamp, zone: &TimeZone) -> String {
    let at = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or_default();
    let at = at.to_zoned(zone.clone());
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
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
        assert_eq!(told_time(at, &moscow), "20260317T091500Z");
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
    fn a_length_is_the_talk_or_the_whole_call() {
        let talk = Choices::default();
        let whole = Choices {
            duration_is_talk: false,
            ..talk
        };
        assert_eq!(talk.spans(true, 8, 60), (Some(8), 68));
        assert_eq!(whole.spans(true, 8, 68), (Some(8), 68));
        for choices in [talk, whole] {
            assert_eq!(choices.spans(false, 38, 0), (None, 38));
            assert_eq!(choices.spans(false, 38, 38), (None, 38));
        }
        assert_eq!(talk.spans(true, i64::MAX, -1), (Some(86_400), 86_400));
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
