//! What must be found of a call afterwards: the oracle of the simulation.
//!
//! [`Story::ledger`] is read off the story, by the definitions of wait, ring, talk and hold in
//! `model::call`, and never asks the code under test. A provider that does not tell everything takes
//! the untold fields out of the ledger.

use serde::{Deserialize, Serialize};

use super::story::{Outcome, Passing, Plot, Story};
use crate::model::{
    call::CallResult,
    event::{Direction, Side, TransferKind},
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
    /// Everyone whose phone rang or who called.
    pub rang: Vec<String>,
    /// Passings-on.
    pub transfers: Vec<Passed>,
    /// How many recordings must be told of.
    pub recordings: usize,
    /// How far any time may be off, because the provider tells whole seconds.
    pub tolerance_ms: i64,
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

    /// What must be found of this call, known exactly.
    pub fn ledger(&self, account: &str, call_key: &str) -> Ledger {
        let over = self.answered_ms.unwrap_or(self.end_ms);
        let hold_ms = match (&self.hold, &self.passing) {
            (Some((from, to)), _) => to - from,
            (None, Some(passing)) => passing.at_ms - passing.hold_ms,
            (None, None) => 0,
        };
        let rang = self
            .rings
            .iter()
            .filter(|ring| ring.outcome != Outcome::Busy)
            .map(|ring| ring.from_ms)
            .min();
        Ledger {
            account: account.to_owned(),
            call_key: call_key.to_owned(),
            plot: self.plot,
            direction: self.plot.direction(),
            result: self.result(),
            client: self.client.clone(),
            did: Some(self.did.clone()),
            started_at: self.start,
            ended_at: self.at(self.end_ms),
            wait_ms: Some(over),
            // A busy phone rings with some providers and not with others.
            ring_ms: rang.map(|rang| over - rang),
            talk_ms: Some(
                self.answered_ms
                    .map_or(0, |answer| self.end_ms - answer - hold_ms),
            ),
            hold_ms: Some(hold_ms),
            answered_by: self.answered_by().map(str::to_owned),
            hangup_by: Some(self.hangup),
            rang: self.people().into_iter().map(str::to_owned).collect(),
            transfers: self.passing.iter().map(|p| self.passed(p)).collect(),
            recordings: usize::from(self.recorded),
            tolerance_ms: 0,
        }
    }

    fn passed(&self, passing: &Passing) -> Passed {
        Passed {
            kind: passing.kind,
            from: passing.from.clone(),
            to: passing.to.clone(),
            at: self.at(passing.at_ms),
        }
    }
}
