//! The log of routing decisions: written behind the answers, in batches, and later while the database
//! is away. Leaves out the answer as a fact of its call, which goes the ordinary way.

use std::time::Duration;

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

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
/// Decisions of so long are written together, and so many at most: nobody waits for them, and each transaction
/// takes time from answers.
const DECISIONS_OF: Duration = Duration::from_millis(100);
const DECISIONS_MOST: usize = 500;

/// Where decisions wait to be written.
pub(super) struct Log {
    waiting: mpsc::Sender<DecisionRow>,
    closing: CancellationToken,
    task: TaskTracker,
}

impl Log {
    /// Starts the task that keeps decisions.
    pub(super) fn open(db: Db) -> Self {
        let (waiting, decisions) = mpsc::channel(DECISION_QUEUE);
        let (closing, task) = (CancellationToken::new(), TaskTracker::new());
        task.spawn(keep_decisions(db, decisions, closing.clone()));
        task.close();
        Self {
            waiting,
            closing,
            task,
        }
    }

    /// Takes nothing more, and returns when what waits is written or given up.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        self.task.wait().await;
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

async fn keep_decisions(
    db: Db,
    mut waiting: mpsc::Receiver<DecisionRow>,
    closing: CancellationToken,
) {
    let mut batch = Vec::new();
    loop {
        let taken = tokio::select! {
            taken = waiting.recv_many(&mut batch, DECISIONS_MOST) => taken,
            () = closing.cancelled(), if !waiting.is_closed() => {
                waiting.close();
                continue;
            }
        };
        if taken == 0 {
            break;
        }
        gather(&mut batch, &mut waiting, &closing).await;
        keep_batch(&db, &batch).await;
        batch.clear();
    }
}

/// Waits for more, for a while.
async fn gather(
    batch: &mut Vec<DecisionRow>,
    waiting: &mut mpsc::Receiver<DecisionRow>,
    closing: &CancellationToken,
) {
    let until = Instant::now() + DECISIONS_OF;
    while batch.len() < DECISIONS_MOST {
        let room = DECISIONS_MOST - batch.len();
        tokio::select! {
            taken = waiting.recv_many(batch, room) => {
                if taken == 0 {
                    return;
                }
            }
            () = sleep_until(until) => return,
            () = closing.cancelled() => return,
        }
    }
}

/// Tries again while the database is away; meanwhile the queue, which is bounded, takes the others.
async fn keep_batch(db: &Db, batch: &[DecisionRow]) {
    let began = Instant::now();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    fn row(attempt: u32) -> DecisionRow {
        DecisionRow {
            at: Timestamp::from_seconds(1_773_728_100),
            account: "office".into(),
            key: None,
            client: None,
            did: None,
            attempt,
            targets: Vec::new(),
            ring_ms: 0,
            reason: Reason::Timeout.as_str(),
            explain: String::new(),
            took_us: 0,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_within_a_moment_is_written_together() {
        let (queue, mut waiting) = mpsc::channel(10);
        let closing = CancellationToken::new();
        tokio::spawn(async move {
            for attempt in [2, 3] {
                tokio::time::sleep(DECISIONS_OF * 2 / 3).await;
                _ = queue.send(row(attempt)).await;
            }
            // Whoever asks next keeps it open.
            std::future::pending::<()>().await;
        });
        let mut batch = vec![row(1)];
        gather(&mut batch, &mut waiting, &closing).await;
        assert_eq!(batch, [row(1), row(2)], "the third comes too late for it");
        gather(&mut batch, &mut waiting, &closing).await;
        assert_eq!(batch.len(), 3);
        closing.cancel();
        let closed = Instant::now();
        gather(&mut batch, &mut waiting, &closing).await;
        assert_eq!(closed.elapsed(), Duration::ZERO, "who closes does not wait");
    }
}
