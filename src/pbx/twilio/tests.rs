use super::*;
use crate::{
    model::{
        call::{Call, CallResult, LegResult},
        event::{Cause, Direction},
        ids::Extension,
        phone::NumberingPlan,
    },
    pbx::Recorded,
    tracker,
};

const NOW: Timestamp = Timestamp::from_seconds(1_775_460_000);
const TABLE: &str = "hook_url = 'https://calls.example.org/hooks/cedar/'\naccount_sid = 'AC1'\n\
    auth_token = 'cedar'\notherwise = ['+74950000039']\n";
const MORE: &str = "line = '+74950000003'\n[phones]\n301 = '+74950000031'\n\
    302 = 'sip:302@office.example'\n303 = 'client:daria'\n";

fn tools() -> Tools {
    Tools::of_tests(NumberingPlan::default())
}

fn settings(more: &str) -> Settings {
    let table: Settings = toml::from_str(&format!("{TABLE}{more}{MORE}")).unwrap();
    table.whole().unwrap()
}

fn twiml(more: &str, targets: &[&str], attempt: u32, together: bool) -> String {
    let as_ever = Recorded::default();
    answered(more, targets, (attempt, together), as_ever)
}

fn answered(
    more: &str,
    targets: &[&str],
    (attempt, together): (u32, bool),
    recorded: Recorded,
) -> String {
    let enquiry = Enquiry {
        account: "pbx".into(),
        call: Some("CA7".into()),
        client: None,
        did: None,
        attempt,
        is_it: None,
        digits: String::new(),
        rung: Vec::new(),
        at: NOW,
    };
    let answer = RouteAnswer {
        targets: targets.iter().map(|&target| target.into()).collect(),
        ring_ms: 10_000,
        together,
        display_name: None,
        reason: "owner".to_owned(),
        recorded,
    };
    twiml::route(&settings(more), &enquiry, &answer)
}

#[test]
fn the_answer_rings_one_and_says_where_to_ask_what_comes_next() {
    let told = twiml("", &["301", "302"], 1, false);
    assert!(told.contains(r#"timeout="10""#), "{told}");
    let action =
        r#"action="https://calls.example.org/hooks/cedar/dial-action?attempt=1&amp;to=301""#;
    assert!(told.contains(action), "{told}");
    assert!(
        told.contains(">+74950000031</Number>") && !told.contains("302"),
        "{told}"
    );
    assert!(!told.contains("record="), "{told}");
    let recorded = twiml("record = true\n", &["302"], 2, false);
    assert!(
        recorded.contains(">sip:302@office.example</Sip>"),
        "{recorded}"
    );
    assert!(recorded.contains("recording?call=CA7\""), "{recorded}");
}

#[test]
fn a_line_that_is_not_recorded_is_not_whoever_rings() {
    let never = Recorded {
        never: true,
        ..Recorded::default()
    };
    for (targets, attempt) in [(&["301"][..], 1), (&["302"], 2), (&[], 3)] {
        let told = answered("record = true\n", targets, (attempt, false), never.clone());
        assert!(told.contains("<Dial") && !told.contains("record"), "{told}");
    }
}

/// Which attempt a posted question asks about, if it asks.
fn asks(path: &str, query: &str, body: &str) -> Option<u32> {
    let pbx = (PROVIDER.open)(
        "pbx".into(),
        format!("{TABLE}{MORE}").parse().unwrap(),
        tools(),
    );
    let request = Request {
        method: "POST".to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: Vec::new(),
        body: format!("CallSid=CA1&From=%2B74950000021&To=%2B74950000003&{body}").into(),
        remote: String::new(),
    };
    let mut out = Decoded::default();
    let input = Input::Request(&request);
    pbx.unwrap().decoder().feed(input, NOW, &mut out).unwrap();
    out.enquiries.first().map(|enquiry| enquiry.attempt)
}

#[test]
fn after_a_failure_the_call_goes_on_from_where_it_was() {
    let url =
        |rest: &str| format!("ErrorUrl=https%3A%2F%2Fcalls.example.org%2Fhooks%2Fcedar%2F{rest}");
    let action = |rest: &str| url(&format!("dial-action%3Fattempt%3D2%26to%3D301{rest}"));
    for (body, attempt) in [
        (url("voice"), Some(1)),
        (String::new(), Some(1)),
        (action(""), Some(3)),
        (format!("{}&DialCallStatus=no-answer", action("")), Some(3)),
        (format!("{}&DialCallStatus=completed", action("")), None),
        (action("%26last%3D1"), None),
    ] {
        assert_eq!(asks("/fallback", "", &body), attempt, "{body}");
    }
}

#[test]
fn nobody_rings_for_a_caller_who_is_gone() {
    for word in ["completed", "no-answer", "canceled", "busy", "failed"] {
        let gone = format!("CallStatus={word}");
        assert_eq!(asks("/voice", "", &gone), None, "{word}");
        let action = format!("DialCallStatus=no-answer&{gone}");
        assert_eq!(asks("/dial-action", "attempt=1", &action), None, "{word}");
    }
    let action = "DialCallStatus=no-answer&CallStatus=in-progress";
    assert_eq!(asks("/dial-action", "attempt=1", action), Some(2));
    assert_eq!(asks("/voice", "", "CallStatus=ringing"), Some(1));
}

#[test]
fn orders_of_other_programs_are_none_of_ours() {
    let words = Words {
        account: "pbx".into(),
        numbers: Numbers::new(NumberingPlan::default()),
        settings: Arc::new(settings("")),
    };
    let ours = |from: &str, to: &str| {
        let order =
            serde_json::json!({"sid": "CA1", "direction": "outbound-api", "from": from, "to": to});
        words.whole(&[order], &[]).len() == 1
    };
    for phone in [
        "+74950000031",
        "sip:302@office.example;a=b",
        "client:daria",
        "+74950000039",
    ] {
        assert!(ours("+74950000003", phone), "{phone}");
    }
    assert!(!ours("+74950000003", "+74950000021"), "a client is dialled");
    assert!(!ours("+74950000004", "+74950000031"), "from another line");
}

#[test]
fn several_ring_at_once_and_nobody_known_rings_the_last_one() {
    let told = twiml("", &["301", "302", "303", "unknown"], 1, true);
    for noun in ["</Number>", "</Sip>", ">daria</Client>"] {
        assert!(told.contains(noun), "{told}");
    }
    assert!(!told.contains("unknown"), "{told}");
    let nobody = twiml("", &["unknown"], 2, false);
    assert!(nobody.contains(">+74950000039</Number>"), "{nobody}");
    assert!(
        nobody.contains("attempt=2&amp;to=%2B74950000039&amp;last=1"),
        "{nobody}"
    );
    // However long the list, it ends.
    assert!(twiml("", &["301"], twiml::MOST_ATTEMPTS, false).contains("last=1"));
}

#[test]
fn a_click_rings_the_employee_then_the_client() {
    let order = twiml::order(&settings(""), &"302".into(), "+74950000021").unwrap();
    let value = |name: &str| {
        let mut own = order.iter().filter(|(known, _)| *known == name);
        own.next()
            .map(|(_, value)| value.as_str())
            .unwrap_or_default()
    };
    assert_eq!(
        (value("To"), value("From")),
        ("sip:302@office.example", "+74950000003")
    );
    assert!(value("Twiml").contains(r#"callerId="+74950000003""#));
    assert!(value("Twiml").contains(">+74950000021</Number>"));
    assert!(value("StatusCallback").ends_with("/hooks/cedar/status?click=302"));
    let nobody: Extension = "304".into();
    assert!(twiml::order(&settings(""), &nobody, "+74950000021").is_err());
}

fn told(json: &str) -> Call {
    let pbx = (PROVIDER.open)(
        "pbx".into(),
        format!("{TABLE}{MORE}").parse().unwrap(),
        tools(),
    );
    let mut out = Decoded::default();
    let input = Input::Records(json.as_bytes());
    pbx.unwrap().decoder().feed(input, NOW, &mut out).unwrap();
    let mut facts = tracker::Facts::new();
    for event in out.events {
        facts.insert(event);
    }
    tracker::derive(&facts)
}

#[test]
fn a_past_call_is_one_with_the_phones_it_rang() {
    let call = told(
        r#"{"call":{"sid":"CA1","direction":"inbound","from":"+74950000021","to":"+74950000003",
        "status":"completed","date_created":"Mon, 06 Apr 2026 07:00:00 +0000",
        "end_time":"Mon, 06 Apr 2026 07:01:30 +0000"},"legs":[
        {"sid":"CA2","to":"+74950000031","status":"no-answer","end_time":"Mon, 06 Apr 2026 07:00:20 +0000"},
        {"sid":"CA3","to":"sip:302@office.example;transport=tls","status":"completed","duration":"60",
        "end_time":"Mon, 06 Apr 2026 07:01:30 +0000"}],
        "recordings":[{"sid":"RE1","status":"completed"}]}"#,
    );
    assert_eq!(call.direction, Some(Direction::In));
    assert_eq!(call.result, Some(CallResult::Answered));
    assert_eq!((call.wait_ms, call.talk_ms), (Some(30_000), Some(60_000)));
    assert_eq!(call.answered_by, Some("302".into()));
    assert_eq!(
        (call.employees_legs().count(), call.recordings.len()),
        (2, 1)
    );
}

#[test]
fn a_past_call_is_read_though_nothing_of_it_has_an_end() {
    let read = |end: &str, leg: &str| {
        told(&format!(
            r#"{{"call":{{"sid":"CA1","direction":"inbound","from":"+74950000021","to":"+74950000003",
            "status":"canceled","date_created":"Mon, 06 Apr 2026 07:00:00 +0000",
            "start_time":"Mon, 06 Apr 2026 07:00:00 +0000",{end}}},
            "legs":[{{"sid":"CA2","to":"+74950000031","status":"busy",{leg}}}],"recordings":[]}}"#,
        ))
    };
    let (none, at) = (
        r#""end_time":null"#,
        r#""end_time":"Mon, 06 Apr 2026 07:00:30 +0000""#,
    );
    let changed = r#""end_time":null,"date_updated":"Mon, 06 Apr 2026 07:00:20 +0000""#;
    for (end, leg, wanted) in [
        (at, at, (30, Some(30))),
        (at, none, (30, None)),
        (at, changed, (30, None)),
        (changed, none, (20, None)),
        (none, none, (0, None)),
    ] {
        let call = read(end, leg);
        let (_, rung) = call.employees_legs().next().expect("the phone is told");
        let after = |ended: Option<Timestamp>| ended.map(|at| at.as_seconds() - 1_775_458_800);
        let (wanted_s, leg_s) = wanted;
        assert_eq!(after(call.ended_at), Some(wanted_s), "{end} {leg}");
        // A bound is no moment; how it ended is known all the same.
        assert_eq!(after(rung.ended_at), leg_s, "{end} {leg}");
        assert_eq!(rung.result, Some(LegResult::Failed(Cause::Busy)));
        assert!(call.result.is_some(), "{end} {leg}");
    }
}

#[test]
fn a_past_order_that_nobody_picked_up_is_an_outgoing_call() {
    let call = told(
        r#"{"call":{"sid":"CA1","direction":"outbound-api","from":"+74950000003","to":"client:daria",
        "status":"no-answer","start_time":"Mon, 06 Apr 2026 07:00:00 +0000",
        "end_time":"Mon, 06 Apr 2026 07:00:25 +0000"},"legs":[],"recordings":[]}"#,
    );
    assert_eq!(call.direction, Some(Direction::Out));
    assert_ne!(call.result, Some(CallResult::Answered));
    assert!(call.is_over());
}

#[test]
fn an_account_that_cannot_work_is_refused_with_its_key() {
    for (from, to, key) in [
        ("https://calls", "calls", "hook_url"),
        ("https://calls", "ftp://calls", "hook_url"),
        ("/hooks/cedar/", "/hooks/cedar?a=1", "hook_url"),
        ("AC1", "SK1", "account_sid"),
        ("'cedar'", "''", "auth_token"),
        ("['+74950000039']", "[]", "otherwise"),
        ("+74950000039", "304", "phones"),
        ("sip:302@", "302@", "phones"),
        ("line = '+", "line = '", "line"),
        ("line =", "api_key = 'SK1'\nline =", "api_key"),
    ] {
        let table = format!("{TABLE}{MORE}").replace(from, to);
        let opened = (PROVIDER.open)("pbx".into(), table.parse().unwrap(), tools());
        let Err(SettingsError::Unusable(text)) = opened else {
            panic!("{table} can be used");
        };
        assert!(text.contains(key), "{text}");
    }
}
