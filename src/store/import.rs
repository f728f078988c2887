//! Bringing in people, groups, lines and clients, many rows a statement, again and again without
//! doubling anything.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{
    Db, StoreError,
    merging::keep_cards,
    rows::{Engine, Kind, Rows, Statement, Tx},
};
use crate::{
    model::{ids::PersonId, time::Timestamp},
    on_read,
};

const QUARTER_US: i64 = 900_000_000;

/// A person as imported; what is there under the same login is brought up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Sign-in name.
    pub login: String,
    /// Shown name.
    pub name: String,
    /// Word of a role.
    pub role: &'static str,
    /// `ru` or `en`.
    pub language: String,
    /// Department's name.
    pub department: Option<String>,
    /// Login of who stands in.
    pub deputy: Option<String>,
    /// Account and extension of each phone.
    pub extensions: Vec<(String, String)>,
}

/// A ring group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Word of a strategy.
    pub strategy: String,
    /// Logins, by position.
    pub members: Vec<String>,
}

/// A number of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Account that tells of it.
    pub account: String,
    /// E.164, or as the PBX tells it.
    pub did: String,
    /// Shown name.
    pub name: String,
    /// Group that rings when the client has no manager.
    pub group: Option<String>,
    /// Channel from now on.
    pub channel: Option<String>,
}

/// Everything of one office file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Office {
    /// People.
    pub people: Vec<Person>,
    /// Groups.
    pub groups: Vec<Group>,
    /// Lines.
    pub lines: Vec<Line>,
}

static DEPARTMENT: Statement = Statement::new(
    "insert into department (name) select distinct name from {rows} as r where true \
     on conflict (name) do nothing",
    &[("name", Kind::Text)],
);
static PERSON: Statement = Statement::new(
    "insert into person (login, name, role, language, department, created_at) \
     select r.login, r.name, r.role, r.language, d.id, r.at \
     from {rows} as r left join department d on d.name = r.department where true \
     on conflict (login) do update set name = excluded.name, role = excluded.role, \
     language = excluded.language, department = excluded.department",
    &[
        ("login", Kind::Text),
        ("name", Kind::Text),
        ("role", Kind::Text),
        ("language", Kind::Text),
        ("department", Kind::Text),
        ("at", Kind::Int),
    ],
);
static DEPUTY: Statement = Statement::new(
    "update person set deputy = (select d.id from {rows} as r join person d on d.login = r.deputy \
     where r.login = person.login) where login in (select login from {rows} as r)",
    &[("login", Kind::Text), ("deputy", Kind::Text)],
);
static EXTENSION: Statement = Statement::new(
    "insert into person_extension (account, extension, person) \
     select r.account, r.extension, p.id from {rows} as r join person p on p.login = r.login \
     where true on conflict (account, extension) do update set person = excluded.person",
    &[
        ("account", Kind::Text),
        ("extension", Kind::Text),
        ("login", Kind::Text),
    ],
);
static GROUP: Statement = Statement::new(
    "insert into ring_group (name, strategy) select name, strategy from {rows} as r where true \
     on conflict (name) do update set strategy = excluded.strategy",
    &[("name", Kind::Text), ("strategy", Kind::Text)],
);
static NO_MEMBERS: Statement = Statement::new(
    "delete from ring_group_member where grp in \
     (select g.id from {rows} as r join ring_group g on g.name = r.name)",
    &[("name", Kind::Text)],
);
static MEMBER: Statement = Statement::new(
    "insert into ring_group_member (grp, person, position) \
     select g.id, p.id, r.position from {rows} as r \
     join ring_group g on g.name = r.grp join person p on p.login = r.login where true \
     on conflict (grp, person) do nothing",
    &[
        ("grp", Kind::Text),
        ("login", Kind::Text),
        ("position", Kind::Int),
    ],
);
static LINE: Statement = Statement::new(
    "insert into line (account, did, name, grp) \
     select r.account, r.did, r.name, g.id from {rows} as r \
     left join ring_group g on g.name = r.grp where true \
     on conflict (account, did) do update set name = excluded.name, grp = excluded.grp",
    &[
        ("account", Kind::Text),
        ("did", Kind::Text),
        ("name", Kind::Text),
        ("grp", Kind::Text),
    ],
);
static CHANNEL: Statement = Statement::new(
    "insert into channel (name) select distinct name from {rows} as r where true \
     on conflict (name) do nothing",
    &[("name", Kind::Text)],
);

macro_rules! line_channels {
    ($name:ident, $text:literal) => {
        static $name: Statement = Statement::new(
            $text,
            &[
                ("account", Kind::Text),
                ("did", Kind::Text),
                ("channel", Kind::Text),
                ("at", Kind::Int),
            ],
        );
    };
}
line_channels!(
    CHANNEL_ENDS,
    "update line_channel set valid_to = (select max(r.at) from {rows} as r) \
     where valid_to is null and exists (select 1 from {rows} as r \
     join line l on l.account = r.account and l.did = r.did join channel c on c.name = r.channel \
     where l.id = line_channel.line and c.id <> line_channel.channel \
     and line_channel.valid_from <= r.at)"
);
line_channels!(
    // The first channel of a line is valid from ever, so that past calls have one too. What people have
    // planned on the page stays as it is.
    CHANNEL_BEGINS,
    "insert into line_channel (line, channel, valid_from) \
     select l.id, c.id, case when exists (select 1 from line_channel x where x.line = l.id) \
     then r.at else 0 end \
     from {rows} as r join line l on l.account = r.account and l.did = r.did \
     join channel c on c.name = r.channel \
     where not exists (select 1 from line_channel x where x.line = l.id \
     and (x.valid_to is null or x.valid_to > r.at)) \
     on conflict (line, valid_from) do update \
     set channel = excluded.channel, valid_to = excluded.valid_to"
);

/// Brings the office in, as a whole or not at all.
pub async fn office(db: &Db, office: &Office, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = Tx::begin(db).await?;
    people(&mut tx, &office.people, now).await?;
    groups(&mut tx, &office.groups).await?;
    lines(&mut tx, &office.lines, now).await?;
    tx.commit().await?;
    Ok(())
}

async fn people(tx: &mut Tx, people: &[Person], now: Timestamp) -> Result<(), sqlx::Error> {
    let engine = tx.engine();
    let [mut departments, mut persons, mut deputies, mut extensions] =
        [&DEPARTMENT, &PERSON, &DEPUTY, &EXTENSION].map(|statement| statement.rows(engine));
    for person in people {
        if let Some(department) = &person.department {
            departments.text(department.as_str());
        }
        persons
            .text(person.login.as_str())
            .text(person.name.as_str())
            .text(person.role)
            .text(person.language.as_str())
            .text(person.department.as_deref())
            .int(now.as_micros());
        deputies
            .text(person.login.as_str())
            .text(person.deputy.as_deref());
        for (account, extension) in &person.extensions {
            extensions
                .text(account.as_str())
                .text(extension.as_str())
                .text(person.login.as_str());
        }
    }
    for rows in [departments, persons, deputies, extensions] {
        tx.run(rows).await?;
    }
    Ok(())
}

async fn groups(tx: &mut Tx, groups: &[Group]) -> Result<(), sqlx::Error> {
    let engine = tx.engine();
    let [mut all, mut emptied, mut members] =
        [&GROUP, &NO_MEMBERS, &MEMBER].map(|statement| statement.rows(engine));
    for group in groups {
        all.text(group.name.as_str()).text(group.strategy.as_str());
        emptied.text(group.name.as_str());
        for (position, login) in (0..).zip(&group.members) {
            members
                .text(group.name.as_str())
                .text(login.as_str())
                .int(position);
        }
    }
    for rows in [all, emptied, members] {
        tx.run(rows).await?;
    }
    Ok(())
}

async fn lines(tx: &mut Tx, lines: &[Line], now: Timestamp) -> Result<(), sqlx::Error> {
    let engine = tx.engine();
    // Roll-ups know quarter-hours, so channels change on one.
    let at = now.as_micros().div_euclid(QUARTER_US) * QUARTER_US;
    let [mut all, mut channels, mut ends, mut begins] =
        [&LINE, &CHANNEL, &CHANNEL_ENDS, &CHANNEL_BEGINS].map(|statement| statement.rows(engine));
    for line in lines {
        all.text(line.account.as_str())
            .text(line.did.as_str())
            .text(line.name.as_str())
            .text(line.group.as_deref());
        let Some(channel) = &line.channel else {
            continue;
        };
        channels.text(channel.as_str());
        for rows in [&mut ends, &mut begins] {
            rows.text(line.account.as_str())
                .text(line.did.as_str())
                .text(channel.as_str())
                .int(at);
        }
    }
    for rows in [all, channels, ends, begins] {
        tx.run(rows).await?;
    }
    Ok(())
}

/// Row ids of people by login.
pub async fn logins(db: &Db) -> Result<BTreeMap<String, PersonId>, StoreError> {
    let rows: Vec<(String, i64)> = on_read!(db, pool => {
        sqlx::query_as("select login, id from person").fetch_all(pool).await?
    });
    Ok(rows
        .into_iter()
        .map(|(login, id)| (login, PersonId(id)))
        .collect())
}

/// Names of all ring groups.
pub async fn groups_known(db: &Db) -> Result<BTreeSet<String>, StoreError> {
    let rows: Vec<(String,)> = on_read!(db, pool => {
        sqlx::query_as("select name from ring_group").fetch_all(pool).await?
    });
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

/// A client as imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Line of the file, for complaints.
    pub at_line: u64,
    /// Own numbers: E.164 and extension.
    pub phones: Vec<(String, String)>,
    /// Shown name; empty leaves what is there.
    pub name: String,
    /// Company; empty leaves what is there.
    pub company: String,
    /// Note; empty leaves what is there.
    pub note: String,
    /// Responsible manager; `None` leaves who is there.
    pub owner: Option<PersonId>,
}

/// What became of a batch of clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// New cards.
    pub created: u64,
    /// Cards that were there.
    pub updated: u64,
    /// Lines whose numbers lead to several cards: people must decide.
    pub torn: Vec<u64>,
}

static KNOWN: Statement = Statement::new(
    "select p.e164, p.ext, p.card from {rows} as r \
     join card_phone p on p.e164 = r.e164 and p.ext = r.ext \
     join card c on c.id = p.card where p.kind = 'own' and c.merged_into is null",
    &[("e164", Kind::Text), ("ext", Kind::Text)],
);
static CARD: Statement = Statement::new(
    "insert into card (id, name, company, owner, note, created_at, updated_at) \
     select id, name, company, owner, note, at, at from {rows} as r",
    CARD_COLUMNS,
);
static UPDATE: Statement = Statement::new(
    "update card set \
     name = case when r.name <> '' then r.name else card.name end, \
     company = case when r.company <> '' then r.company else card.company end, \
     note = case when r.note <> '' then r.note else card.note end, \
     owner = coalesce(r.owner, card.owner), \
     owner_since = case when r.owner is null then card.owner_since end, \
     updated_at = r.at, version = card.version + 1 \
     from {rows} as r where card.id = r.id",
    CARD_COLUMNS,
);
const CARD_COLUMNS: &[(&str, Kind)] = &[
    ("id", Kind::Id),
    ("name", Kind::Text),
    ("company", Kind::Text),
    ("owner", Kind::Int),
    ("note", Kind::Text),
    ("at", Kind::Int),
];
static PHONE: Statement = Statement::new(
    "insert into card_phone (e164, ext, card, kind) select e164, ext, card, 'own' \
     from {rows} as r where true on conflict do nothing",
    &[
        ("e164", Kind::Text),
        ("ext", Kind::Text),
        ("card", Kind::Id),
    ],
);
static EVENT: Statement = Statement::new(
    "insert into card_event (card, at, kind, body) select card, at, 'imported', '' \
     from {rows} as r",
    &[("card", Kind::Id), ("at", Kind::Int)],
);

/// Brings clients in, one transaction for all that are given: who has a card by an own number is
/// brought up to date, anybody else gets one.
pub async fn clients(db: &Db, clients: &[Client], now: Timestamp) -> Result<Taken, StoreError> {
    let mut tx = Tx::begin(db).await?;
    keep_cards(&mut tx).await?;
    let mut known = known(&mut tx, clients).await?;
    let mut batch = Batch::new(tx.engine(), now);
    for client in clients {
        let cards: BTreeSet<Uuid> = client
            .phones
            .iter()
            .filter_map(|phone| known.get(phone).copied())
            .collect();
        let mut cards = cards.into_iter();
        let card = match (cards.next(), cards.next()) {
            (Some(_), Some(_)) => {
                batch.taken.torn.push(client.at_line);
                continue;
            }
            (Some(card), None) => batch.update(card, client),
            (None, _) => batch.create(client),
        };
        for phone in &client.phones {
            known.insert(phone.clone(), card);
        }
    }
    let Batch {
        created,
        updates,
        phones,
        events,
        taken,
        ..
    } = batch;
    tx.run(created).await?;
    // A card may be told of twice in one file: each update is a statement of its own turn.
    for rows in updates {
        tx.run(rows).await?;
    }
    tx.run(phones).await?;
    tx.run(events).await?;
    tx.commit().await?;
    Ok(taken)
}

async fn known(
    tx: &mut Tx,
    clients: &[Client],
) -> Result<BTreeMap<(String, String), Uuid>, sqlx::Error> {
    let mut rows = KNOWN.rows(tx.engine());
    for (e164, ext) in clients.iter().flat_map(|client| &client.phones) {
        rows.text(e164.as_str()).text(ext.as_str());
    }
    let found: Vec<(String, String, Uuid)> = tx.fetch(rows).await?;
    Ok(found
        .into_iter()
        .map(|(e164, ext, card)| ((e164, ext), card))
        .collect())
}

/// Rows of one transaction while they are put together.
struct Batch {
    engine: Engine,
    now: Timestamp,
    created: Rows,
    updates: Vec<Rows>,
    updated: BTreeSet<Uuid>,
    phones: Rows,
    events: Rows,
    taken: Taken,
}

impl Batch {
    fn new(engine: Engine, now: Timestamp) -> Self {
        Self {
            engine,
            now,
            created: CARD.rows(engine),
            updates: vec![UPDATE.rows(engine)],
            updated: BTreeSet::new(),
            phones: PHONE.rows(engine),
            events: EVENT.rows(engine),
            taken: Taken::default(),
        }
    }

    fn create(&mut self, client: &Client) -> Uuid {
        let card = Uuid::now_v7();
        fill(&mut self.created, card, client, self.now);
        self.taken.created += 1;
        self.note(card, client);
        card
    }

    fn update(&mut self, card: Uuid, client: &Client) -> Uuid {
        if !self.updated.insert(card) {
            self.updates.push(UPDATE.rows(self.engine));
            self.updated = BTreeSet::from([card]);
        }
        let rows = self.updates.last_mut().expect("it begins with one");
        fill(rows, card, client, self.now);
        self.taken.updated += 1;
        self.note(card, client);
        card
    }

    fn note(&mut self, card: Uuid, client: &Client) {
        self.events.id(card).int(self.now.as_micros());
        for (e164, ext) in &client.phones {
            self.phones.text(e164.as_str()).text(ext.as_str()).id(card);
        }
    }
}

fn fill(rows: &mut Rows, card: Uuid, client: &Client, now: Timestamp) {
    rows.id(card)
        .text(client.name.as_str())
        .text(client.company.as_str())
        .int(client.owner.map(|owner| owner.0))
        .text(client.note.as_str())
        .int(now.as_micros());
}
