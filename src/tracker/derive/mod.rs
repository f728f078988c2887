//! From the set of facts to the call: a pure function in stages.
//!
//! | Stage | File | Finds |
//! |---|---|---|
//! | gather | `known`, `records`, `late` | facts in time order, who is at the ends of each leg; legs told twice, words told late |
//! | sweep | `sweep`, `talks`, `bridges` | legs with rings, answers and ends; who talks with whom |
//! | parties | `parties` | direction, client, our number |
//! | mend | `implied` | what must be so although nobody told it |
//! | times | `times`, `told`, `ending`, `holds` | start, answer, end, wait, ring, talk, hold |
//! | verdict | `result`, `transfers` | result, who hung up, passings-on |
//! | legs | `legs` | each leg as people see it, who rings and who talks now |
//! | around | `around` | recordings, keys pressed, attribution |

mod around;
mod bridges;
mod ending;
mod holds;
mod implied;
mod known;
mod late;
mod legs;
mod parties;
mod records;
mod result;
mod sweep;
mod talks;
mod times;
mod told;
mod transfers;

use known::Known;
use parties::Parties;
use result::Case;
use sweep::{LegLine, Swept};
use times::{Answer, End, Times};

use super::Facts;
use crate::model::{
    call::{Call, CallResult, Ended, Phase},
    event::{Direction, Party, ROUTE_BLOCKED},
    ids::Extension,
    time::Timestamp,
};

/// Two clocks that differ by less tell of one moment.
const SAME_MOMENT_MS: i64 = 3_000;

/// The call that these facts make. The same set gives the same call, whatever the order and repetition
/// in which its facts were told.
pub fn derive(facts: &Facts) -> Call {
    let known = Known::gather(facts);
    let mut swept = sweep::sweep(&known);
    implied::talks(&known, &mut swept);
    let parties = parties::parties(&known, &swept);
    let times = times::times(&known, &swept, &parties);
    let hangup_by = result::hangup_by(&known, &swept, &parties, &times);
    implied::ends(&mut swept, &times);
    let rang_at = rang_at(&known, &swept, &parties, &times);
    let case = Case {
        known: &known,
        swept: &swept,
        parties: &parties,
        times: &times,
        rang_at,
        hangup_by,
    };
    let result = result::result(&case);
    let mut call = Call {
        direction: parties.direction,
        result,
        ended: ended(&times),
        hangup_by,
        client: parties.client.cloned(),
        client_name: parties.client_name.map(str::to_owned),
        did: parties.did.cloned(),
        started_at: times.started_at,
        rang_at,
        answered_at: times.answered_at(),
        ended_at: times.ended_at(),
        heard_at: known.heard_at,
        silent: times.silent,
        ..Call::default()
    };
    if times.is_answered() {
        call.answered_by = answered_by(&known, &swept, &parties, &times).cloned();
        call.transfers = transfers::transfers(&known, &swept);
    }
    spans(&mut call, &swept, &times);
    legs::legs(&known, &swept, &times, &mut call);
    call.phase = phase(&call, &parties, &known, &swept, &times);
    around::around(&known, &mut call);
    if was_turned_away(&call) {
        call.result = Some(CallResult::Blocked);
    }
    call
}

/// Whether our last answer was not to put the caller through, and nobody talked: however the PBX says
/// that the call ended.
fn was_turned_away(call: &Call) -> bool {
    call.direction == Some(Direction::In)
        && call.route_reason.as_deref() == Some(ROUTE_BLOCKED)
        && call
            .result
            .is_some_and(|result| result != CallResult::Answered)
}

/// First ringing of a person (outgoing: of the client), if it fits the other times and no earlier ring
/// can have been lost.
fn rang_at(
    known: &Known<'_>,
    swept: &Swept<'_>,
    parties: &Parties<'_>,
    times: &Times<'_>,
) -> Option<Timestamp> {
    let outgoing = parties.direction == Some(Direction::Out);
    let counts = |leg: &&LegLine<'_>| {
        let ends = leg.ends(known);
        if outgoing {
            ends.has_client() && !ends.initiator
        } else {
            leg.is_phone_of_ours(known, parties.direction)
        }
    };
    let legs = || swept.legs.iter().filter(counts);
    let rang_at = legs()
        .filter_map(|leg| leg.rang_at)
        .min()?
        .max(times.started_at);
    let lost = legs().any(|leg| leg.rang_untold_before(rang_at));
    let last = times.answered_at().or(times.ended_at());
    (!lost && last.is_none_or(|last| rang_at <= last)).then_some(rang_at)
}

fn ended(times: &Times<'_>) -> Option<Ended> {
    match times.end {
        End::NotYet => None,
        End::At(_) => Some(Ended::HungUp),
        End::Unknown => Some(Ended::Unknown),
    }
}

/// The first person who talked with the client; internally, the one who was called.
///
/// Who began to talk at the answer is known from the talks. Failing that, the summary's word counts only
/// if nobody else was in the call: some providers name the last talker there.
fn answered_by<'a>(
    known: &Known<'a>,
    swept: &Swept<'a>,
    parties: &Parties<'a>,
    times: &Times<'a>,
) -> Option<&'a Extension> {
    let caller = match parties.direction {
        Some(Direction::Internal) => internal_caller(known, swept),
        _ => None,
    };
    let first = swept
        .talks
        .all
        .iter()
        .filter(|talk| times::answers(talk, parties.direction))
        .filter(|talk| caller.is_none() || talk.person != caller)
        .find(|talk| match times.answer {
            Answer::At(at) => {
                let late = talk.from_known && talk.from > at.plus_millis(SAME_MOMENT_MS);
                !late
            }
            _ => true,
        });
    if let Some(talk) = first {
        let lost = times::company_lost(known, swept, Some(talk.from));
        return talk.person.filter(|_| !lost);
    }
    let named = times.named?;
    let alone = swept
        .legs
        .iter()
        .filter_map(|leg| leg.person(known))
        .all(|other| other == named)
        && swept
            .talks
            .all
            .iter()
            .filter_map(|talk| talk.person)
            .all(|other| other == named);
    alone.then_some(named)
}

fn internal_caller<'a>(known: &Known<'a>, swept: &Swept<'a>) -> Option<&'a Extension> {
    let first = swept
        .legs
        .iter()
        .map(|leg| leg.ends(known))
        .find(|ends| !ends.is_glue())?;
    match first.with.or(first.party) {
        Some(Party::Person(extension)) => Some(extension),
        _ => None,
    }
}

/// Wait, ring, talk and hold, as far as they can be known.
fn spans(call: &mut Call, swept: &Swept<'_>, times: &Times<'_>) {
    let unanswered = !times.is_answered();
    let until = call.answered_at.or(call.ended_at.filter(|_| unanswered));
    let waited = until.filter(|_| times.started_known);
    call.wait_ms = waited.map(|until| until.millis_since(call.started_at));
    #[cfg(feature = "planted")]
    if crate::planted::is("wait_from_ring") {
        let rang_at = call.rang_at.unwrap_or(call.started_at);
        call.wait_ms = waited.map(|until| until.millis_since(rang_at));
    }
    call.ring_ms = until.and_then(|until| Some(until.millis_since(call.rang_at?)));
    let Some(ended_at) = call.ended_at else {
        return;
    };
    match call.answered_at {
        Some(answered_at) => {
            let hold_ms = holds::hold_ms(&swept.talks, answered_at, ended_at);
            call.hold_ms = Some(hold_ms);
            call.talk_ms = Some((ended_at.millis_since(answered_at) - hold_ms).max(0));
        }
        None if call
            .result
            .is_some_and(|result| result != CallResult::Answered) =>
        {
            call.hold_ms = Some(0);
            call.talk_ms = Some(0);
        }
        None => {}
    }
}

fn phase(
    call: &Call,
    parties: &Parties<'_>,
    known: &Known<'_>,
    swept: &Swept<'_>,
    times: &Times<'_>,
) -> Phase {
    if times.is_over() {
        return Phase::Ended;
    }
    let talks =
        |talk: &talks::Talk<'_>| talk.to.is_none() && times::answers(talk, parties.direction);
    if times.is_answered() && swept.talks.all.iter().any(talks) {
        return Phase::Talking;
    }
    let client_rings = swept.legs.iter().any(|leg| {
        let ends = leg.ends(known);
        matches!(ends.party, Some(Party::Client(_))) && leg.rings()
    });
    if client_rings || !call.ringing.is_empty() {
        Phase::Ringing
    } else {
        Phase::Waiting
    }
}

#[cfg(test)]
mod tests;
