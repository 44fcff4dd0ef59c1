//! Makes rows of objects.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::sink::{Sink, Stop};
use crate::cells::{Cells, Names, Splitter};

/// The columns are those of the first object. Later ones may leave out what is null.
#[derive(Default)]
pub(super) struct Objects {
    /// The columns, once the first object was there.
    columns: Option<Names>,
    splitter: Splitter,
}

impl Objects {
    /// Sends an object as a row. `place` says where it is, as in "line 7".
    pub(super) fn send(
        &mut self,
        json: &[u8],
        place: impl FnOnce() -> String,
        sink: &mut Sink,
    ) -> Result<(), Stop> {
        let json: &RawValue = match serde_json::from_slice(json) {
            Ok(json) => json,
            Err(error) => {
                // Not the position within the record as if it were one within the file.
                let position = format!(" at line {} column {}", error.line(), error.column());
                let (why, at) = (error.to_string(), error.column());
                let why = why.strip_suffix(&position).unwrap_or(&why);
                return sink.bad(format!("{}, character {at}: {why}", place()));
            }
        };
        let mut object = Cells::default();
        if self.splitter.object(json.get(), &mut object).is_none() {
            return sink.bad(format!("{} is not an object", place()));
        }
        let columns = match &self.columns {
            Some(columns) => columns,
            None => {
                sink.begin(object.names().to_vec(), None)?;
                self.columns.insert(Arc::clone(object.names()))
            }
        };
        sink.row(|row| {
            row.push(b'[');
            let written = match Arc::ptr_eq(columns, object.names()) {
                true => {
                    write_cells(object.iter().map(|(_, json)| Some(json)), row);
                    Ok(())
                }
                false => write_by_name(columns, &object, row),
            };
            row.push(b']');
            written.map_err(|why| format!("{} {why}", place()))
        })
    }
}

fn write_cells<'a>(cells: impl Iterator<Item = Option<&'a str>>, row: &mut Vec<u8>) {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            row.push(b',');
        }
        row.extend_from_slice(cell.unwrap_or("null").as_bytes());
    }
}

fn write_by_name(columns: &[String], object: &Cells<'_>, row: &mut Vec<u8>) -> Result<(), String> {
    let mut cells = vec![None; columns.len()];
    for (name, json) in object.iter() {
        let place = columns.iter().position(|column| column == name);
        let Some(place) = place else {
            return Err(format!(
                "has `{name}`, which the first record lacks; its columns are {}",
                columns.join(", ")
            ));
        };
        if cells[place].replace(json).is_some() {
            return Err(format!("has `{name}` twice"));
        }
    }
    write_cells(cells.into_iter(), row);
    Ok(())
}
