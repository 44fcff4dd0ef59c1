//! Parquet, made of the JSON lines of a whole run: only then the types of its columns are known.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::cells::{Cells, Splitter};
use crate::failure::Failure;
use crate::files::beside;
use crate::input::is_json_number;

/// Rows that are built at a time.
const ROWS: usize = 8192;
/// Bytes of a row group in memory.
const GROUP_BYTES: usize = 16 << 20;
/// The significant digits that any double holds.
const DIGITS: usize = 17;

/// What the cells of a column have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Empty,
    Boolean,
    Integer,
    /// An integer that a double may not hold.
    Long,
    Number,
    Text,
}

impl Kind {
    fn of(json: &str) -> Self {
        match json.as_bytes() {
            b"null" => Self::Empty,
            b"true" | b"false" => Self::Boolean,
            text if is_json_number(text) => {
                let mantissa = json.split(['e', 'E']).next().unwrap_or_default();
                let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
                match json.parse::<i64>() {
                    Ok(integer) if integer.unsigned_abs() <= 1 << 53 => Self::Integer,
                    Ok(_) => Self::Long,
                    Err(_) if digits <= DIGITS + 1 => Self::Number,
                    // A double would lose digits.
                    Err(_) => Self::Text,
                }
            }
            _ => Self::Text,
        }
    }

    fn join(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Empty, other) | (other, Self::Empty) => other,
            (Self::Integer, Self::Long) | (Self::Long, Self::Integer) => Self::Long,
            (Self::Integer, Self::Number) | (Self::Number, Self::Integer) => Self::Number,
            _ => Self::Text,
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer | Self::Long => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Empty | Self::Text => DataType::Utf8,
        }
    }
}

/// Makes the file of JSON lines a Parquet file, with the columns in the order in which they appear,
/// or the chosen ones.
pub(super) fn write_parquet(lines: &Path, name: &Path, chosen: &[String]) -> Result<(), Failure> {
    let cannot = |error: String| Failure::file("cannot write", name, error);
    let columns = columns(lines, chosen).map_err(cannot)?;
    let partial = beside(lines, ".parquet");
    write(lines, &partial, &columns).map_err(cannot)?;
    fs::rename(&partial, name).map_err(|error| Failure::file("cannot write", name, error))
}

fn each(
    lines: &Path,
    mut take: impl FnMut(&Cells<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let file = File::open(lines).map_err(|error| error.to_string())?;
    let mut reader = BufReader::with_capacity(256 << 10, file);
    let mut line = String::new();
    let mut splitter = Splitter::default();
    while reader
        .read_line(&mut line)
        .map_err(|error| error.to_string())?
        > 0
    {
        let mut cells = Cells::default();
        splitter
            .object(&line, &mut cells)
            .ok_or("a line is not an object")?;
        take(&cells)?;
        line.clear();
    }
    Ok(())
}

fn columns(lines: &Path, chosen: &[String]) -> Result<Vec<(String, Kind)>, String> {
    let empty = |name: &String| (name.clone(), Kind::Empty);
    let mut columns: Vec<(String, Kind)> = chosen.iter().map(empty).collect();
    each(lines, |cells| {
        for (place, (name, json)) in cells.iter().enumerate() {
            // Most often each cell is where it was in the line before.
            let known = match columns.get(place) {
                Some((known, _)) if known == name => Some(place),
                _ => columns.iter().position(|(known, _)| known == name),
            };
            let kind = Kind::of(json);
            match known {
                Some(place) => columns[place].1 = columns[place].1.join(kind),
                None => columns.push((name.to_owned(), kind)),
            }
        }
        Ok(())
    })?;
    // The error of a record comes last, wherever the first one was.
    if chosen.is_empty()
        && let Some(place) = columns.iter().position(|(name, _)| name == "error")
    {
        let error = columns.remove(place);
        columns.push(error);
    }
    Ok(columns)
}

enum Column {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Text(StringBuilder),
}

impl Column {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Boolean => Self::Boolean(BooleanBuilder::new()),
            Kind::Integer | Kind::Long => Self::Integer(Int64Builder::new()),
            Kind::Number => Self::Number(Float64Builder::new()),
            Kind::Empty | Kind::Text => Self::Text(StringBuilder::new()),
        }
    }

    fn push(&mut self, json: Option<&str>) {
        let json = json.filter(|json| *json != "null");
        match self {
            Self::Boolean(column) => column.append_option(json.map(|json| json == "true")),
            Self::Integer(column) => column.append_option(json.and_then(|json| json.parse().ok())),
            Self::Number(column) => column.append_option(json.and_then(|json| json.parse().ok())),
            Self::Text(column) => match json {
                Some(json) if json.starts_with('"') => {
                    column.append_option(serde_json::from_str::<String>(json).ok());
                }
                json => column.append_option(json),
            },
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(column) => Arc::new(column.finish()),
            Self::Integer(column) => Arc::new(column.finish()),
            Self::Number(column) => Arc::new(column.finish()),
            Self::Text(column) => Arc::new(column.finish()),
        }
    }
}

fn write(lines: &Path, partial: &Path, columns: &[(String, Kind)]) -> Result<(), String> {
    let fields = columns
        .iter()
        .map(|(name, kind)| Field::new(name, kind.data_type(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let file = File::create(partial).map_err(|error| error.to_string())?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))
        .map_err(|error| error.to_string())?;
    let mut builders: Vec<Column> = columns.iter().map(|(_, kind)| Column::new(*kind)).collect();
    let mut rows = 0;
    let mut flush = |builders: &mut Vec<Column>, rows: &mut usize| -> Result<(), String> {
        if *rows == 0 {
            return Ok(());
        }
        let arrays = builders.iter_mut().map(Column::finish).collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays);
        writer
            .write(&batch.map_err(|error| error.to_string())?)
            .map_err(|error| error.to_string())?;
        if writer.in_progress_size() >= GROUP_BYTES {
            writer.flush().map_err(|error| error.to_string())?;
        }
        *rows = 0;
        Ok(())
    };
    each(lines, |cells| {
        for (place, ((name, _), builder)) in columns.iter().zip(&mut builders).enumerate() {
            let json = match cells.names().get(place) {
                Some(there) if there == name => cells.at(place),
                _ => cells.get(name),
            };
            builder.push(json);
        }
        rows += 1;
        match rows >= ROWS {
            true => flush(&mut builders, &mut rows),
            false => Ok(()),
        }
    })?;
    flush(&mut builders, &mut rows)?;
    let mut writer = writer;
    writer.finish().map_err(|error| error.to_string())?;
    writer.inner().sync_all().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_the_type_that_loses_nothing() {
        let kind = |cells: &[&str]| {
            let kinds = cells.iter().map(|json| Kind::of(json));
            kinds.fold(Kind::Empty, Kind::join)
        };
        assert_eq!(kind(&["null", "1", "-2"]), Kind::Integer);
        assert_eq!(kind(&["1", "2.5", "null"]), Kind::Number);
        assert_eq!(kind(&["true", "null"]), Kind::Boolean);
        assert_eq!(kind(&["true", "1"]), Kind::Text);
        assert_eq!(kind(&["1", "\"x\""]), Kind::Text);
        assert_eq!(kind(&["9223372036854775808"]), Kind::Text);
        assert_eq!(kind(&["9007199254740993", "1"]), Kind::Long);
        assert_eq!(kind(&["9007199254740993", "0.5"]), Kind::Text);
        assert_eq!(kind(&["0.12345678901234567"]), Kind::Number);
        assert_eq!(kind(&["0.1234567890123456789"]), Kind::Text);
        assert_eq!(kind(&[]), Kind::Empty);
    }
}
