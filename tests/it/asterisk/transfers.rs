//! Calls that are passed on.

use std::time::Duration;

use tokio::time::sleep;

use super::{ONE_PHONE, RECORDED, STRANGER};
use crate::support::{
    asterisk::Scenario,
    office::{Kept, Office},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blind_transfer_is_one_call() {
    let office = Office::open().await;
    let _anna = office
        .lab
        .phone(101, Scenario::passes_on(1_000, 2_000, "102"));
    let _boris = office.lab.phone(102, Scenario::answers(1_500));
    office
        .lab
        .world(Scenario::calls(STRANGER, RECORDED, 8_000))
        .finish()
        .await;
    let calls = office.check(1).await;
    check_transfer(&calls[0], "blind");
    assert_eq!(calls[0].popped, ["anna", "boris"]);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attended_transfer_joins_two_calls_into_one() {
    an_attended_transfer_in(Office::open().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attended_transfer_on_postgres() {
    an_attended_transfer_in(Office::open_on_postgres().await).await;
}

async fn an_attended_transfer_in(office: Office) {
    let (anna, second) = office.lab.phone_that_asks_first(101, "102", 2_000).await;
    let _boris = office.lab.phone(102, Scenario::answers(1_000));
    office
        .lab
        .world(Scenario::calls(STRANGER, RECORDED, 10_000))
        .finish()
        .await;
    let calls = office.check(1).await;
    let played = [anna.complaints(), second.complaints()].concat();
    assert!(!calls[0].log.transfers.is_empty(), "SIPp: {played}");
    check_transfer(&calls[0], "attended");
    assert_eq!(calls[0].popped, ["anna", "boris"]);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blind_transfer_by_keys_is_one_call() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::answers(500));
    let _boris = office.lab.phone(102, Scenario::answers(1_000));
    let client = office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 7_000));
    sleep(Duration::from_millis(1_500)).await;
    office.witness.press("101", "##102").await;
    client.finish().await;
    let calls = office.check(1).await;
    check_transfer(&calls[0], "blind");
    assert_eq!(calls[0].popped, ["anna", "boris"]);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attended_transfer_by_keys_is_one_call() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::answers(500).talks(5_000));
    let _boris = office.lab.phone(102, Scenario::answers(1_000));
    let client = office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 8_000));
    sleep(Duration::from_millis(1_500)).await;
    office.witness.press("101", "*2102").await;
    client.finish().await;
    let calls = office.check(1).await;
    check_transfer(&calls[0], "attended");
    assert_eq!(calls[0].popped, ["anna", "boris"]);
    office.close().await;
}

/// Whoever passes on hangs up while the colleague's phone still rings: nobody was asked, so the transfer
/// is a blind one (`tracker::derive::transfers`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_given_up_while_it_rings_is_blind() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::answers(500).talks(4_000));
    let _boris = office.lab.phone(102, Scenario::answers(4_000));
    let client = office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 9_000));
    sleep(Duration::from_millis(1_500)).await;
    office.witness.press("101", "*2102").await;
    client.finish().await;
    let calls = office.check(1).await;
    check_transfer(&calls[0], "blind");
    assert_eq!(calls[0].popped, ["anna", "boris"]);
    office.close().await;
}

fn check_transfer(kept: &Kept, kind: &str) {
    let transfers = kept.line["transfers"].as_array().expect("a list");
    let [one] = transfers.as_slice() else {
        panic!("{transfers:?}");
    };
    assert_eq!(one["kind"], kind);
    assert_eq!(
        (one["from"].as_str(), one["to"].as_str()),
        (Some("101"), Some("102"))
    );
    assert_eq!(kept.line["answered_by"]["extension"], "101");
    assert_eq!(kept.word("direction"), "in");
}
