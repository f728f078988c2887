//! Who did what that must be traceable: reveals, listens, downloads, exports, changes, sign-ins.

use sqlx::FromRow;

use super::{Db, StoreError};
use crate::{
    model::{ids::PersonId, time::Timestamp},
    on_read, on_write,
};

/// One traceable deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Who; `None`: nobody we know (a failed sign-in).
    pub person: Option<PersonId>,
    /// What, as a closed word (`reveal`, `listen`, ...).
    pub action: &'static str,
    /// To what (`call:<id>`, `card:<id>`, `person:<id>`).
    pub object: &'a str,
    /// Anything worth keeping; never a full number or a secret.
    pub detail: &'a str,
    /// Address of the browser.
    pub remote: &'a str,
}

/// Keeps a deed. The caller goes on only after it is kept.
pub async fn keep(db: &Db, entry: &Entry<'_>, now: Timestamp) -> Result<(), StoreError> {
    keep_by(db, entry, None, now).await
}

/// Keeps a deed done with a token of the API, or without one.
pub async fn keep_by(
    db: &Db,
    entry: &Entry<'_>,
    token: Option<i64>,
    now: Timestamp,
) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query(
            "insert into audit (at, person, action, object, detail, remote, token)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(now.as_micros())
        .bind(entry.person.map(|person| person.0))
        .bind(entry.action)
        .bind(entry.object)
        .bind(entry.detail)
        .bind(entry.remote)
        .bind(token)
        .execute(pool)
        .await?;
    });
    Ok(())
}

/// A deed as pages show it.
#[derive(Clone, Debug, FromRow)]
pub struct Deed {
    /// When, in microseconds.
    pub at: i64,
    /// Who; a service by the name of its token.
    pub name: Option<String>,
    /// What.
    pub action: String,
    /// Anything kept with it.
    pub detail: String,
}

/// The latest deeds done to one object.
pub async fn of_object(db: &Db, object: &str, limit: i64) -> Result<Vec<Deed>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select a.at, coalesce(p.name, k.name) as name, a.action, a.detail
             from audit a left join person p on p.id = a.person
             left join api_token k on k.id = a.token
             where a.object = $1 order by a.at desc, a.id desc limit $2",
        )
        .bind(object)
        .bind(limit)
        .fetch_all(pool)
        .await?
    }))
}
