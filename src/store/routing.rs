//! The read side of routing: who may be rung, whose client calls, and the log of decisions.
//!
//! Nothing here waits for the writer. Phone → card → owner is one covering-index read.

use std::collections::{BTreeMap, HashMap};

use sqlx::FromRow;
use uuid::Uuid;

use super::{Db, StoreError};
use crate::{
    model::{
        ids::{AccountName, CardId, Extension, LineId, PersonId},
        time::Timestamp,
    },
    on_read, on_write,
    rules::routing::{Agent, Group, Strategy, Tables},
};

/// A card that knows the number, as routing needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownBy {
    /// The card.
    pub card: CardId,
    /// Name on it.
    pub name: String,
    /// Responsible manager.
    pub owner: Option<PersonId>,
    /// `own`, `company` or `shared`.
    pub kind: String,
    /// Extension behind the number, empty if none.
    pub ext: String,
}

/// One decision, to be kept with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRow {
    /// When it was asked.
    pub at: Timestamp,
    /// Who asked.
    pub account: AccountName,
    /// The call, where the question named it.
    pub key: Option<String>,
    /// The caller, E.164.
    pub client: Option<String>,
    /// The number dialled.
    pub did: Option<String>,
    /// Which question of the call it was.
    pub attempt: u32,
    /// Extensions told to ring.
    pub targets: Vec<Extension>,
    /// How long.
    pub ring_ms: i64,
    /// Closed word.
    pub reason: &'static str,
    /// JSON: who was passed over and why.
    pub explain: String,
    /// How long the answer took, in microseconds.
    pub took_us: i64,
}

/// Grows with every change of people, phones, groups, lines and marked numbers.
pub async fn office_version(db: &Db) -> Result<i64, StoreError> {
    const SQL: &str = "select version from office_version";
    let (version,): (i64,) = on_read!(db, pool => sqlx::query_as(SQL).fetch_one(pool).await?);
    Ok(version)
}

/// Numbers of an account: number, name, and the group that rings.
pub async fn lines_of(
    db: &Db,
    account: &str,
) -> Result<Vec<(String, String, Option<String>)>, StoreError> {
    Ok(on_read!(db, pool => {
        sqlx::query_as(
            "select l.did, l.name, g.name from line l left join ring_group g on g.id = l.grp
             where l.account = $1 order by l.did",
        )
        .bind(account)
        .fetch_all(pool)
        .await?
    }))
}

/// Names of all lines.
pub async fn line_names(db: &Db) -> Result<HashMap<LineId, String>, StoreError> {
    let rows: Vec<(i64, String)> = on_read!(db, pool => {
        sqlx::query_as("select id, name from line").fetch_all(pool).await?
    });
    Ok(rows
        .into_iter()
        .map(|(id, name)| (LineId(id), name))
        .collect())
}

/// Cards on which this number stands, the oldest of the most specific kind first; at most 20.
pub async fn known_by(db: &Db, e164: &str) -> Result<Vec<KnownBy>, StoreError> {
    type Row = (Uuid, String, Option<i64>, String, String);
    const SQL: &str = "select c.id, c.name, c.owner, p.kind, p.ext \
         from card_phone p join card c on c.id = p.card \
         where p.e164 = $1 and c.merged_into is null \
         order by case p.kind when 'own' then 0 when 'company' then 1 else 2 end, c.id limit 20";
    let known_by = |(card, name, owner, kind, ext): Row| KnownBy {
        card: CardId(card),
        name,
        owner: owner.map(PersonId),
        kind,
        ext,
    };
    if let Db::Lite { asked, .. } = db {
        let read = asked.at_once(|connection| {
            let mut statement = connection.prepare_cached(SQL)?;
            let rows = statement.query_map([e164], |row| Ok(known_by(row.try_into()?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        });
        if let Some(known) = read {
            return Ok(known);
        }
    }
    let rows: Vec<Row> =
        on_read!(db, pool => sqlx::query_as(SQL).bind(e164).fetch_all(pool).await?);
    Ok(rows.into_iter().map(known_by).collect())
}

#[derive(FromRow)]
struct PersonRow {
    id: i64,
    deputy: Option<i64>,
    break_until: Option<i64>,
    active: i64,
}

/// Everything routing keeps in memory.
pub async fn tables(db: &Db) -> Result<Tables, StoreError> {
    let people: Vec<PersonRow> = on_read!(db, pool => {
        sqlx::query_as("select id, deputy, break_until, active from person").fetch_all(pool).await?
    });
    let phones: Vec<(String, String, i64)> = on_read!(db, pool => {
        sqlx::query_as("select account, extension, person from person_extension order by 1, 2")
            .fetch_all(pool)
            .await?
    });
    let mut agents: BTreeMap<PersonId, Agent> = people.into_iter().map(agent).collect();
    for (account, extension, person) in phones {
        if let Some(agent) = agents.get_mut(&PersonId(person)) {
            agent.extensions.push((account.into(), extension.into()));
        }
    }
    let mut tables = Tables::new(agents, groups(db).await?, line_groups(db).await?);
    tables.blocked = super::marks::blocked(db).await?;
    tables.recorded = super::recorded::by_number(db).await?;
    Ok(tables)
}

fn agent(row: PersonRow) -> (PersonId, Agent) {
    let person = PersonId(row.id);
    let agent = Agent {
        person,
        extensions: Vec::new(),
        deputy: row.deputy.map(PersonId),
        break_until: row.break_until.map(Timestamp::from_micros),
        active: row.active != 0,
    };
    (person, agent)
}

async fn groups(db: &Db) -> Result<BTreeMap<i64, Group>, StoreError> {
    let rows: Vec<(i64, String, String)> = on_read!(db, pool => {
        sqlx::query_as("select id, name, strategy from ring_group").fetch_all(pool).await?
    });
    let members: Vec<(i64, i64)> = on_read!(db, pool => {
        sqlx::query_as("select grp, person from ring_group_member order by grp, position, person")
            .fetch_all(pool)
            .await?
    });
    let mut groups = BTreeMap::new();
    for (id, name, strategy) in rows {
        // Written by `import` and the pages, which accept only these words.
        let strategy = Strategy::parse(&strategy).unwrap_or(Strategy::RoundRobin);
        groups.insert(
            id,
            Group {
                name,
                strategy,
                members: Vec::new(),
            },
        );
    }
    for (id, person) in members {
        if let Some(group) = groups.get_mut(&id) {
            group.members.push(PersonId(person));
        }
    }
    Ok(groups)
}

async fn line_groups(db: &Db) -> Result<BTreeMap<(AccountName, String), i64>, StoreError> {
    let rows: Vec<(String, String, i64)> = on_read!(db, pool => {
        sqlx::query_as("select account, did, grp from line where grp is not null")
            .fetch_all(pool)
            .await?
    });
    Ok(rows
        .into_iter()
        .map(|(account, did, grp)| ((account.into(), did), grp))
        .collect())
}

/// Keeps decisions, all of one batch in one statement.
pub async fn keep_decisions(db: &Db, decisions: &[DecisionRow]) -> Result<(), StoreError> {
    if decisions.is_empty() {
        return Ok(());
    }
    let rows = serde_json::Value::Array(decisions.iter().map(as_json).collect()).to_string();
    const LITE: &str = "insert into decision \
         (at, account, key, client, did, attempt, targets, ring_ms, reason, explain, took_us) \
         select value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, \
                value->>7, value->>8, value->>9, value->>10 from json_each($1)";
    const PG: &str = "insert into decision \
         (at, account, key, client, did, attempt, targets, ring_ms, reason, explain, took_us) \
         select (v->>0)::bigint, v->>1, v->>2, v->>3, v->>4, (v->>5)::bigint, v->>6, \
                (v->>7)::bigint, v->>8, v->>9, (v->>10)::bigint \
         from json_array_elements($1::json) v";
    let sql = if matches!(db, Db::Pg(_)) { PG } else { LITE };
    on_write!(db, pool => sqlx::query(sql).bind(rows).execute(pool).await.map(|_| ()))?;
    Ok(())
}

fn as_json(decision: &DecisionRow) -> serde_json::Value {
    let targets: Vec<&str> = decision.targets.iter().map(Extension::as_str).collect();
    serde_json::json!([
        decision.at.as_micros(),
        decision.account,
        decision.key,
        decision.client,
        decision.did,
        decision.attempt,
        serde_json::json!(targets).to_string(),
        decision.ring_ms,
        decision.reason,
        decision.explain,
        decision.took_us,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn open() -> (Db, std::path::PathBuf) {
        let folder = std::env::temp_dir().join(format!("ringcard-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        let url = format!("sqlite:{}", folder.join("t.db").display());
        let db = Db::open(&super::super::Settings {
            url,
            ..Default::default()
        })
        .await
        .unwrap();
        db.migrate().await.unwrap();
        (db, folder)
    }

    async fn run(db: &Db, sql: &'static str) {
        on_write!(db, pool => sqlx::query(sql).execute(pool).await.map(|_| ())).unwrap();
    }

    #[tokio::test]
    async fn tables_hold_people_phones_groups_and_lines() {
        let (db, folder) = open().await;
        run(&db, "insert into person (id, login, name, role, deputy, created_at) values (2, 'b', 'B', 'manager', null, 0)").await;
        run(&db, "insert into person (id, login, name, role, deputy, break_until, created_at) values (1, 'a', 'A', 'manager', 2, 5, 0)").await;
        run(
            &db,
            "insert into person_extension values ('office', '101', 1), ('office', '102', 2)",
        )
        .await;
        run(
            &db,
            "insert into ring_group values (7, 'sales', 'longest_idle')",
        )
        .await;
        run(
            &db,
            "insert into ring_group_member values (7, 2, 1), (7, 1, 2)",
        )
        .await;
        run(&db, "insert into line (account, did, name, grp) values ('office', '+74950000001', 'Site', 7), ('office', '+74950000002', 'Map', null)").await;
        let tables = tables(&db).await.unwrap();
        assert_eq!(tables.agents[&PersonId(1)].deputy, Some(PersonId(2)));
        assert_eq!(
            tables.agents[&PersonId(1)].break_until,
            Some(Timestamp::from_micros(5))
        );
        assert_eq!(
            tables.agents[&PersonId(2)].extensions,
            [("office".into(), "102".into())]
        );
        assert_eq!(tables.groups[&7].members, [PersonId(2), PersonId(1)]);
        assert_eq!(tables.groups[&7].strategy, Strategy::LongestIdle);
        assert_eq!(tables.line_groups.len(), 1);
        db.close().await;
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_number_leads_to_its_live_cards() {
        let (db, folder) = open().await;
        run(&db, "insert into person (id, login, name, role, created_at) values (1, 'a', 'A', 'manager', 0)").await;
        let id = Uuid::now_v7();
        on_write!(&db, pool => {
            sqlx::query("insert into card (id, name, owner, created_at, updated_at) values ($1, 'Client One', 1, 0, 0)")
                .bind(id)
                .execute(pool)
                .await
                .map(|_| ())
        })
        .unwrap();
        run(
            &db,
            "insert into card_phone select '+74950000011', '', id, 'own' from card",
        )
        .await;
        let known = known_by(&db, "+74950000011").await.unwrap();
        assert_eq!(
            (known[0].card, known[0].owner),
            (CardId(id), Some(PersonId(1)))
        );
        assert_eq!(
            (known[0].name.as_str(), known[0].kind.as_str()),
            ("Client One", "own")
        );
        if let Db::Lite { asked, .. } = &db {
            asked.close().await;
            let again = known_by(&db, "+74950000011").await.unwrap();
            assert_eq!(again, known, "whoever is asked");
        }
        run(&db, "update card set merged_into = id").await;
        assert!(known_by(&db, "+74950000011").await.unwrap().is_empty());
        assert!(known_by(&db, "+74950000012").await.unwrap().is_empty());
        db.close().await;
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn an_open_call_that_cannot_be_read_is_left_out() {
        let (db, folder) = open().await;
        let call = serde_json::to_string(&crate::model::call::Call::default()).unwrap();
        for (derived, facts) in [(call.as_str(), "[]"), ("", "[]"), ("?", "[]"), ("", "?")] {
            on_write!(&db, pool => {
                sqlx::query("insert into call (id, account, call_key, version, phase, started_at, \
                             heard_at, derived, facts) \
                             values ($1, 'office', 'k', 1, 'ringing', 0, 0, $2, $3)")
                    .bind(Uuid::now_v7())
                    .bind(derived)
                    .bind(facts.as_bytes())
                    .execute(pool)
                    .await
                    .map(|_| ())
            })
            .unwrap();
        }
        assert_eq!(super::super::open::calls(&db).await.unwrap().len(), 2);
        let going_on = super::super::going_on::calls(&db, Timestamp::from_micros(0));
        assert_eq!(going_on.await.unwrap().len(), 2);
        db.close().await;
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn open_calls_are_found_without_reading_all() {
        let (db, folder) = open().await;
        let explained = format!("explain query plan {}", super::super::going_on::SQL);
        let plan: Vec<(i64, i64, i64, String)> = on_read!(&db, pool => {
            sqlx::query_as(sqlx::AssertSqlSafe(explained.as_str())).bind(0).fetch_all(pool).await
        })
        .unwrap();
        assert!(
            plan[0].3.contains("call_open"),
            "all calls are read: {plan:?}"
        );
        db.close().await;
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn decisions_are_kept_with_their_reason() {
        let (db, folder) = open().await;
        let decision = DecisionRow {
            at: Timestamp::from_seconds(1_773_728_100),
            account: "office".into(),
            key: Some("1700.1".into()),
            client: None,
            did: Some("+74950000001".into()),
            attempt: 2,
            targets: vec!["101".into(), "102".into()],
            ring_ms: 9_500,
            reason: "owner",
            explain: "[]".into(),
            took_us: 150,
        };
        keep_decisions(&db, &[decision.clone(), decision])
            .await
            .unwrap();
        let rows: Vec<(i64, Option<String>, String, i64)> = on_read!(&db, pool => {
            sqlx::query_as("select at, client, targets, attempt from decision").fetch_all(pool).await
        })
        .unwrap();
        let row = (
            1_773_728_100_000_000,
            None,
            r#"["101","102"]"#.to_owned(),
            2,
        );
        assert_eq!(rows, [row.clone(), row]);
        db.close().await;
        std::fs::remove_dir_all(folder).unwrap();
    }
}
