//! Reads the numbers of one account, and remembers those read lately: every message of a call names the
//! same two or three, and to look each up in the numbering plan was a quarter of decoding.
//!
//! Serves step 2. What a number means is `model::phone`'s.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::model::phone::{Number, NumberingPlan};

/// Numbers remembered in one of two generations: those of some thousand calls that go on at once.
const GENERATION: usize = 2_048;
/// Longest text that is remembered; honest numbers are shorter.
const LONGEST_BYTES: usize = 64;

/// Reads numbers as one account writes them.
pub struct Numbers {
    plan: NumberingPlan,
    known: Mutex<Known>,
}

/// What was read lately: when the young generation is full it becomes the old one, and what nobody asked
/// for since is dropped.
#[derive(Default)]
struct Known {
    young: HashMap<String, Number>,
    old: HashMap<String, Number>,
}

impl Numbers {
    /// Reads by this plan.
    pub fn new(plan: NumberingPlan) -> Self {
        Self {
            plan,
            known: Mutex::default(),
        }
    }

    /// [`NumberingPlan::read`].
    pub fn read(&self, raw: &str) -> Number {
        if raw.len() > LONGEST_BYTES {
            return self.plan.read(raw);
        }
        let known = self.lock().get(raw);
        known.unwrap_or_else(|| {
            let number = self.plan.read(raw);
            self.lock().keep(raw.to_owned(), number.clone());
            number
        })
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Whatever a panic left behind is true all the same.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn get(&mut self, raw: &str) -> Option<Number> {
        if let Some(number) = self.young.get(raw) {
            return Some(number.clone());
        }
        let (raw, number) = self.old.remove_entry(raw)?;
        self.keep(raw, number.clone());
        Some(number)
    }

    fn keep(&mut self, raw: String, number: Number) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(raw, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reads_the_same_however_often_and_whatever_came_between() {
        let plan = NumberingPlan::default();
        let numbers = Numbers::new(plan.clone());
        let long = "7".repeat(LONGEST_BYTES + 1);
        for round in 0..4 {
            for raw in ["74950000011", "8 495 000-00-12", "anonymous", "", &long] {
                assert_eq!(numbers.read(raw), plan.read(raw), "{raw}");
            }
            // Enough to push the first out of the young generation, and out of both.
            for n in 0..round * GENERATION {
                numbers.read(&n.to_string());
            }
        }
        let known = numbers.lock();
        assert!(known.young.len() + known.old.len() <= 2 * GENERATION);
        assert!(!known.young.contains_key(&long));
    }
}
