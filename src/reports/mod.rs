//! Figures put together for people: what each channel and number brought in a period, beside the period
//! before, and what it cost.
//!
//! Each figure is counted by the store under one condition, and the journal lists the calls behind it
//! by the same one. Leaves out: how a table or file looks (`web`).

pub mod channels;
pub mod spend;
