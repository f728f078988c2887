//! What stories stand on.

pub mod base;
pub mod postgres;
