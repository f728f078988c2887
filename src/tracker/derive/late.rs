//! What a PBX that tells no times told too late: its facts have the moments at which they came, so a ring or an
//! answer can seem to follow the end of its phone, or of the whole call. Once the call is over such a word is put
//! in its place, or left out where no more can be learnt from it.
//!
//! Left alone are calls that go on (a phone that seems to ring again may do so), calls that were told as a whole
//! afterwards, and whatever can be told of a second time: then one lost message must not make one phone's second talk
//! its first.

use super::{
    SAME_MOMENT_MS,
    known::{Known, Moment},
};
use crate::model::{
    event::{Cause, Fact, Party, Summary},
    time::Timestamp,
};

/// Puts late words of event PBXes in their places.
pub(super) fn put_in_place(known: &mut Known<'_>) {
    let is_over =
        |moment: &&Moment<'_>| matches!(moment.event.fact, Fact::Over { .. } | Fact::Summary(_));
    let is_all_in_place = || !is_anything_behind(known);
    if known.channels || !known.line.iter().any(|moment| is_over(&moment)) || is_all_in_place() {
        return;
    }
    let mut is_moved = false;
    for leg in 0..known.ends.len() as u32 {
        let own_is_over = own(known, leg).any(|moment| is_over(&moment));
        is_moved |= own_is_over && behind_its_end(known, leg);
    }
    is_moved |= behind_the_call(known);
    if is_moved {
        known.sort();
    }
}

/// Whether any ring or answer came as late as the first end that was told: of most calls none did.
fn is_anything_behind(known: &Known<'_>) -> bool {
    let ends = known
        .line
        .iter()
        .filter_map(|moment| match &moment.event.fact {
            Fact::Ends { .. } => Some(moment.at),
            Fact::Summary(told) => told.ended,
            _ => None,
        });
    let first = ends.min();
    let tells = |fact: &Fact| *fact == Fact::Rings || is_talk(fact);
    let mut told = known.line.iter().filter(|moment| tells(&moment.event.fact));
    told.any(|moment| first.is_some_and(|first| moment.at >= first))
}

/// What is told under the key of the leg's call: the end of one of two joined calls says nothing of the
/// other's phones.
fn own<'k, 'a>(known: &'k Known<'a>, leg: u32) -> impl Iterator<Item = &'k Moment<'a>> + Clone {
    let first = known.line.iter().find(|moment| moment.leg == leg);
    let call = first.map(|moment| &moment.event.call);
    let is_own = move |moment: &&Moment<'a>| call == Some(&moment.event.call);
    known.line.iter().filter(is_own)
}

/// Words of a leg that came after its last end. A ring says nothing then, and a talk that ended well had begun
/// by then.
fn behind_its_end(known: &mut Known<'_>, leg: u32) -> bool {
    let is_end =
        |moment: &Moment<'_>| moment.leg == leg && matches!(moment.event.fact, Fact::Ends { .. });
    let Some(last) = known.line.iter().rposition(is_end) else {
        return false;
    };
    let (before, behind) = known.line.split_at(last);
    let Some((end, behind)) = behind.split_first() else {
        return false;
    };
    let had = |is_it: fn(&Fact) -> bool| {
        let mut own = before.iter().filter(|moment| moment.leg == leg);
        own.any(|moment| is_it(&moment.event.fact))
    };
    let ended_well = matches!(
        end.event.fact,
        Fact::Ends {
            cause: Cause::Normal,
            ..
        }
    );
    let talk_is_late = ended_well && !had(is_talk);
    let ring_is_late = !had(|fact| *fact == Fact::Rings);
    let is_late = |fact: &Fact| match fact {
        Fact::Rings => ring_is_late,
        Fact::Talks { .. } | Fact::TakesOver => talk_is_late,
        Fact::Leg { .. } => true,
        _ => false,
    };
    let own = || {
        let own = behind.iter().filter(|moment| moment.leg == leg);
        own.map(|moment| &moment.event.fact)
    };
    let tells = |fact: &Fact| *fact == Fact::Rings || is_talk(fact);
    if !own().any(tells) || !own().all(is_late) {
        return false;
    }
    let ended_at = end.at;
    let mut place = 0;
    known.line.retain(|moment| {
        place += 1;
        place <= last + 1 || moment.leg != leg || moment.event.fact != Fact::Rings
    });
    for moment in known.line.iter_mut().skip(last + 1) {
        if moment.leg == leg {
            moment.put_at(ended_at, false);
        }
    }
    true
}

/// Answers that came after the end which the summary tells: of the part of the call that names the employee, or
/// of the whole. Where nobody is known to have talked when the summary says that somebody did, it was this one;
/// else the talk began by that end.
fn behind_the_call(known: &mut Known<'_>) -> bool {
    let legs = 0..known.ends.len() as u32;
    let late: Vec<(u32, Record)> = legs
        .filter_map(|leg| {
            let record = record(known, leg)?;
            if !is_heard_before(known, leg, record.ended_at) {
                return None;
            }
            let is_late = |moment: &Moment<'_>| moment.leg == leg && moment.at > record.ended_at;
            let mut talks = known
                .line
                .iter()
                .filter(|moment| is_talk(&moment.event.fact));
            talks.any(is_late).then_some((leg, record))
        })
        .collect();
    let mut is_moved = false;
    for (leg, record) in &late {
        // Of several that one record stands for nobody can say who was the first.
        let same = late
            .iter()
            .filter(|(_, other)| other.ended_at == record.ended_at);
        if same.count() > 1 {
            continue;
        }
        let told = record.answered_at.filter(|at| !is_talk_told_at(known, *at));
        let (at, is_exact) = told.map_or((record.ended_at, false), |at| (at, true));
        for moment in &mut known.line {
            let fact = &moment.event.fact;
            let is_talk = is_talk(fact) || *fact == Fact::TakesOver;
            if moment.leg == *leg && moment.at > record.ended_at && is_talk {
                moment.put_at(at, is_exact);
            }
        }
        is_moved = true;
    }
    is_moved
}

/// What the summaries say of a leg's talk.
struct Record {
    answered_at: Option<Timestamp>,
    ended_at: Timestamp,
}

/// Of those that name the leg's employee, or of all if none does.
fn record(known: &Known<'_>, leg: u32) -> Option<Record> {
    let ends = known.ends.get(leg as usize)?;
    let person = match (ends.party, ends.with) {
        (Some(Party::Person(person)), _) | (_, Some(Party::Person(person))) => Some(person),
        _ => None,
    };
    let told = own(known, leg);
    let summaries = || told.clone().filter_map(summary);
    let names = |told: &&Summary| told.extension.is_some() && told.extension.as_ref() == person;
    let is_named = summaries().any(|told| names(&told));
    let fitting = || summaries().filter(move |told| !is_named || names(told));
    let ended_at = fitting().filter_map(|told| told.ended).max()?;
    let is_told = |told: &&Summary| {
        told.answered_known && told.started.is_none_or(|at| told.answered > Some(at))
    };
    let answered_at = fitting()
        .filter(is_told)
        .filter_map(|told| told.answered)
        .min();
    Some(Record {
        answered_at: answered_at.filter(|at| *at <= ended_at),
        ended_at,
    })
}

/// Whether a phone was heard to ring or answer before the call ended. Of a call that was told as a whole
/// afterwards every word is late alike, and the order in which they came is right.
fn is_heard_before(known: &Known<'_>, leg: u32, ended_at: Timestamp) -> bool {
    let is_live = |fact: &Fact| *fact == Fact::Rings || is_talk(fact);
    let mut words = own(known, leg).filter(|moment| is_live(&moment.event.fact));
    words.any(|moment| moment.at < ended_at)
}

/// Whether somebody is known to have begun to talk by then.
fn is_talk_told_at(known: &Known<'_>, at: Timestamp) -> bool {
    let until = at.plus_millis(SAME_MOMENT_MS);
    let mut talks = known
        .line
        .iter()
        .filter(|moment| is_talk(&moment.event.fact));
    talks.any(|moment| moment.at <= until)
}

fn summary<'a>(moment: &Moment<'a>) -> Option<&'a Summary> {
    match &moment.event.fact {
        Fact::Summary(told) => Some(told),
        _ => None,
    }
}

fn is_talk(fact: &Fact) -> bool {
    matches!(fact, Fact::Talks { .. })
}
