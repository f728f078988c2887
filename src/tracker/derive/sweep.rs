//! The sweep: facts in time order become legs (with their rings, answers and ends) and talks.

use super::{
    bridges::Bridges,
    known::{Known, LegEnds, Moment, NONE, is_of_the_call},
    talks::Talks,
};
use crate::model::{
    event::{Cause, Fact, Party, Side},
    ids::{CallKey, Extension},
    time::Timestamp,
};

/// Providers repeat a fact with its time shifted by a second or two; the same fact of the same leg
/// within this time is one.
const SAME_FACT_MS: i64 = 3_000;

/// One leg as the sweep sees it. With event PBXes a phone that rings again opens another one.
pub(super) struct LegLine<'a> {
    /// Place in [`Known::ends`].
    pub ends: u32,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    /// The key its latest fact was told under.
    pub call: &'a CallKey,
    pub rang_at: Option<Timestamp>,
    pub up_at: Option<Timestamp>,
    /// First talk with anybody.
    pub talked_at: Option<Timestamp>,
    /// Since when it was in a bridge with nobody, before it was ever with anybody.
    pub alone_at: Option<Timestamp>,
    pub end: Option<LegEnd>,
    pub transferred_from: Option<(&'a Extension, Timestamp)>,
    /// Place of the latest talk in [`Talks::all`], or [`NONE`].
    pub talk: u32,
}

/// How a leg ended.
#[derive(Clone, Copy)]
pub(super) struct LegEnd {
    pub at: Timestamp,
    /// Whether it is only known that it was no later.
    pub is_bound: bool,
    pub cause: Cause,
    pub by: Option<Side>,
}

/// What the sweep has found.
pub(super) struct Swept<'a> {
    /// Legs, by first sight.
    pub legs: Vec<LegLine<'a>>,
    pub talks: Talks<'a>,
}

/// Runs over the facts in time order.
pub(super) fn sweep<'a>(known: &Known<'a>) -> Swept<'a> {
    let mut sweep = Sweep {
        known,
        legs: Vec::with_capacity(known.ends.len()),
        current: vec![NONE; known.ends.len()],
        talks: Talks::default(),
        bridges: Bridges::default(),
    };
    for moment in &known.line {
        if moment.leg != NONE && is_of_the_call(&moment.event.fact) {
            sweep.take(moment);
        }
    }
    if known.channels {
        sweep
            .bridges
            .settle(known, &mut sweep.legs, &mut sweep.talks);
    } else {
        sweep.leave_behind();
    }
    Swept {
        legs: sweep.legs,
        talks: sweep.talks,
    }
}

struct Sweep<'s, 'a> {
    known: &'s Known<'a>,
    legs: Vec<LegLine<'a>>,
    /// The running line of each leg, by place in [`Known::ends`].
    current: Vec<u32>,
    talks: Talks<'a>,
    bridges: Bridges<'a>,
}

impl<'a> Sweep<'_, 'a> {
    fn take(&mut self, moment: &Moment<'a>) {
        if self.known.channels {
            self.bridges
                .settle_before(moment.at, self.known, &mut self.legs, &mut self.talks);
        }
        let Some(place) = self.line_of(moment) else {
            return; // told twice
        };
        let (at, is_exact) = (moment.at, moment.is_exact);
        let ends = &self.known.ends[moment.leg as usize];
        let leg = &mut self.legs[place as usize];
        leg.last_at = at;
        leg.call = &moment.event.call;
        match &moment.event.fact {
            // A called channel that has rung by now is taken to ring since it is known.
            Fact::Rings if self.known.channels && !is_exact => {
                leg.rang_at = leg.rang_at.or(Some(leg.first_at));
            }
            Fact::Rings => leg.rang_at = leg.rang_at.or(Some(at)),
            Fact::Up => leg.up_at = leg.up_at.or(Some(at)),
            Fact::Talks { with } => {
                leg.up_at = leg.up_at.or(Some(at));
                if !ends.initiator {
                    self.talks.begin(place, leg, ends, with, (at, is_exact));
                }
            }
            Fact::TakesOver => self.talks.close_others(place, at),
            Fact::Holds => self.hold(place, moment),
            Fact::Parked => self.talks.hold(place, at),
            // Who is alone in a room waits for those who have them come there.
            Fact::Runs {
                what: Party::Conference(_),
            } if matches!(ends.party, Some(Party::Client(_))) => self.talks.hold(place, at),
            Fact::Resumes | Fact::Unparked | Fact::Transfers { .. } => {
                self.talks.resume(place, at);
            }
            Fact::TransferredFrom { from } => {
                leg.transferred_from = leg.transferred_from.or(Some((from, at)));
            }
            Fact::Enters { bridge } => self.bridges.enter(place, bridge, (at, is_exact)),
            Fact::Leaves { bridge } => {
                if leg.talked_at.is_none() {
                    leg.alone_at = leg.alone_at.or(leg.up_at).or(Some(at));
                }
                self.bridges.leave(place, Some(bridge), at);
            }
            Fact::Ends { cause, by } => {
                let end = LegEnd {
                    at,
                    is_bound: !is_exact,
                    cause: *cause,
                    by: *by,
                };
                self.end(place, end);
            }
            _ => {}
        }
    }

    /// The line that a fact belongs to; `None` if the fact repeats what the last line already had.
    fn line_of(&mut self, moment: &Moment<'a>) -> Option<u32> {
        let current = self.current[moment.leg as usize];
        let Some(leg) = self.legs.get(current as usize) else {
            return Some(self.open(moment));
        };
        if self.known.channels || leg.end.is_none() {
            return Some(current);
        }
        let before = match &moment.event.fact {
            Fact::Rings => leg.rang_at,
            Fact::Talks { .. } => leg.talked_at,
            _ => return Some(current),
        };
        match before {
            Some(before) if moment.at <= before.plus_millis(SAME_FACT_MS) => None,
            _ => Some(self.open(moment)),
        }
    }

    fn open(&mut self, moment: &Moment<'a>) -> u32 {
        let place = self.legs.len() as u32;
        self.current[moment.leg as usize] = place;
        self.legs.push(LegLine {
            ends: moment.leg,
            first_at: moment.at,
            last_at: moment.at,
            call: &moment.event.call,
            rang_at: None,
            up_at: None,
            talked_at: None,
            alone_at: None,
            end: None,
            transferred_from: None,
            talk: NONE,
        });
        place
    }

    /// Ends the phones of which nothing more is heard once somebody who is told of later has the client: those
    /// that had the client and those that rang with theirs.
    fn leave_behind(&mut self) {
        for moment in &self.known.line {
            if moment.leg != NONE || moment.event.fact != Fact::TakesOver {
                continue;
            }
            let over_at = self.known.line.iter().filter_map(told_over).max();
            for (place, leg) in self.legs.iter_mut().enumerate() {
                let is_ours = matches!(leg.ends(self.known).party, Some(Party::Person(_)));
                if is_ours && leg.end.is_none() && leg.last_at < moment.at {
                    // The word may come after the last one of the call.
                    let over_at = over_at.filter(|over| *over >= leg.last_at);
                    let at = over_at.map_or(moment.at, |over| over.min(moment.at));
                    leg.end = Some(LegEnd {
                        at,
                        is_bound: !moment.is_exact,
                        cause: match leg.talked_at {
                            Some(_) => Cause::Normal,
                            None => Cause::Unknown,
                        },
                        by: None,
                    });
                    self.talks.end_by(place as u32, at);
                }
            }
        }
    }

    fn hold(&mut self, place: u32, moment: &Moment<'a>) {
        let ends = &self.known.ends[moment.leg as usize];
        let leg = &mut self.legs[place as usize];
        if self.known.channels {
            // A client's own hold is not time that we made the client wait.
            if !matches!(ends.party, Some(Party::Client(_))) {
                self.talks.hold(place, moment.at);
            }
            return;
        }
        if !self.talks.is_running(leg) && leg.end.is_none() && !ends.initiator {
            // Who puts the other side on hold has talked before, even if that was never told.
            self.talks.imply(place, leg, ends, moment.at);
        }
        self.talks.hold(place, moment.at);
    }

    fn end(&mut self, place: u32, told: LegEnd) {
        let leg = &mut self.legs[place as usize];
        match &mut leg.end {
            Some(end) => {
                end.by = end.by.or(told.by);
                if end.cause == Cause::Unknown {
                    end.cause = told.cause;
                }
            }
            None => leg.end = Some(told),
        }
        self.talks.resume(place, told.at);
        if self.known.channels {
            self.bridges.leave(place, None, told.at);
        } else {
            self.talks.close(leg, told.at, None);
        }
    }
}

/// When the call, or a part of it, is over by this fact.
fn told_over(moment: &Moment<'_>) -> Option<Timestamp> {
    match &moment.event.fact {
        Fact::Over { .. } => Some(moment.at),
        Fact::Summary(summary) => summary.ended,
        _ => None,
    }
}

impl<'a> LegLine<'a> {
    /// Who is at the two ends of the leg.
    pub fn ends<'k>(&self, known: &'k Known<'a>) -> &'k LegEnds<'a> {
        &known.ends[self.ends as usize]
    }

    /// The employee at the leg's end.
    pub fn person(&self, known: &Known<'a>) -> Option<&'a Extension> {
        match known.ends[self.ends as usize].party {
            Some(Party::Person(extension)) => Some(extension),
            _ => None,
        }
    }
}
