//! What nobody has confirmed: the documentation does not say it, and we know it from working code of
//! others, from memory, or not at all. Each stands here alone, with what we do until a real account has
//! shown it; every choice errs to the side on which no call and no recording is lost.
//!
//! Also not known: how soon and how often an event is posted again that we did not take, and how late a
//! `NOTIFY_END` may come. It has no time, so the end of a call is when its word came; the talk has the
//! length told.

use crate::{
    model::{
        event::{Cause, Direction, Side},
        ids::Extension,
        phone::Number,
    },
    pbx::numbers::Numbers,
};

/// Events of the second channel, and the names under which they are counted. How it is signed is not
/// described, and of two not even what they hold: the secret path lets them in, they are kept raw, and
/// nothing is made of them.
pub const SECOND_CHANNEL: [(&str, &str); 4] = [
    ("SMS", "sms"),
    ("SPEECH_RECOGNITION", "speech_recognised"),
    ("CALL_TRACKING", "call_tracking"),
    ("NUMBER_LOOKUP", "number_lookup"),
];

/// An "answered" that names no extension: a menu, a fax or a mailbox may have picked up. Nothing is said
/// of an answer; where a person has answered, `NOTIFY_ANSWER` says so.
pub const ANSWERED_BY_NOBODY: Option<bool> = None;

/// `disposition`: whether somebody talked, and else why not. Spaces, underscores and capitals are written
/// this way and that. `None`: a word that nobody knows, so nothing is said of the answer.
pub fn disposition(told: &str) -> Option<(bool, Cause)> {
    let words: Vec<String> = told
        .split(|letter: char| !letter.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    Some(match words.join(" ").as_str() {
        "answered" => (true, Cause::Normal),
        "busy" => (false, Cause::Busy),
        "cancel" | "cancelled" => (false, Cause::Cancelled),
        "no answer" | "noanswer" => (false, Cause::NoAnswer),
        "unallocated number" => (false, Cause::NoRoute),
        "failed" | "call failed" | "no money" | "no limit" | "no day limit" | "line limit"
        | "no money no limit" => (false, Cause::Failed),
        _ => return None,
    })
}

/// Who hung up: only "cancel" is taken to say so, of whoever called.
pub fn gave_up(cause: Option<Cause>, direction: Option<Direction>) -> Option<Side> {
    match (cause?, direction?) {
        (Cause::Cancelled, Direction::In) => Some(Side::Client),
        (Cause::Cancelled, _) => Some(Side::Employee),
        _ => None,
    }
}

/// `status_code`: taken for a cause of ITU-T Q.850, and read only where `disposition` is of no use.
pub fn cause(code: i64) -> Option<Cause> {
    Some(match code {
        16 => Cause::Normal,
        17 => Cause::Busy,
        18 | 19 => Cause::NoAnswer,
        21 => Cause::Rejected,
        1 | 2 | 3 | 22 | 28 => Cause::NoRoute,
        20 => Cause::Unreachable,
        27 | 34 | 38 | 41 | 42 | 58 => Cause::Failed,
        _ => return None,
    })
}

/// The prefix of a call's key. Older ones have none.
pub fn is_outgoing(key: &str) -> Option<bool> {
    match key.split_once('_')?.0 {
        "out" => Some(true),
        "in" => Some(false),
        _ => None,
    }
}

/// `internal`: an extension; `0` and nothing are nobody.
pub fn person(told: &str) -> Option<Extension> {
    const LONGEST: usize = 32;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = (1..=LONGEST).contains(&told.len()) && told.bytes().all(is_plain);
    (fits && told.bytes().any(|byte| byte != b'0')).then(|| Extension::from(told))
}

/// Whom a colleague calls: only what is short, no number of the emergency services and cannot be a public
/// number is believed to be an extension.
pub fn colleague(called: &str, numbers: &Numbers) -> Option<Extension> {
    const LONGEST: usize = 6;
    const EMERGENCY: [&str; 6] = ["101", "102", "103", "104", "112", "911"];
    let is_short = called.len() <= LONGEST && called.bytes().all(|byte| byte.is_ascii_digit());
    let is_public = numbers.read(called).e164().is_some();
    let is_else = is_public || called.starts_with('0') || EMERGENCY.contains(&called);
    person(called).filter(|_| is_short && !is_else)
}

/// The number in `clid` of the call log, which comes as `Name (7495...)`, `"Name" <+7495...>` and
/// `201 (201)`. Believed where it reads as a public number.
pub fn number_in(clid: &str, numbers: &Numbers) -> Option<Number> {
    let inner = |open: char, close: char| {
        let (_, rest) = clid.rsplit_once(open)?;
        Some(rest.split_once(close)?.0)
    };
    let told = [inner('<', '>'), inner('(', ')'), Some(clid)];
    let mut read = told
        .into_iter()
        .flatten()
        .map(|raw| numbers.read(raw.trim()));
    read.find(|number| number.e164().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::phone::NumberingPlan;

    #[test]
    fn words_of_the_end() {
        assert_eq!(disposition("Answered"), Some((true, Cause::Normal)));
        assert_eq!(disposition(" no_answer"), Some((false, Cause::NoAnswer)));
        assert_eq!(
            disposition("no money, no limit"),
            Some((false, Cause::Failed))
        );
        assert_eq!(disposition("forwarded"), None);
        assert_eq!((cause(17), cause(999)), (Some(Cause::Busy), None));
    }

    #[test]
    fn who_is_an_extension() {
        let numbers = Numbers::new(NumberingPlan::default());
        assert_eq!(person("201"), Some("201".into()));
        for nobody in ["", "0", "000", "20 1", "+7"] {
            assert_eq!(person(nobody), None, "{nobody}");
        }
        assert_eq!(colleague("202", &numbers), Some("202".into()));
        for other in ["74950000021", "112", "0890", "202a", ""] {
            assert_eq!(colleague(other, &numbers), None, "{other}");
        }
        assert_eq!(is_outgoing("out_ab"), Some(true));
        assert_eq!(
            (is_outgoing("in_ab"), is_outgoing("abcd")),
            (Some(false), None)
        );
    }

    #[test]
    fn the_number_behind_a_name() {
        let numbers = Numbers::new(NumberingPlan::default());
        let read =
            |clid: &str| number_in(clid, &numbers).and_then(|one| one.e164().map(str::to_owned));
        for clid in [
            "Anna (74950000021)",
            "\"Anna (work)\" <+74950000021>",
            "74950000021",
        ] {
            assert_eq!(read(clid).as_deref(), Some("+74950000021"), "{clid}");
        }
        for clid in ["201 (201)", "", "anonymous", "()"] {
            assert_eq!(read(clid), None, "{clid}");
        }
    }
}
