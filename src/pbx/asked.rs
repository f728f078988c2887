//! The question "who should ring?" and its answer, in our words; adapters read and write them. What goes
//! back over HTTP is a [`Reply`]. And what we ask back at once: who the visitor behind a call is.

use bytes::Bytes;

use crate::model::{
    event::ROUTE_BLOCKED,
    ids::{AccountName, CallKey, Extension},
    phone::Number,
    time::Timestamp,
};

/// A call has come by a number that the PBX shows one visitor of the site at a time: it can be asked who
/// that is, as long as the visitor has the number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VisitorOf {
    /// The call.
    pub call: CallKey,
    /// The number, as the PBX tells it.
    pub number: String,
    /// When the call was there, by the PBX's clock.
    pub at: Timestamp,
}

/// The PBX asks who should ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enquiry {
    /// The account that asks.
    pub account: AccountName,
    /// The call's key, where the question carries one.
    pub call: Option<CallKey>,
    /// The caller.
    pub client: Option<Number>,
    /// Our number that was dialled.
    pub did: Option<Number>,
    /// Which question of this call it is, from 1.
    pub attempt: u32,
    /// Asks only whether this extension is the responsible one (Sipuni's yes/no node).
    pub is_it: Option<Extension>,
    /// Keys pressed before.
    pub digits: String,
    /// Nobody has asked: the PBX rings these phones, or has rung them, by its own scheme. Only the
    /// responsible one may be rung instead.
    pub rung: Vec<Extension>,
    /// When the question came.
    pub at: Timestamp,
}

/// The answer to an [`Enquiry`], in our words; the adapter formats it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteAnswer {
    /// Who should ring, in order of preference; all at once if `together`.
    pub targets: Vec<Extension>,
    /// How long they may ring, in milliseconds.
    pub ring_ms: i64,
    /// Whether all targets ring at once.
    pub together: bool,
    /// The client's name for the phone's display.
    pub display_name: Option<String>,
    /// Why, as a closed word (`owner`, `deputy`, `group`, `line`, `default`, `timeout`).
    pub reason: String,
    /// What the line's rule of recording asks of the PBX: not to record with every answer of a call, the rest with the first.
    pub recorded: Recorded,
}

/// What a PBX is to do about recording a call; else it does what it would do anyway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The call is not to be recorded.
    pub never: bool,
    /// The file to be played to the caller before anybody's phone rings.
    pub prompt: Option<String>,
    /// The caller is to be asked for a key.
    pub asks: bool,
}

impl RouteAnswer {
    /// Whether the caller is not to be put through at all.
    pub fn is_blocked(&self) -> bool {
        self.reason == ROUTE_BLOCKED
    }
}

/// What an adapter answers to an HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Body.
    pub body: Bytes,
}

impl Reply {
    /// `200` with nothing in it.
    pub fn empty() -> Self {
        Self::text(Bytes::new())
    }

    /// `200` with plain text.
    pub fn text(text: impl Into<Bytes>) -> Self {
        Self {
            status: 200,
            content_type: "text/plain; charset=utf-8",
            body: text.into(),
        }
    }

    /// `200` with JSON text.
    pub fn json(text: &'static str) -> Self {
        Self {
            status: 200,
            content_type: "application/json",
            body: Bytes::from_static(text.as_bytes()),
        }
    }
}
