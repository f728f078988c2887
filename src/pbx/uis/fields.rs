//! Reads a notification, whatever became of its template: the customer types method, address and body into
//! the cabinet, and the platform fills in the variables.
//!
//! A text variable is filled in with its own JSON quotes, so `{{direction}}` becomes `"in"`, and
//! `"{{direction}}"` becomes `""in""`, which is no JSON. A variable that the event does not know may stay as
//! `{{name}}`. JSON has been seen as the only name of a form. So: JSON; JSON mended; a form with JSON for a
//! name; a form. Serves step 2.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::pbx::{DecodeError, Request, form};

/// What a notification holds, by the names of its template.
pub struct Fields(BTreeMap<String, Vec<String>>);

impl Fields {
    /// Reads the body, or the query where there is no body.
    pub fn read(request: &Request) -> Result<Self, DecodeError> {
        let body = request.body.trim_ascii();
        match body.first() {
            None => Self::of_form(request.query.as_bytes()),
            Some(b'{') => Self::of_json(text_of(body)?),
            Some(b'[' | b'<' | b'"') => Err(malformed("neither an object nor a form")),
            Some(_) => Self::of_form(body),
        }
    }

    fn of_form(raw: &[u8]) -> Result<Self, DecodeError> {
        let fields = form::texts(raw)?;
        if let [(name, value)] = fields.as_slice()
            && value.is_empty()
            && name.trim_start().starts_with('{')
        {
            return Self::of_json(name);
        }
        let said = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, vec![plain(&value)?])));
        Ok(Self(said.collect()))
    }

    fn of_json(text: &str) -> Result<Self, DecodeError> {
        let map: Map<String, Value> = serde_json::from_str(text)
            .or_else(|_| serde_json::from_str(&mended(text)))
            .map_err(|error| malformed(&format!("JSON {:?} error", error.classify())))?;
        let said = map.into_iter().map(|(name, value)| {
            let values = match value {
                Value::Array(items) => items.iter().filter_map(scalar).collect(),
                value => scalar(&value).into_iter().collect::<Vec<_>>(),
            };
            (name, values)
        });
        Ok(Self(
            said.filter(|(_, values)| !values.is_empty()).collect(),
        ))
    }

    /// Whether nothing is said at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every value of a name.
    pub fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).first().map(String::as_str)
    }

    /// A length in whole seconds.
    pub fn seconds(&self, name: &str) -> Option<i64> {
        let whole = self.get(name)?.split('.').next()?;
        whole.parse().ok().filter(|seconds| *seconds >= 0)
    }

    /// Yes or no.
    pub fn is(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }
}

fn malformed(what: &str) -> DecodeError {
    DecodeError::Malformed(what.to_owned())
}

fn text_of(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|_| malformed("not UTF-8"))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => plain(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A value without quotes of its own; nothing if it says nothing.
fn plain(value: &str) -> Option<String> {
    let value = value.trim();
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let value = inner.unwrap_or(value).trim();
    let is_placeholder = value.starts_with("{{") && value.ends_with("}}");
    (!value.is_empty() && value != "null" && !is_placeholder).then(|| value.to_owned())
}

/// The text with `null` for variables that were not filled in and one quote for two around a value.
fn mended(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, name, after)) = placeholder(rest) {
        let before = before.strip_suffix('"').filter(|_| after.starts_with('"'));
        whole.push_str(before.unwrap_or(&rest[..rest.len() - after.len() - name.len() - 4]));
        whole.push_str("null");
        rest = before.map_or(after, |_| &after[1..]);
    }
    whole.push_str(rest);
    undoubled(&whole)
}

/// The first `{{name}}`: what stands before it, the name, and what comes after.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (name, after) = rest.split_once("}}")?;
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some((before, name, after))
}

/// `""in""` as `"in"`; an empty text stays as it is.
fn undoubled(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, inner)) = rest.split_once("\"\"") {
        whole.push_str(before);
        let is_value = |value: &str| !value.is_empty() && !value.starts_with([',', '}', ']', ':']);
        match inner.split_once("\"\"") {
            Some((value, after)) if is_value(value) && !value.contains('"') => {
                whole.extend(["\"", value, "\""]);
                rest = after;
            }
            _ => {
                whole.push_str("\"\"");
                rest = inner;
            }
        }
    }
    whole.push_str(rest);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, body: &str) -> Result<Fields, DecodeError> {
        Fields::read(&Request {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
            body: body.to_owned().into(),
            remote: "192.0.2.1".to_owned(),
        })
    }

    fn says(fields: &Fields) -> (Option<&str>, Option<&str>, Option<&str>) {
        let get = |name| fields.get(name);
        (get("call_session_id"), get("direction"), get("name"))
    }

    #[test]
    fn every_way_in_which_templates_arrive_says_the_same() {
        let expected = (Some("7"), Some("in"), None);
        for body in [
            r#"{"call_session_id":7,"direction":"in","name":null}"#,
            r#" {"call_session_id":"7","direction":"in","name":""}"#,
            r#"{"call_session_id":7,"direction":""in"","name":""}"#,
            r#"{"name":"","call_session_id":""7"","direction":""in""}"#,
            r#"{"call_session_id":7,"direction":"in","name":{{name}}}"#,
            r#"{"call_session_id":"7","direction":"in","name":"{{name}}","other":{{other}}}"#,
            r#"{"call_session_id":7,"direction":"in","name":""{{name}}""}"#,
            r#"call_session_id=7&direction=%22in%22&name=%7B%7Bname%7D%7D"#,
            r#"%7B%22call_session_id%22%3A7%2C%22direction%22%3A%22in%22%7D="#,
        ] {
            assert_eq!(says(&read("", body).unwrap()), expected, "{body}");
        }
        let query = "call_session_id=7&direction=%22in%22&name=null";
        assert_eq!(says(&read(query, "").unwrap()), expected);
    }

    #[test]
    fn lists_lengths_and_words_are_read_loosely() {
        let fields = read(
            "",
            r#"{"ids":[1,"2",null],"s":"12.7","m":-1,"yes":"true","o":{}}"#,
        );
        let fields = fields.unwrap();
        assert_eq!(fields.all("ids"), ["1", "2"]);
        assert_eq!((fields.seconds("s"), fields.seconds("m")), (Some(12), None));
        assert_eq!((fields.is("yes"), fields.is("s")), (Some(true), None));
        assert!(fields.all("o").is_empty() && !fields.is_empty());
    }

    #[test]
    fn what_is_half_or_something_else_is_an_error() {
        for body in [
            "{",
            r#"{"a":1"#,
            "[1]",
            "<xml/>",
            "\"a\"",
            r#"{"a":""b"}"#,
            "a=%zz",
        ] {
            assert!(read("", body).is_err(), "{body}");
        }
        assert!(read("", "").unwrap().is_empty());
    }
}
