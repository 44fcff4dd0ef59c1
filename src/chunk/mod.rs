//! Chunks: records that are pushed, computed and pulled together.

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
pub(crate) use splitter::{Splitter, exact_length};

/// Records that are encoded and ready to be pushed, under an id.
///
/// A chunk keeps its [id](Self::id), under which its results come back, so a chunk that is pushed
/// again after a failure can't be mistaken for other records. Clones share the encoded bytes.
///
/// A [`Chunker`] makes chunks of records, and [`Chunk::parse`] reads them from JSON.
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

/// The parts of a chunk besides its records, which many chunks have in common.
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
    /// Creates one chunk of all records, as a table, with a random id (a UUID).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if there are no records, or if the columns of
    /// one of them differ from those of the first. A [`Chunker`] has other rules.
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
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if the text is anything else, or has an
    /// unknown field, a chunk without records, or a size other than the number of records. The
    /// error says which chunk is wrong.
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

    /// Returns the id, which the chunk's results have as well.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the number of records, without the header row.
    pub fn records(&self) -> u64 {
        self.records.get()
    }

    /// Returns the inputs as JSON: a table or a list of objects.
    pub fn inputs(&self) -> &str {
        // The bytes come from the encoder or from parsed JSON, both of which are UTF-8.
        std::str::from_utf8(&self.inputs).unwrap_or_default()
    }

    /// Returns about how many bytes the chunk takes in the input buffer: the length of its inputs
    /// as JSON.
    pub fn input_bytes(&self) -> u64 {
        self.inputs.len() as u64
    }

    /// Returns the same records under another id, which has to be unique within the batch.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// An upper bound for the size of the chunk in a request, in bytes.
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

    /// Splits the chunk into two, the first of `records` records. `None` if one would be empty.
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

    /// Appends the chunk as the description specifies it.
    ///
    /// The generated types write the envelope with `null` in the place of the inputs, and the
    /// inputs replace that: they are encoded already, and are not encoded again.
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
        // `data` comes first, and `inputs` in it, so this is the first null.
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

/// Returns the body of a push of these chunks.
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
    Error::input("there are no records, but a chunk needs at least one")
}
