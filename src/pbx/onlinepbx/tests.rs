use super::*;
use crate::{
    model::{
        call::{Call, CallResult},
        event::{Direction, Fact, Side},
        phone::NumberingPlan,
    },
    pbx::Recorded,
    tracker,
};

const TOKEN: &str = "Kd83nfhAq0-_zP51mWx7Lq";
const NOW: Timestamp = Timestamp::from_seconds(1_775_460_000);
const TABLE: &str =
    "token = 'Kd83nfhAq0-_zP51mWx7Lq'\ndomain = 'pbx000007.onpbx.ru'\napi_key = 'larch'\n";
const ROUTE: &str = "[route]\nbody = '{\"to\":\"{extension}\"}'\nnobody = '{}'\n";

fn open_with(more: &str) -> Result<Arc<dyn Pbx>, SettingsError> {
    let tools = Tools::of_tests(NumberingPlan::default());
    (PROVIDER.open)(
        "pbx".into(),
        format!("{TABLE}{more}").parse().unwrap(),
        tools,
    )
}

fn words(choices: &str) -> Words {
    Words {
        account: "pbx".into(),
        numbers: Numbers::new(NumberingPlan::default()),
        choices: toml::from_str(choices).unwrap(),
        asks: true,
    }
}

fn request(below: &str, body: &str) -> Request {
    Request {
        method: "POST".to_owned(),
        path: format!("/{TOKEN}{below}"),
        query: String::new(),
        headers: Vec::new(),
        body: body.to_owned().into(),
        remote: "192.0.2.1".to_owned(),
    }
}

fn call_of(out: Decoded) -> Call {
    let mut facts = tracker::Facts::new();
    for event in out.events {
        facts.insert(event);
    }
    tracker::derive(&facts)
}

fn record(choices: &str, json: &str) -> Decoded {
    let mut out = Decoded::default();
    words(choices)
        .record(json.as_bytes(), NOW, &mut out)
        .unwrap();
    out
}

const ANSWERED: &str = r#"{"uuid":"u-1","accountcode":"inbound","caller_id_number":"74950000021",
    "destination_number":"301","gateway":"74950000003","start_stamp":1775458800,
    "end_stamp":"1775458870","duration":70,"user_talk_time":"60","hangup_cause":"NORMAL_CLEARING"}"#;

#[test]
fn a_past_call_is_told_whole() {
    let call = call_of(record("", ANSWERED));
    assert_eq!(call.direction, Some(Direction::In));
    assert_eq!(call.result, Some(CallResult::Answered));
    assert_eq!((call.wait_ms, call.talk_ms), (Some(10_000), Some(60_000)));
    assert_eq!(call.answered_by, Some("301".into()));
    assert_eq!(call.recordings.len(), 1);
    let missed = ANSWERED
        .replace("\"60\"", "0")
        .replace("inbound", "missed")
        .replace("NORMAL_CLEARING", "ORIGINATOR_CANCEL");
    let call = call_of(record("", &missed));
    assert_eq!(call.result, Some(CallResult::Missed));
    assert_eq!(call.hangup_by, Some(Side::Client));
    assert!(call.recordings.is_empty());
}

#[test]
fn whether_every_past_call_is_asked_for_its_file_is_a_choice() {
    let call = call_of(record("asks_for_every_file = false", ANSWERED));
    assert!(call.recordings.is_empty());
}

#[test]
fn a_link_is_asked_for_anew_unless_the_account_says_otherwise() {
    let end = "event=call_end&uuid=u-1&direction=inbound&caller=74950000021&callee=301\
        &gateway=74950000003&date=1775458870&call_duration=70&dialog_duration=60\
        &download_url=https%3A%2F%2Fapi.onlinepbx.ru%2F1.mp3";
    let source = |choices: &str| {
        let mut out = Decoded::default();
        let fields = Fields::of_body(end.as_bytes()).unwrap();
        words(choices).tell(&fields, NOW, &mut out).unwrap();
        out.events.into_iter().find_map(|event| match event.fact {
            Fact::Recording { source, .. } => source,
            _ => None,
        })
    };
    assert_eq!(source(""), Some(RecordingSource::Api("u-1".to_owned())));
    let link = "https://api.onlinepbx.ru/1.mp3".to_owned();
    assert_eq!(
        source("takes_links = true"),
        Some(RecordingSource::Link(link))
    );
}

#[test]
fn the_answer_to_a_question_is_as_the_account_describes_it() {
    let pbx = open_with(ROUTE).unwrap();
    let asked = request("/command", "caller_number=74950000021&uuid=u-9");
    let mut out = Decoded::default();
    let fed = pbx.decoder().feed(Input::Request(&asked), NOW, &mut out);
    assert!(fed.is_ok());
    let [enquiry] = out.enquiries.as_slice() else {
        panic!("{out:?}");
    };
    assert_eq!((&enquiry.call, out.events.len()), (&None, 0));
    let reply = |targets: &[&str]| {
        let answer = RouteAnswer {
            targets: targets.iter().map(|&target| target.into()).collect(),
            ring_ms: 10_000,
            together: false,
            display_name: None,
            reason: "owner".to_owned(),
            recorded: Recorded::default(),
        };
        pbx.format_route(enquiry, &answer).body
    };
    assert_eq!(reply(&["301", "302"]), r#"{"to":"301"}"#);
    assert_eq!(reply(&[]), "{}");
    // Undescribed, nothing is asked.
    let mut out = Decoded::default();
    let silent = open_with("").unwrap();
    let fed = silent.decoder().feed(Input::Request(&asked), NOW, &mut out);
    assert!(fed.is_ok() && out.enquiries.is_empty());
    assert_eq!(out.ignored, ["command"]);
}

#[test]
fn an_account_that_cannot_work_is_refused_with_its_key() {
    for (wrong, key) in [
        (TABLE.replace(TOKEN, "short"), "token"),
        (TABLE.replace(".onpbx", "/onpbx"), "domain"),
        (TABLE.replace("larch", ""), "api_key"),
        (format!("{TABLE}line = '301'"), "line"),
        (
            format!("{TABLE}{}", ROUTE.replace("extension", "phone")),
            "route.body",
        ),
    ] {
        let tools = Tools::of_tests(NumberingPlan::default());
        let opened = (PROVIDER.open)("pbx".into(), wrong.parse().unwrap(), tools);
        let Err(SettingsError::Unusable(text)) = opened else {
            panic!("{wrong} can be used");
        };
        assert!(text.contains(key), "{text}");
    }
}
