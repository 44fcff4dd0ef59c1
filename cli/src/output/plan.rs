//! Which columns an entry has, and where each of their cells comes from.

use std::sync::Arc;

use super::encoder::Entry;
use crate::cells::{Cells, Names};
use crate::failure::Failure;
use crate::input::write_text;

/// The column with the number of the record, where records come in any order.
const RECORD: &str = "record";
/// The column with the error of a record that failed.
const ERROR: &str = "error";
/// What is appended to the name of an input or output that another column has already.
const INPUT_SUFFIX: &str = "_input";
const OUTPUT_SUFFIX: &str = "_output";

/// Where a cell comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Record,
    Input(usize),
    Output(usize),
    Error,
    /// This record has no such cell.
    Nothing,
}

/// A cell.
pub(super) enum Cell<'a> {
    Number(u64),
    Json(&'a str),
    Text(&'a str),
    Nothing,
}

impl Origin {
    /// The cell of an entry.
    pub(super) fn cell<'a>(self, entry: &Entry<'a>) -> Cell<'a> {
        let json = |cells: Option<&Cells<'a>>, place| {
            cells
                .and_then(|cells| cells.at(place))
                .map_or(Cell::Nothing, Cell::Json)
        };
        match self {
            Self::Record => Cell::Number(entry.record),
            Self::Input(place) => json(entry.inputs, place),
            Self::Output(place) => json(entry.outcome.ok(), place),
            Self::Error => entry.outcome.err().map_or(Cell::Nothing, Cell::Text),
            Self::Nothing => Cell::Nothing,
        }
    }
}

/// The names of all columns, each with the origin of its cells. No name is there twice.
pub(super) fn columns(
    numbered: bool,
    inputs: Option<&Cells<'_>>,
    outputs: Option<&Cells<'_>>,
    with_error: bool,
) -> Vec<(String, Origin)> {
    let mut columns: Vec<(String, Origin)> = Vec::new();
    columns.extend(numbered.then(|| (RECORD.to_owned(), Origin::Record)));
    let names =
        |cells: Option<&Cells<'_>>| cells.map_or_else(Names::default, |it| it.names().clone());
    let mut add = |names: &[String], suffix: &str, origin: fn(usize) -> Origin| {
        for (place, name) in names.iter().enumerate() {
            let mut name = name.clone();
            while name == ERROR || columns.iter().any(|(other, _)| *other == name) {
                name += suffix;
            }
            columns.push((name, origin(place)));
        }
    };
    add(&names(inputs), INPUT_SUFFIX, Origin::Input);
    add(&names(outputs), OUTPUT_SUFFIX, Origin::Output);
    columns.extend(with_error.then(|| (ERROR.to_owned(), Origin::Error)));
    columns
}

/// The columns of entries whose inputs and outputs have the same names.
#[derive(Debug, Default)]
pub(super) struct Plan {
    inputs: Option<Names>,
    outputs: Option<Names>,
    made: bool,
    /// Where the cell of each column comes from, and for objects the key before it: `"name":`.
    columns: Vec<(Vec<u8>, Origin)>,
}

impl Plan {
    pub(super) fn columns(&self) -> &[(Vec<u8>, Origin)] {
        &self.columns
    }

    pub(super) fn is_for(&self, entry: &Entry<'_>) -> bool {
        let same = |known: &Option<Names>, cells: Option<&Cells<'_>>| match (known, cells) {
            (Some(known), Some(cells)) => Arc::ptr_eq(known, cells.names()),
            (None, None) => true,
            _ => false,
        };
        self.made && same(&self.inputs, entry.inputs) && same(&self.outputs, entry.outcome.ok())
    }

    fn new(entry: &Entry<'_>, columns: Vec<(Vec<u8>, Origin)>) -> Self {
        Self {
            inputs: entry.inputs.map(|cells| cells.names().clone()),
            outputs: entry.outcome.ok().map(|cells| cells.names().clone()),
            made: true,
            columns,
        }
    }

    /// Rows below a header.
    pub(super) fn of_row(
        entry: &Entry<'_>,
        numbered: bool,
        chosen: &[String],
        header: &[String],
    ) -> Result<Self, Failure> {
        let mut places = vec![(Vec::new(), Origin::Nothing); header.len()];
        for (name, origin) in columns(numbered, entry.inputs, entry.outcome.ok(), true) {
            match header.iter().position(|column| *column == name) {
                Some(place) => places[place].1 = origin,
                None if !chosen.is_empty() => {}
                None => {
                    return Err(Failure::run(format!(
                        "a later record has the column `{name}`, which the first one lacks, so the \
                         header of the output lacks it too; write JSON lines, or name the columns \
                         with --columns"
                    )));
                }
            }
        }
        Ok(Self::new(entry, places))
    }

    /// Objects: what there is, or what is chosen of it.
    pub(super) fn of_object(entry: &Entry<'_>, numbered: bool, chosen: &[String]) -> Self {
        let outputs = entry.outcome.ok();
        let all = columns(numbered, entry.inputs, outputs, outputs.is_none());
        let wanted: Vec<&(String, Origin)> = match chosen.is_empty() {
            true => all.iter().collect(),
            false => chosen
                .iter()
                .filter_map(|name| all.iter().find(|(known, _)| known == name))
                .collect(),
        };
        let members = wanted.into_iter().map(|(name, origin)| {
            let mut key = Vec::with_capacity(name.len() + 3);
            write_text(name, &mut key);
            key.push(b':');
            (key, *origin)
        });
        Self::new(entry, members.collect())
    }
}
