//! Calls of an ordinary day.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    GROUP, KNOWN, LOCAL_GROUP, MENU, ONE_PHONE, QUEUE, RECORDED, ROUTED, STRANGER, VOICEMAIL,
};
use crate::support::{
    asterisk::Scenario,
    office::{Kept, Office},
};

fn words<'k>(calls: &'k [Kept], name: &str) -> Vec<&'k str> {
    calls.iter().map(|kept| kept.word(name)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_answers() {
    the_owner_answers_in(Office::open().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_answers_on_postgres() {
    the_owner_answers_in(Office::open_on_postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_answers_over_ari() {
    the_owner_answers_in(Office::open_over_ari().await).await;
}

async fn the_owner_answers_in(office: Office) {
    let _anna = office.lab.phone(101, Scenario::answers(1_000));
    office
        .lab
        .world(Scenario::calls(KNOWN, ROUTED, 3_000))
        .finish()
        .await;
    let calls = office.check(1).await;
    let call = &calls[0];
    assert_eq!(call.word("result"), "answered");
    assert_eq!(call.word("hangup_by"), "client");
    assert_eq!(call.word("route_reason"), "owner");
    assert_eq!(call.word("card"), office.card.to_string());
    assert_eq!(call.popped, ["anna"]);
    assert_eq!(call.log.recordings.len(), 1);
    assert_eq!(office.cards().await, 1, "the client is known");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_manager_rings_before_the_third_ring() {
    the_next_manager_rings_in(Office::open().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_manager_rings_on_postgres() {
    the_next_manager_rings_in(Office::open_on_postgres().await).await;
}

/// Two cycles of five seconds, on Asterisk's own clock.
async fn the_next_manager_rings_in(office: Office) {
    let _anna = office.lab.phone(101, Scenario::rings());
    let _boris = office.lab.phone(102, Scenario::answers(1_000));
    office
        .lab
        .world(Scenario::calls(KNOWN, ROUTED, 2_000))
        .finish()
        .await;
    let calls = office.check(1).await;
    let call = &calls[0];
    let next_ms = (call.rang("102") - call.rang("101")) / 1_000;
    assert!((8_000..=10_000).contains(&next_ms), "after {next_ms} ms");
    assert_eq!(call.line["answered_by"]["extension"], "102");
    assert_eq!(call.word("route_reason"), "deputy");
    assert_eq!(call.popped, ["anna", "boris"]);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_reach_nobody() {
    let office = Office::open().await;
    for (phone, caller) in [
        (
            Scenario::rings(),
            Scenario::gives_up(STRANGER, ONE_PHONE, 2_000),
        ),
        // Answered by nobody, and recorded if somebody had been there.
        (
            Scenario::rings(),
            Scenario::gives_up(STRANGER, RECORDED, 6_000),
        ),
        (
            Scenario::busy(),
            Scenario::calls(STRANGER, ONE_PHONE, 2_000),
        ),
        (
            Scenario::declines(1_000),
            Scenario::calls(STRANGER, ONE_PHONE, 2_000),
        ),
    ] {
        let anna = office.lab.phone(101, phone);
        office.lab.world(caller).finish().await;
        anna.finish().await;
    }
    office
        .lab
        .world(Scenario::calls(STRANGER, MENU, 9_000))
        .finish()
        .await;
    let calls = office.check(5).await;
    assert_eq!(
        words(&calls, "result"),
        ["abandoned", "missed", "busy", "rejected", "ivr_only"]
    );
    assert_eq!(calls[0].popped, ["anna"]);
    assert_eq!(calls[1].popped, ["anna"]);
    assert!(calls[2].popped.is_empty(), "a busy phone does not ring");
    assert!(calls[4].popped.is_empty(), "a menu rings nobody");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voicemail_is_no_answer() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::rings());
    office
        .lab
        .world(Scenario::calls(STRANGER, VOICEMAIL, 5_000))
        .finish()
        .await;
    let calls = office.check(1).await;
    assert_eq!(words(&calls, "result"), ["voicemail"]);
    assert_eq!(calls[0].popped, ["anna"]);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_ring_together() {
    let office = Office::open().await;
    for number in [GROUP, LOCAL_GROUP] {
        let _anna = office.lab.phone(101, Scenario::rings());
        let boris = office.lab.phone(102, Scenario::answers(1_500));
        let _vera = office.lab.phone(103, Scenario::rings());
        office
            .lab
            .world(Scenario::calls(STRANGER, number, 2_000))
            .finish()
            .await;
        boris.finish().await;
    }
    let calls = office.check(2).await;
    assert_eq!(calls[0].popped, ["anna", "boris", "vera"]);
    assert_eq!(calls[1].popped, ["anna", "boris"]);
    for kept in &calls {
        assert_eq!(kept.line["answered_by"]["extension"], "102");
    }
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_rings_one_after_another() {
    let office = Office::open().await;
    let anna = office.lab.phone(101, Scenario::rings());
    let boris = office.lab.phone(102, Scenario::answers(1_000));
    office
        .lab
        .world(Scenario::calls(STRANGER, QUEUE, 12_000))
        .finish()
        .await;
    drop((anna, boris));
    // The next caller gives up in the queue.
    let _boris = office.lab.phone(102, Scenario::rings());
    office
        .lab
        .world(Scenario::calls(STRANGER, QUEUE, 3_000))
        .finish()
        .await;
    let calls = office.check(2).await;
    assert_eq!(words(&calls, "result"), ["answered", "abandoned"]);
    assert_eq!(calls[0].line["answered_by"]["extension"], "102");
    // The queue itself picks up at once: that is no human answer.
    assert!(calls[0].line["wait_ms"].as_i64() >= Some(1_000));
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_rings_the_employee_and_then_the_client() {
    a_click_rings_both_in(Office::open().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_rings_both_over_ari() {
    a_click_rings_both_in(Office::open_over_ari().await).await;
}

async fn a_click_rings_both_in(office: Office) {
    let _anna = office.lab.phone(101, Scenario::answers(1_000));
    let client = office.lab.world(Scenario::answers(1_500).talks(3_000));
    office.desk("anna").calls(office.card).await;
    client.finish().await;
    let calls = office.check(1).await;
    let call = &calls[0];
    assert_eq!(call.word("direction"), "out");
    assert_eq!(call.word("client"), KNOWN);
    assert_eq!(call.line["answered_by"]["extension"], "101");
    assert_eq!(call.log.recordings.len(), 1);
    assert!(call.popped.is_empty(), "nobody called in");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_whose_employee_never_answers_is_one_outgoing_call() {
    a_click_unanswered_in(Office::open().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_unanswered_over_ari() {
    a_click_unanswered_in(Office::open_over_ari().await).await;
}

async fn a_click_unanswered_in(office: Office) {
    let _anna = office.lab.phone(101, Scenario::rings());
    office.desk("anna").calls(office.card).await;
    let calls = office.check(1).await;
    let call = &calls[0];
    assert_eq!(call.word("direction"), "out");
    assert_eq!(call.word("result"), "abandoned");
    assert_eq!(call.word("client"), KNOWN);
    assert!(call.rang("101") > 0 && call.popped.is_empty());
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_employee_calls_out_and_a_colleague() {
    let office = Office::open().await;
    let client = office.lab.world(Scenario::answers(1_000));
    office
        .lab
        .phone_calls(Scenario::calls("101", "74950000077", 2_000))
        .finish()
        .await;
    client.finish().await;
    let client = office.lab.world(Scenario::busy());
    office
        .lab
        .phone_calls(Scenario::calls("101", "74950000077", 2_000))
        .finish()
        .await;
    client.finish().await;
    let _boris = office.lab.phone(102, Scenario::answers(500));
    office
        .lab
        .phone_calls(Scenario::calls("101", "102", 1_500))
        .finish()
        .await;
    let calls = office.check(3).await;
    assert_eq!(words(&calls, "direction"), ["out", "out", "internal"]);
    assert_eq!(words(&calls, "result"), ["answered", "busy", "answered"]);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_first_calls_at_once_make_one_card() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::answers(1_000).times(2, 10));
    let one = office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 2_000));
    let other = office
        .lab
        .another_caller(Scenario::calls(STRANGER, ONE_PHONE, 2_000));
    one.finish().await;
    other.finish().await;
    let calls = office.check(2).await;
    let apart_us = calls[1].log.started_at - calls[0].log.started_at;
    assert!(apart_us < 1_000_000, "{apart_us} µs are not at once");
    assert_eq!(calls[0].word("card"), calls[1].word("card"));
    assert_eq!(office.cards().await, 2, "the known client's and one new");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_in_three_spellings_and_a_withheld_number() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::answers(200).times(4, 10));
    for number in ["+74950000055", "84950000055", "74950000055"] {
        office
            .lab
            .world(Scenario::calls(number, ONE_PHONE, 500))
            .finish()
            .await;
    }
    office
        .lab
        .world(Scenario::calls_withheld(ONE_PHONE, 500))
        .finish()
        .await;
    let calls = office.check(4).await;
    assert_eq!(words(&calls[..3], "client"), [STRANGER; 3]);
    assert_eq!(words(&calls[..3], "card"), [calls[0].word("card"); 3]);
    assert_eq!(calls[3].log.client, None);
    assert_eq!(office.cards().await, 2, "the known client's and one new");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_is_no_talk() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::holds(500, 1_000, 2_000));
    let client = Scenario::calls(STRANGER, ONE_PHONE, 6_000);
    office.lab.world(client).finish().await;
    let calls = office.check(1).await;
    let hold_ms = calls[0].line["hold_ms"].as_i64().unwrap_or(0);
    assert!((1_800..2_600).contains(&hold_ms), "{hold_ms} ms");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_calls_at_ten_a_second() {
    fifty_calls_in(Office::open().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_calls_on_postgres() {
    fifty_calls_in(Office::open_on_postgres().await).await;
}

async fn fifty_calls_in(office: Office) {
    let _anna = office
        .lab
        .phone(101, Scenario::answers(1_000).times(50, 50));
    let calls = Scenario::calls(STRANGER, RECORDED, 3_000).times(50, 10);
    office.lab.world(calls).finish().await;
    sleep(Duration::from_millis(100)).await;
    let calls = office.check(50).await;
    assert_eq!(words(&calls, "result"), vec!["answered"; 50]);
    assert!(calls.iter().all(|kept| kept.popped == ["anna"]));
    office.close().await;
}
