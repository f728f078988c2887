//! What open browsers see while calls go on: who gets a pop, when it is taken away, and the frames
//! that tell pages so (step 6 of a call event).
//!
//! [`Hub::publish`] takes each [`Change`] after its commit. The [`audience`] rule decides; every person
//! has one bounded buffer of frames, so a page that was away for a moment catches up by the id of its
//! last frame, and a page that was away for longer gets one `sync` frame with all that stands now.
//! Frames name calls and versions only. What a pop shows is rendered by `web` for the person who asks,
//! under that person's rights.
//!
//! Leaves out: the database, HTML, HTTP, and the clock (moments come in as arguments).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use tokio::sync::{mpsc, watch};

use crate::model::{
    call::Change,
    ids::{CallId, CardId, PersonId},
    time::Timestamp,
};

pub mod audience;
pub mod frame;
mod subscription;

pub use audience::{Directory, Reason, Stage, Watcher};
pub use frame::{Frame, FrameId, Gone, Happened, Moment, Numbered, Shown};
pub use subscription::Subscription;

/// Sizes and spans of the live stream.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Frames kept per person for pages that come back; an older page gets a `sync` frame.
    pub buffer_frames: usize,
    /// How long the panel stays, and sight of the card lasts, after the end of a call.
    pub wrap_up_minutes: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            buffer_frames: 256,
            wrap_up_minutes: 10,
        }
    }
}

impl Settings {
    /// Wrap-up in milliseconds.
    pub const fn wrap_up_ms(&self) -> i64 {
        self.wrap_up_minutes * 60_000
    }
}

/// All live state of this process.
pub struct Hub {
    settings: Settings,
    epoch: i64,
    state: Mutex<State>,
    moments: mpsc::Sender<Moment>,
    any_list: watch::Sender<u64>,
    closed: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    directory: Arc<Directory>,
    calls: HashMap<CallId, Tracked>,
    desks: HashMap<PersonId, Desk>,
}

/// A call somebody has on the screen.
#[derive(Clone)]
struct Tracked {
    change: Change,
    pops: HashMap<PersonId, audience::Pop>,
    /// When the call was first seen ended.
    over_at: Option<Timestamp>,
}

/// The stream of one person; all tabs share it.
struct Desk {
    frames: VecDeque<Numbered>,
    last: u64,
    wake: watch::Sender<u64>,
    /// Told when the person is switched off.
    over: watch::Sender<()>,
    pages: usize,
    watching: usize,
}

impl Desk {
    fn new() -> Self {
        Self {
            frames: VecDeque::new(),
            last: 0,
            wake: watch::Sender::new(0),
            over: watch::Sender::new(()),
            pages: 0,
            watching: 0,
        }
    }
}

impl Hub {
    /// A hub and the receiver of what happens to pops, to be kept by whoever has the database.
    pub fn new(settings: Settings, now: Timestamp) -> (Arc<Self>, mpsc::Receiver<Moment>) {
        let (moments, receiver) = mpsc::channel(8_192);
        let hub = Self {
            settings,
            epoch: now.as_micros(),
            state: Mutex::default(),
            moments,
            any_list: watch::Sender::new(0),
            closed: watch::Sender::new(false),
        };
        (Arc::new(hub), receiver)
    }

    /// Sizes and spans.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes a new picture of who has which extension and who leads whom. Who is not in it any more has
    /// been switched off: their streams end.
    pub fn set_directory(&self, directory: Directory) {
        let mut state = self.lock();
        let left = |person: &PersonId| {
            state.directory.people.contains_key(person) && !directory.people.contains_key(person)
        };
        for (_, desk) in state.desks.iter().filter(|(person, _)| left(person)) {
            desk.over.send_replace(());
        }
        state.directory = Arc::new(directory);
    }

    /// Waits, from the call on, until the person is switched off.
    pub fn switched_off(&self, person: PersonId) -> impl Future<Output = ()> + Send + use<> {
        let mut state = self.lock();
        let desk = state.desks.entry(person).or_insert_with(Desk::new);
        let mut over = desk.over.subscribe();
        async move {
            // An error would mean that the hub is gone, which is as good as switched off.
            let _gone = over.changed().await;
        }
    }

    /// Decides who sees what of a call after a commit and tells their pages.
    pub fn publish(&self, change: &Change, now: Timestamp) {
        let mut state = self.lock();
        for loser in &change.merged {
            if let Some(tracked) = state.calls.remove(loser) {
                for person in tracked.pops.into_keys() {
                    let version = tracked.change.version + 1;
                    self.withdraw(&mut state, person, *loser, version, Gone::Merged, now);
                }
            }
        }
        let known = state.calls.get(&change.id);
        if known.is_some_and(|known| known.change.version >= change.version) {
            return; // a late copy of an older commit
        }
        let before = known.map(|known| known.pops.clone()).unwrap_or_default();
        let watchers = state.watchers();
        let after = audience::audience(change, &before, &state.directory, &watchers, now);
        self.tell(&mut state, change, &before, &after, now);
        for person in audience::people_of(change, &state.directory) {
            self.push(&mut state, person, Frame::Lists);
        }
        let over_at = known_over(state.calls.get(&change.id), change, now);
        if after.is_empty() && change.call.is_over() {
            state.calls.remove(&change.id);
        } else {
            let tracked = Tracked {
                change: change.clone(),
                pops: after,
                over_at,
            };
            state.calls.insert(change.id, tracked);
        }
        drop(state);
        self.lists_changed();
    }

    /// Takes away wrap-up panels whose time is up, and rings whose end was lost.
    pub fn expire(&self, now: Timestamp) {
        let mut state = self.lock();
        let wrap_up_ms = self.settings.wrap_up_ms();
        let is_due = |tracked: &Tracked| match tracked.over_at {
            Some(over_at) => now.millis_since(over_at) >= wrap_up_ms,
            None => {
                let call = &tracked.change.call;
                call.talking.is_empty() && now.millis_since(call.heard_at) >= audience::LOST_RING_MS
            }
        };
        let due: Vec<CallId> = state
            .calls
            .iter()
            .filter(|(_, tracked)| is_due(tracked))
            .map(|(call, _)| *call)
            .collect();
        self.drop_calls(&mut state, &due, Gone::Done, now);
    }

    /// Takes away calls that go on here but nowhere else: their ends were missed.
    pub fn retain(&self, is_open: impl Fn(CallId) -> bool, now: Timestamp) {
        let mut state = self.lock();
        let missed: Vec<CallId> = state
            .calls
            .iter()
            .filter(|(call, tracked)| tracked.over_at.is_none() && !is_open(**call))
            .map(|(call, _)| *call)
            .collect();
        self.drop_calls(&mut state, &missed, Gone::Ended, now);
    }

    fn drop_calls(&self, state: &mut State, calls: &[CallId], why: Gone, now: Timestamp) {
        for call in calls {
            let Some(tracked) = state.calls.remove(call) else {
                continue;
            };
            for person in tracked.pops.into_keys() {
                let version = tracked.change.version + 1;
                self.withdraw(state, person, *call, version, why, now);
            }
        }
    }

    /// These calls, each in this version, are on another card now: whoever has one on the screen is told
    /// to show it anew.
    pub fn moved(&self, calls: &[(CallId, i64)], card: CardId) {
        let mut state = self.lock();
        for (call, version) in calls {
            let Some(tracked) = state.calls.get_mut(call) else {
                continue;
            };
            // Otherwise a change between the two is on its way, and its frame says the same.
            if tracked.change.version + 1 != *version {
                continue;
            }
            tracked.change.version = *version;
            tracked.change.card = Some(card);
            let tracked = tracked.clone();
            for (person, pop) in &tracked.pops {
                let shown = shown(&tracked.change, pop);
                self.push(&mut state, *person, Frame::Pop(shown));
            }
        }
        drop(state);
        self.lists_changed();
    }

    /// The person has finished with this call: its panel goes in all tabs.
    pub fn finish(&self, person: PersonId, call: CallId, now: Timestamp) {
        let mut state = self.lock();
        let Some(tracked) = state.calls.get_mut(&call) else {
            return;
        };
        if tracked.pops.remove(&person).is_none() {
            return;
        }
        let version = tracked.change.version + 1;
        let empty = tracked.pops.is_empty() && tracked.over_at.is_some();
        if empty {
            state.calls.remove(&call);
        }
        self.withdraw(&mut state, person, call, version, Gone::Done, now);
    }

    /// The pops of a person as they stand, oldest call first.
    pub fn pops(&self, person: PersonId) -> Vec<Shown> {
        self.lock().pops(person)
    }

    /// The pop of one call, if this person has it.
    pub fn pop(&self, person: PersonId, call: CallId) -> Option<Shown> {
        self.pops(person).into_iter().find(|pop| pop.call == call)
    }

    /// Whether a page of this person is connected now.
    pub fn is_open(&self, person: PersonId) -> bool {
        self.lock()
            .desks
            .get(&person)
            .is_some_and(|desk| desk.pages > 0)
    }

    /// Pages connected now.
    pub fn pages(&self) -> usize {
        self.lock().desks.values().map(|desk| desk.pages).sum()
    }

    /// A page connects. `watch` makes the person a live supervisor while the page is open; `after` is
    /// the id of the last frame it has seen.
    pub fn connect(
        self: &Arc<Self>,
        person: PersonId,
        watch: bool,
        after: Option<FrameId>,
        now: Timestamp,
    ) -> Subscription {
        let mut state = self.lock();
        let desk = state.desks.entry(person).or_insert_with(Desk::new);
        desk.pages += 1;
        desk.watching += usize::from(watch);
        let wake = desk.wake.subscribe();
        let seen = after
            .filter(|id| id.epoch == self.epoch && id.count <= desk.last)
            .map(|id| id.count);
        if watch {
            self.admit_watcher(&mut state, now);
        }
        drop(state);
        Subscription {
            hub: Arc::clone(self),
            person,
            watch,
            seen,
            wake,
        }
    }

    /// Something that lists show of calls has changed, though no call has: a recording has come.
    pub fn lists_changed(&self) {
        self.any_list.send_modify(|count| *count += 1);
    }

    /// Changes whenever any call changes; for pages that show lists of everybody's calls.
    pub fn any_list(&self) -> watch::Receiver<u64> {
        self.any_list.subscribe()
    }

    /// Ends every stream, so that the server can stop; pages come back to the next process.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Waits until [`Hub::close`].
    pub async fn closed(&self) {
        let mut closed = self.closed.subscribe();
        // An error would mean that the hub is gone, which is as good as closed.
        let _gone = closed.wait_for(|closed| *closed).await;
    }

    /// A pop was written to a socket.
    pub fn delivered(&self, person: PersonId, shown: &Shown, now: Timestamp) {
        let what = Happened::Delivered {
            received_at: shown.received_at,
        };
        self.note(shown.call, person, now, what);
    }

    /// A page says that the pop stands on the screen.
    pub fn painted(&self, person: PersonId, call: CallId, now: Timestamp) {
        self.note(call, person, now, Happened::Painted);
    }

    /// Shows a new supervisor what rings already.
    fn admit_watcher(&self, state: &mut State, now: Timestamp) {
        let watchers = state.watchers();
        let ringing: Vec<CallId> = state.calls.keys().copied().collect();
        for id in ringing {
            let Some(tracked) = state.calls.get(&id).cloned() else {
                continue;
            };
            let change = &tracked.change;
            let after = audience::audience(change, &tracked.pops, &state.directory, &watchers, now);
            self.tell(state, change, &tracked.pops, &after, now);
            if let Some(tracked) = state.calls.get_mut(&id) {
                tracked.pops = after;
            }
        }
    }

    /// Tells everybody whose view of the call differs.
    fn tell(
        &self,
        state: &mut State,
        change: &Change,
        before: &HashMap<PersonId, audience::Pop>,
        after: &HashMap<PersonId, audience::Pop>,
        now: Timestamp,
    ) {
        for (person, pop) in after {
            let newer = before
                .get(person)
                .is_none_or(|had| had != pop || pop.stage != Stage::WrapUp);
            if !newer {
                continue;
            }
            if !before.contains_key(person) {
                let what = Happened::Decided {
                    reason: pop.reason,
                    received_at: pop.received_at,
                };
                self.note(change.id, *person, now, what);
            }
            self.push(state, *person, Frame::Pop(shown(change, pop)));
        }
        let why = if change.call.is_over() {
            Gone::Ended
        } else if change.call.talking.is_empty() {
            Gone::MovedOn
        } else {
            Gone::AnsweredElsewhere
        };
        for person in before.keys().filter(|person| !after.contains_key(person)) {
            // An unanswered end is "ended"; if somebody answered in the same commit, say that.
            let why = match why {
                Gone::Ended if change.call.answered_at.is_some() => Gone::AnsweredElsewhere,
                other => other,
            };
            self.withdraw(state, *person, change.id, change.version, why, now);
        }
    }

    fn withdraw(
        &self,
        state: &mut State,
        person: PersonId,
        call: CallId,
        version: i64,
        why: Gone,
        now: Timestamp,
    ) {
        self.note(call, person, now, Happened::Withdrawn(why));
        self.push(state, person, Frame::Withdraw { call, version, why });
    }

    /// Appends a frame to a person's stream. Who has no page open and never had one needs no stream.
    fn push(&self, state: &mut State, person: PersonId, frame: Frame) {
        let Some(desk) = state.desks.get_mut(&person) else {
            return;
        };
        // One "lists changed" is as good as many.
        let repeats = desk.frames.back().is_some_and(|last| {
            frame == Frame::Lists && *last.frame == Frame::Lists && desk.pages == 0
        });
        if repeats {
            return;
        }
        desk.last += 1;
        let id = FrameId {
            epoch: self.epoch,
            count: desk.last,
        };
        desk.frames.push_back(Numbered {
            id,
            frame: Arc::new(frame),
        });
        while desk.frames.len() > self.settings.buffer_frames {
            desk.frames.pop_front();
        }
        desk.wake.send_replace(desk.last);
    }

    /// Times are worth less than the pop itself: when their keeper is far behind, they are let go.
    fn note(&self, call: CallId, person: PersonId, at: Timestamp, what: Happened) {
        let moment = Moment {
            call,
            person,
            at,
            what,
        };
        let _kept = self.moments.try_send(moment);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while holding the lock leaves at worst one half-told change behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn watchers(&self) -> Vec<Watcher> {
        self.desks
            .iter()
            .filter(|(_, desk)| desk.watching > 0)
            .filter_map(|(person, _)| self.directory.watcher(*person))
            .collect()
    }

    fn pops(&self, person: PersonId) -> Vec<Shown> {
        let mut pops: Vec<_> = self
            .calls
            .values()
            .filter_map(|tracked| Some((tracked, tracked.pops.get(&person)?)))
            .collect();
        pops.sort_by_key(|(tracked, _)| (tracked.change.call.started_at, tracked.change.id));
        pops.into_iter()
            .map(|(tracked, pop)| shown(&tracked.change, pop))
            .collect()
    }
}

fn shown(change: &Change, pop: &audience::Pop) -> Shown {
    Shown {
        call: change.id,
        version: change.version,
        stage: pop.stage,
        reason: pop.reason,
        received_at: pop.received_at,
    }
}

fn known_over(known: Option<&Tracked>, change: &Change, now: Timestamp) -> Option<Timestamp> {
    if !change.call.is_over() {
        return None;
    }
    Some(known.and_then(|known| known.over_at).unwrap_or(now))
}

#[cfg(test)]
mod tests;
