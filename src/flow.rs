//! The seven steps of a call event.

pub mod enquiry;
