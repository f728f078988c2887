//! Rows on SQLite: bound one by one they are what they are as one JSON text.

use rusqlite::types::Value;
use sqlx::Row as _;

use super::*;
use crate::store::{Settings, direct::DirectError};

use Kind::{Bytes, Id, Int, Long, Text};

struct Base {
    db: Db,
    folder: std::path::PathBuf,
}

impl Base {
    async fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("ringcard-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        let db = Db::open(&Settings {
            url: format!("sqlite:{}", folder.join("t.db").display()),
            ..Settings::default()
        })
        .await
        .unwrap();
        db.migrate().await.unwrap();
        let base = Self { db, folder };
        base.batch()
            .run("create table cell (n integer primary key, id blob, number integer, short text, long text, bytes blob) strict")
            .unwrap();
        base
    }

    fn batch(&self) -> &crate::store::direct::Direct {
        let Db::Lite { batch, .. } = &self.db else {
            panic!("a SQLite file is a SQLite database");
        };
        batch
    }

    async fn commit(&self, writes: ScriptRows, stand: Stand) -> Result<(), DirectError> {
        static FUNCTION: Function = Function::new(&CELLS, &[]);
        let alone = Alone::of(&self.db, &FUNCTION);
        alone
            .commit(writes, stand, true)
            .await
            .map(drop)
            .map_err(|error| match error {
                sqlx::Error::AnyDriverError(error) => *error.downcast().unwrap(),
                error => panic!("{error}"),
            })
    }

    async fn stand(&self) -> Stand {
        let mut tx = Tx::begin(&self.db).await.unwrap();
        let stand = tx.stand().await.unwrap().unwrap();
        tx.rollback().await.unwrap();
        stand
    }

    async fn cells(&self) -> Vec<Stored> {
        const SQL: &str = "select id, number, short, long, bytes, typeof(id) || typeof(number) || \
             typeof(short) || typeof(long) || typeof(bytes) from cell order by n";
        let Db::Lite { read, .. } = &self.db else {
            panic!("a SQLite file is a SQLite database");
        };
        sqlx::query_as(SQL).fetch_all(read).await.unwrap()
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

type Stored = (
    Option<Uuid>,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<Vec<u8>>,
    String,
);

const CELL: &[(&str, Kind)] = &[
    ("id", Id),
    ("number", Int),
    ("short", Text),
    ("long", Long),
    ("bytes", Bytes),
];
static ADD: Statement = Statement::new(
    "insert into cell (id, number, short, long, bytes) \
     select r.id, r.number, r.short, r.long, r.bytes from {rows} as r",
    CELL,
);
static CELLS: Script = Script::new(&CELLS_STEPS);
static CELLS_STEPS: [Step; 1] = [Step::new(&[&ADD])];

fn fill(rows: &mut Rows) {
    let long = "д\"\\\n".repeat(40_000);
    rows.id(Uuid::from_u128(7))
        .int(i64::MIN)
        .text("a\"b\\c\u{1}\u{7f}\nд")
        .text(long.as_str())
        .bytes(&[0, 255, b'"', 0]);
    rows.id(None).int(None).text(None).text(None).bytes(b"");
    rows.id(Uuid::nil())
        .int(i64::MAX)
        .text("\0a\0\0b\0")
        .text("c\0d")
        .bytes(b"x");
    rows.id(None).int(0).text("").text("").bytes(b"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_bound_one_by_one_are_those_of_one_json_text() {
    let by_row = Base::new().await;
    let mut writes = CELLS.rows(Engine::Lite);
    fill(writes.of(&ADD));
    let stand = by_row.stand().await;
    by_row.commit(writes, stand).await.unwrap();

    let as_json = Base::new().await;
    let mut tx = Tx::begin(&as_json.db).await.unwrap();
    let mut rows = ADD.rows(Engine::Lite);
    fill(&mut rows);
    assert_eq!(tx.run(rows).await.unwrap(), 4);
    tx.commit().await.unwrap();

    let stored = by_row.cells().await;
    assert_eq!(stored, as_json.cells().await);
    assert_eq!(stored.len(), 4);
    assert_eq!(stored[0].2.as_deref(), Some("a\"b\\c\u{1}\u{7f}\nд"));
    assert_eq!(stored[0].3.as_ref().unwrap().len(), 200_000);
    assert_eq!(stored[1].5, "nullnullnullnullblob");
    assert_eq!(stored[2].2.as_deref(), Some("ab"), "NUL is left out");
    assert_eq!(stored[2].3.as_deref(), Some("cd"));
    assert_eq!(stored[3].5, "nullintegertexttextblob");
    by_row.db.close().await;
    as_json.db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_text_alone_is_no_null() {
    let base = Base::new().await;
    let mut tx = Tx::begin(&base.db).await.unwrap();
    let mut rows = ADD.rows(Engine::Lite);
    rows.id(None).int(None).text(None).text("").bytes(b"");
    tx.run(rows).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(base.cells().await[0].5, "nullnullnulltextblob");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_where_the_database_stands_elsewhere() {
    let base = Base::new().await;
    let stand = base.stand().await;
    let rows = || {
        let mut writes = CELLS.rows(Engine::Lite);
        fill(writes.of(&ADD));
        writes
    };
    let next = Stand {
        batches: stand.batches + 1,
        ..stand
    };
    let other = Stand {
        version: stand.version + 1,
        ..stand
    };
    for wrong in [next, other] {
        let told = base.commit(rows(), wrong).await;
        assert!(matches!(told, Err(DirectError::Outdated)), "{told:?}");
    }
    assert_eq!(base.cells().await.len(), 0);
    base.commit(rows(), stand).await.unwrap();
    // Counted: the same stand is outdated now, and the next one is not.
    assert!(base.commit(rows(), stand).await.is_err());
    base.commit(rows(), next).await.unwrap();
    assert_eq!(base.cells().await.len(), 8);
}

static ADD_NUMBERED: Statement = Statement::new(
    "insert into cell (n, short) select r.n, r.short from {rows} as r",
    &[("n", Int), ("short", Text)],
);
static BOTH: Script = Script::new(&BOTH_STEPS);
static BOTH_STEPS: [Step; 2] = [Step::new(&[&ADD]), Step::rare(&[&ADD_NUMBERED])];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_refused_takes_back_those_before_it_and_blocks_nothing_after() {
    let base = Base::new().await;
    let stand = base.stand().await;
    let mut writes = BOTH.rows(Engine::Lite);
    fill(writes.of(&ADD));
    // The number of a row that is there.
    writes.of(&ADD_NUMBERED).int(1).text("again");
    let told = base.commit(writes, stand).await;
    assert!(matches!(told, Err(DirectError::Sqlite(_))), "{told:?}");
    assert_eq!(base.cells().await.len(), 0);
    assert_eq!(base.stand().await, stand, "others can write");
    let mut writes = BOTH.rows(Engine::Lite);
    writes.of(&ADD_NUMBERED).int(1).text("once");
    base.commit(writes, stand).await.unwrap();
    assert_eq!(base.cells().await.len(), 1);
}

static ADD_AFTER_LAST: Statement = Statement::new(
    "insert into cell (number, short) select (select count(*) from cell), r.short from {rows} as r",
    &[("short", Text)],
);
static ADD_AT_ONCE: Statement = Statement::new(
    "insert into cell (number, short) select (select count(*) from cell), r.short from {rows} as r",
    &[("short", Text)],
)
.together();
static ADDED: Script = Script::new(&ADDED_STEPS);
static ADDED_STEPS: [Step; 2] = [Step::new(&[&ADD_AFTER_LAST]), Step::new(&[&ADD_AT_ONCE])];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_belong_together_see_the_same() {
    let base = Base::new().await;
    let mut writes = ADDED.rows(Engine::Lite);
    for statement in [&ADD_AFTER_LAST, &ADD_AT_ONCE] {
        writes.of(statement).text("a").text("b");
    }
    base.commit(writes, base.stand().await).await.unwrap();
    let seen: Vec<Option<i64>> = base.cells().await.into_iter().map(|cell| cell.1).collect();
    assert_eq!(seen, [Some(0), Some(1), Some(2), Some(2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_kinds_of_connections_are_set_up_alike() {
    let base = Base::new().await;
    let Db::Lite {
        write,
        batch,
        ahead,
        ..
    } = &base.db
    else {
        panic!("a SQLite file is a SQLite database");
    };
    const COMMON: [&str; 11] = [
        "foreign_keys",
        "journal_mode",
        "busy_timeout",
        "wal_autocheckpoint",
        "temp_store",
        "locking_mode",
        "page_size",
        "recursive_triggers",
        "auto_vacuum",
        "trusted_schema",
        "mmap_size",
    ];
    for pragma in COMMON.into_iter().chain(["synchronous", "cache_size"]) {
        let sql = format!("pragma {pragma}");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
            .fetch_one(write)
            .await
            .unwrap();
        let of_pool: String = row.try_get_unchecked(0).unwrap();
        let own = |direct: &crate::store::direct::Direct| {
            direct.with(|connection| {
                let value = connection.query_row(&sql, [], |row| row.get(0))?;
                Ok(match value {
                    Value::Integer(number) => number.to_string(),
                    Value::Text(text) => text,
                    other => panic!("{pragma} is {other:?}"),
                })
            })
        };
        assert_eq!(own(ahead).unwrap(), of_pool, "{pragma}");
        match pragma {
            // Normal, and less of it.
            "synchronous" => assert_eq!(own(batch).unwrap(), "1"),
            "cache_size" => assert_eq!(own(batch).unwrap(), "-8000"),
            _ => assert_eq!(own(batch).unwrap(), of_pool, "{pragma}"),
        }
    }
    let refused = ahead.run("create table t (n)");
    assert!(refused.is_err(), "it only reads");
}

#[test]
fn a_row_alone_stands_in_the_text_itself() {
    const COLUMNS: &[(&str, Kind)] = &[("id", Id), ("n", Int), ("name", Text)];
    let one = |text| by_row::texts(text, COLUMNS).join("; ");
    assert_eq!(
        one("insert into t (id, n) select r.id, r.n from {rows} as r"),
        "insert into t (id, n) values (?1, ?2)"
    );
    assert_eq!(
        one(
            "insert into t (id, n) select r.id, r.n from {rows} as r where true \
             on conflict (id) do update set n = excluded.n"
        ),
        "insert into t (id, n) values (?1, ?2) on conflict (id) do update set n = excluded.n"
    );
    assert_eq!(
        one("insert into t (id) select r.id from {rows} as r where r.n = 1"),
        "insert into t (id) select ?1 where ?2 = 1"
    );
    assert_eq!(
        one("update t set n = r.n, order.n = 2 from {rows} as r where t.id = r.id"),
        "update t set n = ?2, order.n = 2 where t.id = ?1"
    );
    assert_eq!(
        one("delete from t where id in (select r.id from {rows} as r) and n > 1"),
        "delete from t where id = ?1 and n > 1"
    );
    let table = "(select ?1 as id, ?2 as n, ?3 as name) as r";
    assert_eq!(
        one("select t.id from {rows} as r join t on t.id = r.id"),
        format!("select t.id from {table} join t on t.id = r.id")
    );
    // Without the row as a table, `n` would be the column of `t`, and everything went.
    assert_eq!(
        one("delete from t where id in (select n from {rows} as r)"),
        format!("delete from t where id in (select n from {table})")
    );
    assert_eq!(
        one("delete from t where n = r.n; delete from u where id = r.id"),
        "delete from t where n = ?2; delete from u where id = ?1"
    );
}
