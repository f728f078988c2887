//! What goes wrong between a PBX and us: loss, repetition, reordering, delay.
//!
//! Pure and seeded: a list of messages in, the list as it arrives out. Cuts and crashes are actions of
//! whoever plays the list ([`Chaos::crash_points`] says where).

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
}

impl Chaos {
    /// Everything comes once and in order.
    pub const NONE: Self = Self {
        lose: 0,
        repeat: 0,
        misplace: 0,
        reach: 0,
        crashes: 0,
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
        }
    }

    /// Reads `lose=5,repeat=10,misplace=50,reach=30,crashes=1`; also `none`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut chaos = Self::NONE;
        for part in text
            .split(',')
            .filter(|part| !part.is_empty() && *part != "none")
        {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} is not name=number"))?;
            let value: u64 = value
                .parse()
                .map_err(|_| format!("{value:?} is not a whole number"))?;
            match name {
                "lose" => chaos.lose = value,
                "repeat" => chaos.repeat = value,
                "misplace" => chaos.misplace = value,
                "reach" => chaos.reach = value,
                "crashes" => chaos.crashes = value,
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
        for (n, message) in sent.into_iter().enumerate() {
            if dice.chance(self.lose) {
                maimed.push(message.story);
                continue;
            }
            if dice.chance(self.repeat) {
                placed.push((self.place(dice, n), message.clone()));
            }
            placed.push((self.place(dice, n), message));
        }
        placed.sort_by_key(|(place, _)| *place);
        maimed.sort_unstable();
        maimed.dedup();
        let arrived = placed.into_iter().map(|(_, message)| message).collect();
        (arrived, maimed)
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
}
