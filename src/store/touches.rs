//! Touches: what clients write in forms, letters and chats. A touch finds or makes the card of its
//! number and starts the clock of the first call, all in one transaction.
//!
//! The clock is a task of kind `first_dial`. Like every task it is closed by an actual connected call,
//! by the writer's own statement, which runs here as well: the call may have come before the touch was
//! handed in.

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Db, StoreError,
    merging::keep_cards,
    rows::{Engine, Kind, Statement, Tx},
    sql::{Bound, Sql, fetch_all},
    writer::statements::{ADD_CARDS, DROP_CARDS, FIND_NUMBERS, SETTLE_TASKS},
};
use crate::{
    model::{
        ids::{CardId, PersonId},
        time::Timestamp,
    },
    rules::matching::{Candidate, PhoneKind, rank},
};

use Kind::{Id, Int, Text};

/// What a client wrote.
#[derive(Clone, Debug)]
pub struct NewTouch<'a> {
    /// Its id: the same again is the same touch.
    pub id: Uuid,
    /// `form`, `letter`, `chat` or `other`.
    pub kind: &'a str,
    /// The client's number, E.164.
    pub client: &'a str,
    /// Extension behind it; empty: none.
    pub ext: &'a str,
    /// When the client wrote.
    pub at: Timestamp,
    /// Name the client gave; empty: none. So are the others.
    pub name: &'a str,
    /// Company.
    pub company: &'a str,
    /// Address of mail.
    pub email: &'a str,
    /// The text.
    pub words: &'a str,
    /// Where it came from.
    pub source: &'a str,
    /// Address of the page.
    pub page: &'a str,
    /// Whose task the first call is, while the client has no manager.
    pub person: Option<PersonId>,
    /// When the first call is due.
    pub due_at: Timestamp,
    /// Token it was handed in with.
    pub token: Option<i64>,
}

static KNOWN: Statement = Statement::new(
    "select t.card from {rows} as r join touch t on t.id = r.id",
    &[("id", Id)],
);
/// What the client says of itself fills what the card leaves open.
static INTRODUCE: Statement = Statement::new(
    "update card set name = case card.name when '' then r.name else card.name end, \
     company = case card.company when '' then r.company else card.company end, updated_at = r.now \
     from {rows} as r where card.id = r.card",
    &[
        ("card", Id),
        ("name", Text),
        ("company", Text),
        ("now", Int),
    ],
);
/// The clock that runs for this client already, the earliest if there are several.
static RUNNING: Statement = Statement::new(
    "select t.id from {rows} as r join task t on t.client = r.client and t.card = r.card \
     where t.kind = 'first_dial' and t.done_at is null order by t.due_at, t.id limit 1",
    &[("client", Text), ("card", Id)],
);
static START: Statement = Statement::new(
    "insert into task (kind, card, client, person, rung, created_at, due_at) \
     select 'first_dial', r.card, r.client, \
     coalesce((select c.owner from card c where c.id = r.card), r.person), r.person, r.at, r.due_at \
     from {rows} as r where true returning id",
    &[
        ("card", Id),
        ("client", Text),
        ("person", Int),
        ("at", Int),
        ("due_at", Int),
    ],
);
static NOTE: Statement = Statement::new(
    "insert into card_event (card, at, kind, body) \
     select r.card, r.at, 'touch', r.body from {rows} as r",
    &[("card", Id), ("at", Int), ("body", Text)],
);
static ADD: Statement = Statement::new(
    "insert into touch (id, card, task, kind, client, at, received_at, name, company, email, words, \
     source, page, token) \
     select id, card, task, kind, client, at, received_at, name, company, email, words, source, page, \
     token from {rows} as r",
    &[
        ("id", Id),
        ("card", Id),
        ("task", Int),
        ("kind", Text),
        ("client", Text),
        ("at", Int),
        ("received_at", Int),
        ("name", Text),
        ("company", Text),
        ("email", Text),
        ("words", Text),
        ("source", Text),
        ("page", Text),
        ("token", Int),
    ],
);

/// Takes a touch in. One that is known already changes nothing.
pub async fn open(db: &Db, touch: &NewTouch<'_>, now: Timestamp) -> Result<(), StoreError> {
    let engine = Engine::of(db);
    let mut tx = Tx::begin(db).await?;
    keep_cards(&mut tx).await?;
    let mut known = KNOWN.rows(engine);
    known.id(touch.id);
    let known: Vec<(Uuid,)> = tx.fetch(known).await?;
    if !known.is_empty() {
        tx.rollback().await?;
        return Ok(());
    }
    let card = card_of(&mut tx, touch, now).await?;
    let mut introduce = INTRODUCE.rows(engine);
    introduce
        .id(card.0)
        .text(touch.name)
        .text(touch.company)
        .int(now.as_micros());
    tx.run(introduce).await?;
    let task = clock(&mut tx, touch, card).await?;
    let mut note = NOTE.rows(engine);
    let body = [touch.kind, touch.source, touch.words];
    let body: Vec<&str> = body.into_iter().filter(|part| !part.is_empty()).collect();
    note.id(card.0)
        .int(touch.at.as_micros())
        .text(body.join(" · ").as_str());
    tx.run(note).await?;
    let mut add = ADD.rows(engine);
    add.id(touch.id)
        .id(card.0)
        .int(task)
        .text(touch.kind)
        .text(touch.client)
        .int(touch.at.as_micros())
        .int(now.as_micros())
        .text(touch.name)
        .text(touch.company)
        .text(touch.email)
        .text(touch.words)
        .text(touch.source)
        .text(touch.page)
        .int(touch.token);
    tx.run(add).await?;
    let mut settle = SETTLE_TASKS.rows(engine);
    settle.text(touch.client);
    tx.run(settle).await?;
    tx.commit().await?;
    Ok(())
}

/// The card of the client's number, found as the writer finds it, or a new one.
async fn card_of(tx: &mut Tx, touch: &NewTouch<'_>, now: Timestamp) -> Result<CardId, sqlx::Error> {
    if let Some(card) = found(tx, touch).await? {
        return Ok(card);
    }
    let card = CardId(Uuid::now_v7());
    let mut add = ADD_CARDS.rows(tx.engine());
    add.id(card.0)
        .int(now.as_micros())
        .text(touch.client)
        .text(touch.ext);
    let ours: Vec<(Uuid,)> = tx.fetch(add).await?;
    if !ours.is_empty() {
        return Ok(card);
    }
    // A call of the same client was quicker: its card stands.
    let mut surplus = DROP_CARDS.rows(tx.engine());
    surplus.id(card.0);
    tx.run(surplus).await?;
    found(tx, touch).await?.ok_or(sqlx::Error::RowNotFound)
}

async fn found(tx: &mut Tx, touch: &NewTouch<'_>) -> Result<Option<CardId>, sqlx::Error> {
    let mut numbers = FIND_NUMBERS.rows(tx.engine());
    numbers.text(touch.client);
    let rows: Vec<(String, String, String, Uuid)> = tx.fetch(numbers).await?;
    let candidates: Vec<Candidate> = rows
        .into_iter()
        .map(|(_, ext, kind, card)| Candidate {
            card: CardId(card),
            // A kind this version does not know matches nothing by itself.
            kind: PhoneKind::parse(&kind).unwrap_or(PhoneKind::Shared),
            ext,
        })
        .collect();
    Ok(rank(touch.ext, &candidates).first().map(|(_, card)| *card))
}

/// The clock of the first call: one per client at a time.
async fn clock(tx: &mut Tx, touch: &NewTouch<'_>, card: CardId) -> Result<i64, sqlx::Error> {
    let mut running = RUNNING.rows(tx.engine());
    running.text(touch.client).id(card.0);
    let running: Vec<(i64,)> = tx.fetch(running).await?;
    if let Some((task,)) = running.first() {
        return Ok(*task);
    }
    let mut start = START.rows(tx.engine());
    start
        .id(card.0)
        .text(touch.client)
        .int(touch.person.map(|person| person.0))
        .int(touch.at.as_micros())
        .int(touch.due_at.as_micros());
    let started: Vec<(i64,)> = tx.fetch(start).await?;
    let (task,) = started.first().ok_or(sqlx::Error::RowNotFound)?;
    Ok(*task)
}

/// A touch with its clock; times in microseconds.
#[derive(Clone, Debug, FromRow)]
#[allow(missing_docs, reason = "columns of `touch`, described in the schema")]
pub struct Touch {
    pub id: Uuid,
    pub card: Uuid,
    pub kind: String,
    pub client: String,
    pub at: i64,
    pub received_at: i64,
    pub name: String,
    pub company: String,
    pub email: String,
    pub words: String,
    pub source: String,
    pub page: String,
    pub task: Option<i64>,
    pub due_at: Option<i64>,
    pub done_at: Option<i64>,
    pub done_by: Option<Uuid>,
}

const TOUCH: &str = "select o.id, o.card, o.kind, o.client, o.at, o.received_at, o.name, o.company,
        o.email, o.words, o.source, o.page, o.task, t.due_at, t.done_at, t.done_by
    from touch o join card k on k.id = o.card left join person p on p.id = k.owner
    left join task t on t.id = o.task";

/// One touch.
pub async fn by_id(db: &Db, id: Uuid) -> Result<Option<Touch>, StoreError> {
    let mut sql = Sql::default();
    sql.push(TOUCH).push(" where o.id = ").bind(Bound::Id(id));
    let rows: Vec<Touch> = fetch_all!(db, sql);
    Ok(rows.into_iter().next())
}

/// Which touches.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// On cards of this owner.
    pub owner: Option<PersonId>,
    /// On cards whose owner is of this department.
    pub department: Option<i64>,
    /// On this card.
    pub card: Option<CardId>,
}

/// A page of touches, those received last first, after a touch.
pub async fn page(
    db: &Db,
    filter: &Filter,
    after: Option<(i64, Uuid)>,
    limit: i64,
) -> Result<Vec<Touch>, StoreError> {
    let mut sql = Sql::default();
    sql.push(TOUCH).push(" where 1 = 1");
    if let Some(owner) = filter.owner {
        sql.push(" and k.owner = ").bind(Bound::Int(owner.0));
    }
    if let Some(department) = filter.department {
        sql.push(" and p.department = ")
            .bind(Bound::Int(department));
    }
    if let Some(card) = filter.card {
        sql.push(" and o.card = ").bind(Bound::Id(card.0));
    }
    if let Some((received_at, id)) = after {
        sql.push(" and (o.received_at, o.id) < (");
        sql.bind(Bound::Int(received_at)).push(", ");
        sql.bind(Bound::Id(id)).push(")");
    }
    sql.push(" order by o.received_at desc, o.id desc limit ");
    sql.bind(Bound::Int(limit));
    Ok(fetch_all!(db, sql))
}
