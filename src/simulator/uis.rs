//! Tells a story as UIS does by our templates: JSON under a secret path, a path for each event, whole
//! seconds by the clock on a wall in Moscow.
//!
//! It has no words for a phone that stops ringing or is busy, for a hold, a consultation, a menu, or for
//! who hung up.

use serde_json::{Value, json};

use super::{
    ledger::{Ledger, Phone},
    message::{Post, Sent},
    story::{Outcome, Plot, Story},
};
use crate::model::{
    call::LegResult,
    event::{Cause, Direction},
    time::Timestamp,
};

/// Kinds of stories this provider has words for.
pub const PLOTS: [Plot; 11] = [
    Plot::Answered,
    Plot::Hunt,
    Plot::Group,
    Plot::Queue,
    Plot::Missed,
    Plot::Abandoned,
    Plot::BlindTransfer,
    Plot::Out,
    Plot::OutMissed,
    Plot::Click,
    Plot::ClickMissed,
];

/// Moscow's clock before that of UTC.
const MOSCOW_MS: i64 = 3 * 3_600_000;

/// An account at UIS.
#[derive(Clone, Debug)]
pub struct Uis {
    /// Our name of the account.
    pub account: String,
    /// The secret in the path.
    pub token: String,
    /// What links to recordings begin with.
    pub records: String,
    /// Put into every id, so that runs do not meet.
    pub run: u64,
}

/// A moment by the account's clock.
pub fn wall(at: Timestamp) -> String {
    let there = at.plus_millis(MOSCOW_MS).rfc3339();
    there[..19].replace('T', " ")
}

/// The platform's id of an employee.
pub fn employee_id(extension: &str) -> Value {
    json!(extension.parse::<u64>().map_or(0, |short| 5_000 + short))
}

impl Uis {
    /// The number of a call.
    pub fn call_id(&self, story: &Story) -> u64 {
        (self.run % 1_000_000) * 10_000_000 + story.number
    }

    /// The provider's key of a call.
    pub fn call_key(&self, story: &Story) -> String {
        self.call_id(story).to_string()
    }

    /// The id of its recording.
    pub fn recording(&self, story: &Story) -> String {
        format!("{:032x}", self.call_id(story))
    }

    /// What must be found after the story was told.
    pub fn ledger(&self, story: &Story) -> Ledger {
        let mut ledger = story.ledger(&self.account, &self.call_key(story), 1_000);
        let at = |ms: i64| story.told_at(ms, 1_000);
        ledger.hangup_by = None;
        // Hold is not told, so all of it counts as talk.
        let talk_ms = |answer| at(story.end_ms).millis_since(at(answer));
        ledger.talk_ms = Some(story.answered_ms.map_or(0, talk_ms));
        ledger.hold_ms = Some(0);
        // Nothing says that a phone has stopped ringing: it does when another one is answered, or at the end.
        let (over_ms, unanswered) = match story.answered_ms {
            Some(ms) => (ms, LegResult::AnsweredElsewhere),
            None => (story.end_ms, LegResult::Failed(Cause::Unknown)),
        };
        for phone in &mut ledger.phones {
            if phone.answered_at.is_none() {
                (phone.ended_at, phone.result) = (at(over_ms), unanswered);
            }
        }
        let leg = story.callers_leg(1_000).map(|leg| Phone {
            result: match leg.answered_at {
                Some(_) => LegResult::Answered,
                None => LegResult::Failed(Cause::Unknown),
            },
            ..leg
        });
        // The own leg of a click rings first, and is known to be up once there is a talk.
        ledger.phones.extend(leg.map(|leg| match story.click_ms {
            Some(_) => Phone {
                rang_at: Some(at(0)),
                ..leg
            },
            None => leg,
        }));
        ledger
    }

    /// The question of a scenario's interactive processing.
    pub fn question(&self, story: &Story) -> Post {
        let client = story.client.as_deref().unwrap_or("anonymous");
        let asked = json!({
            "cdr_id": self.call_id(story),
            "numa": client.trim_start_matches('+'),
            "numb": story.did.trim_start_matches('+'),
            "input_result": "None",
        });
        Post {
            method: "POST",
            target: format!("/{}/route", self.token),
            body: asked.to_string(),
            signature: None,
        }
    }

    /// All messages of the story in the order of their times.
    pub fn tell(&self, story: &Story) -> Vec<Sent<Post>> {
        let mut teller = Teller {
            uis: self,
            story,
            sent: Vec::new(),
        };
        match story.plot.direction() {
            Direction::Out => teller.outgoing(),
            _ => teller.incoming(),
        }
        teller.over();
        teller.sent.sort_by_key(|sent| sent.at);
        teller.sent
    }
}

struct Teller<'a> {
    uis: &'a Uis,
    story: &'a Story,
    sent: Vec<Sent<Post>>,
}

impl Teller<'_> {
    fn client(&self) -> &str {
        let client = self.story.client.as_deref().unwrap_or("anonymous");
        client.trim_start_matches('+')
    }

    fn did(&self) -> &str {
        self.story.did.trim_start_matches('+')
    }

    /// Sends a notification with what every one has, and more.
    fn send(&mut self, event: &str, ms: i64, more: &Value) {
        let story = self.story;
        let source = match (story.plot.direction(), story.click_ms) {
            (_, Some(_)) => "callapi",
            (Direction::Out, None) => "sip",
            _ => "va",
        };
        let direction = match story.plot.direction() {
            Direction::Out => "out",
            _ => "in",
        };
        let mut body = json!({
            "event": event,
            "notification_time": wall(story.at(ms)),
            "call_session_id": self.uis.call_id(story),
            "direction": direction,
            "is_internal": false,
            "call_source": source,
            "start_time": wall(story.start),
            "virtual_phone_number": self.did(),
            "contact_phone_number": self.client(),
            "contact_full_name": null,
            "external_id": null,
            "scenario_name": "Основной",
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let what = Post {
            method: "POST",
            target: format!("/{}/{event}", self.uis.token),
            body: body.to_string(),
            signature: None,
        };
        self.sent.push(Sent {
            at: story.at(ms),
            story: story.number,
            what,
        });
    }

    fn rings(&mut self, event: &str, ms: i64, extension: &str, (calling, called): (&str, &str)) {
        let leg = self.uis.call_id(self.story) * 100 + self.sent.len() as u64;
        let more = json!({
            "calling_phone_number": calling,
            "called_phone_number": called,
            "leg_id": leg,
            "employee_id": employee_id(extension),
            "extension_phone_number": extension,
        });
        self.send(event, ms, &more);
    }

    fn talks(&mut self, extension: &str, from_ms: i64, to_ms: i64) {
        let who = |more: &mut Value| {
            more["employee_id"] = employee_id(extension);
            more["extension_phone_number"] = extension.into();
        };
        let mut begins = json!({"leg_ids": []});
        who(&mut begins);
        self.send("talk_started", from_ms, &begins);
        let mut ends = json!({"talk_time_duration": self.seconds(from_ms, to_ms)});
        who(&mut ends);
        self.send("talk_finished", to_ms, &ends);
    }

    /// Whole seconds between two moments, as somebody with a clock of whole seconds counts them.
    fn seconds(&self, from_ms: i64, to_ms: i64) -> i64 {
        self.story.at(to_ms).as_seconds() - self.story.at(from_ms).as_seconds()
    }

    fn incoming(&mut self) {
        let story = self.story;
        let (client, did) = (self.client().to_owned(), self.did().to_owned());
        let numbers = json!({"calling_phone_number": client, "called_phone_number": did});
        self.send("in_call", 0, &numbers);
        for ring in &story.rings {
            self.rings("leg_ringing", ring.from_ms, &ring.who, (&client, &ring.who));
            if ring.outcome == Outcome::Answered {
                let until_ms = story.passing.as_ref().map(|passing| passing.rings_ms);
                self.talks(&ring.who, ring.to_ms, until_ms.unwrap_or(story.end_ms));
            }
        }
        if let Some(passing) = &story.passing {
            let ends = (passing.from.as_str(), passing.to.as_str());
            self.rings("leg_ringing", passing.rings_ms, &passing.to, ends);
            self.talks(&passing.to, passing.at_ms, story.end_ms);
        }
    }

    fn outgoing(&mut self) {
        let story = self.story;
        let caller = story.caller.clone().unwrap_or_default();
        let (client, did) = (self.client().to_owned(), self.did().to_owned());
        match story.click_ms {
            Some(_) => self.rings("out_leg", 0, &caller, (&did, &caller)),
            None => {
                let who = json!({"employee_id": employee_id(&caller)});
                self.send("out_call", 0, &who);
            }
        }
        for ring in &story.rings {
            self.rings("out_leg", ring.from_ms, &caller, (&did, &client));
        }
        if let Some(answered_ms) = story.answered_ms {
            self.talks(&caller, answered_ms, story.end_ms);
        }
    }

    fn over(&mut self) {
        let story = self.story;
        let is_lost = story.answered_ms.is_none() && story.plot.direction() == Direction::In;
        let waited_ms = story.answered_ms.unwrap_or(story.end_ms);
        let wait_s = self.seconds(0, waited_ms);
        if is_lost {
            let more = json!({"is_lost": true, "wait_time_duration": wait_s});
            self.send("lost", story.end_ms, &more);
        }
        let more = json!({
            "is_lost": is_lost,
            "wait_time_duration": wait_s,
            "talk_time_duration": self.seconds(waited_ms, story.end_ms),
            "total_time_duration": self.seconds(0, story.end_ms),
        });
        self.send("call_finished", story.end_ms, &more);
        if story.recorded {
            let (key, id) = (self.uis.call_key(story), self.uis.recording(story));
            let link = format!("{}/{key}/{id}/", self.uis.records);
            self.send(
                "record_ready",
                story.end_ms + 1_500,
                &json!({"file_link": link}),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::drawn::draw;

    #[test]
    fn a_story_begins_with_its_start_and_is_finished_once() {
        let uis = Uis {
            account: "uis".to_owned(),
            token: "token".to_owned(),
            records: "https://records.invalid".to_owned(),
            run: 1,
        };
        for plot in PLOTS {
            let story = draw(5, plot);
            let told = uis.tell(&story);
            let finals = told
                .iter()
                .filter(|sent| sent.what.target == "/token/call_finished");
            assert_eq!(finals.count(), 1, "{plot:?}");
            assert!(
                told[0].what.body.contains("2026-03-17 09:15:00"),
                "{plot:?}"
            );
        }
    }
}
