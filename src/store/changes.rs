//! The log of configuration changes: people, extensions, groups, lines, channels, costs and accounts,
//! with who changed what, from what and to what. Never a secret.
//!
//! It is kept by comparison: what stands in the tables is compared with what stood there when somebody
//! looked last. So nothing escapes it, whichever code or hand made the change; a change nobody has
//! claimed is told as found. Leaves out: deeds that change no configuration (`audit`).

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::{
    Db, StoreError,
    rows::{Engine, Kind, Statement, Tx},
};
use crate::{
    model::{ids::PersonId, time::Timestamp},
    on_read,
};

/// Who says that a change is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Somebody at a page.
    Page(PersonId),
    /// Whoever sits at the machine.
    Command,
    /// Nobody: it was found when the gateway started or before a change.
    Found,
}

impl By {
    const fn origin(self) -> &'static str {
        match self {
            Self::Page(_) => "page",
            Self::Command => "command",
            Self::Found => "found",
        }
    }

    const fn person(self) -> Option<i64> {
        match self {
            Self::Page(person) => Some(person.0),
            Self::Command | Self::Found => None,
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Change {
    /// Row id.
    pub id: i64,
    /// When it was noted, in microseconds.
    pub at: i64,
    /// Name of who did it.
    pub name: Option<String>,
    /// `page`, `command`, `found`.
    pub origin: String,
    /// Kind of thing ([`KINDS`]).
    pub kind: String,
    /// Which one.
    pub object: String,
    /// What it was; `None`: it was not there.
    pub before: Option<String>,
    /// What it is; `None`: it is not there any more.
    pub after: Option<String>,
}

/// Kinds of things that are watched.
pub const KINDS: [&str; 11] = [
    "person",
    "extension",
    "group",
    "member",
    "line",
    "recording",
    "channel",
    "assignment",
    "channel_rule",
    "spend",
    "account",
];

/// Accounts of the configuration file: name and what is set, without secrets.
pub type Accounts = BTreeMap<String, String>;

/// Everything watched: (kind, object) and what it is.
type Picture = BTreeMap<String, BTreeMap<String, String>>;

const NAME: &str = "configuration";

/// Objects and their content, by kind.
const TABLES: [(&str, &str); 8] = [
    (
        "person",
        "select p.login, 'name=' || p.name || '; role=' || p.role || '; department=' || \
         coalesce(d.name, '') || '; deputy=' || coalesce(q.login, '') || '; active=' || \
         cast(p.active as text) from person p left join department d on d.id = p.department \
         left join person q on q.id = p.deputy",
    ),
    (
        "extension",
        "select e.account || '/' || e.extension, p.login \
         from person_extension e join person p on p.id = e.person",
    ),
    (
        "group",
        "select name, 'strategy=' || strategy from ring_group",
    ),
    (
        "member",
        "select g.name || '/' || p.login, cast(m.position as text) from ring_group_member m \
         join ring_group g on g.id = m.grp join person p on p.id = m.person",
    ),
    (
        "line",
        "select l.account || '/' || l.did, 'name=' || l.name || '; group=' || \
         coalesce(g.name, '') from line l left join ring_group g on g.id = l.grp",
    ),
    (
        "recording",
        "select l.account || '/' || l.did, 'kept=' || cast(r.kept as text) || '; notice=' || \
         r.notice || '; prompt=' || r.prompt || '; consent=' || r.consent \
         from line_recording r join line l on l.id = r.line where r.valid_from = \
         (select max(m.valid_from) from line_recording m where m.line = r.line)",
    ),
    (
        "channel",
        "select name, 'talk=' || cast(target_talk_s as text) || '; first=' || \
         cast(target_first as text) || '; days=' || target_days || '; from=' || \
         cast(target_from_min as text) || '; to=' || cast(target_to_min as text) from channel",
    ),
    (
        "channel_rule",
        "select cast(u.id as text), 'place=' || cast(u.place as text) || '; source=' || u.source || \
         '; medium=' || u.medium || '; campaign=' || u.campaign || '; number=' || \
         coalesce(l.did, '') || '; channel=' || h.name from channel_rule u \
         join channel h on h.id = u.channel left join line l on l.id = u.line",
    ),
];

static ADD: Statement = Statement::new(
    "insert into config_change (at, person, origin, kind, object, before, after) \
     select at, person, origin, kind, object, before, after from {rows} as r",
    &[
        ("at", Kind::Int),
        ("person", Kind::Int),
        ("origin", Kind::Text),
        ("kind", Kind::Text),
        ("object", Kind::Text),
        ("before", Kind::Text),
        ("after", Kind::Text),
    ],
);
static REMEMBER: Statement = Statement::new(
    "insert into setting (name, value) select name, value from {rows} as r where true \
     on conflict (name) do update set value = excluded.value",
    &[("name", Kind::Text), ("value", Kind::Long)],
);
/// Two who note at once would both tell of the same change.
const ONE_AT_A_TIME: &str = "select cast(1 as bigint) from pg_advisory_xact_lock(4207102)";

/// Notes what has changed since somebody noted last; tells how much. Without `accounts` those stay as
/// they were known. The first time there is nothing to compare with, and nothing is told.
pub async fn note(
    db: &Db,
    by: By,
    accounts: Option<&Accounts>,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut tx = Tx::begin(db).await?;
    let engine = tx.engine();
    if engine == Engine::Pg {
        tx.read::<(i64,)>(ONE_AT_A_TIME).await?;
    }
    let known: Vec<(String,)> = tx
        .read("select value from setting where name = 'configuration'")
        .await?;
    let known: Option<Picture> = known.first().map(|(text,)| read(text)).transpose()?;
    let mut picture = picture(&mut tx).await?;
    let accounts = match (accounts, &known) {
        (Some(accounts), _) => Some(accounts.clone()),
        (None, Some(known)) => known.get("account").cloned(),
        (None, None) => None,
    };
    picture.insert("account".to_owned(), accounts.unwrap_or_default());
    let Some(known) = known else {
        return remember(tx, &picture).await.map(|()| 0);
    };
    if known == picture {
        tx.rollback().await?;
        return Ok(0);
    }
    let mut rows = ADD.rows(engine);
    let differences = differences(&known, &picture);
    for (kind, object, before, after) in &differences {
        rows.int(now.as_micros())
            .int(by.person())
            .text(by.origin())
            .text(*kind)
            .text(*object)
            .text(*before)
            .text(*after);
    }
    tx.run(rows).await?;
    remember(tx, &picture).await?;
    Ok(differences.len())
}

fn read(text: &str) -> Result<Picture, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Value {
        what: "setting.configuration",
        source,
    })
}

async fn remember(mut tx: Tx, picture: &Picture) -> Result<(), StoreError> {
    let text = serde_json::to_string(picture).expect("a map of texts is JSON");
    let mut rows = REMEMBER.rows(tx.engine());
    rows.text(NAME).text(text.as_str());
    tx.run(rows).await?;
    tx.commit().await?;
    Ok(())
}

async fn picture(tx: &mut Tx) -> Result<Picture, StoreError> {
    let mut picture = Picture::new();
    for (kind, sql) in TABLES {
        let rows: Vec<(String, String)> = tx.read(sql).await?;
        picture.insert(kind.to_owned(), rows.into_iter().collect());
    }
    let assigned: Vec<(String, String, i64, Option<i64>)> = tx
        .read(
            "select l.account || '/' || l.did, c.name, x.valid_from, x.valid_to \
             from line_channel x join line l on l.id = x.line join channel c on c.id = x.channel",
        )
        .await?;
    let moment = |micros: i64| match micros {
        0 => "ever".to_owned(),
        micros => Timestamp::from_micros(micros).rfc3339(),
    };
    let assigned = assigned.into_iter().map(|(line, channel, from, to)| {
        let to = to.map_or_else(String::new, moment);
        (
            format!("{line} since {}", moment(from)),
            format!("channel={channel}; until={to}"),
        )
    });
    picture.insert("assignment".to_owned(), assigned.collect());
    let spent: Vec<(String, i64, i64, i64, String)> = tx
        .read(
            "select c.name, s.day_from, s.day_to, s.amount_minor, s.currency \
             from spend s join channel c on c.id = s.channel",
        )
        .await?;
    let day = |day: i64| {
        let moment = Timestamp::from_seconds(day.saturating_mul(86_400)).rfc3339();
        moment.chars().take(10).collect::<String>()
    };
    let spent = spent
        .into_iter()
        .map(|(channel, from, to, minor, currency)| {
            (
                format!("{channel} {}..{}", day(from), day(to)),
                format!("minor={minor}; currency={currency}"),
            )
        });
    picture.insert("spend".to_owned(), spent.collect());
    Ok(picture)
}

/// Kind, object, before, after.
type Difference<'a> = (&'a str, &'a str, Option<&'a str>, Option<&'a str>);

fn differences<'a>(before: &'a Picture, after: &'a Picture) -> Vec<Difference<'a>> {
    let empty: &'static BTreeMap<String, String> = {
        static EMPTY: BTreeMap<String, String> = BTreeMap::new();
        &EMPTY
    };
    let mut found = Vec::new();
    for kind in KINDS {
        let was = before.get(kind).unwrap_or(empty);
        let is = after.get(kind).unwrap_or(empty);
        let gone = was.keys().filter(|object| !is.contains_key(*object));
        for object in gone.chain(is.keys()) {
            let (before, after) = (was.get(object), is.get(object));
            if before != after {
                let text = |content: Option<&'a String>| content.map(String::as_str);
                found.push((kind, object.as_str(), text(before), text(after)));
            }
        }
    }
    found
}

/// Changes, the newest first, older than `before`.
pub async fn page(db: &Db, before: Option<i64>, limit: i64) -> Result<Vec<Change>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select g.id, g.at, p.name, g.origin, g.kind, g.object, g.before, g.after
             from config_change g left join person p on p.id = g.person
             where g.id < $1 order by g.id desc limit $2",
        )
        .bind(before.unwrap_or(i64::MAX))
        .bind(limit)
        .fetch_all(pool)
        .await?
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entries: &[(&str, &str, &str)]) -> Picture {
        let mut picture = Picture::new();
        for (kind, object, content) in entries {
            let kind = picture.entry((*kind).to_owned()).or_default();
            kind.insert((*object).to_owned(), (*content).to_owned());
        }
        picture
    }

    #[test]
    fn what_came_went_and_changed_is_told_once() {
        let before = of(&[("line", "a", "1"), ("line", "b", "1"), ("person", "x", "1")]);
        let after = of(&[("line", "a", "2"), ("line", "c", "1"), ("person", "x", "1")]);
        assert_eq!(
            differences(&before, &after),
            [
                ("line", "b", Some("1"), None),
                ("line", "a", Some("1"), Some("2")),
                ("line", "c", None, Some("1")),
            ]
        );
        assert!(differences(&after, &after).is_empty());
    }
}
