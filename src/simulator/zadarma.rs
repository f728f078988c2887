//! Tells a story as Zadarma does: signed forms under a secret path, in which only the start of the call
//! has a time, by the clock of Moscow.
//!
//! It has no words for queues and menus of the cabinet, for holds, for consultations, and for how a phone
//! stopped ringing. What is not told is known by when a message comes: whoever plays faster than life
//! cannot expect waits.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::tz::TimeZone;
use ring::hmac;

use super::{
    ledger::Ledger,
    message::{Post, Sent, encode},
    story::{Outcome, Plot, Story},
};

/// Kinds of stories this provider has words for.
pub const PLOTS: [Plot; 12] = [
    Plot::Answered,
    Plot::Hunt,
    Plot::Group,
    Plot::Missed,
    Plot::Abandoned,
    Plot::Busy,
    Plot::Out,
    Plot::OutMissed,
    Plot::OutBusy,
    Plot::OutAbandoned,
    Plot::Click,
    Plot::ClickMissed,
];

/// How far moments may be off that are known by when a message comes.
const TOLD_WITHIN_MS: i64 = 24 * 3_600_000;

/// An account at Zadarma, or at Novofon's first API.
#[derive(Clone, Debug)]
pub struct Zadarma {
    /// Our name of the account.
    pub account: String,
    /// The secret in the path.
    pub token: String,
    /// Signs.
    pub secret: String,
    /// Put into every id, so that runs do not meet.
    pub run: u64,
}

impl Zadarma {
    /// The provider's key of a call.
    pub fn call_key(&self, story: &Story) -> String {
        let way = if story.caller.is_some() { "out" } else { "in" };
        format!("{way}_{:024x}{:016x}", self.run, story.number)
    }

    /// The provider's id of its file.
    pub fn recording(&self, story: &Story) -> String {
        format!("{}.{}{}", story.start.as_seconds(), self.run, story.number)
    }

    /// What must be found after the story was told.
    pub fn ledger(&self, story: &Story) -> Ledger {
        let mut ledger = story.ledger(&self.account, &self.call_key(story), 1_000);
        (ledger.wait_ms, ledger.ring_ms) = (None, None);
        // Only who gave up before an answer is told, by the word "cancel".
        ledger.hangup_by = (Self::disposition(story) == "cancel").then_some(story.hangup);
        ledger.phones.extend(story.callers_leg(1_000));
        (ledger.talk_ms, ledger.hold_ms) = (None, None);
        ledger.tolerance_ms = TOLD_WITHIN_MS;
        ledger.by_arrival = true;
        ledger
    }

    /// For how many seconds was talked.
    pub fn talked_s(story: &Story) -> i64 {
        let second = |ms: i64| story.at(ms).as_seconds();
        story
            .answered_ms
            .map_or(0, |answered| second(story.end_ms) - second(answered))
    }

    /// The word for how it went.
    pub fn disposition(story: &Story) -> &'static str {
        let last = story.rings.last().map(|ring| ring.outcome);
        match (story.answered_ms, last) {
            (Some(_), _) => "answered",
            (None, Some(Outcome::Busy)) => "busy",
            (None, Some(Outcome::Cancelled)) => "cancel",
            (None, _) => "no answer",
        }
    }

    /// Who answered or was rung last; of an outgoing call who calls.
    pub fn employee(story: &Story) -> &str {
        let last = story.rings.last().map(|ring| ring.who.as_str());
        let caller = story.caller.as_deref();
        caller.or(story.answered_by()).or(last).unwrap_or("0")
    }

    /// A number as it is written.
    pub fn client(story: &Story) -> &str {
        let client = story.client.as_deref().unwrap_or("anonymous");
        client.trim_start_matches('+')
    }

    /// The start by the clock of Moscow.
    pub fn started(story: &Story) -> String {
        let zone = TimeZone::fixed(jiff::tz::offset(3)); // Moscow has had no other since 2014
        let at = jiff::Timestamp::from_microsecond(story.start.as_micros()).unwrap_or_default();
        at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// The beginning of an incoming call, whose answer may say who rings.
    pub fn question(&self, story: &Story) -> Post {
        self.event("NOTIFY_START", story, &[])
    }

    /// All messages of the story in the order of their times.
    pub fn tell(&self, story: &Story) -> Vec<Sent<Post>> {
        let mut told = match story.caller {
            Some(_) => self.outgoing(story),
            None => self.incoming(story),
        };
        let end = match story.caller {
            Some(_) => "NOTIFY_OUT_END",
            None => "NOTIFY_END",
        };
        let recording = match story.recorded {
            true => self.recording(story),
            false => String::new(),
        };
        let more = [
            ("internal", Self::employee(story).to_owned()),
            ("duration", Self::talked_s(story).to_string()),
            ("disposition", Self::disposition(story).to_owned()),
            ("status_code", "16".to_owned()),
            ("is_recorded", i32::from(story.recorded).to_string()),
            ("call_id_with_rec", recording.clone()),
        ];
        told.push((story.end_ms, self.event(end, story, &more)));
        if story.recorded {
            let file = [("call_id_with_rec", recording)];
            let ready_ms = story.end_ms + 100;
            told.push((ready_ms, self.event("NOTIFY_RECORD", story, &file)));
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
        let mut told = vec![(0, self.question(story))];
        for ring in &story.rings {
            let phone = [("internal", ring.who.clone())];
            told.push((ring.from_ms, self.event("NOTIFY_INTERNAL", story, &phone)));
            if ring.outcome == Outcome::Answered {
                told.push((ring.to_ms, self.answer(story, &ring.who)));
            }
        }
        told
    }

    fn outgoing(&self, story: &Story) -> Vec<(i64, Post)> {
        let caller = Self::employee(story).to_owned();
        let start = [("internal", caller.clone())];
        let mut told = vec![(0, self.event("NOTIFY_OUT_START", story, &start))];
        if let Some(answered_ms) = story.answered_ms {
            told.push((answered_ms, self.answer(story, &caller)));
        }
        told
    }

    /// Somebody of ours, at this extension, talks with the client.
    pub fn answer(&self, story: &Story, extension: &str) -> Post {
        let client = Self::client(story);
        let (from, to) = match story.caller {
            Some(_) => (extension, client),
            None => (client, extension),
        };
        let more = [
            ("caller_id", from.to_owned()),
            ("destination", to.to_owned()),
            ("internal", extension.to_owned()),
        ];
        self.event("NOTIFY_ANSWER", story, &more)
    }

    /// A signed event of this call.
    pub fn event(&self, name: &str, story: &Story, more: &[(&'static str, String)]) -> Post {
        let mut fields = vec![
            ("event", name.to_owned()),
            ("pbx_call_id", self.call_key(story)),
        ];
        if name != "NOTIFY_RECORD" {
            fields.push(("call_start", Self::started(story)));
        }
        let (client, line) = (Self::client(story), story.did.trim_start_matches('+'));
        match name {
            "NOTIFY_START" | "NOTIFY_INTERNAL" | "NOTIFY_END" => {
                fields.push(("caller_id", client.to_owned()));
                fields.push(("called_did", line.to_owned()));
            }
            "NOTIFY_OUT_START" | "NOTIFY_OUT_END" => {
                fields.push(("caller_id", line.to_owned()));
                fields.push(("destination", client.to_owned()));
            }
            _ => {}
        }
        fields.extend(more.iter().cloned());
        self.signed(&fields)
    }

    fn signed(&self, fields: &[(&'static str, String)]) -> Post {
        let get = |name: &str| {
            let mut own = fields.iter().filter(|(known, _)| *known == name);
            own.next().map_or("", |(_, value)| value.as_str())
        };
        let names = match get("event") {
            "NOTIFY_ANSWER" => ["caller_id", "destination", "call_start"].as_slice(),
            "NOTIFY_OUT_START" | "NOTIFY_OUT_END" => &["internal", "destination", "call_start"],
            "NOTIFY_RECORD" => &["pbx_call_id", "call_id_with_rec"],
            _ => &["caller_id", "called_did", "call_start"],
        };
        let text: String = names.iter().map(|name| get(name)).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.secret.as_bytes());
        let hash = hex::encode(hmac::sign(&key, text.as_bytes()));
        let pairs = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)));
        Post {
            method: "POST",
            target: format!("/{}", self.token),
            body: pairs.collect::<Vec<_>>().join("&"),
            signature: Some(("Signature", STANDARD.encode(hash))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::time::Timestamp,
        simulator::{
            dice::Dice,
            story::{Tempo, World},
        },
    };

    #[test]
    fn every_story_is_signed_and_has_one_end() {
        let zadarma = Zadarma {
            account: "birch".to_owned(),
            token: "token".to_owned(),
            secret: "secret".to_owned(),
            run: 1,
        };
        let world = World::company(6, 20);
        let start = Timestamp::from_seconds(1_773_728_100);
        for plot in PLOTS {
            let mut dice = Dice::new(5);
            let story = Story::draw(&mut dice, &world, plot, 9, start, Tempo::NATURAL);
            let told = zadarma.tell(&story);
            assert!(told.iter().all(|sent| sent.what.signature.is_some()));
            let is_end = |sent: &&Sent<Post>| sent.what.body.contains("_END&");
            assert_eq!(told.iter().filter(is_end).count(), 1, "{plot:?}");
            assert!(
                told[0]
                    .what
                    .body
                    .contains("call_start=2026-03-17%2009%3A15%3A00")
            );
        }
    }
}
