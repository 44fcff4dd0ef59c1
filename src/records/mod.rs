//! Encodes records to JSON and decodes outputs, without a tree of values in between.
//!
//! In: [`encoder`] writes records into the inputs of a chunk, with [`cells`] taking each apart into
//! its cells, [`columns`] knowing their order, [`row`] bringing them into it and [`finite`]
//! refusing numbers that JSON can't say; a [`json_row`] is encoded already. Out: [`outputs`] reads
//! the results into the caller's type, with the readers of [`crate::json`].

mod aggregates;
mod cells;
mod columns;
mod encoder;
mod finite;
mod json_row;
mod outputs;
mod raw_record;
mod row;

pub use aggregates::Aggregates;
pub(crate) use aggregates::read_summary;
pub(crate) use encoder::{Encoded, Encoder};
pub use json_row::JsonRow;
pub use outputs::Outputs;
pub(crate) use outputs::{EachOutput, Unreadable};

/// The layout of the records in a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// A header row with the names of the columns, and a row for each record. The service prefers
    /// this layout.
    #[default]
    Table,
    /// A list of objects, each with its own names. The API document shows this layout, but the
    /// service is said to count its records wrongly.
    Objects,
}

/// What to do when a record has no cell for a column.
///
/// Fields that a struct skips (`skip_serializing_if`) are not missing: their cells are null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MissingCells {
    /// Fail with an error that names the record and the column.
    #[default]
    Refuse,
    /// Write null.
    Null,
}

/// What to do when a record has a cell without a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ExtraCells {
    /// Fail with an error that names the record and the cell.
    #[default]
    Refuse,
    /// Leave out the cell.
    Drop,
}

/// How records are encoded as the inputs of chunks. The default is a table with the columns of the
/// first record, where a record with other columns is an error.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordFormat {
    pub(crate) layout: Layout,
    /// The columns in order; those of the first record if `None`.
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) missing: MissingCells,
    pub(crate) extra: ExtraCells,
}
