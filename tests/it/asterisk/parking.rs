//! Clients who are put aside: parked, fetched, brought back, given up.

use super::{ONE_PHONE, STRANGER};
use crate::support::{
    asterisk::{Playing, Scenario},
    office::{Kept, Office},
};

/// Anna answers and parks her caller with her phone's keys.
async fn parked_by_anna(office: &Office, client: Scenario) -> Playing {
    let client = office.lab.world(client);
    office.witness.talks("101").await;
    office.witness.press("101", "##800").await;
    office.witness.parks(1).await;
    client
}

fn is_one_answered_call(kept: &Kept) {
    assert_eq!(kept.word("direction"), "in");
    assert_eq!(kept.word("result"), "answered");
    assert_eq!(kept.line["answered_by"]["extension"], "101");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_colleague_fetches_a_parked_client() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::answers(300));
    let client = parked_by_anna(&office, Scenario::calls(STRANGER, ONE_PHONE, 9_000)).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let boris = office
        .lab
        .phone_calls(Scenario::calls("102", "801", 60_000));
    client.finish().await;
    boris.finish().await;
    let calls = office.check(1).await;
    is_one_answered_call(&calls[0]);
    let waited_ms = calls[0].line["hold_ms"].as_i64();
    assert!(waited_ms >= Some(1_400), "{waited_ms:?} ms aside");
    assert_eq!(calls[0].popped, ["anna", "boris"]);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_client_comes_back_after_a_while() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::answers(300).times(2, 10));
    parked_by_anna(&office, Scenario::calls(STRANGER, ONE_PHONE, 11_000))
        .await
        .finish()
        .await;
    let calls = office.check(1).await;
    is_one_answered_call(&calls[0]);
    let by_anna = calls[0].log.with_client().count();
    assert_eq!(
        by_anna, 2,
        "before she parked them and after they came back"
    );
    let transfers = calls[0].line["transfers"].as_array();
    assert!(transfers.is_none_or(Vec::is_empty), "{transfers:?}");
    assert_eq!(calls[0].popped, ["anna"]);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_client_gives_up() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::answers(300));
    parked_by_anna(&office, Scenario::calls(STRANGER, ONE_PHONE, 3_500))
        .await
        .finish()
        .await;
    let calls = office.check(1).await;
    is_one_answered_call(&calls[0]);
    assert_eq!(calls[0].word("hangup_by"), "client");
    assert_eq!(calls[0].popped, ["anna"]);
    office.close().await;
}

/// All who are parked stand in one bridge of the PBX and hear nothing of each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_parked_clients_are_two_calls() {
    let office = Office::open().await;
    let anna = office.lab.phone(101, Scenario::answers(300));
    let one = parked_by_anna(&office, Scenario::calls(STRANGER, ONE_PHONE, 6_000)).await;
    anna.finish().await;
    let _anna = office.lab.phone(101, Scenario::answers(300));
    let other = Scenario::calls("+74950000056", ONE_PHONE, 4_000);
    let other = office.lab.another_caller(other);
    office.witness.talks("101").await;
    office.witness.press("101", "##800").await;
    office.witness.parks(2).await;
    one.finish().await;
    other.finish().await;
    let calls = office.check(2).await;
    for kept in &calls {
        is_one_answered_call(kept);
    }
    office.close().await;
}
