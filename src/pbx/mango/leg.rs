//! What one `/events/call` message says about its leg.

use super::{
    reason::Reason,
    wire::{CallMessage, End, number},
};
use crate::{
    model::{
        event::{Direction, Fact, Party, Side, TransferKind},
        ids::{Extension, LegKey},
        phone::Number,
    },
    pbx::{facts::Facts, numbers::Numbers},
};

/// What one `/events/call` message says about its leg, in our words. Everything is read from the
/// message itself, so that it means the same whatever came before.
pub struct Shape {
    caller: Party,
    /// `None` if the message names nobody.
    callee: Option<Party>,
    role: Role,
    /// A telephone, not a menu or queue.
    pub is_phone: bool,
}

/// What a leg is to the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// A client calls us.
    Incoming,
    /// An employee calls a client.
    Outgoing,
    /// An employee calls an employee.
    Internal,
    /// The employee's own leg of a callback: `from` is the client although we call him.
    Initiator,
    /// An employee calls somebody while his client waits.
    Consultation,
    /// The client goes on with somebody else.
    Passed,
}

impl Shape {
    /// Reads the leg of a message.
    pub fn of(message: &CallMessage, numbers: &Numbers) -> Self {
        let caller = message.from.party(numbers);
        let place = message.location.as_deref().or(message.locaton.as_deref());
        let (callee, is_phone) = match place {
            Some("ivr") => (Party::Menu, false),
            Some("queue") => (Party::Queue(message.to.queue_name()), false),
            // `abonent`, or a message that does not say where.
            _ => (message.to.party(numbers), true),
        };
        let role = message.role(&caller, &callee);
        let callee = match callee {
            // The scheme sends the client on to an outside number: it stands for one of us.
            Party::Client(_) if matches!(role, Role::Incoming | Role::Passed) => {
                let number = message.to.number.as_deref();
                number.map(|number| Party::Person(Extension::from(number)))
            }
            callee => Some(callee),
        };
        Self {
            caller,
            callee,
            role,
            is_phone,
        }
    }

    /// What the message says about the parties of the whole call.
    pub fn parties(&self, message: &CallMessage, numbers: &Numbers) -> Option<Fact> {
        let (direction, client) = match self.role {
            Role::Incoming => (Some(Direction::In), client_of(&self.caller)),
            Role::Initiator => (Some(Direction::Out), client_of(&self.caller)),
            Role::Outgoing => (
                Some(Direction::Out),
                self.callee.as_ref().and_then(client_of),
            ),
            Role::Internal => (Some(Direction::Internal), None),
            Role::Passed => (None, client_of(&self.caller)),
            Role::Consultation => return None,
        };
        let line = message.to.line_number.as_deref();
        // A menu or queue has no number of its own: there, `number` is the line as well.
        let line = line.or(message.to.number.as_deref().filter(|_| !self.is_phone));
        let did = number(numbers, line);
        if direction.is_none() && client.is_none() && did.is_none() {
            return None;
        }
        Some(Fact::Parties {
            direction,
            client,
            client_name: None,
            did,
        })
    }

    /// Whether a client calls us.
    pub fn comes_in(&self) -> bool {
        self.role == Role::Incoming
    }

    /// Who is at the two ends of the leg.
    pub fn leg(&self) -> Option<Fact> {
        Some(Fact::Leg {
            party: self.callee.clone()?,
            with: Some(self.caller.clone()),
            initiator: self.is_initiator(),
        })
    }

    /// The employee's own leg of a click-to-call.
    fn is_initiator(&self) -> bool {
        #[cfg(feature = "planted")]
        if crate::planted::is("click_leg_is_the_clients") {
            return false;
        }
        self.role == Role::Initiator
    }

    /// Tells who passes the client on to whom, when the leg begins to ring or is connected; later
    /// messages of the leg repeat the word, long after the moment. A consultation is no transfer yet;
    /// the client's own arrival on the leg is one, and so is a blind transfer as soon as it is begun.
    pub fn tell_transfer(&self, message: &CallMessage, leg: &LegKey, facts: &mut Facts<'_>) {
        let kind = match (message.transfer.as_deref(), self.role) {
            (Some("consultative"), Role::Passed) => TransferKind::Attended,
            (Some("blind"), Role::Passed | Role::Consultation) => TransferKind::Blind,
            _ => return, // `return_blind` brings the client back to the one he was passed on by
        };
        if let (Role::Consultation, Party::Person(from)) = (self.role, &self.caller) {
            let from = from.clone();
            facts.is_so(Some(leg), "passed-by", Fact::TransferredFrom { from });
        }
        if let (Some(from), Some(Party::Person(to))) = (message.from.continued_leg(), &self.callee)
        {
            let to = Some(to.clone());
            let from = LegKey::from(from);
            facts.is_so(Some(&from), "passes", Fact::Transfers { kind, to });
        }
    }

    /// What it means that the leg is connected.
    pub fn connected(&self) -> Fact {
        let is_talk = self.is_phone && self.role != Role::Initiator;
        match is_talk {
            true => Fact::Talks {
                with: self.caller.clone(),
            },
            false => Fact::Up,
        }
    }

    /// A plain leg appears as its first event and, unless it is connected, is gone as its second. So a
    /// later end tells of a talk even if the messages that told it are lost. Legs that change hands
    /// appear more than once and tell nothing this way.
    pub fn must_have_talked(&self, last_seq: Option<i64>) -> Option<Fact> {
        let is_plain = matches!(self.role, Role::Incoming | Role::Outgoing | Role::Internal);
        let was_connected = self.is_phone && is_plain && last_seq.is_some_and(|seq| seq > 2);
        was_connected.then(|| self.connected())
    }

    /// What it means that the leg is gone.
    pub fn ends(&self, reason: Reason) -> Fact {
        let by = match (reason, self.role) {
            // Who is "the caller" of a callback's own leg is anybody's guess.
            (Reason::CallerHungUp | Reason::CalleeHungUp, Role::Initiator) => None,
            (Reason::CallerHungUp, _) => side_of(&self.caller),
            (Reason::CalleeHungUp, _) => self.callee.as_ref().and_then(side_of),
            _ => reason.by_pbx(),
        };
        Fact::Ends {
            cause: reason.cause(),
            by,
        }
    }
}

fn client_of(party: &Party) -> Option<Number> {
    match party {
        Party::Client(number) if *number != nobody() => Some(number.clone()),
        _ => None,
    }
}

fn side_of(party: &Party) -> Option<Side> {
    match party {
        Party::Client(_) => Some(Side::Client),
        Party::Person(_) => Some(Side::Employee),
        _ => Some(Side::Pbx),
    }
}

impl CallMessage {
    /// The provider's own fields decide, never the length of a number.
    fn role(&self, caller: &Party, callee: &Party) -> Role {
        let continues = self.from.continued_leg().is_some();
        let by_callback = self.callback_initiator.is_some();
        let by_command = by_callback || self.command_id.is_some();
        match (caller, callee) {
            // A leg made by a command that continues no other is the first of a callback; a route
            // command moves a call that is already there.
            (Party::Client(_), Party::Person(_)) if by_command && !continues => Role::Initiator,
            (Party::Client(_), _) if self.is_passed_on() => Role::Passed,
            (Party::Client(_), _) => Role::Incoming,
            (Party::Person(_), Party::Client(_)) if !continues => Role::Outgoing,
            (Party::Person(_), Party::Client(_)) if by_command && self.transfer.is_none() => {
                Role::Outgoing // the second leg of a callback continues the employee's own
            }
            (Party::Person(_), Party::Person(_)) if !continues => Role::Internal,
            _ => Role::Consultation,
        }
    }

    /// Whether the client came to this leg from another employee. Ordinary routing continues a leg
    /// too, that of the menu or queue, but still names the line.
    fn is_passed_on(&self) -> bool {
        let told = self.transfer.is_some() || self.from.was_transferred || self.to.was_transferred;
        let is_unlined = self.to.line_number.is_none() && self.from.continued_leg().is_some();
        told || is_unlined
    }
}

impl End {
    fn party(&self, numbers: &Numbers) -> Party {
        match &self.extension {
            Some(extension) => Party::Person(Extension::from(extension.as_str())),
            None => Party::Client(number(numbers, self.number.as_deref()).unwrap_or_else(nobody)),
        }
    }

    fn queue_name(&self) -> String {
        let name = self.acd_group.as_ref().or(self.extension.as_ref());
        name.cloned().unwrap_or_default()
    }

    fn continued_leg(&self) -> Option<&str> {
        self.taken_from_call_id.as_deref()
    }
}

/// A number that the message does not give.
fn nobody() -> Number {
    Number::Other(String::new())
}
