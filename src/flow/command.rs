//! Commands of people to a PBX: carried out, and told as facts.
//!
//! A command that the PBX has taken is a fact of the call it makes: whose call it is, which way it goes
//! and whom it calls are then known before any phone rings, and stay known if none ever does. A command
//! that was refused makes no call. Leaves out who may command (`web`) and how (the adapter).
//!
//! Some PBXes cannot carry our id of the command, or only sometimes. There the call is known by employee,
//! client and time (`Wanted::is`), and that both are one becomes a fact as well.

use std::time::Duration;

use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::timeout,
};

use super::Flow;
use crate::{
    model::{
        call::Change,
        event::{CallEvent, Clock, Direction, Fact},
        ids::{AccountName, CallId, CallKey, Extension, FactId},
        phone::Number,
        time::Timestamp,
    },
    pbx::{Command, Pbx, PbxError, Taken},
};

/// How long after a command the call it makes may begin, and how far the PBX's clock may be behind.
const BEGINS_WITHIN_MS: i64 = 120_000;
const CLOCKS_DIFFER_MS: i64 = 5_000;

impl Flow {
    /// Carries out a command and tells that it was sent. The PBX's own events name the call by our id of
    /// the command, where it can carry one; so the fact and they are one call, in any order.
    pub async fn command(
        &self,
        account: &AccountName,
        pbx: &dyn Pbx,
        command: &Command,
        now: Timestamp,
    ) -> Result<(), PbxError> {
        // From before it is sent: the first event may be here before the answer to the command.
        let changes = self.writer.changes();
        let taken = pbx.command(command).await?;
        let sent = Sent::of(account, command, now);
        let mut events = vec![sent.event("sent", sent.fact())];
        if let Taken::Perhaps { key: Some(with) } = &taken {
            events.push(sent.is_also(with));
        }
        if let Err(error) = self.tell(account.clone(), "command", events, now).await {
            // The phone rings already: the call goes on as the PBX tells it.
            tracing::warn!(%account, %error, "a command was carried out and could not be noted");
        }
        if let Taken::Perhaps { .. } = taken {
            tokio::spawn(self.clone().find_call(changes, sent));
        }
        Ok(())
    }

    /// Waits for the call that the command makes. If none comes, that is told: the employee's phone may
    /// be off, and nothing else would ever end the call.
    async fn find_call(self, mut changes: Receiver<std::sync::Arc<Change>>, sent: Sent) {
        let mut wanted = Wanted {
            sent: &sent,
            own: None,
        };
        let patience = Duration::from_millis((BEGINS_WITHIN_MS + CLOCKS_DIFFER_MS) as u64);
        let found = timeout(patience, async {
            loop {
                match changes.recv().await {
                    Ok(change) => match wanted.is(&change) {
                        Found::NotYet => {}
                        Found::Known => return None,
                        Found::Also => return Some(change.key.clone()),
                    },
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        let event = match found.await {
            Ok(None) => return,
            Ok(Some(key)) => sent.is_also(&key),
            Err(_) => sent.event("result", sent.nothing_came()),
        };
        let told = self.tell(sent.account.clone(), "command", vec![event], super::now());
        if let Err(error) = told.await {
            tracing::warn!(account = %sent.account, %error, "what became of a command could not be noted");
        }
    }
}

/// A command that was sent.
struct Sent {
    account: AccountName,
    command: String,
    extension: Extension,
    client: Number,
    at: Timestamp,
}

impl Sent {
    fn of(account: &AccountName, command: &Command, at: Timestamp) -> Self {
        let Command::ClickToCall {
            command,
            extension,
            client,
        } = command;
        Self {
            account: account.clone(),
            command: command.clone(),
            extension: extension.clone(),
            client: Number::E164 {
                e164: client.clone(),
                ext: None,
            },
            at,
        }
    }

    fn event(&self, what: &str, fact: Fact) -> CallEvent {
        CallEvent {
            account: self.account.clone(),
            call: CallKey::from(self.command.as_str()),
            leg: None,
            at: self.at,
            clock: Clock::Exact,
            id: FactId::from(format!("{}/{what}", self.command)),
            fact,
        }
    }

    fn fact(&self) -> Fact {
        Fact::CommandSent {
            command: self.command.clone(),
            what: "click_to_call".to_owned(),
            extension: Some(self.extension.clone()),
            client: Some(self.client.clone()),
        }
    }

    fn is_also(&self, with: &CallKey) -> CallEvent {
        let with = with.clone();
        self.event(&format!("is/{with}"), Fact::SameCall { with })
    }

    fn nothing_came(&self) -> Fact {
        Fact::CommandResult {
            command: self.command.clone(),
            ok: false,
            detail: "no_call".to_owned(),
        }
    }
}

/// The call that a command makes, among all that change.
struct Wanted<'a> {
    sent: &'a Sent,
    /// The call that the command alone has made.
    own: Option<CallId>,
}

/// Whether a change is of the call wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    NotYet,
    /// It is, and the store knows.
    Known,
    /// It is, under a key of its own.
    Also,
}

impl Wanted<'_> {
    fn is(&mut self, change: &Change) -> Found {
        if change.account != self.sent.account {
            return Found::NotYet;
        }
        if change.key.as_str() == self.sent.command {
            self.own = Some(change.id);
        }
        let is_own =
            Some(change.id) == self.own || change.merged.iter().any(|gone| Some(*gone) == self.own);
        match () {
            () if is_own && change.call.legs.is_empty() => Found::NotYet,
            () if is_own => Found::Known,
            () if self.fits(change) => Found::Also,
            () => Found::NotYet,
        }
    }

    fn fits(&self, change: &Change) -> bool {
        let call = &change.call;
        let e164 = |number: &Number| number.e164().map(str::to_owned);
        let begins = call.started_at;
        call.direction == Some(Direction::Out)
            && call.client.as_ref().and_then(e164) == e164(&self.sent.client)
            && begins >= self.sent.at.plus_millis(-CLOCKS_DIFFER_MS)
            && begins <= self.sent.at.plus_millis(BEGINS_WITHIN_MS)
            && call
                .employees_legs()
                .any(|(extension, _)| *extension == self.sent.extension)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::call::{Call, Leg};
    use crate::model::event::Party;

    const AT: Timestamp = Timestamp::from_seconds(1_773_728_100);

    fn sent() -> Sent {
        let command = Command::ClickToCall {
            command: "c1".to_owned(),
            extension: "201".into(),
            client: "+74950000011".to_owned(),
        };
        Sent::of(&"cloud".into(), &command, AT)
    }

    /// An outgoing call of this employee, begun so long after the command.
    fn change(key: &str, employee: Option<&str>, after_ms: i64) -> Change {
        let client = sent().client;
        let leg = |employee: &str| Leg {
            key: employee.into(),
            party: Some(Party::Client(client.clone())),
            caller: Some(employee.into()),
            rang_at: None,
            answered_at: None,
            ended_at: None,
            result: None,
            initiator: false,
        };
        Change {
            id: CallId(uuid::Uuid::now_v7()),
            account: "cloud".into(),
            key: key.into(),
            version: 1,
            call: Arc::new(Call {
                direction: Some(Direction::Out),
                client: Some(client.clone()),
                started_at: AT.plus_millis(after_ms),
                legs: employee.map(leg).into_iter().collect(),
                ..Call::default()
            }),
            card: None,
            match_reason: None,
            line: None,
            merged: Vec::new(),
            received_at: AT,
        }
    }

    #[test]
    fn the_call_of_a_command_is_known_by_employee_client_and_time() {
        let sent = sent();
        let mut wanted = Wanted {
            sent: &sent,
            own: None,
        };
        let mut is = |change: &Change| wanted.is(change);
        assert_eq!(is(&change("c1", None, 0)), Found::NotYet, "its own fact");
        assert_eq!(is(&change("77", Some("202"), 900)), Found::NotYet);
        assert_eq!(is(&change("77", Some("201"), -60_000)), Found::NotYet);
        assert_eq!(is(&change("77", Some("201"), 130_000)), Found::NotYet);
        let mut foreign = change("77", Some("201"), 900);
        foreign.account = "other".into();
        assert_eq!(is(&foreign), Found::NotYet);
        assert_eq!(is(&change("77", Some("201"), 900)), Found::Also);
    }

    #[test]
    fn a_call_that_the_pbx_has_named_is_known_already() {
        let sent = sent();
        let mut wanted = Wanted {
            sent: &sent,
            own: None,
        };
        let own = change("c1", None, 0);
        assert_eq!(wanted.is(&own), Found::NotYet);
        let mut joined = change("77", Some("201"), 0);
        joined.merged = vec![own.id];
        assert_eq!(wanted.is(&joined), Found::Known);
    }
}
