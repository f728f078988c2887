//! Pieces that many resources say alike: moments, pages of lists, closed words, numbers of clients.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use super::problem::Problem;
use crate::{
    model::{call::CallResult, people::Role, recording::RecordingState, time::Timestamp},
    rules::attribution::Confidence,
    web::sight::Sight,
};

/// Things on one page when nobody says how many.
const PAGE: u16 = 50;
/// The most.
pub const PAGE_MAX: u16 = 200;
/// Longest text of a cursor: a name of [`super::cards`] and an id.
const CURSOR_CHARS: usize = 2_000;

/// A moment: RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

impl Moment {
    /// From a column.
    pub fn from_micros(micros: i64) -> Self {
        Self(Timestamp::from_micros(micros))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.rfc3339())
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse_rfc3339(&text)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("is no moment like 2026-03-17T06:15:00Z"))
    }
}

impl JsonSchema for Moment {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

/// One page of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Send this as `after` for the next page; null: this is the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of rows of which one more than wanted was read; `place` tells where a row stands.
    pub fn of<R, P: Serialize>(
        mut rows: Vec<R>,
        limit: Limit,
        place: impl FnOnce(&R) -> P,
        item: impl FnMut(R) -> T,
    ) -> Self {
        let wanted = usize::from(limit.0);
        let more = rows.len() > wanted;
        rows.truncate(wanted);
        let next = rows
            .last()
            .filter(|_| more)
            .map(|last| cursor(&place(last)));
        Self {
            items: rows.into_iter().map(item).collect(),
            next,
        }
    }
}

/// How many things a page has.
#[derive(Clone, Copy, Debug)]
pub struct Limit(u16);

impl Limit {
    /// What was asked for, if it is a number a page may have.
    pub fn of(asked: Option<u16>) -> Result<Self, Problem> {
        match asked.unwrap_or(PAGE) {
            limit @ 1..=PAGE_MAX => Ok(Self(limit)),
            _ => Err(Problem::Unreadable(format!(
                "limit: a page has 1 to {PAGE_MAX} items."
            ))),
        }
    }

    /// Rows to read: one more than wanted tells whether there is another page.
    pub fn rows(self) -> i64 {
        i64::from(self.0) + 1
    }
}

/// Where a page ends, as text that nobody needs to understand.
fn cursor<P: Serialize>(place: &P) -> String {
    let json = serde_json::to_vec(place).expect("numbers, texts and ids make JSON");
    URL_SAFE_NO_PAD.encode(json)
}

/// Reads such a text.
pub fn place<P: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<P>, Problem> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let json = URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .filter(|json| cursor.len() <= CURSOR_CHARS && is_storable(json));
    json.and_then(|json| serde_json::from_slice(&json).ok())
        .map(Some)
        .ok_or_else(|| Problem::Unreadable("after: is none of the cursors of this list.".into()))
}

/// PostgreSQL keeps no NUL in texts; JSON can write one as an escape.
fn is_storable(json: &[u8]) -> bool {
    !json.windows(6).any(|part| part == b"\\u0000")
}

/// The number of a client as it may be seen.
#[derive(Serialize, JsonSchema)]
pub struct Phone {
    /// E.164 if it may be seen in full, else with hidden digits.
    pub number: String,
    /// Whether digits are hidden.
    pub masked: bool,
}

impl Phone {
    /// A public number.
    pub fn of(e164: &str, sight: Sight) -> Self {
        Self {
            number: match sight.full_numbers {
                true => e164.to_owned(),
                false => sight.number(e164),
            },
            masked: !sight.full_numbers,
        }
    }

    /// What a PBX wrote instead of one.
    pub fn other(shown: &str, sight: Sight) -> Option<Self> {
        (!shown.is_empty() && shown != "withheld").then(|| Self {
            number: sight.other(shown),
            masked: !sight.full_numbers,
        })
    }
}

/// Refuses a text that is too long.
pub fn within(field: &str, text: &str, chars: usize) -> Result<(), Problem> {
    match text.chars().count() <= chars {
        true => Ok(()),
        false => Err(Problem::Unusable(format!(
            "{field}: at most {chars} letters."
        ))),
    }
}

/// A text if there is one.
pub fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> Schema {
    let words: Vec<&str> = words.into_iter().collect();
    json_schema!({"type": "string", "enum": words})
}

fn or_null(schema: Schema) -> Schema {
    json_schema!({"anyOf": [schema, {"type": "null"}]})
}

/// A moment or null, and one of them must be said.
pub fn moment_or_null(generator: &mut SchemaGenerator) -> Schema {
    or_null(Moment::json_schema(generator))
}

/// How a call turned out, or null.
pub fn result(_: &mut SchemaGenerator) -> Schema {
    or_null(one_of(CallResult::ALL.map(CallResult::as_str)))
}

/// Words by which calls can be filtered.
pub fn outcome(_: &mut SchemaGenerator) -> Schema {
    let exact = CallResult::ALL.map(CallResult::as_str);
    let groups = ["unreached", "open", "unknown", "over"];
    one_of(exact.into_iter().chain(groups))
}

/// Where a call stands.
pub fn phase(_: &mut SchemaGenerator) -> Schema {
    one_of(["waiting", "ringing", "talking", "ended"])
}

/// How sure it is where a call came from.
pub fn confidence(_: &mut SchemaGenerator) -> Schema {
    one_of(Confidence::ALL.map(Confidence::as_str))
}

/// Which way a call went, or null.
pub fn direction(_: &mut SchemaGenerator) -> Schema {
    or_null(one_of(["in", "out", "internal"]))
}

/// Where a recording stands.
pub fn recording_state(_: &mut SchemaGenerator) -> Schema {
    one_of(RecordingState::ALL.map(RecordingState::as_str))
}

/// The best state of a call's recordings, or null.
pub fn recording_state_or_null(generator: &mut SchemaGenerator) -> Schema {
    or_null(recording_state(generator))
}

/// What somebody is in the company.
pub fn role(_: &mut SchemaGenerator) -> Schema {
    one_of(Role::ALL.map(Role::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let text = cursor(&("Vera", 7));
        let read: Option<(String, i64)> = place(Some(&text)).unwrap();
        assert_eq!(read, Some(("Vera".to_owned(), 7)));
        assert!(place::<(String, i64)>(None).unwrap().is_none());
        for wrong in ["", "?", "AAAA", &cursor(&("Vera",)), &cursor(&("\0", 7))] {
            assert!(place::<(String, i64)>(Some(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn one_row_more_than_wanted_tells_of_another_page() {
        let limit = Limit::of(Some(2)).unwrap();
        let page = |rows: Vec<i64>| Page::of(rows, limit, |row| *row, |row| row * 10);
        let last = page(vec![1, 2]);
        assert_eq!((last.items, last.next), (vec![10, 20], None));
        let first = page(vec![1, 2, 3]);
        assert_eq!(first.items, [10, 20]);
        assert_eq!(place::<i64>(first.next.as_deref()).unwrap(), Some(2));
        assert!(Limit::of(Some(0)).is_err() && Limit::of(Some(PAGE_MAX + 1)).is_err());
    }
}
