//! What there is to tell the outside, from the commit of a change until it has become deliveries.
//!
//! News are written in the transaction of the change itself: those of calls by the writer, with the call
//! as it stood; those of cards, tasks and recordings by triggers, told as they stand when they are read.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use super::{Db, StoreError};
use crate::{
    model::{
        call::Call,
        ids::{AccountName, CallKey, CardId, LineId, PersonId},
    },
    on_read,
};

/// A call as it stood when there was something to tell of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallNews {
    /// The account that knows it.
    pub account: AccountName,
    /// The key that names it there.
    pub key: CallKey,
    /// Grows with every commit that touched the call.
    pub version: i64,
    /// The client's card.
    pub card: Option<CardId>,
    /// Why this card.
    pub match_reason: Option<String>,
    /// Our line.
    pub line: Option<LineId>,
    /// Who talked first.
    pub answered_by: Option<PersonId>,
    /// The call.
    pub call: Arc<Call>,
}

impl CallNews {
    /// As it is kept.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self)
            .expect("a call is made of texts and numbers, so JSON can hold it")
    }
}

/// One piece of news.
#[derive(Clone, Debug, FromRow)]
pub struct News {
    /// Grows; of one subject in the order of its commits.
    pub id: i64,
    /// When it was written, in microseconds.
    pub at: i64,
    /// One of [`crate::rules::news::KINDS`].
    pub kind: String,
    /// The call or card.
    pub subject: Uuid,
    /// The task or recording.
    pub row: Option<i64>,
    /// Of calls: [`CallNews`]; of a call that was merged: the other's id.
    pub body: String,
}

/// The oldest news.
pub async fn oldest(db: &Db, limit: i64) -> Result<Vec<News>, StoreError> {
    const SQL: &str = "select id, at, kind, subject, row, body from news order by id limit $1";
    Ok(on_read!(db, pool => sqlx::query_as(SQL).bind(limit).fetch_all(pool).await?))
}

/// Names of people and lines, as messages tell them.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Names by person.
    pub people: HashMap<i64, String>,
    /// Number and name by line.
    pub lines: HashMap<i64, (String, String)>,
}

/// All names: few, and read once for a portion of news.
pub async fn names(db: &Db) -> Result<Names, StoreError> {
    let people: Vec<(i64, String)> = on_read!(db, pool => {
        sqlx::query_as("select id, name from person").fetch_all(pool).await?
    });
    let lines: Vec<(i64, String, String)> = on_read!(db, pool => {
        sqlx::query_as("select id, did, name from line").fetch_all(pool).await?
    });
    Ok(Names {
        people: people.into_iter().collect(),
        lines: lines
            .into_iter()
            .map(|(id, did, name)| (id, (did, name)))
            .collect(),
    })
}

/// A card as messages tell it; times in microseconds.
#[derive(Clone, Debug, FromRow)]
#[allow(missing_docs, reason = "columns of `card`, described in the schema")]
pub struct CardTold {
    pub id: Uuid,
    pub name: String,
    pub company: String,
    pub owner: Option<i64>,
    pub mark: String,
    pub created_at: i64,
    pub merged_into: Option<Uuid>,
}

/// A card and its numbers; `None` if it is gone.
pub async fn card(db: &Db, id: Uuid) -> Result<Option<(CardTold, Vec<String>)>, StoreError> {
    let card: Option<CardTold> = on_read!(db, pool => {
        sqlx::query_as(
            "select id, name, company, owner, mark, created_at, merged_into from card where id = $1",
        )
        .bind(id)
        .fetch_optional(pool)
        .await?
    });
    let Some(card) = card else { return Ok(None) };
    let numbers: Vec<(String,)> = on_read!(db, pool => {
        sqlx::query_as("select distinct e164 from card_phone where card = $1 order by e164")
            .bind(id)
            .fetch_all(pool)
            .await?
    });
    let numbers = numbers.into_iter().map(|(number,)| number).collect();
    Ok(Some((card, numbers)))
}

/// A task as messages tell it; times in microseconds.
#[derive(Clone, Debug, FromRow)]
#[allow(missing_docs, reason = "columns of `task`, described in the schema")]
pub struct TaskTold {
    pub id: i64,
    pub kind: String,
    pub card: Option<Uuid>,
    pub call: Option<Uuid>,
    pub client: Option<String>,
    pub person: Option<i64>,
    pub created_at: i64,
    pub due_at: i64,
    pub tries: i64,
    pub tried_at: Option<i64>,
    pub escalated_at: Option<i64>,
    pub escalated_to: Option<i64>,
    pub done_at: Option<i64>,
    pub done_by: Option<Uuid>,
    pub outcome: Option<String>,
    pub reason: String,
}

/// A task; `None` if it is gone.
pub async fn task(db: &Db, id: i64) -> Result<Option<TaskTold>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select id, kind, card, call, client, person, created_at, due_at, tries, tried_at,
             escalated_at, escalated_to, done_at, done_by, outcome, reason from task where id = $1",
        )
        .bind(id)
        .fetch_optional(pool)
        .await?
    }))
}
