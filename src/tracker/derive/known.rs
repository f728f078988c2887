//! First look over the set: facts in time order, and what is known of every leg whatever the time.

use std::collections::HashMap;

use crate::{
    model::{
        event::{CallEvent, Fact, Party},
        ids::{Extension, LegKey},
        time::Timestamp,
    },
    tracker::{Facts, merge::party_order},
};

/// Stands for "no leg" where legs are counted.
pub(super) const NONE: u32 = u32::MAX;

/// The facts of a call, laid out for the sweep.
pub(super) struct Known<'a> {
    /// Every fact in time order; facts of one moment in the order in which they make sense.
    pub line: Vec<Moment<'a>>,
    /// Every leg that has facts of its own.
    pub ends: Vec<LegEnds<'a>>,
    /// Pairs of legs tied for good, by place in `ends`.
    pub ties: Vec<(u32, u32)>,
    /// Whether a channel PBX tells the call: a leg is then one channel and never rings twice. Told by
    /// dialling and bridges; with neither these nor a word that only event PBXes have, a leg is taken
    /// for a channel, too (a call that only a menu took).
    pub channels: bool,
    /// The latest moment of any fact told by others.
    pub heard_at: Timestamp,
    /// Some leg is known from the PBX's own records only.
    has_records: bool,
}

/// One fact in time.
pub(super) struct Moment<'a> {
    pub at: Timestamp,
    rank: u8,
    place: u32,
    /// Place of the fact's leg in [`Known::ends`], or [`NONE`].
    pub leg: u32,
    pub event: &'a CallEvent,
    /// Whether `at` is the moment itself, and not only one by which it was so.
    pub is_exact: bool,
}

impl Moment<'_> {
    /// It came late: it was so at this moment, or by then.
    pub fn put_at(&mut self, at: Timestamp, is_exact: bool) {
        (self.at, self.is_exact) = (at, is_exact);
    }
}

/// What is known of a leg whatever the time: who is at its two ends.
pub(super) struct LegEnds<'a> {
    pub key: &'a LegKey,
    pub party: Option<&'a Party>,
    /// The other end (event PBXes); a client rather than a colleague if both were named.
    pub with: Option<&'a Party>,
    pub initiator: bool,
    /// Another leg called it.
    pub dialled: bool,
    pub tied: bool,
}

impl<'a> LegEnds<'a> {
    /// Whether the leg only ties others together.
    pub fn is_glue(&self) -> bool {
        match self.party {
            Some(party) => *party == Party::Glue,
            None => self.tied,
        }
    }

    /// The employee who calls over this leg.
    pub fn caller(&self) -> Option<&'a Extension> {
        match self.with? {
            Party::Person(extension) => Some(extension),
            _ => None,
        }
    }

    /// Whether a client is at either end.
    pub fn has_client(&self) -> bool {
        matches!(self.party, Some(Party::Client(_))) || matches!(self.with, Some(Party::Client(_)))
    }
}

impl<'a> Known<'a> {
    /// Looks once over the set.
    pub fn gather(facts: &'a Facts) -> Self {
        let mut known = Self {
            line: Vec::with_capacity(facts.len()),
            ends: Vec::new(),
            ties: Vec::new(),
            channels: false,
            heard_at: Timestamp::from_micros(i64::MIN),
            has_records: false,
        };
        let mut places = HashMap::new();
        let mut told_as_events = false;
        for (place, event) in facts.iter().enumerate() {
            let leg = match &event.leg {
                Some(key) => known.place_of(key, &mut places),
                None => NONE,
            };
            known.note(event, leg);
            told_as_events |= is_of_event_pbx(&event.fact);
            known.line.push(Moment {
                at: event.at,
                rank: rank(&event.fact),
                place: place as u32,
                leg,
                event,
                is_exact: event.clock.is_exact(),
            });
        }
        known.tie(facts, &places);
        known.channels |= !told_as_events;
        if known.has_records {
            super::records::leave_out_doubles(&mut known);
        }
        known.sort();
        super::late::put_in_place(&mut known);
        known
    }

    /// Puts the facts in time order.
    pub fn sort(&mut self) {
        let order = |moment: &Moment<'_>| (moment.at, moment.rank, moment.place);
        self.line.sort_unstable_by_key(order);
    }

    fn place_of(&mut self, key: &'a LegKey, places: &mut HashMap<&'a str, u32>) -> u32 {
        // Fact ids begin with the leg, so facts of one leg mostly stand together.
        if let Some(last) = self.line.last()
            && last.leg != NONE
            && self.ends[last.leg as usize].key == key
        {
            return last.leg;
        }
        let next = self.ends.len() as u32;
        let place = *places.entry(key.as_str()).or_insert(next);
        if place == next {
            self.has_records |= key.is_of_records();
            self.ends.push(LegEnds {
                key,
                party: None,
                with: None,
                initiator: false,
                dialled: false,
                tied: false,
            });
        }
        place
    }

    fn note(&mut self, event: &'a CallEvent, leg: u32) {
        if !matches!(event.fact, Fact::Unheard | Fact::Erased) {
            self.heard_at = self.heard_at.max(event.at);
        }
        let Some(ends) = self.ends.get_mut(leg as usize) else {
            return;
        };
        match &event.fact {
            Fact::Leg {
                party,
                with,
                initiator,
            } => {
                ends.party = better(ends.party, Some(party));
                ends.with = better(ends.with, with.as_ref());
                ends.initiator |= initiator;
            }
            Fact::Dialled { by } => {
                ends.dialled |= by.is_some();
                self.channels = true;
            }
            Fact::Enters { .. } | Fact::Leaves { .. } => self.channels = true,
            Fact::TiedTo { .. } => {
                ends.tied = true;
                self.channels = true;
            }
            _ => {}
        }
    }

    /// Ties are for good, whenever they are told; a half without facts of its own ties nothing.
    fn tie(&mut self, facts: &'a Facts, places: &HashMap<&'a str, u32>) {
        if !self.channels {
            return;
        }
        for event in facts {
            if let (Fact::TiedTo { leg: half }, Some(key)) = (&event.fact, &event.leg)
                && let Some(&one) = places.get(key.as_str())
                && let Some(&other) = places.get(half.as_str())
            {
                self.ends[other as usize].tied = true;
                self.ties.push((one, other));
            }
        }
    }
}

/// The party that says more; of two that say as much the lesser one.
fn better<'a>(one: Option<&'a Party>, other: Option<&'a Party>) -> Option<&'a Party> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if party_order(other) < party_order(one) {
            other
        } else {
            one
        }),
        (one, other) => one.or(other),
    }
}

/// Which of several facts of one moment comes first: providers with a clock of whole seconds tell a
/// ring and its end in the same second.
fn rank(fact: &Fact) -> u8 {
    match fact {
        Fact::Parties { .. } | Fact::SameCall { .. } | Fact::Leg { .. } => 0,
        Fact::Dialled { .. } | Fact::TiedTo { .. } => 1,
        Fact::Rings => 2,
        Fact::TransferredFrom { .. } | Fact::Runs { .. } | Fact::Up => 3,
        Fact::Talks {
            with: Party::Client(_),
        } => 5,
        Fact::Talks { .. } | Fact::Enters { .. } => 4,
        Fact::TakesOver | Fact::Holds | Fact::Parked => 6,
        Fact::Resumes | Fact::Unparked => 7,
        Fact::Transfers { .. } => 8,
        Fact::Leaves { .. } => 9,
        Fact::Ends { .. } => 10,
        Fact::Summary(_) | Fact::Over { .. } => 11,
        Fact::Unheard => 12,
        Fact::RecordingPauses => 13,
        Fact::RecordingResumes => 14,
        Fact::Recording { .. }
        | Fact::Consents { .. }
        | Fact::Digits { .. }
        | Fact::SipCallId { .. }
        | Fact::Tracking { .. }
        | Fact::RouteAnswered { .. }
        | Fact::CommandSent { .. }
        | Fact::CommandResult { .. }
        | Fact::Erased => 13,
    }
}

/// Whether only an event PBX tells such a fact.
fn is_of_event_pbx(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Talks { .. }
            | Fact::TakesOver
            | Fact::TransferredFrom { .. }
            | Fact::Summary(_)
            | Fact::Leg { with: Some(_), .. }
    )
}

/// Whether the fact tells of the call itself, not of something around it: only such facts say when
/// the call began and that it still lives.
pub(super) fn is_of_the_call(fact: &Fact) -> bool {
    !matches!(
        fact,
        Fact::Recording { .. }
            | Fact::Consents { .. }
            | Fact::RecordingPauses
            | Fact::RecordingResumes
            | Fact::Digits { .. }
            | Fact::SipCallId { .. }
            | Fact::Tracking { .. }
            | Fact::RouteAnswered { .. }
            | Fact::CommandSent { .. }
            | Fact::CommandResult { .. }
            | Fact::Unheard
            | Fact::Erased
    )
}
