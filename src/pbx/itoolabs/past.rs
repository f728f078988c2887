//! The facts of a finished call, as its record tells them: posted after the call, or listed later.

use crate::{
    model::{
        event::{Cause, Clock, Direction, Fact, RecordingSource, RecordingStage, Side, Summary},
        ids::{AccountName, CallKey, Extension},
        phone::Number,
        time::Timestamp,
    },
    pbx::{Decoded, facts::Facts, leg::Leg},
};

use super::unconfirmed;

/// What a record says of one call, or of one employee's part of it.
pub struct Past {
    pub call: CallKey,
    pub direction: Option<Direction>,
    pub client: Option<Number>,
    pub did: Option<Number>,
    pub person: Option<Extension>,
    /// Start, answer where it is told, and end; none if they cannot be.
    pub times: Option<Times>,
    /// Whether somebody talked, and else why not; `None` if the record does not say.
    pub status: Option<(bool, Cause)>,
    pub link: Option<String>,
}

/// The moments of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub started: Timestamp,
    pub answered: Option<Timestamp>,
    pub ended: Timestamp,
}

impl Times {
    /// From the start, so many seconds until the answer (if that is told) and until the end; nothing that
    /// cannot have been by now.
    pub fn of(
        started: Timestamp,
        answer_s: Option<i64>,
        end_s: i64,
        now: Timestamp,
    ) -> Option<Self> {
        let end_s = end_s.clamp(0, 2 * unconfirmed::LONGEST_S);
        let at = |seconds: i64| started.plus_millis(seconds * 1_000);
        let times = Self {
            started,
            answered: answer_s.map(|answer_s| at(answer_s.clamp(0, end_s))),
            ended: at(end_s),
        };
        let is_past = times.ended <= now.plus_millis(unconfirmed::CLOCKS_DIFFER_MS);
        (started.is_plausible(now) && is_past).then_some(times)
    }
}

impl Past {
    /// Adds the facts. A record whose times cannot be is one that had arrived by now.
    pub fn tell(&self, account: &AccountName, now: Timestamp, out: &mut Decoded) {
        let (at, clock) = match self.times {
            Some(times) => (times.ended, Clock::Exact),
            None => (now, Clock::NoLaterThan),
        };
        let mut facts = Facts {
            account,
            call: self.call.clone(),
            at,
            clock,
            out,
        };
        facts.is_so(None, "parties", self.parties());
        self.tell_leg(at, &mut facts);
        self.tell_recording(&mut facts);
        facts.is_so(None, "summary", Fact::Summary(Box::new(self.summary())));
        facts.happened(None, "over", Fact::Over { by: None });
    }

    fn parties(&self) -> Fact {
        Fact::Parties {
            direction: self.direction,
            client: self.client.clone(),
            client_name: None,
            did: self.did.clone(),
        }
    }

    fn talked(&self) -> bool {
        self.status.is_some_and(|(talked, _)| talked)
    }

    /// The employee's phone, and that they have talked: the same fact as the event of the answer. A time
    /// that the record tells is better than the arrival of the event; the end is only a bound.
    fn tell_leg(&self, at: Timestamp, facts: &mut Facts<'_>) {
        let (Some(person), Some(direction)) = (&self.person, self.direction) else {
            return;
        };
        let leg = Leg::between(person, self.client.as_ref(), direction);
        leg.describe(facts);
        if self.talked() {
            let answered = self.times.and_then(|times| times.answered);
            let bound = (at, Clock::NoLaterThan);
            leg.talks(facts, answered.map_or(bound, |at| (at, Clock::Exact)));
        }
    }

    fn tell_recording(&self, facts: &mut Facts<'_>) {
        let Some(link) = self.link.as_deref().filter(|_| self.talked()) else {
            return;
        };
        let is_link = link.starts_with("https://") || link.starts_with("http://");
        let Some(recording) = unconfirmed::recording_id(link).filter(|_| is_link) else {
            return;
        };
        let news = Fact::Recording {
            recording: recording.to_owned(),
            stage: RecordingStage::Ready,
            source: Some(RecordingSource::Link(link.to_owned())),
        };
        facts.happened(None, &format!("recording/{recording}"), news);
    }

    fn summary(&self) -> Summary {
        let started = self.times.map(|times| times.started);
        // An answer at the start says: somebody talked, and the record does not know when.
        let answered = self.times.and_then(|times| times.answered).or(started);
        Summary {
            direction: self.direction,
            client: self.client.clone(),
            did: self.did.clone(),
            extension: self.person.clone(),
            started,
            answered: answered.filter(|_| self.talked()),
            answered_known: match self.status {
                // That somebody talked, at no time that can be told, is told by the leg.
                Some((true, _)) => answered.is_some(),
                // Of a call that came in each phone may have a record: another one may have been answered.
                Some((false, _)) => self.direction == Some(Direction::Out),
                None => false,
            },
            ended: self.times.map(|times| times.ended),
            cause: self.status.map(|(_, cause)| cause),
            // Of a call that came in each phone may have a record, so nothing is said of the client.
            hangup_by: match (self.status, self.direction) {
                (Some((_, Cause::Cancelled)), Some(Direction::Out)) => Some(Side::Employee),
                _ => None,
            },
        }
    }
}
