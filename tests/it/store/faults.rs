//! The database is away, locked or full: nothing is acknowledged that is not durable, and all goes on
//! by itself when it is back.

use std::time::{Duration, Instant};

use ringcard::store::{
    Db,
    writer::{CommitError, Health, Settings, Submission, Writer},
};
use sqlx::Connection;

use super::{
    read::{count, outcomes},
    told::{Told, message},
};
use crate::support::base::Base;

const CLIENT: &str = "+74950000011";

fn impatient(base: &Base) -> Writer {
    let settings = Settings {
        patience_ms: 300,
        ..Settings::default()
    };
    Writer::start(base.db.clone(), 1, &settings)
}

fn one(key: &str) -> Submission {
    message(vec![Told::incoming(key, CLIENT, 0).parties()])
}

/// Commits until it goes through, for at most 20 s.
async fn until_taken(writer: &Writer, submission: &Submission) {
    let began = Instant::now();
    while let Err(error) = writer.commit(submission.clone()).await {
        assert_eq!(error, CommitError::Busy);
        assert!(began.elapsed() < Duration::from_secs(20), "never recovered");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_file_is_waited_for_and_then_used() {
    let base = Base::sqlite().await;
    let writer = impatient(&base);
    writer.commit(one("1")).await.unwrap();
    let other = base.another().await;
    let Db::Lite { write, .. } = &other else {
        panic!("a SQLite base has a SQLite database");
    };
    let lock = write.begin_with("begin immediate").await.unwrap();
    // It gives up while the file is still locked.
    assert_eq!(writer.commit(one("2")).await, Err(CommitError::Busy));
    lock.rollback().await.unwrap();
    until_taken(&writer, &one("2")).await;
    assert_eq!(count(&base.db, "select count(*) from call").await, 2);
    writer.close().await;
}

/// On both connections that write: SQLite keeps this limit for each.
async fn limit_pages(db: &Db, pragma: &'static str) {
    let Db::Lite { write, batch, .. } = db else {
        panic!("a SQLite base has a SQLite database");
    };
    sqlx::query(pragma).execute(write).await.unwrap();
    batch.run(pragma).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_and_recovered_from() {
    let base = Base::sqlite().await;
    let writer = impatient(&base);
    writer.commit(one("1")).await.unwrap();
    // SQLite's own limit gives the error that a full disk gives.
    limit_pages(&base.db, "pragma max_page_count = 1").await;
    let large = Submission {
        raw: vec![b'x'; 200_000].into(),
        ..one("2")
    };
    assert_eq!(writer.commit(large.clone()).await, Err(CommitError::Busy));
    let Health::Failing(reason) = writer.health() else {
        panic!("a full disk is not healthy");
    };
    assert!(reason.contains("full"), "{reason}");
    limit_pages(&base.db, "pragma max_page_count = 1000000").await;
    until_taken(&writer, &large).await;
    assert_eq!(writer.health(), Health::Good);
    let outcomes = outcomes(&base.db).await;
    assert_eq!(outcomes.get("apply_failed"), None, "{outcomes:?}");
    writer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_the_engine_took_back_by_itself_blocks_no_other() {
    let base = Base::sqlite().await;
    let writer = impatient(&base);
    writer.commit(one("1")).await.unwrap();
    let Db::Lite { write, .. } = &base.db else {
        panic!("a SQLite base has a SQLite database");
    };
    // What SQLite does when the disk is full while a commit is written (SQLITE_FULL, SQLITE_IOERR).
    let mut open = write.begin_with("begin immediate").await.unwrap();
    sqlx::query("rollback").execute(&mut *open).await.unwrap();
    assert!(open.rollback().await.is_err());
    writer.commit(one("2")).await.unwrap();
    assert_eq!(count(&base.db, "select count(*) from call").await, 2);
    writer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_went_away_is_waited_for() {
    let base = Base::postgres().await;
    let writer = impatient(&base);
    writer.commit(one("1")).await.unwrap();
    let server = base.server_url();
    let name = base.database_name();
    let mut admin = sqlx::PgConnection::connect(&server).await.unwrap();
    let doors = async |admin: &mut sqlx::PgConnection, open: bool| {
        let sql = format!("alter database {name} allow_connections {open}");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&mut *admin)
            .await
            .unwrap();
    };
    doors(&mut admin, false).await;
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1")
        .bind(&name)
        .execute(&mut admin)
        .await
        .unwrap();
    assert_eq!(writer.commit(one("2")).await, Err(CommitError::Busy));
    assert!(matches!(writer.health(), Health::Failing(_)));
    doors(&mut admin, true).await;
    until_taken(&writer, &one("2")).await;
    assert_eq!(count(&base.db, "select count(*) from call").await, 2);
    writer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_turns_senders_away_in_time() {
    let base = Base::sqlite().await;
    let settings = Settings {
        patience_ms: 300,
        queue_kib: 8,
        ..Settings::default()
    };
    let writer = Writer::start(base.db.clone(), 1, &settings);
    let other = base.another().await;
    let Db::Lite { write, .. } = &other else {
        panic!("a SQLite base has a SQLite database");
    };
    let held = write.begin_with("begin immediate").await.unwrap();
    let many = (0..40).map(|n| writer.commit(one(&n.to_string())));
    let told = futures_util::future::join_all(many).await;
    assert!(told.iter().all(|told| *told == Err(CommitError::Busy)));
    held.rollback().await.unwrap();
    until_taken(&writer, &one("40")).await;
    writer.close().await;
}
