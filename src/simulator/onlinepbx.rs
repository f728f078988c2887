//! Tells a story as OnlinePBX does: JSON under a secret path, four kinds of events in whole seconds.
//!
//! It has no words for a phone that rings, for menus and queues, for holds and consultations.

use serde_json::{Value, json};

use super::{
    ledger::{Ledger, Phone},
    message::{Post, Sent},
    story::{Outcome, Plot, Story},
};
use crate::model::{
    call::{CallResult, LegResult},
    event::{Cause, Direction, Side},
};

/// Kinds of stories this provider has words for.
pub const PLOTS: [Plot; 14] = [
    Plot::Answered,
    Plot::Hunt,
    Plot::Group,
    Plot::Queue,
    Plot::Missed,
    Plot::Abandoned,
    Plot::Busy,
    Plot::BlindTransfer,
    Plot::Out,
    Plot::OutMissed,
    Plot::OutBusy,
    Plot::OutAbandoned,
    Plot::Click,
    Plot::ClickMissed,
];

/// A caller who stays for less has given up, where nothing is told of phones.
const PATIENCE_S: i64 = 5;

/// An account at OnlinePBX.
#[derive(Clone, Debug)]
pub struct OnlinePbx {
    /// Our name of the account.
    pub account: String,
    /// The secret in the path.
    pub token: String,
    /// What links to recordings begin with.
    pub records: String,
    /// Put into every id, so that runs do not meet.
    pub run: u64,
}

impl OnlinePbx {
    /// The provider's key of a call.
    pub fn call_key(&self, story: &Story) -> String {
        let (run, number) = (self.run & 0xffff_ffff, story.number);
        format!("{run:08x}-6f1e-4b07-9a53-{number:012x}")
    }

    /// What must be found after the story was told. Of phones only those are told that were answered.
    pub fn ledger(&self, story: &Story) -> Ledger {
        let mut ledger = story.ledger(&self.account, &self.call_key(story), 1_000);
        ledger.hold_ms = Some(0); // not told, so all of it counts as talk
        ledger.talk_ms = Some(Self::talked_s(story) * 1_000);
        ledger.hangup_by = match (cause(story), ledger.direction) {
            ("ORIGINATOR_CANCEL", Direction::In) => Some(Side::Client),
            ("ORIGINATOR_CANCEL", _) => Some(Side::Employee),
            _ => None,
        };
        let stayed_s = Self::second(story, story.end_ms) - Self::second(story, 0);
        if ledger.result == CallResult::Abandoned
            && story.caller.is_none()
            && stayed_s >= PATIENCE_S
        {
            ledger.result = CallResult::Missed;
        }
        ledger.tolerance_ms = 1_000;
        ledger.first_by_order = true;
        ledger.phones.retain(|phone| phone.answered_at.is_some());
        // Nothing says when whoever has passed the client on is rid of them.
        for phone in &mut ledger.phones {
            (phone.rang_at, phone.ended_at) = (None, ledger.ended_at);
        }
        // Who calls is told from the start, and nothing says when the client's phone rings, or why no more.
        let leg = story.callers_leg(1_000);
        ledger.phones.extend(leg.map(|leg| Phone {
            rang_at: Some(story.told_at(0, 1_000)),
            result: match leg.answered_at {
                Some(_) => LegResult::Answered,
                None => LegResult::Failed(Cause::Unknown),
            },
            ..leg
        }));
        ledger.ring_ms = ledger.wait_ms.filter(|_| story.caller.is_some());
        ledger
    }

    /// A moment of the story, in whole seconds since 1970.
    pub fn second(story: &Story, ms: i64) -> i64 {
        story.at(ms).as_seconds()
    }

    /// For how many seconds was talked.
    pub fn talked_s(story: &Story) -> i64 {
        let answered = story.answered_ms.unwrap_or(story.end_ms);
        Self::second(story, story.end_ms) - Self::second(story, answered)
    }

    /// What the block "HTTP command" asks.
    pub fn question(&self, story: &Story) -> Post {
        let asked = json!({
            "caller_number": number(story.client.as_deref()),
            "uuid": self.call_key(story),
        });
        Post {
            method: "POST",
            target: format!("/{}/command", self.token),
            body: asked.to_string(),
            signature: None,
        }
    }

    /// All messages of the story in the order of their times.
    pub fn tell(&self, story: &Story) -> Vec<Sent<Post>> {
        let called = match story.caller {
            Some(_) => number(story.client.as_deref()),
            None => number(Some(&story.did)),
        };
        let mut told = vec![(0, self.event("call_start", story, (0, &called), json!({})))];
        let mut answers = Vec::new();
        if let Some(answered_ms) = story.answered_ms {
            answers.push((answered_ms, story.answered_by().unwrap_or_default()));
        }
        answers.extend(story.passing.iter().map(|to| (to.at_ms, to.to.as_str())));
        let mut last = called.clone();
        for (ms, person) in answers {
            if story.caller.is_none() {
                person.clone_into(&mut last);
            }
            let answer = self.event("call_answered", story, (ms, &last), json!({}));
            told.push((ms, answer));
        }
        let end_ms = story.end_ms;
        if story.answered_ms.is_none() && story.caller.is_none() {
            let missed = self.event("call_missed", story, (end_ms, &last), json!({}));
            told.push((end_ms, missed));
        }
        let mut more = json!({
            "hangup_cause": cause(story),
            "call_duration": (Self::second(story, end_ms) - Self::second(story, 0)).to_string(),
            "dialog_duration": Self::talked_s(story).to_string(),
        });
        if story.recorded {
            let link = format!("{}/{}.mp3", self.records, self.call_key(story));
            more["download_url"] = link.into();
        }
        told.push((end_ms, self.event("call_end", story, (end_ms, &last), more)));
        let sent = told.into_iter().map(|(ms, what)| Sent {
            at: story.at(ms),
            story: story.number,
            what,
        });
        sent.collect()
    }

    fn event(&self, name: &str, story: &Story, (ms, called): (i64, &str), more: Value) -> Post {
        let (direction, caller) = match &story.caller {
            Some(caller) => ("outbound", caller.clone()),
            None => ("inbound", number(story.client.as_deref())),
        };
        let mut body = json!({
            "domain": "pbx000007.onpbx.ru",
            "event": name,
            "direction": direction,
            "uuid": self.call_key(story),
            "caller": caller,
            "callee": called,
            "gateway": number(Some(&story.did)),
            "date": Self::second(story, ms).to_string(),
        });
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        Post {
            method: "POST",
            target: format!("/{}", self.token),
            body: body.to_string(),
            signature: None,
        }
    }
}

/// A number as it is written.
pub fn number(e164: Option<&str>) -> String {
    let e164 = e164.unwrap_or("anonymous");
    e164.trim_start_matches('+').to_owned()
}

/// Why the call ended.
pub fn cause(story: &Story) -> &'static str {
    let last = story.rings.last().map(|ring| ring.outcome);
    match (story.answered_ms, last) {
        (Some(_), _) => "NORMAL_CLEARING",
        (None, Some(Outcome::Busy)) => "USER_BUSY",
        (None, Some(Outcome::Cancelled)) => "ORIGINATOR_CANCEL",
        (None, _) => "NO_ANSWER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::drawn::draw;

    #[test]
    fn a_call_begins_and_ends_with_words_of_its_own() {
        let product = OnlinePbx {
            account: "larch".to_owned(),
            token: "token".to_owned(),
            records: "https://records.invalid".to_owned(),
            run: 1,
        };
        for plot in PLOTS {
            let story = draw(5, plot);
            let told = product.tell(&story);
            assert!(told.is_sorted_by_key(|sent| sent.at), "{plot:?}");
            let count = |event: &str| {
                let event = format!("\"event\":\"{event}\"");
                told.iter()
                    .filter(|sent| sent.what.body.contains(&event))
                    .count()
            };
            let answers = usize::from(story.answered_ms.is_some());
            let passed = usize::from(story.passing.is_some());
            assert_eq!((count("call_start"), count("call_end")), (1, 1), "{plot:?}");
            assert_eq!(count("call_answered"), answers + passed, "{plot:?}");
            let is_missed = story.caller.is_none() && answers == 0;
            assert_eq!(count("call_missed"), usize::from(is_missed), "{plot:?}");
        }
    }
}
