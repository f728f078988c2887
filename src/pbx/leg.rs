//! An employee's leg as cloud PBXes tell it: one for each employee of a call, under the employee's own
//! name, so that events and records of the PBX meet in it. Serves step 2.

use super::facts::Facts;
use crate::model::{
    event::{Clock, Direction, Fact, Party},
    ids::{Extension, LegKey},
    phone::Number,
    time::Timestamp,
};

/// An employee's leg: who is called, and who calls. Events and records tell it under one name.
pub struct Leg {
    pub key: LegKey,
    pub party: Party,
    pub with: Party,
    pub initiator: bool,
}

impl Leg {
    /// The leg between an employee and the client.
    pub fn between(person: &Extension, client: Option<&Number>, direction: Direction) -> Self {
        let client = Party::Client(client.cloned().unwrap_or(Number::Other(String::new())));
        let employee = Party::Person(person.clone());
        let (party, with) = match direction {
            Direction::Out => (client, employee),
            Direction::In | Direction::Internal => (employee, client),
        };
        Self {
            key: LegKey::from(person.as_str()),
            party,
            with,
            initiator: false,
        }
    }

    /// The employee's own leg of a call that they make by a click: their phone rings first.
    pub fn own(person: &Extension, client: Option<&Number>) -> Self {
        Self {
            key: LegKey::from(format!("own/{person}")),
            initiator: true,
            ..Self::between(person, client, Direction::In)
        }
    }

    /// The leg to a colleague.
    pub fn among(caller: &Extension, called: &Extension) -> Self {
        Self {
            key: LegKey::from(called.as_str()),
            party: Party::Person(called.clone()),
            with: Party::Person(caller.clone()),
            initiator: false,
        }
    }

    /// Who is at its ends.
    pub fn describe(&self, facts: &mut Facts<'_>) {
        let ends = Fact::Leg {
            party: self.party.clone(),
            with: Some(self.with.clone()),
            initiator: self.initiator,
        };
        facts.is_so(Some(&self.key), "leg", ends);
    }

    /// Both talk: the same fact, whoever tells it.
    pub fn talks(&self, facts: &mut Facts<'_>, at: (Timestamp, Clock)) {
        let with = self.with.clone();
        facts.happened_at(Some(&self.key), "answer", at, Fact::Talks { with });
    }
}
