//! Who talks with whom, from when until when, with holds.

use super::{known::LegEnds, sweep::LegLine};
use crate::model::{event::Party, ids::Extension, time::Timestamp};

/// Whom somebody talks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum With<'a> {
    /// The client (or, in a client's leg, our side): a conversation.
    Client,
    /// A colleague: a consultation, or an internal call.
    Colleague(&'a Extension),
    /// A colleague, while nobody has told who is at this end: perhaps the client. Or nobody knows who talks
    /// with whom, if it was not a machine.
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
}

/// An employee keeps the other side waiting.
#[derive(Debug)]
pub(super) struct Hold {
    pub leg: u32,
    pub from: Timestamp,
    pub to: Option<Timestamp>,
}

impl Talk<'_> {
    /// Whether our side talks with the client.
    pub fn is_conversation(&self) -> bool {
        self.with == With::Client
    }
}

/// The talks and holds of a call, in the order in which they began.
#[derive(Default)]
pub(super) struct Talks<'a> {
    pub all: Vec<Talk<'a>>,
    pub holds: Vec<Hold>,
}

/// A leg that is moved from one bridge to another is out of both for a moment; its talk goes on.
const MOVED_WITHIN_MS: i64 = 500;

impl<'a> Talks<'a> {
    /// Begins what an event PBX tells: who is at this leg's end talks with `other`, from this moment on or
    /// (if it is not exact) already at this moment. A client who talks with themselves talks with whoever has
    /// called them over this leg.
    pub fn begin(
        &mut self,
        place: u32,
        leg: &mut LegLine<'a>,
        ends: &LegEnds<'a>,
        other: &'a Party,
        (at, is_exact): (Timestamp, bool),
    ) {
        if let Some((person, with)) = sides(ends.party, other) {
            let is_itself = with == With::Client && ends.party == Some(other);
            let person = person.or_else(|| ends.caller().filter(|_| is_itself));
            self.open(place, leg, person, with, (at, is_exact));
        }
    }

    /// Begins a talk that was never told but must have begun by `at`.
    pub fn imply(&mut self, place: u32, leg: &mut LegLine<'a>, ends: &LegEnds<'a>, at: Timestamp) {
        if let Some(other) = ends.with
            && let Some((person, with)) = sides(ends.party, other)
        {
            self.open(place, leg, person, with, (at, false));
        }
    }

    /// Begins a talk unless the very same one is running, or goes on after a moment's break.
    pub fn open(
        &mut self,
        place: u32,
        leg: &mut LegLine<'a>,
        person: Option<&'a Extension>,
        with: With<'a>,
        (at, from_known): (Timestamp, bool),
    ) {
        if let Some(last) = self.all.get_mut(leg.talk as usize) {
            let same = last.person == person && last.with == with;
            match last.to {
                None if same => return,
                None => self.close(leg, at, None),
                Some(to) if same && at <= to.plus_millis(MOVED_WITHIN_MS) => {
                    last.to = None;
                    last.left_by = None;
                    return;
                }
                Some(_) => {}
            }
        }
        if with == With::Client {
            // Back with the client, whether or not anybody told that the hold is over.
            self.resume(place, at);
        }
        leg.talked_at = leg.talked_at.or(Some(at));
        leg.talk = self.all.len() as u32;
        self.all.push(Talk {
            leg: place,
            person,
            with,
            from: at,
            from_known,
            to: None,
            left_by: None,
        });
    }

    /// Whether the leg has a running talk.
    pub fn is_running(&self, leg: &LegLine<'a>) -> bool {
        self.all
            .get(leg.talk as usize)
            .is_some_and(|talk| talk.to.is_none())
    }

    /// Ends the leg's running talk.
    pub fn close(&mut self, leg: &LegLine<'a>, at: Timestamp, left_by: Option<u32>) {
        if let Some(talk) = self
            .all
            .get_mut(leg.talk as usize)
            .filter(|talk| talk.to.is_none())
        {
            talk.to = Some(at);
            talk.left_by = left_by;
        }
    }

    /// Ends the talks of this leg that were still running at this moment.
    pub fn end_by(&mut self, place: u32, at: Timestamp) {
        let runs = |talk: &&mut Talk<'_>| talk.from <= at && talk.to.is_none_or(|to| to > at);
        let own = self.all.iter_mut().filter(|talk| talk.leg == place);
        own.filter(runs).for_each(|talk| talk.to = Some(at));
        self.resume(place, at);
    }

    /// Ends the talks of other legs with the client.
    pub fn close_others(&mut self, place: u32, at: Timestamp) {
        for talk in &mut self.all {
            if talk.leg != place && talk.is_conversation() && talk.to.is_none() {
                talk.to = Some(at);
            }
        }
    }

    /// The leg keeps the other side waiting.
    pub fn hold(&mut self, place: u32, at: Timestamp) {
        if !self
            .holds
            .iter()
            .any(|hold| hold.leg == place && hold.to.is_none())
        {
            self.holds.push(Hold {
                leg: place,
                from: at,
                to: None,
            });
        }
    }

    /// The leg keeps nobody waiting any more.
    pub fn resume(&mut self, place: u32, at: Timestamp) {
        for hold in &mut self.holds {
            if hold.leg == place && hold.to.is_none() {
                hold.to = Some(at);
            }
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
        (None, Party::Glue) => Some((None, With::InDoubt)),
        _ => None,
    }
}
