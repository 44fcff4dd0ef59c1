//! The content of a push: records, one data object, prepared chunks or JSON.

use std::fmt;

use serde::Serialize;

use crate::chunk::{Chunk, Chunker};
use crate::error::{Error, Result};
use crate::raw::types::{Status, SummaryRequest};
use crate::records::{ExtraCells, Layout, MissingCells};

/// The content of a push, and how it is cut into chunks.
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
/// All chunks of a push go into one request, which the service accepts or refuses as a whole. Push
/// data that are larger than the input buffer piece by piece, or use a [run](crate::run).
#[must_use = "nothing is pushed until it is given to a pipeline"]
pub struct Push<'a> {
    content: Content<'a>,
    duplicates: Duplicates,
}

type MakeChunks<'a> = Box<dyn FnOnce(&Chunker) -> Result<Vec<Chunk>> + Send + 'a>;

enum Content<'a> {
    Records {
        chunker: Chunker,
        make: MakeChunks<'a>,
    },
    Made(Result<Vec<Chunk>>),
}

/// What to do with a chunk whose id was used before, in the same push or in one that the service
/// accepted from this pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[doc(alias = "ifChunkIdDuplicated")]
#[doc(alias = "if_chunk_id_duplicated")]
pub enum Duplicates {
    /// Refuse the whole push: the error names the id, and nothing is sent.
    #[default]
    Refuse,
    /// Give the chunk a new id (a UUID). [`PushedChunk::replaced`] has the former one.
    Replace,
    /// Leave out the chunk. [`Pushed::skipped`] has its id.
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
            /// It applies to records only. With prepared chunks or JSON the push fails.
            pub fn $method$(<$generic: ?Sized + Serialize>)?(self, $argument: $type) -> Self {
                self.set(stringify!($method), |chunker| chunker.$method($argument))
            }
        )*
    };
}

impl<'a> Push<'a> {
    /// Pushes records, in chunks of 200 unless set; see [`Chunker`] for what a record is.
    pub fn records<I>(records: I) -> Self
    where
        I: IntoIterator + Send + 'a,
        I::Item: Serialize,
    {
        let make = Box::new(|chunker: &Chunker| chunker.chunks(records).collect());
        Self::new(Content::Records {
            chunker: Chunker::new(),
            make,
        })
    }

    /// Pushes all records in one chunk, with [`parameters`](Self::parameters) and
    /// [`summary`](Self::summary) if they are set.
    pub fn data<I>(inputs: I) -> Self
    where
        I: IntoIterator + Send + 'a,
        I::Item: Serialize,
    {
        Self::records(inputs).chunk_size(usize::MAX)
    }

    /// Pushes prepared chunks as they are.
    pub fn chunks(chunks: impl IntoIterator<Item = Chunk>) -> Self {
        Self::new(Content::Made(Ok(chunks.into_iter().collect())))
    }

    /// Pushes chunks from JSON: `{"chunks": [..]}`, a list of chunks, or one chunk; see
    /// [`Chunk::parse`].
    pub fn json(json: impl AsRef<[u8]>) -> Self {
        Self::new(Content::Made(Chunk::parse(json)))
    }

    fn new(content: Content<'a>) -> Self {
        Self {
            content,
            duplicates: Duplicates::default(),
        }
    }

    /// Sets what to do with a chunk whose id was used before. It is refused unless set.
    pub fn if_duplicate(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
        self
    }

    for_records! {
        /// Sets the number of records in a chunk; see [`Chunker::chunk_size`].
        #[doc(alias = "chunkSize")]
        chunk_size(records: usize);
        /// Sets the number of chunks, which are of even size; see [`Chunker::chunk_count`].
        chunk_count(chunks: usize);
        /// Sets the maximum size of a chunk in bytes; see [`Chunker::chunk_bytes`].
        chunk_bytes(bytes: usize);
        /// Sets what to do with a record that lacks a column; see [`Chunker::missing_cells`].
        missing_cells(rule: MissingCells);
        /// Sets what to do with a record that has an extra cell; see [`Chunker::extra_cells`].
        extra_cells(rule: ExtraCells);
        /// Sets the layout of the records in a chunk; see [`Chunker::layout`].
        layout(layout: Layout);
        /// Sets inputs that all records share; see [`Chunker::parameters`].
        parameters<P: ?Sized + Serialize>(parameters: &P);
        /// Sets aggregates to compute over the records of each chunk; see [`Chunker::summary`].
        summary(summary: SummaryRequest);
    }

    /// Sets the columns in order; see [`Chunker::columns`].
    ///
    /// It applies to records only. With prepared chunks or JSON the push fails.
    pub fn columns<C: Into<String>>(self, names: impl IntoIterator<Item = C>) -> Self {
        self.set("columns", |chunker| chunker.columns(names))
    }

    fn set(mut self, setting: &str, set: impl FnOnce(Chunker) -> Chunker) -> Self {
        self.content = match self.content {
            Content::Records { chunker, make } => Content::Records {
                chunker: set(chunker),
                make,
            },
            Content::Made(Ok(_)) => Content::Made(Err(Error::input(format!(
                "`{setting}` applies to records, but the chunks of this push are prepared already"
            )))),
            Content::Made(Err(error)) => Content::Made(Err(error)),
        };
        self
    }

    /// Returns the chunks with their ids. Keep them to push the same chunks again after a failure.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if there are no records or chunks, or if a
    /// record can't be encoded; the error names the record.
    pub fn into_chunks(self) -> Result<Vec<Chunk>> {
        self.into_parts().map(|(chunks, _)| chunks)
    }

    pub(crate) fn into_parts(self) -> Result<(Vec<Chunk>, Duplicates)> {
        let chunks = match self.content {
            Content::Records { chunker, make } => make(&chunker)?,
            Content::Made(chunks) => chunks?,
        };
        match chunks.is_empty() {
            true => Err(Error::input(
                "there is nothing to push: neither records nor chunks",
            )),
            false => Ok((chunks, self.duplicates)),
        }
    }
}

impl fmt::Debug for Push<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Push");
        match &self.content {
            Content::Records { chunker, .. } => debug.field("chunker", chunker),
            Content::Made(chunks) => debug.field("chunks", &chunks.as_ref().map(Vec::len)),
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

/// The result of a push.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pushed {
    /// The status of the batch, with the new chunks counted. Empty if all chunks were skipped and
    /// nothing was sent.
    pub status: Status,
    /// The chunks that the service accepted, in order.
    pub chunks: Vec<PushedChunk>,
    /// The ids of duplicates that were left out.
    pub skipped: Vec<String>,
}

/// A chunk that the service accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PushedChunk {
    /// The id, which its results will have.
    pub id: String,
    /// The number of records.
    pub records: u64,
    /// The former id, if that was a duplicate and has been replaced.
    pub replaced: Option<String>,
}
