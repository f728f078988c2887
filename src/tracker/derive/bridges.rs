//! Channel PBXes: who talks to whom follows from the bridges that legs are in.
//!
//! Bridges are tied to each other where the two halves of a Local channel stand in different ones.
//! In what hangs together that way, employees talk with the client, or with each other if there is
//! no client. A leg of unknown party that ties nothing counts as somebody: it is a phone of which we
//! have not heard enough.

use std::collections::HashMap;

use super::{
    known::Known,
    sweep::LegLine,
    talks::{Talks, With},
};
use crate::model::{event::Party, ids::Extension, time::Timestamp};

/// The bridges at one moment of the sweep.
#[derive(Default)]
pub(super) struct Bridges<'a> {
    numbers: HashMap<&'a str, u32>,
    /// Legs in bridges, with their bridge.
    inside: Vec<(u32, u32)>,
    /// Legs that left since the last settling, in order.
    left: Vec<u32>,
    /// When something changed that is not settled yet.
    changed_at: Option<Timestamp>,
    /// Whether only bounds are known for the times of what changed then.
    is_bound: bool,
    groups: Vec<u32>,
}

impl<'a> Bridges<'a> {
    /// A leg enters a bridge; it is in one bridge at a time. `at` is when, or (if it is not exact) a
    /// moment at which it was already so.
    pub fn enter(&mut self, leg: u32, bridge: &'a str, (at, is_exact): (Timestamp, bool)) {
        let next = self.numbers.len() as u32;
        let bridge = *self.numbers.entry(bridge).or_insert(next);
        self.inside.retain(|(inside, _)| *inside != leg);
        self.inside.push((leg, bridge));
        self.changed_at = Some(at);
        self.is_bound |= !is_exact;
    }

    /// A leg leaves this bridge, or whatever bridge it is in.
    pub fn leave(&mut self, leg: u32, bridge: Option<&str>, at: Timestamp) {
        let bridge = bridge.map(|bridge| self.numbers.get(bridge).copied());
        let before = self.inside.len();
        self.inside.retain(|(inside, within)| {
            *inside != leg || bridge.is_some_and(|bridge| bridge != Some(*within))
        });
        if self.inside.len() < before {
            self.left.push(leg);
            self.changed_at = Some(at);
        }
    }

    /// Settles changes older than `at`. Changes of one moment are seen together.
    pub fn settle_before(
        &mut self,
        at: Timestamp,
        known: &Known<'a>,
        legs: &mut [LegLine<'a>],
        talks: &mut Talks<'a>,
    ) {
        if self.changed_at.is_some_and(|changed| changed < at) {
            self.settle(known, legs, talks);
        }
    }

    /// Ends and begins talks so that they fit the bridges.
    pub fn settle(&mut self, known: &Known<'a>, legs: &mut [LegLine<'a>], talks: &mut Talks<'a>) {
        let Some(at) = self.changed_at.take() else {
            return;
        };
        let from_known = !std::mem::take(&mut self.is_bound);
        let first_left = self.left.first().copied();
        for leg in std::mem::take(&mut self.left) {
            if self.inside.iter().all(|(inside, _)| *inside != leg) {
                talks.close(&legs[leg as usize], at, first_left);
            }
        }
        self.group(known, legs);
        for &(leg, bridge) in &self.inside {
            let Some(me) = Human::of(leg, known, legs) else {
                continue;
            };
            let company = self.company(self.groups[bridge as usize], leg, me, known, legs);
            let line = &mut legs[leg as usize];
            if company.ours || company.client {
                line.talked_at = line.talked_at.or(Some(at));
            } else if line.talked_at.is_none() {
                line.alone_at = line.alone_at.or(Some(at));
            }
            match company.talk(me) {
                Some((person, with)) => talks.open(leg, line, person, with, (at, from_known)),
                None => talks.close(line, at, first_left),
            }
        }
    }

    /// Numbers the bridges so that those tied to each other have the same number.
    fn group(&mut self, known: &Known<'a>, legs: &[LegLine<'a>]) {
        self.groups.clear();
        self.groups.extend(0..self.numbers.len() as u32);
        if known.ties.is_empty() {
            return;
        }
        let bridge_of = |ends: u32| {
            let in_it = |(leg, _): &&(u32, u32)| legs[*leg as usize].ends == ends;
            self.inside.iter().find(in_it).map(|(_, bridge)| *bridge)
        };
        let pairs: Vec<(u32, u32)> = known
            .ties
            .iter()
            .filter_map(|&(one, other)| Some((bridge_of(one)?, bridge_of(other)?)))
            .collect();
        for (one, other) in pairs {
            let (keep, drop) = (self.groups[one as usize], self.groups[other as usize]);
            for group in &mut self.groups {
                if *group == drop {
                    *group = keep;
                }
            }
        }
    }

    /// Who else is in the leg's group of bridges.
    fn company(
        &self,
        group: u32,
        leg: u32,
        me: Human<'a>,
        known: &Known<'a>,
        legs: &[LegLine<'a>],
    ) -> Company<'a> {
        let mut company = Company::default();
        let since = (legs[leg as usize].first_at, leg);
        for &(other, bridge) in &self.inside {
            if other == leg || self.groups[bridge as usize] != group {
                continue;
            }
            match Human::of(other, known, legs) {
                Some(Human::Client) => {
                    company.client = true;
                    company.earlier_client |= (legs[other as usize].first_at, other) < since;
                }
                Some(Human::Person(extension)) => {
                    company.ours = true;
                    if !matches!(me, Human::Person(own) if own == extension) {
                        company.colleague = company.colleague.or(Some(extension));
                    }
                }
                Some(Human::Somebody) => company.ours = true,
                None => {}
            }
        }
        company
    }
}

/// The other humans that one leg hears.
#[derive(Default)]
struct Company<'a> {
    client: bool,
    /// A client whose leg is older than this one.
    earlier_client: bool,
    colleague: Option<&'a Extension>,
    /// Anybody of our side.
    ours: bool,
}

impl<'a> Company<'a> {
    /// The talk that is told at my leg. Our side tells it; two outside numbers tell it at the one
    /// that came later (the one that we called).
    fn talk(&self, me: Human<'a>) -> Option<(Option<&'a Extension>, With<'a>)> {
        match me {
            Human::Client => (!self.ours && self.earlier_client).then_some((None, With::Client)),
            Human::Person(person) if self.client => Some((Some(person), With::Client)),
            Human::Person(person) => {
                let with = With::Colleague(self.colleague?);
                Some((Some(person), with))
            }
            Human::Somebody if self.client => Some((None, With::Client)),
            Human::Somebody => Some((Some(self.colleague?), With::InDoubt)),
        }
    }
}

#[derive(Clone, Copy)]
enum Human<'a> {
    Client,
    Person(&'a Extension),
    /// A phone whose party nobody has told.
    Somebody,
}

impl<'a> Human<'a> {
    fn of(leg: u32, known: &Known<'a>, legs: &[LegLine<'a>]) -> Option<Self> {
        let ends = legs[leg as usize].ends(known);
        match ends.party {
            Some(Party::Client(_)) => Some(Self::Client),
            Some(Party::Person(extension)) => Some(Self::Person(extension)),
            Some(_) => None,
            None => (!ends.tied).then_some(Self::Somebody),
        }
    }
}
