//! Sends what a seed has drawn: webhooks in bursts over several connections, manager events in their
//! order, both interleaved by chance; kills and cuts where the plan says.

use std::{
    fs,
    io::Write,
    time::{Duration, Instant},
};

use ringcard::{
    flow::{self, upkeep},
    simulator::{ami::Said, connection::Connection, dice::Dice},
};

use super::{Hook, Plan, cards::Tidier, heard, rig::Rig};

/// How often a message is sent again before it counts as refused.
const TRIES: usize = 8;

/// Sends everything but what comes late; answers that no sender deserves come back.
pub async fn all(plan: &Plan, rig: &mut Rig, dice: &mut Dice, tidier: &mut Tidier) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut pbx = Speaker::new(plan, rig);
    if !plan.said.is_empty() {
        rig.wait_for_login().await;
    }
    let posts = &plan.posts[..plan.posts.len() - plan.late];
    let mut n = 0;
    while n < posts.len() || pbx.left() > 0 {
        let left = (posts.len() - n) as u64;
        if dice.below(left + pbx.left() as u64) >= left {
            for _ in 0..dice.between(1, 3) {
                pbx.say(plan, rig).await;
            }
            continue;
        }
        let burst = burst(plan, &posts[n..], dice);
        let crash = plan.crashes.iter().any(|at| (n..n + burst).contains(at));
        let bursting = &posts[n..n + burst];
        // Not beside a kill: this hand of ours would be left holding connections of a dead process.
        if plan.tidied && !crash && tidier.is_at_it() {
            let db = rig.gateway().db().clone();
            let tidying = tidier.tidy(plan, &db);
            let (sent, tidied) = tokio::join!(send(bursting, rig, crash), tidying);
            wrong.extend(sent.into_iter().chain(tidied));
        } else {
            wrong.extend(send(bursting, rig, crash).await);
        }
        n += burst;
        if crash && !plan.said.is_empty() {
            rig.wait_for_login().await;
        }
    }
    wrong
}

/// What comes after everything has settled: facts of calls that have been sealed, and all of it again.
pub async fn afterwards(plan: &Plan, rig: &mut Rig, dice: &mut Dice) -> Vec<String> {
    let mut wrong = Vec::new();
    if plan.late > 0 {
        seal(rig).await;
        for part in plan.posts[plan.posts.len() - plan.late..].chunks(4) {
            wrong.extend(send(part, rig, false).await);
        }
    }
    if plan.echo {
        let mut again = plan.posts.clone();
        dice.shuffle(&mut again);
        for part in again.chunks(6) {
            wrong.extend(send(part, rig, false).await);
        }
    }
    wrong
}

/// Seals whatever is over, as if a week had passed.
async fn seal(rig: &Rig) {
    let settings = upkeep::Settings {
        seal_after_days: 0,
        ..upkeep::Settings::default()
    };
    let tomorrow = flow::now().plus_millis(86_400_000);
    upkeep::once(rig.gateway().db(), &settings, tomorrow)
        .await
        .expect("facts can be sealed");
}

/// How many of the next posts are sent at once. In a calm run no two are of one call.
fn burst(plan: &Plan, posts: &[Hook], dice: &mut Dice) -> usize {
    let most = (dice.between(1, 8) as usize).min(posts.len());
    if !plan.calm {
        return most;
    }
    let again = (1..most).find(|at| {
        let story = posts[*at].story;
        posts[..*at].iter().any(|before| before.story == story)
    });
    again.unwrap_or(most)
}

/// The PBX with a socket and a log of its own.
struct Speaker<'a> {
    said: std::iter::Enumerate<std::slice::Iter<'a, Vec<Said>>>,
    log: fs::File,
}

impl<'a> Speaker<'a> {
    fn new(plan: &'a Plan, rig: &Rig) -> Self {
        let log = fs::OpenOptions::new().append(true).open(rig.log());
        Self {
            said: plan.said.iter().enumerate(),
            log: log.expect("the log was made with the place"),
        }
    }

    fn left(&self) -> usize {
        self.said.len()
    }

    /// Says what happens in the next moment.
    async fn say(&mut self, plan: &Plan, rig: &Rig) {
        let Some((at, moment)) = self.said.next() else {
            return;
        };
        let (from, long) = plan.deaf.unwrap_or((usize::MAX, 0));
        if at == from {
            rig.ami.go_away();
        }
        if at == from.saturating_add(long) {
            self.be_heard(rig).await;
        }
        for what in moment {
            if let Said::Cel(row) = what {
                self.log
                    .write_all(row.as_bytes())
                    .expect("the log can grow");
            }
        }
        rig.ami
            .send_all(moment.iter().filter_map(|what| match what {
                Said::Ami(block) => Some(block.as_str()),
                Said::Cel(_) => None,
            }));
        if plan.calm {
            wait_for(moment, rig).await;
        }
        if self.said.len() == 0 && from != usize::MAX {
            self.be_heard(rig).await;
        }
    }

    async fn be_heard(&self, rig: &Rig) {
        rig.ami.come_back();
        rig.wait_for_login().await;
    }
}

/// Waits until what was told in this moment is committed.
async fn wait_for(moment: &[Said], rig: &Rig) {
    let Some(told_at) = heard::last_told(moment) else {
        return;
    };
    let patience = Instant::now() + Duration::from_secs(2);
    while Instant::now() < patience && !rig.witness.has_heard("office", told_at) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Sends a burst at once. With `crash`, the gateway is killed while the answers are awaited; whatever
/// was not acknowledged comes again.
async fn send(burst: &[Hook], rig: &mut Rig, crash: bool) -> Vec<String> {
    let mut waiting: Vec<&Hook> = burst.iter().collect();
    let mut wrong = Vec::new();
    for attempt in 0..TRIES {
        let address = rig.address();
        let sending: Vec<_> = waiting
            .iter()
            .map(|hook| {
                let bytes = hook.post.bytes(&format!("/hooks/{}", hook.account), "sim");
                tokio::spawn(async move {
                    let mut connection = Connection::open(address).await?;
                    connection.exchange(&bytes).await
                })
            })
            .collect();
        if crash && attempt == 0 {
            // Into the middle of the burst: some are committed, some are not.
            tokio::time::sleep(Duration::from_micros(300)).await;
            rig.kill().await;
        }
        let mut again = Vec::new();
        for (message, sending) in waiting.into_iter().zip(sending) {
            let answer = tokio::time::timeout(Duration::from_secs(5), sending).await;
            match answer {
                Ok(Ok(Ok(status))) if (200..300).contains(&status) => {}
                Ok(Ok(Ok(503))) => again.push(message),
                Ok(Ok(Ok(status))) => wrong.push(format!("answered {status} to {message:?}")),
                // Cut off by the kill.
                _ => again.push(message),
            }
        }
        if again.is_empty() {
            return wrong;
        }
        waiting = again;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    wrong.push(format!("not taken in {TRIES} tries: {waiting:?}"));
    wrong
}
