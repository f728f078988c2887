//! A call as derived from its facts, and its legs, transfers and figures.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    event::{
        Cause, ConsentSaid, Direction, Party, RecordingSource, RecordingStage, Side, TransferKind,
    },
    ids::{AccountName, CallId, CallKey, CardId, Extension, LegKey, LineId},
    phone::Number,
    time::Timestamp,
};

/// How a call turned out. A closed list; `None` on a call means that it is not decided yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallResult {
    /// A person talked with the client.
    Answered,
    /// Incoming: nobody talked, and the caller stayed at least 5 s after the ringing began (unless
    /// everybody rung refused: [`CallResult::Busy`], [`CallResult::Rejected`]).
    /// Outgoing: the client did not pick up.
    Missed,
    /// Incoming: the caller left before a person had rung for 5 s, also out of a queue in which nobody
    /// rang. Outgoing: the employee gave up before the client answered, or never took the own leg of a
    /// click-to-call.
    Abandoned,
    /// The called side was busy. Incoming: everybody called was, and the caller did not hang up first.
    Busy,
    /// The called side refused the call. Incoming: everybody called refused or was busy.
    Rejected,
    /// There is no way to the number dialled.
    NoRoute,
    /// A technical failure.
    Failed,
    /// The caller was left to a voice mailbox, no person talked.
    Voicemail,
    /// Only a menu or announcement talked; no person was ever rung.
    IvrOnly,
    /// Came out of working hours and reached nobody.
    AfterHours,
    /// Refused by a block list or rule.
    Blocked,
}

impl CallResult {
    /// Every result, in the order people read them.
    pub const ALL: [Self; 11] = [
        Self::Answered,
        Self::Missed,
        Self::Abandoned,
        Self::Busy,
        Self::Rejected,
        Self::NoRoute,
        Self::Failed,
        Self::Voicemail,
        Self::IvrOnly,
        Self::AfterHours,
        Self::Blocked,
    ];

    /// The word used in exports, metrics and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Missed => "missed",
            Self::Abandoned => "abandoned",
            Self::Busy => "busy",
            Self::Rejected => "rejected",
            Self::NoRoute => "no_route",
            Self::Failed => "failed",
            Self::Voicemail => "voicemail",
            Self::IvrOnly => "ivr_only",
            Self::AfterHours => "after_hours",
            Self::Blocked => "blocked",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|result| result.as_str() == word)
    }

    /// Whether somebody of ours should call this client back.
    pub const fn wants_call_back(self) -> bool {
        !matches!(self, Self::Answered | Self::Blocked)
    }
}

impl Direction {
    /// The word used in exports, metrics and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Internal => "internal",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::In, Self::Out, Self::Internal]
            .into_iter()
            .find(|direction| direction.as_str() == word)
    }
}

/// How a call came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The PBX told the end; who hung up stands in [`Call::hangup_by`] where known.
    HungUp,
    /// Nothing was heard for 4 h or more, or the PBX was asked and knew the call no longer, and history
    /// is silent.
    Unknown,
}

impl Ended {
    /// The word used in exports and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HungUp => "hung_up",
            Self::Unknown => "unknown",
        }
    }
}

impl Side {
    /// The word used in exports and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Employee => "employee",
            Self::Pbx => "pbx",
        }
    }
}

/// Result of one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegResult {
    /// The party was connected with the client or a colleague (a machine's or click-to-call's own leg: was
    /// picked up).
    Answered,
    /// Another leg was answered first.
    AnsweredElsewhere,
    /// The leg ended unanswered for this cause.
    #[serde(untagged)]
    Failed(Cause),
}

/// One party of a call, from first ring to hang-up. With event PBXes a phone that rings again later has
/// another leg of the same key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Leg {
    /// The provider's key.
    pub key: LegKey,
    /// Who is at its end; `None` while no message has said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party: Option<Party>,
    /// The employee who calls the party over this leg (event PBXes; a channel PBX gives the caller a leg
    /// of their own).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Extension>,
    /// When the party's phone began to ring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rang_at: Option<Timestamp>,
    /// When the party was first connected with somebody (a machine's leg, or the employee's own of a
    /// click-to-call: when it was picked up).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// When the leg ended; the end of the call, or of its ringing, if its own end was not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How it turned out; `None` while it lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<LegResult>,
    /// The employee's own leg of a click-to-call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub initiator: bool,
}

impl Leg {
    /// Whether its party was connected with anybody, though perhaps nobody has told since when.
    pub fn was_answered(&self) -> bool {
        self.answered_at.is_some() || self.result == Some(LegResult::Answered)
    }

    /// The extension of an employee's leg.
    pub fn extension(&self) -> Option<&Extension> {
        match &self.party {
            Some(Party::Person(extension)) => Some(extension),
            _ => None,
        }
    }
}

/// The client was passed from one employee to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Transfer {
    /// Blind or attended.
    pub kind: TransferKind,
    /// Who passed the client on.
    pub from: Option<Extension>,
    /// Who got the client.
    pub to: Option<Extension>,
    /// When the client was connected to `to` (or the transfer was told, if that never came).
    pub at: Timestamp,
}

/// A recording that the provider has told of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordingNews {
    /// The provider's id or the file's name.
    pub recording: String,
    /// The furthest stage told.
    pub stage: RecordingStage,
    /// Where it can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<RecordingSource>,
}

/// A part of a call that was not recorded because somebody paused the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordingPause {
    /// Since when.
    pub from: Timestamp,
    /// Until when; `None`: until the recording ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

/// Where a call stands now.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nobody rings yet, or a machine has the call.
    #[default]
    Waiting,
    /// At least one person's phone rings (or, outgoing, the client's) and nobody talks.
    Ringing,
    /// Client and person talk.
    Talking,
    /// Over.
    Ended,
}

impl Phase {
    /// The word used in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ringing => "ringing",
            Self::Talking => "talking",
            Self::Ended => "ended",
        }
    }
}

/// A call, derived from the set of facts known about it (`tracker::derive`).
///
/// Times and spans, all in UTC (calls of one account share the provider's clock):
/// * **wait** = start → first human answer, or end;
/// * **ring** = first ringing leg of a person (outgoing: of the client) → first human answer, or end;
/// * **talk** = first human answer → end, less **hold**.
///
/// A menu, queue or voicemail that picks up is not a human answer, and neither is the employee's own
/// leg of a click-to-call. Spans are `None` while they cannot be known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Which way; `None` until a message says it.
    pub direction: Option<Direction>,
    /// Where it stands.
    pub phase: Phase,
    /// How it turned out; `None` until decided.
    pub result: Option<CallResult>,
    /// How it ended; `None` while it lives.
    pub ended: Option<Ended>,
    /// Who hung up, where known.
    pub hangup_by: Option<Side>,
    /// The client's number.
    pub client: Option<Number>,
    /// The client's name as the network gave it.
    pub client_name: Option<String>,
    /// Our number that was dialled or shown.
    pub did: Option<Number>,
    /// Start, as the provider's summary says; else the earliest fact of the call itself (not of what was
    /// told around it, such as tracking or our own commands).
    pub started_at: Timestamp,
    /// First ringing of a person (outgoing: of the client).
    pub rang_at: Option<Timestamp>,
    /// First human answer.
    pub answered_at: Option<Timestamp>,
    /// End.
    pub ended_at: Option<Timestamp>,
    /// Start → first human answer or end, in milliseconds.
    pub wait_ms: Option<i64>,
    /// First ring → first human answer or end, in milliseconds.
    pub ring_ms: Option<i64>,
    /// First human answer → end less hold, in milliseconds; 0 if nobody talked.
    pub talk_ms: Option<i64>,
    /// Time on hold after the answer, in milliseconds.
    pub hold_ms: Option<i64>,
    /// The first person who talked with the client (outgoing: the caller).
    pub answered_by: Option<Extension>,
    /// Legs of parties, by first sight. Helper legs of the PBX are left out.
    #[serde(default)]
    pub legs: Vec<Leg>,
    /// Passings-on, in time order.
    #[serde(default)]
    pub transfers: Vec<Transfer>,
    /// Recordings told of, by id.
    #[serde(default)]
    pub recordings: Vec<RecordingNews>,
    /// What the client has said to being recorded; the last word counts, and a word more than silence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentSaid>,
    /// When recording was paused, in time order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recording_pauses: Vec<RecordingPause>,
    /// Extensions whose phones ring right now.
    #[serde(default)]
    pub ringing: Vec<Extension>,
    /// Extensions that talk with the client right now.
    #[serde(default)]
    pub talking: Vec<Extension>,
    /// Why the last routing answer was what it was.
    pub route_reason: Option<String>,
    /// Keys the caller pressed, in order.
    #[serde(default)]
    pub digits: String,
    /// Attribution told by call-tracking services.
    #[serde(default)]
    pub tracking: Vec<(String, String)>,
    /// The latest moment at which anything was heard of the call.
    pub heard_at: Timestamp,
    /// Nothing was heard for so long after that that we have stopped waiting.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
}

impl Call {
    /// Whether the call is over.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Legs with the employee whose they are: the one called, or the one who calls the client over it
    /// and has no leg of their own. Legs of machines are nobody's.
    pub fn employees_legs(&self) -> impl Iterator<Item = (&Extension, &Leg)> {
        let own = |extension| self.legs.iter().any(|leg| leg.extension() == extension);
        self.legs.iter().filter_map(move |leg| {
            let caller = leg.caller.as_ref().filter(|caller| !own(Some(*caller)));
            let employee = match &leg.party {
                Some(Party::Client(_)) => caller,
                _ => leg.extension(),
            };
            Some((employee?, leg))
        })
    }

    /// Whether it came in and is over, and nobody has told whether anybody talked.
    pub fn is_undecided(&self) -> bool {
        self.direction == Some(Direction::In) && self.is_over() && self.result.is_none()
    }

    /// Whether somebody of ours should call the client back, or, if nobody has told for too long
    /// whether anybody talked, should look into it.
    pub fn wants_call_back(&self) -> bool {
        self.direction == Some(Direction::In)
            && self.is_over()
            && match self.result {
                Some(result) => result.wants_call_back(),
                None => self.silent,
            }
    }

    /// Every extension that called, rang or talked in this call, each once, by first sight.
    pub fn extensions(&self) -> Vec<&Extension> {
        let mut seen = Vec::new();
        let legs = self.legs.iter();
        for extension in legs.flat_map(|leg| [leg.caller.as_ref(), leg.extension()]) {
            let Some(extension) = extension else { continue };
            if !seen.contains(&extension) {
                seen.push(extension);
            }
        }
        seen
    }
}

/// What one commit changed about one call. Told after the commit to those who keep something current:
/// open browsers, timers, counters.
#[derive(Clone, Debug)]
pub struct Change {
    /// The call.
    pub id: CallId,
    /// The account that knows it.
    pub account: AccountName,
    /// The key that names it there.
    pub key: CallKey,
    /// Grows with every commit that touched the call: of two changes the greater one is newer.
    pub version: i64,
    /// The call as it stands after the commit.
    pub call: Arc<Call>,
    /// The client's card, once matched or made.
    pub card: Option<CardId>,
    /// Why this card (`own_number`, `company_line`, ...).
    pub match_reason: Option<&'static str>,
    /// Our line that was dialled or shown.
    pub line: Option<LineId>,
    /// Calls that turned out to be this one: their ids are gone.
    pub merged: Vec<CallId>,
    /// When the bytes that caused the commit came in (the earliest of them).
    pub received_at: Timestamp,
}
