//! Calls that do not end where they were sent: turned away, taken by a colleague, sent on by the phone.

use super::{LASTING_LOCAL_GROUP, ONE_PHONE, ROUTED, STRANGER};
use crate::support::{asterisk::Scenario, office::Office};

/// The caller hears busy and nothing else, no phone rings, and others are put through as ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_blocked_hears_busy() {
    let office = Office::open().await;
    office.blocks(STRANGER).await;
    let _boris = office.lab.phone(102, Scenario::answers(500));
    let _anna = office.lab.phone(101, Scenario::answers(500));
    office
        .lab
        .world(Scenario::is_turned_away(STRANGER, ROUTED))
        .finish()
        .await;
    office
        .lab
        .world(Scenario::calls("+74950000056", ROUTED, 1_000))
        .finish()
        .await;
    let calls = office.check(2).await;
    let call = &calls[0];
    assert_eq!(call.word("result"), "blocked");
    assert_eq!(call.word("route_reason"), "blocked");
    assert!(call.log.phones.is_empty(), "nobody's phone was called");
    assert!(call.popped.is_empty());
    assert_eq!(calls[1].word("result"), "answered");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_colleague_picks_up_what_rings_in_the_group() {
    picked_up_by_dialling("*8").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_colleague_picks_up_what_rings_at_one_phone() {
    picked_up_by_dialling("*8101").await;
}

async fn picked_up_by_dialling(keys: &str) {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::rings());
    let client = office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 2_000));
    office.witness.rings("101").await;
    let boris = office.lab.phone_calls(Scenario::calls("102", keys, 60_000));
    client.finish().await;
    boris.finish().await;
    let calls = office.check(1).await;
    let call = &calls[0];
    assert_eq!(call.line["answered_by"]["extension"], "102");
    assert_eq!(call.word("direction"), "in");
    assert!(call.log.transfers.is_empty());
    assert_eq!(call.popped, ["anna", "boris"]);
    office.close().await;
}

/// 302 from the phone: Asterisk goes on through a Local channel.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_sends_its_calls_on() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::forwards("102"));
    let boris = office.lab.phone(102, Scenario::answers(1_500));
    office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 2_000))
        .finish()
        .await;
    boris.finish().await;
    // And to one who does not answer either.
    let _anna = office.lab.phone(101, Scenario::forwards("102"));
    let _boris = office.lab.phone(102, Scenario::rings());
    office
        .lab
        .world(Scenario::gives_up(STRANGER, ONE_PHONE, 2_000))
        .finish()
        .await;
    let calls = office.check(2).await;
    let call = &calls[0];
    assert_eq!(call.word("result"), "answered");
    assert_eq!(call.line["answered_by"]["extension"], "102");
    assert!(call.log.transfers.is_empty(), "nobody passed it on");
    assert_eq!(calls[1].word("result"), "abandoned");
    for kept in &calls {
        assert_eq!(kept.popped, ["boris"], "her phone did not ring");
    }
    office.close().await;
}

/// Local channels that are not optimised away (`/n`), as FreePBX dials its groups.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_rings_through_lasting_local_channels() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::rings());
    let boris = office.lab.phone(102, Scenario::answers(1_500));
    office
        .lab
        .world(Scenario::calls(STRANGER, LASTING_LOCAL_GROUP, 2_000))
        .finish()
        .await;
    boris.finish().await;
    let calls = office.check(1).await;
    let call = &calls[0];
    assert_eq!(call.word("result"), "answered");
    assert_eq!(call.line["answered_by"]["extension"], "102");
    assert_eq!(call.popped, ["anna", "boris"]);
    office.close().await;
}
