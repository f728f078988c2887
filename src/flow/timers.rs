//! The one timer wheel: what is due on calls because time has passed.
//!
//! Timers are not facts. `tracker::due` says what is due on a call; the wheel only remembers when to
//! ask. What comes of it is a fact that goes the ordinary way through the writer, with an identity of
//! its own, so several nodes that find the same thing due tell one fact and need no lease. The wheel is
//! rebuilt from the open and undecided calls at start and whenever it has missed changes.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::Flow;
use crate::{
    model::{
        call::{Call, Change},
        ids::{AccountName, CallId, CallKey},
        time::Timestamp,
    },
    store::{Db, StoreError, open},
    tracker,
};

/// Most calls told at once: after a long standstill many are due in the same moment.
const AT_ONCE: usize = 256;
/// Undecided calls that we have not heard of for longer are left as they are when the wheel is rebuilt.
const UNDECIDED_FOR_MS: i64 = 2 * 86_400_000;
/// Longest sleep, so that a clock that was set is noticed.
const LONGEST_SLEEP_MS: i64 = 60_000;
/// Pause after the store could not be read or did not take what was due.
const RETRY: Duration = Duration::from_secs(1);

/// Where the wheel reads the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Open calls by the moment at which something is due on them.
#[derive(Debug, Default)]
struct Wheel {
    moments: BTreeSet<(Timestamp, CallId)>,
    calls: HashMap<CallId, Watched>,
}

#[derive(Clone, Debug)]
struct Watched {
    version: i64,
    at: Timestamp,
    account: AccountName,
    key: CallKey,
    call: Arc<Call>,
}

impl Wheel {
    /// Notes a change; an older one than already known is passed over.
    fn note(&mut self, change: &Change) {
        for merged in &change.merged {
            self.forget(*merged);
        }
        self.watch(
            change.id,
            change.version,
            (&change.account, &change.key),
            &change.call,
        );
    }

    fn watch(
        &mut self,
        id: CallId,
        version: i64,
        (account, key): (&AccountName, &CallKey),
        call: &Arc<Call>,
    ) {
        if self
            .calls
            .get(&id)
            .is_some_and(|known| known.version > version)
        {
            return;
        }
        self.forget(id);
        if let Some(at) = tracker::next_due(call) {
            self.moments.insert((at, id));
            let watched = Watched {
                version,
                at,
                account: account.clone(),
                key: key.clone(),
                call: Arc::clone(call),
            };
            self.calls.insert(id, watched);
        }
    }

    fn forget(&mut self, id: CallId) {
        if let Some(watched) = self.calls.remove(&id) {
            self.moments.remove(&(watched.at, id));
        }
    }

    /// When something is due next.
    fn next(&self) -> Option<Timestamp> {
        self.moments.first().map(|(at, _)| *at)
    }

    /// Calls on which something is due; they stay watched until a change says otherwise.
    fn due(&self, now: Timestamp) -> Vec<(CallId, Watched)> {
        self.moments
            .iter()
            .take_while(|(at, _)| *at <= now)
            .filter_map(|(_, id)| Some((*id, self.calls.get(id)?.clone())))
            .take(AT_ONCE)
            .collect()
    }
}

/// Turns the wheel until the writer ends.
pub async fn run(flow: Flow, db: Db, clock: Clock) {
    let mut changes = flow.writer().changes();
    let mut wheel = rebuilt(&db, clock()).await;
    loop {
        let now = clock();
        let due = wheel.due(now);
        if !due.is_empty() {
            tell(&flow, &mut wheel, due, now).await;
        }
        let pause = wheel
            .next()
            .map_or(LONGEST_SLEEP_MS, |at| at.millis_since(now))
            .clamp(1, LONGEST_SLEEP_MS);
        let pause = Duration::from_millis(pause.unsigned_abs());
        tokio::select! {
            news = changes.recv() => match news {
                Ok(change) => catch_up(&mut wheel, &mut changes, &change),
                Err(RecvError::Lagged(_)) => wheel = rebuilt(&db, clock()).await,
                Err(RecvError::Closed) => return,
            },
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Notes a change and whatever else has come meanwhile.
fn catch_up(wheel: &mut Wheel, changes: &mut Receiver<Arc<Change>>, first: &Change) {
    wheel.note(first);
    while let Ok(change) = changes.try_recv() {
        wheel.note(&change);
    }
}

/// Tells what is due. A call is let go once the writer has taken it; the change that follows puts it
/// back if something else is due later.
async fn tell(flow: &Flow, wheel: &mut Wheel, due: Vec<(CallId, Watched)>, now: Timestamp) {
    let told = due.into_iter().map(|(id, watched)| async move {
        let events = tracker::due(&watched.call, now)
            .into_iter()
            .map(|due| due.event(&watched.account, &watched.key))
            .collect();
        (id, flow.tell(watched.account, "timer", events, now).await)
    });
    let mut failed = false;
    for (id, outcome) in join_all(told).await {
        match outcome {
            Ok(_) => wheel.forget(id),
            Err(_) => failed = true,
        }
    }
    if failed {
        tokio::time::sleep(RETRY).await;
    }
}

async fn rebuilt(db: &Db, now: Timestamp) -> Wheel {
    loop {
        match rebuild(db, now).await {
            Ok(wheel) => return wheel,
            Err(error) => {
                tracing::warn!(%error, "open calls could not be read for their timers");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn rebuild(db: &Db, now: Timestamp) -> Result<Wheel, StoreError> {
    let mut wheel = Wheel::default();
    let since = now.plus_millis(-UNDECIDED_FOR_MS);
    let calls = open::calls(db).await?;
    for call in calls.into_iter().chain(open::undecided(db, since).await?) {
        let names = (&call.account, &call.key);
        wheel.watch(call.id, call.version, names, &Arc::new(call.call));
    }
    Ok(wheel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::call::Phase;

    fn change(id: u128, version: i64, heard_s: i64, phase: Phase) -> Change {
        Change {
            id: CallId(uuid::Uuid::from_u128(id)),
            account: "office".into(),
            key: "k".into(),
            version,
            call: Arc::new(Call {
                phase,
                heard_at: Timestamp::from_seconds(heard_s),
                ..Call::default()
            }),
            card: None,
            match_reason: None,
            line: None,
            merged: Vec::new(),
            received_at: Timestamp::from_seconds(heard_s),
        }
    }

    fn after(heard_s: i64) -> Timestamp {
        Timestamp::from_seconds(heard_s).plus_millis(tracker::due::UNHEARD_AFTER_MS)
    }

    #[test]
    fn a_silent_call_is_due_and_a_heard_one_later() {
        let mut wheel = Wheel::default();
        wheel.note(&change(1, 1, 100, Phase::Talking));
        assert_eq!(wheel.next(), Some(after(100)));
        assert!(wheel.due(after(99)).is_empty());
        assert_eq!(wheel.due(after(100)).len(), 1);
        wheel.note(&change(1, 2, 500, Phase::Talking));
        assert!(wheel.due(after(100)).is_empty());
        assert_eq!(wheel.next(), Some(after(500)));
    }

    #[test]
    fn an_ended_or_merged_call_is_not_watched() {
        let mut wheel = Wheel::default();
        wheel.note(&change(1, 1, 100, Phase::Talking));
        wheel.note(&change(1, 2, 200, Phase::Ended));
        assert_eq!(wheel.next(), None);
        wheel.note(&change(2, 1, 100, Phase::Talking));
        let merged = Change {
            merged: vec![CallId(uuid::Uuid::from_u128(2))],
            ..change(3, 1, 100, Phase::Ended)
        };
        wheel.note(&merged);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn news_that_overtook_each_other_do_no_harm() {
        let mut wheel = Wheel::default();
        wheel.note(&change(1, 2, 500, Phase::Talking));
        wheel.note(&change(1, 1, 100, Phase::Talking));
        assert_eq!(wheel.next(), Some(after(500)));
    }
}
