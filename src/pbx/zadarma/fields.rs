//! The fields of a message: of a form, as is documented, or of a JSON object, as some receivers take it.

use serde_json::{Map, Value};

use crate::pbx::{DecodeError, Request, form};

/// Every field once, so that what is signed is what is read: of several of one name the first counts.
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads the query and the body.
    pub fn read(request: &Request) -> Result<Self, DecodeError> {
        let mut fields = form::texts(request.query.as_bytes())?;
        match request.body.first() {
            Some(b'{') => {
                let object: Map<String, Value> =
                    serde_json::from_slice(&request.body).map_err(|error| {
                        DecodeError::Malformed(format!("JSON {:?} error", error.classify()))
                    })?;
                flatten(object, "", &mut fields);
            }
            Some(b'[' | b'<') => {
                return Err(DecodeError::Malformed("the body is no form".to_owned()));
            }
            _ => fields.extend(form::texts(&request.body)?),
        }
        Ok(Self(fields))
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
