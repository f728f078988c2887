//! Wires cut and processes killed while people talk.

use std::time::Duration;

use tokio::time::sleep;

use super::{ONE_PHONE, STRANGER, TWO_PHONES};
use crate::support::{asterisk::Scenario, office::Office};

/// Pops while nothing is heard: who rings or talks at the return sees the call as it then stands, what
/// began and ended meanwhile pops nowhere (`support/popped.rs`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_during_a_cut_connection_are_known_afterwards() {
    let mut office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::answers(500).times(3, 10));
    let _vera = office.lab.phone(103, Scenario::rings());
    let _boris = office.lab.phone(102, Scenario::declines(500));
    // One call begins before the cut and ends in it, one lives wholly in it, one begins in it. And one
    // in it reaches nobody: it rings out at one phone and is declined at the other.
    let first = office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 3_000));
    sleep(Duration::from_millis(1_500)).await;
    office.cut();
    first.finish().await;
    office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 1_000))
        .finish()
        .await;
    office
        .lab
        .world(Scenario::calls(STRANGER, TWO_PHONES, 1_000))
        .finish()
        .await;
    let last = office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 6_000));
    sleep(Duration::from_millis(1_500)).await;
    office.mend().await;
    last.finish().await;
    let calls = office.check(4).await;
    // Two were not heard of, one was cut short; the last may have been found in the list of live channels.
    let brought = office.brought().await;
    assert!((2..=3).contains(&brought.found), "{brought:?}");
    assert!(
        (3..=4).contains(&(brought.found + brought.repaired)),
        "{brought:?}"
    );
    let results: Vec<&str> = calls.iter().map(|kept| kept.word("result")).collect();
    assert_eq!(results, ["answered", "answered", "abandoned", "answered"]);
    assert_eq!(calls[0].popped, ["anna"]);
    for over in &calls[1..3] {
        assert!(over.popped.is_empty(), "over when it was heard of");
    }
    assert_eq!(calls[3].popped, ["anna"]);
    office.close().await;
}

/// Nobody can say when the call ended in which Asterisk died, only that it is over: the log has no row
/// for it, and the wrap-up panel comes when Asterisk is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_asterisk_leaves_no_call_open() {
    let mut office = Office::open().await;
    let anna = office.lab.phone(101, Scenario::answers(500));
    let client = office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 60_000));
    office.until_answered().await;
    office.kill_asterisk().await;
    // Their ports are wanted again.
    anna.break_off().await;
    client.break_off().await;
    let _anna = office.lab.phone(101, Scenario::answers(500));
    office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 1_000))
        .finish()
        .await;
    let calls = office.check(2).await;
    assert_eq!(calls[0].word("result"), "answered");
    assert_eq!(calls[0].word("ended"), "unknown");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_gateway_goes_on_with_the_call() {
    let mut office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::answers(500).times(2, 10));
    let client = office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 5_000));
    sleep(Duration::from_secs(2)).await;
    office.restart_gateway().await;
    client.finish().await;
    office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 1_000))
        .finish()
        .await;
    let calls = office.check(2).await;
    assert!(calls.iter().all(|kept| kept.popped == ["anna"]));
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gateway_loses_no_call() {
    let mut office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::answers(500).times(3, 10));
    // One call goes on past the return, one begins while nobody listens.
    let long = office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 7_000));
    sleep(Duration::from_millis(2_000)).await;
    office.kill_gateway().await;
    let other = office
        .lab
        .another_caller(Scenario::calls(STRANGER, ONE_PHONE, 5_000));
    sleep(Duration::from_millis(1_500)).await;
    office.start_gateway().await;
    long.finish().await;
    other.finish().await;
    office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 1_000))
        .finish()
        .await;
    let calls = office.check(3).await;
    assert!(calls.iter().all(|kept| kept.popped == ["anna"]));
    office.close().await;
}
