//! What pages are told, and what is remembered of telling them.

use std::sync::Arc;

use serde::Serialize;

use super::audience::{Reason, Stage};
use crate::model::{
    ids::{CallId, PersonId},
    time::Timestamp,
};

/// What a page is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Frame {
    /// Show this call, or bring what is shown up to this version.
    Pop(Shown),
    /// Take the call away.
    Withdraw {
        /// The call.
        call: CallId,
        /// Greater than every version shown before.
        version: i64,
        /// Why, in words for the page.
        why: Gone,
    },
    /// Something in the lists of this person changed (own calls, tasks).
    Lists,
    /// Everything that stands now; whatever is not in it is over.
    Sync {
        /// The pops of this person.
        pops: Vec<Shown>,
    },
}

/// One pop of one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The call.
    pub call: CallId,
    /// Version of the call; a page never replaces a greater one by a smaller one.
    pub version: i64,
    /// What the pop is about now.
    pub stage: Stage,
    /// Why this person gets it.
    pub reason: Reason,
    /// When the bytes came in that made this pop.
    #[serde(skip)]
    pub received_at: Timestamp,
}

/// Why a pop was taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gone {
    /// Another person talks with the client.
    AnsweredElsewhere,
    /// The call goes on, but not at this person's phone.
    MovedOn,
    /// The call is over.
    Ended,
    /// It turned out to be the same call as another one.
    Merged,
    /// The person has finished wrap-up, or its time is up.
    Done,
}

impl Gone {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnsweredElsewhere => "answered_elsewhere",
            Self::MovedOn => "moved_on",
            Self::Ended => "ended",
            Self::Merged => "merged",
            Self::Done => "done",
        }
    }
}

/// A frame with its place in the person's stream.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// Where a returning page goes on from.
    pub id: FrameId,
    /// What it says.
    pub frame: Arc<Frame>,
}

/// Place in one person's stream: the start of this process and a count. Text form `epoch-count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameId {
    /// Differs after every restart, so an id of an earlier process is never taken for ours.
    pub epoch: i64,
    /// Grows by one per frame.
    pub count: u64,
}

impl std::fmt::Display for FrameId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.epoch, self.count)
    }
}

impl std::str::FromStr for FrameId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (epoch, count) = text.trim().split_once('-').ok_or(())?;
        Ok(Self {
            epoch: epoch.parse().map_err(|_| ())?,
            count: count.parse().map_err(|_| ())?,
        })
    }
}

/// A moment in the life of a pop, for the call row and the "why no pop?" view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The call.
    pub call: CallId,
    /// Whose pop.
    pub person: PersonId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub what: Happened,
}

/// What happened to a pop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// The audience rule chose this person.
    Decided {
        /// Why.
        reason: Reason,
        /// When the causing bytes came in.
        received_at: Timestamp,
    },
    /// Handed to a browser's socket.
    Delivered {
        /// When the causing bytes came in.
        received_at: Timestamp,
    },
    /// The browser says that it stands on the screen.
    Painted,
    /// Taken away.
    Withdrawn(Gone),
}
