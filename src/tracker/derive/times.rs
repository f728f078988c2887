//! Start, answer and end of the call.
//!
//! Rules, in this order:
//! * impossible times say nothing: an answer at or before the start or after the end, an end before
//!   the start;
//! * the provider's summary beats what legs and bridges show;
//! * a summary that says "answered" beats one that says "not answered" (two calls joined into one).
//!
//! **Over** is a call when its PBX said so ([`Fact::Over`] or a summary). Each such word closes the
//! legs told under its key, for a joined call is over only when all of it is. With channels it is also
//! over when every channel has ended; with event PBXes when the client hung up.

use super::{
    known::{Known, is_of_the_call},
    parties::Parties,
    sweep::{LegLine, Swept},
    talks::{Talk, With},
};
use crate::model::{
    event::{Cause, Direction, Fact, Party, Side, Summary},
    ids::{CallKey, Extension},
    time::Timestamp,
};

/// Facts this close together belong to one moment; clocks of whole seconds and of several machines
/// differ by that much.
const SAME_MOMENT_MS: i64 = 3_000;

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
    /// It was not heard of for hours.
    Unheard,
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
    /// The employee whom the summary names.
    pub named: Option<&'a Extension>,
}

impl Times<'_> {
    /// The end, where known.
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self.end {
            End::At(at) => Some(at),
            End::NotYet | End::Unheard => None,
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
    let (end, closing_side) = end(known, swept, &told, started_at);
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
    let summaries = || told.summaries.iter().map(|(_, _, summary)| *summary);
    Times {
        started_at,
        started_known,
        answer,
        end,
        cause: summaries().find_map(|summary| summary.cause),
        hangup_by: summaries()
            .find_map(|summary| summary.hangup_by)
            .or(closing_side),
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
        .find(|moment| moment.event.fact == Fact::Up)
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

/// What was told of the whole call.
struct Told<'a> {
    summaries: Vec<(&'a CallKey, Timestamp, &'a Summary)>,
    overs: Vec<(&'a CallKey, Timestamp, Option<Side>)>,
    unheard_at: Option<Timestamp>,
    last_at: Timestamp,
}

impl<'a> Told<'a> {
    fn gather(known: &Known<'a>) -> Self {
        let mut told = Self {
            summaries: Vec::new(),
            overs: Vec::new(),
            unheard_at: None,
            last_at: Timestamp::from_micros(i64::MIN),
        };
        for moment in &known.line {
            let (key, at) = (&moment.event.call, moment.at);
            match &moment.event.fact {
                Fact::Summary(summary) => told.summaries.push((key, at, summary)),
                Fact::Over { by } => told.overs.push((key, at, *by)),
                Fact::Unheard => told.unheard_at = Some(at),
                _ => {}
            }
            if is_of_the_call(&moment.event.fact) {
                told.last_at = at;
            }
        }
        told
    }

    /// The earliest start: of each key what its summary says, else its earliest fact; and whether that
    /// is the start or only a bound for it.
    fn start(&self, known: &Known<'_>) -> (Timestamp, bool) {
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
            .map(|moment| (moment.at, !moment.event.clock.is_exact()));
        let (at, is_bound) = summed
            .map(|start| (start, false))
            .chain(first)
            .min()
            .or_else(|| known.line.first().map(|moment| (moment.at, true)))
            .unwrap_or_default();
        (at, !is_bound)
    }

    /// What the summaries say of the answer.
    fn answer(&self, started_at: Timestamp) -> Answer {
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

fn start_of(summary: &Summary) -> Option<Timestamp> {
    let possible = |start: &Timestamp| summary.ended.is_none_or(|end| *start <= end);
    summary.started.filter(possible)
}

fn said_of_answer(summary: &Summary, started_at: Timestamp) -> Answer {
    match (summary.answered_known, summary.answered) {
        (false, _) => Answer::NotYet,
        (true, None) => Answer::Never,
        (true, Some(at)) if at > started_at && summary.ended.is_none_or(|end| at <= end) => {
            Answer::At(at)
        }
        (true, Some(_)) if matches!(summary.cause, None | Some(Cause::Normal)) => Answer::Sometime,
        (true, Some(_)) => Answer::NotYet,
    }
}

fn end(
    known: &Known<'_>,
    swept: &Swept<'_>,
    told: &Told<'_>,
    started_at: Timestamp,
) -> (End, Option<Side>) {
    let closings: Vec<Closing<'_>> = told.closings(started_at);
    let close = |leg: &LegLine<'_>| closing_of(leg, &closings, known.channels);
    if swept
        .legs
        .iter()
        .all(|leg| leg.end.is_some() || close(leg).is_some())
    {
        let by_word = closings.iter().map(|closing| (closing.at, closing.by));
        let last_word = by_word.clone().max_by_key(|(at, _)| *at);
        let last_leg = swept
            .legs
            .iter()
            .filter_map(|leg| leg.end.map(|end| (end.at, end.by)))
            .max_by_key(|(at, _)| *at);
        let side = by_word.filter_map(|(_, by)| by).next_back();
        match (last_word, last_leg) {
            (Some((at, _)), None) => return (End::At(at), side),
            (Some((at, _)), Some(_)) if !known.channels => return (End::At(at), side),
            (word, Some((at, _))) if known.channels => {
                // A word in the middle of a joined call is not its end.
                let at = word.map_or(at, |(word, _)| word.max(at));
                return (End::At(at), side);
            }
            _ => {}
        }
    }
    if let Some(at) = client_gone(known, swept, told) {
        return (End::At(at), Some(Side::Client));
    }
    match told.unheard_at {
        Some(at) if at >= told.last_at => (End::Unheard, None),
        _ => (End::NotYet, None),
    }
}

/// The PBX says that what it knows under this key is over.
struct Closing<'a> {
    key: &'a CallKey,
    at: Timestamp,
    by: Option<Side>,
}

impl<'a> Told<'a> {
    fn closings(&self, started_at: Timestamp) -> Vec<Closing<'a>> {
        let mut closings: Vec<Closing<'a>> = Vec::with_capacity(self.summaries.len());
        for &(key, at, summary) in &self.summaries {
            let at = summary.ended.filter(|end| *end >= started_at).unwrap_or(at);
            closings.push(Closing {
                key,
                at,
                by: summary.hangup_by,
            });
        }
        for &(key, at, by) in &self.overs {
            if !closings.iter().any(|closing| closing.key == key) {
                closings.push(Closing { key, at, by });
            }
        }
        closings
    }
}

/// The word that closes a leg. With channels a leg that was heard of later goes on: its key has
/// changed, or the word came too early.
fn closing_of<'c, 'a>(
    leg: &LegLine<'_>,
    closings: &'c [Closing<'a>],
    channels: bool,
) -> Option<&'c Closing<'a>> {
    closings.iter().find(|closing| {
        closing.key == leg.call
            && (!channels || leg.last_at <= closing.at.plus_millis(SAME_MOMENT_MS))
    })
}

/// Event PBXes: the client hung up a leg of their own and nothing of the call was heard afterwards.
fn client_gone(known: &Known<'_>, swept: &Swept<'_>, told: &Told<'_>) -> Option<Timestamp> {
    if known.channels {
        return None;
    }
    swept
        .legs
        .iter()
        .filter(|leg| leg.ends(known).has_client())
        .filter_map(|leg| leg.end)
        .filter(|end| end.by == Some(Side::Client))
        .map(|end| end.at)
        .max()
        .filter(|at| told.last_at <= at.plus_millis(SAME_MOMENT_MS))
}
