//! People as those see and change them who run the office: lists with what everybody has, changes,
//! phones, switching off and on. What people leave behind is handed over by [`super::leaving`].

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

/// A person with what they have.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who.
    pub person: Person,
    /// Name of the department.
    pub department: Option<String>,
    /// Who stands in.
    pub deputy: Option<PersonId>,
    /// Account and extension of each phone.
    pub phones: Vec<(String, String)>,
    /// Cards they are responsible for.
    pub clients: i64,
    /// Open call-backs, with those that were handed on to them.
    pub call_backs: i64,
    /// When they last signed in.
    pub signed_in: Option<Timestamp>,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    login: String,
    name: String,
    role: String,
    department: Option<i64>,
    department_name: Option<String>,
    deputy: Option<i64>,
    language: String,
    active: i64,
    clients: i64,
    call_backs: i64,
    signed_in: Option<i64>,
}

impl From<Row> for Member {
    fn from(row: Row) -> Self {
        Self {
            person: Person {
                id: PersonId(row.id),
                login: row.login,
                name: row.name,
                // A role this version does not know gets the least rights.
                role: Role::parse(&row.role).unwrap_or(Role::Manager),
                department: row.department,
                language: row.language,
                active: row.active != 0,
            },
            department: row.department_name,
            deputy: row.deputy.map(PersonId),
            phones: Vec::new(),
            clients: row.clients,
            call_backs: row.call_backs,
            signed_in: row.signed_in.map(Timestamp::from_micros),
        }
    }
}

/// Those who are there first, by name; of one person, of a department, or all. Counting every client is
/// one pass over the cards: the sign before the column keeps the engines from going card by card along
/// an index.
const MEMBERS: &str =
    "select p.id, p.login, p.name, p.role, p.department, d.name as department_name, p.deputy,
        p.language, p.active, coalesce(k.n, 0) as clients,
        (select count(*) from task t where t.done_at is null
            and (t.person = p.id or t.escalated_to = p.id)) as call_backs,
        (select a.at from audit a where a.person = p.id and a.action = 'sign_in'
            order by a.at desc limit 1) as signed_in
    from person p left join department d on d.id = p.department
    left join (select +c.owner as owner, count(*) as n from card c
        where c.merged_into is null and c.owner is not null
            and (cast($1 as bigint) is null or c.owner = $1) group by +c.owner) k on k.owner = p.id
    where (cast($1 as bigint) is null or p.id = $1)
        and (cast($2 as bigint) is null or p.department = $2)
    order by p.active desc, p.name, p.id";

async fn members(
    db: &Db,
    person: Option<PersonId>,
    department: Option<i64>,
) -> Result<Vec<Member>, StoreError> {
    let rows: Vec<Row> = on_read!(db, pool => {
        sqlx::query_as(MEMBERS)
            .bind(person.map(|person| person.0))
            .bind(department)
            .fetch_all(pool)
            .await?
    });
    let phones: Vec<(String, String, i64)> = on_read!(db, pool => {
        sqlx::query_as(
            "select account, extension, person from person_extension order by account, extension",
        )
        .fetch_all(pool)
        .await?
    });
    let mut members: Vec<Member> = rows.into_iter().map(Member::from).collect();
    for (account, extension, person) in phones {
        let whose = members.iter_mut().find(|one| one.person.id.0 == person);
        if let Some(member) = whose {
            member.phones.push((account, extension));
        }
    }
    Ok(members)
}

/// Everybody, or everybody of a department.
pub async fn list(db: &Db, department: Option<i64>) -> Result<Vec<Member>, StoreError> {
    members(db, None, department).await
}

/// One of them.
pub async fn member(db: &Db, person: PersonId) -> Result<Option<Member>, StoreError> {
    Ok(members(db, Some(person), None).await?.into_iter().next())
}

/// Departments by name.
pub async fn departments(db: &Db) -> Result<Vec<(i64, String)>, StoreError> {
    const SQL: &str = "select id, name from department order by name, id";
    Ok(on_read!(db, pool => sqlx::query_as(SQL).fetch_all(pool).await?))
}

/// The department of this name, made if it is not there.
pub async fn department(db: &Db, name: &str) -> Result<i64, StoreError> {
    const SQL: &str = "insert into department (name) values ($1) \
         on conflict (name) do update set name = excluded.name returning id";
    let (id,): (i64,) =
        on_write!(db, pool => sqlx::query_as(SQL).bind(name).fetch_one(pool).await?);
    Ok(id)
}

/// Ring groups by name, with their members by position.
pub async fn groups(db: &Db) -> Result<Vec<(i64, String, Vec<PersonId>)>, StoreError> {
    let rows: Vec<(i64, String, i64)> = on_read!(db, pool => {
        sqlx::query_as(
            "select g.id, g.name, m.person from ring_group g join ring_group_member m on m.grp = g.id
             order by g.name, g.id, m.position, m.person",
        )
        .fetch_all(pool)
        .await?
    });
    let mut groups: Vec<(i64, String, Vec<PersonId>)> = Vec::new();
    for (id, name, person) in rows {
        match groups.last_mut() {
            Some((last, _, members)) if *last == id => members.push(PersonId(person)),
            _ => groups.push((id, name, vec![PersonId(person)])),
        }
    }
    Ok(groups)
}

/// What can be changed of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// Shown name.
    pub name: &'a str,
    /// Role.
    pub role: Role,
    /// Department.
    pub department: Option<i64>,
    /// Who stands in.
    pub deputy: Option<PersonId>,
}

/// Whoever may run the installation (`policy`) besides person $1: without them nobody could let anybody
/// in any more but from the command line.
macro_rules! somebody_else {
    ($sql:literal) => {
        concat!(
            $sql,
            " and (person.active = 0 or person.role not in ('owner', 'administrator') \
             or exists (select 1 from person o where o.id <> $1 and o.active = 1 \
             and o.role in ('owner', 'administrator')))"
        )
    };
}

/// Who is rung by which phone is remembered by the writer until this grows. Being one row, it also has
/// those take turns who would switch each other off at the same moment.
const TAKE_TURNS: &str = "update directory_version set version = version + 1";

/// Changes a person; `false`: nothing was changed, as nobody would be left to run the installation.
pub async fn change(db: &Db, id: PersonId, to: &Change<'_>) -> Result<bool, StoreError> {
    const ANY: &str =
        "update person set name = $2, role = $3, department = $4, deputy = $5 where id = $1";
    const LESS: &str = somebody_else!(
        "update person set name = $2, role = $3, department = $4, deputy = $5 where id = $1"
    );
    let sql = match to.role {
        Role::Owner | Role::Administrator => ANY,
        Role::Manager | Role::Head | Role::Marketer | Role::Quality => LESS,
    };
    let changed = on_write!(db, pool => {
        let mut transaction = pool.begin().await?;
        sqlx::query(TAKE_TURNS).execute(&mut *transaction).await?;
        let changed = sqlx::query(sql)
            .bind(id.0)
            .bind(to.name)
            .bind(to.role.as_str())
            .bind(to.department)
            .bind(to.deputy.map(|deputy| deputy.0))
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        transaction.commit().await?;
        changed
    });
    Ok(changed > 0)
}

/// Switches a person off: signed out everywhere, tokens and links ended for good, rung no more, shown
/// nowhere to be chosen. `false`: nothing was done, as nobody would be left to run the installation.
pub async fn switch_off(db: &Db, id: PersonId, now: Timestamp) -> Result<bool, StoreError> {
    const OFF: &str = somebody_else!("update person set active = 0 where id = $1");
    let changed = on_write!(db, pool => {
        let mut transaction = pool.begin().await?;
        sqlx::query(TAKE_TURNS).execute(&mut *transaction).await?;
        let changed = sqlx::query(OFF)
            .bind(id.0)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        if changed > 0 {
            for sql in [
                "delete from session where person = $1",
                "delete from sign_in_link where person = $1",
            ] {
                sqlx::query(sql).bind(id.0).execute(&mut *transaction).await?;
            }
            sqlx::query(
                "update api_token set revoked_at = $2 where person = $1 and revoked_at is null",
            )
            .bind(id.0)
            .bind(now.as_micros())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        changed
    });
    Ok(changed > 0)
}

/// Lets a person in again; sessions and tokens that were ended stay so.
pub async fn switch_on(db: &Db, id: PersonId) -> Result<(), StoreError> {
    on_write!(db, pool => {
        let mut transaction = pool.begin().await?;
        sqlx::query(TAKE_TURNS).execute(&mut *transaction).await?;
        sqlx::query("update person set active = 1 where id = $1")
            .bind(id.0)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    });
    Ok(())
}

/// Gives somebody a phone that nobody has, or that belonged to somebody who is switched off; `false`:
/// it is somebody's.
pub async fn give_phone(
    db: &Db,
    person: PersonId,
    account: &str,
    extension: &str,
) -> Result<bool, StoreError> {
    const SQL: &str = "insert into person_extension (account, extension, person) values ($1, $2, $3) \
         on conflict (account, extension) do update set person = excluded.person \
         where exists (select 1 from person p where p.id = person_extension.person and p.active = 0)";
    let given = on_write!(db, pool => {
        sqlx::query(SQL)
            .bind(account)
            .bind(extension)
            .bind(person.0)
            .execute(pool)
            .await?
            .rows_affected()
    });
    Ok(given > 0)
}

/// Takes a phone from somebody.
pub async fn take_phone(
    db: &Db,
    person: PersonId,
    account: &str,
    extension: &str,
) -> Result<(), StoreError> {
    const SQL: &str =
        "delete from person_extension where account = $1 and extension = $2 and person = $3";
    on_write!(db, pool => {
        sqlx::query(SQL).bind(account).bind(extension).bind(person.0).execute(pool).await?;
    });
    Ok(())
}
