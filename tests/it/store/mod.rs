//! What the store promises, on both engines.

mod call_backs;
mod derived;
mod doctor;
mod faults;
mod leaving;
mod merging;
mod order;
mod pops;
pub mod read;
mod ruled;
pub mod told;
mod upkeep;
mod writing;
