//! A story drawn for the unit tests of whoever tells stories.

use super::dice::Dice;
use super::story::{Plot, Story, Tempo, World};
use crate::model::time::Timestamp;

/// The story of this seed in a company of six phones and twenty clients.
pub fn draw(seed: u64, plot: Plot) -> Story {
    let world = World::company(6, 20);
    let start = Timestamp::from_seconds(1_773_728_100);
    Story::draw(&mut Dice::new(seed), &world, plot, 1, start, Tempo::NATURAL)
}
