//! Decisions, each pure: what comes in decides what goes out, and the reason goes with it.

pub mod attribution;
pub mod channels;
pub mod figures;
pub mod matching;
pub mod merging;
pub mod news;
pub mod phones;
pub mod recorded;
pub mod routing;
