//! Sipuni, a Russian cloud PBX (Asterisk based) whose scheme can ask by HTTP who should get a call.
//!
//! Vendor's documentation: <https://sipuni.com/api>. Every event is a GET or POST with URL-encoded
//! fields and without a signature, so the first part of the path is a secret of ours:
//!
//! * `/<token>`: events 1 (a phone begins to ring), 3 (answer), 4 (a leg has ended) and 2 (the call has
//!   ended; may never come);
//! * `/<token>/route/<extension>`: the scheme node "HTTP request" asks whether this extension gets the
//!   caller, answered by `{"choice":1}` or `{"choice":0}`;
//! * `/<token>/tracking`: visitor data of the call-tracking service. It names no call, so it is a visit beside
//!   the calls, joined by caller, line and time.
//!
//! ```toml
//! [[pbx]]
//! name = "lossy-office"
//! type = "sipuni"
//! token = "env:SIPUNI_TOKEN"          # ours: openssl rand -hex 16
//! user = "012345"                     # number of the cabinet; for click-to-call, past calls and files by id
//! api_secret = "env:SIPUNI_SECRET"    # key of the API in the cabinet
//! ```
//!
//! The cabinet is given `<public_url>/hooks/lossy-office/<token>` as the address of PBX events; scheme
//! node and call-tracking get the longer ones. `docs/providers/sipuni.en.md` says what to click there.
//!
//! | File | What |
//! |---|---|
//! | `event` | what posted events say |
//! | `api` | questions to Sipuni with their hash |
//! | `history` | Sipuni's own records of past calls |
//! | `tracking` | visitor data of its call-tracking service |
//! | `unconfirmed` | what nobody has confirmed, and what we do until then |
//!
//! Click-to-call is `callback/call_number`, or `callback/call_tree` where a scheme is named.

mod api;
mod event;
mod history;
mod tracking;
mod unconfirmed;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use serde::Deserialize;

use self::{
    api::{Api, Limits, Purpose},
    event::{Event, Fields},
    history::Records,
};
use super::{
    Ability, Command, DecodeError, Decoded, Decoder, Enquiry, Input, Intake, Page, Pbx, PbxError,
    Provider, Refused, Reply, Request, RouteAnswer, SettingsError, Taken, Tools, dialable,
    recording::{Fetch, RecordingSettings},
    secret,
};
use crate::model::{
    event::RecordingSource,
    ids::{AccountName, Extension},
    phone::NumberingPlan,
    time::Timestamp,
};

/// Sipuni in the registry.
pub const PROVIDER: Provider = Provider {
    name: "sipuni",
    title: "Sipuni",
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

/// Longest extension and longest run of keys that are believed.
const LONGEST_EXTENSION: usize = 32;
const LONGEST_DIGITS: usize = 64;

/// The account's table in the configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The secret part of the path given to Sipuni: letters, digits, `-` and `_`.
    token: String,
    /// Number of the cabinet, for questions to the API.
    #[serde(default)]
    user: String,
    /// Key of the API.
    #[serde(default)]
    api_secret: String,
    /// Where the API is asked.
    #[serde(default = "default_api_url")]
    api_url: String,
    /// Scheme that calls out for click-to-call (`000-123456`); none: employee and client directly.
    #[serde(default)]
    click_tree: Option<String>,
    /// How long the employee's phone rings through that scheme, in seconds.
    #[serde(default = "default_click_ring_s")]
    click_ring_s: u16,
    /// The clock by which records of past calls are written (IANA name).
    #[serde(default = "default_time_zone")]
    time_zone: String,
    /// How far back past calls are read when the account is new, in hours.
    #[serde(default = "default_history_hours")]
    history_hours: u16,
    /// How often Sipuni may be asked.
    #[serde(default)]
    limits: Limits,
    /// Which hosts give recordings; empty: Sipuni's own.
    #[serde(default)]
    recordings: RecordingSettings,
}

fn default_api_url() -> String {
    "https://sipuni.com/api".to_owned()
}

fn default_time_zone() -> String {
    "Europe/Moscow".to_owned()
}

fn default_click_ring_s() -> u16 {
    30
}

fn default_history_hours() -> u16 {
    24
}

fn open(
    name: AccountName,
    table: toml::Table,
    tools: Tools,
) -> Result<Arc<dyn Pbx>, SettingsError> {
    let mut settings: Settings = super::settings(table)?;
    secret::check_token(&settings.token)?;
    settings.recordings.come_from(".sipuni.com");
    if !settings.user.is_empty() {
        settings.recordings.url = Some(settings.api_url.clone()); // the host that is asked may answer
    }
    let zone = TimeZone::get(&settings.time_zone).map_err(|_| {
        SettingsError::Unusable("time_zone is none; names are like Europe/Moscow".to_owned())
    })?;
    let api = match (settings.user.is_empty(), settings.api_secret.is_empty()) {
        (true, true) => None,
        (false, false) => Some(Api::new(
            (settings.user.clone(), settings.api_secret.clone()),
            &settings.api_url,
            settings.recordings.reach_of(&settings.api_url),
            tools.http,
            settings.limits,
        )),
        _ => {
            let text = "user and api_secret belong together: both or none";
            return Err(SettingsError::Unusable(text.to_owned()));
        }
    };
    Ok(Arc::new(Account {
        name,
        settings,
        plan: tools.plan,
        zone,
        api,
    }))
}

struct Account {
    name: AccountName,
    settings: Settings,
    plan: NumberingPlan,
    zone: TimeZone,
    /// Without user and key nothing can be asked.
    api: Option<Api>,
}

impl Account {
    fn api(&self) -> Result<&Api, PbxError> {
        self.api.as_ref().ok_or(PbxError::Unsupported)
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
        Box::new(SipuniDecoder {
            account: self.name.clone(),
            plan: self.plan.clone(),
            zone: self.zone.clone(),
        })
    }

    /// "Without a correct answer the sending may be suspended": so even events without meaning get it.
    fn accepted(&self) -> Reply {
        Reply::json(r#"{"success":true}"#)
    }

    fn format_route(&self, enquiry: &Enquiry, answer: &RouteAnswer) -> Reply {
        let is_chosen = enquiry
            .is_it
            .as_ref()
            .is_some_and(|asked| answer.targets.contains(asked));
        Reply::json(match is_chosen {
            true => r#"{"choice":1}"#,
            false => r#"{"choice":0}"#,
        })
    }

    /// The link of event 2 works without sign-in; a file that only records of past calls tell of is asked
    /// for by its id.
    async fn recording(
        &self,
        source: &RecordingSource,
        _now: Timestamp,
    ) -> Result<Fetch, PbxError> {
        match source {
            RecordingSource::Link(_) => self.settings.recordings.fetch(source),
            RecordingSource::Api(id) => {
                let api = self.api()?;
                api.all.take()?;
                let mut request = api.request("statistic/record", &[("id", id)]);
                request.reach = self.settings.recordings.get(String::new(), None).reach;
                Ok(Fetch::Http(request))
            }
            RecordingSource::File(_) => Err(PbxError::Unsupported),
        }
    }

    /// Rings the employee, then the client. That the order is taken does not mean that anything rings.
    async fn command(&self, command: &Command) -> Result<Taken, PbxError> {
        let Command::ClickToCall {
            extension, client, ..
        } = command;
        let employee = ("sipnumber", dialable::extension(extension)?);
        let client = ("phone", dialable::digits(client)?);
        let ring_s = self.settings.click_ring_s.to_string();
        let (path, values) = match &self.settings.click_tree {
            None => (
                "callback/call_number",
                vec![("antiaon", "0"), client, ("reverse", "0"), employee],
            ),
            Some(tree) => (
                "callback/call_tree",
                vec![
                    ("callAttemptTime", ring_s.as_str()),
                    client,
                    ("reverse", "0"),
                    employee,
                    ("tree", tree.as_str()),
                ],
            ),
        };
        let answer = self.api()?.ask(Purpose::Command, path, &values).await?;
        let id = unconfirmed::order(&answer)?;
        Ok(Taken::Perhaps {
            key: id.as_deref().map(unconfirmed::ordered_key),
        })
    }

    async fn history(&self, cursor: Option<&str>, now: Timestamp) -> Result<Page, PbxError> {
        let first_ms = i64::from(self.settings.history_hours) * 3_600_000;
        let records = Records {
            account: &self.name,
            plan: &self.plan,
            zone: &self.zone,
        };
        records.page(self.api()?, cursor, now, first_ms).await
    }
}

struct SipuniDecoder {
    account: AccountName,
    plan: NumberingPlan,
    zone: TimeZone,
}

impl Decoder for SipuniDecoder {
    fn feed(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let request = match input {
            Input::Request(request) => request,
            Input::Records(row) => {
                let records = Records {
                    account: &self.account,
                    plan: &self.plan,
                    zone: &self.zone,
                };
                return records.read(row, now, out);
            }
            _ => return Ok(()), // webhooks have no connection to open or close
        };
        let (_, below) = secret::split_path(&request.path);
        match below.split_once('/').unwrap_or((below, "")) {
            ("", "") => self.event(request, now, out),
            ("tracking", "") => {
                let visit = tracking::visit(&self.account, &self.plan, &request.body, now)?;
                out.visits.push(visit);
                Ok(())
            }
            ("route", extension) => self.route(request, extension, now, out),
            _ => {
                out.ignored.push("unknown_path");
                Ok(())
            }
        }
    }
}

impl SipuniDecoder {
    fn event(
        &self,
        request: &Request,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let fields = Fields::read(request)?;
        if fields.get("event").is_none() && fields.get("call_id").is_none() {
            out.notes.push("ping"); // saving the settings in the cabinet sends one
            return Ok(());
        }
        match Event::read(&fields)? {
            Some(event) => event.tell(&self.account, &self.plan, now, out),
            None => out.ignored.push("unknown_event"),
        }
        Ok(())
    }

    fn route(
        &self,
        request: &Request,
        extension: &str,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let fits = (1..=LONGEST_EXTENSION).contains(&extension.len());
        if !fits || !extension.bytes().all(is_plain) {
            return Err(DecodeError::Field("extension in the path"));
        }
        let fields = Fields::read(request)?;
        let number = |name| fields.get(name).map(|raw| self.plan.read(raw));
        out.enquiries.push(Enquiry {
            account: self.account.clone(),
            call: None, // the question does not carry it
            client: number("fromnum"),
            did: number("tonum"),
            attempt: 1,
            is_it: Some(Extension::from(extension)),
            digits: keys(fields.get("dtmf").unwrap_or_default()),
            rung: Vec::new(),
            at: now, // the format of `time` is not documented
        });
        Ok(())
    }
}

/// Keys pressed, without what no telephone has.
fn keys(text: &str) -> String {
    let visible = text.chars().filter(|key| !key.is_control());
    visible.take(LONGEST_DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        event::{Cause, Clock, Direction, Fact, Party, RecordingStage, Side, Summary},
        ids::Extension,
        phone::Number,
    };

    const NOW: Timestamp = Timestamp::from_seconds(1_775_458_900);
    const TOKEN: &str = "Kd83nfhAq0-_zP51mWx7Lq";

    fn open_with(text: &str) -> Result<Arc<dyn Pbx>, SettingsError> {
        let tools = Tools::of_tests(NumberingPlan::default());
        open(AccountName::from("pbx"), text.parse().unwrap(), tools)
    }

    fn account() -> Arc<dyn Pbx> {
        open_with(&format!("token = '{TOKEN}'")).unwrap()
    }

    fn request(path: &str, query: &str, body: &str) -> Request {
        Request {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
            body: body.to_owned().into(),
            remote: "192.0.2.1".to_owned(),
        }
    }

    fn feed(request: &Request) -> Result<Decoded, DecodeError> {
        let mut out = Decoded::default();
        account()
            .decoder()
            .feed(Input::Request(request), NOW, &mut out)?;
        Ok(out)
    }

    fn decode(query: &str) -> Decoded {
        feed(&request(&format!("/{TOKEN}"), query, "")).unwrap()
    }

    fn summary(query: &str) -> Summary {
        let events = decode(query).events;
        let found = events.into_iter().find_map(|event| match event.fact {
            Fact::Summary(summary) => Some(*summary),
            _ => None,
        });
        found.unwrap()
    }

    const INCOMING: &str = "call_id=1.2&src_type=1&dst_type=2&src_num=74950000021&\
        short_src_num=74950000021&short_dst_num=301&pbxdstnum=74950000003";

    #[test]
    fn only_our_token_opens() {
        let verify = |path: &str| account().verify(&request(path, "event=1", ""), NOW);
        for path in ["", "/", "/tracking"] {
            assert_eq!(verify(path), Err(Refused::Token), "{path}");
        }
        for below in ["", "/", "/tracking", "/route/301"] {
            assert_eq!(verify(&format!("/{TOKEN}{below}")), Ok(()), "{below}");
            assert_eq!(verify(&format!("/x{TOKEN}{below}")), Err(Refused::Token));
            assert_eq!(
                verify(&format!("/{}{below}", &TOKEN[1..])),
                Err(Refused::Token)
            );
        }
    }

    #[test]
    fn what_the_journal_keeps_instead_of_the_token_is_read_all_the_same() {
        assert_eq!(account().secret_path_parts(), 1);
        for below in ["", "/route/301", "/tracking/"] {
            let told = |first: &str| {
                let query = format!("event=1&timestamp=1775458800&{INCOMING}");
                let visit = r#"{"number": 1, "source_id": 2}"#;
                let body = if below == "/tracking/" { visit } else { "" };
                feed(&request(&format!("/{first}{below}"), &query, body)).unwrap()
            };
            assert_eq!(format!("{:?}", told(TOKEN)), format!("{:?}", told("-")));
        }
    }

    #[test]
    fn a_weak_or_wrong_token_is_refused_in_the_settings() {
        for text in ["", "token = 'short'", "token = 'with/slash/and/more'"] {
            assert!(open_with(text).is_err(), "{text}");
        }
        assert!(open_with(&format!("token = '{TOKEN}'\nkey = 1")).is_err());
    }

    #[test]
    fn query_and_body_are_read_together() {
        let path = format!("/{TOKEN}");
        let whole = decode(&format!("event=1&timestamp=1775458800&{INCOMING}")).events;
        let body = format!("{INCOMING}&timestamp=1775458800");
        let split = feed(&request(&path, "event=1", &body)).unwrap().events;
        assert_eq!(whole, split);
        assert_eq!(whole.len(), 3); // parties, leg, rings
    }

    #[test]
    fn tails_and_the_cabinet_number_are_cut_off() {
        let events = decode(
            "event=1&timestamp=1775458800&call_id=1.2&src_type=1&dst_type=2&\
             src_num=%2B74950000021_id0007&dst_num=090909301&user_id=090909&\
             pbxdstnum=74950000003_id0042",
        )
        .events;
        let Fact::Parties { client, did, .. } = &events[0].fact else {
            panic!("{events:?}");
        };
        let e164 = |number: &Option<Number>| number.clone()?.e164().map(str::to_owned);
        assert_eq!(e164(client).as_deref(), Some("+74950000021"));
        assert_eq!(e164(did).as_deref(), Some("+74950000003"));
        let person = Party::Person(Extension::from("301"));
        assert!(matches!(&events[1].fact, Fact::Leg { party, .. } if *party == person));
    }

    #[test]
    fn our_own_number_is_no_extension() {
        let events = decode(
            "event=1&timestamp=1775458800&call_id=1.2&src_type=1&dst_type=2&\
             src_num=74950000021&dst_num=74950000003_id0042&short_dst_num=74950000003",
        )
        .events;
        assert_eq!(events.len(), 1, "{events:?}");
        let Fact::Parties { direction, did, .. } = &events[0].fact else {
            panic!("{events:?}");
        };
        assert_eq!(*direction, Some(Direction::In));
        assert_eq!(did.as_ref().unwrap().e164(), Some("+74950000003"));
    }

    #[test]
    fn times_may_have_fractions_or_milliseconds() {
        for timestamp in ["1775458800.25", "1775458800000"] {
            let events = decode(&format!("event=1&timestamp={timestamp}&{INCOMING}")).events;
            let rings = &events[2];
            assert_eq!(rings.at, Timestamp::from_seconds(1_775_458_800));
            assert!(rings.clock.is_exact());
        }
        let path = format!("/{TOKEN}");
        let query = format!("event=1&timestamp=1775458800.x&{INCOMING}");
        assert!(feed(&request(&path, &query, "")).is_err());
    }

    #[test]
    fn an_answer_at_or_before_the_start_is_not_believed() {
        let over = |answered: &str, status: &str| {
            summary(&format!(
                "event=2&timestamp=1775458860&{INCOMING}&status={status}&\
                 call_start_timestamp=1775458800&call_answer_timestamp={answered}"
            ))
        };
        let start = Some(Timestamp::from_seconds(1_775_458_800));
        assert_eq!(
            over("1775458809", "ANSWER").answered,
            Some(Timestamp::from_seconds(1_775_458_809))
        );
        for wrong in ["1775458797", "1775458800", "0", "", "1775458861", "x"] {
            assert_eq!(
                over(wrong, "ANSWER").answered,
                start,
                "somebody talked: {wrong}"
            );
            let cancelled = over(wrong, "CANCEL");
            assert_eq!(
                (cancelled.answered, cancelled.answered_known),
                (None, false)
            );
            assert_eq!(cancelled.cause, Some(Cause::Cancelled));
            assert_eq!(cancelled.hangup_by, Some(Side::Client));
        }
        // After a failed transfer the status is that of the last leg; the answer is the call's.
        let passed_on = over("1775458809", "NOANSWER");
        assert!(passed_on.answered.is_some() && passed_on.answered_known);
    }

    #[test]
    fn a_lost_answer_is_implied_by_the_legs_end_under_the_same_identity() {
        let told = decode(&format!("event=3&timestamp=1775458809&{INCOMING}")).events;
        let implied = decode(&format!(
            "event=4&timestamp=1775458860&{INCOMING}&status=ANSWER&\
             call_start_timestamp=1775458800&call_answer_timestamp=1775458810"
        ))
        .events;
        assert_eq!(told[2].id, implied[2].id);
        assert_eq!(told[2].clock, Clock::Exact);
        assert_eq!(implied[2].clock, Clock::NoLaterThan);
        assert_eq!(implied[2].at, Timestamp::from_seconds(1_775_458_810));
        let unanswered = decode(&format!(
            "event=4&timestamp=1775458860&{INCOMING}&status=NOANSWER"
        ));
        assert!(
            !unanswered
                .events
                .iter()
                .any(|event| matches!(event.fact, Fact::Talks { .. }))
        );
    }

    #[tokio::test]
    async fn only_an_answered_call_has_a_recording() {
        let link = "https%3A%2F%2Fsipuni.com%2Fapi%2Fcrm%2Frecord%3Fid%3D1.2%26hash%3Dff";
        let news = |status: &str, link: &str| {
            let query = format!(
                "event=2&timestamp=1775458860&{INCOMING}&status={status}&call_record_link={link}"
            );
            let events = decode(&query).events.into_iter();
            let found = events.filter(|event| matches!(event.fact, Fact::Recording { .. }));
            found.map(|event| event.fact).collect::<Vec<_>>()
        };
        let url = "https://sipuni.com/api/crm/record?id=1.2&hash=ff";
        let source = RecordingSource::Link(url.to_owned());
        assert_eq!(
            news("ANSWER", link),
            [Fact::Recording {
                recording: "1.2".to_owned(),
                stage: RecordingStage::Ready,
                source: Some(source.clone()),
            }]
        );
        assert_eq!(news("NOANSWER", link), []);
        assert_eq!(news("ANSWER", "file%3A%2F%2F%2Fetc%2Fpasswd"), []);
        let Ok(Fetch::Http(request)) = account().recording(&source, NOW).await else {
            panic!("no request");
        };
        assert_eq!(request.reach.hosts, [".sipuni.com"]);
    }

    #[test]
    fn a_forwarded_call_rings_one_of_us_outside() {
        let events = decode(
            "event=3&timestamp=1775458809&call_id=1.2&src_type=1&dst_type=1&\
             short_src_num=74950000021&short_dst_num=74950000028",
        )
        .events;
        let person = Party::Person(Extension::from("74950000028"));
        assert!(matches!(&events[1].fact, Fact::Leg { party, .. } if *party == person));
    }

    #[test]
    fn visit_data_come_under_one_name() {
        let events = decode(&format!(
            "event=1&timestamp=1775458800&{INCOMING}&roistat=42&roistatmarket=seo&roistat_market="
        ))
        .events;
        let fields = [("roistat", "42"), ("roistat_market", "seo")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert!(events.iter().any(|event| event.fact
            == Fact::Tracking {
                fields: fields.to_vec()
            }));
    }

    #[test]
    fn the_scheme_asks_for_one_extension_at_a_time() {
        let path = format!("/{TOKEN}/route/301");
        let asked = request(&path, "fromnum=74950000021&tonum=74950000003&dtmf=12", "");
        let out = feed(&asked).unwrap();
        let enquiry = &out.enquiries[0];
        assert_eq!(enquiry.is_it, Some(Extension::from("301")));
        assert_eq!(
            enquiry.client.as_ref().unwrap().e164(),
            Some("+74950000021")
        );
        assert_eq!((enquiry.digits.as_str(), enquiry.at), ("12", NOW));
        let mut answer = RouteAnswer {
            targets: vec![Extension::from("301")],
            ring_ms: 10_000,
            together: false,
            display_name: None,
            reason: "owner".to_owned(),
            recorded: crate::pbx::Recorded::default(),
        };
        let reply = account().format_route(enquiry, &answer);
        assert_eq!(&reply.body[..], br#"{"choice":1}"#);
        answer.targets = vec![Extension::from("302")];
        let reply = account().format_route(enquiry, &answer);
        assert_eq!(&reply.body[..], br#"{"choice":0}"#);
        for odd in ["", "3%200", "../301", "301/302"] {
            let path = format!("/{TOKEN}/route/{odd}");
            assert!(feed(&request(&path, "", "")).is_err(), "{odd}");
        }
    }

    #[test]
    fn pings_and_strangers_are_counted() {
        let path = format!("/{TOKEN}");
        assert_eq!(feed(&request(&path, "", "")).unwrap().notes, ["ping"]);
        let out = decode(&format!("event=9&timestamp=1775458800&{INCOMING}"));
        assert_eq!(out.ignored, ["unknown_event"]);
        let out = feed(&request(&format!("{path}/elsewhere"), "", "")).unwrap();
        assert_eq!(out.ignored, ["unknown_path"]);
    }

    #[test]
    fn what_cannot_be_placed_is_an_error() {
        let path = format!("/{TOKEN}");
        for query in [
            "call_id=1.2&timestamp=1775458800",
            "event=1&timestamp=1775458800",
            "event=1&call_id=1.2",
            "event=1&call_id=1.2&timestamp=soon",
            "event=1&call_id=%ff&timestamp=1775458800",
            "event=1&call_id=%&timestamp=1775458800",
        ] {
            assert!(feed(&request(&path, query, "")).is_err(), "{query}");
        }
        for body in ["{\"event\": 1}", "<xml/>"] {
            assert!(feed(&request(&path, "", body)).is_err(), "{body}");
        }
    }
}
