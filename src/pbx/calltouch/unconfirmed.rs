//! What nobody has confirmed of Calltouch: the names of parameters are those of its log of calls, the rest
//! is known from working code of others, from memory, or not at all. Each stands here alone, with what we
//! do until a real account has shown it.
//!
//! Also not known: whether and how often a webhook is sent again that was not taken; the shape of leads and
//! chats, which are counted and kept raw; whether calls ordered at the site come with `callbackCall`.

use serde_json::Value;

use crate::{model::time::Timestamp, pbx::fields::Fields};

/// Limits: none is documented.
pub const ALL_EVERY_MS: u64 = 1_000;

/// The form of `date` in the log of calls, and perhaps in webhooks.
pub const DATE: &str = "%d/%m/%Y %H:%M:%S";

/// A message that names no call: a test of the cabinet, a lead or a chat. `None`: it is about a call.
pub fn other_than_call(fields: &Fields) -> Option<&'static str> {
    let has = |names: &[&str]| names.iter().any(|name| fields.get(name).is_some());
    match () {
        () if has(&["callId"]) => None,
        () if has(&["requestId", "leadId"]) => Some("lead"),
        () if has(&["chatId"]) => Some("chat"),
        () if has(&["callerNumber", "phoneNumber"]) => None, // said to be unreadable
        () => Some("ping"),
    }
}

/// Whether the call is over: told by words of the phase, by a length, or by how it went.
pub fn is_over(fields: &Fields) -> bool {
    let phase = fields.get("callphase").unwrap_or_default().to_lowercase();
    let ended = ["disconnect", "complete", "lost", "end"];
    ended.iter().any(|word| phase.contains(word))
        || fields.get("duration").is_some()
        || fields.get("successful").is_some()
}

/// Booleans are texts: `true`, `1`; whatever else is said is no.
pub fn is_yes(text: &str) -> bool {
    ["true", "1", "yes"].contains(&text.trim().to_lowercase().as_str())
}

/// When the call began. Whether the time in the message about its end is that of the start or of the end
/// is not known: it is what fits the moment of its arrival better.
pub fn started(told: Timestamp, length_s: i64, arrived: Timestamp) -> Timestamp {
    let away = |at: Timestamp| (at.as_millis() - arrived.as_millis()).abs();
    let as_end = told.plus_millis(-1_000 * length_s);
    let as_start_it_ends = told.plus_millis(1_000 * length_s);
    match away(told) <= away(as_start_it_ends) {
        true => as_end,
        false => told,
    }
}

/// The number of the site's node in the answer to `getnodeid`: bare, or under a name.
pub fn node(answer: &[u8]) -> Option<u32> {
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let told: Value = serde_json::from_slice(answer).ok()?;
    let names = ["nodeId", "nodeid", "node_id", "node", "data"];
    let told = number(&told).or_else(|| names.iter().find_map(|name| number(&told[*name])))?;
    u32::try_from(told).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_end_is_read_by_its_arrival() {
        let (start, end) = (
            Timestamp::from_seconds(1_000_100),
            Timestamp::from_seconds(1_000_199),
        );
        let arrived = Timestamp::from_seconds(1_000_201);
        assert_eq!(started(end, 99, arrived), start);
        assert_eq!(started(start, 99, arrived), start);
        assert_eq!(started(start, 0, arrived), start);
    }

    #[test]
    fn a_node_is_a_number_wherever_it_stands() {
        for answer in ["7", "\"7\"", r#"{"nodeId": 7}"#, r#"{"data": "7"}"#] {
            assert_eq!(node(answer.as_bytes()), Some(7), "{answer}");
        }
        for answer in ["", "<html>", "{}", "-7", "[7]", "7.5"] {
            assert_eq!(node(answer.as_bytes()), None, "{answer}");
        }
    }
}
