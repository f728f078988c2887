//! Many rows in one statement, for both engines from one SQL text.
//!
//! A [`Statement`] names its columns and says `{rows}` where the rows come in. On PostgreSQL the rows
//! travel as one array of records, or where no types are made for them as one array per column. On SQLite
//! they are bound one by one where no trip lies between (the writer's own connections); by sqlx they travel
//! as one JSON text (long texts and bytes beside it as one blob, cut out by position, so that nothing is
//! escaped). Leaves out: what the statements mean.

mod by_row;
mod cells;
mod json;
mod script;
mod wire;

use std::sync::{LazyLock, OnceLock};

use sqlx::{
    AssertSqlSafe, FromRow, PgExecutor, Postgres, Sqlite, Transaction,
    postgres::{PgArguments, PgRow},
    sqlite::{SqliteConnection, SqliteRow},
};
use uuid::Uuid;

pub use self::script::{Alone, Function, Pledge, Script, ScriptRows, Stand, Step};
use self::{
    cells::LiteCells,
    wire::{Column, PgCells},
};
use super::Db;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An id of a call or card.
    Id,
    /// An integer.
    Int,
    /// A short text.
    Text,
    /// A text too long to be escaped for nothing.
    Long,
    /// Bytes.
    Bytes,
}

impl Kind {
    /// Whether SQLite is told a place in the blob.
    fn is_span(self) -> bool {
        matches!(self, Self::Long | Self::Bytes)
    }
}

/// One SQL text over many rows. Keep it in a `static`: each engine's text is made once.
#[derive(Debug)]
pub struct Statement {
    text: &'static str,
    pg_text: &'static str,
    columns: &'static [(&'static str, Kind)],
    is_together: bool,
    only_if: Option<&'static str>,
    lite: OnceLock<String>,
    by_row: OnceLock<Vec<String>>,
    pg: OnceLock<String>,
}

impl Statement {
    /// A statement with `{rows}` in its text, which stands for a table of these columns.
    pub const fn new(text: &'static str, columns: &'static [(&'static str, Kind)]) -> Self {
        Self::per_engine(text, text, columns)
    }

    /// Two texts of one meaning: SQLite takes several statements in one text, PostgreSQL takes them as
    /// parts of one `with`.
    pub const fn per_engine(
        lite: &'static str,
        pg: &'static str,
        columns: &'static [(&'static str, Kind)],
    ) -> Self {
        Self {
            text: lite,
            pg_text: pg,
            columns,
            is_together: false,
            only_if: None,
            lite: OnceLock::new(),
            by_row: OnceLock::new(),
            pg: OnceLock::new(),
        }
    }

    /// The same for rows that mean something only together: run for one after another, the first would
    /// change what the next finds.
    pub const fn together(mut self) -> Self {
        self.is_together = true;
        self
    }

    /// In a [`Function`] each row must change one of a table that is as this says, or nothing at all is written.
    /// The text ends with what finds that row.
    pub const fn only_if(mut self, condition: &'static str) -> Self {
        self.only_if = Some(condition);
        self
    }

    /// An empty set of rows for this statement.
    pub fn rows(&'static self, db: Engine) -> Rows {
        Rows {
            statement: self,
            len: 0,
            at: 0,
            cells: match db {
                Engine::Lite => Cells::Lite(LiteCells::default()),
                Engine::Pg => Cells::Pg(PgCells::default()),
            },
        }
    }

    pub(in crate::store) fn lite(&'static self) -> &'static str {
        self.lite.get_or_init(|| self.lite_from(1))
    }

    fn pg(&'static self) -> &'static str {
        self.pg.get_or_init(|| self.pg_from(1))
    }

    /// The text for SQLite with its two parameters numbered from `first` on.
    fn lite_from(&self, first: usize) -> String {
        let (json, blob) = (first, first + 1);
        // Bytes take two places: where they begin and how many there are.
        let mut place = 0;
        let column = |(name, kind): &(&str, Kind)| {
            let at = place;
            place += if kind.is_span() { 2 } else { 1 };
            let bytes = format!("substr(${blob}, value ->> {at}, value ->> {})", at + 1);
            match kind {
                Kind::Id => format!("unhex(value ->> {at}) as {name}"),
                Kind::Int | Kind::Text => format!("value ->> {at} as {name}"),
                Kind::Long => format!("cast({bytes} as text) as {name}"),
                Kind::Bytes => format!("{bytes} as {name}"),
            }
        };
        let columns: Vec<String> = self.columns.iter().map(column).collect();
        let rows = format!("(select {} from jsonb_each(${json}))", columns.join(", "));
        self.text.replace("{rows}", &rows)
    }

    /// The text for PostgreSQL with a parameter per column, numbered from `first` on.
    fn pg_from(&self, first: usize) -> String {
        let columns = self.columns.iter().enumerate();
        let arrays: Vec<String> = columns
            .map(|(n, (_, kind))| format!("${}::{}[]", n + first, kind.pg_name()))
            .collect();
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let rows = format!(
            "(select * from unnest({}) as rows_of({}))",
            arrays.join(", "),
            names.join(", ")
        );
        self.pg_text.replace("{rows}", &rows)
    }
}

/// Which engine a set of rows is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// SQLite.
    Lite,
    /// PostgreSQL.
    Pg,
}

impl Engine {
    /// The engine of an open database.
    pub fn of(db: &Db) -> Self {
        match db {
            Db::Lite { .. } => Self::Lite,
            Db::Pg(_) => Self::Pg,
        }
    }
}

/// Rows being filled, cell by cell in the order of the columns.
#[derive(Debug)]
pub struct Rows {
    statement: &'static Statement,
    len: usize,
    at: usize,
    cells: Cells,
}

#[derive(Debug)]
enum Cells {
    Lite(LiteCells),
    Pg(PgCells),
}

impl Rows {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Goes on to the next cell.
    fn next(&mut self, fits: impl Fn(Kind) -> bool) -> &mut Cells {
        let (at, columns) = (self.at, self.statement.columns);
        debug_assert!(
            fits(columns[at].1),
            "column {at} of {}",
            self.statement.text
        );
        if at == 0
            && let Cells::Pg(cells) = &mut self.cells
        {
            cells.begin(columns.len());
        }
        self.at += 1;
        if self.at == columns.len() {
            self.at = 0;
            self.len += 1;
        }
        &mut self.cells
    }

    /// An id, or null.
    pub fn id(&mut self, value: impl Into<Option<Uuid>>) -> &mut Self {
        let value = value.into();
        match self.next(|kind| kind == Kind::Id) {
            Cells::Lite(cells) => cells.id(value),
            Cells::Pg(cells) => cells.id(value),
        }
        self
    }

    /// An integer, or null.
    pub fn int(&mut self, value: impl Into<Option<i64>>) -> &mut Self {
        let value = value.into();
        match self.next(|kind| kind == Kind::Int) {
            Cells::Lite(cells) => cells.int(value),
            Cells::Pg(cells) => cells.int(value),
        }
        self
    }

    /// A text, or null. PostgreSQL refuses NUL characters, so neither engine gets them.
    pub fn text<'a>(&mut self, value: impl Into<Option<&'a str>>) -> &mut Self {
        let value = value.into();
        match self.next(|kind| matches!(kind, Kind::Text | Kind::Long)) {
            Cells::Lite(cells) => cells.text(value),
            Cells::Pg(cells) => cells.text(value),
        }
        self
    }

    /// Bytes.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        match self.next(|kind| kind == Kind::Bytes) {
            Cells::Lite(cells) => cells.bytes(value),
            Cells::Pg(cells) => cells.bytes(value),
        }
        self
    }
}

impl Rows {
    /// Reads what the statement returns over these rows from PostgreSQL.
    async fn fetch_pg<T>(self, from: impl PgExecutor<'_>) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let Cells::Pg(cells) = self.cells else {
            return Err(mixed_engines());
        };
        let mut query = sqlx::query_as(self.statement.pg());
        for column in cells.into_columns(self.statement.columns) {
            query = match column {
                Column::Id(cells) => query.bind(cells),
                Column::Int(cells) => query.bind(cells),
                Column::Text(cells) => query.bind(cells),
                Column::Bytes(cells) => query.bind(cells),
            };
        }
        query.fetch_all(from).await
    }
}

#[cfg(test)]
impl Rows {
    /// A row of cells that mean nothing.
    pub(in crate::store) fn any(&mut self) {
        for (_, kind) in self.statement.columns {
            _ = match kind {
                Kind::Id => self.id(Uuid::nil()),
                Kind::Int => self.int(1),
                Kind::Text | Kind::Long => self.text("[1]"),
                Kind::Bytes => self.bytes(b"1"),
            };
        }
    }
}

/// An open write transaction on either engine.
#[derive(Debug)]
pub enum Tx {
    /// SQLite, begun `immediate`: whoever reads before writing must hold the write lock from the start.
    Lite(Transaction<'static, Sqlite>),
    /// PostgreSQL, read committed.
    Pg(Transaction<'static, Postgres>),
}

/// Every statement of a commit finds a handful of rows by index. Without being told so, PostgreSQL
/// plans each of them anew for the arrays it is given (dearer than running it), and joins young tables,
/// of which it has no statistics yet, by reading them whole.
const PLANS_PG: [(&str, &str); 6] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_material", "off"),
    ("jit", "off"),
];

/// Begins a transaction with such plans. Of a node that is gone in the middle the locks do not stay.
static BEGIN_PG: LazyLock<String> = LazyLock::new(|| {
    let plans = PLANS_PG.map(|(name, value)| format!("; set local {name} = {value}"));
    format!(
        "begin; set local idle_in_transaction_session_timeout = '60s'{}",
        plans.concat()
    )
});

impl Tx {
    /// Begins a write transaction.
    pub async fn begin(db: &Db) -> Result<Self, sqlx::Error> {
        Ok(match db {
            Db::Lite { write, .. } => Self::Lite(write.begin_with("begin immediate").await?),
            Db::Pg(pool) => Self::Pg(pool.begin_with(AssertSqlSafe(BEGIN_PG.as_str())).await?),
        })
    }

    /// Which engine it runs on.
    pub fn engine(&self) -> Engine {
        match self {
            Self::Lite(_) => Engine::Lite,
            Self::Pg(_) => Engine::Pg,
        }
    }

    /// Runs a statement over its rows, if there are any; tells how many rows it touched.
    pub async fn run(&mut self, rows: Rows) -> Result<u64, sqlx::Error> {
        if rows.is_empty() {
            return Ok(0);
        }
        Ok(match (self, rows.cells) {
            (Self::Lite(tx), Cells::Lite(cells)) => {
                let (json, blob) = cells.into_json(rows.statement.columns);
                let query = sqlx::query(rows.statement.lite()).bind(json).bind(blob);
                query.execute(&mut **tx).await?.rows_affected()
            }
            (Self::Pg(tx), Cells::Pg(cells)) => {
                let mut query = sqlx::query(rows.statement.pg());
                for column in cells.into_columns(rows.statement.columns) {
                    query = bind_column(query, column);
                }
                query.execute(&mut **tx).await?.rows_affected()
            }
            _ => return Err(mixed_engines()),
        })
    }

    /// Runs a statement over its rows, if there are any, and reads what it returns.
    pub async fn fetch<T>(&mut self, rows: Rows) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let tx = match self {
            Self::Lite(tx) => tx,
            Self::Pg(tx) => return rows.fetch_pg(&mut **tx).await,
        };
        let Cells::Lite(cells) = rows.cells else {
            return Err(mixed_engines());
        };
        let (json, blob) = cells.into_json(rows.statement.columns);
        let query = sqlx::query_as(rows.statement.lite()).bind(json).bind(blob);
        query.fetch_all(&mut **tx).await
    }

    /// Reads with a statement that takes no rows.
    pub async fn read<T>(&mut self, text: &'static str) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        match self {
            Self::Lite(tx) => sqlx::query_as(text).fetch_all(&mut **tx).await,
            Self::Pg(tx) => sqlx::query_as(text).fetch_all(&mut **tx).await,
        }
    }

    /// Makes everything durable.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Lite(tx) => tx.commit().await,
            Self::Pg(tx) => tx.commit().await,
        }
    }

    /// Takes everything back.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Lite(tx) => tx.rollback().await,
            Self::Pg(tx) => tx.rollback().await,
        }
    }

    /// The connection, for what only SQLite can do.
    pub fn lite(&mut self) -> Option<&mut SqliteConnection> {
        match self {
            Self::Lite(tx) => Some(tx),
            Self::Pg(_) => None,
        }
    }
}

fn bind_column(
    query: sqlx::query::Query<'_, Postgres, PgArguments>,
    column: Column,
) -> sqlx::query::Query<'_, Postgres, PgArguments> {
    match column {
        Column::Id(cells) => query.bind(cells),
        Column::Int(cells) => query.bind(cells),
        Column::Text(cells) => query.bind(cells),
        Column::Bytes(cells) => query.bind(cells),
    }
}

/// Rows filled for the other engine: a mistake in the caller, told instead of a panic.
fn mixed_engines() -> sqlx::Error {
    sqlx::Error::Configuration("rows were filled for another engine".into())
}

#[cfg(test)]
mod tests;
