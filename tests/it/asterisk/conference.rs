//! Clients and employees in a room of ConfBridge.

use super::{CONFERENCE, STRANGER};
use crate::support::{asterisk::Scenario, office::Office};

/// Talk is while the client and at least one employee are in it; a client who is alone there waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conference_is_one_call() {
    let office = Office::open().await;
    let client = office
        .lab
        .world(Scenario::calls(STRANGER, CONFERENCE, 12_000));
    office.witness.talks("trunk").await;
    let anna = office.lab.phone_calls(Scenario::calls("101", "650", 2_500));
    office.witness.talks("101").await;
    let boris = office.lab.phone_calls(Scenario::calls("102", "650", 4_000));
    anna.finish().await;
    boris.finish().await;
    client.finish().await;
    let calls = office.check(1).await;
    let call = &calls[0];
    assert_eq!(call.word("direction"), "in");
    assert_eq!(call.word("result"), "answered");
    assert_eq!(call.line["answered_by"]["extension"], "101");
    assert!(call.log.transfers.is_empty(), "both came by themselves");
    assert!(
        call.line["hold_ms"].as_i64() >= Some(2_000),
        "alone at the end"
    );
    assert_eq!(call.popped, ["anna", "boris"]);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_whom_nobody_joins_gives_up() {
    let office = Office::open().await;
    office
        .lab
        .world(Scenario::calls(STRANGER, CONFERENCE, 2_000))
        .finish()
        .await;
    let calls = office.check(1).await;
    assert_eq!(calls[0].word("result"), "abandoned");
    assert!(calls[0].popped.is_empty());
    office.close().await;
}
