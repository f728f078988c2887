//! The dialplan's question over FastAGI, for who prefers it to CURL(): the same question, the same answer
//! (`deploy/asterisk/extensions_ringcard.conf`).
//!
//! Asterisk connects, tells what it knows of the channel in lines `agi_name: value` with an empty line
//! behind them, and then takes commands. We set a few variables and close. Documentation:
//! <https://docs.asterisk.org/Configuration/Interfaces/Asterisk-Gateway-Interface-AGI/>.
//!
//! FastAGI knows no passwords: the token of the account stands in the URL. And Asterisk waits for an
//! answer as long as the connection stands, so whoever serves this keeps a deadline.

use std::fmt::Write;

use bytes::Bytes;

use super::route;
use crate::{
    model::ids::Extension,
    pbx::{DecodeError, Request, RouteAnswer},
};

/// Larger than any honest question; Asterisk sends some twenty short lines.
const LONGEST: usize = 16 * 1024;

/// Reads a question as the request that asks the same over HTTP; `None` as long as it is not whole.
///
/// Arguments: the number dialled, which attempt, the Linkedid, how the last attempt ended.
pub fn question(raw: &[u8], remote: &str) -> Result<Option<Request>, DecodeError> {
    let limit = LONGEST;
    if raw.len() > limit {
        return Err(DecodeError::TooLarge { limit });
    }
    let Some(end) = raw.windows(2).position(|pair| pair == b"\n\n") else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&raw[..end]);
    let get = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(": "));
        let (_, value) = lines.find(|(known, _)| *known == name)?;
        Some(value.trim()).filter(|value| !value.is_empty())
    };
    let script = get("agi_network_script").ok_or(DecodeError::Field("agi_network_script"))?;
    let (path, given) = script.split_once('?').unwrap_or((script, ""));
    let token = given
        .split('&')
        .find_map(|part| part.strip_prefix("token="));
    // "unknown" is what AGI says of a number that it does not have.
    let caller = get("agi_callerid").filter(|number| *number != "unknown");
    let fields = [
        ("uid", get("agi_uniqueid")),
        ("linkedid", get("agi_arg_3")),
        ("did", get("agi_arg_1")),
        ("from", caller),
        ("attempt", get("agi_arg_2")),
        ("last", get("agi_arg_4")),
    ];
    Ok(Some(Request {
        method: "GET".to_owned(),
        path: format!("/{path}"),
        query: route::query(fields),
        headers: vec![(
            "authorization".to_owned(),
            format!("Bearer {}", token.unwrap_or_default()),
        )],
        body: Bytes::new(),
        remote: remote.to_owned(),
    }))
}

/// Writes the answer as commands; what is not said is set to nothing, so that no old answer is read.
pub fn answer(answer: &RouteAnswer) -> Bytes {
    let targets: Vec<&str> = route::targets(answer).map(Extension::as_str).collect();
    let is_said = !targets.is_empty() && !answer.is_blocked();
    let said = |text: String| if is_said { text } else { String::new() };
    let block = if answer.is_blocked() { "busy" } else { "" };
    let name = answer.display_name.as_deref().unwrap_or_default();
    let recorded = &answer.recorded;
    let word = |is_so: bool, word: &str| {
        if is_so {
            word.to_owned()
        } else {
            String::new()
        }
    };
    let mut text = String::new();
    for (variable, value) in [
        ("TARGET", said(targets.join("-"))),
        ("RING", said(route::seconds(answer.ring_ms))),
        ("NAME", said(quoted(name))),
        ("BLOCK", block.to_owned()),
        ("LINE_RECORD", word(recorded.never, "no")),
        (
            "LINE_NOTICE",
            quoted(recorded.prompt.as_deref().unwrap_or_default()),
        ),
        ("LINE_CONSENT", word(recorded.asks, "ask")),
    ] {
        writeln!(text, "SET VARIABLE RINGCARD_{variable} \"{value}\"")
            .expect("writing to a String never fails");
    }
    text.into()
}

/// asterisk/res/res_agi.c, parse_args: inside quotes a backslash takes the next character as it is.
fn quoted(name: &str) -> String {
    let mut text = String::new();
    for letter in route::displayed(name) {
        if matches!(letter, '"' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pbx::Recorded;

    const ASKED: &str = "agi_network: yes\nagi_network_script: route?token=t0\n\
         agi_request: agi://127.0.0.1/route?token=t0\nagi_channel: PJSIP/trunk-00000001\n\
         agi_uniqueid: 1773728100.7\nagi_callerid: 74950000077\nagi_calleridname: agi_callerid: 1\n\
         agi_extension: s\nagi_arg_1: 74950000001\nagi_arg_2: 2\nagi_arg_3: 1773728100.7\n\
         agi_arg_4: NOANSWER\n\n";

    #[test]
    fn a_question_is_the_one_that_is_asked_over_http() {
        let request = question(ASKED.as_bytes(), "127.0.0.1").unwrap().unwrap();
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("GET", "/route")
        );
        assert_eq!(
            request.query,
            "uid=1773728100.7&linkedid=1773728100.7&did=74950000001&from=74950000077&attempt=2\
             &last=NOANSWER"
        );
        assert_eq!(route::verify("t0", &request), Ok(()));
        assert!(route::verify("t1", &request).is_err());
        assert!(!request.query.contains("t0"), "the journal keeps the query");
    }

    #[test]
    fn a_question_cut_anywhere_is_not_whole_and_a_long_one_is_none() {
        for end in 0..ASKED.len() - 1 {
            let half = question(&ASKED.as_bytes()[..end], "");
            assert!(matches!(half, Ok(None)), "{end}");
        }
        let long = [b'a'; LONGEST + 1];
        let long = question(&long, "").unwrap_err();
        assert_eq!(long, DecodeError::TooLarge { limit: LONGEST });
        let wrong = question(b"agi_network: yes\n\n", "").unwrap_err();
        assert_eq!(wrong, DecodeError::Field("agi_network_script"));
    }

    #[test]
    fn a_withheld_number_and_no_token_are_told_as_such() {
        let text = "agi_network_script: route\nagi_callerid: unknown\n\n";
        let request = question(text.as_bytes(), "").unwrap().unwrap();
        assert_eq!(request.query, "");
        assert!(
            route::verify("", &request).is_err(),
            "an empty token is none"
        );
    }

    #[test]
    fn a_name_cannot_add_commands() {
        let told = answer(&RouteAnswer {
            targets: vec!["101".into(), "102".into(), "1&2".into()],
            ring_ms: 9_500,
            together: true,
            display_name: Some("Ян \"x\"\\\nHANGUP".to_owned()),
            reason: "owner".to_owned(),
            recorded: Recorded {
                never: true,
                prompt: Some("custom/recorded".to_owned()),
                asks: false,
            },
        });
        assert_eq!(
            String::from_utf8(told.to_vec()).unwrap(),
            "SET VARIABLE RINGCARD_TARGET \"101-102\"\nSET VARIABLE RINGCARD_RING \"9.500\"\n\
             SET VARIABLE RINGCARD_NAME \"Ян \\\"x\\\"\\\\HANGUP\"\n\
             SET VARIABLE RINGCARD_BLOCK \"\"\nSET VARIABLE RINGCARD_LINE_RECORD \"no\"\n\
             SET VARIABLE RINGCARD_LINE_NOTICE \"custom/recorded\"\n\
             SET VARIABLE RINGCARD_LINE_CONSENT \"\"\n"
        );
    }

    #[test]
    fn who_is_blocked_hears_busy_and_nobody_is_nothing() {
        let mut none = RouteAnswer {
            targets: Vec::new(),
            ring_ms: 0,
            together: false,
            display_name: Some("Client".to_owned()),
            reason: "no_rule".to_owned(),
            recorded: Recorded::default(),
        };
        let text = |told: &RouteAnswer| String::from_utf8(answer(told).to_vec()).unwrap();
        assert!(text(&none).lines().all(|line| line.ends_with("\"\"")));
        none.reason = "blocked".to_owned();
        assert!(text(&none).contains("RINGCARD_BLOCK \"busy\""));
        assert!(text(&none).contains("RINGCARD_TARGET \"\""));
    }
}
