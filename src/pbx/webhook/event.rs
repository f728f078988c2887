//! What a message means, in facts: the same for every PBX that a description fits.

use super::{
    parts::{Field, Kind, Rule},
    place::Fields,
    settings::Dialect,
};
use crate::{
    model::{
        event::{
            Cause, Clock, Direction, Fact, Party, RecordingSource, RecordingStage, Side, Summary,
        },
        ids::{AccountName, CallKey, Extension, LegKey},
        phone::Number,
        time::Timestamp,
    },
    pbx::{DecodeError, Decoded, Enquiry, facts::Facts, numbers::Numbers},
};

/// Longest key, extension or name that is believed.
const LONGEST_ID: usize = 128;
/// Longest run of keys.
const LONGEST_DIGITS: usize = 64;
/// Key of the leg of somebody whom no message names.
const SOMEBODY: &str = "-";

/// One message, and the rule that it follows.
pub struct Event<'a> {
    pub dialect: &'a Dialect,
    pub rule: &'a Rule,
    pub fields: &'a Fields,
    pub numbers: &'a Numbers,
    pub account: &'a AccountName,
    pub now: Timestamp,
}

/// The moments of a call or leg, as far as the message tells them; those told are in order.
#[derive(Default)]
struct Moments {
    started: Option<Timestamp>,
    answered: Option<Timestamp>,
    ended: Option<Timestamp>,
}

/// A leg: who is called, and who calls.
struct Leg {
    key: LegKey,
    party: Option<Party>,
    with: Option<Party>,
}

impl Event<'_> {
    /// Adds what the message says.
    pub fn tell(&self, out: &mut Decoded) -> Result<(), DecodeError> {
        match self.rule.is.as_slice() {
            [Kind::Ping] => out.notes.push("ping"),
            [Kind::Ignored] => out.ignored.push("described_as_ignored"),
            [Kind::Question] => out.enquiries.push(self.enquiry()),
            [Kind::Tracking] if self.id(Field::Call).is_none() => out.notes.push("tracking"),
            _ => self.tell_call(out)?,
        }
        Ok(())
    }

    fn tell_call(&self, out: &mut Decoded) -> Result<(), DecodeError> {
        let call = self.id(Field::Call).ok_or(DecodeError::Field("call"))?;
        let moments = self.moments()?;
        let (at, clock) = self.at(&moments)?;
        let mut facts = Facts {
            account: self.account,
            call: CallKey::from(call),
            at,
            clock,
            out,
        };
        self.tell_parties(&mut facts);
        if let Some(leg) = self.leg() {
            self.tell_leg(&leg, &moments, &mut facts);
        }
        self.tell_around(&mut facts);
        if self.is(Kind::Ended) {
            let summary = Box::new(self.summary(&moments));
            let by = summary.hangup_by;
            facts.is_so(None, "summary", Fact::Summary(summary));
            facts.happened(None, "over", Fact::Over { by });
        }
        Ok(())
    }

    fn is(&self, kind: Kind) -> bool {
        self.rule.is.contains(&kind)
    }

    fn text(&self, field: Field) -> Option<String> {
        self.fields.get(self.rule.place(field, self.direction())?)
    }

    fn id(&self, field: Field) -> Option<String> {
        self.text(field).filter(|id| id.len() <= LONGEST_ID)
    }

    fn number(&self, field: Field) -> Option<Number> {
        Some(self.numbers.read(&self.text(field)?))
    }

    fn span_ms(&self, field: Field) -> Option<i64> {
        self.dialect.clock.span_ms(&self.text(field)?)
    }

    /// A moment that can be.
    fn moment(&self, field: Field) -> Option<Timestamp> {
        let at = self.dialect.clock.moment(&self.text(field)?, self.now);
        at.filter(|at| at.is_plausible(self.now))
    }

    fn direction(&self) -> Option<Direction> {
        let told = || self.dialect.direction.as_ref()?.read(self.fields);
        self.rule.direction.or_else(told)
    }

    fn cause(&self) -> Option<Cause> {
        let told = || self.dialect.cause.as_ref()?.read(self.fields);
        self.rule.cause.or_else(told)
    }

    fn hangup_by(&self) -> Option<Side> {
        let told = || self.dialect.hangup_by.as_ref()?.read(self.fields);
        self.rule.hangup_by.or_else(told)
    }

    /// Start, answer and end: as told, or from what is told and the lengths of time between.
    fn moments(&self) -> Result<Moments, DecodeError> {
        let (wait, talk) = (self.span_ms(Field::Wait), self.span_ms(Field::Talk));
        let duration = self.span_ms(Field::Duration);
        let mut started = self.moment(Field::Started);
        let after_start = |ms: Option<i64>| Some(started?.plus_millis(ms?));
        let own = self.is(Kind::Ended) || self.is(Kind::LegEnded);
        let ended = self
            .moment(Field::Ended)
            .or_else(|| self.moment(Field::Time).filter(|_| own))
            .or_else(|| after_start(duration))
            .or_else(|| after_start(Some(wait? + talk?)))
            .filter(|at| at.is_plausible(self.now));
        let before_end = |ms: Option<i64>| Some(ended?.plus_millis(-ms?));
        let answered = self
            .moment(Field::Answered)
            .or_else(|| before_end(talk.filter(|ms| *ms > 0)))
            .filter(|at| at.is_plausible(self.now) && self.rule.answered != Some(false));
        started = started
            .or_else(|| before_end(duration))
            .filter(|at| at.is_plausible(self.now))
            .filter(|at| ended.is_none_or(|ended| *at <= ended));
        let within = |at: &Timestamp| {
            started.is_none_or(|started| started <= *at) && ended.is_none_or(|ended| *at <= ended)
        };
        Ok(Moments {
            answered: answered.filter(within),
            started,
            ended,
        })
    }

    /// The message's own time. One that cannot be read makes a dead letter; one that cannot have been, or
    /// is not told, is known to be no later than now.
    fn at(&self, moments: &Moments) -> Result<(Timestamp, Clock), DecodeError> {
        let Some(text) = self.text(Field::Time) else {
            let told = moments.ended.filter(|_| self.is(Kind::Ended));
            return Ok(told.map_or((self.now, Clock::NoLaterThan), |at| (at, Clock::Exact)));
        };
        let at = self.dialect.clock.moment(&text, self.now);
        let at = at.ok_or(DecodeError::Field("time"))?;
        Ok(match at.is_plausible(self.now) {
            true => (at, Clock::Exact),
            false => (self.now, Clock::NoLaterThan),
        })
    }

    fn tell_parties(&self, facts: &mut Facts<'_>) {
        let parties = Fact::Parties {
            direction: self.direction(),
            client: self.number(Field::Client),
            client_name: self.id(Field::ClientName),
            did: self.number(Field::Did),
        };
        facts.is_so(None, "parties", parties);
    }

    /// The employee of this leg. A public number stands for one of us, unless it is the client's or our own.
    fn extension(&self, field: Field) -> Option<Extension> {
        let text = self.id(field)?;
        let number = self.numbers.read(&text);
        let e164 = number.e164();
        let is_same = |other: Field| {
            let other = self.number(other);
            other.is_some_and(|other| other.e164() == e164)
        };
        let is_other = e164.is_some() && (is_same(Field::Client) || is_same(Field::Did));
        (!is_other).then(|| Extension::from(text))
    }

    fn leg(&self) -> Option<Leg> {
        let of_leg = [
            Kind::Rings,
            Kind::Answered,
            Kind::LegEnded,
            Kind::Transferred,
        ];
        if !of_leg.iter().any(|kind| self.is(*kind)) {
            return None;
        }
        let employee = self.extension(Field::Extension);
        let own = self.id(Field::Leg);
        if own.is_none() && employee.is_none() && !self.is(Kind::Answered) {
            return None;
        }
        let key = own.or_else(|| employee.as_ref().map(|it| it.as_str().to_owned()));
        let person = employee.map(Party::Person);
        let client = self.number(Field::Client);
        let client = || Party::Client(client.unwrap_or(Number::Other(String::new())));
        let (party, with) = match self.direction() {
            Some(Direction::Out) => (Some(client()), person),
            Some(Direction::Internal) => {
                let caller = self.extension(Field::CallerExtension).map(Party::Person);
                (person, caller)
            }
            Some(Direction::In) | None => (person, Some(client())),
        };
        Some(Leg {
            key: LegKey::from(key.unwrap_or_else(|| SOMEBODY.to_owned())),
            party,
            with,
        })
    }

    fn tell_leg(&self, leg: &Leg, moments: &Moments, facts: &mut Facts<'_>) {
        let key = Some(&leg.key);
        if let Some(party) = leg.party.clone() {
            let ends = Fact::Leg {
                party,
                with: leg.with.clone(),
                initiator: self.rule.initiator,
            };
            facts.is_so(key, "leg", ends);
        }
        let from = self.extension(Field::TransferFrom);
        let from = from.filter(|_| self.is(Kind::Transferred));
        // An employee answers once, and once more each time a colleague passes the call to him.
        let answer = match &from {
            Some(from) => format!("answer-from-{from}"),
            None => "answer".to_owned(),
        };
        if let Some(from) = from {
            facts.is_so(key, "passed-by", Fact::TransferredFrom { from });
        }
        let at = facts.at.as_seconds();
        if self.is(Kind::Rings) {
            facts.happened(key, &format!("rings-{at}"), Fact::Rings);
        }
        let talks = leg.with.clone().map(|with| Fact::Talks { with });
        if self.is(Kind::Answered) {
            let told = (moments.answered.unwrap_or(facts.at), facts.clock);
            facts.happened_at(key, &answer, told, talks.clone().unwrap_or(Fact::Up));
        }
        if self.is(Kind::LegEnded) {
            // The answer may never have been told, or was lost. Of a whole call it is not this leg's.
            let implied = moments.answered.filter(|_| !self.is(Kind::Ended));
            if let Some((answered, talks)) = implied.zip(talks) {
                facts.happened_at(key, &answer, (answered, facts.clock), talks);
            }
            let ends = Fact::Ends {
                cause: self.cause().unwrap_or(Cause::Unknown),
                by: self.hangup_by(),
            };
            facts.happened(key, &format!("ends-{at}"), ends);
        }
    }

    /// Recording, visit and keys.
    fn tell_around(&self, facts: &mut Facts<'_>) {
        if self.is(Kind::Recording) {
            self.tell_recording(facts);
        }
        if self.is(Kind::Tracking) {
            let told = self.dialect.tracking.iter().filter_map(|(name, place)| {
                let value = self.fields.get(place)?;
                Some((name.clone(), value))
            });
            let mut fields: Vec<(String, String)> = told.collect();
            fields.sort();
            if !fields.is_empty() {
                facts.is_so(None, "tracking", Fact::Tracking { fields });
            }
        }
        if let Some(digits) = self.text(Field::Digits).filter(|_| self.is(Kind::Digits)) {
            let digits = keys(&digits);
            facts.is_so(None, "digits", Fact::Digits { digits });
        }
    }

    fn tell_recording(&self, facts: &mut Facts<'_>) {
        let is_link = |link: &String| link.starts_with("https://") || link.starts_with("http://");
        let id = self.id(Field::Recording);
        let link = self.text(Field::RecordingLink).filter(is_link);
        let file = self.text(Field::RecordingFile);
        let asked_for = || id.clone().filter(|_| self.dialect.file_request.is_some());
        let source = link
            .map(RecordingSource::Link)
            .or(file.map(RecordingSource::File))
            .or_else(|| asked_for().map(RecordingSource::Api));
        if id.is_none() && source.is_none() {
            return; // this call was not recorded
        }
        let stage = match source {
            Some(_) => RecordingStage::Ready,
            None => RecordingStage::Completed,
        };
        let news = Fact::Recording {
            recording: id.unwrap_or_else(|| facts.call.as_str().to_owned()),
            stage,
            source,
        };
        facts.is_so(None, "recording", news);
    }

    fn summary(&self, moments: &Moments) -> Summary {
        let talk_ms = self.span_ms(Field::Talk);
        let says_yes = self.rule.answered == Some(true) || talk_ms.is_some_and(|ms| ms > 0);
        let says_no = self.rule.answered == Some(false) || talk_ms == Some(0);
        // An answer at the start says: somebody talked, and this message does not know when.
        let sometime = moments.started.filter(|_| says_yes);
        let answered = moments.answered.or(sometime).filter(|_| !says_no);
        Summary {
            direction: self.direction(),
            client: self.number(Field::Client),
            did: self.number(Field::Did),
            extension: self.extension(Field::Employee),
            started: moments.started,
            answered,
            answered_known: says_no || answered.is_some(),
            ended: moments.ended,
            cause: self.cause(),
            hangup_by: self.hangup_by(),
        }
    }

    fn enquiry(&self) -> Enquiry {
        let attempt = self.text(Field::Attempt).and_then(|text| text.parse().ok());
        Enquiry {
            account: self.account.clone(),
            call: self.id(Field::Call).map(CallKey::from),
            client: self.number(Field::Client),
            did: self.number(Field::Did),
            attempt: attempt.unwrap_or(1).max(1),
            is_it: self.id(Field::Asked).map(Extension::from),
            digits: keys(&self.text(Field::Digits).unwrap_or_default()),
            rung: Vec::new(),
            at: self.moment(Field::Time).unwrap_or(self.now),
        }
    }
}

/// Keys pressed, without what no telephone has.
fn keys(text: &str) -> String {
    let visible = text.chars().filter(|key| !key.is_control());
    visible.take(LONGEST_DIGITS).collect()
}
