//! Sipuni's events 1 to 4, and the facts that each tells.

use crate::{
    model::{
        event::{
            Cause, Clock, Direction, Fact, Party, RecordingSource, RecordingStage, Side, Summary,
        },
        ids::{AccountName, CallKey, Extension, LegKey},
        phone::{Number, NumberingPlan},
        time::Timestamp,
    },
    pbx::{
        DecodeError, Decoded, Request,
        facts::{Facts, moment, told_at},
        form,
    },
};

use super::unconfirmed::ordered_key;

/// Longest call key that is believed; the vendor sends Asterisk's Uniqueid.
const LONGEST_ID: usize = 128;

/// Names under which visit data come with calls, and ours; in the order of ours.
const VISIT: [(&str, &str); 6] = [
    ("roistatgoogleid", "google_client_id"),
    ("roistat", "roistat"),
    ("roistat_market", "roistat_market"),
    ("roistatmarket", "roistat_market"),
    ("roistat_number", "roistat_number"),
    ("roistatphone", "roistat_number"),
];

/// The fields of a request: query and body together, as other receivers read them.
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads both places.
    pub fn read(request: &Request) -> Result<Self, DecodeError> {
        if request
            .body
            .first()
            .is_some_and(|byte| b"{[<".contains(byte))
        {
            return Err(DecodeError::Malformed("the body is no form".to_owned()));
        }
        let mut fields = form::texts(request.query.as_bytes())?;
        fields.extend(form::texts(&request.body)?);
        Ok(Self(fields))
    }

    /// The first value of this name that says anything.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.trim())
            .find(|value| !value.is_empty())
    }

    /// A number field without the `_id0042` that schemes hang on it.
    fn number(&self, name: &str) -> Option<&str> {
        let value = self.get(name)?;
        match value.rsplit_once("_id") {
            Some((number, tail)) if tail.bytes().all(|byte| byte.is_ascii_digit()) => Some(number),
            _ => Some(value),
        }
    }

    /// A time in whole seconds: a fraction is cut off, and so are milliseconds.
    fn seconds(&self, name: &str) -> Option<i64> {
        let value = self.get(name)?;
        let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
        let is_number = fraction.bytes().all(|byte| byte.is_ascii_digit());
        let number = whole.parse().ok().filter(|_| is_number)?;
        Some(told_at(number).as_seconds())
    }
}

/// One event of a call.
pub struct Event<'a> {
    fields: &'a Fields,
    kind: Kind,
    call: &'a str,
    seconds: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rings,
    Answered,
    LegOver,
    Over,
}

/// A leg: who is called, who calls, and the key under which events 1, 3 and 4 meet.
struct Leg {
    key: LegKey,
    party: Party,
    with: Party,
}

impl<'a> Event<'a> {
    /// Reads an event; `None` if its code is unknown.
    pub fn read(fields: &'a Fields) -> Result<Option<Self>, DecodeError> {
        let kind = match fields.get("event").ok_or(DecodeError::Field("event"))? {
            "1" => Kind::Rings,
            "2" => Kind::Over,
            "3" => Kind::Answered,
            "4" => Kind::LegOver,
            _ => return Ok(None),
        };
        let call = fields.get("call_id").filter(|id| id.len() <= LONGEST_ID);
        let seconds = fields.seconds("timestamp");
        Ok(Some(Self {
            fields,
            kind,
            call: call.ok_or(DecodeError::Field("call_id"))?,
            seconds: seconds.ok_or(DecodeError::Field("timestamp"))?,
        }))
    }

    /// Adds the facts of this event.
    pub fn tell(
        &self,
        account: &AccountName,
        plan: &NumberingPlan,
        now: Timestamp,
        out: &mut Decoded,
    ) {
        let (at, clock) = moment(self.seconds, now);
        let mut facts = Facts {
            account,
            call: CallKey::from(self.call),
            at,
            clock,
            out,
        };
        self.tell_parties(plan, &mut facts);
        let ordered = self.fields.get("callbackId");
        if let Some(id) = ordered.filter(|id| id.len() <= LONGEST_ID) {
            let with = ordered_key(id);
            facts.is_so(None, "ordered", Fact::SameCall { with });
        }
        if let Some(leg) = self.leg(plan) {
            self.tell_leg(&leg, now, &mut facts);
        }
        if matches!(self.kind, Kind::LegOver | Kind::Over) {
            self.tell_recording(&mut facts);
        }
        if self.kind == Kind::Over {
            let summary = Box::new(self.summary(plan, now));
            facts.is_so(None, "summary", Fact::Summary(summary));
            facts.happened(None, "over", Fact::Over { by: None });
        }
    }

    fn tell_parties(&self, plan: &NumberingPlan, facts: &mut Facts<'_>) {
        let parties = Fact::Parties {
            direction: self.direction(),
            client: self.client(plan),
            client_name: None,
            did: self.did(plan),
        };
        facts.is_so(None, "parties", parties);
        let mut visit: Vec<(String, String)> = VISIT
            .iter()
            .filter_map(|(theirs, ours)| {
                Some(((*ours).to_owned(), self.fields.get(theirs)?.into()))
            })
            .collect();
        visit.dedup_by(|later, first| later.0 == first.0);
        if !visit.is_empty() {
            facts.is_so(None, "tracking", Fact::Tracking { fields: visit });
        }
    }

    fn tell_leg(&self, leg: &Leg, now: Timestamp, facts: &mut Facts<'_>) {
        let key = Some(&leg.key);
        let ends = Fact::Leg {
            party: leg.party.clone(),
            with: Some(leg.with.clone()),
            initiator: false, // event 1 does not tell a callback's own leg from the client's
        };
        facts.is_so(key, "leg", ends);
        let passed_by = self.fields.number("transfer_from");
        if let Some(from) = passed_by.map(Extension::from) {
            facts.is_so(key, "passed-by", Fact::TransferredFrom { from });
        }
        // An employee answers once, and once more each time a colleague passes the call to him.
        let answer = match passed_by {
            Some(from) => format!("answer-from-{from}"),
            None => "answer".to_owned(),
        };
        let talks = Fact::Talks {
            with: leg.with.clone(),
        };
        match self.kind {
            Kind::Rings => {
                facts.happened(key, &format!("rings-{}", self.seconds), Fact::Rings);
            }
            Kind::Answered => facts.happened(key, &answer, talks),
            Kind::LegOver | Kind::Over => {
                if let Some(answered) = self.implied_answer(now, facts.at) {
                    facts.happened_at(key, &answer, (answered, Clock::NoLaterThan), talks);
                }
                let tail = format!("ends-{}", self.seconds);
                let (cause, by) = (self.cause(), self.hangup_by());
                facts.happened(key, &tail, Fact::Ends { cause, by });
            }
        }
    }

    /// When the leg must have been answered by, for the case that event 3 was lost. It has the same
    /// identity as event 3 and a bound for a time, so where event 3 has come it changes nothing. The
    /// answer time of event 4 is the leg's own, but after a transfer it may be the call's; that of
    /// event 2 always is.
    fn implied_answer(&self, now: Timestamp, at: Timestamp) -> Option<Timestamp> {
        if self.kind != Kind::LegOver || !self.was_answered() {
            return None;
        }
        let own = self.answered(now);
        own.filter(|_| self.fields.get("transfer_from").is_none())
            .or(Some(at))
    }

    fn tell_recording(&self, facts: &mut Facts<'_>) {
        let Some(link) = self.fields.get("call_record_link") else {
            return;
        };
        let is_link = link.starts_with("https://") || link.starts_with("http://");
        // Unanswered calls carry a link too, to nothing.
        if !is_link || !self.was_answered() {
            return;
        }
        let news = Fact::Recording {
            recording: recording_id(link).unwrap_or_else(|| self.call.to_owned()),
            stage: RecordingStage::Ready,
            source: Some(RecordingSource::Link(link.to_owned())),
        };
        facts.is_so(None, "recording", news);
    }

    fn summary(&self, plan: &NumberingPlan, now: Timestamp) -> Summary {
        // An answer at the start says: somebody talked, and this event does not know when.
        let started = self.started(now);
        let sometime = started.filter(|_| self.was_answered());
        let answered = self.answered(now).or(sometime);
        Summary {
            direction: self.direction(),
            client: self.client(plan),
            did: self.did(plan),
            extension: self.employee(plan),
            started,
            answered,
            // The status is that of the last leg: after a failed transfer it says NOANSWER although
            // the first employee has talked. So only an answer is sure.
            answered_known: answered.is_some(),
            ended: Some(Timestamp::from_seconds(self.seconds)).filter(|at| at.is_plausible(now)),
            cause: Some(self.cause()),
            hangup_by: self.hangup_by(),
        }
    }

    fn types(&self) -> (Option<&str>, Option<&str>) {
        (self.fields.get("src_type"), self.fields.get("dst_type"))
    }

    /// 1 is outside, 2 is inside; 1 to 1 is a client whom the scheme sends on to an outside number.
    fn direction(&self) -> Option<Direction> {
        match self.types() {
            (Some("1"), Some("1" | "2")) => Some(Direction::In),
            (Some("2"), Some("1")) => Some(Direction::Out),
            (Some("2"), Some("2")) => Some(Direction::Internal),
            _ => None,
        }
    }

    fn client(&self, plan: &NumberingPlan) -> Option<Number> {
        let (short, long) = match self.direction()? {
            Direction::In => ("short_src_num", "src_num"),
            Direction::Out => ("short_dst_num", "dst_num"),
            Direction::Internal => return None,
        };
        let raw = self.fields.number(short).or(self.fields.number(long))?;
        Some(plan.read(raw))
    }

    /// The number that was dialled at first; of an outgoing call that is the client's.
    fn did(&self, plan: &NumberingPlan) -> Option<Number> {
        if self.direction()? != Direction::In {
            return None;
        }
        if let Some(dialled) = self.fields.number("pbxdstnum") {
            return Some(plan.read(dialled));
        }
        let line = plan.read(self.fields.number("dst_num")?);
        (line.e164().is_some() && self.types().1 == Some("2")).then_some(line)
    }

    /// The employee of this leg; a call that no phone has been rung for names our own number there.
    fn employee(&self, plan: &NumberingPlan) -> Option<Extension> {
        match self.types() {
            (_, Some("2")) => self.extension("short_dst_num", "dst_num", plan),
            (Some("2"), _) => self.extension("short_src_num", "src_num", plan),
            (Some("1"), Some("1")) => {
                let outside = self.fields.number("short_dst_num");
                let outside = outside.or(self.fields.number("dst_num"))?;
                Some(Extension::from(outside)) // it stands for one of us
            }
            _ => None,
        }
    }

    fn extension(&self, short: &str, long: &str, plan: &NumberingPlan) -> Option<Extension> {
        let cabinet = self.fields.get("user_id").unwrap_or_default();
        let name = self.fields.number(short).or_else(|| {
            let long = self.fields.number(long)?;
            Some(long.strip_prefix(cabinet).unwrap_or(long))
        })?;
        let is_public = plan.read(name).e164().is_some();
        (!name.is_empty() && !is_public).then(|| Extension::from(name))
    }

    fn leg(&self, plan: &NumberingPlan) -> Option<Leg> {
        let employee = self.employee(plan)?;
        let key = LegKey::from(employee.as_str());
        let client = || Party::Client(self.client(plan).unwrap_or(Number::Other(String::new())));
        let (party, with) = match self.direction()? {
            Direction::In => (Party::Person(employee), client()),
            Direction::Out => (client(), Party::Person(employee)),
            Direction::Internal => {
                let caller = self.extension("short_src_num", "src_num", plan)?;
                (Party::Person(employee), Party::Person(caller))
            }
        };
        Some(Leg { key, party, with })
    }

    fn started(&self, now: Timestamp) -> Option<Timestamp> {
        let at = Timestamp::from_seconds(self.fields.seconds("call_start_timestamp")?);
        (at.is_plausible(now) && at.as_seconds() <= self.seconds).then_some(at)
    }

    /// Calls ordered by API carry a wrong answer time, at or before the start; it is not believed.
    fn answered(&self, now: Timestamp) -> Option<Timestamp> {
        let at = Timestamp::from_seconds(self.fields.seconds("call_answer_timestamp")?);
        let is_after_start = self.started(now)? < at;
        (is_after_start && at.as_seconds() <= self.seconds).then_some(at)
    }

    fn was_answered(&self) -> bool {
        self.fields.get("status") == Some("ANSWER")
    }

    fn cause(&self) -> Cause {
        match self.fields.get("status") {
            Some("ANSWER") => Cause::Normal,
            Some("BUSY") => Cause::Busy,
            Some("NOANSWER") => Cause::NoAnswer,
            Some("CANCEL") => Cause::Cancelled,
            Some("CONGESTION") => Cause::Failed,
            Some("CHANUNAVAIL") => Cause::Unreachable,
            _ => Cause::Unknown,
        }
    }

    /// Nothing says who hung up, but the calling side alone can cancel a whole call. A cancelled leg
    /// may as well have been answered elsewhere.
    fn hangup_by(&self) -> Option<Side> {
        match (self.kind, self.cause(), self.direction()?) {
            (Kind::Over, Cause::Cancelled, Direction::In) => Some(Side::Client),
            (Kind::Over, Cause::Cancelled, _) => Some(Side::Employee),
            _ => None,
        }
    }
}

/// The file's own id in its link, by which the API knows it too.
fn recording_id(link: &str) -> Option<String> {
    let (_, query) = link.split_once('?')?;
    let fields = form::texts(query.as_bytes()).ok()?;
    let (_, id) = fields.into_iter().find(|(name, _)| name == "id")?;
    (!id.is_empty() && id.len() <= LONGEST_ID).then_some(id)
}
