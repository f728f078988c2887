//! People, their extensions, departments and passwords.

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

const COLUMNS: &str = "id, login, name, role, department, language, active";

#[derive(FromRow)]
struct Row {
    id: i64,
    login: String,
    name: String,
    role: String,
    department: Option<i64>,
    language: String,
    active: i64,
}

impl From<Row> for Person {
    fn from(row: Row) -> Self {
        Self {
            id: PersonId(row.id),
            login: row.login,
            name: row.name,
            // A role this version does not know gets the least rights.
            role: Role::parse(&row.role).unwrap_or(Role::Manager),
            department: row.department,
            language: row.language,
            active: row.active != 0,
        }
    }
}

/// What is needed to make a person.
#[derive(Clone, Debug)]
pub struct NewPerson<'a> {
    /// Sign-in name, unique.
    pub login: &'a str,
    /// Shown name.
    pub name: &'a str,
    /// Role.
    pub role: Role,
    /// `ru` or `en`.
    pub language: &'a str,
}

/// Makes a person; fails if the login is taken.
pub async fn create(
    db: &Db,
    person: &NewPerson<'_>,
    now: Timestamp,
) -> Result<PersonId, StoreError> {
    let (id,): (i64,) = on_write!(db, pool => {
        sqlx::query_as(
            "insert into person (login, name, role, language, created_at)
             values ($1, $2, $3, $4, $5) returning id",
        )
        .bind(person.login)
        .bind(person.name)
        .bind(person.role.as_str())
        .bind(person.language)
        .bind(now.as_micros())
        .fetch_one(pool)
        .await?
    });
    Ok(PersonId(id))
}

/// Everybody, by name.
pub async fn all(db: &Db) -> Result<Vec<Person>, StoreError> {
    let sql = format!("select {COLUMNS} from person order by name, id");
    let rows: Vec<Row> = on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await?
    });
    Ok(rows.into_iter().map(Person::from).collect())
}

/// One person.
pub async fn by_id(db: &Db, id: PersonId) -> Result<Option<Person>, StoreError> {
    let sql = format!("select {COLUMNS} from person where id = $1");
    let row: Option<Row> = on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id.0).fetch_optional(pool).await?
    });
    Ok(row.map(Person::from))
}

/// One person by sign-in name.
pub async fn by_login(db: &Db, login: &str) -> Result<Option<Person>, StoreError> {
    let sql = format!("select {COLUMNS} from person where login = $1");
    let row: Option<Row> = on_read!(db, pool => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(login).fetch_optional(pool).await?
    });
    Ok(row.map(Person::from))
}

/// The password hash of an active person, by sign-in name.
pub async fn password_hash(db: &Db, login: &str) -> Result<Option<(PersonId, String)>, StoreError> {
    let row: Option<(i64, Option<String>)> = on_read!(db, pool => {
        sqlx::query_as("select id, password_hash from person where login = $1 and active = 1")
            .bind(login)
            .fetch_optional(pool)
            .await?
    });
    Ok(row.and_then(|(id, hash)| Some((PersonId(id), hash?))))
}

/// Keeps a new password hash.
pub async fn set_password_hash(db: &Db, id: PersonId, hash: &str) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query("update person set password_hash = $2 where id = $1")
            .bind(id.0)
            .bind(hash)
            .execute(pool)
            .await?;
    });
    Ok(())
}

/// Keeps the language a person reads.
pub async fn set_language(db: &Db, id: PersonId, language: &str) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query("update person set language = $2 where id = $1")
            .bind(id.0)
            .bind(language)
            .execute(pool)
            .await?;
    });
    Ok(())
}

/// Every extension of an active person: account, extension, person.
pub async fn extensions(db: &Db) -> Result<Vec<(String, String, i64)>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select e.account, e.extension, e.person
             from person_extension e join person p on p.id = e.person
             where p.active = 1 order by e.account, e.extension",
        )
        .fetch_all(pool)
        .await?
    }))
}

/// Extensions of one account with the names of their people.
pub async fn extensions_with_names(
    db: &Db,
    account: &str,
) -> Result<Vec<(String, String)>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select e.extension, p.name from person_extension e join person p on p.id = e.person
             where e.account = $1",
        )
        .bind(account)
        .fetch_all(pool)
        .await?
    }))
}

/// Gives somebody a phone that nobody has.
pub async fn give_extension(
    db: &Db,
    account: &str,
    extension: &str,
    person: PersonId,
) -> Result<(), StoreError> {
    on_write!(db, pool => {
        sqlx::query("insert into person_extension (account, extension, person) values ($1, $2, $3)")
            .bind(account)
            .bind(extension)
            .bind(person.0)
            .execute(pool)
            .await?;
    });
    Ok(())
}

/// Account and extension of a person, the first by name: where click-to-call rings.
pub async fn extension_of(
    db: &Db,
    person: PersonId,
) -> Result<Option<(String, String)>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select account, extension from person_extension where person = $1
             order by account, extension limit 1",
        )
        .bind(person.0)
        .fetch_optional(pool)
        .await?
    }))
}

/// An active person and what they do right now.
#[derive(Clone, Debug, FromRow)]
pub struct Presence {
    /// Row id.
    pub id: i64,
    /// Shown name.
    pub name: String,
    /// Department.
    pub department: Option<i64>,
    /// Not available until then, in microseconds.
    pub break_until: Option<i64>,
    /// 2: talks, 1: is rung, 0: neither.
    pub engaged: i64,
}

/// A page of active people by id, after a person; calls that began before `begun_since` count no more.
pub async fn presence(
    db: &Db,
    begun_since: Timestamp,
    after: i64,
    limit: i64,
) -> Result<Vec<Presence>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select p.id, p.name, p.department, p.break_until,
                    cast(coalesce((
                        select max(case when cp.talked = 1 and c.phase = 'talking' then 2
                                        when cp.rang = 1 and c.phase = 'ringing' then 1 else 0 end)
                        from call_person cp join call c on c.id = cp.call
                        where cp.person = p.id and cp.started_at >= $1 and c.ended is null
                    ), 0) as bigint) as engaged
             from person p where p.active = 1 and p.id > $2 order by p.id limit $3",
        )
        .bind(begun_since.as_micros())
        .bind(after)
        .bind(limit)
        .fetch_all(pool)
        .await?
    }))
}

/// Keeps until when a person is not to be rung; `None`: may be rung. Returns `false` if there is no such
/// active person.
pub async fn set_break(
    db: &Db,
    id: PersonId,
    until: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let changed = on_write!(db, pool => {
        sqlx::query("update person set break_until = $2 where id = $1 and active = 1")
            .bind(id.0)
            .bind(until.map(Timestamp::as_micros))
            .execute(pool)
            .await?
            .rows_affected()
    });
    Ok(changed > 0)
}
