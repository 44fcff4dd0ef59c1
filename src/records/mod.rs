//! Records to JSON and back, without a tree of values in between.
//!
//! In: [`encoder`] writes records into the inputs of a chunk, with [`cells`] taking each apart into
//! its cells, [`columns`] knowing their order, [`row`] bringing them into it and [`finite`]
//! refusing numbers that JSON can't say. Out: [`outputs`] reads the results into the caller's type,
//! with the readers of [`crate::json`].

mod cells;
mod columns;
mod encoder;
mod finite;
mod outputs;
mod row;

pub(crate) use encoder::{Encoded, Encoder};
pub use outputs::Outputs;
pub(crate) use outputs::{EachOutput, Unreadable};

/// How records stand in a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// A header row with the names of the columns, and a row for each record. What the service
    /// wants.
    #[default]
    Table,
    /// A list of objects, each with its own names, written as they are. The document of the API
    /// shows it; the service has been said to count records wrongly in it.
    Objects,
}

/// What to do when a record has no cell for a column.
///
/// Fields that a struct skips (`skip_serializing_if`) are not missing: their cells are null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MissingCells {
    /// Refuse the record: an error names it and the column, and nothing is pushed.
    #[default]
    Refuse,
    /// Write null.
    Null,
}

/// What to do when a record has a cell for which there is no column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ExtraCells {
    /// Refuse the record: an error names it and the cell, and nothing is pushed.
    #[default]
    Refuse,
    /// Leave the cell out.
    Drop,
}

/// How records become the inputs of chunks. The default is a table whose columns are those of the
/// first record, and a record with other columns is refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordFormat {
    pub(crate) layout: Layout,
    /// The columns in order, or those of the first record.
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) missing: MissingCells,
    pub(crate) extra: ExtraCells,
}
