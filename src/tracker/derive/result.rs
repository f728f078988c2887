//! How a call turned out, by a written precedence.
//!
//! 1. Somebody of ours talked with the client: **answered**, also while the call lives, and also if
//!    its end was lost.
//! 2. The end is unknown, or two talked and nobody has told whether one was the client: undecided.
//! 3. Incoming and internal calls: **blocked**; **voicemail**; **after hours**; everybody who was
//!    called refused or was busy and the caller did not hang up: **rejected**, **busy**; a phone rang:
//!    **missed** if the caller stayed 5 s after the first ring (or after it may have begun, if that was
//!    not told), else **abandoned**; then what the causes say (**busy**, **rejected**,
//!    **no route**, **failed**); the caller stood in a queue: **abandoned**; a machine talked: **only
//!    menu**; else by how long the caller stayed, and where that is not known: **missed**.
//! 4. Outgoing calls: what became of the client's leg: **busy**, **rejected**, **no route**,
//!    **blocked**, **failed**; the employee gave up: **abandoned**; else **missed**.

use super::{
    known::Known,
    parties::Parties,
    sweep::{LegLine, Swept},
    times::{Answer, End, Times},
};
use crate::model::{
    call::CallResult,
    event::{Cause, Direction, Fact, Party, Side},
    time::Timestamp,
};

/// A caller who stays this long after the first ring has been missed.
const PATIENCE_MS: i64 = 5_000;
/// The caller's leg and the phones they made ring end together within this time.
const TOGETHER_MS: i64 = 3_000;

/// Everything the verdict stands on.
pub(super) struct Case<'c, 'a> {
    pub known: &'c Known<'a>,
    pub swept: &'c Swept<'a>,
    pub parties: &'c Parties<'a>,
    pub times: &'c Times<'a>,
    /// First ringing of a person (outgoing: of the client).
    pub rang_at: Option<Timestamp>,
    pub hangup_by: Option<Side>,
}

/// Decides; `None` while (or because) it cannot be known.
pub(super) fn result(case: &Case<'_, '_>) -> Option<CallResult> {
    if case.times.is_answered() {
        return Some(CallResult::Answered);
    }
    let End::At(ended_at) = case.times.end else {
        return None;
    };
    if case.times.answer == Answer::Perhaps {
        return None;
    }
    match case.parties.direction? {
        Direction::In | Direction::Internal => Some(case.incoming(ended_at)),
        Direction::Out => Some(case.outgoing()),
    }
}

/// Who hung up: what the provider says, else what the legs show.
pub(super) fn hangup_by(
    known: &Known<'_>,
    swept: &Swept<'_>,
    parties: &Parties<'_>,
    times: &Times<'_>,
) -> Option<Side> {
    let ended_at = times.ended_at()?;
    let at_the_end = || {
        let near = move |leg: &&LegLine<'_>| {
            leg.end
                .is_some_and(|end| end.at.plus_millis(TOGETHER_MS) >= ended_at)
        };
        swept.legs.iter().filter(near)
    };
    times
        .hangup_by
        .or_else(|| {
            let told = at_the_end()
                .filter_map(|leg| leg.end)
                .filter(|end| end.by.is_some());
            told.max_by_key(|end| end.at).and_then(|end| end.by)
        })
        .or_else(|| {
            let talk = swept
                .talks
                .all
                .iter()
                .rfind(|talk| talk.is_conversation())?;
            let near = talk
                .to
                .is_some_and(|to| to.plus_millis(TOGETHER_MS) >= ended_at);
            let left = swept.legs.get(talk.left_by.filter(|_| near)? as usize)?;
            match left.ends(known).party? {
                Party::Client(_) => Some(Side::Client),
                Party::Person(_) => Some(Side::Employee),
                _ => None,
            }
        })
        .or_else(|| {
            if times.is_answered() {
                return None;
            }
            // A ring that is cancelled although nobody answered: the caller gave up.
            let gave_up =
                |leg: &LegLine<'_>| leg.end.is_some_and(|end| end.cause == Cause::Cancelled);
            at_the_end()
                .any(gave_up)
                .then_some(match parties.direction? {
                    Direction::In => Side::Client,
                    Direction::Out | Direction::Internal => Side::Employee,
                })
        })
}

impl LegLine<'_> {
    /// Whether a phone of ours is at the leg's end: an employee's, or, as only called phones ring, any
    /// that rang in a call that did not go out.
    pub fn is_phone_of_ours(&self, known: &Known<'_>, direction: Option<Direction>) -> bool {
        let ends = self.ends(known);
        let rang = self.rang_at.is_some() && direction != Some(Direction::Out);
        match ends.party {
            Some(Party::Person(_)) => !ends.initiator,
            Some(Party::Client(_)) => rang,
            None => rang && !ends.tied,
            Some(_) => false,
        }
    }
}

impl Case<'_, '_> {
    fn incoming(&self, ended_at: Timestamp) -> CallResult {
        let cause = self.callers_cause();
        if cause == Some(Cause::Blocked) {
            CallResult::Blocked
        } else if self.ran(|what| matches!(what, Party::Voicemail)) {
            CallResult::Voicemail
        } else if cause == Some(Cause::AfterHours) {
            CallResult::AfterHours
        } else if let Some(refusal) = self.refused_by_all() {
            refusal
        } else if let Some(since) = self.rung_since() {
            self.by_patience(since, ended_at)
        } else {
            self.nobody_rung(cause, ended_at)
        }
    }

    fn nobody_rung(&self, cause: Option<Cause>, ended_at: Timestamp) -> CallResult {
        match self.called_cause().or(cause) {
            Some(Cause::Busy) => return CallResult::Busy,
            Some(Cause::Rejected) => return CallResult::Rejected,
            Some(Cause::NoRoute) => return CallResult::NoRoute,
            Some(Cause::Unreachable | Cause::Failed) => return CallResult::Failed,
            _ => {}
        }
        if self.ran(|what| matches!(what, Party::Queue(_) | Party::Conference(_))) {
            CallResult::Abandoned
        } else if self.ran(|what| matches!(what, Party::Menu)) || self.machine_picked_up() {
            CallResult::IvrOnly
        } else if self.known.channels {
            CallResult::Abandoned
        } else {
            // A provider that tells nothing of phones: all we know is how long the caller stayed. Where
            // the beginning was not heard not even that, and somebody should call back.
            match self.times.started_known {
                true => self.by_patience(self.times.started_at, ended_at),
                false => CallResult::Missed,
            }
        }
    }

    fn by_patience(&self, since: Timestamp, ended_at: Timestamp) -> CallResult {
        if ended_at.millis_since(since) >= PATIENCE_MS {
            CallResult::Missed
        } else {
            CallResult::Abandoned
        }
    }

    fn outgoing(&self) -> CallResult {
        let client = self.client_leg_cause();
        match client.or(self.times.cause).or_else(|| self.called_cause()) {
            Some(Cause::Busy) => CallResult::Busy,
            Some(Cause::Rejected) => CallResult::Rejected,
            Some(Cause::NoRoute) => CallResult::NoRoute,
            Some(Cause::Blocked) => CallResult::Blocked,
            Some(Cause::Failed | Cause::Unreachable) => CallResult::Failed,
            Some(Cause::NoAnswer) if self.client_was_called() => CallResult::Missed,
            _ if self.hangup_by == Some(Side::Employee) || !self.client_was_called() => {
                CallResult::Abandoned
            }
            _ => CallResult::Missed,
        }
    }

    /// Why the caller's call ended, as the summary or the caller's own leg says.
    fn callers_cause(&self) -> Option<Cause> {
        self.times.cause.or_else(|| {
            let leg = self.swept.legs.iter().find(|leg| {
                let machine = matches!(
                    leg.ends(self.known).party,
                    Some(Party::Menu | Party::Queue(_))
                );
                machine || self.is_callers(leg)
            })?;
            leg.end.map(|end| end.cause)
        })
    }

    /// Phones that were called: employees' (not the caller's own), and whatever else rang.
    fn called(&self) -> impl Iterator<Item = &LegLine<'_>> {
        let internal = self.parties.direction == Some(Direction::Internal) && self.known.channels;
        let legs = self.swept.legs.iter();
        legs.filter(|leg| leg.is_phone_of_ours(self.known, self.parties.direction))
            .skip(usize::from(internal))
    }

    /// When the first phone began to ring; where that was not told, since when it may have rung.
    fn rung_since(&self) -> Option<Timestamp> {
        let rings = self.called().filter_map(|leg| {
            leg.rang_at.or_else(|| {
                let end = leg.end?;
                let rang = matches!(
                    end.cause,
                    Cause::NoAnswer | Cause::Cancelled | Cause::AnsweredElsewhere
                );
                // A phone that we heard of before its end rang from then on.
                let known = leg.first_at < end.at;
                let since = if known {
                    leg.first_at
                } else {
                    self.times.started_at
                };
                (rang || leg.up_at.is_some()).then_some(since)
            })
        });
        let named = self.times.named.map(|_| self.times.started_at);
        // A ring told after the end came late, from a PBX that tells no times: since when is not known.
        let possible = |since: Timestamp| match self.times.ended_at() {
            Some(ended_at) if since > ended_at => self.times.started_at,
            _ => since,
        };
        self.rang_at.or(rings.map(possible).min()).or(named)
    }

    /// Everybody called was busy or refused, and it was not the caller who hung up.
    fn refused_by_all(&self) -> Option<CallResult> {
        if self.hangup_by == Some(Side::Client) {
            return None;
        }
        // Where the one leg's own end was lost, the summary says why the call was not answered.
        let is_alone = self.called().count() == 1;
        let summed = self.times.cause.filter(|_| is_alone);
        let mut refusal = None;
        for leg in self.called() {
            match leg.end.map(|end| end.cause).or(summed)? {
                Cause::Rejected => refusal = Some(CallResult::Rejected),
                Cause::Busy => refusal = refusal.or(Some(CallResult::Busy)),
                _ => return None,
            }
        }
        refusal
    }

    /// Why the employees called were not reached: the last word on it.
    fn called_cause(&self) -> Option<Cause> {
        self.called()
            .filter_map(|leg| leg.end)
            .max_by_key(|end| (end.at, end.cause))
            .map(|end| end.cause)
    }

    fn client_leg_cause(&self) -> Option<Cause> {
        let legs = self.swept.legs.iter();
        legs.filter(|leg| matches!(leg.ends(self.known).party, Some(Party::Client(_))))
            .filter_map(|leg| leg.end)
            .map(|end| end.cause)
            .find(|cause| !matches!(cause, Cause::Normal | Cause::Unknown))
    }

    fn client_was_called(&self) -> bool {
        let called = |leg: &LegLine<'_>| {
            let ends = leg.ends(self.known);
            ends.has_client() && !ends.initiator
        };
        self.swept.legs.iter().any(called) || self.swept.legs.is_empty()
    }

    /// Whether such a machine had the call.
    fn ran(&self, is_it: impl Fn(&Party) -> bool) -> bool {
        let mut legs = self.known.ends.iter();
        legs.any(|ends| ends.party.is_some_and(&is_it))
            || self
                .known
                .line
                .iter()
                .any(|moment| match &moment.event.fact {
                    Fact::Runs { what } => is_it(what),
                    _ => false,
                })
    }

    /// The caller's channel was answered although no person's was.
    fn machine_picked_up(&self) -> bool {
        self.known.channels
            && self
                .swept
                .legs
                .iter()
                .any(|leg| leg.up_at.is_some() && self.is_callers(leg))
    }

    /// The caller's own leg: the client's, or one that nobody called and nobody has named.
    fn is_callers(&self, leg: &LegLine<'_>) -> bool {
        let ends = leg.ends(self.known);
        match ends.party {
            Some(Party::Client(_)) => true,
            None => !ends.dialled && !ends.tied && leg.rang_at.is_none(),
            Some(_) => false,
        }
    }
}
