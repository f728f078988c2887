//! A whole script in one trip to PostgreSQL: as a function, made on a connection of its own.
//!
//! A trip for each step costs more than most steps, above all in waking up at either end. The function
//! belongs to the session (`pg_temp`): its text is always this program's, and nothing has to be migrated.
//! The rows of a statement come as one array of records. Leaves out: what the statements mean.

use std::sync::{LazyLock, OnceLock};

use sqlx::{AssertSqlSafe, PgPool};

use super::{Script, ScriptRows, Stand, session::Session};
use crate::store::rows::{Cells, PLANS_PG, Statement, mixed_engines};

/// A script with what has to be done before its first statement, if it runs alone.
#[derive(Debug)]
pub struct Function {
    script: &'static Script,
    locks: &'static [&'static str],
    text: OnceLock<Text>,
}

/// The function as it is made and called.
#[derive(Debug)]
struct Text {
    make: String,
    call: String,
    /// Types of the rows of each statement.
    types: Vec<String>,
}

impl Function {
    /// `locks` are expressions that take a lock each. Keep it in a `static`.
    pub const fn new(script: &'static Script, locks: &'static [&'static str]) -> Self {
        Self {
            script,
            locks,
            text: OnceLock::new(),
        }
    }

    /// A connection that has the function.
    pub(super) fn session(&'static self, shared: &PgPool) -> Session {
        let text = self.text();
        Session::new(shared, &text.make, &text.types)
    }

    /// Runs the script as a transaction of its own: whole or not at all, and only if the database stands
    /// where it should and what is changed is as it was. `waits`: until it is durable.
    pub(super) async fn run(
        &'static self,
        session: &Session,
        rows: ScriptRows,
        stand: Stand,
        waits: bool,
    ) -> Result<(), sqlx::Error> {
        let run = session.with(async |connection, types| {
            let mut query = sqlx::query(AssertSqlSafe(self.text().call.as_str()));
            query = query.bind(waits).bind(stand.version).bind(stand.batches);
            for (rows, of) in rows.rows.into_iter().zip(types) {
                let Cells::Pg(cells) = rows.cells else {
                    return Err(mixed_engines());
                };
                query = query.bind(cells.into_records(*of));
            }
            query.execute(connection).await.map(drop)
        });
        run.await
    }

    fn text(&'static self) -> &'static Text {
        self.text.get_or_init(|| self.make())
    }

    fn make(&'static self) -> Text {
        let statements = self.script.steps.iter().flat_map(|step| step.statements);
        let mut make = PLANS.clone();
        let mut types: Vec<String> = Vec::new();
        let mut parts = String::new();
        for (n, statement) in statements.enumerate() {
            let fields = statement.columns.iter();
            let fields: Vec<String> = fields
                .map(|(name, kind)| format!("{name} {}", kind.pg_name()))
                .collect();
            let of = format!("pg_temp.ringcard_row_{n}");
            make += &format!("create type {of} as ({});\n", fields.join(", "));
            types.push(of);
            parts += &statement.part(n);
        }
        let each = |one: &dyn Fn(usize, &str) -> String| {
            let parts = types.iter().enumerate();
            let parts: Vec<String> = parts.map(|(n, of)| one(n, of)).collect();
            parts.join(", ")
        };
        let locks: Vec<String> = self
            .locks
            .iter()
            .map(|lock| format!("perform {lock};\n"))
            .collect();
        make += &format!(
            "create function pg_temp.ringcard_commit(_waits bool, _version bigint, _batches bigint, {}) \
             returns void language plpgsql as $ringcard$ declare _changed bigint; begin\n\
             if not _waits then\nset local synchronous_commit = off;\nend if;\n{}\
             if not exists (select 1 from directory_version, writer_stand \
             where version = _version and batches = _batches) then\n\
             raise exception 'the database stands elsewhere';\nend if;\n\
             {parts}{COUNT_BATCH_PG};\nend $ringcard$",
            each(&|n, of| format!("_{n} {of}[]")),
            locks.concat(),
        );
        let call = format!(
            "select pg_temp.ringcard_commit($1, $2, $3, {})",
            each(&|n, of| format!("${}::{of}[]", n + 4))
        );
        Text { make, call, types }
    }
}

impl Statement {
    /// The part of a function that runs it over the rows of this parameter, if there are any.
    fn part(&self, n: usize) -> String {
        let mut text = self.pg_text.replace("{rows}", &format!("unnest(_{n})"));
        if let Some(condition) = self.only_if {
            text += &format!(
                " and {condition};\nget diagnostics _changed = row_count;\n\
                 if _changed <> cardinality(_{n}) then\n\
                 raise exception 'what is to be changed is not as it was';\nend if"
            );
        }
        format!("if _{n} is not null then\n{text};\nend if;\n")
    }
}

/// A connection that plans as a commit does.
pub(super) fn reading(shared: &PgPool) -> Session {
    Session::new(shared, &PLANS, &[])
}

/// A connection that waits for the disk. One that may not is told so before anything is left to it.
pub(super) fn flushing(shared: &PgPool) -> Session {
    Session::new(shared, FLUSH, &[])
}

/// Writes what means nothing: its commit waits until it is durable, and with it all that was committed before.
pub(super) const FLUSH: &str = "select pg_logical_emit_message(true, 'ringcard', '')";

/// Plans for a session, and how long it waits for a lock at most: another node may have gone with it.
static PLANS: LazyLock<String> = LazyLock::new(|| {
    let plans = PLANS_PG.map(|(name, value)| format!("set {name} = {value};\n"));
    format!("set lock_timeout = '2s';\n{}", plans.concat())
});

/// Every batch that is written on PostgreSQL is counted.
pub(super) const COUNT_BATCH_PG: &str = "update writer_stand set batches = batches + 1";
