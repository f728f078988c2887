//! Where a value stands in a message, and how it is taken from there.

use serde::Deserialize;
use serde_json::Value;

use crate::pbx::{DecodeError, Request, fields::from_json, form};

/// How the body of messages is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// JSON if it begins like JSON, else a form.
    #[default]
    Auto,
    /// JSON only.
    Json,
    /// A form only (`application/x-www-form-urlencoded`).
    Form,
}

/// Where a value stands. In the configuration: a name, several names, or a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Written")]
pub struct Place {
    /// Names, the first that says something counts. `/a/b` is a JSON pointer (RFC 6901), and in forms the
    /// field `a[b]`; anything else is a field of the form or query, or a member of the JSON object.
    pub at: Vec<String>,
    /// Only what stands behind the last of these is the value (`*` of `100*201`).
    after: Option<String>,
    /// Only what stands before the first of these is the value (`@` of `201@office`).
    before: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    One(String),
    Several(Vec<String>),
    Cut(Cut),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cut {
    at: Texts,
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    before: Option<String>,
}

/// One text or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Texts {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Texts {
    /// As a list.
    pub fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Several(texts) => texts,
        }
    }
}

impl From<Written> for Place {
    fn from(written: Written) -> Self {
        match written {
            Written::One(name) => Self {
                at: vec![name],
                ..Self::default()
            },
            Written::Several(at) => Self {
                at,
                ..Self::default()
            },
            Written::Cut(cut) => Self {
                at: cut.at.into_vec(),
                after: cut.after,
                before: cut.before,
            },
        }
    }
}

impl Place {
    /// What is wrong with it.
    pub fn problem(&self) -> Option<&'static str> {
        let is_cut_by_nothing = |cut: &Option<String>| cut.as_deref() == Some("");
        match self {
            place if place.at.is_empty() || place.at.iter().any(String::is_empty) => {
                Some("names no field")
            }
            place if is_cut_by_nothing(&place.after) || is_cut_by_nothing(&place.before) => {
                Some("`after` and `before` cannot be empty")
            }
            _ => None,
        }
    }

    /// Takes what is behind `after` and before `before`.
    pub fn cut<'a>(&self, mut value: &'a str) -> &'a str {
        if let Some((_, rest)) = self.after.as_deref().and_then(|cut| value.rsplit_once(cut)) {
            value = rest;
        }
        if let Some((rest, _)) = self.before.as_deref().and_then(|cut| value.split_once(cut)) {
            value = rest;
        }
        value.trim()
    }
}

/// The fields of one message.
#[derive(Default)]
pub struct Fields {
    form: Vec<(String, String)>,
    /// Each field of the form with brackets in its name, as a pointer.
    pointers: Vec<(String, usize)>,
    json: Value,
}

impl Fields {
    /// Reads query and body. `json_field` is the form's field that holds JSON, if one does.
    pub fn read(
        request: &Request,
        body: Body,
        json_field: Option<&str>,
    ) -> Result<Self, DecodeError> {
        let mut form = form::texts(request.query.as_bytes())?;
        let first = request.body.iter().find(|byte| !byte.is_ascii_whitespace());
        let begins_json = first.is_some_and(|byte| b"{[".contains(byte));
        let mut json = Value::Null;
        match body {
            _ if request.body.is_empty() => {}
            Body::Json => json = from_json(&request.body)?,
            Body::Auto if begins_json => json = from_json(&request.body)?,
            Body::Auto | Body::Form => form.extend(form::texts(&request.body)?),
        }
        let field = json_field.and_then(|name| form.iter().find(|(known, _)| known == name));
        if let Some((_, text)) = field {
            json = from_json(text.as_bytes())?;
        }
        let pointers = form
            .iter()
            .enumerate()
            .filter_map(|(n, (name, _))| Some((pointer(name)?, n)))
            .collect();
        Ok(Self {
            form,
            pointers,
            json,
        })
    }

    /// The first value at this place that says anything.
    pub fn get(&self, place: &Place) -> Option<String> {
        let values = place.at.iter().filter_map(|name| self.named(name));
        values
            .map(|value| place.cut(&value).to_owned())
            .find(|value| !value.is_empty())
    }

    /// The value of this name, which may be empty; `None` if there is none, or it is no single value.
    pub fn named(&self, name: &str) -> Option<String> {
        let in_form = || {
            let own = self.form.iter().filter(|(known, _)| known == name);
            let nested = self.pointers.iter().filter(|(known, _)| known == name);
            let nested = nested.filter_map(|(_, n)| self.form.get(*n));
            let mut values = own.chain(nested).map(|(_, value)| value);
            let first = values.next()?;
            let telling = std::iter::once(first)
                .chain(values)
                .find(|value| !value.is_empty());
            Some(telling.unwrap_or(first).clone())
        };
        let in_json = || match name.starts_with('/') {
            true => self.json.pointer(name),
            false => self.json.get(name),
        };
        match in_json() {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::Bool(is_so)) => Some(is_so.to_string()),
            Some(Value::Null | Value::Array(_) | Value::Object(_)) => None,
            None => in_form(),
        }
    }
}

/// `a[b][c]` as `/a/b/c`; `None` for names without brackets.
fn pointer(name: &str) -> Option<String> {
    let (first, rest) = name.split_once('[')?;
    let inner = rest.strip_suffix(']')?;
    Some(format!("/{first}/{}", inner.replace("][", "/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, body: &str, json_field: Option<&str>) -> Fields {
        let request = Request {
            method: "POST".to_owned(),
            path: "/t".to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
            body: body.to_owned().into(),
            remote: "192.0.2.1".to_owned(),
        };
        Fields::read(&request, Body::Auto, json_field).unwrap()
    }

    fn place(text: &str) -> Place {
        let table: toml::Table = format!("place = {text}").parse().unwrap();
        table["place"].clone().try_into().unwrap()
    }

    #[test]
    fn a_pointer_finds_the_same_in_json_and_in_a_nested_form() {
        let json = read("", r#"{"call":{"id":77,"who":" 201 "}}"#, None);
        let form = read("call%5Bid%5D=77", "call[who]=201&call[none]=", None);
        for fields in [json, form] {
            assert_eq!(fields.get(&place("'/call/id'")).as_deref(), Some("77"));
            assert_eq!(fields.get(&place("'/call/who'")).as_deref(), Some("201"));
            assert_eq!(
                fields.get(&place("['/call/none', '/call/id']")),
                Some("77".into())
            );
            assert_eq!(fields.get(&place("'/call'")), None);
        }
    }

    #[test]
    fn what_stands_around_is_cut_off() {
        let fields = read("who=100*201%40office", "", None);
        let short = place("{ at = 'who', after = '*', before = '@' }");
        assert_eq!(fields.get(&short).as_deref(), Some("201"));
        assert_eq!(
            fields.get(&place("'who'")).as_deref(),
            Some("100*201@office")
        );
    }

    #[test]
    fn json_may_stand_in_a_field_of_a_form() {
        let fields = read("", "json=%7B%22id%22%3A%22a%22%7D&sign=1", Some("json"));
        assert_eq!(fields.get(&place("'id'")).as_deref(), Some("a"));
        assert_eq!(fields.get(&place("'sign'")).as_deref(), Some("1"));
    }
}
