//! Reads a sheet of an Excel workbook.

use std::collections::BTreeMap;
use std::io::{BufRead, Seek};

use calamine::{DataRef, ExcelDateTime, Reader, Xlsx};

use super::cell::{CellType, write_cell, write_text};
use super::column_types;
use super::sink::{Sink, Stop};

/// The columns that a sheet of Excel can have.
const MOST_COLUMNS: u32 = 16_384;

/// Sends the rows of a sheet below its first row, which is the header. Empty rows are passed over.
pub(super) fn read(
    file: impl BufRead + Seek,
    sheet: Option<&str>,
    types: &BTreeMap<String, CellType>,
    sink: &mut Sink,
) -> Result<(), Stop> {
    let mut workbook = Xlsx::new(file).map_err(Stop::failed)?;
    let sheets = workbook.sheet_names().to_vec();
    let sheet = match sheet {
        Some(name) if sheets.iter().any(|sheet| sheet == name) => name.to_owned(),
        Some(name) => {
            return Err(Stop::failed(format_args!(
                "it has no sheet `{name}`; there are {}",
                sheets.join(", ")
            )));
        }
        None => {
            let first = sheets
                .first()
                .ok_or_else(|| Stop::failed("it has no sheets"))?;
            first.clone()
        }
    };
    let mut cells = workbook
        .worksheet_cells_reader(&sheet)
        .map_err(Stop::failed)?;
    let mut table = Table {
        sink,
        types,
        columns: Vec::new(),
        kinds: Vec::new(),
        first_column: 0,
        header: Vec::new(),
        row: None,
        cells: Vec::new(),
        bad: None,
    };
    while let Some(cell) = cells.next_cell().map_err(Stop::failed)? {
        let (row, column) = cell.get_position();
        if !matches!(cell.get_value(), DataRef::Empty) {
            table.cell(row, column, cell.get_value())?;
        }
    }
    table.end_row()?;
    match table.columns.is_empty() {
        true => Err(Stop::failed(format_args!(
            "the sheet `{sheet}` is empty; its first row has to be the header"
        ))),
        false => Ok(()),
    }
}

struct Table<'a> {
    sink: &'a mut Sink,
    types: &'a BTreeMap<String, CellType>,
    columns: Vec<String>,
    kinds: Vec<CellType>,
    first_column: u32,
    header: Vec<(u32, String)>,
    /// The row that is read.
    row: Option<u32>,
    cells: Vec<Option<Vec<u8>>>,
    bad: Option<String>,
}

impl Table<'_> {
    fn cell(&mut self, row: u32, column: u32, value: &DataRef<'_>) -> Result<(), Stop> {
        if self.row != Some(row) {
            self.end_row()?;
            self.row = Some(row);
        }
        if self.columns.is_empty() {
            self.header.push((column, shown(value).trim().to_owned()));
            return Ok(());
        }
        let place = column
            .checked_sub(self.first_column)
            .map(|place| place as usize);
        let Some(place) = place.filter(|place| *place < self.columns.len()) else {
            self.bad.get_or_insert_with(|| {
                format!(
                    "row {} has a cell to the right or left of the header",
                    row + 1
                )
            });
            return Ok(());
        };
        let mut json = Vec::new();
        if let Err(why) = write_value(self.kinds[place], value, &mut json) {
            let name = &self.columns[place];
            self.bad
                .get_or_insert_with(|| format!("row {}, column `{name}`: {why}", row + 1));
        }
        self.cells[place] = Some(json);
        Ok(())
    }

    /// The names of the columns. A gap is a column without a name, which is refused.
    fn take_header(&mut self) -> Result<Vec<String>, Stop> {
        let header = std::mem::take(&mut self.header);
        let places = header.iter().map(|(column, _)| *column);
        let first = places.clone().min().unwrap_or(0);
        let width = places.max().unwrap_or(0) - first;
        if width >= MOST_COLUMNS {
            return Err(Stop::failed("its header has more columns than Excel"));
        }
        self.first_column = first;
        let mut columns = vec![String::new(); width as usize + 1];
        for (column, name) in header {
            columns[(column - first) as usize] = name;
        }
        Ok(columns)
    }

    fn end_row(&mut self) -> Result<(), Stop> {
        if self.row.is_none() {
            return Ok(());
        }
        if self.columns.is_empty() {
            let columns = self.take_header()?;
            self.kinds = column_types(&columns, self.types)?;
            self.cells = vec![None; columns.len()];
            self.columns.clone_from(&columns);
            return self.sink.begin(columns, None);
        }
        if let Some(why) = self.bad.take() {
            self.cells.fill(None);
            return self.sink.bad(why);
        }
        let cells = &mut self.cells;
        self.sink.row(|json| {
            for (place, cell) in cells.iter_mut().enumerate() {
                json.push(if place == 0 { b'[' } else { b',' });
                json.extend_from_slice(cell.take().as_deref().unwrap_or(b"null"));
            }
            json.push(b']');
            Ok(())
        })
    }
}

/// Appends the JSON of a cell. The workbook says what it is; a type of the user's goes before that.
fn write_value(kind: CellType, value: &DataRef<'_>, json: &mut Vec<u8>) -> Result<(), String> {
    match value {
        DataRef::Error(error) => return Err(format!("the cell has the error {error}")),
        DataRef::Float(number) if !number.is_finite() => {
            return Err("NaN and infinity are no JSON".to_owned());
        }
        _ => {}
    }
    let text = shown(value);
    match (kind, value) {
        // The workbook has it as text, so `007` and `5` are texts too.
        (
            CellType::Auto,
            DataRef::String(_)
            | DataRef::SharedString(_)
            | DataRef::DateTime(_)
            | DataRef::DateTimeIso(_)
            | DataRef::DurationIso(_),
        ) => write_text(&text, json),
        _ => write_cell(kind, &text, json).map_err(|wrong| format!("`{text}` is {wrong}"))?,
    }
    Ok(())
}

/// The text of a cell.
fn shown(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(value) => value.to_string(),
        DataRef::DateTime(moment) => date(moment),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}

/// A date by ISO 8601, with the time of day if it has one; a duration as a number of days.
fn date(moment: &ExcelDateTime) -> String {
    if moment.is_duration() {
        return moment.as_f64().to_string();
    }
    let (year, month, day, hour, minute, second, milli) = moment.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    match (hour, minute, second, milli) {
        (0, 0, 0, 0) => date,
        (_, _, _, 0) => format!("{date}T{hour:02}:{minute:02}:{second:02}"),
        _ => format!("{date}T{hour:02}:{minute:02}:{second:02}.{milli:03}"),
    }
}
