//! Cells for PostgreSQL: the rows of a statement as an array of records, just as it takes them
//! (`array_recv` and `record_recv`); or as an array for each column, where no type of the record is made.
//!
//! To take a row from an array of records costs a tenth of taking its cells from as many arrays: the
//! server keeps what each of those gives by itself before it puts a row together.

use sqlx::{
    Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, types::Oid},
};
use uuid::Uuid;

use super::Kind;

/// Cells of all rows: of each row the number of its cells, of each cell the type, the length and the value.
#[derive(Debug, Default)]
pub(super) struct PgCells {
    bytes: Vec<u8>,
    /// Where rows begin.
    rows: Vec<usize>,
}

/// Length of a cell that is null.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();

impl PgCells {
    /// Begins a row of so many cells.
    pub(super) fn begin(&mut self, columns: usize) {
        self.rows.push(self.bytes.len());
        self.bytes.extend((columns as u32).to_be_bytes());
    }

    pub(super) fn id(&mut self, value: Option<Uuid>) {
        self.cell(Kind::Id, value.as_ref().map(|id| id.as_bytes().as_slice()));
    }

    pub(super) fn int(&mut self, value: Option<i64>) {
        let value = value.map(i64::to_be_bytes);
        self.cell(Kind::Int, value.as_ref().map(<[u8; 8]>::as_slice));
    }

    /// A text without its NUL characters.
    pub(super) fn text(&mut self, value: Option<&str>) {
        match value {
            Some(text) if memchr::memchr(0, text.as_bytes()).is_some() => {
                self.cell(Kind::Text, Some(text.replace('\0', "").as_bytes()));
            }
            _ => self.cell(Kind::Text, value.map(str::as_bytes)),
        }
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.cell(Kind::Bytes, Some(value));
    }

    fn cell(&mut self, kind: Kind, value: Option<&[u8]>) {
        self.bytes.extend(kind.pg_oid().to_be_bytes());
        match value {
            Some(value) => {
                // What is longer than a cell may be the server refuses.
                self.bytes.extend((value.len() as u32).to_be_bytes());
                self.bytes.extend(value);
            }
            None => self.bytes.extend(NULL),
        }
    }

    /// As one array of records of this type.
    pub(super) fn into_records(self, of: RecordType) -> Records {
        Records { cells: self, of }
    }

    /// As one array for each column.
    pub(super) fn into_columns(self, columns: &[(&'static str, Kind)]) -> Vec<Column> {
        let mut made: Vec<Column> = columns.iter().map(|(_, kind)| Column::new(*kind)).collect();
        for begin in self.rows {
            let mut rest = &self.bytes[begin + 4..];
            for column in &mut made {
                let (head, after) = rest.split_at(8);
                let long = [head[4], head[5], head[6], head[7]];
                let (value, after) = match long {
                    NULL => (None, after),
                    _ => {
                        let (value, after) = after.split_at(u32::from_be_bytes(long) as usize);
                        (Some(value), after)
                    }
                };
                column.push(value);
                rest = after;
            }
        }
        made
    }
}

/// A type of records, and of their arrays, as one server names it.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub(super) struct RecordType {
    pub(super) one: Oid,
    pub(super) array: Oid,
}

/// An array of records; null if there are none.
pub(super) struct Records {
    cells: PgCells,
    of: RecordType,
}

impl Type<Postgres> for Records {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("record[]")
    }
}

impl Encode<'_, Postgres> for Records {
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(self.of.array))
    }

    /// Number of dimensions, no nulls, type, length, first place; of each record the length and the value.
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let rows = &self.cells.rows;
        if rows.is_empty() {
            return Ok(IsNull::Yes);
        }
        let head = [1, 0, self.of.one.0, u32::try_from(rows.len())?, 1];
        buffer.extend(head.into_iter().flat_map(u32::to_be_bytes));
        let ends = rows.iter().skip(1).copied();
        let ends = ends.chain([self.cells.bytes.len()]);
        for (begin, end) in rows.iter().copied().zip(ends) {
            let row = &self.cells.bytes[begin..end];
            buffer.extend(i32::try_from(row.len())?.to_be_bytes());
            buffer.extend(row);
        }
        Ok(IsNull::No)
    }
}

/// The cells of a column.
#[derive(Debug)]
pub(super) enum Column {
    Id(Vec<Option<Uuid>>),
    Int(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Column {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Id => Self::Id(Vec::new()),
            Kind::Int => Self::Int(Vec::new()),
            Kind::Text | Kind::Long => Self::Text(Vec::new()),
            Kind::Bytes => Self::Bytes(Vec::new()),
        }
    }

    fn push(&mut self, value: Option<&[u8]>) {
        match self {
            Self::Id(cells) => cells.push(value.and_then(|id| Uuid::from_slice(id).ok())),
            Self::Int(cells) => {
                let number = value.and_then(|number| number.try_into().ok());
                cells.push(number.map(i64::from_be_bytes));
            }
            Self::Text(cells) => {
                cells.push(value.map(|text| String::from_utf8_lossy(text).into_owned()));
            }
            Self::Bytes(cells) => cells.push(value.map(<[u8]>::to_vec)),
        }
    }
}

impl Kind {
    /// Its type, of those that PostgreSQL has built in (its `pg_type.dat`).
    fn pg_oid(self) -> u32 {
        match self {
            Self::Id => 2_950,
            Self::Int => 20,
            Self::Text | Self::Long => 25,
            Self::Bytes => 17,
        }
    }

    /// What PostgreSQL calls it.
    pub(super) fn pg_name(self) -> &'static str {
        match self {
            Self::Id => "uuid",
            Self::Int => "bigint",
            Self::Text | Self::Long => "text",
            Self::Bytes => "bytea",
        }
    }
}
