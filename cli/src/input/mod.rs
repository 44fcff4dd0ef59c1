//! Reads files of records. A thread of its own reads, so that a slow disk or pipe holds up nothing
//! else, and sends records as JSON: rows if the columns are known before the first record, else
//! objects.

mod cell;
mod delimited;
mod json;
mod parquet;
mod xlsx;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use futures_util::Stream;
use futures_util::stream::{self, StreamExt};
use serde_json::value::RawValue;

pub(crate) use self::cell::{CellType, is_json_number, write_text};
use crate::failure::Failure;
use crate::files::{self, Compression, Format, STANDARD};

/// The bytes of JSON after which a batch of records goes to the run.
const BATCH_BYTES: usize = 64 << 10;
/// The most records in a batch, and those of a pipe, whose writer may be slow.
const BATCH_RECORDS: usize = 256;
const BATCH_RECORDS_OF_PIPE: usize = 16;
/// Batches that wait for the run.
const BATCHES: usize = 4;

/// Which input, and how to read it.
#[derive(Clone, Debug)]
pub(crate) struct InputOptions {
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    pub(crate) delimiter: Option<u8>,
    pub(crate) sheet: Option<String>,
    pub(crate) types: BTreeMap<String, CellType>,
}

/// A record, or why it cannot be sent.
pub(crate) type Record = Result<Box<RawValue>, BadRecord>;

/// A record that cannot be sent.
#[derive(Debug)]
pub(crate) struct BadRecord(String);

impl std::fmt::Display for BadRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadRecord {}

/// An input that is being read.
pub(crate) struct Input {
    /// The columns, if they are known before the first record: then the records are rows.
    pub(crate) columns: Option<Vec<String>>,
    /// The number of records, if the file says so.
    pub(crate) length: Option<u64>,
    pub(crate) position: Position,
    batches: tokio::sync::mpsc::Receiver<Vec<Record>>,
    failure: Arc<std::sync::OnceLock<String>>,
}

/// How far the file is read.
#[derive(Clone, Debug)]
pub(crate) struct Position {
    read: Arc<AtomicU64>,
    /// The size of the file; `None` for a pipe.
    size: Option<u64>,
}

impl Position {
    /// The share of the file that is read, from 0 to 1.
    pub(crate) fn share(&self) -> Option<f64> {
        let size = self.size.filter(|size| *size > 0)?;
        #[allow(clippy::cast_precision_loss, reason = "a share for people")]
        let share = self.read.load(Ordering::Relaxed) as f64 / size as f64;
        Some(share.min(1.0))
    }
}

/// Why the input ended before its end, if it did. To be asked after the run.
#[derive(Clone)]
pub(crate) struct ReadFailure(Arc<std::sync::OnceLock<String>>);

impl ReadFailure {
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

impl Input {
    /// Opens an input, and reads as far as its columns.
    pub(crate) fn open(options: InputOptions) -> Result<Self, Failure> {
        let raw = RawFile::open(&options.path)
            .map_err(|error| Failure::file("cannot read", &options.path, error))?;
        let position = raw.position.clone();
        let of_pipe = raw.position.size.is_none();
        let (begin, begun) = mpsc::sync_channel(1);
        let (batches, received) = tokio::sync::mpsc::channel(BATCHES);
        let failure = Arc::new(std::sync::OnceLock::new());
        let failed = Arc::clone(&failure);
        let path = options.path.clone();
        let read = move || {
            let mut sink = Sink {
                begin: Some(begin),
                batches,
                batch: Vec::new(),
                bytes: 0,
                most: if of_pipe {
                    BATCH_RECORDS_OF_PIPE
                } else {
                    BATCH_RECORDS
                },
            };
            match raw.read_records(&options, &mut sink) {
                Ok(()) => {
                    // An input without a single record has no columns, which is no error.
                    sink.begin(None, None);
                    sink.flush();
                }
                Err(Stop::Unwanted) => {}
                Err(Stop::Failed(why)) => {
                    let _ = failed.set(why.clone());
                    match sink.begin.take() {
                        Some(begin) => drop(begin.send(Err(why))),
                        None => {
                            sink.flush();
                            sink.batch.push(Err(BadRecord(why)));
                            sink.flush();
                        }
                    }
                }
            }
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
            Ok(Err(why)) => Err(Failure::file("cannot read", &path, why)),
            Err(_) => Err(Failure::file("cannot read", &path, "its reader stopped")),
        }
    }

    /// What to ask after the run.
    pub(crate) fn failure(&self) -> ReadFailure {
        ReadFailure(Arc::clone(&self.failure))
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

/// Why reading stopped before the end.
pub(super) enum Stop {
    /// Nobody takes records any more.
    Unwanted,
    /// The file cannot be read further.
    Failed(String),
}

impl Stop {
    fn failed(why: impl std::fmt::Display) -> Self {
        Self::Failed(why.to_string())
    }
}

struct Begun {
    columns: Option<Vec<String>>,
    length: Option<u64>,
}

/// Where the readers of the formats put their records.
pub(super) struct Sink {
    begin: Option<mpsc::SyncSender<Result<Begun, String>>>,
    batches: tokio::sync::mpsc::Sender<Vec<Record>>,
    batch: Vec<Record>,
    bytes: usize,
    most: usize,
}

impl Sink {
    /// Says which columns there are, and how many records, as far as the file tells. Only the first
    /// call counts.
    fn begin(&mut self, columns: Option<Vec<String>>, length: Option<u64>) {
        if let Some(begin) = self.begin.take() {
            let _ = begin.send(Ok(Begun { columns, length }));
        }
    }

    /// Checks the names of columns before they are used.
    fn begin_table(&mut self, columns: Vec<String>, length: Option<u64>) -> Result<(), Stop> {
        for (place, name) in columns.iter().enumerate() {
            if name.trim().is_empty() {
                return Err(Stop::failed(format_args!(
                    "column {} of the header has no name",
                    place + 1
                )));
            }
            if columns[..place].contains(name) {
                return Err(Stop::failed(format_args!(
                    "the header has the column `{name}` twice"
                )));
            }
        }
        self.begin(Some(columns), length);
        Ok(())
    }

    /// A record, as a row or an object in JSON.
    fn record(&mut self, json: &[u8]) -> Result<(), Stop> {
        self.begin(None, None);
        self.bytes += json.len();
        let record = std::str::from_utf8(json)
            .map_err(|error| BadRecord(error.to_string()))
            .and_then(|json| {
                RawValue::from_string(json.to_owned()).map_err(|error| BadRecord(error.to_string()))
            });
        self.push(record)
    }

    /// A record that is known to be JSON.
    fn raw_record(&mut self, record: Box<RawValue>) -> Result<(), Stop> {
        self.begin(None, None);
        self.bytes += record.get().len();
        self.push(Ok(record))
    }

    /// A record that cannot be sent.
    fn bad(&mut self, why: String) -> Result<(), Stop> {
        self.begin(None, None);
        self.push(Err(BadRecord(why)))
    }

    fn push(&mut self, record: Record) -> Result<(), Stop> {
        self.batch.push(record);
        match self.bytes >= BATCH_BYTES || self.batch.len() >= self.most {
            true if self.flush() => Ok(()),
            true => Err(Stop::Unwanted),
            false => Ok(()),
        }
    }

    /// Whether somebody took what was there.
    fn flush(&mut self) -> bool {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        batch.is_empty() || self.batches.blocking_send(batch).is_ok()
    }
}

/// A file as it is on disk, or standard input.
struct RawFile {
    file: Option<File>,
    compression: Compression,
    position: Position,
}

impl RawFile {
    fn open(path: &Path) -> io::Result<Self> {
        let read = Arc::new(AtomicU64::new(0));
        if path.as_os_str() == STANDARD {
            return Ok(Self {
                file: None,
                compression: Compression::None,
                position: Position { read, size: None },
            });
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::other("it is a directory"));
        }
        let size = metadata.is_file().then_some(metadata.len());
        Ok(Self {
            file: Some(file),
            compression: files::compression(path).0,
            position: Position { read, size },
        })
    }

    fn read_records(self, options: &InputOptions, sink: &mut Sink) -> Result<(), Stop> {
        match options.format {
            Format::Csv | Format::Tsv => {
                let usual = if options.format == Format::Tsv {
                    b'\t'
                } else {
                    b','
                };
                let delimiter = options.delimiter.unwrap_or(usual);
                delimited::read(self.text()?, delimiter, &options.types, sink)
            }
            Format::Json => json::read_array(self.text()?, sink),
            Format::Jsonl => json::read_lines(self.text()?, sink),
            Format::Parquet => parquet::read(self.seekable()?, sink),
            Format::Xlsx => {
                let file = BufReader::new(self.seekable()?);
                xlsx::read(file, options.sheet.as_deref(), &options.types, sink)
            }
        }
    }

    /// The bytes, without their compression.
    fn bytes(self) -> Result<Box<dyn Read>, Stop> {
        let counted = Counted {
            inner: match self.file {
                Some(file) => Box::new(file),
                None => Box::new(io::stdin()),
            },
            read: self.position.read,
        };
        Ok(match self.compression {
            Compression::None => Box::new(counted),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(
                counted,
            ))),
            Compression::Zstd => {
                Box::new(zstd::stream::read::Decoder::new(counted).map_err(Stop::failed)?)
            }
        })
    }

    /// The bytes of a text in UTF-8.
    fn text(self) -> Result<BufReader<Box<dyn Read>>, Stop> {
        let mut text = BufReader::with_capacity(64 << 10, self.bytes()?);
        let start = text.fill_buf().map_err(Stop::failed)?;
        if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
            return Err(Stop::failed("it is UTF-16; save it as UTF-8"));
        }
        if start.starts_with(b"\xef\xbb\xbf") {
            text.consume(3);
        }
        Ok(text)
    }

    /// The file, in a copy where it is a pipe or compressed: its readers begin at its end.
    fn seekable(self) -> Result<File, Stop> {
        match self {
            Self {
                file: Some(file),
                compression: Compression::None,
                position: Position { size: Some(_), .. },
            } => Ok(file),
            other => {
                let mut copy = tempfile::tempfile().map_err(Stop::failed)?;
                io::copy(&mut other.bytes()?, &mut copy).map_err(Stop::failed)?;
                copy.rewind().map_err(Stop::failed)?;
                Ok(copy)
            }
        }
    }
}

/// Counts what is read.
struct Counted {
    inner: Box<dyn Read>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
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
