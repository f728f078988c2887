//! The fields of a posted message: of a form, or of a JSON object, whichever of the two a provider sends.
//! Serves step 2, and step 1 where a signature covers fields.

use serde_json::{Map, Value};

use crate::pbx::{DecodeError, Request, form};

/// Every field once, so that what is signed is what is read: of several of one name the first counts.
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
        match body.first() {
            Some(b'{') => {
                let object: Map<String, Value> = serde_json::from_slice(body).map_err(|error| {
                    DecodeError::Malformed(format!("JSON {:?} error", error.classify()))
                })?;
                let mut fields = Vec::new();
                flatten(object, "", &mut fields);
                Ok(Self(fields))
            }
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

    /// The same without trimming: the text that was signed; nothing where there is no such field.
    pub fn raw(&self, name: &str) -> &str {
        let mut own = self.0.iter().filter(|(known, _)| known == name);
        own.next().map_or("", |(_, value)| value)
    }
}

/// `{"a": {"b": 1}}` as forms write it: `a[b]=1`.
fn flatten(object: Map<String, Value>, above: &str, fields: &mut Vec<(String, String)>) {
    for (name, value) in object {
        let name = match above {
            "" => name,
            above => format!("{above}[{name}]"),
        };
        match value {
            Value::Null => {}
            Value::String(text) => fields.push((name, text)),
            Value::Object(inner) if above.is_empty() => flatten(inner, &name, fields),
            value => fields.push((name, value.to_string())),
        }
    }
}
