//! Situations of calls, one test each, and the promises that hold for every set of facts.

mod channels;
mod clouds;
mod properties;
mod simulated;
