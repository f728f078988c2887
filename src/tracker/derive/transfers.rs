//! Passings-on: who handed the client to whom, how and when.
//!
//! A transfer shows in the talks (the client talks with one employee, then with another while the
//! first is gone), and some providers also tell it in words. Both are brought together: words say
//! the kind and who was meant, talks say who got the client and when. A transfer that nobody picked
//! up stands with the moment at which it was told.
//!
//! *Attended* is what its words say: passed on after a consultation. So a transfer told as attended
//! whose target picked up only after the employee had left (a "blonde" one) is a blind one.

use super::{
    known::Known,
    sweep::Swept,
    talks::{Talk, With},
};
use crate::model::{
    call::Transfer,
    event::{Fact, Party, TransferKind},
    ids::Extension,
    time::Timestamp,
};

/// Both leave within this time when the call ends: that is no transfer. And a transfer is told within
/// this time of what it does.
const LEAVE_TOGETHER_MS: i64 = 1_000;

/// A transfer as told in words.
struct Word<'a> {
    kind: Option<TransferKind>,
    from: Option<&'a Extension>,
    to: Option<&'a Extension>,
    at: Timestamp,
    used: bool,
}

impl Word<'_> {
    fn precedes(&self, moment: Timestamp) -> bool {
        self.at <= moment.plus_millis(LEAVE_TOGETHER_MS)
    }
}

/// Finds the transfers, in time order.
pub(super) fn transfers(known: &Known<'_>, swept: &Swept<'_>) -> Vec<Transfer> {
    let mut words = words(known, swept);
    let talks: Vec<&Talk<'_>> = swept
        .talks
        .all
        .iter()
        .filter(|talk| talk.is_conversation())
        .collect();
    if words.is_empty() && talks.len() < 2 {
        return Vec::new();
    }
    let mut transfers = Vec::new();
    for (place, talk) in talks.iter().enumerate() {
        let Some(to) = talk.person.filter(|_| !joins(known, swept, talk)) else {
            continue;
        };
        if let Some(from) = passed_on_by(to, &talks[..place], talk, &words) {
            let word = words
                .iter_mut()
                .filter(|word| {
                    !word.used
                        && word.from.is_none_or(|told| told == from)
                        && word.precedes(talk.from)
                })
                .max_by_key(|word| (word.to == Some(to), word.at));
            let told = word.and_then(|word| {
                word.used = true;
                word.kind
            });
            transfers.push(Transfer {
                kind: kind(told, from, to, talk, &talks[..place], swept),
                from: Some(from.clone()),
                to: Some(to.clone()),
                at: talk.from,
            });
        }
    }
    for word in words.iter().filter(|word| !word.used) {
        if let Some(transfer) = unanswered(word, &transfers) {
            transfers.push(transfer);
        }
    }
    transfers.sort_by(|one, other| (one.at, one).cmp(&(other.at, other)));
    transfers
}

/// Whether who talks has come to a conference: nobody has passed the client on to them.
fn joins(known: &Known<'_>, swept: &Swept<'_>, talk: &Talk<'_>) -> bool {
    let ends = swept.legs[talk.leg as usize].ends;
    let is_room = |fact: &Fact| {
        let what = match fact {
            Fact::Runs { what } => what,
            _ => return false,
        };
        matches!(what, Party::Conference(_))
    };
    let mut line = known.line.iter();
    line.any(|moment| moment.leg == ends && moment.at <= talk.from && is_room(&moment.event.fact))
}

/// What is told in words, but for what put the client aside: that passes them on to nobody.
fn words<'a>(known: &Known<'a>, swept: &Swept<'a>) -> Vec<Word<'a>> {
    let mut words: Vec<Word<'a>> = Vec::new();
    let parks = |at: Timestamp| {
        let mut parked = known.line.iter();
        parked.any(|moment| {
            moment.event.fact == Fact::Parked
                && moment.at.millis_since(at).abs() <= LEAVE_TOGETHER_MS
        })
    };
    for moment in &known.line {
        if let Fact::Transfers { kind, to } = &moment.event.fact
            && !parks(moment.at)
        {
            let ends = known.ends.get(moment.leg as usize);
            let from = ends.and_then(|ends| match ends.party {
                Some(Party::Person(extension)) => Some(extension),
                _ => None,
            });
            words.push(Word {
                kind: Some(*kind),
                from,
                to: to.as_ref(),
                at: moment.at,
                used: false,
            });
        }
    }
    for leg in &swept.legs {
        if let Some((from, at)) = leg.transferred_from {
            words.push(Word {
                kind: None,
                from: Some(from),
                to: leg.person(known),
                at,
                used: false,
            });
        }
    }
    words
}

/// Who had the client before `talk` and has passed them on.
fn passed_on_by<'a>(
    to: &Extension,
    before: &[&Talk<'a>],
    talk: &Talk<'a>,
    words: &[Word<'a>],
) -> Option<&'a Extension> {
    let word = words.iter().find(|word| {
        !word.used && word.to == Some(to) && word.from != Some(to) && word.precedes(talk.from)
    });
    if let Some(from) = word.and_then(|word| word.from) {
        return Some(from);
    }
    let last = before.iter().rev().find(|talk| talk.person.is_some())?;
    let from = last.person.filter(|from| *from != to)?;
    if word.is_some() {
        return Some(from); // nobody said by whom: it was who had the client
    }
    let left_at = before
        .iter()
        .filter(|talk| talk.person == Some(from))
        .map(|talk| talk.to)
        .max()??;
    let stays = talk
        .to
        .is_none_or(|end| end > left_at.plus_millis(LEAVE_TOGETHER_MS));
    stays.then_some(from)
}

fn kind(
    told: Option<TransferKind>,
    from: &Extension,
    to: &Extension,
    talk: &Talk<'_>,
    before: &[&Talk<'_>],
    swept: &Swept<'_>,
) -> TransferKind {
    let consulted = swept.talks.all.iter().any(|talk_before| {
        talk_before.from <= talk.from
            && match talk_before.with {
                With::Colleague(other) => {
                    let pair = (talk_before.person, Some(other));
                    pair == (Some(from), Some(to)) || pair == (Some(to), Some(from))
                }
                _ => false,
            }
    });
    if consulted {
        return TransferKind::Attended;
    }
    let left_at = before
        .iter()
        .filter(|talk| talk.person == Some(from))
        .filter_map(|talk| talk.to)
        .max();
    match (told, left_at) {
        (Some(TransferKind::Blind), _) | (None, None) => TransferKind::Blind,
        (Some(TransferKind::Attended), None) => TransferKind::Attended,
        (Some(TransferKind::Attended), Some(left))
            if talk.from <= left.plus_millis(LEAVE_TOGETHER_MS) =>
        {
            TransferKind::Attended
        }
        (None, Some(left)) if talk.from < left => TransferKind::Attended,
        (_, Some(_)) => TransferKind::Blind,
    }
}

/// A transfer that was told and led to no talk.
fn unanswered(word: &Word<'_>, done: &[Transfer]) -> Option<Transfer> {
    let told_twice = done.iter().any(|transfer| {
        transfer.from.as_ref() == word.from
            && (transfer.to.as_ref() == word.to || word.to.is_none())
            && word.precedes(transfer.at)
    });
    (!told_twice).then(|| Transfer {
        kind: word.kind.unwrap_or(TransferKind::Blind),
        from: word.from.cloned(),
        to: word.to.cloned(),
        at: word.at,
    })
}
