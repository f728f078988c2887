//! What a PBX is to Ringcard: one account, its intake, its decoder, and what it can be asked to do.
//!
//! Adding a PBX: one file (or folder) here, its `mod` line, its line in [`PROVIDERS`], its fixtures.
//! Vendor words never leave the file. Steps 1 and 2 of a call event (`receive`, `decode`).

mod accounts;
mod asked;
mod asking;
pub mod asterisk;
mod budget;
pub mod calltouch;
mod dialable;
mod facts;
mod fault;
mod fields;
mod form;
mod intake;
pub mod itoolabs;
mod leg;
pub mod mango;
mod numbers;
pub mod offers;
pub mod onlinepbx;
mod people;
mod push;
pub mod recording;
mod secret;
pub mod sipgate;
pub mod sipuni;
mod span;
pub mod twilio;
pub mod uis;
mod wall;
pub mod webhook;
mod xml;
pub mod zadarma;
pub mod zammad;

use std::{borrow::Cow, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

pub use self::{
    accounts::Accounts,
    asked::{Enquiry, Recorded, Reply, RouteAnswer, VisitorOf},
    fault::{Detail, Fault},
    intake::{Intake, Shown, Tls},
};
use crate::model::{
    device::DeviceNews,
    event::{CallEvent, RecordingSource},
    ids::{AccountName, CallKey, Extension, LegKey},
    time::Timestamp,
    visit::Visit,
};

/// Every PBX we speak to.
pub static PROVIDERS: &[Provider] = &[
    asterisk::PROVIDER,
    mango::PROVIDER,
    sipuni::PROVIDER,
    itoolabs::PROVIDER,
    uis::PROVIDER,
    zadarma::PROVIDER,
    zadarma::NOVOFON,
    onlinepbx::PROVIDER,
    twilio::PROVIDER,
    calltouch::PROVIDER,
    sipgate::PROVIDER,
    zammad::PROVIDER,
    webhook::PROVIDER,
];

/// What we know about a PBX product before any account is opened.
pub struct Provider {
    /// `type` in the configuration file.
    pub name: &'static str,
    /// What people see.
    pub title: &'static str,
    /// What the adapter can do; no ability without a method and a test behind it.
    pub abilities: &'static [Ability],
    /// What the PBX has nothing of; what stands in neither list it may have, and the adapter leaves out.
    pub not_offered: &'static [Ability],
    /// Opens one account from its table in the configuration.
    pub open: Open,
}

/// Makes an account of its name and its table in the configuration.
pub type Open = fn(AccountName, toml::Table, Tools) -> Result<Arc<dyn Pbx>, SettingsError>;

/// What an adapter can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// Incoming messages are signed and the signature is checked.
    Signature,
    /// Commands: click-to-call.
    Command,
    /// Recordings can be fetched.
    Recording,
    /// The PBX asks us who should ring.
    Routing,
    /// Past calls can be read.
    History,
    /// Source and visitor data come with calls.
    Tracking,
    /// The recording of a call that goes on can be paused.
    Pause,
}

/// All that an adapter may touch.
#[derive(Clone)]
pub struct Tools {
    /// How numbers of this account are read.
    pub plan: crate::model::phone::NumberingPlan,
    /// Asks the provider's API.
    pub http: crate::http::Client,
}

#[cfg(test)]
impl Tools {
    /// Of an account whose API is never asked.
    pub(crate) fn of_tests(plan: crate::model::phone::NumberingPlan) -> Self {
        use std::sync::LazyLock;
        static HTTP: LazyLock<crate::http::Client> = LazyLock::new(|| {
            crate::http::Client::new(&crate::http::Settings::default())
                .expect("a client needs nothing")
        });
        let http = HTTP.clone();
        Self { plan, http }
    }
}

/// The account's table in the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A key is missing, unknown or of a wrong kind; the text names it.
    #[error("{0}")]
    Unusable(String),
}

/// Reads an account's table as the adapter's own settings; serde's words name the key.
fn settings<T: serde::de::DeserializeOwned>(table: toml::Table) -> Result<T, SettingsError> {
    table
        .try_into()
        .map_err(|error: toml::de::Error| SettingsError::Unusable(error.message().to_owned()))
}

/// One HTTP request as received, before anything is trusted.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: String,
    /// Path below the account's hook root, always starting with `/`.
    pub path: String,
    /// Raw query string without `?`.
    pub query: String,
    /// Header names in lower case, values as text.
    pub headers: Vec<(String, String)>,
    /// Body, limited in size before it gets here.
    pub body: Bytes,
    /// Address of the sender (behind trusted proxies: the first untrusted one).
    pub remote: String,
}

/// Why a request was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Wrong or missing signature.
    #[error("the signature does not fit")]
    Signature,
    /// Wrong or missing token in the path; told as "not found".
    #[error("no such hook")]
    Token,
    /// Too old or too new.
    #[error("the message is out of date")]
    Stale,
}

/// What a decoder is fed.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The connection stands; a decoder may ask to say something first.
    Opened,
    /// Bytes of a stream, cut anywhere.
    Bytes(&'a [u8]),
    /// One HTTP request.
    Request(&'a Request),
    /// One message of a stream as it was cut out before: a dead letter that is read again. It answers
    /// nothing and changes nothing about the connection.
    Message(&'a [u8]),
    /// Records of the PBX's own history, as one message of a [`Page`] holds them.
    Records(&'a [u8]),
    /// The time asked for with `wake_at` has come.
    Timer,
    /// The connection is gone.
    Closed,
}

/// One message cut out of a stream or a history file: the unit that is journalled and committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// As received.
    pub raw: Bytes,
    /// What it says; empty only together with an error.
    pub events: Vec<CallEvent>,
    /// Why it could not be understood: it becomes a dead letter.
    pub error: Option<DecodeError>,
}

/// A page of history: what happened while nobody listened, in the same facts as live messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What was read.
    pub messages: Vec<Message>,
    /// Where to go on; kept in the store between runs.
    pub cursor: String,
    /// Whether there is more right now.
    pub more: bool,
    /// Whether nobody has confirmed that calls have the names and times here that events give them.
    pub unconfirmed: bool,
}

/// What a decoder has understood.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// Messages of a stream ([`Input::Bytes`]); facts of one request, or of one message read again,
    /// stand in `events` instead.
    pub messages: Vec<Message>,
    /// Facts to apply.
    pub events: Vec<CallEvent>,
    /// Visits told beside calls.
    pub visits: Vec<Visit>,
    /// Visitors who can be asked for, for a while ([`Pbx::visitor`]).
    pub visitors: Vec<VisitorOf>,
    /// Questions that want an answer at once.
    pub enquiries: Vec<Enquiry>,
    /// Bytes to send back on a stream, or in the place of what the sender of a request is told otherwise.
    pub send: Vec<u8>,
    /// Kinds of messages that are known and carry nothing for us, or are unknown: counted by name.
    pub ignored: Vec<&'static str>,
    /// Messages that make no call but are understood (`ping`, `duplicate`), by name.
    pub notes: Vec<&'static str>,
    /// What the PBX says of its phones, outside of any call.
    pub devices: Vec<DeviceNews>,
    /// When the decoder wants an [`Input::Timer`].
    pub wake_at: Option<Timestamp>,
    /// Every leg that lives, when the PBX has listed them.
    pub alive: Option<Alive>,
}

/// The legs that live at one moment: any other leg of an open call of this account has ended unheard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alive {
    /// Their keys.
    pub legs: Vec<LegKey>,
    /// The moment, by the PBX's clock.
    pub at: Timestamp,
    /// When the PBX last started, if it says so: nothing from before lives.
    pub booted_at: Option<Timestamp>,
}

/// Why bytes could not be understood. The raw message becomes a visible dead letter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not the format it claims to be.
    #[error("not readable: {0}")]
    Malformed(String),
    /// A field that every such message has is missing or of a wrong kind.
    #[error("field {0} is missing or unusable")]
    Field(&'static str),
    /// Larger than any honest message.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Not the message but the connection is the trouble: it is given up.
    #[error("{0}")]
    Down(Fault),
}

/// Turns what arrived into facts and enquiries. No I/O, no logging; time only as an input.
pub trait Decoder: Send {
    /// Feeds one input. On `Err`, what is in `out` still counts, and the next message is read on.
    fn feed(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError>;
}

/// Something we ask of a PBX.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Ring the employee, then the client.
    ClickToCall {
        /// Our id; comes back in events where the PBX can carry it.
        command: String,
        /// The employee.
        extension: Extension,
        /// The client, E.164.
        client: String,
    },
}

/// A command that the PBX has taken, and how its events will name the call it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// By our id of the command.
    ByCommand,
    /// Perhaps by this key, perhaps not at all: then employee, client and time tell.
    Perhaps {
        /// The key, where the PBX has answered with one.
        key: Option<CallKey>,
    },
}

/// How a command or fetch went wrong.
#[derive(Debug, thiserror::Error)]
pub enum PbxError {
    /// This PBX cannot do it.
    #[error("this PBX cannot do that")]
    Unsupported,
    /// The values given are not allowed there.
    #[error("refused: {0}")]
    Refused(String),
    /// There is no such thing (yet).
    #[error("the PBX has nothing of the kind yet")]
    NotThere,
    /// Not connected, or the connection broke.
    #[error("the PBX cannot be reached")]
    Unreachable,
    /// It answered, and the answer is not what it should be (half of one, a page for people).
    #[error("the PBX's answer cannot be understood: {0}")]
    Unreadable(&'static str),
    /// Asked to wait, or its limit of requests is reached.
    #[error("the PBX asked us to wait {retry_after:?}")]
    Throttled {
        /// How long.
        retry_after: Duration,
    },
}

impl PbxError {
    /// What a failure of our own HTTP client means for whoever asked the PBX's API.
    fn of_http(error: &crate::http::Error) -> Self {
        use crate::http::Error;
        match error {
            Error::TooLarge { .. } => Self::Unreadable("it is longer than any honest answer"),
            Error::Timeout | Error::Unreachable => Self::Unreachable,
            error => Self::Refused(error.to_string()),
        }
    }
}

/// Somebody whom a PBX lists as its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Employee {
    /// The short number.
    pub extension: Extension,
    /// The name; may be empty, like the others.
    pub name: String,
    /// The address for mail.
    pub email: String,
    /// The department.
    pub department: String,
}

/// One account at one PBX.
#[async_trait]
pub trait Pbx: Send + Sync {
    /// The provider's name in the registry.
    fn provider(&self) -> &'static str;

    /// How its messages reach us.
    fn intake(&self) -> Intake;

    /// Lets a request in or refuses it, in constant time. Called before anything else is read.
    fn verify(&self, _request: &Request, _now: Timestamp) -> Result<(), Refused> {
        Err(Refused::Token)
    }

    /// How many parts at the start of a request's path are secret. The journal keeps `-` in their
    /// place, so the decoder must not look at them.
    fn secret_path_parts(&self) -> usize {
        0
    }

    /// The request as the journal may keep it: without what is secret in its query or body. It must be
    /// decoded to the same facts.
    fn kept<'r>(&self, request: &'r Request) -> Cow<'r, Request> {
        Cow::Borrowed(request)
    }

    /// A new decoder: framing only. One created mid-stream emits the same facts.
    fn decoder(&self) -> Box<dyn Decoder>;

    /// What to answer to an authentic message without an enquiry, once it is durable.
    fn accepted(&self) -> Reply {
        Reply::empty()
    }

    /// Formats the answer to an enquiry the way this PBX reads it.
    fn format_route(&self, _enquiry: &Enquiry, _answer: &RouteAnswer) -> Reply {
        Reply::empty()
    }

    /// Where the PBX asks over a plain connection, if not (or not only) over HTTP.
    fn asks_at(&self) -> Option<SocketAddr> {
        None
    }

    /// Reads what has come over such a connection as the request that asks the same over HTTP; `None` as
    /// long as it is not whole.
    fn read_question(&self, _raw: &[u8], _remote: &str) -> Result<Option<Request>, DecodeError> {
        Err(DecodeError::Malformed(
            "this PBX does not ask so".to_owned(),
        ))
    }

    /// Writes the answer for such a connection.
    fn write_answer(&self, _answer: &RouteAnswer) -> Bytes {
        Bytes::new()
    }

    /// Whether calls are routed by commands of ours, because this PBX does not ask.
    fn routes_by_command(&self) -> bool {
        false
    }

    /// Whether calls that ring somebody by the PBX's own scheme are sent on to the responsible one by
    /// commands of ours.
    fn sends_on_what_rings(&self) -> bool {
        false
    }

    /// Sends the client who waits on this leg to the phone of the answer's first target; `command` is our
    /// id of it.
    async fn route(
        &self,
        _leg: &LegKey,
        _target: &Extension,
        _answer: &RouteAnswer,
        _command: &str,
    ) -> Result<(), PbxError> {
        Err(PbxError::Unsupported)
    }

    /// How the file behind a recording's source can be fetched now; links may be signed for the moment, or
    /// the PBX may be asked where it is.
    async fn recording(
        &self,
        _source: &RecordingSource,
        _now: Timestamp,
    ) -> Result<recording::Fetch, PbxError> {
        Err(PbxError::Unsupported)
    }

    /// Who the visitor behind a call is, as one message of records; `None`: nobody has the number any more.
    async fn visitor(&self, _of: &VisitorOf) -> Result<Option<Message>, PbxError> {
        Err(PbxError::Unsupported)
    }

    /// Carries out a command.
    async fn command(&self, _command: &Command) -> Result<Taken, PbxError> {
        Err(PbxError::Unsupported)
    }

    /// Stops recording this leg for a while, or records it again; the PBX's events tell that it was done.
    async fn pause_recording(&self, _leg: &LegKey, _pause: bool) -> Result<(), PbxError> {
        Err(PbxError::Unsupported)
    }

    /// For accounts we dial: the next bytes that commands want on the live connection. The runner of
    /// the connection waits here beside reading; a command waits for its response in the adapter.
    async fn outgoing(&self) -> Bytes {
        std::future::pending().await
    }

    /// Reads what happened from `cursor` on (`None`: from as far back as is sensible). Asked at start,
    /// after every lost connection and on a schedule.
    /// `now` only tells impossible times in the records; facts take theirs from the records.
    async fn history(&self, _cursor: Option<&str>, _now: Timestamp) -> Result<Page, PbxError> {
        Err(PbxError::Unsupported)
    }

    /// Everybody who has a short number there, so that nobody types the list.
    async fn employees(&self) -> Result<Vec<Employee>, PbxError> {
        Err(PbxError::Unsupported)
    }
}
