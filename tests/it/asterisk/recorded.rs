//! What a real Asterisk does about recording: the notice before the ringing, no recording at all, and the
//! pause while somebody spells out a card number.

use std::time::Duration;

use ringcard::{
    model::{call::RecordingPause, event::ConsentSaid},
    rules::recorded::{Consent, LineRule, Notice},
};

use super::{KNOWN, ROUTED};
use crate::support::{asterisk::Scenario, office::Office, scripted::eventually};

/// A sound of the package, a second long.
const PROMPT: &str = "vm-goodbye";

fn announced(consent: Consent) -> LineRule {
    LineRule {
        kept: true,
        notice: Notice::Prompt,
        prompt: PROMPT.to_owned(),
        consent,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_hears_the_notice_before_the_phone_rings() {
    let office = Office::open().await;
    let rule = announced(Consent::Announced);
    office.rule_of_recording(ROUTED, &rule, PROMPT).await;
    let _anna = office.lab.phone(101, Scenario::answers(500));
    let caller = office.lab.world(Scenario::calls(KNOWN, ROUTED, 3_000));
    caller.finish().await;
    let calls = office.check(1).await;
    assert_eq!(calls[0].word("result"), "answered");
    assert_eq!(calls[0].line["recordings"][0]["state"], "kept");
    let derived = office.derived().await;
    assert_eq!(derived[0].1.consent, Some(ConsentSaid::Heard));
    let wait_ms = calls[0].line["wait_ms"].as_i64().unwrap();
    assert!(wait_ms > 1_000, "the notice is heard first: {wait_ms}");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_presses_nothing_has_not_agreed() {
    let office = Office::open().await;
    let rule = announced(Consent::Asked);
    office.rule_of_recording(ROUTED, &rule, "consent=ask").await;
    let _anna = office.lab.phone(101, Scenario::answers(500));
    let caller = office.lab.world(Scenario::calls(KNOWN, ROUTED, 9_000));
    caller.finish().await;
    eventually("the recording is withheld", async || {
        let derived = office.derived().await;
        let state = office.recording_states().await;
        derived.len() == 1 && state == ["withheld"]
    })
    .await;
    assert_eq!(office.derived().await[0].1.consent, None);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_not_recorded_is_not_recorded() {
    let office = Office::open().await;
    let never = LineRule {
        kept: false,
        ..LineRule::default()
    };
    office.rule_of_recording(ROUTED, &never, "record=no").await;
    let _anna = office.lab.phone(101, Scenario::answers(500));
    let caller = office.lab.world(Scenario::calls(KNOWN, ROUTED, 2_000));
    caller.finish().await;
    let calls = office.check(1).await;
    assert_eq!(calls[0].word("result"), "answered");
    assert!(calls[0].log.recordings.is_empty());
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_in_a_pause_is_not_in_the_recording() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::answers(500));
    let caller = office.lab.world(Scenario::calls(KNOWN, ROUTED, 9_000));
    let (id, _) = office.talking().await;
    let page = format!("/calls/{id}");
    let pauses = async || -> Vec<RecordingPause> {
        let derived = office.derived().await;
        derived[0].1.recording_pauses.clone()
    };
    // Two seconds that are heard, two that are not.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let anna = office.desk("anna");
    anna.posts(&page, "recording", &[("act", "pause")]).await;
    eventually("the PBX tells the pause", async || {
        pauses().await.len() == 1
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    anna.posts(&page, "recording", &[("act", "resume")]).await;
    eventually("the PBX tells its end", async || {
        pauses().await[0].to.is_some()
    })
    .await;
    caller.finish().await;
    let calls = office.check(1).await;
    assert_eq!(calls[0].line["recordings"][0]["state"], "kept");

    let (_, call) = office.derived().await.remove(0);
    let answered_at = call.answered_at.expect("they talked");
    let pause = call.recording_pauses[0];
    let (from, to) = (
        pause.from.millis_since(answered_at),
        pause.to.expect("it has ended").millis_since(answered_at),
    );
    assert!(to - from >= 2_000, "{pause:?}");
    let (duration_ms, peaks) = office.picture().await;
    let loudest = |from_ms: i64, to_ms: i64| {
        let place = |ms: i64| (ms * peaks.len() as i64 / duration_ms) as usize;
        peaks[place(from_ms)..place(to_ms)].iter().copied().max()
    };
    // Asterisk stamps to the microsecond, and works in pieces of 20 ms.
    let (quiet, loud) = (loudest(from + 300, to - 300), loudest(300, from - 300));
    assert!(loud > Some(10), "they are heard before: {loud:?}");
    assert!(quiet < Some(2), "and not in the pause: {quiet:?}");
    office.close().await;
}
