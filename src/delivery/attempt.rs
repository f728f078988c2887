//! One attempt to tell one message, and what its end means.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Outside, schedule::again_at, signature};
use crate::{
    http,
    model::time::Timestamp,
    store::{
        deliveries::{Attempted, Claimed},
        subscriptions::Subscription,
    },
    telemetry::Told,
};

/// How an attempt ended.
pub(super) struct Ended {
    /// Status of the answer, if one came.
    pub(super) status: Option<i64>,
    /// A closed word; empty: it went well.
    pub(super) error: &'static str,
    /// The answer's first bytes.
    pub(super) answer: String,
    /// Whether another attempt may go better.
    pub(super) may_pass: bool,
    /// What the other side asks to wait.
    pub(super) wait: Option<Duration>,
}

impl Ended {
    /// It did not come to an answer.
    pub(super) fn failed(error: &'static str, may_pass: bool) -> Self {
        Self {
            status: None,
            error,
            answer: String::new(),
            may_pass,
            wait: None,
        }
    }

    fn of_answer(answered: http::Answered) -> Self {
        let error = match answered.status {
            200..=299 => "",
            300..=399 => "redirect",
            410 => "gone",
            _ => "status",
        };
        Self {
            status: Some(i64::from(answered.status)),
            error,
            // PostgreSQL takes no NUL.
            answer: String::from_utf8_lossy(&answered.body).replace('\0', ""),
            may_pass: error != "gone",
            wait: answered.retry_after,
        }
    }

    fn of_error(error: &http::Error) -> Self {
        match error {
            http::Error::PrivateAddress(_) => Self::failed("private_address", false),
            http::Error::Address | http::Error::HostNotAllowed(_) => Self::failed("address", false),
            http::Error::Timeout => Self::failed("timeout", true),
            _ => Self::failed("unreachable", true),
        }
    }
}

impl Outside {
    /// Tells a message once.
    pub(super) async fn attempt(
        self: Arc<Self>,
        subscription: Arc<Subscription>,
        claimed: Claimed,
    ) -> Attempted {
        let (at, began) = ((self.clock)(), Instant::now());
        let ended = match subscription.mailbox() {
            Some(mailbox) => {
                let text = (claimed.kind.as_str(), claimed.body.as_str());
                self.mailer.send(mailbox, &claimed.message, text).await
            }
            None => self.post(&subscription, &claimed, at.as_seconds()).await,
        };
        let took = began.elapsed();
        Told {
            way: match subscription.mailbox() {
                Some(_) => "mail",
                None => "webhook",
            },
            error: ended.error,
            took,
        }
        .emit();
        let from = Timestamp::from_micros(claimed.retry_from);
        let horizon = Duration::from_millis(self.horizon_ms().unsigned_abs());
        let is_open = !ended.error.is_empty() && ended.may_pass;
        let dice = rand::random_range(0..=100);
        let again_at = is_open
            .then(|| again_at(claimed.attempts, (from, at), ended.wait, horizon, dice))
            .flatten();
        Attempted {
            claimed,
            at,
            took_ms: i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
            status: ended.status,
            error: ended.error.to_owned(),
            answer: ended.answer,
            again_at,
        }
    }

    async fn post(&self, subscription: &Subscription, claimed: &Claimed, seconds: i64) -> Ended {
        let now = Timestamp::from_seconds(seconds);
        let secrets = subscription.secrets(now);
        let headers = signature::headers(&claimed.message, seconds, &claimed.body, &secrets);
        let post = http::Post {
            url: &subscription.address,
            headers: &headers,
            body: &claimed.body,
            private_hosts: &self.settings.private_hosts,
            timeout: Duration::from_millis(self.settings.answer_timeout_ms),
            max_answer: self.settings.max_answer_bytes,
        };
        match self.http.post(&post).await {
            Ok(answered) => Ended::of_answer(answered),
            Err(error) => Ended::of_error(&error),
        }
    }
}
