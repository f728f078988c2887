//! Whether the call is over, and since when.
//!
//! **Over** is a call when its PBX said so ([`Fact::Over`](crate::model::event::Fact::Over) or a
//! summary). Each such word closes the legs told under its key, for a joined call is over only when all
//! of it is. With channels it is also over when every channel has ended; with event PBXes when the
//! client hung up. A call that we asked for, that the PBX could not make, and of which no leg was ever
//! heard, is over with that word. If no more than a bound is known for the end (the PBX was asked later and knew the
//! call no longer), it is over and nobody knows since when.

use super::{
    known::Known,
    sweep::{LegLine, Swept},
    times::End,
    told::{Closing, Told},
};
use crate::model::{
    event::{Party, Side},
    time::Timestamp,
};

/// Facts this close together belong to one moment; clocks of whole seconds and of several machines
/// differ by that much.
const SAME_MOMENT_MS: i64 = 3_000;

/// Finds the end, and who hung up if the last word says so.
pub(super) fn end(
    known: &Known<'_>,
    swept: &Swept<'_>,
    told: &Told<'_>,
    started_at: Timestamp,
) -> (End, Option<Side>) {
    let closings = told.closings(started_at);
    let last_word = closings.iter().max_by_key(|closing| closing.at);
    let by_word = closings.iter().filter_map(|closing| closing.by).next_back();
    if is_closed(known, swept, &closings) {
        let end = if known.channels {
            channels_end(known, swept, last_word)
        } else {
            last_word.map(|word| {
                if word.is_bound {
                    End::Unknown
                } else {
                    End::At(word.at)
                }
            })
        };
        if let Some(end) = end {
            return (end, by_word);
        }
    }
    if let Some(at) = client_gone(known, swept, told) {
        return (End::At(at), Some(Side::Client));
    }
    if let Some(at) = told.refused_at.filter(|_| swept.legs.is_empty()) {
        return (End::At(at), Some(Side::Pbx));
    }
    match told.is_silent() {
        true => (End::Unknown, None),
        false => (End::NotYet, None),
    }
}

/// Whether every leg has ended or is closed. Legs that only tie others together may be left over once
/// the PBX has said that the call is over.
fn is_closed(known: &Known<'_>, swept: &Swept<'_>, closings: &[Closing<'_>]) -> bool {
    let is_done = |leg: &&LegLine<'_>| {
        leg.end.is_some() || closing_of(leg, closings, known.channels).is_some()
    };
    let legs = || swept.legs.iter();
    if legs().all(|leg| is_done(&leg)) {
        return true;
    }
    let mut parties = legs().filter(|leg| !leg.ends(known).is_glue()).peekable();
    let last_party = legs().filter_map(|leg| leg.end).map(|end| end.at).max();
    let said = closings
        .iter()
        .any(|closing| last_party.is_some_and(|last| closing.at >= last));
    said && parties.peek().is_some() && parties.all(|leg| is_done(&leg))
}

/// The end of the last channel. A word in the middle of a joined call is not its end.
fn channels_end(
    known: &Known<'_>,
    swept: &Swept<'_>,
    last_word: Option<&Closing<'_>>,
) -> Option<End> {
    let word = last_word.filter(|word| !word.is_bound).map(|word| word.at);
    let legs = || swept.legs.iter().filter(|leg| !leg.ends(known).is_glue());
    let exact = |leg: &LegLine<'_>| leg.end.filter(|end| !end.is_bound).map(|end| end.at);
    let clients = || legs().filter(|leg| matches!(leg.ends(known).party, Some(Party::Client(_))));
    let client_left = clients().count() > 0 && clients().all(|leg| exact(leg).is_some());
    let all_left = legs().all(|leg| exact(leg).is_some());
    match swept.legs.iter().filter_map(exact).chain(word).max() {
        Some(at) if client_left || all_left || word.is_some() => Some(End::At(at)),
        None if swept.legs.is_empty() && last_word.is_none() => None,
        _ => Some(End::Unknown),
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
