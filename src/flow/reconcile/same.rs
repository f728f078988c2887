//! Under which other name a call of a PBX's own records may be known: its events have a name that the record
//! lacks, somebody ordered it and it was never heard of, or nobody has confirmed that records and events name
//! calls alike.

use std::collections::BTreeSet;

use super::Reader;
use crate::{
    model::{
        call::Call,
        event::{CallEvent, Clock, Direction, Fact},
        ids::{CallKey, FactId},
        time::Timestamp,
    },
    pbx,
    store::{
        StoreError,
        reconcile::{self as rows, Stored},
    },
};

/// How far the second of a record may be from that of its events.
const SAME_START_MS: i64 = 3_000;
/// A call that somebody ordered begins so long after the order, and so long before it by other clocks.
const ORDERED_BEFORE_MS: i64 = 120_000;
const ORDERED_AFTER_MS: i64 = 5_000;
/// Times that nobody has confirmed may be so far off: the length of a call, or a clock of another zone.
const IN_DOUBT_MS: i64 = 9_000_000;

/// What a page of records names that nobody has confirmed to name calls as events do.
pub(super) struct Listed {
    keys: BTreeSet<CallKey>,
    /// Its first and last moment.
    span: (Timestamp, Timestamp),
}

/// What a call is known as, besides the name in its record.
pub(super) enum Other {
    Nobody,
    Named(Box<Stored>),
    /// It may be a call that is known, and nothing says which.
    InDoubt,
}

impl Listed {
    /// Of these records.
    pub fn of(messages: &[pbx::Message]) -> Self {
        let events = || messages.iter().flat_map(|message| &message.events);
        let also = |event: &CallEvent| match &event.fact {
            Fact::SameCall { with } => Some(with.clone()),
            _ => None,
        };
        let moments = || events().map(|event| event.at);
        Self {
            keys: events()
                .flat_map(|event| [Some(event.call.clone()), also(event)])
                .flatten()
                .collect(),
            span: (
                moments().min().unwrap_or_default(),
                moments().max().unwrap_or_default(),
            ),
        }
    }

    /// Whether this call was heard of, at a moment that may be one of the page.
    fn could_hold(&self, known: &Stored) -> bool {
        let (from, to) = self.span;
        let around = from.plus_millis(-IN_DOUBT_MS)..=to.plus_millis(IN_DOUBT_MS);
        // Of a call that came in perhaps nobody was named whose phone rang.
        let is_order = known.call.direction == Some(Direction::Out) && known.call.legs.is_empty();
        let was_heard_of = !is_order && !known.key.is_nameless();
        was_heard_of && around.contains(&known.call.started_at)
    }
}

impl Reader {
    /// Another name under which the call may be known.
    pub(super) async fn other_name(
        &self,
        key: &CallKey,
        told: &Call,
        stored: Option<&Stored>,
        listed: Option<&Listed>,
    ) -> Result<Other, StoreError> {
        let client = told.client.as_ref().and_then(|client| client.e164());
        if client.is_none() && listed.is_none() {
            return Ok(Other::Nobody);
        }
        let near = async |before_ms: i64, after_ms: i64| {
            let at = |ms: i64| told.started_at.plus_millis(ms);
            let near = rows::near(
                &self.db,
                &self.account,
                client,
                told.started_at,
                (at(-before_ms), at(after_ms)),
            );
            let is_such = |near: &Stored| near.call.direction == told.direction;
            let mut near = near.await?;
            near.retain(is_such);
            Ok::<_, StoreError>(near)
        };
        let named = |near: Option<Stored>| near.map(|near| Other::Named(Box::new(near)));
        if key.is_nameless() {
            let same = near(SAME_START_MS, SAME_START_MS).await?;
            let mut same = same.into_iter();
            if let Some(same) = named(same.find(|near| !near.key.is_nameless())) {
                return Ok(same);
            }
        }
        if stored.is_some() {
            return Ok(Other::Nobody);
        }
        if let Some(listed) = listed {
            let same = near(SAME_START_MS, SAME_START_MS).await?;
            if let Some(same) = named(self.unlisted(listed, same).await?) {
                return Ok(same);
            }
        }
        if told.direction == Some(Direction::Out) && client.is_some() && !key.is_nameless() {
            // The latest order before the call.
            let ordered = near(ORDERED_BEFORE_MS, ORDERED_AFTER_MS).await?.into_iter();
            let is_listed =
                |near: &Stored| listed.is_some_and(|listed| listed.keys.contains(&near.key));
            let unheard = ordered.filter(|near| near.call.legs.is_empty() && !is_listed(near));
            if let Some(order) = named(unheard.max_by_key(|near| near.call.started_at)) {
                return Ok(order);
            }
        }
        let Some(listed) = listed else {
            return Ok(Other::Nobody);
        };
        let around = near(IN_DOUBT_MS, IN_DOUBT_MS).await?;
        Ok(match self.unlisted(listed, around).await? {
            Some(_) => Other::InDoubt,
            None => Other::Nobody,
        })
    }

    /// The first of these calls that the page should list and does not.
    async fn unlisted(
        &self,
        listed: &Listed,
        near: Vec<Stored>,
    ) -> Result<Option<Stored>, StoreError> {
        for call in near.into_iter().filter(|call| listed.could_hold(call)) {
            let keys = rows::keys(&self.db, call.id).await?;
            if !keys.iter().any(|key| listed.keys.contains(key)) {
                return Ok(Some(call));
            }
        }
        Ok(None)
    }

    /// That a record's call is that one.
    pub(super) fn is_also(&self, key: &CallKey, other: &Stored, at: Timestamp) -> CallEvent {
        CallEvent {
            account: self.account.clone(),
            call: key.clone(),
            leg: None,
            at,
            clock: Clock::NoLaterThan,
            id: FactId::from(format!("{key}/is/{}", other.key)),
            fact: Fact::SameCall {
                with: other.key.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::ids::CallId;

    #[test]
    fn a_page_may_hold_what_was_heard_of_hours_around_it_whoever_was_named() {
        let at = Timestamp::from_seconds(1_775_460_000);
        let listed = Listed {
            keys: BTreeSet::new(),
            span: (at, at.plus_millis(60_000)),
        };
        let known = |key: &str, direction, after_ms: i64| Stored {
            id: CallId(Uuid::nil()),
            key: key.into(),
            call: Call {
                direction: Some(direction),
                started_at: at.plus_millis(after_ms),
                ..Call::default()
            },
        };
        for after_ms in [-3_600_000, 0, 3_600_000] {
            assert!(listed.could_hold(&known("1", Direction::In, after_ms)));
            assert!(!listed.could_hold(&known("1", Direction::Out, after_ms)));
        }
        assert!(!listed.could_hold(&known("1", Direction::In, -10_000_000)));
        let nameless = CallKey::nameless("1");
        assert!(!listed.could_hold(&known(nameless.as_str(), Direction::In, 0)));
    }
}
