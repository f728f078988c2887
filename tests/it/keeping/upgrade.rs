//! A company that began with the first schema comes to today's program with its data, which the program of that
//! time has written (`spine.sh`).

use std::collections::BTreeMap;

use ringcard::{
    model::{call::Call, ids::CallId},
    on_read, on_write,
    store::{Db, figures, journal},
    tracker::{self, Facts},
};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::place::{Folder, Place};

/// The tables there were then.
const TABLES: [&str; 12] = [
    "call",
    "call_key",
    "call_person",
    "card",
    "card_phone",
    "line",
    "person",
    "person_extension",
    "raw",
    "recording",
    "rollup",
    "task",
];

fn fixture(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/spine");
    std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
}

async fn counts(db: &Db) -> BTreeMap<&'static str, i64> {
    let mut counts = BTreeMap::new();
    for table in TABLES {
        let sql = format!("select count(*) from {table}");
        let (rows,): (i64,) = on_read!(db, pool => {
            sqlx::query_as(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap()
        });
        counts.insert(table, rows);
    }
    counts
}

/// Every call's facts can be read, and today's program makes the same call of them.
async fn facts_are_read(db: &Db) {
    let calls: Vec<(Uuid, i64, String)> = on_read!(db, pool => {
        sqlx::query_as("select id, sealed, derived from call order by id")
            .fetch_all(pool)
            .await
            .unwrap()
    });
    let sealed = calls.iter().filter(|(_, sealed, _)| *sealed == 1).count();
    assert!(sealed > 5, "{sealed} of {} are sealed", calls.len());
    assert!(sealed < calls.len());
    for (id, _, derived) in calls {
        let facts: Facts = journal::facts(db, CallId(id))
            .await
            .unwrap()
            .into_iter()
            .collect();
        let stored: Call = serde_json::from_str(&derived).unwrap();
        assert_eq!(tracker::derive(&facts), stored, "{id}");
    }
}

async fn it_comes_along(place: Place, (dump, calls): (&str, &str)) {
    let db = place.open().await;
    let dump = fixture(dump);
    on_write!(&db, pool => sqlx::raw_sql(AssertSqlSafe(dump)).execute(pool).await.map(drop))
        .unwrap();
    db.close().await;
    let db = place.open().await;
    let before = counts(&db).await;
    assert!(before.values().all(|rows| *rows > 0), "{before:?}");
    db.close().await;

    let migrated = place.run(&["migrate"]).await;
    let complaints = String::from_utf8_lossy(&migrated.stderr);
    assert!(migrated.status.success(), "{complaints}");
    let db = place.open().await;
    assert_eq!(counts(&db).await, before);
    facts_are_read(&db).await;
    let checked = figures::check(&db, false).await.unwrap();
    assert_eq!(checked.differences, []);
    assert_eq!(i64::try_from(checked.calls), Ok(before["call"]));
    db.close().await;

    let doctor = place.run(&["doctor", "--json", "--recount"]).await;
    let told = String::from_utf8(doctor.stdout).unwrap();
    let findings: Vec<Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |check: &str| {
        let mut of = findings.iter().filter(|one| one["check"] == check);
        of.next().unwrap_or_else(|| panic!("{check}: {told}"))["verdict"].clone()
    };
    for check in ["integrity", "migrations", "figures"] {
        assert_eq!(of(check), "good", "{check}: {told}");
    }

    let exported = place.run(&["export", "calls", "--format", "jsonl"]).await;
    let today: BTreeMap<String, Value> = String::from_utf8(exported.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .map(|call: Value| (call["id"].as_str().unwrap().to_owned(), call))
        .collect();
    let then = fixture(calls);
    assert_eq!(then.lines().count(), today.len());
    for line in then.lines() {
        let then: Value = serde_json::from_str(line).unwrap();
        let today = &today[then["id"].as_str().unwrap()];
        for (name, value) in then.as_object().unwrap() {
            assert_eq!(&today[name], value, "{name} of {then}");
        }
    }
}

#[tokio::test]
async fn a_company_of_the_first_schema_comes_along_on_sqlite() {
    let folder = Folder::new();
    let files = ("sqlite.sql", "sqlite-calls.jsonl");
    it_comes_along(Place::sqlite(&folder.0), files).await;
}

#[tokio::test]
async fn a_company_of_the_first_schema_comes_along_on_postgres() {
    let folder = Folder::new();
    let files = ("postgres.sql", "postgres-calls.jsonl");
    it_comes_along(Place::postgres(&folder.0).await, files).await;
}
