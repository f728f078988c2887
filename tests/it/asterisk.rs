//! A real Asterisk 22 with SIPp around it, and the gateway as a process beside it.
//!
//! Every story ends with `Office::check`, which compares the gateway's own export with Asterisk's log
//! (`support/cel.rs` reads it, `support/journal.rs` compares), the recordings with the files on the PBX
//! (`support/sound.rs`), and the pops on everybody's screen with whose phones rang
//! (`support/popped.rs`). What a story asserts besides is what the log cannot know.

mod conference;
mod faults;
mod guide;
mod office;
mod over_ari;
mod parking;
mod places;
mod recorded;
mod routing;
mod transfers;
mod ways;

/// Owned by the manager of phone 101.
const KNOWN: &str = "+74950000077";
const STRANGER: &str = "+74950000055";
/// Numbers of the outside line, each with a way of its own (`tests/asterisk/etc/extensions.conf`).
const ROUTED: &str = "74950000001";
const ONE_PHONE: &str = "74950000010";
const RECORDED: &str = "74950000011";
const TWO_PHONES: &str = "74950000013";
/// Ends at 102, who is responsible for nobody.
const BORIS_ONLY: &str = "74950000014";
const GROUP: &str = "74950000020";
const LOCAL_GROUP: &str = "74950000021";
const LASTING_LOCAL_GROUP: &str = "74950000022";
const CONFERENCE: &str = "74950000050";
const QUEUE: &str = "74950000030";
const MENU: &str = "74950000040";
const VOICEMAIL: &str = "74950000041";
