//! Takes a person out of every table, in one transaction. Rows that count stay without the person; rows
//! that speak of nothing else go. Leaves out: files, and the proof (`keeping::erase`).
//!
//! Calls lose number, name and card; their facts are closed (`tracker::erase`). The journal loses the
//! text of every message that holds one of the numbers or one of the calls' keys.

mod statements;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use uuid::Uuid;

use self::statements as sql;
use super::{
    Db, StoreError, derived,
    rows::{Statement, Tx},
};
use crate::{
    model::{ids::CardId, traces::Traces},
    on_read,
    tracker::erase,
};

/// Journal rows read at once.
const PORTION: i64 = 2_000;

/// Whom it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Own numbers, in E.164.
    pub numbers: Vec<String>,
    /// The card, and those that were merged into it.
    pub cards: Vec<Uuid>,
    /// Calls with one of the numbers, or of one of the cards.
    pub calls: Vec<Uuid>,
}

impl Subject {
    /// What to look for in texts.
    pub fn traces(&self) -> Traces {
        let cards: Vec<String> = self.cards.iter().map(Uuid::to_string).collect();
        Traces::new(&self.numbers, &cards)
    }
}

/// What an erasure came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Rows changed or gone, by table.
    pub tables: BTreeMap<String, u64>,
    /// Files of recordings that no row speaks of any more.
    pub files: Vec<String>,
}

/// The live card whose own number this is.
pub async fn card_of(db: &Db, e164: &str) -> Result<Option<CardId>, StoreError> {
    const SQL: &str = "select p.card from card_phone p join card k on k.id = p.card \
        where p.e164 = $1 and p.kind = 'own' and k.merged_into is null order by p.ext limit 1";
    let row: Option<(Uuid,)> =
        on_read!(db, pool => sqlx::query_as(SQL).bind(e164).fetch_optional(pool).await?);
    Ok(row.map(|(card,)| CardId(card)))
}

/// Whether a number is one of ours.
pub async fn is_ours(db: &Db, e164: &str) -> Result<bool, StoreError> {
    const SQL: &str = "select 1 from line where did = $1 limit 1";
    let row =
        on_read!(db, pool => sqlx::query(SQL).bind(e164).fetch_optional(pool).await?.is_some());
    Ok(row)
}

/// Everything that is about the person with this card or number.
pub async fn subject(
    db: &Db,
    card: Option<CardId>,
    number: Option<&str>,
) -> Result<Subject, StoreError> {
    const CARDS: &str = "with recursive mine (id) as (select id from card where id = $1 union \
        select k.id from card k join mine m on k.merged_into = m.id) select id from mine";
    const NUMBERS: &str = "select e164 from card_phone where card = $1 and kind = 'own'";
    const BY_NUMBER: &str = "select id from call where client = $1";
    const BY_CARD: &str = "select id from call where card = $1";
    let mut numbers: BTreeSet<String> = number.map(str::to_owned).into_iter().collect();
    let mut calls = BTreeSet::new();
    let mut cards: Vec<(Uuid,)> = Vec::new();
    on_read!(db, pool => {
        if let Some(card) = card {
            cards = sqlx::query_as(CARDS).bind(card.0).fetch_all(pool).await?;
        }
        for (card,) in &cards {
            let own: Vec<(String,)> = sqlx::query_as(NUMBERS).bind(card).fetch_all(pool).await?;
            numbers.extend(own.into_iter().map(|(e164,)| e164));
            let of: Vec<(Uuid,)> = sqlx::query_as(BY_CARD).bind(card).fetch_all(pool).await?;
            calls.extend(of.into_iter().map(|(call,)| call));
        }
        for e164 in &numbers {
            let of: Vec<(Uuid,)> = sqlx::query_as(BY_NUMBER).bind(e164).fetch_all(pool).await?;
            calls.extend(of.into_iter().map(|(call,)| call));
        }
    });
    Ok(Subject {
        numbers: numbers.into_iter().collect(),
        cards: cards.into_iter().map(|(card,)| card).collect(),
        calls: calls.into_iter().collect(),
    })
}

/// Calls of these that are not over: what they still tell would come after the erasure.
pub async fn going_on(db: &Db, calls: &[Uuid]) -> Result<usize, StoreError> {
    const SQL: &str = "select 1 from call where id = $1 and ended is null";
    let mut going_on = 0;
    on_read!(db, pool => {
        for call in calls {
            let row = sqlx::query(SQL).bind(call).fetch_optional(pool).await?;
            going_on += usize::from(row.is_some());
        }
    });
    Ok(going_on)
}

/// Takes the person out. Returns what was done, or nothing was.
pub async fn erase(db: &Db, subject: &Subject) -> Result<Erased, StoreError> {
    let mut keys = Vec::new();
    for call in &subject.calls {
        keys.extend(keys_of(db, *call).await?);
    }
    let words: Vec<String> = subject
        .cards
        .iter()
        .map(Uuid::to_string)
        .chain(keys)
        .collect();
    let traces = subject.traces();
    let in_journal = Traces::new(&subject.numbers, &words);
    // The long look at the journal holds no lock; what has come in since is looked at under it.
    let mut messages = Vec::new();
    let seen = journal(db, &in_journal, 0, &mut messages).await?;
    let mut tx = Tx::begin(db).await?;
    journal_since(&mut tx, &in_journal, seen, &mut messages).await?;
    let mut erasing = Erasing {
        tx,
        subject,
        erased: Erased::default(),
    };
    erasing.messages(&messages).await?;
    erasing.calls(&traces).await?;
    erasing.all().await?;
    erasing.tx.commit().await?;
    Ok(erasing.erased)
}

/// Writes the database's files anew, so that nothing deleted is left in their free space. Nobody can
/// write meanwhile.
pub async fn clean(db: &Db) -> Result<(), StoreError> {
    match db {
        Db::Lite { write, .. } => {
            let mut connection = write.acquire().await?;
            for step in [
                "pragma secure_delete = on",
                "vacuum",
                "pragma secure_delete = off",
                // The log holds the old pages until it is cut off.
                "pragma wal_checkpoint(truncate)",
            ] {
                sqlx::query(step).execute(&mut *connection).await?;
            }
        }
        Db::Pg(pool) => _ = sqlx::query("vacuum full").execute(pool).await?,
    }
    Ok(())
}

async fn keys_of(db: &Db, call: Uuid) -> Result<Vec<String>, StoreError> {
    const SQL: &str = "select key from call_key where call = $1";
    let rows: Vec<(String,)> =
        on_read!(db, pool => sqlx::query_as(SQL).bind(call).fetch_all(pool).await?);
    Ok(rows.into_iter().map(|(key,)| key).collect())
}

/// Journal rows after a row that hold a trace; returns the last row looked at.
async fn journal(
    db: &Db,
    traces: &Traces,
    mut after: i64,
    found: &mut Vec<i64>,
) -> Result<i64, StoreError> {
    const SQL: &str = "select id, body, reason from raw where id > $1 order by id limit $2";
    loop {
        let rows: Vec<(i64, Vec<u8>, String)> = on_read!(db, pool => {
            sqlx::query_as(SQL).bind(after).bind(PORTION).fetch_all(pool).await?
        });
        let Some((last, ..)) = rows.last() else {
            return Ok(after);
        };
        after = *last;
        take_found(rows, traces, found);
    }
}

async fn journal_since(
    tx: &mut Tx,
    traces: &Traces,
    mut after: i64,
    found: &mut Vec<i64>,
) -> Result<(), StoreError> {
    loop {
        let mut wanted = sql::JOURNAL_AFTER.rows(tx.engine());
        wanted.int(after).int(PORTION);
        let rows: Vec<(i64, Vec<u8>, String)> = tx.fetch(wanted).await?;
        let Some((last, ..)) = rows.last() else {
            return Ok(());
        };
        after = *last;
        take_found(rows, traces, found);
    }
}

fn take_found(rows: Vec<(i64, Vec<u8>, String)>, traces: &Traces, found: &mut Vec<i64>) {
    for (id, body, reason) in rows {
        if traces.are_in(&body)
            || traces.are_in(reason.as_bytes())
            || holds_in_base64(&body, traces)
        {
            found.push(id);
        }
    }
}

/// A body that is not UTF-8 is kept in base64 within the journalled request.
fn holds_in_base64(body: &[u8], traces: &Traces) -> bool {
    const FIELD: &[u8] = b"\"body_base64\":\"";
    let Some(at) = memchr::memmem::find(body, FIELD) else {
        return false;
    };
    let rest = &body[at + FIELD.len()..];
    let end = memchr::memchr(b'"', rest).unwrap_or(rest.len());
    let decoded = base64::engine::general_purpose::STANDARD.decode(&rest[..end]);
    decoded.is_ok_and(|decoded| traces.are_in(&decoded))
}

/// An erasure under way.
struct Erasing<'a> {
    tx: Tx,
    subject: &'a Subject,
    erased: Erased,
}

impl Erasing<'_> {
    fn count(&mut self, table: &str, rows: u64) {
        if rows > 0 {
            *self.erased.tables.entry(table.to_owned()).or_default() += rows;
        }
    }

    async fn messages(&mut self, ids: &[i64]) -> Result<(), StoreError> {
        let mut rows = sql::EMPTY_MESSAGES.rows(self.tx.engine());
        for id in ids {
            rows.int(*id);
        }
        let changed = self.tx.run(rows).await?;
        self.count("raw", changed);
        Ok(())
    }

    /// Scrubs the calls themselves.
    async fn calls(&mut self, traces: &Traces) -> Result<(), StoreError> {
        let mut wanted = sql::LOAD_CALLS.rows(self.tx.engine());
        for call in &self.subject.calls {
            wanted.id(*call);
        }
        let rows: Vec<(Uuid, String, Option<Vec<u8>>)> = self.tx.fetch(wanted).await?;
        let mut changed = sql::SCRUB_CALLS.rows(self.tx.engine());
        for (id, derived, facts) in rows {
            let value = |what| move |source| StoreError::Value { what, source };
            let (call, facts) = derived::with_facts(id, &derived, facts.as_deref())?;
            let call = erase::of_call(&call, traces).map_err(value("call.derived"))?;
            let derived = serde_json::to_string(&call).map_err(value("call.derived"))?;
            let facts = erase::of_facts(&facts, traces).map_err(value("call.facts"))?;
            changed.id(id).text(derived.as_str()).bytes(&facts.pack());
        }
        let changed = self.tx.run(changed).await?;
        self.count("call", changed);
        // What the writer has prepared from these calls is not written any more.
        const OUTDATED: &str =
            "update directory_version set version = version + 1 returning version";
        let _: Vec<(i64,)> = self.tx.read(OUTDATED).await?;
        Ok(())
    }

    /// Everything that hangs on calls, numbers and cards.
    async fn all(&mut self) -> Result<(), StoreError> {
        let engine = self.tx.engine();
        let mut files = sql::FILES_OF_CALLS.rows(engine);
        for call in &self.subject.calls {
            files.id(*call);
        }
        let files: Vec<(String,)> = self.tx.fetch(files).await?;
        for (table, statement) in &sql::BY_CALL {
            let mut rows = statement.rows(engine);
            for call in &self.subject.calls {
                rows.id(*call).text(call.to_string().as_str());
            }
            self.run(table, rows).await?;
        }
        for (table, statement) in &sql::BY_NUMBER {
            let mut rows = statement.rows(engine);
            for number in &self.subject.numbers {
                // As people write it within a text: the digits are enough.
                let digits = number.trim_start_matches('+');
                rows.text(number.as_str())
                    .text(format!("%{digits}%").as_str());
            }
            self.run(table, rows).await?;
        }
        for (table, statement) in &sql::BY_CARD {
            self.by_card(table, statement).await?;
        }
        for (name,) in files {
            let mut wanted = sql::ROWS_OF_FILE.rows(engine);
            wanted.text(name.as_str());
            let left: Vec<(i64,)> = self.tx.fetch(wanted).await?;
            if left.is_empty() {
                self.erased.files.push(name);
            }
        }
        Ok(())
    }

    async fn by_card(
        &mut self,
        table: &str,
        statement: &'static Statement,
    ) -> Result<(), StoreError> {
        let mut rows = statement.rows(self.tx.engine());
        for card in &self.subject.cards {
            rows.id(*card).text(card.to_string().as_str());
        }
        self.run(table, rows).await
    }

    async fn run(&mut self, table: &str, rows: super::rows::Rows) -> Result<(), StoreError> {
        let changed = self.tx.run(rows).await?;
        self.count(table, changed);
        Ok(())
    }
}
