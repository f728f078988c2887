//! What stories stand on.

pub mod gateway;
pub mod scripted;
