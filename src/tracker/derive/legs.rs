//! Each leg as people see it, and who rings and who talks right now.

use super::{
    known::Known,
    sweep::{LegEnd, LegLine, Swept},
    talks::Talk,
    times::Times,
};
use crate::model::{
    call::{Call, Leg, LegResult},
    event::{Cause, Party},
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
    lines.sort_by_key(|(_, line)| (line.first_at, known.ends[line.ends as usize].key));
    for (place, line) in lines {
        let ends = line.ends(known);
        if ends.is_glue() {
            continue;
        }
        let answer_elsewhere = answered_elsewhere(place, line, &swept.talks.all);
        let end = line
            .end
            .or_else(|| {
                let at = answer_elsewhere.filter(|_| line.rings())?;
                Some(LegEnd {
                    at,
                    cause: Cause::AnsweredElsewhere,
                    by: None,
                })
            })
            .or_else(|| {
                let at = times.ended_at()?;
                Some(LegEnd {
                    at,
                    cause: Cause::Unknown,
                    by: None,
                })
            });
        if end.is_none()
            && !times.is_over()
            && line.rings()
            && let Some(Party::Person(extension)) = ends.party
        {
            add(&mut call.ringing, extension);
        }
        let answered_at = line
            .talked_at
            .or(line.up_at.filter(|_| picks_up_alone(known, line)));
        call.legs.push(Leg {
            key: ends.key.clone(),
            party: ends.party.cloned(),
            rang_at: line.rang_at,
            answered_at,
            ended_at: end.map(|end| end.at),
            result: result(answered_at, end, answer_elsewhere),
            initiator: ends.initiator,
        });
    }
    if !times.is_over() && times.is_answered() {
        for talk in swept.talks.all.iter().filter(|talk| talk.to.is_none()) {
            if let Some(person) = talk.person.filter(|_| times::answers(talk, call.direction)) {
                add(&mut call.talking, person);
            }
        }
    }
}

use super::times;

/// Legs for which picking up is all there is: a machine's, and the employee's own of a click-to-call.
fn picks_up_alone(known: &Known<'_>, line: &LegLine<'_>) -> bool {
    let ends = line.ends(known);
    ends.initiator || !matches!(ends.party, None | Some(Party::Person(_) | Party::Client(_)))
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

fn result(
    answered_at: Option<Timestamp>,
    end: Option<LegEnd>,
    answer_elsewhere: Option<Timestamp>,
) -> Option<LegResult> {
    let end = end?;
    if answered_at.is_some() {
        return Some(LegResult::Answered);
    }
    let stopped = answer_elsewhere.is_some_and(|answer| {
        end.at.millis_since(answer) <= STOPS_RINGING_MS
            && answer.millis_since(end.at) <= WHOLE_SECOND_MS
    });
    Some(match end.cause {
        Cause::AnsweredElsewhere => LegResult::AnsweredElsewhere,
        Cause::Cancelled | Cause::Normal | Cause::Unknown if stopped => {
            LegResult::AnsweredElsewhere
        }
        cause => LegResult::Failed(cause),
    })
}

fn add(extensions: &mut Vec<Extension>, extension: &Extension) {
    if !extensions.contains(extension) {
        extensions.push(extension.clone());
    }
}
