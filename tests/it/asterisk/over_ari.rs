//! What is special about hearing Asterisk over ARI. That it tells the same as AMI every story shows
//! (`support/beside.rs`).

use super::{LASTING_LOCAL_GROUP, ONE_PHONE, RECORDED, STRANGER};
use crate::support::{
    asterisk::{Ari, Scenario},
    office::Office,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_dials_the_gateway() {
    asterisk_dials(Ari::DialsUs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_dials_the_gateway_over_tls() {
    asterisk_dials(Ari::DialsUsSecured).await;
}

/// And dials again when the gateway was away.
async fn asterisk_dials(ari: Ari) {
    let mut office = Office::open_hearing(ari).await;
    let _anna = office.lab.phone(101, Scenario::answers(300).times(2, 10));
    let client = office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 4_000));
    office.until_answered().await;
    office.restart_gateway().await;
    client.finish().await;
    office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 1_000))
        .finish()
        .await;
    let calls = office.check(2).await;
    assert!(calls.iter().all(|kept| kept.word("result") == "answered"));
    office.close().await;
}

/// Both interfaces show a certificate, and are dialled again when the wire was cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_interfaces_are_heard_over_tls() {
    let mut office = Office::open_hearing(Ari::Secured).await;
    office.cut();
    office.mend().await;
    let _anna = office.lab.phone(101, Scenario::answers(300));
    let client = Scenario::calls(STRANGER, RECORDED, 1_000);
    office.lab.world(client).finish().await;
    let calls = office.check(1).await;
    assert_eq!(calls[0].word("result"), "answered");
    office.close().await;
}

/// The call of each channel has to be asked for, while channels come and go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_that_do_not_name_their_call() {
    let office = Office::open_hearing(Ari::Unlinked).await;
    let anna = office.lab.phone(101, Scenario::rings());
    let boris = office.lab.phone(102, Scenario::answers(500));
    let client = Scenario::calls(STRANGER, LASTING_LOCAL_GROUP, 1_000);
    office.lab.world(client).finish().await;
    drop((anna, boris));
    let (_anna, _second) = office.lab.phone_that_asks_first(101, "102", 1_000).await;
    let _boris = office.lab.phone(102, Scenario::answers(500));
    let client = Scenario::calls(STRANGER, RECORDED, 8_000);
    office.lab.world(client).finish().await;
    let calls = office.check(2).await;
    assert_eq!(calls[0].line["answered_by"]["extension"], "102");
    assert_eq!(calls[1].line["transfers"][0]["kind"], "attended");
    office.close().await;
}
