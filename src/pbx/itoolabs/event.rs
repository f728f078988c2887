//! What posted messages say, and the facts that each tells.

use jiff::tz::TimeZone;

use super::{
    past::{Past, Times},
    unconfirmed::{self, Choices},
};
use crate::{
    model::{
        event::{Cause, Clock, Direction, Fact},
        ids::{AccountName, CallKey, Extension},
        phone::Number,
        time::Timestamp,
    },
    pbx::{
        DecodeError, Decoded, Enquiry, facts::Facts, fields::Fields, leg::Leg, numbers::Numbers,
        people::People,
    },
};

/// Longest call key and login that are believed.
const LONGEST_ID: usize = 128;
const LONGEST_LOGIN: usize = 64;

/// Reads the words of one account.
pub struct Words {
    pub account: AccountName,
    pub numbers: Numbers,
    pub people: People,
    /// The clock that records are written by.
    pub zone: TimeZone,
    pub choices: Choices,
}

/// What `cmd=event` tells (`type`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A phone of ours rings,
    Rings,
    /// or the client's.
    Calls,
    Answered,
    /// Ended after a talk.
    Completed,
    /// Not answered, or answered by somebody else.
    Cancelled,
    /// The client was passed on to this employee.
    PassedOn,
}

impl Words {
    /// Adds what a message says.
    pub fn tell(
        &self,
        fields: &Fields,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        match fields.get("cmd").unwrap_or_default() {
            "event" => self.event(fields, now, out),
            "history" => self.history(fields, now, out),
            "contact" => self.contact(fields, now, out),
            "rating" => {
                self.call(fields)?;
                out.notes.push("rating");
                Ok(())
            }
            _ => Err(DecodeError::Field("cmd")),
        }
    }

    fn call(&self, fields: &Fields) -> Result<CallKey, DecodeError> {
        let call = fields.get("callid").filter(|id| id.len() <= LONGEST_ID);
        call.map(CallKey::from).ok_or(DecodeError::Field("callid"))
    }

    /// The number in this field.
    pub fn number(&self, fields: &Fields, name: &str) -> Option<Number> {
        fields.get(name).map(|raw| self.numbers.read(raw))
    }

    /// The employee, by what stands with the person here.
    pub fn person(&self, login: Option<&str>) -> Option<Extension> {
        let fits =
            |login: &&str| login.len() <= LONGEST_LOGIN && !login.chars().any(char::is_control);
        Some(self.people.extension(login.filter(fits)?))
    }

    fn parties(&self, fields: &Fields, direction: Option<Direction>) -> Fact {
        Fact::Parties {
            direction,
            client: self.number(fields, "phone"),
            client_name: None,
            did: self.number(fields, "diversion"),
        }
    }

    /// No time is told, so the moment of arrival is that of the event.
    fn facts<'a>(
        &'a self,
        fields: &Fields,
        now: Timestamp,
        out: &'a mut Decoded,
    ) -> Result<Facts<'a>, DecodeError> {
        Ok(Facts {
            account: &self.account,
            call: self.call(fields)?,
            at: now,
            clock: Clock::Exact,
            out,
        })
    }

    fn event(&self, fields: &Fields, now: Timestamp, out: &mut Decoded) -> Result<(), DecodeError> {
        let kind = match fields.get("type").ok_or(DecodeError::Field("type"))? {
            "INCOMING" => Kind::Rings,
            "OUTGOING" => Kind::Calls,
            "ACCEPTED" => Kind::Answered,
            "COMPLETED" => Kind::Completed,
            "CANCELLED" => Kind::Cancelled,
            "TRANSFERRED" => Kind::PassedOn,
            _ => {
                out.ignored.push("unknown_event");
                return Ok(());
            }
        };
        let direction = match (fields.get("direction"), kind) {
            (Some("in"), _) => Some(Direction::In),
            (Some("out"), _) | (None, Kind::Calls) => Some(Direction::Out),
            _ => None,
        };
        let mut facts = self.facts(fields, now, out)?;
        facts.is_so(None, "parties", self.parties(fields, direction));
        let second = fields.get("second_callid").map(CallKey::from);
        if let Some(with) = second.filter(|second| *second != facts.call)
            && self.choices.joins_second_call
            && with.as_str().len() <= LONGEST_ID
        {
            facts.is_so(None, "linked", Fact::SameCall { with });
        }
        let Some((person, direction)) = self.person(fields.get("user")).zip(direction) else {
            return Ok(());
        };
        let client = self.number(fields, "phone");
        self.tell_leg(kind, (&person, client.as_ref(), direction), &mut facts);
        Ok(())
    }

    fn tell_leg(
        &self,
        kind: Kind,
        (person, client, direction): (&Extension, Option<&Number>, Direction),
        facts: &mut Facts<'_>,
    ) {
        let outgoing = direction == Direction::Out;
        let is_own = outgoing && !self.choices.accepted_is_client;
        let leg = match kind {
            // Who called by a click is rung first.
            Kind::Rings if outgoing => Leg::own(person, client),
            Kind::Answered if is_own => Leg::own(person, client),
            _ => Leg::between(person, client, direction),
        };
        leg.describe(facts);
        let key = Some(&leg.key);
        let at = facts.at;
        match kind {
            Kind::Rings | Kind::Calls => facts.happened(key, "rings", Fact::Rings),
            Kind::Answered if is_own => facts.happened(key, "up", Fact::Up),
            Kind::Answered => leg.talks(facts, (at, Clock::Exact)),
            Kind::Completed => {
                if !is_own {
                    // For the case that the answer was lost; where it has come, its time is better.
                    leg.talks(facts, (at, Clock::NoLaterThan));
                }
                let (cause, by) = (Cause::Normal, None);
                facts.happened(key, "completed", Fact::Ends { cause, by });
            }
            Kind::Cancelled => {
                // It says neither that the caller gave up nor that the phone rang out.
                let (cause, by) = (Cause::Unknown, None);
                facts.happened(key, "cancelled", Fact::Ends { cause, by });
            }
            Kind::PassedOn => {
                let to = Some(person.clone());
                let kind = unconfirmed::TRANSFER;
                facts.happened(
                    None,
                    &format!("passed-to-{person}"),
                    Fact::Transfers { kind, to },
                );
            }
        }
    }

    /// The record of a finished call, or of one employee's part of it.
    fn history(
        &self,
        fields: &Fields,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let number = |name| fields.get(name).and_then(|text| text.parse::<i64>().ok());
        let started = fields
            .get("start")
            .and_then(|told| unconfirmed::time(told, &self.zone));
        // The length is that of the whole call; when it was answered is not told.
        let times = started
            .zip(number("duration"))
            .and_then(|(started, end_s)| Times::of(started, None, end_s, now));
        let past = Past {
            call: self.call(fields)?,
            direction: direction(fields.get("type")),
            client: self.number(fields, "phone"),
            did: self.number(fields, "diversion"),
            person: self.person(fields.get("user")),
            times,
            status: fields.get("status").and_then(unconfirmed::status),
            link: fields.get("link").map(str::to_owned),
        };
        past.tell(&self.account, now, out);
        Ok(())
    }

    fn contact(
        &self,
        fields: &Fields,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let call = self.call(fields)?;
        let client = self.number(fields, "phone");
        // It is asked while the client is on the way, before anybody's phone rings.
        let mut facts = self.facts(fields, now, out)?;
        facts.is_so(None, "parties", self.parties(fields, Some(Direction::In)));
        out.enquiries.push(Enquiry {
            account: self.account.clone(),
            call: Some(call),
            client,
            did: self.number(fields, "diversion"),
            attempt: 1,
            is_it: None,
            digits: String::new(),
            rung: Vec::new(),
            at: now,
        });
        Ok(())
    }
}

/// Which way a call went; `missed` is one that came in.
pub fn direction(kind: Option<&str>) -> Option<Direction> {
    match kind?.to_lowercase().as_str() {
        "in" | "missed" => Some(Direction::In),
        "out" => Some(Direction::Out),
        _ => None,
    }
}
