//! Reads clouds' own records, and brings in what their events did not tell: at start, when an account
//! speaks again after a long silence, when the store was away, when somebody asks, and on a schedule.
//!
//! A record goes the way of every message, under the names that events have, so nothing is doubled. What
//! is known already is left alone (`compare`): most records say nothing new, and calls long over need
//! not be opened for them. The cursor moves only when a whole part is durable. Leaves out accounts that we
//! dial: their records are read beside the connection ([`super::dial`]).

pub(super) mod compare;
mod same;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, broadcast::error::RecvError};
use tokio_util::sync::CancellationToken;

use self::same::{Listed, Other};
use super::{Flow, Message};
use crate::{
    model::{
        event::{CallEvent, Fact},
        ids::{AccountName, CallKey},
        time::Timestamp,
    },
    pbx::{self, Decoded, Input, Pbx, PbxError},
    store::{
        Db, StoreError, reconcile as rows, settings, visits,
        writer::{Health, Receipt},
    },
    telemetry, tracker,
};

/// Source of what comes from a PBX's own records, in the journal of messages.
pub const SOURCE: &str = "history";
/// Calls looked up and brought in at once.
const TOGETHER: usize = 16;
/// How often it is looked whether the store has come back.
const HEALTH_EVERY: Duration = Duration::from_secs(5);

/// When records are read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How often, in milliseconds.
    pub every_ms: u64,
    /// How soon again after a failure, in milliseconds. Not below two minutes: Mango shuts out for so
    /// long after a request that it does not like.
    pub retry_ms: u64,
    /// After so long a silence of an account its next event has records read at once, in milliseconds.
    pub quiet_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            every_ms: 900_000,
            retry_ms: 150_000,
            quiet_ms: 600_000,
        }
    }
}

/// What a reading brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brought {
    /// Calls in the records.
    pub read: u64,
    /// Calls of which no event had come.
    pub found: u64,
    /// Calls of which events had come, and not all.
    pub repaired: u64,
    /// Records that could not be understood or applied, or may be of a call that is known otherwise.
    pub unread: u64,
}

impl Brought {
    fn add(&mut self, other: Self) {
        self.read += other.read;
        self.found += other.found;
        self.repaired += other.repaired;
        self.unread += other.unread;
    }

    /// How many calls are better known now.
    fn calls(self) -> u64 {
        self.found + self.repaired
    }
}

/// How reading stands, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// When reading was tried last.
    pub tried_at: Option<Timestamp>,
    /// When records were read last, to the end.
    pub read_at: Option<Timestamp>,
    /// When a reading last brought something,
    pub brought_at: Option<Timestamp>,
    /// and what.
    pub brought: Brought,
    /// Records that the last reading could not understand or apply.
    pub unread: u64,
    /// Since when readings fail,
    pub failing_since: Option<Timestamp>,
    /// and why.
    pub why: String,
}

/// How the reading of an account's records stands; `None` if none has been tried.
pub async fn standing(db: &Db, account: &AccountName) -> Result<Option<Standing>, StoreError> {
    let text = settings::get(db, &standing_name(account)).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

fn standing_name(account: &AccountName) -> String {
    format!("reconcile/{account}")
}

/// Reads the records of one account.
pub struct Reader {
    /// The account.
    pub account: AccountName,
    /// Its adapter.
    pub pbx: Arc<dyn Pbx>,
    /// Where records go.
    pub flow: Flow,
    /// Where the cursor is kept.
    pub db: Db,
    /// When to read.
    pub settings: Settings,
    /// Our clock.
    pub clock: fn() -> Timestamp,
}

impl Reader {
    /// Reads again and again until `stop`; at once when asked to.
    pub async fn run(self, asked: Arc<Notify>, stop: CancellationToken) {
        loop {
            let pause_ms = match self.read().await {
                Ok(_) => self.settings.every_ms,
                Err(PbxError::Unsupported) => return,
                Err(_) => self.settings.retry_ms,
            };
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
                () = asked.notified() => {}
                () = self.speaks_again() => {}
                () = self.store_is_back() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Reads everything since the last time, and keeps how it went.
    pub async fn read(&self) -> Result<Brought, PbxError> {
        let mut brought = Brought::default();
        let read = self.read_on(&mut brought).await;
        if !matches!(read, Err(PbxError::Unsupported)) {
            let of = (&self.db, &self.account, self.pbx.provider());
            keep(of, (self.clock)(), brought, read.as_ref().err()).await;
        }
        read.map(|()| brought)
    }

    async fn read_on(&self, brought: &mut Brought) -> Result<(), PbxError> {
        let name = format!("history/{}", self.account);
        loop {
            let cursor = settings::get(&self.db, &name).await.map_err(away)?;
            let page = self.pbx.history(cursor.as_deref(), (self.clock)()).await?;
            let listed = page.unconfirmed.then(|| Listed::of(&page.messages));
            let (calls, visits) = apart(page.messages);
            for record in visits {
                brought.add(self.bring_visit(record).await?);
            }
            let mut parts = stream::iter(by_call(calls, brought))
                .map(|messages| self.bring_in(messages, listed.as_ref()))
                .buffer_unordered(TOGETHER);
            let mut failure = None;
            while let Some(part) = parts.next().await {
                match part {
                    Ok(part) => brought.add(part),
                    Err(error) => failure = Some(error), // what came in counts all the same
                }
            }
            if let Some(error) = failure {
                return Err(error);
            }
            settings::set(&self.db, &name, &page.cursor)
                .await
                .map_err(away)?;
            if !page.more {
                return Ok(());
            }
        }
    }

    /// Brings in what the records say of one call, unless it is known.
    async fn bring_in(
        &self,
        mut messages: Vec<pbx::Message>,
        listed: Option<&Listed>,
    ) -> Result<Brought, PbxError> {
        let mut brought = Brought {
            read: 1,
            ..Brought::default()
        };
        let events = || messages.iter().flat_map(|message| &message.events);
        let told = tracker::derive(&events().cloned().collect());
        let Some(key) = events().next().map(|event| event.call.clone()) else {
            return Ok(brought);
        };
        let stored = rows::by_key(&self.db, &self.account, &key)
            .await
            .map_err(away)?;
        let other = self.other_name(&key, &told, stored.as_ref(), listed);
        let other = match other.await.map_err(away)? {
            Other::Named(other) => Some(*other),
            Other::Nobody => None,
            Other::InDoubt => {
                brought.unread = 1;
                return Ok(brought);
            }
        };
        let known = match (&stored, &other) {
            // Two calls that are one have to be joined, whatever is known of either.
            (Some(stored), Some(other)) if stored.id != other.id => None,
            (Some(known), _) | (None, Some(known)) => Some(known),
            (None, None) => None,
        };
        let tells_more = match (known, listed) {
            (None, _) => true,
            (Some(known), None) => compare::tells_more(&known.call, &told),
            (Some(known), Some(_)) => compare::fills(&known.call, &told),
        };
        if !tells_more && known.is_some_and(|known| !compare::tells_aside(&known.call, &told)) {
            return Ok(brought);
        }
        if let (Some(_), false) = (listed, tells_more) {
            messages.iter_mut().for_each(only_aside);
        }
        if let (Some(other), Some(first)) = (&other, messages.first_mut()) {
            // With files alone it changes nothing of the known call, its start the least.
            let at = match tells_more {
                true => told.started_at,
                false => other.call.heard_at,
            };
            first.events.push(self.is_also(&key, other, at));
        }
        let mut is_new = false;
        for message in messages {
            let receipt = self.take(message).await?;
            brought.unread += u64::from(receipt.dead_letter);
            is_new |= receipt.new_facts > 0;
        }
        match stored.is_none()
            && other
                .as_ref()
                .is_none_or(|other| other.call.legs.is_empty())
        {
            true => brought.found += u64::from(is_new),
            // What only records know (files, where the visitor came from) repairs nothing.
            false => brought.repaired += u64::from(is_new && tells_more),
        }
        Ok(brought)
    }

    /// Brings in what a record says of a visit, unless that is known.
    async fn bring_visit(&self, record: pbx::Message) -> Result<Brought, PbxError> {
        let mut brought = Brought {
            read: 1,
            ..Brought::default()
        };
        let mut decoded = Decoded::default();
        let input = Input::Records(&record.raw);
        let read = self.pbx.decoder().feed(input, (self.clock)(), &mut decoded);
        let (Ok(()), Some(visit)) = (read, decoded.visits.first()) else {
            brought.unread = 1;
            return Ok(brought);
        };
        let known = visits::stage(&self.db, &self.account, &visit.key);
        match known.await.map_err(away)? {
            Some(stage) if stage >= visit.stage => return Ok(brought),
            Some(_) => brought.repaired = 1,
            None => brought.found = 1,
        }
        self.take_in(record.raw, decoded).await?;
        Ok(brought)
    }

    async fn take(&self, message: pbx::Message) -> Result<Receipt, PbxError> {
        let decoded = Decoded {
            events: message.events,
            ..Decoded::default()
        };
        self.take_in(message.raw, decoded).await
    }

    async fn take_in(&self, raw: Bytes, decoded: Decoded) -> Result<Receipt, PbxError> {
        let message = Message {
            account: self.account.clone(),
            source: SOURCE,
            received_at: (self.clock)(),
            raw,
        };
        let taken = self.flow.receive(message, decoded, None).await;
        taken.map_err(|_| PbxError::Unreachable) // the cursor stays: it is read again
    }

    /// Returns when a call of the account changes after a long silence of it.
    async fn speaks_again(&self) {
        let mut changes = self.flow.writer().changes();
        let mut heard_at = (self.clock)();
        loop {
            match changes.recv().await {
                Ok(change) if change.account == self.account => {
                    let silent_ms = change.received_at.millis_since(heard_at);
                    if silent_ms >= self.settings.quiet_ms {
                        return;
                    }
                    heard_at = change.received_at;
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// Returns when the store takes messages again that it has refused before.
    async fn store_is_back(&self) {
        let is_good = || self.flow.writer().health() == Health::Good;
        while is_good() {
            tokio::time::sleep(HEALTH_EVERY).await;
        }
        while !is_good() {
            tokio::time::sleep(HEALTH_EVERY).await;
        }
    }
}

/// Keeps how a reading of an account's records went, for people, and counts it.
pub(super) async fn keep(
    (db, account, provider): (&Db, &AccountName, &'static str),
    now: Timestamp,
    brought: Brought,
    failure: Option<&PbxError>,
) {
    let kept = standing(db, account).await;
    let mut standing = kept.ok().flatten().unwrap_or_default();
    standing.tried_at = Some(now);
    standing.unread = brought.unread;
    if brought.calls() > 0 {
        standing.brought_at = Some(now);
        standing.brought = brought;
    }
    match failure {
        None => {
            standing.read_at = Some(now);
            standing.failing_since = None;
            standing.why = String::new();
        }
        Some(error) => {
            tracing::warn!(account = %account, %error, "past calls could not be read");
            standing.failing_since = standing.failing_since.or(Some(now));
            standing.why = error.to_string();
        }
    }
    let text = serde_json::to_string(&standing).expect("a struct of numbers and texts is JSON");
    if let Err(error) = settings::set(db, &standing_name(account), &text).await {
        tracing::warn!(account = %account, %error, "how past calls were read could not be kept");
    }
    telemetry::Reconciled {
        provider,
        account: account.as_str(),
        read: brought.read,
        missing: brought.calls(),
    }
    .emit();
}

/// Leaves what the message says of files, and of where the visitor came from.
fn only_aside(message: &mut pbx::Message) {
    let is_aside =
        |event: &CallEvent| matches!(event.fact, Fact::Recording { .. } | Fact::Tracking { .. });
    message.events.retain(is_aside);
}

/// What it means for a reading that the store is away.
pub(super) fn away(error: StoreError) -> PbxError {
    tracing::warn!(%error, "the store could not be read for past calls");
    PbxError::Unreachable
}

/// Records of calls, and those that tell of no call of their own: what they say is read when they are
/// brought in.
fn apart(messages: Vec<pbx::Message>) -> (Vec<pbx::Message>, Vec<pbx::Message>) {
    let of_call = |message: &pbx::Message| message.error.is_some() || !message.events.is_empty();
    messages.into_iter().partition(of_call)
}

/// Records by the call they are of; what could not be understood is counted and left out.
fn by_call(messages: Vec<pbx::Message>, brought: &mut Brought) -> Vec<Vec<pbx::Message>> {
    let mut calls: BTreeMap<CallKey, Vec<pbx::Message>> = BTreeMap::new();
    for message in messages {
        match (&message.error, message.events.first()) {
            (None, Some(event)) => calls.entry(event.call.clone()).or_default().push(message),
            _ => brought.unread += 1,
        }
    }
    calls.into_values().collect()
}
