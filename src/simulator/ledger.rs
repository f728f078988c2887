//! What must be found of a call afterwards: the oracle of the simulation.
//!
//! [`Story::ledger`] is read off the story, by the definitions of wait, ring, talk and hold in
//! `model::call`, and never asks the code under test. A provider that does not tell everything takes
//! the untold fields out of the ledger.

use serde::{Deserialize, Serialize};

use super::story::{Outcome, Passing, Plot, Story};
use crate::model::{
    call::{CallResult, LegResult},
    event::{Cause, Direction, Side, TransferKind},
    time::Timestamp,
};

/// What must be found of a call afterwards. `None` in a field that a call may lack anyway (`client`,
/// `answered_by`) means that it must be lacking; in the others, that the provider does not tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The account that tells the call.
    pub account: String,
    /// The provider's key.
    pub call_key: String,
    /// The kind of story, for people who read a failure.
    pub plot: Plot,
    /// Which way.
    pub direction: Direction,
    /// How it turned out.
    pub result: CallResult,
    /// E.164; `None`: withheld.
    pub client: Option<String>,
    /// Our number; `None`: not told.
    pub did: Option<String>,
    /// Start.
    pub started_at: Timestamp,
    /// End.
    pub ended_at: Timestamp,
    /// Start → first human answer or end.
    pub wait_ms: Option<i64>,
    /// First ring → first human answer or end; `None`: not told, or nobody rang.
    pub ring_ms: Option<i64>,
    /// First human answer → end, less hold.
    pub talk_ms: Option<i64>,
    /// Hold after the answer; `None`: this provider's words leave it open.
    pub hold_ms: Option<i64>,
    /// First person who talked with the client.
    pub answered_by: Option<String>,
    /// Who hung up; `None`: not told.
    pub hangup_by: Option<Side>,
    /// Phones of employees, by first sight.
    pub phones: Vec<Phone>,
    /// Passings-on.
    pub transfers: Vec<Passed>,
    /// How many recordings must be told of.
    pub recordings: usize,
    /// How far any moment may be off, because the provider's messages of one moment take their time.
    pub tolerance_ms: i64,
    /// Whether some of its messages never came: then less may be known of it, and nothing wrong.
    #[serde(default)]
    pub maimed: bool,
    /// Whether the provider's events have no times, so that what happens between start and end is known by
    /// when and in which order they came: who plays them faster than life, or in another order, cannot expect
    /// their moments, nor what follows from them (why an unanswered phone stopped ringing, for how long it
    /// rang, which of two who talked was the first).
    #[serde(default)]
    pub by_arrival: bool,
    /// Whether who had the client first is known by the first answer alone: if that and the call's end are
    /// both lost, whoever the client was passed on to looks like the first.
    #[serde(default)]
    pub first_by_order: bool,
}

/// One employee's phone in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phone {
    /// Whose.
    pub extension: String,
    /// When it began to ring; `None`: it did not.
    pub rang_at: Option<Timestamp>,
    /// When its owner began to talk, with the client or a colleague; on the own phone of a click: when it
    /// was picked up.
    pub answered_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Timestamp,
    /// How it turned out.
    pub result: LegResult,
}

/// One passing-on in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// Blind or attended.
    pub kind: TransferKind,
    /// Who passed the client on.
    pub from: String,
    /// Who got the client.
    pub to: String,
    /// When the client was connected to `to`.
    pub at: Timestamp,
}

impl Story {
    fn result(&self) -> CallResult {
        match self.plot {
            _ if self.answered_ms.is_some() => CallResult::Answered,
            Plot::Abandoned | Plot::OutAbandoned => CallResult::Abandoned,
            Plot::Busy | Plot::OutBusy => CallResult::Busy,
            Plot::MenuOnly => CallResult::IvrOnly,
            _ => CallResult::Missed,
        }
    }

    /// What must be found of this call if every moment is told in units of `grain_ms`.
    pub fn ledger(&self, account: &str, call_key: &str, grain_ms: i64) -> Ledger {
        let at = |ms: i64| self.told_at(ms, grain_ms);
        let span = |from: i64, to: i64| at(to).millis_since(at(from));
        let over = self.answered_ms.unwrap_or(self.end_ms);
        let hold_ms = match (&self.hold, &self.passing) {
            (Some((from, to)), _) => span(*from, *to),
            (None, Some(passing)) => span(passing.hold_ms, passing.at_ms),
            (None, None) => 0,
        };
        let rang = self
            .rings
            .iter()
            .filter(|ring| ring.outcome != Outcome::Busy)
            .map(|ring| ring.from_ms)
            .min();
        let talk_ms = |answered: i64| span(answered, self.end_ms) - hold_ms;
        Ledger {
            account: account.to_owned(),
            call_key: call_key.to_owned(),
            plot: self.plot,
            direction: self.plot.direction(),
            result: self.result(),
            client: self.client.clone(),
            did: Some(self.did.clone()),
            started_at: at(0),
            ended_at: at(self.end_ms),
            wait_ms: Some(span(0, over)),
            ring_ms: rang.map(|rang| span(rang, over)),
            talk_ms: Some(self.answered_ms.map_or(0, talk_ms)),
            hold_ms: Some(hold_ms),
            answered_by: self.answered_by().map(str::to_owned),
            hangup_by: Some(self.hangup),
            phones: self.phones(grain_ms),
            transfers: self
                .passing
                .iter()
                .map(|passing| self.passed(passing, grain_ms))
                .collect(),
            recordings: usize::from(self.recorded),
            tolerance_ms: 0,
            maimed: false,
            by_arrival: false,
            first_by_order: false,
        }
    }

    /// A moment of the story as a clock tells it that counts in units of `grain_ms`.
    pub(super) fn told_at(&self, ms: i64, grain_ms: i64) -> Timestamp {
        let grain = grain_ms * 1_000;
        let exact = self.at(ms).as_micros();
        Timestamp::from_micros(exact.div_euclid(grain) * grain)
    }

    /// The phones that others called: of an incoming call, and of whoever the client is passed to.
    fn phones(&self, grain_ms: i64) -> Vec<Phone> {
        let at = |ms: i64| self.told_at(ms, grain_ms);
        let mut phones = Vec::new();
        if self.caller.is_none() {
            for ring in &self.rings {
                let answered = ring.outcome == Outcome::Answered;
                let ended_ms = if answered {
                    self.first_talk_over_ms()
                } else {
                    ring.to_ms
                };
                phones.push(Phone {
                    extension: ring.who.clone(),
                    rang_at: Some(at(ring.from_ms)),
                    answered_at: answered.then(|| at(ring.to_ms)),
                    ended_at: at(ended_ms),
                    result: leg_result(ring.outcome),
                });
            }
        }
        phones.extend(self.passing.iter().map(|passing| Phone {
            extension: passing.to.clone(),
            rang_at: Some(at(passing.rings_ms)),
            answered_at: Some(at(passing.picks_up_ms)),
            ended_at: at(self.end_ms),
            result: LegResult::Answered,
        }));
        phones
    }

    /// The leg to the client as that of the employee who calls, with providers that tell no other.
    pub(super) fn callers_leg(&self, grain_ms: i64) -> Option<Phone> {
        let at = |ms: i64| self.told_at(ms, grain_ms);
        let ring = self.rings.last()?;
        Some(Phone {
            extension: self.caller.clone()?,
            rang_at: Some(at(ring.from_ms)),
            answered_at: self.answered_ms.map(at),
            ended_at: at(self.end_ms),
            result: leg_result(ring.outcome),
        })
    }

    /// When whoever answered first has nothing more to do with the call.
    fn first_talk_over_ms(&self) -> i64 {
        match &self.passing {
            Some(passing) if passing.kind == TransferKind::Blind => passing.rings_ms,
            Some(passing) => passing.at_ms,
            None => self.end_ms,
        }
    }

    fn passed(&self, passing: &Passing, grain_ms: i64) -> Passed {
        Passed {
            kind: passing.kind,
            from: passing.from.clone(),
            to: passing.to.clone(),
            at: self.told_at(passing.at_ms, grain_ms),
        }
    }
}

/// How a phone's leg turned out that stopped ringing for this reason.
pub(super) fn leg_result(outcome: Outcome) -> LegResult {
    match outcome {
        Outcome::Answered => LegResult::Answered,
        Outcome::Elsewhere => LegResult::AnsweredElsewhere,
        Outcome::NoAnswer => LegResult::Failed(Cause::NoAnswer),
        Outcome::Busy => LegResult::Failed(Cause::Busy),
        Outcome::Cancelled => LegResult::Failed(Cause::Cancelled),
    }
}
