//! What is pushed: records, one data object, prepared chunks or JSON.

use std::fmt;

use serde::Serialize;

use crate::chunk::{Chunk, Chunker};
use crate::error::{Error, Result};
use crate::raw::types::{Status, SummaryRequest};
use crate::records::{ExtraCells, Layout, MissingCells};

/// What to push to a batch, and how to cut it into chunks.
///
/// ```
/// use cspark_batches::Push;
///
/// #[derive(serde::Serialize)]
/// struct Cylinder {
///     radius: f64,
///     height: f64,
/// }
///
/// let cylinders = [
///     Cylinder { radius: 1.0, height: 4.2 },
///     Cylinder { radius: 3.0, height: 5.0 },
/// ];
/// let chunks = Push::records(&cylinders).chunk_size(1).into_chunks()?;
/// assert_eq!(chunks[1].inputs(), r#"[["radius","height"],[3.0,5.0]]"#);
/// # Ok::<(), cspark_batches::Error>(())
/// ```
///
/// All chunks of a push go in one request, which the service takes as a whole or not at all. Push
/// data that is larger than the input buffer piece by piece, or leave it to a run.
#[must_use = "nothing is pushed before it is given to a pipeline"]
pub struct Push<'a> {
    source: Source<'a>,
    duplicates: Duplicates,
}

type MakeChunks<'a> = Box<dyn FnOnce(&Chunker) -> Result<Vec<Chunk>> + Send + 'a>;

enum Source<'a> {
    Records {
        chunker: Chunker,
        make: MakeChunks<'a>,
    },
    Made(Result<Vec<Chunk>>),
}

/// What to do with a chunk whose id another one has already, in the same push or in one that the
/// service accepted from this pipeline before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[doc(alias = "ifChunkIdDuplicated")]
#[doc(alias = "if_chunk_id_duplicated")]
pub enum Duplicates {
    /// Refuse the whole push: an error names the id, and nothing is sent. The id is what ties
    /// results to inputs, so this is the default.
    #[default]
    Refuse,
    /// Give the chunk a new id (a UUID). [`PushedChunk::replaced`] tells which one it had.
    Replace,
    /// Leave the chunk out. [`Pushed::skipped`] names it.
    Skip,
}

macro_rules! for_records {
    ($(
        $(#[$doc:meta])*
        $method:ident$(<$generic:ident: ?Sized + Serialize>)?($argument:ident: $type:ty);
    )*) => {
        $(
            $(#[$doc])*
            ///
            /// For records; prepared chunks and JSON are refused with it.
            pub fn $method$(<$generic: ?Sized + Serialize>)?(self, $argument: $type) -> Self {
                self.set(stringify!($method), |chunker| chunker.$method($argument))
            }
        )*
    };
}

impl<'a> Push<'a> {
    /// Records, cut into chunks of 200 unless told otherwise; see [`Chunker`] for what a record is.
    pub fn records<I>(records: I) -> Self
    where
        I: IntoIterator + Send + 'a,
        I::Item: Serialize,
    {
        let make = Box::new(|chunker: &Chunker| chunker.chunks(records).collect());
        Self::new(Source::Records {
            chunker: Chunker::new(),
            make,
        })
    }

    /// One data object: all the records in one chunk, with [`parameters`](Self::parameters) and
    /// [`summary`](Self::summary) if wanted.
    pub fn data<I>(inputs: I) -> Self
    where
        I: IntoIterator + Send + 'a,
        I::Item: Serialize,
    {
        Self::records(inputs).chunk_size(usize::MAX)
    }

    /// Prepared chunks, which are sent as they are.
    pub fn chunks(chunks: impl IntoIterator<Item = Chunk>) -> Self {
        Self::new(Source::Made(Ok(chunks.into_iter().collect())))
    }

    /// JSON text or bytes: `{"chunks": [..]}`, a list of chunks, or one chunk; see
    /// [`Chunk::parse`].
    pub fn json(json: impl AsRef<[u8]>) -> Self {
        Self::new(Source::Made(Chunk::parse(json)))
    }

    fn new(source: Source<'a>) -> Self {
        Self {
            source,
            duplicates: Duplicates::default(),
        }
    }

    /// What to do with a chunk whose id was used before. Refused unless set.
    pub fn if_duplicate(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
        self
    }

    for_records! {
        /// Chunks of so many records; see [`Chunker::chunk_size`].
        #[doc(alias = "chunkSize")]
        chunk_size(records: usize);
        /// So many chunks of even size; see [`Chunker::chunk_count`].
        chunk_count(chunks: usize);
        /// Chunks of at most so many bytes; see [`Chunker::chunk_bytes`].
        chunk_bytes(bytes: usize);
        /// What to do with a record that lacks a column; see [`Chunker::missing_cells`].
        missing_cells(rule: MissingCells);
        /// What to do with a record that has a cell too many; see [`Chunker::extra_cells`].
        extra_cells(rule: ExtraCells);
        /// How the records stand in a chunk; see [`Chunker::layout`].
        layout(layout: Layout);
        /// Inputs that all records share; see [`Chunker::parameters`].
        parameters<P: ?Sized + Serialize>(parameters: &P);
        /// What to compute over the records of each chunk; see [`Chunker::summary`].
        summary(summary: SummaryRequest);
    }

    /// The columns in order; see [`Chunker::columns`].
    ///
    /// For records; prepared chunks and JSON are refused with it.
    pub fn columns<C: Into<String>>(self, names: impl IntoIterator<Item = C>) -> Self {
        self.set("columns", |chunker| chunker.columns(names))
    }

    fn set(mut self, setting: &str, set: impl FnOnce(Chunker) -> Chunker) -> Self {
        self.source = match self.source {
            Source::Records { chunker, make } => Source::Records {
                chunker: set(chunker),
                make,
            },
            Source::Made(Ok(_)) => Source::Made(Err(Error::input(format!(
                "`{setting}` is for records, and these chunks are made already"
            )))),
            Source::Made(Err(error)) => Source::Made(Err(error)),
        };
        self
    }

    /// The chunks, with their ids. Keep them to push the very same again after a failure.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if there are no records or chunks, or they
    /// can't be encoded; the error names the record.
    pub fn into_chunks(self) -> Result<Vec<Chunk>> {
        self.into_parts().map(|(chunks, _)| chunks)
    }

    pub(crate) fn into_parts(self) -> Result<(Vec<Chunk>, Duplicates)> {
        let chunks = match self.source {
            Source::Records { chunker, make } => make(&chunker)?,
            Source::Made(chunks) => chunks?,
        };
        match chunks.is_empty() {
            true => Err(Error::input(
                "there is nothing to push: no records, no chunks",
            )),
            false => Ok((chunks, self.duplicates)),
        }
    }
}

impl fmt::Debug for Push<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Push");
        match &self.source {
            Source::Records { chunker, .. } => debug.field("chunker", chunker),
            Source::Made(chunks) => debug.field("chunks", &chunks.as_ref().map(Vec::len)),
        };
        debug
            .field("duplicates", &self.duplicates)
            .finish_non_exhaustive()
    }
}

impl From<Chunk> for Push<'_> {
    fn from(chunk: Chunk) -> Self {
        Self::chunks([chunk])
    }
}

impl From<Vec<Chunk>> for Push<'_> {
    fn from(chunks: Vec<Chunk>) -> Self {
        Self::chunks(chunks)
    }
}

/// What a push did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pushed {
    /// The status of the batch with the new chunks counted in. Empty if all chunks were skipped, so
    /// that there was nothing to send.
    pub status: Status,
    /// The chunks that the service accepted, in order.
    pub chunks: Vec<PushedChunk>,
    /// The ids of chunks that were left out as duplicates.
    pub skipped: Vec<String>,
}

/// A chunk that the service accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PushedChunk {
    /// The id that its results will have.
    pub id: String,
    /// The number of records.
    pub records: u64,
    /// The id that it had before, if that was a duplicate and replaced.
    pub replaced: Option<String>,
}
