//! Makes chunks of records: the settings, and the iterator over the chunks.

use serde::Serialize;
use serde_json::value::to_raw_value;

use super::splitter::{ChunkSize, Splitter, exact_length};
use super::{Chunk, Shared};
use crate::error::{Error, Result};
use crate::raw::types::SummaryRequest;
use crate::records::{Encoded, Encoder, ExtraCells, Layout, MissingCells, RecordFormat};

/// Makes chunks of records.
///
/// A record is anything that serde serializes as a struct, a map or a row of cells, including raw
/// JSON ([`RawValue`](serde_json::value::RawValue)). In a request, records are a table: a header
/// row with the names of the columns, then a row for each record.
///
/// - The columns are those of the first record, or those set with [`columns`](Self::columns). The
///   order of the fields in the other records does not matter.
/// - Records that are rows need [`columns`](Self::columns), or a first row with the names. It does
///   not count as a record.
/// - A record that lacks a column or has an extra one is an error unless
///   [`missing_cells`](Self::missing_cells) or [`extra_cells`](Self::extra_cells) say otherwise. A
///   row that is too short or too long is always an error.
/// - NaN and infinities are errors, because JSON has no such numbers. Other numbers keep their
///   value, and numbers in raw JSON every digit.
///
/// No chunk is empty.
///
/// ```
/// use cspark_batches::Chunker;
///
/// let records = (0..450).map(|n| [("radius", n), ("height", 2 * n)].into_iter().collect());
/// let chunks = Chunker::new()
///     .chunk_size(200)
///     .chunks(records.map(|record: std::collections::BTreeMap<_, _>| record))
///     .collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(chunks.iter().map(|chunk| chunk.records()).collect::<Vec<_>>(), [200, 200, 50]);
/// # Ok::<(), cspark_batches::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[doc(alias = "createChunks")]
#[doc(alias = "create_chunks")]
pub struct Chunker {
    size: ChunkSize,
    format: RecordFormat,
    shared: Shared,
    /// The first wrong setting, which is reported when chunks are made.
    wrong: Option<Error>,
}

impl Chunker {
    /// Creates a chunker that makes chunks of 200 records, as tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of records in a chunk; the last chunk may have fewer. 200 unless set.
    #[must_use]
    pub fn chunk_size(mut self, records: usize) -> Self {
        self.size = ChunkSize::Records(records);
        self
    }

    /// Sets the number of chunks, whose sizes differ by at most one record. There are fewer chunks
    /// if there are fewer records.
    ///
    /// The number of records has to be known beforehand: the size hint of the iterator has to be
    /// exact, as that of a slice or a vector is.
    #[must_use]
    pub fn chunk_count(mut self, chunks: usize) -> Self {
        self.size = ChunkSize::Count(chunks);
        self
    }

    /// Sets the maximum size of a chunk's inputs in bytes of JSON, including the header row.
    ///
    /// A record that is larger than that gets a chunk of its own.
    #[must_use]
    pub fn chunk_bytes(mut self, bytes: usize) -> Self {
        self.size = ChunkSize::Bytes(bytes);
        self
    }

    /// Sets the columns, in this order, instead of those of the first record.
    #[must_use]
    pub fn columns<C: Into<String>>(mut self, names: impl IntoIterator<Item = C>) -> Self {
        self.format.columns = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets what to do with a record that lacks a column. It is an error unless set.
    #[must_use]
    pub fn missing_cells(mut self, rule: MissingCells) -> Self {
        self.format.missing = rule;
        self
    }

    /// Sets what to do with a record that has a cell without a column. It is an error unless set.
    #[must_use]
    pub fn extra_cells(mut self, rule: ExtraCells) -> Self {
        self.format.extra = rule;
        self
    }

    /// Sets the layout of the records in a chunk. A table unless set.
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.format.layout = layout;
        self
    }

    /// Sets inputs that all records share: a struct or a map, which is repeated in each chunk.
    #[must_use]
    pub fn parameters<P: ?Sized + Serialize>(mut self, parameters: &P) -> Self {
        match to_raw_value(parameters) {
            Ok(json) if json.get().starts_with('{') => self.shared.parameters = Some(json.into()),
            Ok(_) => self.set_wrong(Error::input("parameters have to be a struct or a map")),
            Err(error) => self.set_wrong(Error::input(format!(
                "the parameters can't be encoded as JSON: {error}"
            ))),
        }
        self
    }

    /// Sets aggregates to compute over the records of each chunk.
    #[must_use]
    pub fn summary(mut self, summary: SummaryRequest) -> Self {
        self.shared.summary = Some(summary.into());
        self
    }

    /// Whether the service is asked to return no records, only a summary of each chunk.
    pub(crate) fn asks_for_summary_only(&self) -> bool {
        self.shared.asks_for_summary_only()
    }

    /// The most records that a chunk can have.
    pub(crate) fn max_records(&self) -> usize {
        // The shortest record is a row of one digit, with a comma.
        const SHORTEST: usize = "[0],".len();
        match self.size {
            ChunkSize::Records(records) => records,
            ChunkSize::Bytes(bytes) => bytes / SHORTEST + 1,
            ChunkSize::Count(_) => usize::MAX,
        }
    }

    /// Returns an iterator that makes chunks of the records, reading them lazily.
    ///
    /// An error ([`ErrorKind::Input`](crate::ErrorKind::Input)) ends the iterator. A wrong setting
    /// is reported before the first record is read. A record that can't be encoded is reported
    /// after the chunks before it; the message has the number of the record, counted from 0.
    pub fn chunks<I>(&self, records: I) -> Chunks<I::IntoIter>
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        let records = records.into_iter();
        let length = exact_length(records.size_hint());
        Chunks {
            records,
            splitter: Some(self.splitter(length)),
            shared: self.shared.clone(),
        }
    }

    /// For sources that are not iterators.
    pub(crate) fn splitter(&self, length: Option<usize>) -> Result<Splitter> {
        match &self.wrong {
            Some(error) => Err(error.clone()),
            None => Splitter::new(self.size, Encoder::new(self.format.clone())?, length),
        }
    }

    /// Returns the chunk of encoded records.
    pub(crate) fn to_chunk(&self, encoded: Encoded) -> Option<Chunk> {
        Chunk::from_encoded(encoded, self.shared.clone())
    }

    fn set_wrong(&mut self, error: Error) {
        self.wrong.get_or_insert(error);
    }
}

/// An iterator over chunks of records. See [`Chunker::chunks`].
#[derive(Debug)]
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Chunks<I> {
    records: I,
    /// `None` after the end or an error.
    splitter: Option<Result<Splitter>>,
    shared: Shared,
}

impl<I: Iterator<Item: Serialize>> Iterator for Chunks<I> {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut splitter = match self.splitter.take()? {
            Ok(splitter) => splitter,
            Err(error) => return Some(Err(error)),
        };
        let encoded = loop {
            match self.records.next().map(|record| splitter.push(&record)) {
                Some(Ok(None)) => {}
                Some(Ok(Some(encoded))) => {
                    self.splitter = Some(Ok(splitter));
                    break encoded;
                }
                Some(Err(error)) => return Some(Err(error)),
                None => break splitter.finish()?,
            }
        };
        Chunk::from_encoded(encoded, self.shared.clone()).map(Ok)
    }
}

impl<I: Iterator<Item: Serialize>> std::iter::FusedIterator for Chunks<I> {}
