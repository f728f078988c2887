//! When a message that could not be told is tried again: soon at first, then ever more seldom, until
//! the horizon has passed. Pure.

use std::time::Duration;

use crate::model::time::Timestamp;

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3_600;

/// Waits after the first attempt, the second one, ...; the last one goes on.
const WAITS_S: [i64; 10] = [
    5,
    30,
    2 * MINUTE_S,
    10 * MINUTE_S,
    30 * MINUTE_S,
    HOUR_S,
    2 * HOUR_S,
    4 * HOUR_S,
    8 * HOUR_S,
    12 * HOUR_S,
];

/// How far a wait is moved at random, in percent: what failed together does not come back together.
const JITTER_PERCENT: i64 = 10;

/// When to try again after attempt number `attempt` (from 1) of a schedule begun at `from`; `None` when
/// the horizon has passed. `dice` lies in 0..=100. What the other side asks for is granted.
pub fn again_at(
    attempt: i64,
    (from, now): (Timestamp, Timestamp),
    asked: Option<Duration>,
    horizon: Duration,
    dice: i64,
) -> Option<Timestamp> {
    let end = from.plus_millis(i64::try_from(horizon.as_millis()).unwrap_or(i64::MAX));
    if now >= end {
        return None;
    }
    let step = usize::try_from(attempt.max(1) - 1).unwrap_or(0);
    let wait_ms = WAITS_S[step.min(WAITS_S.len() - 1)] * 1_000;
    let moved = wait_ms * JITTER_PERCENT * (2 * dice.clamp(0, 100) - 100) / 10_000;
    let asked_ms = asked.map_or(0, |asked| {
        i64::try_from(asked.as_millis()).unwrap_or(i64::MAX)
    });
    // The last attempt falls on the horizon itself.
    Some(now.plus_millis((wait_ms + moved).max(asked_ms)).min(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HORIZON: Duration = Duration::from_secs(72 * 3_600);

    /// All moments of a schedule on which every attempt fails at once.
    fn moments(dice: i64) -> Vec<i64> {
        let from = Timestamp::from_seconds(1_000);
        let (mut now, mut attempt, mut moments) = (from, 1, Vec::new());
        while let Some(next) = again_at(attempt, (from, now), None, HORIZON, dice) {
            assert!(next > now);
            moments.push(next.millis_since(from) / 1_000);
            (now, attempt) = (next, attempt + 1);
        }
        moments
    }

    #[test]
    fn it_ends_at_the_horizon_and_is_dense_at_first() {
        for dice in [0, 50, 100] {
            let moments = moments(dice);
            assert_eq!(moments.last(), Some(&(72 * 3_600)), "{moments:?}");
            assert!((12..=18).contains(&moments.len()), "{moments:?}");
        }
        assert_eq!(moments(50)[..4], [5, 35, 155, 755]);
    }

    #[test]
    fn the_dice_move_a_wait_by_a_tenth() {
        let from = Timestamp::from_seconds(0);
        let wait = |dice| {
            again_at(6, (from, from), None, HORIZON, dice)
                .unwrap()
                .as_seconds()
        };
        assert_eq!((wait(0), wait(50), wait(100)), (3_240, 3_600, 3_960));
    }

    #[test]
    fn who_asks_to_wait_is_not_asked_before() {
        let from = Timestamp::from_seconds(0);
        let asked = |seconds| {
            let asked = Some(Duration::from_secs(seconds));
            again_at(1, (from, from), asked, HORIZON, 50)
                .unwrap()
                .as_seconds()
        };
        assert_eq!(asked(600), 600);
        assert_eq!(asked(1), 5);
        assert_eq!(asked(u64::MAX), 72 * 3_600, "but the horizon stands");
    }
}
