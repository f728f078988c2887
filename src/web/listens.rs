//! Which listens were audited a short while ago. A player asks for a recording in many parts, so not
//! every request is a listen; but none of them goes by without one, whatever part it asks for.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::model::{ids::PersonId, time::Timestamp};

/// Requests within this time of an audited one belong to the same listen.
const SAME_LISTEN_MS: i64 = 10 * 60_000;
/// How many are remembered at most; what is forgotten is audited once more.
const REMEMBERED: usize = 10_000;

/// Who listened to what, and when that was audited.
#[derive(Debug, Default)]
pub struct Listens {
    audited: Mutex<HashMap<(PersonId, i64), Timestamp>>,
}

impl Listens {
    /// Whether a request of this person for this recording has to be audited.
    pub fn is_new(&self, person: PersonId, recording: i64, now: Timestamp) -> bool {
        let audited = self.lock();
        let at = audited.get(&(person, recording));
        at.is_none_or(|at| !is_recent(*at, now))
    }

    /// Remembers that it was audited.
    pub fn keep(&self, person: PersonId, recording: i64, now: Timestamp) {
        let mut audited = self.lock();
        if audited.len() >= REMEMBERED {
            audited.retain(|_, at| is_recent(*at, now));
        }
        if audited.len() >= REMEMBERED {
            let oldest = audited.iter().min_by_key(|(_, at)| **at);
            let oldest = oldest.map(|(key, _)| *key);
            oldest.and_then(|key| audited.remove(&key));
        }
        audited.insert((person, recording), now);
    }

    /// Every change is one step, so a panic elsewhere leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, HashMap<(PersonId, i64), Timestamp>> {
        self.audited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock set back must not silence the audit.
fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    at <= now && now.millis_since(at) < SAME_LISTEN_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(n: i64) -> Timestamp {
        Timestamp::from_micros(n * 60_000_000)
    }

    #[test]
    fn a_listen_is_new_again_after_ten_minutes_and_for_everybody_else() {
        let listens = Listens::default();
        let anna = PersonId(1);
        assert!(listens.is_new(anna, 7, minute(100)));
        listens.keep(anna, 7, minute(100));
        assert!(!listens.is_new(anna, 7, minute(109)));
        assert!(listens.is_new(anna, 7, minute(110)));
        assert!(
            listens.is_new(anna, 7, minute(99)),
            "the clock was set back"
        );
        assert!(listens.is_new(anna, 8, minute(101)));
        assert!(listens.is_new(PersonId(2), 7, minute(101)));
    }

    #[test]
    fn the_oldest_is_forgotten_when_there_are_too_many() {
        let listens = Listens::default();
        let anna = PersonId(1);
        listens.keep(anna, 0, minute(100));
        for recording in 1..=REMEMBERED as i64 {
            listens.keep(anna, recording, minute(101));
        }
        assert_eq!(listens.lock().len(), REMEMBERED);
        assert!(listens.is_new(anna, 0, minute(101)));
        assert!(!listens.is_new(anna, 1, minute(101)));
    }
}
