//! A real Asterisk 22 with SIPp around it: what the journal says of each call is what Asterisk's own
//! log says, recordings are there, and pops went to the people rung.

use std::time::Duration;

use ringcard::{
    model::{
        call::{CallResult, Ended},
        event::{Direction, Side, TransferKind},
        ids::Extension,
    },
    pbx::Command,
};
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use crate::support::{
    asterisk::{ACCOUNT, Lab, SECRET, Scenario},
    office::{Kept, Office},
    scripted::eventually,
};

/// Owned by the manager of phone 101.
const KNOWN: &str = "+74950000077";
const STRANGER: &str = "+74950000055";
/// Numbers of the outside line, each with a way of its own (`tests/asterisk/etc/extensions.conf`).
const ROUTED: &str = "74950000001";
const ONE_PHONE: &str = "74950000010";
const RECORDED: &str = "74950000011";
const GROUP: &str = "74950000020";
const LOCAL_GROUP: &str = "74950000021";
const QUEUE: &str = "74950000030";
const MENU: &str = "74950000040";
const VOICEMAIL: &str = "74950000041";

fn results(calls: &[Kept]) -> Vec<Option<CallResult>> {
    calls.iter().map(|kept| kept.call.result).collect()
}

/// The recording is the PBX's file, byte by byte, and about as long as the conversation.
async fn check_recording(office: &Office, kept: &Kept) {
    let recording = office.recording(kept).await;
    let name = &kept.call.recordings[0].recording;
    let file = std::fs::read(office.lab.recording(name)).expect("the PBX's file");
    let sum = hex::encode(Sha256::digest(&file));
    assert_eq!(recording.sha256.as_deref(), Some(sum.as_str()));
    let (sound, talk) = (
        recording.duration_ms.unwrap_or(0),
        kept.call.talk_ms.unwrap_or(0),
    );
    assert!(
        (sound - talk).abs() < 1_000,
        "{sound} ms of sound, {talk} ms of talk"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_answers() {
    the_owner_answers_in(Office::open().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_answers_on_postgres() {
    the_owner_answers_in(Office::open_on_postgres().await).await;
}

async fn the_owner_answers_in(office: Office) {
    let _anna = office.lab.phone(101, Scenario::answers(1_000));
    office
        .lab
        .world(Scenario::calls(KNOWN, ROUTED, 3_000))
        .finish()
        .await;
    let calls = office.agrees_at_once(1).await;
    let call = &calls[0].call;
    assert_eq!(call.answered_by, Some("101".into()));
    assert_eq!(call.hangup_by, Some(Side::Client));
    assert_eq!(call.route_reason.as_deref(), Some("owner"));
    assert_eq!(office.popped(&calls[0]).await, [1]);
    assert_eq!(office.cards().await, 1, "the client is known");
    check_recording(&office, &calls[0]).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_manager_rings_before_the_third_ring() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::rings());
    let _boris = office.lab.phone(102, Scenario::answers(1_000));
    office
        .lab
        .world(Scenario::calls(KNOWN, ROUTED, 2_000))
        .finish()
        .await;
    let calls = office.agrees(1).await;
    let call = &calls[0].call;
    let rang = |extension: &str| {
        let legs = call.legs.iter();
        legs.filter(|leg| leg.extension() == Some(&extension.into()))
            .find_map(|leg| leg.rang_at)
            .expect("the phone rang")
    };
    let next_ms = rang("102").millis_since(rang("101"));
    assert!((8_000..=10_000).contains(&next_ms), "after {next_ms} ms");
    assert_eq!(call.answered_by, Some("102".into()));
    assert_eq!(call.route_reason.as_deref(), Some("deputy"));
    assert_eq!(office.popped(&calls[0]).await, [1, 2]);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_reach_nobody() {
    let office = Office::open().await;
    let anna = office.lab.phone(101, Scenario::rings());
    office
        .lab
        .world(Scenario::gives_up(STRANGER, ONE_PHONE, 2_000))
        .finish()
        .await;
    anna.finish().await;
    let anna = office.lab.phone(101, Scenario::busy());
    office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 2_000))
        .finish()
        .await;
    anna.finish().await;
    let anna = office.lab.phone(101, Scenario::declines(1_000));
    office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 2_000))
        .finish()
        .await;
    anna.finish().await;
    office
        .lab
        .world(Scenario::calls(STRANGER, MENU, 9_000))
        .finish()
        .await;
    let calls = office.agrees(4).await;
    let expected = [
        CallResult::Abandoned,
        CallResult::Busy,
        CallResult::Rejected,
        CallResult::IvrOnly,
    ];
    assert_eq!(results(&calls), expected.map(Some));
    assert_eq!(calls[0].call.hangup_by, Some(Side::Client));
    assert_eq!(office.popped(&calls[0]).await, [1]);
    assert!(
        office.popped(&calls[1]).await.is_empty(),
        "a busy phone does not ring"
    );
    assert!(office.popped(&calls[3]).await.is_empty());
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
    let calls = office.agrees(1).await;
    assert_eq!(results(&calls), [Some(CallResult::Voicemail)]);
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
    let calls = office.agrees(2).await;
    assert_eq!(office.popped(&calls[0]).await, [1, 2, 3]);
    assert_eq!(office.popped(&calls[1]).await, [1, 2]);
    for kept in &calls {
        assert_eq!(kept.call.answered_by, Some("102".into()));
    }
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_rings_one_after_another() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::rings());
    let _boris = office.lab.phone(102, Scenario::answers(1_000));
    office
        .lab
        .world(Scenario::calls(STRANGER, QUEUE, 12_000))
        .finish()
        .await;
    let calls = office.agrees(1).await;
    let call = &calls[0].call;
    assert_eq!(call.answered_by, Some("102".into()));
    // The queue itself picks up at once: that is no human answer.
    assert!(call.wait_ms.is_some_and(|wait_ms| wait_ms >= 1_000));
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blind_transfer_is_one_call() {
    let office = Office::open().await;
    let _anna = office
        .lab
        .phone(101, Scenario::passes_on(1_000, 2_000, "102"));
    let _boris = office.lab.phone(102, Scenario::answers(1_500));
    office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 8_000))
        .finish()
        .await;
    let calls = office.agrees(1).await;
    check_transfer(&calls[0], TransferKind::Blind);
    assert_eq!(office.popped(&calls[0]).await, [1, 2]);
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
    let calls = office.agrees(1).await;
    let played = [anna.complaints(), second.complaints()].concat();
    assert!(!calls[0].call.transfers.is_empty(), "SIPp: {played}");
    check_transfer(&calls[0], TransferKind::Attended);
    office.close().await;
}

fn check_transfer(kept: &Kept, kind: TransferKind) {
    let call = &kept.call;
    let transfers: Vec<_> = call
        .transfers
        .iter()
        .map(|transfer| (transfer.kind, transfer.from.clone(), transfer.to.clone()))
        .collect();
    assert_eq!(transfers, [(kind, Some("101".into()), Some("102".into()))]);
    assert_eq!(call.answered_by, Some("101".into()));
    assert_eq!(call.direction, Some(Direction::In));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_rings_the_employee_and_then_the_client() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::answers(1_000));
    let client = office.lab.world(Scenario::answers(1_500).talks(3_000));
    let account = office
        .gateway
        .gateway()
        .account(ACCOUNT)
        .expect("the account is open")
        .clone();
    let command = Command::ClickToCall {
        command: uuid::Uuid::now_v7().to_string(),
        extension: Extension::from("101"),
        client: KNOWN.to_owned(),
    };
    account
        .command(&command)
        .await
        .expect("Asterisk takes the command");
    client.finish().await;
    let calls = office.agrees(1).await;
    let call = &calls[0].call;
    assert_eq!(call.direction, Some(Direction::Out));
    assert_eq!(call.answered_by, Some("101".into()));
    assert!(call.legs.iter().any(|leg| leg.initiator));
    check_recording(&office, &calls[0]).await;
    let nobody = Command::ClickToCall {
        command: "x\r\nAction: Command".to_owned(),
        extension: Extension::from("101"),
        client: KNOWN.to_owned(),
    };
    assert!(account.command(&nobody).await.is_err());
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
    office.agrees(2).await;
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
    office.agrees(4).await;
    assert_eq!(office.cards().await, 2, "the known client's and one new");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_during_a_cut_connection_are_known_afterwards() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::answers(500).times(3, 10));
    // One call begins before the cut and ends in it, one lives wholly in it, one begins in it.
    let first = office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 3_000));
    sleep(Duration::from_millis(1_500)).await;
    office.wire.cut();
    first.finish().await;
    office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 1_000))
        .finish()
        .await;
    let last = office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 6_000));
    sleep(Duration::from_millis(1_500)).await;
    office.wire.mend();
    last.finish().await;
    let calls = office.agrees(3).await;
    assert_eq!(results(&calls), [Some(CallResult::Answered); 3]);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_asterisk_leaves_no_call_open() {
    let mut office = Office::open().await;
    let anna = office.lab.phone(101, Scenario::answers(500));
    let client = office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 60_000));
    sleep(Duration::from_secs(3)).await;
    office.lab.kill().await;
    drop((anna, client));
    office.lab.boot(&office.gateway.url("/hooks/office"));
    sleep(Duration::from_millis(500)).await;
    office.until_linked().await;
    let call = office.until_over().await;
    assert_eq!(call.result, Some(CallResult::Answered));
    // Nobody can say when it died, only that it is over.
    assert_eq!((call.ended, call.talk_ms), (Some(Ended::Unknown), None));
    let _anna = office.lab.phone(101, Scenario::answers(500));
    office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 1_000))
        .finish()
        .await;
    office.until_calls(2).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_gateway_goes_on_with_the_call() {
    let mut office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::answers(500).times(2, 10));
    let client = office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 4_000));
    sleep(Duration::from_secs(2)).await;
    office.gateway.restart().await;
    client.finish().await;
    office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 1_000))
        .finish()
        .await;
    let calls = office.agrees(2).await;
    assert_eq!(results(&calls), [Some(CallResult::Answered); 2]);
    office.close().await;
}

/// The real binary, killed as by the kernel, and another gateway on the same data.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gateway_loses_no_call() {
    let mut lab = Lab::plan();
    lab.boot("http://127.0.0.1:9");
    let folder = std::env::temp_dir().join(format!("ringcard-killed-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder).expect("a folder for the binary");
    let store = format!("sqlite:{}", folder.join("ringcard.db").display());
    let mut killed = Binary::serve(&folder, &store, &lab).await;
    let anna = lab.phone(101, Scenario::answers(500).times(2, 10));
    let client = lab.world(Scenario::calls(STRANGER, ONE_PHONE, 5_000));
    sleep(Duration::from_millis(2_500)).await;
    killed
        .child
        .kill()
        .await
        .expect("a child of ours can be killed");
    let office = Office::beside(lab, Some(store)).await;
    client.finish().await;
    let later = office
        .lab
        .world(Scenario::calls(STRANGER, ONE_PHONE, 1_000));
    later.finish().await;
    anna.finish().await;
    let calls = office.agrees(2).await;
    assert_eq!(results(&calls), [Some(CallResult::Answered); 2]);
    office.close().await;
    std::fs::remove_dir_all(folder).expect("the folder can go");
}

/// The gateway as a process of its own.
struct Binary {
    child: tokio::process::Child,
}

impl Binary {
    /// Serves with this store, and events flow.
    async fn serve(folder: &std::path::Path, store: &str, lab: &Lab) -> Self {
        let secret = format!("'{SECRET}'");
        let config = lab.config(lab.ami()).replace(&secret, "'env:LAB_SECRET'");
        std::fs::write(folder.join("ringcard.toml"), config).expect("the folder can be written");
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let address = port.expect("a free port").to_string();
        let child = tokio::process::Command::new(env!("CARGO_BIN_EXE_ringcard"))
            .arg("serve")
            .current_dir(folder)
            .env("LAB_SECRET", SECRET)
            .env("RINGCARD__SERVER__LISTEN", &address)
            .env("RINGCARD__STORE__URL", store)
            .env("RINGCARD__OPS__MIN_FREE_MIB", "1")
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn();
        // Whichever story comes first installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = format!("http://{address}/readyz");
        eventually("the binary hears Asterisk", async || {
            let Ok(answer) = reqwest::get(&url).await else {
                return false;
            };
            let report: serde_json::Value = answer.json().await.unwrap_or_default();
            report["pbx"][ACCOUNT]["up"] == true
        })
        .await;
        Self {
            child: child.expect("the binary is built"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_is_no_talk() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::holds(500, 1_000, 2_000));
    let client = Scenario::calls(STRANGER, ONE_PHONE, 6_000);
    office.lab.world(client).finish().await;
    let calls = office.agrees(1).await;
    let hold_ms = calls[0].call.hold_ms.unwrap_or(0);
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
    let calls = Scenario::calls(STRANGER, ONE_PHONE, 3_000).times(50, 10);
    office.lab.world(calls).finish().await;
    let calls = office.agrees(50).await;
    assert_eq!(results(&calls), vec![Some(CallResult::Answered); 50]);
    office.close().await;
}
