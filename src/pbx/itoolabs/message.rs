//! The fields of a message, which come as a form or as JSON. Which of the two it is, is seen by the body
//! itself: the journal keeps no headers, and a form never begins with a brace.

use serde_json::{Map, Value};

use crate::pbx::{DecodeError, form};

/// The field that lets a message in.
pub const TOKEN: &str = "crm_token";

/// Names and values.
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Result<Self, DecodeError> {
        if !is_json(body) {
            return form::texts(body).map(Self);
        }
        let fields = object(body)?.into_iter();
        Ok(Self(
            fields
                .filter_map(|(name, value)| Some((name, text(value)?)))
                .collect(),
        ))
    }

    /// The first value of this name that says anything.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(known, _)| known == name);
        values.find_map(|(_, value)| Some(value.trim()).filter(|value| !value.is_empty()))
    }
}

/// A body without the token, for the journal.
pub fn without_token(body: &[u8]) -> Vec<u8> {
    if is_json(body) {
        let mut fields = object(body).unwrap_or_default();
        fields.remove(TOKEN);
        return Value::Object(fields).to_string().into_bytes();
    }
    let is_other = |pair: &&[u8]| {
        let name = pair.split(|&byte| byte == b'=').next().unwrap_or(pair);
        // A name that cannot be read is no name of ours, and nothing with it gets this far.
        form::unescape(name).is_ok_and(|name| *name != *TOKEN.as_bytes())
    };
    let pairs: Vec<&[u8]> = body.split(|&byte| byte == b'&').filter(is_other).collect();
    pairs.join(&b'&')
}

fn is_json(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'{')
}

fn object(body: &[u8]) -> Result<Map<String, Value>, DecodeError> {
    serde_json::from_slice(body)
        .map_err(|error| DecodeError::Malformed(format!("JSON {:?} error", error.classify())))
}

/// Numbers stand for texts; a fraction has lost digits and is nothing.
fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_and_json_say_the_same() {
        let json = br#" {"cmd": "event", "callid": 77, "user": "anna larch", "ext": null}"#;
        for body in [&b"cmd=event&callid=77&user=anna+larch&ext="[..], json] {
            let fields = Fields::read(body).unwrap();
            assert_eq!(fields.get("cmd"), Some("event"));
            assert_eq!(fields.get("callid"), Some("77"));
            assert_eq!(fields.get("user"), Some("anna larch"));
            assert_eq!(fields.get("ext"), None);
        }
        assert!(Fields::read(b"{\"cmd\":").is_err());
        assert!(Fields::read(b"cmd=%4").is_err());
    }

    #[test]
    fn the_token_is_cut_out_however_its_name_is_written() {
        for body in [
            "cmd=rating&crm_token=secret-word&callid=1",
            "crm%5Ftoken=secret-word&cmd=rating&callid=1&crm_token=secret-word",
            r#"{"crm_token":"secret-word","cmd":"rating","callid":"1","crm_token":"secret-word"}"#,
            r#"{"crm\u005ftoken":"secret-word","cmd":"rating","callid":"1"}"#,
        ] {
            let kept = without_token(body.as_bytes());
            assert!(!String::from_utf8_lossy(&kept).contains("secret"), "{body}");
            let fields = Fields::read(&kept).unwrap();
            assert_eq!(
                (fields.get("cmd"), fields.get("callid")),
                (Some("rating"), Some("1"))
            );
        }
    }
}
