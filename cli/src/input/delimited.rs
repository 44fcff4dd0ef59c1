//! Reads CSV and TSV.

use std::collections::BTreeMap;
use std::io::Read;

use csv::{ByteRecord, ReaderBuilder, Terminator};

use super::cell::{CellType, write_cell};
use super::{Sink, Stop, column_types};

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
        // Rows of another length are told with their lines.
        .flexible(true)
        .from_reader(text);
    let mut row = ByteRecord::new();
    if !table.read_byte_record(&mut row).map_err(Stop::failed)? {
        return Err(Stop::failed(
            "it is empty; its first row has to be the header",
        ));
    }
    let columns = row
        .iter()
        .map(|name| match std::str::from_utf8(name) {
            Ok(name) => Ok(name.trim().to_owned()),
            Err(_) => Err(Stop::failed("its header is not UTF-8; save it as UTF-8")),
        })
        .collect::<Result<Vec<_>, _>>()?;
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
    sink.begin_table(columns.clone(), None)?;

    let mut json = Vec::new();
    while table.read_byte_record(&mut row).map_err(Stop::failed)? {
        let line = || row.position().map_or(0, csv::Position::line);
        if row.len() != columns.len() {
            let (cells, columns) = (row.len(), columns.len());
            sink.bad(format!(
                "line {} has {cells} cells for {columns} columns",
                line()
            ))?;
            continue;
        }
        match write_row(&row, &columns, &kinds, &mut json) {
            Ok(()) => sink.record(&json)?,
            Err(why) => sink.bad(format!("line {}, {why}", line()))?,
        }
    }
    Ok(())
}

fn write_row(
    row: &ByteRecord,
    columns: &[String],
    kinds: &[CellType],
    json: &mut Vec<u8>,
) -> Result<(), String> {
    json.clear();
    for ((cell, column), kind) in row.iter().zip(columns).zip(kinds) {
        json.push(if json.is_empty() { b'[' } else { b',' });
        let text = std::str::from_utf8(cell)
            .map_err(|_| format!("column `{column}` is not UTF-8; save the file as UTF-8"))?;
        write_cell(*kind, text, json)
            .map_err(|wrong| format!("column `{column}`: `{}` is {wrong}", shortened(text)))?;
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
