//! What posted events say, and what of them is signed.

use jiff::tz::TimeZone;

use super::unconfirmed;
use crate::{
    model::{
        event::{Cause, Clock, Direction, Fact, Party, RecordingSource, RecordingStage, Summary},
        ids::{AccountName, CallKey, Extension, LegKey},
        phone::Number,
        time::Timestamp,
    },
    pbx::{
        DecodeError, Decoded, Enquiry,
        facts::{Facts, moment},
        fields::Fields,
        numbers::Numbers,
        wall,
    },
};

/// Longest call key and recording id that are believed.
const LONGEST_ID: usize = 128;
/// Longest run of keys that is kept.
const LONGEST_DIGITS: usize = 64;

/// Kinds of events that tell of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An incoming call has begun.
    Start,
    /// A phone rings.
    Rings,
    /// Somebody has answered.
    Answered,
    /// An incoming call is over.
    Over,
    /// An outgoing call has begun.
    OutStart,
    /// An outgoing call is over.
    OutOver,
    /// A file is ready.
    Recorded,
    /// Keys were pressed in a menu.
    Menu,
}

impl Kind {
    /// Reads the name of the event; `None` for one that tells of no call.
    pub fn of(fields: &Fields) -> Result<Option<Self>, DecodeError> {
        let name = fields.get("event").ok_or(DecodeError::Field("event"))?;
        Ok(Some(match name {
            "NOTIFY_START" => Self::Start,
            "NOTIFY_INTERNAL" => Self::Rings,
            "NOTIFY_ANSWER" => Self::Answered,
            "NOTIFY_END" => Self::Over,
            "NOTIFY_OUT_START" => Self::OutStart,
            "NOTIFY_OUT_END" => Self::OutOver,
            "NOTIFY_RECORD" => Self::Recorded,
            "NOTIFY_IVR" => Self::Menu,
            _ => return Ok(None),
        }))
    }

    /// The fields that the signature covers, in their order.
    const fn signed(self) -> &'static [&'static str] {
        match self {
            Self::Start | Self::Rings | Self::Over | Self::Menu => {
                &["caller_id", "called_did", "call_start"]
            }
            Self::Answered => &["caller_id", "destination", "call_start"],
            Self::OutStart | Self::OutOver => &["internal", "destination", "call_start"],
            Self::Recorded => &["pbx_call_id", "call_id_with_rec"],
        }
    }
}

/// The text that the signature of this message is over; `None` if it is of no kind that is signed.
pub fn signed_text(fields: &Fields) -> Option<String> {
    let kind = Kind::of(fields).ok()??;
    let values = kind.signed().iter().map(|name| fields.raw(name));
    Some(values.collect())
}

/// Whether it is of the second channel, whose signature nobody has described and which tells of no call.
pub fn is_of_second_channel(fields: &Fields) -> bool {
    let name = fields.get("event").unwrap_or_default();
    unconfirmed::SECOND_CHANNEL
        .iter()
        .any(|(known, _)| *known == name)
}

/// The name under which an event is counted that tells of no call.
pub fn quiet_name(fields: &Fields) -> &'static str {
    let name = fields.get("event").unwrap_or_default();
    let mut known = unconfirmed::SECOND_CHANNEL.iter();
    known
        .find(|(known, _)| *known == name)
        .map_or("unknown_event", |(_, name)| name)
}

/// When the call began, by the clock on the cabinet's wall.
pub fn started(fields: &Fields, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    wall::heard_iso(fields.get("call_start")?, zone, now)
}

/// One event of a call.
pub struct Event<'a> {
    kind: Kind,
    fields: &'a Fields,
    call: &'a str,
    /// Unknown only with a file.
    started: Option<Timestamp>,
}

impl<'a> Event<'a> {
    /// Reads what every event of its kind has.
    pub fn read(
        kind: Kind,
        fields: &'a Fields,
        zone: &TimeZone,
        now: Timestamp,
    ) -> Result<Self, DecodeError> {
        let call = fields
            .get("pbx_call_id")
            .filter(|id| id.len() <= LONGEST_ID);
        let started = started(fields, zone, now);
        if started.is_none() && kind != Kind::Recorded {
            return Err(DecodeError::Field("call_start"));
        }
        Ok(Self {
            kind,
            fields,
            call: call.ok_or(DecodeError::Field("pbx_call_id"))?,
            started,
        })
    }

    /// Adds the facts of this event. Only the start has a time of its own: all else is known to have
    /// happened when it was told.
    pub fn tell(
        &self,
        account: &AccountName,
        numbers: &Numbers,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let (at, clock) = match self.started {
            Some(started) => moment(started.as_seconds(), now),
            None => (now, Clock::Exact),
        };
        let mut facts = Facts {
            account,
            call: CallKey::from(self.call),
            at,
            clock,
            out,
        };
        if self.kind == Kind::Recorded {
            let id = self
                .recording()
                .ok_or(DecodeError::Field("call_id_with_rec"))?;
            tell_recording(id, now, &mut facts);
            return Ok(());
        }
        let ends = self.ends(numbers);
        if self.kind == Kind::Rings && ends.person.is_none() {
            return Err(DecodeError::Field("internal"));
        }
        let parties = Fact::Parties {
            direction: ends.direction,
            client: ends.client.clone(),
            client_name: None,
            did: ends.did.clone(),
        };
        facts.is_so(None, "parties", parties);
        if let Some(leg) = ends.leg() {
            self.tell_leg(&leg, now, &mut facts);
        }
        match self.kind {
            Kind::Over | Kind::OutOver => self.tell_end(&ends, now, &mut facts),
            Kind::Menu => self.tell_keys(now, &mut facts),
            _ => {}
        }
        Ok(())
    }

    /// What is asked with this event.
    pub fn enquiry(&self, account: &AccountName, numbers: &Numbers, now: Timestamp) -> Enquiry {
        let ends = self.ends(numbers);
        Enquiry {
            account: account.clone(),
            call: Some(CallKey::from(self.call)),
            client: ends.client,
            did: ends.did,
            attempt: 1,
            is_it: None,
            digits: self.keys(),
            rung: Vec::new(),
            at: now,
        }
    }

    fn tell_leg(&self, leg: &Leg, now: Timestamp, facts: &mut Facts<'_>) {
        let key = Some(&leg.key);
        let ends = Fact::Leg {
            party: leg.party.clone(),
            with: Some(leg.with.clone()),
            initiator: false, // of a callback only the leg to the client is told
        };
        let talks = Fact::Talks {
            with: leg.with.clone(),
        };
        facts.is_so(key, "leg", ends);
        match self.kind {
            Kind::Rings => facts.happened_at(key, "rings", (now, Clock::Exact), Fact::Rings),
            Kind::OutStart => facts.happened(key, "rings", Fact::Rings),
            Kind::Answered => {
                facts.happened_at(key, "answer", (now, Clock::Exact), talks);
                // No leg's end is told: whoever answers later has the client from then on.
                facts.happened_at(key, "has", (now, Clock::Exact), Fact::TakesOver);
            }
            // The identity of the answer, and a bound for its time: where that has come, it wins. The leg ends
            // with its call: told apart, that would part it from a ring that comes late.
            Kind::Over | Kind::OutOver if self.talked() == Some(true) => {
                facts.happened_at(key, "answer", (now, Clock::NoLaterThan), talks);
            }
            _ => {}
        }
    }

    fn tell_end(&self, ends: &Ends, now: Timestamp, facts: &mut Facts<'_>) {
        let started = self.started.filter(|at| at.is_plausible(now));
        let ended = started.map_or(now, |started| started.max(now));
        let talked = self.talked();
        let answered = talked.filter(|talked| *talked).map(|_| {
            let talked_s = self.talked_s().unwrap_or_default().clamp(0, 86_400);
            let answered = ended.plus_millis(talked_s * -1_000);
            started.map_or(answered, |started| answered.max(started))
        });
        let summary = Summary {
            direction: ends.direction,
            client: ends.client.clone(),
            did: ends.did.clone(),
            extension: ends.person.clone(),
            started,
            answered,
            answered_known: talked.is_some(),
            ended: Some(ended),
            cause: self.cause(),
            hangup_by: unconfirmed::gave_up(self.cause(), ends.direction),
        };
        let at = (ended, Clock::Exact);
        facts.happened_at(None, "summary", at, Fact::Summary(Box::new(summary)));
        facts.happened_at(None, "over", at, Fact::Over { by: None });
        let is_recorded = matches!(self.fields.get("is_recorded"), Some("1" | "true"));
        // Whether the file's own event is switched on is the cabinet's matter.
        if let Some(id) = self.recording().filter(|_| is_recorded) {
            tell_recording(id, now, facts);
        }
    }

    fn tell_keys(&self, now: Timestamp, facts: &mut Facts<'_>) {
        let digits = self.keys();
        if digits.is_empty() {
            return;
        }
        let menu = self.fields.get("wait_dtmf[name]").unwrap_or_default();
        let tail = format!("keys/{menu}/{digits}");
        facts.happened_at(None, &tail, (now, Clock::Exact), Fact::Digits { digits });
    }

    /// Keys pressed, without what no telephone has.
    fn keys(&self) -> String {
        let keys = self.fields.get("wait_dtmf[digits]").unwrap_or_default();
        let visible = keys.chars().filter(|key| !key.is_control());
        visible.take(LONGEST_DIGITS).collect()
    }

    fn recording(&self) -> Option<&'a str> {
        let id = self.fields.get("call_id_with_rec")?;
        (id.len() <= LONGEST_ID).then_some(id)
    }

    fn talked_s(&self) -> Option<i64> {
        self.fields.get("duration")?.parse().ok()
    }

    /// Whether somebody talked; `None` where the event does not say.
    fn talked(&self) -> Option<bool> {
        let (talked, _) = unconfirmed::disposition(self.fields.get("disposition")?)?;
        match talked && self.person().is_none() {
            true => unconfirmed::ANSWERED_BY_NOBODY,
            false => Some(talked),
        }
    }

    fn cause(&self) -> Option<Cause> {
        let said = self.fields.get("disposition");
        let said = said.and_then(unconfirmed::disposition);
        let by_code = || unconfirmed::cause(self.fields.get("status_code")?.parse().ok()?);
        said.map(|(_, cause)| cause).or_else(by_code)
    }

    fn person(&self) -> Option<Extension> {
        unconfirmed::person(self.fields.get("internal")?)
    }

    /// The prefix of the call's key says which way it goes; keys without one were seen long ago.
    fn is_outgoing(&self) -> bool {
        let by_kind = match self.kind {
            Kind::OutStart | Kind::OutOver => true,
            Kind::Answered => self.fields.get("caller_id") == self.fields.get("internal"),
            _ => false,
        };
        unconfirmed::is_outgoing(self.call).unwrap_or(by_kind)
    }

    fn ends(&self, numbers: &Numbers) -> Ends {
        let number = |name| self.fields.get(name).map(|raw| numbers.read(raw));
        let line = |name| number(name).filter(|number| number.e164().is_some());
        if !self.is_outgoing() {
            return Ends {
                direction: Some(Direction::In),
                client: number("caller_id").or(Some(Number::Withheld)),
                colleague: None,
                did: line("called_did"),
                person: self.person(),
            };
        }
        let called = self.fields.get("destination");
        let colleague = called.and_then(|called| unconfirmed::colleague(called, numbers));
        Ends {
            direction: Some(match colleague {
                Some(_) => Direction::Internal,
                None => Direction::Out,
            }),
            client: number("destination").filter(|_| colleague.is_none()),
            colleague,
            did: line("caller_id").filter(|_| self.kind != Kind::Answered),
            person: self.person(),
        }
    }
}

fn tell_recording(id: &str, now: Timestamp, facts: &mut Facts<'_>) {
    let news = Fact::Recording {
        recording: id.to_owned(),
        stage: RecordingStage::Ready,
        source: Some(RecordingSource::Api(id.to_owned())),
    };
    facts.happened_at(None, &format!("recording/{id}"), (now, Clock::Exact), news);
}

/// Who is at the ends of a call.
pub struct Ends {
    pub direction: Option<Direction>,
    pub client: Option<Number>,
    /// The one called by a colleague.
    pub colleague: Option<Extension>,
    pub did: Option<Number>,
    pub person: Option<Extension>,
}

/// A leg: who is called, who calls, and the key under which events of it meet.
pub struct Leg {
    pub key: LegKey,
    pub party: Party,
    pub with: Party,
}

impl Ends {
    /// The employee's leg.
    pub fn leg(&self) -> Option<Leg> {
        let person = self.person.as_ref()?;
        let employee = Party::Person(person.clone());
        let client = self.client.clone().map(Party::Client);
        let (party, with) = match (&self.colleague, self.direction) {
            (Some(colleague), _) => (Party::Person(colleague.clone()), employee),
            (None, Some(Direction::In)) => (employee, client?),
            (None, _) => (client?, employee),
        };
        Some(Leg {
            key: LegKey::from(person.as_str()),
            party,
            with,
        })
    }
}
