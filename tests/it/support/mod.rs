//! What stories stand on.

pub mod asterisk;
pub mod base;
pub mod beside;
pub mod cel;
pub mod desk;
pub mod gateway;
pub mod journal;
pub mod office;
pub mod popped;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod scripted;
pub mod sound;
pub mod stall;
pub mod witness;
