//! Tells a story as Twilio does when it asks us what to do with a call: signed forms, each phone a leg with a
//! name of its own, times in whole seconds. Its answers are ours to give; here nobody reads them.
//!
//! It has no words for menus, queues, holds and consultations. What a client does to be passed on is another
//! program's matter: a second leg of the same call.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{fmt::rfc2822, tz::TimeZone};
use ring::hmac;

use super::{
    ledger::{Ledger, Phone},
    message::{Post, Sent, encode},
    story::{Outcome, Plot, Story},
};
use crate::model::{call::LegResult, event::Cause};

/// Kinds of stories this provider has words for.
pub const PLOTS: [Plot; 10] = [
    Plot::Answered,
    Plot::Hunt,
    Plot::Group,
    Plot::Queue,
    Plot::Missed,
    Plot::Abandoned,
    Plot::Busy,
    Plot::BlindTransfer,
    Plot::Click,
    Plot::ClickMissed,
];

/// The first request of a call has no time: of one that is told later its first ringing is the start.
const TOLD_WITHIN_MS: i64 = 15_000;

/// An account at Twilio.
#[derive(Clone, Debug)]
pub struct Twilio {
    /// Our name of the account.
    pub account: String,
    /// The address that signatures are over.
    pub hook_url: String,
    /// Signs.
    pub token: String,
    /// Put into every id, so that runs do not meet.
    pub run: u64,
}

type Fields = Vec<(&'static str, String)>;

impl Twilio {
    /// The name of a leg; leg 0 is the caller's, and names the call.
    pub fn leg_key(&self, story: &Story, leg: usize) -> String {
        let (run, number) = (self.run & 0xffff_ffff, story.number);
        format!("CA{run:08x}{leg:08x}{number:016x}")
    }

    /// The provider's key of a call.
    pub fn call_key(&self, story: &Story) -> String {
        self.leg_key(story, 0)
    }

    /// The provider's name of a recording.
    pub fn recording(&self, story: &Story) -> String {
        self.call_key(story).replacen("CA", "RE", 1)
    }

    /// What is dialled for an employee.
    pub fn dialled(extension: &str) -> String {
        format!("sip:{extension}@office.example")
    }

    /// What must be found after the story was told.
    pub fn ledger(&self, story: &Story) -> Ledger {
        let mut ledger = story.ledger(&self.account, &self.call_key(story), 1_000);
        let at = |ms: i64| story.told_at(ms, 1_000);
        ledger.hold_ms = Some(0); // not told, so all of it counts as talk
        ledger.talk_ms = Some(1_000 * Self::talked_s(story, story.answered_ms, story.end_ms));
        // Only who gave up before an answer is told, by the word "canceled".
        let cancelled = story.answered_ms.is_none()
            && story.rings.last().map(|ring| ring.outcome) == Some(Outcome::Cancelled);
        ledger.hangup_by = cancelled.then_some(story.hangup);
        for phone in &mut ledger.phones {
            if phone.result == LegResult::Failed(Cause::Busy) {
                phone.rang_at = None; // it does not ring, and is not said to
            }
        }
        // The own phone of a click stays in the call.
        let own = story.caller.clone().zip(story.click_ms);
        ledger.phones.extend(own.map(|(extension, click_ms)| Phone {
            extension,
            rang_at: Some(at(0)),
            answered_at: Some(at(click_ms)),
            ended_at: ledger.ended_at,
            result: LegResult::Answered,
        }));
        // Of a phone that is called and busy within one second nothing tells that this is its beginning: then
        // only the arrival of the first request says since when the client waits.
        let called_ms = story.rings.first().map(|ring| ring.from_ms);
        if story.plot == Plot::Busy && called_ms.is_some_and(|ms| at(ms) == ledger.ended_at) {
            (ledger.wait_ms, ledger.by_arrival) = (None, true);
        }
        ledger.tolerance_ms = TOLD_WITHIN_MS;
        ledger
    }

    /// For how many seconds was talked from one moment of the story to another.
    pub fn talked_s(story: &Story, from_ms: Option<i64>, to_ms: i64) -> i64 {
        let second = |ms: i64| story.at(ms).as_seconds();
        from_ms.map_or(0, |from_ms| second(to_ms) - second(from_ms))
    }

    /// A moment of the story as messages and records write it.
    pub fn moment(story: &Story, ms: i64) -> String {
        let second = jiff::Timestamp::from_second(story.at(ms).as_seconds()).unwrap_or_default();
        rfc2822::to_string(&second.to_zoned(TimeZone::UTC)).unwrap_or_default()
    }

    /// A signed message.
    pub fn signed(&self, target: &str, mut fields: Fields) -> Post {
        fields.sort();
        let pairs = |between: &str, encode: fn(&str) -> String| {
            let pair = |(name, value): &(&str, String)| format!("{name}{between}{}", encode(value));
            fields.iter().map(pair).collect::<Vec<String>>()
        };
        let signed = pairs("", str::to_owned).concat();
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.token.as_bytes());
        let text = format!("{}{target}{signed}", self.hook_url);
        let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
        Post {
            method: "POST",
            target: target.to_owned(),
            body: pairs("=", encode).join("&"),
            signature: Some(("X-Twilio-Signature", signature)),
        }
    }

    /// The question with which an incoming call begins.
    pub fn voice(&self, story: &Story) -> Post {
        self.of_call(
            story,
            "/voice",
            [("CallStatus", "ringing".to_owned())].into(),
        )
    }

    /// The question what comes after ringing somebody.
    pub fn dial_action(&self, story: &Story, target: &str, said: &str, leg: usize) -> Post {
        // Whoever has given up is not there to be asked.
        let status = if said == "canceled" {
            "completed"
        } else {
            "in-progress"
        };
        let more = vec![
            ("CallStatus", status.to_owned()),
            ("DialCallStatus", said.to_owned()),
            ("DialCallSid", self.leg_key(story, leg)),
        ];
        self.of_call(story, target, more)
    }

    fn of_call(&self, story: &Story, target: &str, more: Fields) -> Post {
        let mut fields = vec![
            ("CallSid", self.call_key(story)),
            ("Direction", "inbound".to_owned()),
            ("From", client(story)),
            ("To", story.did.clone()),
        ];
        fields.extend(more);
        self.signed(target, fields)
    }

    /// All messages of the story in the order of their times.
    pub fn tell(&self, story: &Story) -> Vec<Sent<Post>> {
        let mut told = match &story.caller {
            Some(caller) => self.outgoing(story, caller),
            None => self.incoming(story),
        };
        if story.recorded {
            let target = match &story.caller {
                Some(caller) => format!("/recording?click={caller}"),
                None => format!("/recording?call={}", self.call_key(story)),
            };
            let leg = if story.caller.is_some() { 0 } else { 1 };
            let fields = vec![
                ("CallSid", self.leg_key(story, leg)),
                ("RecordingSid", self.recording(story)),
                ("RecordingStatus", "completed".to_owned()),
            ];
            told.push((story.end_ms + 200, self.signed(&target, fields)));
        }
        told.sort_by_key(|(ms, _)| *ms);
        let sent = told.into_iter().map(|(ms, what)| Sent {
            at: story.at(ms),
            story: story.number,
            what,
        });
        sent.collect()
    }

    fn incoming(&self, story: &Story) -> Vec<(i64, Post)> {
        let mut told = vec![(0, self.voice(story))];
        let last = story.rings.len();
        let mut answered = None;
        for (n, ring) in story.rings.iter().enumerate() {
            let leg = n + 1;
            let mut tell = |ms: i64, said: &str| {
                told.push((
                    ms,
                    self.leg(story, (leg, &Self::dialled(&ring.who)), ms, said),
                ));
            };
            tell(ring.from_ms, "initiated");
            if ring.outcome != Outcome::Busy {
                tell(ring.from_ms, "ringing");
            }
            match ring.outcome {
                Outcome::Answered => {
                    tell(ring.to_ms, "in-progress");
                    let over_ms = story
                        .passing
                        .as_ref()
                        .map_or(story.end_ms, |to| to.rings_ms);
                    tell(over_ms, "completed");
                    answered = Some(leg);
                }
                outcome => tell(ring.to_ms, word(outcome)),
            }
            let goes_on = matches!(ring.outcome, Outcome::NoAnswer | Outcome::Busy);
            if goes_on || (leg == last && story.answered_ms.is_none()) {
                let target = format!("/dial-action?attempt={leg}");
                let said = word(ring.outcome);
                told.push((ring.to_ms, self.dial_action(story, &target, said, leg)));
            }
        }
        if let Some(to) = &story.passing {
            let dialled = Self::dialled(&to.to);
            let leg = (last + 1, dialled.as_str());
            for (ms, said) in [
                (to.rings_ms, "ringing"),
                (to.picks_up_ms, "in-progress"),
                (story.end_ms, "completed"),
            ] {
                told.push((ms, self.leg(story, leg, ms, said)));
            }
        }
        if let Some(leg) = answered.filter(|_| story.passing.is_none()) {
            let talked_s = Self::talked_s(story, story.answered_ms, story.end_ms);
            let fields = vec![
                ("CallStatus", "in-progress".to_owned()),
                ("DialCallStatus", "completed".to_owned()),
                ("DialCallSid", self.leg_key(story, leg)),
                ("DialCallDuration", talked_s.to_string()),
            ];
            let action = self.of_call(story, "/dial-action?attempt=1", fields);
            told.push((story.end_ms, action));
        }
        let over = [
            ("CallStatus", "completed".to_owned()),
            ("Timestamp", Self::moment(story, story.end_ms)),
        ];
        told.push((story.end_ms, self.of_call(story, "/status", over.into())));
        told
    }

    /// How a phone of ours fares.
    fn leg(&self, story: &Story, (leg, to): (usize, &str), ms: i64, said: &str) -> Post {
        let fields = vec![
            ("CallSid", self.leg_key(story, leg)),
            ("ParentCallSid", self.call_key(story)),
            ("CallStatus", said.to_owned()),
            ("Direction", "outbound-dial".to_owned()),
            ("From", client(story)),
            ("To", to.to_owned()),
            ("Timestamp", Self::moment(story, ms)),
        ];
        self.signed("/leg", fields)
    }

    fn outgoing(&self, story: &Story, caller: &str) -> Vec<(i64, Post)> {
        let own = |ms: i64, said: &str| {
            let fields = vec![
                ("CallSid", self.call_key(story)),
                ("CallStatus", said.to_owned()),
                ("Direction", "outbound-api".to_owned()),
                ("From", story.did.clone()),
                ("To", Self::dialled(caller)),
                ("Timestamp", Self::moment(story, ms)),
            ];
            (ms, self.signed(&format!("/status?click={caller}"), fields))
        };
        let clients = |ms: i64, said: &str| {
            let fields = vec![
                ("CallSid", self.leg_key(story, 1)),
                ("ParentCallSid", self.call_key(story)),
                ("CallStatus", said.to_owned()),
                ("Direction", "outbound-dial".to_owned()),
                ("From", story.did.clone()),
                ("To", client(story)),
                ("Timestamp", Self::moment(story, ms)),
            ];
            (ms, self.signed(&format!("/leg?click={caller}"), fields))
        };
        let picked_up_ms = story.click_ms.unwrap_or_default();
        let mut told = vec![own(0, "ringing"), own(picked_up_ms, "in-progress")];
        if let Some(ring) = story.rings.first() {
            told.push(clients(ring.from_ms, "ringing"));
            match story.answered_ms {
                Some(answered_ms) => {
                    told.push(clients(answered_ms, "in-progress"));
                    told.push(clients(story.end_ms, "completed"));
                }
                None => told.push(clients(ring.to_ms, word(ring.outcome))),
            }
        }
        told.push(own(story.end_ms, "completed"));
        told
    }
}

/// The client's number; a withheld one as a keypad spells the word.
pub fn client(story: &Story) -> String {
    story
        .client
        .clone()
        .unwrap_or_else(|| "+266696687".to_owned())
}

/// How a phone's ringing ended.
pub fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "completed",
        Outcome::NoAnswer => "no-answer",
        Outcome::Busy => "busy",
        Outcome::Elsewhere | Outcome::Cancelled => "canceled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::drawn::draw;

    #[test]
    fn a_call_begins_with_a_question_or_an_order_and_is_over_once() {
        let product = Twilio {
            account: "cedar".to_owned(),
            hook_url: "https://calls.example/hooks/cedar".to_owned(),
            token: "token".to_owned(),
            run: 1,
        };
        for plot in PLOTS {
            let story = draw(5, plot);
            let told = product.tell(&story);
            let is_over = |sent: &&Sent<Post>| {
                sent.what.target.starts_with("/status")
                    && sent.what.body.contains("CallStatus=completed")
            };
            assert_eq!(told.iter().filter(is_over).count(), 1, "{plot:?}");
            assert!(told.iter().all(|sent| sent.what.signature.is_some()));
            let first = match story.caller {
                Some(_) => "/status",
                None => "/voice",
            };
            assert!(told[0].what.target.starts_with(first), "{plot:?}");
        }
    }
}
