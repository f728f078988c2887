//! What stories stand on.

pub mod base;
pub mod gateway;
pub mod postgres;
pub mod scripted;
