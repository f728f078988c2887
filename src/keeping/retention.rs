//! Lets go of what is no longer needed, by class: recordings, calls, cards without calls. The raw journal,
//! dead letters, the audit and jobs have their periods in `flow::upkeep`. Nothing under a legal hold goes;
//! what goes is counted in the purge log.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fsck::FsckError;
use crate::{
    model::{
        ids::CallId,
        recording::{CONSENT_MISSING, Verdict},
        time::Timestamp,
    },
    recordings::vault::Vault,
    store::{
        Db, purge, recorded,
        retention::{self as rows, Held},
    },
};

/// Rows looked at in one transaction.
const PORTION: i64 = 200;
/// Pause between two portions: they hold the write lock.
const BREATH: Duration = Duration::from_millis(50);
/// How often to see whether a new day has begun.
const LOOK_AGAIN: Duration = Duration::from_secs(10 * 60);
const DAY_MS: i64 = 86_400_000;

/// How long things are kept; 0: for ever.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Days after the call for which its recordings are kept.
    pub recording_days: i64,
    /// Days for which calls are kept, with their recordings.
    pub call_days: i64,
    /// Days for which cards without calls are kept after their last change.
    pub card_days: i64,
    /// Days for which a recording waits for the consent it needs.
    pub consent_days: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            recording_days: 0,
            call_days: 0,
            card_days: 0,
            consent_days: 14,
        }
    }
}

/// Looks once a day.
pub async fn run(db: Db, vault: Vault, settings: Settings, now: fn() -> Timestamp) {
    let mut looked = None;
    loop {
        let today = now().as_millis().div_euclid(DAY_MS);
        if looked != Some(today) {
            match once(&db, &vault, &settings, now()).await {
                Ok(()) => looked = Some(today),
                Err(error) => tracing::warn!(%error, "retention stopped and goes on later"),
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Lets go of everything whose time is up.
pub async fn once(
    db: &Db,
    vault: &Vault,
    settings: &Settings,
    now: Timestamp,
) -> Result<(), FsckError> {
    let keeper = Keeper {
        db,
        vault,
        held: rows::held(db).await?,
        now,
    };
    keeper
        .waiting_for_consent(None, keeper.limit(settings.consent_days))
        .await?;
    if let Some(before) = keeper.limit(settings.recording_days) {
        keeper.recordings(before).await?;
    }
    if let Some(before) = keeper.limit(settings.call_days) {
        keeper.calls(before).await?;
        keeper.clients(before).await?;
    }
    if let Some(before) = keeper.limit(settings.card_days) {
        keeper.cards(before).await?;
    }
    Ok(())
}

/// Looks at the recordings of a call that wait for consent, because somebody has said something.
pub async fn heard_of_consent(
    db: &Db,
    vault: &Vault,
    call: CallId,
    now: Timestamp,
) -> Result<(), FsckError> {
    let keeper = Keeper {
        db,
        vault,
        held: rows::held(db).await?,
        now,
    };
    keeper.waiting_for_consent(Some(call), None).await
}

struct Keeper<'a> {
    db: &'a Db,
    vault: &'a Vault,
    held: Held,
    now: Timestamp,
}

impl Keeper<'_> {
    /// `None`: kept for ever.
    fn limit(&self, days: i64) -> Option<Timestamp> {
        (days > 0).then(|| self.now.plus_millis(-days.saturating_mul(DAY_MS)))
    }

    /// Recordings that wait for consent: those that have it by now are free, those that were refused it go,
    /// and so do those that have waited since before `before`.
    async fn waiting_for_consent(
        &self,
        call: Option<CallId>,
        before: Option<Timestamp>,
    ) -> Result<(), FsckError> {
        let mut after = 0;
        let (mut refused, mut missing, mut files) = (0, 0, 0);
        loop {
            let portion = recorded::withheld(self.db, call, after, PORTION).await?;
            let Some(last) = portion.last() else { break };
            after = last.id;
            for one in portion {
                let is_late = before.is_some_and(|before| one.since < before);
                let reason = match recorded::verdict(self.db, one.call).await? {
                    Verdict::Keep => {
                        recorded::release(self.db, one.id).await?;
                        continue;
                    }
                    Verdict::Leave(reason) => reason,
                    Verdict::Withhold if is_late => CONSENT_MISSING,
                    Verdict::Withhold => continue,
                };
                if self.held.covers(one.call, one.card) {
                    continue;
                }
                let file = recorded::let_go(self.db, one.id, reason).await?;
                files += self.remove(file.as_slice()).await?;
                match reason {
                    CONSENT_MISSING => missing += 1,
                    _ => refused += 1,
                }
            }
        }
        let now = self.now;
        self.told("consent_refused", "recording", refused, now)
            .await?;
        self.told(
            "consent_missing",
            "recording",
            missing,
            before.unwrap_or(now),
        )
        .await?;
        self.told("consent", "files", files, now).await
    }

    async fn recordings(&self, before: Timestamp) -> Result<(), FsckError> {
        let (mut gone, mut files) = (0, 0);
        let mut after = Some(0);
        while let Some(row) = after {
            let done = rows::recordings(self.db, &self.held, before, row, PORTION).await?;
            gone += done.rows;
            files += self.remove(&done.files).await?;
            after = done.after;
            tokio::time::sleep(BREATH).await;
        }
        self.told("recordings", "recording", gone, before).await?;
        self.told("recordings", "files", files, before).await
    }

    async fn calls(&self, before: Timestamp) -> Result<(), FsckError> {
        let (mut gone, mut files) = (0, 0);
        let mut after = Some((i64::MIN, Uuid::nil()));
        while let Some(row) = after {
            let done = rows::calls(self.db, &self.held, before, row, PORTION).await?;
            gone += done.rows;
            files += self.remove(&done.files).await?;
            after = done.after;
            tokio::time::sleep(BREATH).await;
        }
        self.told("calls", "call", gone, before).await?;
        self.told("calls", "files", files, before).await
    }

    async fn clients(&self, before: Timestamp) -> Result<(), FsckError> {
        let mut gone = 0;
        let day = before.as_millis().div_euclid(DAY_MS);
        while let Some(rows) = rows::day_of_clients(self.db, day).await? {
            gone += rows;
            tokio::time::sleep(BREATH).await;
        }
        self.told("calls", "rollup_client", gone, before).await
    }

    async fn cards(&self, before: Timestamp) -> Result<(), FsckError> {
        let mut gone = 0;
        let mut after = Some(Uuid::nil());
        while let Some(row) = after {
            let done = rows::cards(self.db, &self.held, before, row, PORTION).await?;
            gone += done.rows;
            after = done.after;
            tokio::time::sleep(BREATH).await;
        }
        self.told("cards", "card", gone, before).await
    }

    /// Removes files that no row speaks of any more.
    async fn remove(&self, files: &[String]) -> Result<u64, FsckError> {
        let mut removed = 0;
        for name in files {
            if !rows::is_wanted(self.db, name).await? {
                self.vault.remove(name).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn told(
        &self,
        rule: &str,
        what: &str,
        gone: u64,
        before: Timestamp,
    ) -> Result<(), FsckError> {
        Ok(purge::by_age(self.db, rule, what, gone, before, self.now).await?)
    }
}
