//! What happens in a call: a [`Story`] is drawn from a seed without clock or I/O; all moments are
//! milliseconds from its start. What must be found of it afterwards stands in `ledger`.

use serde::{Deserialize, Serialize};

use super::dice::Dice;
use crate::model::{
    event::{Direction, Side, TransferKind},
    time::Timestamp,
};

/// Who takes part.
#[derive(Clone, Debug)]
pub struct World {
    /// Clients' numbers, E.164.
    pub clients: Vec<String>,
    /// Our numbers, E.164.
    pub dids: Vec<String>,
    /// Extensions of employees.
    pub people: Vec<String>,
}

impl World {
    /// A company of `people` employees from extension 201 on, with four numbers of its own.
    pub fn company(people: usize, clients: usize) -> Self {
        Self {
            clients: (0..clients).map(|n| invented_number(100 + n)).collect(),
            dids: (1..=4).map(invented_number).collect(),
            people: (0..people).map(|n| (201 + n).to_string()).collect(),
        }
    }
}

/// An invented number: +7 495 000-00-01 and upwards.
pub fn invented_number(n: usize) -> String {
    format!("+7495{n:07}")
}

/// The kinds of stories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plot {
    /// A client calls, one phone rings, its owner answers.
    Answered,
    /// The first phone rings in vain, the next one answers.
    Hunt,
    /// Several phones ring at once, one answers.
    Group,
    /// A queue takes the call, then a person.
    Queue,
    /// Phones ring for more than 5 s and nobody answers.
    Missed,
    /// The client gives up while the first phone has rung for less than 5 s.
    Abandoned,
    /// The only phone is busy.
    Busy,
    /// The client hangs up in the menu.
    MenuOnly,
    /// Answered, passed on without asking, answered there.
    BlindTransfer,
    /// Answered, put on hold, passed on after a consultation.
    AttendedTransfer,
    /// An employee calls a client who answers.
    Out,
    /// An employee calls a client who does not answer.
    OutMissed,
    /// An employee calls a client who is busy.
    OutBusy,
    /// An employee calls and hangs up before the client answers.
    OutAbandoned,
    /// A click: the employee's own phone first, then the client, who answers.
    Click,
    /// A click, and the client does not answer.
    ClickMissed,
}

impl Plot {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::Answered,
        Self::Hunt,
        Self::Group,
        Self::Queue,
        Self::Missed,
        Self::Abandoned,
        Self::Busy,
        Self::MenuOnly,
        Self::BlindTransfer,
        Self::AttendedTransfer,
        Self::Out,
        Self::OutMissed,
        Self::OutBusy,
        Self::OutAbandoned,
        Self::Click,
        Self::ClickMissed,
    ];

    /// What an ordinary office sees: mostly answered calls.
    pub const OFFICE: [Self; 20] = [
        Self::Answered,
        Self::Answered,
        Self::Answered,
        Self::Answered,
        Self::Hunt,
        Self::Hunt,
        Self::Group,
        Self::Group,
        Self::Queue,
        Self::Missed,
        Self::Missed,
        Self::Abandoned,
        Self::Busy,
        Self::BlindTransfer,
        Self::AttendedTransfer,
        Self::Out,
        Self::Out,
        Self::OutMissed,
        Self::Click,
        Self::ClickMissed,
    ];

    /// Which way such a call goes.
    pub const fn direction(self) -> Direction {
        match self {
            Self::Out
            | Self::OutMissed
            | Self::OutBusy
            | Self::OutAbandoned
            | Self::Click
            | Self::ClickMissed => Direction::Out,
            _ => Direction::In,
        }
    }

    const fn is_click(self) -> bool {
        matches!(self, Self::Click | Self::ClickMissed)
    }
}

/// How long people talk; rings keep their natural length, because 5 s decide between missed and
/// abandoned.
#[derive(Clone, Copy, Debug)]
pub struct Tempo {
    /// Shortest and longest conversation, in milliseconds.
    pub talk_ms: (i64, i64),
}

impl Tempo {
    /// As in life.
    pub const NATURAL: Self = Self {
        talk_ms: (15_000, 240_000),
    };
    /// For people who watch.
    pub const DEMO: Self = Self {
        talk_ms: (8_000, 25_000),
    };
}

/// Why a phone stopped ringing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Answered,
    /// It rang out.
    NoAnswer,
    /// It was busy and never rang.
    Busy,
    /// Another phone answered.
    Elsewhere,
    /// The other side gave up.
    Cancelled,
}

/// One phone that is called: an employee's, or in an outgoing call the client's.
#[derive(Clone, Debug)]
pub struct Ring {
    /// Extension, or the client's number.
    pub who: String,
    /// When it begins.
    pub from_ms: i64,
    /// When it ends.
    pub to_ms: i64,
    /// How it ends.
    pub outcome: Outcome,
}

/// The client is passed on.
#[derive(Clone, Debug)]
pub struct Passing {
    /// How.
    pub kind: TransferKind,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// When the first employee puts the client on hold.
    pub hold_ms: i64,
    /// When the second phone rings.
    pub rings_ms: i64,
    /// When the second employee picks up (attended: to speak with the first).
    pub picks_up_ms: i64,
    /// When the client is connected with the second employee.
    pub at_ms: i64,
}

/// One call from beginning to end.
#[derive(Clone, Debug)]
pub struct Story {
    /// Which call of the run it is; providers make their keys of it.
    pub number: u64,
    /// Its kind.
    pub plot: Plot,
    /// When it begins.
    pub start: Timestamp,
    /// The client's number; `None`: withheld.
    pub client: Option<String>,
    /// Our number.
    pub did: String,
    /// Outgoing: who calls.
    pub caller: Option<String>,
    /// Incoming: a menu talks first, until this moment.
    pub menu_ms: Option<i64>,
    /// Incoming: the queue that takes the call, from this moment.
    pub queue: Option<(String, i64)>,
    /// Click-to-call: when the employee picks up the own phone.
    pub click_ms: Option<i64>,
    /// Phones called, in order.
    pub rings: Vec<Ring>,
    /// When the first conversation begins.
    pub answered_ms: Option<i64>,
    /// A hold in the middle of the conversation.
    pub hold: Option<(i64, i64)>,
    /// The client is passed on.
    pub passing: Option<Passing>,
    /// When the call ends.
    pub end_ms: i64,
    /// Who hangs up.
    pub hangup: Side,
    /// Whether it is recorded from the answer on.
    pub recorded: bool,
}

impl Story {
    /// Draws a story of the kind `plot`.
    pub fn draw(
        dice: &mut Dice,
        world: &World,
        plot: Plot,
        number: u64,
        start: Timestamp,
        tempo: Tempo,
    ) -> Self {
        let mut people = world.people.clone();
        dice.shuffle(&mut people);
        let mut story = Self {
            number,
            plot,
            start,
            client: Some(dice.pick(&world.clients).clone()),
            did: dice.pick(&world.dids).clone(),
            caller: None,
            menu_ms: None,
            queue: None,
            click_ms: None,
            rings: Vec::new(),
            answered_ms: None,
            hold: None,
            passing: None,
            end_ms: 0,
            hangup: *dice.pick(&[Side::Client, Side::Employee]),
            recorded: dice.chance(70),
        };
        match plot.direction() {
            Direction::Out => story.draw_outgoing(dice, people),
            _ => story.draw_incoming(dice, people),
        }
        story.draw_conversation(dice, world, tempo);
        story
    }

    fn draw_incoming(&mut self, dice: &mut Dice, people: Vec<String>) {
        if dice.chance(5) {
            self.client = None;
        }
        let mut now = 0;
        if self.plot == Plot::MenuOnly || dice.chance(30) {
            now = dice.between(1_200, 6_000);
            self.menu_ms = Some(now);
        }
        if self.plot == Plot::MenuOnly {
            self.end_ms = now;
            self.hangup = Side::Client;
            return;
        }
        if self.plot == Plot::Queue {
            self.queue = Some(("sales".to_owned(), now));
            now += dice.between(300, 2_500);
        }
        match self.plot {
            Plot::Group => self.ring_together(dice, &people[..3.min(people.len())], now),
            Plot::Hunt | Plot::Queue => self.ring_in_turn(dice, &people, now),
            Plot::Missed => self.ring_in_vain(dice, &people, now),
            Plot::Abandoned => {
                let end = now + dice.between(800, 3_600);
                self.ring(&people[0], now, end, Outcome::Cancelled);
                self.end_ms = end;
                self.hangup = Side::Client;
            }
            Plot::Busy => {
                let end = now + dice.between(150, 600);
                self.ring(&people[0], now, end, Outcome::Busy);
                self.end_ms = end;
                self.hangup = Side::Pbx;
            }
            _ => {
                let answer = now + dice.between(1_100, 14_000);
                self.ring(&people[0], now, answer, Outcome::Answered);
                self.answered_ms = Some(answer);
            }
        }
    }

    fn ring_together(&mut self, dice: &mut Dice, people: &[String], now: i64) {
        let answer = now + dice.between(1_500, 9_000);
        for (n, person) in people.iter().enumerate() {
            let outcome = if n == 0 {
                Outcome::Answered
            } else {
                Outcome::Elsewhere
            };
            self.ring(person, now, answer, outcome);
        }
        // The one who answers is not always the first one told of.
        dice.shuffle(&mut self.rings);
        self.answered_ms = Some(answer);
    }

    fn ring_in_turn(&mut self, dice: &mut Dice, people: &[String], mut now: i64) {
        let vain = dice.between(i64::from(self.plot == Plot::Hunt), 2) as usize;
        for person in people.iter().take(vain) {
            let until = now + dice.between(7_000, 12_000);
            self.ring(person, now, until, Outcome::NoAnswer);
            now = until;
        }
        let answer = now + dice.between(1_100, 9_000);
        self.ring(&people[vain], now, answer, Outcome::Answered);
        self.answered_ms = Some(answer);
    }

    fn ring_in_vain(&mut self, dice: &mut Dice, people: &[String], mut now: i64) {
        let phones = dice.between(1, 3) as usize;
        for (n, person) in people.iter().take(phones).enumerate() {
            let until = now + dice.between(7_500, 15_000);
            let outcome = if n + 1 == phones && dice.chance(60) {
                self.hangup = Side::Client;
                Outcome::Cancelled
            } else {
                self.hangup = Side::Pbx;
                Outcome::NoAnswer
            };
            self.ring(person, now, until, outcome);
            now = until;
        }
        self.end_ms = now;
    }

    fn draw_outgoing(&mut self, dice: &mut Dice, people: Vec<String>) {
        self.caller = Some(people[0].clone());
        let mut now = 0;
        if self.plot.is_click() {
            now = dice.between(1_100, 6_000);
            self.click_ms = Some(now);
        }
        let client = self.client.clone().unwrap_or_default();
        let (wait_ms, outcome) = match self.plot {
            Plot::OutBusy => (dice.between(200, 900), Outcome::Busy),
            Plot::OutAbandoned => (dice.between(1_500, 8_000), Outcome::Cancelled),
            Plot::OutMissed | Plot::ClickMissed => {
                (dice.between(15_000, 30_000), Outcome::NoAnswer)
            }
            _ => (dice.between(1_500, 12_000), Outcome::Answered),
        };
        let until = now + wait_ms;
        self.ring(&client, now, until, outcome);
        match outcome {
            Outcome::Answered => self.answered_ms = Some(until),
            Outcome::Cancelled => self.hangup = Side::Employee,
            _ => self.hangup = Side::Pbx,
        }
        self.end_ms = until;
    }

    fn draw_conversation(&mut self, dice: &mut Dice, world: &World, tempo: Tempo) {
        let Some(answered) = self.answered_ms else {
            self.recorded = false;
            return;
        };
        let mut now = answered + dice.between(tempo.talk_ms.0, tempo.talk_ms.1) / 2;
        let kind = match self.plot {
            Plot::BlindTransfer => Some(TransferKind::Blind),
            Plot::AttendedTransfer => Some(TransferKind::Attended),
            _ => None,
        };
        if let Some(kind) = kind {
            now = self.pass_on(dice, world, kind, now);
        } else if dice.chance(20) {
            let until = now + dice.between(2_000, 9_000);
            self.hold = Some((now, until));
            now = until;
        }
        self.end_ms = now + dice.between(tempo.talk_ms.0, tempo.talk_ms.1) / 2;
    }

    fn pass_on(&mut self, dice: &mut Dice, world: &World, kind: TransferKind, now: i64) -> i64 {
        let from = self.answered_by().unwrap_or_default().to_owned();
        let rung = |who: &String| self.rings.iter().any(|ring| &ring.who == who);
        let others: Vec<&String> = world
            .people
            .iter()
            .filter(|who| **who != from && !rung(who))
            .collect();
        let to = (*dice.pick(&others)).clone();
        let rings_ms = now + dice.between(600, 1_500);
        let picks_up_ms = rings_ms + dice.between(1_200, 7_000);
        let at_ms = match kind {
            TransferKind::Blind => picks_up_ms,
            TransferKind::Attended => picks_up_ms + dice.between(1_500, 8_000),
        };
        self.passing = Some(Passing {
            kind,
            from,
            to,
            hold_ms: now,
            rings_ms,
            picks_up_ms,
            at_ms,
        });
        at_ms
    }

    fn ring(&mut self, who: &str, from_ms: i64, to_ms: i64, outcome: Outcome) {
        self.rings.push(Ring {
            who: who.to_owned(),
            from_ms,
            to_ms,
            outcome,
        });
    }

    /// Gives the first employee's part to `star`, who gives up any other part.
    pub fn cast(&mut self, star: &str) {
        let first = match (&self.caller, self.plot.direction(), self.rings.first()) {
            (Some(caller), ..) => caller.clone(),
            (None, Direction::In, Some(ring)) => ring.who.clone(),
            _ => return,
        };
        let swap = |who: &mut String| {
            if *who == first {
                star.clone_into(who);
            } else if who == star {
                who.clone_from(&first);
            }
        };
        self.caller.iter_mut().for_each(swap);
        self.rings.iter_mut().for_each(|ring| swap(&mut ring.who));
        if let Some(passing) = &mut self.passing {
            swap(&mut passing.from);
            swap(&mut passing.to);
        }
    }

    /// A moment of the story.
    pub fn at(&self, ms: i64) -> Timestamp {
        self.start.plus_millis(ms)
    }

    /// The first person who talks with the client.
    pub fn answered_by(&self) -> Option<&str> {
        self.answered_ms?;
        if let Some(caller) = &self.caller {
            return Some(caller);
        }
        self.rings
            .iter()
            .find(|ring| ring.outcome == Outcome::Answered)
            .map(|ring| ring.who.as_str())
    }

    /// Everyone of ours who takes part.
    pub fn people(&self) -> Vec<&str> {
        let mut people: Vec<&str> = self.caller.iter().map(String::as_str).collect();
        if self.plot.direction() == Direction::In {
            people.extend(self.rings.iter().map(|ring| ring.who.as_str()));
        }
        people.extend(self.passing.iter().map(|passing| passing.to.as_str()));
        people
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::drawn::draw;

    #[test]
    fn the_same_seed_tells_the_same_story() {
        for plot in Plot::ALL {
            let one = draw(11, plot).ledger("a", "k", 1);
            assert_eq!(one, draw(11, plot).ledger("a", "k", 1));
        }
    }

    #[test]
    fn the_star_takes_the_first_part_and_nobody_has_two() {
        for seed in 0..50 {
            for plot in Plot::ALL {
                let mut story = draw(seed, plot);
                let people = story.people().len();
                story.cast("206");
                let mut after: Vec<String> =
                    story.people().iter().map(|p| (*p).to_owned()).collect();
                let first = after.first().cloned();
                after.sort();
                after.dedup();
                assert!(
                    plot == Plot::MenuOnly || first.as_deref() == Some("206"),
                    "{plot:?}"
                );
                assert!(after.len() <= people, "seed {seed} {plot:?}");
            }
        }
    }

    #[test]
    fn five_seconds_of_ringing_part_missed_from_abandoned_with_room() {
        for seed in 0..300 {
            let missed = draw(seed, Plot::Missed).ledger("a", "k", 1);
            assert!(missed.ring_ms.unwrap() > 6_500, "seed {seed}");
            let abandoned = draw(seed, Plot::Abandoned).ledger("a", "k", 1);
            assert!(abandoned.ring_ms.unwrap() < 3_700, "seed {seed}");
        }
    }

    #[test]
    fn moments_of_a_story_are_in_order() {
        for seed in 0..100 {
            for plot in Plot::ALL {
                let story = draw(seed, plot);
                let answered = story.answered_ms.unwrap_or(0);
                assert!(answered <= story.end_ms, "seed {seed} {plot:?}");
                assert!(story.rings.iter().all(|ring| ring.from_ms < ring.to_ms));
                if let Some(passing) = &story.passing {
                    assert!(answered < passing.hold_ms && passing.at_ms < story.end_ms);
                    assert_ne!(passing.from, passing.to);
                }
                let ledger = story.ledger("a", "k", 1);
                assert!(ledger.talk_ms.unwrap() >= 0, "seed {seed} {plot:?}");
            }
        }
    }
}
