//! Past calls of the REST API. The caller's call and each phone that was rung are calls of their own there:
//! a phone's names the caller's as its parent. Together with their recordings they become one message.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    api::Api,
    event::{Stage, Words, describe, moment, since, talks, tell_recording},
    unconfirmed,
};
use crate::{
    model::{
        event::{Cause, Clock, Direction, Fact, Party, RecordingStage, Summary},
        ids::{CallKey, Extension, LegKey},
        phone::Number,
        time::Timestamp,
    },
    pbx::{
        DecodeError, Decoded, Message, Page, PbxError, facts::Facts, fields::from_json, span::Span,
    },
};

/// One call of the API.
struct Row<'a>(&'a Value);

impl<'a> Row<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let text = self.0[name].as_str()?.trim();
        (!text.is_empty()).then_some(text)
    }

    fn sid(&self) -> Result<&'a str, DecodeError> {
        let fits = |sid: &&str| sid.len() <= 64 && sid.bytes().all(|b| b.is_ascii_alphanumeric());
        self.get("sid")
            .filter(fits)
            .ok_or(DecodeError::Field("sid"))
    }

    /// Why it is over; nothing of a call that goes on.
    fn cause(&self) -> Option<Cause> {
        match Stage::read(self.get("status")?)? {
            Stage::Over(cause) => Some(cause),
            _ => None,
        }
    }

    fn time(&self, name: &'static str, now: Timestamp) -> Result<Timestamp, DecodeError> {
        let at = self.get(name).and_then(moment);
        let at = at.filter(|at| at.is_plausible(now));
        at.ok_or(DecodeError::Field(name))
    }

    /// When it was over, and how sure that is. Documented: what did not complete successfully has no end; its
    /// last change is no earlier.
    fn ended(&self, now: Timestamp) -> Result<(Timestamp, Clock), DecodeError> {
        let exact = self.time("end_time", now).map(|at| (at, Clock::Exact));
        let bound = |name| self.time(name, now).map(|at| (at, Clock::NoLaterThan));
        exact.or_else(|_| bound("date_updated"))
    }

    /// When somebody picked up: so many seconds before the end.
    fn answered(&self, ended: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let talked_s = self.get("duration").and_then(|s| s.parse().ok());
        let is_talk = self.cause() == Some(Cause::Normal);
        talked_s
            .filter(|s| is_talk && *s > 0)
            .map(|s| since(ended, Some(s), now))
    }
}

impl Words {
    /// The next part of history after the cursor.
    pub async fn page(
        &self,
        api: &Api,
        cursor: Option<&str>,
        now: Timestamp,
        first_ms: i64,
    ) -> Result<Page, PbxError> {
        let span = Span::after(cursor, now, first_ms);
        // The lists know days (UTC).
        let day = |at: Timestamp| at.rfc3339()[..10].to_owned();
        let next_day = day(span.to.plus_millis(24 * 3_600_000));
        let days =
            |name: [&'static str; 2]| [(name[0], day(span.from)), (name[1], next_day.clone())];
        let calls = api
            .list("Calls", &days(["StartTime>", "StartTime<"]))
            .await?;
        let files = days(["DateCreated>", "DateCreated<"]);
        let files = api.list("Recordings", &files).await?;
        let messages = self.whole(&calls, &files);
        Ok(span.page(
            messages
                .iter()
                .filter_map(|call| self.message(call, span, now)),
        ))
    }

    /// Each call with the phones that it rang and what was recorded of it, in the order of their names.
    pub fn whole(&self, calls: &[Value], files: &[Value]) -> Vec<Value> {
        let mut whole: BTreeMap<&str, Value> = BTreeMap::new();
        let mut parents: BTreeMap<&str, &str> = BTreeMap::new();
        for call in calls {
            let row = Row(call);
            let (Some(sid), None) = (row.get("sid"), row.get("parent_call_sid")) else {
                continue;
            };
            if self.is_ours(&row) {
                whole.insert(sid, json!({"call": call, "legs": [], "recordings": []}));
            }
        }
        let mut legs: Vec<&Value> = calls.iter().collect();
        legs.sort_by_key(|leg| Row(leg).get("start_time").and_then(moment));
        for leg in legs {
            let row = Row(leg);
            let (Some(sid), Some(parent)) = (row.get("sid"), row.get("parent_call_sid")) else {
                continue;
            };
            parents.insert(sid, parent);
            if let Some(call) = whole.get_mut(parent) {
                push(&mut call["legs"], leg);
            }
        }
        for file in files {
            let Some(call) = Row(file).get("call_sid") else {
                continue;
            };
            let call = parents.get(call).copied().unwrap_or(call);
            if let Some(call) = whole.get_mut(call) {
                push(&mut call["recordings"], file);
            }
        }
        whole.into_values().collect()
    }

    /// Whether it is a call that we were asked about, or an order of ours: other programs order calls too.
    fn is_ours(&self, call: &Row<'_>) -> bool {
        let (from, to) = (call.get("from"), call.get("to"));
        let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
        match call.get("direction") {
            // A call that one of ours makes by an app is none that we connect.
            Some("inbound") => !from.starts_with("client:") && !from.starts_with("sip:"),
            Some("outbound-api") => {
                self.numbers.read(from) == self.numbers.read(&self.settings.line)
                    && self.settings.is_phone(to)
            }
            _ => false,
        }
    }

    /// A call as a message; nothing for one that goes on, is not of this span or has not settled.
    fn message(&self, call: &Value, span: Span, now: Timestamp) -> Option<Message> {
        let own = Row(&call["call"]);
        own.cause()?;
        let mut out = Decoded::default();
        let told = self.told(call, now, &mut out);
        span.message(told, out, now, || call.to_string().into_bytes())
    }

    /// Tells the facts of a record as the journal keeps it; gives start and end of the call.
    pub fn record(
        &self,
        record: &[u8],
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(Timestamp, Timestamp), DecodeError> {
        let call = from_json(record)?;
        self.told(&call, now, out)
    }

    fn told(
        &self,
        whole: &Value,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(Timestamp, Timestamp), DecodeError> {
        let own = Row(&whole["call"]);
        let is_order = own.get("direction") == Some("outbound-api");
        // It is over: the best that is known of when is taken for it, else it would have no result.
        let ended = own.ended(now).map(|(at, _)| at);
        let ended = ended.or_else(|_| own.time("start_time", now))?;
        let started = own.time("date_created", now);
        let started = started.or_else(|_| own.time("start_time", now))?.min(ended);
        let mut facts = Facts {
            account: &self.account,
            call: CallKey::from(own.sid()?),
            at: ended,
            clock: Clock::Exact,
            out,
        };
        let legs = whole["legs"].as_array().map_or(&[][..], Vec::as_slice);
        let first = legs.first().map(Row);
        let (client, did) = match is_order {
            true => (
                first.as_ref().and_then(|leg| leg.get("to")),
                own.get("from"),
            ),
            false => (Some(own.get("from").unwrap_or_default()), own.get("to")),
        };
        let ends = Ends {
            direction: if is_order {
                Direction::Out
            } else {
                Direction::In
            },
            client: client.map(|told| unconfirmed::client(told, &self.numbers)),
            did: did.map(|told| self.numbers.read(told)),
            caller: own
                .get("to")
                .filter(|_| is_order)
                .map(|told| self.settings.phones.extension(told)),
        };
        let mut answered = None;
        for leg in legs.iter().map(Row) {
            let talked = self.tell_leg(&leg, &ends, now, &mut facts)?;
            answered = answered.into_iter().chain(talked).min();
        }
        let answered = answered.map(|at: Timestamp| at.clamp(started, ended));
        ends.tell((started, answered, ended), own.cause(), &mut facts);
        for recording in whole["recordings"].as_array().into_iter().flatten() {
            let recording = Row(recording);
            if recording.get("status") == Some("completed") {
                tell_recording(recording.sid()?, RecordingStage::Ready, &mut facts);
            }
        }
        Ok((started, ended))
    }

    /// Tells a phone that was rung; gives when it was answered.
    fn tell_leg(
        &self,
        leg: &Row<'_>,
        ends: &Ends,
        now: Timestamp,
        facts: &mut Facts<'_>,
    ) -> Result<Option<Timestamp>, DecodeError> {
        let key = LegKey::from(leg.sid()?);
        let (ended, clock) = leg.ended(now).unwrap_or((facts.at, Clock::NoLaterThan));
        let ended = match clock {
            Clock::Exact => ended,
            _ => ended.min(facts.at), // no phone outlives its call
        };
        let client = ends.client.clone().unwrap_or(Number::Withheld);
        let client = Party::Client(client);
        let (party, with) = match &ends.caller {
            Some(caller) => (client, Party::Person(caller.clone())),
            None => {
                let to = leg.get("to").ok_or(DecodeError::Field("to"))?;
                (Party::Person(self.settings.phones.extension(to)), client)
            }
        };
        describe(&key, party, with.clone(), facts);
        let is_rung = !matches!(leg.cause(), Some(Cause::Busy | Cause::Failed));
        if let Some(dialled) = leg.time("start_time", now).ok().filter(|_| is_rung) {
            // It rings a moment after it was dialled: where that is told, it wins.
            let at = (dialled.min(ended), Clock::NoLaterThan);
            facts.happened_at(Some(&key), "rings", at, Fact::Rings);
        }
        let answered = leg.answered(ended, now);
        if let Some(answered) = answered {
            talks(&key, with, (answered, Clock::Exact), facts);
        }
        let cause = leg.cause().unwrap_or(Cause::Unknown);
        let end = Fact::Ends { cause, by: None };
        facts.happened_at(Some(&key), "ends", (ended, clock), end);
        Ok(answered)
    }
}

/// Who is at the ends of a past call.
struct Ends {
    direction: Direction,
    client: Option<Number>,
    did: Option<Number>,
    /// Whoever called by a click.
    caller: Option<Extension>,
}

impl Ends {
    fn tell(
        self,
        (started, answered, ended): (Timestamp, Option<Timestamp>, Timestamp),
        cause: Option<Cause>,
        facts: &mut Facts<'_>,
    ) {
        let summary = Summary {
            direction: Some(self.direction),
            client: self.client,
            did: self.did,
            extension: None, // phones are told one by one
            started: Some(started),
            answered,
            answered_known: true,
            ended: Some(ended),
            // Of a call that nobody answered, that of the caller's own leg says nothing.
            cause: cause.filter(|cause| *cause != Cause::Normal || answered.is_some()),
            hangup_by: None,
        };
        facts.is_so(None, "record", Fact::Summary(Box::new(summary)));
        facts.happened(None, "over", Fact::Over { by: None });
    }
}

/// Once each: pages may overlap.
fn push(list: &mut Value, item: &Value) {
    if let Value::Array(list) = list
        && !list.contains(item)
    {
        list.push(item.clone());
    }
}
