//! What happened at a dialled PBX while nobody listened: its log is read on from where it was left.
//!
//! The log repeats what live events told, so how much it has brought is judged by call: one that was not
//! known before, or one that is over otherwise than was known. Calls of the last seconds are left out
//! while the connection stands, for their live events may still be on the way.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream, stream::FuturesUnordered};

use super::{Line, Link};
use crate::{
    flow::reconcile::{self, Brought, away, compare::differ},
    model::{
        call::{Call, CallResult},
        ids::{CallId, CallKey, Extension},
        time::Timestamp,
    },
    pbx::{Message, PbxError},
    store::{StoreError, reconcile as rows, settings},
};

/// Live events of what the log says come within this time.
const LIVE_MS: i64 = 5_000;
/// Calls looked up at once.
const TOGETHER: usize = 16;

impl Line {
    /// Reads the log from where it was left, and keeps how it went. `link` is how the connection stands.
    pub(super) async fn reconcile(&self, link: Link) -> Result<Brought, PbxError> {
        let now = (self.clock)();
        let heard_since = match link {
            Link::Up { since } => since,
            Link::Down { .. } => now,
        };
        let mut seen = Seen::default();
        let mut unread = 0;
        let read = self.read_on(&mut seen, &mut unread).await;
        if matches!(read, Err(PbxError::Unsupported)) {
            return Err(PbxError::Unsupported);
        }
        let is_live = |at: Timestamp| at >= heard_since && now.millis_since(at) < LIVE_MS;
        let judged = seen.judge(self, is_live).await.map_err(away);
        let mut brought = judged.as_ref().copied().unwrap_or_default();
        brought.unread = unread;
        let failure = read.err().or(judged.err());
        reconcile::keep(
            (&self.db, &self.account, self.pbx.provider()),
            (self.clock)(),
            brought,
            failure.as_ref(),
        )
        .await;
        failure.map_or(Ok(brought), Err)
    }

    /// Every page is durable before the cursor moves.
    async fn read_on(&self, seen: &mut Seen, unread: &mut u64) -> Result<(), PbxError> {
        let name = format!("history/{}", self.account);
        loop {
            let cursor = settings::get(&self.db, &name).await.map_err(away)?;
            let page = self.pbx.history(cursor.as_deref(), (self.clock)()).await?;
            seen.look(self, &page.messages).await.map_err(away)?;
            let mut commits: FuturesUnordered<_> = page
                .messages
                .into_iter()
                .map(|message| self.submit(reconcile::SOURCE, message))
                .collect();
            while let Some(done) = commits.next().await {
                // The cursor stays where it is: the page is read again.
                let receipt = done.map_err(|_| PbxError::Unreachable)?;
                *unread += u64::from(receipt.dead_letter);
            }
            if cursor.as_deref() != Some(page.cursor.as_str()) {
                settings::set(&self.db, &name, &page.cursor)
                    .await
                    .map_err(away)?;
            }
            if !page.more {
                return Ok(());
            }
        }
    }
}

/// What is compared of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Gist {
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    result: Option<CallResult>,
    answered_by: Option<Extension>,
    recordings: usize,
}

impl Gist {
    fn of(call: &Call) -> Self {
        Self {
            started_at: call.started_at,
            ended_at: call.ended_at,
            result: call.result,
            answered_by: call.answered_by.clone(),
            recordings: call.recordings.len(),
        }
    }

    fn is_otherwise(&self, after: &Self) -> bool {
        differ(self.ended_at, after.ended_at)
            || differ(Some(self.started_at), Some(after.started_at))
            || self.result != after.result
            || self.answered_by != after.answered_by
            || self.recordings != after.recordings
    }
}

/// A name in the log: what was known under it before, and when the log last speaks of it.
struct Named {
    before: Option<Gist>,
    last_at: Timestamp,
}

/// Every name of a call in what has been read.
#[derive(Default)]
struct Seen(BTreeMap<CallKey, Named>);

impl Seen {
    /// Keeps how the calls of these messages stand before they are brought in.
    async fn look(&mut self, line: &Line, messages: &[Message]) -> Result<(), StoreError> {
        let mut unseen = Vec::new();
        for event in messages.iter().flat_map(|message| &message.events) {
            match self.0.get_mut(&event.call) {
                Some(named) => named.last_at = named.last_at.max(event.at),
                None => {
                    let named = Named {
                        before: None,
                        last_at: event.at,
                    };
                    self.0.insert(event.call.clone(), named);
                    unseen.push(event.call.clone());
                }
            }
        }
        for (key, stored) in stored(line, unseen).await? {
            if let Some(named) = self.0.get_mut(&key) {
                named.before = stored.map(|(_, gist)| gist);
            }
        }
        Ok(())
    }

    /// How many calls are known, or better known, since.
    async fn judge(
        self,
        line: &Line,
        is_live: impl Fn(Timestamp) -> bool,
    ) -> Result<Brought, StoreError> {
        let keys = self.0.keys().cloned().collect();
        // By call: whether a name of it was known, whether it is otherwise now, whether it may be told live.
        let mut calls: BTreeMap<CallId, (bool, bool, bool)> = BTreeMap::new();
        for (key, stored) in stored(line, keys).await? {
            let (Some((id, after)), Some(named)) = (stored, self.0.get(&key)) else {
                continue;
            };
            let (known, otherwise, live) = calls.entry(id).or_default();
            *known |= named.before.is_some();
            *otherwise |= named
                .before
                .as_ref()
                .is_some_and(|before| before.is_otherwise(&after));
            *live |= is_live(named.last_at);
        }
        let count = |wanted: fn(&(bool, bool, bool)) -> bool| {
            calls.values().filter(|call| wanted(call)).count() as u64
        };
        Ok(Brought {
            read: calls.len() as u64,
            found: count(|(known, _, live)| !known && !live),
            repaired: count(|(known, otherwise, live)| *known && *otherwise && !live),
            unread: 0,
        })
    }
}

/// Id and gist of the calls known under these names.
async fn stored(
    line: &Line,
    keys: Vec<CallKey>,
) -> Result<Vec<(CallKey, Option<(CallId, Gist)>)>, StoreError> {
    let found = stream::iter(keys).map(async |key| {
        let stored = rows::by_key(&line.db, &line.account, &key).await?;
        Ok((
            key,
            stored.map(|stored| (stored.id, Gist::of(&stored.call))),
        ))
    });
    let found: Vec<_> = found.buffer_unordered(TOGETHER).collect().await;
    found.into_iter().collect()
}
