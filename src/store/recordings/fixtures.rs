//! What the writer does when a recording is told of, for tests of the lane.

use super::*;

/// A call with one recording and its job, due at once.
pub async fn tell(db: &Db, account: &str, recording: &str, source: &RecordingSource) -> CallId {
    let call = CallId(Uuid::now_v7());
    let source = serde_json::to_string(source).unwrap();
    on_write!(db, pool => {
        sqlx::query(
            "insert into call (id, account, call_key, version, phase, started_at, heard_at, \
             derived) values ($1, $2, '1', 1, 'ended', 0, 0, '{}')",
        )
        .bind(call.0)
        .bind(account)
        .execute(pool)
        .await
        .unwrap();
        sqlx::query(
            "insert into recording (call, account, recording, source, state, created_at) \
             values ($1, $2, $3, $4, 'waiting', 0)",
        )
        .bind(call.0)
        .bind(account)
        .bind(recording)
        .bind(&source)
        .execute(pool)
        .await
        .unwrap();
    });
    tell_again(db, account, recording, call).await;
    call
}

/// Another job for the same recording.
pub async fn tell_again(db: &Db, account: &str, recording: &str, call: CallId) {
    on_write!(db, pool => {
        sqlx::query(
            "insert into outbox (kind, target, lane, call, body, created_at, due_at) \
             values ('recording', $1, $2, $3, $4, 0, 0)",
        )
        .bind(account)
        .bind(job_lane(call, recording))
        .bind(call.0)
        .bind(recording)
        .execute(pool)
        .await
        .unwrap();
    });
}

/// State and error of the call's jobs, and the state that the call shows.
pub async fn shown(db: &Db, call: CallId) -> (String, String, Option<String>) {
    let sql = "select o.state, o.error, c.recording from outbox o join call c on c.id = o.call \
         where c.id = $1";
    on_read!(db, pool => sqlx::query_as(sql).bind(call.0).fetch_one(pool).await.unwrap())
}
