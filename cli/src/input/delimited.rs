//! Reads CSV and TSV.

use std::collections::BTreeMap;
use std::io::Read;

use csv::{ErrorKind, Position, ReaderBuilder, StringRecord, Terminator};

use super::cell::{CellType, write_cell};
use super::column_types;
use super::sink::{Sink, Stop};

/// Bytes that are read at a time.
const BLOCK: usize = 64 << 10;

/// Sends the records of a table whose first row is its header.
pub(super) fn read(
    text: impl Read,
    delimiter: u8,
    types: &BTreeMap<String, CellType>,
    sink: &mut Sink,
) -> Result<(), Stop> {
    let mut table = ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .terminator(Terminator::CRLF)
        // Rows of another length are named by their lines.
        .flexible(true)
        .buffer_capacity(BLOCK)
        .from_reader(text);
    let mut row = StringRecord::new();
    match table.read_record(&mut row) {
        Ok(true) => {}
        Ok(false) => {
            return Err(Stop::failed(
                "it is empty; its first row has to be the header",
            ));
        }
        Err(error) if matches!(error.kind(), ErrorKind::Utf8 { .. }) => {
            return Err(Stop::failed("its header is not UTF-8; save it as UTF-8"));
        }
        Err(error) => return Err(Stop::failed(error)),
    }
    let columns: Vec<String> = row.iter().map(|name| name.trim().to_owned()).collect();
    if let [only] = columns.as_slice()
        && let Some(other) = [';', '\t', ',', '|']
            .into_iter()
            .find(|other| only.contains(*other))
    {
        return Err(Stop::failed(format_args!(
            "its header is one column, `{only}`; if the cells are separated by `{}`, say so with \
             --delimiter",
            other.escape_default()
        )));
    }
    let kinds = column_types(&columns, types)?;
    sink.begin(columns.clone(), None)?;

    loop {
        match table.read_record(&mut row) {
            Ok(true) => sink.row(|json| {
                write_row(&row, &columns, &kinds, json).map_err(|why| {
                    let line = row.position().map_or(0, Position::line);
                    format!("line {line}{why}")
                })
            })?,
            Ok(false) => return Ok(()),
            Err(error) => match error.kind() {
                ErrorKind::Utf8 { pos, err } => {
                    let line = pos.as_ref().map_or(0, Position::line);
                    let column = columns.get(err.field()).map_or("?", String::as_str);
                    sink.bad(format!(
                        "line {line}, column `{column}` is not UTF-8; save the file as UTF-8"
                    ))?;
                }
                _ => return Err(Stop::failed(error)),
            },
        }
    }
}

/// Appends a row; an error continues "line 7".
fn write_row(
    row: &StringRecord,
    columns: &[String],
    kinds: &[CellType],
    json: &mut Vec<u8>,
) -> Result<(), String> {
    if row.len() != columns.len() {
        let (cells, columns) = (row.len(), columns.len());
        return Err(format!(" has {cells} cells for {columns} columns"));
    }
    for (place, (cell, kind)) in row.iter().zip(kinds).enumerate() {
        json.push(if place == 0 { b'[' } else { b',' });
        write_cell(*kind, cell, json).map_err(|wrong| {
            let column = &columns[place];
            format!(", column `{column}`: `{}` is {wrong}", shortened(cell))
        })?;
    }
    json.push(b']');
    Ok(())
}

/// As much of a cell as fits into a message.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
