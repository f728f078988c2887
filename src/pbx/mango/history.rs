//! Mango's own records: the extended statistics, `stats/calls/request` and `stats/calls/result`.
//!
//! Statistics are ordered for a span and a page, then asked for until they are `complete`. The span is
//! given in Moscow's wall clock and must be shorter than 30 days; `limit` comes from a fixed set. A record
//! carries the `entry_id` that events carry, so facts of both are of one call; its legs have no
//! `call_id`, so they are kept under names of records ([`LegKey::of_records`]) and give way to legs that
//! events have told.

use std::{collections::HashSet, time::Duration};

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    api::{Api, Purpose},
    unconfirmed,
    wire::{loose_integer, loose_text, number},
};
use crate::{
    model::{
        event::{Cause, Clock, Direction, Fact, Party, RecordingSource, RecordingStage, Summary},
        ids::{AccountName, CallKey, Extension, LegKey},
        phone::Number,
        time::Timestamp,
    },
    pbx::{
        DecodeError, Decoded, Message, Page, PbxError, facts::Facts, numbers::Numbers, span::Span,
        wall,
    },
};

/// Records on a page: one of the sizes allowed.
const PAGE_RECORDS: usize = 500;
/// Most pages of one span: 50 000 calls in a day.
const MOST_PAGES: usize = 100;
/// How long statistics may take until they are complete.
const READY_WITHIN: Duration = Duration::from_secs(180);

/// Reads records of one account.
pub struct Records<'a> {
    pub account: &'a AccountName,
    pub numbers: &'a Numbers,
    /// The clock that requests and records are written by.
    pub zone: &'a TimeZone,
}

/// `stats/calls/result`.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    status: String,
    #[serde(default)]
    data: Vec<Chunk>,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    list: Vec<Box<RawValue>>,
}

/// One call of the list.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Record {
    #[serde(deserialize_with = "loose_text")]
    entry_id: Option<String>,
    #[serde(deserialize_with = "loose_integer")]
    context_type: Option<i64>,
    #[serde(deserialize_with = "loose_integer")]
    context_status: Option<i64>,
    #[serde(deserialize_with = "loose_text")]
    caller_number: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    called_number: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    context_start_time: Option<String>,
    #[serde(deserialize_with = "loose_integer")]
    duration: Option<i64>,
    #[serde(deserialize_with = "loose_integer")]
    talk_duration: Option<i64>,
    context_calls: Vec<Member>,
}

/// One party that was called.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Member {
    #[serde(deserialize_with = "loose_text")]
    call_type: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    call_abonent_number: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    call_start_time: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    call_answer_time: Option<String>,
    #[serde(deserialize_with = "loose_text")]
    call_end_time: Option<String>,
    #[serde(deserialize_with = "loose_integer")]
    call_end_reason: Option<i64>,
    recording_id: Vec<String>,
    /// Members of a group that was called.
    members: Vec<Member>,
}

impl Records<'_> {
    /// The next part of history after the cursor.
    pub async fn page(
        &self,
        api: &Api,
        cursor: Option<&str>,
        now: Timestamp,
        first_ms: i64,
    ) -> Result<Page, PbxError> {
        let span = Span::after(cursor, now, first_ms);
        let mut messages = Vec::new();
        let mut known = HashSet::new();
        for page in 0..MOST_PAGES {
            let list = self.list(api, span, page * PAGE_RECORDS).await?;
            let is_last = list.len() < PAGE_RECORDS;
            let before = known.len();
            for record in list {
                known.insert(record.get().to_owned());
                messages.extend(self.message(record.get(), span, now));
            }
            if is_last {
                return Ok(span.page(messages));
            }
            if known.len() == before {
                return Err(PbxError::Unreadable("the same page of history again"));
            }
        }
        Err(PbxError::Unreadable("more calls in a day than can be"))
    }

    /// One page of the span.
    async fn list(
        &self,
        api: &Api,
        span: Span,
        offset: usize,
    ) -> Result<Vec<Box<RawValue>>, PbxError> {
        let order = json!({
            "start_date": wall::write(span.from, self.zone),
            "end_date": wall::write(span.to, self.zone),
            "limit": PAGE_RECORDS,
            "offset": offset,
        });
        let answer = api
            .ask(Purpose::Statistics, "stats/calls/request/", &order)
            .await?;
        let key = serde_json::from_slice::<Value>(&answer.body)
            .ok()
            .and_then(|said| said["key"].as_str().map(str::to_owned))
            .ok_or(PbxError::Unreadable(
                "statistics were ordered and no key came",
            ))?;
        tokio::time::timeout(READY_WITHIN, result(api, &key))
            .await
            .unwrap_or(Err(PbxError::Unreachable))
    }

    /// A record as a message; nothing for one that is not of this span or has not settled.
    fn message(&self, raw: &str, span: Span, now: Timestamp) -> Option<Message> {
        let mut out = Decoded::default();
        let told = self.read(raw, now, &mut out);
        span.message(told, out, now, || raw.into())
    }

    /// Tells the facts of one record; gives start and end of its call.
    pub fn read(
        &self,
        raw: &str,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(Timestamp, Timestamp), DecodeError> {
        let record: Record = super::wire::parse(raw)?;
        let call = super::wire::id("entry_id", &record.entry_id)?.to_owned();
        let started = self.time(&record.context_start_time, now);
        let started = started.ok_or(DecodeError::Field("context_start_time"))?;
        let lasted = record.duration.ok_or(DecodeError::Field("duration"))?;
        let ended = Timestamp::from_seconds(started.as_seconds().saturating_add(lasted.max(0)));
        let ended = ended.is_plausible(now).then_some(ended);
        let ended = ended.ok_or(DecodeError::Field("duration"))?;
        let story = Story {
            record: &record,
            started,
            ended,
        };
        let mut facts = Facts {
            account: self.account,
            call: CallKey::from(call),
            at: ended,
            clock: Clock::Exact,
            out,
        };
        self.tell(&story, now, &mut facts);
        Ok((started, ended))
    }

    fn tell(&self, story: &Story<'_>, now: Timestamp, facts: &mut Facts<'_>) {
        let direction = story.direction();
        let client = self.client(story);
        let did = match direction {
            Some(Direction::In) => {
                unconfirmed::line(story.record.called_number.as_deref(), self.numbers)
            }
            _ => None,
        };
        let calls = story.calls();
        let legs: Vec<Leg> = calls
            .iter()
            .filter_map(|member| self.leg(member, story, client.as_ref(), now))
            .collect();
        for leg in &legs {
            leg.tell(story.ended, facts);
        }
        for recording in calls.iter().flat_map(|member| &member.recording_id) {
            let news = Fact::Recording {
                recording: recording.clone(),
                stage: RecordingStage::Ready,
                source: Some(RecordingSource::Api(recording.clone())),
            };
            facts.is_so(None, "recording", news);
        }
        let summary = self.summary(story, (client, did), &legs);
        facts.is_so(None, "summary", Fact::Summary(Box::new(summary)));
        facts.happened(None, "over", Fact::Over { by: None });
    }

    fn client(&self, story: &Story<'_>) -> Option<Number> {
        let raw = match story.direction()? {
            Direction::In => &story.record.caller_number,
            Direction::Out => &story.record.called_number,
            Direction::Internal => return None,
        };
        number(self.numbers, raw.as_deref())
    }

    fn summary(
        &self,
        story: &Story<'_>,
        (client, did): (Option<Number>, Option<Number>),
        legs: &[Leg],
    ) -> Summary {
        let answered = legs.iter().filter_map(|leg| leg.answered).min();
        let (talked, is_sure) = story.talked(legs);
        let sometime = || talked.then_some(story.started);
        let first = |leg: &&Leg| leg.answered == answered;
        let named = legs.iter().find(first).and_then(Leg::person);
        let mut causes = legs.iter().map(|leg| leg.cause);
        let cause = causes.rfind(|cause| *cause != Cause::Unknown);
        Summary {
            direction: story.direction(),
            client,
            did,
            extension: named.cloned(),
            started: Some(story.started),
            answered: answered.or_else(sometime),
            answered_known: is_sure,
            ended: Some(story.ended),
            cause: match talked {
                true => Some(Cause::Normal),
                false => cause.filter(|cause| *cause != Cause::Normal),
            },
            hangup_by: None,
        }
    }

    fn leg(
        &self,
        member: &Member,
        story: &Story<'_>,
        client: Option<&Number>,
        now: Timestamp,
    ) -> Option<Leg> {
        let nobody = || Number::Other(String::new());
        let the_client = || Party::Client(client.cloned().unwrap_or_else(nobody));
        let person = || unconfirmed::extension(member.call_abonent_number.as_deref(), self.numbers);
        let caller = || unconfirmed::extension(story.record.caller_number.as_deref(), self.numbers);
        let (party, with) = match (story.direction()?, member.call_type.as_deref()) {
            (Direction::In, Some("user")) => (Party::Person(person()?), the_client()),
            (Direction::Out, Some("number")) => (the_client(), Party::Person(caller()?)),
            (Direction::Internal, Some("user")) => {
                (Party::Person(person()?), Party::Person(caller()?))
            }
            _ => return None,
        };
        let rang = self.time(&member.call_start_time, now);
        let within = |at: &Timestamp| story.started <= *at && *at <= story.ended;
        Some(Leg {
            party,
            with,
            rang: rang.filter(within),
            answered: self.time(&member.call_answer_time, now).filter(within),
            ended: self.time(&member.call_end_time, now).filter(within),
            cause: unconfirmed::cause(member.call_end_reason),
        })
    }

    fn time(&self, told: &Option<String>, now: Timestamp) -> Option<Timestamp> {
        let at = unconfirmed::time(told.as_deref()?, self.zone)?;
        at.is_plausible(now).then_some(at)
    }
}

/// Asks until the statistics are complete; an answer on the way may hold a part of them already.
async fn result(api: &Api, key: &str) -> Result<Vec<Box<RawValue>>, PbxError> {
    loop {
        let asked = json!({ "key": key });
        let answer = api
            .ask(Purpose::Poll, "stats/calls/result/", &asked)
            .await?;
        if answer.status == 204 {
            continue; // not begun yet
        }
        let answer: Answer = serde_json::from_slice(&answer.body)
            .map_err(|_| PbxError::Unreadable("statistics that are no JSON, or half of it"))?;
        match answer.status.as_str() {
            "complete" => {
                return Ok(answer
                    .data
                    .into_iter()
                    .flat_map(|chunk| chunk.list)
                    .collect());
            }
            "request" | "work" => {}
            "cancel" | "error" => return Err(PbxError::Unreachable),
            "not-found" => return Err(PbxError::Unreadable("statistics that were forgotten")),
            _ => {
                return Err(PbxError::Unreadable(
                    "statistics in a state that nobody knows",
                ));
            }
        }
    }
}

/// A record with the times that its facts need.
struct Story<'a> {
    record: &'a Record,
    started: Timestamp,
    ended: Timestamp,
}

impl Story<'_> {
    fn direction(&self) -> Option<Direction> {
        match self.record.context_type {
            Some(1) => Some(Direction::In),
            Some(2) => Some(Direction::Out),
            Some(3) => Some(Direction::Internal),
            _ => None,
        }
    }

    /// Everybody who was called, members of groups as well.
    fn calls(&self) -> Vec<&Member> {
        let calls = self.record.context_calls.iter();
        calls
            .flat_map(|call| std::iter::once(call).chain(&call.members))
            .collect()
    }

    /// Whether anybody talked, and whether that is sure: the parties' own times decide, and where there
    /// are none, state and length of the talk must agree.
    fn talked(&self, legs: &[Leg]) -> (bool, bool) {
        if legs.iter().any(|leg| leg.answered.is_some()) {
            return (true, true);
        }
        let talked_s = self.record.talk_duration.unwrap_or_default();
        match (self.record.context_status, talked_s > 0) {
            (Some(1), true) => (true, true),
            (Some(0), false) => (false, true),
            // A menu may have taken a call that nobody talked in.
            (_, false) if !legs.is_empty() => (false, true),
            _ => (false, false),
        }
    }
}

/// One party's part of the call.
struct Leg {
    party: Party,
    with: Party,
    rang: Option<Timestamp>,
    answered: Option<Timestamp>,
    ended: Option<Timestamp>,
    cause: Cause,
}

impl Leg {
    /// The employee of this leg.
    fn person(&self) -> Option<&Extension> {
        [&self.party, &self.with]
            .into_iter()
            .find_map(|party| match party {
                Party::Person(extension) => Some(extension),
                _ => None,
            })
    }

    fn tell(&self, call_ended: Timestamp, facts: &mut Facts<'_>) {
        let Some(person) = self.person() else {
            return;
        };
        let key = LegKey::of_records(person, self.rang);
        let key = Some(&key);
        let ends = Fact::Leg {
            party: self.party.clone(),
            with: Some(self.with.clone()),
            initiator: false,
        };
        facts.is_so(key, "leg", ends);
        if let Some(at) = self.rang {
            facts.happened_at(key, "rings", (at, Clock::Exact), Fact::Rings);
        }
        if let Some(at) = self.answered {
            let with = self.with.clone();
            facts.happened_at(key, "answer", (at, Clock::Exact), Fact::Talks { with });
        }
        let (at, clock) = match self.ended {
            Some(at) => (at, Clock::Exact),
            None => (call_ended, Clock::NoLaterThan),
        };
        let ends = Fact::Ends {
            cause: self.cause,
            by: None,
        };
        facts.happened_at(key, "ends", (at, clock), ends);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{call::CallResult, phone::NumberingPlan},
        tracker,
    };

    const NOW: Timestamp = Timestamp::from_seconds(1_773_731_700);

    fn call(record: &Value) -> crate::model::call::Call {
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        let records = Records {
            account: &"cloud".into(),
            numbers: &Numbers::new(NumberingPlan::default()),
            zone: &zone,
        };
        let mut out = Decoded::default();
        records.read(&record.to_string(), NOW, &mut out).unwrap();
        let again = out.events.clone();
        tracker::derive(&out.events.into_iter().chain(again).collect())
    }

    fn answered() -> Value {
        json!({
            "entry_id": "e1", "context_type": 1, "context_status": 1,
            "caller_number": "74950000011", "called_number": "74950000001",
            "context_start_time": "17.03.2026 09:15:00", "duration": 100, "talk_duration": 83,
            "context_calls": [
                {"call_type": "user", "call_abonent_number": "201",
                 "call_start_time": 1_773_728_105, "call_answer_time": 0,
                 "call_end_time": 1_773_728_112, "call_end_reason": 1111},
                {"call_type": "user", "call_abonent_number": "202",
                 "call_start_time": "1773728112", "call_answer_time": "1773728117",
                 "call_end_time": "1773728200", "call_end_reason": "1110",
                 "recording_id": ["cmVj"]},
            ],
        })
    }

    #[test]
    fn a_record_alone_makes_a_whole_call() {
        let call = call(&answered());
        assert_eq!(call.direction, Some(Direction::In));
        assert_eq!(call.result, Some(CallResult::Answered));
        assert_eq!(call.client.unwrap().e164(), Some("+74950000011"));
        assert_eq!(call.did.unwrap().e164(), Some("+74950000001"));
        assert_eq!(call.started_at, Timestamp::from_seconds(1_773_728_100));
        assert_eq!(call.answered_by, Some("202".into()));
        assert_eq!((call.wait_ms, call.ring_ms), (Some(17_000), Some(12_000)));
        assert_eq!(call.talk_ms, Some(83_000));
        let phones = call.legs.iter().filter_map(|leg| leg.extension());
        assert_eq!(
            phones.map(|phone| phone.as_str()).collect::<Vec<_>>(),
            ["201", "202"]
        );
        assert_eq!(call.recordings.len(), 1);
    }

    #[test]
    fn nobody_who_answered_is_missed_and_a_menu_is_no_talk() {
        let mut record = answered();
        record["context_calls"][1]["call_answer_time"] = json!(0);
        record["talk_duration"] = json!(0);
        assert_eq!(call(&record).result, Some(CallResult::Missed));
    }

    #[test]
    fn a_record_in_contradiction_with_itself_decides_nothing() {
        let mut record = answered();
        record["context_calls"] = json!([]);
        record["context_status"] = json!(0);
        let call = call(&record);
        // 83 s of talk in a call that failed: whoever knows better may say so.
        assert_ne!(call.result, Some(CallResult::Answered));
    }

    #[test]
    fn a_record_without_its_key_or_times_is_not_read() {
        for field in ["entry_id", "context_start_time", "duration"] {
            let mut record = answered();
            record[field] = Value::Null;
            let zone = TimeZone::UTC;
            let records = Records {
                account: &"cloud".into(),
                numbers: &Numbers::new(NumberingPlan::default()),
                zone: &zone,
            };
            let mut out = Decoded::default();
            let read = records.read(&record.to_string(), NOW, &mut out);
            assert_eq!(read.err(), Some(DecodeError::Field(field)));
            assert!(out.events.is_empty());
        }
    }
}
