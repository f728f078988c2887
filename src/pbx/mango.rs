//! Mango Office, a Russian cloud PBX ("Виртуальная АТС": VPBX API v1.10 and its later additions).
//!
//! Vendor's documentation: <https://www.mango-office.ru/support/integratsiya-api/>. Mango posts forms
//! of three fields, `vpbx_api_key`, `sign` and `json`, to paths that it appends to our base URL; only
//! the HTTP status of our answer matters. Messages are sent in parallel and overtake one another, but
//! each says where it belongs: `entry_id` is the call, `call_id` a leg, `seq` counts the events of a
//! leg.
//!
//! ```toml
//! [[pbx]]
//! name = "cloud-office"
//! type = "mango"
//! vpbx_api_key = "env:MANGO_KEY"      # both from the cabinet: Интеграции, API коннектор
//! vpbx_api_salt = "env:MANGO_SALT"
//! ```
//!
//! The cabinet is given `<public_url>/hooks/cloud-office` as the address of the outside system.
//! `docs/providers/mango.en.md` says what to click there.
//!
//! | File | What |
//! |---|---|
//! | `wire`, `leg`, `reason`, `recorded`, `summary` | what posted messages say |
//! | `settings` | the account in the configuration |
//! | `api` | signed questions to Mango, its limits and refusals |
//! | `commands` | click-to-call, and where a call shall go |
//! | `employees` | who works there |
//! | `history` | Mango's own records of past calls |
//! | `visitor` | who the visitor is to whom a dynamic number was shown |
//! | `unconfirmed` | what nobody has confirmed, and what we do until then |
//!
//! Click-to-call is `commands/callback`. A file in the cloud storage is asked for by
//! `queries/recording/post`, which leads to a link of one use.

mod api;
mod commands;
mod employees;
mod history;
mod leg;
mod reason;
mod recorded;
mod settings;
mod summary;
mod unconfirmed;
mod visitor;
mod wire;

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use jiff::tz::TimeZone;
use serde::de::IgnoredAny;
use subtle::ConstantTimeEq;

use self::{
    api::{Api, Purpose},
    commands::own_command,
    history::Records,
    leg::Shape,
    reason::Reason,
    settings::Settings,
    wire::{
        CallMessage, DigitsMessage, Envelope, ResultMessage, SummaryMessage, id, is_summary,
        number, parse,
    },
};
use super::{
    Ability, Command, DecodeError, Decoded, Decoder, Employee, Input, Intake, Message, Page, Pbx,
    PbxError, Provider, Refused, Request, RouteAnswer, SettingsError, Taken, Tools, VisitorOf,
    facts::{Facts, moment},
    form,
    numbers::Numbers,
    recording::Fetch,
};
use crate::model::{
    event::{Clock, Fact, RecordingSource},
    ids::{AccountName, CallKey, Extension, LegKey},
    time::Timestamp,
};

/// Mango Office in the registry.
pub const PROVIDER: Provider = Provider {
    name: "mango",
    title: "Mango Office",
    abilities: &[
        Ability::Signature,
        Ability::Command,
        Ability::Recording,
        Ability::History,
        Ability::Tracking,
    ],
    not_offered: &[],
    open,
};

/// Statistics are asked for, and told, by the clock on a wall in Moscow.
const STATISTICS_ZONE: &str = "Europe/Moscow";
/// Longest run of keys that is kept.
const LONGEST_DIGITS: usize = 64;

fn open(
    name: AccountName,
    table: toml::Table,
    tools: Tools,
) -> Result<Arc<dyn Pbx>, SettingsError> {
    let settings = super::settings::<Settings>(table)?.whole()?;
    let zone = TimeZone::get(STATISTICS_ZONE)
        .map_err(|error| SettingsError::Unusable(format!("{STATISTICS_ZONE}: {error}")))?;
    let api = Api::new(
        (
            settings.vpbx_api_key.clone(),
            settings.vpbx_api_salt.clone(),
        ),
        &settings.api_url,
        settings.recordings.reach_of(&settings.api_url),
        tools.http,
        settings.limits,
    );
    Ok(Arc::new(Account {
        name,
        settings,
        numbers: Arc::new(Numbers::new(tools.plan)),
        api,
        zone,
    }))
}

struct Account {
    name: AccountName,
    settings: Settings,
    numbers: Arc<Numbers>,
    api: Api,
    /// The clock of the statistics.
    zone: TimeZone,
}

#[async_trait]
impl Pbx for Account {
    fn provider(&self) -> &'static str {
        PROVIDER.name
    }

    fn intake(&self) -> Intake {
        Intake::Webhook
    }

    /// `sign = sha256hex(vpbx_api_key + json + vpbx_api_salt)` over the decoded bytes of the field:
    /// Mango's own spaces and escapes are part of it.
    fn verify(&self, request: &Request, _now: Timestamp) -> Result<(), Refused> {
        let message = Envelope::read(&request.body).ok_or(Refused::Signature)?;
        let mut sign = [0; 32];
        hex::decode_to_slice(&message.sign, &mut sign).map_err(|_| Refused::Signature)?;
        let known_key = message.key.ct_eq(self.settings.vpbx_api_key.as_bytes());
        if bool::from(known_key & sign.ct_eq(&self.api.sign(&message.json))) {
            Ok(())
        } else {
            Err(Refused::Signature)
        }
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(MangoDecoder {
            account: self.name.clone(),
            numbers: Arc::clone(&self.numbers),
            zone: self.zone.clone(),
        })
    }

    /// The answer is a redirect to a link that works once and soon expires, so it is asked for anew
    /// at every attempt.
    async fn recording(
        &self,
        source: &RecordingSource,
        _now: Timestamp,
    ) -> Result<Fetch, PbxError> {
        let RecordingSource::Api(recording) = source else {
            return Err(PbxError::Unsupported);
        };
        self.api.recording.take()?;
        let json = serde_json::json!({"recording_id": recording, "action": "download"}).to_string();
        let mut request = self.api.request("queries/recording/post", json);
        request.reach = self.settings.recordings.get(String::new(), None).reach;
        Ok(Fetch::Http(request))
    }

    /// `commands/callback`: rings the employee, then the client. Our id comes back in every event.
    async fn command(&self, command: &Command) -> Result<Taken, PbxError> {
        let Command::ClickToCall {
            command,
            extension,
            client,
        } = command;
        let line = self.settings.callback_line.as_deref();
        let json = commands::callback(command, extension, client, line)?;
        self.api
            .ask(Purpose::Command, "commands/callback", &json)
            .await?;
        Ok(Taken::ByCommand)
    }

    fn routes_by_command(&self) -> bool {
        self.settings.route_calls
    }

    /// `commands/route`: the client in a menu or queue goes to an employee, whose card at Mango says how
    /// the phone rings. Mango takes one in two seconds; a call for which there is no room goes on by the
    /// scheme, and so does one that is gone by then (4101).
    async fn route(
        &self,
        leg: &LegKey,
        target: &Extension,
        answer: &RouteAnswer,
        command: &str,
    ) -> Result<(), PbxError> {
        let json = commands::route(command, leg, target, answer)?;
        let path = "commands/route";
        self.api.ask(Purpose::Route, path, &json).await.map(|_| ())
    }

    /// `queries/user_info_by_dct_number`: to be asked while the call is young, because the number is soon
    /// shown to somebody else.
    async fn visitor(&self, of: &VisitorOf) -> Result<Option<Message>, PbxError> {
        if !self.settings.ask_visitors {
            return Err(PbxError::Unsupported);
        }
        let question = serde_json::json!({ "number": of.number });
        let answer = self.api.ask(Purpose::Visitor, visitor::PATH, &question);
        visitor::record(&self.name, of, &answer.await?.body)
    }

    async fn history(&self, cursor: Option<&str>, now: Timestamp) -> Result<Page, PbxError> {
        let records = Records {
            account: &self.name,
            numbers: &self.numbers,
            zone: &self.zone,
        };
        let first_ms = i64::from(self.settings.history_hours) * 3_600_000;
        records.page(&self.api, cursor, now, first_ms).await
    }

    async fn employees(&self) -> Result<Vec<Employee>, PbxError> {
        let all = serde_json::json!({});
        let answer = self.api.ask(Purpose::List, employees::PATH, &all).await?;
        employees::read(&answer.body)
    }
}

struct MangoDecoder {
    account: AccountName,
    numbers: Arc<Numbers>,
    zone: TimeZone,
}

impl Decoder for MangoDecoder {
    fn feed(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let request = match input {
            Input::Request(request) => request,
            Input::Records(record) => return self.record(record, now, out),
            _ => return Ok(()), // webhooks have no connection to open or close
        };
        let message = Envelope::read(&request.body)
            .ok_or_else(|| DecodeError::Malformed("not a form with a json field".to_owned()))?;
        let json = form::text(message.json)?;
        match request.path.trim_end_matches('/') {
            "/events/call" => {
                let message: CallMessage = parse(&json)?;
                match message.entry_result {
                    None => self.call(&message, now, out),
                    // The vendor's own examples post the summary to /events/call.
                    Some(_) => self.summary(&parse(&json)?, now, out),
                }
            }
            "/events/summary" if is_summary(&json)? => self.summary(&parse(&json)?, now, out),
            "/events/recording" => self.recording(&parse(&json)?, now, out),
            "/events/record/added" => self.record_added(&parse(&json)?, now, out),
            "/events/dtmf" => self.digits(&parse(&json)?, now, out),
            "/result/callback" => self.command_result(&parse(&json)?, now, out),
            path => {
                parse::<IgnoredAny>(&json)?;
                name_quiet_message(path, out);
                Ok(())
            }
        }
    }
}

/// Messages that change no call.
fn name_quiet_message(path: &str, out: &mut Decoded) {
    match path {
        "/result/stats" | "/result/stat" => out.notes.push("history_ready"),
        // They carry our own command id and no call.
        path if path.starts_with("/result/") => out.notes.push("command_result"),
        "/events/record/tagged" => out.ignored.push("record_tagged"),
        "/events/sms" => out.ignored.push("sms"),
        "/events/recognized/offline" => out.ignored.push("speech_recognised"),
        "/events/summary" => out.ignored.push("summary_without_result"),
        _ => out.ignored.push("unknown_path"),
    }
}

impl MangoDecoder {
    /// A record of the statistics, read again.
    fn record(&self, record: &[u8], now: Timestamp, out: &mut Decoded) -> Result<(), DecodeError> {
        let records = Records {
            account: &self.account,
            numbers: &self.numbers,
            zone: &self.zone,
        };
        let record = form::text(Cow::Borrowed(record))?;
        if let Some(visitor) = visitor::Record::read(&record)? {
            visitor.tell(&self.account, out);
            return Ok(());
        }
        records.read(&record, now, out).map(|_| ())
    }

    /// A leg has appeared, was connected, was put on hold or has gone (`/events/call`).
    fn call(
        &self,
        message: &CallMessage,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let state = message.call_state.as_deref();
        let state = state.ok_or(DecodeError::Field("call_state"))?;
        let leg = LegKey::from(id("call_id", &message.call_id)?);
        let mut facts = self.facts(&message.entry_id, message.timestamp, now, out)?;
        let shape = Shape::of(message, &self.numbers);
        if let Some(parties) = shape.parties(message, &self.numbers) {
            facts.is_so(None, "parties", parties);
        }
        if let Some(number) = message.shown_to_one().filter(|_| shape.comes_in()) {
            facts.out.visitors.push(VisitorOf {
                call: facts.call.clone(),
                number: number.to_owned(),
                at: facts.at,
            });
        }
        if let Some(command) = own_command(&message.command_id) {
            let with = CallKey::from(command);
            facts.is_so(None, "command", Fact::SameCall { with });
        }
        if let Some(ends) = shape.leg() {
            facts.is_so(Some(&leg), "leg", ends);
        }
        if matches!(state, "Appeared" | "Connected") {
            shape.tell_transfer(message, &leg, &mut facts);
        }
        let (what, fact) = match state {
            "Appeared" if shape.is_phone => ("rings", Fact::Rings),
            "Appeared" => return Ok(()), // a menu or queue: that it is there is all
            "Connected" => ("connected", shape.connected()),
            "OnHold" => ("holds", Fact::Holds),
            "Disconnected" => ("ends", shape.ends(Reason::of(message.disconnect_reason))),
            _ => {
                facts.out.ignored.push("unknown_call_state");
                return Ok(());
            }
        };
        // Padded, so that identities sort as the events of the leg follow one another.
        let place = match message.seq {
            Some(seq) => format!("{seq:06}"),
            None => format!("at-{}", facts.at.as_seconds()),
        };
        // There is no word for the end of a hold but to be connected again, after three events at least.
        if state == "Connected" && message.seq.is_some_and(|seq| seq > 2) {
            facts.happened(Some(&leg), &format!("{place}/resumes"), Fact::Resumes);
        }
        if state == "Disconnected"
            && let Some(talks) = shape.must_have_talked(message.seq)
        {
            let at = (facts.at, Clock::NoLaterThan);
            facts.happened_at(Some(&leg), &format!("{place}/talked"), at, talks);
        }
        facts.happened(Some(&leg), &format!("{place}/{what}"), fact);
        Ok(())
    }

    /// The provider's record of the finished call (`/events/summary`).
    fn summary(
        &self,
        message: &SummaryMessage,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let summary = message.in_our_words(&self.numbers, now)?;
        let end = summary.ended.map(Timestamp::as_millis);
        // A record without a believable end is one that had arrived by now.
        let mut facts = self.facts(&message.entry_id, end.or(Some(0)), now, out)?;
        facts.is_so(None, "summary", Fact::Summary(Box::new(summary)));
        facts.happened(None, "over", Fact::Over { by: None });
        Ok(())
    }

    /// How a click-to-call went (`/result/callback`): 1000 is success. It names no call but our own.
    fn command_result(
        &self,
        message: &ResultMessage,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let Some(command) = own_command(&message.command_id) else {
            out.notes.push("command_result");
            return Ok(());
        };
        let code = message.result.ok_or(DecodeError::Field("result"))?;
        let mut facts = Facts {
            account: &self.account,
            call: CallKey::from(command),
            at: now, // the message carries no time
            clock: Clock::NoLaterThan,
            out,
        };
        let result = Fact::CommandResult {
            command: command.to_owned(),
            ok: code == 1_000,
            detail: code.to_string(),
        };
        facts.happened(None, "result", result);
        Ok(())
    }

    /// Keys were pressed in a menu (`/events/dtmf`).
    fn digits(
        &self,
        message: &DigitsMessage,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let leg = LegKey::from(id("call_id", &message.call_id)?);
        let keys = message.dtmf.as_deref().ok_or(DecodeError::Field("dtmf"))?;
        let mut facts = self.facts(&message.entry_id, message.timestamp, now, out)?;
        // Either side may have pressed, so the message says nothing about the client.
        if let Some(did) = number(&self.numbers, message.line_number.as_deref()) {
            let (direction, client, client_name) = (None, None, None);
            let parties = Fact::Parties {
                direction,
                client,
                client_name,
                did: Some(did),
            };
            facts.is_so(None, "parties", parties);
        }
        let visible = keys.chars().filter(|key| !key.is_control());
        let digits = visible.take(LONGEST_DIGITS).collect();
        let tail = format!("{:06}/digits", message.seq.unwrap_or_default());
        facts.happened(Some(&leg), &tail, Fact::Digits { digits });
        Ok(())
    }

    fn facts<'a>(
        &'a self,
        entry_id: &Option<String>,
        seconds: Option<i64>,
        now: Timestamp,
        out: &'a mut Decoded,
    ) -> Result<Facts<'a>, DecodeError> {
        let call = CallKey::from(id("entry_id", entry_id)?);
        let (at, clock) = moment(seconds.ok_or(DecodeError::Field("timestamp"))?, now);
        Ok(Facts {
            account: &self.account,
            call,
            at,
            clock,
            out,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{event::Party, ids::Extension, phone::NumberingPlan};

    const NOW: Timestamp = Timestamp::from_seconds(1_775_458_900);

    fn account(extra: &str) -> Arc<dyn Pbx> {
        let text = format!("vpbx_api_key = 'a-key'\nvpbx_api_salt = 'a-salt'\n{extra}");
        let tools = Tools::of_tests(NumberingPlan::default());
        open(AccountName::from("cloud"), text.parse().unwrap(), tools).unwrap()
    }

    fn post(path: &str, body: &str) -> Request {
        Request {
            method: "POST".to_owned(),
            path: path.to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: body.to_owned().into(),
            remote: "192.0.2.1".to_owned(),
        }
    }

    /// A form without a true signature: the decoder does not look at it.
    fn unsigned(path: &str, json: &str) -> Request {
        let json: String = json.bytes().map(|byte| format!("%{byte:02x}")).collect();
        post(path, &format!("vpbx_api_key=a-key&sign=0&json={json}"))
    }

    fn decode(path: &str, json: &str) -> Decoded {
        let mut out = Decoded::default();
        let request = unsigned(path, json);
        let mut decoder = account("").decoder();
        let done = decoder.feed(Input::Request(&request), NOW, &mut out);
        done.unwrap();
        out
    }

    fn facts(json: &str) -> Vec<Fact> {
        let events = decode("/events/call", json).events;
        events.into_iter().map(|event| event.fact).collect()
    }

    fn person(extension: &str) -> Party {
        Party::Person(Extension::from(extension))
    }

    #[test]
    fn the_signature_is_over_the_decoded_bytes() {
        // printf 'a-key{"a": "\xd1\x8f"}a-salt' | sha256sum
        let sign = "809ce84adb231c5f21b07034890de9546044df9278876f0b173f0e108f16a1b9";
        let with = |key: &str, sign: &str, json: &str| {
            let request = post(
                "/events/call",
                &format!("vpbx_api_key={key}&sign={sign}&json={json}"),
            );
            account("").verify(&request, NOW)
        };
        let json = "%7B%22a%22%3A+%22%D1%8F%22%7D";
        assert_eq!(with("a-key", sign, json), Ok(()));
        assert_eq!(with("a-key", &sign.to_uppercase(), json), Ok(()));
        assert_eq!(with("a-kei", sign, json), Err(Refused::Signature));
        assert_eq!(with("a-key", &sign[1..], json), Err(Refused::Signature));
        assert_eq!(with("a-key", "", json), Err(Refused::Signature));
        assert_eq!(with("a-key", sign, "%7B%7D"), Err(Refused::Signature));
        let doubled = format!("{json}&json=%7B%7D");
        assert_eq!(with("a-key", sign, &doubled), Err(Refused::Signature));
        for body in ["", "sign=1", "vpbx_api_key=a-key&sign=%", "{}"] {
            let refused = account("").verify(&post("/events/call", body), NOW);
            assert_eq!(refused, Err(Refused::Signature), "{body}");
        }
    }

    #[test]
    fn an_employee_calls_out_from_his_own_phone() {
        let facts = facts(
            r#"{"entry_id":"e","call_id":"c","timestamp":1775458800,"seq":2,
                "call_state":"Connected","location":"abonent","from":{"extension":"301"},
                "to":{"number":"74950000021","line_number":"74950000003"}}"#,
        );
        assert!(matches!(
            &facts[0],
            Fact::Parties { direction: Some(direction), client: Some(client), .. }
                if *direction == crate::model::event::Direction::Out
                    && client.e164() == Some("+74950000021")
        ));
        assert_eq!(
            facts[2],
            Fact::Talks {
                with: person("301")
            }
        );
    }

    #[test]
    fn a_consultation_outside_does_not_become_the_client() {
        let facts = facts(
            r#"{"entry_id":"e","call_id":"c2","timestamp":1775458800,"seq":1,
                "call_state":"Appeared","location":"abonent",
                "from":{"extension":"301","taken_from_call_id":"c1"},
                "to":{"number":"74950000029"}}"#,
        );
        assert!(
            !facts.iter().any(|fact| matches!(
                fact,
                Fact::Parties { .. } | Fact::Transfers { .. } | Fact::TransferredFrom { .. }
            )),
            "{facts:?}"
        );
    }

    #[test]
    fn a_scheme_may_ring_an_outside_phone_of_ours() {
        let facts = facts(
            r#"{"entry_id":"e","call_id":"c","timestamp":1775458800,"seq":1,
                "call_state":"Appeared","location":"abonent","from":{"number":"74950000021"},
                "to":{"number":"74950000028","line_number":"74950000003"}}"#,
        );
        assert!(matches!(&facts[1], Fact::Leg { party, .. } if *party == person("74950000028")));
    }

    #[test]
    fn a_message_that_names_nobody_is_still_an_event_of_its_leg() {
        let facts = facts(
            r#"{"entry_id":"e","call_id":"c","timestamp":1775458800,
                "call_state":"Disconnected","from":null}"#,
        );
        assert!(
            matches!(facts[..], [Fact::Parties { .. }, Fact::Ends { .. }]),
            "{facts:?}"
        );
    }

    /// Ends of one leg as its event number `seq`, with these ends of it.
    fn talks_implied_by(seq: i64, ends: &str) -> usize {
        let json = format!(
            r#"{{"entry_id":"e","call_id":"c","timestamp":1775458800,"seq":{seq},
                "call_state":"Disconnected","disconnect_reason":1110,{ends}}}"#
        );
        let events = decode("/events/call", &json).events.into_iter();
        let talks = events.filter(|event| matches!(event.fact, Fact::Talks { .. }));
        talks
            .inspect(|event| assert!(!event.clock.is_exact()))
            .count()
    }

    #[test]
    fn the_count_of_a_legs_events_tells_of_a_lost_talk() {
        let incoming = r#""location":"abonent","from":{"number":"74950000021"},
            "to":{"extension":"301","line_number":"74950000003"}"#;
        assert_eq!(talks_implied_by(2, incoming), 0, "rang and ended");
        assert_eq!(talks_implied_by(3, incoming), 1);
        let menu = incoming.replace("abonent", "ivr");
        assert_eq!(talks_implied_by(3, &menu), 0, "a machine does not talk");
        let passed = incoming.replace(
            r#""from":{"#,
            r#""transfer":"blind","from":{"taken_from_call_id":"b","#,
        );
        assert_eq!(talks_implied_by(3, &passed), 0, "appears twice");
        let own = format!(r#""callback_initiator":"API",{incoming}"#);
        assert_eq!(talks_implied_by(3, &own), 0, "a callback's own leg");
    }

    #[test]
    fn a_record_with_impossible_times_keeps_what_can_be() {
        let out = decode(
            "/events/summary",
            r#"{"entry_id":"e","call_direction":1,"from":{"number":"74950000021"},
                "to":{"extension":"301"},"create_time":1775458800,"talk_time":1775458700,
                "end_time":"99999999999","entry_result":1,"disconnect_reason":1110}"#,
        );
        let Fact::Summary(summary) = &out.events[0].fact else {
            panic!("{:?}", out.events);
        };
        let start = Some(Timestamp::from_seconds(1_775_458_800));
        assert_eq!((summary.started, summary.ended), (start, None));
        assert_eq!((summary.answered, summary.answered_known), (start, true));
        assert_eq!(out.events[0].at, NOW);
        assert!(!out.events[0].clock.is_exact());
    }

    #[test]
    fn a_talk_stays_a_talk_whatever_became_of_its_times() {
        for times in [
            r#""create_time":0,"talk_time":0,"end_time":0"#,
            r#""create_time":1775458800000,"talk_time":1775458807000,"end_time":1775458847000"#,
        ] {
            let json = format!(
                r#"{{"entry_id":"e","call_direction":1,"from":{{"number":"74950000021"}},
                    "to":{{"extension":"301"}},{times},"entry_result":1,"disconnect_reason":1110}}"#
            );
            let events = decode("/events/summary", &json).events;
            let call = crate::tracker::derive(&events.into_iter().collect());
            assert_eq!(call.result, Some(crate::model::call::CallResult::Answered));
            let millis = times.contains("800000");
            assert_eq!(call.wait_ms, millis.then_some(7_000), "{times}");
            assert_eq!(call.talk_ms, millis.then_some(40_000), "{times}");
        }
    }

    #[test]
    fn what_cannot_be_placed_is_an_error_and_tells_nothing() {
        for (path, json) in [
            (
                "/events/call",
                r#"{"call_id":"c","timestamp":1,"call_state":"Appeared"}"#,
            ),
            (
                "/events/call",
                r#"{"entry_id":"e","timestamp":1,"call_state":"Appeared"}"#,
            ),
            (
                "/events/call",
                r#"{"entry_id":"e","call_id":"c","call_state":"Appeared"}"#,
            ),
            (
                "/events/call",
                r#"{"entry_id":"e","call_id":"c","timestamp":1}"#,
            ),
            (
                "/events/call",
                r#"{"entry_id":"e","call_id":"c","timestamp":true}"#,
            ),
            ("/events/summary", r#"{"entry_id":"e","entry_result":7}"#),
            (
                "/events/recording",
                r#"{"entry_id":"e","recording_id":"r","timestamp":1}"#,
            ),
            (
                "/events/dtmf",
                r#"{"entry_id":"e","call_id":"c","timestamp":1}"#,
            ),
            ("/events/call", "[]"),
            ("/events/sms", "{"),
        ] {
            let mut out = Decoded::default();
            let request = unsigned(path, json);
            let done = account("")
                .decoder()
                .feed(Input::Request(&request), NOW, &mut out);
            assert!(done.is_err(), "{path} {json}");
            assert!(
                out.events.is_empty() && out.ignored.is_empty(),
                "{path} {json}"
            );
        }
    }

    #[tokio::test]
    async fn a_recording_is_asked_for_with_a_signature() {
        let source = RecordingSource::Api("cmVj".to_owned());
        let Ok(Fetch::Http(request)) = account("").recording(&source, NOW).await else {
            panic!("no request");
        };
        assert_eq!(
            request.url,
            "https://app.mango-office.ru/vpbx/queries/recording/post"
        );
        assert!(request.reach.hosts.contains(&".mango-office.ru".to_owned()));
        let form = request.form.unwrap();
        let json = r#"{"action":"download","recording_id":"cmVj"}"#;
        assert_eq!(form[2], ("json".to_owned(), json.to_owned()));
        // printf 'a-key{"action":"download","recording_id":"cmVj"}a-salt' | sha256sum
        let sign = "235ec903736b3a8267cbb7edb7f6c3abb702c6f1c2ed38a2f42c1fb28c7f0678";
        assert_eq!(form[1], ("sign".to_owned(), sign.to_owned()));
        let link = RecordingSource::Link("https://mango-office.ru/1".to_owned());
        assert!(account("").recording(&link, NOW).await.is_err());
    }

    #[test]
    fn settings_are_checked() {
        for text in [
            "vpbx_api_key = 'a'",
            "vpbx_api_key = 'a'\nvpbx_api_salt = ''",
            "vpbx_api_key = 'a'\nvpbx_api_salt = 'b'\nsalt = 'c'",
        ] {
            let tools = Tools::of_tests(NumberingPlan::default());
            let opened = open(AccountName::from("cloud"), text.parse().unwrap(), tools);
            assert!(opened.is_err(), "{text}");
        }
        assert_eq!(
            account("api_url = 'https://vpbx.example.test/'").provider(),
            "mango"
        );
    }
}
