//! Who should ring, asked and answered in every way that the dialplan we ship knows.

use serde_json::json;

use super::{BORIS_ONLY, GROUP, KNOWN, ROUTED, STRANGER};
use crate::support::{
    asterisk::{Ari, Scenario, Wishes},
    office::Office,
};

const SENDS_ON: Wishes = Wishes {
    postgres: false,
    sends_on: true,
    asks_by_agi: false,
    ari: Ari::Beside,
    branch: false,
};
const ASKS_BY_AGI: Wishes = Wishes {
    postgres: false,
    sends_on: false,
    asks_by_agi: true,
    ari: Ari::Beside,
    branch: false,
};

/// Anna's client rings at Boris; her phone is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_rings_elsewhere_is_sent_on_to_the_responsible_manager() {
    let office = Office::open_with(SENDS_ON).await;
    let _boris = office.lab.phone(102, Scenario::rings());
    // Late enough to tell her answer from the end of the ringing at Boris.
    let _anna = office.lab.phone(101, Scenario::answers(2_000));
    office
        .lab
        .world(Scenario::calls(KNOWN, BORIS_ONLY, 2_000))
        .finish()
        .await;
    let calls = office.check(1).await;
    let call = &calls[0];
    assert_eq!(call.word("result"), "answered");
    assert_eq!(call.line["answered_by"]["extension"], "101");
    assert_eq!(call.word("route_reason"), "owner");
    assert!(call.log.transfers.is_empty(), "nobody passed it on");
    let decisions = office.decisions().await;
    assert_eq!(decisions, [("owner".to_owned(), "[]".to_owned())]);
    office.close().await;
}

/// Who does not answer gives the call back, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_on_in_vain_goes_back() {
    let office = Office::open_with(SENDS_ON).await;
    let boris = office.lab.phone(102, Scenario::rings());
    let _anna = office.lab.phone(101, Scenario::rings());
    let client = office.lab.world(Scenario::calls(KNOWN, BORIS_ONLY, 1_500));
    boris.finish().await;
    let _boris = office.lab.phone(102, Scenario::answers(1_000));
    client.finish().await;
    let calls = office.check(1).await;
    let call = &calls[0];
    assert_eq!(call.line["answered_by"]["extension"], "102");
    assert_eq!(call.popped, ["anna", "boris"]);
    assert_eq!(office.decisions().await.len(), 1, "decided once");
    office.close().await;
}

/// Strangers, those whose manager rings already or cannot be rung, and whoever has been answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_is_sent_on() {
    let office = Office::open_with(SENDS_ON).await;
    let boris = office.lab.phone(102, Scenario::answers(1_500));
    office
        .lab
        .world(Scenario::calls(STRANGER, BORIS_ONLY, 1_000))
        .finish()
        .await;
    boris.finish().await;
    let _anna = office.lab.phone(101, Scenario::rings());
    let _vera = office.lab.phone(103, Scenario::rings());
    let boris = office.lab.phone(102, Scenario::answers(1_500));
    office
        .lab
        .world(Scenario::calls(KNOWN, GROUP, 1_000))
        .finish()
        .await;
    boris.finish().await;
    // In every queue.
    let pause = ["Interface: PJSIP/101", "Paused: true"];
    office.witness.act("QueuePause", &pause).await;
    office
        .rings_all_but(json!({ "101": "paused", "105": "unreachable" }))
        .await;
    let _boris = office.lab.phone(102, Scenario::answers(1_500));
    office
        .lab
        .world(Scenario::calls(KNOWN, BORIS_ONLY, 1_000))
        .finish()
        .await;
    let calls = office.check(3).await;
    for kept in &calls {
        assert_eq!(kept.line["answered_by"]["extension"], "102");
        assert!(kept.line["route_reason"].is_null(), "{:?}", kept.line);
    }
    let why = office.decisions().await;
    let words: Vec<&str> = why.iter().map(|(reason, _)| reason.as_str()).collect();
    assert_eq!(words, ["no_rule", "rung_already", "nobody_left"]);
    assert!(why[2].1.contains("paused"), "{why:?}");
    office.close().await;
}

/// The same enquiry over the other wire: owner, then deputy, then nobody; and who is blocked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dialplan_asks_over_fastagi() {
    let office = Office::open_with(ASKS_BY_AGI).await;
    let _anna = office.lab.phone(101, Scenario::declines(500));
    let boris = office.lab.phone(102, Scenario::answers(1_000));
    office
        .lab
        .world(Scenario::calls(KNOWN, ROUTED, 2_000))
        .finish()
        .await;
    boris.finish().await;
    office.blocks(STRANGER).await;
    office
        .lab
        .world(Scenario::is_turned_away(STRANGER, ROUTED))
        .finish()
        .await;
    let calls = office.check(2).await;
    assert_eq!(calls[0].line["answered_by"]["extension"], "102");
    assert_eq!(calls[0].word("route_reason"), "deputy");
    assert_eq!(calls[0].popped, ["anna", "boris"]);
    assert_eq!(calls[1].word("result"), "blocked");
    office.close().await;
}

/// A gateway that is away costs the call nothing but a moment: the queue rings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_nobody_answers_leaves_the_call_to_the_pbx() {
    let mut office = Office::open_with(ASKS_BY_AGI).await;
    office.kill_gateway().await;
    let anna = office.lab.phone(101, Scenario::answers(1_000));
    let _boris = office.lab.phone(102, Scenario::answers(1_000));
    office
        .lab
        .world(Scenario::calls(KNOWN, ROUTED, 1_500))
        .finish()
        .await;
    drop(anna);
    office.start_gateway().await;
    let calls = office.check(1).await;
    assert_eq!(calls[0].word("result"), "answered");
    office.close().await;
}

/// What Asterisk says of phones and queues, and says again after the connection was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_rung_is_passed_over() {
    let mut office = Office::open().await;
    // 105 has to register and has not.
    let unregistered = json!({ "105": "unreachable" });
    office.rings_all_but(unregistered.clone()).await;
    office.cut();
    for queue in ["sales", "service"] {
        let queue = format!("Queue: {queue}");
        let pause = ["Interface: PJSIP/101", "Paused: true", queue.as_str()];
        office.witness.act("QueuePause", &pause).await;
    }
    let do_not_disturb = ["Variable: DEVICE_STATE(Custom:DND104)", "Value: INUSE"];
    office.witness.act("Setvar", &do_not_disturb).await;
    office.mend().await;
    office
        .rings_all_but(json!({ "101": "paused", "104": "busy", "105": "unreachable" }))
        .await;
    let boris = office.lab.phone(102, Scenario::answers(1_000));
    office
        .lab
        .world(Scenario::calls(KNOWN, ROUTED, 1_000))
        .finish()
        .await;
    boris.finish().await;
    let goes_on = ["Interface: PJSIP/101", "Paused: false", "Queue: service"];
    office.witness.act("QueuePause", &goes_on).await;
    let disturb = ["Variable: DEVICE_STATE(Custom:DND104)", "Value: NOT_INUSE"];
    office.witness.act("Setvar", &disturb).await;
    office.rings_all_but(unregistered).await;
    let anna = office.lab.phone(101, Scenario::answers(1_000));
    office
        .lab
        .world(Scenario::calls(KNOWN, ROUTED, 1_000))
        .finish()
        .await;
    anna.finish().await;
    let calls = office.check(2).await;
    let by: Vec<&str> = calls.iter().map(|kept| kept.word("route_reason")).collect();
    assert_eq!(by, ["deputy", "owner"]);
    let (_, why) = &office.decisions().await[0];
    assert!(why.contains("paused"), "{why}");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_registers_is_rung() {
    const DARIAS: &str = "+74950000078";
    let office = Office::open().await;
    office.has_client(5, DARIAS).await;
    office.rings_all_but(json!({ "105": "unreachable" })).await;
    let _anna = office.lab.phone(101, Scenario::answers(500));
    let _boris = office.lab.phone(102, Scenario::answers(500));
    office
        .lab
        .world(Scenario::calls(DARIAS, ROUTED, 1_000))
        .finish()
        .await;
    office.lab.register(105).await;
    office.rings_all_but(json!({})).await;
    let _daria = office.lab.phone(105, Scenario::answers(500));
    office
        .lab
        .world(Scenario::calls(DARIAS, ROUTED, 1_000))
        .finish()
        .await;
    let calls = office.check(2).await;
    assert_eq!(calls[0].word("route_reason"), "nobody_left");
    assert_eq!(calls[0].word("result"), "answered", "by the queue");
    assert_eq!(calls[1].word("route_reason"), "owner");
    assert_eq!(calls[1].line["answered_by"]["extension"], "105");
    office.close().await;
}
