//! What we answer and order: TwiML, <https://www.twilio.com/docs/voice/twiml>. Its addresses carry what we
//! have to know again when they are called; they are signed, so nobody else can make them up.

use super::settings::{Dialled, Phones, Settings};
use crate::{
    model::ids::Extension,
    pbx::{Enquiry, PbxError, Reply, RouteAnswer, form::in_path, xml::escaped},
};

/// The end of a call that nobody talks in any more.
pub const NOTHING: &str = "<Response/>";
/// So many phones ring at once at most.
const MOST_PHONES: usize = 10;
/// Whoever has been put through so often in vain is not put through again.
pub const MOST_ATTEMPTS: u32 = 8;
/// How long a phone may ring, in seconds.
const RING_S: std::ops::RangeInclusive<i64> = 5..=600;
/// How long the last ones ring whom the account names.
const LAST_RING_S: i64 = 30;
/// What is told of each phone.
const STAGES: &str = "initiated ringing answered completed";

/// TwiML as an answer.
pub fn reply(twiml: String) -> Reply {
    Reply {
        status: 200,
        content_type: "text/xml; charset=utf-8",
        body: twiml.into(),
    }
}

/// The answer to a question of a call: who rings now, and where we are asked what comes after.
pub fn route(settings: &Settings, enquiry: &Enquiry, answer: &RouteAnswer) -> String {
    if answer.is_blocked() {
        return r#"<Response><Reject reason="busy"/></Response>"#.to_owned();
    }
    let count = if answer.together { MOST_PHONES } else { 1 };
    let fits = |target: &&Extension| settings.phones.dialled(target).is_ok();
    let named: Vec<&Extension> = answer.targets.iter().filter(fits).take(count).collect();
    let is_last = named.is_empty() || enquiry.attempt >= MOST_ATTEMPTS;
    let (targets, ring_s) = match is_last {
        true => (
            settings.otherwise.iter().take(MOST_PHONES).collect(),
            LAST_RING_S,
        ),
        false => (named, answer.ring_ms / 1_000),
    };
    let only = match targets.as_slice() {
        [only] => format!("&to={}", in_path(only.as_str())),
        _ => String::new(),
    };
    let last = if is_last { "&last=1" } else { "" };
    let action = format!(
        "{}/dial-action?attempt={}{only}{last}",
        settings.hook_url, enquiry.attempt
    );
    let call = enquiry.call.as_ref().map_or("", |call| call.as_str());
    let is_recorded = settings.record && !answer.recorded.never;
    let dial = Dial {
        ring_s: ring_s.clamp(*RING_S.start(), *RING_S.end()),
        action: Some(action),
        caller: None,
        recording: is_recorded.then(|| recording(settings, call)),
    };
    let leg = format!("{}/leg", settings.hook_url);
    let nouns = targets.into_iter().filter_map(|target| {
        let dialled = settings.phones.dialled(target).ok()?;
        Some(noun(dialled, &leg))
    });
    dial.around(&nouns.collect::<String>())
}

fn recording(settings: &Settings, call: &str) -> String {
    format!("{}/recording?call={}", settings.hook_url, in_path(call))
}

/// The fields of an order.
pub type Order = Vec<(&'static str, String)>;

/// What the API is told at a click: rings the employee; whoever picks up there is connected with the client.
pub fn order(settings: &Settings, employee: &Extension, client: &str) -> Result<Order, PbxError> {
    if settings.line.is_empty() {
        return Err(PbxError::Refused(
            "the account names no line to call from".into(),
        ));
    }
    let to = address(&settings.phones, employee)?;
    let click = format!("click={}", in_path(employee.as_str()));
    let dial = Dial {
        ring_s: 60,
        action: None,
        caller: Some(&settings.line),
        recording: None, // its messages would name the leg only
    };
    let leg = format!("{}/leg?{click}", settings.hook_url);
    let twiml = dial.around(&noun(Dialled::Number(client), &leg));
    let mut fields = vec![
        ("To", to),
        ("From", settings.line.clone()),
        ("Twiml", twiml),
        ("Timeout", settings.click_ring_s.clamp(5, 600).to_string()),
        (
            "StatusCallback",
            format!("{}/status?{click}", settings.hook_url),
        ),
    ];
    if settings.record {
        let told_at = format!("{}/recording?{click}", settings.hook_url);
        fields.extend([
            ("Record", "true".to_owned()),
            ("RecordingChannels", "dual".to_owned()),
            ("RecordingStatusCallback", told_at),
            ("RecordingStatusCallbackEvent", "completed".to_owned()),
            ("RecordingStatusCallbackEvent", "absent".to_owned()),
        ]);
    }
    fields.extend(
        STAGES
            .split(' ')
            .map(|stage| ("StatusCallbackEvent", stage.to_owned())),
    );
    Ok(fields)
}

/// What is dialled, as the API writes it.
fn address(phones: &Phones, extension: &Extension) -> Result<String, PbxError> {
    Ok(match phones.dialled(extension)? {
        Dialled::Number(text) | Dialled::Sip(text) => text.to_owned(),
        Dialled::Client(name) => format!("client:{name}"),
    })
}

struct Dial<'a> {
    ring_s: i64,
    /// Asked what comes next; without it the call is over.
    action: Option<String>,
    /// Who is shown to whoever is called; none: the caller.
    caller: Option<&'a str>,
    /// Where the recording is told; none: there is none.
    recording: Option<String>,
}

impl Dial<'_> {
    fn around(&self, nouns: &str) -> String {
        let mut text = format!(
            r#"<Response><Dial answerOnBridge="true" timeout="{}""#,
            self.ring_s
        );
        let mut attribute = |name: &str, value: &str| {
            text.push_str(&format!(r#" {name}="{}""#, escaped(value)));
        };
        if let Some(action) = &self.action {
            attribute("action", action);
            attribute("method", "POST");
        }
        if let Some(caller) = self.caller {
            attribute("callerId", caller);
        }
        if let Some(told_at) = &self.recording {
            attribute("record", "record-from-answer-dual");
            attribute("recordingStatusCallback", told_at);
            attribute("recordingStatusCallbackEvent", "completed absent");
        }
        text.push_str(&format!(">{nouns}</Dial></Response>"));
        text
    }
}

fn noun(dialled: Dialled<'_>, told_at: &str) -> String {
    let (name, text) = match dialled {
        Dialled::Number(text) => ("Number", text),
        Dialled::Sip(text) => ("Sip", text),
        Dialled::Client(text) => ("Client", text),
    };
    let (text, told_at) = (escaped(text), escaped(told_at));
    format!(r#"<{name} statusCallback="{told_at}" statusCallbackEvent="{STAGES}">{text}</{name}>"#)
}
