//! The load of `bench ingest`: six signed events a call, one call in five from a new number, every
//! twentieth message twice, shuffled within windows of some five hundred calls.

use bytes::Bytes;

use crate::{
    model::{event::Side, time::Timestamp},
    simulator::{
        chaos::Chaos,
        dice::Dice,
        mango::Mango,
        story::{Outcome, Plot, Ring, Story, invented_number},
    },
};

/// First number that no seeded client has.
const FIRST_NEW: usize = 2_000_000;
/// Messages that may change places with one another.
const WINDOW: usize = 3_000;

/// What is sent.
pub struct Load {
    /// The account that sends.
    pub account: Mango,
    /// The account's hook root.
    pub root: String,
    /// Number of the first call that it tells.
    pub first: u64,
    /// Known clients: numbers from [`client`]`(0)` on.
    pub clients: usize,
    /// Extensions from 201 on.
    pub people: usize,
}

/// The number of the n-th known client.
pub fn client(n: usize) -> String {
    invented_number(100 + n)
}

impl Load {
    /// The requests of `calls` calls, the first of which has the number `first`; `now` is when they
    /// are sent, so that calls began a few minutes ago.
    pub fn requests(&self, first: u64, calls: u64, now: Timestamp, dice: &mut Dice) -> Vec<Bytes> {
        self.stories(first, calls, now, dice).1
    }

    /// [`Load::requests`] with the stories they tell.
    pub fn stories(
        &self,
        first: u64,
        calls: u64,
        now: Timestamp,
        dice: &mut Dice,
    ) -> (Vec<Story>, Vec<Bytes>) {
        let repeats = Chaos {
            repeat: 5,
            ..Chaos::NONE
        };
        let mut stories = Vec::with_capacity(calls as usize);
        let mut posts = Vec::with_capacity(calls as usize * 7);
        for number in first..first + calls {
            let story = self.story(number, now, dice);
            let told = self.account.tell(&story);
            stories.push(story);
            let told = told
                .into_iter()
                .filter(|sent| sent.what.target != "/events/record/added");
            posts.extend(repeats.apply(dice, told.collect()).0);
        }
        for window in posts.chunks_mut(WINDOW) {
            dice.shuffle(window);
        }
        let requests = posts
            .iter()
            .map(|sent| Bytes::from(sent.what.bytes(&self.root, "bench")));
        let requests = requests.collect();
        (stories, requests)
    }

    /// A call that begins now, at the desk of the person (counted from 0).
    pub fn ringing(&self, number: u64, person: usize, now: Timestamp, dice: &mut Dice) -> Story {
        let mut story = self.story(number, now.plus_millis(120_000), dice);
        story.rings[0].who = (201 + person).to_string();
        story
    }

    /// A plain answered call that began two minutes before `now`.
    fn story(&self, number: u64, now: Timestamp, dice: &mut Dice) -> Story {
        let client = if dice.chance(20) {
            invented_number(FIRST_NEW + number as usize)
        } else {
            client(dice.below(self.clients as u64) as usize)
        };
        let extension = (201 + dice.below(self.people as u64)).to_string();
        let answered_ms = dice.between(2_000, 9_000);
        let end_ms = answered_ms + dice.between(10_000, 90_000);
        Story {
            number,
            plot: Plot::Answered,
            start: now.plus_millis(-120_000),
            client: Some(client),
            did: invented_number(1 + dice.below(4) as usize),
            caller: None,
            menu_ms: None,
            queue: None,
            click_ms: None,
            rings: vec![Ring {
                who: extension,
                from_ms: 0,
                to_ms: answered_ms,
                outcome: Outcome::Answered,
            }],
            answered_ms: Some(answered_ms),
            hold: None,
            passing: None,
            end_ms,
            hangup: Side::Client,
            recorded: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_six_events_and_a_twentieth_comes_twice() {
        let load = Load {
            account: Mango {
                account: "bench".to_owned(),
                key: "k".to_owned(),
                salt: "s".to_owned(),
                run: 1,
            },
            root: "/hooks/bench".to_owned(),
            first: 0,
            clients: 1_000,
            people: 10,
        };
        let now = Timestamp::from_seconds(1_773_728_100);
        let requests = load.requests(0, 1_000, now, &mut Dice::new(1));
        let distinct: std::collections::BTreeSet<&Bytes> = requests.iter().collect();
        assert_eq!(distinct.len(), 6_000);
        assert!(
            (6_150..6_450).contains(&requests.len()),
            "{}",
            requests.len()
        );
        assert!(requests[0].starts_with(b"POST /hooks/bench/events/"));
    }
}
