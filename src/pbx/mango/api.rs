//! Asks Mango's API: signs, keeps its limits, reads its refusals.

use std::{
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::unconfirmed;
use crate::{
    http::{Client, Reach, Request, Whole},
    pbx::{
        PbxError,
        asking::{self, CLICK_PATIENCE},
        budget::Budget,
    },
};

/// How long work in the background may wait.
const WORK_PATIENCE: Duration = Duration::from_secs(60);

/// How long a product is blocked after an invalid request: whatever it asks then is answered 401 (digest of
/// the VPBX API of 2026-02-16, "synchronous errors").
pub const BLOCKED_FOR: Duration = Duration::from_secs(120);

/// How often one product may be asked: table `limits` of the account. The defaults are what the digest
/// of the VPBX API of 2026-02-16 allows: 10 requests a second for one product (100 in all); statistics
/// one in 2 s; routing one in 2 s; call-back and hang-up 4 a second; recordings 10 a second. That
/// `/stats/result` may be asked once in 5 s stands in v1.10.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Any two requests, in milliseconds.
    all_every_ms: u64,
    /// Two commands of people.
    command_every_ms: u64,
    /// Two commands that route a call.
    route_every_ms: u64,
    /// Two recordings.
    recording_every_ms: u64,
    /// Two questions for statistics.
    statistics_every_ms: u64,
    /// Two questions whether statistics are ready.
    poll_every_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            all_every_ms: 100,
            command_every_ms: 250,
            route_every_ms: 2_000,
            recording_every_ms: 100,
            statistics_every_ms: 2_000,
            poll_every_ms: 5_000,
        }
    }
}

/// What a request is for: each kind has its own limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A person waits for it.
    Command,
    /// A client waits for it: now or never.
    Route,
    /// Statistics are ordered.
    Statistics,
    /// Are they ready?
    Poll,
    /// Who has this number now? Not asked again for a while once that was refused.
    Visitor,
    /// Somebody at the machine wants a list: only what holds for any two requests.
    List,
}

/// One product at Mango.
pub struct Api {
    key: String,
    salt: String,
    base: String,
    reach: Reach,
    http: Client,
    all: Budget,
    command: Budget,
    route: Budget,
    pub recording: Budget,
    statistics: Budget,
    poll: Budget,
    /// Until when nobody is asked for visitors, since such a question was refused.
    no_visitors_until: Mutex<Option<Instant>>,
}

impl Api {
    /// Asks below `base`, with key and salt of the cabinet.
    pub fn new(
        (key, salt): (String, String),
        base: &str,
        reach: Reach,
        http: Client,
        limits: Limits,
    ) -> Self {
        Self {
            key,
            salt,
            base: base.trim_end_matches('/').to_owned(),
            reach,
            http,
            all: Budget::every_ms(limits.all_every_ms),
            command: Budget::every_ms(limits.command_every_ms),
            route: Budget::every_ms(limits.route_every_ms),
            recording: Budget::every_ms(limits.recording_every_ms),
            statistics: Budget::every_ms(limits.statistics_every_ms),
            poll: Budget::every_ms(limits.poll_every_ms),
            no_visitors_until: Mutex::default(),
        }
    }

    /// `sha256hex(vpbx_api_key + json + vpbx_api_salt)`, in both directions.
    pub fn sign(&self, json: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.key.as_bytes());
        hash.update(json);
        hash.update(self.salt.as_bytes());
        hash.finalize().into()
    }

    /// The signed request to this path.
    pub fn request(&self, path: &str, json: String) -> Request {
        Request {
            url: format!("{}/{path}", self.base),
            form: Some(vec![
                ("vpbx_api_key".to_owned(), self.key.clone()),
                ("sign".to_owned(), hex::encode(self.sign(json.as_bytes()))),
                ("json".to_owned(), json),
            ]),
            reach: self.reach.clone(),
            ..Request::default()
        }
    }

    /// Asks, within the limits of its purpose. A refusal is an error.
    pub async fn ask(
        &self,
        purpose: Purpose,
        path: &str,
        json: &serde_json::Value,
    ) -> Result<Whole, PbxError> {
        let (patience, budgets): (_, &[&Budget]) = match purpose {
            Purpose::Command => (CLICK_PATIENCE, &[&self.command, &self.all]),
            Purpose::Route => {
                self.route.take()?;
                (CLICK_PATIENCE, &[&self.all])
            }
            Purpose::Statistics => (WORK_PATIENCE, &[&self.statistics, &self.all]),
            Purpose::Poll => (WORK_PATIENCE, &[&self.poll, &self.all]),
            Purpose::Visitor => {
                self.may_ask_for_visitors()?;
                self.all.wait(CLICK_PATIENCE).await?;
                // One who waited before us may have been refused meanwhile.
                self.may_ask_for_visitors()?;
                (CLICK_PATIENCE, &[])
            }
            Purpose::List => (WORK_PATIENCE, &[&self.all]),
        };
        let request = self.request(path, json.to_string());
        let read = |answer: Whole| {
            let status = answer.status;
            read(answer).inspect_err(|error| self.note(purpose, status, error))
        };
        asking::ask(&self.http, &request, budgets, patience, read).await
    }

    /// Remembers that a question for a visitor was refused: one who has no call tracking is not asked with
    /// every call, one who is blocked is asked when that is over.
    fn note(&self, purpose: Purpose, status: u16, error: &PbxError) {
        if let (Purpose::Visitor, PbxError::Refused(_)) = (purpose, error) {
            let pause = match status {
                401 => BLOCKED_FOR,
                _ => unconfirmed::VISITORS_REFUSED_FOR,
            };
            let until = Some(Instant::now() + pause);
            let mut pause_ends = self.pause_ends();
            *pause_ends = until.max(*pause_ends);
        }
    }

    fn may_ask_for_visitors(&self) -> Result<(), PbxError> {
        match *self.pause_ends() {
            Some(until) if Instant::now() < until => Err(PbxError::Refused(
                "not asked: it was refused a while ago".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    fn pause_ends(&self) -> MutexGuard<'_, Option<Instant>> {
        self.no_visitors_until
            .lock()
            .expect("nobody panics while a moment is read or written")
    }
}

/// "Synchronous errors": status 420 with a code; 401 also for those who are blocked for a while.
fn read(answer: Whole) -> Result<Whole, PbxError> {
    let code = unconfirmed::is_refused(&answer.body);
    match (answer.status, code) {
        (200..=299, None) => Ok(answer),
        (401, _) => Err(PbxError::Refused(
            "our key is refused, or blocked for two minutes (401)".to_owned(),
        )),
        (status, Some(code)) if !matches!(status, 408 | 429 | 500..) => Err(PbxError::Refused(
            format!("code {code}{} ({status})", words_of(code)),
        )),
        _ => asking::good(answer, Duration::from_secs(2)),
    }
}

fn words_of(code: i64) -> &'static str {
    match code {
        2_200..=2_299 => ", money or limits of the product",
        2_000..=2_999 => ", billing",
        3_102 => ", the signature does not fit",
        3_105 => ", no such key",
        3_100..=3_199 => ", the request",
        3_200..=3_299 => ", the number",
        4_001 => ", not supported",
        4_101 => ", the call is gone",
        4_200..=4_299 => ", nobody can be reached there",
        5_000..=5_999 => ", a fault at the PBX",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::phone::NumberingPlan, pbx::Tools};

    fn api(all_every_ms: u64) -> Api {
        let limits = Limits {
            all_every_ms,
            ..Limits::default()
        };
        let keys = ("key".to_owned(), "salt".to_owned());
        let http = Tools::of_tests(NumberingPlan::default()).http;
        Api::new(keys, "http://127.0.0.1:9", Reach::default(), http, limits)
    }

    fn refused() -> PbxError {
        PbxError::Refused("code 3103".to_owned())
    }

    #[test]
    fn one_who_was_refused_a_visitor_is_not_asked_for_the_next_one() {
        let api = api(0);
        assert!(api.may_ask_for_visitors().is_ok());
        api.note(Purpose::Visitor, 503, &PbxError::Unreachable);
        api.note(Purpose::Command, 420, &refused());
        assert!(api.may_ask_for_visitors().is_ok());
        api.note(Purpose::Visitor, 420, &refused());
        assert!(api.may_ask_for_visitors().is_err());
        let hour = *api.pause_ends();
        assert!(hour > Some(Instant::now() + BLOCKED_FOR));
        // That all is blocked afterwards says nothing new.
        api.note(Purpose::Visitor, 401, &refused());
        assert_eq!(*api.pause_ends(), hour);
        *api.pause_ends() = Some(Instant::now());
        assert!(api.may_ask_for_visitors().is_ok(), "after a while it is");
    }

    #[test]
    fn one_who_is_blocked_is_asked_again_when_that_is_over() {
        let api = api(0);
        api.note(Purpose::Visitor, 401, &refused());
        assert!(api.may_ask_for_visitors().is_err());
        assert!(*api.pause_ends() <= Some(Instant::now() + BLOCKED_FOR));
    }

    #[tokio::test]
    async fn one_who_was_refused_while_another_waited_for_its_turn_is_not_asked_by_that_one() {
        let api = api(1_000);
        api.all.take().unwrap();
        let nothing = serde_json::Value::Null;
        let asking = api.ask(Purpose::Visitor, "visitor", &nothing);
        let (asked, ()) = tokio::join!(asking, async {
            api.note(Purpose::Visitor, 420, &refused());
        });
        let Err(PbxError::Refused(why)) = asked else {
            panic!("it was asked: {asked:?}");
        };
        assert!(why.starts_with("not asked"), "{why}");
    }
}
