//! Webhooks: what is told, in which order, how often, and to whom never.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};

use ringcard::{
    delivery::{MailSettings, Settings},
    store::{
        deliveries::{self, Again},
        subscriptions,
    },
};

use super::story::{CLIENT, OTHER, Receiver, SECRET, Story};
use crate::{
    on_both_engines,
    store::{read::count, told::Told},
    support::base::Base,
};

on_both_engines!(
    every_stage_is_told_once_signed_and_in_order,
    an_hour_of_failure_loses_nothing_and_keeps_the_order,
    what_fails_for_three_days_is_failed_and_disables,
    replays_go_out_under_the_same_id,
    nobody_who_did_not_ask_is_told_and_nothing_is_kept_for_him,
);

async fn every_stage_is_told_once_signed_and_in_order(base: Base) {
    let story = Story::begin(base);
    let receiver = Receiver::saying(|_| 200).await;
    story.subscribe(&receiver.url, "*").await;
    story
        .commit(Told::incoming("1", CLIENT, 0).answered("201"))
        .await;
    // A repetition tells nothing.
    story
        .commit(Told::incoming("1", CLIENT, 0).answered("201"))
        .await;
    story.work().await;
    let heard = receiver.heard();
    assert!(
        heard.iter().all(|one| one.is_signed_by(SECRET)),
        "{heard:#?}"
    );
    let of_call: Vec<&str> = heard
        .iter()
        .map(|one| one.kind())
        .filter(|kind| kind.starts_with("call."))
        .collect();
    assert_eq!(
        of_call,
        [
            "call.started",
            "call.ringing",
            "call.answered",
            "call.ended"
        ]
    );
    assert_eq!(
        heard
            .iter()
            .filter(|one| one.kind() == "card.created")
            .count(),
        1
    );
    let mut sequence: Vec<i64> = heard
        .iter()
        .map(|one| one.body["sequence"].as_i64().unwrap())
        .collect();
    sequence.sort_unstable();
    let all: Vec<i64> = (1..=heard.len() as i64).collect();
    assert_eq!(sequence, all, "numbered without a gap");
    let answered = heard
        .iter()
        .find(|one| one.kind() == "call.answered")
        .unwrap();
    assert_eq!(answered.body["data"]["client"]["number"], CLIENT);
    assert_eq!(answered.body["data"]["phase"], "talking");
    assert_eq!(answered.body["data"]["answered_by"]["extension"], "201");
    assert_eq!(story.work().await, 0, "nothing is told twice");
    assert_eq!(count(&story.base.db, "select count(*) from news").await, 0);
    story.writer.close().await;
}

async fn an_hour_of_failure_loses_nothing_and_keeps_the_order(base: Base) {
    let story = Story::begin(base);
    let fails = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&fails);
    let receiver = Receiver::saying(move |heard| match failing.load(SeqCst) {
        true if heard.body["sequence"].as_i64().unwrap() % 2 == 0 => 429,
        true => 500,
        false => 200,
    })
    .await;
    story
        .subscribe(
            &receiver.url,
            "call.started call.ringing call.ended call.missed",
        )
        .await;
    for (key, client, at) in [("1", CLIENT, 0), ("2", OTHER, 5)] {
        story
            .commit(Told::incoming(key, client, at).missed("201"))
            .await;
    }
    let tried = story.pass(3_600, 30).await;
    assert!(receiver.accepted().is_empty());
    // 5 s, 30 s, 2 min, 10 min, 30 min: two lanes, and nobody but their first ones.
    assert!((10..=14).contains(&tried), "{tried}");
    fails.store(false, SeqCst);
    story.pass(3 * 3_600, 300).await;
    let accepted = receiver.accepted();
    let mut lanes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in &accepted {
        lanes.entry(one.subject()).or_default().push(one.kind());
    }
    assert_eq!(lanes.len(), 2);
    for kinds in lanes.values() {
        assert_eq!(
            *kinds,
            ["call.started", "call.ringing", "call.ended", "call.missed"]
        );
    }
    let ids: HashSet<&str> = accepted.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids.len(), 8, "none twice");
    // Each attempt carries the time at which it was made, under the one id.
    let first = &accepted[0];
    let heard = receiver.heard();
    let attempts: Vec<_> = heard.iter().filter(|one| one.id == first.id).collect();
    assert!(attempts.len() >= 6, "{}", attempts.len());
    assert!(
        attempts
            .windows(2)
            .all(|pair| pair[0].seconds < pair[1].seconds)
    );
    assert!(
        attempts
            .iter()
            .all(|one| one.is_signed_by(SECRET) && one.text == first.text)
    );
    story.writer.close().await;
}

async fn what_fails_for_three_days_is_failed_and_disables(base: Base) {
    let story = Story::begin(base);
    let dead = Receiver::saying(|_| 503).await;
    let alive = Receiver::saying(|_| 200).await;
    let given_up = story.subscribe(&dead.url, "call.missed").await;
    story.subscribe(&alive.url, "call.missed").await;
    story
        .commit(Told::incoming("1", CLIENT, 0).missed("201"))
        .await;
    story.pass(71 * 3_600, 1_800).await;
    let subscription = subscriptions::by_id(&story.base.db, given_up)
        .await
        .unwrap()
        .unwrap();
    assert!(subscription.is_active(), "not before the schedule ends");
    story.pass(2 * 3_600, 600).await;
    let subscription = subscriptions::by_id(&story.base.db, given_up)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (subscription.state.as_str(), subscription.reason.as_str()),
        ("disabled", "gave_up")
    );
    assert_eq!(alive.accepted().len(), 1, "the other one was told at once");
    // What comes now fails at once and can be told again later; nobody else waits for it.
    story
        .commit(Told::incoming("2", OTHER, 100).missed("201"))
        .await;
    story.work().await;
    let mut states = story.states().await;
    states.sort();
    let state = |state: &str, error: &str| (state.to_owned(), error.to_owned());
    assert_eq!(
        states,
        [
            state("done", ""),
            state("done", ""),
            state("failed", "disabled"),
            state("failed", "status")
        ]
    );
    assert_eq!(alive.accepted().len(), 2);
    story.writer.close().await;
}

async fn replays_go_out_under_the_same_id(base: Base) {
    let story = Story::begin(base);
    let fails = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&fails);
    let receiver = Receiver::saying(move |_| if failing.load(SeqCst) { 410 } else { 200 }).await;
    let id = story
        .subscribe(&receiver.url, "call.started call.ended")
        .await;
    let before = story.now();
    story
        .commit(Told::incoming("1", CLIENT, 0).missed("201"))
        .await;
    story.work().await;
    let subscription = subscriptions::by_id(&story.base.db, id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        subscription.reason, "gone",
        "410: it wants nothing any more"
    );
    assert_eq!(
        story
            .states()
            .await
            .iter()
            .filter(|(state, _)| state == "failed")
            .count(),
        2
    );
    fails.store(false, SeqCst);
    subscriptions::enable(&story.base.db, id).await.unwrap();
    let again = Again::FailedSince(before);
    let replayed = deliveries::replay(&story.base.db, id, again, story.now())
        .await
        .unwrap();
    assert_eq!(replayed, 2);
    story.work().await;
    let accepted = receiver.accepted();
    let kinds: Vec<&str> = accepted.iter().map(|one| one.kind()).collect();
    assert_eq!(kinds, ["call.started", "call.ended"], "in their old order");
    assert_eq!(accepted[0].id, receiver.heard()[0].id);
    // One that was heard can be told once more, too.
    let (delivery,): (i64,) = ringcard::on_read!(&story.base.db, pool => {
        sqlx::query_as("select max(id) from delivery").fetch_one(pool).await
    })
    .unwrap();
    deliveries::replay(&story.base.db, id, Again::One(delivery), story.now())
        .await
        .unwrap();
    story.work().await;
    assert_eq!(receiver.accepted().len(), 3);
    assert_eq!(receiver.accepted()[2].id, accepted[1].id);
    story.writer.close().await;
}

async fn nobody_who_did_not_ask_is_told_and_nothing_is_kept_for_him(base: Base) {
    let story = Story::begin(base);
    story
        .commit(Told::incoming("1", CLIENT, 0).missed("201"))
        .await;
    assert_eq!(count(&story.base.db, "select count(*) from news").await, 0);
    let receiver = Receiver::saying(|_| 200).await;
    let id = story.subscribe(&receiver.url, "call.missed").await;
    story
        .commit(Told::incoming("2", OTHER, 100).missed("201"))
        .await;
    story.work().await;
    let kinds: Vec<String> = receiver
        .heard()
        .iter()
        .map(|one| one.kind().to_owned())
        .collect();
    assert_eq!(
        kinds,
        ["call.missed"],
        "from the moment it asked, and only what it asked for"
    );
    subscriptions::remove(&story.base.db, id).await.unwrap();
    story
        .commit(Told::incoming("3", OTHER, 200).missed("201"))
        .await;
    assert_eq!(story.work().await, 0);
    assert_eq!(count(&story.base.db, "select count(*) from news").await, 0);
    assert_eq!(
        count(&story.base.db, "select count(*) from delivery").await,
        0
    );
    story.writer.close().await;
}

#[tokio::test]
async fn a_lane_that_fails_holds_up_no_other() {
    let story = Story::begin(Base::sqlite().await);
    let receiver = Receiver::saying(|heard| {
        let client = heard.body["data"]["client"]["number"].as_str().unwrap();
        if client == CLIENT { 400 } else { 200 }
    })
    .await;
    let id = story
        .subscribe(&receiver.url, "call.started call.ended")
        .await;
    story
        .commit(Told::incoming("1", CLIENT, 0).missed("201"))
        .await;
    story
        .commit(Told::incoming("2", OTHER, 5).missed("201"))
        .await;
    story.work().await;
    assert_eq!(receiver.accepted().len(), 2, "the other call is told whole");
    // Three days later the one is failed, and its successor had its turn; the receiver lives, so it stays.
    for hour in 1..=75 {
        let key = format!("later-{hour}");
        story
            .commit(Told::incoming(&key, OTHER, hour * 100).missed("201"))
            .await;
        story.pass(3_600, 1_800).await;
    }
    let subscription = subscriptions::by_id(&story.base.db, id)
        .await
        .unwrap()
        .unwrap();
    assert!(subscription.is_active());
    let failed = "select count(*) from delivery where state = 'failed'";
    assert_eq!(count(&story.base.db, failed).await, 2);
    let waiting = "select count(*) from delivery where state = 'waiting'";
    assert_eq!(count(&story.base.db, waiting).await, 0);
    story.writer.close().await;
}

#[tokio::test]
async fn who_answers_slowly_is_tried_again_and_keeps_nobody_else_waiting() {
    let story = Story::begin(Base::sqlite().await);
    let slow = Arc::new(AtomicI64::new(1));
    let left = Arc::clone(&slow);
    let receiver = Receiver::answering(move |_| {
        let is_slow = left.fetch_sub(1, SeqCst) > 0;
        let delay = if is_slow {
            Duration::from_secs(30)
        } else {
            Duration::ZERO
        };
        (200, Vec::new(), delay)
    })
    .await;
    let other = Receiver::saying(|_| 200).await;
    story.subscribe(&receiver.url, "call.missed").await;
    story.subscribe(&other.url, "call.missed").await;
    story
        .commit(Told::incoming("1", CLIENT, 0).missed("201"))
        .await;
    let began = std::time::Instant::now();
    story.work().await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "cut off at its time limit"
    );
    assert_eq!(other.accepted().len(), 1);
    let states = story.states().await;
    assert!(
        states.contains(&("waiting".to_owned(), "timeout".to_owned())),
        "{states:?}"
    );
    story.pass(10, 5).await;
    let heard = receiver.heard();
    assert_eq!(heard.len(), 2);
    assert_eq!(heard[0].id, heard[1].id, "the receiver knows it by its id");
    assert!(
        story
            .states()
            .await
            .iter()
            .all(|(state, _)| state == "done")
    );
    story.writer.close().await;
}

#[tokio::test]
async fn no_redirect_leads_anywhere_and_no_private_address_is_told() {
    let forbidden = Receiver::saying(|_| 200).await;
    let target = forbidden.url.clone();
    let leads_there =
        Receiver::answering(move |_| (307, vec![("location", target.clone())], Duration::ZERO))
            .await;
    let port = forbidden.url.rsplit_once(':').unwrap().1.to_owned();
    let settings = Settings {
        // Only the host that redirects may lie on this machine, as a name.
        private_hosts: vec!["localhost".to_owned()],
        ..Settings::default()
    };
    let story = Story::begin_with(Base::sqlite().await, &settings, &MailSettings::default());
    let addresses = [
        leads_there.url.replace("127.0.0.1", "localhost"),
        forbidden.url.clone(),
        format!("http://[::ffff:127.0.0.1]:{port}"),
        format!("http://2130706433:{port}"),
    ];
    for address in &addresses {
        story.subscribe(address, "call.missed").await;
    }
    story
        .commit(Told::incoming("1", CLIENT, 0).missed("201"))
        .await;
    story.pass(80 * 3_600, 3_600).await;
    assert!(leads_there.heard().len() > 10, "tried, and tried again");
    assert!(forbidden.heard().is_empty(), "{:?}", forbidden.heard());
    let errors: Vec<String> = story
        .states()
        .await
        .into_iter()
        .map(|(state, error)| {
            assert_eq!(state, "failed");
            error
        })
        .collect();
    assert_eq!(
        errors,
        [
            "redirect",
            "private_address",
            "private_address",
            "private_address"
        ]
    );
    story.writer.close().await;
}

#[tokio::test]
async fn a_new_secret_signs_beside_the_old_one_for_a_while() {
    const NEXT: &str = "whsec_dGhlIG5leHQgc2VjcmV0IG9mIHRoaXMgc3Rvcnk=";
    let story = Story::begin(Base::sqlite().await);
    let receiver = Receiver::saying(|_| 200).await;
    let id = story.subscribe(&receiver.url, "call.missed").await;
    let until = story.now().plus_millis(24 * 3_600_000);
    subscriptions::rotate(&story.base.db, id, NEXT, until)
        .await
        .unwrap();
    story
        .commit(Told::incoming("1", CLIENT, 0).missed("201"))
        .await;
    story.work().await;
    story.skip(25 * 3_600);
    story
        .commit(Told::incoming("2", OTHER, 0).missed("201"))
        .await;
    story.work().await;
    let heard = receiver.heard();
    assert!(heard[0].is_signed_by(NEXT) && heard[0].is_signed_by(SECRET));
    assert!(heard[1].is_signed_by(NEXT) && !heard[1].is_signed_by(SECRET));
    assert_eq!(heard[1].signatures.len(), 1);
    story.writer.close().await;
}
