//! Many statements in a fixed order: the writes of a batch, without a trip for each.
//!
//! A trip to the thread that sqlx has for SQLite costs as much as a small statement, a round trip to
//! PostgreSQL more. So sqlx is given the whole script as one text for SQLite, and PostgreSQL one statement
//! a step; the writer's own connections ([`Alone`]) make no trips at all.

mod alone;
mod function;
mod session;

use std::sync::OnceLock;

use sqlx::{Sqlite, sqlite::SqliteArguments};

pub use self::{
    alone::{Alone, Pledge, Stand},
    function::Function,
};
use super::{Cells, Engine, Rows, Statement, Tx, bind_column, mixed_engines};

/// Statements of a [`Script`] that PostgreSQL may run as one: none reads what another of them writes,
/// and no two touch the same row of a table.
#[derive(Debug)]
pub struct Step {
    statements: &'static [&'static Statement],
    rare: bool,
    pg: OnceLock<String>,
}

impl Step {
    /// A step that most batches need.
    pub const fn new(statements: &'static [&'static Statement]) -> Self {
        Self {
            statements,
            rare: false,
            pg: OnceLock::new(),
        }
    }

    /// A step that few batches need: it stays out of their text.
    pub const fn rare(statements: &'static [&'static Statement]) -> Self {
        Self {
            statements,
            rare: true,
            pg: OnceLock::new(),
        }
    }

    /// All statements as parts of one, in which each sees the tables as they were before it.
    fn pg(&'static self) -> &'static str {
        self.pg.get_or_init(|| {
            let mut first = 1;
            let mut parts = Vec::new();
            for (n, statement) in self.statements.iter().enumerate() {
                parts.push(format!("part_{n} as ({})", statement.pg_from(first)));
                first += statement.columns.len();
            }
            format!("with {} select 1", parts.join(", "))
        })
    }
}

/// Statements that always run in this order, each over its own rows: in one trip to SQLite,
/// in one round trip a step to PostgreSQL. Keep it in a `static`.
#[derive(Debug)]
pub struct Script {
    steps: &'static [Step],
    lite: [OnceLock<String>; 2],
}

impl Script {
    /// A script of these steps.
    pub const fn new(steps: &'static [Step]) -> Self {
        Self {
            steps,
            lite: [OnceLock::new(), OnceLock::new()],
        }
    }

    /// Empty rows for every statement.
    pub fn rows(&'static self, engine: Engine) -> ScriptRows {
        let statements = self.steps.iter().flat_map(|step| step.statements);
        ScriptRows {
            script: self,
            rows: statements.map(|statement| statement.rows(engine)).collect(),
        }
    }

    /// All its statements, in their order.
    #[cfg(test)]
    pub fn statements(&'static self) -> impl Iterator<Item = &'static Statement> {
        self.steps.iter().flat_map(|step| step.statements).copied()
    }

    /// Every statement for SQLite, with or without the rare ones; two parameters each.
    fn lite(&'static self, with_rare: bool) -> &'static str {
        self.lite[usize::from(with_rare)].get_or_init(|| {
            let texts: Vec<String> = self
                .steps
                .iter()
                .filter(|step| with_rare || !step.rare)
                .flat_map(|step| step.statements)
                .enumerate()
                .map(|(n, statement)| statement.lite_from(2 * n + 1))
                .collect();
            texts.join(";\n")
        })
    }
}

/// The rows of a [`Script`] being filled.
#[derive(Debug)]
pub struct ScriptRows {
    script: &'static Script,
    rows: Vec<Rows>,
}

impl ScriptRows {
    /// The rows of one of its statements.
    ///
    /// # Panics
    ///
    /// If the statement is not of this script.
    pub fn of(&mut self, statement: &'static Statement) -> &mut Rows {
        self.rows
            .iter_mut()
            .find(|rows| std::ptr::eq(rows.statement, statement))
            .expect("a script's rows are only asked for the statements it lists")
    }

    /// Whether a rare step has something to do.
    fn with_rare(&self) -> bool {
        let mut rows = self.rows.iter();
        self.script.steps.iter().any(|step| {
            let rows = rows.by_ref().take(step.statements.len());
            // All of them are taken, whatever the first one says.
            rows.fold(false, |any, rows| any | !rows.is_empty()) && step.rare
        })
    }

    /// Gives SQLite's text its parameters.
    fn bind(self, mut query: LiteQuery, with_rare: bool) -> Result<LiteQuery, sqlx::Error> {
        let steps = self.script.steps.iter();
        let wanted = steps.flat_map(|step| step.statements.iter().map(|_| with_rare || !step.rare));
        for (rows, _) in self
            .rows
            .into_iter()
            .zip(wanted)
            .filter(|(_, wanted)| *wanted)
        {
            let Cells::Lite(cells) = rows.cells else {
                return Err(mixed_engines());
            };
            let (json, blob) = cells.into_json(rows.statement.columns);
            query = query.bind(json).bind(blob);
        }
        Ok(query)
    }
}

type LiteQuery = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

impl Tx {
    /// Runs a whole script.
    pub async fn run_script(&mut self, rows: ScriptRows) -> Result<(), sqlx::Error> {
        let script = rows.script;
        match self {
            Self::Lite(tx) => {
                let with_rare = rows.with_rare();
                let query = rows.bind(sqlx::query(script.lite(with_rare)), with_rare)?;
                query.execute(&mut **tx).await?;
            }
            Self::Pg(_) => {
                let mut all = rows.rows.into_iter();
                for step in script.steps {
                    let rows: Vec<Rows> = all.by_ref().take(step.statements.len()).collect();
                    self.run_step(step, rows).await?;
                }
            }
        }
        Ok(())
    }

    /// Runs those of a step's statements that have rows: one alone, several as parts of one.
    async fn run_step(&mut self, step: &'static Step, rows: Vec<Rows>) -> Result<(), sqlx::Error> {
        let filled = rows.iter().filter(|rows| !rows.is_empty()).count();
        if filled < 2 {
            for rows in rows {
                self.run(rows).await?;
            }
            return Ok(());
        }
        let Self::Pg(tx) = self else {
            return Err(mixed_engines());
        };
        let mut query = sqlx::query(step.pg());
        for rows in rows {
            let Cells::Pg(cells) = rows.cells else {
                return Err(mixed_engines());
            };
            for column in cells.into_columns(rows.statement.columns) {
                query = bind_column(query, column);
            }
        }
        query.execute(&mut **tx).await?;
        Ok(())
    }
}
