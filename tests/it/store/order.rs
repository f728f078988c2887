//! Any order and any repetition of the same messages gives the same calls, cards and figures.
//!
//! A seed makes a set of calls that share clients, turn out to be one another, are corrected by
//! summaries and recorded. The same messages go through the writer in several orders, some twice, many
//! at once. `SEED=n` runs one seed alone.

use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng, seq::SliceRandom};
use ringcard::{
    model::event::{Cause, Fact, RecordingSource, RecordingStage, Summary},
    store::{
        figures,
        writer::{Settings, Submission, Writer},
    },
};

use super::{
    read::{Picture, people, picture},
    told::{Told, event, message, moment, number},
};
use crate::support::base::Base;

const CLIENTS: [&str; 4] = [
    "+74950000011",
    "+74950000012",
    "+74950000013",
    "+74950000014",
];
const EXTENSIONS: [&str; 4] = ["201", "202", "203", "299"];

fn pick<'a>(random: &mut impl Rng, of: &[&'a str]) -> &'a str {
    of[random.random_range(0..of.len())]
}

/// The messages of one seed.
fn messages(random: &mut SmallRng) -> Vec<Submission> {
    let mut all = Vec::new();
    let calls: usize = random.random_range(2..9);
    for n in 0..calls {
        let key = format!("call-{n}");
        // Starts differ: two calls of one client do not begin in the same moment.
        let at = i64::try_from(n).unwrap() * 97 + random.random_range(0..40);
        let client = pick(random, &CLIENTS);
        let call = if random.random_bool(0.3) {
            Told::outgoing(&key, client, at)
        } else {
            Told::incoming(&key, client, at)
        };
        let ext = pick(random, &EXTENSIONS);
        all.extend(if random.random_bool(0.5) {
            call.answered(ext)
        } else {
            call.missed(ext)
        });
        if random.random_bool(0.3) {
            all.push(message(call.rings(pick(random, &EXTENSIONS), at + 2)));
        }
        if n > 0 && random.random_bool(0.25) {
            let with = format!("call-{}", random.random_range(0..n));
            let same = Fact::SameCall {
                with: with.as_str().into(),
            };
            all.push(message(vec![event(&key, at + 3, "", "same", same)]));
        }
        if random.random_bool(0.3) {
            all.push(message(vec![event(
                &key,
                at + 70,
                "",
                "summary",
                summary(random, at),
            )]));
        }
        if random.random_bool(0.4) {
            all.extend(recording(&key, at));
        }
    }
    all
}

/// The provider's last word, which may name another client and another outcome.
fn summary(random: &mut SmallRng, at: i64) -> Fact {
    let answered = random.random_bool(0.5);
    Fact::Summary(Box::new(Summary {
        client: random
            .random_bool(0.5)
            .then(|| number(pick(random, &CLIENTS))),
        started: Some(moment(at)),
        answered: answered.then(|| moment(at + 7)),
        answered_known: true,
        ended: Some(moment(at + 67)),
        cause: Some(Cause::Normal),
        ..Summary::default()
    }))
}

fn recording(key: &str, at: i64) -> Vec<Submission> {
    [
        ("started", RecordingStage::Started, None),
        ("completed", RecordingStage::Completed, None),
        (
            "ready",
            RecordingStage::Ready,
            Some("https://pbx.example/r"),
        ),
    ]
    .into_iter()
    .map(|(what, stage, link)| {
        let fact = Fact::Recording {
            recording: format!("{key}.mp3"),
            stage,
            source: link.map(|link| RecordingSource::Link(format!("{link}/{key}"))),
        };
        message(vec![event(key, at + 68, "", what, fact)])
    })
    .collect()
}

/// What the tables say after these messages, in this order, `at_once` of them at a time.
async fn told(base: &Base, messages: Vec<Submission>, at_once: usize) -> Picture {
    people(&base.db).await;
    let settings = Settings {
        cached_calls: 3,
        patience_ms: 60_000,
        ..Settings::default()
    };
    let writer = Writer::start(base.db.clone(), 1, &settings);
    for portion in messages.chunks(at_once) {
        let commits = portion
            .iter()
            .cloned()
            .map(|message| writer.commit(message));
        for receipt in futures_util::future::join_all(commits).await {
            assert!(!receipt.unwrap().dead_letter);
        }
    }
    writer.close().await;
    let recounted = figures::recount(&base.db).await.unwrap();
    assert_eq!(
        figures::stored(&base.db).await.unwrap(),
        recounted,
        "the roll-ups are what a recount from facts gives"
    );
    let checked = figures::check(&base.db, false).await.unwrap();
    assert_eq!(checked.differences, [], "and so says the doctor");
    assert!(checked.calls > 0);
    picture(&base.db).await
}

fn seeds(many: u64) -> std::ops::Range<u64> {
    match std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        Some(seed) => seed..seed + 1,
        None => 0..many,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    for seed in seeds(40) {
        let mut random = SmallRng::seed_from_u64(seed);
        let messages = messages(&mut random);
        let expected = told(&Base::sqlite().await, messages.clone(), 1).await;
        for at_once in [1, 5, 100] {
            let shuffled = disturbed(&messages, &mut random);
            let seen = told(&Base::sqlite().await, shuffled, at_once).await;
            seen.is(&expected, &format!("seed {seed}, {at_once} at once"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    for seed in seeds(6) {
        let mut random = SmallRng::seed_from_u64(seed);
        let messages = messages(&mut random);
        let expected = told(&Base::sqlite().await, messages.clone(), 1).await;
        for at_once in [1, 100] {
            let shuffled = disturbed(&messages, &mut random);
            let seen = told(&Base::postgres().await, shuffled, at_once).await;
            seen.is(&expected, &format!("seed {seed}, {at_once} at once"));
        }
    }
}

/// Another order, and some of them twice.
fn disturbed(messages: &[Submission], random: &mut SmallRng) -> Vec<Submission> {
    let mut all = messages.to_vec();
    for message in messages {
        if random.random_bool(0.2) {
            all.push(message.clone());
        }
    }
    all.shuffle(random);
    all
}
