//! What the provider says of the whole call: its start, its answer, its end.

use super::{
    known::{Known, is_of_the_call},
    times::Answer,
};
use crate::model::{
    event::{Cause, Fact, Side, Summary},
    ids::CallKey,
    time::Timestamp,
};

/// What was told of the whole call.
pub(super) struct Told<'a> {
    pub summaries: Vec<(&'a CallKey, Timestamp, &'a Summary)>,
    overs: Vec<Closing<'a>>,
    pub unheard_at: Option<Timestamp>,
    /// When a command of ours failed.
    pub refused_at: Option<Timestamp>,
    /// The latest fact of the call itself.
    pub last_at: Timestamp,
}

impl<'a> Told<'a> {
    /// Collects it.
    pub fn gather(known: &Known<'a>) -> Self {
        let mut told = Self {
            summaries: Vec::new(),
            overs: Vec::new(),
            unheard_at: None,
            refused_at: None,
            last_at: Timestamp::from_micros(i64::MIN),
        };
        for moment in &known.line {
            let (key, at) = (&moment.event.call, moment.at);
            match &moment.event.fact {
                Fact::Summary(summary) => told.summaries.push((key, at, summary)),
                Fact::Over { by } => told.overs.push(Closing {
                    key,
                    at,
                    is_bound: !moment.event.clock.is_exact(),
                    by: *by,
                }),
                Fact::Unheard => told.unheard_at = Some(at),
                Fact::CommandResult { ok: false, .. } => told.refused_at = Some(at),
                _ => {}
            }
            if is_of_the_call(&moment.event.fact) {
                told.last_at = at;
            }
        }
        told
    }

    /// Whether a timer said that nothing more is waited for, and nothing of the call came since.
    pub fn is_silent(&self) -> bool {
        self.unheard_at.is_some_and(|at| at >= self.last_at)
    }

    /// The earliest start: of each key what its summary says, else its earliest fact; and whether that
    /// is the start or only a bound for it.
    pub fn start(&self, known: &Known<'_>) -> (Timestamp, bool) {
        let summed = self
            .summaries
            .iter()
            .filter_map(|(_, _, summary)| start_of(summary));
        let is_summed = |key: &CallKey| {
            self.summaries
                .iter()
                .any(|(summed, _, summary)| *summed == key && start_of(summary).is_some())
        };
        let first = known
            .line
            .iter()
            .find(|moment| is_of_the_call(&moment.event.fact) && !is_summed(&moment.event.call))
            .map(|moment| {
                let exact = moment.event.clock.is_exact();
                (moment.at, !exact || goes_on(known, moment.at))
            });
        let (at, is_bound) = summed
            .map(|start| (start, false))
            .chain(first)
            .min()
            .or_else(|| known.line.first().map(|moment| (moment.at, true)))
            .unwrap_or_default();
        (at, !is_bound)
    }

    /// What the summaries say of the answer.
    pub fn answer(&self, started_at: Timestamp) -> Answer {
        self.summaries
            .iter()
            .fold(Answer::NotYet, |answer, (_, _, summary)| {
                let said = said_of_answer(summary, started_at);
                match (answer, said) {
                    (Answer::At(one), Answer::At(other)) => Answer::At(one.min(other)),
                    (at @ Answer::At(_), _) | (_, at @ Answer::At(_)) => at,
                    (Answer::Sometime, _) | (_, Answer::Sometime) => Answer::Sometime,
                    (Answer::Never, _) | (_, Answer::Never) => Answer::Never,
                    _ => Answer::NotYet,
                }
            })
    }
}

/// Whether what was told of this moment, the earliest known, is of a call that goes on already: its
/// beginning was not heard.
fn goes_on(known: &Known<'_>, at: Timestamp) -> bool {
    let told = |is_such: fn(&Fact) -> bool| {
        let of_moment = known.line.iter().filter(|moment| moment.at == at);
        of_moment.map(|moment| &moment.event.fact).any(is_such)
    };
    let begins =
        |fact: &Fact| matches!(fact, Fact::Rings | Fact::Dialled { .. } | Fact::Runs { .. });
    let later = |fact: &Fact| {
        matches!(
            fact,
            Fact::Talks { .. }
                | Fact::TakesOver
                | Fact::Holds
                | Fact::Resumes
                | Fact::Parked
                | Fact::Unparked
                | Fact::Ends { .. }
        )
    };
    told(later) && !told(begins)
}

fn start_of(summary: &Summary) -> Option<Timestamp> {
    let possible = |start: &Timestamp| summary.ended.is_none_or(|end| *start <= end);
    summary.started.filter(possible)
}

fn said_of_answer(summary: &Summary, started_at: Timestamp) -> Answer {
    match (summary.answered_known, summary.answered) {
        (false, _) => Answer::NotYet,
        (true, None) => Answer::Never,
        // Of several parts of a call each has a start of its own.
        (true, Some(at))
            if at > summary.started.unwrap_or(started_at).max(started_at)
                && summary.ended.is_none_or(|end| at <= end) =>
        {
            Answer::At(at)
        }
        (true, Some(_)) if matches!(summary.cause, None | Some(Cause::Normal)) => Answer::Sometime,
        (true, Some(_)) => Answer::NotYet,
    }
}

impl<'a> Told<'a> {
    /// Each key's last word: its summary rather than its "over".
    pub fn closings(&self, started_at: Timestamp) -> Vec<Closing<'a>> {
        let mut closings: Vec<Closing<'a>> = Vec::with_capacity(self.summaries.len());
        for &(key, at, summary) in &self.summaries {
            closings.push(Closing {
                key,
                at: summary.ended.filter(|end| *end >= started_at).unwrap_or(at),
                is_bound: false,
                by: summary.hangup_by,
            });
        }
        for over in &self.overs {
            if !closings.iter().any(|closing| closing.key == over.key) {
                closings.push(*over);
            }
        }
        closings
    }
}

/// The PBX says that what it knows under this key is over.
#[derive(Clone, Copy)]
pub(super) struct Closing<'a> {
    pub key: &'a CallKey,
    pub at: Timestamp,
    /// Whether it is only known that it was no later.
    pub is_bound: bool,
    pub by: Option<Side>,
}
