//! What nobody has confirmed: the documentation does not say it, and we know it from working code of others,
//! from memory, or not at all. Each stands here alone, with what we do until a real account has shown it;
//! every choice errs to the side on which no call and no recording is lost.
//!
//! Also not known: whether and when an event is posted again that we did not take, which answer of ours to
//! the block "HTTP command" selects a phone (the account describes it in `[pbx.route]`), and what happens
//! to events of one call when it is passed on.

use crate::{
    model::{
        event::{Cause, Direction, Side},
        ids::Extension,
        phone::Number,
    },
    pbx::numbers::Numbers,
};

/// What a real account can show to be otherwise: table `unconfirmed` of the account.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choices {
    /// The list of past calls says nothing of files, so every answered call there is asked for its file.
    /// Else only calls whose `call_end` names one.
    pub asks_for_every_file: bool,
    /// The link of `call_end` is fetched as it is. Else the API is asked for a fresh one, by the call.
    pub takes_links: bool,
    /// `uuid` of a question is that of the call's events. Else the answer stands in the log of decisions
    /// alone, and no call is made of a question.
    pub questions_name_calls: bool,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            asks_for_every_file: true,
            takes_links: false,
            questions_name_calls: false,
        }
    }
}

/// Limits: none is documented; "too often" (429) was seen. Two requests a second, and past calls once in ten
/// seconds, is what a person at the cabinet could do.
pub const ALL_EVERY_MS: u64 = 500;
pub const HISTORY_EVERY_MS: u64 = 10_000;

/// Who of ours `told` names beside this client and this line of ours: an extension, or a number outside to
/// which the call was sent on. A group's or menu's number looks like an extension too, so whoever is only
/// called by it (at the start of a call) must not be a public number.
pub fn person(
    told: &str,
    (client, did): (Option<&Number>, Option<&Number>),
    numbers: &Numbers,
) -> Option<Extension> {
    const LONGEST: usize = 32;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    let fits = (1..=LONGEST).contains(&told.len()) && told.bytes().all(is_plain);
    let number = numbers.read(told);
    let e164 = number.e164();
    let is_same = |other: Option<&Number>| other.and_then(Number::e164) == e164;
    let is_else = e164.is_some() && (is_same(client) || is_same(did));
    (fits && !is_else).then(|| Extension::from(told))
}

/// `hangup_cause`: the names of FreeSWITCH. `None`: a word that says nothing of the parties.
pub fn cause(word: &str) -> Option<Cause> {
    Some(match word {
        "NORMAL_CLEARING" => Cause::Normal,
        "NO_ANSWER" | "NO_USER_RESPONSE" | "ALLOTTED_TIMEOUT" => Cause::NoAnswer,
        "USER_BUSY" => Cause::Busy,
        "CALL_REJECTED" => Cause::Rejected,
        "ORIGINATOR_CANCEL" => Cause::Cancelled,
        "LOSE_RACE" | "PICKED_OFF" => Cause::AnsweredElsewhere,
        "UNALLOCATED_NUMBER" | "NO_ROUTE_DESTINATION" | "INVALID_NUMBER_FORMAT" => Cause::NoRoute,
        "USER_NOT_REGISTERED" | "SUBSCRIBER_ABSENT" => Cause::Unreachable,
        "NORMAL_TEMPORARY_FAILURE"
        | "NETWORK_OUT_OF_ORDER"
        | "RECOVERY_ON_TIMER_EXPIRE"
        | "DESTINATION_OUT_OF_ORDER" => Cause::Failed,
        _ => return None,
    })
}

/// Who hung up: only the caller's giving up is taken to say so.
pub fn gave_up(cause: Option<Cause>, direction: Option<Direction>) -> Option<Side> {
    match (cause?, direction?) {
        (Cause::Cancelled, Direction::In) => Some(Side::Client),
        (Cause::Cancelled, _) => Some(Side::Employee),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::phone::NumberingPlan;

    #[test]
    fn who_of_ours_is_named() {
        let numbers = Numbers::new(NumberingPlan::default());
        let (client, did) = (numbers.read("74950000021"), numbers.read("74950000003"));
        let person = |told: &str| person(told, (Some(&client), Some(&did)), &numbers);
        assert_eq!(person("301"), Some("301".into()));
        // The mobile of an employee to whom the call was sent on.
        assert_eq!(person("74950000031"), Some("74950000031".into()));
        for nobody in ["", "74950000021", "+74950000003", "20 1", "301/302"] {
            assert_eq!(person(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn words_of_the_end() {
        let cancelled = cause("ORIGINATOR_CANCEL");
        assert_eq!(gave_up(cancelled, Some(Direction::In)), Some(Side::Client));
        assert_eq!(
            gave_up(cancelled, Some(Direction::Out)),
            Some(Side::Employee)
        );
        assert_eq!(gave_up(cause("NORMAL_CLEARING"), Some(Direction::In)), None);
        assert_eq!(
            (cause("LOSE_RACE"), cause("?")),
            (Some(Cause::AnsweredElsewhere), None)
        );
    }
}
