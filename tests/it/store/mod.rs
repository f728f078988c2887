//! What the store promises, on both engines.

mod faults;
mod order;
mod pops;
mod read;
mod told;
mod upkeep;
mod writing;
