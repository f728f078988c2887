//! Mango's record of a finished call.

use super::{
    reason::Reason,
    wire::{SummaryMessage, number},
};
use crate::{
    model::{
        event::{Direction, Side, Summary},
        ids::Extension,
        time::Timestamp,
    },
    pbx::{
        DecodeError,
        facts::{SOMETIME, told_at},
        numbers::Numbers,
    },
};

impl SummaryMessage {
    /// The record in our words; impossible times are left out.
    pub fn in_our_words(&self, numbers: &Numbers, now: Timestamp) -> Result<Summary, DecodeError> {
        let talked = match self.entry_result {
            Some(1) => true,
            Some(0) => false,
            _ => return Err(DecodeError::Field("entry_result")),
        };
        let direction = match self.call_direction {
            Some(0) => Some(Direction::Internal),
            Some(1) => Some(Direction::In),
            Some(2) => Some(Direction::Out),
            _ => None,
        };
        let (client, employee) = match direction {
            Some(Direction::In) => (self.from.number.as_deref(), &self.to.extension),
            Some(Direction::Out) => (self.to.number.as_deref(), &self.from.extension),
            _ => (None, &self.to.extension),
        };
        let [started, answered, ended] = self.times(talked, now);
        // An answer at the start, or before any, says: somebody talked, and this record does not know when.
        let sometime = || talked.then(|| started.unwrap_or(SOMETIME));
        let reason = Reason::of(self.disconnect_reason);
        Ok(Summary {
            direction,
            client: number(numbers, client),
            did: number(numbers, self.line_number.as_deref()),
            extension: employee.as_deref().map(Extension::from),
            started,
            answered: answered.or_else(sometime),
            answered_known: true,
            ended,
            cause: Some(reason.cause_of_call(talked)),
            hangup_by: match (direction, reason) {
                (_, Reason::ByPbx(_)) => Some(Side::Pbx),
                (Some(Direction::In), Reason::CallerHungUp)
                | (Some(Direction::Out), Reason::CalleeHungUp) => Some(Side::Client),
                (Some(_), Reason::CallerHungUp | Reason::CalleeHungUp) => Some(Side::Employee),
                _ => None,
            },
        })
    }

    /// Start, answer and end, each `None` where it cannot be.
    fn times(&self, talked: bool, now: Timestamp) -> [Option<Timestamp>; 3] {
        let told = |number: Option<i64>| {
            let at = told_at(number?);
            at.is_plausible(now).then_some(at)
        };
        let started = told(self.create_time);
        let ended = told(self.end_time).filter(|end| started.is_none_or(|start| start <= *end));
        let answered = told(self.talk_time).filter(|answer| {
            talked
                && started.is_none_or(|start| start <= *answer)
                && ended.is_none_or(|end| *answer <= end)
        });
        [started, answered, ended]
    }
}
