//! Facts: what a PBX has told us about a call.
//!
//! A decoder turns each message into [`CallEvent`]s. An event states one [`Fact`] with the
//! provider's own time and an identity that is the same whenever the same thing is told again. The
//! tracker keeps facts as a set and derives the call from the set, so nothing here may depend on
//! the order in which messages came: every fact stands for itself.
//!
//! Two families of PBX share this vocabulary:
//! * **Channel PBXes** (Asterisk, FreeSWITCH): one leg is one channel, that is one party. Who talks
//!   to whom follows from bridges ([`Fact::Enters`], [`Fact::Leaves`]).
//! * **Event PBXes** (Mango, Sipuni and other clouds): one leg is one attempt to connect one party
//!   with another; the provider says itself who talks to whom ([`Fact::Talks`]).

use serde::{Deserialize, Serialize};

use super::{
    ids::{AccountName, CallKey, Extension, FactId, LegKey},
    phone::Number,
    time::Timestamp,
};

/// `reason` of [`Fact::RouteAnswered`] when the caller was not to be put through.
pub const ROUTE_BLOCKED: &str = "blocked";

/// One fact about one call, as one account told it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallEvent {
    /// Who told it.
    pub account: AccountName,
    /// The call's key in the message that told it.
    pub call: CallKey,
    /// The leg, for facts of one leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg: Option<LegKey>,
    /// The provider's own time of what happened; our arrival time only where the provider gives none.
    pub at: Timestamp,
    /// How far `at` can be trusted.
    #[serde(default, skip_serializing_if = "Clock::is_exact")]
    pub clock: Clock,
    /// Same identity, same fact. Where one identity is told with different content, parties, legs and
    /// recordings are united field by field and the better time wins (`tracker::facts`); so facts that
    /// describe ([`Fact::Parties`], [`Fact::Leg`], [`Fact::Recording`]) best have one identity per call,
    /// leg or recording, and facts that happen have one per happening.
    pub id: FactId,
    /// What happened.
    pub fact: Fact,
}

/// How far the time of a fact can be trusted.
///
/// When one identity is told with different times, an exact time beats a bound, then the earliest
/// wins; so a state re-read after a cut connection never spoils what events or history say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The provider stamped the moment itself (or we stamped a live event on arrival).
    #[default]
    Exact,
    /// It was already so at this moment: read from a list of live channels, implied by what came later,
    /// or told with a time that cannot be.
    NoLaterThan,
}

impl Clock {
    /// Whether the time is the moment itself.
    pub fn is_exact(&self) -> bool {
        *self == Self::Exact
    }
}

/// Who is at the end of a leg.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// Somebody outside: the client.
    Client(Number),
    /// An employee's phone.
    Person(Extension),
    /// A menu, an announcement or another machine that answers for the company.
    Menu,
    /// A waiting queue or ring group, by its name.
    Queue(String),
    /// A voice mailbox.
    Voicemail,
    /// A conference room, by its name.
    Conference(String),
    /// A helper of the PBX that only ties legs together (an Asterisk Local channel).
    Glue,
}

/// Which way a call goes, seen from the company.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// A client calls us.
    In,
    /// An employee calls a client.
    Out,
    /// Employees among themselves.
    Internal,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The client hung up.
    Client,
    /// An employee hung up.
    Employee,
    /// The PBX ended the call (time-out, scheme, fault).
    Pbx,
}

/// Why a leg ended, in words that every provider's codes map to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Ended after a conversation, or normally.
    Normal,
    /// Rang out without an answer.
    NoAnswer,
    /// The party was busy.
    Busy,
    /// The party refused the call.
    Rejected,
    /// The caller gave up, or somebody else answered.
    Cancelled,
    /// Another leg answered this ring.
    AnsweredElsewhere,
    /// No such number, or no way to it.
    NoRoute,
    /// The device is not reachable.
    Unreachable,
    /// Blocked by a list or a rule.
    Blocked,
    /// Out of working hours.
    AfterHours,
    /// Anything technical.
    Failed,
    /// The provider did not say.
    Unknown,
}

/// How a call was passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// Passed on without asking.
    Blind,
    /// Passed on after a consultation.
    Attended,
}

/// State of a recording as the provider tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingStage {
    /// Recording has begun.
    Started,
    /// The same recording goes on in another leg.
    Continued,
    /// Recording has ended; the file may not be there yet.
    Completed,
    /// The file can be fetched.
    Ready,
    /// There will be no file (too short, paid service off, refused).
    Absent,
}

/// What a client has said to being recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentSaid {
    /// Nothing, but has heard the notice to its end and stayed.
    Heard,
    /// Does not want it.
    Refused,
    /// Agrees.
    Given,
}

/// Where a recording can be had. What it holds is a secret: links carry access.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingSource {
    /// A file on the PBX, by its path there.
    File(String),
    /// A link that can be fetched as it is.
    Link(String),
    /// The provider's API gives it by this id.
    Api(String),
}

/// The provider's own record of a whole call.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Which way the call went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The client's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Number>,
    /// Our number that was dialled (or shown, when we called).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did: Option<Number>,
    /// The employee named by the provider: who answered, talked last, or was rung in vain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension: Option<Extension>,
    /// Start of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// First conversation between client and employee (never a menu, queue or voicemail). With
    /// `answered_known`, `None` is the provider's word for "nobody talked", and a time at or before the
    /// start or after the end means "answered, but when is not told", unless `cause` says otherwise: so a
    /// decoder that reads "not answered" in a status leaves a stray answer time out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<Timestamp>,
    /// Whether the provider says for sure if the call was answered at all.
    pub answered_known: bool,
    /// End of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Why it ended or was not answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Who hung up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hangup_by: Option<Side>,
}

/// What happened. Leg facts need [`CallEvent::leg`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Fact {
    // ---- of the whole call
    /// Something about the parties of the call is known; absent fields say nothing.
    Parties {
        /// Which way the call goes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        direction: Option<Direction>,
        /// The client's number (or that it is withheld).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<Number>,
        /// The client's name as the network gave it. Never trusted, only shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_name: Option<String>,
        /// Our number that was dialled, or shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        did: Option<Number>,
    },
    /// This key is the same call as [`CallEvent::call`].
    SameCall {
        /// The other key, of the same account.
        with: CallKey,
    },
    /// The provider's own record of the call; beats leg facts where they disagree.
    Summary(Box<Summary>),
    /// The last leg is gone and the PBX says that the call is over. It closes the legs whose latest fact
    /// was told under the same [`CallEvent::call`]: of two calls joined into one, the key that was given
    /// up may be "over" in the middle of the call.
    Over {
        /// Who ended it, where told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Side>,
    },
    /// Nothing was heard for so long that we stop waiting, for the end of the call or, of one that is
    /// over, for word whether anybody talked (made by ourselves, from `tracker::due`).
    Unheard,

    /// What could name the client has been taken out of this set at their wish; it takes in nothing more
    /// (made by ourselves, `tracker::erase`).
    Erased,

    // ---- of one leg
    /// The leg exists and this party is at its end. For event PBXes `with` is the other end. A leg in a
    /// talk or bridge whose party is never told, and that ties nothing, counts as somebody unknown.
    Leg {
        /// Who is called or calls on this leg.
        party: Party,
        /// The other end, where the message names it (who calls this party).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        with: Option<Party>,
        /// The employee's own leg of a click-to-call: rung first, its answer is not the client's.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        initiator: bool,
    },
    /// This leg is called by that leg (Asterisk DialBegin).
    Dialled {
        /// The calling leg, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<LegKey>,
    },
    /// The party's phone rings. A channel rings once, however often that is told; with event PBXes the
    /// same leg may ring again after its end, which makes another attempt.
    Rings,
    /// The leg is answered at signalling level. Alone it is no conversation yet.
    Up,
    /// From now on the leg's party talks with `with` (event PBXes), until it talks with somebody else or
    /// the leg ends. A message that names an answer time in the past tells this fact with that time. On an
    /// `initiator` leg this is no more than [`Fact::Up`].
    Talks {
        /// The other side: a client makes it a conversation, a person a consultation. On the leg of a client
        /// this client says: whoever has called them. [`Party::Glue`] on a leg of nobody says: somebody may
        /// have talked with the client, if it was not a machine.
        with: Party,
    },
    /// From now on the leg's party has the client alone: talks of others with the client are over, although
    /// no end of theirs was told (PBXes that tell no end of a leg). Told of no leg: from now on nobody who was told
    /// of before has the client, nor do their phones ring.
    TakesOver,
    /// The leg enters a bridge (channel PBXes). Only bridges in which people hear each other are told: no
    /// parking and no music for those who wait. A leg is in one bridge at a time.
    Enters {
        /// The bridge's id.
        bridge: String,
    },
    /// The leg leaves a bridge.
    Leaves {
        /// The bridge's id.
        bridge: String,
    },
    /// The two halves of a Local channel, or two legs the PBX ties together for good.
    TiedTo {
        /// The other half.
        leg: LegKey,
    },
    /// This leg has put the other side on hold. (A hold also ends with the leg, with its
    /// [`Fact::Transfers`], and when somebody talks with the client.)
    Holds,
    /// Hold is over. Without a hold before it says nothing.
    Resumes,
    /// The leg's party is put aside by the other side and waits, for no phone in particular, until somebody
    /// fetches them (parking). What led to it in words ([`Fact::Transfers`]) passes them on to nobody.
    Parked,
    /// The leg's party waits aside no more: fetched, rung back, or gone.
    Unparked,
    /// The leg is now handled by a machine: menu, queue, voicemail, conference.
    Runs {
        /// What handles it ([`Party::Menu`], [`Party::Queue`], [`Party::Voicemail`], [`Party::Conference`]).
        what: Party,
    },
    /// The leg's owner passes the client on; told of no leg: whoever has them.
    Transfers {
        /// Blind or attended.
        kind: TransferKind,
        /// To whom, where told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Extension>,
    },
    /// The leg rang because this extension passed the call on (event PBXes).
    TransferredFrom {
        /// Who passed it on.
        from: Extension,
    },
    /// The leg has ended.
    Ends {
        /// Why.
        cause: Cause,
        /// Who ended it, where told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Side>,
    },

    // ---- around the call
    /// News of a recording.
    Recording {
        /// The provider's id, or the file's name: unique in the call.
        recording: String,
        /// What is known.
        stage: RecordingStage,
        /// Where it can be had.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<RecordingSource>,
    },
    /// What the client has said to being recorded: by a key, or to the employee, who noted it.
    Consents {
        /// What.
        said: ConsentSaid,
    },
    /// This leg is not recorded from now on, though its recording goes on: there is silence in it.
    RecordingPauses,
    /// This leg is recorded again.
    RecordingResumes,
    /// Keys the caller pressed.
    Digits {
        /// The keys.
        digits: String,
    },
    /// The SIP Call-ID of this leg, for joins with what a SIP tap sees.
    SipCallId {
        /// RFC 3261 §8.1.1.4.
        sip_call_id: String,
    },
    /// Where the visitor came from, told by a call-tracking service.
    Tracking {
        /// Name and value (`utm_source`, `client_id`, ...), sorted by name.
        fields: Vec<(String, String)>,
    },
    /// We answered the PBX's question who should ring.
    RouteAnswered {
        /// The extensions told to ring, in order.
        targets: Vec<Extension>,
        /// How long they may ring.
        ring_ms: i64,
        /// Which question of this call it was, from 1.
        attempt: u32,
        /// Why these (`owner`, `deputy`, `group`, `default`, ...), for people and reports.
        reason: String,
    },
    /// We asked the PBX for something.
    CommandSent {
        /// Our id of the command.
        command: String,
        /// `click_to_call`, `route`, `hangup`.
        what: String,
        /// The employee it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        extension: Option<Extension>,
        /// The client it calls.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<Number>,
    },
    /// The PBX told how a command of ours went.
    CommandResult {
        /// Our id of the command.
        command: String,
        /// Whether it was carried out.
        ok: bool,
        /// The provider's code or words.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
}
