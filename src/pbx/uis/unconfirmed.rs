//! What nobody has confirmed of this platform: its documentation does not say it, and we know it from
//! working code of others, from memory, or not at all. Each stands here alone, with what we do until a real
//! account has shown it; every choice errs to the side on which no call and no recording is lost.
//!
//! Also not known, and switches of the account: whether the `cdr_id` of the question is the key of the call
//! (`cdr_is_call`), and whether `phones` may be extensions (`answer_extensions`). And: how long an answer of
//! ours may take, whether and how often a notification is sent again, and which addresses they come from.

use crate::{
    model::{ids::Extension, phone::Number, time::Timestamp},
    pbx::numbers::Numbers,
};

/// Where Novofon 2.0 is asked, from memory, and where its recordings are. `call_api_url`, `data_api_url`
/// and `records_url` of the account say otherwise.
pub const NOVOFON: [&str; 3] = [
    "https://callapi-jsonrpc.novofon.ru/v4.0",
    "https://dataapi-jsonrpc.novofon.ru/v2.0",
    "https://app.novofon.ru/system/media/talk",
];

/// Limits are points of the account, told with every answer; notes of a sister brand say 250 a minute and
/// 1 000 a day. A request in a quarter of a second stays below the first, and history that is read as often
/// as the configuration says by itself below the second.
pub const ALL_EVERY_MS: u64 = 250;
pub const REPORT_EVERY_MS: u64 = 10_000;

/// Whose phone this is: the extension of the message or, failing that, that of its employee. What reads as
/// a public number is no extension.
pub fn extension(told: Option<&str>, numbers: &Numbers) -> Option<Extension> {
    const LONGEST: usize = 32;
    let name = told?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = name.len() <= LONGEST && name.bytes().all(is_plain);
    (fits && numbers.read(name).e164().is_none()).then(|| Extension::from(name))
}

/// A colleague whose extension calls another phone inside a client's call passes the client on. (A word for
/// consultations is not known.)
pub fn passed_by(
    calling: Option<&str>,
    to: &Extension,
    client: Option<&Number>,
    numbers: &Numbers,
) -> Option<Extension> {
    let from = extension(calling, numbers).filter(|from| from != to)?;
    client
        .is_none_or(|client| *client != numbers.read(from.as_str()))
        .then_some(from)
}

/// When somebody began to talk, by the lengths of a call: believed where wait after the start and talk
/// before the end lead to the same second or two; otherwise only that somebody talked is known, and events
/// say when.
pub fn answered(
    (started, ended): (Timestamp, Timestamp),
    wait_s: Option<i64>,
    talk_s: i64,
) -> Option<Timestamp> {
    const LONGEST_S: i64 = 86_400;
    const APART_MS: i64 = 2_000;
    let waited = started.plus_millis(wait_s?.clamp(0, LONGEST_S) * 1_000);
    let talked = ended.plus_millis(talk_s.clamp(0, LONGEST_S) * -1_000);
    let apart_ms = waited.millis_since(talked).max(talked.millis_since(waited));
    (apart_ms <= APART_MS && started < waited && waited <= ended).then_some(waited)
}

/// What a link to a recording ends with is its id: the Data API has the same ids.
pub fn recording_id(link: &str) -> Option<&str> {
    let path = link.split(['?', '#']).next()?;
    let id = path.trim_end_matches('/').rsplit('/').next()?;
    (!id.is_empty() && id.len() <= 128).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::phone::NumberingPlan;

    #[test]
    fn an_answer_is_believed_where_two_lengths_agree() {
        let at = |seconds: i64| Timestamp::from_seconds(1_775_458_800 + seconds);
        let call = (at(0), at(100));
        assert_eq!(answered(call, Some(9), 91), Some(at(9)));
        assert_eq!(answered(call, Some(9), 90), Some(at(9)));
        for (wait_s, talk_s) in [
            (Some(9), 60),
            (None, 91),
            (Some(0), 100),
            (Some(i64::MAX), 1),
        ] {
            assert_eq!(answered(call, wait_s, talk_s), None, "{wait_s:?} {talk_s}");
        }
    }

    #[test]
    fn a_recording_is_known_by_the_end_of_its_link() {
        for link in [
            "https://app.example/system/media/talk/9/ab12/",
            "https://media.example/9/ab12",
            "https://media.example/9/ab12?x=/1",
        ] {
            assert_eq!(recording_id(link), Some("ab12"), "{link}");
        }
    }

    #[test]
    fn only_a_short_number_is_a_colleague() {
        let numbers = Numbers::new(NumberingPlan::default());
        let client = numbers.read("74950000021");
        let by = |calling| passed_by(Some(calling), &"302".into(), Some(&client), &numbers);
        assert_eq!(by("301"), Some("301".into()));
        for other in ["302", "74950000021", "74950000003", "a b"] {
            assert_eq!(by(other), None, "{other}");
        }
    }
}
