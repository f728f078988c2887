//! A whole script in one trip to PostgreSQL: as a function, made on a connection of its own.
//!
//! A trip for each step costs more than most steps, above all in waking up at either end. The function
//! belongs to the session (`pg_temp`): its text is always this program's, and nothing has to be migrated.
//! The rows of a statement come as one value, a record of arrays, because a function takes a hundred
//! parameters at most. Leaves out: what the statements mean.

use std::sync::{LazyLock, OnceLock};

use sqlx::{
    AssertSqlSafe, Encode, PgPool, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo},
};

use super::{Script, ScriptRows, Stand, session::Session};
use crate::store::rows::{Cells, Column, PLANS_PG, Rows, Statement, mixed_engines};

/// A script with what has to be done and asked before its first statement, if it runs alone.
#[derive(Debug)]
pub struct Function {
    script: &'static Script,
    locks: &'static [&'static str],
    held: &'static Statement,
    text: OnceLock<Text>,
}

/// The function as it is made and called.
#[derive(Debug)]
struct Text {
    make: String,
    call: String,
    /// Types of rows: of what is held, then of each statement.
    types: Vec<&'static str>,
}

impl Function {
    /// `locks` are expressions that take a lock each; `held` locks rows, and returns one for each that is
    /// as it should be. Keep it in a `static`.
    pub const fn new(
        script: &'static Script,
        locks: &'static [&'static str],
        held: &'static Statement,
    ) -> Self {
        Self {
            script,
            locks,
            held,
            text: OnceLock::new(),
        }
    }

    /// A connection that has the function.
    pub(super) fn session(&'static self, shared: &PgPool) -> Session {
        Session::new(shared, &self.text().make)
    }

    /// Runs the script as a transaction of its own: whole or not at all, and only if the database stands
    /// where it should and what is held is as it was.
    pub(super) async fn run(
        &'static self,
        session: &Session,
        (held, rows): (Rows, ScriptRows),
        stand: Stand,
    ) -> Result<(), sqlx::Error> {
        let text = self.text();
        let mut query = sqlx::query(AssertSqlSafe(text.call.as_str()));
        query = query.bind(stand.version).bind(stand.batches);
        let all = std::iter::once(held).chain(rows.rows);
        for (rows, name) in all.zip(&text.types) {
            let is_empty = rows.is_empty();
            let Cells::Pg(columns) = rows.cells else {
                return Err(mixed_engines());
            };
            query = query.bind(Record {
                name,
                columns: (!is_empty).then_some(columns),
            });
        }
        session
            .with(async |connection| query.execute(connection).await.map(drop))
            .await
    }

    fn text(&'static self) -> &'static Text {
        self.text.get_or_init(|| self.make())
    }

    fn make(&'static self) -> Text {
        let of_script = self.script.steps.iter().flat_map(|step| step.statements);
        let statements: Vec<&Statement> = std::iter::once(&self.held)
            .chain(of_script)
            .copied()
            .collect();
        let mut types: Vec<&'static str> = Vec::new();
        let mut make = PLANS.clone();
        for (n, statement) in statements.iter().enumerate() {
            let fields = statement.columns.iter();
            let fields: Vec<String> = fields
                .map(|(name, kind)| format!("{name} {}", kind.pg_array()))
                .collect();
            // Once for each function of the program, of which there is one.
            let name: &'static str =
                Box::leak(format!("pg_temp.ringcard_rows_{n}").into_boxed_str());
            make += &format!("create type {name} as ({});\n", fields.join(", "));
            types.push(name);
        }
        let parameters: Vec<String> = types
            .iter()
            .enumerate()
            .map(|(n, name)| format!("_{n} {name}"))
            .collect();
        let locks: Vec<String> = self
            .locks
            .iter()
            .map(|lock| format!("perform {lock};\n"))
            .collect();
        let over = |n: usize| statements[n].pg_over(|_, (column, _)| format!("_{n}.{column}"));
        let parts = (1..statements.len())
            .map(|n| format!("if _{n} is not null then\n{};\nend if;\n", over(n)));
        let parts: Vec<String> = parts.collect();
        make += &format!(
            "create function pg_temp.ringcard_commit(_version bigint, _batches bigint, {}) returns void \
             language plpgsql as $ringcard$ begin\n{}\
             if not exists (select 1 from directory_version, writer_stand \
             where version = _version and batches = _batches) then\n\
             raise exception 'the database stands elsewhere';\nend if;\n\
             if _0 is not null and (select count(*) from ({}) as held) <> cardinality(_0.{}) then\n\
             raise exception 'what is to be changed is not as it was';\nend if;\n\
             {}{COUNT_BATCH_PG};\nend $ringcard$",
            parameters.join(", "),
            locks.concat(),
            over(0),
            self.held.columns[0].0,
            parts.concat(),
        );
        let values: Vec<String> = types
            .iter()
            .enumerate()
            .map(|(n, name)| format!("${}::{name}", n + 3))
            .collect();
        Text {
            make,
            call: format!(
                "select pg_temp.ringcard_commit($1, $2, {})",
                values.join(", ")
            ),
            types,
        }
    }
}

/// A connection that plans as a commit does.
pub(super) fn reading(shared: &PgPool) -> Session {
    Session::new(shared, &PLANS)
}

/// Plans for a session, and how long it waits for a lock at most: another node may have gone with it.
static PLANS: LazyLock<String> = LazyLock::new(|| {
    let plans = PLANS_PG.map(|(name, value)| format!("set {name} = {value};\n"));
    format!("set lock_timeout = '2s';\n{}", plans.concat())
});

/// Every batch that is written on PostgreSQL is counted.
pub(super) const COUNT_BATCH_PG: &str = "update writer_stand set batches = batches + 1";

/// The rows of a statement: a record of arrays, or null if there are none.
struct Record {
    name: &'static str,
    columns: Option<Vec<Column>>,
}

impl Type<Postgres> for Record {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("record")
    }
}

impl Encode<'_, Postgres> for Record {
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_name(self.name))
    }

    /// How many fields; of each the type, the length and the value (PostgreSQL's `record_recv`).
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let Some(columns) = &self.columns else {
            return Ok(IsNull::Yes);
        };
        buffer.extend(i32::try_from(columns.len())?.to_be_bytes());
        for column in columns {
            buffer.extend(column.pg_oid().to_be_bytes());
            let at = buffer.len();
            buffer.extend([0; 4]);
            _ = match column {
                Column::Id(cells) => cells.encode_by_ref(buffer)?,
                Column::Int(cells) => cells.encode_by_ref(buffer)?,
                Column::Text(cells) => cells.encode_by_ref(buffer)?,
                Column::Bytes(cells) => cells.encode_by_ref(buffer)?,
            };
            let long = i32::try_from(buffer.len() - at - 4)?;
            buffer[at..at + 4].copy_from_slice(&long.to_be_bytes());
        }
        Ok(IsNull::No)
    }
}

impl Column {
    /// The array's type, of those that PostgreSQL has built in (its `pg_type.dat`).
    fn pg_oid(&self) -> u32 {
        match self {
            Self::Id(_) => 2_951,
            Self::Int(_) => 1_016,
            Self::Text(_) => 1_009,
            Self::Bytes(_) => 1_001,
        }
    }
}
