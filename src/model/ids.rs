//! Names of things: accounts, calls, legs, facts, and the keys providers give them.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_name! {
    /// One account at one PBX, as the configuration names it (`head-office`).
    AccountName
}
text_name! {
    /// A name under which one account knows one call: Asterisk's Linkedid (and the Uniqueid of every
    /// channel), Mango's `entry_id`, Sipuni's `call_id`. A call may be known by several keys; one
    /// message that carries two of them joins them ([`crate::model::event::Fact::SameCall`]).
    CallKey
}
text_name! {
    /// The provider's name of one leg: Asterisk's Uniqueid, Mango's `call_id`, Sipuni's extension.
    LegKey
}
/// What names of calls begin with that their record does not name.
const NAMELESS: &str = "nameless/";

impl CallKey {
    /// Name of a call whose record in the PBX's history carries none: made of what else tells it from
    /// others. Where the call is known under a name, that one is used instead (`flow::reconcile`).
    pub fn nameless(what: &str) -> Self {
        Self::from(format!("{NAMELESS}{what}"))
    }

    /// Whether it is such a name.
    pub fn is_nameless(&self) -> bool {
        self.0.starts_with(NAMELESS)
    }
}

/// What names of legs begin with that only the PBX's own records tell.
const OF_RECORDS: &str = "records/";

impl LegKey {
    /// Name of a leg that the PBX's own records tell without the name that its events have for it. Such
    /// a leg gives way to one of events (`tracker::derive`).
    pub fn of_records(person: &Extension, rang: Option<super::time::Timestamp>) -> Self {
        let second = rang.map_or(0, super::time::Timestamp::as_seconds);
        Self::from(format!("{OF_RECORDS}{person}/{second}"))
    }

    /// Whether it is such a name.
    pub fn is_of_records(&self) -> bool {
        self.0.starts_with(OF_RECORDS)
    }
}

text_name! {
    /// What makes a fact the same fact when it comes again. Unique within the account: the text
    /// starts with the call or leg key and goes on with what happened (`1700.12/up`).
    FactId
}
text_name! {
    /// An employee's short number at the PBX (`201`).
    Extension
}

/// Our own name of a call; version 7, so that ids grow with time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub Uuid);

/// Our own name of a client's card; version 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CardId(pub Uuid);

/// A person who works with Ringcard: row id of table `person`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonId(pub i64);

/// A number of ours that clients dial: row id of table `line`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LineId(pub i64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
