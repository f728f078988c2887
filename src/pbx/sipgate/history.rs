//! Past calls: `GET /history`, a list of entries, newest first.
//!
//! A call that was forwarded has an entry for each of its parts, and so may one that the mailbox took: where
//! client and time say that one follows the other they are told together, as events tell them. What an entry
//! means and what of it is believed stands in `unconfirmed`.

use serde_json::Value;

use super::{
    api::Api,
    unconfirmed::{
        self, Choices, GOES_ON_WITHIN_MS, LONGEST_RING_MS, LONGEST_S, MAY_GO_ON_MS, Turned,
    },
};
use crate::{
    model::{
        event::{Cause, Clock, Direction, Fact, RecordingSource, RecordingStage, Summary},
        ids::{CallKey, Extension},
        time::Timestamp,
    },
    pbx::{
        DecodeError, Decoded, Message, Page, PbxError,
        facts::Facts,
        fields::from_json,
        form::in_path,
        push::{Part, Words},
        span::Span,
    },
};

/// Longest key of a call that is believed.
const LONGEST_ID: usize = 128;

/// Reads what is listed of one account.
pub struct Records<'a> {
    pub words: &'a Words,
    pub choices: &'a Choices,
}

/// One entry.
#[derive(Clone, Copy)]
struct Entry<'a>(&'a Value);

impl<'a> Entry<'a> {
    fn text(self, name: &str) -> &'a str {
        self.0[name].as_str().unwrap_or_default().trim()
    }

    fn moment(self, name: &str) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(self.text(name))
    }

    fn duration_s(self) -> i64 {
        let told = self.0["duration"].as_i64().unwrap_or_default();
        told.clamp(0, LONGEST_S)
    }

    fn direction(self) -> Option<Direction> {
        match self.text("direction").trim_start_matches("MISSED_") {
            "INCOMING" => Some(Direction::In),
            "OUTGOING" => Some(Direction::Out),
            _ => None,
        }
    }

    /// Of calls; faxes and text messages are listed too.
    fn is_call(self) -> bool {
        matches!(self.text("type"), "CALL" | "VOICEMAIL" | "") && self.direction().is_some()
    }

    fn is_voicemail(self) -> bool {
        self.text("type") == "VOICEMAIL"
    }

    fn turned(self) -> Turned {
        let words = [self.text("callStatus"), self.text("status")];
        unconfirmed::turned(self.text("type"), self.text("direction"), words)
    }

    /// The words for whoever of ours was called or has called.
    fn endpoints(self) -> impl Iterator<Item = &'a str> {
        let routed = self.0["endpoints"].as_array().into_iter().flatten();
        let own = routed.filter_map(|routed| routed["endpoint"]["extension"].as_str());
        let listed = self.0["connectionIds"].as_array().into_iter().flatten();
        own.chain(listed.filter_map(Value::as_str))
    }

    /// The name of the call, as events have it.
    fn name(self) -> Option<&'a str> {
        Some(self.text("callId")).filter(|name| (1..=LONGEST_ID).contains(&name.len()))
    }

    /// The client's number, and ours.
    fn ends(self) -> (&'a str, &'a str) {
        let (source, target) = (self.text("source"), self.text("target"));
        match self.direction() {
            Some(Direction::Out) => (target, source),
            _ => (source, target),
        }
    }

    /// Name and link of each file.
    fn files(self) -> impl Iterator<Item = (String, &'a str)> {
        let own = self.0["recordings"].as_array().into_iter().flatten();
        let named = own.filter_map(|file| Some((file["id"].as_str()?, file["url"].as_str()?)));
        let whole = self.0["recordingUrl"].as_str();
        let files = named.chain(whole.map(|url| (self.text("id"), url)));
        let is_link = |(_, url): &(&str, &str)| url.starts_with("http");
        files.filter(is_link).map(|(id, url)| (in_path(id), url))
    }
}

/// Start and end of a call, or of a part of it.
type Times = (Timestamp, Timestamp);

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
        let entries = api.list(span.from, span.to).await?;
        let calls = self.by_call(&entries, now);
        let messages = calls
            .iter()
            .filter_map(|call| self.message(call, span, now));
        Ok(Page {
            unconfirmed: !self.choices.list_is_sure,
            ..span.page(messages)
        })
    }

    /// Entries of one call together, the first one first.
    fn by_call(&self, entries: &[Value], now: Timestamp) -> Vec<Value> {
        let calls = entries.iter().map(Entry).filter(|entry| entry.is_call());
        let mut calls: Vec<Entry<'_>> = calls.collect();
        // Of one second first what goes on as another, last what the mailbox took.
        calls.sort_by_key(|entry| {
            let is_last = entry.turned() != Turned::Forwarded;
            (entry.moment("created"), is_last, entry.is_voicemail())
        });
        let mut whole: Vec<Vec<Entry<'_>>> = Vec::new();
        for entry in calls {
            let mut before = whole.iter_mut().rev();
            let own = before.find(|call| {
                let last = call.last().copied();
                last.is_some_and(|last| self.goes_on(last, entry, now))
            });
            match own {
                Some(own) => own.push(entry),
                None => whole.push(vec![entry]),
            }
        }
        let values = |call: Vec<Entry<'_>>| call.iter().map(|entry| entry.0.clone()).collect();
        whole.into_iter().map(values).collect()
    }

    /// Whether a call goes on as `next`: it was forwarded, or the mailbox took it.
    fn goes_on(&self, last: Entry<'_>, next: Entry<'_>, now: Timestamp) -> bool {
        let mailbox = next.is_voicemail() && !last.is_voicemail();
        let came_in = [last, next].map(Entry::direction) == [Some(Direction::In); 2];
        let client = |entry: Entry<'_>| self.words.number(entry.text("source"));
        let is_same = client(last).e164().is_some() && client(last) == client(next);
        let follows = || {
            let (started, ended) = self.times(last, now).ok()?;
            let (follows, _) = self.times(next, now).ok()?;
            // Where a note has moved its end, it may have rung for as long as a phone rings.
            let may_end = started.plus_millis(last.duration_s() * 1_000 + LONGEST_RING_MS);
            let is_moved = last.moment("lastModified").is_none_or(|at| at > may_end);
            let ended = if is_moved { may_end } else { ended };
            Some((started..=ended.plus_millis(GOES_ON_WITHIN_MS)).contains(&follows))
        };
        let is_open = mailbox || last.turned() == Turned::Forwarded;
        is_open && came_in && is_same && follows() == Some(true)
    }

    fn times(&self, entry: Entry<'_>, now: Timestamp) -> Result<Times, DecodeError> {
        let created = entry.moment("created").filter(|at| at.is_plausible(now));
        let created = created.ok_or(DecodeError::Field("created"))?;
        let told = (created, entry.moment("lastModified"));
        let times = self.choices.times(told, entry.duration_s());
        match times.1.is_plausible(now) {
            true => Ok(times),
            false => Err(DecodeError::Field("duration")),
        }
    }

    /// A call as a message; nothing for one that is not of this span, has not settled, may have begun before the
    /// span or go on under a name that is not listed yet, or cannot be told from others.
    fn message(&self, call: &Value, span: Span, now: Timestamp) -> Option<Message> {
        let mut out = Decoded::default();
        let told = self.tell(call, now, &mut out).transpose()?;
        let entries = call.as_array().map_or(&[][..], Vec::as_slice);
        let is_open = entries
            .last()
            .is_some_and(|last| Entry(last).turned() == Turned::Forwarded);
        // What the mailbox took stands without the call that rang before, which the last reading has told.
        let head = span.from.plus_millis(LONGEST_RING_MS + GOES_ON_WITHIN_MS);
        if let (Ok((started, _)), Some(first)) = (&told, entries.first())
            && Entry(first).is_voicemail()
            && *started < head
        {
            return None;
        }
        if let Ok((_, ended)) = told
            && is_open
            && ended.plus_millis(MAY_GO_ON_MS) > now
        {
            return None;
        }
        span.message(told, out, now, || call.to_string().into_bytes())
    }

    /// Tells the facts of a call as the journal keeps it.
    pub fn read(&self, raw: &[u8], now: Timestamp, out: &mut Decoded) -> Result<(), DecodeError> {
        let call = from_json(raw)?;
        self.tell(&call, now, out).map(|_| ())
    }

    /// The same; gives start and end, or nothing where nothing tells it from calls that events have told.
    fn tell(
        &self,
        call: &Value,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<Option<Times>, DecodeError> {
        let entries = call.as_array().ok_or(DecodeError::Field("items"))?;
        let first = Entry(entries.first().ok_or(DecodeError::Field("items"))?);
        let (started, _) = self.times(first, now)?;
        let client = self.words.number(first.ends().0);
        let key = match (first.name(), client.e164()) {
            (Some(name), _) => CallKey::from(name),
            (None, Some(e164)) => CallKey::nameless(&format!("{}/{e164}", started.as_seconds())),
            (None, None) => return Ok(None),
        };
        let mut over = started;
        for (place, entry) in entries.iter().map(Entry).enumerate() {
            let times = self.times(entry, now)?;
            over = over.max(times.1);
            let part = Part {
                words: self.words,
                name: match place {
                    0 => key.as_str(),
                    _ => entry.name().unwrap_or_else(|| entry.text("id")),
                },
                call: key.as_str(),
                direction: entry.direction().ok_or(DecodeError::Field("direction"))?,
                client: Some(self.words.number(entry.ends().0)),
            };
            let mut facts = self.words.facts(key.as_str(), times.1, out);
            if entry.name().is_some() {
                part.joins(&mut facts);
            }
            // What the mailbox took at once nobody of ours has answered.
            let next = entries.get(place + 1).map(|next| Entry(next).turned());
            let turned = match (entry.turned(), next) {
                (Turned::Answered, Some(Turned::Mailbox)) => Turned::Mailbox,
                (turned, _) => turned,
            };
            self.tell_part((entry, turned), &part, times, &mut facts);
        }
        Ok(Some((started, over)))
    }

    /// Tells one part of a call.
    fn tell_part(
        &self,
        (entry, turned): (Entry<'_>, Turned),
        part: &Part<'_>,
        (started, ended): Times,
        facts: &mut Facts<'_>,
    ) {
        let did = Some(self.words.number(entry.ends().1)).filter(|did| did.e164().is_some());
        let parties = Fact::Parties {
            direction: Some(part.direction),
            client: part.client.clone(),
            client_name: None,
            did: did.clone(),
        };
        facts.is_so(None, "parties", parties);
        let people = self.people(entry);
        let answered = self.tell_talk((entry, turned), part, &people, (started, ended), facts);
        if !part.is_first() && turned != Turned::Mailbox {
            part.is_passed_to(&people, started, facts);
        }
        let summary = Summary {
            direction: Some(part.direction),
            client: part.client.clone().filter(|client| client.e164().is_some()),
            did,
            extension: None, // phones are told one by one
            started: Some(started),
            answered,
            answered_known: answered.is_some()
                || matches!(turned, Turned::Not(_) | Turned::Mailbox),
            ended: Some(ended),
            cause: match turned {
                Turned::Not(cause) => Some(cause),
                Turned::Answered => Some(Cause::Normal),
                _ => None,
            },
            hangup_by: None,
        };
        facts.is_so(None, &part.tail("record"), Fact::Summary(Box::new(summary)));
        facts.happened(None, &part.tail("over"), Fact::Over { by: None });
        self.tell_files(entry, facts);
    }

    /// Tells whose phones rang and who talked; gives when, or the start where somebody has and nobody knows when.
    fn tell_talk(
        &self,
        (entry, turned): (Entry<'_>, Turned),
        part: &Part<'_>,
        people: &[Extension],
        (started, ended): Times,
        facts: &mut Facts<'_>,
    ) -> Option<Timestamp> {
        let one = match people {
            [one] => Some(one),
            _ => None,
        };
        let (rang, bound) = ((started, Clock::NoLaterThan), (ended, Clock::NoLaterThan));
        let talked = match self.choices.duration_is_talk {
            true => (ended.plus_millis(entry.duration_s() * -1_000), Clock::Exact),
            false => bound,
        };
        let since = || {
            Some(talked)
                .filter(|at| at.1.is_exact())
                .map_or(started, |at| at.0)
        };
        if part.direction == Direction::Out {
            part.calls(one, rang, facts);
        } else if one.is_some() || turned != Turned::Answered {
            people
                .iter()
                .for_each(|person| part.rings(person, rang, facts));
        }
        match (turned, part.direction, one) {
            (Turned::Answered, Direction::Out, _) => {
                part.client_answers(one, talked, facts);
                return Some(since());
            }
            (Turned::Answered, _, Some(_)) => {
                part.answers(one, talked, facts);
                return Some(since());
            }
            (Turned::Not(_), ..) | (Turned::Mailbox, Direction::Out, _) => {}
            (Turned::Mailbox, ..) => part.mailbox_answers(bound, facts),
            (Turned::Answered | Turned::Forwarded | Turned::Untold, ..) => {
                part.perhaps_answered(bound, facts);
            }
        }
        None
    }

    /// Everybody of ours whom the entry names.
    fn people(&self, entry: Entry<'_>) -> Vec<Extension> {
        let mut people = Vec::new();
        for word in entry.endpoints() {
            let own = || unconfirmed::is_user(word).then(|| Extension::from(word));
            let person = self.words.people.known(word).or_else(own);
            people.extend(person.filter(|person| !people.contains(person)));
        }
        people
    }

    fn tell_files(&self, entry: Entry<'_>, facts: &mut Facts<'_>) {
        for (file, link) in entry.files() {
            let source = match self.choices.takes_links {
                true => RecordingSource::Link(link.to_owned()),
                false => RecordingSource::Api(format!("{}/{file}", in_path(entry.text("id")))),
            };
            let tail = format!("recording/{file}");
            let news = Fact::Recording {
                recording: file,
                stage: RecordingStage::Ready,
                source: Some(source),
            };
            facts.happened(None, &tail, news);
        }
    }
}

/// Where a file is now, by the id that the API gave it, as its source has it.
pub async fn link(api: &Api, source: &str) -> Result<String, PbxError> {
    let no_such = || PbxError::Refused("no such recording can be".to_owned());
    let (id, file) = source.split_once('/').ok_or_else(no_such)?;
    let entry = api.entry(id).await?;
    let mut files = Entry(&entry).files();
    let own = files.find(|(name, _)| name == file);
    own.map(|(_, link)| link.to_owned())
        .ok_or(PbxError::NotThere)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        model::{call::CallResult, phone::NumberingPlan},
        pbx::{numbers::Numbers, push},
        tracker,
    };

    const CREATED: &str = "2026-04-06T09:00:00Z";
    const NOW: Timestamp = Timestamp::from_seconds(1_775_480_000);

    fn words() -> Words {
        Words {
            account: "berlin".into(),
            numbers: Numbers::new(NumberingPlan::default()),
            people: toml::from_str("w1 = '301'").unwrap(),
            names: &[],
            keys: &[],
            whole_numbers: true,
            goes_on: true,
            routes: false,
            choices: push::Choices::default(),
        }
    }

    /// The mailbox takes a call, newest first.
    fn taken(call: &Value, mailbox: &str) -> Vec<Value> {
        let entry = |own: &Value| {
            let mut entry = json!({"direction": "INCOMING", "source": "+74950000021", "target": "+74950000096",
                "created": CREATED, "endpoints": [{"endpoint": {"extension": "w1"}}]});
            let own = own.as_object().unwrap().clone();
            entry.as_object_mut().unwrap().extend(own);
            entry
        };
        let mailbox = json!({"id": "H2", "type": "VOICEMAIL", "created": mailbox, "duration": 12});
        vec![entry(&mailbox), entry(call)]
    }

    fn call(changes: Value) -> Value {
        let mut call = json!({"id": "H1", "callId": "88", "type": "CALL", "callStatus": "MISSED",
            "lastModified": "2026-04-06T09:00:25Z", "duration": 0});
        let changes = changes.as_object().unwrap().clone();
        call.as_object_mut().unwrap().extend(changes);
        call
    }

    /// Told from this moment on.
    fn messages(entries: &[Value], from: &str) -> Vec<Message> {
        let (words, choices) = (words(), Choices::default());
        let records = Records {
            words: &words,
            choices: &choices,
        };
        let span = Span {
            from: Timestamp::parse_rfc3339(from).unwrap(),
            to: NOW,
            more: false,
        };
        let calls = records.by_call(entries, NOW);
        let told = calls.iter();
        told.filter_map(|call| records.message(call, span, NOW))
            .collect()
    }

    #[test]
    fn what_the_mailbox_took_is_no_call_of_its_own_and_no_talk() {
        let success = json!({"callStatus": "SUCCESS", "duration": 20});
        for (changes, mailbox) in [
            (json!({}), "2026-04-06T09:00:26Z"),
            (json!({}), CREATED),
            (success, "2026-04-06T09:00:26Z"),
            (
                json!({"lastModified": "2026-04-06T09:40:00Z"}),
                "2026-04-06T09:00:26Z",
            ),
        ] {
            let entries = taken(&call(changes), mailbox);
            let told = messages(&entries, "2026-04-06T08:00:00Z");
            let [message] = told.as_slice() else {
                panic!("{told:?}");
            };
            let call = tracker::derive(&message.events.iter().cloned().collect());
            assert_eq!(call.result, Some(CallResult::Voicemail), "{call:?}");
        }
    }

    #[test]
    fn what_the_mailbox_took_of_a_call_before_the_span_was_told_with_it() {
        let mailbox = &taken(&call(json!({})), "2026-04-06T09:00:26Z")[..1];
        assert_eq!(messages(mailbox, "2026-04-06T09:00:10Z").len(), 0);
        assert_eq!(messages(mailbox, "2026-04-06T08:00:00Z").len(), 1);
    }

    #[test]
    fn no_length_is_too_long_to_be_counted() {
        for duration in [i64::MIN, i64::MAX] {
            let entry = json!({"duration": duration});
            assert!((0..=LONGEST_S).contains(&Entry(&entry).duration_s()));
        }
    }
}
