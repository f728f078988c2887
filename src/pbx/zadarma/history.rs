//! The provider's own records: `/v1/statistics/pbx/`, a row for each leg, a thousand in an answer.
//!
//! Rows name their call as events do, so facts of both are of one call; phones are told under the names
//! that events have for them, the extensions. A row tells when its leg began and for how long was talked,
//! not when the talk began: of a call that nothing else tells of, the wait is not known.

use std::collections::{BTreeMap, HashSet};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    api::{Api, Purpose},
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

/// Rows of one answer, as the documentation has it.
const ROWS: usize = 1_000;
/// So many answers make one part of history; a day has not more.
const MOST_ANSWERS: usize = 50;
/// Longest talk that is believed, in seconds.
const LONGEST_S: i64 = 86_400;
const PATH: &str = "/v1/statistics/pbx/";

/// Reads records of one account.
pub struct Records<'a> {
    pub account: &'a AccountName,
    pub numbers: &'a Numbers,
    /// The clock that records are written by.
    pub zone: &'a TimeZone,
}

/// One row as it comes: values are texts here and numbers there.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
struct Row(BTreeMap<String, Value>);

impl Row {
    fn get(&self, name: &str) -> Option<String> {
        let text = match self.0.get(name)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Null => return None,
            value => value.to_string(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// What tells it from all others.
    fn name(&self) -> String {
        let names = ["pbx_call_id", "call_id", "sip", "callstart", "destination"];
        let parts = names.map(|name| self.get(name).unwrap_or_default());
        parts.join("/")
    }
}

impl Records<'_> {
    /// The next part of history after the cursor. A call's legs may stand in several answers, so a part is
    /// read whole before anything is told.
    pub async fn page(
        &self,
        api: &Api,
        cursor: Option<&str>,
        now: Timestamp,
        first_ms: i64,
    ) -> Result<Page, PbxError> {
        let span = Span::after(cursor, now, first_ms);
        let rows = self.rows(api, span).await?;
        let messages = by_call(rows).into_iter();
        Ok(span.page(messages.filter_map(|rows| self.message(&rows, span, now))))
    }

    async fn rows(&self, api: &Api, span: Span) -> Result<Vec<Row>, PbxError> {
        let start = wall::write_iso(span.from, self.zone);
        let end = wall::write_iso(span.to, self.zone);
        let limit = ROWS.to_string();
        let mut rows: Vec<Row> = Vec::new();
        let mut seen = HashSet::new();
        for _ in 0..MOST_ANSWERS {
            let skip = rows.len().to_string();
            let values = [
                ("start", start.as_str()),
                ("end", &end),
                ("version", "2"),
                ("skip", &skip),
                ("limit", &limit),
            ];
            let answer = api.ask(Purpose::Statistics, PATH, &values).await?;
            let more = read(&answer)?;
            let is_last = more.len() < ROWS;
            if more.first().is_some_and(|row| seen.contains(&row.name())) {
                return Err(PbxError::Unreadable(
                    "the same rows again instead of the next",
                ));
            }
            seen.extend(more.iter().map(Row::name));
            rows.extend(more);
            if is_last {
                return Ok(rows);
            }
        }
        Err(PbxError::Unreadable("more rows than a day can have"))
    }

    /// The rows of a call as a message; nothing for one that is not of this span or has not settled.
    fn message(&self, rows: &[Row], span: Span, now: Timestamp) -> Option<Message> {
        let mut out = Decoded::default();
        let told = self.tell(rows, now, &mut out);
        span.message(told, out, now, || {
            serde_json::to_vec(rows).expect("maps of values are JSON")
        })
    }

    /// Tells the facts of a call's rows as the journal keeps them.
    pub fn read(&self, raw: &[u8], now: Timestamp, out: &mut Decoded) -> Result<(), DecodeError> {
        let rows: Vec<Row> = from_json(raw)?;
        self.tell(&rows, now, out).map(|_| ())
    }

    /// Tells the facts; gives start and end of the call.
    fn tell(
        &self,
        rows: &[Row],
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(Timestamp, Timestamp), DecodeError> {
        let mut legs = Vec::new();
        for row in rows {
            legs.push(self.leg(row, now)?);
        }
        legs.sort_by_key(|leg| leg.started);
        let first = legs.first().ok_or(DecodeError::Field("stats"))?;
        let started = first.started;
        let ended = legs.iter().map(|leg| leg.ended).max().unwrap_or(started);
        let call = first
            .call
            .clone()
            .ok_or(DecodeError::Field("pbx_call_id"))?;
        let mut facts = Facts {
            account: self.account,
            call,
            at: ended,
            clock: Clock::Exact,
            out,
        };
        legs.iter().for_each(|leg| leg.tell(&mut facts));
        let summary = Fact::Summary(Box::new(summary(&legs, started, ended)));
        facts.is_so(None, "record", summary);
        facts.happened(None, "record-over", Fact::Over { by: None });
        Ok((started, ended))
    }

    fn leg(&self, row: &Row, now: Timestamp) -> Result<Leg, DecodeError> {
        let started = row
            .get("callstart")
            .and_then(|text| wall::read_iso(&text, self.zone))
            .filter(|at| at.is_plausible(now))
            .ok_or(DecodeError::Field("callstart"))?;
        let talked_s: i64 = match row.get("seconds") {
            Some(text) => text.parse().map_err(|_| DecodeError::Field("seconds"))?,
            None => 0,
        };
        let ended = started.plus_millis(talked_s.clamp(0, LONGEST_S) * 1_000);
        let call = row.get("pbx_call_id").or_else(|| row.get("call_id"));
        let person = row.get("sip").and_then(|sip| unconfirmed::person(&sip));
        let outgoing = call.as_deref().and_then(unconfirmed::is_outgoing);
        let destination = row.get("destination").unwrap_or_default();
        let by_clid = || {
            let clid = row.get("clid")?;
            unconfirmed::number_in(&clid, self.numbers)
        };
        let called = self.numbers.read(&destination);
        let colleague = unconfirmed::colleague(&destination, self.numbers);
        let line = Some(called.clone()).filter(|number| number.e164().is_some());
        let (direction, client, did) = match (outgoing, &colleague) {
            (Some(true), Some(_)) => (Some(Direction::Internal), None, None),
            (Some(true), None) => (Some(Direction::Out), Some(called), by_clid()),
            (Some(false), _) => {
                let client = by_clid().unwrap_or(Number::Withheld);
                (Some(Direction::In), Some(client), line)
            }
            (None, _) => (None, None, None),
        };
        let said = row.get("disposition");
        let said = said.as_deref().and_then(unconfirmed::disposition);
        Ok(Leg {
            call: call.map(CallKey::from),
            started,
            ended: Some(ended)
                .filter(|at| at.is_plausible(now))
                .ok_or(DecodeError::Field("seconds"))?,
            // As with events: who has answered must have a name.
            talked: said.map(|(talked, _)| talked && person.is_some()),
            cause: said.map(|(_, cause)| cause),
            person,
            direction,
            client,
            did,
            recording: row
                .get("is_recorded")
                .filter(|told| matches!(told.as_str(), "true" | "1"))
                .and_then(|_| row.get("call_id")),
        })
    }
}

/// What a row says.
struct Leg {
    call: Option<CallKey>,
    started: Timestamp,
    ended: Timestamp,
    talked: Option<bool>,
    cause: Option<Cause>,
    person: Option<Extension>,
    direction: Option<Direction>,
    client: Option<Number>,
    did: Option<Number>,
    recording: Option<String>,
}

impl Leg {
    /// When the phone rang and stopped the row does not say.
    fn tell(&self, facts: &mut Facts<'_>) {
        if let (Some(person), Some(client)) = (&self.person, &self.client) {
            let key = LegKey::from(person.as_str());
            let (employee, client) = (Party::Person(person.clone()), Party::Client(client.clone()));
            let (party, with) = match self.direction {
                Some(Direction::Out) => (client, employee),
                _ => (employee, client),
            };
            let leg = Fact::Leg {
                party,
                with: Some(with.clone()),
                initiator: false,
            };
            facts.is_so(Some(&key), "leg", leg);
            if self.talked == Some(true) {
                // The identity of the answer, and a bound for its time: where that has come, it wins.
                let at = (self.ended, Clock::NoLaterThan);
                facts.happened_at(Some(&key), "answer", at, Fact::Talks { with });
            }
        }
        if let Some(id) = &self.recording {
            let news = Fact::Recording {
                recording: id.clone(),
                stage: RecordingStage::Ready,
                source: Some(RecordingSource::Api(id.clone())),
            };
            facts.happened(None, &format!("recording/{id}"), news);
        }
    }
}

fn summary(legs: &[Leg], started: Timestamp, ended: Timestamp) -> Summary {
    let talked = legs.iter().find(|leg| leg.talked == Some(true));
    let is_told = legs.iter().all(|leg| leg.talked.is_some());
    // An answer at the start says: somebody talked, and nobody has told since when.
    let answered = talked.map(|_| started);
    let last = talked.or(legs.last());
    let parties = || legs.iter();
    let direction = parties().find_map(|leg| leg.direction);
    let cause = last.and_then(|leg| leg.cause);
    Summary {
        direction,
        client: parties().find_map(|leg| leg.client.clone()),
        did: parties().find_map(|leg| leg.did.clone()),
        extension: last.and_then(|leg| leg.person.clone()),
        started: Some(started),
        answered,
        answered_known: talked.is_some() || is_told,
        ended: Some(ended),
        cause,
        hangup_by: unconfirmed::gave_up(cause, direction),
    }
}

/// The rows of an answer.
fn read(answer: &[u8]) -> Result<Vec<Row>, PbxError> {
    #[derive(Deserialize)]
    struct Answer {
        stats: Vec<Row>,
    }
    let answer: Answer =
        serde_json::from_slice(answer).map_err(|_| PbxError::Unreadable("it is no call log"))?;
    Ok(answer.stats)
}

/// Rows of one call together, each once, in the order of the names of their calls.
fn by_call(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let mut calls: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in rows {
        let name = row.get("pbx_call_id").or_else(|| row.get("call_id"));
        let own = calls.entry(name.unwrap_or_default()).or_default();
        if !own.contains(&row) {
            own.push(row);
        }
    }
    calls.into_values().collect()
}
