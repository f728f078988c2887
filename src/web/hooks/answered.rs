//! Answers to questions "who should ring?": given at once, kept behind the answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::task::TaskTracker;

use super::{Account, Hooks};
use crate::{
    flow::{Flow, Message, enquiry::Answered},
    pbx::{Decoded, Enquiry, Recorded, RouteAnswer},
    rules::routing::Reason,
    store::writer::{CommitError, Receipt},
    telemetry,
};

/// For how long, and with what pause, the facts of an answer given are offered to a busy store.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);
/// Answers to questions that say nothing else are kept together, so often: nobody waits for them, and each batch
/// takes time from answers.
const TOGETHER: Duration = Duration::from_millis(20);

/// Facts of questions already answered, still on their way into the store.
pub(super) struct Behind {
    tasks: TaskTracker,
    /// From when the moments are counted at which answers are kept.
    since: Instant,
}

impl Behind {
    pub(super) fn new() -> Self {
        Self {
            tasks: TaskTracker::new(),
            since: Instant::now(),
        }
    }

    /// Until the next moment at which answers are kept.
    fn pause(&self) -> Duration {
        let gone = self.since.elapsed().as_micros() % TOGETHER.as_micros();
        TOGETHER - Duration::from_micros(u64::try_from(gone).unwrap_or(0))
    }

    /// Waits until nothing is left; nothing more may come.
    pub(super) async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Answers a question at once; its facts follow.
pub(super) async fn answer(
    hooks: &Arc<Hooks>,
    account: &Account,
    enquiry: &Enquiry,
    message: Message,
    mut decoded: Decoded,
    began: Instant,
) -> RouteAnswer {
    let deadline = Duration::from_millis(account.settings.route_timeout_ms);
    let answered = tokio::time::timeout(deadline, hooks.desk.enquire(enquiry))
        .await
        .unwrap_or_else(|_| safe_default(hooks.desk.recorded(enquiry)));
    telemetry::RouteAnswered {
        provider: account.pbx.provider(),
        reason: answered.reason.as_str(),
        took: began.elapsed(),
    }
    .emit();
    // What is told of the call itself may make a pop: it does not wait for a tick of the timer.
    let pause = decoded.events.is_empty().then(|| hooks.behind.pause());
    decoded.events.extend(answered.event);
    let flow = hooks.flow.clone();
    let provider = account.pbx.provider();
    hooks.behind.tasks.spawn(async move {
        let account = message.account.clone();
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        let kept = keep_answered(&flow, message, decoded).await;
        telemetry::Ingested {
            provider,
            way: "route",
            outcome: if kept.is_ok() { "noted" } else { "busy" },
            account: account.as_str(),
            // Who reads how long it takes asks about the store, which has nothing to do with the pause.
            took: began.elapsed().saturating_sub(pause.unwrap_or_default()),
        }
        .emit();
    });
    answered.answer
}

/// The answer is given and nobody sends it again: a store that is behind or away is asked once more.
async fn keep_answered(
    flow: &Flow,
    message: Message,
    decoded: Decoded,
) -> Result<Receipt, CommitError> {
    let began = Instant::now();
    loop {
        let kept = flow.receive(message.clone(), decoded.clone(), None).await;
        if kept != Err(CommitError::Busy) || began.elapsed() >= PATIENCE {
            return kept;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Nobody named: the PBX goes on with its own default. The rule of recording is known all the same, for it is in
/// memory: a line that is not recorded is not to be recorded because we are slow.
fn safe_default(recorded: Recorded) -> Answered {
    Answered {
        answer: RouteAnswer {
            targets: Vec::new(),
            ring_ms: 0,
            together: false,
            display_name: None,
            reason: Reason::Timeout.as_str().to_owned(),
            recorded,
        },
        event: None,
        reason: Reason::Timeout,
    }
}
