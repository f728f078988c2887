//! Ringcard stands between the phone and the customer base: it hears what PBXes tell, understands it
//! as calls, opens the client's card while the phone rings, answers who should ring, keeps the
//! recording and counts.
//!
//! Reading order: `flow` (the seven steps of a call event), `model` (the words), `tracker` (facts to
//! call), `rules` (decisions), `pbx` (who speaks to us), `store` (one commit), `live` and `web` (what
//! people see), `delivery` (what the outside is told). ARCHITECTURE.md walks one call from socket to pop.

pub mod app;
pub mod bench;
pub mod cli;
pub mod config;
pub mod delivery;
pub mod flow;
pub mod http;
pub mod keeping;
pub mod live;
pub mod model;
pub mod pbx;
#[cfg(feature = "planted")]
pub mod planted;
pub mod policy;
pub mod recordings;
pub mod reports;
pub mod rules;
pub mod simulator;
pub mod store;
pub mod telemetry;
pub mod tracker;
pub mod web;
