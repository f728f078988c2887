use super::*;
use crate::{
    model::{
        call::{Call, CallResult},
        event::Direction,
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
        recorded: Recorded::default(),
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
