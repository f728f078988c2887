//! What nobody has confirmed of Sipuni: its documentation does not say it, and we know it from working
//! code of others, from memory, or not at all. Each stands here alone, with what we do until a real account
//! has shown it; every choice errs to the side on which no call and no recording is lost.
//!
//! Also not known: how soon and how often an event is posted again, after how many bad answers Sipuni stops
//! posting, and the format of `time` in the scheme's question (it is not read).

use jiff::tz::TimeZone;
use serde_json::Value;

use crate::{
    model::{
        event::{Cause, Direction},
        ids::{CallKey, Extension},
        phone::{Number, NumberingPlan},
        time::Timestamp,
    },
    pbx::{PbxError, wall},
};

/// Limits: none is documented. One request a second in all and one export in ten seconds is what a person
/// at the cabinet could do.
pub const ALL_EVERY_MS: u64 = 1_000;
pub const EXPORT_EVERY_MS: u64 = 10_000;

/// The answer to an order to call: `{"success":true,"id":"..."}` is documented; `callId` for `id`, a bare
/// `1` and `{"result":1}` were seen by clients. Gives the id, if there is one. What says neither yes nor
/// no is taken for a no: nobody waits for a call that will not come, and if one comes it is told by events.
pub fn order(body: &[u8]) -> Result<Option<String>, PbxError> {
    let said: Value = serde_json::from_slice(body)
        .map_err(|_| PbxError::Unreadable("an answer to an order that is no JSON"))?;
    let is_one = |value: &Value| *value == 1 || *value == "1" || *value == true;
    if !is_one(&said) && !is_one(&said["success"]) && !is_one(&said["result"]) {
        return Err(PbxError::Refused(
            "the order to call was not taken".to_owned(),
        ));
    }
    let id = ["id", "callId"]
        .into_iter()
        .find_map(|name| match &said[name] {
            Value::String(id) if !id.is_empty() && id.len() <= 128 => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        });
    Ok(id)
}

/// The key under which an ordered call may be known: events carry `callbackId`, but not always.
pub fn ordered_key(id: &str) -> CallKey {
    CallKey::from(format!("callback/{id}"))
}

/// Columns of the export, by what working code reads; any may be missing. The first name of each that
/// the head has is taken.
pub const COLUMNS: [(Column, &[&str]); 11] = [
    (Column::Kind, &["Тип"]),
    (Column::Status, &["Статус"]),
    (Column::Time, &["Время"]),
    (Column::From, &["Откуда"]),
    (Column::To, &["Куда"]),
    (Column::Answered, &["Кто ответил"]),
    (Column::Rung, &["Кому звонили"]),
    (
        Column::Lasted,
        &["Длительность звонка", "Длительность звонка, сек"],
    ),
    (
        Column::Talked,
        &["Длительность разговора", "Длительность разговора, сек"],
    ),
    (Column::Record, &["ID записи"]),
    (Column::IsRecorded, &["Запись существует"]),
];

/// A column of the export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    Kind,
    Status,
    Time,
    From,
    To,
    Answered,
    Rung,
    Lasted,
    Talked,
    Record,
    IsRecorded,
}

/// Times are by the wall clock of the account (`time_zone`, Moscow unless said otherwise).
pub fn time(told: &str, zone: &TimeZone) -> Option<Timestamp> {
    wall::read(told, zone)
}

/// Lengths: seconds, or `1:02:03`.
pub fn seconds(told: &str) -> Option<i64> {
    let mut parts = told.trim().split(':').map(|part| part.parse::<i64>().ok());
    parts.try_fold(0_i64, |sum, part| sum.checked_mul(60)?.checked_add(part?))
}

/// The kind of a call, by the beginning of its word.
pub fn direction(kind: &str) -> Option<Direction> {
    let kind = kind.trim().to_lowercase();
    let begins = |word: &str| kind.starts_with(word);
    match () {
        () if begins("вх") => Some(Direction::In),
        () if begins("исх") => Some(Direction::Out),
        () if begins("вн") => Some(Direction::Internal),
        () => None,
    }
}

/// The state of a call: whether somebody talked, and else why not. `None`: a word that nobody knows, so
/// nothing is said of the answer.
pub fn status(status: &str) -> Option<(bool, Cause)> {
    match status.trim().to_lowercase().as_str() {
        "отвечен" | "принят" => Some((true, Cause::Normal)),
        "не отвечен" | "пропущен" => Some((false, Cause::NoAnswer)),
        "занят" => Some((false, Cause::Busy)),
        "отменен" | "отменён" => Some((false, Cause::Cancelled)),
        _ => None,
    }
}

/// A party: `+7495...`, `201`, or `201 (Anna)`.
pub fn party(told: &str, plan: &NumberingPlan) -> Option<Party> {
    let name = told.split('(').next().unwrap_or_default().trim();
    if name.is_empty() {
        return None;
    }
    let number = plan.read(name);
    let is_short = name.len() <= 8 && name.bytes().all(|byte| byte.is_ascii_digit());
    Some(match number.e164() {
        None if is_short => Party::Person(Extension::from(name)),
        _ => Party::Outside(number),
    })
}

/// Who a party of the export is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    Person(Extension),
    Outside(Number),
}

/// `ID записи` is the `call_id` of events, says working code. Calls without it are known by their client
/// and second.
pub fn key(record: &str, client: &str, started: Timestamp) -> CallKey {
    match record.trim() {
        "" => CallKey::nameless(&format!("{}/{client}", started.as_seconds())),
        id => CallKey::from(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_taken_only_if_it_says_so() {
        for (body, id) in [
            (r#"{"success":true,"id":"ab"}"#, Some("ab")),
            (r#"{"success":true,"callId":77}"#, Some("77")),
            (r#"{"result":1}"#, None),
            ("1", None),
        ] {
            assert_eq!(order(body.as_bytes()).unwrap().as_deref(), id, "{body}");
        }
        for body in [
            r#"{"success":false,"message":"no"}"#,
            "{}",
            "0",
            "null",
            "[]",
        ] {
            assert!(
                matches!(order(body.as_bytes()), Err(PbxError::Refused(_))),
                "{body}"
            );
        }
        assert!(matches!(order(b"<html>"), Err(PbxError::Unreadable(_))));
    }

    #[test]
    fn words_of_the_export() {
        assert_eq!((seconds("75"), seconds("1:02:03")), (Some(75), Some(3_723)));
        assert_eq!((seconds(""), seconds("1:x")), (None, None));
        assert_eq!(direction("Входящий"), Some(Direction::In));
        assert_eq!(direction("исходящий"), Some(Direction::Out));
        assert_eq!(direction("Внутренний"), Some(Direction::Internal));
        assert_eq!(direction("Автообзвон"), None);
        assert_eq!(status("Не отвечен"), Some((false, Cause::NoAnswer)));
        assert_eq!(status("?"), None);
        let plan = NumberingPlan::default();
        let person = |name: &str| Some(Party::Person(name.into()));
        assert_eq!(party("201 (Анна)", &plan), person("201"));
        assert!(matches!(
            party("+74950000011", &plan),
            Some(Party::Outside(_))
        ));
        assert_eq!(party(" ", &plan), None);
    }
}
