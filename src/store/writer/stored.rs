//! A stored call as the writer takes it up again.

use std::sync::Arc;

use serde::de::{DeserializeOwned, IntoDeserializer, value};
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    apply::ApplyError,
    known::{Known, Stand},
};
use crate::{
    model::{
        call::Call,
        ids::{AccountName, CallId, CallKey, CardId, LineId, PersonId},
        phone::Number,
        time::Timestamp,
    },
    rules::matching::MatchReason,
    store::derived,
};

/// What is read of it.
#[derive(FromRow)]
pub(super) struct CallRow {
    id: Uuid,
    version: i64,
    account: String,
    call_key: String,
    derived: String,
    facts: Option<Vec<u8>>,
    sealed: i64,
    card: Option<Uuid>,
    match_reason: Option<String>,
    #[sqlx(flatten)]
    counted: Counted,
}

/// By which columns other tables and indexes know a call.
#[derive(FromRow)]
struct Counted {
    line: Option<i64>,
    answered_by: Option<i64>,
    phase: String,
    direction: Option<String>,
    result: Option<String>,
    ended: Option<String>,
    client: Option<String>,
    started_at: i64,
    answered_at: Option<i64>,
    ended_at: Option<i64>,
    wait_ms: Option<i64>,
    ring_ms: Option<i64>,
    talk_ms: Option<i64>,
}

impl<'r> TryFrom<&'r rusqlite::Row<'r>> for CallRow {
    type Error = rusqlite::Error;

    fn try_from(row: &'r rusqlite::Row<'r>) -> Result<Self, Self::Error> {
        Ok(Self {
            id: row.get("id")?,
            version: row.get("version")?,
            account: row.get("account")?,
            call_key: row.get("call_key")?,
            derived: row.get("derived")?,
            facts: row.get("facts")?,
            sealed: row.get("sealed")?,
            card: row.get("card")?,
            match_reason: row.get("match_reason")?,
            counted: Counted {
                line: row.get("line")?,
                answered_by: row.get("answered_by")?,
                phase: row.get("phase")?,
                direction: row.get("direction")?,
                result: row.get("result")?,
                ended: row.get("ended")?,
                client: row.get("client")?,
                started_at: row.get("started_at")?,
                answered_at: row.get("answered_at")?,
                ended_at: row.get("ended_at")?,
                wait_ms: row.get("wait_ms")?,
                ring_ms: row.get("ring_ms")?,
                talk_ms: row.get("talk_ms")?,
            },
        })
    }
}

impl CallRow {
    /// The call with its facts, standing as the tables say it.
    pub(super) fn known(self) -> Result<Known, ApplyError> {
        let id = self.id;
        let (mut call, facts) = derived::with_facts(id, &self.derived, self.facts.as_deref())
            .map_err(|error| ApplyError::Unusable(format!("stored call {id}: {error}")))?;
        let (line, answered_by) = (self.counted.line, self.counted.answered_by);
        if self.derived.is_empty() {
            self.counted.put_into(&mut call);
        }
        Ok(Known {
            id: CallId(id),
            version: self.version,
            account: AccountName::from(self.account),
            key: CallKey::from(self.call_key),
            facts,
            sealed: self.sealed != 0,
            strange: true,
            stand: Stand {
                call: Arc::new(call),
                card: self.card.map(CardId),
                reason: self.match_reason.as_deref().and_then(MatchReason::parse),
                line: line.map(LineId),
                answered_by: answered_by.map(PersonId),
            },
        })
    }
}

impl Counted {
    /// An earlier program may have made something else of the same facts. What it has counted is taken
    /// back as it was counted, and what it has written in a column is seen to be another.
    fn put_into(self, call: &mut Call) {
        if let Some(phase) = word(&self.phase) {
            call.phase = phase;
        }
        call.direction = self.direction.as_deref().and_then(word);
        call.result = self.result.as_deref().and_then(word);
        call.ended = self.ended.as_deref().and_then(word);
        if call.client.as_ref().and_then(Number::e164) != self.client.as_deref() {
            call.client = self.client.map(|e164| Number::E164 { e164, ext: None });
        }
        call.started_at = Timestamp::from_micros(self.started_at);
        call.answered_at = self.answered_at.map(Timestamp::from_micros);
        call.ended_at = self.ended_at.map(Timestamp::from_micros);
        call.wait_ms = self.wait_ms;
        call.ring_ms = self.ring_ms;
        call.talk_ms = self.talk_ms;
    }
}

/// A word that a column holds.
fn word<T: DeserializeOwned>(word: &str) -> Option<T> {
    T::deserialize(IntoDeserializer::<value::Error>::into_deserializer(word)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        call::{CallResult, Ended, Phase},
        event::Direction,
    };

    #[test]
    fn every_word_is_read_as_it_is_written() {
        for phase in [Phase::Waiting, Phase::Ringing, Phase::Talking, Phase::Ended] {
            assert_eq!(word(phase.as_str()), Some(phase));
        }
        for direction in [Direction::In, Direction::Out, Direction::Internal] {
            assert_eq!(word(direction.as_str()), Some(direction));
        }
        for ended in [Ended::HungUp, Ended::Unknown] {
            assert_eq!(word(ended.as_str()), Some(ended));
        }
        for result in CallResult::ALL {
            assert_eq!(word(result.as_str()), Some(result));
        }
        assert_eq!(word::<Phase>("?"), None);
    }
}
