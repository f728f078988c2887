//! Which files of recordings the rows speak of, and what is written down of one that is gone.

use uuid::Uuid;

use super::{Db, StoreError, recordings::job_lane};
use crate::{
    model::{ids::CallId, time::Timestamp},
    on_read, on_write,
};

/// Names of the kept recordings, sorted, each once.
pub async fn kept(db: &Db) -> Result<Vec<String>, StoreError> {
    const SQL: &str = "select distinct sha256 from recording where sha256 is not null";
    let rows: Vec<(String,)> = on_read!(db, pool => sqlx::query_as(SQL).fetch_all(pool).await?);
    let mut names: Vec<String> = rows.into_iter().map(|(name,)| name).collect();
    names.sort();
    Ok(names)
}

/// The file of this name is no longer there, or not what it was: where the provider has told where it
/// can be had, it is fetched again; else the recording has failed for this reason. Tells how many are
/// fetched again, and how many are lost.
pub async fn lost(
    db: &Db,
    sha256: &str,
    reason: &str,
    now: Timestamp,
) -> Result<(u64, u64), StoreError> {
    type Row = (i64, Uuid, String, String, Option<String>);
    const ROWS: &str =
        "select id, call, account, recording, source from recording where sha256 = $1 order by id";
    // The writer locks calls before anything else, too.
    const LOCK: &str = "update call set recording = recording where id = $1";
    const SET: &str = "update recording set state = $2, reason = $3, sha256 = null, size = null, \
         peaks = null, measures = null, kept_at = null where id = $1";
    const ADD: &str = "insert into outbox (kind, target, lane, call, body, created_at, due_at) \
         values ('recording', $1, $2, $3, $4, $5, $5)";
    const SHOW: &str = "update call set recording = $2 where id = $1 and not exists \
         (select 1 from recording r where r.call = call.id and r.state in ('kept', 'no_player', 'withheld'))";
    // Writes before it reads: SQLite lets nobody write on what another has changed since it was read.
    const BEGIN: &str = "update recording set sha256 = sha256 where sha256 = $1";
    let (mut again, mut lost) = (0, 0);
    on_write!(db, pool => {
        let mut tx = pool.begin().await?;
        sqlx::query(BEGIN).bind(sha256).execute(&mut *tx).await?;
        let rows: Vec<Row> = sqlx::query_as(ROWS).bind(sha256).fetch_all(&mut *tx).await?;
        for (id, call, account, recording, source) in rows {
            let state = match source {
                Some(_) => "waiting",
                None => "failed",
            };
            sqlx::query(LOCK).bind(call).execute(&mut *tx).await?;
            sqlx::query(SET)
                .bind(id)
                .bind(state)
                .bind(reason)
                .execute(&mut *tx)
                .await?;
            if source.is_some() {
                sqlx::query(ADD)
                    .bind(account)
                    .bind(job_lane(CallId(call), &recording))
                    .bind(call)
                    .bind(recording)
                    .bind(now.as_micros())
                    .execute(&mut *tx)
                    .await?;
                again += 1;
            } else {
                lost += 1;
            }
            sqlx::query(SHOW).bind(call).bind(state).execute(&mut *tx).await?;
        }
        tx.commit().await?;
    });
    Ok((again, lost))
}
