//! What a PBX says of its phones outside of any call: whether they can be rung.
//!
//! Not facts of calls and kept nowhere: a PBX is asked anew after every lost connection.

use super::ids::Extension;

/// One word of a PBX on one phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceNews {
    /// Whose phone.
    pub extension: Extension,
    /// By what the PBX knows.
    pub by: Told,
    /// How it stands.
    pub state: DeviceState,
}

/// By what a PBX knows how a phone stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// The extension as its owner has put it together, of several devices or a switch: a hint.
    Extension,
    /// The one device that is named like the extension.
    Device,
    /// Its place in this waiting queue.
    Queue(String),
}

/// How a phone stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// It can be rung.
    Free,
    /// It rings, talks or has somebody on hold.
    Busy,
    /// Not registered, or it does not answer.
    Unreachable,
    /// Its person has taken a pause.
    Paused,
    /// Nothing is known (any more).
    Unknown,
}
