//! Recordings of calls: what they are, where they are kept and how they are listened to.
//!
//! [`audio`] says what a file is and measures it; [`range`] reads the part a player asks for. Both
//! are free of storage and network.

pub mod audio;
pub mod range;
