//! What nobody has confirmed: the documentation does not say it, and we know it from working code of others,
//! from memory, or not at all. Each stands here alone, with what we do until a real account has shown it;
//! every choice errs to the side on which no call and no recording is lost.
//!
//! Also not known: whether a status message that we did not take is told again (past calls are read in any
//! case), and whether messages of a subaccount are signed with its own token (give it an account of its own).

use super::event::Stage;
use crate::{
    model::{event::Cause, phone::Number},
    pbx::numbers::Numbers,
};

/// What a real account can show to be otherwise: table `unconfirmed` of the account.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choices {
    /// `Duration` of a call that rings until somebody answers counts from its start. Else from the answer:
    /// then the call began when we were asked what to do.
    pub counts_from_start: bool,
}

/// Limits, from memory: one new call a second is what an account is given at first (more are queued there); of
/// other requests only so many may be under way at once, beyond that 429.
pub const CALLS_EVERY_MS: u64 = 1_000;
pub const ALL_EVERY_MS: u64 = 100;

/// A number that was withheld, as carriers have it written: words, and the same words on a keypad.
const WITHHELD: [&str; 8] = [
    "anonymous",
    "restricted",
    "unknown",
    "unavailable",
    "+266696687",
    "+7378742833",
    "+2562533",
    "+8656696",
];

/// What the address that has failed asked us with, if that was what comes after ringing somebody. Documented:
/// the same parameters come, and `ErrorUrl`. Assumption: it is that whole address, its query included. Of one
/// without a number the second attempt is next.
pub fn failed_dial_action(error_url: &str) -> Option<String> {
    let url = reqwest::Url::parse(error_url).ok()?;
    let is_it = url.path().ends_with("/dial-action");
    is_it.then(|| url.query().unwrap_or_default().to_owned())
}

/// How ringing somebody ended where a failure has left that out (assumption: it never does): not with a talk, for
/// to ring the next one for nobody does less harm than to leave a caller alone.
pub const UNTOLD: Stage = Stage::Over(Cause::Unknown);

/// The client's number.
pub fn client(told: &str, numbers: &Numbers) -> Number {
    let told = told.trim();
    let is_withheld = WITHHELD.iter().any(|word| told.eq_ignore_ascii_case(word));
    match told.is_empty() || is_withheld {
        true => Number::Withheld,
        false => numbers.read(told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::phone::NumberingPlan;

    #[test]
    fn withheld_numbers_are_nobody_s() {
        let numbers = Numbers::new(NumberingPlan::default());
        for told in ["", "Anonymous", "+266696687", " restricted "] {
            assert_eq!(client(told, &numbers), Number::Withheld, "{told:?}");
        }
        assert_eq!(
            client("+74950000021", &numbers).e164(),
            Some("+74950000021")
        );
    }
}
