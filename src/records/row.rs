//! One record as one row of a table: its cells in the order of the columns, whatever its own order.

use std::ops::Range;

use serde::Serialize;
use serde::ser::Error as _;
use serde_json::Error;

use super::cells::{Cell, CellSink, take_apart};
use super::columns::Columns;
use super::finite::Finite;
use super::{ExtraCells, MissingCells};

/// What is kept between rows.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Cells that wait for their turn.
    json: Vec<u8>,
    cells: Vec<Option<Range<usize>>>,
    /// Fields that were found to have the names of the first columns.
    fields: Vec<&'static str>,
}

/// Appends a record as a row of the columns. After an error, `out` may end in half a row.
pub(super) fn write_row<T: ?Sized + Serialize>(
    record: &T,
    columns: &Columns,
    (missing, extra): (MissingCells, ExtraCells),
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    scratch.json.clear();
    scratch.cells.clear();
    out.push(b'[');
    let mut row = Row {
        columns,
        extra,
        scratch,
        out,
        written: 0,
        is_row: false,
    };
    take_apart(record, &mut row)?;
    row.finish(missing)
}

struct Row<'a> {
    columns: &'a Columns,
    extra: ExtraCells,
    scratch: &'a mut Scratch,
    out: &'a mut Vec<u8>,
    /// How many cells are in `out`; the first so many columns.
    written: usize,
    is_row: bool,
}

impl Row<'_> {
    fn write_next(&mut self, cell: impl Cell) -> Result<(), Error> {
        if self.written > 0 {
            self.out.push(b',');
        }
        cell.write(self.out)
            .map_err(|error| self.at(self.written, error))?;
        self.written += 1;
        Ok(())
    }

    fn at(&self, place: usize, error: Error) -> Error {
        let name = self.columns.names().get(place).map_or("?", String::as_str);
        Error::custom(format_args!("column `{name}`: {error}"))
    }

    fn finish(self, missing: MissingCells) -> Result<(), Error> {
        let names = self.columns.names();
        if self.is_row && self.written < names.len() {
            let cells = self.written;
            return Err(Error::custom(format_args!(
                "it has {cells} cells for {} columns",
                names.len()
            )));
        }
        for (place, name) in names.iter().enumerate().skip(self.written) {
            if place > 0 {
                self.out.push(b',');
            }
            match self.scratch.cells.get(place).cloned().flatten() {
                Some(cell) => self.out.extend_from_slice(&self.scratch.json[cell]),
                None if missing == MissingCells::Null => self.out.extend_from_slice(b"null"),
                None => return Err(Error::custom(format_args!("it lacks column `{name}`"))),
            }
        }
        self.out.push(b']');
        Ok(())
    }
}

impl CellSink for Row<'_> {
    fn named(&mut self, column: &str, cell: impl Cell) -> Result<(), Error> {
        // The usual case: the record has its cells in the order of the columns.
        let in_order = self.scratch.cells.is_empty();
        if in_order
            && self
                .columns
                .names()
                .get(self.written)
                .is_some_and(|name| name == column)
        {
            return self.write_next(cell);
        }
        let Some(place) = self.columns.place(column) else {
            return match self.extra {
                ExtraCells::Drop => Ok(()),
                ExtraCells::Refuse => Err(Error::custom(format_args!(
                    "it has `{column}`, which is not among the columns"
                ))),
            };
        };
        if in_order {
            self.scratch.cells.resize(self.columns.names().len(), None);
        }
        if place < self.written || self.scratch.cells[place].is_some() {
            return Err(Error::custom(format_args!("it has `{column}` twice")));
        }
        let start = self.scratch.json.len();
        cell.write(&mut self.scratch.json)
            .map_err(|error| self.at(place, error))?;
        self.scratch.cells[place] = Some(start..self.scratch.json.len());
        Ok(())
    }

    fn field(&mut self, name: &'static str, cell: impl Cell) -> Result<(), Error> {
        let place = self.written;
        let known = self.scratch.fields.get(place);
        // The same text at the same place in memory: then there is no need to compare it again.
        if known.is_some_and(|known| std::ptr::eq(*known, name)) && self.scratch.cells.is_empty() {
            return self.write_next(cell);
        }
        self.named(name, cell)?;
        if self.written > place && self.scratch.fields.len() == place {
            self.scratch.fields.push(name);
        }
        Ok(())
    }

    fn next_key(&self) -> Option<&[u8]> {
        match self.scratch.cells.is_empty() {
            true => self.columns.key(self.written),
            false => None,
        }
    }

    fn row(&mut self) {
        self.is_row = true;
    }

    fn positional(&mut self, cell: impl Cell) -> Result<(), Error> {
        if self.written == self.columns.names().len() {
            return Err(Error::custom(format_args!(
                "it has more cells than the {} columns",
                self.written
            )));
        }
        self.write_next(cell)
    }
}

pub(super) fn write_cell<T: ?Sized + Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    Finite(value).serialize(&mut serde_json::Serializer::new(out))
}
