//! Chance that can be repeated: a small generator of numbers from one seed.

/// SplitMix64: enough for stories, tiny, and the same on every machine. Not for secrets.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The sequence of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence of its own, named by `label`, that does not move this one.
    pub fn fork(&self, label: u64) -> Self {
        let mut other = Self(self.0 ^ label.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        other.roll();
        other
    }

    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `below` - 1; 0 for an empty range.
    pub fn below(&mut self, below: u64) -> u64 {
        if below == 0 { 0 } else { self.roll() % below }
    }

    /// A number from `from` to `to`, both possible.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.below(to.abs_diff(from) + 1) as i64
    }

    /// Whether something that happens `percent` times in a hundred happens now.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `items`, which must not be empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// Another order of `items`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_forks_do_not_disturb() {
        let mut one = Dice::new(7);
        let mut two = Dice::new(7);
        let _ = two.fork(3).roll();
        assert_eq!(one.roll(), two.roll());
        assert_ne!(Dice::new(7).fork(1).roll(), Dice::new(7).fork(2).roll());
    }

    #[test]
    fn ranges_are_kept_and_reached() {
        let mut dice = Dice::new(1);
        let rolls: Vec<i64> = (0..500).map(|_| dice.between(-2, 2)).collect();
        assert!((-2..=2).all(|wanted| rolls.contains(&wanted)));
        assert!(rolls.iter().all(|roll| (-2..=2).contains(roll)));
    }
}
