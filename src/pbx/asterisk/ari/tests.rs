//! A connection to the REST interface, from the handshake to the last word.

use crate::{
    model::{event::Fact, time::Timestamp},
    pbx::{
        Command, Decoded, Decoder, Input, Intake, Pbx, PbxError, Shown, Tools,
        asterisk::{
            Account, PROVIDER,
            ari::socket::{Heard, Side, Socket},
        },
    },
};
use std::sync::Arc;
use tungstenite::handshake::derive_accept_key;

const NOW: Timestamp = Timestamp::from_seconds(1_773_728_100);
const DIALS: &str = "over = 'ari'\naddress = '127.0.0.1:8088'\nsecret = 'invented'";
const IS_DIALLED: &str = "over = 'ari'\nari_listen = '127.0.0.1:8071'\nsecret = 'invented'";

fn account(settings: &str) -> Arc<Account> {
    let settings: super::super::Settings = toml::from_str(settings).unwrap();
    settings.check().unwrap();
    Account::new(
        "office".into(),
        settings,
        Tools::of_tests(Default::default()),
    )
}

fn feed(decoder: &mut dyn Decoder, input: Input<'_>) -> Result<Decoded, String> {
    let mut out = Decoded::default();
    match decoder.feed(input, NOW, &mut out) {
        Ok(()) => Ok(out),
        Err(error) => Err(error.to_string() + &String::from_utf8_lossy(&out.send)),
    }
}

/// What we have sent over a WebSocket, as the other side reads it.
fn sent(out: &Decoded) -> Vec<serde_json::Value> {
    read_by(Side::IsDialled, out)
}

fn read_by(side: Side, out: &Decoded) -> Vec<serde_json::Value> {
    let mut socket = Socket::open(side);
    socket.push(&out.send);
    let mut texts = Vec::new();
    while let Some(heard) = socket.next(&mut Vec::new()).unwrap() {
        if let Heard::Text(text) = heard {
            texts.push(serde_json::from_slice(&text).unwrap());
        }
    }
    texts
}

/// The value of a header in what one side says of itself.
fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    headers
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// A message of the PBX.
fn message(json: serde_json::Value) -> Vec<u8> {
    Side::IsDialled.text(&json.to_string())
}

fn answer(id: &str, status: u16, body: serde_json::Value) -> Vec<u8> {
    message(serde_json::json!({
        "type": "RESTResponse", "transaction_id": id, "status_code": status,
        "message_body": body.to_string(), "timestamp": "2026-03-17T06:15:00.000+0000",
    }))
}

/// The PBX's answer to our handshake.
fn welcome(accepted: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accepted}\r\n\r\n"
    )
}

/// Dials and is let in.
fn connected(account: &Arc<Account>) -> Box<dyn Decoder> {
    let mut decoder = account.decoder();
    let asked = feed(&mut *decoder, Input::Opened).unwrap();
    let asked = String::from_utf8(asked.send).unwrap();
    assert!(
        asked.starts_with("GET /ari/events?app=ringcard-office&subscribeAll=true HTTP/1.1\r\n")
    );
    let login = header(&asked, "Authorization");
    assert_eq!(login, Some("Basic cmluZ2NhcmQ6aW52ZW50ZWQ="));
    let key = header(&asked, "Sec-WebSocket-Key").unwrap();
    let welcome = welcome(&derive_accept_key(key.as_bytes()));
    let out = feed(&mut *decoder, Input::Bytes(welcome.as_bytes())).unwrap();
    assert_eq!(sent(&out)[0]["uri"], "asterisk/ping");
    decoder
}

#[test]
fn after_the_first_answer_it_is_ready_and_asks_for_what_lives() {
    let account = account(DIALS);
    let mut decoder = connected(&account);
    let pong = serde_json::json!({ "timestamp": "2026-03-17T06:15:00.250+0000" });
    let out = feed(
        &mut *decoder,
        Input::Bytes(&answer("ringcard/clock", 200, pong)),
    )
    .unwrap();
    assert_eq!(out.notes, ["ready"]);
    let uris: Vec<_> = sent(&out)
        .iter()
        .map(|asked| asked["uri"].clone())
        .collect();
    assert_eq!(uris, ["asterisk/info", "bridges", "channels", "endpoints"]);

    let info = serde_json::json!({ "status": { "startup_time": "2026-03-17T06:00:00.000+0000" } });
    let bridges = serde_json::json!([
        { "id": "b-1", "technology": "simple_bridge", "channels": ["1.7"] },
        { "id": "b-2", "technology": "holding_bridge", "channels": ["1.8"] },
    ]);
    let channel = |id: &str| {
        serde_json::json!({
            "id": id, "name": format!("PJSIP/101-{id}"), "state": "Up",
            "channelvars": { "CHANNEL(linkedid)": "1.5" },
        })
    };
    let lists = [
        answer("ringcard/info", 200, info),
        answer("ringcard/bridges", 200, bridges),
        answer(
            "ringcard/list",
            200,
            serde_json::json!([channel("1.7"), channel("1.8")]),
        ),
    ];
    let out = feed(&mut *decoder, Input::Bytes(&lists.concat())).unwrap();
    let alive = out.alive.unwrap();
    assert_eq!(alive.legs.len(), 2);
    assert_eq!(alive.at.as_millis() % 1_000, 250);
    assert_eq!(
        alive.booted_at,
        Timestamp::parse_rfc3339("2026-03-17T06:00:00Z")
    );
    let entered = out.messages.iter().map(|message| {
        let facts = message.events.iter();
        let bridges = facts.filter(|event| matches!(event.fact, Fact::Enters { .. }));
        bridges.count()
    });
    assert_eq!(
        entered.collect::<Vec<_>>(),
        [1, 0],
        "nobody talks in the second"
    );
    // Each channel stands for itself in the journal.
    for message in &out.messages {
        let mut again = Decoded::default();
        let mut decoder = account.decoder();
        decoder
            .feed(Input::Message(&message.raw), NOW, &mut again)
            .unwrap();
        assert_eq!(again.events, message.events);
    }
}

#[test]
fn who_does_not_let_us_in_is_told_in_its_words() {
    let another = welcome("x");
    for (answer, why) in [
        (
            "HTTP/1.1 401 Unauthorized\r\n\r\n",
            "refused us: 401 Unauthorized",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            "refused us: 403 Forbidden",
        ),
        (
            "HTTP/1.1 404 Not Found\r\n\r\n",
            "does not speak as this PBX does: 404 Not Found",
        ),
        (another.as_str(), "does not speak"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "does not speak"),
    ] {
        let mut decoder = account(DIALS).decoder();
        feed(&mut *decoder, Input::Opened).unwrap();
        let told = feed(&mut *decoder, Input::Bytes(answer.as_bytes())).unwrap_err();
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn an_asterisk_that_takes_no_questions_is_given_up() {
    let mut decoder = connected(&account(DIALS));
    let told = feed(&mut *decoder, Input::Timer).unwrap_err();
    assert!(told.contains("22.4"), "{told}");
}

#[test]
fn who_never_says_anything_is_late_and_not_too_old() {
    for (settings, why) in [(DIALS, "restart it"), (IS_DIALLED, "not connected in time")] {
        let mut decoder = account(settings).decoder();
        assert!(
            feed(&mut *decoder, Input::Opened)
                .unwrap()
                .wake_at
                .is_some()
        );
        let told = feed(&mut *decoder, Input::Timer).unwrap_err();
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn what_no_websocket_says_later_is_told_as_such() {
    let mut decoder = connected(&account(DIALS));
    let told = feed(&mut *decoder, Input::Bytes(&[0xc1, 1, b'x'])).unwrap_err();
    assert!(told.starts_with("not readable: "), "{told}");
}

#[test]
fn signs_of_life_are_given_and_asked_for_and_a_rival_is_told() {
    let mut decoder = connected(&account(DIALS));
    let out = feed(&mut *decoder, Input::Bytes(&[0x89, 2, b'h', b'i'])).unwrap();
    assert_eq!(out.send[0], 0x8a);
    let pong = answer("ringcard/clock", 200, serde_json::json!({}));
    feed(&mut *decoder, Input::Bytes(&pong)).unwrap();
    let out = feed(&mut *decoder, Input::Timer).unwrap();
    assert_eq!(out.send[0], 0x89);
    assert!(out.wake_at.is_some());
    let replaced = message(serde_json::json!({ "type": "ApplicationReplaced" }));
    let told = feed(&mut *decoder, Input::Bytes(&replaced)).unwrap_err();
    assert!(told.contains("another program"), "{told}");
}

/// Sixteen bytes of one who dials.
const KEY: &str = "aW52ZW50ZWQtYnl0ZXMtMQ==";

#[test]
fn only_an_asterisk_with_the_secret_is_let_in() {
    let hello = |login: &str, protocol: &str| {
        format!(
            "GET /ari HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\
             Authorization: Basic {login}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
        )
    };
    let try_with = |hello: &str| {
        let mut decoder = account(IS_DIALLED).decoder();
        assert!(feed(&mut *decoder, Input::Opened).unwrap().send.is_empty());
        feed(&mut *decoder, Input::Bytes(hello.as_bytes()))
    };
    let mut decoder = account(IS_DIALLED).decoder();
    feed(&mut *decoder, Input::Opened).unwrap();
    let good = hello("cmluZ2NhcmQ6aW52ZW50ZWQ=", "ari");
    let out = feed(&mut *decoder, Input::Bytes(good.as_bytes())).unwrap();
    let text = String::from_utf8_lossy(&out.send);
    assert!(
        text.starts_with("HTTP/1.1 101 ") && text.ends_with("\r\n\r\n"),
        "{text}"
    );
    let accepted = header(&text, "Sec-WebSocket-Accept");
    assert_eq!(accepted, Some(&*derive_accept_key(KEY.as_bytes())));
    assert_eq!(header(&text, "Sec-WebSocket-Protocol"), Some("ari"));
    let speaks = Side::Dials.text(r#"{"type":"ApplicationRegistered"}"#);
    let out = feed(&mut *decoder, Input::Bytes(&speaks)).unwrap();
    assert_eq!(read_by(Side::Dials, &out)[0]["uri"], "asterisk/ping");
    let told = try_with(&hello("cmluZ2NhcmQ6d3Jvbmc=", "ari")).unwrap_err();
    assert!(told.contains("401"), "{told}");
    assert!(try_with(&hello("cmluZ2NhcmQ6aW52ZW50ZWQ=", "chat")).is_err());
    for other in ["GET / HTTP/1.1\r\n\r\n", "SSH-2.0-OpenSSH\r\n\r\n"] {
        let told = try_with(other).unwrap_err();
        assert!(told.starts_with("who dials us is not this PBX"), "{told}");
    }
}

#[test]
fn a_channel_without_its_call_is_asked_for_it() {
    let mut decoder = connected(&account(DIALS));
    let created = message(serde_json::json!({
        "type": "ChannelCreated", "timestamp": "2026-03-17T06:15:00.000+0000",
        "channel": { "id": "1.9", "name": "Local/101@a-1;2", "state": "Ring" },
    }));
    let out = feed(&mut *decoder, Input::Bytes(&created)).unwrap();
    assert_eq!(out.notes, ["missing_right_channelvars"]);
    let asked = sent(&out);
    assert_eq!(asked[0]["uri"], "channels/1.9/variable");
    assert_eq!(asked[1]["uri"], "channels/Local%2F101%40a-1%3B1/variable");
    let linked = answer(
        "ringcard/linked/1.9",
        200,
        serde_json::json!({ "value": "1.2" }),
    );
    let out = feed(&mut *decoder, Input::Bytes(&linked)).unwrap();
    let with = "1.9".into();
    assert_eq!(out.messages[0].events[0].call.as_str(), "1.2");
    assert_eq!(out.messages[0].events[0].fact, Fact::SameCall { with });
    let gone = answer(
        "ringcard/linked/1.9",
        404,
        serde_json::json!({ "message": "gone" }),
    );
    assert!(
        feed(&mut *decoder, Input::Bytes(&gone))
            .unwrap()
            .messages
            .is_empty()
    );
}

#[tokio::test]
async fn a_click_is_a_post_and_its_refusal_is_told() {
    let account = account(DIALS);
    let mut decoder = connected(&account);
    let pong = answer("ringcard/clock", 200, serde_json::json!({}));
    feed(&mut *decoder, Input::Bytes(&pong)).unwrap();
    let command = Command::ClickToCall {
        command: "0198-ab".to_owned(),
        extension: "101".into(),
        client: "+74950000077".to_owned(),
    };
    let clicking = account.command(&command);
    let refusing = async {
        let out = Decoded {
            send: account.outgoing().await.to_vec(),
            ..Decoded::default()
        };
        let asked = sent(&out).remove(0);
        assert_eq!(
            (&asked["method"], &asked["uri"]),
            (&"POST".into(), &"channels".into())
        );
        let parameters = asked["query_strings"].to_string();
        for wanted in [
            "PJSIP/101",
            "74950000077",
            "ringcard-0198-ab-peer",
            "\"25\"",
        ] {
            assert!(parameters.contains(wanted), "{parameters}");
        }
        let refused = serde_json::json!({ "message": "Allocation failed" });
        let refused = answer("ringcard/command/0198-ab", 500, refused);
        feed(&mut *decoder, Input::Bytes(&refused)).unwrap()
    };
    let (clicked, told) = tokio::join!(clicking, refusing);
    assert!(matches!(clicked, Err(PbxError::Refused(why)) if why == "Allocation failed"));
    let facts = &told.messages[0].events;
    assert!(matches!(
        &facts[0].fact,
        Fact::CommandResult { ok: false, .. }
    ));
}

#[test]
fn who_is_dialled_over_tls_knows_what_to_show() {
    let secured = format!("{IS_DIALLED}\ntls = true\ntls_certificate = 'c'\ntls_key = 'k'");
    let shown = Some(Shown {
        certificate: "c".into(),
        key: "k".into(),
    });
    let address = "127.0.0.1:8071".parse().unwrap();
    for (settings, shown) in [(secured.as_str(), shown), (IS_DIALLED, None)] {
        assert_eq!(
            account(settings).intake(),
            Intake::Listen { address, shown }
        );
    }
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let tools = || Tools::of_tests(Default::default());
    for (more, why) in [
        ("over = 'ami'\nari_listen = '127.0.0.1:1'", "needs over"),
        (
            "over = 'ari'\naddress = 'a:1'\nari_listen = '127.0.0.1:1'",
            "one side dials",
        ),
        (
            "over = 'ari'\nari_listen = 'somewhere'",
            "an address and a port",
        ),
        ("over = 'ari'\naddress = 'nowhere'", "host:port"),
        (
            "over = 'ari'\naddress = 'a:1'\nsend_on_context = 'x'",
            "Stasis",
        ),
        (
            "over = 'ari'\naddress = 'a:1'\napplication = 'a b'",
            "application",
        ),
        ("over = 'agi'\naddress = 'a:1'", "agi"),
        (
            "over = 'ari'\nari_listen = '127.0.0.1:1'\ntls = true\ntls_key = 'k'",
            "tls_certificate",
        ),
        (
            "over = 'ari'\nari_listen = '127.0.0.1:1'\ntls = true\ntls_ca = 'c'\n\
             tls_certificate = 'c'\ntls_key = 'k'",
            "no more of TLS",
        ),
        (
            "over = 'ari'\nari_listen = '127.0.0.1:1'\ntls_key = 'k'",
            "need tls = true",
        ),
        (
            "over = 'ari'\naddress = 'a:1'\ntls = true\ntls_certificate = 'c'\ntls_key = 'k'",
            "whoever is dialled",
        ),
    ] {
        let table = toml::from_str(&format!("secret = 'invented'\n{more}")).unwrap();
        let told = (PROVIDER.open)("office".into(), table, tools())
            .err()
            .unwrap();
        assert!(told.to_string().contains(why), "{told}");
    }
}
