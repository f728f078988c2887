//! The heart: a call is the set of facts known about it. Step 3 of a call event (`apply`).
//!
//! Providers repeat, reorder and lose messages. So nothing here depends on the order in which facts
//! come: they are kept as a set ([`Facts`]) and the call is derived from the whole set each time
//! ([`derive`]).

mod derive;
pub mod due;
pub mod facts;
pub mod join;
mod merge;
mod seal;

pub use derive::derive;
pub use due::{due, next_due};
pub use facts::Facts;
pub use join::{keys, main_key, winner};
pub use seal::SealError;

#[cfg(test)]
mod story;
