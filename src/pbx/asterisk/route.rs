//! The dialplan's question "who should ring?" and our answer (`deploy/asterisk/extensions_ringcard.conf`).
//!
//! Asked with CURL() as `GET …/route?uid=…&linkedid=…&did=…&from=…&attempt=…`, answered as
//! `target=101-102&ring=9.500&name=…`, which `CURLOPT(hashcompat)` reads; `block=busy` for who is not put
//! through. Before them may stand `record=no`, `notice=<prompt>` and `consent=ask`, which come from the rule
//! of the line. The dialplan takes nothing but digits from it, the prompt's plain name, and those words.

use std::fmt::Write;

use bytes::Bytes;
use subtle::ConstantTimeEq;

use super::Account;
use crate::{
    model::{
        ids::{CallKey, Extension},
        phone::Number,
        time::Timestamp,
    },
    pbx::{DecodeError, Enquiry, Recorded, Refused, Reply, Request, RouteAnswer},
};

/// Where the dialplan asks, below the account's address.
const PATH: &str = "/route";

/// Lets a question in: the path and the token must fit.
pub fn verify(token: &str, request: &Request) -> Result<(), Refused> {
    let given = request
        .headers
        .iter()
        .find(|(name, _)| name == "authorization")
        .and_then(|(_, value)| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let fits = bool::from(given.as_bytes().ct_eq(token.as_bytes()));
    match fits && !token.is_empty() && request.path == PATH {
        true => Ok(()),
        false => Err(Refused::Token),
    }
}

/// Reads a question.
pub fn enquiry(
    account: &Account,
    request: &Request,
    now: Timestamp,
) -> Result<Enquiry, DecodeError> {
    let query = Query::read(&request.query)?;
    let plan = &account.directory.plan;
    let call = query.get("linkedid").or(query.get("uid"));
    let did = query.get("did").map(|did| plan.read(did));
    let attempt = query.get("attempt").unwrap_or("1").parse();
    Ok(Enquiry {
        account: account.name.clone(),
        call: call.map(CallKey::from),
        client: query
            .get("from")
            .map(|from| plan.read(from))
            .or(Some(Number::Withheld)),
        did,
        attempt: attempt.map_err(|_| DecodeError::Field("attempt"))?,
        is_it: None,
        digits: String::new(),
        rung: Vec::new(),
        at: now,
    })
}

/// Writes the answer; an empty one lets the PBX do what it would do without us.
pub fn reply(answer: &RouteAnswer) -> Reply {
    let mut text = String::new();
    if answer.is_blocked() {
        return Reply {
            body: Bytes::from_static(b"block=busy"),
            ..Reply::empty()
        };
    }
    let targets: Vec<&str> = targets(answer).map(Extension::as_str).collect();
    ask_of_recording(&answer.recorded, &mut text);
    if !targets.is_empty() {
        field("target", &targets.join("-"), &mut text);
        field("ring", &seconds(answer.ring_ms), &mut text);
        if let Some(name) = &answer.display_name {
            let mut escaped = String::new();
            escape(name, &mut escaped);
            field("name", &escaped, &mut text);
        }
    }
    Reply {
        body: Bytes::from(text),
        ..Reply::empty()
    }
}

/// What the dialplan is to do before anybody's phone rings.
fn ask_of_recording(recorded: &Recorded, text: &mut String) {
    if recorded.never {
        field("record", "no", text);
    }
    if let Some(prompt) = &recorded.prompt {
        field("notice", prompt, text);
    }
    if recorded.asks {
        field("consent", "ask", text);
    }
}

fn field(name: &str, value: &str, text: &mut String) {
    if !text.is_empty() {
        text.push('&');
    }
    text.push_str(name);
    text.push('=');
    text.push_str(value);
}

/// Who shall ring, as far as a dialplan can dial them.
pub fn targets(answer: &RouteAnswer) -> impl Iterator<Item = &Extension> {
    let wanted = if answer.together {
        answer.targets.len()
    } else {
        1
    };
    let dialable = |target: &&Extension| {
        let text = target.as_str();
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    answer.targets.iter().filter(dialable).take(wanted)
}

/// How long to ring: Dial() takes parts of a second.
pub fn seconds(ring_ms: i64) -> String {
    let ring_ms = ring_ms.max(1_000);
    format!("{}.{:03}", ring_ms / 1_000, ring_ms % 1_000)
}

/// A name as a phone shows it: no control characters, and not too long.
pub fn displayed(name: &str) -> impl Iterator<Item = char> {
    const LONGEST: usize = 60;
    name.chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST)
}

/// The query string of a question with these fields, as far as they are known.
pub fn query(fields: [(&str, Option<&str>); 6]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if let Some(value) = value {
            text.push_str(if text.is_empty() { "" } else { "&" });
            text.push_str(name);
            text.push('=');
            for byte in value.bytes() {
                match byte {
                    b'.' | b'-' => text.push(char::from(byte)),
                    _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
                    _ => write!(text, "%{byte:02X}").expect("writing to a String never fails"),
                }
            }
        }
    }
    text
}

/// Percent-encodes everything but letters and digits.
fn escape(name: &str, out: &mut String) {
    for letter in displayed(name) {
        if letter.is_ascii_alphanumeric() {
            out.push(letter);
            continue;
        }
        let mut bytes = [0; 4];
        for byte in letter.encode_utf8(&mut bytes).bytes() {
            write!(out, "%{byte:02X}").expect("writing to a String never fails");
        }
    }
}

/// The fields of a query string.
struct Query(Vec<(String, String)>);

impl Query {
    fn read(text: &str) -> Result<Self, DecodeError> {
        let url = reqwest::Url::parse(&format!("http://route/?{text}"))
            .map_err(|error| DecodeError::Malformed(error.to_string()))?;
        let fields = url.query_pairs();
        Ok(Self(
            fields
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        ))
    }

    fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(targets: &[&str], together: bool) -> RouteAnswer {
        RouteAnswer {
            targets: targets
                .iter()
                .map(|target| Extension::from(*target))
                .collect(),
            ring_ms: 9_500,
            together,
            display_name: None,
            reason: "owner".to_owned(),
            recorded: Recorded::default(),
        }
    }

    fn text(answer: &RouteAnswer) -> String {
        String::from_utf8(reply(answer).body.to_vec()).unwrap()
    }

    #[test]
    fn who_is_blocked_hears_busy_and_nothing_else_is_said() {
        let mut blocked = answer(&[], false);
        blocked.reason = "blocked".to_owned();
        blocked.display_name = Some("Client".to_owned());
        assert_eq!(text(&blocked), "block=busy");
    }

    #[test]
    fn an_answer_is_read_by_the_dialplan() {
        assert_eq!(text(&answer(&["101"], false)), "target=101&ring=9.500");
        assert_eq!(
            text(&answer(&["101", "102"], true)),
            "target=101-102&ring=9.500"
        );
        assert_eq!(
            text(&answer(&["101", "102"], false)),
            "target=101&ring=9.500"
        );
        assert_eq!(text(&answer(&[], false)), "");
        assert_eq!(text(&answer(&["10&1"], false)), "");
    }

    #[test]
    fn what_a_line_says_of_recording_is_asked_first() {
        let mut asked = answer(&["101"], false);
        asked.recorded = Recorded {
            never: false,
            prompt: Some("custom/recorded".to_owned()),
            asks: true,
        };
        assert_eq!(
            text(&asked),
            "notice=custom/recorded&consent=ask&target=101&ring=9.500"
        );
        let mut never = answer(&[], false);
        never.recorded.never = true;
        assert_eq!(text(&never), "record=no");
    }

    #[test]
    fn a_name_cannot_add_fields() {
        let mut named = answer(&["101"], false);
        named.display_name = Some("Ян & Co,\n\"x\"".to_owned());
        let text = text(&named);
        assert_eq!(
            text,
            "target=101&ring=9.500&name=%D0%AF%D0%BD%20%26%20Co%2C%22x%22"
        );
    }

    #[test]
    fn a_question_needs_the_token() {
        let mut request = Request {
            method: "GET".to_owned(),
            path: "/route".to_owned(),
            query: String::new(),
            headers: vec![("authorization".to_owned(), "Bearer t0".to_owned())],
            body: Bytes::new(),
            remote: "127.0.0.1".to_owned(),
        };
        assert_eq!(verify("t0", &request), Ok(()));
        assert_eq!(verify("t1", &request), Err(Refused::Token));
        assert_eq!(verify("", &request), Err(Refused::Token));
        request.path = "/route/".to_owned();
        assert_eq!(verify("t0", &request), Err(Refused::Token));
        request.path = PATH.to_owned();
        request.headers.clear();
        assert_eq!(verify("t0", &request), Err(Refused::Token));
        assert_eq!(verify("", &request), Err(Refused::Token));
    }
}
