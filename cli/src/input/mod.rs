//! Reads files of records. A thread of its own reads, so that a slow disk or pipe holds up nothing
//! else, and sends the records as rows of JSON.

mod cell;
mod delimited;
mod json;
mod objects;
mod options;
mod parquet;
mod raw_file;
mod sink;
mod xlsx;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufReader, Read as _};
use std::path::Path;
use std::sync::{Arc, OnceLock, mpsc};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::{self, StreamExt};

use self::cell::CellType;
pub(crate) use self::cell::{is_json_number, write_text};
pub(crate) use self::options::{InputOptions, Reading};
pub(crate) use self::raw_file::Position;
use self::raw_file::RawFile;
use self::sink::{Begun, Sink, Stop};
use crate::failure::Failure;
use crate::files::Format;

/// Batches that wait for the run.
const BATCHES: usize = 4;

/// A record as a row of JSON, with a cell for each column; or why it cannot be sent.
pub(crate) type Record = Result<Bytes, BadRecord>;

/// Why a record cannot be sent.
#[derive(Debug)]
pub(crate) struct BadRecord(String);

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadRecord {}

/// An input that is being read.
pub(crate) struct Input {
    /// The columns; none only if there are no records.
    pub(crate) columns: Vec<String>,
    /// The number of records, if the file says so.
    pub(crate) length: Option<u64>,
    pub(crate) position: Position,
    batches: tokio::sync::mpsc::Receiver<Vec<Record>>,
    failure: ReadFailure,
}

/// Why the input ended before its end, if it did. To be asked after the run.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadFailure(Arc<OnceLock<String>>);

impl ReadFailure {
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

impl Input {
    /// Opens an input, and reads as far as its columns.
    pub(crate) fn open(options: InputOptions) -> Result<Self, Failure> {
        let cannot_read =
            |why: &dyn fmt::Display, path: &Path| Err(Failure::file("cannot read", path, why));
        let path = options.path.clone();
        let raw = match RawFile::open(&path) {
            Ok(raw) => raw,
            Err(error) => return cannot_read(&error, &path),
        };
        let position = raw.position.clone();
        let (begin, begun) = mpsc::sync_channel(1);
        let (batches, received) = tokio::sync::mpsc::channel(BATCHES);
        let failure = ReadFailure::default();
        let failed = failure.clone();
        let mut sink = Sink::new(begin, batches, position.size.is_none());
        let read = move || {
            let read = read_records(raw, &options, &mut sink);
            if let Err(Stop::Failed(why)) = &read {
                let _ = failed.0.set(why.clone());
            }
            sink.end(read);
        };
        std::thread::Builder::new()
            .name("input".to_owned())
            .spawn(read)
            .map_err(|error| Failure::run(format!("no thread can be started: {error}")))?;
        match begun.recv() {
            Ok(Ok(Begun { columns, length })) => Ok(Self {
                columns,
                length,
                position,
                batches: received,
                failure,
            }),
            Ok(Err(why)) => cannot_read(&why, &path),
            Err(_) => cannot_read(&"its reader stopped", &path),
        }
    }

    /// What to ask after the run.
    pub(crate) fn failure(&self) -> ReadFailure {
        self.failure.clone()
    }

    /// The records.
    pub(crate) fn into_records(self) -> impl Stream<Item = Record> + Send + 'static {
        stream::unfold(self.batches, async |mut batches| {
            let batch = batches.recv().await?;
            Some((stream::iter(batch), batches))
        })
        .flatten()
    }

    /// The records, for a caller that waits for each.
    pub(crate) fn into_blocking_records(mut self) -> impl Iterator<Item = Record> {
        std::iter::from_fn(move || self.batches.blocking_recv()).flatten()
    }
}

fn read_records(raw: RawFile, options: &InputOptions, sink: &mut Sink) -> Result<(), Stop> {
    match options.format {
        Format::Csv | Format::Tsv => {
            let usual = if options.format == Format::Tsv {
                b'\t'
            } else {
                b','
            };
            let delimiter = options.delimiter.unwrap_or(usual);
            delimited::read(raw.text()?, delimiter, &options.types, sink)
        }
        Format::Json => json::read_array(raw.text()?, sink),
        Format::Jsonl => json::read_lines(raw.text()?, sink),
        Format::Parquet => parquet::read(raw.seekable()?, sink),
        Format::Xlsx => {
            let file = BufReader::new(raw.seekable()?);
            xlsx::read(file, options.sheet.as_deref(), &options.types, sink)
        }
    }
}

/// Reads the whole text of a file or of standard input.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let cannot_read = |error: &dyn fmt::Display| Failure::file("cannot read", path, error);
    let mut text = String::new();
    let raw = RawFile::open(path).map_err(|error| cannot_read(&error))?;
    let mut reader = raw.text().map_err(|stop| match stop {
        Stop::Failed(why) => cannot_read(&why),
        Stop::Unwanted => cannot_read(&"its reader stopped"),
    })?;
    reader
        .read_to_string(&mut text)
        .map_err(|error| cannot_read(&error))?;
    Ok(text)
}

/// The types of columns in their order.
fn column_types(
    columns: &[String],
    types: &BTreeMap<String, CellType>,
) -> Result<Vec<CellType>, Stop> {
    if let Some(name) = types.keys().find(|name| !columns.contains(name)) {
        return Err(Stop::failed(format_args!(
            "there is no column `{name}`, for which a type is given; there are {}",
            columns.join(", ")
        )));
    }
    let kind = |name| types.get(name).copied().unwrap_or_default();
    Ok(columns.iter().map(kind).collect())
}
