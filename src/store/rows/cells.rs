//! Cells for SQLite as they were given: bound one by one on the writer's own connections, told as one JSON
//! text on those of sqlx.

use std::fmt::Write as _;

use rusqlite::types::{ToSqlOutput, ValueRef};
use uuid::Uuid;

use super::{
    Kind,
    json::{push_span, push_text},
};

/// Cells of all rows, one after another. Texts and bytes stand together in one place.
#[derive(Debug, Default)]
pub(super) struct LiteCells {
    cells: Vec<Cell>,
    kept: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Cell {
    Null,
    Id(Uuid),
    Int(i64),
    /// From where to where a text or bytes are kept.
    Kept(usize, usize),
}

impl LiteCells {
    pub(super) fn id(&mut self, value: Option<Uuid>) {
        self.cells.push(value.map_or(Cell::Null, Cell::Id));
    }

    pub(super) fn int(&mut self, value: Option<i64>) {
        self.cells.push(value.map_or(Cell::Null, Cell::Int));
    }

    /// A text without its NUL characters.
    pub(super) fn text(&mut self, value: Option<&str>) {
        let Some(text) = value else {
            self.cells.push(Cell::Null);
            return;
        };
        let from = self.kept.len();
        let mut rest = text.as_bytes();
        while let Some(nul) = memchr::memchr(0, rest) {
            self.kept.extend_from_slice(&rest[..nul]);
            rest = &rest[nul + 1..];
        }
        self.kept.extend_from_slice(rest);
        self.cells.push(Cell::Kept(from, self.kept.len()));
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        let from = self.kept.len();
        self.kept.extend_from_slice(value);
        self.cells.push(Cell::Kept(from, self.kept.len()));
    }

    /// The cells of each row, as SQLite takes them.
    pub(super) fn rows(
        &self,
        columns: &'static [(&'static str, Kind)],
    ) -> impl Iterator<Item = impl Iterator<Item = ToSqlOutput<'_>>> {
        self.cells.chunks_exact(columns.len()).map(move |row| {
            let cells = row.iter().zip(columns);
            cells.map(|(cell, (_, kind))| ToSqlOutput::Borrowed(self.value(cell, *kind)))
        })
    }

    fn value<'a>(&'a self, cell: &'a Cell, kind: Kind) -> ValueRef<'a> {
        match cell {
            Cell::Null => ValueRef::Null,
            Cell::Id(id) => ValueRef::Blob(id.as_bytes()),
            Cell::Int(number) => ValueRef::Integer(*number),
            Cell::Kept(from, to) => match (kind, &self.kept[*from..*to]) {
                (Kind::Bytes, bytes) => ValueRef::Blob(bytes),
                (_, text) => ValueRef::Text(text),
            },
        }
    }

    /// All rows as one JSON text, and what is kept, of which it tells places.
    pub(super) fn into_json(self, columns: &[(&'static str, Kind)]) -> (String, Vec<u8>) {
        let mut json = String::from("[");
        for (n, row) in self.cells.chunks_exact(columns.len()).enumerate() {
            json.push_str(if n == 0 { "[" } else { ",[" });
            for (place, (cell, (_, kind))) in row.iter().zip(columns).enumerate() {
                if place > 0 {
                    json.push(',');
                }
                self.push(&mut json, cell, *kind);
            }
            json.push(']');
        }
        json.push(']');
        let mut kept = self.kept;
        if kept.is_empty() {
            // Of an empty blob SQLite gives no part, not even an empty one, but null.
            kept.push(0);
        }
        (json, kept)
    }

    fn push(&self, json: &mut String, cell: &Cell, kind: Kind) {
        match cell {
            Cell::Null if kind.is_span() => json.push_str("null,null"),
            Cell::Null => json.push_str("null"),
            Cell::Id(id) => {
                let mut text = [0; 32];
                json.push('"');
                json.push_str(id.simple().encode_lower(&mut text));
                json.push('"');
            }
            // Writing to a String cannot fail.
            Cell::Int(number) => _ = write!(json, "{number}"),
            Cell::Kept(from, to) if kind.is_span() => push_span(json, *from, *to),
            Cell::Kept(from, to) => {
                let text = std::str::from_utf8(&self.kept[*from..*to]);
                push_text(
                    json,
                    text.expect("only texts are kept for a column of texts"),
                );
            }
        }
    }
}
