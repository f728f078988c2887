//! Whether the pop of a call was seen by exactly the people rung, from the frames on every person's
//! stream.
//!
//! Expected of a call that comes in: whoever's phone rang sees it ringing; whoever talked with the
//! client sees it talking and keeps it for wrap-up; from the others it is taken away. Nobody sees
//! calls that go out, or among employees. A phone that a colleague rings to ask (an attended transfer
//! by the phone's own second line) rings in a call of its own, among employees: its pop comes with the
//! client.
//!
//! While the gateway hears nothing (it reads the log at start, after a return and once a minute, which
//! no story lasts), pages cannot learn anything. What began and ended in that time is
//! shown nowhere (a pop that comes when nothing rings any more would be wrong); what goes on is shown
//! within [`PROMPT_US`] of the return, as it then stands.

use std::collections::BTreeMap;

use super::{cel::Logged, desk::Shown, journal::login, stall::held_up_us, witness::Heard};

/// How soon a page must know, on a machine that is not held up.
const PROMPT_US: i64 = 1_000_000;
/// What goes on for less than this at the moment of a return may be seen or not.
const MOMENT_US: i64 = 300_000;

/// When the gateway did not hear Asterisk, in microseconds.
pub type Away = [(i64, i64)];

/// What must have been on the desks.
pub struct Expected<'a> {
    pub log: &'a Logged,
    pub heard: &'a Heard,
    pub away: &'a Away,
}

/// A stretch of time in which a person's phone rings, or talks with the client.
#[derive(Clone, Copy)]
struct Stretch {
    stage: &'static str,
    from: i64,
    to: i64,
}

impl Expected<'_> {
    /// Checks what one person's desk has shown of the call; `true` if it was a pop.
    pub fn check(&self, person: &str, shown: Option<&Shown>) -> Result<bool, String> {
        let stretches = self.stretches(person);
        let sure: Vec<Stretch> = stretches.iter().filter_map(|one| self.seen(*one)).collect();
        let Some(shown) = shown else {
            return match sure.first() {
                Some(one) => Err(format!("{person} has not seen it {}", one.stage)),
                None => Ok(false),
            };
        };
        if stretches.iter().all(|one| self.hidden(*one)) {
            return Err(format!("{person} has seen it: {shown:?}"));
        }
        // A stage may come again: whoever parks the client talks with them twice.
        let seen = |one: &Stretch| {
            let is_it = |(at, of): &&(i64, String)| of == one.stage && at - one.from >= -MOMENT_US;
            shown.stages.iter().find(is_it)
        };
        for one in &sure {
            let (at, _) = seen(one).ok_or(format!("{person} saw no {}: {shown:?}", one.stage))?;
            let late_us = at - one.from - held_up_us(one.from, *at);
            if late_us > PROMPT_US {
                return Err(format!("{person}: {} {late_us} µs late", one.stage));
            }
        }
        for (_, stage) in &shown.stages {
            let due = stage == "wrap_up" || stretches.iter().any(|one| one.stage == *stage);
            if !due {
                return Err(format!("{person} saw {stage}"));
            }
        }
        self.check_end(person, shown, &stretches)?;
        Ok(true)
    }

    /// Whether a person's phone rang or talked, and the machine stood still for so long meanwhile that nothing
    /// had to come of it in time.
    pub fn held_up(&self, person: &str) -> bool {
        let mut stretches = self.stretches(person).into_iter();
        stretches.any(|one| one.to - self.after(one.from) > MOMENT_US && self.seen(one).is_none())
    }

    fn check_end(&self, person: &str, shown: &Shown, all: &[Stretch]) -> Result<(), String> {
        let last = all.iter().map(|one| one.to).max().unwrap_or_default();
        let due = self.after(last);
        let has_talked = all.iter().any(|one| one.stage == "talking");
        let (at, how) = match (&shown.gone, shown.stages.last(), has_talked) {
            (Some((at, _)), _, false) => (*at, "gone"),
            (None, Some((at, stage)), true) if stage == "wrap_up" => (*at, "wrap-up"),
            _ => return Err(format!("{person} is left with {shown:?}")),
        };
        match at - due - held_up_us(due, at) {
            late_us if late_us <= PROMPT_US => Ok(()),
            late_us => Err(format!("{person}: {how} {late_us} µs late")),
        }
    }

    /// When a person's phone rings and talks in this call.
    fn stretches(&self, person: &str) -> Vec<Stretch> {
        let log = self.log;
        let mut all = Vec::new();
        if log.direction != "in" {
            return all;
        }
        let never = log.ended_at.unwrap_or_else(|| self.killed_at());
        for phone in log
            .phones
            .iter()
            .filter(|of| login(&of.extension) == person)
        {
            let talks = || log.talks.iter().filter(|talk| talk.phone == phone.unique);
            let rang = self.heard.rang.get(&phone.unique);
            if let Some(from) = rang.filter(|_| phone.called && self.rings_for_client(phone)) {
                let until = talks().map(|talk| talk.from).chain(phone.ended).min();
                all.push(Stretch {
                    stage: "ringing",
                    from: *from,
                    to: until.unwrap_or(never),
                });
            }
            for talk in talks().filter(|talk| talk.with.is_none()) {
                all.push(Stretch {
                    stage: "talking",
                    from: talk.from,
                    to: talk.to.unwrap_or(never),
                });
            }
        }
        all
    }

    /// Whether the phone rings under a key that was the client's from the beginning.
    fn rings_for_client(&self, phone: &super::cel::Phone) -> bool {
        phone.began_under == self.log.client_channel
    }

    /// Asterisk died in this call: it ended when the gateway was last cut off.
    fn killed_at(&self) -> i64 {
        let cuts = self.away.iter().map(|(from, _)| *from);
        cuts.filter(|from| *from > self.log.started_at)
            .min()
            .unwrap_or(i64::MAX)
    }

    /// The stretch from the moment at which a page must show it; `None` if it need not.
    fn seen(&self, stretch: Stretch) -> Option<Stretch> {
        let from = self.after(stretch.from);
        let lasts_us = stretch.to - from - held_up_us(from, stretch.to);
        (lasts_us > MOMENT_US).then_some(Stretch { from, ..stretch })
    }

    /// Whether nobody can have known of it while it lasted.
    fn hidden(&self, stretch: Stretch) -> bool {
        self.after(stretch.from) > stretch.to
    }

    /// The moment itself, or the return if nothing could be heard then.
    fn after(&self, at: i64) -> i64 {
        let cuts = self.away.iter();
        let cut = cuts.rev().find(|(from, to)| (*from..*to).contains(&at));
        cut.map_or(at, |(_, to)| *to)
    }
}

/// Every pop that is on no desk of the calls known: it must have been taken away.
pub fn strangers(
    desks: &[(&'static str, BTreeMap<String, Shown>)],
    known: &[&str],
) -> Result<(), String> {
    for (person, shown) in desks {
        for (call, shown) in shown
            .iter()
            .filter(|(call, _)| !known.contains(&call.as_str()))
        {
            // Two calls became one: the pop of the one that was given up goes.
            if !matches!(&shown.gone, Some((_, why)) if why == "merged") {
                return Err(format!("{person} has {call}, which is no call: {shown:?}"));
            }
        }
    }
    Ok(())
}
