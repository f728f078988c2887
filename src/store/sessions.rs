//! Browser sessions and one-time sign-in links. Tokens never get here: only their SHA-256.

use sqlx::FromRow;

use super::{Db, StoreError};
use crate::{
    model::{
        ids::PersonId,
        people::{Person, Role},
        time::Timestamp,
    },
    on_read, on_write,
};

/// A session that is still good, with its person.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who is signed in.
    pub person: Person,
    /// Token that every form must carry.
    pub csrf: String,
    /// When it was last used, to within a few minutes.
    pub seen_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    csrf: String,
    seen_at: i64,
    id: i64,
    login: String,
    name: String,
    role: String,
    department: Option<i64>,
    language: String,
    active: i64,
}

/// Opens a session.
pub async fn open(
    db: &Db,
    token_hash: &[u8],
    person: PersonId,
    csrf: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query(
            "insert into session (token_hash, person, csrf, created_at, seen_at, expires_at)
             values ($1, $2, $3, $4, $4, $5)",
        )
        .bind(token_hash)
        .bind(person.0)
        .bind(csrf)
        .bind(now.as_micros())
        .bind(expires_at.as_micros())
        .execute(pool)
        .await?;
    });
    Ok(())
}

/// The session of a token, if it is in time, was used since `used_since`, and its person is active.
pub async fn find(
    db: &Db,
    token_hash: &[u8],
    now: Timestamp,
    used_since: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let row: Option<Row> = on_read!(db, pool => {
        sqlx::query_as(
            "select s.csrf, s.seen_at, p.id, p.login, p.name, p.role, p.department, p.language, p.active
             from session s join person p on p.id = s.person
             where s.token_hash = $1 and s.expires_at > $2 and s.seen_at > $3 and p.active = 1",
        )
        .bind(token_hash)
        .bind(now.as_micros())
        .bind(used_since.as_micros())
        .fetch_optional(pool)
        .await?
    });
    Ok(row.map(|row| Session {
        person: Person {
            id: PersonId(row.id),
            login: row.login,
            name: row.name,
            role: Role::parse(&row.role).unwrap_or(Role::Manager),
            department: row.department,
            language: row.language,
            active: row.active != 0,
        },
        csrf: row.csrf,
        seen_at: Timestamp::from_micros(row.seen_at),
    }))
}

/// Keeps when a session was last used.
pub async fn touch(db: &Db, token_hash: &[u8], now: Timestamp) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query("update session set seen_at = $2 where token_hash = $1")
            .bind(token_hash)
            .bind(now.as_micros())
            .execute(pool)
            .await?;
    });
    Ok(())
}

/// Ends one session.
pub async fn close(db: &Db, token_hash: &[u8]) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query("delete from session where token_hash = $1")
            .bind(token_hash)
            .execute(pool)
            .await?;
    });
    Ok(())
}

/// Ends every other session of a person, as after a new password.
pub async fn close_others(db: &Db, person: PersonId, keep: &[u8]) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query("delete from session where person = $1 and token_hash <> $2")
            .bind(person.0)
            .bind(keep)
            .execute(pool)
            .await?;
    });
    Ok(())
}

/// Forgets sessions and links whose time is over.
pub async fn sweep(db: &Db, now: Timestamp) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query("delete from session where expires_at <= $1")
            .bind(now.as_micros())
            .execute(pool)
            .await?;
        sqlx::query("delete from sign_in_link where expires_at <= $1")
            .bind(now.as_micros())
            .execute(pool)
            .await?;
    });
    Ok(())
}

/// Keeps a one-time link.
pub async fn keep_link(
    db: &Db,
    token_hash: &[u8],
    person: PersonId,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query("insert into sign_in_link (token_hash, person, expires_at) values ($1, $2, $3)")
            .bind(token_hash)
            .bind(person.0)
            .bind(expires_at.as_micros())
            .execute(pool)
            .await?;
    });
    Ok(())
}

/// Ends every link of a person that is not used up.
pub async fn drop_links(db: &Db, person: PersonId) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query("delete from sign_in_link where person = $1 and used_at is null")
            .bind(person.0)
            .execute(pool)
            .await?;
    });
    Ok(())
}

/// The person a link still lets in; looking does not use it up.
pub async fn look_at_link(
    db: &Db,
    token_hash: &[u8],
    now: Timestamp,
) -> Result<Option<PersonId>, StoreError> {
    let row: Option<(i64,)> = on_read!(db, pool => {
        sqlx::query_as(
            "select l.person from sign_in_link l join person p on p.id = l.person
             where l.token_hash = $1 and l.used_at is null and l.expires_at > $2 and p.active = 1",
        )
        .bind(token_hash)
        .bind(now.as_micros())
        .fetch_optional(pool)
        .await?
    });
    Ok(row.map(|(id,)| PersonId(id)))
}

/// Uses a link up; of two at once, one gets the person.
pub async fn use_link(
    db: &Db,
    token_hash: &[u8],
    now: Timestamp,
) -> Result<Option<PersonId>, StoreError> {
    let row: Option<(i64,)> = on_write!(db, pool => {
        sqlx::query_as(
            "update sign_in_link set used_at = $2
             where token_hash = $1 and used_at is null and expires_at > $2
               and person in (select id from person where active = 1)
             returning person",
        )
        .bind(token_hash)
        .bind(now.as_micros())
        .fetch_optional(pool)
        .await?
    });
    Ok(row.map(|(id,)| PersonId(id)))
}
