//! Situations of calls, one test each, and the promises that hold for every set of facts.

mod channels;
mod clouds;
mod parked;
mod properties;
mod simulated;
mod untimed;
