//! UIS, one platform under several brands: uiscom.ru, CoMagic, Novofon 2.0.
//!
//! Vendor's documentation: <https://www.uiscom.ru/academiya/spravochnyj-centr/dokumentatsiya-api/>. The
//! platform signs nothing, so the first part of every path is a secret of ours:
//!
//! * `/<token>/<event>`: notifications by our templates (`templates`), one path for each;
//! * `/<token>/route`: a scenario's "interactive processing" asks who should ring, answered by
//!   `{"phones":[...]}`, or by the code of the branch that goes on without us.
//!
//! ```toml
//! [[pbx]]
//! name = "uis-office"
//! type = "uis"
//! token = "env:UIS_TOKEN"                # ours: openssl rand -hex 16
//! access_token = "env:UIS_ACCESS_TOKEN"  # key of Call API and Data API
//! ```
//!
//! `docs/providers/uis.en.md` says what to click in the cabinet, and what to paste there.
//!
//! | File | What |
//! |---|---|
//! | `settings` | the account in the configuration |
//! | `templates` | what is pasted into the cabinet |
//! | `fields`, `event` | what notifications say |
//! | `api` | questions to both APIs, their limits and refusals |
//! | `employees` | who works there |
//! | `history` | the platform's own records of past calls |
//! | `unconfirmed` | what nobody has confirmed, and what we do until then |
//!
//! Click-to-call is `start.employee_call`. Its answer names the call as events will, and our id comes back in
//! them as well.

mod api;
mod employees;
mod event;
mod fields;
mod history;
mod settings;
pub mod templates;
mod unconfirmed;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use self::{
    api::{Api, Place, Purpose},
    event::{Event, Reader},
    fields::Fields,
    history::Records,
    settings::Settings,
};
use super::{
    Ability, Command, DecodeError, Decoded, Decoder, Employee, Enquiry, Input, Intake, Page, Pbx,
    PbxError, Provider, Refused, Reply, Request, RouteAnswer, SettingsError, Taken, Tools,
    dialable, numbers::Numbers, recording::Fetch, secret,
};
use crate::model::{
    event::RecordingSource,
    ids::{AccountName, CallKey, Extension},
    time::Timestamp,
};

/// UIS in the registry.
pub const PROVIDER: Provider = Provider {
    name: "uis",
    title: "UIS, CoMagic, Novofon 2.0",
    abilities: &[
        Ability::Command,
        Ability::Recording,
        Ability::Routing,
        Ability::History,
        Ability::Tracking,
    ],
    not_offered: &[Ability::Signature],
    open,
};

/// What our ids of calls by command begin with: other programs command the same account.
const OURS: &str = "ringcard-call-";
/// Longest run of keys that is kept.
const LONGEST_DIGITS: usize = 64;

fn open(
    name: AccountName,
    table: toml::Table,
    tools: Tools,
) -> Result<Arc<dyn Pbx>, SettingsError> {
    let (settings, zone) = super::settings::<Settings>(table)?.whole()?;
    let place = |url: &str| Place::new(url, settings.recordings.reach_of(url));
    let places = (place(&settings.call_api_url), place(&settings.data_api_url));
    let api = (!settings.access_token.is_empty())
        .then(|| Api::new(&settings.access_token, places, tools.http, settings.limits));
    let ids = settings.employees.iter();
    let ids = ids.filter_map(|(id, extension)| Some((extension.clone(), id.parse().ok()?)));
    let ids: BTreeMap<Extension, i64> = ids.collect();
    if ids.len() != settings.employees.len() {
        let text = "employees must be extensions by whole numbers, each once";
        return Err(SettingsError::Unusable(text.to_owned()));
    }
    Ok(Arc::new(Account {
        name,
        settings: Arc::new(settings),
        numbers: Arc::new(Numbers::new(tools.plan)),
        zone,
        api,
        ids: Mutex::new(ids),
    }))
}

struct Account {
    name: AccountName,
    settings: Arc<Settings>,
    numbers: Arc<Numbers>,
    zone: TimeZone,
    /// Without a key nothing can be asked.
    api: Option<Api>,
    /// The platform's ids of employees, as far as they are known.
    ids: Mutex<BTreeMap<Extension, i64>>,
}

impl Account {
    fn api(&self) -> Result<&Api, PbxError> {
        self.api.as_ref().ok_or(PbxError::Unsupported)
    }

    fn known_id(&self, extension: &Extension) -> Option<i64> {
        // Whatever a panic left behind is true all the same.
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.get(extension).copied()
    }

    /// The platform's id of this employee; asked for if it is not known.
    async fn id_of(&self, api: &Api, extension: &Extension) -> Result<i64, PbxError> {
        if let Some(id) = self.known_id(extension) {
            return Ok(id);
        }
        let listed = employees::list(api, Purpose::Command).await?;
        let listed = listed.into_iter().map(|(id, one)| (one.extension, id));
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        for (extension, id) in listed {
            ids.entry(extension).or_insert(id);
        }
        let id = ids.get(extension).copied();
        id.ok_or_else(|| PbxError::Refused("nobody there has this extension".to_owned()))
    }

    /// What the scenario is to do with the caller.
    fn route_answer(&self, answer: &RouteAnswer) -> Value {
        let settings = &self.settings;
        let number = |target: &Extension| {
            let full = settings.phones.get(target.as_str()).map(String::as_str);
            let short = || {
                dialable::extension(target)
                    .ok()
                    .filter(|_| settings.answer_extensions)
            };
            full.or_else(short).map(str::to_owned)
        };
        let phones: Vec<String> = answer.targets.iter().filter_map(number).collect();
        let code = match (answer.is_blocked(), settings.blocked_code) {
            (true, Some(code)) => code,
            _ => settings.otherwise_code,
        };
        match answer.is_blocked() || phones.is_empty() {
            true => json!({ "returned_code": code }),
            false => json!({ "phones": phones }),
        }
    }
}

#[async_trait]
impl Pbx for Account {
    fn provider(&self) -> &'static str {
        PROVIDER.name
    }

    fn intake(&self) -> Intake {
        Intake::Webhook
    }

    fn verify(&self, request: &Request, _now: Timestamp) -> Result<(), Refused> {
        match secret::opens(request, &self.settings.token) {
            true => Ok(()),
            false => Err(Refused::Token),
        }
    }

    fn secret_path_parts(&self) -> usize {
        1
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(UisDecoder {
            account: self.name.clone(),
            settings: Arc::clone(&self.settings),
            numbers: Arc::clone(&self.numbers),
            zone: self.zone.clone(),
        })
    }

    fn format_route(&self, _enquiry: &Enquiry, answer: &RouteAnswer) -> Reply {
        Reply {
            status: 200,
            content_type: "application/json",
            body: self.route_answer(answer).to_string().into(),
        }
    }

    /// Links of notifications and records open without sign-in.
    async fn recording(
        &self,
        source: &RecordingSource,
        _now: Timestamp,
    ) -> Result<Fetch, PbxError> {
        match source {
            RecordingSource::Link(_) => self.settings.recordings.fetch(source),
            RecordingSource::File(_) | RecordingSource::Api(_) => Err(PbxError::Unsupported),
        }
    }

    /// `start.employee_call`: rings the employee, then the client.
    async fn command(&self, command: &Command) -> Result<Taken, PbxError> {
        let Command::ClickToCall {
            command,
            extension,
            client,
        } = command;
        let api = self.api()?;
        if self.settings.virtual_number.is_empty() {
            let text = "the account has no virtual_number for clicks to call";
            return Err(PbxError::Refused(text.to_owned()));
        }
        let contact = dialable::digits(client)?;
        let employee = self.id_of(api, extension).await?;
        let wanted = json!({
            "first_call": "employee",
            "switch_at_once": true,
            "show_virtual_phone_number": false,
            "virtual_phone_number": self.settings.virtual_number,
            "external_id": format!("{OURS}{command}"),
            "direction": "out", // otherwise the report says "in"
            "contact": contact,
            "employee": {"id": employee},
        });
        let answer = api.ask(Purpose::Command, &api.call, "start.employee_call", wanted);
        let answer = answer.await?;
        let key = &answer["data"]["call_session_id"];
        Ok(Taken::Perhaps {
            key: key.as_i64().map(|key| CallKey::from(key.to_string())),
        })
    }

    async fn history(&self, cursor: Option<&str>, now: Timestamp) -> Result<Page, PbxError> {
        let records = Records {
            account: &self.name,
            numbers: &self.numbers,
            zone: &self.zone,
            settings: &self.settings,
        };
        records.page(self.api()?, cursor, now).await
    }

    async fn employees(&self) -> Result<Vec<Employee>, PbxError> {
        let listed = employees::list(self.api()?, Purpose::List).await?;
        Ok(listed.into_values().collect())
    }
}

/// Our own id of a command, if it is one of our calls.
fn own_command(external_id: &str) -> Option<&str> {
    let own = external_id.strip_prefix(OURS)?;
    (!own.is_empty()).then_some(own)
}

struct UisDecoder {
    account: AccountName,
    settings: Arc<Settings>,
    numbers: Arc<Numbers>,
    zone: TimeZone,
}

impl Decoder for UisDecoder {
    fn feed(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        match input {
            Input::Request(request) => self.request(request, now, out),
            Input::Records(raw) => self.records().read(raw, now, out).map(|_| ()),
            _ => Ok(()), // webhooks have no connection to open or close
        }
    }
}

impl UisDecoder {
    fn records(&self) -> Records<'_> {
        Records {
            account: &self.account,
            numbers: &self.numbers,
            zone: &self.zone,
            settings: &self.settings,
        }
    }

    fn request(
        &self,
        request: &Request,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let (_, below) = secret::split_path(&request.path);
        let fields = Fields::read(request)?;
        if below == "route" {
            self.route(&fields, now, out);
            return Ok(());
        }
        if fields.is_empty() {
            out.notes.push("ping");
            return Ok(());
        }
        let reader = Reader {
            account: &self.account,
            numbers: &self.numbers,
            zone: &self.zone,
            extension_of: &|id: &str| self.settings.employees.get(id).cloned(),
        };
        match Event::read(&fields, below)? {
            Some(event) => event.tell(reader, now, out),
            None => out.ignored.push("unknown_event"),
        }
        Ok(())
    }

    /// `numa` calls `numb`; `input_result` is what was pressed before, or the word `None`.
    fn route(&self, fields: &Fields, now: Timestamp, out: &mut Decoded) {
        let number = |name| fields.get(name).map(|raw| self.numbers.read(raw));
        let pressed = fields.get("input_result").filter(|said| *said != "None");
        let visible = pressed
            .unwrap_or_default()
            .chars()
            .filter(|key| !key.is_control());
        let call = fields.get("cdr_id").filter(|_| self.settings.cdr_is_call);
        out.enquiries.push(Enquiry {
            account: self.account.clone(),
            call: call
                .filter(|id| id.len() <= LONGEST_DIGITS)
                .map(CallKey::from),
            client: number("numa"),
            did: number("numb"),
            attempt: 1,
            is_it: None,
            digits: visible.take(LONGEST_DIGITS).collect(),
            rung: Vec::new(),
            at: now,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        event::{Clock, Fact, Party},
        phone::{Number, NumberingPlan},
    };

    const NOW: Timestamp = Timestamp::from_seconds(1_775_458_900);
    const TOKEN: &str = "Kd83nfhAq0-_zP51mWx7Lq";

    fn open_with(text: &str) -> Result<Arc<dyn Pbx>, SettingsError> {
        let tools = Tools::of_tests(NumberingPlan::default());
        let text = format!("token = '{TOKEN}'\n{text}");
        open(AccountName::from("pbx"), text.parse().unwrap(), tools)
    }

    fn account() -> Arc<dyn Pbx> {
        open_with("[employees]\n7301 = '301'\n[phones]\n301 = '+74950000031'").unwrap()
    }

    fn request(path: &str, body: &str) -> Request {
        Request {
            method: "POST".to_owned(),
            path: path.to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: body.to_owned().into(),
            remote: "192.0.2.1".to_owned(),
        }
    }

    fn feed(path: &str, body: &str) -> Result<Decoded, DecodeError> {
        let mut out = Decoded::default();
        let request = request(&format!("/{TOKEN}/{path}"), body);
        account()
            .decoder()
            .feed(Input::Request(&request), NOW, &mut out)?;
        Ok(out)
    }

    /// Facts of a notification of an incoming call that began at 10:00 in Moscow.
    fn facts(event: &str, more: Value) -> Vec<(Fact, Timestamp, Clock)> {
        let mut body = json!({
            "event": event, "call_session_id": 7, "direction": "in",
            "start_time": "2026-04-06 10:00:00", "notification_time": "2026-04-06 10:00:30",
            "contact_phone_number": "74950000021", "virtual_phone_number": "74950000003",
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let told = feed(event, &body.to_string()).unwrap().events;
        told.into_iter()
            .map(|event| (event.fact, event.at, event.clock))
            .collect()
    }

    #[test]
    fn only_our_token_opens() {
        let verify = |path: &str| account().verify(&request(path, "{}"), NOW);
        assert_eq!(verify(&format!("/{TOKEN}/in_call")), Ok(()));
        for wrong in [
            "",
            "/",
            "/x",
            &format!("/x/{TOKEN}"),
            &format!("/{TOKEN}x/in_call"),
        ] {
            assert_eq!(verify(wrong), Err(Refused::Token), "{wrong}");
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        for wrong in [
            "time_zone = 'Moscow'",
            "virtual_number = '12'",
            "[phones]\n301 = '301'",
            "[employees]\nanna = '301'",
            "[employees]\n1 = '301'\n2 = '301'",
            "brand = 'callgear'",
            "secret = 'x'",
        ] {
            assert!(open_with(wrong).is_err(), "{wrong}");
        }
        assert!(open_with("brand = 'novofon'").is_ok());
    }

    #[test]
    fn the_start_of_the_call_comes_with_every_notification() {
        let told = facts("leg_ringing", json!({"extension_phone_number": "301"}));
        let start = Timestamp::from_seconds(1_775_458_800);
        let parties = told
            .iter()
            .find(|(fact, ..)| matches!(fact, Fact::Parties { .. }));
        let (_, at, clock) = parties.unwrap();
        assert_eq!((*at, *clock), (start, Clock::Exact));
        let rings = told.iter().find(|(fact, ..)| *fact == Fact::Rings).unwrap();
        assert_eq!(rings.1, start.plus_millis(30_000));
    }

    #[test]
    fn an_employee_without_an_extension_is_known_by_the_id() {
        let person = |more| {
            facts("leg_ringing", more)
                .into_iter()
                .find_map(|(fact, ..)| match fact {
                    Fact::Leg {
                        party: Party::Person(extension),
                        ..
                    } => Some(extension),
                    _ => None,
                })
        };
        assert_eq!(person(json!({"employee_id": 7301})), Some("301".into()));
        assert_eq!(person(json!({"employee_id": 7399})), None);
        let outside = json!({"extension_phone_number": "74950000028", "employee_id": 7301});
        assert_eq!(person(outside), Some("301".into()));
    }

    #[test]
    fn a_time_that_cannot_be_is_a_bound() {
        for time in ["1970-01-01 00:00:00", "06.04.2026", "2099-01-01 00:00:00"] {
            let told = facts("talk_started", json!({"notification_time": time}));
            let talks = told
                .iter()
                .find(|(fact, ..)| matches!(fact, Fact::Talks { .. }));
            let (_, at, clock) = talks.unwrap();
            assert_eq!((*at, *clock), (NOW, Clock::NoLaterThan), "{time}");
        }
    }

    #[test]
    fn a_call_that_contradicts_itself_leaves_the_answer_to_others() {
        let summary = |more| {
            facts("call_finished", more)
                .into_iter()
                .find_map(|(fact, ..)| match fact {
                    Fact::Summary(summary) => Some(*summary),
                    _ => None,
                })
        };
        let odd = summary(json!({"is_lost": true, "talk_time_duration": 20})).unwrap();
        assert!(!odd.answered_known && odd.answered.is_none());
        let silent = summary(json!({"is_lost": false})).unwrap();
        assert!(!silent.answered_known);
        // The lengths do not fit each other: answered, and nobody says when.
        let sometime = summary(json!({"is_lost": false, "talk_time_duration": 5,
            "wait_time_duration": 3}));
        let sometime = sometime.unwrap();
        assert_eq!(sometime.answered, sometime.started);
        assert!(sometime.answered_known);
    }

    #[test]
    fn visit_data_come_under_our_names() {
        let told = facts(
            "in_call",
            json!({"ym_client_id": 42, "utm_source": "larch", "gclid": ""}),
        );
        let fields = [("utm_source", "larch"), ("yandex_client_id", "42")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let wanted = Fact::Tracking {
            fields: fields.to_vec(),
        };
        assert!(told.iter().any(|(fact, ..)| *fact == wanted), "{told:?}");
    }

    #[tokio::test]
    async fn only_links_of_the_platform_are_fetched() {
        let link = "https://app.uiscom.ru/system/media/talk/9/ab/";
        let told = facts("record_ready", json!({"file_link": link}));
        let source = told.iter().find_map(|(fact, ..)| match fact {
            Fact::Recording { source, .. } => source.clone(),
            _ => None,
        });
        let Ok(Fetch::Http(request)) = account().recording(&source.unwrap(), NOW).await else {
            panic!("no request");
        };
        assert_eq!(
            request.reach.hosts,
            [".uiscom.ru", ".comagic.ru", ".novofon.ru"]
        );
        let told = facts("record_ready", json!({"file_link": "file:///etc/passwd"}));
        assert!(
            !told
                .iter()
                .any(|(fact, ..)| matches!(fact, Fact::Recording { .. }))
        );
    }

    fn answer(targets: &[&str], reason: &str) -> RouteAnswer {
        RouteAnswer {
            targets: targets
                .iter()
                .map(|target| Extension::from(*target))
                .collect(),
            ring_ms: 10_000,
            together: false,
            display_name: None,
            reason: reason.to_owned(),
            recorded: crate::pbx::Recorded::default(),
        }
    }

    #[test]
    fn the_scenario_is_told_full_numbers_or_to_go_on() {
        let asked = r#"{"cdr_id":55,"numa":"74950000021","numb":"74950000003","input_result":"2"}"#;
        let out = feed("route", asked).unwrap();
        let enquiry = &out.enquiries[0];
        assert_eq!(
            enquiry.client.as_ref().and_then(Number::e164),
            Some("+74950000021")
        );
        assert_eq!((enquiry.digits.as_str(), &enquiry.call), ("2", &None));
        let says = |account: &Arc<dyn Pbx>, given: &RouteAnswer| {
            let reply = account.format_route(enquiry, given);
            String::from_utf8(reply.body.to_vec()).unwrap()
        };
        let ours = account();
        assert_eq!(
            says(&ours, &answer(&["302", "301"], "owner")),
            r#"{"phones":["74950000031"]}"#
        );
        assert_eq!(
            says(&ours, &answer(&["302"], "owner")),
            r#"{"returned_code":1}"#
        );
        assert_eq!(
            says(&ours, &answer(&["301"], "blocked")),
            r#"{"returned_code":1}"#
        );
        let other = open_with("answer_extensions = true\notherwise_code = 4\nblocked_code = 9");
        let other = other.unwrap();
        assert_eq!(
            says(&other, &answer(&["302"], "owner")),
            r#"{"phones":["302"]}"#
        );
        assert_eq!(
            says(&other, &answer(&[], "default")),
            r#"{"returned_code":4}"#
        );
        assert_eq!(
            says(&other, &answer(&[], "blocked")),
            r#"{"returned_code":9}"#
        );
    }

    /// What is pasted into the cabinet, filled in as the platform does, is understood.
    #[test]
    fn our_templates_are_read_by_our_decoder() {
        for (title, name, body) in templates::all() {
            let told = |name: &str| match name {
                "call_session_id" | "leg_id" | "employee_id" => "7301".to_owned(),
                "leg_ids" | "employee_ids" => "[7300,7301]".to_owned(),
                "is_internal" | "is_lost" => "false".to_owned(),
                "direction" => "\"in\"".to_owned(),
                "file_link" => "\"https://app.uiscom.ru/system/media/talk/9/ab/\"".to_owned(),
                name if name.ends_with("_time") => "\"2026-04-06 10:00:00\"".to_owned(),
                name if name.ends_with("_duration") => "12".to_owned(),
                name if name.ends_with("_phone_number") => "\"301\"".to_owned(),
                _ => "null".to_owned(),
            };
            let mut filled = body.clone();
            while let Some((before, rest)) = filled.split_once("{{") {
                let (variable, after) = rest.split_once("}}").unwrap();
                filled = format!("{before}{}{after}", told(variable));
            }
            let out = feed(name, &filled).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!out.events.is_empty() && out.ignored.is_empty(), "{title}");
            let unfilled = feed(name, &body.replace("{{call_session_id}}", "7"));
            assert!(unfilled.is_ok(), "{name}: {:?}", unfilled.err());
            for page in [
                include_str!("../../docs/providers/uis.en.md"),
                include_str!("../../docs/providers/uis.ru.md"),
            ] {
                assert!(
                    page.contains(&body),
                    "the page lacks the template of {name}"
                );
            }
        }
    }
}
