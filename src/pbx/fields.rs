//! The fields of a posted message: of a form, of a JSON object or of several parts, whichever a provider sends.
//! Which of them it is, is seen by the body itself: the journal keeps no headers, and a form begins neither with
//! a brace nor with two dashes. Serves step 2, and step 1 where a signature covers fields.

pub mod multipart;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::pbx::{DecodeError, Request, form};

/// Every field in the order sent. Where one value is wanted the first of a name counts, so that what is signed is
/// what is read.
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads the query and the body.
    pub fn read(request: &Request) -> Result<Self, DecodeError> {
        let mut fields = form::texts(request.query.as_bytes())?;
        fields.extend(Self::of_body(&request.body)?.0);
        Ok(Self(fields))
    }

    /// Reads a body alone, or a record of past calls.
    pub fn of_body(body: &[u8]) -> Result<Self, DecodeError> {
        match body.trim_ascii_start().first() {
            Some(b'{') => {
                let mut fields = Vec::new();
                flatten(object(body)?, "", &mut fields);
                Ok(Self(fields))
            }
            _ if body.starts_with(b"--") => multipart::parts(body).map(Self),
            Some(b'[' | b'<') => Err(DecodeError::Malformed("the body is no form".to_owned())),
            _ => form::texts(body).map(Self),
        }
    }

    /// The first field of this name as sent, if it says anything.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut own = self.0.iter().filter(|(known, _)| known == name);
        let value = own.next()?.1.trim();
        (!value.is_empty()).then_some(value)
    }

    /// Every value of this name that says anything; in a list its name is written `name[]`.
    pub fn all<'f>(&'f self, name: &str) -> impl Iterator<Item = &'f str> {
        self.places(name).filter(|value| !value.is_empty())
    }

    /// The same, each in its place: what says nothing is empty.
    pub fn places<'f>(&'f self, name: &str) -> impl Iterator<Item = &'f str> {
        let own = self.0.iter().filter(move |(known, _)| {
            let plain = known.strip_suffix("[]").unwrap_or(known);
            plain == name
        });
        own.map(|(_, value)| value.trim())
    }

    /// The same without trimming: the text that was signed; nothing where there is no such field.
    pub fn raw(&self, name: &str) -> &str {
        let mut own = self.0.iter().filter(|(known, _)| known == name);
        own.next().map_or("", |(_, value)| value)
    }
}

/// The JSON object that a body is.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, DecodeError> {
    from_json(body)
}

/// What JSON says, read as this type. Told without its words: they may be a client's.
pub fn from_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(text)
        .map_err(|error| DecodeError::Malformed(format!("JSON {:?} error", error.classify())))
}

/// `{"a": {"b": 1}, "c": [2, 3]}` as forms write it: `a[b]=1&c[]=2&c[]=3`.
fn flatten(object: Map<String, Value>, above: &str, fields: &mut Vec<(String, String)>) {
    for (name, value) in object {
        let name = match above {
            "" => name,
            above => format!("{above}[{name}]"),
        };
        match value {
            Value::Object(inner) if above.is_empty() => flatten(inner, &name, fields),
            Value::Array(values) => {
                let name = format!("{name}[]");
                let places = values.into_iter();
                fields.extend(places.map(|value| (name.clone(), text(value).unwrap_or_default())));
            }
            value => fields.extend(text(value).map(|text| (name, text))),
        }
    }
}

/// The text of a value; nothing of `null`.
fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        value => Some(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: &str = "--x7\r\nContent-Disposition: form-data; name=\"cmd\"\r\n\r\nevent\r\n\
        --x7\r\nContent-Disposition: form-data; name=callid\r\n\r\n77\r\n\
        --x7\r\nContent-Disposition: form-data; name=\"user[]\"\r\n\r\nanna larch\r\n\
        --x7\r\nContent-Disposition: form-data; name=\"user[]\"\r\n\r\nboris\r\n--x7--\r\n";

    #[test]
    fn a_form_json_and_parts_say_the_same() {
        let json =
            br#" {"cmd": "event", "callid": 77, "user": ["anna larch", "boris"], "ext": null}"#;
        for body in [
            &b"cmd=event&callid=77&user%5B%5D=anna+larch&user[]=boris&ext="[..],
            json,
            PARTS.as_bytes(),
        ] {
            let fields = Fields::of_body(body).unwrap();
            assert_eq!(fields.get("cmd"), Some("event"));
            assert_eq!(fields.get("callid"), Some("77"));
            assert_eq!(
                fields.all("user").collect::<Vec<_>>(),
                ["anna larch", "boris"]
            );
            assert_eq!(fields.get("ext"), None);
        }
        for wrong in ["{\"cmd\":", "cmd=%4", &PARTS[..PARTS.len() - 8]] {
            assert!(Fields::of_body(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }
}
