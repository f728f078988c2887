//! What posted messages say, and the facts that each tells. A call is known by the CallSid of the caller's
//! own leg, and each phone that we ring by the CallSid of its leg.

use std::sync::Arc;

use jiff::fmt::rfc2822;

use super::{settings::Settings, twiml::MOST_ATTEMPTS, unconfirmed};
use crate::{
    model::{
        event::{Cause, Clock, Direction, Fact, Party, RecordingSource, RecordingStage, Summary},
        ids::{AccountName, CallKey, Extension, LegKey},
        phone::Number,
        time::Timestamp,
    },
    pbx::{DecodeError, Decoded, Enquiry, Request, facts::Facts, fields::Fields, numbers::Numbers},
};

/// Longest id that is believed.
const LONGEST_ID: usize = 64;

/// Reads the words of one account.
pub struct Words {
    pub account: AccountName,
    pub numbers: Numbers,
    pub settings: Arc<Settings>,
}

/// What a message is about, by the address it was posted to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Voice,
    DialAction,
    Leg,
    Status,
    Recording,
}

/// A message: its kind and its fields, those of its address first.
pub struct Question {
    kind: Kind,
    fields: Fields,
}

impl Question {
    /// Reads a request; `None` if nothing is posted to such an address.
    pub fn read(request: &Request) -> Result<Option<Self>, DecodeError> {
        let kind = match request.path.trim_matches('/') {
            "voice" => Kind::Voice,
            "fallback" => return Self::after_failure(request).map(Some),
            "dial-action" => Kind::DialAction,
            "leg" => Kind::Leg,
            "status" => Kind::Status,
            "recording" => Kind::Recording,
            _ => return Ok(None),
        };
        let fields = Fields::read(request)?;
        Ok(Some(Self { kind, fields }))
    }

    /// The same question once more, after the address that it was posted to at first has failed: what stood in
    /// that address counts, else the call would begin anew.
    fn after_failure(request: &Request) -> Result<Self, DecodeError> {
        let fields = Fields::read(request)?;
        let Some(query) = fields
            .get("ErrorUrl")
            .and_then(unconfirmed::failed_dial_action)
        else {
            let kind = Kind::Voice;
            return Ok(Self { kind, fields });
        };
        let again = Request {
            query,
            ..request.clone()
        };
        Ok(Self {
            kind: Kind::DialAction,
            fields: Fields::read(&again)?,
        })
    }

    /// Whether the caller has hung up meanwhile: nobody rings for one who is gone.
    fn is_of_gone(&self) -> bool {
        let stage = self.get("CallStatus").and_then(Stage::read);
        matches!(stage, Some(Stage::Over(_)))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    fn id(&self, name: &'static str) -> Result<&str, DecodeError> {
        id(self.get(name)).ok_or(DecodeError::Field(name))
    }
}

fn id(told: Option<&str>) -> Option<&str> {
    told.filter(|id| id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// How a call or leg fares.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Queued,
    Rings,
    Answered,
    /// Over: after a talk, or without one for this cause.
    Over(Cause),
}

impl Stage {
    /// `CallStatus`; `None`: a word that nobody knows.
    pub fn read(word: &str) -> Option<Self> {
        Some(match word {
            "queued" | "initiated" => Self::Queued,
            "ringing" => Self::Rings,
            "in-progress" | "answered" => Self::Answered,
            "completed" => Self::Over(Cause::Normal),
            "busy" => Self::Over(Cause::Busy),
            "no-answer" => Self::Over(Cause::NoAnswer),
            "canceled" => Self::Over(Cause::Cancelled),
            "failed" => Self::Over(Cause::Failed),
            _ => return None,
        })
    }
}

impl Words {
    /// Adds what a message says, and what it asks.
    pub fn tell(
        &self,
        question: &Question,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        match question.kind {
            Kind::Voice => self.voice(question, now, out),
            Kind::DialAction => self.dialled(question, now, out),
            Kind::Leg => self.leg(question, now, out),
            Kind::Status => self.status(question, now, out),
            Kind::Recording => self.recording(question, now, out),
        }
    }

    /// The facts of a message; its own time, or the arrival where it tells none.
    fn facts<'a>(
        &'a self,
        call: &str,
        question: &Question,
        now: Timestamp,
        out: &'a mut Decoded,
    ) -> Facts<'a> {
        let told = question.get("Timestamp").and_then(moment);
        let told = told.filter(|at| at.is_plausible(now));
        Facts {
            account: &self.account,
            call: CallKey::from(call),
            at: told.unwrap_or(now),
            clock: Clock::Exact,
            out,
        }
    }

    fn client(&self, question: &Question, name: &str) -> Number {
        unconfirmed::client(question.get(name).unwrap_or_default(), &self.numbers)
    }

    fn line(&self, question: &Question, name: &str) -> Option<Number> {
        let number = question.get(name).map(|raw| self.numbers.read(raw));
        number.filter(|number| number.e164().is_some())
    }

    fn voice(
        &self,
        question: &Question,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let call = question.id("CallSid")?;
        let from = question.get("From").unwrap_or_default();
        if from.starts_with("client:") || from.starts_with("sip:") {
            out.ignored.push("own_phone"); // a call that one of ours makes: not ours to connect
            return Ok(());
        }
        let mut facts = self.facts(call, question, now, out);
        facts.is_so(None, "parties", self.parties(question));
        if !question.is_of_gone() {
            out.enquiries.push(self.enquiry(question, call, 1, now));
        }
        Ok(())
    }

    fn parties(&self, question: &Question) -> Fact {
        Fact::Parties {
            direction: Some(Direction::In),
            client: Some(self.client(question, "From")),
            client_name: question
                .get("CallerName")
                .filter(|name| name.len() <= LONGEST_ID)
                .map(str::to_owned),
            did: self.line(question, "To"),
        }
    }

    fn enquiry(&self, question: &Question, call: &str, attempt: u32, now: Timestamp) -> Enquiry {
        Enquiry {
            account: self.account.clone(),
            call: Some(CallKey::from(call)),
            client: Some(self.client(question, "From")),
            did: self.line(question, "To"),
            attempt,
            is_it: None,
            digits: String::new(),
            rung: Vec::new(),
            at: now,
        }
    }

    /// Ringing somebody has ended: with a talk, or else the next one rings.
    fn dialled(
        &self,
        question: &Question,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let call = question.id("CallSid")?;
        let stage = match question.get("DialCallStatus") {
            None if question.get("ErrorUrl").is_some() => Some(unconfirmed::UNTOLD),
            word => word.and_then(Stage::read),
        };
        let stage = stage.ok_or(DecodeError::Field("DialCallStatus"))?;
        let talked = matches!(stage, Stage::Answered | Stage::Over(Cause::Normal));
        let mut facts = self.facts(call, question, now, out);
        facts.is_so(None, "parties", self.parties(question));
        if let Some(leg) = id(question.get("DialCallSid")) {
            let key = LegKey::from(leg);
            let told = (facts.at, Clock::NoLaterThan);
            if let Some(person) = question.get("to") {
                let with = Party::Client(self.client(question, "From"));
                describe(
                    &key,
                    Party::Person(Extension::from(person)),
                    with,
                    &mut facts,
                );
            }
            if talked {
                let talked_s = question
                    .get("DialCallDuration")
                    .and_then(|s| s.parse().ok());
                let since = since(facts.at, talked_s, now);
                let with = Party::Client(self.client(question, "From"));
                talks(&key, with, (since, Clock::NoLaterThan), &mut facts);
            }
            let cause = match stage {
                Stage::Over(cause) => cause,
                _ => Cause::Normal,
            };
            facts.happened_at(Some(&key), "ends", told, Fact::Ends { cause, by: None });
        }
        if let Some(recording) = question.get("RecordingUrl").and_then(recording_sid) {
            tell_recording(recording, RecordingStage::Ready, &mut facts);
        }
        let attempt = question.get("attempt").and_then(|n| n.parse().ok());
        let attempt: u32 = attempt.unwrap_or(1);
        let goes_on = !talked && question.get("last").is_none() && attempt < MOST_ATTEMPTS;
        // Who has hung up meanwhile is rung for in vain; Twilio then throws our answer away.
        if goes_on && !question.is_of_gone() {
            out.enquiries
                .push(self.enquiry(question, call, attempt + 1, now));
        }
        Ok(())
    }

    /// How a phone fares that we ring, or after a click the client's.
    fn leg(
        &self,
        question: &Question,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let (call, leg) = (question.id("ParentCallSid")?, question.id("CallSid")?);
        let word = question.get("CallStatus").unwrap_or_default();
        let Some(stage) = Stage::read(word) else {
            out.ignored.push("unknown_status");
            return Ok(());
        };
        let mut facts = self.facts(call, question, now, out);
        let (party, with) = match question.get("click") {
            Some(person) => {
                let client = self.client(question, "To");
                let parties = Fact::Parties {
                    direction: Some(Direction::Out),
                    client: Some(client.clone()),
                    client_name: None,
                    did: self.line(question, "From"),
                };
                facts.is_so(None, "parties", parties);
                (
                    Party::Client(client),
                    Party::Person(Extension::from(person)),
                )
            }
            None => {
                let to = question.get("To").ok_or(DecodeError::Field("To"))?;
                let person = self.settings.phones.extension(to);
                let client = self.client(question, "From");
                (Party::Person(person), Party::Client(client))
            }
        };
        let key = LegKey::from(leg);
        describe(&key, party, with.clone(), &mut facts);
        let at = (facts.at, Clock::Exact);
        match stage {
            Stage::Queued => {}
            Stage::Rings => facts.happened(Some(&key), "rings", Fact::Rings),
            Stage::Answered => talks(&key, with, at, &mut facts),
            Stage::Over(cause) => {
                // Only a leg that was answered is "completed": a bound, where its answer was not told.
                if cause == Cause::Normal {
                    let talked_s = question.get("CallDuration").and_then(|s| s.parse().ok());
                    let since = since(facts.at, talked_s, now);
                    talks(&key, with, (since, Clock::NoLaterThan), &mut facts);
                }
                facts.happened(Some(&key), "ends", Fact::Ends { cause, by: None });
            }
        }
        Ok(())
    }

    /// How the whole call fares; after a click it is the employee's own leg.
    fn status(
        &self,
        question: &Question,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let call = question.id("CallSid")?;
        let word = question.get("CallStatus").unwrap_or_default();
        let Some(stage) = Stage::read(word) else {
            out.ignored.push("unknown_status");
            return Ok(());
        };
        let click = question.get("click");
        if click.is_none() && question.get("Direction") != Some("inbound") {
            out.ignored.push("call_of_others"); // somebody else's order at this account
            return Ok(());
        }
        let mut facts = self.facts(call, question, now, out);
        let at = facts.at;
        let mut summary = Summary {
            ended: Some(at),
            ..Summary::default()
        };
        match click {
            None => {
                facts.is_so(None, "parties", self.parties(question));
                summary.direction = Some(Direction::In);
                let duration_s = question.get("CallDuration").and_then(|s| s.parse().ok());
                let duration_s = duration_s.filter(|_| self.settings.choices.counts_from_start);
                summary.started = duration_s.map(|s| since(at, Some(s), now));
            }
            Some(person) => {
                let parties = Fact::Parties {
                    direction: Some(Direction::Out),
                    client: None,
                    client_name: None,
                    did: self.line(question, "From"),
                };
                facts.is_so(None, "parties", parties);
                own_leg(person, stage, &mut facts);
                summary.direction = Some(Direction::Out);
            }
        }
        if matches!(stage, Stage::Over(_)) {
            facts.is_so(None, "summary", Fact::Summary(Box::new(summary)));
            facts.happened(None, "over", Fact::Over { by: None });
        }
        Ok(())
    }

    fn recording(
        &self,
        question: &Question,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let recording = question.id("RecordingSid")?;
        let stage = match question.get("RecordingStatus") {
            Some("in-progress") => RecordingStage::Started,
            Some("completed") => RecordingStage::Ready,
            Some("absent" | "failed") => RecordingStage::Absent,
            _ => {
                out.ignored.push("unknown_status");
                return Ok(());
            }
        };
        // CallSid is that of the leg; the call is the one that our own address names, or the leg's parent.
        let told = id(question.get("call")).or(id(question.get("ParentCallSid")));
        let call = told.map_or_else(|| question.id("CallSid"), Ok)?;
        let mut facts = self.facts(call, question, now, out);
        tell_recording(recording, stage, &mut facts);
        Ok(())
    }
}

/// The employee's own leg of a click.
fn own_leg(person: &str, stage: Stage, facts: &mut Facts<'_>) {
    let key = LegKey::from(format!("own/{person}"));
    let leg = Fact::Leg {
        party: Party::Person(Extension::from(person)),
        with: None,
        initiator: true,
    };
    facts.is_so(Some(&key), "leg", leg);
    match stage {
        Stage::Queued => {}
        Stage::Rings => facts.happened(Some(&key), "rings", Fact::Rings),
        Stage::Answered => facts.happened(Some(&key), "answer", Fact::Up),
        Stage::Over(cause) => {
            facts.happened(Some(&key), "ends", Fact::Ends { cause, by: None });
        }
    }
}

/// Who is at the ends of a leg.
pub fn describe(key: &LegKey, party: Party, with: Party, facts: &mut Facts<'_>) {
    let leg = Fact::Leg {
        party,
        with: Some(with),
        initiator: false,
    };
    facts.is_so(Some(key), "leg", leg);
}

/// That the leg's party talks: the same fact, whoever tells it.
pub fn talks(key: &LegKey, with: Party, at: (Timestamp, Clock), facts: &mut Facts<'_>) {
    facts.happened_at(Some(key), "answer", at, Fact::Talks { with });
}

/// News of a recording: the same fact, whoever tells it.
pub fn tell_recording(recording: &str, stage: RecordingStage, facts: &mut Facts<'_>) {
    let news = Fact::Recording {
        recording: recording.to_owned(),
        stage,
        source: (stage == RecordingStage::Ready)
            .then(|| RecordingSource::Api(recording.to_owned())),
    };
    let name = serde_json::to_value(stage).unwrap_or_default();
    let tail = format!(
        "recording/{recording}/{}",
        name.as_str().unwrap_or_default()
    );
    facts.happened(None, &tail, news);
}

/// So many seconds before, if that can be.
pub fn since(at: Timestamp, seconds: Option<i64>, now: Timestamp) -> Timestamp {
    let seconds = seconds.unwrap_or_default().clamp(0, 86_400);
    let since = at.plus_millis(seconds * -1_000);
    if since.is_plausible(now) { since } else { at }
}

/// RFC 2822, as messages and records have it.
pub fn moment(told: &str) -> Option<Timestamp> {
    let moment = rfc2822::parse(told).ok()?.timestamp();
    Some(Timestamp::from_micros(moment.as_microsecond()))
}

/// The id at the end of a recording's address.
fn recording_sid(url: &str) -> Option<&str> {
    let sid = url.rsplit('/').next()?;
    id(Some(sid)).filter(|sid| sid.starts_with("RE"))
}
