//! Text with `{names}` that become values, each escaped for where it stands, so that no value can be taken
//! for anything else: not in JSON, XML, an address, a header or plain text. A template that would let one
//! out is refused when the configuration is read.
//!
//! A name is made of small letters, digits and `_`; other braces mean themselves.

use crate::pbx::{PbxError, form, xml};

/// What the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// JSON: values stand inside of strings (numbers also bare).
    Json,
    /// XML: values stand in text or in quoted attributes.
    Xml,
    /// An address: values stand behind the host.
    Url,
    /// A header's value.
    Header,
    /// One field of a form, which is escaped as a whole by whoever sends it.
    Field,
    /// Text that people or simple programs read.
    Plain,
}

/// Names whose values are whole numbers.
const NUMBERS: [&str; 3] = ["ring_s", "ring_ms", "attempt"];

/// A text with places for values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    context: Context,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(String),
}

impl Template {
    /// Reads a template in which these names may stand; `Err` says what is wrong.
    pub fn read(text: &str, context: Context, known: &[&str]) -> Result<Self, String> {
        let template = Self {
            context,
            parts: parts(text),
        };
        for name in template.names() {
            if !known.contains(&name) {
                return Err(format!(
                    "knows no {{{name}}}; there are {}",
                    known.join(", ")
                ));
            }
        }
        template.check()?;
        Ok(template)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Value(name) => Some(name.as_str()),
        })
    }

    /// Puts values in; a name without a value is nothing.
    pub fn fill(&self, value: impl Fn(&str) -> Option<String>) -> Result<String, PbxError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(own) => text.push_str(own),
                Part::Value(name) => {
                    let value = value(name).unwrap_or_default();
                    text.push_str(&escaped(&value, self.context)?);
                }
            }
        }
        Ok(text)
    }

    /// Whether every value stands where it can be escaped.
    fn check(&self) -> Result<(), String> {
        let outside = |what: &str| Err(format!("has a value outside of {what}"));
        match self.context {
            Context::Json => {
                // Quotes in a value make JSON of it only where the value stands inside of a string.
                let probe = |name: &str| match NUMBERS.contains(&name) {
                    true => Some("1".to_owned()),
                    false => Some("\"\\{".to_owned()),
                };
                let text = self.fill(probe).unwrap_or_default();
                match serde_json::from_str::<serde_json::Value>(&text) {
                    Ok(_) => Ok(()),
                    Err(_) if self.names().next().is_none() => Err("is no JSON".to_owned()),
                    Err(_) => Err("is no JSON, or has a value outside of a string".to_owned()),
                }
            }
            Context::Xml if !self.values_stand_well_in_xml() => {
                outside("text and quoted attributes")
            }
            Context::Url => {
                let Some(Part::Text(first)) = self.parts.first() else {
                    return Err("must begin with https:// and a host".to_owned());
                };
                let rest = first.strip_prefix("https://");
                let rest = rest.or_else(|| first.strip_prefix("http://"));
                match rest.map(|rest| rest.find(['/', '?', '#'])) {
                    None | Some(Some(0)) => Err("must begin with https:// and a host".to_owned()),
                    Some(None) if self.parts.len() > 1 => outside("path and query"),
                    _ if first.contains('@') => Err("must not hold a user".to_owned()),
                    _ => Ok(()),
                }
            }
            Context::Header => {
                let is_clean = |part: &Part| match part {
                    Part::Text(text) => text.bytes().all(is_of_header),
                    Part::Value(_) => true,
                };
                match self.parts.iter().all(is_clean) {
                    true => Ok(()),
                    false => Err("has what cannot stand in a header".to_owned()),
                }
            }
            Context::Xml | Context::Field | Context::Plain => Ok(()),
        }
    }

    fn values_stand_well_in_xml(&self) -> bool {
        let mut inside = Markup::Text;
        self.parts.iter().all(|part| match part {
            Part::Text(text) => {
                // What is neither text nor markup of elements: sections and comments end by other rules.
                let is_plain = !text.contains("<!");
                inside = text.chars().fold(inside, Markup::after);
                is_plain
            }
            Part::Value(_) => inside != Markup::Tag,
        })
    }
}

/// Where in XML one is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Markup {
    Text,
    Tag,
    Quoted(char),
}

impl Markup {
    fn after(self, next: char) -> Self {
        match (self, next) {
            (Self::Text, '<') => Self::Tag,
            (Self::Tag, '>') => Self::Text,
            (Self::Tag, '"' | '\'') => Self::Quoted(next),
            (Self::Quoted(quote), _) if quote == next => Self::Tag,
            (now, _) => now,
        }
    }
}

fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        match name(from) {
            Some(name) => {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Value(name.to_owned()));
                rest = &from[name.len() + 2..];
            }
            None => {
                plain.push('{');
                rest = &from[1..];
            }
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    parts
}

/// The name in `{name}...`.
fn name(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!name.is_empty() && name.bytes().all(fits)).then_some(name)
}

fn is_of_header(byte: u8) -> bool {
    // RFC 9110 §5.5: visible characters and spaces.
    (b' '..=b'~').contains(&byte)
}

fn escaped(value: &str, context: Context) -> Result<String, PbxError> {
    let unfit = || PbxError::Refused("a value does not fit where it should stand".to_owned());
    match context {
        Context::Json => {
            let quoted = serde_json::Value::from(value).to_string();
            Ok(quoted[1..quoted.len() - 1].to_owned())
        }
        Context::Xml => Ok(xml::escaped(value)),
        // RFC 3986 §5.2.4: these two name other folders even when they are escaped.
        Context::Url if matches!(value, "." | "..") => Err(unfit()),
        Context::Url => Ok(form::in_path(value)),
        Context::Header if !value.bytes().all(is_of_header) => Err(unfit()),
        Context::Header | Context::Field => Ok(value.to_owned()),
        Context::Plain => Ok(in_plain(value)),
    }
}

/// Letters, digits and what stands in names and numbers; anything that could part fields is a space.
fn in_plain(value: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || "+-_.*#@".contains(c);
    value
        .chars()
        .map(|c| if fits(c) { c } else { ' ' })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNOWN: [&str; 3] = ["name", "extension", "ring_s"];

    fn read(text: &str, context: Context) -> Result<Template, String> {
        Template::read(text, context, &KNOWN)
    }

    fn fill(template: &str, context: Context, value: &str) -> String {
        let template = read(template, context).unwrap();
        template.fill(|_| Some(value.to_owned())).unwrap()
    }

    #[test]
    fn values_stand_where_their_names_did_and_other_braces_mean_themselves() {
        let text = fill(r#"{"a":{},"n":"{name}","s":{ring_s}}"#, Context::Json, "5");
        assert_eq!(text, r#"{"a":{},"n":"5","s":5}"#);
        let none = read("<{name}", Context::Plain).unwrap();
        assert_eq!(none.fill(|_| None).unwrap(), "<");
    }

    #[test]
    fn a_template_that_would_let_a_value_out_is_refused() {
        for (text, context) in [
            (r#"{"n":{name}}"#, Context::Json),
            (r#"{name}"#, Context::Json),
            (r#"{"n":"#, Context::Json),
            ("<a {name}='1'/>", Context::Xml),
            ("<a b={name}/>", Context::Xml),
            ("<!-- {name} -->", Context::Xml),
            ("<![CDATA[{name}]]>", Context::Xml),
            ("https://{name}/a", Context::Url),
            ("https://a.example{name}", Context::Url),
            ("https://u@a.example/{name}", Context::Url),
            ("{name}", Context::Url),
            ("ftp://a.example/{name}", Context::Url),
            ("https:///{name}", Context::Url),
            ("a\nb {name}", Context::Header),
            ("{nobody}", Context::Plain),
        ] {
            assert!(read(text, context).is_err(), "{text}");
        }
    }

    #[test]
    fn a_folder_above_and_a_new_line_are_refused() {
        let url = read("https://a.example/{name}/x", Context::Url).unwrap();
        assert!(url.fill(|_| Some("..".to_owned())).is_err());
        let header = read("Bearer {name}", Context::Header).unwrap();
        assert!(header.fill(|_| Some("a\r\nb: c".to_owned())).is_err());
    }

    proptest! {
        #[test]
        fn no_value_breaks_out(value in any::<String>()) {
            let json = fill(r#"{"n":"<{name}>","e":"{extension}"}"#, Context::Json, &value);
            let read: serde_json::Value = serde_json::from_str(&json).unwrap();
            let expected = format!("<{value}>");
            prop_assert_eq!(read["n"].as_str(), Some(expected.as_str()));

            let xml = fill("<a n=\"{name}\">{extension}</a>", Context::Xml, &value);
            prop_assert_eq!(xml.matches('<').count(), 2);
            prop_assert_eq!(xml.matches('"').count(), 2);

            if !matches!(value.as_str(), "." | "..") {
                let url = fill("https://a.example/b/{name}/c?d={extension}#", Context::Url, &value);
                prop_assert_eq!(url.matches('/').count(), 5);
                prop_assert_eq!(url.matches(['?', '#', '&']).count(), 2);
            }
            let plain = fill("go {name};", Context::Plain, &value);
            prop_assert!(!plain.contains(['\n', '\r']) && plain.matches(';').count() == 1);
        }
    }
}
