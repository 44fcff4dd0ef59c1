//! The input of a run.

use std::fmt;
use std::pin::Pin;

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use futures_util::stream::{self, Stream, StreamExt as _};

pub(crate) type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch, ArrowError>> + Send>>;

/// Record batches of one schema: the input of a run.
#[must_use = "a table is read by a run"]
pub struct Table {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: BatchStream,
    /// The number of records, if it is known.
    pub(crate) records: Option<u64>,
}

impl Table {
    /// Record batches from an async stream, such as DataFusion's `SendableRecordBatchStream` or the
    /// stream of a Parquet reader.
    ///
    /// It is read as fast as memory and service allow, within an async task. Its first error ends
    /// the run.
    pub fn stream<S, E>(schema: SchemaRef, batches: S) -> Self
    where
        S: Stream<Item = Result<RecordBatch, E>> + Send + 'static,
        E: Into<ArrowError>,
    {
        Self {
            schema,
            batches: Box::pin(batches.map(|batch| batch.map_err(Into::into))),
            records: None,
        }
    }

    /// Record batches from a reader of files or the like. It blocks a thread of the runtime while it
    /// waits for its disk or network; pass a slow one as a [stream](Self::stream).
    pub fn reader(reader: impl RecordBatchReader + Send + 'static) -> Self {
        let schema = reader.schema();
        Self::stream(schema, stream::iter(reader))
    }

    /// Record batches that are in memory.
    pub fn batches(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        let records = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        let batches = batches.into_iter().map(Ok::<_, ArrowError>);
        Self {
            records: Some(records),
            ..Self::stream(schema, stream::iter(batches))
        }
    }
}

impl From<RecordBatch> for Table {
    fn from(batch: RecordBatch) -> Self {
        Self::batches(batch.schema(), vec![batch])
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("schema", &self.schema)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}
