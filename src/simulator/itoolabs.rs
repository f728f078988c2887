//! Tells a story as the cloud PBX of ITooLabs does: forms with a token and without times, one event for each
//! phone, and a record in whole seconds for each employee's part of the call.
//!
//! It has no words for a menu in which the caller hangs up, for hold and for a consultation.

use super::{
    ledger::{Ledger, Phone},
    message::{Post, Sent, encode},
    story::{Outcome, Plot, Story},
};
use crate::model::{
    call::{CallResult, LegResult},
    event::Cause,
    time::Timestamp,
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

/// An account at one of the operators.
#[derive(Clone, Debug)]
pub struct Itoolabs {
    /// Our name of the account.
    pub account: String,
    /// The token in every message.
    pub token: String,
    /// What links to recordings begin with.
    pub records: String,
    /// Put into every id, so that runs do not meet.
    pub run: u64,
}

/// One employee's part of a finished call, as records tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Whose; a call that nobody was rung for is nobody's.
    pub user: Option<String>,
    /// When it began, was answered and ended, in milliseconds of the story.
    pub from_ms: i64,
    /// `None`: nobody talked.
    pub answered_ms: Option<i64>,
    /// When it ended.
    pub to_ms: i64,
    /// `Success`, `missed` and so on.
    pub status: &'static str,
    /// Link to the recording.
    pub link: Option<String>,
}

type Fields = Vec<(&'static str, String)>;

impl Itoolabs {
    /// The provider's key of a call.
    pub fn call_key(&self, story: &Story) -> String {
        let run = self.run % 1_000_000;
        format!("{}{run:06}{}", story.start.as_seconds(), story.number)
    }

    /// What must be found after the story was told. When a phone rang and was answered is only known by the
    /// arrival of messages, so it is not in the ledger.
    pub fn ledger(&self, story: &Story) -> Ledger {
        let mut ledger = story.ledger(&self.account, &self.call_key(story), 1_000);
        ledger.by_arrival = true;
        ledger.ring_ms = None;
        ledger.tolerance_ms = 1_000;
        if ledger.result == CallResult::Answered {
            (ledger.wait_ms, ledger.talk_ms, ledger.hold_ms) = (None, None, None);
        }
        // Only the record of a call that goes out says who gave up.
        ledger.hangup_by = (story.plot == Plot::OutAbandoned).then_some(story.hangup);
        // No message says that a busy phone, or that of whoever the client is passed to, rings; nor when
        // whoever has passed the client on is rid of them.
        let passed_to = story.passing.as_ref().map(|passing| passing.to.as_str());
        for phone in &mut ledger.phones {
            if phone.result == LegResult::Answered {
                phone.ended_at = ledger.ended_at;
            }
            let is_busy = phone.result == LegResult::Failed(Cause::Busy);
            if is_busy || Some(phone.extension.as_str()) == passed_to {
                phone.rang_at = None;
            }
        }
        // After a click the own phone is told of, and no message says when it is picked up.
        let leg = story.callers_leg(1_000);
        ledger.phones.extend(leg.map(|leg| match story.click_ms {
            Some(_) => Phone {
                rang_at: Some(story.told_at(0, 1_000)),
                answered_at: None,
                ..leg
            },
            None => leg,
        }));
        ledger
    }

    /// The parts that records tell of.
    pub fn parts(&self, story: &Story) -> Vec<Part> {
        let file = story
            .recorded
            .then(|| format!("{}/{}.mp3", self.records, self.call_key(story)));
        let last = Part {
            user: story
                .caller
                .clone()
                .or(story.answered_by().map(str::to_owned))
                .or_else(|| story.rings.last().map(|ring| ring.who.clone())),
            from_ms: 0,
            answered_ms: story.answered_ms,
            to_ms: story.end_ms,
            status: status(story),
            link: file.clone(),
        };
        let Some(passing) = &story.passing else {
            return vec![last];
        };
        let first = Part {
            to_ms: passing.at_ms,
            link: None,
            ..last.clone()
        };
        let second = Part {
            user: Some(passing.to.clone()),
            from_ms: passing.at_ms,
            answered_ms: Some(passing.at_ms),
            ..last
        };
        vec![first, second]
    }

    /// The question who calls and who should ring.
    pub fn question(&self, story: &Story) -> Post {
        self.post(story, vec![("cmd", "contact".to_owned())])
    }

    /// A message about this call.
    fn post(&self, story: &Story, mut fields: Fields) -> Post {
        let client = story.client.as_deref().unwrap_or("anonymous");
        fields.extend([
            ("phone", client.trim_start_matches('+').to_owned()),
            ("diversion", story.did.trim_start_matches('+').to_owned()),
            ("callid", self.call_key(story)),
            ("crm_token", self.token.clone()),
        ]);
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        Post {
            method: "POST",
            target: String::new(),
            body: pairs.join("&"),
            signature: None,
        }
    }

    /// All messages of the story in the order of their times.
    pub fn tell(&self, story: &Story) -> Vec<Sent<Post>> {
        let mut teller = Teller {
            product: self,
            story,
            sent: Vec::new(),
        };
        match &story.caller {
            Some(caller) => teller.outgoing(caller),
            None => teller.incoming(),
        }
        teller.records();
        teller.sent.sort_by_key(|sent| sent.at);
        teller.sent
    }
}

fn status(story: &Story) -> &'static str {
    match story.plot {
        _ if story.answered_ms.is_some() => "Success",
        Plot::Busy | Plot::OutBusy => "Busy",
        Plot::OutAbandoned => "Cancel",
        _ => "missed",
    }
}

struct Teller<'a> {
    product: &'a Itoolabs,
    story: &'a Story,
    sent: Vec<Sent<Post>>,
}

impl Teller<'_> {
    fn send(&mut self, ms: i64, fields: Fields) {
        self.sent.push(Sent {
            at: self.story.at(ms),
            story: self.story.number,
            what: self.product.post(self.story, fields),
        });
    }

    fn event(&mut self, ms: i64, kind: &str, user: &str) {
        let direction = match self.story.caller {
            Some(_) => "out",
            None => "in",
        };
        let fields = vec![
            ("cmd", "event".to_owned()),
            ("type", kind.to_owned()),
            ("user", user.to_owned()),
            ("direction", direction.to_owned()),
        ];
        self.send(ms, fields);
    }

    fn incoming(&mut self) {
        let story = self.story;
        self.send(0, vec![("cmd", "contact".to_owned())]);
        for ring in story
            .rings
            .iter()
            .filter(|ring| ring.outcome != Outcome::Busy)
        {
            self.event(ring.from_ms, "INCOMING", &ring.who);
            match ring.outcome {
                Outcome::Answered => self.event(ring.to_ms, "ACCEPTED", &ring.who),
                _ => self.event(ring.to_ms, "CANCELLED", &ring.who),
            }
        }
        let mut last = story.answered_by().map(str::to_owned);
        if let Some(passing) = &story.passing {
            self.event(passing.rings_ms, "TRANSFERRED", &passing.to);
            self.event(passing.at_ms, "ACCEPTED", &passing.to);
            last = Some(passing.to.clone());
        }
        if let Some(last) = last {
            self.event(story.end_ms, "COMPLETED", &last);
        }
    }

    fn outgoing(&mut self, caller: &str) {
        let story = self.story;
        if story.click_ms.is_some() {
            self.event(0, "INCOMING", caller); // their own phone
        }
        if let Some(ring) = story.rings.first() {
            self.event(ring.from_ms, "OUTGOING", caller);
        }
        match story.answered_ms {
            Some(answered_ms) => {
                self.event(answered_ms, "ACCEPTED", caller);
                self.event(story.end_ms, "COMPLETED", caller);
            }
            None => self.event(story.end_ms, "CANCELLED", caller),
        }
    }

    fn records(&mut self) {
        let story = self.story;
        for part in self.product.parts(story) {
            let second = |ms: i64| story.at(ms).as_seconds();
            let start = Timestamp::from_seconds(second(part.from_ms)).rfc3339();
            let start: String = start[..19]
                .chars()
                .filter(|sign| !"-:".contains(*sign))
                .collect();
            let mut fields = vec![
                ("cmd", "history".to_owned()),
                (
                    "type",
                    if story.caller.is_some() { "out" } else { "in" }.to_owned(),
                ),
                ("start", format!("{start}Z")),
                (
                    "duration",
                    (second(part.to_ms) - second(part.from_ms)).to_string(),
                ),
                ("status", part.status.to_owned()),
            ];
            fields.extend(part.user.map(|user| ("user", user)));
            fields.extend(part.link.map(|link| ("link", link)));
            self.send(story.end_ms, fields);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::drawn::draw;

    #[test]
    fn a_call_ends_with_the_records_of_its_parts() {
        let product = Itoolabs {
            account: "vats".to_owned(),
            token: "token".to_owned(),
            records: "https://records.invalid".to_owned(),
            run: 1,
        };
        for plot in PLOTS {
            let story = draw(5, plot);
            let told = product.tell(&story);
            let is_record = |sent: &&Sent<Post>| sent.what.body.starts_with("cmd=history&");
            let count = usize::from(story.passing.is_some()) + 1;
            assert_eq!(told.iter().filter(is_record).count(), count, "{plot:?}");
            assert!(
                told.iter().rev().take(count).all(|sent| is_record(&sent)),
                "{plot:?}"
            );
            assert!(
                told.iter()
                    .all(|sent| sent.what.body.ends_with("&crm_token=token"))
            );
        }
    }
}
