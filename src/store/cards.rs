//! Reading cards, and what people write on them. Cards are made and matched by the writer.

use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::{
    Db, StoreError,
    sql::{Bound, Sql, fetch_all},
};
use crate::{
    model::{
        ids::{CardId, PersonId},
        time::Timestamp,
    },
    on_read, on_write,
};

/// A card with its owner's name; times in microseconds.
#[derive(Clone, Debug, FromRow)]
#[allow(missing_docs, reason = "columns of `card`, described in the schema")]
pub struct Card {
    pub id: Uuid,
    pub name: String,
    pub company: String,
    pub owner: Option<i64>,
    pub owner_name: Option<String>,
    pub owner_department: Option<i64>,
    pub note: String,
    pub provisional: i64,
    pub first_line: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
    pub merged_into: Option<Uuid>,
    pub version: i64,
}

const CARD: &str = "k.id, k.name, k.company, k.owner, o.name as owner_name,
    o.department as owner_department, k.note, k.provisional, l.name as first_line, k.created_at,
    k.updated_at, k.merged_into, k.version
    from card k left join person o on o.id = k.owner left join line l on l.id = k.first_line";

/// One card.
pub async fn card(db: &Db, id: CardId) -> Result<Option<Card>, StoreError> {
    let sql = format!("select {CARD} where k.id = $1");
    Ok(on_read!(db, pool => {
        sqlx::query_as(AssertSqlSafe(sql)).bind(id.0).fetch_optional(pool).await?
    }))
}

/// The live card that this one is, or has become a part of; `None`: there is no such card.
pub async fn living(db: &Db, id: CardId) -> Result<Option<CardId>, StoreError> {
    const SQL: &str = "with recursive up (id, part_of) as (select id, merged_into from card where id = $1 \
        union select k.id, k.merged_into from card k join up u on k.id = u.part_of) \
        select id from up where part_of is null";
    let row: Option<(Uuid,)> =
        on_read!(db, pool => sqlx::query_as(SQL).bind(id.0).fetch_optional(pool).await?);
    Ok(row.map(|(id,)| CardId(id)))
}

/// Live cards that may be of the same client: of the same name, and of the same company where both say
/// one; those changed last first.
pub async fn alike(db: &Db, card: &Card, search: &Search) -> Result<Vec<Card>, StoreError> {
    if card.name.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::default();
    sql.push("select ")
        .push(CARD)
        .push(" where k.merged_into is null");
    narrow(&mut sql, search);
    sql.push(" and k.name = ")
        .bind(Bound::Text(card.name.clone()));
    sql.push(" and k.id <> ").bind(Bound::Id(card.id));
    if !card.company.is_empty() {
        sql.push(" and k.company in ('', ");
        sql.bind(Bound::Text(card.company.clone())).push(")");
    }
    sql.push(" order by k.updated_at desc, k.id limit 10");
    Ok(fetch_all!(db, sql))
}

/// A number of a card.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct CardPhone {
    /// E.164.
    pub e164: String,
    /// Extension behind it; empty: none.
    pub ext: String,
    /// `own`, `company`, `shared`.
    pub kind: String,
}

/// The numbers of a card.
pub async fn phones(db: &Db, id: CardId) -> Result<Vec<CardPhone>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select e164, ext, kind from card_phone where card = $1 order by kind desc, e164, ext",
        )
        .bind(id.0)
        .fetch_all(pool)
        .await?
    }))
}

/// Other live cards with one of the numbers of a call: the other candidates of a match.
pub async fn others_with(db: &Db, e164: &str, but: CardId) -> Result<Vec<Card>, StoreError> {
    let sql = format!(
        "select {CARD} where k.id <> $2 and k.merged_into is null
         and k.id in (select card from card_phone where e164 = $1) order by k.updated_at desc limit 10"
    );
    Ok(on_read!(db, pool => {
        sqlx::query_as(AssertSqlSafe(sql)).bind(e164).bind(but.0).fetch_all(pool).await?
    }))
}

/// A note or change on a card; time in microseconds.
#[derive(Clone, Debug, FromRow)]
pub struct CardEvent {
    /// When.
    pub at: i64,
    /// Who; `None`: by itself.
    pub person: Option<String>,
    /// `note`, `owner`, `created`, `imported`, ...
    pub kind: String,
    /// Text.
    pub body: String,
}

/// The latest notes and changes on a card, and on those that have become part of it.
pub async fn events(db: &Db, id: CardId, limit: i64) -> Result<Vec<CardEvent>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "with recursive mine (id) as (select id from card where id = $1
             union select k.id from card k join mine m on k.merged_into = m.id)
             select e.at, p.name as person, e.kind, e.body
             from card_event e left join person p on p.id = e.person
             where e.card in (select id from mine)
             and (e.card = $1 or e.kind not in ('merged_into', 'parted_from'))
             order by e.at desc, e.id desc limit $2",
        )
        .bind(id.0)
        .bind(limit)
        .fetch_all(pool)
        .await?
    }))
}

/// Writes a `note`, or the `result` of a call with its words, on a card.
pub async fn add_note(
    db: &Db,
    id: CardId,
    person: Option<PersonId>,
    kind: &'static str,
    body: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    on_write!(db, pool => {
        let mut transaction = pool.begin().await?;
        sqlx::query(
            "insert into card_event (card, at, person, kind, body) values ($1, $2, $3, $4, $5)",
        )
        .bind(id.0)
        .bind(now.as_micros())
        .bind(person.map(|person| person.0))
        .bind(kind)
        .bind(body)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("update card set updated_at = $2 where id = $1")
            .bind(id.0)
            .bind(now.as_micros())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    });
    Ok(())
}

/// Sets the name and company of a card, and says so in its history.
pub async fn rename(
    db: &Db,
    id: CardId,
    person: Option<PersonId>,
    name: &str,
    company: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    on_write!(db, pool => {
        let mut transaction = pool.begin().await?;
        sqlx::query(
            "update card set name = $2, company = $3, updated_at = $4, provisional = 0,
                    version = version + 1
             where id = $1",
        )
        .bind(id.0)
        .bind(name)
        .bind(company)
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "insert into card_event (card, at, person, kind, body)
             values ($1, $2, $3, 'renamed', $4)",
        )
        .bind(id.0)
        .bind(now.as_micros())
        .bind(person.map(|person| person.0))
        .bind([name, company].join(" · "))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
    });
    Ok(())
}

/// Which cards.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Only of this owner.
    pub owner: Option<PersonId>,
    /// Only of owners in this department.
    pub department: Option<i64>,
    /// Name or company contains this.
    pub text: Option<String>,
    /// A number ends with these digits.
    pub digits: Option<String>,
}

/// A page of cards by (name, id), after a card.
pub async fn search(
    db: &Db,
    search: &Search,
    after: Option<(&str, Uuid)>,
    limit: i64,
) -> Result<Vec<Card>, StoreError> {
    let mut sql = Sql::default();
    sql.push("select ")
        .push(CARD)
        .push(" where k.merged_into is null");
    narrow(&mut sql, search);
    if let Some(digits) = &search.digits {
        sql.push(" and k.id in (select card from card_phone where e164 like ");
        sql.bind(Bound::Text(format!("%{digits}"))).push(")");
    }
    if let Some(text) = &search.text {
        sql.push(" and (");
        // Neither engine folds the case of Cyrillic letters alike, so the usual spellings are tried.
        for (n, spelling) in spellings(text).into_iter().enumerate() {
            let pattern = Bound::Text(format!("%{}%", escape_like(&spelling)));
            sql.push(if n > 0 { " or " } else { "" });
            sql.push("k.name like ")
                .bind(pattern.clone())
                .push(" escape '\\'");
            sql.push(" or k.company like ")
                .bind(pattern)
                .push(" escape '\\'");
        }
        sql.push(")");
    }
    if let Some((name, id)) = after {
        sql.push(" and (k.name, k.id) > (");
        sql.bind(Bound::Text(name.to_owned())).push(", ");
        sql.bind(Bound::Id(id)).push(")");
    }
    sql.push(" order by k.name, k.id limit ")
        .bind(Bound::Int(limit));
    Ok(fetch_all!(db, sql))
}

/// Only cards of the owner or department.
fn narrow(sql: &mut Sql, search: &Search) {
    if let Some(owner) = search.owner {
        sql.push(" and k.owner = ").bind(Bound::Int(owner.0));
    }
    if let Some(department) = search.department {
        sql.push(" and o.department = ")
            .bind(Bound::Int(department));
    }
}

/// As typed, in small letters, in capitals, and with a capital first.
fn spellings(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let mut letters = lower.chars();
    let capitalised: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(letters)
        .collect();
    let mut all = vec![text.to_owned(), text.to_uppercase(), capitalised, lower];
    all.sort();
    all.dedup();
    all
}

fn escape_like(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_for_in_its_usual_spellings() {
        let spellings = spellings("иваНов");
        for expected in ["иванов", "Иванов", "ИВАНОВ", "иваНов"] {
            assert!(spellings.iter().any(|spelling| spelling == expected));
        }
    }

    #[test]
    fn wildcards_typed_are_letters() {
        assert_eq!(escape_like("50%_\\"), "50\\%\\_\\\\");
    }
}
