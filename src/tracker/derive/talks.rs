//! Who talks with whom, from when until when, with holds.

use super::{
    known::{LegEnds, NONE},
    sweep::LegLine,
};
use crate::model::{event::Party, ids::Extension, time::Timestamp};

/// Whom somebody talks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum With<'a> {
    /// The client (or, in a client's leg, our side): a conversation.
    Client,
    /// A colleague: a consultation, or an internal call.
    Colleague(&'a Extension),
    /// A colleague, while nobody has told who is at this end: perhaps the client.
    InDoubt,
}

/// One talk of one side of the call.
#[derive(Debug)]
pub(super) struct Talk<'a> {
    /// The leg it was told of.
    pub leg: u32,
    /// The employee; `None` if it was an outside number, or nobody has told who.
    pub person: Option<&'a Extension>,
    pub with: With<'a>,
    pub from: Timestamp,
    /// Whether `from` is the beginning, or only a moment at which they already talked.
    pub from_known: bool,
    pub to: Option<Timestamp>,
    /// The leg that went and so ended the talk.
    pub left_by: Option<u32>,
    pub holds: Vec<(Timestamp, Option<Timestamp>)>,
}

impl Talk<'_> {
    /// Whether our side talks with the client.
    pub fn is_conversation(&self) -> bool {
        self.with == With::Client
    }
}

/// The talks of a call, in the order in which they began.
#[derive(Default)]
pub(super) struct Talks<'a> {
    pub all: Vec<Talk<'a>>,
}

impl<'a> Talks<'a> {
    /// Begins what an event PBX tells: `party`, at this leg's end, talks with `other`.
    pub fn begin(
        &mut self,
        place: u32,
        leg: &mut LegLine<'a>,
        party: Option<&'a Party>,
        other: &'a Party,
        at: Timestamp,
    ) {
        if let Some((person, with)) = sides(party, other) {
            self.open(place, leg, person, with, at);
        }
    }

    /// Begins a talk that was never told but must have begun by `at`.
    pub fn imply(&mut self, place: u32, leg: &mut LegLine<'a>, ends: &LegEnds<'a>, at: Timestamp) {
        if let Some(other) = ends.with
            && let Some((person, with)) = sides(ends.party, other)
        {
            self.open(place, leg, person, with, at);
            self.all[leg.talk as usize].from_known = false;
        }
    }

    /// Begins a talk unless the very same one is running.
    pub fn open(
        &mut self,
        place: u32,
        leg: &mut LegLine<'a>,
        person: Option<&'a Extension>,
        with: With<'a>,
        at: Timestamp,
    ) {
        if let Some(running) = self.all.get(leg.talk as usize) {
            if running.person == person && running.with == with {
                return;
            }
            self.close(leg, at, None);
        }
        leg.talked_at = leg.talked_at.or(Some(at));
        leg.talk = self.all.len() as u32;
        self.all.push(Talk {
            leg: place,
            person,
            with,
            from: at,
            from_known: true,
            to: None,
            left_by: None,
            holds: Vec::new(),
        });
    }

    /// Ends the leg's running talk.
    pub fn close(&mut self, leg: &mut LegLine<'a>, at: Timestamp, left_by: Option<u32>) {
        self.resume(leg, at);
        if let Some(talk) = self.all.get_mut(leg.talk as usize) {
            talk.to = Some(at);
            talk.left_by = left_by;
        }
        leg.talk = NONE;
    }

    /// The leg has put the other side on hold.
    pub fn hold(&mut self, leg: &LegLine<'a>, at: Timestamp) {
        if let Some(talk) = self.all.get_mut(leg.talk as usize)
            && !matches!(talk.holds.last(), Some((_, None)))
        {
            talk.holds.push((at, None));
        }
    }

    /// Hold is over.
    pub fn resume(&mut self, leg: &LegLine<'a>, at: Timestamp) {
        if let Some(talk) = self.all.get_mut(leg.talk as usize)
            && let Some((_, until @ None)) = talk.holds.last_mut()
        {
            *until = Some(at);
        }
    }
}

/// Our person and the other side, whichever of the two the leg stands for.
fn sides<'a>(
    party: Option<&'a Party>,
    other: &'a Party,
) -> Option<(Option<&'a Extension>, With<'a>)> {
    match (party, other) {
        (Some(Party::Person(person)), Party::Client(_))
        | (Some(Party::Client(_)), Party::Person(person)) => Some((Some(person), With::Client)),
        (Some(Party::Person(person)), Party::Person(colleague)) => {
            Some((Some(person), With::Colleague(colleague)))
        }
        (Some(Party::Client(_)) | None, Party::Client(_)) => Some((None, With::Client)),
        (None, Party::Person(colleague)) => Some((Some(colleague), With::InDoubt)),
        _ => None,
    }
}
