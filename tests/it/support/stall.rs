//! How long this machine has held its work up: what the kernel counts as time in which somebody waited
//! for a processor (`/proc/pressure/cpu`). A story beside a build measures the build; that time is not
//! the gateway's. An idle machine allows nothing.

use std::{
    sync::{Mutex, Once},
    time::Duration,
};

/// How often the count is read.
const EVERY: Duration = Duration::from_millis(50);
/// However busy the machine is: later than this is late.
const MOST_US: i64 = 10_000_000;

/// Moments and counts, both in microseconds.
static SAMPLES: Mutex<Vec<(i64, i64)>> = Mutex::new(Vec::new());

/// Begins to count; more than once is once.
pub fn watch() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        std::thread::spawn(|| {
            while let Some(total) = total() {
                let now = jiff::Timestamp::now().as_microsecond();
                let mut samples = SAMPLES.lock().expect("nobody panics with it");
                samples.push((now, total));
                drop(samples);
                std::thread::sleep(EVERY);
            }
        });
    });
}

/// How long work waited between two moments.
pub fn held_up_us(from: i64, to: i64) -> i64 {
    let samples = SAMPLES.lock().expect("nobody panics with it");
    let before = samples.iter().rev().find(|(at, _)| *at <= from);
    let after = samples.iter().find(|(at, _)| *at >= to).or(samples.last());
    match (before.or(samples.first()), after) {
        (Some((_, before)), Some((_, after))) => {
            (after - before).clamp(0, MOST_US.min((to - from).max(0)))
        }
        _ => 0,
    }
}

/// A kernel without the count allows nothing.
fn total() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/pressure/cpu").ok()?;
    let (_, total) = text.lines().next()?.rsplit_once("total=")?;
    total.parse().ok()
}
