//! Lets recordings, calls and cards go whose time is up, a portion at a time, and never one under a hold.
//! Sums stay; what names a client goes with the call. Leaves out: when, and the files (`keeping`).

use std::collections::HashSet;

use uuid::Uuid;

use super::{
    Db, StoreError, cards,
    rows::{
        Kind::{self, Id},
        Rows, Statement, Tx,
    },
};
use crate::{
    model::{
        ids::{CallId, CardId},
        time::Timestamp,
    },
    on_read, on_write,
};

const IDS: &[(&str, Kind)] = &[("id", Id)];

/// The writer locks calls before anything else, too.
static LOCK_CALLS: Statement = Statement::new(
    "update call set recording = recording where id in \
     (select k.call from recording k join {rows} as r on r.id = k.id)",
    &[("id", Kind::Int)],
);
static EXPIRE: Statement = Statement::new(
    "update recording set state = 'absent', reason = 'expired', source = null, sha256 = null, \
     size = null, peaks = null, measures = null, kept_at = null \
     where id in (select r.id from {rows} as r)",
    &[("id", Kind::Int)],
);
static SHOW: Statement = Statement::new(
    "update call set recording = 'absent' where id in \
     (select k.call from recording k join {rows} as r on r.id = k.id) and not exists \
     (select 1 from recording k where k.call = call.id and k.state <> 'absent')",
    &[("id", Kind::Int)],
);

/// In this order: what refers to something goes before it.
static DROP_CALLS: [Statement; 10] = [
    Statement::new(
        "delete from visit where call in (select r.id from {rows} as r)",
        IDS,
    ),
    Statement::new(
        "delete from recording where call in (select r.id from {rows} as r)",
        IDS,
    ),
    Statement::new(
        "delete from outbox where call in (select r.id from {rows} as r)",
        IDS,
    ),
    Statement::new(
        "delete from pop where call in (select r.id from {rows} as r)",
        IDS,
    ),
    Statement::new(
        "delete from decision where exists (select 1 from call_key k join {rows} as r \
         on r.id = k.call where k.account = decision.account and k.key = decision.key)",
        IDS,
    ),
    Statement::new(
        "update touch set task = null where task in \
         (select t.id from task t join {rows} as r on r.id = t.call)",
        IDS,
    ),
    Statement::new(
        "delete from task where call in (select r.id from {rows} as r)",
        IDS,
    ),
    Statement::new(
        "delete from call_person where call in (select r.id from {rows} as r)",
        IDS,
    ),
    Statement::new(
        "delete from call_key where call in (select r.id from {rows} as r)",
        IDS,
    ),
    Statement::new(
        "delete from call where id in (select r.id from {rows} as r)",
        IDS,
    ),
];

static DROP_CARDS: [Statement; 6] = [
    Statement::new(
        "delete from touch where card in (select r.id from {rows} as r)",
        IDS,
    ),
    Statement::new(
        "update task set card = null where card in (select r.id from {rows} as r)",
        IDS,
    ),
    Statement::new(
        "delete from card_event where card in (select r.id from {rows} as r)",
        IDS,
    ),
    Statement::new(
        "delete from card_merge where winner in (select r.id from {rows} as r) \
         or loser in (select r.id from {rows} as r)",
        IDS,
    ),
    Statement::new(
        "delete from card_phone where card in (select r.id from {rows} as r)",
        IDS,
    ),
    Statement::new(
        "delete from card where id in (select r.id from {rows} as r)",
        IDS,
    ),
];

/// What is under a hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held(HashSet<String>);

impl Held {
    /// Whether a call, or the card of its client, is under a hold.
    pub fn covers(&self, call: CallId, card: Option<Uuid>) -> bool {
        self.has("call", Some(call.0)) || self.has("card", card)
    }

    fn has(&self, kind: &str, id: Option<Uuid>) -> bool {
        id.is_some_and(|id| self.0.contains(&format!("{kind}:{id}")))
    }
}

/// Everything under a hold now. What hung on a card that has become part of another one is held there.
pub async fn held(db: &Db) -> Result<Held, StoreError> {
    const SQL: &str = "select object from hold where lifted_at is null";
    let rows: Vec<(String,)> = on_read!(db, pool => sqlx::query_as(SQL).fetch_all(pool).await?);
    let mut held = Held::default();
    for (object,) in rows {
        let card = object.strip_prefix("card:").map(Uuid::parse_str);
        if let Some(Ok(card)) = card
            && let Some(living) = cards::living(db, CardId(card)).await?
        {
            held.0.insert(format!("card:{living}"));
        }
        held.0.insert(object);
    }
    Ok(held)
}

/// What became of a portion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gone<T> {
    /// Rows that went.
    pub rows: u64,
    /// Files that rows spoke of; another row may still.
    pub files: Vec<String>,
    /// Where to go on; `None`: nothing is left to look at.
    pub after: Option<T>,
}

/// Recordings of calls begun before `before`, after the recording of this number: their sound goes, and
/// the call says that it has.
pub async fn recordings(
    db: &Db,
    held: &Held,
    before: Timestamp,
    after: i64,
    portion: i64,
) -> Result<Gone<i64>, StoreError> {
    const SQL: &str = "select k.id, k.call, c.card, k.sha256 from recording k \
         join call c on c.id = k.call where k.sha256 is not null and c.started_at < $1 \
         and k.id > $2 order by k.id limit $3";
    let rows: Vec<(i64, Uuid, Option<Uuid>, String)> = on_read!(db, pool => {
        sqlx::query_as(SQL)
            .bind(before.as_micros())
            .bind(after)
            .bind(portion)
            .fetch_all(pool)
            .await?
    });
    let last = rows.last().map(|(id, ..)| *id);
    let mut tx = Tx::begin(db).await?;
    let engine = tx.engine();
    let mut statements = [&LOCK_CALLS, &EXPIRE, &SHOW].map(|statement| statement.rows(engine));
    let mut files = Vec::new();
    for (id, call, card, file) in rows {
        if !held.has("call", Some(call)) && !held.has("card", card) {
            files.push(file);
            for rows in &mut statements {
                rows.int(id);
            }
        }
    }
    for rows in statements {
        tx.run(rows).await?;
    }
    tx.commit().await?;
    Ok(Gone {
        rows: files.len() as u64,
        files,
        after: last,
    })
}

/// Calls that are over and begun before `before`, after this one in order of their start: with all that
/// hangs on them.
pub async fn calls(
    db: &Db,
    held: &Held,
    before: Timestamp,
    after: (i64, Uuid),
    portion: i64,
) -> Result<Gone<(i64, Uuid)>, StoreError> {
    const SQL: &str = "select started_at, id, card from call where started_at < $1 \
         and ended is not null and (started_at, id) > ($2, $3) order by started_at, id limit $4";
    const FILES: &str = "select sha256 from recording where call = $1 and sha256 is not null";
    let rows: Vec<(i64, Uuid, Option<Uuid>)> = on_read!(db, pool => {
        sqlx::query_as(SQL)
            .bind(before.as_micros())
            .bind(after.0)
            .bind(after.1)
            .bind(portion)
            .fetch_all(pool)
            .await?
    });
    let last = rows.last().map(|(start, id, _)| (*start, *id));
    let mut going = Vec::new();
    let mut files = Vec::new();
    for (_, id, card) in rows {
        if !held.has("call", Some(id)) && !held.has("card", card) {
            going.push(id);
            let of: Vec<(String,)> =
                on_read!(db, pool => sqlx::query_as(FILES).bind(id).fetch_all(pool).await?);
            files.extend(of.into_iter().map(|(file,)| file));
        }
    }
    Ok(Gone {
        rows: drop_all(db, &DROP_CALLS, &going).await?,
        files,
        after: last,
    })
}

/// Cards nobody has called, written to or changed since `before`, after the card of this id; with each
/// those that have become part of it.
pub async fn cards(
    db: &Db,
    held: &Held,
    before: Timestamp,
    after: Uuid,
    portion: i64,
) -> Result<Gone<Uuid>, StoreError> {
    const SQL: &str = "select k.id from card k where k.updated_at < $1 and k.id > $2 \
         and not exists (select 1 from call c where c.card = k.id) \
         and not exists (select 1 from task t where t.card = k.id and t.done_at is null) \
         and not exists (select 1 from touch u where u.card = k.id and u.at >= $1) \
         and k.merged_into is null order by k.id limit $3";
    const PARTS: &str = "with recursive mine (id) as (select id from card where merged_into = $1 \
         union select k.id from card k join mine m on k.merged_into = m.id) select id from mine";
    let rows: Vec<(Uuid,)> = on_read!(db, pool => {
        sqlx::query_as(SQL)
            .bind(before.as_micros())
            .bind(after)
            .bind(portion)
            .fetch_all(pool)
            .await?
    });
    let last = rows.last().map(|(id,)| *id);
    let mut going = Vec::new();
    for (id,) in rows {
        if !held.has("card", Some(id)) {
            let parts: Vec<(Uuid,)> =
                on_read!(db, pool => sqlx::query_as(PARTS).bind(id).fetch_all(pool).await?);
            going.extend(parts.into_iter().map(|(part,)| part));
            going.push(id);
        }
    }
    Ok(Gone {
        rows: drop_all(db, &DROP_CARDS, &going).await?,
        files: Vec::new(),
        after: last,
    })
}

/// Runs all of these over the same ids; tells how many rows the last one touched.
async fn drop_all(
    db: &Db,
    statements: &'static [Statement],
    ids: &[Uuid],
) -> Result<u64, StoreError> {
    let mut tx = Tx::begin(db).await?;
    let mut gone = 0;
    for statement in statements {
        let mut rows: Rows = statement.rows(tx.engine());
        for id in ids {
            rows.id(*id);
        }
        gone = tx.run(rows).await?;
    }
    tx.commit().await?;
    Ok(gone)
}

/// Distinct clients of one day, the oldest before `before`; `None`: there is none. Their numbers would
/// outlive the calls.
pub async fn day_of_clients(db: &Db, before_day: i64) -> Result<Option<u64>, StoreError> {
    const OLDEST: &str = "select min(day) from rollup_client";
    const DROP: &str = "delete from rollup_client where day = $1";
    let (oldest,): (Option<i64>,) =
        on_read!(db, pool => sqlx::query_as(OLDEST).fetch_one(pool).await?);
    let Some(day) = oldest.filter(|day| *day < before_day) else {
        return Ok(None);
    };
    let gone = on_write!(db, pool => {
        sqlx::query(DROP).bind(day).execute(pool).await?.rows_affected()
    });
    Ok(Some(gone))
}

/// Whether any row still speaks of a file.
pub async fn is_wanted(db: &Db, sha256: &str) -> Result<bool, StoreError> {
    const SQL: &str = "select 1 from recording where sha256 = $1 limit 1";
    let row =
        on_read!(db, pool => sqlx::query(SQL).bind(sha256).fetch_optional(pool).await?.is_some());
    Ok(row)
}
