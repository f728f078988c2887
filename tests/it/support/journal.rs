//! Whether one line of `ringcard export calls` says what Asterisk's own log says of the call: nothing
//! more, nothing less.

use std::fmt::Debug;

use serde_json::Value;

use super::{
    asterisk::BRANCH,
    cel::{Logged, Phone, Talk},
    popped::Away,
    witness::Heard,
};

/// How far a moment may be from the log's, in microseconds.
const TOLERANCE_US: i64 = 1_000_000;
/// A caller who stays this long after the first ring has been missed (`CallResult::Missed`).
const PATIENCE_US: i64 = 5_000_000;
/// A person's answer stops the other phones within this time.
const STOPS_RINGING_US: i64 = 3_000_000;
/// And not before it, but for a clock of whole seconds.
const WHOLE_SECOND_US: i64 = 1_000_000;

/// One call, as both say it.
pub struct Case<'a> {
    /// Whose it is.
    pub account: &'a str,
    /// Asterisk's log.
    pub log: &'a Logged,
    /// What the log cannot know.
    pub heard: &'a Heard,
    /// The line of the export.
    pub line: &'a Value,
    /// When the gateway did not hear Asterisk.
    pub away: &'a Away,
    /// Asterisk was killed in the middle of this call: nobody can say when it ended.
    pub is_lost: bool,
}

type Verdict = Result<(), String>;

impl Case<'_> {
    /// Compares everything.
    pub fn check(&self) -> Verdict {
        let (log, line) = (self.log, self.line);
        let key = line["call_key"].as_str().unwrap_or_default();
        same("key", log.keys.contains(key), true)?;
        same("account", text(&line["account"]), Some(self.account))?;
        same("direction", text(&line["direction"]), Some(log.direction))?;
        let e164 = |digits: &Option<String>| digits.as_ref().map(|digits| format!("+{digits}"));
        same("client", owned(&line["client"]), e164(&log.client))?;
        if log.direction == "in" {
            same("line", owned(&line["did"]), e164(&log.line))?;
        }
        let has_card = log.client.is_some();
        same("a card", line["card"].is_string(), has_card)?;
        near("start", moment(&line["started_at"]), Some(log.started_at))?;
        let ended = if self.is_lost { "unknown" } else { "hung_up" };
        same("way to end", text(&line["ended"]), Some(ended))?;
        let answered = log.answered();
        let by = answered.map(|(_, by)| by);
        same("answered by", text(&line["answered_by"]["extension"]), by)?;
        let who = by.map(|by| match self.account {
            // The only phone that has somebody there.
            BRANCH => "gleb",
            _ => login(by),
        });
        same("who", text(&line["answered_by"]["person"]), who)?;
        same("result", text(&line["result"]), self.result())?;
        self.check_hangup()?;
        self.check_spans()?;
        self.check_legs()?;
        self.check_transfers()
    }

    /// The log names a channel as the source of a hang-up, or "dialplan/builtin", or nobody: then the
    /// client did not hang up.
    fn check_hangup(&self) -> Verdict {
        let told = text(&self.line["hangup_by"]);
        match self.log.hung_up_by {
            _ if self.is_lost => same("hung up by", told, Some("unknown")),
            Some(side) => same("hung up by", told, Some(side)),
            None => same("hung up by the client", told == Some("client"), false),
        }
    }

    fn check_spans(&self) -> Verdict {
        let line = self.line;
        let span = |name: &str| line[name].as_i64().map(|ms| ms * 1_000);
        let answered = self.log.answered().map(|(at, _)| at);
        let ended = self.log.ended_at.filter(|_| !self.is_lost);
        let until = answered.or(ended);
        let since = |from: Option<i64>| Some(until? - from?);
        near("wait", span("wait_ms"), since(Some(self.log.started_at)))?;
        near("ring", span("ring_ms"), since(self.first_ring()))?;
        let hold = answered.map_or(0, |at| self.hold_us(at, ended.unwrap_or(at)));
        let talk = match (answered, ended) {
            (Some(at), Some(end)) => Some(end - at - hold),
            (Some(_), None) => None,
            (None, _) => Some(0),
        };
        near("talk", span("talk_ms"), talk)?;
        if self.is_lost {
            return Ok(());
        }
        near("hold", span("hold_ms").or(Some(0)), Some(hold))
    }

    /// First ring of a person (outgoing: of the client).
    fn first_ring(&self) -> Option<i64> {
        let rang = |unique: &String| self.heard.rang.get(unique).copied();
        match self.log.direction {
            "out" => rang(&self.log.client_channel),
            _ => self.called().filter_map(|phone| rang(&phone.unique)).min(),
        }
    }

    fn called(&self) -> impl Iterator<Item = &Phone> {
        let phones = self.log.phones.iter();
        phones.filter(|phone| phone.called && !phone.initiator)
    }

    /// Nobody talks with the client, and an employee keeps them waiting: has pressed hold (or the keys
    /// of a transfer), consults a colleague after having talked with them, or has parked them.
    fn hold_us(&self, from: i64, to: i64) -> i64 {
        let holds = self.holds(to);
        let consulting: Vec<&Talk> = self
            .log
            .talks
            .iter()
            .filter(|one| self.consults(one))
            .collect();
        let within = |one: &Talk, at: i64| one.from <= at && one.to.is_none_or(|end| at < end);
        let on_hold = |phone: Option<&str>, at: i64| {
            let mut holds = holds.iter();
            holds.any(|(by, began, over)| {
                phone.is_none_or(|phone| phone == *by) && (*began..*over).contains(&at)
            })
        };
        let waits = |at: i64| {
            let talks = |one: &Talk| within(one, at) && !on_hold(Some(&one.phone), at);
            let mut aside = self.log.aside.iter();
            let kept = on_hold(None, at)
                || aside.any(|(parked, over)| (*parked..*over).contains(&at))
                || consulting.iter().any(|one| within(one, at));
            kept && !self.log.with_client().any(talks)
        };
        let talks = self.log.talks.iter();
        let mut cuts: Vec<i64> = talks
            .flat_map(|one| [one.from, one.to.unwrap_or(to)])
            .collect();
        cuts.extend(holds.iter().flat_map(|(_, began, over)| [*began, *over]));
        cuts.extend(
            self.log
                .aside
                .iter()
                .flat_map(|(parked, over)| [*parked, *over]),
        );
        cuts.extend([from, to]);
        cuts.retain(|at| (from..=to).contains(at));
        cuts.sort_unstable();
        let spans = cuts.windows(2).filter(|span| waits(span[0]));
        spans.map(|span| span[1] - span[0]).sum()
    }

    /// Holds in this call: whose, from, to. A hold ends with the phone's part in the call as well.
    fn holds(&self, end: i64) -> Vec<(&str, i64, i64)> {
        let mut holds = Vec::new();
        for phone in &self.log.phones {
            let passed_on = self.log.transfers.iter();
            let left = passed_on
                .filter(|one| one.from == phone.extension)
                .map(|one| one.left);
            let over = left.chain(phone.ended).chain([end]).min().unwrap_or(end);
            for (_, began, resumed) in self.heard.holds.iter().filter(|of| of.0 == phone.unique) {
                let over = resumed.unwrap_or(over).min(over);
                holds.push((phone.unique.as_str(), *began, over));
            }
        }
        holds
    }

    fn consults(&self, talk: &Talk) -> bool {
        let mut before = self.log.with_client().filter(|one| one.from <= talk.from);
        let is_of = |one: &Talk| {
            one.extension == talk.extension || Some(&one.extension) == talk.with.as_ref()
        };
        talk.with.is_some() && before.any(is_of)
    }

    /// By the definitions of `CallResult`, from what the log says.
    fn result(&self) -> Option<&'static str> {
        let log = self.log;
        if log.answered().is_some() {
            return Some("answered");
        }
        let ended = log.ended_at?;
        if log.direction == "out" {
            return Some(match log.client_cause {
                Some(17) => "busy",
                Some(21) => "rejected",
                Some(1) => "no_route",
                _ if log.hung_up_by == Some("employee") || !log.client_called => "abandoned",
                _ => "missed",
            });
        }
        let refusals: Vec<Option<i64>> = self.called().map(|phone| phone.cause).collect();
        let all_refused = !refusals.is_empty()
            && refusals.iter().all(|cause| matches!(cause, Some(17 | 21)))
            && log.hung_up_by != Some("client");
        Some(match (log.machine, self.first_ring()) {
            (Some("voicemail"), _) => "voicemail",
            _ if all_refused && refusals.contains(&Some(21)) => "rejected",
            _ if all_refused => "busy",
            (_, Some(ring)) if ended - ring >= PATIENCE_US => "missed",
            (_, Some(_)) | (Some("queue" | "conference"), None) => "abandoned",
            (Some(_), None) => "ivr_only",
            (None, None) if log.client_cause == Some(1) => "no_route",
            // Nobody was called, and nothing in the laboratory but our own word makes Asterisk say so.
            (None, None) if log.client_cause == Some(17) && log.phones.is_empty() => "blocked",
            (None, None) => "abandoned",
        })
    }

    fn check_legs(&self) -> Verdict {
        let empty = Vec::new();
        let told = self.line["legs"].as_array().unwrap_or(&empty);
        let names: Vec<&str> = told
            .iter()
            .filter_map(|leg| text(&leg["extension"]))
            .collect();
        let of = |extension: &str| names.iter().filter(|name| **name == extension).count();
        for extension in names.iter().copied().chain(self.extensions()) {
            let logged = self.extensions().filter(|of| *of == extension).count();
            same(
                &format!("number of legs of {extension}"),
                of(extension),
                logged,
            )?;
        }
        let mut taken = vec![false; told.len()];
        for phone in &self.log.phones {
            let of_phone = |place: &usize| names[*place] == phone.extension && !taken[*place];
            let place = (0..told.len()).find(of_phone).ok_or("a leg is missing")?;
            taken[place] = true;
            self.check_leg(phone, &told[place])?;
        }
        Ok(())
    }

    fn extensions(&self) -> impl Iterator<Item = &str> {
        self.log.phones.iter().map(|phone| phone.extension.as_str())
    }

    fn check_leg(&self, phone: &Phone, leg: &Value) -> Verdict {
        let what = |word: &str| format!("{word} of {}", phone.extension);
        let rang = self.heard.rang.get(&phone.unique).copied();
        near(&what("ring"), moment(&leg["rang_at"]), rang)?;
        near(
            &what("answer"),
            moment(&leg["answered_at"]),
            self.picked_up(phone),
        )?;
        let ended = phone.ended.filter(|_| !self.is_lost);
        near(&what("end"), moment(&leg["ended_at"]), ended)?;
        if self.is_lost {
            return Ok(());
        }
        same(
            &what("result"),
            text(&leg["result"]),
            Some(self.fate(phone)),
        )
    }

    /// When a phone was first connected with somebody.
    fn picked_up(&self, phone: &Phone) -> Option<i64> {
        if phone.initiator {
            return phone.up;
        }
        let mut talks = self.log.talks.iter();
        talks
            .find(|talk| talk.phone == phone.unique)
            .map(|talk| talk.from)
    }

    fn fate(&self, phone: &Phone) -> &'static str {
        let elsewhere = self.log.answered().is_some_and(|(at, _)| {
            let ended = phone.ended.unwrap_or(i64::MAX);
            ended > phone.began && ended - at < STOPS_RINGING_US && at - ended < WHOLE_SECOND_US
        });
        match phone.cause {
            _ if self.picked_up(phone).is_some() => "answered",
            Some(26) => "answered_elsewhere",
            Some(17) => "busy",
            Some(21) => "rejected",
            Some(18 | 19) => "no_answer",
            // Dial() and Queue() that stop ringing give no cause; why a phone did not ring is not told.
            // The event log has no row for a ring (`main/cel.c`), so of a phone that the gateway did not
            // hear nobody can say that it rang out.
            Some(0) if self.is_unheard(phone) => "unknown",
            Some(0) if self.heard.rang.contains_key(&phone.unique) => "no_answer",
            Some(0) => "unknown",
            Some(127) => "cancelled",
            // Another phone has picked it up (*8).
            Some(16) if elsewhere => "answered_elsewhere",
            Some(16) => "normal",
            _ => "failed",
        }
    }

    /// The phone's whole life was in a time when the gateway heard nothing.
    fn is_unheard(&self, phone: &Phone) -> bool {
        let ended = phone.ended.unwrap_or(i64::MAX);
        let mut away = self.away.iter();
        away.any(|(from, to)| *from <= phone.began && ended <= *to)
    }

    fn check_transfers(&self) -> Verdict {
        let empty = Vec::new();
        let told = self.line["transfers"].as_array().unwrap_or(&empty);
        let words = |kind, from, to| (Some(kind), Some(from), Some(to));
        let logged: Vec<_> = self
            .log
            .transfers
            .iter()
            .map(|one| words(one.kind, one.from.as_str(), one.to.as_str()))
            .collect();
        let lines: Vec<_> = told
            .iter()
            .map(|one| (text(&one["kind"]), text(&one["from"]), text(&one["to"])))
            .collect();
        same("transfers", lines, logged)?;
        for (one, logged) in told.iter().zip(&self.log.transfers) {
            near("transfer", moment(&one["at"]), Some(logged.at))?;
        }
        Ok(())
    }
}

/// Who has this extension.
pub fn login(extension: &str) -> &'static str {
    match extension {
        "101" => "anna",
        "102" => "boris",
        "103" => "vera",
        "104" => "gleb",
        "105" => "daria",
        _ => "nobody",
    }
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

fn owned(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn moment(value: &Value) -> Option<i64> {
    let at: jiff::Timestamp = value.as_str()?.parse().ok()?;
    Some(at.as_microsecond())
}

fn same<T: PartialEq + Debug>(what: &str, told: T, logged: T) -> Verdict {
    match told == logged {
        true => Ok(()),
        false => Err(format!("{what}: {told:?} instead of {logged:?}")),
    }
}

fn near(what: &str, told: Option<i64>, logged: Option<i64>) -> Verdict {
    match (told, logged) {
        (None, None) => Ok(()),
        (Some(told), Some(logged)) if (told - logged).abs() <= TOLERANCE_US => Ok(()),
        _ => Err(format!("{what}: {told:?} instead of {logged:?} (µs)")),
    }
}
