//! Tells a story as Mango Office does: signed forms, whole seconds, one counter per leg.
//!
//! Follows the provider's API text v1.10: `/events/call`, `/events/summary`, `/events/recording`,
//! `/events/record/added`; `sign = sha256hex(key + json + salt)`.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    ledger::{Ledger, Phone},
    message::{Post, Sent, encode},
    story::{Outcome, Passing, Plot, Ring, Story},
};
use crate::model::{
    call::LegResult,
    event::{Side, TransferKind},
};

/// An account at Mango Office.
#[derive(Clone, Debug)]
pub struct Mango {
    /// Our name of the account.
    pub account: String,
    /// `vpbx_api_key`.
    pub key: String,
    /// `vpbx_api_salt`.
    pub salt: String,
    /// Put into every id, so that runs do not meet.
    pub run: u64,
}

/// Kinds of stories this provider has words for.
pub const PLOTS: [Plot; 16] = Plot::ALL;

impl Mango {
    /// The provider's key of a call.
    pub fn call_key(&self, story: &Story) -> String {
        format!("MToxOj{:x}.{}", self.run, story.number)
    }

    fn leg_key(&self, story: &Story, leg: usize) -> String {
        format!("{}.{leg}", self.call_key(story))
    }

    /// What must be found after the story was told.
    pub fn ledger(&self, story: &Story) -> Ledger {
        let mut ledger = story.ledger(&self.account, &self.call_key(story), 1_000);
        let at = |ms: i64| story.told_at(ms, 1_000);
        if let Some(busy) = story
            .rings
            .iter()
            .find(|ring| ring.outcome == Outcome::Busy)
        {
            // `Appeared` comes for a busy phone as for one that rings.
            ledger.ring_ms = Some(at(story.end_ms).millis_since(at(busy.from_ms)));
        }
        if let (Plot::BlindTransfer, Some(passing), Some(answered_ms)) =
            (story.plot, &story.passing, story.answered_ms)
        {
            // Nothing says when the client stops hearing music; the employee's leg that held ends.
            let hold_ms = at(passing.rings_ms).millis_since(at(passing.hold_ms));
            let talk_ms = at(story.end_ms).millis_since(at(answered_ms)) - hold_ms;
            (ledger.hold_ms, ledger.talk_ms) = (Some(hold_ms), Some(talk_ms));
        }
        // The own leg of a click ends when the client is called.
        ledger.phones.extend(match (&story.caller, story.click_ms) {
            (Some(caller), Some(click_ms)) => Some(Phone {
                extension: caller.clone(),
                rang_at: Some(at(0)),
                answered_at: Some(at(click_ms)),
                ended_at: at(click_ms),
                result: LegResult::Answered,
            }),
            _ => story.callers_leg(1_000),
        });
        ledger
    }

    /// All messages of the story in the order of their times.
    pub fn tell(&self, story: &Story) -> Vec<Sent<Post>> {
        let mut teller = Teller {
            mango: self,
            story,
            sent: Vec::new(),
            legs: 0,
        };
        if story.caller.is_some() {
            teller.outgoing();
        } else {
            teller.incoming();
        }
        teller.summary();
        teller.sent.sort_by_key(|sent| sent.at);
        teller.sent
    }

    /// A signed form with this JSON in it.
    pub fn signed(&self, path: &str, json: &str) -> Post {
        let mut hash = Sha256::new();
        hash.update(self.key.as_bytes());
        hash.update(json.as_bytes());
        hash.update(self.salt.as_bytes());
        let sign = hex::encode(hash.finalize());
        Post {
            method: "POST",
            target: path.to_owned(),
            body: format!(
                "vpbx_api_key={}&sign={sign}&json={}",
                encode(&self.key),
                encode(json)
            ),
            signature: None,
        }
    }
}

fn digits(number: &str) -> &str {
    number.trim_start_matches('+')
}

struct Teller<'a> {
    mango: &'a Mango,
    story: &'a Story,
    sent: Vec<Sent<Post>>,
    legs: usize,
}

/// One leg as messages of it are written.
struct Leg {
    id: String,
    seq: u32,
    location: &'static str,
    from: Value,
    to: Value,
    transfer: Option<&'static str>,
    initiator: bool,
}

impl Teller<'_> {
    fn send(&mut self, ms: i64, path: &str, body: &Value) {
        self.sent.push(Sent {
            at: self.story.at(ms),
            story: self.story.number,
            what: self.mango.signed(path, &body.to_string()),
        });
    }

    fn seconds(&self, ms: i64) -> i64 {
        self.story.at(ms).as_seconds()
    }

    fn leg(&mut self, location: &'static str, from: Value, to: Value) -> Leg {
        self.legs += 1;
        Leg {
            id: self.mango.leg_key(self.story, self.legs),
            seq: 0,
            location,
            from,
            to,
            transfer: None,
            initiator: false,
        }
    }

    fn state(&mut self, leg: &mut Leg, ms: i64, state: &str, reason: Option<u32>) {
        leg.seq += 1;
        let mut body = json!({
            "entry_id": self.mango.call_key(self.story),
            "call_id": leg.id,
            "timestamp": self.seconds(ms),
            "seq": leg.seq,
            "call_state": state,
            "location": leg.location,
            "from": leg.from,
            "to": leg.to,
            "dct": { "type": 0 },
        });
        if let Some(reason) = reason {
            body["disconnect_reason"] = json!(reason);
        }
        if let Some(transfer) = leg.transfer {
            body["transfer"] = json!(transfer);
        }
        if leg.initiator || self.story.click_ms.is_some() {
            body["command_id"] = json!(format!("click-{}", self.story.number));
            body["callback_initiator"] = json!("API");
        }
        self.send(ms, "/events/call", &body);
    }

    /// The client's side of an incoming leg; a withheld number comes as `anonymous`.
    fn client_end(&self, taken_from: Option<&str>) -> Value {
        let number = self.story.client.as_deref().map_or("anonymous", digits);
        let mut end = json!({ "number": number });
        if let Some(taken_from) = taken_from {
            end["taken_from_call_id"] = json!(taken_from);
        }
        end
    }

    fn line_end(&self) -> Value {
        let line = digits(&self.story.did);
        json!({ "number": line, "line_number": line })
    }

    fn phone_end(&self, extension: &str) -> Value {
        json!({
            "extension": extension,
            "number": format!("sip:user{extension}@vpbx.example.test"),
        })
    }

    fn rung_end(&self, extension: &str) -> Value {
        let mut end = self.phone_end(extension);
        end["line_number"] = json!(digits(&self.story.did));
        if self.story.queue.is_some() || self.story.plot == Plot::Group {
            end["acd_group"] = json!("700");
        }
        end
    }

    fn incoming(&mut self) {
        let story = self.story;
        let mut before = None;
        if let Some(menu_ms) = story.menu_ms {
            let mut leg = self.leg("ivr", self.client_end(None), self.line_end());
            self.state(&mut leg, 0, "Appeared", None);
            let reason = if story.plot == Plot::MenuOnly {
                1110
            } else {
                1100
            };
            self.state(&mut leg, menu_ms, "Disconnected", Some(reason));
            before = Some(leg.id);
        }
        if let Some((_, from_ms)) = &story.queue {
            let mut to = self.line_end();
            to["acd_group"] = json!("700");
            let mut leg = self.leg("queue", self.client_end(before.as_deref()), to);
            self.state(&mut leg, *from_ms, "Appeared", None);
            let until = story.answered_ms.unwrap_or(story.end_ms);
            self.state(&mut leg, until, "Disconnected", Some(1100));
            before = Some(leg.id);
        }
        for ring in &story.rings {
            self.rung(ring, before.as_deref());
        }
    }

    fn rung(&mut self, ring: &Ring, before: Option<&str>) {
        let mut leg = self.leg("abonent", self.client_end(before), self.rung_end(&ring.who));
        self.state(&mut leg, ring.from_ms, "Appeared", None);
        let reason = match ring.outcome {
            Outcome::Answered => return self.conversation(leg, ring.to_ms, &ring.who),
            Outcome::NoAnswer => 1111,
            Outcome::Busy => 1121,
            Outcome::Elsewhere => 1182, // intercepted
            Outcome::Cancelled => 1110,
        };
        self.state(&mut leg, ring.to_ms, "Disconnected", Some(reason));
    }

    fn conversation(&mut self, mut leg: Leg, answered_ms: i64, extension: &str) {
        let story = self.story;
        self.state(&mut leg, answered_ms, "Connected", None);
        if story.recorded {
            self.recording("Started", 1, &leg.id, extension, answered_ms);
        }
        let last = match &story.passing {
            Some(passing) => self.passed_on(leg, passing),
            None => {
                if let Some((from_ms, to_ms)) = story.hold {
                    self.hold(&mut leg, from_ms);
                    self.state(&mut leg, to_ms, "Connected", None);
                }
                let reason = self.hangup_reason();
                self.state(&mut leg, story.end_ms, "Disconnected", Some(reason));
                leg
            }
        };
        if story.recorded {
            self.recording("Completed", 3, &last.id, extension, story.end_ms);
            self.record_added();
        }
    }

    /// The employee's end has `hold_initiator` while the client waits.
    fn hold(&mut self, leg: &mut Leg, ms: i64) {
        let side = if self.story.caller.is_some() {
            &mut leg.from
        } else {
            &mut leg.to
        };
        side["hold_initiator"] = json!(true);
        self.state(leg, ms, "OnHold", None);
        let side = if self.story.caller.is_some() {
            &mut leg.from
        } else {
            &mut leg.to
        };
        if let Some(fields) = side.as_object_mut() {
            fields.remove("hold_initiator");
        }
    }

    fn passed_on(&mut self, mut first: Leg, passing: &Passing) -> Leg {
        let attended = passing.kind == TransferKind::Attended;
        self.hold(&mut first, passing.hold_ms);
        let mut from = self.phone_end(&passing.from);
        from["taken_from_call_id"] = json!(first.id);
        let mut second = self.leg("abonent", from, self.phone_end(&passing.to));
        second.transfer = Some(if attended { "consultative" } else { "blind" });
        self.state(&mut second, passing.rings_ms, "Appeared", None);
        if attended {
            self.state(&mut second, passing.picks_up_ms, "Connected", None);
        }
        let gone_ms = if attended {
            passing.at_ms
        } else {
            passing.rings_ms
        };
        self.state(&mut first, gone_ms, "Disconnected", Some(1120));
        second.from = self.client_end(Some(&first.id));
        second.from["was_transferred"] = json!(true);
        if !attended {
            self.state(&mut second, passing.rings_ms, "Appeared", None);
        }
        self.state(&mut second, passing.at_ms, "Connected", None);
        if self.story.recorded {
            self.recording("Continued", 2, &second.id, &passing.to, passing.at_ms);
        }
        let reason = self.hangup_reason();
        self.state(&mut second, self.story.end_ms, "Disconnected", Some(reason));
        second
    }

    fn outgoing(&mut self) {
        let story = self.story;
        let caller = story.caller.clone().unwrap_or_default();
        let mut before = None;
        if let Some(click_ms) = story.click_ms {
            // The employee's own leg: `from` is the client, `to` the employee who clicked.
            let mut own = self.leg("abonent", self.client_end(None), self.phone_end(&caller));
            own.initiator = true;
            self.state(&mut own, 0, "Appeared", None);
            self.state(&mut own, click_ms, "Connected", None);
            self.state(&mut own, click_ms, "Disconnected", Some(1000));
            before = Some(own.id);
        }
        for ring in &story.rings {
            let mut from = self.phone_end(&caller);
            if let Some(before) = &before {
                from["taken_from_call_id"] = json!(before);
            }
            let to = json!({
                "number": digits(&ring.who),
                "line_number": digits(&story.did),
            });
            let mut leg = self.leg("abonent", from, to);
            self.state(&mut leg, ring.from_ms, "Appeared", None);
            match ring.outcome {
                Outcome::Answered => self.conversation(leg, ring.to_ms, &caller),
                _ => {
                    let reason = self.hangup_reason();
                    self.state(&mut leg, ring.to_ms, "Disconnected", Some(reason));
                }
            }
        }
    }

    /// 1110: the calling side hung up, 1120: the called side; from there the client or the employee.
    fn hangup_reason(&self) -> u32 {
        let story = self.story;
        let outgoing = story.caller.is_some();
        let last = story.rings.last().map(|ring| ring.outcome);
        match (story.hangup, last) {
            (Side::Pbx, Some(Outcome::Busy)) => 1121,
            (Side::Pbx, _) => 1111,
            (Side::Client, _) if outgoing => 1120,
            (Side::Employee, _) if !outgoing => 1120,
            _ => 1110,
        }
    }

    fn recording(&mut self, state: &str, seq: u32, leg: &str, extension: &str, ms: i64) {
        let mut body = json!({
            "recording_id": format!("{}:rec", self.mango.call_key(self.story)),
            "recording_state": state,
            "seq": seq,
            "entry_id": self.mango.call_key(self.story),
            "call_id": leg,
            "extension": extension,
            "timestamp": self.seconds(ms),
        });
        if state == "Completed" {
            body["completion_code"] = json!(1000);
            body["recipient"] = json!("Cloud");
        }
        self.send(ms, "/events/recording", &body);
    }

    fn record_added(&mut self) {
        let ms = self.story.end_ms + 12_000;
        let body = json!({
            "entry_id": self.mango.call_key(self.story),
            "product_id": 100_001,
            "user_id": -1,
            "recording_id": format!("{}:rec", self.mango.call_key(self.story)),
            "timestamp": self.seconds(ms),
        });
        self.send(ms, "/events/record/added", &body);
    }

    fn summary(&mut self) {
        let story = self.story;
        let answered = story.answered_ms.map_or(0, |ms| self.seconds(ms));
        let client = self.client_end(None);
        let (direction, from, to) = match &story.caller {
            Some(caller) => (2, self.phone_end(caller), client),
            None => {
                let named = story
                    .answered_by()
                    .or(story.rings.first().map(|ring| ring.who.as_str()));
                let to = named.map_or_else(|| json!({}), |extension| self.phone_end(extension));
                (1, client, to)
            }
        };
        let body = json!({
            "entry_id": self.mango.call_key(story),
            "call_direction": direction,
            "from": from,
            "to": to,
            "line_number": digits(&story.did),
            "create_time": self.seconds(0),
            "forward_time": if answered == 0 && direction == 1 { 0 } else { self.seconds(0) },
            "talk_time": answered,
            "end_time": self.seconds(story.end_ms),
            "entry_result": i32::from(story.answered_ms.is_some()),
            "disconnect_reason": self.hangup_reason(),
        });
        self.send(story.end_ms, "/events/summary", &body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;
    use crate::simulator::{
        dice::Dice,
        story::{Tempo, World},
    };

    fn account() -> Mango {
        Mango {
            account: "cloud".to_owned(),
            key: "key".to_owned(),
            salt: "salt".to_owned(),
            run: 7,
        }
    }

    fn tell(plot: Plot) -> Vec<Value> {
        let world = World::company(6, 20);
        let start = Timestamp::from_seconds(1_773_728_100);
        let story = Story::draw(&mut Dice::new(3), &world, plot, 1, start, Tempo::NATURAL);
        let bodies = account()
            .tell(&story)
            .into_iter()
            .map(|sent| serde_json::from_str(&read_form(&sent.what.body)[2].1).unwrap());
        bodies.collect()
    }

    fn read_form(body: &str) -> Vec<(String, String)> {
        let decode = |text: &str| {
            let mut out = Vec::new();
            let mut bytes = text.bytes();
            while let Some(byte) = bytes.next() {
                if byte == b'%' {
                    let pair = [bytes.next().unwrap(), bytes.next().unwrap()];
                    out.extend(hex::decode(pair).unwrap());
                } else {
                    out.push(byte);
                }
            }
            String::from_utf8(out).unwrap()
        };
        body.split('&')
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| (decode(name), decode(value)))
            .collect()
    }

    #[test]
    fn every_leg_that_appears_is_disconnected_and_one_summary_comes_last_but_news_of_the_file() {
        for plot in PLOTS {
            let told = tell(plot);
            let count = |state: &str| told.iter().filter(|b| b["call_state"] == state).count();
            let reappeared = usize::from(plot == Plot::BlindTransfer);
            assert_eq!(
                count("Appeared"),
                count("Disconnected") + reappeared,
                "{plot:?}"
            );
            let summaries = told.iter().filter(|b| !b["entry_result"].is_null());
            assert_eq!(summaries.count(), 1, "{plot:?}");
        }
    }

    #[test]
    fn the_signature_is_over_the_exact_text() {
        let post = account().signed("/events/call", "{}");
        // printf 'key{}salt' | sha256sum
        let sign = "6a591005f93c3d5080524c57ebe649861d4ac51865ee447be2031ae531acb3e8";
        assert_eq!(
            post.body,
            format!("vpbx_api_key=key&sign={sign}&json=%7B%7D")
        );
    }
}
