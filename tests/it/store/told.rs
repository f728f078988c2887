//! Calls as an event PBX tells them, one message per line.

use bytes::Bytes;
use ringcard::{
    model::{
        event::{CallEvent, Cause, Clock, Direction, Fact, Party, Side},
        ids::{AccountName, Extension, FactId, LegKey},
        phone::Number,
        time::Timestamp,
    },
    store::writer::{Outcome, Submission},
};

/// The account of all stories.
pub const ACCOUNT: &str = "office";
/// Our number in all stories.
pub const DID: &str = "+74950000001";

/// A moment, in seconds after the stories' midnight.
pub fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_773_700_000 + seconds)
}

/// A public number without an extension.
pub fn number(e164: &str) -> Number {
    Number::E164 {
        e164: e164.to_owned(),
        ext: None,
    }
}

/// One fact of a call.
pub fn event(key: &str, at: i64, leg: &str, what: &str, fact: Fact) -> CallEvent {
    CallEvent {
        account: AccountName::from(ACCOUNT),
        call: key.into(),
        leg: (!leg.is_empty()).then(|| LegKey::from(format!("{key}/{leg}"))),
        at: moment(at),
        clock: Clock::Exact,
        id: FactId::from(format!("{key}/{leg}/{what}")),
        fact,
    }
}

/// A message with these facts.
pub fn message(events: Vec<CallEvent>) -> Submission {
    let text = format!("{:?}", events.iter().map(|e| &e.id).collect::<Vec<_>>());
    Submission {
        account: AccountName::from(ACCOUNT),
        source: "webhook",
        received_at: events.first().map_or(moment(0), |event| event.at),
        raw: Bytes::from(text),
        events,
        visits: Vec::new(),
        outcome: Outcome::Applied,
    }
}

/// A call being told.
pub struct Told<'a> {
    /// The call's key.
    pub key: &'a str,
    /// Which way.
    pub direction: Direction,
    /// The client.
    pub client: &'a str,
    /// When it starts.
    pub at: i64,
}

impl<'a> Told<'a> {
    /// A client calls.
    pub fn incoming(key: &'a str, client: &'a str, at: i64) -> Self {
        Self {
            key,
            direction: Direction::In,
            client,
            at,
        }
    }

    /// An employee calls.
    pub fn outgoing(key: &'a str, client: &'a str, at: i64) -> Self {
        Self {
            direction: Direction::Out,
            ..Self::incoming(key, client, at)
        }
    }

    /// Who with whom.
    pub fn parties(&self) -> CallEvent {
        let fact = Fact::Parties {
            direction: Some(self.direction),
            client: Some(number(self.client)),
            client_name: None,
            did: Some(number(DID)),
        };
        event(self.key, self.at, "", "parties", fact)
    }

    fn client(&self) -> Party {
        Party::Client(number(self.client))
    }

    /// The employee's phone rings.
    pub fn rings(&self, ext: &str, at: i64) -> Vec<CallEvent> {
        let leg = Fact::Leg {
            party: Party::Person(Extension::from(ext)),
            with: Some(self.client()),
            initiator: false,
        };
        vec![
            event(self.key, at, ext, "leg", leg),
            event(self.key, at, ext, "rings", Fact::Rings),
        ]
    }

    /// Client and employee talk.
    pub fn talks(&self, ext: &str, at: i64) -> CallEvent {
        let fact = Fact::Talks {
            with: self.client(),
        };
        event(self.key, at, ext, "talks", fact)
    }

    /// The leg ends.
    pub fn ends(&self, ext: &str, at: i64, cause: Cause) -> CallEvent {
        let fact = Fact::Ends {
            cause,
            by: Some(Side::Client),
        };
        event(self.key, at, ext, "ends", fact)
    }

    /// The call is over.
    pub fn over(&self, at: i64) -> CallEvent {
        let fact = Fact::Over {
            by: Some(Side::Client),
        };
        event(self.key, at, "", "over", fact)
    }

    /// All messages of a call that `ext` answered 5 s after it rang, and that lasted a minute.
    pub fn answered(&self, ext: &str) -> Vec<Submission> {
        let at = self.at;
        let mut ringing = vec![self.parties()];
        ringing.extend(self.rings(ext, at + 1));
        vec![
            message(ringing),
            message(vec![self.talks(ext, at + 6)]),
            message(vec![self.ends(ext, at + 66, Cause::Normal)]),
            message(vec![self.over(at + 66)]),
        ]
    }

    /// All messages of a call that rang at `ext` for 20 s in vain.
    pub fn missed(&self, ext: &str) -> Vec<Submission> {
        let at = self.at;
        let mut ringing = vec![self.parties()];
        ringing.extend(self.rings(ext, at + 1));
        vec![
            message(ringing),
            message(vec![self.ends(ext, at + 21, Cause::NoAnswer)]),
            message(vec![self.over(at + 21)]),
        ]
    }
}
