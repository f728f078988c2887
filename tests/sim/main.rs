//! Seeded runs of the whole flow; the oracle is the simulator's own ledger, never the tracker.
//!
//! `make sim SEEDS=1000` runs seeds 1 to 1000, `make sim SEED=42` replays one, `STORE=postgres` takes
//! the other store. A failing seed is printed with what differs.

mod check;
mod pure;
