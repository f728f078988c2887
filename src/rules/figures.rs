//! What one call adds to the figures, each with its one definition. Pure.
//!
//! Only finished calls count, so every figure is a sum over calls of the journal that are over, by the
//! quarter-hour in which they began (UTC):
//! * **calls**: all of them, by direction;
//! * **answered**: those in which a person talked with the client;
//! * **missed**: those whose result wants a call back (everything but answered and blocked);
//! * **talk**, **wait**, **ring**: sums of the spans of [`Call`] in milliseconds; a mean is the sum over
//!   the number of calls it is taken of;
//! * **unique clients**: numbers of incoming calls, counted once per UTC day and line.
//!
//! A change of a call adds `delta(before, after)`; whatever the order of changes, the sums end the same.

use std::collections::BTreeMap;

use crate::model::{
    call::{Call, CallResult},
    event::Direction,
    ids::{LineId, PersonId},
    time::Timestamp,
};

const QUARTER_MICROS: i64 = 15 * 60 * 1_000_000;
const DAY_MICROS: i64 = 86_400 * 1_000_000;

/// A call with what the store knows around it.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// The call.
    pub call: &'a Call,
    /// Our line.
    pub line: Option<LineId>,
    /// Who answered.
    pub person: Option<PersonId>,
}

/// Which row of the roll-up a call belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// Quarter-hours since 1970 at the call's start.
    pub quarter: i64,
    /// Line; 0 if unknown.
    pub line: i64,
    /// Who answered; 0 if nobody (or nobody we know).
    pub person: i64,
    /// Direction; `None` if no message ever said it.
    pub direction: Option<Direction>,
}

impl Slot {
    /// Reads the direction's word back.
    pub fn direction_of(word: &str) -> Option<Direction> {
        Direction::parse(word)
    }

    /// The direction's word in the roll-up.
    pub const fn direction_word(&self) -> &'static str {
        match self.direction {
            Some(direction) => direction.as_str(),
            None => "unknown",
        }
    }
}

/// A client seen on a day at a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientDay {
    /// Days since 1970 at the call's start.
    pub day: i64,
    /// Line; 0 if unknown.
    pub line: i64,
    /// E.164.
    pub client: String,
}

/// The sums of one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Finished calls.
    pub calls: i64,
    /// Answered ones.
    pub answered: i64,
    /// Ones that want a call back.
    pub missed: i64,
    /// Time talked, in milliseconds.
    pub talk_ms: i64,
    /// Time waited, in milliseconds.
    pub wait_ms: i64,
    /// Time rung, in milliseconds.
    pub ring_ms: i64,
}

impl Sums {
    fn add(&mut self, other: &Self, sign: i64) {
        self.calls += sign * other.calls;
        self.answered += sign * other.answered;
        self.missed += sign * other.missed;
        self.talk_ms += sign * other.talk_ms;
        self.wait_ms += sign * other.wait_ms;
        self.ring_ms += sign * other.ring_ms;
    }
}

/// Figures, or changes of figures. Slots whose sums are all zero are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Sums by slot.
    pub slots: BTreeMap<Slot, Sums>,
    /// Calls by client, day and line.
    pub clients: BTreeMap<ClientDay, i64>,
}

impl Figures {
    /// Adds what changed about one call.
    pub fn delta(&mut self, before: Option<Counted<'_>>, after: Option<Counted<'_>>) {
        for (counted, sign) in [(before, -1), (after, 1)] {
            if let Some(counted) = counted {
                self.count(counted, sign);
            }
        }
    }

    fn count(&mut self, counted: Counted<'_>, sign: i64) {
        let Some((slot, sums)) = share(counted) else {
            return;
        };
        let kept = self.slots.entry(slot).or_default();
        kept.add(&sums, sign);
        if *kept == Sums::default() {
            self.slots.remove(&slot);
        }
        let Some(client) = client_day(counted) else {
            return;
        };
        let calls = self.clients.entry(client.clone()).or_default();
        *calls += sign;
        if *calls == 0 {
            self.clients.remove(&client);
        }
    }
}

/// What a finished call adds, and where.
fn share(counted: Counted<'_>) -> Option<(Slot, Sums)> {
    let call = counted.call;
    if !call.is_over() {
        return None;
    }
    let slot = Slot {
        quarter: units(call.started_at, QUARTER_MICROS),
        line: counted.line.map_or(0, |line| line.0),
        person: counted.person.map_or(0, |person| person.0),
        direction: call.direction,
    };
    let is = |yes: bool| i64::from(yes);
    let sums = Sums {
        calls: 1,
        answered: is(call.result == Some(CallResult::Answered)),
        missed: is(call.result.is_some_and(|result| result.wants_call_back())),
        talk_ms: call.talk_ms.unwrap_or(0),
        wait_ms: call.wait_ms.unwrap_or(0),
        ring_ms: call.ring_ms.unwrap_or(0),
    };
    Some((slot, sums))
}

fn client_day(counted: Counted<'_>) -> Option<ClientDay> {
    let call = counted.call;
    let client = call.client.as_ref()?.e164()?;
    (call.direction == Some(Direction::In)).then(|| ClientDay {
        day: units(call.started_at, DAY_MICROS),
        line: counted.line.map_or(0, |line| line.0),
        client: client.to_owned(),
    })
}

fn units(at: Timestamp, unit_micros: i64) -> i64 {
    at.as_micros().div_euclid(unit_micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        call::{Ended, Phase},
        phone::Number,
    };

    fn finished(result: CallResult, talk_ms: i64) -> Call {
        Call {
            direction: Some(Direction::In),
            phase: Phase::Ended,
            ended: Some(Ended::HungUp),
            result: Some(result),
            client: Some(Number::E164 {
                e164: "+74950000011".to_owned(),
                ext: None,
            }),
            started_at: Timestamp::from_seconds(1_773_728_100),
            answered_at: (talk_ms > 0).then(|| Timestamp::from_seconds(1_773_728_105)),
            talk_ms: Some(talk_ms),
            wait_ms: Some(5_000),
            ring_ms: Some(4_000),
            ..Call::default()
        }
    }

    fn counted(call: &Call) -> Option<Counted<'_>> {
        Some(Counted {
            call,
            line: Some(LineId(3)),
            person: Some(PersonId(7)),
        })
    }

    #[test]
    fn a_finished_call_counts_once() {
        let call = finished(CallResult::Answered, 60_000);
        let mut figures = Figures::default();
        figures.delta(None, counted(&call));
        let (slot, sums) = figures.slots.first_key_value().unwrap();
        assert_eq!((slot.line, slot.person), (3, 7));
        assert_eq!(slot.quarter * 900, 1_773_728_100);
        assert_eq!((sums.calls, sums.answered, sums.missed), (1, 1, 0));
        assert_eq!(
            (sums.talk_ms, sums.wait_ms, sums.ring_ms),
            (60_000, 5_000, 4_000)
        );
        assert_eq!(figures.clients.values().sum::<i64>(), 1);
    }

    #[test]
    fn a_call_in_progress_counts_nothing() {
        let call = Call {
            phase: Phase::Talking,
            ..finished(CallResult::Answered, 1_000)
        };
        let mut figures = Figures::default();
        figures.delta(None, counted(&call));
        assert_eq!(figures, Figures::default());
    }

    #[test]
    fn steps_add_up_to_the_last_state() {
        let first = finished(CallResult::Missed, 0);
        let last = finished(CallResult::Answered, 9_000);
        let mut by_steps = Figures::default();
        by_steps.delta(None, counted(&first));
        by_steps.delta(counted(&first), counted(&last));
        let mut at_once = Figures::default();
        at_once.delta(None, counted(&last));
        assert_eq!(by_steps, at_once);
        by_steps.delta(counted(&last), None);
        assert_eq!(by_steps, Figures::default());
    }

    #[test]
    fn only_callers_are_unique_clients() {
        let call = Call {
            direction: Some(Direction::Out),
            ..finished(CallResult::Missed, 0)
        };
        let mut figures = Figures::default();
        figures.delta(None, counted(&call));
        assert!(figures.clients.is_empty());
        assert_eq!(figures.slots.len(), 1);
    }
}
