//! Tokens of the API: whose rights they have, what they are for, and when they end. Tokens never get
//! here: only their SHA-256 and how they begin.

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

/// Whose rights a token has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Those of a person, as they are at the moment.
    Person(PersonId),
    /// Those of a role: another program, which is nobody.
    Service(Role),
}

/// What is needed to make a token.
#[derive(Clone, Debug)]
pub struct NewToken<'a> {
    /// What people call it.
    pub name: &'a str,
    /// Whose rights it has.
    pub holder: Holder,
    /// Words of scopes, separated by spaces.
    pub scopes: &'a str,
    /// SHA-256 of the token.
    pub hash: &'a [u8],
    /// How it begins.
    pub hint: &'a str,
    /// Who made it; `None`: the command line.
    pub created_by: Option<PersonId>,
    /// When it ends; `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// Keeps a new token and gives its id.
pub async fn create(db: &Db, token: &NewToken<'_>, now: Timestamp) -> Result<i64, StoreError> {
    let (person, role) = match token.holder {
        Holder::Person(person) => (Some(person.0), None),
        Holder::Service(role) => (None, Some(role.as_str())),
    };
    let (id,): (i64,) = on_write!(db, pool => {
        sqlx::query_as(
            "insert into api_token (name, person, role, scopes, token_hash, hint, created_at,
                    created_by, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id",
        )
        .bind(token.name)
        .bind(person)
        .bind(role)
        .bind(token.scopes)
        .bind(token.hash)
        .bind(token.hint)
        .bind(now.as_micros())
        .bind(token.created_by.map(|person| person.0))
        .bind(token.expires_at.map(Timestamp::as_micros))
        .fetch_one(pool)
        .await?
    });
    Ok(id)
}

/// A token that is still good.
#[derive(Clone, Debug)]
pub struct Found {
    /// Row id.
    pub id: i64,
    /// Whose rights it has. A service is a person of its role that is nobody: its id is no row.
    pub person: Person,
    /// Whether it is a service.
    pub is_service: bool,
    /// Words of scopes, separated by spaces.
    pub scopes: String,
    /// When it was last used, to within a few minutes.
    pub used_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct FoundRow {
    id: i64,
    name: String,
    role: Option<String>,
    scopes: String,
    used_at: Option<i64>,
    person: Option<i64>,
    login: Option<String>,
    person_name: Option<String>,
    person_role: Option<String>,
    department: Option<i64>,
    language: Option<String>,
}

impl From<FoundRow> for Found {
    fn from(row: FoundRow) -> Self {
        let is_service = row.person.is_none();
        let role = row.person_role.or(row.role).unwrap_or_default();
        Self {
            id: row.id,
            person: Person {
                id: PersonId(row.person.unwrap_or(-row.id)),
                login: row.login.unwrap_or_default(),
                name: row.person_name.unwrap_or(row.name),
                // A role this version does not know gets the least rights.
                role: Role::parse(&role).unwrap_or(Role::Manager),
                department: row.department,
                language: row.language.unwrap_or_else(|| "en".to_owned()),
                active: true,
            },
            is_service,
            scopes: row.scopes,
            used_at: row.used_at.map(Timestamp::from_micros),
        }
    }
}

/// The token of a hash, if it is in time, was not revoked, and its person is active.
pub async fn find(db: &Db, hash: &[u8], now: Timestamp) -> Result<Option<Found>, StoreError> {
    let row: Option<FoundRow> = on_read!(db, pool => {
        sqlx::query_as(
            "select t.id, t.name, t.role, t.scopes, t.used_at, t.person, p.login,
                    p.name as person_name, p.role as person_role, p.department, p.language
             from api_token t left join person p on p.id = t.person
             where t.token_hash = $1 and t.revoked_at is null
               and (t.expires_at is null or t.expires_at > $2)
               and (t.person is null or p.active = 1)",
        )
        .bind(hash)
        .bind(now.as_micros())
        .fetch_optional(pool)
        .await?
    });
    Ok(row.map(Found::from))
}

/// Keeps when a token was last used.
pub async fn touch(db: &Db, id: i64, now: Timestamp) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query("update api_token set used_at = $2 where id = $1")
            .bind(id)
            .bind(now.as_micros())
            .execute(pool)
            .await?;
    });
    Ok(())
}

/// A token as pages and the command line show it; times in microseconds.
#[derive(Clone, Debug, FromRow)]
#[allow(
    missing_docs,
    reason = "columns of `api_token`, described in the schema"
)]
pub struct Token {
    pub id: i64,
    pub name: String,
    pub person: Option<i64>,
    pub person_name: Option<String>,
    pub role: Option<String>,
    pub scopes: String,
    pub hint: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub revoked_at: Option<i64>,
    pub used_at: Option<i64>,
}

const TOKEN: &str =
    "select t.id, t.name, t.person, p.name as person_name, t.role, t.scopes, t.hint,
        t.created_at, t.expires_at, t.revoked_at, t.used_at
    from api_token t left join person p on p.id = t.person";

/// Tokens, those that work first, then the newest first; of one person, or all.
pub async fn list(db: &Db, of: Option<PersonId>) -> Result<Vec<Token>, StoreError> {
    let sql = format!(
        "{TOKEN} where cast($1 as bigint) is null or t.person = $1
         order by case when t.revoked_at is null then 0 else 1 end, t.id desc"
    );
    Ok(on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(of.map(|person| person.0))
            .fetch_all(pool)
            .await?
    }))
}

/// One token.
pub async fn by_id(db: &Db, id: i64) -> Result<Option<Token>, StoreError> {
    let sql = format!("{TOKEN} where t.id = $1");
    Ok(on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(pool).await?
    }))
}

/// Ends a token for good. Returns `false` if there is none that could be ended.
pub async fn revoke(db: &Db, id: i64, now: Timestamp) -> Result<bool, StoreError> {
    let ended = on_write!(db, pool => {
        sqlx::query("update api_token set revoked_at = $2 where id = $1 and revoked_at is null")
            .bind(id)
            .bind(now.as_micros())
            .execute(pool)
            .await?
            .rows_affected()
    });
    Ok(ended > 0)
}
