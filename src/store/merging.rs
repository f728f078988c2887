//! Cards that people merge into one, part again, and numbers that they take out of a card.
//!
//! A merge moves everything that hangs on the loser (numbers, calls, tasks, touches) to the winner in
//! one transaction, and writes down what it moved and how the winner stood, so that it can be undone
//! exactly. The loser stays as a row that leads to the winner; notes and changes stay with the card they
//! were written on and are read with it ([`super::cards::events`]). What has come since goes, when the
//! cards are parted, to the card that carries its number.
//!
//! Leaves out: what a card says of itself afterwards ([`rules::merging`](crate::rules::merging)), rights,
//! and roll-ups: they count by line, person and number, and none of these changes.

mod moving;
mod statements;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::{moving::Moving, statements as sql};
use super::{
    Db, StoreError,
    cards::CardPhone,
    rows::Tx,
    writer::statements::{CARDS_ALONE, CARDS_TOGETHER, PASS_TASKS},
};
use crate::{
    model::{
        ids::{CallId, CardId, LineId, PersonId},
        time::Timestamp,
    },
    on_read,
    rules::{
        matching::PhoneKind,
        merging::{self, Face},
    },
};

/// Why cards were not merged or parted.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A card is not there.
    #[error("there is no such card")]
    Unknown,
    /// A card cannot become part of itself.
    #[error("it is one and the same card")]
    Same,
    /// One of them is part of another card.
    #[error("a card is part of another one already")]
    AlreadyMerged,
    /// It is part of no card.
    #[error("the card is part of no other")]
    NotMerged,
    /// The card it is part of has become part of a third, from which it must be parted first.
    #[error("the card it is part of is part of another one itself")]
    MergedFurther,
    /// What the merge moved is not known any more.
    #[error("what the merge has moved is not known any more")]
    Forgotten,
    /// The card has no such number, or no other.
    #[error("the card has no such number, or no other one")]
    NoNumber,
    /// A card is not as it was when somebody decided.
    #[error("a card has changed meanwhile")]
    Changed,
    /// The database said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for MergeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Who does it, and when.
#[derive(Clone, Copy, Debug)]
pub struct Deed {
    /// Who; `None`: a program.
    pub person: Option<PersonId>,
    /// When.
    pub at: Timestamp,
}

/// What was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The card it is on now.
    pub card: CardId,
    /// Calls, each in the version it has now.
    pub calls: Vec<(CallId, i64)>,
}

/// A card that has become part of another one.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Part {
    /// Which.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// When it was merged, in microseconds.
    pub at: i64,
    /// By whom.
    pub person: Option<String>,
}

/// What a merge would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// What the winner will say.
    pub after: Face,
    /// What it says now.
    pub before: Face,
    /// Numbers that come over.
    pub phones: Vec<CardPhone>,
    /// How many calls do.
    pub calls: i64,
    /// How many open tasks.
    pub tasks: i64,
    /// How many touches.
    pub touches: i64,
}

/// What is written down of a merge.
#[derive(Serialize, Deserialize)]
struct Record {
    before: Face,
    after: Face,
    phones: Vec<Phone>,
    calls: Vec<Uuid>,
    tasks: Vec<i64>,
    touches: Vec<Uuid>,
}

/// A number that came over.
#[derive(Serialize, Deserialize)]
struct Phone {
    e164: String,
    ext: String,
    kind: String,
    /// What it was to the winner, if it was there.
    was: Option<String>,
}

/// A card under lock: id, merged into, version, and its face.
type CardRow = (
    Uuid,
    Option<Uuid>,
    i64,
    String,
    String,
    String,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
);

/// A card as it stands.
struct Standing {
    part_of: Option<CardId>,
    version: i64,
    face: Face,
}

impl From<CardRow> for Standing {
    fn from(row: CardRow) -> Self {
        let (_, part_of, version, name, company, note, owner, since, line, at) = row;
        Self {
            part_of: part_of.map(CardId),
            version,
            face: Face {
                name,
                company,
                note,
                owner: owner.map(PersonId),
                owner_since: since.map(Timestamp::from_micros),
                first_line: line.map(LineId),
                first_at: at.map(Timestamp::from_micros),
            },
        }
    }
}

/// Lets nobody move cards until the end of a transaction that puts something on them. SQLite's write
/// lock does that by itself.
pub(super) async fn keep_cards(tx: &mut Tx) -> Result<(), sqlx::Error> {
    lock(tx, CARDS_TOGETHER).await
}

async fn lock(tx: &mut Tx, text: &'static str) -> Result<(), sqlx::Error> {
    if let Tx::Pg(_) = tx {
        let _: Vec<(i64,)> = tx.read(text).await?;
    }
    Ok(())
}

/// Begins to move cards: nobody else moves any, nor puts calls on them, until it is done.
async fn begin(db: &Db) -> Result<Tx, sqlx::Error> {
    let mut tx = Tx::begin(db).await?;
    lock(&mut tx, CARDS_ALONE).await?;
    Ok(tx)
}

async fn standing(tx: &mut Tx, card: CardId) -> Result<Option<Standing>, sqlx::Error> {
    let mut rows = sql::HOLD_CARD.rows(tx.engine());
    rows.id(card.0);
    let found: Vec<CardRow> = tx.fetch(rows).await?;
    Ok(found.into_iter().next().map(Standing::from))
}

async fn live(tx: &mut Tx, card: CardId) -> Result<Standing, MergeError> {
    let standing = standing(tx, card).await?.ok_or(MergeError::Unknown)?;
    match standing.part_of {
        Some(_) => Err(MergeError::AlreadyMerged),
        None => Ok(standing),
    }
}

/// Makes `loser` a part of `winner`. `seen`: versions of both, if somebody decided by what they said.
pub async fn merge(
    db: &Db,
    (winner, loser): (CardId, CardId),
    seen: Option<(i64, i64)>,
    deed: Deed,
) -> Result<Moved, MergeError> {
    if winner == loser {
        return Err(MergeError::Same);
    }
    let mut tx = begin(db).await?;
    // Both in one order, whatever is merged into what.
    let first = live(&mut tx, winner.min(loser)).await?;
    let second = live(&mut tx, winner.max(loser)).await?;
    let (winning, losing) = if winner < loser {
        (first, second)
    } else {
        (second, first)
    };
    if seen.is_some_and(|seen| seen != (winning.version, losing.version)) {
        return Err(MergeError::Changed);
    }
    let after = merging::merged(&winning.face, &losing.face);
    let mut moving = Moving::new(&mut tx, loser, winner, deed);
    let calls = moving.all_calls().await?;
    #[cfg(feature = "planted")]
    let after = match crate::planted::is("merge_keeps_the_winners_face") {
        true => winning.face.clone(),
        false => after,
    };
    let record = Record {
        before: winning.face,
        after: after.clone(),
        calls: calls.iter().map(|(call, _)| call.0).collect(),
        tasks: moving.all_tasks().await?,
        touches: moving.all_touches().await?,
        phones: moving.all_phones().await?,
    };
    moving.set_part_of(loser, Some(winner)).await?;
    moving.set_face(winner, &after).await?;
    moving.tell(winner, "merged", loser).await?;
    moving.tell(loser, "merged_into", winner).await?;
    moving.write_down(&record).await?;
    pass_tasks(&mut tx, &[winner]).await?;
    tx.commit().await?;
    Ok(Moved {
        card: winner,
        calls,
    })
}

/// Parts a card from the one it has become a part of: what came with it goes back; what has come since
/// goes by its number.
pub async fn part(db: &Db, card: CardId, deed: Deed) -> Result<Moved, MergeError> {
    let mut tx = begin(db).await?;
    let parted = standing(&mut tx, card).await?.ok_or(MergeError::Unknown)?;
    let from = parted.part_of.ok_or(MergeError::NotMerged)?;
    let standing = live(&mut tx, from).await.map_err(|error| match error {
        MergeError::AlreadyMerged => MergeError::MergedFurther,
        other => other,
    })?;
    let (merge, record) = last_merge(&mut tx, card).await?;
    let face = merging::parted(&standing.face, &record.before, &record.after);
    let mut moving = Moving::new(&mut tx, from, card, deed);
    moving.phones_back(&record.phones).await?;
    moving.set_part_of(card, None).await?;
    let mut calls = moving.calls_back(&record.calls).await?;
    moving.tasks(&record.tasks).await?;
    moving.touches(&record.touches).await?;
    let phones = record.phones.iter();
    let numbers = phones.map(|phone| phone.e164.clone()).collect();
    calls.extend(moving.by_numbers(&numbers).await?);
    moving.set_face(from, &face).await?;
    moving.tell(from, "parted", card).await?;
    moving.tell(card, "parted_from", from).await?;
    moving.end(merge).await?;
    moving.forgo(&record.calls).await?;
    moving.recount().await?;
    pass_tasks(&mut tx, &[from, card]).await?;
    tx.commit().await?;
    Ok(Moved { card, calls })
}

async fn last_merge(tx: &mut Tx, loser: CardId) -> Result<(i64, Record), MergeError> {
    let mut rows = sql::LAST_MERGE.rows(tx.engine());
    rows.id(loser.0);
    let found: Vec<(i64, String)> = tx.fetch(rows).await?;
    let (id, body) = found.into_iter().next().ok_or(MergeError::Forgotten)?;
    let record = serde_json::from_str(&body).map_err(|source| StoreError::Value {
        what: "card_merge.body",
        source,
    })?;
    Ok((id, record))
}

/// Takes a number out of a card into a new one, with all that came by it. `seen`: version of the card,
/// if somebody decided by what it said.
pub async fn part_number(
    db: &Db,
    from: CardId,
    number: &CardPhone,
    seen: Option<i64>,
    deed: Deed,
) -> Result<Moved, MergeError> {
    let mut tx = begin(db).await?;
    let standing = live(&mut tx, from).await?;
    if seen.is_some_and(|seen| seen != standing.version) {
        return Err(MergeError::Changed);
    }
    let card = CardId(Uuid::now_v7());
    let mut moving = Moving::new(&mut tx, from, card, deed);
    let phones = moving.phones_of(from).await?;
    if phones.len() < 2 || !phones.contains(number) {
        return Err(MergeError::NoNumber);
    }
    moving.add_card().await?;
    moving.phone(number).await?;
    let calls = moving.by_numbers(&[number.e164.clone()].into()).await?;
    // The history says so, and the version grows.
    moving.set_face(from, &standing.face).await?;
    moving.tell(from, "number_parted", card).await?;
    moving.tell(card, "parted_from", from).await?;
    moving.recount().await?;
    pass_tasks(&mut tx, &[from, card]).await?;
    tx.commit().await?;
    Ok(Moved { card, calls })
}

async fn pass_tasks(tx: &mut Tx, cards: &[CardId]) -> Result<(), sqlx::Error> {
    let mut rows = PASS_TASKS.rows(tx.engine());
    for card in cards {
        rows.id(card.0);
    }
    tx.run(rows).await?;
    Ok(())
}

/// Cards that have become part of this one, the latest first.
pub async fn parts_of(db: &Db, card: CardId) -> Result<Vec<Part>, StoreError> {
    const SQL: &str = "select k.id, k.name, m.at, p.name as person from card k \
        join card_merge m on m.loser = k.id and m.undone_at is null \
        left join person p on p.id = m.person where k.merged_into = $1 order by m.at desc, m.id desc";
    Ok(on_read!(db, pool => sqlx::query_as(SQL).bind(card.0).fetch_all(pool).await?))
}

/// What making `loser` a part of `winner` would do.
pub async fn preview(
    db: &Db,
    winner: CardId,
    loser: CardId,
) -> Result<Option<Preview>, StoreError> {
    const FACE: &str = "select id, merged_into, version, name, company, note, owner, owner_since, \
        first_line, first_at from card where id = $1";
    const COUNTS: &str = "select (select count(*) from call where card = $1), \
        (select count(*) from task where card = $1 and done_at is null), \
        (select count(*) from touch where card = $1)";
    let mut faces = Vec::new();
    let counts: (i64, i64, i64) = on_read!(db, pool => {
        for card in [winner, loser] {
            let row: Option<CardRow> =
                sqlx::query_as(FACE).bind(card.0).fetch_optional(pool).await?;
            faces.extend(row.map(|row| Standing::from(row).face));
        }
        sqlx::query_as(COUNTS).bind(loser.0).fetch_one(pool).await?
    });
    let [before, losing] = faces.as_slice() else {
        return Ok(None);
    };
    Ok(Some(Preview {
        after: merging::merged(before, losing),
        before: before.clone(),
        phones: super::cards::phones(db, loser).await?,
        calls: counts.0,
        tasks: counts.1,
        touches: counts.2,
    }))
}

/// The stronger of two kinds of one number.
fn stronger(one: &str, other: &str) -> String {
    // A kind this version does not know is the weakest.
    let strength = |word: &str| PhoneKind::parse(word).unwrap_or(PhoneKind::Shared);
    match strength(other) < strength(one) {
        true => other.to_owned(),
        false => one.to_owned(),
    }
}
