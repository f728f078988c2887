//! From a PBX's word of a recording to the file in our store, through the gateway's own sockets.

use std::{io::Cursor, time::Duration};

use bytes::Bytes;
use futures_util::TryStreamExt;
use ringcard::{
    model::recording::RecordingState,
    on_read, on_write,
    recordings::{
        audio, serve,
        vault::{Vault, VaultError},
    },
    simulator::{dice::Dice, voices},
    store::recordings::{self as rows, Recording},
};
use sha2::{Digest, Sha256};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_string_contains, method, path},
};

use crate::support::{
    gateway::{TestGateway, answer},
    scripted::eventually,
};

const LENGTH_MS: i64 = 12_000;

/// A two-sided recording as a PBX would give it.
fn sound() -> Vec<u8> {
    let file = std::env::temp_dir().join(format!("ringcard-{}.wav", uuid::Uuid::now_v7()));
    voices::record(&file, LENGTH_MS, &mut Dice::new(7)).unwrap();
    let sound = std::fs::read(&file).unwrap();
    std::fs::remove_file(file).unwrap();
    sound
}

/// A gateway with two cloud PBXes whose recordings come from `host`.
async fn gateway(host: &MockServer) -> TestGateway {
    gateway_with(host, "").await
}

/// The same, with a key for its recordings.
async fn gateway_with(host: &MockServer, key: &str) -> TestGateway {
    let config = format!(
        r#"
        [[pbx]]
        name = "cloud"
        type = "sipuni"
        token = "a-token-of-our-own-22x"
        [pbx.recordings]
        hosts = ["127.0.0.1"]
        private_network = true

        [[pbx]]
        name = "office"
        type = "mango"
        vpbx_api_key = "a-key"
        vpbx_api_salt = "a-salt"
        api_url = "{}/vpbx"
        [pbx.recordings]
        hosts = ["127.0.0.1"]
        private_network = true
        "#,
        host.uri()
    );
    TestGateway::start_with(&config, |settings| {
        settings.recordings.poll_ms = 20;
        settings.recordings.encryption_secret = key.to_owned();
    })
    .await
}

async fn only(gateway: &TestGateway) -> Option<Recording> {
    let ids: Vec<(i64,)> = on_read!(gateway.db(), pool => {
        sqlx::query_as("select id from recording").fetch_all(pool).await.unwrap()
    });
    let [(id,)] = ids.as_slice() else {
        return None;
    };
    rows::by_id(gateway.db(), *id).await.unwrap()
}

async fn reaches(gateway: &TestGateway, state: RecordingState) -> Recording {
    eventually(state.as_str(), || async {
        only(gateway)
            .await
            .is_some_and(|recording| recording.state == state)
    })
    .await;
    only(gateway).await.unwrap()
}

/// Sipuni's last word on an answered call, told at this second, with a link to its recording.
async fn call_is_over(gateway: &TestGateway, second: &str, link: &str) {
    let query = [
        ("event", "2"),
        ("call_id", "1773728100.1"),
        ("src_num", "74950000011"),
        ("src_type", "1"),
        ("dst_num", "201"),
        ("dst_type", "2"),
        ("short_src_num", "74950000011"),
        ("short_dst_num", "201"),
        ("pbxdstnum", "74950000001"),
        ("timestamp", second),
        ("call_start_timestamp", "1773728100"),
        ("call_answer_timestamp", "1773728109"),
        ("status", "ANSWER"),
        ("call_record_link", link),
    ];
    let url = gateway.url("/hooks/cloud/a-token-of-our-own-22x");
    let told = answer(gateway.client.get(url).query(&query)).await;
    assert_eq!(told.status, 200, "{}", told.text);
}

/// A signed message of Mango.
async fn mango(gateway: &TestGateway, event: &str, json: &str) {
    let sign = hex::encode(Sha256::digest(format!("a-key{json}a-salt")));
    let fields = [("vpbx_api_key", "a-key"), ("sign", &sign), ("json", json)];
    let told = gateway
        .post_form(&format!("/hooks/office/events/{event}"), &fields)
        .await;
    assert_eq!(told.status, 200, "{}", told.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_told_at_the_end_becomes_a_kept_recording() {
    let host = MockServer::start().await;
    let sound = sound();
    Mock::given(path("/record"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(sound.clone()))
        .expect(1)
        .mount(&host)
        .await;
    let gateway = gateway(&host).await;
    let link = host.uri() + "/record?id=1&hash=secret";
    call_is_over(&gateway, "1773728199", &link).await;
    call_is_over(&gateway, "1773728199", &link).await;
    let kept = reaches(&gateway, RecordingState::Kept).await;
    let expected = audio::inspect(&mut Cursor::new(&sound)).unwrap();
    assert_eq!(kept.sha256.as_ref(), Some(&expected.sha256));
    assert_eq!(kept.duration_ms, Some(LENGTH_MS));
    let name = &expected.sha256;
    let file = gateway
        .folder()
        .join("recordings")
        .join(&name[..2])
        .join(&name[2..4])
        .join(name);
    assert_eq!(std::fs::read(file).unwrap(), sound);
    let vault = Vault::open(&gateway.folder().join("recordings")).unwrap();
    let part = serve::open(&vault, &kept, Some("bytes=0-3"), None).await;
    assert_eq!(part.unwrap().status, 206);
    let (shown,): (Option<String>,) = on_read!(gateway.db(), pool => {
        sqlx::query_as("select recording from call").fetch_one(pool).await.unwrap()
    });
    assert_eq!(shown.as_deref(), Some("kept"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_key_a_recording_lies_sealed_and_is_played_all_the_same() {
    let host = MockServer::start().await;
    let sound = sound();
    Mock::given(path("/record"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(sound.clone()))
        .mount(&host)
        .await;
    let gateway = gateway_with(&host, &"5e".repeat(32)).await;
    let link = host.uri() + "/record?id=1&hash=secret";
    call_is_over(&gateway, "1773728199", &link).await;
    let kept = reaches(&gateway, RecordingState::Kept).await;
    let name = kept.sha256.clone().unwrap();
    assert_eq!(name, hex::encode(Sha256::digest(&sound)));
    assert_eq!(kept.size, Some(sound.len() as i64));
    let folder = gateway.folder().join("recordings");
    let file = folder.join(&name[..2]).join(&name[2..4]).join(&name);
    let sealed = std::fs::read(file).unwrap();
    // Not even 16 bytes of the sound can be seen, be it silence.
    for at in (0..sound.len() - 16).step_by(16) {
        let there = memchr::memmem::find(&sealed, &sound[at..at + 16]);
        assert_eq!(there, None, "bytes from {at}");
    }
    assert!(
        std::fs::read_dir(folder.join(".incoming"))
            .unwrap()
            .next()
            .is_none()
    );
    let vault = &gateway.gateway().site().vault;
    let play = async |range: Option<&str>| {
        let answer = serve::open(vault, &kept, range, None).await.unwrap();
        let pieces: Vec<Bytes> = answer.body.try_collect().await.unwrap();
        (answer.status, pieces.concat())
    };
    assert_eq!(play(None).await, (200, sound.clone()));
    let part = (206, sound[65_000..66_001].to_vec());
    assert_eq!(play(Some("bytes=65000-66000")).await, part);
    let unlocked = Vault::open(&folder).unwrap();
    let refused = serve::open(&unlocked, &kept, None, None).await.err();
    assert!(matches!(refused, Some(VaultError::Cipher(_))));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_behind_a_signed_question_is_asked_for() {
    let host = MockServer::start().await;
    let once = ResponseTemplate::new(302).insert_header("location", host.uri() + "/once");
    Mock::given(method("POST"))
        .and(path("/vpbx/queries/recording/post"))
        .and(body_string_contains("vpbx_api_key=a-key"))
        .respond_with(once)
        .mount(&host)
        .await;
    Mock::given(method("GET"))
        .and(path("/once"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(sound()))
        .mount(&host)
        .await;
    let gateway = gateway(&host).await;
    let call = r#"{"entry_id":"e1","call_id":"c1","timestamp":1773728100,"seq":1,
        "call_state":"Appeared","location":"abonent","from":{"number":"74950000011"},
        "to":{"extension":"201","number":"74950000001"}}"#;
    mango(&gateway, "call", call).await;
    let added = r#"{"entry_id":"e1","recording_id":"cmVj","timestamp":1773728200}"#;
    mango(&gateway, "record/added", added).await;
    let kept = reaches(&gateway, RecordingState::Kept).await;
    assert_eq!(kept.duration_ms, Some(LENGTH_MS));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_better_link_gives_a_recording_that_was_given_up_another_chance() {
    let host = MockServer::start().await;
    let away = ResponseTemplate::new(302).insert_header("location", "http://localhost:9/");
    Mock::given(path("/old"))
        .respond_with(away)
        .mount(&host)
        .await;
    Mock::given(path("/new"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(sound()))
        .mount(&host)
        .await;
    let gateway = gateway(&host).await;
    call_is_over(&gateway, "1773728199", &(host.uri() + "/old?id=1")).await;
    let given_up = reaches(&gateway, RecordingState::Failed).await;
    assert_eq!(given_up.reason, "host_not_allowed");
    call_is_over(&gateway, "1773728205", &(host.uri() + "/new?id=1")).await;
    reaches(&gateway, RecordingState::Kept).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_lists_learn_of_a_recording_without_a_new_call() {
    let host = MockServer::start().await;
    // The call has long been shown when its recording comes.
    let late = ResponseTemplate::new(200)
        .set_body_bytes(sound())
        .set_delay(Duration::from_millis(300));
    Mock::given(path("/record"))
        .respond_with(late)
        .mount(&host)
        .await;
    let gateway = gateway(&host).await;
    call_is_over(&gateway, "1773728199", &(host.uri() + "/record?id=1")).await;
    reaches(&gateway, RecordingState::Fetching).await;
    let mut lists = gateway.gateway().site().hub.any_list();
    lists.mark_unchanged();
    let told = tokio::time::timeout(Duration::from_secs(10), lists.changed()).await;
    assert!(told.is_ok(), "lists were not told");
    reaches(&gateway, RecordingState::Kept).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_takes_up_what_was_being_fetched() {
    let host = MockServer::start().await;
    Mock::given(path("/record"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(sound()))
        .mount(&host)
        .await;
    let mut gateway = gateway(&host).await;
    call_is_over(&gateway, "1773728199", &(host.uri() + "/record?id=1")).await;
    reaches(&gateway, RecordingState::Kept).await;
    // As after a crash in the middle: claimed by nobody who lives, and the lease is over.
    on_write!(gateway.db(), pool => {
        sqlx::query("update recording set state = 'fetching', sha256 = null, kept_at = null")
            .execute(pool)
            .await
            .unwrap();
        sqlx::query("update outbox set state = 'waiting', claimed_until = 1")
            .execute(pool)
            .await
            .unwrap();
    });
    gateway.restart().await;
    let kept = reaches(&gateway, RecordingState::Kept).await;
    assert!(kept.sha256.is_some());
    gateway.stop().await;
}
