//! Recordings of calls: what they are, where they are kept and how they are listened to.
//!
//! [`lane`] works through the jobs: [`fetch`] brings a file, [`audio`] says what it is and measures
//! it, [`vault`] keeps it, sealed by [`cipher`] if there is a key. [`serve`] gives it to a player, in the part ([`range`]) it asks for.
//! Who may listen is decided by `policy` in the pages; which side of a stereo file is the client is
//! a property of the line.

pub mod audio;
pub mod cipher;
pub mod fetch;
#[cfg(test)]
mod fixtures;
pub mod lane;
pub mod range;
pub mod serve;
pub mod vault;
