//! Sends what a seed has drawn: webhooks in bursts over several connections, manager events in their
//! order, both interleaved by chance; kills and cuts where the plan says.

use std::{fs, io::Write, time::Duration};

use ringcard::simulator::{ami::Said, connection::Connection, dice::Dice, message::Post};

use super::{Plan, rig::Rig};

/// How often a message is sent again before it counts as refused.
const TRIES: usize = 8;

/// Sends everything; answers that no sender deserves come back.
pub async fn all(plan: &Plan, rig: &mut Rig, dice: &mut Dice) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut said = plan.said.iter().enumerate();
    let mut log = fs::OpenOptions::new()
        .append(true)
        .open(rig.log())
        .expect("the log was made with the place");
    if !plan.said.is_empty() {
        rig.wait_for_login().await;
    }
    let mut n = 0;
    while n < plan.posts.len() || said.len() > 0 {
        let left = (plan.posts.len() - n) as u64;
        if dice.below(left + said.len() as u64) >= left {
            for (at, moment) in said.by_ref().take(dice.between(1, 3) as usize) {
                if plan.cuts.contains(&at) {
                    rig.ami.cut();
                }
                for what in moment {
                    if let Said::Cel(row) = what {
                        log.write_all(row.as_bytes()).expect("the log can grow");
                    }
                }
                rig.ami
                    .send_all(moment.iter().filter_map(|what| match what {
                        Said::Ami(block) => Some(block.as_str()),
                        Said::Cel(_) => None,
                    }));
            }
            continue;
        }
        let burst = (dice.between(1, 8) as usize).min(plan.posts.len() - n);
        let crash = plan.crashes.iter().any(|at| (n..n + burst).contains(at));
        wrong.extend(send(&plan.posts[n..n + burst], rig, crash).await);
        n += burst;
    }
    wrong
}

/// Sends a burst at once. With `crash`, the gateway is killed while the answers are awaited; whatever
/// was not acknowledged comes again.
async fn send(burst: &[(String, Post)], rig: &mut Rig, crash: bool) -> Vec<String> {
    let mut waiting: Vec<&(String, Post)> = burst.iter().collect();
    let mut wrong = Vec::new();
    for attempt in 0..TRIES {
        let address = rig.address();
        let sending: Vec<_> = waiting
            .iter()
            .map(|(account, post)| {
                let bytes = post.bytes(&format!("/hooks/{account}"), "sim");
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
