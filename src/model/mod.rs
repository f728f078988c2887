//! The words of the domain. Pure: no I/O, no clock, no vendor's words.

pub mod call;
pub mod device;
pub mod event;
pub mod ids;
pub mod money;
pub mod people;
pub mod phone;
pub mod recording;
pub mod time;
pub mod traces;
pub mod visit;
