//! Tells a story as Sipuni does: unsigned GET or POST under a secret path, whole seconds, one event 1
//! per phone that rings, and event 1 of an ordered call twice.
//!
//! It has no words for a consultation and none for a menu in which the caller hangs up.

use super::{
    dice::Dice,
    ledger::{Ledger, Phone},
    message::{Post, Sent, encode},
    story::{Outcome, Plot, Ring, Story},
};
use crate::model::event::{Side, TransferKind};

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

/// The cabinet number that the provider puts before extensions.
const CABINET: &str = "090909";

/// An account at Sipuni.
#[derive(Clone, Debug)]
pub struct Sipuni {
    /// Our name of the account.
    pub account: String,
    /// The secret in the path.
    pub token: String,
    /// What links to recordings begin with.
    pub records: String,
    /// Put into every id, so that runs do not meet.
    pub run: u64,
}

impl Sipuni {
    /// The provider's key of a call.
    pub fn call_key(&self, story: &Story) -> String {
        let run = self.run % 1_000_000;
        format!("{}.{run:06}{}", story.start.as_seconds(), story.number)
    }

    /// What must be found after the story was told.
    pub fn ledger(&self, story: &Story) -> Ledger {
        let mut ledger = story.ledger(&self.account, &self.call_key(story), 1_000);
        let at = |ms: i64| story.told_at(ms, 1_000);
        // Only who gave up before an answer is told, by the status CANCEL.
        let cancelled = story.answered_ms.is_none()
            && story.rings.last().map(|ring| ring.outcome) == Some(Outcome::Cancelled);
        ledger.hangup_by = cancelled.then_some(story.hangup);
        // Hold is not told, so all of it counts as talk.
        let talk_ms = |answer| at(story.end_ms).millis_since(at(answer));
        ledger.talk_ms = Some(story.answered_ms.map_or(0, talk_ms));
        ledger.hold_ms = Some(0);
        if story.caller.is_some() {
            ledger.did = None; // `pbxdstnum` is the client's own number
        }
        // Event 1 comes for a busy phone as for one that rings. Of an ordered call it comes when the
        // employee's own phone rings, and no message says when the client's does.
        let called_ms = match story.click_ms {
            Some(_) => Some(0),
            None => story.rings.first().map(|ring| ring.from_ms),
        };
        ledger
            .phones
            .extend(story.callers_leg(1_000).map(|leg| Phone {
                rang_at: called_ms.map(at),
                ..leg
            }));
        let over_ms = story.answered_ms.unwrap_or(story.end_ms);
        ledger.ring_ms = called_ms.map(|called_ms| at(over_ms).millis_since(at(called_ms)));
        ledger
    }

    /// The scheme's question whether the first phone of the story gets the call.
    pub fn question(&self, story: &Story) -> Post {
        let phone = story.rings.first().map_or("0", |ring| ring.who.as_str());
        let client = story.client.as_deref().unwrap_or("anonymous");
        let numbers = [("fromnum", client), ("tonum", story.did.as_str())];
        let [from, to] =
            numbers.map(|(name, number)| format!("{name}={}", number.trim_start_matches('+')));
        Post {
            method: "GET",
            target: format!("/{}/route/{phone}?{from}&{to}", self.token),
            ..Post::default()
        }
    }

    /// All messages of the story in the order of their times. Whether it is told by GET or by POST is
    /// decided by `dice`.
    pub fn tell(&self, story: &Story, dice: &mut Dice) -> Vec<Sent<Post>> {
        let mut teller = Teller {
            sipuni: self,
            story,
            by_post: dice.chance(50),
            sent: Vec::new(),
        };
        if story.caller.is_some() {
            teller.outgoing();
        } else {
            teller.incoming();
        }
        teller.over();
        teller.sent.sort_by_key(|sent| sent.at);
        teller.sent
    }
}

struct Teller<'a> {
    sipuni: &'a Sipuni,
    story: &'a Story,
    by_post: bool,
    sent: Vec<Sent<Post>>,
}

type Fields = Vec<(&'static str, String)>;

impl Teller<'_> {
    fn client(&self) -> String {
        let client = self.story.client.as_deref().unwrap_or("anonymous");
        client.trim_start_matches('+').to_owned()
    }

    /// The fields that every event of a leg has.
    fn leg(&self, event: u8, extension: &str, ms: i64) -> Fields {
        let client = self.client();
        let phone = format!("{CABINET}{extension}");
        let outgoing = self.story.caller.is_some();
        let (src, dst) = if outgoing {
            ((&phone, "2", extension), (&client, "1", client.as_str()))
        } else {
            ((&client, "1", client.as_str()), (&phone, "2", extension))
        };
        let dialled = if outgoing {
            client.clone()
        } else {
            self.story.did.trim_start_matches('+').to_owned()
        };
        vec![
            ("event", event.to_string()),
            ("call_id", self.sipuni.call_key(self.story)),
            ("src_num", src.0.clone()),
            ("src_type", src.1.to_owned()),
            ("dst_num", dst.0.clone()),
            ("dst_type", dst.1.to_owned()),
            ("timestamp", self.story.at(ms).as_seconds().to_string()),
            ("short_src_num", src.2.to_owned()),
            ("short_dst_num", dst.2.to_owned()),
            ("treeName", "Основная".to_owned()),
            ("pbxdstnum", dialled),
            ("user_id", CABINET.to_owned()),
            ("is_inner_call", "0".to_owned()),
        ]
    }

    fn send(&mut self, ms: i64, fields: &Fields) {
        let query: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        let query = query.join("&");
        let token = &self.sipuni.token;
        let what = if self.by_post {
            Post {
                method: "POST",
                target: format!("/{token}"),
                body: query,
                signature: None,
            }
        } else {
            Post {
                method: "GET",
                target: format!("/{token}?{query}"),
                body: String::new(),
                signature: None,
            }
        };
        self.sent.push(Sent {
            at: self.story.at(ms),
            story: self.story.number,
            what,
        });
    }

    /// Status and times, as events 4 and 2 carry them.
    fn ending(&self, fields: &mut Fields, status: &str, answered_ms: Option<i64>) {
        let story = self.story;
        let answered = answered_ms.map_or(0, |ms| story.at(ms).as_seconds());
        fields.push(("status", status.to_owned()));
        fields.push(("call_start_timestamp", story.start.as_seconds().to_string()));
        fields.push(("call_answer_timestamp", answered.to_string()));
    }

    fn incoming(&mut self) {
        let story = self.story;
        let last = story.rings.len().saturating_sub(1);
        for (n, ring) in story.rings.iter().enumerate() {
            let event = self.leg(1, &ring.who, ring.from_ms);
            self.send(ring.from_ms, &event);
            match ring.outcome {
                Outcome::Answered => {
                    let event = self.leg(3, &ring.who, ring.to_ms);
                    self.send(ring.to_ms, &event);
                }
                // The last leg of a call that nobody answers ends with event 2.
                _ if n == last && story.answered_ms.is_none() => {}
                _ => self.leg_over(ring),
            }
        }
        if let Some(passing) = &story.passing {
            let from = ("transfer_from", passing.from.clone());
            let mut event = self.leg(1, &passing.to, passing.rings_ms);
            event.push(from.clone());
            self.send(passing.rings_ms, &event);
            let mut event = self.leg(4, &passing.from, passing.rings_ms);
            self.ending(&mut event, "ANSWER", story.answered_ms);
            self.send(passing.rings_ms, &event);
            let mut event = self.leg(3, &passing.to, passing.at_ms);
            event.push(from);
            self.send(passing.at_ms, &event);
            debug_assert_eq!(passing.kind, TransferKind::Blind);
        }
    }

    fn leg_over(&mut self, ring: &Ring) {
        let mut event = self.leg(4, &ring.who, ring.to_ms);
        self.ending(&mut event, status(ring.outcome), None);
        self.send(ring.to_ms, &event);
    }

    fn outgoing(&mut self) {
        let story = self.story;
        let caller = story.caller.as_deref().unwrap_or_default();
        let event = self.leg(1, caller, 0);
        self.send(0, &event);
        if story.click_ms.is_some() {
            // An ordered call tells its beginning twice, a second apart.
            let event = self.leg(1, caller, 1_000);
            self.send(1_000, &event);
        }
        if let Some(answered_ms) = story.answered_ms {
            let event = self.leg(3, caller, answered_ms);
            self.send(answered_ms, &event);
        }
    }

    fn over(&mut self) {
        let story = self.story;
        let last = match (&story.caller, &story.passing) {
            (Some(caller), _) => caller.as_str(),
            (None, Some(passing)) => passing.to.as_str(),
            (None, None) => story
                .answered_by()
                .or(story.rings.last().map(|ring| ring.who.as_str()))
                .unwrap_or_default(),
        };
        let outcome = story.rings.last().map(|ring| ring.outcome);
        let status = match (story.answered_ms, outcome) {
            (Some(_), _) => "ANSWER",
            (None, Some(outcome)) => status(outcome),
            (None, None) if story.hangup == Side::Client => "CANCEL",
            (None, None) => "NOANSWER",
        };
        let mut event = self.leg(2, last, story.end_ms);
        self.ending(&mut event, status, story.answered_ms);
        if story.recorded {
            let id = self.sipuni.call_key(story);
            let link = format!("{}?id={id}&hash=0123456789abcdef", self.sipuni.records);
            event.push(("call_record_link", link));
        }
        self.send(story.end_ms, &event);
    }
}

fn status(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "ANSWER",
        Outcome::NoAnswer => "NOANSWER",
        Outcome::Busy => "BUSY",
        Outcome::Elsewhere | Outcome::Cancelled => "CANCEL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;
    use crate::simulator::story::{Tempo, World};

    #[test]
    fn a_call_ends_with_exactly_one_event_2_which_is_the_last() {
        let world = World::company(6, 20);
        let start = Timestamp::from_seconds(1_773_728_100);
        let sipuni = Sipuni {
            account: "lossy".to_owned(),
            token: "token".to_owned(),
            records: "https://records.invalid/record".to_owned(),
            run: 1,
        };
        for plot in PLOTS {
            let mut dice = Dice::new(5);
            let story = Story::draw(&mut dice, &world, plot, 9, start, Tempo::NATURAL);
            let told = sipuni.tell(&story, &mut dice);
            let text = |sent: &Sent<Post>| format!("{}{}", sent.what.target, sent.what.body);
            let finals = told.iter().filter(|sent| text(sent).contains("event=2&"));
            assert_eq!(finals.count(), 1, "{plot:?}");
            assert!(text(&told[told.len() - 1]).contains("event=2&"), "{plot:?}");
        }
    }
}
