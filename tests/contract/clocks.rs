//! The same calls at other times: over midnight and the new year, over the hour that summer time leaves out,
//! over the one that comes twice; and by an account whose clock is set wrongly.

use std::collections::BTreeSet;

use jiff::{
    civil::DateTime,
    fmt::{rfc2822, strtime},
    tz::TimeZone,
};
use ringcard::model::{
    call::{Call, CallResult},
    time::Timestamp,
};
use serde_json::Value;

use crate::{
    body::Fields,
    calls::derive,
    conversation::{self, Conversation, Line, decode},
};

/// An account on a wall whose clock changes, where its provider has a wall.
const ZONE: &str = "Europe/Berlin";
/// Clocks of the wall, as providers write them.
const WALLS: [&str; 4] = [
    "%Y-%m-%d %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y%m%dT%H%M%S",
];

/// A conversation told at another time.
struct Moved {
    from: TimeZone,
    to: TimeZone,
    by_ms: i64,
}

impl Moved {
    /// A value, moved if it is a time.
    fn value(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Number(number) => Some(self.count(number.as_i64()?)?.into()),
            Value::String(text) => {
                let count = || Some(self.count(text.parse().ok()?)?.to_string());
                count()
                    .or_else(|| self.wall(text))
                    .or_else(|| self.instant(text))
                    .or_else(|| self.mail(text))
                    .map(Value::String)
            }
            _ => None,
        }
    }

    /// Seconds, milliseconds or microseconds of these years.
    fn count(&self, told: i64) -> Option<i64> {
        const YEARS_S: std::ops::Range<i64> = 1_700_000_000..1_900_000_000;
        let mut units = [1, 1_000, 1_000_000].into_iter();
        let unit = units.find(|unit| YEARS_S.contains(&(told / unit)))?;
        Some(told + self.by_ms * unit / 1_000)
    }

    fn wall(&self, text: &str) -> Option<String> {
        WALLS.iter().find_map(|form| {
            let told: DateTime = strtime::parse(form, text).ok()?.to_datetime().ok()?;
            let at = self
                .from
                .to_ambiguous_zoned(told)
                .earlier()
                .ok()?
                .timestamp();
            let moved = at
                .checked_add(jiff::SignedDuration::from_millis(self.by_ms))
                .ok()?;
            Some(moved.to_zoned(self.to.clone()).strftime(form).to_string())
        })
    }

    /// With a place on earth, or by Greenwich.
    fn instant(&self, text: &str) -> Option<String> {
        let at: jiff::Timestamp = text.parse().ok()?;
        let moved = at
            .checked_add(jiff::SignedDuration::from_millis(self.by_ms))
            .ok()?;
        let is_short = !text.contains('-');
        Some(match is_short {
            true => moved.strftime("%Y%m%dT%H%M%SZ").to_string(),
            false => moved.to_string(),
        })
    }
}

impl Moved {
    /// As mail writes it (RFC 2822).
    fn mail(&self, text: &str) -> Option<String> {
        let at = rfc2822::parse(text).ok()?.timestamp();
        let moved = at.checked_add(jiff::SignedDuration::from_millis(self.by_ms));
        rfc2822::to_string(&moved.ok()?.to_zoned(TimeZone::UTC)).ok()
    }
}

/// The conversation's calls, if it takes place so much later.
fn calls(conversation: &Conversation, moved: &Moved, zone: &str) -> Vec<(String, Call)> {
    let has_wall = |line: &Line| {
        let fields = Fields::of(&line.request())?;
        let mut leaves = fields.leaves().into_iter();
        leaves.find_map(|leaf| moved.wall(fields.at(&leaf).as_str()?))
    };
    let has_wall = requests(conversation).any(|line| has_wall(line).is_some());
    let pbx = conversation.in_zone(zone).filter(|_| has_wall);
    let pbx = pbx.as_ref().unwrap_or(&conversation.pbx);
    let mut events = Vec::new();
    for line in requests(conversation) {
        let request = match Fields::of(&line.request()) {
            Some(mut fields) => {
                for leaf in fields.leaves() {
                    if let Some(value) = moved.value(fields.at(&leaf)) {
                        fields = fields.with(&leaf, value);
                    }
                }
                fields.request()
            }
            None => line.request(),
        };
        let heard = decode(&**pbx, &request, line.at().plus_millis(moved.by_ms));
        events.extend(heard.events().cloned());
    }
    derive(events).into_iter().collect()
}

fn requests(conversation: &Conversation) -> impl Iterator<Item = &Line> {
    let lines = conversation.lines.iter();
    lines.filter(|line| !line.is_streamed() && !line.refused)
}

/// A conversation whose every request can be told at another time.
struct Movable {
    conversation: Conversation,
    /// The clock on its wall.
    zone: TimeZone,
    /// Its calls at their own time.
    expected: Vec<(String, Call)>,
}

impl Movable {
    fn new(conversation: Conversation) -> Option<Self> {
        let mut lines = requests(&conversation).map(|line| Fields::of(&line.request()));
        let is_some = requests(&conversation).next().is_some();
        if !is_some || !lines.all(|fields| fields.is_some()) {
            return None;
        }
        drop(lines);
        let zone = conversation.zone()?;
        let mut one = Self {
            conversation,
            zone,
            expected: Vec::new(),
        };
        let own_zone = one.zone.iana_name().expect("zones have names");
        one.expected = calls(&one.conversation, &one.unmoved(), own_zone);
        Some(one)
    }

    fn unmoved(&self) -> Moved {
        Moved {
            from: self.zone.clone(),
            to: self.zone.clone(),
            by_ms: 0,
        }
    }

    /// So that the clock changes right before the first message, one in the middle, and the last.
    fn over(&self, boundary: &str) -> Vec<Moved> {
        let boundary = Timestamp::parse_rfc3339(boundary).expect("a moment");
        let lines: Vec<&Line> = requests(&self.conversation).collect();
        let places = BTreeSet::from([0, lines.len() / 2, lines.len() - 1]);
        let moved = places.into_iter().map(|place| {
            // Whole seconds, one before this message.
            let by_s = boundary.as_seconds() - lines[place].at().as_seconds() + 1;
            Moved {
                from: self.zone.clone(),
                to: TimeZone::get(ZONE).expect("a zone"),
                by_ms: by_s * 1_000,
            }
        });
        moved.collect()
    }

    /// That it is the same calls, so much later by a clock of this zone, and `further` of each: as it is and as
    /// it was.
    fn compare(&self, moved: &Moved, zone: &str, mut further: impl FnMut(&Call, &Call, &str)) {
        let found = calls(&self.conversation, moved, zone);
        let name = &self.conversation.name;
        assert_eq!(found.len(), self.expected.len(), "{name} in {zone}");
        for ((key, call), (_, before)) in found.iter().zip(&self.expected) {
            let what = format!("{name}: {key} in {zone}, {} ms later", moved.by_ms);
            assert_eq!(shape(call), shape(before), "{what}");
            further(call, before, &what);
        }
    }
}

fn movable() -> Vec<Movable> {
    let all = conversation::committed().into_iter();
    all.filter_map(Movable::new).collect()
}

#[test]
fn calls_over_a_change_of_the_clock_are_the_same_calls() {
    let mut compared = 0;
    for one in movable() {
        for boundary in ["2026-12-31T23:00:00Z", "2026-03-29T01:00:00Z"] {
            for moved in one.over(boundary) {
                one.compare(&moved, ZONE, |call, before, what| {
                    assert_eq!(call.result, before.result, "{what}");
                    assert_eq!(spans(call), spans(before), "{what}");
                    let expected = before.started_at.plus_millis(moved.by_ms);
                    assert_eq!(call.started_at, expected, "{what}");
                    compared += 1;
                });
            }
        }
    }
    assert!(compared > 200, "only {compared} calls were compared");
}

/// Of the hour that comes twice the wall does not tell which one it is, so lengths of time may be wrong, and
/// nothing else.
#[test]
fn the_hour_that_comes_twice_costs_lengths_only() {
    for one in movable() {
        for moved in one.over("2026-10-25T01:00:00Z") {
            one.compare(&moved, ZONE, |call, _, what| believable(call, what));
        }
    }
}

/// An account whose zone is set wrongly has its calls at wrong times, and they are the same calls.
#[test]
fn a_wrong_zone_moves_calls_and_changes_nothing_else() {
    let mut zones = 0;
    for one in movable() {
        for zone in ["Asia/Kamchatka", "America/Los_Angeles", "Asia/Kathmandu"] {
            if one.conversation.in_zone(zone).is_some() {
                zones += 1;
                one.compare(&one.unmoved(), zone, |call, _, what| believable(call, what));
            }
        }
    }
    assert!(zones > 20, "only {zones} accounts have a clock");
}

/// What a call is, whenever it was. Abandoned or missed: that depends on how long the client waited.
fn shape(call: &Call) -> Value {
    let is_unanswered = matches!(
        call.result,
        Some(CallResult::Abandoned | CallResult::Missed)
    );
    let result = (!is_unanswered).then_some(call.result);
    serde_json::json!({
        "direction": call.direction,
        "client": call.client,
        "did": call.did,
        "result": result,
        "answered_by": call.answered_by,
        "hangup_by": call.hangup_by,
        "is_over": call.is_over(),
        "transfers": call.transfers.len(),
        "recordings": call.recordings.len(),
    })
}

fn spans(call: &Call) -> [Option<i64>; 4] {
    [call.wait_ms, call.ring_ms, call.talk_ms, call.hold_ms]
}

fn believable(call: &Call, what: &str) {
    let moments = [Some(call.started_at), call.answered_at, call.ended_at];
    assert!(moments.iter().flatten().is_sorted(), "{what}: {call:#?}");
    assert!(
        spans(call).iter().flatten().all(|ms| *ms >= 0),
        "{what}: {call:#?}"
    );
}
