//! Conversations with an Asterisk, written by hand after what a real one says.

use std::{
    io::Write,
    time::{Duration, SystemTime},
};

use proptest::prelude::*;

use super::*;
use crate::{
    model::{
        event::{CallEvent, Clock, Direction, Fact, Party, RecordingStage, TransferKind},
        phone::NumberingPlan,
    },
    pbx::{DecodeError, Decoded, Input},
    tracker::{Facts, derive},
};

const NOW: Timestamp = Timestamp::from_seconds(1_773_728_200);
const BRIDGE: &str = "5d0c1f2e-0000-4000-8000-0000000000b1";

fn account() -> Arc<Account> {
    let settings = Settings {
        address: "127.0.0.1:5038".to_owned(),
        secret: "gw-secret".to_owned(),
        ..Settings::default()
    };
    let plan = NumberingPlan::default();
    Account::new("office".into(), settings, Tools::of_tests(plan))
}

/// A channel's block of fields.
fn channel(
    prefix: &str,
    name: &str,
    state: u8,
    number: &str,
    exten: &str,
    ids: (&str, &str),
) -> String {
    let fields = [
        ("Channel", name),
        ("ChannelState", &state.to_string()),
        ("CallerIDNum", number),
        ("CallerIDName", "<unknown>"),
        ("Context", "from-trunk"),
        ("Exten", exten),
        ("Uniqueid", ids.0),
        ("Linkedid", ids.1),
    ];
    fields
        .iter()
        .map(|(key, value)| format!("{prefix}{key}: {value}\r\n"))
        .collect()
}

pub(super) fn event(name: &str, at: &str, fields: &str) -> String {
    format!("Event: {name}\r\nPrivilege: call,all\r\nTimestamp: 1773728{at}\r\n{fields}\r\n")
}

const TRUNK: &str = "PJSIP/provider-00000001";
const PHONE: &str = "PJSIP/101-00000002";
const FIRST: (&str, &str) = ("1773728100.1", "1773728100.1");
const SECOND: (&str, &str) = ("1773728100.2", "1773728100.1");

pub(super) fn client(state: u8) -> String {
    channel("", TRUNK, state, "+74950000077", "74950000001", FIRST)
}

fn phone(prefix: &str, state: u8) -> String {
    channel(prefix, PHONE, state, "101", "s", SECOND)
}

/// A client calls, 101 answers after two seconds, the client hangs up after eight more.
fn answered() -> Vec<String> {
    let bridge = format!("BridgeUniqueid: {BRIDGE}\r\n");
    let dial = client(4) + &phone("Dest", 0);
    let recording =
        "Variable: MIXMONITOR_FILENAME\r\nValue: /var/spool/asterisk/monitor/a/1.wav\r\n";
    vec![
        event("Newchannel", "100.000100", &client(4)),
        event("VarSet", "100.000200", &(client(4) + recording)),
        event("Newchannel", "100.001000", &phone("", 0)),
        event(
            "DialBegin",
            "100.002000",
            &(dial.clone() + "DialString: 101\r\n"),
        ),
        event("Newstate", "100.010000", &phone("", 5)),
        event(
            "DialState",
            "100.010100",
            &(dial.clone() + "DialStatus: RINGING\r\n"),
        ),
        event("Newstate", "102.000000", &phone("", 6)),
        event("DialEnd", "102.000100", &(dial + "DialStatus: ANSWER\r\n")),
        event("Newstate", "102.000200", &client(6)),
        event(
            "BridgeEnter",
            "102.001000",
            &(bridge.clone() + &phone("", 6)),
        ),
        event("BridgeEnter", "102.001100", &(bridge.clone() + &client(6))),
        event(
            "HangupRequest",
            "110.000000",
            &(client(6) + "Cause: 16\r\n"),
        ),
        event("BridgeLeave", "110.000100", &(bridge.clone() + &client(6))),
        event("BridgeLeave", "110.000200", &(bridge + &phone("", 6))),
        event("Hangup", "110.000300", &(phone("", 6) + "Cause: 16\r\n")),
        event("Hangup", "110.000400", &(client(6) + "Cause: 16\r\n")),
    ]
}

fn decode(decoder: &mut dyn Decoder, bytes: &[u8]) -> Decoded {
    let mut out = Decoded::default();
    decoder.feed(Input::Bytes(bytes), NOW, &mut out).unwrap();
    out
}

fn events(decoded: &Decoded) -> Vec<CallEvent> {
    decoded
        .messages
        .iter()
        .flat_map(|message| message.events.clone())
        .collect()
}

pub(super) fn told(blocks: &[String]) -> Vec<CallEvent> {
    events(&decode(
        account().decoder().as_mut(),
        blocks.concat().as_bytes(),
    ))
}

fn call(events: &[CallEvent]) -> crate::model::call::Call {
    derive(&events.iter().cloned().collect::<Facts>())
}

fn fact<'e>(events: &'e [CallEvent], id: &str) -> &'e CallEvent {
    events
        .iter()
        .find(|event| event.id.as_str() == id)
        .unwrap_or_else(|| panic!("no fact {id}"))
}

#[test]
fn an_answered_call_is_understood() {
    let call = call(&told(&answered()));
    assert_eq!(call.direction, Some(Direction::In));
    assert_eq!(
        call.client.as_ref().and_then(|number| number.e164()),
        Some("+74950000077")
    );
    assert_eq!(
        call.did.as_ref().and_then(|number| number.e164()),
        Some("+74950000001")
    );
    assert_eq!(call.answered_by, Some("101".into()));
    assert_eq!((call.wait_ms, call.talk_ms), (Some(2_001), Some(7_999)));
    assert_eq!(call.hangup_by, Some(crate::model::event::Side::Client));
    assert_eq!(call.recordings[0].recording, "a/1.wav");
    assert_eq!(call.recordings[0].stage, RecordingStage::Completed);
}

#[test]
fn facts_are_the_same_wherever_the_stream_is_cut() {
    let stream = answered().concat().into_bytes();
    let whole = events(&decode(account().decoder().as_mut(), &stream));
    for place in 1..stream.len() {
        let account = account();
        let mut decoder = account.decoder();
        let mut found = events(&decode(decoder.as_mut(), &stream[..place]));
        found.extend(events(&decode(decoder.as_mut(), &stream[place..])));
        assert_eq!(found, whole, "cut at {place}");
    }
}

#[test]
fn a_decoder_made_between_two_messages_tells_the_same() {
    let account = account();
    let one_by_one: Vec<CallEvent> = answered()
        .iter()
        .flat_map(|block| events(&decode(account.decoder().as_mut(), block.as_bytes())))
        .collect();
    assert_eq!(one_by_one, told(&answered()));
}

#[test]
fn a_call_that_changes_its_linked_id_stays_one() {
    // 101 asks 102 on a line of its own, then joins the client with 102 (REFER with Replaces).
    let own = ("1773728105.3", "1773728105.3");
    let asked = ("1773728105.4", "1773728105.3");
    let asked_later = ("1773728105.4", "1773728100.1");
    let transfer = [
        "Result: Success\r\n".to_owned(),
        phone("OrigTransferer", 6),
        channel(
            "SecondTransferer",
            "PJSIP/101-00000003",
            6,
            "101",
            "102",
            own,
        ),
        client(6)
            .replace("\r\n", "\r\nTransferee")
            .trim_end_matches("Transferee")
            .to_owned(),
        channel("TransferTarget", "PJSIP/102-00000004", 6, "102", "", asked),
    ];
    // The first line of the transferee's block has no line end before it.
    let transfer = transfer
        .concat()
        .replacen("\r\nChannel:", "\r\nTransfereeChannel:", 1);
    let mut blocks = answered();
    let tail = blocks.split_off(11);
    blocks.push(event(
        "Newchannel",
        "105.000000",
        &channel("", "PJSIP/102-00000004", 0, "102", "s", asked),
    ));
    blocks.push(event("AttendedTransfer", "108.000000", &transfer));
    blocks.push(event(
        "Hangup",
        "109.000000",
        &(channel("", "PJSIP/102-00000004", 6, "102", "", asked_later) + "Cause: 16\r\n"),
    ));
    blocks.extend(tail);
    let events = told(&blocks);
    let facts: Facts = events.iter().cloned().collect();
    let keys: Vec<&str> = crate::tracker::keys(&facts)
        .iter()
        .map(|key| key.as_str())
        .collect();
    for key in [own.0, asked.0, FIRST.0] {
        assert!(keys.contains(&key), "{key} in {keys:?}");
    }
    let passed = fact(&events, "1773728100.2/transfers/1773728108");
    let to = Some("102".into());
    assert_eq!(
        passed.fact,
        Fact::Transfers {
            kind: TransferKind::Attended,
            to
        }
    );
}

#[test]
fn the_first_leg_of_a_click_is_known_as_ours() {
    let ids = ("ringcard-7f", "ringcard-7f");
    let own = |prefix: &str, state| channel(prefix, PHONE, state, "74950000077", "s", ids);
    let blocks = [
        event("Newchannel", "100.000000", &own("", 0)),
        event(
            "DialBegin",
            "100.000100",
            &(own("Dest", 0) + "DialString: 101\r\n"),
        ),
        event(
            "OriginateResponse",
            "102.000000",
            "ActionID: ringcard/command/7f\r\nResponse: Failure\r\nReason: 3\r\nUniqueid: <null>\r\n",
        ),
    ];
    let events = told(&blocks);
    let party = Party::Person("101".into());
    let wanted = Fact::Leg {
        party,
        with: None,
        initiator: true,
    };
    assert_eq!(fact(&events, "ringcard-7f/leg").fact, wanted);
    let result = fact(&events, "ringcard-7f/command");
    assert!(
        matches!(&result.fact, Fact::CommandResult { command, ok: false, .. } if command == "7f")
    );
    let joined = fact(&events, "7f/in/ringcard-7f");
    assert_eq!(joined.fact, Fact::SameCall { with: "7f".into() });
}

#[test]
fn the_client_of_an_outgoing_call_is_in_the_dial_string() {
    let own = ("1773728100.1", "1773728100.1");
    let out = ("1773728100.2", "1773728100.1");
    let caller = channel("", PHONE, 4, "101", "89990000000", own);
    let dest = channel("Dest", TRUNK, 0, "<unknown>", "s", out);
    let blocks = [
        event("Newchannel", "100.000000", &caller),
        event(
            "Newchannel",
            "100.000100",
            &channel("", TRUNK, 0, "<unknown>", "s", out),
        ),
        event(
            "DialBegin",
            "100.000200",
            &(caller.clone() + &dest + "DialString: 74950000077@provider\r\n"),
        ),
    ];
    let call = call(&told(&blocks));
    assert_eq!(call.direction, Some(Direction::Out));
    assert_eq!(
        call.client.as_ref().and_then(|number| number.e164()),
        Some("+74950000077")
    );
}

#[test]
fn an_unreadable_block_is_kept_and_the_next_one_read() {
    let forged = event(
        "Hangup",
        "100.000000",
        &(client(6) + "Uniqueid: 1.1\r\nCause: 16\r\n"),
    );
    let nameless = "Event: Hangup\r\nCause: 16\r\n\r\n".to_owned();
    let blocks = [forged, nameless, answered()[0].clone()];
    let decoded = decode(account().decoder().as_mut(), blocks.concat().as_bytes());
    let errors: Vec<bool> = decoded
        .messages
        .iter()
        .map(|message| message.error.is_some())
        .collect();
    assert_eq!(errors, [true, true, false]);
    assert_eq!(
        decoded.messages[1].error,
        Some(DecodeError::Field("Uniqueid"))
    );
}

fn sent(decoded: &Decoded) -> String {
    String::from_utf8(decoded.send.clone()).unwrap()
}

#[test]
fn a_login_ends_in_the_list_of_what_lives() {
    let account = account();
    let mut decoder = account.decoder();
    let mut out = Decoded::default();
    decoder.feed(Input::Opened, NOW, &mut out).unwrap();
    assert!(sent(&out).starts_with("Action: Challenge\r\n"));
    assert!(out.wake_at.is_some());
    let greeting = b"Asterisk Call Manager/11.0.0\r\nResponse: Success\r\nActionID: ringcard/challenge\r\nChallenge: 840415273\r\n\r\n";
    let out = decode(decoder.as_mut(), greeting);
    // MD5 of "840415273gw-secret".
    assert!(
        sent(&out).contains("Key: b5a2520865fecc73b4eea7d0878d8e6d\r\n"),
        "{}",
        sent(&out)
    );
    let out = decode(
        decoder.as_mut(),
        b"Response: Success\r\nActionID: ringcard/login\r\n\r\nEvent: FullyBooted\r\nUptime: 60\r\n\r\n",
    );
    assert!(out.notes.contains(&session::READY));
    assert!(sent(&out).contains("Action: Ping\r\nActionID: ringcard/clock\r\n"));
    let out = decode(
        decoder.as_mut(),
        b"Response: Success\r\nActionID: ringcard/clock\r\nPing: Pong\r\nTimestamp: 1773728199.500000\r\n\r\n",
    );
    assert!(sent(&out).contains("ActionID: ringcard/channels/1773728199.500000\r\n"));
    for list in ["DeviceStateList", "ExtensionStateList", "QueueStatus"] {
        assert!(
            sent(&out).contains(&format!("Action: {list}\r\n")),
            "{list}"
        );
    }
    let id = "ActionID: ringcard/channels/1773728199.500000\r\n";
    let list = [
        format!(
            "Event: CoreShowChannel\r\n{id}{}BridgeId: {BRIDGE}\r\n\r\n",
            phone("", 6)
        ),
        format!("Event: CoreShowChannelsComplete\r\n{id}ListItems: 1\r\n\r\n"),
    ];
    let out = decode(decoder.as_mut(), list.concat().as_bytes());
    let alive = out.alive.as_ref().unwrap();
    assert_eq!(alive.legs, [SECOND.0.into()]);
    assert_eq!(alive.at, Timestamp::from_millis(1_773_728_199_500));
    assert_eq!(alive.booted_at, Some(NOW.plus_millis(-60_000)));
    let up = events(&out);
    let up = fact(&up, "1773728100.2/up");
    assert_eq!((up.clock, up.at), (Clock::NoLaterThan, alive.at));
}

#[test]
fn a_refused_login_ends_the_connection_with_its_reason() {
    let refused =
        b"Response: Error\r\nActionID: ringcard/login\r\nMessage: Authentication failed\r\n\r\n";
    let mut out = Decoded::default();
    let error = account()
        .decoder()
        .feed(Input::Bytes(refused), NOW, &mut out)
        .unwrap_err();
    assert!(error.to_string().contains("Authentication failed"));
}

#[test]
fn missing_rights_are_told() {
    let rights = b"Response: Success\r\nActionID: ringcard/rights\r\nGetvar: Gets a variable (Priv: call,reporting,all)\r\nRedirect: x\r\nCoreShowChannels: x\r\n\r\n";
    let out = decode(account().decoder().as_mut(), rights);
    assert_eq!(out.notes, ["missing_right_originate"]);
}

/// What the account wants to say next, as text.
async fn said(account: &Account) -> String {
    String::from_utf8(account.outgoing().await.to_vec()).unwrap()
}

fn told_in_answer(account: &Account, said: &str, more: &str) {
    let id = said
        .lines()
        .find_map(|line| line.strip_prefix("ActionID: "))
        .unwrap();
    let answer = format!("Response: Success\r\nActionID: {id}\r\n{more}\r\n");
    decode(account.decoder().as_mut(), answer.as_bytes());
}

/// Sends the client on; the PBX says that they are connected with `peer`.
async fn sent_on(peer: &str) -> (Result<(), PbxError>, String) {
    let account = account();
    let login = b"Response: Success\r\nActionID: ringcard/login\r\n\r\n";
    decode(account.decoder().as_mut(), login);
    let asker = Arc::clone(&account);
    let routed = tokio::spawn(async move {
        let answer = RouteAnswer {
            targets: vec!["101".into()],
            ring_ms: 9_500,
            together: false,
            display_name: None,
            reason: "owner".to_owned(),
            recorded: Default::default(),
        };
        asker
            .route(&"1773728100.7".into(), &"101".into(), &answer, "c1")
            .await
    });
    let ring = said(&account).await;
    assert!(ring.starts_with("Action: Setvar\r\n"), "{ring}");
    told_in_answer(&account, &ring, "");
    let question = said(&account).await;
    assert!(question.contains("Variable: BRIDGEPEER\r\n"), "{question}");
    told_in_answer(&account, &question, &format!("Value: {peer}\r\n"));
    let mut last = String::new();
    if peer.is_empty() {
        last = said(&account).await;
        told_in_answer(&account, &last, "");
    }
    (routed.await.unwrap(), last)
}

#[tokio::test(start_paused = true)]
async fn a_client_is_sent_on_unless_somebody_has_answered() {
    let (result, last) = sent_on("").await;
    assert!(result.is_ok());
    assert!(last.starts_with("Action: Redirect\r\n"), "{last}");
    let (result, _) = sent_on("PJSIP/102-00000002").await;
    assert!(matches!(result, Err(PbxError::Refused(_))), "{result:?}");
}

#[test]
fn nobody_hears_anybody_in_a_bridge_that_only_holds() {
    let enters = |technology: &str| {
        let fields = format!(
            "{}BridgeUniqueid: {BRIDGE}\r\nBridgeTechnology: {technology}\r\n",
            client(6)
        );
        let told = told(&[event("BridgeEnter", "101.000000", &fields)]);
        let is_in = |event: &CallEvent| matches!(event.fact, Fact::Enters { .. });
        told.iter().any(is_in)
    };
    assert!(enters("simple_bridge"));
    assert!(!enters("holding_bridge"));
}

/// Everybody in a conference has come with a call of their own.
#[test]
fn whoever_is_in_a_room_is_in_one_call() {
    let enters = |ids: (&str, &str), technology: &str| {
        let fields = format!(
            "{}BridgeUniqueid: {BRIDGE}\r\nBridgeTechnology: {technology}\r\n",
            channel("", "PJSIP/101-00000009", 6, "101", "650", ids)
        );
        let told = told(&[event("BridgeEnter", "101.000000", &fields)]);
        let with = BRIDGE.into();
        told.iter().any(|event| {
            event.call.as_str() == ids.1
                && event.fact
                    == Fact::SameCall {
                        with: Clone::clone(&with),
                    }
        })
    };
    assert!(enters(("1773728100.8", "1773728100.8"), "softmix"));
    assert!(enters(("1773728100.9", "1773728100.9"), "softmix"));
    assert!(!enters(("1773728100.9", "1773728100.9"), "simple_bridge"));
}

#[test]
fn the_log_confirms_who_was_parked() {
    let fields = "ParkeeChannel: PJSIP/trunk-00000001\r\nParkeeUniqueid: 1773728100.1\r\n\
                  ParkeeLinkedid: 1773728100.1\r\nParkingSpace: 801\r\n";
    let live = told(&[
        event("ParkedCall", "120.100000", fields),
        event("UnParkedCall", "125.100000", fields),
    ]);
    let rows = [("PARK_START", "120.100100"), ("PARK_END", "125.100100")].map(|(kind, at)| {
        row(
            kind,
            at,
            ("74950000077", "74950000001", "PJSIP/trunk-00000001"),
            ("", ""),
            ("1773728100.1", "1773728100.1"),
            "{}",
        )
    });
    let ids = |events: &[CallEvent]| -> Vec<(String, Fact)> {
        let told = events.iter();
        told.map(|event| (event.id.to_string(), event.fact.clone()))
            .collect()
    };
    assert_eq!(ids(&live), ids(&logged(&rows)));
    assert_eq!(live.len(), 2);
}

#[test]
fn the_sip_call_id_is_asked_for_and_learnt() {
    let out = decode(account().decoder().as_mut(), answered()[0].as_bytes());
    let asked = sent(&out);
    assert!(
        asked.contains("Variable: CHANNEL(pjsip,call-id)\r\n"),
        "{asked}"
    );
    let answer = "Response: Success\r\nActionID: ringcard/sip/1773728100.1 1773728100.1\r\nVariable: CHANNEL(pjsip,call-id)\r\nValue: c0ffee@198.51.100.7\r\n\r\n";
    let told = told(&[answer.to_owned()]);
    let sip_call_id = "c0ffee@198.51.100.7".to_owned();
    assert_eq!(
        fact(&told, "1773728100.1/sip").fact,
        Fact::SipCallId { sip_call_id }
    );
}

#[test]
fn the_dialplan_asks_who_should_ring() {
    let request = Request {
        method: "GET".to_owned(),
        path: "/route".to_owned(),
        query: "uid=5.1&linkedid=5.1&did=74950000001&from=%2B74950000077&attempt=2&last=NOANSWER"
            .to_owned(),
        headers: Vec::new(),
        body: Bytes::new(),
        remote: "127.0.0.1".to_owned(),
    };
    let mut out = Decoded::default();
    account()
        .decoder()
        .feed(Input::Request(&request), NOW, &mut out)
        .unwrap();
    let enquiry = &out.enquiries[0];
    assert_eq!(enquiry.call, Some("5.1".into()));
    assert_eq!(
        enquiry.client.as_ref().and_then(|number| number.e164()),
        Some("+74950000077")
    );
    assert_eq!(enquiry.attempt, 2);
}

// ---- the event log

/// The rows of the same call as [`answered`]; the log is a little ahead of the manager interface.
fn log() -> Vec<String> {
    let bridge = format!("{{\"\"bridge_id\"\":\"\"{BRIDGE}\"\"}}");
    let hung_up = format!("{{\"\"hangupcause\"\":16,\"\"hangupsource\"\":\"\"{TRUNK}\"\"}}");
    let client = |kind: &str, at: &str, app: (&str, &str), extra: &str| {
        row(
            kind,
            at,
            ("+74950000077", "74950000001", TRUNK),
            app,
            FIRST,
            extra,
        )
    };
    let phone = |kind: &str, at: &str, app: (&str, &str), extra: &str| {
        row(kind, at, ("101", "s", PHONE), app, SECOND, extra)
    };
    let called = ("AppDial", "(Outgoing Line)");
    let none = ("", "");
    vec![
        client("CHAN_START", "100.000050", none, ""),
        client("APP_START", "100.000150", ("MixMonitor", "a/1.wav,b"), ""),
        phone("CHAN_START", "100.000900", none, ""),
        phone("ANSWER", "101.999900", called, ""),
        client("ANSWER", "102.000100", ("Dial", "PJSIP/101,30"), ""),
        phone("BRIDGE_ENTER", "102.000950", called, &bridge),
        client("BRIDGE_ENTER", "102.001050", none, &bridge),
        client("BRIDGE_EXIT", "110.000050", none, &bridge),
        phone("BRIDGE_EXIT", "110.000150", called, &bridge),
        phone("HANGUP", "110.000250", called, &hung_up),
        client("HANGUP", "110.000350", none, &hung_up),
        client("LINKEDID_END", "110.000350", none, ""),
    ]
}

fn row(
    kind: &str,
    at: &str,
    (number, exten, channel): (&str, &str, &str),
    (application, data): (&str, &str),
    (unique, linked): (&str, &str),
    extra: &str,
) -> String {
    let columns = [
        kind,
        &format!("1773728{at}"),
        "",
        number,
        "",
        "",
        "",
        exten,
        "from-trunk",
        channel,
        application,
        data,
        "3",
        "",
        unique,
        linked,
        "",
        "",
        "",
        extra,
    ];
    let quoted: Vec<String> = columns.iter().map(|text| format!("\"{text}\"")).collect();
    quoted.join(",") + "\n"
}

fn read(account: &Account, text: &str) -> Vec<crate::pbx::Message> {
    let rows = rows::Rows {
        account: &account.name,
        directory: &account.directory,
        now: NOW,
    };
    rows.messages(text.as_bytes(), false)
}

fn logged(rows: &[String]) -> Vec<CallEvent> {
    let messages = read(&account(), &rows.concat());
    messages
        .into_iter()
        .flat_map(|message| message.events)
        .collect()
}

#[test]
fn the_log_alone_gives_the_same_call() {
    let (live, past) = (call(&told(&answered())), call(&logged(&log())));
    assert_eq!(past.direction, live.direction);
    assert_eq!(past.client, live.client);
    assert_eq!(past.did, live.did);
    assert_eq!(past.result, live.result);
    assert_eq!(past.answered_by, live.answered_by);
    assert_eq!(past.hangup_by, live.hangup_by);
    assert_eq!(past.recordings, live.recordings);
    assert_eq!((past.wait_ms, past.talk_ms), (Some(2_001), Some(7_999)));
}

#[test]
fn a_spool_elsewhere_makes_no_second_recording() {
    let moved = |messages: Vec<String>| -> Vec<String> {
        let old = "/var/spool/asterisk/monitor/";
        let elsewhere = |message: String| message.replace(old, "/srv/pbx/spool/monitor/");
        messages.into_iter().map(elsewhere).collect()
    };
    let mut both = told(&moved(answered()));
    both.extend(logged(&log()));
    let call = call(&both);
    assert_eq!(call.recordings.len(), 1, "{:?}", call.recordings);
    assert_eq!(call.recordings[0].recording, "a/1.wav");
}

#[test]
fn the_log_confirms_what_was_heard_live() {
    let live: Facts = told(&answered()).into_iter().collect();
    let mut both = live.clone();
    both.extend(logged(&log()));
    // Only what the log alone says is new: that a channel was called, and the last word.
    assert_eq!(both.len(), live.len() + 2);
    let (with_log, without) = (derive(&both), derive(&live));
    assert_eq!(with_log.result, without.result);
    assert_eq!(with_log.talk_ms, without.talk_ms);
    assert_eq!(with_log.legs.len(), without.legs.len());
}

#[test]
fn a_busy_phone_has_not_rung() {
    let extra = "{\"\"hangupcause\"\":17,\"\"hangupsource\"\":\"\"\"\"}";
    let rows = [
        row(
            "CHAN_START",
            "100.1",
            ("101", "s", PHONE),
            ("", ""),
            SECOND,
            "",
        ),
        row(
            "HANGUP",
            "100.2",
            ("101", "s", PHONE),
            ("AppDial", ""),
            SECOND,
            extra,
        ),
    ];
    let facts = logged(&rows);
    assert!(!facts.iter().any(|event| event.fact == Fact::Rings));
}

#[test]
fn a_broken_row_is_a_dead_letter_and_the_others_count() {
    let rows = log();
    let text = format!("{}\"ANSWER\",\"17737\n{}", rows[0], rows[10]);
    let broken = read(&account(), &text);
    assert!(broken.iter().any(|message| message.error.is_some()));
    let text = format!("{}\"ANSWER\",\"17737\"\n{}", rows[0], rows[10]);
    let messages = read(&account(), &text);
    let errors: Vec<bool> = messages
        .iter()
        .map(|message| message.error.is_some())
        .collect();
    assert_eq!(errors, [false, true]);
    let ends = |event: &CallEvent| event.id.as_str() == "1773728100.1/ends";
    assert!(messages[0].events.iter().any(ends));
}

/// One input that came before, read by a decoder of its own.
fn again(input: Input<'_>) -> Result<Decoded, crate::pbx::DecodeError> {
    let mut out = Decoded::default();
    account().decoder().feed(input, NOW, &mut out)?;
    Ok(out)
}

#[test]
fn a_message_read_again_says_the_same_and_the_connection_hears_nothing() {
    let heard = decode(account().decoder().as_mut(), answered().concat().as_bytes());
    assert!(!heard.messages.is_empty());
    for message in &heard.messages {
        let read = again(Input::Message(&message.raw)).unwrap();
        assert_eq!(read.events, message.events);
        assert!(read.messages.is_empty() && read.send.is_empty());
    }
    // A block that was too long is kept only in part, and half a block says something else.
    let mut cut = heard.messages[0].raw.to_vec();
    cut.resize(wire::KEPT_OF_TOO_LONG, b'x');
    assert!(again(Input::Message(&cut)).is_err());
    let login = b"Response: Success\r\nActionID: ringcard/login\r\nMessage: welcome\r\n";
    let read = again(Input::Message(login)).unwrap();
    assert!(read.events.is_empty() && read.send.is_empty());
}

#[test]
fn rows_of_the_log_read_again_say_the_same() {
    let text = log().concat();
    for message in read(&account(), &text) {
        let again = again(Input::Records(&message.raw)).unwrap();
        assert_eq!(again.events, message.events);
    }
    assert!(again(Input::Records(b"\"ANSWER\",\"17737\"\n")).is_err());
}

/// A folder for one test's log.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringcard-cel-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn append(&self, text: &str) {
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn log(&self) -> PathBuf {
        self.0.join("ringcard.csv")
    }

    /// Rotates the log under this number; the next one is written later.
    fn put_away(&self, number: u32) {
        let path = self.0.join(format!("ringcard.csv.{number}"));
        std::fs::rename(self.log(), &path).unwrap();
        let others = std::fs::read_dir(&self.0).unwrap().count() as u64;
        let file = std::fs::File::options().write(true).open(path).unwrap();
        let written_at = SystemTime::now() - Duration::from_secs(3_600 - 60 * others);
        file.set_modified(written_at).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder left behind in the temporary directory harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn page(folder: &Folder, cursor: Option<&str>) -> Page {
    let account = account();
    let rows = rows::Rows {
        account: &account.name,
        directory: &account.directory,
        now: NOW,
    };
    cel::page(&folder.log(), cursor, &rows).unwrap()
}

/// Reads to the end; gives the kinds of rows read and the cursor.
fn drain(folder: &Folder, cursor: Option<&str>) -> (usize, String) {
    let mut cursor = cursor.map(str::to_owned);
    let mut rows = 0;
    loop {
        let page = page(folder, cursor.as_deref());
        rows += page
            .messages
            .iter()
            .map(|message| message.raw.iter().filter(|byte| **byte == b'\n').count())
            .sum::<usize>();
        cursor = Some(page.cursor);
        if !page.more {
            return (rows, cursor.unwrap_or_default());
        }
    }
}

#[test]
fn the_log_is_followed_across_half_rows_and_rotation() {
    let folder = Folder::new("rotation");
    let rows = log();
    folder.append(&rows[..3].concat());
    folder.append(&rows[3][..20]);
    let (read, cursor) = drain(&folder, None);
    assert_eq!(read, 3, "half a row waits");
    folder.append(&rows[3][20..]);
    folder.append(&rows[4]);
    std::fs::rename(folder.log(), folder.0.join("ringcard.csv.1")).unwrap();
    folder.append(&rows[5..].concat());
    let (read, cursor) = drain(&folder, Some(&cursor));
    assert_eq!(read, 9, "the rest of the old file, then the new one");
    assert_eq!(drain(&folder, Some(&cursor)), (0, cursor.clone()));
    std::fs::write(folder.log(), &rows[0]).unwrap();
    assert_eq!(drain(&folder, Some(&cursor)).0, 1, "emptied in place");
}

#[test]
fn no_rotation_is_skipped_however_many_there_were() {
    let folder = Folder::new("rotations");
    let rows = log();
    folder.append(&rows[..2].concat());
    let (_, cursor) = drain(&folder, None);
    // Away for three nights; the oldest file has got the name that sorts last.
    for (night, more) in [(3, &rows[2..4]), (1, &rows[4..7]), (2, &rows[7..8])] {
        folder.append(&more.concat());
        folder.put_away(night);
    }
    std::fs::write(folder.0.join("ringcard.csv.4.gz"), "not to be read\n").unwrap();
    let (read, cursor) = drain(&folder, Some(&cursor));
    assert_eq!(read, 6, "also while the new file is not there yet");
    folder.append(&rows[8..].concat());
    let (read, cursor) = drain(&folder, Some(&cursor));
    assert_eq!(read, rows.len() - 8);
    assert_eq!(drain(&folder, Some(&cursor)), (0, cursor.clone()));
    // Thrown away what was read last: all that is left is newer.
    std::fs::remove_file(folder.log()).unwrap();
    folder.append(&rows[0]);
    folder.put_away(5);
    folder.append(&rows[1]);
    for night in [1, 2, 3] {
        std::fs::remove_file(folder.0.join(format!("ringcard.csv.{night}"))).unwrap();
    }
    assert_eq!(drain(&folder, Some("1:0")).0, 2);
}

#[test]
fn the_log_read_in_pieces_tells_the_same_call() {
    let whole = Folder::new("whole");
    whole.append(&log().concat());
    let told = |page: Page| page.messages.into_iter().flat_map(|message| message.events);
    let at_once = derive(&told(page(&whole, None)).collect());
    let piece = Folder::new("piece");
    let mut facts = Facts::new();
    for row in log() {
        std::fs::write(piece.log(), row).unwrap();
        facts.extend(told(page(&piece, None)));
    }
    assert_eq!(derive(&facts), at_once);
    let phone = at_once.legs.iter().find(|leg| leg.extension().is_some());
    let phone = phone.expect("a phone was called");
    assert!(phone.rang_at < phone.answered_at, "{phone:?}");
}

#[test]
fn without_a_cursor_only_the_last_day_is_told() {
    let folder = Folder::new("first");
    folder.append(&log()[0].replace("1773728100.000050", "1773600000.000050"));
    folder.append(&log()[1]);
    assert_eq!(drain(&folder, None).0, 1);
}

#[test]
fn settings_that_cannot_work_are_told() {
    let open = |text: &str| {
        let plan = NumberingPlan::default();
        (PROVIDER.open)(
            "office".into(),
            text.parse().unwrap(),
            Tools::of_tests(plan),
        )
    };
    assert!(open("address = '127.0.0.1:5038'\nsecret = 's'").is_ok());
    for wrong in [
        "",
        "address = '127.0.0.1'\nsecret = 's'",
        "address = '127.0.0.1:5038'",
        "address = '127.0.0.1:5038'\nsecret = 's'\ndial_prefix = '8w'",
        "address = '127.0.0.1:5038'\nsecret = 's'\nsecrett = 's'",
        "address = '127.0.0.1:5038'\nsecret = 's'\nsend_on_context = 'a,b'",
        "address = '127.0.0.1:5038'\nsecret = 's'\nroute_token = 't'\nagi_listen = '4573'",
        "address = '127.0.0.1:5038'\nsecret = 's'\nagi_listen = '127.0.0.1:4573'",
    ] {
        assert!(open(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let account = account();
        let mut out = Decoded::default();
        let _ = account.decoder().feed(Input::Bytes(&bytes), NOW, &mut out);
        let _ = read(&account, &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn damaged_conversations_are_survived(
        place in 0_usize..6_000,
        byte in any::<u8>(),
        length in 0_usize..40,
    ) {
        let account = account();
        let mut stream = answered().concat().into_bytes();
        let place = place.min(stream.len());
        let end = (place + length).min(stream.len());
        stream.splice(place..end, [byte]);
        let mut out = Decoded::default();
        let _ = account.decoder().feed(Input::Bytes(&stream), NOW, &mut out);
        for message in &out.messages {
            prop_assert!(message.error.is_none() != message.events.is_empty());
        }
    }
}
