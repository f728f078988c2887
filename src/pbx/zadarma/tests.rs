use super::*;
use crate::{
    model::{
        call::{Call, CallResult},
        event::{Direction, Fact},
        phone::NumberingPlan,
    },
    pbx::{Recorded, span::Span},
    tracker,
};

const TOKEN: &str = "Kd83nfhAq0-_zP51mWx7Lq";
const NOW: Timestamp = Timestamp::from_seconds(1_775_460_000); // 2026-04-06 10:20:00 in Moscow

fn table(more: &str) -> toml::Table {
    let text = format!("token = '{TOKEN}'\napi_key = 'k'\napi_secret = 'birch-secret'\n{more}");
    text.parse().unwrap()
}

fn open_with(more: &str) -> Result<Arc<dyn Pbx>, SettingsError> {
    let tools = Tools::of_tests(NumberingPlan::default());
    (PROVIDER.open)("pbx".into(), table(more), tools)
}

fn answer(targets: &[&str], ring_ms: i64, reason: &str, name: Option<&str>) -> String {
    let pbx = open_with("route_calls = true").unwrap();
    let enquiry = Enquiry {
        account: "pbx".into(),
        call: None,
        client: None,
        did: None,
        attempt: 1,
        is_it: None,
        digits: String::new(),
        rung: Vec::new(),
        at: NOW,
    };
    let answer = RouteAnswer {
        targets: targets.iter().map(|&target| target.into()).collect(),
        ring_ms,
        together: false,
        display_name: name.map(str::to_owned),
        reason: reason.to_owned(),
        recorded: Recorded::default(),
    };
    let reply = pbx.format_route(&enquiry, &answer);
    assert_eq!(reply.content_type, "application/json");
    String::from_utf8(reply.body.to_vec()).unwrap()
}

#[test]
fn the_answer_to_a_new_call_names_one_phone_and_its_time() {
    assert_eq!(
        answer(&["301", "302"], 9_500, "owner", Some("Roza\n\"R\"")),
        r#"{"caller_name":"Roza\"R\"","redirect":"301","return_timeout":9}"#
    );
    let short = answer(&["301"], 900, "owner", None);
    assert_eq!(short, r#"{"redirect":"301","return_timeout":3}"#);
    assert_eq!(answer(&[], 0, "default", None), "{}");
    assert_eq!(answer(&["3 01"], 9_000, "owner", None), "{}");
    let blocked = answer(&[], 0, crate::model::event::ROUTE_BLOCKED, Some("Roza"));
    assert_eq!(blocked, r#"{"redirect":"blacklist"}"#);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    assert!(open_with("").is_ok());
    for wrong in [
        "time_zone = 'Mars/Base'",
        "limits = {fast = 1}",
        "user = 'x'",
    ] {
        assert!(open_with(wrong).is_err(), "{wrong}");
    }
    for (key, value) in [("token", "short"), ("api_key", ""), ("api_secret", "")] {
        let mut table = table("");
        table.insert(key.to_owned(), value.into());
        let tools = Tools::of_tests(NumberingPlan::default());
        assert!((NOVOFON.open)("pbx".into(), table, tools).is_err(), "{key}");
    }
}

#[test]
fn without_the_wish_to_route_nothing_is_asked() {
    let start = "event=NOTIFY_START&call_start=2026-04-06+10%3A20%3A00&pbx_call_id=in_1&caller_id=&called_did=";
    for (more, count) in [("", 0), ("route_calls = true", 1)] {
        let request = Request {
            method: "POST".to_owned(),
            path: "/-".to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: start.into(),
            remote: String::new(),
        };
        let mut out = Decoded::default();
        let mut decoder = open_with(more).unwrap().decoder();
        decoder
            .feed(Input::Request(&request), NOW, &mut out)
            .unwrap();
        assert_eq!(out.enquiries.len(), count);
        assert!(!out.events.is_empty());
    }
}

/// The calls of a call log, each as its journal tells it again.
fn calls(rows: serde_json::Value) -> Vec<(String, Call)> {
    let pbx = open_with("").unwrap();
    let rows = rows.as_array().unwrap().clone();
    let mut keys: Vec<String> = Vec::new();
    for row in &rows {
        let key = row["pbx_call_id"].as_str().unwrap().to_owned();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let tell = |key: String| {
        let own: Vec<_> = rows
            .iter()
            .filter(|row| row["pbx_call_id"] == key)
            .collect();
        let mut out = Decoded::default();
        let raw = serde_json::to_vec(&own).unwrap();
        pbx.decoder()
            .feed(Input::Records(&raw), NOW, &mut out)
            .unwrap();
        (key, tracker::derive(&out.events.into_iter().collect()))
    };
    keys.into_iter().map(tell).collect()
}

#[test]
fn rows_of_a_call_make_one_call() {
    let row = |sip: &str, time: &str, said: &str, seconds: u32, id: &str| {
        serde_json::json!({
            "call_id": id, "sip": sip, "callstart": format!("2026-04-06 {time}"),
            "clid": "Anna (74950000021)", "destination": "74950000091", "disposition": said,
            "seconds": seconds, "is_recorded": said == "answered", "pbx_call_id": "in_9",
        })
    };
    let told = calls(serde_json::json!([
        row("302", "10:00:12", "answered", 60, "7.2"),
        row("301", "10:00:00", "no answer", 0, "7.1"),
    ]));
    let [(key, call)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(
        (key.as_str(), call.result),
        ("in_9", Some(CallResult::Answered))
    );
    assert_eq!(call.started_at, Timestamp::from_seconds(1_775_458_800));
    assert_eq!(call.ended_at, Some(Timestamp::from_seconds(1_775_458_872)));
    assert_eq!(call.client.as_ref().unwrap().e164(), Some("+74950000021"));
    assert_eq!(call.did.as_ref().unwrap().e164(), Some("+74950000091"));
    assert_eq!(call.answered_by, Some("302".into()));
    // The log does not say when the talk began, so nothing is made up.
    assert_eq!((call.wait_ms, call.answered_at), (None, None));
    assert_eq!((call.legs.len(), call.recordings.len()), (2, 1));
}

#[test]
fn a_row_of_an_outgoing_call_belongs_to_who_called() {
    let told = calls(serde_json::json!([{
        "call_id": "8.1", "sip": 301, "callstart": "2026-04-06 10:05:00", "clid": "301 (301)",
        "destination": "74950000022", "disposition": "busy", "seconds": "0", "is_recorded": "false",
        "pbx_call_id": "out_9",
    }]));
    let call = &told[0].1;
    assert_eq!(call.direction, Some(Direction::Out));
    assert_eq!(call.result, Some(CallResult::Busy));
    assert_eq!(call.client.as_ref().unwrap().e164(), Some("+74950000022"));
}

#[test]
fn the_call_log_changes_nothing_of_a_call_that_events_told() {
    let folder = "tests/fixtures/pbx/zadarma/answered";
    let settings = std::fs::read_to_string(format!("{folder}/settings.toml")).unwrap();
    let mut table: toml::Table = settings.parse().unwrap();
    table.remove("type");
    let tools = Tools::of_tests(NumberingPlan::default());
    let pbx = (PROVIDER.open)("pbx".into(), table, tools).unwrap();
    let mut events = Vec::new();
    let mut key = String::new();
    let lines = std::fs::read_to_string(format!("{folder}/input.jsonl")).unwrap();
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line["refused"] == true {
            continue;
        }
        let request = Request {
            method: "POST".to_owned(),
            path: line["path"].as_str().unwrap().to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: line["body"].as_str().unwrap().to_owned().into(),
            remote: String::new(),
        };
        let at = Timestamp::parse_rfc3339(line["at"].as_str().unwrap()).unwrap();
        let mut out = Decoded::default();
        pbx.decoder()
            .feed(Input::Request(&request), at, &mut out)
            .unwrap();
        key = out.events[0].call.to_string();
        events.extend(out.events);
    }
    let told = tracker::derive(&events.iter().cloned().collect());
    let row = serde_json::json!([{
        "call_id": "1775458800.41", "sip": "301", "callstart": "2026-04-06 10:00:00",
        "clid": "74950000021", "destination": "74950000091", "disposition": "answered",
        "seconds": 70, "is_recorded": "true", "pbx_call_id": key,
    }]);
    let mut out = Decoded::default();
    let raw = serde_json::to_vec(&row).unwrap();
    pbx.decoder()
        .feed(Input::Records(&raw), NOW, &mut out)
        .unwrap();
    assert!(
        out.events
            .iter()
            .any(|event| matches!(event.fact, Fact::Summary(_)))
    );
    events.extend(out.events);
    assert_eq!(tracker::derive(&events.into_iter().collect()), told);
    assert!(Span::after(None, NOW, 86_400_000).has(told.started_at, told.ended_at.unwrap(), NOW));
}
