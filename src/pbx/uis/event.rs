//! Notifications, by the constant `event` of our templates, and the facts that each tells.
//!
//! A leg is the phone of one employee (incoming), or the client's (outgoing); its key is made of who it
//! is, because messages name a leg's id here and a pair of ids there. Nothing tells that a phone has
//! stopped ringing, who hung up, or a hold.

use jiff::tz::TimeZone;

use super::{fields::Fields, unconfirmed};
use crate::{
    model::{
        event::{Cause, Clock, Direction, Fact, Party, RecordingSource, RecordingStage, Summary},
        ids::{AccountName, CallKey, Extension, LegKey},
        phone::Number,
        time::Timestamp,
    },
    pbx::{
        DecodeError, Decoded,
        facts::{Facts, SOMETIME},
        numbers::Numbers,
        wall,
    },
};

/// Longest id that is believed.
const LONGEST_ID: usize = 64;
/// Longest value of visitor data that is kept.
const LONGEST_VISIT: usize = 500;

/// Names under which visitor data come, here and in reports, and ours; in the order of ours.
const VISIT: [(&str, &str); 18] = [
    ("campaign_name", "campaign"),
    ("channel", "channel"),
    ("entrance_page", "entrance_page"),
    ("gclid", "gclid"),
    ("ua_client_id", "google_client_id"),
    ("referrer", "referrer"),
    ("search_engine", "search_engine"),
    ("search_query", "search_query"),
    ("site_domain_name", "site"),
    ("utm_campaign", "utm_campaign"),
    ("utm_content", "utm_content"),
    ("utm_medium", "utm_medium"),
    ("utm_source", "utm_source"),
    ("utm_term", "utm_term"),
    ("visitor_id", "visitor_id"),
    ("visitor_session_id", "visitor_session_id"),
    ("yclid", "yclid"),
    ("ym_client_id", "yandex_client_id"),
];

/// What messages are read with.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    pub account: &'a AccountName,
    pub numbers: &'a Numbers,
    /// The account's clock.
    pub zone: &'a TimeZone,
    /// The extension of an employee's id.
    pub extension_of: &'a dyn Fn(&str) -> Option<Extension>,
}

/// One notification of a call.
pub struct Event<'a> {
    fields: &'a Fields,
    kind: Kind,
    call: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The call is there.
    Begins,
    /// A phone rings.
    Rings,
    TalkBegins,
    TalkEnds,
    Over,
    /// Over, and nobody answered.
    Lost,
    Recorded,
}

/// A leg and who is at its two ends; of an employee whom nobody can name, only the key.
struct Leg {
    key: LegKey,
    ends: Option<(Party, Party)>,
    initiator: bool,
}

impl<'a> Event<'a> {
    /// Reads a notification that was posted to the path of this name; `None` if its kind is unknown.
    pub fn read(fields: &'a Fields, path: &'a str) -> Result<Option<Self>, DecodeError> {
        let kind = match fields.get("event").unwrap_or(path) {
            "in_call" | "out_call" => Kind::Begins,
            "leg_ringing" | "out_leg" => Kind::Rings,
            "talk_started" => Kind::TalkBegins,
            "talk_finished" => Kind::TalkEnds,
            "call_finished" => Kind::Over,
            "lost" => Kind::Lost,
            "record_ready" => Kind::Recorded,
            "" => return Err(DecodeError::Field("event")),
            _ => return Ok(None),
        };
        let call = fields.get("call_session_id");
        let call = call.filter(|id| id.len() <= LONGEST_ID);
        Ok(Some(Self {
            fields,
            kind,
            call: call.ok_or(DecodeError::Field("call_session_id"))?,
        }))
    }

    /// Adds the facts of this notification.
    pub fn tell(&self, by: Reader<'_>, now: Timestamp, out: &mut Decoded) {
        let told = self.time("notification_time", by, now);
        let (at, clock) = match told {
            Some(at) => (at, Clock::Exact),
            None => (now, Clock::NoLaterThan),
        };
        let mut facts = Facts {
            account: by.account,
            call: CallKey::from(self.call),
            at,
            clock,
            out,
        };
        self.tell_call(by, now, &mut facts);
        // What happened is named by its second; told without a time it can only have happened once.
        let second = told.map_or_else(|| "untimed".to_owned(), |at| at.as_seconds().to_string());
        match self.kind {
            Kind::Begins => {}
            Kind::Rings => self.tell_ring(by, &second, &mut facts),
            Kind::TalkBegins => self.tell_talk(by, &second, &mut facts),
            Kind::TalkEnds => self.tell_end(by, &second, &mut facts),
            Kind::Over | Kind::Lost => {
                let summary = Box::new(self.summary(by, now, told));
                facts.is_so(None, "summary", Fact::Summary(summary));
                facts.happened(None, "over", Fact::Over { by: None });
            }
            Kind::Recorded => self.tell_recording(&mut facts),
        }
    }

    /// What every notification says of its call, since its start.
    fn tell_call(&self, by: Reader<'_>, now: Timestamp, facts: &mut Facts<'_>) {
        let parties = Fact::Parties {
            direction: self.direction(),
            client: self.client(by),
            client_name: self.fields.get("contact_full_name").map(str::to_owned),
            did: self.did(by),
        };
        let (at, clock) = (facts.at, facts.clock);
        let started = self
            .time("start_time", by, now)
            .filter(|start| *start <= at);
        if let Some(started) = started {
            (facts.at, facts.clock) = (started, Clock::Exact);
        }
        facts.is_so(None, "parties", parties);
        (facts.at, facts.clock) = (at, clock);
        if let Some(visit) = visit(|name| self.fields.get(name).map(str::to_owned)) {
            facts.is_so(None, "tracking", visit);
        }
        if let Some(command) = self.fields.get("external_id").and_then(super::own_command) {
            let with = CallKey::from(command);
            facts.is_so(None, "command", Fact::SameCall { with });
        }
    }

    fn tell_ring(&self, by: Reader<'_>, second: &str, facts: &mut Facts<'_>) {
        let leg = self.leg(by);
        leg.tell(facts);
        if let Some((Party::Person(rung), _)) = &leg.ends
            && self.direction() != Some(Direction::Out)
        {
            let calling = self.fields.get("calling_phone_number");
            let client = self.client(by);
            let passed = unconfirmed::passed_by(calling, rung, client.as_ref(), by.numbers);
            if let Some(from) = passed.filter(|_| self.direction() == Some(Direction::In)) {
                let passed = Fact::TransferredFrom { from };
                facts.is_so(Some(&leg.key), "passed-by", passed);
            }
        }
        let name = self.fields.get("leg_id").unwrap_or(second);
        facts.happened(Some(&leg.key), &format!("rings-{name}"), Fact::Rings);
    }

    fn tell_talk(&self, by: Reader<'_>, second: &str, facts: &mut Facts<'_>) {
        let leg = self.talking_leg(by);
        leg.tell(facts);
        let talks = leg.talks();
        facts.happened(Some(&leg.key), &format!("talks-{second}"), talks);
        if let Some(own) = self.ordering_leg(by) {
            own.tell(facts);
            // Whoever talks has picked up the own phone before.
            let at = (facts.at, Clock::NoLaterThan);
            facts.happened_at(Some(&own.key), "up", at, Fact::Up);
        }
    }

    fn tell_end(&self, by: Reader<'_>, second: &str, facts: &mut Facts<'_>) {
        let leg = self.talking_leg(by);
        leg.tell(facts);
        // For the case that the beginning was lost: they talked at least until now.
        let until = (facts.at, Clock::NoLaterThan);
        let tail = format!("talked-{second}");
        facts.happened_at(Some(&leg.key), &tail, until, leg.talks());
        let (cause, by) = (Cause::Normal, None);
        let ends = Fact::Ends { cause, by };
        facts.happened(Some(&leg.key), &format!("ends-{second}"), ends);
    }

    fn tell_recording(&self, facts: &mut Facts<'_>) {
        let link = self.fields.get("file_link");
        let is_link = |link: &&str| link.starts_with("https://") || link.starts_with("http://");
        let Some(link) = link.filter(is_link) else {
            facts.out.notes.push("recording_without_link");
            return;
        };
        let news = Fact::Recording {
            recording: unconfirmed::recording_id(link)
                .unwrap_or(self.call)
                .to_owned(),
            stage: RecordingStage::Ready,
            source: Some(RecordingSource::Link(link.to_owned())),
        };
        facts.is_so(None, "recording", news);
    }

    fn summary(&self, by: Reader<'_>, now: Timestamp, ended: Option<Timestamp>) -> Summary {
        let started = self.time("start_time", by, now);
        let started = started.filter(|start| ended.is_none_or(|end| *start <= end));
        let is_lost = self.kind == Kind::Lost || self.fields.is("is_lost") == Some(true);
        let talk_s = self.fields.seconds("talk_time_duration");
        let (talked, answered_known) = match (talk_s, is_lost) {
            (Some(1..), true) => (false, false), // it contradicts itself: whoever knows may say so
            (Some(1..), false) => (true, true),
            (Some(_), _) | (None, true) => (false, true),
            (None, false) => (false, false),
        };
        let wait_s = self.fields.seconds("wait_time_duration");
        let when = started.zip(ended).and_then(|call| {
            let talk_s = talk_s.filter(|_| talked)?;
            unconfirmed::answered(call, wait_s, talk_s)
        });
        // At the start it says: somebody talked, and when is not told.
        let sometime = || talked.then(|| started.unwrap_or(SOMETIME));
        let employee = match self.direction() {
            Some(Direction::Out) => self.fields.all("employee_ids").first(),
            _ => self.fields.all("employee_ids").last(),
        };
        Summary {
            direction: self.direction(),
            client: self.client(by),
            did: self.did(by),
            extension: self.extension(by).or_else(|| (by.extension_of)(employee?)),
            started,
            answered: when.or_else(sometime),
            answered_known,
            ended,
            cause: None,
            hangup_by: None,
        }
    }

    fn time(&self, name: &str, by: Reader<'_>, now: Timestamp) -> Option<Timestamp> {
        let told = self.fields.get(name)?;
        let whole = told.split('.').next().unwrap_or(told);
        wall::heard_iso(whole, by.zone, now).filter(|at| at.is_plausible(now))
    }

    fn direction(&self) -> Option<Direction> {
        if self.fields.is("is_internal") == Some(true) {
            return Some(Direction::Internal);
        }
        match self.fields.get("direction")? {
            "in" => Some(Direction::In),
            "out" => Some(Direction::Out),
            _ => None,
        }
    }

    fn client(&self, by: Reader<'_>) -> Option<Number> {
        if self.direction() == Some(Direction::Internal) {
            return None;
        }
        let told = self.fields.get("contact_phone_number")?;
        Some(by.numbers.read(told))
    }

    fn did(&self, by: Reader<'_>) -> Option<Number> {
        let line = by.numbers.read(self.fields.get("virtual_phone_number")?);
        line.e164().is_some().then_some(line)
    }

    /// The employee that the message is of.
    fn extension(&self, by: Reader<'_>) -> Option<Extension> {
        let told = self.fields.get("extension_phone_number");
        let known = || (by.extension_of)(self.fields.get("employee_id")?);
        unconfirmed::extension(told, by.numbers).or_else(known)
    }

    /// The employee's phone, by the best name that the message has for it.
    fn phone_key(&self, by: Reader<'_>) -> LegKey {
        if let Some(extension) = self.extension(by) {
            return LegKey::from(extension.as_str());
        }
        match self.fields.get("employee_id") {
            Some(id) if id.len() <= LONGEST_ID => LegKey::from(format!("employee-{id}")),
            _ => LegKey::from("somebody"),
        }
    }

    /// Whether the leg that rings is the client's: the number that is called is theirs.
    fn calls_the_client(&self, by: Reader<'_>) -> bool {
        let called = self.fields.get("called_phone_number");
        let called = called.map(|called| by.numbers.read(called));
        let is_public = called
            .as_ref()
            .is_some_and(|called| called.e164().is_some());
        self.direction() == Some(Direction::Out) && is_public && called == self.client(by)
    }

    /// The leg of a phone that rings.
    fn leg(&self, by: Reader<'_>) -> Leg {
        match self.direction() {
            _ if self.calls_the_client(by) => self.clients_leg(by),
            Some(Direction::Out) => self.own_leg(by),
            _ => self.phone_leg(by),
        }
    }

    /// The leg of a talk with the client.
    fn talking_leg(&self, by: Reader<'_>) -> Leg {
        match self.direction() {
            Some(Direction::Out) => self.clients_leg(by),
            _ => self.phone_leg(by),
        }
    }

    /// The employee's own leg of a call that the Call API has made.
    fn ordering_leg(&self, by: Reader<'_>) -> Option<Leg> {
        let source = self.fields.get("call_source")?;
        let is_ordered = source.starts_with("callapi") && self.direction() == Some(Direction::Out);
        is_ordered.then(|| self.own_leg(by))
    }

    fn phone_leg(&self, by: Reader<'_>) -> Leg {
        let person = self.extension(by).map(Party::Person);
        let other = match self.direction() {
            Some(Direction::Internal) => {
                let calling = self.fields.get("calling_phone_number");
                unconfirmed::extension(calling, by.numbers).map(Party::Person)
            }
            _ => Some(self.client_party(by)),
        };
        Leg {
            key: self.phone_key(by),
            ends: person.zip(other),
            initiator: false,
        }
    }

    fn own_leg(&self, by: Reader<'_>) -> Leg {
        Leg {
            initiator: true,
            ..self.phone_leg(by)
        }
    }

    fn clients_leg(&self, by: Reader<'_>) -> Leg {
        let person = self.extension(by).map(Party::Person);
        Leg {
            key: clients_key(self.phone_key(by).as_str()),
            ends: Some(self.client_party(by)).zip(person),
            initiator: false,
        }
    }

    fn client_party(&self, by: Reader<'_>) -> Party {
        let nobody = Number::Other(String::new());
        Party::Client(self.client(by).unwrap_or(nobody))
    }
}

impl Leg {
    fn tell(&self, facts: &mut Facts<'_>) {
        if let Some((party, with)) = &self.ends {
            let leg = Fact::Leg {
                party: party.clone(),
                with: Some(with.clone()),
                initiator: self.initiator,
            };
            facts.is_so(Some(&self.key), "leg", leg);
        }
    }

    /// The talk over this leg; of somebody whom nobody can name it is one with the client all the same.
    fn talks(&self) -> Fact {
        let nobody = || Party::Client(Number::Other(String::new()));
        let with = self.ends.as_ref().map(|(_, with)| with.clone());
        Fact::Talks {
            with: with.unwrap_or_else(nobody),
        }
    }
}

/// The client's leg of a call that this phone makes.
pub fn clients_key(phone: &str) -> LegKey {
    LegKey::from(format!("to-client/{phone}"))
}

/// Where the visitor came from, as far as a message or record says.
pub fn visit(said: impl Fn(&str) -> Option<String>) -> Option<Fact> {
    let of_call = |(theirs, ours): &(&str, &str)| {
        let value: String = said(theirs)?.chars().take(LONGEST_VISIT).collect();
        Some(((*ours).to_owned(), value))
    };
    let fields: Vec<(String, String)> = VISIT.iter().filter_map(of_call).collect();
    (!fields.is_empty()).then_some(Fact::Tracking { fields })
}
