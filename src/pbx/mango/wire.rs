//! Messages as Mango writes them. It writes numbers as text here and as numbers there, leaves fields
//! out, empty or null, and has misspelt one of them in its own examples; so everything is optional
//! and the decoder says what it cannot do without.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, IgnoredAny, Visitor},
};

use crate::{
    model::phone::Number,
    pbx::{DecodeError, form, numbers::Numbers},
};

/// Longest id that is believed; the documentation says 128.
const LONGEST_ID: usize = 256;

/// The three fields of every message.
pub struct Envelope<'a> {
    pub key: Cow<'a, [u8]>,
    pub sign: Cow<'a, [u8]>,
    pub json: Cow<'a, [u8]>,
}

impl<'a> Envelope<'a> {
    /// `None` unless each field is there exactly once: what is signed must be what is read.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let (mut key, mut sign, mut json) = (None, None, None);
        for field in form::fields(body) {
            let (name, value) = field.ok()?;
            let place = match &*name {
                b"vpbx_api_key" => &mut key,
                b"sign" => &mut sign,
                b"json" => &mut json,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        Some(Self {
            key: key?,
            sign: sign?,
            json: json?,
        })
    }
}

/// `/events/call`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct CallMessage {
    #[serde(deserialize_with = "loose_text")]
    pub entry_id: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    pub call_id: Option<String>,
    #[serde(deserialize_with = "loose_integer")]
    pub timestamp: Option<i64>,
    #[serde(deserialize_with = "loose_integer")]
    pub seq: Option<i64>,
    #[serde(deserialize_with = "loose_text")]
    pub call_state: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    pub location: Option<String>,
    /// As the vendor's examples spell it.
    #[serde(deserialize_with = "loose_text")]
    pub locaton: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub from: End,
    #[serde(deserialize_with = "or_default")]
    pub to: End,
    #[serde(deserialize_with = "loose_integer")]
    pub disconnect_reason: Option<i64>,
    #[serde(deserialize_with = "loose_text")]
    pub transfer: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    pub command_id: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    pub callback_initiator: Option<String>,
    /// Whether the number belongs to call tracking.
    #[serde(deserialize_with = "or_default")]
    pub dct: Dct,
    /// Only the record of a finished call has it.
    pub entry_result: Option<IgnoredAny>,
}

/// What call tracking says of the number that was dialled.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Dct {
    #[serde(deserialize_with = "loose_text")]
    pub number: Option<String>,
    /// 0: not of call tracking, 1: shown to one visitor at a time, 2: always the same.
    #[serde(rename = "type", deserialize_with = "loose_integer")]
    pub kind: Option<i64>,
}

impl CallMessage {
    /// The number, if it is one that is shown to one visitor at a time.
    pub fn shown_to_one(&self) -> Option<&str> {
        let number = self.dct.number.as_ref().or(self.to.line_number.as_ref());
        number
            .filter(|_| self.dct.kind == Some(1))
            .map(String::as_str)
    }
}

/// One side of a leg.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct End {
    #[serde(deserialize_with = "loose_text")]
    pub extension: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    pub number: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    pub line_number: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    pub acd_group: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    pub taken_from_call_id: Option<String>,
    #[serde(deserialize_with = "loose_flag")]
    pub was_transferred: bool,
}

/// `/events/summary`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SummaryMessage {
    #[serde(deserialize_with = "loose_text")]
    pub entry_id: Option<String>,
    #[serde(deserialize_with = "loose_integer")]
    pub call_direction: Option<i64>,
    #[serde(deserialize_with = "or_default")]
    pub from: End,
    #[serde(deserialize_with = "or_default")]
    pub to: End,
    #[serde(deserialize_with = "loose_text")]
    pub line_number: Option<String>,
    #[serde(deserialize_with = "loose_integer")]
    pub create_time: Option<i64>,
    #[serde(deserialize_with = "loose_integer")]
    pub talk_time: Option<i64>,
    #[serde(deserialize_with = "loose_integer")]
    pub end_time: Option<i64>,
    #[serde(deserialize_with = "loose_integer")]
    pub entry_result: Option<i64>,
    #[serde(deserialize_with = "loose_integer")]
    pub disconnect_reason: Option<i64>,
}

/// `/events/recording` and `/events/record/added`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct RecordingMessage {
    #[serde(deserialize_with = "loose_text")]
    pub entry_id: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    pub call_id: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    pub recording_id: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    pub recording_state: Option<String>,
    #[serde(deserialize_with = "loose_integer")]
    pub timestamp: Option<i64>,
    #[serde(deserialize_with = "loose_integer")]
    pub completion_code: Option<i64>,
    #[serde(deserialize_with = "loose_text")]
    pub recipient: Option<String>,
}

impl RecordingMessage {
    /// Whether there will be a file in the storage: code 1000 is success, and a recording sent by
    /// mail only is not kept.
    pub fn is_kept(&self) -> bool {
        self.completion_code.is_none_or(|code| code == 1000)
            && self.recipient.as_deref() != Some("Mail")
    }
}

/// `/result/callback`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ResultMessage {
    #[serde(deserialize_with = "loose_text")]
    pub command_id: Option<String>,
    #[serde(deserialize_with = "loose_integer")]
    pub result: Option<i64>,
}

/// `/events/dtmf`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct DigitsMessage {
    #[serde(deserialize_with = "loose_text")]
    pub entry_id: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    pub call_id: Option<String>,
    #[serde(deserialize_with = "loose_integer")]
    pub seq: Option<i64>,
    #[serde(deserialize_with = "loose_integer")]
    pub timestamp: Option<i64>,
    #[serde(deserialize_with = "loose_text")]
    pub dtmf: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    pub line_number: Option<String>,
}

/// Whether the message is the record of a finished call, whatever its path.
pub fn is_summary(json: &str) -> Result<bool, DecodeError> {
    #[derive(Deserialize)]
    struct Probe {
        entry_result: Option<IgnoredAny>,
    }
    Ok(parse::<Probe>(json)?.entry_result.is_some())
}

/// The parser's own words may quote the message; its place is enough for a dead letter.
pub fn parse<T: DeserializeOwned>(json: &str) -> Result<T, DecodeError> {
    serde_json::from_str(json).map_err(|error| {
        DecodeError::Malformed(format!(
            "JSON {:?} error at line {} column {}",
            error.classify(),
            error.line(),
            error.column()
        ))
    })
}

/// A key without which a message belongs nowhere.
pub fn id<'a>(field: &'static str, value: &'a Option<String>) -> Result<&'a str, DecodeError> {
    match value.as_deref() {
        Some(id) if !id.is_empty() && id.len() <= LONGEST_ID => Ok(id),
        _ => Err(DecodeError::Field(field)),
    }
}

/// A number field; `None` if the message does not give it.
pub fn number(numbers: &Numbers, raw: Option<&str>) -> Option<Number> {
    raw.map(str::trim)
        .filter(|raw| !raw.is_empty())
        .map(|raw| numbers.read(raw))
}

/// A value that the vendor writes as text here and as a number there.
enum Loose<'de> {
    Integer(i64),
    Float(f64),
    Flag(bool),
    Text(Cow<'de, str>),
}

/// Takes each kind as it comes. Serde's `untagged` would try one kind after the other and make an error
/// of each that does not fit: half the cost of reading a message.
struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Option<Loose<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, a flag or nothing")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Some(Loose::Flag(flag)))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Self::Value, E> {
        Ok(Some(Loose::Integer(integer)))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Self::Value, E> {
        let fits = i64::try_from(integer).map(Loose::Integer);
        Ok(Some(fits.unwrap_or(Loose::Float(integer as f64))))
    }

    fn visit_f64<E>(self, float: f64) -> Result<Self::Value, E> {
        Ok(Some(Loose::Float(float)))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Loose::Text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Loose::Text(Cow::Owned(text.to_owned()))))
    }
}

fn loose<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Loose<'de>>, D::Error> {
    from.deserialize_any(LooseVisitor)
}

/// An empty text is no text: the vendor writes both.
pub fn loose_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match loose(from)? {
        Some(Loose::Text(text)) if text.trim().is_empty() => None,
        Some(Loose::Text(text)) => Some(text.trim().to_owned()),
        Some(Loose::Integer(integer)) => Some(integer.to_string()),
        Some(Loose::Float(float)) => Some(float.to_string()),
        Some(Loose::Flag(flag)) => Some(flag.to_string()),
        None => None,
    })
}

pub fn loose_integer<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    match loose(from)? {
        Some(Loose::Integer(integer)) => Ok(Some(integer)),
        Some(Loose::Float(float)) => Ok(Some(float as i64)), // saturates; an absurd time is told later
        Some(Loose::Text(text)) if text.trim().is_empty() => Ok(None),
        Some(Loose::Text(text)) => text.trim().parse().map(Some).map_err(Error::custom),
        Some(Loose::Flag(_)) => Err(Error::custom("a flag for a number")),
        None => Ok(None),
    }
}

/// The documentation does not say how flags are written.
fn loose_flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(match loose(from)? {
        Some(Loose::Flag(flag)) => flag,
        Some(Loose::Integer(integer)) => integer != 0,
        Some(Loose::Float(float)) => float != 0.0,
        Some(Loose::Text(text)) => !matches!(text.trim(), "" | "0" | "false"),
        None => false,
    })
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Fields {
        #[serde(deserialize_with = "loose_text")]
        text: Option<String>,
        #[serde(deserialize_with = "loose_integer")]
        integer: Option<i64>,
        #[serde(deserialize_with = "loose_flag")]
        flag: bool,
    }

    #[test]
    fn a_field_may_come_as_text_number_flag_or_null() {
        for (json, text, integer, flag) in [
            ("null", None, Ok(None), false),
            (r#""""#, None, Ok(None), false),
            (r#"" 7 ""#, Some("7"), Ok(Some(7)), true),
            (r#""\u0030""#, Some("0"), Ok(Some(0)), false),
            ("-7", Some("-7"), Ok(Some(-7)), true),
            ("0", Some("0"), Ok(Some(0)), false),
            ("7.5", Some("7.5"), Ok(Some(7)), true),
            (
                "18446744073709551615",
                Some("18446744073709552000"),
                Ok(Some(i64::MAX)),
                true,
            ),
            ("true", Some("true"), Err(()), true),
            ("false", Some("false"), Err(()), false),
            (r#""false""#, Some("false"), Err(()), false),
            (r#""x""#, Some("x"), Err(()), true),
        ] {
            let read = |field: &str| parse::<Fields>(&format!("{{\"{field}\":{json}}}"));
            assert_eq!(read("text").unwrap().text.as_deref(), text, "{json}");
            let read_integer = read("integer").map(|fields| fields.integer);
            assert_eq!(read_integer.map_err(|_| ()), integer, "{json}");
            assert_eq!(read("flag").unwrap().flag, flag, "{json}");
        }
        for json in ["[]", "{}", r#"[1]"#] {
            for field in ["text", "integer", "flag"] {
                let read = parse::<Fields>(&format!("{{\"{field}\":{json}}}"));
                assert!(read.is_err(), "{field} {json}");
            }
        }
    }
}
