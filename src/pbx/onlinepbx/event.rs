//! What posted messages say, and the facts that each tells. Records of past calls hold the same things under
//! other names, so what a finished call tells stands here once ([`Finished`]).

use super::unconfirmed::{self, Choices};
use crate::{
    model::{
        event::{Cause, Clock, Direction, Fact, RecordingSource, RecordingStage, Summary},
        ids::{AccountName, CallKey, Extension},
        phone::Number,
        time::Timestamp,
    },
    pbx::{
        DecodeError, Decoded, Enquiry,
        facts::{Facts, moment},
        fields::Fields,
        leg::Leg,
        numbers::Numbers,
    },
};

/// Longest call key that is believed.
const LONGEST_ID: usize = 128;
/// Longest talk that is believed, in seconds.
const LONGEST_S: i64 = 86_400;

/// Whether this can be the key of a call.
pub fn is_key(key: &str) -> bool {
    (1..=LONGEST_ID).contains(&key.len())
}

/// Reads the words of one account.
pub struct Words {
    pub account: AccountName,
    pub numbers: Numbers,
    pub choices: Choices,
    /// Whether the block "HTTP command" is answered.
    pub asks: bool,
}

/// Names of the values that say who is at the ends of a call: those of events, or of records.
pub struct Names {
    pub direction: &'static str,
    pub caller: &'static str,
    pub called: &'static str,
}

const NAMES: Names = Names {
    direction: "direction",
    caller: "caller",
    called: "callee",
};

/// Who is at the ends of a call.
pub struct Ends {
    pub direction: Option<Direction>,
    client: Option<Number>,
    did: Option<Number>,
    person: Option<Extension>,
    /// The one who calls a colleague.
    caller: Option<Extension>,
}

impl Ends {
    /// The employee's leg.
    fn leg(&self) -> Option<Leg> {
        let person = self.person.as_ref()?;
        match (self.direction?, &self.caller) {
            (Direction::Internal, Some(caller)) => Some(Leg::among(caller, person)),
            (Direction::Internal, None) => None,
            (direction, _) => Some(Leg::between(person, self.client.as_ref(), direction)),
        }
    }

    /// That the employee and the client have talked since then: the same fact as that of the event.
    pub fn talks(&self, since: Timestamp, facts: &mut Facts<'_>) {
        if let Some(leg) = self.leg() {
            leg.talks(facts, (since, Clock::Exact));
        }
    }
}

/// What is known of a call that is over.
pub struct Finished {
    pub started: Option<Timestamp>,
    pub ended: Timestamp,
    /// How long was talked, in seconds; `None`: not told.
    pub talk_s: Option<i64>,
    pub cause: Option<Cause>,
}

impl Words {
    /// Adds what an event says.
    pub fn tell(
        &self,
        fields: &Fields,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let Some(call) = fields.get("uuid") else {
            out.notes.push("ping"); // the cabinet's test of the address
            return Ok(());
        };
        let kind = fields.get("event").ok_or(DecodeError::Field("event"))?;
        let at: i64 = fields
            .get("date")
            .and_then(|date| date.parse().ok())
            .ok_or(DecodeError::Field("date"))?;
        if !is_key(call) {
            return Err(DecodeError::Field("uuid"));
        }
        let (at, clock) = moment(at, now);
        let mut facts = self.facts(call, (at, clock), out);
        let ends = self.ends(fields, &NAMES, kind != "call_start");
        match kind {
            "call_start" => {
                tell_ends(&ends, &mut facts);
                if let Some(leg) = ends.leg() {
                    facts.happened(Some(&leg.key), "rings", Fact::Rings);
                }
            }
            "call_answered" => {
                tell_ends(&ends, &mut facts);
                if let Some(leg) = ends.leg() {
                    leg.talks(&mut facts, (at, clock));
                    // No leg's end is told: whoever answers later has the client from then on.
                    facts.happened(Some(&leg.key), "has", Fact::TakesOver);
                }
            }
            "call_missed" | "call_end" => {
                tell_ends(&ends, &mut facts);
                let finished = finished(fields, kind == "call_missed", at, now);
                tell_end(&ends, &finished, &mut facts);
                if let Some(link) = fields.get("download_url") {
                    self.tell_file(Some(link), &mut facts);
                }
            }
            _ => out.ignored.push("unknown_event"),
        }
        Ok(())
    }

    /// Adds what the block "HTTP command" asks.
    pub fn ask(
        &self,
        fields: &Fields,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        if !self.asks {
            out.ignored.push("command");
            return Ok(());
        }
        let client = fields.get("caller_number").unwrap_or_default();
        let call = fields.get("uuid").filter(|key| is_key(key));
        out.enquiries.push(Enquiry {
            account: self.account.clone(),
            call: call
                .filter(|_| self.choices.questions_name_calls)
                .map(CallKey::from),
            client: Some(self.numbers.read(client)),
            did: None,
            attempt: 1,
            is_it: None,
            digits: String::new(),
            rung: Vec::new(),
            at: now,
        });
        Ok(())
    }

    /// An empty set of facts of this call.
    pub fn facts<'a>(
        &'a self,
        call: &str,
        (at, clock): (Timestamp, Clock),
        out: &'a mut Decoded,
    ) -> Facts<'a> {
        Facts {
            account: &self.account,
            call: CallKey::from(call),
            at,
            clock,
            out,
        }
    }

    /// Who is at the ends. `is_reached`: whoever is called has been, and may be a number outside.
    pub fn ends(&self, fields: &Fields, names: &Names, is_reached: bool) -> Ends {
        let number = |name| fields.get(name).map(|raw| self.numbers.read(raw));
        let line = |name| number(name).filter(|number| number.e164().is_some());
        let direction = fields.get(names.direction).and_then(direction);
        let (client, did) = match direction {
            Some(Direction::In) => {
                let did = line("gateway").or_else(|| line(names.called).filter(|_| !is_reached));
                (number(names.caller).or(Some(Number::Withheld)), did)
            }
            Some(Direction::Out) => (number(names.called), line("gateway")),
            Some(Direction::Internal) | None => (None, None),
        };
        let of_ours = |name| {
            let told = fields.get(name)?;
            unconfirmed::person(told, (client.as_ref(), did.as_ref()), &self.numbers)
        };
        let (person, caller) = match direction {
            Some(Direction::In) => {
                let is_public = line(names.called).is_some();
                (
                    of_ours(names.called).filter(|_| is_reached || !is_public),
                    None,
                )
            }
            Some(Direction::Out) => (of_ours(names.caller), None),
            Some(Direction::Internal) => (of_ours(names.called), of_ours(names.caller)),
            None => (None, None),
        };
        Ends {
            direction,
            client,
            did,
            person,
            caller,
        }
    }

    /// The file of a call.
    pub fn tell_file(&self, link: Option<&str>, facts: &mut Facts<'_>) {
        let is_link = |link: &&str| link.starts_with("https://") || link.starts_with("http://");
        let link = link.filter(is_link).filter(|_| self.choices.takes_links);
        let call = facts.call.as_str().to_owned();
        let news = Fact::Recording {
            source: Some(match link {
                Some(link) => RecordingSource::Link(link.to_owned()),
                None => RecordingSource::Api(call.clone()),
            }),
            recording: call,
            stage: RecordingStage::Ready,
        };
        facts.happened(None, "recording", news);
    }
}

fn direction(word: &str) -> Option<Direction> {
    match word {
        "inbound" | "missed" => Some(Direction::In),
        "outbound" => Some(Direction::Out),
        "local" => Some(Direction::Internal),
        _ => None,
    }
}

/// What `call_missed` or `call_end` says of the whole call.
fn finished(fields: &Fields, is_missed: bool, ended: Timestamp, now: Timestamp) -> Finished {
    let seconds = |name: &str| fields.get(name).and_then(|text| text.parse::<i64>().ok());
    let lasted_s = seconds("call_duration").filter(|s| (0..=LONGEST_S).contains(s));
    let started = lasted_s.map(|s| ended.plus_millis(s * -1_000));
    Finished {
        started: started.filter(|at| at.is_plausible(now)),
        ended,
        talk_s: match is_missed {
            true => Some(0),
            false => seconds("dialog_duration"),
        },
        cause: fields.get("hangup_cause").and_then(unconfirmed::cause),
    }
}

/// Who is at the ends of the call, and of the employee's leg.
pub fn tell_ends(ends: &Ends, facts: &mut Facts<'_>) {
    let parties = Fact::Parties {
        direction: ends.direction,
        client: ends.client.clone(),
        client_name: None,
        did: ends.did.clone(),
    };
    facts.is_so(None, "parties", parties);
    if let Some(leg) = ends.leg() {
        leg.describe(facts);
    }
}

/// That the call is over. Gives when it was answered.
pub fn tell_end(ends: &Ends, call: &Finished, facts: &mut Facts<'_>) -> Option<Timestamp> {
    let talk_s = call.talk_s.map(|s| s.clamp(0, LONGEST_S));
    let answered = talk_s.filter(|s| *s > 0).map(|s| {
        let answered = call.ended.plus_millis(s * -1_000);
        call.started
            .map_or(answered, |started| answered.max(started))
    });
    let answered = answered.filter(|at| at.is_plausible(call.ended));
    let summary = Summary {
        direction: ends.direction,
        client: ends.client.clone(),
        did: ends.did.clone(),
        extension: None, // the last one who talked, or nobody: events tell who was the first
        started: call.started,
        answered,
        answered_known: talk_s.is_some(),
        ended: Some(call.ended),
        cause: call.cause,
        hangup_by: unconfirmed::gave_up(call.cause, ends.direction),
    };
    facts.is_so(None, "summary", Fact::Summary(Box::new(summary)));
    facts.happened(None, "over", Fact::Over { by: None });
    answered
}
