//! The platform's own records: `get.calls_report` of the Data API, by the account's clock, page by page.
//!
//! A record names its call as notifications do, so facts of both are of one call. It knows who talked and
//! how long everything took, but no phone that rang in vain. People stand in it as ids: what is kept of a
//! record holds the extensions of its ids, as the platform listed them when it was read.

use std::collections::{BTreeMap, HashSet};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    api::{Api, Purpose, data},
    employees,
    event::visit,
    settings::Settings,
    unconfirmed,
};
use crate::{
    model::{
        event::{Cause, Clock, Direction, Fact, Party, RecordingSource, RecordingStage, Summary},
        ids::{AccountName, CallKey, Extension, LegKey},
        phone::Number,
        time::Timestamp,
    },
    pbx::{
        DecodeError, Decoded, Message, Page, PbxError, facts::Facts, fields::from_json,
        numbers::Numbers, span::Span, wall,
    },
};

/// Records on a page; the text allows 10 000.
const PAGE_RECORDS: usize = 1_000;
/// Most pages of one span: the text allows an offset of 100 000.
const MOST_PAGES: usize = 100;

/// What is asked of each call.
const FIELDS: [&str; 33] = [
    "id",
    "start_time",
    "finish_time",
    "direction",
    "is_lost",
    "contact_phone_number",
    "virtual_phone_number",
    "communication_id",
    "wait_duration",
    "talk_duration",
    "total_duration",
    "call_records",
    "first_talked_employee_id",
    "last_talked_employee_id",
    "call_api_external_id",
    "campaign_name",
    "channel",
    "entrance_page",
    "gclid",
    "ua_client_id",
    "referrer",
    "search_engine",
    "search_query",
    "site_domain_name",
    "utm_campaign",
    "utm_content",
    "utm_medium",
    "utm_source",
    "utm_term",
    "visitor_id",
    "visitor_session_id",
    "yclid",
    "ym_client_id",
];

/// Reads records of one account.
pub struct Records<'a> {
    pub account: &'a AccountName,
    pub numbers: &'a Numbers,
    /// The account's clock, by which reports are asked for and written.
    pub zone: &'a TimeZone,
    pub settings: &'a Settings,
}

/// What is kept of a record.
#[derive(Deserialize, Serialize)]
struct Kept {
    record: Map<String, Value>,
    /// The extensions of the ids in it.
    extensions: BTreeMap<String, Extension>,
}

impl Records<'_> {
    /// The next part of history after the cursor.
    pub async fn page(
        &self,
        api: &Api,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Result<Page, PbxError> {
        let first_ms = i64::from(self.settings.history_hours) * 3_600_000;
        let span = Span::after(cursor, now, first_ms);
        let records = self.all(api, span).await?;
        let extensions = self.extensions(api, &records).await?;
        let messages = records
            .into_iter()
            .filter_map(|record| self.message(record, &extensions, span, now));
        Ok(span.page(messages))
    }

    /// Every record of the span. A page that brings nothing new has come again: the rest would be lost.
    async fn all(&self, api: &Api, span: Span) -> Result<Vec<Map<String, Value>>, PbxError> {
        let mut known = HashSet::new();
        let mut all = Vec::new();
        for page in 0..MOST_PAGES {
            let wanted = json!({
                "date_from": wall::write_iso(span.from, self.zone),
                "date_till": wall::write_iso(span.to, self.zone),
                "limit": PAGE_RECORDS,
                "offset": page * PAGE_RECORDS,
                "include_ongoing_calls": false,
                "fields": &FIELDS[..],
            });
            let answer = api.ask(Purpose::Report, &api.data, "get.calls_report", wanted);
            let records: Vec<Map<String, Value>> =
                data(answer.await?, "a report without its list of calls")?;
            let (count, before) = (records.len(), all.len());
            for record in records {
                let id = text(&record, "id").unwrap_or_default();
                if id.is_empty() || known.insert(id) {
                    all.push(record);
                }
            }
            if count < PAGE_RECORDS {
                return Ok(all);
            }
            if all.len() == before {
                return Err(PbxError::Unreadable("the same page of history again"));
            }
        }
        Err(PbxError::Unreadable("more calls in a day than can be"))
    }

    /// The extensions of everybody in these records: the platform is asked only for whom the account's
    /// table does not have.
    async fn extensions(
        &self,
        api: &Api,
        records: &[Map<String, Value>],
    ) -> Result<BTreeMap<String, Extension>, PbxError> {
        let mut extensions = self.settings.employees.clone();
        let is_known = |id: &String| extensions.contains_key(id);
        if records.iter().flat_map(ids).all(|id| is_known(&id)) {
            return Ok(extensions);
        }
        for (id, one) in employees::list(api, Purpose::List).await? {
            extensions.entry(id.to_string()).or_insert(one.extension);
        }
        Ok(extensions)
    }

    /// A record as a message; nothing for one that is not of this span or has not settled.
    fn message(
        &self,
        record: Map<String, Value>,
        extensions: &BTreeMap<String, Extension>,
        span: Span,
        now: Timestamp,
    ) -> Option<Message> {
        let own = ids(&record).filter_map(|id| Some((id.clone(), extensions.get(&id)?.clone())));
        let extensions = own.collect();
        let kept = Kept { record, extensions };
        let mut out = Decoded::default();
        let told = self.tell(&kept, now, &mut out);
        span.message(told, out, now, || {
            serde_json::to_vec(&kept).expect("maps with names of text are JSON")
        })
    }

    /// Tells the facts of a record as the journal keeps it.
    pub fn read(
        &self,
        raw: &[u8],
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(Timestamp, Timestamp), DecodeError> {
        let kept: Kept = from_json(raw)?;
        self.tell(&kept, now, out)
    }

    /// Tells the facts of a record; gives start and end of its call.
    fn tell(
        &self,
        kept: &Kept,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(Timestamp, Timestamp), DecodeError> {
        let record = &kept.record;
        let call = text(record, "id").ok_or(DecodeError::Field("id"))?;
        let time = |name| {
            let at = wall::read_iso(&text(record, name)?, self.zone)?;
            Some(at).filter(|at| at.is_plausible(now))
        };
        let started = time("start_time").ok_or(DecodeError::Field("start_time"))?;
        let ended = time("finish_time").filter(|end| started <= *end);
        let ended = ended.ok_or(DecodeError::Field("finish_time"))?;
        let story = Story {
            kept,
            started,
            ended,
            numbers: self.numbers,
        };
        let mut facts = Facts {
            account: self.account,
            call: CallKey::from(call),
            at: ended,
            clock: Clock::Exact,
            out,
        };
        story.tell(&self.settings.records_url, &mut facts);
        Ok((started, ended))
    }
}

/// A value as text; nothing if it says nothing.
fn text(record: &Map<String, Value>, name: &str) -> Option<String> {
    let said = match record.get(name)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!said.is_empty()).then_some(said)
}

/// The ids of those who talked, in the order in which they did.
fn ids(record: &Map<String, Value>) -> impl Iterator<Item = String> {
    let first = text(record, "first_talked_employee_id");
    let last = text(record, "last_talked_employee_id").filter(|last| Some(last) != first.as_ref());
    first.into_iter().chain(last)
}

/// A record with what its facts need.
struct Story<'a> {
    kept: &'a Kept,
    started: Timestamp,
    ended: Timestamp,
    numbers: &'a Numbers,
}

impl Story<'_> {
    fn text(&self, name: &str) -> Option<String> {
        text(&self.kept.record, name)
    }

    fn seconds(&self, name: &str) -> Option<i64> {
        self.text(name)?
            .parse()
            .ok()
            .filter(|seconds| *seconds >= 0)
    }

    fn direction(&self) -> Option<Direction> {
        match self.text("direction")?.as_str() {
            "in" => Some(Direction::In),
            "out" => Some(Direction::Out),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> Option<Number> {
        Some(self.numbers.read(&self.text(name)?))
    }

    /// Whether somebody talked, if the record says so without contradicting itself.
    fn talked(&self) -> Option<bool> {
        let is_lost = self.kept.record.get("is_lost").and_then(Value::as_bool);
        match (self.seconds("talk_duration")?, is_lost) {
            (0, _) => Some(false),
            (_, Some(true)) => None,
            _ => Some(true),
        }
    }

    fn answered(&self) -> Option<Timestamp> {
        let talk_s = self
            .seconds("talk_duration")
            .filter(|_| self.talked() == Some(true))?;
        unconfirmed::answered(
            (self.started, self.ended),
            self.seconds("wait_duration"),
            talk_s,
        )
    }

    fn tell(&self, records_url: &str, facts: &mut Facts<'_>) {
        let command = self.text("call_api_external_id");
        if let Some(command) = command.as_deref().and_then(super::own_command) {
            let with = CallKey::from(command);
            facts.is_so(None, "command", Fact::SameCall { with });
        }
        let talkers: Vec<Extension> = ids(&self.kept.record)
            .filter_map(|id| self.kept.extensions.get(&id).cloned())
            .collect();
        for (n, talker) in talkers.iter().enumerate() {
            let answered = self.answered().filter(|_| n == 0);
            self.tell_talker(talker, answered, talkers.len() == 1, facts);
        }
        self.tell_recordings(records_url, facts);
        if let Some(visit) = visit(|name| self.text(name)) {
            facts.is_so(None, "tracking", visit);
        }
        let summary = Box::new(self.summary(talkers.into_iter().next()));
        facts.is_so(None, "summary", Fact::Summary(summary));
        facts.happened(None, "over", Fact::Over { by: None });
    }

    /// The leg of somebody who talked. Where the beginning of the talk is known it is told under the name
    /// that events have for the leg, as a bound: it adds nothing to what they told. Where it is not, under
    /// a name of records, which gives way to events.
    fn tell_talker(
        &self,
        talker: &Extension,
        answered: Option<Timestamp>,
        is_alone: bool,
        facts: &mut Facts<'_>,
    ) {
        let client = self.number("contact_phone_number");
        let client = Party::Client(client.unwrap_or(Number::Other(String::new())));
        let (name, party, with) = match self.direction() {
            Some(Direction::Out) => (
                super::event::clients_key(talker.as_str()),
                client,
                Party::Person(talker.clone()),
            ),
            _ => (
                LegKey::from(talker.as_str()),
                Party::Person(talker.clone()),
                client,
            ),
        };
        let (key, since) = match answered {
            Some(answered) => (name, answered),
            None => (LegKey::of_records(talker, None), self.ended),
        };
        let key = Some(&key);
        let leg = Fact::Leg {
            party,
            with: Some(with.clone()),
            initiator: false,
        };
        facts.is_so(key, "leg", leg);
        let since = (since, Clock::NoLaterThan);
        facts.happened_at(key, "talked", since, Fact::Talks { with });
        // Who was not the only one may have left before.
        if is_alone || answered.is_none() {
            let (cause, by) = (Cause::Normal, None);
            let until = (self.ended, Clock::NoLaterThan);
            facts.happened_at(key, "ends", until, Fact::Ends { cause, by });
        }
    }

    /// Files are named by ids; the text says how a link is made of one.
    fn tell_recordings(&self, records_url: &str, facts: &mut Facts<'_>) {
        let Some(communication) = self.text("communication_id") else {
            return;
        };
        let ids = self
            .kept
            .record
            .get("call_records")
            .and_then(Value::as_array);
        let is_plain = |id: &&str| {
            (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let ids = ids.into_iter().flatten().filter_map(Value::as_str);
        for id in ids.filter(is_plain) {
            let base = records_url.trim_end_matches('/');
            let news = Fact::Recording {
                recording: id.to_owned(),
                stage: RecordingStage::Ready,
                source: Some(RecordingSource::Link(format!(
                    "{base}/{communication}/{id}/"
                ))),
            };
            facts.is_so(None, "recording", news);
        }
    }

    fn summary(&self, talker: Option<Extension>) -> Summary {
        let sometime = (self.talked() == Some(true)).then_some(self.started);
        Summary {
            direction: self.direction(),
            client: self.number("contact_phone_number"),
            did: self
                .number("virtual_phone_number")
                .filter(|line| line.e164().is_some()),
            extension: talker,
            started: Some(self.started),
            answered: self.answered().or(sometime),
            answered_known: self.talked().is_some(),
            ended: Some(self.ended),
            cause: None,
            hangup_by: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            call::{Call, CallResult},
            phone::NumberingPlan,
        },
        tracker,
    };

    const NOW: Timestamp = Timestamp::from_seconds(1_775_462_400);

    fn told(change: &Value) -> Result<(Vec<crate::model::event::CallEvent>, Call), DecodeError> {
        let mut record = json!({
            "id": 77, "start_time": "2026-04-06 10:00:00", "finish_time": "2026-04-06 10:01:40",
            "direction": "in", "is_lost": false, "contact_phone_number": "74950000021",
            "virtual_phone_number": "74950000003", "communication_id": 9,
            "wait_duration": 12, "talk_duration": 88, "call_records": ["ab12", "../x"],
            "first_talked_employee_id": 7301, "last_talked_employee_id": 7301,
            "utm_source": "larch-ads",
        });
        for (name, value) in change.as_object().unwrap() {
            record[name] = value.clone();
        }
        let extensions = json!({"7301": "301", "7302": "302"});
        let kept = json!({"record": record, "extensions": extensions}).to_string();
        let table: toml::Table = "token = 'Kd83nfhAq0-_zP51mWx7Lq'".parse().unwrap();
        let (settings, zone) = crate::pbx::settings::<Settings>(table)
            .unwrap()
            .whole()
            .unwrap();
        let records = Records {
            account: &"uis".into(),
            numbers: &Numbers::new(NumberingPlan::default()),
            zone: &zone,
            settings: &settings,
        };
        let mut out = Decoded::default();
        records.read(kept.as_bytes(), NOW, &mut out)?;
        let call = tracker::derive(&out.events.iter().cloned().collect());
        Ok((out.events, call))
    }

    #[test]
    fn a_record_alone_makes_a_whole_call() {
        let (_, call) = told(&json!({})).unwrap();
        assert_eq!(call.result, Some(CallResult::Answered));
        assert_eq!(call.started_at, Timestamp::from_seconds(1_775_458_800));
        assert_eq!((call.wait_ms, call.talk_ms), (Some(12_000), Some(88_000)));
        assert_eq!(call.answered_by, Some("301".into()));
        assert_eq!(call.did.unwrap().e164(), Some("+74950000003"));
        assert_eq!(
            call.tracking,
            [("utm_source".to_owned(), "larch-ads".to_owned())]
        );
        let link = "https://app.uiscom.ru/system/media/talk/9/ab12/";
        let source = Some(RecordingSource::Link(link.to_owned()));
        let files: Vec<_> = call.recordings.iter().map(|file| &file.source).collect();
        assert_eq!(files, [&source], "what is no id makes no link");
    }

    #[test]
    fn lengths_that_do_not_fit_leave_the_moment_of_the_answer_open() {
        let (_, call) = told(&json!({"talk_duration": 40})).unwrap();
        assert_eq!(call.result, Some(CallResult::Answered));
        assert_eq!((call.wait_ms, call.answered_by), (None, Some("301".into())));
    }

    #[test]
    fn nobody_who_talked_is_missed_and_an_order_of_ours_is_known() {
        let (events, call) = told(
            &json!({"is_lost": true, "talk_duration": 0, "wait_duration": 100,
            "first_talked_employee_id": null, "last_talked_employee_id": null, "call_records": [],
            "call_api_external_id": "ringcard-call-c1"}),
        )
        .unwrap();
        assert_eq!(call.result, Some(CallResult::Missed));
        let with = CallKey::from("c1");
        assert!(
            events
                .iter()
                .any(|event| event.fact == Fact::SameCall { with: with.clone() })
        );
    }

    #[test]
    fn a_call_out_is_that_of_who_called() {
        let (_, call) = told(&json!({"direction": "out"})).unwrap();
        assert_eq!(call.direction, Some(Direction::Out));
        assert_eq!(call.answered_by, Some("301".into()));
        let legs: Vec<_> = call.employees_legs().map(|(who, _)| who.as_str()).collect();
        assert_eq!(legs, ["301"]);
    }

    #[test]
    fn a_record_without_its_key_or_times_is_not_read() {
        for field in ["id", "start_time", "finish_time"] {
            let mut change = json!({});
            change[field] = Value::Null;
            assert_eq!(told(&change).err(), Some(DecodeError::Field(field)));
        }
    }
}
