//! A PBX that is not there: tells stories of calls in the words of real providers.
//!
//! Used by `ringcard demo`, `ringcard simulate`, the seeded simulation in `tests/sim`, the crash test
//! and the benches. It talks only to public sockets (webhooks, AMI), so removing it removes no server
//! code, and it knows nothing of `tracker` or `store`: what must be found after a call is written down
//! by the story itself ([`ledger::Ledger`]), never computed by the code under test.
//!
//! Reading order: `story` (what happens), `ledger` (what must be found), `mango`, `sipuni`, `uis`, `zadarma`,
//! `itoolabs`, `onlinepbx`, `twilio`, `push` with `zammad` and `sipgate`, `ami` (how a provider tells it), `played` (by which
//! names), `chaos` (what goes wrong on the way).

pub mod ami;
pub mod ami_server;
mod ami_story;
pub mod chaos;
pub mod connection;
pub mod dice;
#[cfg(test)]
mod drawn;
pub mod itoolabs;
pub mod ledger;
pub mod mango;
pub mod message;
pub mod office;
pub mod onlinepbx;
pub mod played;
pub mod push;
pub mod sipgate;
pub mod sipuni;
pub mod story;
pub mod twilio;
pub mod uis;
pub mod voices;
pub mod zadarma;
pub mod zammad;
