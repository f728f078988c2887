//! What stories stand on.

pub mod asterisk;
pub mod base;
pub mod cel;
pub mod gateway;
pub mod office;
pub mod postgres;
pub mod proxy;
pub mod scripted;
