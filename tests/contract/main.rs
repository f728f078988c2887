//! Every PBX in the registry against the same promises.
//!
//! A new provider writes no test code: it brings `tests/fixtures/pbx/<provider>/<situation>/` and its
//! line in the registry. What the folders hold is told in `conversation`.
//!
//! A folder of further messages with their meanings and calls (not ours to publish) is held to the same
//! with `RINGCARD_PROTOCOL_SAMPLES=<folder> cargo test --test contract`.

mod body;
mod calls;
mod clocks;
mod conversation;
mod meaning;
mod promises;
mod shapes;
mod table;
