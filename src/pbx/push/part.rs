//! A call of the push dialects, or one part of it where it was forwarded: the names of its legs, and what is
//! told of them. Events and records of past calls tell it in the same words, so that both make one call.

use super::{CLIENT, SOMEBODY, Words};
use crate::{
    model::{
        event::{Clock, Direction, Fact, Party, TransferKind},
        ids::{CallKey, Extension, LegKey},
        phone::Number,
        time::Timestamp,
    },
    pbx::{facts::Facts, leg::Leg},
};

/// A part of a call.
pub struct Part<'a> {
    /// How the account is read.
    pub words: &'a Words,
    /// The key of this part of the call, and of the call: that of its first part.
    pub name: &'a str,
    pub call: &'a str,
    pub direction: Direction,
    pub client: Option<Number>,
}

impl Part<'_> {
    /// Whether the call begins with it.
    pub fn is_first(&self) -> bool {
        self.name == self.call
    }

    /// The name of something that each part tells once.
    pub fn tail(&self, what: &str) -> String {
        match self.is_first() {
            true => what.to_owned(),
            false => format!("{what}/{}", self.name),
        }
    }

    /// Each part of a call has legs of its own.
    pub fn key(&self, name: &str) -> LegKey {
        match self.is_first() {
            true => LegKey::from(name),
            false => LegKey::from(format!("{}/{name}", self.name)),
        }
    }

    /// Says of which call it is a part.
    pub fn joins(&self, facts: &mut Facts<'_>) {
        if !self.is_first() {
            let with = CallKey::from(self.name);
            facts.is_so(None, "part", Fact::SameCall { with });
        }
    }

    fn with_client(&self) -> Party {
        Party::Client(self.client.clone().unwrap_or(Number::Withheld))
    }

    /// Between this employee and the client: of a call that goes out the client's, there is but one.
    fn leg(&self, person: &Extension) -> Leg {
        let leg = Leg::between(person, self.client.as_ref(), self.direction);
        let key = match self.direction {
            Direction::Out => self.key(CLIENT),
            _ => self.key(person.as_str()),
        };
        Leg { key, ..leg }
    }

    /// The phone of an employee rings.
    pub fn rings(&self, person: &Extension, at: (Timestamp, Clock), facts: &mut Facts<'_>) {
        let leg = self.leg(person);
        leg.describe(facts);
        facts.happened_at(Some(&leg.key), "rings", at, Fact::Rings);
    }

    /// It was forwarded: to this employee, if to one alone. Whoever had it before is rid of it.
    pub fn is_passed_to(&self, people: &[Extension], at: Timestamp, facts: &mut Facts<'_>) {
        let to = match people {
            [one] => Some(one.clone()),
            _ => None,
        };
        let kind = TransferKind::Blind; // nothing says how
        let passed = Fact::Transfers { kind, to };
        let at = (at, Clock::Exact);
        facts.happened_at(None, &self.tail("passed"), at, passed);
        facts.happened_at(None, &self.tail("left"), at, Fact::TakesOver);
    }

    /// An employee, if it is known who, calls the client, whose phone rings.
    pub fn calls(&self, caller: Option<&Extension>, at: (Timestamp, Clock), facts: &mut Facts<'_>) {
        let key = self.key(CLIENT);
        match caller {
            Some(caller) => self.leg(caller).describe(facts),
            None => self.describe(&key, self.with_client(), None, facts),
        }
        facts.happened_at(Some(&key), "rings", at, Fact::Rings);
    }

    /// The client answers whoever has called them.
    pub fn client_answers(
        &self,
        caller: Option<&Extension>,
        at: (Timestamp, Clock),
        facts: &mut Facts<'_>,
    ) {
        match caller {
            Some(caller) => self.answers(Some(caller), at, facts),
            None => self.talks(CLIENT, at, facts),
        };
    }

    /// An employee, if it is known who, talks with the client. Gives the name of the leg.
    pub fn answers(
        &self,
        person: Option<&Extension>,
        at: (Timestamp, Clock),
        facts: &mut Facts<'_>,
    ) -> LegKey {
        let Some(person) = person else {
            return self.talks(SOMEBODY, at, facts);
        };
        let leg = self.leg(person);
        leg.describe(facts);
        leg.talks(facts, at);
        leg.key
    }

    /// The mailbox has the client.
    pub fn mailbox_answers(&self, at: (Timestamp, Clock), facts: &mut Facts<'_>) {
        let key = self.key(SOMEBODY);
        self.describe(&key, Party::Voicemail, Some(self.with_client()), facts);
        facts.happened_at(Some(&key), "up", at, Fact::Up);
    }

    /// Somebody has talked, or it was the mailbox: where the answer was told, that says which.
    pub fn perhaps_answered(&self, at: (Timestamp, Clock), facts: &mut Facts<'_>) {
        let (key, with) = (self.key(SOMEBODY), Party::Glue);
        facts.happened_at(Some(&key), "perhaps", at, Fact::Talks { with });
    }

    fn describe(&self, key: &LegKey, party: Party, with: Option<Party>, facts: &mut Facts<'_>) {
        let ends = Fact::Leg {
            party,
            with,
            initiator: false,
        };
        facts.is_so(Some(key), "leg", ends);
    }

    /// Of a leg whose ends nobody names.
    fn talks(&self, leg: &str, at: (Timestamp, Clock), facts: &mut Facts<'_>) -> LegKey {
        let (key, with) = (self.key(leg), self.with_client());
        facts.happened_at(Some(&key), "answer", at, Fact::Talks { with });
        key
    }
}
