//! A statement's text for one row whose cells are bound themselves, and running it over rows: on the
//! writer's own connections, where a step costs less than packing rows together.
//!
//! Most statements read nothing but their row, and then only its cells stand in the text: SQLite has no
//! table to make and nothing to join. What reads more gets the row as a table of one.

use rusqlite::{CachedStatement, Connection, Row, types::ToSqlOutput};

use super::{Cells, Kind, Rows, Statement};
use crate::store::direct::DirectError;

/// What stands for the rows where a statement reads them.
const FROM: &str = " from {rows} as r";

/// A text's statements for one row, with a parameter per column.
pub(super) fn texts(text: &str, columns: &[(&'static str, Kind)]) -> Vec<String> {
    text.split(';')
        .map(|part| one(part.trim(), columns))
        .collect()
}

fn one(text: &str, columns: &[(&'static str, Kind)]) -> String {
    let mut bare = text.to_owned();
    for (name, _) in columns {
        let among = format!("in (select r.{name}{FROM})");
        bare = bare.replace(&among, &format!("= r.{name}"));
    }
    if let Some(values) = as_values(&bare) {
        bare = values;
    }
    // Within brackets a name without `r.` could come to mean a column of another table.
    if let Some((before, after)) = bare.split_once(FROM)
        && before.matches('(').count() == before.matches(')').count()
        && (after.is_empty() || after.starts_with(" where "))
    {
        bare = format!("{before}{after}");
    }
    if bare.contains("{rows}") {
        let cells: Vec<String> = (1..)
            .zip(columns)
            .map(|(n, (name, _))| format!("?{n} as {name}"))
            .collect();
        return text.replace("{rows}", &format!("(select {})", cells.join(", ")));
    }
    with_parameters(&bare, columns)
}

/// An insertion of nothing but cells, as SQLite does it best.
fn as_values(text: &str) -> Option<String> {
    let (into, rest) = text.split_once(") select ")?;
    let (cells, rest) = rest.split_once(FROM)?;
    let rest = match rest.strip_prefix(" where true") {
        Some(rest) => rest,
        None if rest.is_empty() => "",
        None => return None,
    };
    into.starts_with("insert into")
        .then(|| format!("{into}) values ({cells}){rest}"))
}

/// Every `r.name` as the parameter of that column.
fn with_parameters(text: &str, columns: &[(&'static str, Kind)]) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("r.") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        let name = &after[..after.find(|c| !is_name(c)).unwrap_or(after.len())];
        made.push_str(before);
        let place = columns.iter().position(|(column, _)| *column == name);
        match place.filter(|_| !before.ends_with(is_name)) {
            Some(place) => made.push_str(&format!("?{}", place + 1)),
            None => made.push_str(&rest[at..at + 2 + name.len()]),
        }
        rest = &after[name.len()..];
    }
    made + rest
}

impl Statement {
    /// The texts for one row; or, if it is for all rows together, for those.
    pub(in crate::store) fn by_row(&'static self) -> &'static [String] {
        self.by_row.get_or_init(|| match self.is_together {
            true => {
                // Elsewhere parameters have names, by which sqlx finds them; here they are numbers.
                let text = self.lite().replace('$', "?");
                text.split(';').map(|part| part.trim().to_owned()).collect()
            }
            false => texts(self.text, self.columns),
        })
    }
}

impl Rows {
    /// Runs its statement over the rows on a connection of the writer's own.
    pub(super) fn run_on(self, connection: &Connection) -> Result<(), DirectError> {
        self.step_through(connection, |statement| {
            // What a statement returns is not asked for here.
            let mut returned = statement.raw_query();
            while returned.next()?.is_some() {}
            Ok(())
        })
    }

    /// The same, and reads what it returns.
    pub(super) fn fetch_on<T>(self, connection: &Connection) -> Result<Vec<T>, DirectError>
    where
        T: for<'r> TryFrom<&'r Row<'r>, Error = rusqlite::Error>,
    {
        let mut read = Vec::with_capacity(self.len);
        self.step_through(connection, |statement| {
            let mut returned = statement.raw_query();
            while let Some(row) = returned.next()? {
                read.push(T::try_from(row)?);
            }
            Ok(())
        })?;
        Ok(read)
    }

    fn step_through(
        self,
        connection: &Connection,
        mut step: impl FnMut(&mut CachedStatement<'_>) -> Result<(), rusqlite::Error>,
    ) -> Result<(), DirectError> {
        if self.is_empty() {
            return Ok(());
        }
        let Cells::Lite(cells) = self.cells else {
            return Err(DirectError::MixedEngines);
        };
        let texts = self.statement.by_row();
        if self.statement.is_together {
            let (json, kept) = cells.into_json(self.statement.columns);
            for text in texts {
                let mut statement = connection.prepare_cached(text)?;
                statement.raw_bind_parameter(1, &json)?;
                if statement.parameter_count() > 1 {
                    statement.raw_bind_parameter(2, &kept)?;
                }
                step(&mut statement)?;
            }
            return Ok(());
        }
        for text in texts {
            let mut statement = connection.prepare_cached(text)?;
            for row in cells.rows(self.statement.columns) {
                bind(&mut statement, row)?;
                step(&mut statement)?;
            }
        }
        Ok(())
    }
}

/// Gives a statement the cells of a row, as far as it names them.
fn bind<'a>(
    statement: &mut CachedStatement<'_>,
    row: impl Iterator<Item = ToSqlOutput<'a>>,
) -> Result<(), rusqlite::Error> {
    let named = statement.parameter_count();
    for (place, cell) in (1..=named).zip(row) {
        statement.raw_bind_parameter(place, cell)?;
    }
    Ok(())
}
