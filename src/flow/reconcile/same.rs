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

    /// Whether this call was heard of at a moment of the page.
    fn could_hold(&self, known: &Stored) -> bool {
        let (from, to) = self.span;
        let was_heard_of = !known.call.legs.is_empty() && !known.key.is_nameless();
        was_heard_of && (from..=to).contains(&known.call.started_at)
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
            let unheard = ordered.filter(|near| near.call.legs.is_empty());
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
