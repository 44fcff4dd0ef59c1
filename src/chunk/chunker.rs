//! From records to chunks: the settings, and the iterator that follows them.

use serde::Serialize;
use serde_json::value::to_raw_value;

use super::splitter::{ChunkSize, Splitter};
use super::{Chunk, Shared};
use crate::error::{Error, Result};
use crate::raw::types::SummaryRequest;
use crate::records::{Encoded, Encoder, RecordFormat};
use crate::records::{ExtraCells, Layout, MissingCells};

/// Makes chunks of records.
///
/// Records are anything that serde writes as a struct, a map or a row of cells, raw JSON
/// ([`RawValue`](serde_json::value::RawValue)) included. On the wire they are a table, as the
/// service wants it: a header row with the names of the columns, then a row for each record.
///
/// - The columns are those of the first record, or those given by [`columns`](Self::columns).
///   The order of the fields in the other records does not matter.
/// - Records that are rows need [`columns`](Self::columns), or a first row that holds their names.
///   It is not counted as a record.
/// - A record that lacks a column, or has one more, is refused unless
///   [`missing_cells`](Self::missing_cells) or [`extra_cells`](Self::extra_cells) say otherwise. A
///   row that is too short or too long is always refused.
/// - NaN and infinities are refused, since JSON has no such numbers. Others keep their value, and
///   raw ones their digits.
///
/// No chunk is empty, and the caller's records are only read.
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
    /// The first setting that can't be followed; told when chunks are asked for.
    wrong: Option<Error>,
}

impl Chunker {
    /// Chunks of 200 records, as tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Chunks of so many records; the last may have fewer. 200 unless set.
    #[must_use]
    pub fn chunk_size(mut self, records: usize) -> Self {
        self.size = ChunkSize::Records(records);
        self
    }

    /// So many chunks, whose sizes differ by one record at most; fewer if there are fewer records.
    ///
    /// The number of records has to be known beforehand, so this is for slices, vectors and other
    /// sources whose size hint is exact.
    #[must_use]
    pub fn chunk_count(mut self, chunks: usize) -> Self {
        self.size = ChunkSize::Count(chunks);
        self
    }

    /// Chunks whose inputs take at most so many bytes as JSON, header included.
    ///
    /// A record that is larger by itself makes a chunk of its own.
    #[must_use]
    pub fn chunk_bytes(mut self, bytes: usize) -> Self {
        self.size = ChunkSize::Bytes(bytes);
        self
    }

    /// The columns, in this order, instead of those of the first record.
    #[must_use]
    pub fn columns<C: Into<String>>(mut self, names: impl IntoIterator<Item = C>) -> Self {
        self.format.columns = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// What to do with a record that lacks a column. Refused unless set.
    #[must_use]
    pub fn missing_cells(mut self, rule: MissingCells) -> Self {
        self.format.missing = rule;
        self
    }

    /// What to do with a record that has a cell for which there is no column. Refused unless set.
    #[must_use]
    pub fn extra_cells(mut self, rule: ExtraCells) -> Self {
        self.format.extra = rule;
        self
    }

    /// How the records stand in the chunk. A table unless set.
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.format.layout = layout;
        self
    }

    /// Inputs that all records share: a struct or a map, repeated in each chunk.
    #[must_use]
    pub fn parameters<P: ?Sized + Serialize>(mut self, parameters: &P) -> Self {
        match to_raw_value(parameters) {
            Ok(json) if json.get().starts_with('{') => self.shared.parameters = Some(json.into()),
            Ok(_) => self.set_wrong(Error::input(
                "parameters are a struct or a map: names with values",
            )),
            Err(error) => self.set_wrong(Error::input(format!(
                "the parameters can't be written as JSON: {error}"
            ))),
        }
        self
    }

    /// What to compute over the records of each chunk.
    #[must_use]
    pub fn summary(mut self, summary: SummaryRequest) -> Self {
        self.shared.summary = Some(summary.into());
        self
    }

    /// Whether the service is asked to return no records, only a summary of each chunk.
    pub(crate) fn asks_for_summary_only(&self) -> bool {
        self.shared.asks_for_summary_only()
    }

    /// Makes chunks of the records, reading them only as chunks are asked for.
    ///
    /// An error ends the chunks: a wrong setting before the first record is read
    /// ([`ErrorKind::Input`](crate::ErrorKind::Input)), a record that can't be encoded where it
    /// comes. The message has the number of the record, counted from 0.
    pub fn chunks<I>(&self, records: I) -> Chunks<I::IntoIter>
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        let records = records.into_iter();
        let length = match records.size_hint() {
            (least, Some(most)) if least == most => Some(most),
            _ => None,
        };
        Chunks {
            records,
            splitter: Some(self.splitter(length)),
            shared: self.shared.clone(),
        }
    }

    /// For sources that are no iterators.
    pub(crate) fn splitter(&self, length: Option<usize>) -> Result<Splitter> {
        match &self.wrong {
            Some(error) => Err(error.clone()),
            None => Splitter::new(self.size, Encoder::new(self.format.clone())?, length),
        }
    }

    /// The chunk of what the splitter gave.
    pub(crate) fn to_chunk(&self, encoded: Encoded) -> Option<Chunk> {
        Chunk::from_encoded(encoded, self.shared.clone())
    }

    fn set_wrong(&mut self, error: Error) {
        self.wrong.get_or_insert(error);
    }
}

/// Chunks of records, made as they are asked for. See [`Chunker::chunks`].
#[derive(Debug)]
#[must_use = "an iterator does nothing unless it is asked for chunks"]
pub struct Chunks<I> {
    records: I,
    /// Nothing after the end, which an error is as well.
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
