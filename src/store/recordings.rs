//! Recordings and the jobs that fetch them.
//!
//! A job is a row of `outbox` that the writer commits together with the news of a recording:
//! `kind` = `recording`, `target` = the account, `call` = the call, `body` = the recording's name
//! (as in `recording.recording`) and `lane` = [`job_lane`]. The row of `recording` holds what is
//! known; the job only says that something is to be done and when.
//!
//! A job is claimed with a lease. Everything that ends a claim names the attempt it belongs to, so a
//! worker whose lease ran out cannot undo what its successor did.

#[cfg(test)]
pub mod fixtures;

use sqlx::FromRow;
use uuid::Uuid;

use super::{Db, StoreError};
use crate::{
    model::{
        event::RecordingSource,
        ids::{AccountName, CallId},
        recording::RecordingState,
        time::Timestamp,
    },
    on_read, on_write,
};

/// `outbox.lane` of the jobs of one recording.
pub fn job_lane(call: CallId, recording: &str) -> String {
    format!("recording/{call}/{recording}")
}

/// A claimed job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Row of `outbox`.
    pub id: i64,
    /// Which attempt this is, from 1.
    pub attempt: i64,
    /// The account that told of the recording.
    pub account: AccountName,
    /// The call.
    pub call: CallId,
    /// The provider's id or file name.
    pub recording: String,
}

/// What is to be fetched for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Row of `recording`.
    pub id: i64,
    /// The call; another than the job's if calls have turned out to be one since.
    pub call: CallId,
    /// Where it stands.
    pub state: RecordingState,
    /// Where it can be had. A secret.
    pub source: Option<RecordingSource>,
}

/// What is written down of a file that is now in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    /// [`RecordingState::Kept`] or [`RecordingState::NoPlayer`].
    pub state: RecordingState,
    /// Why there is no player, as a closed word; empty when there is one.
    pub reason: String,
    /// SHA-256 of the bytes, lower-case hex.
    pub sha256: String,
    /// Length of the file in bytes.
    pub size: i64,
    /// Format as a closed word.
    pub format: String,
    /// Length of the sound.
    pub duration_ms: Option<i64>,
    /// Number of sides.
    pub channels: Option<i64>,
    /// Samples per second.
    pub sample_rate: Option<i64>,
    /// Peaks of all sides, one side after the other.
    pub peaks: Option<Vec<u8>>,
    /// Talk and silence as JSON.
    pub measures: Option<String>,
}

/// A recording as pages and exports show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Row id, used in addresses of pages.
    pub id: i64,
    /// The call.
    pub call: CallId,
    /// Where it stands.
    pub state: RecordingState,
    /// Why, where there is more to say than the state.
    pub reason: String,
    /// SHA-256 of the bytes, if they are here.
    pub sha256: Option<String>,
    /// Length of the file in bytes, if it is here.
    pub size: Option<i64>,
    /// Format as a closed word, if it is here.
    pub format: Option<String>,
    /// Length of the sound, where known.
    pub duration_ms: Option<i64>,
}

/// What a player draws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Length of the sound.
    pub duration_ms: i64,
    /// Number of sides.
    pub channels: i64,
    /// Peaks of all sides, one side after the other.
    pub peaks: Vec<u8>,
    /// Talk and silence as JSON.
    pub measures: String,
}

/// Whether any job could be claimed now. A read, so that an idle lane never meets the writer.
pub async fn is_due(db: &Db, now: Timestamp) -> Result<bool, StoreError> {
    const SQL: &str = "select 1 from outbox where kind = 'recording' and state = 'waiting' \
         and due_at <= $1 and (claimed_until is null or claimed_until <= $1) limit 1";
    let due = on_read!(db, pool => {
        sqlx::query(SQL).bind(now.as_micros()).fetch_optional(pool).await?.is_some()
    });
    Ok(due)
}

/// Claims due jobs until `lease_until`: the oldest of each lane, at most `limit`.
pub async fn claim(
    db: &Db,
    now: Timestamp,
    lease_until: Timestamp,
    limit: i64,
) -> Result<Vec<Job>, StoreError> {
    type Row = (i64, i64, String, Option<Uuid>, String);
    macro_rules! claim_sql {
        ($lock:literal) => {
            concat!(
                "update outbox set claimed_until = $1, attempts = attempts + 1 where id in ( \
                 select o.id from outbox o where o.kind = 'recording' and o.state = 'waiting' \
                 and o.due_at <= $2 and (o.claimed_until is null or o.claimed_until <= $2) \
                 and not exists (select 1 from outbox e where e.lane = o.lane \
                 and e.state = 'waiting' and e.id < o.id) \
                 order by o.due_at, o.id limit $3 ",
                $lock,
                ") returning id, attempts, target, call, body"
            )
        };
    }
    let (lease_until, now) = (lease_until.as_micros(), now.as_micros());
    let mut rows: Vec<Row> = match db {
        Db::Lite { write, .. } => {
            sqlx::query_as(claim_sql!(""))
                .bind(lease_until)
                .bind(now)
                .bind(limit)
                .fetch_all(write)
                .await?
        }
        Db::Pg(pool) => {
            sqlx::query_as(claim_sql!("for update of o skip locked"))
                .bind(lease_until)
                .bind(now)
                .bind(limit)
                .fetch_all(pool)
                .await?
        }
    };
    rows.sort_unstable();
    let jobs = rows
        .into_iter()
        .map(|(id, attempt, account, call, recording)| Job {
            id,
            attempt,
            account: account.into(),
            call: CallId(call.unwrap_or_default()),
            recording,
        });
    Ok(jobs.collect())
}

/// What the job is to fetch; `None` if the recording is no longer known.
pub async fn wanted(db: &Db, job: &Job) -> Result<Option<Wanted>, StoreError> {
    // Through the job's row: it moves with its call when calls turn out to be one.
    const SQL: &str = "select r.id, r.call, r.state, r.source from outbox o \
         join recording r on r.call = o.call and r.recording = o.body where o.id = $1";
    let row: Option<(i64, Uuid, String, Option<String>)> = on_read!(db, pool => {
        sqlx::query_as(SQL).bind(job.id).fetch_optional(pool).await?
    });
    let Some((id, call, state, source)) = row else {
        return Ok(None);
    };
    let source = source
        .map(|source| serde_json::from_str(&source))
        .transpose();
    Ok(Some(Wanted {
        id,
        call: CallId(call),
        state: state_of(&state),
        source: source.map_err(|source| StoreError::Value {
            what: "recording.source",
            source,
        })?,
    }))
}

/// Shows that the recording is being fetched.
pub async fn mark_fetching(db: &Db, id: i64) -> Result<(), StoreError> {
    set_state(db, id, RecordingState::Fetching, "").await
}

/// Holds a claim for longer. Returns `false` if it is no longer ours.
pub async fn renew(db: &Db, job: &Job, lease_until: Timestamp) -> Result<bool, StoreError> {
    const SQL: &str = "update outbox set claimed_until = $3 \
         where id = $1 and attempts = $2 and state = 'waiting'";
    let renewed = on_write!(db, pool => {
        sqlx::query(SQL)
            .bind(job.id)
            .bind(job.attempt)
            .bind(lease_until.as_micros())
            .execute(pool)
            .await?
            .rows_affected()
    });
    Ok(renewed > 0)
}

/// Gives a claim up in the middle of the attempt, so that anybody may begin the next one.
pub async fn give_back(db: &Db, job: &Job) -> Result<(), StoreError> {
    const SQL: &str = "update outbox set claimed_until = null \
         where id = $1 and attempts = $2 and state = 'waiting'";
    on_write!(db, pool => {
        sqlx::query(SQL).bind(job.id).bind(job.attempt).execute(pool).await?;
    });
    Ok(())
}

/// The file is in the store: the recording, the call and the job say so in one transaction.
/// Returns `false` if the claim is no longer ours; then nothing is changed.
pub async fn file(
    db: &Db,
    job: &Job,
    id: i64,
    filed: &Filed,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str = "update recording set state = $2, reason = $3, sha256 = $4, size = $5, \
         format = $6, duration_ms = $7, channels = $8, sample_rate = $9, peaks = $10, \
         measures = $11, kept_at = $12 where id = $1";
    on_write!(db, pool => {
        let mut tx = pool.begin().await?;
        sqlx::query(LOCK_CALL).bind(id).execute(&mut *tx).await?;
        let ended = sqlx::query(END_JOB)
            .bind(job.id)
            .bind(job.attempt)
            .bind("done")
            .bind("")
            .execute(&mut *tx)
            .await?;
        if ended.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(SQL)
            .bind(id)
            .bind(filed.state.as_str())
            .bind(&filed.reason)
            .bind(&filed.sha256)
            .bind(filed.size)
            .bind(&filed.format)
            .bind(filed.duration_ms)
            .bind(filed.channels)
            .bind(filed.sample_rate)
            .bind(filed.peaks.as_deref())
            .bind(filed.measures.as_deref())
            .bind(now.as_micros())
            .execute(&mut *tx)
            .await?;
        sqlx::query(SHOW_ON_CALL).bind(id).execute(&mut *tx).await?;
        tx.commit().await?;
    });
    Ok(true)
}

/// The attempt failed and the next one is due at `due_at`. Returns `false` if the claim is no longer
/// ours; then nothing is changed.
pub async fn put_off(
    db: &Db,
    job: &Job,
    id: i64,
    due_at: Timestamp,
    reason: &str,
) -> Result<bool, StoreError> {
    const SQL: &str = "update outbox set claimed_until = null, due_at = $3, error = $4 \
         where id = $1 and attempts = $2 and state = 'waiting'";
    let put_off = on_write!(db, pool => {
        sqlx::query(SQL)
            .bind(job.id)
            .bind(job.attempt)
            .bind(due_at.as_micros())
            .bind(reason)
            .execute(pool)
            .await?
            .rows_affected()
    });
    if put_off == 0 {
        return Ok(false);
    }
    set_state(db, id, RecordingState::Waiting, reason).await?;
    Ok(true)
}

/// There will be no further attempt; the recording stays visible with its state and reason. Returns
/// `false` if the claim is no longer ours; then nothing is changed.
pub async fn give_up(
    db: &Db,
    job: &Job,
    id: i64,
    state: RecordingState,
    reason: &str,
) -> Result<bool, StoreError> {
    on_write!(db, pool => {
        let mut tx = pool.begin().await?;
        sqlx::query(LOCK_CALL).bind(id).execute(&mut *tx).await?;
        let ended = sqlx::query(END_JOB)
            .bind(job.id)
            .bind(job.attempt)
            .bind("failed")
            .bind(reason)
            .execute(&mut *tx)
            .await?;
        if ended.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(SET_STATE)
            .bind(id)
            .bind(state.as_str())
            .bind(reason)
            .execute(&mut *tx)
            .await?;
        sqlx::query(SHOW_ON_CALL).bind(id).execute(&mut *tx).await?;
        tx.commit().await?;
    });
    Ok(true)
}

/// Nothing is left to do for this job. Returns `false` if the claim is no longer ours.
pub async fn drop_job(db: &Db, job: &Job) -> Result<bool, StoreError> {
    end_job(db, job, "done", "").await
}

/// All recordings of a call, oldest first.
pub async fn of_call(db: &Db, call: CallId) -> Result<Vec<Recording>, StoreError> {
    const SQL: &str = "select id, call, state, reason, sha256, size, format, duration_ms \
         from recording where call = $1 order by id";
    let rows: Vec<RecordingRow> = on_read!(db, pool => {
        sqlx::query_as(SQL).bind(call.0).fetch_all(pool).await?
    });
    Ok(rows.into_iter().map(RecordingRow::into_recording).collect())
}

/// One recording.
pub async fn by_id(db: &Db, id: i64) -> Result<Option<Recording>, StoreError> {
    const SQL: &str = "select id, call, state, reason, sha256, size, format, duration_ms \
         from recording where id = $1";
    let row: Option<RecordingRow> = on_read!(db, pool => {
        sqlx::query_as(SQL).bind(id).fetch_optional(pool).await?
    });
    Ok(row.map(RecordingRow::into_recording))
}

/// What a player draws for a recording; `None` unless it is kept and measured.
pub async fn picture(db: &Db, id: i64) -> Result<Option<Picture>, StoreError> {
    type Row = (Option<i64>, Option<i64>, Option<Vec<u8>>, Option<String>);
    const SQL: &str = "select duration_ms, channels, peaks, measures from recording \
         where id = $1 and state = 'kept'";
    let row: Option<Row> = on_read!(db, pool => {
        sqlx::query_as(SQL).bind(id).fetch_optional(pool).await?
    });
    Ok(row.and_then(|(duration_ms, channels, peaks, measures)| {
        Some(Picture {
            duration_ms: duration_ms?,
            channels: channels?,
            peaks: peaks?,
            measures: measures?,
        })
    }))
}

/// Takes the call's lock before any other row: the writer locks calls first, too.
pub(super) const LOCK_CALL: &str = "update call set recording = recording \
     where id = (select call from recording where id = $1)";
const END_JOB: &str = "update outbox set state = $3, error = $4, claimed_until = null \
     where id = $1 and attempts = $2 and state = 'waiting'";
/// A recording that is here stays here.
const SET_STATE: &str = "update recording set state = $2, reason = $3 \
     where id = $1 and state not in ('kept', 'no_player', 'withheld')";
/// The call shows the state of most worth among its recordings ([`RecordingState::ALL`]).
pub(super) const SHOW_ON_CALL: &str = "update call set recording = (select state from recording \
     where recording.call = call.id order by case state when 'kept' then 0 \
     when 'no_player' then 1 when 'withheld' then 2 when 'fetching' then 3 when 'waiting' then 4 \
     when 'failed' then 5 when 'refused' then 6 else 7 end limit 1) \
     where id = (select call from recording where id = $1)";

async fn end_job(db: &Db, job: &Job, state: &str, error: &str) -> Result<bool, StoreError> {
    let ended = on_write!(db, pool => {
        sqlx::query(END_JOB)
            .bind(job.id)
            .bind(job.attempt)
            .bind(state)
            .bind(error)
            .execute(pool)
            .await?
            .rows_affected()
    });
    Ok(ended > 0)
}

/// Changes the state of a recording that is not here yet.
async fn set_state(
    db: &Db,
    id: i64,
    state: RecordingState,
    reason: &str,
) -> Result<(), StoreError> {
    on_write!(db, pool => {
        let mut tx = pool.begin().await?;
        sqlx::query(LOCK_CALL).bind(id).execute(&mut *tx).await?;
        sqlx::query(SET_STATE)
            .bind(id)
            .bind(state.as_str())
            .bind(reason)
            .execute(&mut *tx)
            .await?;
        sqlx::query(SHOW_ON_CALL).bind(id).execute(&mut *tx).await?;
        tx.commit().await?;
    });
    Ok(())
}

/// A state that a newer version wrote is shown as failed rather than hidden.
fn state_of(word: &str) -> RecordingState {
    RecordingState::parse(word).unwrap_or(RecordingState::Failed)
}

#[derive(FromRow)]
struct RecordingRow {
    id: i64,
    call: Uuid,
    state: String,
    reason: String,
    sha256: Option<String>,
    size: Option<i64>,
    format: Option<String>,
    duration_ms: Option<i64>,
}

impl RecordingRow {
    fn into_recording(self) -> Recording {
        Recording {
            id: self.id,
            call: CallId(self.call),
            state: state_of(&self.state),
            reason: self.reason,
            sha256: self.sha256,
            size: self.size,
            format: self.format,
            duration_ms: self.duration_ms,
        }
    }
}
