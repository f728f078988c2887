//! Sees what browsers are told while a seed is played: one open page for every person, and every change
//! the writer tells.
//!
//! A pop must reach exactly those whose phones ring. Seen from outside that can be held to the letter
//! only if nothing comes late and each ring is committed before the next thing happens
//! ([`Plan::calm`]); in a storm a ring and its end may be told in one commit, and nobody needs to see
//! it. What holds always: nobody sees a call that did not ring at the own phone, every pop is taken
//! away again, and whoever talked keeps it for wrap-up.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use ringcard::{
    app::Gateway,
    flow,
    live::{Frame, Reason, Stage},
    model::{
        call::Change,
        event::Direction,
        ids::{CallId, PersonId},
        time::Timestamp,
    },
    simulator::office::{Call, Told},
};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    task::JoinHandle,
};

use super::{Plan, tables::is_question};

/// A person and the account and key of a call.
type View = (usize, (String, String));

/// What was seen.
#[derive(Default)]
struct Seen {
    /// Names of calls by id.
    names: HashMap<CallId, (String, String)>,
    /// Who stands in for a call that turned out to be another one.
    merged: HashMap<CallId, CallId>,
    /// How far each account has been heard.
    heard: HashMap<String, Timestamp>,
    /// Last word to each person about each call; `None`: taken away.
    pops: BTreeMap<(usize, CallId), Option<Stage>>,
    /// Frames that must not be.
    wrong: Vec<String>,
}

/// Watches one gateway after another.
#[derive(Default)]
pub struct Witness {
    seen: Arc<Mutex<Seen>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Witness {
    /// Opens a page for every person of a gateway that has just started, and returns when each has been
    /// told what stands: from then on it misses nothing.
    pub async fn attend(&mut self, gateway: &Gateway, people: usize) {
        let changes = gateway.flow().writer().changes();
        self.tasks
            .push(tokio::spawn(note_changes(changes, Arc::clone(&self.seen))));
        for person in 1..=people {
            let id = PersonId(person as i64);
            let mut page = gateway.site().hub.connect(id, false, None, flow::now());
            let seen = Arc::clone(&self.seen);
            let standing = page.next().await;
            lock(&seen).frame(person, &standing.frame);
            self.tasks.push(tokio::spawn(async move {
                loop {
                    let numbered = page.next().await;
                    lock(&seen).frame(person, &numbered.frame);
                }
            }));
        }
    }

    /// The gateway is gone, and every page with it.
    pub fn leave(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
    }

    /// Whether anything that an account told at this moment or later is committed.
    pub fn has_heard(&self, account: &str, told_at: Timestamp) -> bool {
        let seen = lock(&self.seen);
        let heard_at = seen.heard.get(account);
        heard_at.is_some_and(|heard_at| *heard_at >= told_at)
    }

    /// Waits until nothing is shown of calls that are over but wrap-ups.
    pub async fn settle(&self) {
        let patience = Instant::now() + Duration::from_secs(2);
        while Instant::now() < patience && lock(&self.seen).is_any_open() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Everything that somebody saw and should not, or should and did not.
    pub fn check(&self, plan: &Plan) -> Vec<String> {
        let seen = lock(&self.seen);
        let mut wrong = seen.wrong.clone();
        let mut views: BTreeMap<View, Option<Stage>> = BTreeMap::new();
        for ((person, id), last) in &seen.pops {
            let Some(name) = seen.names.get(&seen.stands_for(*id)) else {
                // Its change may have died with the gateway before it was noted here.
                if plan.crashes.is_empty() {
                    wrong.push(format!("person {person} saw a call that nobody committed"));
                }
                continue;
            };
            let view = views.entry((*person, name.clone())).or_default();
            *view = last.or(*view);
        }
        for ((person, (account, key)), last) in &views {
            let call = plan
                .calls
                .iter()
                .find(|call| call.ledger.account == *account && call.ledger.call_key == *key);
            let Some(call) = call else {
                wrong.push(format!("{account} {key}: a pop of a call nobody made"));
                continue;
            };
            let phone = plan.phone_of(call, *person);
            // A gateway that starts again shows what goes on, however long ago it was told; and what has no
            // times happens when it is told, as does a question.
            let in_time = plan.is_fresh
                || !plan.crashes.is_empty()
                || call.ledger.by_arrival
                || is_asked(call);
            let talked = phone.is_some_and(|(_, talked)| talked);
            // Where rings are not told, whoever answers has been rung.
            let rang = in_time && phone.is_some_and(|(rang, _)| rang || talked);
            let kept = match last {
                None => true,
                Some(Stage::WrapUp) => talked,
                // Its end never came.
                Some(_) => plan.maimed.contains(&call.story.number),
            };
            // A click of which we heard no more than that the phone rings may be any call.
            let half_heard = call.story.click_ms.is_some() && plan.deaf_for_a_while();
            let comes_in = call.ledger.direction == Direction::In || half_heard;
            if !rang || !kept || !comes_in {
                wrong.push(format!(
                    "{account} {key} {:?}: person {person} saw a pop, rang {rang}, last {last:?}",
                    call.ledger.plot
                ));
            }
        }
        if plan.calm && plan.is_fresh {
            wrong.extend(missing(plan, &views));
        }
        wrong
    }
}

/// Whether the PBX asks who should ring.
fn is_asked(call: &Call) -> bool {
    call.told.iter().any(|sent| match &sent.what {
        Told::Post(post) => is_question(post),
        Told::Said(_) => false,
    })
}

/// Who should have seen a call and did not, or does not wrap up.
fn missing(plan: &Plan, views: &BTreeMap<View, Option<Stage>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for call in &plan.calls {
        let ledger = &call.ledger;
        if ledger.direction != Direction::In {
            continue;
        }
        for person in 1..=plan.world.people.len() {
            let Some((rang, talked)) = plan.phone_of(call, person) else {
                continue;
            };
            if !rang && !talked {
                continue;
            }
            let name = (ledger.account.clone(), ledger.call_key.clone());
            let view = views.get(&(person, name));
            let as_it_should = match view {
                None => false,
                Some(last) => (*last == Some(Stage::WrapUp)) == talked,
            };
            if !as_it_should {
                wrong.push(format!(
                    "{} {} {:?}: person {person} rang and saw {view:?}",
                    ledger.account, ledger.call_key, ledger.plot
                ));
            }
        }
    }
    wrong
}

impl Seen {
    fn frame(&mut self, person: usize, frame: &Frame) {
        match frame {
            Frame::Pop(shown) => {
                if shown.reason != Reason::Rung {
                    self.wrong
                        .push(format!("person {person} supervises without asking"));
                }
                self.pops.insert((person, shown.call), Some(shown.stage));
            }
            Frame::Withdraw { call, .. } => {
                if self.pops.insert((person, *call), None).is_none() {
                    self.wrong
                        .push(format!("person {person} lost a pop it never had"));
                }
            }
            // The first frame of a page: what stands from before a restart.
            Frame::Sync { pops } => {
                let of_person = |(to, _): &(usize, CallId)| *to == person;
                let gone: Vec<_> = self.pops.keys().copied().filter(of_person).collect();
                for view in gone {
                    self.pops.insert(view, None);
                }
                for shown in pops {
                    self.pops.insert((person, shown.call), Some(shown.stage));
                }
            }
            Frame::Lists => {}
        }
    }

    fn change(&mut self, change: &Change) {
        let name = (change.account.to_string(), change.key.to_string());
        self.names.insert(change.id, name);
        for loser in &change.merged {
            self.merged.insert(*loser, change.id);
        }
        let heard = self.heard.entry(change.account.to_string()).or_default();
        *heard = change.call.heard_at.max(*heard);
    }

    fn stands_for(&self, id: CallId) -> CallId {
        let mut id = id;
        while let Some(winner) = self.merged.get(&id) {
            id = *winner;
        }
        id
    }

    fn is_any_open(&self) -> bool {
        let open = |last: &Option<Stage>| last.is_some_and(|stage| stage != Stage::WrapUp);
        self.pops.values().any(open)
    }
}

async fn note_changes(mut changes: Receiver<Arc<Change>>, seen: Arc<Mutex<Seen>>) {
    loop {
        match changes.recv().await {
            Ok(change) => lock(&seen).change(&change),
            Err(RecvError::Lagged(_)) => lock(&seen).wrong.push("changes were missed".to_owned()),
            Err(RecvError::Closed) => return,
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().expect("no witness panics")
}
