//! What goes wrong between a PBX and us: loss, repetition, reordering, delay.
//!
//! Pure and seeded: a list of messages in, the list as it arrives out. Cuts and crashes are actions of
//! whoever plays the list ([`Chaos::crash_points`] says where).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{dice::Dice, message::Sent};

/// How bad it gets; all numbers are percent of messages, except where said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chaos {
    /// Messages that never come.
    pub lose: u64,
    /// Messages that come twice.
    pub repeat: u64,
    /// Messages that come at a wrong place in the list.
    pub misplace: u64,
    /// How far a misplaced message may move, in messages.
    pub reach: u64,
    /// How often the gateway is killed while the list is played.
    pub crashes: u64,
    /// Calls whose last message (with most providers the summary) comes long after all others of it.
    #[serde(default)]
    pub late: u64,
}

/// How many messages may overtake a late summary.
const LATE_REACH: u64 = 300;

impl Chaos {
    /// Everything comes once and in order.
    pub const NONE: Self = Self {
        lose: 0,
        repeat: 0,
        misplace: 0,
        reach: 0,
        crashes: 0,
        late: 0,
    };

    /// Draws how bad this run is: about a third of runs are quiet, losses are rare.
    pub fn draw(dice: &mut Dice) -> Self {
        if dice.chance(30) {
            return Self::NONE;
        }
        let loses = dice.chance(15);
        Self {
            lose: if loses { 2 + dice.below(8) } else { 0 },
            repeat: dice.below(30),
            misplace: dice.below(70),
            reach: 1 + dice.below(60),
            crashes: u64::from(dice.chance(25)),
            late: 0,
        }
    }

    /// Reads `duplicates,reorder,loss,late-summary`, each usual or with its own percentage (`loss=5`), and
    /// `lose`, `repeat`, `misplace`, `reach`, `crashes`, which must have a number; also `none`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut chaos = Self::NONE;
        for part in text
            .split(',')
            .filter(|part| !part.is_empty() && *part != "none")
        {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, Some(number(value)?)),
                None => (part, None),
            };
            let told = || value.ok_or_else(|| format!("{name:?} is not name=number"));
            match name {
                "duplicates" => chaos.repeat = value.unwrap_or(15),
                "reorder" => chaos.misplace = value.unwrap_or(50),
                "loss" => chaos.lose = value.unwrap_or(5),
                "late-summary" => chaos.late = value.unwrap_or(30),
                "lose" => chaos.lose = told()?,
                "repeat" => chaos.repeat = told()?,
                "misplace" => chaos.misplace = told()?,
                "reach" => chaos.reach = told()?,
                "crashes" => chaos.crashes = told()?,
                _ => return Err(format!("no kind of chaos is called {name:?}")),
            }
        }
        if chaos.misplace > 0 && chaos.reach == 0 {
            chaos.reach = 20;
        }
        Ok(chaos)
    }

    /// The messages as they arrive, and the numbers of the stories that lost some.
    pub fn apply<T: Clone>(&self, dice: &mut Dice, sent: Vec<Sent<T>>) -> (Vec<Sent<T>>, Vec<u64>) {
        let mut placed = Vec::with_capacity(sent.len());
        let mut maimed = Vec::new();
        let late = self.late_ones(dice, &sent);
        for (n, message) in sent.into_iter().enumerate() {
            if dice.chance(self.lose) {
                maimed.push(message.story);
                continue;
            }
            if dice.chance(self.repeat) {
                placed.push((self.place(dice, n), message.clone()));
            }
            let place = match late.get(&n) {
                Some(overtaken_by) => n as u64 + overtaken_by,
                None => self.place(dice, n),
            };
            placed.push((place, message));
        }
        placed.sort_by_key(|(place, _)| *place);
        maimed.sort_unstable();
        maimed.dedup();
        let arrived = placed.into_iter().map(|(_, message)| message).collect();
        (arrived, maimed)
    }

    /// Which messages of the list are late, and how many others come before them.
    fn late_ones<T>(&self, dice: &mut Dice, sent: &[Sent<T>]) -> BTreeMap<usize, u64> {
        if self.late == 0 {
            return BTreeMap::new(); // the dice of runs without it stay as they were
        }
        let last: BTreeMap<u64, usize> = sent
            .iter()
            .enumerate()
            .map(|(n, message)| (message.story, n))
            .collect();
        last.into_values()
            .filter_map(|n| {
                let overtaken_by = 1 + dice.below(LATE_REACH);
                dice.chance(self.late).then_some((n, overtaken_by))
            })
            .collect()
    }

    fn place(&self, dice: &mut Dice, n: usize) -> u64 {
        let late = if dice.chance(self.misplace) {
            dice.below(self.reach + 1)
        } else {
            0
        };
        n as u64 + late
    }

    /// Before which messages (of `count`) the gateway is killed.
    pub fn crash_points(&self, dice: &mut Dice, count: usize) -> Vec<usize> {
        let mut points: Vec<usize> = (0..self.crashes)
            .map(|_| dice.below(count as u64) as usize)
            .collect();
        points.sort_unstable();
        points
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    fn list(count: u64) -> Vec<Sent<u64>> {
        (0..count)
            .map(|n| Sent {
                at: Timestamp::from_seconds(n as i64),
                story: n / 10,
                what: n,
            })
            .collect()
    }

    #[test]
    fn quiet_means_untouched() {
        let (arrived, maimed) = Chaos::NONE.apply(&mut Dice::new(1), list(50));
        let order: Vec<u64> = arrived.iter().map(|sent| sent.what).collect();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
        assert!(maimed.is_empty());
    }

    #[test]
    fn losses_are_confessed_and_nothing_else_is_lost() {
        let chaos = Chaos::parse("lose=10,repeat=30,misplace=80,reach=40").unwrap();
        let (arrived, maimed) = chaos.apply(&mut Dice::new(2), list(500));
        let missing = (0..500).filter(|n| arrived.iter().all(|sent| sent.what != *n));
        let missing: Vec<u64> = missing.collect();
        assert!(!missing.is_empty() && arrived.len() > 500);
        assert!(missing.iter().all(|n| maimed.contains(&(n / 10))));
        assert!(arrived.windows(2).any(|pair| pair[0].what > pair[1].what));
    }

    #[test]
    fn each_kind_has_a_name_that_does_what_it_says_and_may_have_a_number() {
        let usual = Chaos::parse("duplicates,reorder,loss,late-summary").unwrap();
        for share in [usual.repeat, usual.misplace, usual.lose, usual.late] {
            assert!((1..100).contains(&share), "{usual:?}");
        }
        assert_eq!((usual.reach, usual.crashes), (20, 0));
        let own = Chaos::parse("loss=2,late-summary=100,reach=7").unwrap();
        assert_eq!((own.lose, own.late, own.reach), (2, 100, 7));
        assert_eq!(Chaos::parse("none"), Ok(Chaos::NONE));
        for wrong in ["lose", "loss=much", "noise", "late"] {
            assert!(Chaos::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_late_summary_is_the_last_message_of_its_call_and_none_is_lost() {
        let chaos = Chaos::parse("late-summary=100").unwrap();
        let (arrived, maimed) = chaos.apply(&mut Dice::new(3), list(500));
        assert!(maimed.is_empty() && arrived.len() == 500);
        let place = |what| arrived.iter().position(|sent| sent.what == what).unwrap();
        // Message 9 ends the first story: it may be overtaken by others' messages, its own come in order.
        assert!((0..9).all(|n| place(n) < place(n + 1)));
        let overtaken = (0..50).filter(|story| place(story * 10 + 9) > (story * 10 + 9) as usize);
        assert!(overtaken.count() > 30);
    }
}
