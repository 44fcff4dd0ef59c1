//! Chunks: records that are computed, and handed out again, together.

mod chunker;
mod parse;
mod splitter;
#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::raw::types;
use crate::records::Encoded;

pub use chunker::{Chunker, Chunks};
pub(crate) use splitter::Splitter;

/// Records that are ready to be pushed: encoded, counted and named.
///
/// A chunk keeps its id for life. Pushing a clone of it again after a failure can't be mistaken for
/// other records, and its results are found by [`id`](Self::id). Clones share the encoded bytes.
///
/// Chunks are made of records by a [`Chunker`], or read from JSON by [`Chunk::parse`].
///
/// ```
/// use cspark_batches::Chunk;
/// use serde_json::json;
///
/// let chunk = Chunk::new([json!({"height": 4.2, "radius": 1}), json!({"radius": 3, "height": 5})])?;
/// assert_eq!(chunk.records(), 2);
/// assert_eq!(chunk.inputs(), r#"[["height","radius"],[4.2,1],[5,3]]"#);
/// # Ok::<(), cspark_batches::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Chunk {
    id: String,
    records: NonZeroU64,
    inputs: Bytes,
    shared: Shared,
}

/// What chunks are computed with besides their records; many chunks have it in common.
#[derive(Clone, Debug, Default)]
struct Shared {
    parameters: Option<Arc<RawValue>>,
    summary: Option<Arc<types::SummaryRequest>>,
}

impl Shared {
    fn asks_for_summary_only(&self) -> bool {
        let summary = self.summary.as_deref();
        summary.is_some_and(|summary| summary.return_all_records == Some(false))
    }
}

impl Chunk {
    /// One chunk of all the records, as a table, with a new random id (a UUID).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if there are no records, or one of them does
    /// not fit the columns of the first; see [`Chunker`], which has other rules to choose from.
    pub fn new<I>(records: I) -> Result<Self>
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        let chunk = Chunker::new().chunk_size(usize::MAX).chunks(records).next();
        chunk.unwrap_or_else(|| Err(no_records()))
    }

    /// Reads chunks from JSON: `{"chunks": [..]}`, a list of chunks, or one chunk.
    ///
    /// A chunk is
    /// `{"id": .., "size": .., "data": {"inputs": .., "parameters": .., "summary": ..}}`. A missing
    /// id is made up (a UUID), a missing size is counted. The numbers in the inputs and parameters
    /// stay as they are, digit for digit.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if the text is something else, has an unknown
    /// field, a chunk without records, or a size that is not the number of records. The error names
    /// the place.
    pub fn parse(json: impl AsRef<[u8]>) -> Result<Vec<Self>> {
        parse::parse(json.as_ref())
    }

    fn from_encoded(encoded: Encoded, shared: Shared) -> Option<Self> {
        let records = NonZeroU64::new(u64::try_from(encoded.records).ok()?)?;
        Some(Self {
            id: Uuid::new_v4().to_string(),
            records,
            inputs: encoded.json,
            shared,
        })
    }

    /// The id, by which the chunk's results are found.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The number of records; a header row does not count.
    pub fn records(&self) -> u64 {
        self.records.get()
    }

    /// The inputs as JSON: a table or a list of objects.
    pub fn inputs(&self) -> &str {
        // Only our own encoder and text that was read as JSON end up here, and both are UTF-8.
        std::str::from_utf8(&self.inputs).unwrap_or_default()
    }

    /// About the room in bytes that the chunk takes in the input buffer: the length of its inputs
    /// as JSON.
    pub fn input_bytes(&self) -> u64 {
        self.inputs.len() as u64
    }

    /// The same records under another id, which has to be unique within the batch.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// The room in bytes that the chunk takes on the wire, its envelope included, and a little
    /// more.
    pub(crate) fn wire_bytes(&self) -> u64 {
        const ENVELOPE: u64 = 128;
        const MESSAGE: u64 = 64;
        let parameters = self.shared.parameters.as_ref();
        let summary = self.shared.summary.as_ref().map_or(0, |summary| {
            let names = summary.aggregation.iter();
            let names: usize = names.map(|one| one.output_name.len()).sum();
            MESSAGE * (1 + summary.aggregation.len() as u64) + names as u64
        });
        let parameters = parameters.map_or(0, |json| json.get().len() as u64);
        self.inputs.len() as u64 + self.id.len() as u64 + parameters + summary + ENVELOPE
    }

    /// Whether the service is asked to return no records, only a summary of them.
    pub(crate) fn asks_for_summary_only(&self) -> bool {
        self.shared.asks_for_summary_only()
    }

    /// Two chunks of the same records, the first with so many of them; nothing if one would be
    /// empty.
    pub(crate) fn split_at(&self, records: u64) -> Option<(Self, Self)> {
        let rest = NonZeroU64::new(self.records().checked_sub(records)?)?;
        let records = NonZeroU64::new(records)?;
        let rows: Vec<&RawValue> = serde_json::from_slice(&self.inputs).ok()?;
        let is_table = rows.first()?.get().starts_with('[');
        let (header, rows) = rows.split_at(usize::from(is_table));
        let (first, second) = rows.split_at_checked(usize::try_from(records.get()).ok()?)?;
        let part = |rows: &[&RawValue], records| {
            let rows: Vec<_> = header.iter().chain(rows).collect();
            Some(Self {
                id: Uuid::new_v4().to_string(),
                records,
                inputs: Bytes::from(serde_json::to_vec(&rows).ok()?),
                shared: self.shared.clone(),
            })
        };
        Some((part(first, records)?, part(second, rest)?))
    }

    /// Appends the chunk as the description has it.
    ///
    /// The envelope is written by the generated types around a hole, and the inputs are put into
    /// the hole: they were encoded once, and are neither read nor encoded again.
    fn write(&self, body: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        const HOLE: &[u8] = b"null";
        struct Hole;
        impl Serialize for Hole {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_unit()
            }
        }

        let envelope = serde_json::to_vec(&types::Chunk {
            data: types::ChunkData {
                inputs: Hole,
                parameters: self.shared.parameters.as_deref().map(ToOwned::to_owned),
                summary: self.shared.summary.as_deref().cloned(),
            },
            id: self.id.clone(),
            size: self.records,
        })?;
        // `data` and in it `inputs` come first, so that no other null can stand before the hole.
        let hole = envelope
            .windows(HOLE.len())
            .position(|part| part == HOLE)
            .unwrap_or(envelope.len());
        body.extend_from_slice(&envelope[..hole]);
        body.extend_from_slice(&self.inputs);
        body.extend_from_slice(envelope.get(hole + HOLE.len()..).unwrap_or_default());
        Ok(())
    }
}

/// The body of a push of these chunks.
pub(crate) fn push_body<'a>(chunks: impl Iterator<Item = &'a Chunk> + Clone) -> Result<Bytes> {
    let length: usize = chunks.clone().map(|chunk| chunk.inputs.len() + 256).sum();
    let mut body = Vec::with_capacity(length);
    body.extend_from_slice(br#"{"chunks":["#);
    for (index, chunk) in chunks.enumerate() {
        if index > 0 {
            body.push(b',');
        }
        chunk
            .write(&mut body)
            .map_err(|error| Error::input(format!("chunk `{}`: {error}", chunk.id)))?;
    }
    body.extend_from_slice(b"]}");
    Ok(Bytes::from(body))
}

fn no_records() -> Error {
    Error::input("there are no records, and a chunk has at least one")
}
