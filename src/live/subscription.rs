//! One page's place in its person's stream.

use std::{collections::HashSet, sync::Arc};

use tokio::sync::watch;

use super::{
    Hub,
    audience::Reason,
    frame::{Frame, FrameId, Numbered},
};
use crate::model::ids::{CallId, PersonId};

/// One page's place in its person's stream.
pub struct Subscription {
    pub(super) hub: Arc<Hub>,
    pub(super) person: PersonId,
    pub(super) watch: bool,
    /// Last frame handed out; `None`: the page knows nothing yet and needs a `sync`.
    pub(super) seen: Option<u64>,
    pub(super) wake: watch::Receiver<u64>,
}

impl Subscription {
    /// Waits for the next frame. A page that is new, or has fallen out of the buffer, gets a `sync`.
    pub async fn next(&mut self) -> Numbered {
        loop {
            if let Some(numbered) = self.ready() {
                return numbered;
            }
            if self.wake.changed().await.is_err() {
                // The hub lives as long as we hold it, and desks are never removed.
                std::future::pending::<()>().await;
            }
        }
    }

    fn ready(&mut self) -> Option<Numbered> {
        self.wake.mark_unchanged();
        let state = self.hub.lock();
        let desk = state.desks.get(&self.person)?;
        let next = self
            .seen
            .map(|seen| desk.frames.iter().find(|frame| frame.id.count > seen));
        let numbered = match (self.seen, next) {
            (Some(seen), Some(Some(frame))) if frame.id.count == seen + 1 => frame.clone(),
            (Some(seen), Some(None)) if seen == desk.last => return None,
            _ => Numbered {
                id: FrameId {
                    epoch: self.hub.epoch,
                    count: desk.last,
                },
                frame: Arc::new(Frame::Sync {
                    pops: state.pops(self.person),
                }),
            },
        };
        self.seen = Some(numbered.id.count);
        Some(numbered)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        let Some(desk) = state.desks.get_mut(&self.person) else {
            return;
        };
        desk.pages -= 1;
        desk.watching -= usize::from(self.watch);
        if self.watch && desk.watching == 0 {
            let person = self.person;
            let mut left: HashSet<CallId> = HashSet::new();
            for (call, tracked) in &mut state.calls {
                let watched = tracked
                    .pops
                    .get(&person)
                    .is_some_and(|pop| pop.reason == Reason::Supervises);
                if watched {
                    tracked.pops.remove(&person);
                    left.insert(*call);
                }
            }
            state
                .calls
                .retain(|call, kept| !(left.contains(call) && kept.change.call.is_over()));
        }
    }
}
