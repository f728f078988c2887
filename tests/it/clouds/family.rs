//! The ITooLabs family through HTTP: clicks, files, past calls after an outage, who should ring, employees.

use std::sync::atomic::Ordering::SeqCst;

use ringcard::{
    model::recording::RecordingState,
    simulator::{itoolabs::Itoolabs, story::Story},
};

use super::{
    alike::{calls_as_they_happen, orders_are_not_taken, past_calls_come},
    anna_clicks, calls, first_reading,
    host::Fault,
    itoolabs, office, read_now, recordings,
    ring::one_call_with_its_recording,
    trouble::{command_of, kept_in_the_end, past_call},
};
use crate::{
    pages::office::Office,
    support::{gateway::answer, scripted::eventually},
};

/// The office of an account at this PBX, which posts there from now on.
async fn told(cloud: &itoolabs::Cloud) -> Office {
    let office = office(&cloud.settings()).await;
    cloud.is_told(office.gateway.url("/hooks/vats"));
    office
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_is_one_call_with_its_recording_by_either_api() {
    for (is_legacy, kind) in [(false, "makecall"), (true, "crm_api")] {
        let cloud = itoolabs::Cloud::start().await;
        cloud.is_legacy.store(is_legacy, SeqCst);
        let office = told(&cloud).await;
        let status = anna_clicks(&office, "vats").await;
        assert_eq!((status, cloud.host.wrong()), (303, vec![]));
        eventually("the order and the call are one", async || {
            calls(&office).await.len() == 1
        })
        .await;
        one_call_with_its_recording(&office).await;
        let said = cloud.host.last_said(kind);
        assert_eq!(
            (&said["user"], &said["phone"]),
            (&"a.larina".into(), &"74950000011".into())
        );
        assert_eq!((cloud.host.times(kind), cloud.host.wrong()), (1, vec![]));
        office.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_not_taken_makes_no_call() {
    for (is_legacy, kind) in [(false, "makecall"), (true, "crm_api")] {
        let cloud = itoolabs::Cloud::start().await;
        cloud.is_legacy.store(is_legacy, SeqCst);
        let office = told(&cloud).await;
        // Half of an empty answer is one; there a refusal says so in words.
        let last = if is_legacy { Fault::Mute } else { Fault::Half };
        let faults = [
            Fault::Status(503),
            Fault::TooMany,
            Fault::Page,
            Fault::Slow(2_000),
            last,
        ];
        orders_are_not_taken((&office, "vats"), &cloud.host, kind, &faults).await;
        office.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_recording_is_lost_whatever_the_pbx_answers() {
    let cloud = itoolabs::Cloud::start().await;
    let office = told(&cloud).await;
    let faults = [
        Fault::Status(404),
        Fault::TooMany,
        Fault::Page,
        Fault::Half,
        Fault::Slow(2_500),
    ];
    cloud.host.fail("record", &faults);
    assert_eq!(anna_clicks(&office, "vats").await, 303);
    kept_in_the_end(&office, faults.len(), || cloud.host.is_well()).await;
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_calls_come_whatever_went_wrong_before() {
    let cloud = itoolabs::Cloud::start().await;
    let office = told(&cloud).await;
    first_reading(&office, "vats").await;
    let faults = [
        Fault::Status(500),
        Fault::TooMany,
        Fault::Page,
        Fault::Half,
        Fault::Mute,
        Fault::Slow(2_500),
    ];
    let faults = faults.map(|fault| ("history", fault));
    let remember = |story: &Story| cloud.remember(story);
    past_calls_come((&office, "vats"), &cloud.host, &faults, remember).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_past_calls_than_one_answer_holds_are_read_in_halves() {
    let cloud = itoolabs::Cloud::start().await;
    for number in 0..510 {
        cloud.remember(&past_call(number));
    }
    let office = told(&cloud).await;
    first_reading(&office, "vats").await;
    assert_eq!(calls(&office).await.len(), 510);
    assert!(cloud.host.times("history") > 3);
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_answered_missed_and_passed_on_as_it_happens() {
    let cloud = itoolabs::Cloud::start().await;
    let office = told(&cloud).await;
    calls_as_they_happen(&office, &cloud, Itoolabs::tell, Itoolabs::ledger).await;
    office.close().await;
}

/// Where the list of past calls has other names than events, client and second tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_listed_under_another_name_is_not_doubled() {
    let cloud = itoolabs::Cloud::start().await;
    cloud.names_calls.store(false, SeqCst);
    let office = told(&cloud).await;
    first_reading(&office, "vats").await;
    let (heard, unheard) = (past_call(1), past_call(2));
    let withheld = Story {
        client: None,
        ..past_call(3)
    };
    let tell = async |story: &Story| {
        for sent in cloud.product().tell(story) {
            cloud.deliver(&sent.what).await;
        }
    };
    tell(&heard).await;
    tell(&withheld).await;
    for story in [&heard, &unheard, &withheld] {
        cloud.remember(story);
    }
    let standing = read_now(&office, "vats").await;
    assert_eq!(
        (standing.brought.found, standing.brought.repaired),
        (1, 0),
        "{standing:?}"
    );
    assert_eq!(calls(&office).await.len(), 3);
    // Its events come late, after all: one call again after the next reading.
    tell(&unheard).await;
    read_now(&office, "vats").await;
    assert_eq!(calls(&office).await.len(), 3);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pbx_is_told_the_name_and_the_login_of_the_responsible_manager() {
    let cloud = itoolabs::Cloud::start().await;
    let office = told(&cloud).await;
    assert_eq!(anna_clicks(&office, "vats").await, 303); // makes Roza's card, and Anna responsible
    one_call_with_its_recording(&office).await;
    office.gateway.gateway().desk().refresh_now().await;
    let ask = async |phone: &str, call: &str| {
        let body = format!(
            "cmd=contact&phone={phone}&diversion=74950000099&callid={call}&crm_token={}",
            itoolabs::TOKEN
        );
        let url = office.gateway.url("/hooks/vats");
        let said = answer(office.gateway.client.post(url).body(body)).await;
        assert_eq!(said.status, 200);
        said.text
    };
    let known = r#"{"contact_name":"Roza","responsible":"a.larina"}"#;
    // A slow machine may miss the time for looking up once.
    eventually("Roza's manager is told", async || {
        ask("74950000011", "r1").await == known
    })
    .await;
    assert_eq!(ask("74950000098", "r2").await, "{}");
    eventually("the call says why", async || {
        let calls = calls(&office).await;
        let routed = calls.iter().find(|(key, _)| key == "r1");
        routed.is_some_and(|(_, call)| call.route_reason.as_deref() == Some("owner"))
    })
    .await;
    // Without the table of cards the scheme goes on with its own default, in time.
    office
        .run("alter table card_phone rename to card_phone_away")
        .await;
    assert_eq!(ask("74950000011", "r3").await, "{}");
    office
        .run("alter table card_phone_away rename to card_phone")
        .await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_a_wrong_token_nor_nonsense_gets_in_and_the_journal_keeps_no_token() {
    let cloud = itoolabs::Cloud::start().await;
    let office = told(&cloud).await;
    let post = async |body: String| {
        let url = office.gateway.url("/hooks/vats");
        answer(office.gateway.client.post(url).body(body))
            .await
            .status
    };
    let event = "cmd=event&type=INCOMING&phone=74950000021&user=201&direction=in&callid=77";
    assert_eq!(post(event.to_owned()).await, 401);
    assert_eq!(
        post(format!("{event}&crm_token=another-crm-token")).await,
        401
    );
    assert_eq!(
        post(format!("{event}&crm_token={}", itoolabs::TOKEN)).await,
        200
    );
    assert_eq!(
        post(format!("cmd=reminder&crm_token={}", itoolabs::TOKEN)).await,
        400
    );
    let rows: Vec<(Vec<u8>,)> = ringcard::on_read!(office.gateway.db(), pool => {
        sqlx::query_as("select body from raw").fetch_all(pool).await.unwrap()
    });
    let kept: Vec<String> = rows
        .iter()
        .map(|(body,)| String::from_utf8_lossy(body).into_owned())
        .collect();
    assert!(
        kept.iter().any(|body| body.contains("INCOMING")),
        "{kept:?}"
    );
    assert!(
        kept.iter().any(|body| body.contains("reminder")),
        "{kept:?}"
    );
    assert!(
        kept.iter().all(|body| !body.contains(itoolabs::TOKEN)),
        "{kept:?}"
    );
    assert_eq!(
        recordings(&office).await,
        Vec::<(RecordingState, String)>::new()
    );
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn employees_are_listed_page_by_page_by_their_logins() {
    let cloud = itoolabs::Cloud::start().await;
    let folder = std::env::temp_dir().join(format!("ringcard-family-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder).unwrap();
    let quoted = |text: &str| format!("\"{text}\"");
    let config = cloud
        .settings()
        .replace(&quoted(itoolabs::TOKEN), "\"env:CLOUD_KEY\"")
        .replace(&quoted(itoolabs::KEY), "\"env:CLOUD_SALT\"");
    std::fs::write(folder.join("ringcard.toml"), config).unwrap();
    let secrets = (itoolabs::TOKEN, itoolabs::KEY);
    let listed = command_of(&folder, &["employees", "vats"], secrets).await;
    let text = String::from_utf8(listed.stdout).unwrap();
    let read: toml::Table = text.parse().unwrap();
    let phones: Vec<&str> = read["person"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["extensions"]["vats"][0].as_str().unwrap())
        .collect();
    assert_eq!(phones, ["201", "b.orlov", "d.belova"], "{text}");
    cloud.host.fail("users", &[Fault::Half]);
    let failed = command_of(&folder, &["employees", "vats"], secrets).await;
    assert!(!failed.status.success());
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    std::fs::remove_dir_all(folder).unwrap();
}
