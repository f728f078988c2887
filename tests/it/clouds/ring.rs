//! Click-to-call through a cloud, and a scheme that asks who should ring.

use std::sync::atomic::Ordering::SeqCst;

use ringcard::model::{call::CallResult, event::Direction, recording::RecordingState};

use super::{anna_clicks, calls, host::Fault, mango, office, recordings, sipuni, uis};
use crate::{
    pages::office::{CLIENT, Office},
    support::{gateway::answer, scripted::eventually},
};

/// One outgoing call of Anna, answered, with its recording kept: and nothing else in the journal.
pub(super) async fn one_call_with_its_recording(office: &Office) {
    let kept = [(RecordingState::Kept, String::new())];
    eventually("the recording is kept", async || {
        recordings(office).await == kept
    })
    .await;
    let calls = calls(office).await;
    let [(_, call)] = calls.as_slice() else {
        panic!("{calls:#?}");
    };
    assert_eq!(call.direction, Some(Direction::Out));
    assert_eq!(call.result, Some(CallResult::Answered));
    assert_eq!(call.answered_by, Some("201".into()));
    assert_eq!(
        call.client.as_ref().and_then(|client| client.e164()),
        Some(CLIENT)
    );
    assert!(call.is_over());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_through_mango_is_one_call_with_its_recording() {
    let cloud = mango::Cloud::start().await;
    let office = office(&cloud.settings()).await;
    cloud.is_told(office.gateway.url("/hooks/office"));
    assert_eq!(anna_clicks(&office, "office").await, 303);
    one_call_with_its_recording(&office).await;
    let said = cloud.host.last_said("callback");
    assert_eq!(
        (&said["from"]["extension"], &said["to_number"]),
        (&"201".into(), &"74950000011".into())
    );
    assert_eq!(
        (cloud.host.times("callback"), cloud.host.wrong()),
        (1, vec![])
    );
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_through_sipuni_is_one_call_whether_its_events_name_the_order_or_not() {
    for names_orders in [true, false] {
        let cloud = sipuni::Cloud::start().await;
        cloud.names_orders.store(names_orders, SeqCst);
        let office = office(&cloud.settings()).await;
        cloud.is_told(office.gateway.url("/hooks/lossy"));
        assert_eq!(anna_clicks(&office, "lossy").await, 303);
        eventually("the order and the call are one", async || {
            calls(&office).await.len() == 1
        })
        .await;
        one_call_with_its_recording(&office).await;
        assert_eq!(
            (cloud.host.times("call_number"), cloud.host.wrong()),
            (1, vec![])
        );
        office.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_through_uis_is_one_call_whether_its_templates_carry_our_id_or_not() {
    for names_orders in [true, false] {
        let cloud = uis::Cloud::start().await;
        cloud.names_orders.store(names_orders, SeqCst);
        let office = office(&cloud.settings()).await;
        cloud.is_told(office.gateway.url("/hooks/uis"));
        assert_eq!(anna_clicks(&office, "uis").await, 303);
        eventually("the order and the call are one", async || {
            calls(&office).await.len() == 1
        })
        .await;
        one_call_with_its_recording(&office).await;
        let said = cloud.host.last_said("employee_call");
        assert_eq!(
            (&said["contact"], &said["employee"]["id"]),
            (&"74950000011".into(), &5_201.into())
        );
        assert_eq!(
            (cloud.host.times("employee_call"), cloud.host.wrong()),
            (1, vec![])
        );
        office.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_uis_does_not_take_makes_no_call_and_is_told() {
    let cloud = uis::Cloud::start().await;
    let office = office(&cloud.settings()).await;
    for (kind, fault) in [
        ("employees", Fault::Half),
        ("employee_call", Fault::Status(503)),
        ("employee_call", Fault::Page),
        ("employee_call", Fault::TooMany),
        ("employee_call", Fault::Half),
        ("employee_call", Fault::Slow(2_000)),
    ] {
        cloud.host.fail(kind, &[fault]);
        let status = anna_clicks(&office, "uis").await;
        assert!([422, 503].contains(&status), "{fault:?}: {status}");
        office.run("delete from card_phone").await;
    }
    assert!(cloud.host.is_well());
    assert_eq!(calls(&office).await.len(), 0);
    // Who has which id is asked for once.
    assert_eq!(
        (cloud.host.times("employees"), cloud.host.wrong()),
        (2, vec![])
    );
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scenario_of_uis_is_given_the_number_of_the_responsible_manager() {
    let cloud = uis::Cloud::start().await;
    let office = office(&cloud.settings()).await;
    cloud.is_told(office.gateway.url("/hooks/uis"));
    assert_eq!(anna_clicks(&office, "uis").await, 303); // makes Roza's card, and Anna responsible
    one_call_with_its_recording(&office).await;
    office.gateway.gateway().desk().refresh_now().await;
    let ask = async |token: &str, client: &str, line: &str| {
        let path = format!("/hooks/uis/{token}/route");
        let query = [
            ("cdr_id", "55001"),
            ("start_time", "2026-03-17 09:15:00"),
            ("input_result", "None"),
            ("numa", client),
            ("numb", line),
        ];
        let url = office.gateway.url(&path);
        answer(office.gateway.client.get(url).query(&query)).await
    };
    // A slow machine may miss the time for looking up; a question asked again would be given the answer
    // that it was given, so each comes over another line.
    let asked = std::cell::Cell::new(0);
    eventually("the responsible manager's number is given", async || {
        asked.set(asked.get() + 1);
        let line = format!("7495{:07}", 10 + asked.get());
        let told = ask(uis::TOKEN, "74950000011", &line).await;
        told.status == 200 && told.text == r#"{"phones":["74950000031"]}"#
    })
    .await;
    let stranger = ask(uis::TOKEN, "74950000077", uis::NUMBER).await;
    assert_eq!(
        (stranger.status, stranger.text.as_str()),
        (200, r#"{"returned_code":1}"#)
    );
    assert_eq!(
        ask("guessed-token", "74950000011", uis::NUMBER)
            .await
            .status,
        404
    );
    // Without the table of cards the scenario goes on by itself, in time.
    office
        .run("alter table card_phone rename to card_phone_away")
        .await;
    let told = ask(uis::TOKEN, "74950000011", "74950000099").await;
    assert_eq!(
        (told.status, told.text.as_str()),
        (200, r#"{"returned_code":1}"#)
    );
    office
        .run("alter table card_phone_away rename to card_phone")
        .await;
    assert_eq!(
        calls(&office).await.len(),
        1,
        "a question alone makes no call"
    );
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_not_taken_makes_no_call_and_is_told() {
    let (mango, sipuni) = (mango::Cloud::start().await, sipuni::Cloud::start().await);
    let office = office(&format!("{}{}", mango.settings(), sipuni.settings())).await;
    let anna = |account: &'static str| anna_clicks(&office, account);
    for fault in [Fault::Status(503), Fault::Page, Fault::TooMany, Fault::Half] {
        sipuni.host.fail("call_number", &[fault]);
        assert!([422, 503].contains(&anna("lossy").await), "{fault:?}");
        office.run("delete from card_phone").await;
    }
    for fault in [
        Fault::Status(503),
        Fault::TooMany,
        Fault::Status(420),
        Fault::Slow(2_000),
    ] {
        mango.host.fail("callback", &[fault]);
        assert!([422, 503].contains(&anna("office").await), "{fault:?}");
        office.run("delete from card_phone").await;
    }
    assert!(mango.host.is_well() && sipuni.host.is_well());
    assert_eq!(calls(&office).await.len(), 0);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheme_of_sipuni_finds_the_responsible_manager_node_by_node() {
    let cloud = sipuni::Cloud::start().await;
    let office = office(&cloud.settings()).await;
    cloud.is_told(office.gateway.url("/hooks/lossy"));
    assert_eq!(anna_clicks(&office, "lossy").await, 303); // makes Roza's card, and Anna responsible
    for (extension, person) in [("202", office.ivan.0)] {
        office
            .run(&format!(
                "insert into person_extension (account, extension, person) values ('lossy', '{extension}', {person})"
            ))
            .await;
    }
    office.gateway.gateway().desk().refresh_now().await;
    eventually("the call of the click is over", async || {
        calls(&office).await.iter().all(|(_, call)| call.is_over())
    })
    .await;
    let ask = async |extension: &str| {
        let path = format!("/hooks/lossy/{}/route/{extension}", sipuni::TOKEN);
        let query = [
            ("fromnum", "74950000011"),
            ("tonum", "74950000099"),
            ("dtmf", ""),
        ];
        let said = answer(
            office
                .gateway
                .client
                .get(office.gateway.url(&path))
                .query(&query),
        )
        .await;
        assert_eq!(said.status, 200);
        said.text
    };
    assert_eq!(ask("202").await, r#"{"choice":0}"#);
    // A slow machine may miss the time for looking up once.
    eventually("201 is the one", async || {
        ask("201").await == r#"{"choice":1}"#
    })
    .await;
    // Without the table of cards the scheme goes on with its own default.
    office
        .run("alter table card_phone rename to card_phone_away")
        .await;
    assert_eq!(ask("201").await, r#"{"choice":0}"#);
    office
        .run("alter table card_phone_away rename to card_phone")
        .await;
    office.close().await;
}

/// The client of Roza's card calls and hears a menu.
async fn hears_a_menu(cloud: &mango::Cloud, entry: &str) {
    let json = serde_json::json!({
        "entry_id": entry, "call_id": format!("{entry}.1"), "seq": 1,
        "timestamp": ringcard::flow::now().as_seconds(),
        "call_state": "Appeared", "location": "ivr",
        "from": {"number": "74950000011"},
        "to": {"number": "74950000099", "line_number": "74950000099"},
    });
    let message = cloud.product().signed("/events/call", &json.to_string());
    cloud.deliver(&message).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mango_is_told_to_ring_the_responsible_manager_while_the_client_hears_a_menu() {
    let cloud = mango::Cloud::start().await;
    let office = office(&cloud.settings()).await;
    cloud.is_told(office.gateway.url("/hooks/office"));
    assert_eq!(anna_clicks(&office, "office").await, 303); // makes Roza's card, and Anna responsible
    one_call_with_its_recording(&office).await;
    office.gateway.gateway().desk().refresh_now().await;
    hears_a_menu(&cloud, "e1").await;
    eventually("Mango is told", async || cloud.host.times("route") == 1).await;
    let said = cloud.host.last_said("route");
    assert_eq!(
        (&said["call_id"], &said["to_number"]),
        (&"e1.1".into(), &"201".into())
    );
    assert_eq!(said["sip_headers"]["From/display-name"], "Roza");
    eventually("the call says why", async || {
        let calls = calls(&office).await;
        let routed = calls.iter().find(|(key, _)| key == "e1");
        routed.is_some_and(|(_, call)| call.route_reason.as_deref() == Some("owner"))
    })
    .await;
    // Told again, and a second call within two seconds: Mango is not asked more often than it allows.
    hears_a_menu(&cloud, "e1").await;
    hears_a_menu(&cloud, "e2").await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!((cloud.host.times("route"), cloud.host.wrong()), (1, vec![]));
    office.close().await;
}
