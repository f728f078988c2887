//! The process dies between a commit and the receiver's word: nothing is lost, and what comes twice
//! comes under one id.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicI64, Ordering::SeqCst},
    time::Duration,
};

use ringcard::{
    delivery::{MailSettings, Settings as DeliverySettings},
    store::{Db, Settings},
};

use super::story::{CLIENT, OTHER, Receiver, Story};
use crate::{
    on_both_engines,
    store::{read::count, told::Told},
    support::{base::Base, process::Process, scripted::eventually},
};

on_both_engines!(what_was_told_and_not_written_down_is_told_again_under_its_id);

async fn what_was_told_and_not_written_down_is_told_again_under_its_id(base: Base) {
    let settings = DeliverySettings {
        private_hosts: vec!["127.0.0.1".to_owned()],
        ..DeliverySettings::default()
    };
    let story = Story::begin_with(base, &settings, &MailSettings::default());
    let slow = AtomicI64::new(2);
    let receiver = Receiver::answering(move |_| {
        let is_slow = slow.fetch_sub(1, SeqCst) > 0;
        let delay = if is_slow {
            Duration::from_secs(30)
        } else {
            Duration::ZERO
        };
        (200, Vec::new(), delay)
    })
    .await;
    story
        .subscribe(&receiver.url, "call.started call.missed")
        .await;
    story
        .commit(Told::incoming("1", CLIENT, 0).missed("201"))
        .await;
    story
        .commit(Told::incoming("2", OTHER, 9).missed("201"))
        .await;
    // The work ends in its middle: the receiver has heard, and nobody writes it down.
    let both_heard = eventually("the first of each lane", async || {
        receiver.heard().len() == 2
    });
    tokio::select! {
        _ = story.outside.work_due() => panic!("it was still waiting for the answers"),
        () = both_heard => {}
    }
    let before: Vec<String> = receiver.heard().into_iter().map(|one| one.id).collect();
    assert_eq!(story.work().await, 0, "left alone while the lease holds");
    story.skip(61);
    story.work().await;
    let heard = receiver.heard();
    let ids: BTreeSet<&str> = heard.iter().map(|one| one.id.as_str()).collect();
    assert_eq!((heard.len(), ids.len()), (6, 4), "two of four came twice");
    assert!(before.iter().all(|id| ids.contains(id.as_str())));
    assert!(
        story
            .states()
            .await
            .iter()
            .all(|(state, _)| state == "done")
    );
    story.writer.close().await;
}

/// Calls of the story below, and how often the process is killed in it.
const CALLS: usize = 40;
const KILLS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_nothing_and_doubles_nothing() {
    let folder = std::env::temp_dir().join(format!("ringcard-it-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder).unwrap();
    let url = format!("sqlite:{}", folder.join("t.db").display());
    let receiver = Receiver::answering(|_| (200, Vec::new(), Duration::from_millis(25))).await;
    {
        let story = Story::begin(Base::at(&url).await);
        story
            .subscribe(&receiver.url, "call.started call.ringing call.missed")
            .await;
        for n in 0..CALLS {
            let (key, client) = (format!("{n}"), format!("+749500001{n:02}"));
            story
                .commit(Told::incoming(&key, &client, n as i64).missed("201"))
                .await;
        }
        story.writer.close().await;
        story.base.db.close().await;
    }
    let settings = "[delivery]\npoll_ms = 20\nanswer_timeout_ms = 500\nlease_ms = 600\n\
                    private_hosts = ['127.0.0.1']\n";
    let mut process = Process::plan(&folder, &url, settings);
    for kill in 1..=KILLS {
        process.start();
        let wanted = kill * CALLS / KILLS;
        eventually("some are told", async || receiver.heard().len() >= wanted).await;
        process.kill().await;
    }
    process.start();
    let db = Db::open(&Settings {
        url,
        ..Settings::default()
    })
    .await
    .unwrap();
    eventually("all are written down", async || {
        count(&db, "select count(*) from delivery where state = 'done'").await == 3 * CALLS as i64
    })
    .await;
    process.stop().await;
    let heard = receiver.heard();
    let mut ids: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let mut order: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in &heard {
        let lane = order.entry(one.subject().to_owned()).or_default();
        if !lane.contains(&one.kind().to_owned()) {
            lane.push(one.kind().to_owned());
        }
        let told = (one.subject().to_owned(), one.kind().to_owned());
        ids.entry(told).or_default().insert(one.id.clone());
    }
    assert_eq!(ids.len(), 3 * CALLS, "nothing is lost");
    assert!(ids.values().all(|ids| ids.len() == 1), "each has one id");
    for kinds in order.values() {
        assert_eq!(*kinds, ["call.started", "call.ringing", "call.missed"]);
    }
    println!(
        "{} heard, {} of them again",
        heard.len(),
        heard.len() - 3 * CALLS
    );
    db.close().await;
    std::fs::remove_dir_all(folder).unwrap();
}
