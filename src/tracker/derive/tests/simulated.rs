//! Random calls of both families, each with a ledger of what really happened. The ledger is written
//! by the generator from the plan of the call, never asked of the tracker.

use proptest::prelude::*;

use crate::{
    model::{
        call::CallResult,
        event::{Cause, Direction, Fact, Party, Side, Summary, TransferKind},
    },
    tracker::story::*,
};

/// Phones of the simulated office, with the keys of their legs.
const PHONES: [(&str, &str); 4] = [("p", "201"), ("q", "202"), ("r", "203"), ("s", "204")];

/// How a call goes; times in tenths of a second.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Time in the menu before anybody rings.
    menu: u32,
    /// How long each phone rings in vain, one after the other.
    in_vain: Vec<u32>,
    /// How long the last phone rings before it is answered, or before the caller leaves.
    last_ring: u32,
    answered: bool,
    /// Talk before the hold, hold, talk after it.
    talk: u32,
    hold: Option<u32>,
    talk_after: u32,
    transfer: Option<(TransferKind, u32)>,
    client_hangs_up: bool,
    /// Event PBXes: whether the provider sums the call up.
    summary: bool,
}

/// What really happened.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub result: CallResult,
    /// Wait, ring, talk and hold in seconds.
    pub spans: [f64; 4],
    pub answered_by: Option<&'static str>,
    pub transfer: Option<(TransferKind, &'static str, &'static str)>,
    pub hangup_by: Side,
}

/// Any plan.
pub fn plan() -> impl Strategy<Value = Plan> {
    let calls = (
        0_u32..80,
        prop::collection::vec(60_u32..200, 0..=2),
        // Well away from the five seconds that part the missed from the abandoned.
        prop_oneof![5_u32..30, 70_u32..200],
        any::<bool>(),
    );
    let talks = (
        10_u32..600,
        prop::option::of(10_u32..200),
        10_u32..600,
        prop::option::of((
            prop_oneof![Just(TransferKind::Blind), Just(TransferKind::Attended)],
            20_u32..150,
        )),
        any::<bool>(),
        any::<bool>(),
    );
    (calls, talks).prop_map(
        |(
            (menu, in_vain, last_ring, answered),
            (talk, hold, talk_after, transfer, client_hangs_up, summary),
        )| Plan {
            menu,
            in_vain,
            last_ring,
            answered,
            talk,
            hold,
            talk_after,
            transfer,
            client_hangs_up,
            summary,
        },
    )
}

fn seconds(tenths: u32) -> f64 {
    f64::from(tenths) / 10.0
}

impl Plan {
    fn first_ring(&self) -> f64 {
        seconds(self.menu)
    }

    fn last_rings_at(&self) -> f64 {
        self.first_ring() + seconds(self.in_vain.iter().sum())
    }

    fn ring_ends_at(&self) -> f64 {
        self.last_rings_at() + seconds(self.last_ring)
    }

    fn last_phone(&self) -> (&'static str, &'static str) {
        PHONES[self.in_vain.len()]
    }

    fn next_phone(&self) -> (&'static str, &'static str) {
        PHONES[self.in_vain.len() + 1]
    }

    /// When the first talk is interrupted by hold (or would be).
    fn hold_at(&self) -> f64 {
        self.ring_ends_at() + seconds(self.talk)
    }

    fn resumed_at(&self) -> f64 {
        self.hold_at() + seconds(self.hold.unwrap_or(0))
    }

    /// When the first employee goes on to pass the client on.
    fn passes_at(&self) -> f64 {
        self.resumed_at() + seconds(self.talk_after)
    }

    /// When the second employee has the client.
    fn passed_at(&self) -> f64 {
        self.passes_at() + self.transfer.map_or(0.0, |(_, until)| seconds(until))
    }

    fn ends_at(&self) -> f64 {
        match (self.answered, self.transfer) {
            (false, _) => self.ring_ends_at(),
            (true, None) => self.passes_at(),
            (true, Some(_)) => self.passed_at() + 20.0,
        }
    }

    /// The ledger, from the plan alone.
    pub fn ledger(&self) -> Ledger {
        let ring = self.ring_ends_at() - self.first_ring();
        if !self.answered {
            let stayed = self.ends_at() - self.first_ring();
            return Ledger {
                result: if stayed >= 5.0 {
                    CallResult::Missed
                } else {
                    CallResult::Abandoned
                },
                spans: [self.ends_at(), ring, 0.0, 0.0],
                answered_by: None,
                transfer: None,
                hangup_by: Side::Client,
            };
        }
        let consulted = match self.transfer {
            Some((TransferKind::Attended, until)) => seconds(until),
            _ => 0.0,
        };
        let hold = seconds(self.hold.unwrap_or(0)) + consulted;
        let total = self.ends_at() - self.ring_ends_at();
        Ledger {
            result: CallResult::Answered,
            spans: [self.ring_ends_at(), ring, total - hold, hold],
            answered_by: Some(self.last_phone().1),
            transfer: self
                .transfer
                .map(|(kind, _)| (kind, self.last_phone().1, self.next_phone().1)),
            hangup_by: if self.client_hangs_up {
                Side::Client
            } else {
                Side::Employee
            },
        }
    }

    /// The call as an event PBX tells it.
    pub fn as_cloud(&self) -> Vec<Line> {
        let mut story = vec![
            (0.0, "", parties(Direction::In)),
            (0.0, "m", between(Party::Menu, client())),
            (self.first_ring(), "m", ends(Cause::Normal)),
        ];
        let mut rings_at = self.first_ring();
        for (in_vain, (leg, extension)) in self.in_vain.iter().zip(PHONES) {
            story.push((rings_at, leg, between(person(extension), client())));
            story.push((rings_at, leg, rings()));
            rings_at += seconds(*in_vain);
            story.push((rings_at, leg, ends(Cause::NoAnswer)));
        }
        let (leg, extension) = self.last_phone();
        story.push((rings_at, leg, between(person(extension), client())));
        story.push((rings_at, leg, rings()));
        if self.answered {
            self.cloud_talks(&mut story);
        } else {
            story.push((
                self.ends_at(),
                leg,
                Fact::Ends {
                    cause: Cause::Cancelled,
                    by: Some(Side::Client),
                },
            ));
        }
        let answered = self.answered.then(|| self.ring_ends_at());
        if self.summary {
            let summary = Summary {
                hangup_by: Some(self.ledger().hangup_by),
                ..summary(Direction::In, 0.0, answered, self.ends_at())
            };
            story.push((self.ends_at(), "", summed(summary)));
        } else {
            story.push((
                self.ends_at(),
                "",
                Fact::Over {
                    by: Some(self.ledger().hangup_by),
                },
            ));
        }
        story
    }

    fn cloud_talks(&self, story: &mut Vec<Line>) {
        let (leg, extension) = self.last_phone();
        story.push((self.ring_ends_at(), leg, talks(client())));
        if self.hold.is_some() {
            story.push((self.hold_at(), leg, Fact::Holds));
            story.push((self.resumed_at(), leg, Fact::Resumes));
        }
        let mut last = leg;
        if let Some((kind, _)) = self.transfer {
            let (next, colleague) = self.next_phone();
            last = next;
            let asks = if kind == TransferKind::Blind {
                client()
            } else {
                person(extension)
            };
            story.push((self.passes_at(), next, between(person(colleague), asks)));
            story.push((self.passes_at(), next, rings()));
            if kind == TransferKind::Blind {
                story.push((self.passes_at(), next, transferred_from(extension)));
                story.push((self.passes_at(), leg, ends(Cause::Normal)));
            } else {
                story.push((self.passes_at(), leg, Fact::Holds));
                story.push((self.passes_at() + 1.0, next, talks(person(extension))));
                story.push((self.passed_at(), leg, ends(Cause::Normal)));
            }
            story.push((self.passed_at(), next, talks(client())));
        }
        story.push((self.ends_at(), last, hangs_up(self.ledger().hangup_by)));
    }

    /// The call as a channel PBX tells it.
    pub fn as_channels(&self) -> Vec<Line> {
        let mut story = vec![(0.0, "", parties(Direction::In)), (0.0, "t", is(client()))];
        if self.menu > 0 {
            story.push((0.0, "t", runs(Party::Menu)));
        }
        let mut rings_at = self.first_ring();
        for (in_vain, (leg, extension)) in self.in_vain.iter().zip(PHONES) {
            channel_rings(&mut story, rings_at, leg, extension, "t");
            rings_at += seconds(*in_vain);
            story.push((rings_at, leg, ends(Cause::NoAnswer)));
        }
        let (leg, extension) = self.last_phone();
        channel_rings(&mut story, rings_at, leg, extension, "t");
        if self.answered {
            self.channels_talk(&mut story);
        } else {
            story.push((self.ends_at(), leg, ends(Cause::Cancelled)));
            story.push((
                self.ends_at(),
                "t",
                Fact::Ends {
                    cause: Cause::Normal,
                    by: Some(Side::Client),
                },
            ));
        }
        story
    }

    fn channels_talk(&self, story: &mut Vec<Line>) {
        let (leg, _) = self.last_phone();
        meet(story, self.ring_ends_at(), "x", leg, "t");
        if self.hold.is_some() {
            story.push((self.hold_at(), leg, Fact::Holds));
            story.push((self.resumed_at(), leg, Fact::Resumes));
        }
        let mut last = (leg, "x");
        if let Some((kind, _)) = self.transfer {
            let (next, colleague) = self.next_phone();
            if kind == TransferKind::Blind {
                last = (next, "y");
                story.push((self.passes_at(), leg, transfers(kind, colleague)));
                story.push((self.passes_at(), leg, leaves("x")));
                story.push((self.passes_at(), "t", leaves("x")));
                story.push((self.passes_at(), leg, ends(Cause::Normal)));
                channel_rings(story, self.passes_at(), next, colleague, "t");
                meet(story, self.passed_at(), "y", next, "t");
            } else {
                last = (next, "x");
                story.push((self.passes_at(), leg, Fact::Holds));
                story.push((self.passes_at(), leg, leaves("x")));
                story.push((self.passes_at(), leg, enters("c")));
                channel_rings(story, self.passes_at(), next, colleague, leg);
                story.push((self.passes_at() + 1.0, next, Fact::Up));
                story.push((self.passes_at() + 1.0, next, enters("c")));
                story.push((self.passed_at(), leg, transfers(kind, colleague)));
                story.push((self.passed_at(), leg, leaves("c")));
                story.push((self.passed_at(), next, leaves("c")));
                story.push((self.passed_at(), next, enters("x")));
                story.push((self.passed_at(), leg, ends(Cause::Normal)));
            }
        }
        let (last, bridge) = last;
        let by_client = self.client_hangs_up;
        let (first, second) = if by_client { ("t", last) } else { (last, "t") };
        story.push((self.ends_at(), first, leaves(bridge)));
        story.push((self.ends_at(), first, hangs_up(self.ledger().hangup_by)));
        story.push((self.ends_at(), second, ends(Cause::Normal)));
    }
}

fn channel_rings(story: &mut Vec<Line>, at: f64, leg: &'static str, extension: &str, by: &str) {
    story.push((at, leg, is(person(extension))));
    story.push((at, leg, dialled(by)));
    story.push((at, leg, rings()));
}

fn meet(story: &mut Vec<Line>, at: f64, bridge: &str, one: &'static str, other: &'static str) {
    story.push((at, one, Fact::Up));
    story.push((at, other, Fact::Up));
    story.push((at, one, enters(bridge)));
    story.push((at, other, enters(bridge)));
}
