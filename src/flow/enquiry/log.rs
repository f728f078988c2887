//! The log of routing decisions: written behind the answers, in batches, and later while the database
//! is away. Leaves out the answer as a fact of its call, which goes the ordinary way.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::{
    model::{ids::PersonId, phone::Number},
    pbx::{Enquiry, RouteAnswer},
    rules::routing::{Decision, PassedOver, Reason},
    store::{
        Db,
        routing::{self, DecisionRow},
    },
};

/// Pause before decisions that could not be written are tried again, and for how long that goes on.
const DECISION_PAUSE: Duration = Duration::from_secs(1);
const DECISION_PATIENCE: Duration = Duration::from_secs(10 * 60);
/// Decisions waiting to be written; more are counted and dropped, the fact keeps the answer anyway.
const DECISION_QUEUE: usize = 10_000;

/// Where decisions wait to be written.
pub(super) struct Log {
    waiting: mpsc::Sender<DecisionRow>,
}

impl Log {
    /// Starts the task that keeps decisions.
    pub(super) fn open(db: Db) -> Self {
        let (waiting, decisions) = mpsc::channel(DECISION_QUEUE);
        tokio::spawn(keep_decisions(db, decisions));
        Self { waiting }
    }

    /// Queues a decision; never waits.
    pub(super) fn keep(
        &self,
        enquiry: &Enquiry,
        decision: &Decision,
        answer: &RouteAnswer,
        reason: Reason,
        took: Duration,
    ) {
        let row = DecisionRow {
            at: enquiry.at,
            account: enquiry.account.clone(),
            key: enquiry.call.as_ref().map(|key| key.as_str().to_owned()),
            client: enquiry
                .client
                .as_ref()
                .and_then(|number| number.e164())
                .map(str::to_owned),
            did: enquiry.did.as_ref().map(line_text),
            attempt: enquiry.attempt,
            targets: answer.targets.clone(),
            ring_ms: answer.ring_ms,
            reason: reason.as_str(),
            explain: explain(&decision.passed_over),
            took_us: i64::try_from(took.as_micros()).unwrap_or(i64::MAX),
        };
        if self.waiting.try_send(row).is_err() {
            tracing::warn!("the decision log is full; the answer stands only in the call's facts");
        }
    }
}

async fn keep_decisions(db: Db, mut waiting: mpsc::Receiver<DecisionRow>) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, 500).await > 0 {
        keep_batch(&db, &batch).await;
        batch.clear();
    }
}

/// Tries again while the database is away; meanwhile the queue, which is bounded, takes the others.
async fn keep_batch(db: &Db, batch: &[DecisionRow]) {
    let began = tokio::time::Instant::now();
    while let Err(error) = routing::keep_decisions(db, batch).await {
        if !error.may_pass() || began.elapsed() >= DECISION_PATIENCE {
            tracing::warn!(%error, lost = batch.len(), "routing decisions could not be kept");
            return;
        }
        tracing::debug!(%error, "routing decisions are kept later");
        tokio::time::sleep(DECISION_PAUSE).await;
    }
}

fn line_text(number: &Number) -> String {
    match number {
        Number::E164 { e164, .. } => e164.clone(),
        Number::Service(text) | Number::Other(text) => text.clone(),
        Number::Withheld => String::new(),
    }
}

fn explain(passed_over: &[(PersonId, PassedOver)]) -> String {
    let rows: Vec<_> = passed_over
        .iter()
        .map(|(who, why)| serde_json::json!({"person": who, "why": why}))
        .collect();
    serde_json::Value::Array(rows).to_string()
}
