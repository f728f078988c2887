//! What we command Mango to do.

use serde_json::{Value, json};

use crate::{
    model::ids::{Extension, LegKey},
    pbx::{PbxError, RouteAnswer, dialable},
};

/// What our ids of calls by command begin with at Mango: other programs command the same product, and
/// their ids need not be unique.
const OURS: &str = "ringcard-call-";
/// Longest name that a phone is given to show.
const LONGEST_NAME: usize = 64;

/// `commands/callback`: rings the employee, then the client, who sees `line` if it is named.
pub fn callback(
    command: &str,
    extension: &Extension,
    client: &str,
    line: Option<&str>,
) -> Result<Value, PbxError> {
    let mut json = json!({
        "command_id": format!("{OURS}{command}"),
        "from": {"extension": dialable::extension(extension)?},
        "to_number": dialable::digits(client)?,
    });
    if let Some(line) = line {
        json["line_number"] = line.trim_start_matches('+').into();
    }
    Ok(json)
}

/// `commands/route`: sends the client on this leg to an employee, whose phone shows the client's name.
pub fn route(
    command: &str,
    leg: &LegKey,
    target: &Extension,
    answer: &RouteAnswer,
) -> Result<Value, PbxError> {
    let mut json = json!({
        "command_id": format!("ringcard-route-{command}"),
        "call_id": leg,
        "to_number": dialable::extension(target)?,
    });
    if let Some(name) = &answer.display_name {
        let shown = name.chars().filter(|letter| !letter.is_control());
        let shown: String = shown.take(LONGEST_NAME).collect();
        json["sip_headers"] = json!({ "From/display-name": shown });
    }
    Ok(json)
}

/// Our own id of a command, if it is one of our calls.
pub fn own_command(command_id: &Option<String>) -> Option<&str> {
    let own = command_id.as_deref()?.strip_prefix(OURS)?;
    (!own.is_empty()).then_some(own)
}
