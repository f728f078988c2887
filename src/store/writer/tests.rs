//! A planted panic, and what the writer does with the rest of the batch. (Stories that need no plant
//! stand in `tests/it/store`.)

use std::sync::LazyLock;

use bytes::Bytes;
use futures_util::future::join_all;

use super::*;
use crate::{
    bench::cluster::Cluster,
    model::event::{Clock, Fact},
    on_read, on_write, store,
};

/// Derives as ever, but for one call.
fn planted(facts: &Facts) -> Call {
    let poisoned = facts
        .iter()
        .any(|event| event.call.as_str().starts_with("poison"));
    assert!(!poisoned, "a planted panic");
    tracker::derive(facts)
}

fn submission(key: &str) -> Submission {
    let event = CallEvent {
        account: "office".into(),
        call: key.into(),
        leg: None,
        at: Timestamp::from_seconds(1_773_700_000),
        clock: Clock::Exact,
        id: format!("{key}/digits").as_str().into(),
        fact: Fact::Digits {
            digits: "1".to_owned(),
        },
    };
    Submission {
        account: "office".into(),
        source: "webhook",
        received_at: event.at,
        raw: Bytes::from(key.to_owned()),
        events: vec![event],
        visits: Vec::new(),
        outcome: Outcome::Applied,
    }
}

struct Base {
    db: Db,
    folder: std::path::PathBuf,
}

impl Base {
    async fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("ringcard-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        let db = Db::open(&store::Settings {
            url: format!("sqlite:{}", folder.join("t.db").display()),
            ..store::Settings::default()
        })
        .await
        .unwrap();
        db.migrate().await.unwrap();
        Self { db, folder }
    }

    /// A database of a PostgreSQL for these tests.
    async fn postgres() -> Self {
        static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start("").unwrap());
        let url = tokio::task::spawn_blocking(|| CLUSTER.database());
        let settings = store::Settings {
            url: url.await.unwrap().unwrap(),
            ..store::Settings::default()
        };
        let db = Db::open(&settings).await.unwrap();
        db.migrate().await.unwrap();
        let folder = std::path::PathBuf::new();
        Self { db, folder }
    }

    async fn count(&self, sql: &'static str) -> i64 {
        let (n,): (i64,) =
            on_read!(&self.db, pool => sqlx::query_as(sql).fetch_one(pool).await.unwrap());
        n
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_applied_is_buried_alone_and_can_be_replayed() {
    let base = Base::new().await;
    let writer = Writer::start_with(base.db.clone(), 1, &Settings::default(), planted);
    let keys = ["a", "b", "poison-1", "c", "d", "poison-2", "e"];
    let receipts = join_all(keys.map(|key| writer.commit(submission(key)))).await;
    let buried: Vec<bool> = receipts
        .into_iter()
        .map(|receipt| receipt.unwrap().dead_letter)
        .collect();
    assert_eq!(buried, [false, false, true, false, false, true, false]);
    assert_eq!(base.count("select count(*) from call").await, 5);
    assert_eq!(base.count("select count(*) from raw").await, 7);
    let letters = store::raw::dead_letters(&base.db, i64::MAX, 10)
        .await
        .unwrap();
    assert_eq!(letters.len(), 2);
    assert!(letters[0].reason.contains("a planted panic"), "{letters:?}");
    writer.close().await;

    // After the fix the letter is taken in again and is none any more.
    let mended = Writer::start(base.db.clone(), 1, &Settings::default());
    let receipt = mended.commit(submission("poison-1")).await.unwrap();
    assert_eq!((receipt.new_facts, receipt.dead_letter), (1, false));
    mended.close().await;
}

#[tokio::test]
async fn facts_of_our_own_that_cannot_be_applied_are_kept_too() {
    let base = Base::new().await;
    let writer = Writer::start_with(base.db.clone(), 1, &Settings::default(), planted);
    let ours = Submission {
        raw: Bytes::new(),
        ..submission("poison")
    };
    assert!(writer.commit(ours).await.unwrap().dead_letter);
    let letters = store::raw::dead_letters(&base.db, i64::MAX, 10)
        .await
        .unwrap();
    assert!(String::from_utf8_lossy(&letters[0].body).contains("poison/digits"));
    writer.close().await;
}

#[tokio::test]
async fn a_letter_told_again_in_vain_stays_the_one_letter_it_is() {
    let base = Base::new().await;
    let writer = Writer::start_with(base.db.clone(), 1, &Settings::default(), planted);
    let poison = submission("poison");
    assert!(writer.commit(poison.clone()).await.unwrap().dead_letter);
    let again = Submission {
        raw: Bytes::new(),
        source: REPLAY,
        ..poison
    };
    assert!(writer.commit(again).await.unwrap().dead_letter);
    assert_eq!(base.count("select count(*) from raw").await, 1);
    writer.close().await;
}

#[tokio::test]
async fn what_waits_at_the_end_is_committed_and_nothing_is_taken_after() {
    let base = Base::new().await;
    let writer = Writer::start(base.db.clone(), 1, &Settings::default());
    let last = join_all((0..50).map(|n| {
        let writer = writer.clone();
        async move { writer.commit(submission(&n.to_string())).await }
    }));
    let close = async {
        tokio::task::yield_now().await;
        writer.close().await;
    };
    let (last, ()) = tokio::join!(last, close);
    assert!(last.into_iter().all(|receipt| receipt.is_ok()));
    assert_eq!(base.count("select count(*) from call").await, 50);
    assert_eq!(
        writer.commit(submission("late")).await,
        Err(CommitError::Closing)
    );
}

mod ahead {
    //! What is prepared ahead of its transaction.

    use super::{
        super::{ahead::MANY, apply::Committer},
        *,
    };
    use crate::{
        model::{event::Direction, phone::Number},
        store::rows::{Alone, Engine, Pledge, Tx},
    };

    const CLIENT: &str = "+74950000011";

    fn call_from(key: &str, client: &str) -> Submission {
        let mut call = submission(key);
        call.events[0].fact = Fact::Parties {
            direction: Some(Direction::In),
            client: Some(Number::E164 {
                e164: client.to_owned(),
                ext: None,
            }),
            client_name: None,
            did: None,
        };
        call
    }

    async fn committer(base: &Base) -> Committer {
        let mut committer =
            Committer::new(base.db.clone(), 1, &Settings::default(), tracker::derive);
        let first = submission("first");
        assert!(committer.prepare(&[&first]).await.is_none(), "nothing read");
        committer.commit(&[&first]).await.unwrap();
        committer
    }

    async fn execute(base: &Base, sql: &'static str) {
        on_write!(&base.db, pool => sqlx::query(sql).execute(pool).await.map(drop)).unwrap();
    }

    /// Makes two tests of one story, one for each engine.
    macro_rules! on_both_engines {
        ($($story:ident),* $(,)?) => {$(
            mod $story {
                #[tokio::test]
                async fn sqlite() {
                    super::$story(super::Base::new().await).await;
                }
                #[tokio::test]
                async fn postgres() {
                    super::$story(super::Base::postgres().await).await;
                }
            }
        )*};
    }

    on_both_engines!(
        a_batch_knows_what_the_one_on_its_way_has_made,
        a_batch_is_not_written_after_a_number_has_left_its_card,
        a_batch_is_not_written_after_its_call_was_sealed,
        a_batch_is_not_written_after_somebody_elses,
        in_company_batches_are_not_prepared_ahead,
        what_a_batch_outdates_itself_keeps_the_next_one_from_nothing,
        what_was_written_without_an_answer_is_told_when_it_comes_again,
    );

    async fn a_batch_knows_what_the_one_on_its_way_has_made(base: Base) {
        let mut committer = committer(&base).await;
        let one = call_from("1", CLIENT);
        let first = committer.prepare(&[&one]).await.unwrap();
        // The same client again, and the same call once more, before anything is written.
        let (other, again) = (call_from("2", CLIENT), call_from("1", CLIENT));
        let second = committer.prepare(&[&other, &again]).await.unwrap();
        assert_eq!(first.write().await.unwrap().0.receipts[0].new_facts, 1);
        let told = second.write().await.unwrap().0.receipts;
        assert_eq!((told[0].new_facts, told[1].new_facts), (1, 0));
        assert_eq!(base.count("select count(*) from card").await, 1);
        assert_eq!(base.count("select count(distinct card) from call").await, 1);
        assert_eq!(base.count("select count(*) from call").await, 3);
    }

    async fn a_batch_is_not_written_after_a_number_has_left_its_card(base: Base) {
        let mut committer = committer(&base).await;
        committer.commit(&[&call_from("1", CLIENT)]).await.unwrap();
        let next = call_from("2", CLIENT);
        let prepared = committer.prepare(&[&next]).await.unwrap();
        execute(&base, "delete from card_phone").await;
        assert!(prepared.write().await.is_err());
        assert_eq!(base.count("select count(*) from call").await, 2);
        committer.forget();
        committer.commit(&[&next]).await.unwrap();
        assert_eq!(
            base.count("select count(*) from card").await,
            2,
            "a new one"
        );
    }

    async fn a_batch_is_not_written_after_its_call_was_sealed(base: Base) {
        let mut committer = committer(&base).await;
        let call = submission("1");
        committer.commit(&[&call]).await.unwrap();
        let mut more = submission("1");
        more.events[0].id = "1/more".into();
        let prepared = committer.prepare(&[&more]).await.unwrap();
        const SEAL: &str = "update call set sealed = 1, version = version + 1 where call_key = '1'";
        execute(&base, SEAL).await;
        assert!(prepared.write().await.is_err());
        assert_eq!(
            base.count("select count(*) from call where sealed = 1")
                .await,
            1
        );
        committer.forget();
        let applied = committer.commit(&[&more]).await.unwrap();
        assert_eq!(applied.receipts[0].new_facts, 1);
        assert_eq!(
            base.count("select count(*) from call where sealed = 1")
                .await,
            0
        );
    }

    async fn a_batch_is_not_written_after_somebody_elses(base: Base) {
        let mut committer = committer(&base).await;
        let call = submission("1");
        let prepared = committer.prepare(&[&call]).await.unwrap();
        let mut other = Committer::new(base.db.clone(), 1, &Settings::default(), tracker::derive);
        other.commit(&[&call]).await.unwrap();
        assert!(prepared.write().await.is_err());
        committer.forget();
        let applied = committer.commit(&[&call]).await.unwrap();
        assert_eq!(applied.receipts[0].new_facts, 0, "a repetition");
        assert_eq!(base.count("select count(*) from call").await, 2);
        assert!(committer.company > 0, "noticed");
    }

    async fn in_company_batches_are_not_prepared_ahead(base: Base) {
        let mut committer = committer(&base).await;
        let mut other = Committer::new(base.db.clone(), 2, &Settings::default(), tracker::derive);
        other.commit(&[&submission("2")]).await.unwrap();
        committer.commit(&[&submission("1")]).await.unwrap();
        let next = submission("3");
        assert!(committer.prepare(&[&next]).await.is_none());
        committer.company = 0;
        let prepared = committer.prepare(&[&next]).await.unwrap();
        prepared.write().await.unwrap();
        assert_eq!(base.count("select count(*) from call").await, 4);
    }

    async fn what_a_batch_outdates_itself_keeps_the_next_one_from_nothing(base: Base) {
        let mut committer = committer(&base).await;
        // Two calls turn out to be one: rows go, and the version grows.
        committer
            .commit(&[&submission("1"), &submission("2")])
            .await
            .unwrap();
        let mut join = submission("1");
        join.events[0].fact = Fact::SameCall { with: "2".into() };
        join.events[0].id = "1/same".into();
        assert!(committer.prepare(&[&join]).await.is_none(), "not ahead");
        committer.commit(&[&join]).await.unwrap();
        let next = submission("3");
        let prepared = committer.prepare(&[&next]).await.unwrap();
        assert!(prepared.write().await.is_ok());
        assert_eq!(base.count("select count(*) from call").await, 3);
    }

    #[tokio::test]
    async fn a_call_that_somebody_has_changed_takes_back_the_whole_batch_on_postgres() {
        let base = Base::postgres().await;
        let mut committer = committer(&base).await;
        committer.commit(&[&submission("1")]).await.unwrap();
        let mut more = submission("1");
        more.events[0].id = "1/more".into();
        let batch = [&submission("2"), &more];
        let prepared = committer.prepare(&batch).await.unwrap();
        let change = "update call set version = version + 1 where call_key = '1'";
        execute(&base, change).await;
        let refused = prepared.write().await.err().unwrap().0.to_string();
        assert!(refused.contains("is not as it was"), "{refused}");
        assert_eq!(base.count("select count(*) from call").await, 2);
        assert_eq!(base.count("select count(*) from raw").await, 2);
        committer.forget();
        committer.commit(&batch).await.unwrap();
        let next = submission("3");
        let prepared = committer.prepare(&[&next]).await.unwrap();
        assert!(prepared.write().await.is_ok());
        assert_eq!(base.count("select count(*) from call").await, 4);
        assert_eq!(base.count("select max(version) from call").await, 3);
    }

    async fn what_was_written_without_an_answer_is_told_when_it_comes_again(base: Base) {
        let mut committer = committer(&base).await;
        let batch = [&submission("1"), &submission("2")];
        let written = committer.prepare(&batch).await.unwrap();
        let mut untold = written.write().await.unwrap().0.changes;
        assert_eq!(untold.len(), 2);
        // This one did not come so far: its call is not there.
        untold.push(Change {
            id: crate::model::ids::CallId(uuid::Uuid::now_v7()),
            ..untold[0].clone()
        });
        // Nor has this call learnt so much.
        untold[1].version += 1;
        let expected = untold[0].id;
        committer.forget();
        committer.untold.add(untold);
        let again = committer.commit(&batch).await.unwrap();
        let told: Vec<_> = again.changes.iter().map(|change| change.id).collect();
        assert_eq!(told, [expected]);
        let new: usize = again.receipts.iter().map(|receipt| receipt.new_facts).sum();
        assert_eq!(new, 0);
        // Once, and not with whatever comes next.
        let next = committer.commit(&[&submission("3")]).await.unwrap();
        assert_eq!(next.changes.len(), 1);
        assert_eq!(base.count("select count(*) from call").await, 4);
    }

    /// Ends the sessions whose last statement is like this.
    async fn end_sessions(base: &Base, statement: &str) -> i64 {
        let Db::Pg(pool) = &base.db else {
            panic!("a PostgreSQL database");
        };
        let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
             where datname = current_database() and query like $1 and pid <> pg_backend_pid()";
        let ended = sqlx::query_as(end).bind(statement).fetch_one(pool).await;
        let (ended,): (i64,) = ended.unwrap();
        ended
    }

    const WRITES: &str = "select pg_temp.ringcard_commit%";
    const FLUSHES: &str = "select pg_logical_emit_message%";

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_session_that_the_server_has_ended_loses_nothing_on_postgres() {
        let base = Base::postgres().await;
        let writer = Writer::start(base.db.clone(), 1, &Settings::default());
        for key in ["plain", "ahead"] {
            writer.commit(submission(key)).await.unwrap();
        }
        assert_eq!(end_sessions(&base, WRITES).await, 1);
        let mut changes = writer.changes();
        let receipt = writer.commit(submission("next")).await.unwrap();
        assert_eq!(receipt.new_facts, 1);
        let told = changes.try_recv().expect("the call is told of");
        assert_eq!((told.key.as_str(), changes.len()), ("next", 0), "once");
        assert_eq!(base.count("select count(*) from call").await, 3);
        writer.close().await;
    }

    /// So many that some of them make a batch whose commit does not wait for the disk.
    async fn commit_many(writer: &Writer, name: &str) -> Vec<Receipt> {
        let keys = (0..4 * MANY).map(|n| format!("{name}-{n}"));
        let commits = keys.map(|key| writer.commit(submission(&key)));
        let receipts = join_all(commits).await;
        receipts.into_iter().map(Result::unwrap).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_may_not_be_durable_is_applied_again_and_told_once_on_postgres() {
        let base = Base::postgres().await;
        let writer = Writer::start(base.db.clone(), 1, &Settings::default());
        writer.commit(submission("plain")).await.unwrap();
        commit_many(&writer, "first").await;
        assert_eq!(end_sessions(&base, FLUSHES).await, 1);
        let mut changes = writer.changes();
        let receipts = commit_many(&writer, "then").await;
        // It had been written, and was new to nobody when it came again.
        let again = receipts.iter().filter(|receipt| receipt.new_facts == 0);
        assert!(again.count() >= MANY);
        let mut told = Vec::new();
        while let Ok(change) = changes.try_recv() {
            told.push(change.key.to_string());
        }
        told.sort_unstable();
        let mut expected: Vec<String> = (0..4 * MANY).map(|n| format!("then-{n}")).collect();
        expected.sort_unstable();
        assert_eq!(told, expected);
        assert_eq!(
            base.count("select count(*) from call").await,
            1 + 2 * 4 * MANY as i64
        );
        writer.close().await;
    }

    /// A server that was away between commit and flush may have lost what was committed.
    #[tokio::test]
    async fn only_a_connection_that_was_there_before_can_say_what_is_durable_on_postgres() {
        let base = Base::postgres().await;
        let mut committer = committer(&base).await;
        let alone = committer.alone.clone();
        let named = |name| (0..MANY).map(move |n| submission(&format!("{name}-{n}")));
        let (first, second) = (named("first").collect(), named("second").collect());
        let written = async |committer: &mut Committer, batch: &Vec<Submission>| {
            let batch: Vec<&Submission> = batch.iter().collect();
            let prepared = committer.prepare(&batch).await.unwrap();
            prepared.write().await.unwrap().1
        };
        let pledge = written(&mut committer, &first).await;
        alone.flush(pledge).await.unwrap();
        assert_eq!(end_sessions(&base, FLUSHES).await, 1);
        alone.flush(pledge).await.unwrap_err();
        // No other one is opened for it, nor asked when there is one.
        alone.flush(pledge).await.unwrap_err();
        let later = written(&mut committer, &second).await;
        alone.flush(pledge).await.unwrap_err();
        alone.flush(later).await.unwrap();
        alone.close().await;
    }

    #[tokio::test]
    async fn a_small_batch_is_durable_once_it_is_written_on_postgres() {
        let base = Base::postgres().await;
        let mut committer = committer(&base).await;
        let prepared = committer.prepare(&[&submission("1")]).await.unwrap();
        assert_eq!(prepared.write().await.unwrap().1, Pledge::Durable);
        committer.alone.close().await;
    }

    /// Every statement of a batch can be run for one row, whether or not a story needs it.
    #[tokio::test]
    async fn every_statement_is_understood_by_the_function() {
        use super::super::statements::{WRITE_AHEAD, WRITES};
        let base = Base::postgres().await;
        let alone = Alone::of(&base.db, &WRITE_AHEAD);
        for statement in WRITES.statements() {
            let mut tx = Tx::begin(&base.db).await.unwrap();
            let stand = tx.stand().await.unwrap().unwrap();
            tx.rollback().await.unwrap();
            let mut writes = WRITES.rows(Engine::Pg);
            writes.of(statement).any();
            if let Err(error) = alone.commit(writes, stand, true).await {
                let told = error.as_database_error().unwrap();
                // What the row names is not there.
                let is_about_row = told.code().is_some_and(|code| code.starts_with("23"))
                    || told.message().starts_with("what is to be changed");
                assert!(is_about_row, "{statement:?}: {error}");
            }
        }
        alone.close().await;
    }

    #[tokio::test]
    async fn every_statement_is_understood_for_one_row() {
        let base = Base::new().await;
        let Db::Lite { batch, .. } = &base.db else {
            panic!("a SQLite file is a SQLite database");
        };
        let understood = batch.with(|connection| {
            for statement in super::super::statements::WRITES.statements() {
                // A name that means two columns is refused in this form only.
                for whole in statement.lite().replace('$', "?").split(';') {
                    let prepared = connection.prepare(whole);
                    assert!(prepared.is_ok(), "{whole}: {:?}", prepared.err());
                }
                for text in statement.by_row() {
                    let prepared = connection.prepare(text);
                    assert!(prepared.is_ok(), "{text}: {:?}", prepared.err());
                }
            }
            Ok(())
        });
        understood.unwrap();
    }
}
