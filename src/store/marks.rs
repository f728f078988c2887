//! Numbers and cards marked as spam or blocked: whose missed calls make no call-backs, and who is not
//! put through either.

use std::collections::BTreeSet;

use sqlx::FromRow;

use super::{Db, StoreError};
use crate::{
    model::{
        ids::{CardId, PersonId},
        time::Timestamp,
    },
    on_read, on_write,
};

/// What a number or card can be marked as.
pub const MARKS: [&str; 2] = ["spam", "blocked"];

/// A mark on a number.
#[derive(Clone, Debug, FromRow)]
pub struct Marked {
    /// `spam` or `blocked`.
    pub mark: String,
    /// Why.
    pub reason: String,
}

/// Who marks what, and why.
#[derive(Clone, Copy, Debug)]
pub struct Marking<'a> {
    /// One of [`MARKS`].
    pub mark: &'a str,
    /// Why.
    pub reason: &'a str,
    /// Who.
    pub person: PersonId,
    /// When.
    pub at: Timestamp,
}

/// The mark on a number itself, not on its card.
pub async fn of_number(db: &Db, e164: &str) -> Result<Option<Marked>, StoreError> {
    const SQL: &str = "select mark, reason from number_mark where e164 = $1";
    Ok(on_read!(db, pool => sqlx::query_as(SQL).bind(e164).fetch_optional(pool).await?))
}

/// The mark on a card; empty if there is none.
pub async fn of_card(db: &Db, card: CardId) -> Result<String, StoreError> {
    const SQL: &str = "select mark from card where id = $1";
    let found: Option<(String,)> =
        on_read!(db, pool => sqlx::query_as(SQL).bind(card.0).fetch_optional(pool).await?);
    Ok(found.map(|(mark,)| mark).unwrap_or_default())
}

/// Numbers that are not put through: blocked themselves, or own numbers of blocked cards.
pub async fn blocked(db: &Db) -> Result<BTreeSet<String>, StoreError> {
    const SQL: &str = "select e164 from number_mark where mark = 'blocked' union \
         select p.e164 from card c join card_phone p on p.card = c.id and p.kind = 'own' \
         where c.mark <> '' and c.mark = 'blocked' and c.merged_into is null";
    let rows: Vec<(String,)> = on_read!(db, pool => sqlx::query_as(SQL).fetch_all(pool).await?);
    Ok(rows.into_iter().map(|(e164,)| e164).collect())
}

/// Closes what is open for a client who turned out to be nobody to call back.
const CLOSE_NUMBER: &str = "update task set done_at = $2, outcome = 'blocked', reason = $3 \
     where done_at is null and client = $1";
const CLOSE_CARD: &str = "update task set done_at = $2, outcome = 'blocked', reason = $3 \
     where done_at is null and card = $1";

/// Marks a number; its open call-backs are closed.
pub async fn mark_number(db: &Db, e164: &str, marking: &Marking<'_>) -> Result<(), StoreError> {
    const SQL: &str = "insert into number_mark (e164, mark, reason, person, created_at) \
         values ($1, $2, $3, $4, $5) on conflict (e164) do update set mark = excluded.mark, \
         reason = excluded.reason, person = excluded.person, created_at = excluded.created_at";
    on_write!(db, pool => {
        let mut tx = pool.begin().await?;
        sqlx::query(SQL)
            .bind(e164)
            .bind(marking.mark)
            .bind(marking.reason)
            .bind(marking.person.0)
            .bind(marking.at.as_micros())
            .execute(&mut *tx)
            .await?;
        sqlx::query(CLOSE_NUMBER)
            .bind(e164)
            .bind(marking.at.as_micros())
            .bind(marking.reason)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
    });
    Ok(())
}

/// Takes the mark off a number.
pub async fn unmark_number(db: &Db, e164: &str) -> Result<(), StoreError> {
    const SQL: &str = "delete from number_mark where e164 = $1";
    on_write!(db, pool => {
        sqlx::query(SQL).bind(e164).execute(pool).await?;
    });
    Ok(())
}

/// Marks a card, that is all numbers of its own, also later ones; its open call-backs are closed.
pub async fn mark_card(db: &Db, card: CardId, marking: &Marking<'_>) -> Result<(), StoreError> {
    set_card(db, card, marking, "marked").await
}

/// Takes the mark off a card.
pub async fn unmark_card(db: &Db, card: CardId, marking: &Marking<'_>) -> Result<(), StoreError> {
    set_card(
        db,
        card,
        &Marking {
            mark: "",
            ..*marking
        },
        "unmarked",
    )
    .await
}

async fn set_card(
    db: &Db,
    card: CardId,
    marking: &Marking<'_>,
    kind: &str,
) -> Result<(), StoreError> {
    const SQL: &str = "update card set mark = $2, version = version + 1, updated_at = $3 \
         where id = $1";
    const EVENT: &str = "insert into card_event (card, at, person, kind, body) \
         values ($1, $2, $3, $4, $5)";
    let body = match marking.reason {
        "" => marking.mark.to_owned(),
        reason => format!("{}: {reason}", marking.mark),
    };
    on_write!(db, pool => {
        let mut tx = pool.begin().await?;
        sqlx::query(SQL)
            .bind(card.0)
            .bind(marking.mark)
            .bind(marking.at.as_micros())
            .execute(&mut *tx)
            .await?;
        sqlx::query(EVENT)
            .bind(card.0)
            .bind(marking.at.as_micros())
            .bind(marking.person.0)
            .bind(kind)
            .bind(body)
            .execute(&mut *tx)
            .await?;
        if !marking.mark.is_empty() {
            sqlx::query(CLOSE_CARD)
                .bind(card.0)
                .bind(marking.at.as_micros())
                .bind(marking.reason)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
    });
    Ok(())
}
