use super::*;
use crate::{
    model::{
        call::CallResult,
        event::{Clock, Fact},
        phone::NumberingPlan,
    },
    tracker,
};

const NOW: Timestamp = Timestamp::from_seconds(1_775_458_900);
const TOKEN: &str = "larch-crm-token-2026";

fn open_with(text: &str) -> Result<Arc<dyn Pbx>, SettingsError> {
    let tools = Tools::of_tests(NumberingPlan::default());
    open(AccountName::from("pbx"), text.parse().unwrap(), tools)
}

fn account(more: &str) -> Arc<dyn Pbx> {
    open_with(&format!("crm_token = '{TOKEN}'\n{more}")).unwrap()
}

fn posted(body: &str) -> Request {
    Request {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        headers: Vec::new(),
        body: body.to_owned().into(),
        remote: "192.0.2.1".to_owned(),
    }
}

fn told(pbx: &dyn Pbx, body: &str, now: Timestamp) -> Decoded {
    let mut out = Decoded::default();
    let request = posted(body);
    let fed = pbx.decoder().feed(Input::Request(&request), now, &mut out);
    assert_eq!(fed, Ok(()), "{body}");
    out
}

fn answer(targets: &[&str], name: Option<&str>, together: bool) -> RouteAnswer {
    RouteAnswer {
        targets: targets.iter().map(|target| (*target).into()).collect(),
        ring_ms: 10_000,
        together,
        display_name: name.map(str::to_owned),
        reason: "owner".to_owned(),
        recorded: crate::pbx::Recorded::default(),
    }
}

#[test]
fn only_the_token_lets_a_message_in() {
    let pbx = account("");
    let admits = |body: &str| pbx.verify(&posted(body), NOW);
    assert_eq!(admits(&format!("cmd=rating&crm_token={TOKEN}")), Ok(()));
    assert_eq!(
        admits(&format!(r#"{{"cmd":"rating","crm_token":"{TOKEN}"}}"#)),
        Ok(())
    );
    for body in [
        "",
        "cmd=rating",
        "crm_token=",
        "crm_token=larch",
        "{}",
        "{",
        "%",
        r#"{"crm_token":[1]}"#,
    ] {
        assert_eq!(admits(body), Err(Refused::Signature), "{body}");
    }
}

#[test]
fn the_journal_keeps_neither_the_token_nor_a_query() {
    let pbx = account("");
    for body in [
        format!("cmd=rating&crm_token={TOKEN}&callid=7"),
        format!(r#"{{"cmd":"rating","crm_token":"{TOKEN}","callid":"7"}}"#),
    ] {
        let request = Request {
            query: format!("crm_token={TOKEN}"),
            ..posted(&body)
        };
        let kept = pbx.kept(&request);
        let text = format!("{kept:?}");
        assert!(!text.contains(TOKEN) && text.contains("callid"), "{text}");
    }
}

#[test]
fn a_weak_token_and_numbers_given_twice_are_refused_in_the_settings() {
    for text in ["", "crm_token = 'short'", "crm_token = 'with spaces in it'"] {
        assert!(open_with(text).is_err(), "{text}");
    }
    let whole = format!("crm_token = '{TOKEN}'");
    for more in [
        "key = 1",
        "time_zone = 'Luna/Sea'",
        "[users]\na = '201'\nb = '201'",
        "[unconfirmed]\nx = true",
    ] {
        assert!(open_with(&format!("{whole}\n{more}")).is_err(), "{more}");
    }
}

#[test]
fn the_answer_names_the_client_and_the_login_of_the_responsible_one() {
    let pbx = account("[users]\n'a.larina' = '201'");
    let asked = format!("cmd=contact&phone=74950000021&callid=7&crm_token={TOKEN}");
    let enquiry = told(&*pbx, &asked, NOW).enquiries.remove(0);
    assert_eq!(enquiry.call, Some("7".into()));
    let said = |answer: &RouteAnswer| {
        let reply = pbx.format_route(&enquiry, answer);
        assert_eq!(
            (reply.status, reply.content_type),
            (200, "application/json")
        );
        String::from_utf8(reply.body.to_vec()).unwrap()
    };
    assert_eq!(
        said(&answer(&["201", "b.orlov"], Some("Roza\n\"R\""), false)),
        r#"{"contact_name":"Roza\"R\"","responsible":"a.larina"}"#
    );
    assert_eq!(
        said(&answer(&["b.orlov"], None, false)),
        r#"{"responsible":"b.orlov"}"#
    );
    // Several at once are the scheme's own matter; of nobody known it is an empty object, never a list.
    assert_eq!(said(&answer(&["201", "b.orlov"], None, true)), "{}");
    assert_eq!(said(&answer(&[], None, false)), "{}");
}

fn event(kind: &str, user: &str, direction: &str) -> String {
    format!("cmd=event&type={kind}&phone=74950000021&user={user}&direction={direction}&callid=7")
}

#[test]
fn an_event_is_of_the_moment_of_its_arrival_and_the_first_one_counts() {
    let pbx = account("");
    let rings = |now| told(&*pbx, &event("INCOMING", "larina", "in"), now).events;
    let (first, again) = (rings(NOW), rings(NOW.plus_millis(900)));
    assert!(
        first
            .iter()
            .all(|event| event.at == NOW && event.clock == Clock::Exact)
    );
    let ids = |events: &[crate::model::event::CallEvent]| -> Vec<String> {
        events.iter().map(|event| event.id.to_string()).collect()
    };
    assert_eq!(ids(&first), ids(&again));
}

#[test]
fn where_accepted_is_the_employee_only_the_record_says_who_talked() {
    for (choice, is_client) in [
        ("", true),
        ("[unconfirmed]\naccepted_is_client = false", false),
    ] {
        let pbx = account(choice);
        let mut facts: tracker::Facts = ["OUTGOING", "ACCEPTED", "COMPLETED"]
            .iter()
            .flat_map(|kind| told(&*pbx, &event(kind, "larina", "out"), NOW).events)
            .collect();
        let live = tracker::derive(&facts);
        assert_eq!(live.result == Some(CallResult::Answered), is_client);
        let record = "cmd=history&type=out&user=larina&phone=74950000021&callid=7&\
            start=20260406T070100Z&duration=40&status=missed";
        facts.extend(told(&*pbx, record, NOW).events);
        let call = tracker::derive(&facts);
        assert_eq!(
            call.result,
            Some(CallResult::Missed),
            "the record is the last word"
        );
    }
}

#[test]
fn a_second_call_is_the_same_one_unless_the_account_says_no() {
    let body = format!("{}&second_callid=8", event("TRANSFERRED", "orlov", "in"));
    for (choice, joins) in [
        ("", true),
        ("[unconfirmed]\njoins_second_call = false", false),
    ] {
        let events = told(&*account(choice), &body, NOW).events;
        let joined = events
            .iter()
            .any(|event| event.fact == Fact::SameCall { with: "8".into() });
        assert_eq!(joined, joins, "{choice}");
    }
}

#[test]
fn a_record_of_a_moment_to_come_says_nothing_of_times() {
    // Moscow's clock read as UTC: three hours ahead.
    let record = |start: &str| {
        let body = format!(
            "cmd=history&type=in&user=larina&phone=74950000021&callid=7&start={start}&duration=40&status=Success"
        );
        let events = told(&*account(""), &body, NOW).events;
        let call = tracker::derive(&events.into_iter().collect());
        assert_eq!(call.result, Some(CallResult::Answered), "{start}");
        call.started_at
    };
    assert_eq!(
        record("20260406T070000Z"),
        Timestamp::from_seconds(1_775_458_800)
    );
    for start in ["20260406T100000Z", "", "soon"] {
        assert_eq!(record(start), NOW, "{start}");
    }
}
