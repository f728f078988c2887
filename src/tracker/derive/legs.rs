//! Each leg as people see it, and who rings and who talks right now.

use super::{
    known::Known,
    sweep::{LegEnd, LegLine, Swept},
    talks::{Talk, With},
    times::{End, Times, answers},
};
use crate::model::{
    call::{Call, CallResult, Leg, LegResult},
    event::{Cause, Direction, Party},
    ids::Extension,
    time::Timestamp,
};

/// A phone stops ringing within this time after another one was answered.
const STOPS_RINGING_MS: i64 = 3_000;
/// Clocks of whole seconds may tell the end of its ringing that much too early.
const WHOLE_SECOND_MS: i64 = 1_000;

impl LegLine<'_> {
    /// Whether the phone rings and neither was answered nor has ended.
    pub fn rings(&self) -> bool {
        self.rang_at.is_some()
            && self.up_at.is_none()
            && self.talked_at.is_none()
            && self.end.is_none()
    }

    /// Whether the phone must have rung before this moment although its ring was not told: it rang out.
    pub fn rang_untold_before(&self, moment: Timestamp) -> bool {
        self.rang_at.is_none()
            && self
                .end
                .is_some_and(|end| end.cause == Cause::NoAnswer && end.at <= moment)
    }
}

/// Fills in the legs, and who rings and who talks now.
pub(super) fn legs(known: &Known<'_>, swept: &Swept<'_>, times: &Times<'_>, call: &mut Call) {
    let mut lines: Vec<(u32, &LegLine<'_>)> = (0..).zip(&swept.legs).collect();
    let nobody_talked = call
        .result
        .is_some_and(|result| result != CallResult::Answered);
    lines.sort_by_key(|(_, line)| (line.first_at, known.ends[line.ends as usize].key));
    for (place, line) in lines {
        let ends = line.ends(known);
        if ends.is_glue() || is_only_doubt(known, swept, place, line) {
            continue;
        }
        let is_behind = is_behind_a_talk(known, swept, line);
        let answer_elsewhere =
            answered_elsewhere(place, line, &swept.talks.all).filter(|_| !is_behind);
        let end = line
            .end
            .or_else(|| untold_end(line, answer_elsewhere, times));
        if let Some(Party::Person(extension)) = ends.party
            && end.is_none()
            && line.rings()
        {
            add(&mut call.ringing, extension);
        }
        // Picking up comes before any talk.
        let picked_up_at = line.up_at.filter(|_| picks_up_alone(known, line));
        let untold_answer = || untold_answer(known, swept, line, times, call);
        let talked_at = talk_told(swept, place, line);
        let answered_at = picked_up_at.or(talked_at).or_else(untold_answer);
        let answered = answered_at.is_some() || line.talked_at.is_some() || is_behind;
        call.legs.push(Leg {
            key: ends.key.clone(),
            party: ends.party.cloned(),
            caller: ends.caller().cloned(),
            rang_at: line.rang_at,
            answered_at,
            ended_at: end.filter(|end| !end.is_bound).map(|end| end.at),
            result: end.map(|end| match result(answered, end, answer_elsewhere) {
                // Nothing was wrong with it and nobody talked at all: the caller has given up.
                LegResult::Failed(Cause::Normal) if nobody_talked => {
                    LegResult::Failed(Cause::Cancelled)
                }
                result => result,
            }),
            initiator: ends.initiator,
        });
    }
    if !times.is_over() && times.is_answered() {
        call.talking = talking(swept, call.direction);
    }
}

/// Whether all that is known of this leg is that somebody, nobody knows who, may have talked over it: it is
/// no phone's.
fn is_only_doubt(known: &Known<'_>, swept: &Swept<'_>, place: u32, line: &LegLine<'_>) -> bool {
    if line.ends(known).party.is_some() || line.rang_at.is_some() || line.talked_at.is_none() {
        return false;
    }
    let in_doubt = |talk: &Talk<'_>| talk.with == With::InDoubt && talk.person.is_none();
    let mut own = swept.talks.all.iter().filter(|talk| talk.leg == place);
    own.next().is_some_and(in_doubt) && own.all(in_doubt)
}

/// Who has a running talk with the client (internally: with each other).
fn talking(swept: &Swept<'_>, direction: Option<Direction>) -> Vec<Extension> {
    let mut talking = Vec::new();
    for talk in &swept.talks.all {
        if let Some(person) = talk.person
            && talk.to.is_none()
            && answers(talk, direction)
        {
            add(&mut talking, person);
        }
    }
    talking
}

/// The end of a leg whose own was not told: another phone was answered, or the call is over.
fn untold_end(
    line: &LegLine<'_>,
    answer_elsewhere: Option<Timestamp>,
    times: &Times<'_>,
) -> Option<LegEnd> {
    let (at, is_bound, cause) = match (answer_elsewhere, times.end) {
        (Some(at), _) if line.rings() => (at, false, Cause::AnsweredElsewhere),
        (_, End::At(at)) => (at, false, Cause::Unknown),
        (_, End::Unknown) => (line.last_at, true, Cause::Unknown),
        (_, End::NotYet) => return None,
    };
    Some(LegEnd {
        at,
        is_bound,
        cause,
        by: None,
    })
}

/// The answer of a leg that only the record of the call tells: it is that of who answered, it ended
/// well, and of no leg of this person a talk was told.
fn untold_answer(
    known: &Known<'_>,
    swept: &Swept<'_>,
    line: &LegLine<'_>,
    times: &Times<'_>,
    call: &Call,
) -> Option<Timestamp> {
    let person = line.person(known).filter(|_| !known.channels)?;
    let end = line.end.filter(|end| end.cause == Cause::Normal)?;
    let mut own = (0..)
        .zip(&swept.legs)
        .filter(|(_, leg)| leg.person(known) == Some(person));
    let is_untold = own.all(|(place, leg)| talk_told(swept, place, leg).is_none());
    let fits = is_untold && call.answered_by.as_ref() == Some(person);
    times.answered_at().filter(|at| fits && *at <= end.at)
}

/// When the leg's first talk began, unless it is only known that it did.
fn talk_told(swept: &Swept<'_>, place: u32, line: &LegLine<'_>) -> Option<Timestamp> {
    let is_bound = |at: Timestamp| {
        let mut talks = swept.talks.all.iter();
        talks.any(|talk| talk.leg == place && talk.from == at && !talk.from_known)
    };
    line.talked_at.filter(|at| !is_bound(*at))
}

/// Legs for which picking up is all there is: a machine's, and the employee's own of a click-to-call.
fn picks_up_alone(known: &Known<'_>, line: &LegLine<'_>) -> bool {
    let ends = line.ends(known);
    ends.initiator || !matches!(ends.party, None | Some(Party::Person(_) | Party::Client(_)))
}

/// Whether whoever orders the call from this phone talks over another leg: then it was picked up, also where
/// no message tells that of it.
fn is_behind_a_talk(known: &Known<'_>, swept: &Swept<'_>, line: &LegLine<'_>) -> bool {
    let person = line
        .person(known)
        .filter(|_| line.ends(known).initiator && line.rang_at.is_some());
    let mut talks = swept.talks.all.iter();
    person.is_some() && talks.any(|talk| talk.is_conversation() && talk.person == person)
}

/// When somebody else took the call for which this phone rang.
fn answered_elsewhere(place: u32, line: &LegLine<'_>, talks: &[Talk<'_>]) -> Option<Timestamp> {
    let rang_at = line.rang_at?;
    talks
        .iter()
        .find(|talk| talk.is_conversation() && talk.from >= rang_at)
        .filter(|talk| talk.leg != place)
        .map(|talk| talk.from)
}

fn result(answered: bool, end: LegEnd, answer_elsewhere: Option<Timestamp>) -> LegResult {
    if answered {
        return LegResult::Answered;
    }
    let stopped = answer_elsewhere.is_some_and(|answer| {
        end.at.millis_since(answer) <= STOPS_RINGING_MS
            && answer.millis_since(end.at) <= WHOLE_SECOND_MS
    });
    match end.cause {
        Cause::AnsweredElsewhere => LegResult::AnsweredElsewhere,
        Cause::Cancelled | Cause::Normal | Cause::Unknown if stopped => {
            LegResult::AnsweredElsewhere
        }
        cause => LegResult::Failed(cause),
    }
}

fn add(extensions: &mut Vec<Extension>, extension: &Extension) {
    if !extensions.contains(extension) {
        extensions.push(extension.clone());
    }
}
