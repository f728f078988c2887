//! Compares what was found of a call with what the ledger says.
//!
//! Whoever was told everything must know everything exactly: every field that an export has. Three things
//! make less of it, and each is stated where it is allowed:
//!
//! * events without times ([`Ledger::by_arrival`]) that did not come in order and at their time: what follows
//!   from both is nobody's to expect;
//! * lost messages ([`Told::Maimed`]): less may be known, but nothing wrong;
//! * a cut manager connection ([`Told::FromLog`]): what the event log does not tell, listed by the caller.

use std::collections::BTreeSet;

use ringcard::{
    model::{
        call::{Call, CallResult, Ended, Leg, LegResult, Phase},
        event::{Cause, Direction, RecordingStage, Side},
        time::Timestamp,
    },
    simulator::ledger::{Ledger, Passed, Phone},
};

/// How much was told of a call.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// Every message came once, in order and at its time.
    InTime,
    /// Every message came, though perhaps late, twice, or to a gateway that was killed meanwhile.
    All,
    /// Some messages never came.
    Maimed,
    /// Some manager events went past us and the PBX's log told the rest.
    FromLog(&'a Unheard),
}

/// What the log cannot tell of a call, and no event told.
#[derive(Clone, Debug, Default)]
pub struct Unheard {
    /// Who was called without our hearing the ring: extensions, and [`CLIENT`]. The log knows when the
    /// phone was dialled and when it answered or gave up, so the ring lies between.
    pub rings: BTreeSet<String>,
    /// Whose end we did not hear: why the phone stopped ringing may be unknown.
    pub ends: BTreeSet<String>,
}

/// The client's phone among those that ring.
pub const CLIENT: &str = "client";

/// Everything about `call` that the ledger does not allow.
pub fn differences(ledger: &Ledger, call: &Call, told: Told<'_>) -> Vec<String> {
    let mut check = Check {
        ledger,
        told,
        wrong: Vec::new(),
    };
    check.result(call);
    check.times(call);
    check.parties(call);
    check.phones(call);
    check.transfers(call);
    check.recordings(call);
    check.wrong
}

struct Check<'a> {
    ledger: &'a Ledger,
    told: Told<'a>,
    wrong: Vec<String>,
}

impl Check<'_> {
    fn differ(&mut self, what: &str, wanted: impl std::fmt::Debug, found: impl std::fmt::Debug) {
        self.wrong
            .push(format!("{what}: wanted {wanted:?}, found {found:?}"));
    }

    fn maimed(&self) -> bool {
        matches!(self.told, Told::Maimed)
    }

    /// Whether what is known only by when and in which order messages come cannot be expected: of a call of
    /// the past that is told in order, but faster than life, every message comes when it is over.
    fn is_disordered(&self) -> bool {
        self.ledger.by_arrival && !matches!(self.told, Told::InTime)
    }

    /// Whether the first answer may be lost, and nothing else tells who had the client before others.
    fn is_first_unknown(&self) -> bool {
        let mut talked = self.ledger.phones.iter();
        let is_later = |phone: &Phone| self.is_later(&phone.extension);
        self.maimed() && self.ledger.first_by_order && talked.any(is_later)
    }

    /// Whether this person of ours had the client after somebody else.
    fn is_later(&self, who: &str) -> bool {
        let mut talked = self.ledger.phones.iter();
        talked.any(|phone| {
            phone.extension == who
                && phone.answered_at.is_some()
                && self.ledger.answered_by.as_deref() != Some(who)
        })
    }

    fn is_unheard(&self, who: &str) -> bool {
        matches!(self.told, Told::FromLog(unheard) if unheard.rings.contains(who))
    }

    fn result(&mut self, call: &Call) {
        let wanted = self.ledger.result;
        match call.result {
            Some(found) if found == wanted => {}
            None if self.maimed() => {}
            // Whether anybody rang, and for how long, is told by messages that may be lost.
            Some(found) if self.maimed() && is_unanswered(found) && is_unanswered(wanted) => {}
            // So is for how long, by the arrival of messages.
            Some(found) if self.is_disordered() && is_given_up(found) && is_given_up(wanted) => {}
            found => self.differ("result", wanted, found),
        }
        if !self.maimed() && call.phase != Phase::Ended {
            self.differ("phase", Phase::Ended, call.phase);
        }
        if !self.maimed() && call.ended != Some(Ended::HungUp) {
            self.differ("ended", Ended::HungUp, call.ended);
        }
    }

    fn times(&mut self, call: &Call) {
        let ledger = self.ledger;
        let tolerance = ledger.tolerance_ms;
        let started_at = Some(ledger.started_at);
        if self.maimed() {
            // Of a lost beginning it is known only that it was no later.
            if call.started_at < ledger.started_at {
                self.differ("started_at", started_at, call.started_at);
            }
        } else {
            self.moment("started_at", started_at, Some(call.started_at));
        }
        // Without its summary, a call without times ends when its last message comes.
        if !(self.maimed() && self.is_disordered()) {
            self.moment("ended_at", Some(ledger.ended_at), call.ended_at);
        }
        if self.maimed() {
            return self.spans_of_a_maimed_call(call);
        }
        self.span("wait_ms", ledger.wait_ms, call.wait_ms, tolerance);
        if let Some(wait_ms) = ledger.wait_ms {
            let answered = ledger.result == CallResult::Answered;
            let answered_at = answered.then(|| ledger.started_at.plus_millis(wait_ms));
            self.moment("answered_at", answered_at, call.answered_at);
        }
        let first_ring = match ledger.direction {
            Direction::Out => Some(CLIENT),
            _ => {
                let rang = ledger.phones.iter().filter(|phone| phone.rang_at.is_some());
                let first = rang.min_by_key(|phone| phone.rang_at);
                first.map(|phone| phone.extension.as_str())
            }
        };
        if !(first_ring.is_some_and(|who| self.is_unheard(who))
            && call.ring_ms <= ledger.ring_ms.map(|ring_ms| ring_ms + tolerance))
        {
            self.span("ring_ms", ledger.ring_ms, call.ring_ms, tolerance);
        }
        self.span("hold_ms", ledger.hold_ms, call.hold_ms, tolerance);
        // It lies between answer and end less the hold: two moments that may be off.
        self.span("talk_ms", ledger.talk_ms, call.talk_ms, 2 * tolerance);
    }

    /// What of its spans cannot be known when messages are lost:
    /// * a menu or a ring before the first message that came makes wait and ring shorter;
    /// * hold that begins or ends with a lost message counts as talk, or talk as hold: together they
    ///   are what they were;
    /// * a provider without times tells lengths only by a summary, which may be lost, and then what there
    ///   is goes by when messages came.
    fn spans_of_a_maimed_call(&mut self, call: &Call) {
        let ledger = self.ledger;
        for (what, wanted, found) in [
            ("wait_ms", ledger.wait_ms, call.wait_ms),
            ("ring_ms", ledger.ring_ms, call.ring_ms),
        ] {
            if found > wanted && !self.is_disordered() && !self.is_first_unknown() {
                self.differ(what, wanted, found);
            }
        }
        if self.is_disordered() {
            return;
        }
        let sum = |talk: Option<i64>, hold: Option<i64>| Some(talk? + hold?);
        let wanted = sum(ledger.talk_ms, ledger.hold_ms);
        let found = sum(call.talk_ms, call.hold_ms);
        self.span("talk and hold", wanted, found, ledger.tolerance_ms);
    }

    fn moment(&mut self, what: &str, wanted: Option<Timestamp>, found: Option<Timestamp>) {
        if found.is_none() && self.maimed() {
            return;
        }
        if !self.is_same(wanted, found) {
            self.differ(
                what,
                wanted.map(Timestamp::rfc3339),
                found.map(Timestamp::rfc3339),
            );
        }
    }

    fn is_same(&self, wanted: Option<Timestamp>, found: Option<Timestamp>) -> bool {
        match (wanted, found) {
            (Some(wanted), Some(found)) => {
                let apart = wanted.as_micros().abs_diff(found.as_micros());
                apart <= self.ledger.tolerance_ms as u64 * 1_000
            }
            (None, None) => true,
            _ => false,
        }
    }

    fn span(&mut self, what: &str, wanted: Option<i64>, found: Option<i64>, tolerance: i64) {
        let same = match (wanted, found) {
            (Some(wanted), Some(found)) => (found - wanted).abs() <= tolerance,
            (_, None) if self.maimed() => true,
            // Known by arrival, or not at all.
            (None, _) if self.ledger.by_arrival => true,
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.differ(what, wanted, found);
        }
    }

    fn parties(&mut self, call: &Call) {
        let ledger = self.ledger;
        let maimed = self.maimed();
        let told = |found: bool| found || !maimed;
        if told(call.direction.is_some()) && call.direction != Some(ledger.direction) {
            self.differ("direction", ledger.direction, call.direction);
        }
        let client = call.client.as_ref().and_then(|number| number.e164());
        if told(client.is_some()) && client != ledger.client.as_deref() {
            self.differ("client", &ledger.client, client);
        }
        let did = call.did.as_ref().and_then(|number| number.e164());
        if told(did.is_some()) && did != ledger.did.as_deref() {
            self.differ("did", &ledger.did, did);
        }
        let answered_by = call.answered_by.as_ref().map(|who| who.as_str());
        // An answer that comes long after the summary says it was is nobody's, and who had the client first
        // is known by order alone.
        let untold = (self.is_disordered() || self.is_first_unknown())
            && answered_by.is_none_or(|who| self.is_later(who));
        if told(answered_by.is_some()) && answered_by != ledger.answered_by.as_deref() && !untold {
            self.differ("answered_by", &ledger.answered_by, answered_by);
        }
        if told(call.hangup_by.is_some())
            && call.hangup_by != ledger.hangup_by
            // A time-out of the PBX need not be told as somebody's deed.
            && (ledger.hangup_by != Some(Side::Pbx) || call.hangup_by.is_some())
        {
            self.differ("hangup_by", ledger.hangup_by, call.hangup_by);
        }
    }

    /// Each phone of ours with its moments, as often as it had a leg.
    fn phones(&mut self, call: &Call) {
        let mut wanted: Vec<&Phone> = self.ledger.phones.iter().collect();
        wanted.sort_by_key(|phone| (&phone.extension, phone.ended_at, phone.rang_at));
        let legs = call.employees_legs();
        let mut found: Vec<(&str, &Leg)> = legs.map(|(who, leg)| (who.as_str(), leg)).collect();
        found.sort_by_key(|(who, leg)| (*who, leg.ended_at, leg.rang_at));
        let fits = if self.is_disordered() {
            self.are_phones_in_any_order(&wanted, &found)
        } else if self.maimed() {
            let some = |leg: &(&str, &Leg)| wanted.iter().any(|phone| self.is_part(phone, *leg));
            found.iter().all(some)
        } else {
            let mut pairs = wanted.iter().zip(&found);
            wanted.len() == found.len() && pairs.all(|(phone, leg)| self.is_phone(phone, *leg))
        };
        if !fits {
            let told = |at: Option<Timestamp>| at.map(Timestamp::rfc3339);
            let wanted: Vec<String> = wanted
                .iter()
                .map(|phone| {
                    let (rang, up) = (told(phone.rang_at), told(phone.answered_at));
                    let (end, result) = (phone.ended_at.rfc3339(), phone.result);
                    format!("{} {rang:?} {up:?} {end} {result:?}", phone.extension)
                })
                .collect();
            let found: Vec<String> = found
                .iter()
                .map(|(who, leg)| {
                    let (rang, up) = (told(leg.rang_at), told(leg.answered_at));
                    let (end, result) = (told(leg.ended_at), leg.result);
                    format!("{who} {rang:?} {up:?} {end:?} {result:?}")
                })
                .collect();
            self.differ("legs", wanted, found);
        }
    }

    fn is_phone(&self, phone: &Phone, (extension, leg): (&str, &Leg)) -> bool {
        let rang = if self.is_unheard(extension) {
            // The log's bounds: dialled, and answered or given up.
            let bounds = phone.rang_at.unwrap_or(phone.ended_at)
                ..=phone.answered_at.unwrap_or(phone.ended_at).plus_millis(1);
            leg.rang_at.is_none_or(|rang_at| bounds.contains(&rang_at))
        } else {
            self.is_same(phone.rang_at, leg.rang_at)
        };
        extension == phone.extension
            && rang
            && self.is_same(phone.answered_at, leg.answered_at)
            && self.is_same(Some(phone.ended_at), leg.ended_at)
            && (leg.result == Some(phone.result)
                || self.may_be_unknown(phone, leg)
                || self.is_cause_by_arrival(phone, leg))
    }

    /// Of a provider without times, in any order: nobody else's phone is told of, whoever talked did so, and
    /// whoever was told of all has a leg. What comes after its phone's end looks like another ring.
    fn are_phones_in_any_order(&self, wanted: &[&Phone], found: &[(&str, &Leg)]) -> bool {
        let of = |phone: &Phone| {
            let own = found.iter().filter(|(who, _)| *who == phone.extension);
            own.map(|(_, leg)| *leg).collect::<Vec<_>>()
        };
        let talked = |leg: &&Leg| leg.result == Some(LegResult::Answered);
        let is_there = |phone: &&Phone| match (self.maimed(), phone.result) {
            (true, LegResult::Answered) => true,
            (true, _) => !of(phone).iter().any(talked),
            (false, LegResult::Answered) => of(phone).iter().any(talked),
            (false, _) => !of(phone).is_empty() && !of(phone).iter().any(talked),
        };
        let is_wanted = |who: &str| wanted.iter().any(|phone| phone.extension == who);
        wanted.iter().all(is_there) && found.iter().all(|(who, _)| is_wanted(who))
    }

    /// A provider without times tells no cause of a phone either, but by what comes next.
    fn is_cause_by_arrival(&self, phone: &Phone, leg: &Leg) -> bool {
        let answered = phone.result == LegResult::Answered;
        self.ledger.by_arrival && !answered && leg.result != Some(LegResult::Answered)
    }

    /// Whether a leg of which some messages are lost is that of this phone: it knows less, but nothing
    /// else. A provider that tells a ring twice may have its first word lost, and of whoever the client
    /// is passed to, the talk with the colleague.
    fn is_part(&self, phone: &Phone, (extension, leg): (&str, &Leg)) -> bool {
        let is_asked = |passed: &Passed| passed.to == extension;
        let asked = self.ledger.transfers.iter().any(is_asked);
        let over_at = self.ledger.ended_at.plus_millis(self.ledger.tolerance_ms);
        let rang = |at| phone.rang_at.is_some_and(|rang_at| rang_at <= at);
        let answered = |at| match asked {
            true => phone
                .answered_at
                .is_some_and(|answered_at| answered_at <= at),
            false => phone.answered_at == Some(at),
        };
        extension == phone.extension
            && leg.rang_at.is_none_or(rang)
            && leg.answered_at.is_none_or(answered)
            && leg.ended_at.is_none_or(|ended_at| ended_at <= over_at)
            && (leg.result != Some(LegResult::Answered) || phone.result == LegResult::Answered)
    }

    /// Why a phone stopped is unknown of those whose end only the log has told, unless it was busy or
    /// another one answered; and of an employee's who calls out and gives up, because Asterisk has no
    /// cause for a channel that never rang.
    fn may_be_unknown(&self, phone: &Phone, leg: &Leg) -> bool {
        let given_up = LegResult::Failed(Cause::Cancelled);
        let from_log =
            matches!(self.told, Told::FromLog(unheard) if unheard.ends.contains(&phone.extension));
        let rang_out = phone.result == LegResult::Failed(Cause::NoAnswer);
        let untold = from_log && (rang_out || phone.result == given_up)
            || phone.rang_at.is_none() && phone.result == given_up;
        untold && leg.result == Some(LegResult::Failed(Cause::Unknown))
    }

    fn transfers(&mut self, call: &Call) {
        let ledger = self.ledger;
        if self.is_disordered() {
            // Who had the client first, and how often they were passed on, is known by order alone.
            let untold = !self.maimed() && call.transfers.is_empty() != ledger.transfers.is_empty();
            if untold || (ledger.transfers.is_empty() && !call.transfers.is_empty()) {
                self.differ("transfers", &ledger.transfers, &call.transfers);
            }
            return;
        }
        if self.maimed() {
            // Whom the first one passed the client on to may be told and the kind not, or the other way round.
            let is_wanted = |to: &str| ledger.transfers.iter().any(|passed| passed.to == to);
            let mut known = call.transfers.iter().filter_map(|found| found.to.as_ref());
            let fits = known.all(|to| is_wanted(to.as_str()));
            if !fits || call.transfers.len() > ledger.transfers.len() {
                self.differ("transfers", &ledger.transfers, &call.transfers);
            }
        } else if call.transfers.len() != ledger.transfers.len() {
            self.differ("transfers", &ledger.transfers, &call.transfers);
        } else {
            for (wanted, found) in ledger.transfers.iter().zip(&call.transfers) {
                let from = found.from.as_ref().map(|extension| extension.as_str());
                let to = found.to.as_ref().map(|extension| extension.as_str());
                let parties = (Some(wanted.from.as_str()), Some(wanted.to.as_str()));
                if wanted.kind != found.kind || parties != (from, to) {
                    self.differ("transfer", wanted, found);
                }
                self.moment("transfer at", Some(wanted.at), Some(found.at));
            }
        }
    }

    fn recordings(&mut self, call: &Call) {
        let (wanted, found) = (self.ledger.recordings, call.recordings.len());
        let maimed = self.maimed();
        if found > wanted || (!maimed && found != wanted) {
            self.differ("recordings", wanted, found);
        }
        let can_be_had = |stage| matches!(stage, RecordingStage::Completed | RecordingStage::Ready);
        for news in &call.recordings {
            if !maimed && (!can_be_had(news.stage) || news.source.is_none()) {
                self.differ("recording", "one that can be fetched", news);
            }
        }
    }
}

/// Whether the caller stopped waiting, be it soon or late.
fn is_given_up(result: CallResult) -> bool {
    matches!(result, CallResult::Missed | CallResult::Abandoned)
}

fn is_unanswered(result: CallResult) -> bool {
    result != CallResult::Answered
}
