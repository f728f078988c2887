//! What nobody has confirmed of Mango's API: neither its text (v1.10 and the digest of 2026) nor working
//! code that we know says it, or they differ. Each stands here alone, with what we do until a real account
//! has shown it; every choice errs to the side on which no call and no recording is lost.
//!
//! Also not known: how soon and how often an event is posted again that we did not take. So history is
//! read in any case, and what comes late changes nothing.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    model::{event::Cause, ids::Extension, time::Timestamp},
    pbx::{facts::told_at, numbers::Numbers, wall},
};

use super::reason::Reason;

/// Answers to commands: the text gives only the status. A body that has a `result` or `code` other than
/// 1000 is taken for a refusal; anything else with a good status for "taken".
pub fn is_refused(body: &[u8]) -> Option<i64> {
    #[derive(Deserialize)]
    struct Said {
        #[serde(alias = "code")]
        result: Option<i64>,
    }
    let said: Said = serde_json::from_slice(body).ok()?;
    said.result.filter(|code| *code != 1_000)
}

/// How a product without call tracking answers a question for a visitor: nobody tells. After a refusal
/// Mango is not asked again for so long, because one invalid request blocks all others for a while
/// ([`super::api::BLOCKED_FOR`]).
pub const VISITORS_REFUSED_FOR: Duration = Duration::from_secs(3_600);

/// Times of the extended history: it is asked in Moscow's wall clock, and how it answers is told by
/// nobody. Seconds since 1970 and the wall clock are both believed; 0 and nothing are "not so".
pub fn time(told: &str, zone: &jiff::tz::TimeZone) -> Option<Timestamp> {
    match told.trim().parse::<f64>() {
        Ok(number) if number > 0.0 => Some(told_at(number as i64)),
        Ok(_) => None,
        Err(_) => wall::read(told, zone),
    }
}

/// Who a row of the extended history is: `call_abonent_number` may be an extension, an outside number or
/// an address of a device, `call_abonent_info` a name. Only what cannot be a public number is believed to
/// be an extension; otherwise the row tells no phone, and the call stays without it.
pub fn extension(number: Option<&str>, numbers: &Numbers) -> Option<Extension> {
    const LONGEST: usize = 8;
    let number = number?.trim();
    let is_short = (1..=LONGEST).contains(&number.len());
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
    let is_public = numbers.read(number).e164().is_some();
    (is_short && is_plain && !is_public).then(|| Extension::from(number))
}

/// `call_end_reason` of the extended history: taken for the codes of `disconnect_reason`; an unknown one
/// says nothing.
pub fn cause(code: Option<i64>) -> Cause {
    Reason::of(code).cause()
}

/// The number that a client dialled: `called_number` of an incoming call. Believed only where it reads
/// as a public number.
pub fn line(called: Option<&str>, numbers: &Numbers) -> Option<crate::model::phone::Number> {
    let line = numbers.read(called?);
    line.e164().is_some().then_some(line)
}
