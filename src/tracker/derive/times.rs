//! Start, answer and end of the call.
//!
//! Rules, in this order:
//! * impossible times say nothing: an answer at or before the start or after the end, an end before
//!   the start;
//! * the provider's summary beats what legs and bridges show;
//! * a summary that says "answered" beats one that says "not answered" (two calls joined into one).

use super::{
    ending,
    known::Known,
    parties::Parties,
    sweep::{LegLine, Swept},
    talks::{Talk, With},
    told::Told,
};
use crate::model::{
    event::{Cause, Direction, Party, Side},
    ids::Extension,
    time::Timestamp,
};

/// Whether and when somebody of ours talked with the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nobody, as far as is known.
    NotYet,
    /// Nobody: the provider says so.
    Never,
    /// Somebody, at this moment.
    At(Timestamp),
    /// Somebody; nobody has told when.
    Sometime,
    /// Perhaps: two talked, and nobody has told whether one was the client; or somebody was in a bridge
    /// with nobody we know of.
    Perhaps,
}

/// How and when the call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It lives.
    NotYet,
    At(Timestamp),
    /// It is over, and nobody knows since when: not heard of for hours, or gone when the PBX was asked.
    Unknown,
}

/// The three moments of a call.
pub(super) struct Times<'a> {
    pub started_at: Timestamp,
    /// Whether the start is known, or only that it was no later.
    pub started_known: bool,
    pub answer: Answer,
    pub end: End,
    /// Why the provider says that the call ended or was not answered.
    pub cause: Option<Cause>,
    /// Who hung up, as the provider's summary or last word says.
    pub hangup_by: Option<Side>,
    /// Whether we have stopped waiting for more since the last fact of the call.
    pub silent: bool,
    /// The employee whom the summary names.
    pub named: Option<&'a Extension>,
}

impl Times<'_> {
    /// The end, where known.
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self.end {
            End::At(at) => Some(at),
            End::NotYet | End::Unknown => None,
        }
    }

    /// The first human answer, where known.
    pub fn answered_at(&self) -> Option<Timestamp> {
        match self.answer {
            Answer::At(at) => Some(at),
            _ => None,
        }
    }

    /// Whether somebody of ours talked with the client.
    pub fn is_answered(&self) -> bool {
        matches!(self.answer, Answer::At(_) | Answer::Sometime)
    }

    pub fn is_over(&self) -> bool {
        self.end != End::NotYet
    }
}

/// Finds start, answer and end.
pub(super) fn times<'a>(known: &Known<'a>, swept: &Swept<'a>, parties: &Parties<'a>) -> Times<'a> {
    let told = Told::gather(known);
    let (started_at, started_known) = told.start(known);
    let (end, closing_side) = ending::end(known, swept, &told, started_at);
    let mut answer = told.answer(started_at);
    if matches!(answer, Answer::NotYet) {
        answer = seen_answer(known, swept, parties);
    } else if matches!(answer, Answer::Sometime)
        && let at @ Answer::At(_) = seen_answer(known, swept, parties)
    {
        answer = at;
    }
    #[cfg(feature = "planted")]
    if let Some(at) = planted_answer(known) {
        answer = Answer::At(at);
    }
    if let Answer::At(at) = answer
        && (at < started_at || matches!(end, End::At(ended) if at > ended))
    {
        answer = Answer::Sometime;
    }
    let never_made = told.refused_at.is_some() && swept.legs.is_empty();
    let summaries = || told.summaries.iter().map(|(_, _, summary)| *summary);
    Times {
        started_at,
        started_known,
        answer,
        end,
        cause: summaries()
            .find_map(|summary| summary.cause)
            .or(never_made.then_some(Cause::Failed)),
        hangup_by: summaries()
            .find_map(|summary| summary.hangup_by)
            .or(closing_side),
        silent: told.is_silent(),
        named: summaries().find_map(|summary| summary.extension.as_ref()),
    }
}

/// A fault: the leg that a queue or menu picked up counts as answered.
#[cfg(feature = "planted")]
fn planted_answer(known: &Known<'_>) -> Option<Timestamp> {
    if !crate::planted::is("queue_counts_as_answer") {
        return None;
    }
    let mut moments = known.line.iter();
    moments
        .find(|moment| moment.event.fact == crate::model::event::Fact::Up)
        .map(|moment| moment.at)
}

/// Whether this talk makes the call an answered one.
pub(super) fn answers(talk: &Talk<'_>, direction: Option<Direction>) -> bool {
    match talk.with {
        With::Client => true,
        With::Colleague(_) => direction == Some(Direction::Internal),
        With::InDoubt => false,
    }
}

fn seen_answer(known: &Known<'_>, swept: &Swept<'_>, parties: &Parties<'_>) -> Answer {
    let talks = &swept.talks.all;
    let first = talks.iter().find(|talk| answers(talk, parties.direction));
    match first {
        Some(talk) if !talk.from_known || company_lost(known, swept, Some(talk.from)) => {
            Answer::Sometime
        }
        Some(talk) => Answer::At(talk.from),
        None if talks.iter().any(|talk| talk.with == With::InDoubt) => Answer::Perhaps,
        None if company_lost(known, swept, None) => Answer::Perhaps,
        None => Answer::NotYet,
    }
}

/// Whether a talk before this moment is lost: somebody was in a bridge and, for all that was told,
/// alone, while somebody else's channel was up as well.
pub(super) fn company_lost<'a>(
    known: &Known<'a>,
    swept: &Swept<'a>,
    before: Option<Timestamp>,
) -> bool {
    let well_before = |at: Timestamp| before.is_none_or(|before| at.plus_millis(1_000) < before);
    let human = |leg: &LegLine<'a>| {
        let party = leg.ends(known).party;
        party.filter(|party| matches!(party, Party::Client(_) | Party::Person(_)))
    };
    swept.legs.iter().any(|leg| {
        let (Some(alone_at), Some(party)) = (leg.alone_at, human(leg)) else {
            return false;
        };
        well_before(alone_at)
            && swept.legs.iter().any(|other| {
                human(other).is_some_and(|other| other != party)
                    && other.up_at.is_some_and(well_before)
                    && other.end.is_none_or(|end| end.at > alone_at)
            })
    })
}
