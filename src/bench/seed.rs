//! Fills an empty database with the state a bench is measured in: people, lines, a million clients,
//! three million calls of the last year. The rows are made inside the database, one statement a table.
//!
//! Calls are as the writer leaves them a week after their end, with sealed facts.

use std::str::FromStr;

use anyhow::Result;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};

use super::stage::{ACCOUNT, ASKING};
use crate::{
    model::{
        event::{CallEvent, Clock, Direction, Fact, Party, Side},
        ids::{AccountName, CallKey, Extension, FactId, LegKey},
        phone::Number,
        time::Timestamp,
    },
    simulator::{played::PLAYED, story::invented_number},
    tracker::Facts,
};

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Desks: persons with extensions from 201 on, person 1 with 201.
    pub people: usize,
    /// Cards, each with one own number and an owner.
    pub clients: usize,
    /// Finished calls.
    pub calls: usize,
}

impl Size {
    /// Whether there is neither a client nor a call.
    pub const fn is_empty(&self) -> bool {
        self.clients == 0 && self.calls == 0
    }
}

/// Age of the oldest call.
const YEAR_MICROS: i64 = 365 * 86_400 * 1_000_000;
/// Lines of the account.
const LINES: usize = 4;

/// Fills the database at `url`, whose schema is up to date.
pub async fn fill(url: &str, size: Size, now: Timestamp) -> Result<()> {
    if url.starts_with("sqlite:") {
        let mut connection = SqliteConnectOptions::from_str(url)?
            // Made for a bench: lost with the power, made again in a minute.
            .synchronous(SqliteSynchronous::Off)
            .foreign_keys(false)
            .pragma("cache_size", "-600000")
            .connect()
            .await?;
        for statement in statements(&LITE, size, now) {
            connection.execute(AssertSqlSafe(statement)).await?;
        }
        connection
            .execute("pragma wal_checkpoint(truncate)")
            .await?;
        connection.close().await?;
        return Ok(());
    }
    let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
    connection.execute("set synchronous_commit = off").await?;
    for statement in statements(&PG, size, now) {
        connection.execute(AssertSqlSafe(statement)).await?;
    }
    connection.execute("vacuum analyze").await?;
    connection.execute("checkpoint").await?;
    connection.close().await?;
    Ok(())
}

/// Where the two engines' words differ.
struct Dialect {
    /// `n` from 0 to `$count - 1`.
    series: &'static str,
    /// Text of `$n`, with leading zeros to seven digits.
    seven: &'static str,
    /// A version 7 id of `$ms` milliseconds and `$n`.
    id: &'static str,
    /// A blob of `$hex`.
    blob: &'static str,
}

const LITE: Dialect = Dialect {
    series: "(with recursive s(n) as (select 0 union all select n + 1 from s where n < $count - 1) \
             select n from s)",
    seven: "printf('%07d', $n)",
    id: "unhex(printf('%012x7%03x8%015x', $ms, ($n) % 4096, $n))",
    blob: "x'$hex'",
};

const PG: Dialect = Dialect {
    series: "(select generate_series(0, $count - 1)::bigint as n)",
    seven: "lpad(($n)::text, 7, '0')",
    id: "(lpad(to_hex($ms), 12, '0') || '7' || lpad(to_hex(($n) % 4096), 3, '0') || '8' \
         || lpad(to_hex($n), 15, '0'))::uuid",
    blob: "decode('$hex', 'hex')",
};

impl Dialect {
    fn series(&self, count: usize) -> String {
        self.series.replace("$count", &count.to_string())
    }

    fn seven(&self, n: &str) -> String {
        self.seven.replace("$n", n)
    }

    fn id(&self, millis: &str, n: &str) -> String {
        self.id.replace("$ms", millis).replace("$n", n)
    }
}

fn statements(dialect: &Dialect, size: Size, now: Timestamp) -> Vec<String> {
    let mut all = desks(dialect, size.people);
    // A series has at least one row.
    if size.clients > 0 {
        all.extend(cards(dialect, size, now));
    }
    if size.clients > 0 && size.calls > 0 {
        all.extend(calls(dialect, size, now));
    }
    all
}

fn desks(dialect: &Dialect, people: usize) -> Vec<String> {
    let series = dialect.series(people);
    let mut all = vec![format!(
        "insert into person (id, login, name, role, language, active, created_at)
         select n + 1, 'p' || (n + 201), 'Person ' || (n + 201), 'manager', 'en', 1, 0
         from {series} as s"
    )];
    let asking = PLAYED.iter().filter(|played| played.asks.is_some());
    let names = asking.map(|played| played.provider);
    for account in [ACCOUNT, ASKING].into_iter().chain(names) {
        all.push(format!(
            "insert into person_extension (account, extension, person)
             select '{account}', cast(n + 201 as text), n + 1 from {series} as s"
        ));
    }
    for line in 1..=LINES {
        let did = invented_number(line);
        all.push(format!(
            "insert into line (id, account, did, name) values ({line}, '{ACCOUNT}', '{did}', 'Line {line}')"
        ));
    }
    all
}

fn cards(dialect: &Dialect, size: Size, now: Timestamp) -> Vec<String> {
    let series = dialect.series(size.clients);
    let since = now.as_micros() - YEAR_MICROS;
    let id = dialect.id(&(since / 1_000).to_string(), "n");
    let number = dialect.seven("n + 100");
    let people = size.people;
    vec![
        format!(
            "insert into card (id, name, owner, owner_since, created_at, updated_at)
             select {id}, 'Client ' || n, n % {people} + 1, {since}, {since}, {since}
             from {series} as s"
        ),
        format!(
            "insert into card_phone (e164, ext, card, kind)
             select '+7495' || {number}, '', {id}, 'own' from {series} as s"
        ),
    ]
}

fn calls(dialect: &Dialect, size: Size, now: Timestamp) -> Vec<String> {
    let series = dialect.series(size.calls);
    let Size {
        people, clients, ..
    } = size;
    let since = now.as_micros() - YEAR_MICROS;
    // All but the last week, which would not be sealed yet.
    let step = (YEAR_MICROS - 8 * 86_400 * 1_000_000) / size.calls as i64;
    let start = format!("({since} + n * {step})");
    let id = dialect.id(&format!("({start} / 1000)"), "n");
    let client = format!("(n * 7919 % {clients})");
    let number = dialect.seven(&format!("{client} + 100"));
    let card = dialect.id(&(since / 1_000).to_string(), &client);
    let person = format!("({client} % {people} + 1)");
    let did = dialect.seven(&format!("n % {LINES} + 1"));
    let facts = dialect.blob.replace("$hex", &hex::encode(sample().seal()));
    vec![
        format!(
            "insert into call (id, account, call_key, version, phase, direction, result, ended,
               hangup_by, client, did, line, started_at, rang_at, answered_at, ended_at, wait_ms,
               ring_ms, talk_ms, hold_ms, answered_ext, answered_by, card, match_reason, heard_at,
               derived, facts, sealed)
             select {id}, '{ACCOUNT}', 'old.' || n, 3, 'ended', 'in', 'answered', 'hung_up',
               'client', '+7495' || {number}, '+7495' || {did}, n % {LINES} + 1, {start}, {start},
               {start} + 5000000, {start} + 65000000, 5000, 5000, 60000, 0,
               cast({person} + 200 as text), {person}, {card}, 'own_number', {start} + 65000000,
               '', {facts}, 1
             from {series} as s"
        ),
        format!(
            "insert into call_key (account, key, call) select '{ACCOUNT}', 'old.' || n, {id}
             from {series} as s"
        ),
        format!(
            "insert into call_person (call, person, started_at, rang, talked)
             select {id}, {person}, {start}, 1, 1 from {series} as s"
        ),
    ]
}

/// The facts of an answered call.
fn sample() -> Facts {
    let client = || Number::E164 {
        e164: invented_number(11),
        ext: None,
    };
    let told = [
        (
            0,
            Fact::Parties {
                direction: Some(Direction::In),
                client: Some(client()),
                client_name: None,
                did: None,
            },
        ),
        (
            0,
            Fact::Leg {
                party: Party::Person(Extension::from("201")),
                with: Some(Party::Client(client())),
                initiator: false,
            },
        ),
        (0, Fact::Rings),
        (
            5,
            Fact::Talks {
                with: Party::Client(client()),
            },
        ),
        (
            65,
            Fact::Over {
                by: Some(Side::Client),
            },
        ),
    ];
    let event = |(n, (seconds, fact)): (usize, (i64, Fact))| CallEvent {
        account: AccountName::from(ACCOUNT),
        call: CallKey::from("old"),
        leg: Some(LegKey::from("old.1")),
        at: Timestamp::from_seconds(1_773_728_100 + seconds),
        clock: Clock::Exact,
        id: FactId::from(format!("old.1/{n}")),
        fact,
    };
    told.into_iter().enumerate().map(event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Db, Settings, derived};

    #[tokio::test]
    async fn the_rows_are_there_and_can_be_read_back() {
        let folder = std::env::temp_dir().join(format!("ringcard-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        let settings = Settings {
            url: format!("sqlite:{}", folder.join("t.db").display()),
            ..Settings::default()
        };
        let db = Db::open(&settings).await.unwrap();
        db.migrate().await.unwrap();
        let size = Size {
            people: 5,
            clients: 100,
            calls: 300,
        };
        let now = Timestamp::from_seconds(1_773_728_100);
        fill(&settings.url, size, now).await.unwrap();
        let number = super::super::load::client(7);
        type Row = (uuid::Uuid, String, Vec<u8>, i64, String, i64);
        let (id, text, facts, talk_ms, card, owner): Row = crate::on_read!(&db, pool => {
            sqlx::query_as(
                "select call.id, call.derived, call.facts, call.talk_ms, card.name, card.owner
                 from call
                 join card_phone on card_phone.e164 = call.client
                 join card on card.id = card_phone.card and card.id = call.card
                 where call.client = $1",
            )
            .bind(&number)
            .fetch_one(pool)
            .await
        })
        .unwrap();
        let call = derived::read(id, &text, Some(&facts)).unwrap();
        assert_eq!((call.is_over(), call.talk_ms), (true, Some(talk_ms)));
        assert_eq!(call.direction, Some(Direction::In));
        assert_eq!(call.answered_by, Some(Extension::from("201")));
        assert_eq!((card.as_str(), owner), ("Client 7", 3));
        db.close().await;
        std::fs::remove_dir_all(folder).unwrap();
    }
}
