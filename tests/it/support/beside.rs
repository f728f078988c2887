//! Whether two accounts that hear the same Asterisk in two ways say the same of a call.

use serde_json::Value;

/// How far two moments or lengths may be apart, in milliseconds: one interface says when a thing
/// happened, the other when it got round to telling it.
const TOLERANCE_MS: i64 = 1_000;

/// What is not the same on purpose: names of the row itself, and what only the account knows that the
/// dialplan asks and whose phones have people (a card's owner is rung, sees a pop); of who answered, the person.
const OF_ONE: [&str; 6] = [
    "id",
    "account",
    "match_reason",
    "route_reason",
    "pop_ms",
    "channel",
];

/// What is not the same of a recording: only one of the two may fetch it.
const OF_ITS_FILE: [&str; 3] = ["state", "sha256", "duration_ms"];

/// What only the account knows that sent a click: whom it is for, and its command.
const OF_A_CLICK: [&str; 3] = ["call_key", "client", "card"];

/// Compares two lines of the export field by field; `is_click` if the first account asked for the call.
pub fn the_same(one: &Value, other: &Value, is_click: bool) -> Result<(), String> {
    let (mut one, mut other) = (one.clone(), other.clone());
    // Whom our own word turned away was blocked; whoever has not heard it sees one who hears busy
    // (ITU-T Q.850 cause 17), because that is what the dialplan makes of the word.
    let is_turned_away = one["route_reason"] == "blocked" && one["result"] == "blocked";
    if is_turned_away && other["result"] == "busy" {
        one["result"] = "busy".into();
    }
    for line in [&mut one, &mut other] {
        let Some(fields) = line.as_object_mut() else {
            return Err(format!("no line of the export: {line}"));
        };
        let of_a_click = |name: &str| is_click && OF_A_CLICK.contains(&name);
        fields.retain(|name, _| !OF_ONE.contains(&name.as_str()) && !of_a_click(name));
        if let Some(Value::Object(by)) = fields.get_mut("answered_by") {
            by.remove("person");
        }
        if let Some(Value::Array(recordings)) = fields.get_mut("recordings") {
            for recording in recordings.iter_mut().filter_map(Value::as_object_mut) {
                recording.retain(|name, _| !OF_ITS_FILE.contains(&name.as_str()));
            }
        }
        // Phones that ring within one millisecond may stand in either order.
        if let Some(Value::Array(legs)) = fields.get_mut("legs") {
            legs.sort_by_key(|leg| {
                let word = |name: &str| leg[name].as_str().unwrap_or_default().to_owned();
                (word("extension"), word("rang_at"), word("ended_at"))
            });
        }
    }
    compare("", &one, &other)
}

fn compare(place: &str, one: &Value, other: &Value) -> Result<(), String> {
    let differ = || Err(format!("{place}: {one} and {other}"));
    match (one, other) {
        (Value::Object(fields), Value::Object(others)) => {
            let names = fields.keys().chain(others.keys());
            for name in names {
                let below = format!("{place}/{name}");
                compare(&below, &one[name.as_str()], &other[name.as_str()])?;
            }
            Ok(())
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            let mut pairs = items.iter().zip(others).enumerate();
            pairs.try_for_each(|(n, (item, other))| compare(&format!("{place}/{n}"), item, other))
        }
        (Value::Number(_), Value::Number(_)) if place.ends_with("_ms") => {
            let apart = one.as_i64().zip(other.as_i64());
            match apart.is_some_and(|(one, other)| (one - other).abs() <= TOLERANCE_MS) {
                true => Ok(()),
                false => differ(),
            }
        }
        (Value::String(text), Value::String(more)) if place.ends_with("at") => {
            let apart = moment_ms(text).zip(moment_ms(more));
            match apart.is_some_and(|(one, other)| (one - other).abs() <= TOLERANCE_MS) {
                true => Ok(()),
                false => differ(),
            }
        }
        _ if one == other => Ok(()),
        _ => differ(),
    }
}

fn moment_ms(text: &str) -> Option<i64> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(at.as_millisecond())
}

#[test]
fn what_differs_is_named_and_what_is_near_is_the_same() {
    let line = |end: &str, by: &str| {
        serde_json::json!({
            "id": end, "wait_ms": 900, "answered_by": { "extension": by, "person": end },
            "legs": [{ "ended_at": end }], "transfers": [],
        })
    };
    let one = line("2026-03-17T09:15:00.900Z", "101");
    assert_eq!(
        the_same(&one, &line("2026-03-17T09:15:01.200Z", "101"), false),
        Ok(())
    );
    let late = the_same(&one, &line("2026-03-17T09:15:02.200Z", "101"), false);
    assert!(late.unwrap_err().starts_with("/legs/0/ended_at"));
    let wrong = the_same(&one, &line("2026-03-17T09:15:00.900Z", "102"), false);
    assert!(wrong.unwrap_err().starts_with("/answered_by/extension"));
    let legs = |one: &str, other: &str| serde_json::json!({ "legs": [{ "extension": one }, { "extension": other }] });
    assert_eq!(
        the_same(&legs("101", "102"), &legs("102", "101"), false),
        Ok(())
    );
    assert!(the_same(&legs("101", "102"), &legs("101", "103"), false).is_err());
    let ended =
        |result: &str, why: &str| serde_json::json!({ "result": result, "route_reason": why });
    let busy = ended("busy", "");
    assert_eq!(the_same(&ended("blocked", "blocked"), &busy, false), Ok(()));
    assert!(the_same(&ended("blocked", "owner"), &busy, false).is_err());
    assert!(the_same(&busy, &ended("blocked", "blocked"), false).is_err());
    let click = |client: &str| serde_json::json!({ "client": client });
    assert_eq!(the_same(&click("one"), &click("other"), true), Ok(()));
    assert!(the_same(&click("one"), &click("other"), false).is_err());
}
