//! Tells a story as a PBX does that speaks to Zammad: the events of `push` as JSON under a secret path.

use serde_json::{Value, json};

use super::{
    ledger::Ledger,
    message::{Post, Sent},
    push::{self, Event},
    story::Story,
};

/// An account of a PBX that speaks so.
#[derive(Clone, Debug)]
pub struct Zammad {
    /// Our name of the account.
    pub account: String,
    /// The secret in the path.
    pub token: String,
    /// Put into every id, so that runs do not meet.
    pub run: u64,
}

impl Zammad {
    /// The PBX's key of a call.
    pub fn call_key(&self, story: &Story) -> String {
        format!("{:08x}-0000-4000-8000-{:012x}", self.run, story.number)
    }

    /// What must be found after the story was told.
    pub fn ledger(&self, story: &Story) -> Ledger {
        push::ledger(story, &self.account, &self.call_key(story))
    }

    /// What it asks with a new call that rings nobody yet.
    pub fn question(&self, story: &Story) -> Post {
        self.event(story, json!({"event": "newCall"}))
    }

    /// All messages of the story in the order of their times.
    pub fn tell(&self, story: &Story) -> Vec<Sent<Post>> {
        let sent = push::events(story).into_iter().map(|event| Sent {
            at: story.at(event.at_ms),
            story: story.number,
            what: self.event(story, said(&event)),
        });
        sent.collect()
    }

    /// A message of this call.
    pub fn event(&self, story: &Story, mut said: Value) -> Post {
        let (from, to, direction) = push::ends(story);
        said["from"] = from.into();
        said["to"] = to.into();
        said["direction"] = direction.into();
        said["callId"] = self.call_key(story).into();
        Post {
            method: "POST",
            target: format!("/{}", self.token),
            body: said.to_string(),
            signature: None,
        }
    }
}

fn said(event: &Event<'_>) -> Value {
    match event.name {
        "hangup" => json!({"event": "hangup", "cause": event.cause}),
        "answer" => json!({"event": "answer", "user": event.people.first()}),
        name => json!({"event": name, "user": event.people}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{drawn::draw, story::Plot};

    #[test]
    fn a_message_names_its_call_its_ends_and_who_rings() {
        let product = Zammad {
            account: "desk".to_owned(),
            token: "token".to_owned(),
            run: 1,
        };
        let story = draw(5, Plot::Group);
        let told = product.tell(&story);
        let first: Value = serde_json::from_str(&told[0].what.body).unwrap();
        assert_eq!(first["callId"], product.call_key(&story));
        assert_eq!(first["user"].as_array().unwrap().len(), story.rings.len());
        assert_eq!((&first["direction"], told.len()), (&"in".into(), 3));
    }
}
