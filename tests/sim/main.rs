//! Seeded runs of the whole flow; the oracle is the simulator's own ledger, never the tracker.
//!
//! `make sim SEEDS=1000` runs seeds 1 to 1000, `make sim SEED=42` replays one, `STORE=postgres` takes
//! the other store. A failing seed is printed with what differs.

mod check;
mod crash;
mod program;
mod pure;
mod together;
mod whole;

use std::{
    env,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use ringcard::bench::cluster::Cluster;

/// A whole number from the environment.
fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// Seeds of this run: one to replay, or `RINGCARD_SEEDS` of them, beginning with `RINGCARD_SEED_FROM`.
fn seeds(usual: u64) -> Vec<u64> {
    if let Some(seed) = number("RINGCARD_SEED") {
        return vec![seed];
    }
    let from = number("RINGCARD_SEED_FROM").unwrap_or(1);
    (from..from + number("RINGCARD_SEEDS").unwrap_or(usual)).collect()
}

/// Runs seeds on a few threads and tells every seed that failed.
fn run(seeds: &[u64], cluster: Option<&Cluster>) {
    let next = AtomicU64::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..number("RINGCARD_SIM_THREADS").unwrap_or(2) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let wrong = whole::run(*seed, cluster);
                    if !wrong.is_empty() {
                        if number("RINGCARD_SIM_FIRST").is_some() {
                            next.store(u64::MAX / 2, Ordering::Relaxed);
                        }
                        eprintln!("seed {seed} fails:\n  {}", wrong.join("\n  "));
                        failures.lock().unwrap().push(*seed);
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort_unstable();
    assert!(
        failures.is_empty(),
        "{} of {} seeds fail: {failures:?}\nreplay: make sim SEED={}",
        failures.len(),
        seeds.len(),
        failures[0]
    );
}

#[test]
fn seeds_hold_on_sqlite() {
    run(&seeds(25), None);
}

#[test]
fn seeds_hold_on_postgres() {
    let all = seeds(100);
    // One in twenty: the logic is the same, only the statements differ.
    let some = match all.as_slice() {
        [one] => vec![*one],
        many => many[..many.len().div_ceil(20).max(5).min(many.len())].to_vec(),
    };
    // Durability is the crash test's business.
    let cluster = Cluster::start("fsync = off\nsynchronous_commit = off")
        .expect("PostgreSQL is installed: `make test` does it");
    run(&some, Some(&cluster));
}
