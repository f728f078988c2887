//! The PBX's own records of past calls: `mongo_history/search`, a list of the calls of a span.
//!
//! Nothing is said of pages, so a span whose answer is as long as we let it be is asked for again in halves.
//! Records have the keys of events.

use std::collections::HashSet;

use serde_json::Value;

use super::{
    api::{Api, Purpose},
    event::{Finished, Names, Words, is_key, tell_end, tell_ends},
    unconfirmed,
};
use crate::{
    model::{event::Clock, time::Timestamp},
    pbx::{
        DecodeError, Decoded, Message, Page, PbxError,
        facts::told_at,
        fields::Fields,
        span::{Halves, LONGEST_CALL_MS, Span},
    },
};

/// Where calls are searched.
pub const PATH: &str = "mongo_history/search";
/// Most records of one answer that we ask for.
const MOST_RECORDS: usize = 500;

const NAMES: Names = Names {
    direction: "accountcode",
    caller: "caller_id_number",
    called: "destination_number",
};

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
        let mut known = HashSet::new();
        let mut messages = Vec::new();
        let mut parts = Halves::of(span, MOST_RECORDS);
        while let Some((from, to)) = parts.next() {
            let records = parts.take(records(api, from, to).await?)?;
            let texts = records.iter().map(Value::to_string);
            let new = texts.filter(|record| known.insert(record.clone()));
            messages.extend(new.filter_map(|record| self.message(&record, span, now)));
        }
        Ok(span.page(messages))
    }

    /// A record as a message; nothing for one that is not of this span or has not settled.
    fn message(&self, record: &str, span: Span, now: Timestamp) -> Option<Message> {
        let mut out = Decoded::default();
        let told = self.record(record.as_bytes(), now, &mut out);
        span.message(told, out, now, || record.into())
    }

    /// Tells the facts of a record as the journal keeps it; gives start and end of the call.
    pub fn record(
        &self,
        record: &[u8],
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(Timestamp, Timestamp), DecodeError> {
        let fields = Fields::of_body(record)?;
        let call = fields.get("uuid").filter(|key| is_key(key));
        let call = call.ok_or(DecodeError::Field("uuid"))?;
        let stamp = |name: &'static str| {
            let at = fields.get(name).and_then(|text| text.parse().ok());
            let at = at.map(told_at).filter(|at| at.is_plausible(now));
            at.ok_or(DecodeError::Field(name))
        };
        let (started, ended) = (stamp("start_stamp")?, stamp("end_stamp")?);
        let finished = Finished {
            started: Some(started.min(ended)),
            ended,
            talk_s: fields.get("user_talk_time").and_then(|s| s.parse().ok()),
            cause: fields.get("hangup_cause").and_then(unconfirmed::cause),
        };
        let mut facts = self.facts(call, (ended, Clock::Exact), out);
        let ends = self.ends(&fields, &NAMES, true);
        tell_ends(&ends, &mut facts);
        let answered = tell_end(&ends, &finished, &mut facts);
        if let Some(answered) = answered {
            ends.talks(answered, &mut facts);
            if self.choices.asks_for_every_file {
                self.tell_file(None, &mut facts);
            }
        }
        Ok((started, ended))
    }
}

/// The records of a span.
async fn records(api: &Api, from: Timestamp, to: Timestamp) -> Result<Vec<Value>, PbxError> {
    let (from_s, to_s) = (from.as_seconds().to_string(), to.as_seconds().to_string());
    let limit = MOST_RECORDS.to_string();
    let values = [
        ("start_stamp_from", from_s.as_str()),
        ("start_stamp_to", &to_s),
        ("limit", &limit),
    ];
    let data = api.ask(Purpose::History, PATH, &values).await?;
    let Value::Array(records) = data else {
        return Err(PbxError::Unreadable("it is no list of calls"));
    };
    let started = |record: &Value| {
        let told = &record["start_stamp"];
        let told = told.as_i64().or_else(|| told.as_str()?.parse().ok())?;
        Some(told_at(told))
    };
    let span = from.plus_millis(-LONGEST_CALL_MS)..=to.plus_millis(1_000);
    let mut starts = records.iter().filter_map(started).peekable();
    match starts.peek().is_some() && !starts.any(|start| span.contains(&start)) {
        true => Err(PbxError::Unreadable(
            "calls of another time than was asked for",
        )),
        false => Ok(records),
    }
}
