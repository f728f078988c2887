//! The seven steps of a call event: start reading here.
//!
//! | Step | Where |
//! |---|---|
//! | 1 receive | `web::hooks` or a dial task stamps and authenticates bytes |
//! | 2 decode | the account's `Decoder::feed` makes facts of them |
//! | 3 apply, 4 match, 5 commit | [`Flow::receive`] hands them to [`Writer::commit`] and answers when they are durable |
//! | 6 pop | `live` listens to [`Writer::changes`] |
//! | 7 deliver | jobs read the outbox rows of the same commit |
//!
//! A command of a person ([`command`]) is told as a fact and goes the same way. A question "where shall
//! this call go?" does not wait for any of this: [`enquiry`].

pub mod attribution;
pub mod command;
pub mod dial;
pub mod enquiry;
pub mod overdue;
pub mod phones;
pub mod probe;
pub mod reconcile;
pub mod route;
pub mod timers;
pub mod upkeep;
pub mod visitor;

use bytes::Bytes;
use tokio::sync::broadcast;

use crate::{
    model::{event::CallEvent, ids::AccountName, time::Timestamp},
    pbx::{DecodeError, Decoded},
    store::{
        Db, StoreError,
        raw::{self, RawMessage},
        writer::{CommitError, Outcome, REPLAY, Receipt, Submission, Writer},
    },
};

/// One message as it came in, before its meaning.
#[derive(Clone, Debug)]
pub struct Message {
    /// The account that sent it.
    pub account: AccountName,
    /// How it came: `webhook`, `ami`, `cel`, ...
    pub source: &'static str,
    /// When its bytes came in.
    pub received_at: Timestamp,
    /// The bytes, kept in the journal; a webhook's are method, path, query and body as JSON.
    pub raw: Bytes,
}

/// Visitors that wait to be asked for; a flood of them is told, and not waited for.
const MOST_VISITORS: usize = 1_024;

/// The way of every call event into the store.
#[derive(Clone, Debug)]
pub struct Flow {
    writer: Writer,
    /// Who is to be asked for.
    visitors: broadcast::Sender<visitor::Wanted>,
}

impl Flow {
    /// The flow into this writer.
    pub fn new(writer: Writer) -> Self {
        let (visitors, _) = broadcast::channel(MOST_VISITORS);
        Self { writer, visitors }
    }

    /// Visitors who are to be asked for, from now on ([`visitor`]).
    pub fn visitors(&self) -> broadcast::Receiver<visitor::Wanted> {
        self.visitors.subscribe()
    }

    /// The writer behind it.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Takes one message with what its decoder made of it, and returns when all of it is durable.
    /// What was understood before an error still counts; what was not becomes a dead letter.
    pub async fn receive(
        &self,
        message: Message,
        decoded: Decoded,
        error: Option<&DecodeError>,
    ) -> Result<Receipt, CommitError> {
        let visitors = visitor::Wanted::of(&message.account, &decoded);
        let receipt = self
            .writer
            .commit(Submission {
                outcome: outcome(&decoded, error),
                account: message.account,
                source: message.source,
                received_at: message.received_at,
                raw: message.raw,
                events: decoded.events,
                visits: decoded.visits,
            })
            .await?;
        for wanted in visitors {
            // Nobody listens: nobody wants to know.
            let _ = self.visitors.send(wanted);
        }
        Ok(receipt)
    }

    /// Takes facts of our own (a routing answer given, a command sent), which have no message behind them.
    pub async fn tell(
        &self,
        account: AccountName,
        source: &'static str,
        events: Vec<CallEvent>,
        now: Timestamp,
    ) -> Result<Receipt, CommitError> {
        let told = of_our_own(account, source, events, now);
        self.writer.commit(told).await
    }
}

/// Facts without a message behind them.
fn of_our_own(
    account: AccountName,
    source: &'static str,
    events: Vec<CallEvent>,
    now: Timestamp,
) -> Submission {
    Submission {
        account,
        source,
        received_at: now,
        raw: Bytes::new(),
        events,
        visits: Vec::new(),
        outcome: Outcome::Applied,
    }
}

/// How a dead letter fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// Applied; it is no dead letter any more.
    Applied(Receipt),
    /// Still not understood, for this reason.
    StillUnread(DecodeError),
    /// Understood, and still cannot be applied.
    StillUnfit,
    /// There is no such dead letter.
    Gone,
}

/// A dead letter could not be replayed now.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The journal could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The writer did not take it.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Flow {
    /// Takes a dead letter of the journal in again, with the decoder as it is today; `decode` knows how
    /// the account's messages are kept. Facts that were applied before are known as repetitions.
    pub async fn replay(
        &self,
        db: &Db,
        id: i64,
        now: Timestamp,
        decode: impl FnOnce(&RawMessage) -> (Decoded, Option<DecodeError>),
    ) -> Result<Replayed, ReplayError> {
        let Some(letter) = raw::get(db, id).await?.filter(RawMessage::is_dead) else {
            return Ok(Replayed::Gone);
        };
        let (decoded, error) = decode(&letter);
        if let Some(error) = error {
            return Ok(Replayed::StillUnread(error));
        }
        let told = Submission {
            visits: decoded.visits,
            ..of_our_own(letter.account, REPLAY, decoded.events, now)
        };
        let receipt = self.writer.commit(told).await?;
        if receipt.dead_letter {
            return Ok(Replayed::StillUnfit);
        }
        raw::replayed(db, id).await?;
        Ok(Replayed::Applied(receipt))
    }
}

/// The wall clock of call events: arrival is stamped with it.
pub fn now() -> Timestamp {
    Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
}

/// What the journal says of a message.
fn outcome(decoded: &Decoded, error: Option<&DecodeError>) -> Outcome {
    if let Some(error) = error {
        return Outcome::Undecodable(error.to_string());
    }
    if !decoded.events.is_empty() || !decoded.visits.is_empty() {
        return Outcome::Applied;
    }
    if !decoded.enquiries.is_empty() {
        return Outcome::Noted("enquiry".to_owned());
    }
    if !decoded.notes.is_empty() {
        return Outcome::Noted(decoded.notes.join(", "));
    }
    Outcome::Ignored(decoded.ignored.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_says_what_became_of_a_message() {
        let mut decoded = Decoded::default();
        assert_eq!(outcome(&decoded, None), Outcome::Ignored(String::new()));
        decoded.ignored.push("dtmf_end");
        assert_eq!(
            outcome(&decoded, None),
            Outcome::Ignored("dtmf_end".to_owned())
        );
        decoded.notes.push("ping");
        assert_eq!(outcome(&decoded, None), Outcome::Noted("ping".to_owned()));
        let error = DecodeError::Field("entry_id");
        assert_eq!(
            outcome(&decoded, Some(&error)),
            Outcome::Undecodable("field entry_id is missing or unusable".to_owned())
        );
    }
}
