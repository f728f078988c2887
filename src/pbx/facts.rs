//! Collects the facts of one message and gives them their identities.
//!
//! Two kinds of identity serve every provider. What **is so** (who is at the end of a leg, which
//! number was dialled) comes again with every message of the leg, so its identity is its content and
//! the set keeps it once. What **happened** (a phone rang, somebody answered) has the identity under
//! which the provider can repeat it. Serves step 2.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Decoded;
use crate::model::{
    event::{CallEvent, Clock, Fact},
    ids::{AccountName, CallKey, FactId, LegKey},
    time::Timestamp,
};

/// A moment before any call. An answer at it says that somebody talked, and that nobody knows when.
pub const SOMETIME: Timestamp = Timestamp::from_seconds(946_684_800);

/// The facts of one message: they share its account, call and time.
pub struct Facts<'a> {
    /// Who told it.
    pub account: &'a AccountName,
    /// The call's key in the message.
    pub call: CallKey,
    /// The message's time.
    pub at: Timestamp,
    /// How far the time can be trusted.
    pub clock: Clock,
    /// Where the facts go.
    pub out: &'a mut Decoded,
}

impl Facts<'_> {
    /// Adds what is so of the call or of a leg; `what` is the word for its kind.
    pub fn is_so(&mut self, leg: Option<&LegKey>, what: &str, fact: Fact) {
        let tail = format!("{what}/{}", fingerprint(&fact));
        self.push(leg, &tail, self.at, self.clock, fact);
    }

    /// Adds what happened at the message's time; `tail` is its name within the leg (or call).
    pub fn happened(&mut self, leg: Option<&LegKey>, tail: &str, fact: Fact) {
        self.push(leg, tail, self.at, self.clock, fact);
    }

    /// Adds what happened at another time than the message's own.
    pub fn happened_at(
        &mut self,
        leg: Option<&LegKey>,
        tail: &str,
        (at, clock): (Timestamp, Clock),
        fact: Fact,
    ) {
        self.push(leg, tail, at, clock, fact);
    }

    fn push(&mut self, leg: Option<&LegKey>, tail: &str, at: Timestamp, clock: Clock, fact: Fact) {
        // Leg keys of some providers are short (an extension): only the call makes them unique.
        let id = match leg {
            Some(leg) => [self.call.as_str(), "/", leg.as_str(), "/", tail].concat(),
            None => [self.call.as_str(), "/", tail].concat(),
        };
        self.out.events.push(CallEvent {
            account: self.account.clone(),
            call: self.call.clone(),
            leg: leg.cloned(),
            at,
            clock,
            id: FactId::from(id),
            fact,
        });
    }
}

/// A provider's time since 1970: in seconds, as all document it, or in milliseconds, as some send it
/// all the same. As seconds, so large a number would be in the year 5138.
pub fn told_at(number: i64) -> Timestamp {
    const LEAST_MILLIS: i64 = 100_000_000_000;
    match number >= LEAST_MILLIS {
        true => Timestamp::from_millis(number),
        false => Timestamp::from_seconds(number),
    }
}

/// The provider's time since 1970 as the time of an event.
///
/// A time that cannot be (a phone's clock at 1970, a zero) must neither move the start of a call nor
/// lose what the message tells: the fact is kept and is known to be no later than the arrival.
pub fn moment(number: i64, now: Timestamp) -> (Timestamp, Clock) {
    let at = told_at(number);
    if at.is_plausible(now) {
        (at, Clock::Exact)
    } else {
        (now, Clock::NoLaterThan)
    }
}

/// Room for most facts as JSON.
const USUAL_BYTES: usize = 512;

/// Forty-eight bits of the content: enough among the dozen facts of a call, and no number can be
/// read from an identity in a log.
fn fingerprint(content: &impl Serialize) -> String {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut text, content)
        .expect("facts are plain structs with text keys, which always serialise");
    hex::encode(&Sha256::digest(text)[..6])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{event::Party, ids::Extension};

    fn leg_of(extension: &str) -> Fact {
        Fact::Leg {
            party: Party::Person(Extension::from(extension)),
            with: None,
            initiator: false,
        }
    }

    #[test]
    fn the_same_content_has_the_same_identity() {
        let account = AccountName::from("cloud");
        let mut out = Decoded::default();
        let mut facts = Facts {
            account: &account,
            call: CallKey::from("77"),
            at: Timestamp::from_seconds(1_773_728_100),
            clock: Clock::Exact,
            out: &mut out,
        };
        let leg = LegKey::from("201");
        facts.is_so(Some(&leg), "leg", leg_of("201"));
        facts.is_so(Some(&leg), "leg", leg_of("201"));
        facts.is_so(Some(&leg), "leg", leg_of("202"));
        facts.happened(Some(&leg), "answer", Fact::Up);
        let ids: Vec<_> = out.events.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(ids[0], ids[1]);
        assert_ne!(ids[1], ids[2]);
        assert!(ids[0].starts_with("77/201/leg/"), "{}", ids[0]);
        assert_eq!(ids[3], "77/201/answer");
    }

    #[test]
    fn milliseconds_are_known_by_their_size() {
        let now = Timestamp::from_seconds(1_773_728_100);
        let told = |number| moment(number, now);
        assert_eq!(told(1_773_728_090_250).0, now.plus_millis(-9_750));
        assert_eq!(told(1_773_728_090_250).1, Clock::Exact);
    }

    #[test]
    fn an_impossible_time_becomes_a_bound() {
        let now = Timestamp::from_seconds(1_773_728_100);
        assert_eq!(moment(1_773_728_090, now).1, Clock::Exact);
        for seconds in [0, -1, i64::MIN, i64::MAX, 9_999_999_999] {
            assert_eq!(moment(seconds, now), (now, Clock::NoLaterThan), "{seconds}");
        }
    }
}
