//! Tells the outside what has happened: webhooks and mail, until they are told or visibly given up
//! (step 7 of a call event).
//!
//! News, written with the change itself, become one message for each subscription that wants them
//! (`Outside::make_messages`); messages are told lane by lane ([`Outside::run`]), tried again for three
//! days (`schedule`), and written down with every attempt. A message keeps its id on every attempt, so
//! a receiver that has heard it knows. A subscription that was told nothing for a whole schedule is
//! disabled, which is an alarm.
//!
//! Leaves out: what a change means (`rules::news`), the tables (`store::deliveries`).

mod attempt;
mod mail;
mod message;
mod schedule;
mod signature;

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use self::mail::Mailer;
pub use self::mail::Settings as MailSettings;
use crate::{
    http,
    model::time::Timestamp,
    store::{
        Db, StoreError,
        deliveries::{self, Attempted, NewDelivery},
        news, subscriptions,
    },
    telemetry::SubscriptionDisabled,
};

/// News turned into messages in one transaction: it holds the write lock.
const NEWS_AT_ONCE: i64 = 256;
/// Messages of disabled subscriptions that fail in one transaction.
const FAILED_AT_ONCE: i64 = 1_000;
/// How long attempts under way may go on at shutdown; what is cut off is told again.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// How the outside is told.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How often news and due messages are looked for, in milliseconds.
    pub poll_ms: u64,
    /// How many messages are on their way to one subscription at once.
    pub max_open_messages: usize,
    /// How long one attempt may take, in milliseconds.
    pub answer_timeout_ms: u64,
    /// How much of an answer is read and kept, in bytes.
    pub max_answer_bytes: usize,
    /// How long a message is tried, in hours.
    pub horizon_hours: u64,
    /// How long a claimed message is left alone if its worker has died, in milliseconds.
    pub lease_ms: i64,
    /// Hosts in a private network or on this machine that may be told.
    pub private_hosts: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            poll_ms: 500,
            max_open_messages: 4,
            answer_timeout_ms: 15_000,
            max_answer_bytes: 1_024,
            horizon_hours: 72,
            lease_ms: 60_000,
            private_hosts: Vec::new(),
        }
    }
}

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What tells the outside.
pub struct Outside {
    db: Db,
    http: http::Client,
    mailer: Mailer,
    settings: Settings,
    public_url: String,
    clock: Clock,
}

/// Attempts under way, with the subscription of each.
#[derive(Default)]
struct Running {
    attempts: JoinSet<Attempted>,
    whose: HashMap<Id, i64>,
}

impl Outside {
    /// Puts it together; `site` is the address of the pages and the company's time zone. Nothing runs
    /// before [`Outside::run`].
    pub fn new(
        db: Db,
        http: http::Client,
        settings: (&Settings, &MailSettings),
        site: (&str, jiff::tz::TimeZone),
        clock: Clock,
    ) -> Self {
        Self {
            db,
            http,
            mailer: Mailer::new(settings.1, site.1),
            settings: settings.0.clone(),
            public_url: site.0.to_owned(),
            clock,
        }
    }

    /// Works until told to stop.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut running = Running::default();
        loop {
            if let Err(error) = self.look(&mut running).await {
                tracing::warn!(%error, "news for the outside cannot be read");
            }
            tokio::select! {
                () = stop.cancelled() => break,
                done = running.some_done(), if !running.is_empty() => self.write_down(done).await,
                () = tokio::time::sleep(Duration::from_millis(self.settings.poll_ms)) => {}
            }
        }
        let last_words = async {
            while !running.is_empty() {
                let done = running.some_done().await;
                self.write_down(done).await;
            }
        };
        // What does not end in time is told again under the same id.
        let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
    }

    /// Works through everything that is due now; returns how many attempts were made.
    pub async fn work_due(self: &Arc<Self>) -> Result<usize, StoreError> {
        let (mut running, mut attempts) = (Running::default(), 0);
        loop {
            self.look(&mut running).await?;
            if running.is_empty() {
                return Ok(attempts);
            }
            let done = running.some_done().await;
            attempts += done.len();
            self.write_down(done).await;
        }
    }

    /// Makes messages of news and begins to tell what is due.
    async fn look(self: &Arc<Self>, running: &mut Running) -> Result<(), StoreError> {
        while self.make_messages().await? {}
        let now = (self.clock)();
        deliveries::fail_disabled(&self.db, now, FAILED_AT_ONCE).await?;
        for whose in deliveries::due(&self.db, now).await? {
            let Some(subscription) = subscriptions::by_id(&self.db, whose).await? else {
                continue;
            };
            // One that fails is asked gently: one message at a time.
            let room = match subscription.failing_since {
                Some(_) => 1,
                None => self.settings.max_open_messages.max(1),
            };
            let free = room.saturating_sub(running.of(whose));
            if free == 0 {
                continue;
            }
            let lease_until = now.plus_millis(self.settings.lease_ms);
            let claimed = deliveries::claim(&self.db, whose, now, lease_until, free as i64).await?;
            let subscription = Arc::new(subscription);
            for one in claimed {
                let attempt = Arc::clone(self).attempt(Arc::clone(&subscription), one);
                let id = running.attempts.spawn(attempt).id();
                running.whose.insert(id, whose);
            }
        }
        Ok(())
    }

    /// Turns a portion of news into messages; tells whether there may be more.
    async fn make_messages(&self) -> Result<bool, StoreError> {
        let found = news::oldest(&self.db, NEWS_AT_ONCE).await?;
        if found.is_empty() {
            return Ok(false);
        }
        let subscriptions = subscriptions::all(&self.db).await?;
        let names = news::names(&self.db).await?;
        let mut new = Vec::new();
        for one in &found {
            let wanting: Vec<_> = subscriptions
                .iter()
                .filter(|s| s.wants(&one.kind))
                .collect();
            if wanting.is_empty() {
                continue;
            }
            let composed = message::compose(&self.db, one, &names, &self.public_url).await?;
            let Some(message) = composed else { continue };
            for subscription in wanting {
                new.push(NewDelivery {
                    subscription: subscription.id,
                    message: format!("msg_{}", uuid::Uuid::now_v7().simple()),
                    kind: one.kind.clone(),
                    lane: message.lane.clone(),
                    body: message.body.clone(),
                    is_failed: !subscription.is_active(),
                });
            }
        }
        let taken: Vec<i64> = found.iter().map(|one| one.id).collect();
        let is_ours = deliveries::make(&self.db, &taken, new, (self.clock)()).await?;
        Ok(is_ours && found.len() as i64 == NEWS_AT_ONCE)
    }

    /// Writes down what came of attempts; one that cannot be written down is made again.
    async fn write_down(&self, done: Vec<Attempted>) {
        if done.is_empty() {
            return;
        }
        if let Err(error) = self.try_write_down(&done).await {
            tracing::warn!(%error, "what came of messages could not be written down");
        }
    }

    async fn try_write_down(&self, done: &[Attempted]) -> Result<(), StoreError> {
        deliveries::settle(&self.db, done).await?;
        for one in done.iter().filter(|one| !one.error.is_empty()) {
            let claimed = &one.claimed;
            let reason = match one.error.as_str() {
                "gone" => "gone",
                _ if one.again_at.is_none() && self.is_silent(one).await? => "gave_up",
                _ => continue,
            };
            if subscriptions::disable(&self.db, claimed.subscription, reason).await? {
                SubscriptionDisabled {
                    subscription: claimed.subscription,
                    reason,
                }
                .emit();
            }
        }
        Ok(())
    }

    /// Whether a whole schedule has gone by without a word that was heard.
    async fn is_silent(&self, one: &Attempted) -> Result<bool, StoreError> {
        let from = one.claimed.retry_from;
        let whole = self.horizon_ms() <= one.at.millis_since(Timestamp::from_micros(from));
        Ok(whole && !deliveries::told_since(&self.db, one.claimed.subscription, from).await?)
    }

    fn horizon_ms(&self) -> i64 {
        i64::try_from(self.settings.horizon_hours.saturating_mul(3_600_000)).unwrap_or(i64::MAX)
    }
}

impl Running {
    fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    fn of(&self, subscription: i64) -> usize {
        let of_it = |whose: &&i64| **whose == subscription;
        self.whose.values().filter(of_it).count()
    }

    /// Waits for an attempt to end, and takes all that have.
    async fn some_done(&mut self) -> Vec<Attempted> {
        let mut done = Vec::new();
        let mut next = self.attempts.join_next_with_id().await;
        while let Some(ended) = next {
            match ended {
                Ok((id, attempted)) => {
                    self.whose.remove(&id);
                    done.push(attempted);
                }
                // Its lease runs out and it is tried again.
                Err(error) => {
                    self.whose.remove(&error.id());
                    tracing::error!(%error, "an attempt to tell the outside gave up");
                }
            }
            next = self.attempts.try_join_next_with_id();
        }
        done
    }
}
