//! Tells a story as sipgate.io does: the events of `push` as signed forms under a secret path. Whoever is passed on
//! goes on under a new key, with the first one beside it.
//!
//! sipgate signs with a key that it has for all its customers and that nobody else has. What is played is signed
//! with a key of this file, which an account that is played names ([`SETTINGS`]) and no real one may.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};

use super::{
    ledger::Ledger,
    message::{Post, Sent, encode},
    push::{self, Event},
    story::{Plot, Story},
};

/// Kinds of stories this provider has words for.
pub const PLOTS: [Plot; 10] = {
    let mut plots = [Plot::BlindTransfer; 10];
    let mut place = 0;
    while place < push::PLOTS.len() {
        plots[place] = push::PLOTS[place];
        place += 1;
    }
    plots
};

/// What an account that is played needs: who signs, who is who, and which number rings whom.
pub const SETTINGS: &str = "hook_url = \"http://127.0.0.1:9/hooks/played\"\n\
    users = { w201 = \"201\", w202 = \"202\", w203 = \"203\", w204 = \"204\", w205 = \"205\", w206 = \"206\", \
    w207 = \"207\", w208 = \"208\" }\n\
    phones = { 201 = \"+74950000041\", 202 = \"+74950000042\", 203 = \"+74950000043\", 204 = \"+74950000044\", 205 = \"+74950000045\", 206 = \"+74950000046\" }\n\
    public_key = \"\"\"\n\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxnvUa+awVx4LEUCTUrkJ\n\
4etF0svckv4xfhEMy3HRSH7kgMPyCMdxz9p/K1aprNho6AC6oo1ohjNID2u5Axnp\n\
ST8tVf8VK3OzeS1yyRwquMmTNfzIvyGt4SX5qGiGgC6/065eVR+4M0/NBpmCzH/f\n\
QkB6qNlAI4rvx/cHDGl4260uFg216032X3M3v+cgUzSS6MjvNO1IIytz3TM6msmK\n\
x2tLXY7izxGMHnJCmkspPp/n0w1P8jJTnFs9QHN3ZE9nR/x3/I9CblR47QPwlUHx\n\
29jESdUIlfEWsi0LSOtxev5Vpgr7igKFCmYdsDm6lQJ+dUuRAObijInjgDRXHeq5\n\
ZwIDAQAB\n\
-----END PUBLIC KEY-----\n\
    \"\"\"\n";

/// Signs what is played: PKCS #8, in Base64.
const KEY: &str = "\
    MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDGe9Rr5rBXHgsRQJNSuQnh60XSy9yS/jF+EQzLcdFIfuSAw/II\
    x3HP2n8rVqms2GjoALqijWiGM0gPa7kDGelJPy1V/xUrc7N5LXLJHCq4yZM1/Mi/Ia3hJfmoaIaALr/Trl5VH7gzT80GmYLMf99C\
    QHqo2UAjiu/H9wcMaXjbrS4WDbXrTfZfcze/5yBTNJLoyO807UgjK3PdMzqayYrHa0tdjuLPEYweckKaSyk+n+fTDU/yMlOcWz1A\
    c3dkT2dH/Hf8j0JuVHjtA/CVQfHb2MRJ1QiV8RayLQtI63F6/lWmCvuKAoUKZh2wObqVAn51S5EA5uKMieOANFcd6rlnAgMBAAEC\
    ggEAP72rqZ0zez6wMjGpPjMjW9SZH0mNw/zy+vfRwpICMkRh8II8u5oFUElsdogFxHbZNcxqI2LDMvnMBfvDth2/n+C0l/3rmAE3\
    nU49ox0zERXW+0r7UvonY3s1EmLC8u5Qd1PzgmXF22CgyKJK8Y6NLbMUUR43rVJkj7SipFdI007YLCEi+rA+N9OFdXove5ZS1UmY\
    eRKiBAG+r3pl/YOqXaNtme8IAZm54LT6fFu2vusZBcFd2rrHCrsGNoaylf1cCrOPQuzeg3wQWE0JQDT9tSYe5+SPSiW6qSVyiiLf\
    xJJZylEzqH64qYW10bDJBaFcm6f9BktqbR8S4JNN0yG/JQKBgQD7f4M03grrpk5xEpMGvk4WKAU460MoNQKZDkE+5khxaXsAELHU\
    SB9MJhW5F6PQfonhUZvep420K6jApQGiH3EPypPE2nF9dXp5tjZMnFDYSKyKg9xnvZmpbkckv6P7ct5b2ThOojYIN7YigNTSrWTK\
    M2apJcIeB+wo4NvXHxnNOwKBgQDKCWEdx/tSGRlTo+++v0AEnk/n6CkJvggHcJXmRiR/3xsWsdG9QsqHtJmh3R+qzEN+UwvxSZCi\
    guxpBGerSMYQHQxUiy1jXhTpwlz2gVQi8fiul4HDkcliH/vfKHVZZLGwzG1/1k8fQ58TZ2l+ukWR/hM9ka7BF/JxJyAILd6xxQKB\
    gQDXbfCsNo9QMBL9VJXQru8gl4NxsETEijQBe250PLpNO7d65NIPLwBwMCdnd1KBZAMjmM5VuVzuun9BFZcCksA8cKCHfT694wXY\
    gDafBT9TJV13AWCpFIYt1iLm3anP2COUtcs/wD9cZqyDfavQE2tEsSb9OTTAmLS4h3SJH0DwxQKBgGjD9Fg9G1W3LirxF6ESC2BZ\
    t5XKDX2/zOoOt6xxMvwb9TAPhXNe7ybvv7rvrzwiL92Rst+sBhQ/T9glMJzhX9N7PKmagi7E2pNc9lfdOIPmdc4TQnbnYkY/z5wo\
    nrF8RagoWZ+wwda0egjV1x6f+PN7jP6gTL5UbKPAZhvXrWMBAoGAXUHOdH1KhHfeQTYdnydSLjzMQlSftb10e/LQTEt32/XWcGlE\
    Sws3ENQCv5VjmnpLL6PvtfbD4LW93udxF9yF083Jg2dXri5bU9JAnkoBOBKMODA2ri5+4ZyhrgFkYZd3GuhutZ1fA1ZoHeWLumkO\
    OLvxUJjtaJEy+m/bKPatY0A=";

/// An account at sipgate.
#[derive(Clone, Debug)]
pub struct Sipgate {
    /// Our name of the account.
    pub account: String,
    /// The secret in the path.
    pub token: String,
    /// Put into every id, so that runs do not meet.
    pub run: u64,
}

impl Sipgate {
    /// The provider's key of a call.
    pub fn call_key(&self, story: &Story) -> String {
        self.part_key(story, 0)
    }

    /// The same of one of its parts, which begin where it is passed on.
    pub fn part_key(&self, story: &Story, part: u64) -> String {
        format!("{}{:010}{part}", self.run, story.number)
    }

    /// What must be found after the story was told.
    pub fn ledger(&self, story: &Story) -> Ledger {
        push::ledger(story, &self.account, &self.call_key(story))
    }

    /// What it asks with a new call that rings nobody yet.
    pub fn question(&self, story: &Story) -> Post {
        let event = Event {
            people: Vec::new(),
            ..push::events(story).swap_remove(0)
        };
        self.event(story, 0, &event)
    }

    /// All messages of the story in the order of their times.
    pub fn tell(&self, story: &Story) -> Vec<Sent<Post>> {
        let mut events: Vec<(u64, Event<'_>)> = Vec::new();
        events.extend(push::events(story).into_iter().map(|event| (0, event)));
        if let Some(passing) = &story.passing {
            let part = |at_ms, name| Event {
                at_ms,
                name,
                people: vec![passing.to.as_str()],
                cause: "",
            };
            // The first part ends there, and the second one at the end.
            let over = events.pop().map(|(_, over)| (1, over));
            let goes_on = Event {
                people: Vec::new(),
                cause: "forwarded",
                ..part(passing.rings_ms, "hangup")
            };
            events.push((0, goes_on));
            events.push((1, part(passing.rings_ms, "newCall")));
            events.push((1, part(passing.at_ms, "answer")));
            events.extend(over);
        }
        let sent = events.into_iter().map(|(part, event)| Sent {
            at: story.at(event.at_ms),
            story: story.number,
            what: self.event(story, part, &event),
        });
        sent.collect()
    }

    /// A signed message of this call, or of one of its parts.
    pub fn event(&self, story: &Story, part: u64, event: &Event<'_>) -> Post {
        let (from, to, direction) = push::ends(story);
        let mut fields = vec![
            ("event", event.name.to_owned()),
            ("direction", direction.to_owned()),
            ("from", from.to_owned()),
            ("to", to.to_owned()),
            ("callId", self.part_key(story, part)),
            ("origCallId", self.call_key(story)),
        ];
        if part > 0 {
            fields.push(("diversion", to.to_owned()));
        }
        let names = match event.name {
            "newCall" => ["user[]", "userId[]"],
            _ => ["user", "userId"],
        };
        for person in &event.people {
            fields.push((names[0], format!("Employee {person}")));
            fields.push((names[1], format!("w{person}")));
        }
        if !event.cause.is_empty() {
            fields.push(("cause", event.cause.to_owned()));
        }
        self.signed(&fields)
    }

    /// These fields, signed.
    fn signed(&self, fields: &[(&str, String)]) -> Post {
        let pairs = fields
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        let body = pairs.collect::<Vec<_>>().join("&");
        Post {
            method: "POST",
            target: format!("/{}", self.token),
            signature: Some(("X-Sipgate-Signature", signature(&body))),
            body,
        }
    }
}

/// RFC 8017 §8.2, in Base64.
fn signature(body: &str) -> String {
    static PAIR: LazyLock<RsaKeyPair> = LazyLock::new(|| {
        let key = STANDARD.decode(KEY).expect("it is written so");
        RsaKeyPair::from_pkcs8(&key).expect("it was made for this")
    });
    let mut signature = vec![0; PAIR.public().modulus_len()];
    let random = SystemRandom::new();
    PAIR.sign(&RSA_PKCS1_SHA256, &random, body.as_bytes(), &mut signature)
        .expect("there is room for it");
    STANDARD.encode(signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::drawn::draw;

    #[test]
    fn who_is_passed_on_goes_on_in_a_part_of_its_own() {
        let product = Sipgate {
            account: "berlin".to_owned(),
            token: "token".to_owned(),
            run: 1,
        };
        let story = draw(5, Plot::BlindTransfer);
        let told = product.tell(&story);
        let key = |part| format!("callId={}&", product.part_key(&story, part));
        let count = |part: u64| {
            let own = told
                .iter()
                .filter(|sent| sent.what.body.contains(&format!("&{}", key(part))));
            own.count()
        };
        assert_eq!((count(0), count(1), told.len()), (3, 3, 6));
        assert!(told.is_sorted_by_key(|sent| sent.at));
        let whole = format!("origCallId={}", product.call_key(&story));
        assert!(told.iter().all(|sent| sent.what.body.contains(&whole)));
    }
}
