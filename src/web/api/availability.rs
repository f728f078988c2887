//! Who can be rung, and who says that they cannot.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    caller::Caller,
    endpoint::{About, Endpoint, Nothing, Row, Set, read, write},
    lines::Asked,
    problem::Problem,
    scope::Scope,
    words::{self, Moment, Page},
};
use crate::{
    model::{ids::PersonId, time::Timestamp},
    policy::{Action, Belongs, Object},
    store::people::{self, Presence},
    web::{Error, demand, now, sight},
};

/// A call that began longer ago keeps nobody busy.
const LONGEST_CALL_MS: i64 = 24 * 3_600_000;
/// The longest break.
const LONGEST_BREAK_MS: i64 = 366 * 86_400_000;

/// The endpoints of availability.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        read("/api/v1/availability", LIST, list),
        write::<Set, _, _, _, _>("/api/v1/availability/{id}", SET, set),
    ]
}

const LIST: About = About {
    id: "listAvailability",
    summary: "Everybody who works here, and who can be rung",
    details: "",
    scope: Scope::AvailabilityRead,
    action: Action::UseDesk,
};
const SET: About = About {
    id: "setAvailability",
    summary: "Say until when a person is not to be rung",
    details: "One's own, or that of somebody whom the holder may watch. Routing knows it after a few \
        seconds (`enquiry.refresh_ms`).",
    scope: Scope::AvailabilityWrite,
    action: Action::UseDesk,
};

/// What somebody does.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersonState {
    /// Can be rung.
    Available,
    /// Is rung by a client.
    Ringing,
    /// Talks with a client.
    Talking,
    /// Is not to be rung.
    Break,
}

/// A person and whether they can be rung.
#[derive(Serialize, JsonSchema)]
pub struct Availability {
    /// Who.
    id: i64,
    /// Name.
    name: String,
    /// Their phones.
    extensions: Vec<Phone>,
    /// What they do.
    state: PersonState,
    /// Until when they are not to be rung.
    break_until: Option<Moment>,
}

/// A phone of a person.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Extension")]
pub struct Phone {
    /// The account at a PBX.
    account: String,
    /// The number there.
    extension: String,
}

/// Until when a person is not to be rung.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Break {
    /// Until when; null: can be rung.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schemars(schema_with = "words::moment_or_null")]
    break_until: Option<Moment>,
}

impl Availability {
    fn of(person: Presence, extensions: Vec<Phone>, now: Timestamp) -> Self {
        let until = person.break_until.map(Timestamp::from_micros);
        let until = until.filter(|until| *until > now);
        Self {
            state: match (person.engaged, until) {
                (2, _) => PersonState::Talking,
                (1, _) => PersonState::Ringing,
                (_, Some(_)) => PersonState::Break,
                _ => PersonState::Available,
            },
            break_until: until.map(Moment),
            id: person.id,
            name: person.name,
            extensions,
        }
    }
}

async fn list(caller: Caller, _: Nothing, asked: Asked) -> Result<Page<Availability>, Problem> {
    let (limit, after) = asked.place()?;
    let (db, now) = (&caller.site.db, now());
    let since = now.plus_millis(-LONGEST_CALL_MS);
    let rows = people::presence(db, since, after, limit.rows()).await?;
    let mut phones = phones(&caller).await?;
    let page = Page::of(
        rows,
        limit,
        |row| row.id,
        |row| {
            let own = phones.remove(&row.id).unwrap_or_default();
            Availability::of(row, own, now)
        },
    );
    Ok(page)
}

async fn phones(caller: &Caller) -> Result<BTreeMap<i64, Vec<Phone>>, Problem> {
    let mut phones: BTreeMap<i64, Vec<Phone>> = BTreeMap::new();
    for (account, extension, person) in people::extensions(&caller.site.db).await? {
        let own = phones.entry(person).or_default();
        own.push(Phone { account, extension });
    }
    Ok(phones)
}

async fn set(caller: Caller, place: Row, wanted: Break) -> Result<Availability, Problem> {
    let id = PersonId(place.id);
    let (db, now) = (&caller.site.db, now());
    let person = people::by_id(db, id).await?.filter(|person| person.active);
    let person = person.ok_or(Error::NotFound)?;
    if caller.visitor.known() != Some(id) {
        let object = Object::Of(Belongs {
            people: vec![id],
            departments: person.department.into_iter().collect(),
            rung: false,
        });
        demand(&caller.visitor, Action::Supervise, &object)?;
    }
    let until = wanted.break_until.map(|until| until.0);
    if until.is_some_and(|until| until > now.plus_millis(LONGEST_BREAK_MS)) {
        return Err(Problem::Unusable(
            "break_until: at most a year ahead.".to_owned(),
        ));
    }
    people::set_break(db, id, until).await?;
    let object = format!("person:{id}", id = id.0);
    sight::audited(&caller.site, &caller.visitor, "change", &object, "break").await?;
    let since = now.plus_millis(-LONGEST_CALL_MS);
    let mut rows = people::presence(db, since, id.0 - 1, 1).await?;
    let row = rows
        .pop()
        .filter(|row| row.id == id.0)
        .ok_or(Error::NotFound)?;
    let own = phones(&caller).await?.remove(&id.0).unwrap_or_default();
    Ok(Availability::of(row, own, now))
}
