//! The PBX's own records: `GET /crmapi/v1/history/json`, a list of the calls of a span.
//!
//! Nothing is said of pages, so a span whose answer is as long as we let it be is asked for again in halves.

use std::collections::HashSet;

use serde_json::value::RawValue;

use super::{
    api::{Api, Purpose},
    event::{Words, direction},
    past::{Past, Times},
    unconfirmed,
};
use crate::{
    model::{ids::CallKey, time::Timestamp},
    pbx::{
        DecodeError, Decoded, Message, Page, PbxError,
        fields::Fields,
        span::{Halves, LONGEST_CALL_MS, Span},
    },
};

/// Most records of one answer; more in the shortest span cannot be read.
const MOST_RECORDS: usize = 500;

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
            let records = parts.take(self.records(api, from, to).await?)?;
            let new = records
                .into_iter()
                .filter(|record| known.insert(record.get().to_owned()));
            messages.extend(new.filter_map(|record| self.message(record.get(), span, now)));
        }
        Ok(span.page(messages))
    }

    /// The records of this span.
    async fn records(
        &self,
        api: &Api,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Box<RawValue>>, PbxError> {
        let told = |at| unconfirmed::told_time(at, &self.zone);
        let path = format!(
            "history/json?start={}&end={}&type=all&limit={MOST_RECORDS}",
            told(from),
            told(to)
        );
        let body = api.get(Purpose::History, &path).await?;
        let records: Vec<Box<RawValue>> = serde_json::from_slice(&body)
            .map_err(|_| PbxError::Unreadable("it is no list of calls, or half of one"))?;
        let starts = || records.iter().filter_map(|record| self.start(record));
        let span = from.plus_millis(-LONGEST_CALL_MS)..=to.plus_millis(1_000);
        match starts().next().is_some() && !starts().any(|start| span.contains(&start)) {
            true => Err(PbxError::Unreadable(
                "calls of another time than was asked for",
            )),
            false => Ok(records),
        }
    }

    fn start(&self, record: &RawValue) -> Option<Timestamp> {
        let fields = Fields::of_body(record.get().as_bytes()).ok()?;
        unconfirmed::time(fields.get("start")?, &self.zone)
    }

    /// A record as a message; nothing for one that is not of this span or has not settled.
    fn message(&self, record: &str, span: Span, now: Timestamp) -> Option<Message> {
        let mut out = Decoded::default();
        let told = self.record(record.as_bytes(), now, &mut out);
        let told = told.transpose()?;
        let told = told.map(|times| (times.started, times.ended));
        span.message(told, out, now, || record.into())
    }

    /// Tells the facts of a record; gives its times, or nothing where it cannot be told from other calls.
    pub fn record(
        &self,
        record: &[u8],
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<Option<Times>, DecodeError> {
        let fields = Fields::of_body(record)?;
        let number = |name: &str| fields.get(name).and_then(|text| text.parse::<i64>().ok());
        let status = fields.get("status").and_then(unconfirmed::status);
        let talked = status.is_some_and(|(talked, _)| talked);
        let started = fields
            .get("start")
            .and_then(|told| unconfirmed::time(told, &self.zone))
            .ok_or(DecodeError::Field("start"))?;
        let (wait_s, duration_s) = (number("wait").unwrap_or(0), number("duration"));
        let duration_s = duration_s.ok_or(DecodeError::Field("duration"))?;
        let (answer_s, end_s) = self.choices.spans(talked, wait_s, duration_s);
        let times = Times::of(started, answer_s, end_s, now);
        let times = times.ok_or(DecodeError::Field("start"))?;
        let client = self.number(&fields, "client");
        let named = fields
            .get("uid")
            .filter(|_| self.choices.records_name_calls);
        let e164 = client.as_ref().and_then(|client| client.e164());
        let call = match (named, e164) {
            (Some(uid), _) if uid.len() <= 128 => CallKey::from(uid),
            (_, Some(e164)) => CallKey::nameless(&format!("{}/{e164}", started.as_seconds())),
            // Nothing tells it from a call that is known by its events.
            (_, None) => return Ok(None),
        };
        let past = Past {
            call,
            direction: direction(fields.get("type")),
            did: self.number(&fields, "diversion"),
            person: self.person(fields.get("user")),
            client,
            times: Some(times),
            status,
            link: fields.get("record").map(str::to_owned),
        };
        past.tell(&self.account, now, out);
        Ok(Some(times))
    }
}
