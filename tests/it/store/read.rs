//! What the tables say, in an order and with names that do not depend on how it came.

use std::collections::BTreeMap;

use ringcard::{
    on_read, on_write,
    store::{Db, derived},
};
use uuid::Uuid;

/// One row of several texts.
type Texts = Vec<String>;

/// All that must be the same in whatever order messages came, as text.
#[derive(Debug, PartialEq, Eq)]
pub struct Picture {
    /// Calls by key: what is derived, what the columns say, and the numbers of their cards.
    pub calls: Vec<Texts>,
    /// Cards by number: owner, first touch.
    pub cards: Vec<Texts>,
    /// Who was rung in which call.
    pub persons: Vec<Texts>,
    /// Tasks by call key.
    pub tasks: Vec<Texts>,
    /// Recordings by call key.
    pub recordings: Vec<Texts>,
    /// Sums over writers.
    pub figures: Vec<Texts>,
    /// Unique clients.
    pub clients: Vec<Texts>,
}

/// Reads rows of one text column each, cut at `|`.
async fn texts(db: &Db, sql: &'static str) -> Vec<Texts> {
    let rows: Vec<(String,)> =
        on_read!(db, pool => sqlx::query_as(sql).fetch_all(pool).await.unwrap());
    rows.into_iter()
        .map(|(row,)| row.split('|').map(str::to_owned).collect())
        .collect()
}

/// The first number of a query.
pub async fn count(db: &Db, sql: &'static str) -> i64 {
    let (n,): (i64,) = on_read!(db, pool => sqlx::query_as(sql).fetch_one(pool).await.unwrap());
    n
}

/// The first text of a query.
pub async fn text(db: &Db, sql: &'static str) -> Option<String> {
    let row: Option<(Option<String>,)> =
        on_read!(db, pool => sqlx::query_as(sql).fetch_optional(pool).await.unwrap());
    row.and_then(|(text,)| text)
}

/// Runs a statement of the test's own.
pub async fn run(db: &Db, sql: &'static str) {
    on_write!(db, pool => { sqlx::query(sql).execute(pool).await.unwrap(); });
}

/// Three employees with phones 201, 202, 203 (persons 1, 2, 3).
pub async fn people(db: &Db) {
    run(
        db,
        "insert into person (id, login, name, role, created_at) values \
         (1, 'anna', 'Anna', 'manager', 0), (2, 'boris', 'Boris', 'manager', 0), \
         (3, 'vera', 'Vera', 'manager', 0)",
    )
    .await;
    run(
        db,
        "insert into person_extension (account, extension, person) values \
         ('office', '201', 1), ('office', '202', 2), ('office', '203', 3)",
    )
    .await;
}

/// Calls by key: what is derived, what the columns say, and what stands beside them.
async fn calls(db: &Db) -> Vec<Texts> {
    type Row = (String, Uuid, String, Option<Vec<u8>>, String);
    const SQL: &str = "select c.call_key, c.id, c.derived, c.facts, \
         coalesce(c.result, '') || '|' || coalesce(cast(c.line as text), '') || '|' || \
         coalesce(cast(c.answered_by as text), '') || '|' || \
         coalesce((select p.e164 || '/' || p.ext from card_phone p where p.card = c.card), '') \
         || '|' || coalesce(c.recording, '') || '|' || \
         (select count(*) from call_key k where k.call = c.id) || '|' || \
         c.phase || '|' || coalesce(c.direction, '') || '|' || coalesce(c.ended, '') || '|' || \
         coalesce(c.hangup_by, '') || '|' || coalesce(c.client, c.client_shown) || '|' || \
         c.client_name || '|' || coalesce(c.did, '') || '|' || c.started_at || '|' || \
         coalesce(c.rang_at, 0) || '|' || coalesce(c.answered_at, 0) || '|' || \
         coalesce(c.ended_at, 0) || '|' || coalesce(c.wait_ms, -1) || '|' || \
         coalesce(c.ring_ms, -1) || '|' || coalesce(c.talk_ms, -1) || '|' || \
         coalesce(c.hold_ms, -1) || '|' || coalesce(c.answered_ext, '') || '|' || c.heard_at \
         from call c order by c.call_key";
    let rows: Vec<Row> = on_read!(db, pool => sqlx::query_as(SQL).fetch_all(pool).await.unwrap());
    let read = |(key, id, text, facts, beside): Row| {
        let call = derived::read(id, &text, facts.as_deref()).unwrap();
        let call = serde_json::to_string(&call).unwrap();
        let beside = beside.split('|').map(str::to_owned);
        [key, call].into_iter().chain(beside).collect()
    };
    rows.into_iter().map(read).collect()
}

/// Everything that must not depend on order.
pub async fn picture(db: &Db) -> Picture {
    Picture {
        calls: calls(db).await,
        cards: texts(
            db,
            "select p.e164 || '/' || p.ext || '|' || coalesce(cast(c.owner as text), '') || '|' || \
             coalesce(cast(c.owner_since as text), '') || '|' || \
             coalesce(cast(c.first_at as text), '') || '|' || \
             coalesce(cast(c.first_line as text), '') \
             from card c left join card_phone p on p.card = c.id order by p.e164, p.ext",
        )
        .await,
        persons: texts(
            db,
            "select c.call_key || '|' || p.person || '|' || p.started_at || '|' || p.rang || '|' || \
             p.talked from call_person p join call c on c.id = p.call \
             order by c.call_key, p.person",
        )
        .await,
        tasks: texts(
            db,
            "select c.call_key || '|' || t.client || '|' || t.created_at || '|' || t.due_at || '|' \
             || coalesce(cast(t.done_at as text), '') || '|' || coalesce(t.outcome, '') || '|' || \
             coalesce((select d.call_key from call d where d.id = t.done_by), '') || '|' || \
             case when t.done_at is null then coalesce(cast(t.person as text), '') else '' end \
             from task t join call c on c.id = t.call \
             where coalesce(t.outcome, '') <> 'obsolete' order by c.call_key",
        )
        .await,
        recordings: texts(
            db,
            "select c.call_key || '|' || r.recording || '|' || r.state || '|' || \
             coalesce(r.source, '') || '|' || (select count(*) from outbox o where o.call = c.id \
             and o.body = r.recording) from recording r join call c on c.id = r.call \
             order by c.call_key, r.recording",
        )
        .await,
        figures: texts(
            db,
            "select quarter || '|' || line || '|' || person || '|' || direction || '|' || \
             sum(calls) || '|' || sum(answered) || '|' || sum(missed) || '|' || sum(talk_ms) || \
             '|' || sum(wait_ms) || '|' || sum(ring_ms) from rollup \
             group by quarter, line, person, direction having sum(calls) <> 0 \
             order by quarter, line, person, direction",
        )
        .await,
        clients: texts(
            db,
            "select day || '|' || line || '|' || client || '|' || calls from rollup_client \
             where calls <> 0 order by day, line, client",
        )
        .await,
    }
}

/// Counts of journal rows by outcome.
pub async fn outcomes(db: &Db) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = on_read!(db, pool => {
        sqlx::query_as("select outcome, count(*) from raw group by outcome")
            .fetch_all(pool).await.unwrap()
    });
    rows.into_iter().collect()
}

impl Picture {
    /// Fails with what differs, table by table.
    pub fn is(&self, expected: &Self, when: &str) {
        assert_eq!(self.calls, expected.calls, "calls, {when}");
        assert_eq!(self.cards, expected.cards, "cards, {when}");
        assert_eq!(self.persons, expected.persons, "persons, {when}");
        assert_eq!(self.tasks, expected.tasks, "tasks, {when}");
        assert_eq!(self.recordings, expected.recordings, "recordings, {when}");
        assert_eq!(self.figures, expected.figures, "figures, {when}");
        assert_eq!(self.clients, expected.clients, "clients, {when}");
    }
}
