//! Methods of the generated types, for what their fields alone don't say.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::error::Result;
use crate::raw::record_message::RecordMessage;
use crate::raw::types::{
    Aggregation, AggregationOperator, Batch, BatchDetails, BatchStatus, ChunkResult, Status,
    SummaryRequest,
};
use crate::records::{Outputs, read_summary};

impl Batch {
    /// Returns the details, which may be in either of two fields.
    pub fn details(&self) -> Option<&BatchDetails> {
        self.data.as_ref().or(self.meta.as_ref())
    }

    /// Returns the status of the batch, if the response has one.
    pub fn status(&self) -> Option<&BatchStatus> {
        self.details()?.batch_status.as_ref()
    }
}

impl BatchStatus {
    /// Returns whether the batch has ended and accepts no more chunks. Unknown statuses count as
    /// not terminal.
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Closed
            | Self::ClosedByTimeout
            | Self::Completed
            | Self::CompletedByTimeout
            | Self::Failed
            | Self::Cancelled => true,
            Self::Created | Self::InProgress | Self::Unknown(_) => false,
        }
    }
}

impl Status {
    /// Returns the number of records pushed so far, which may be in either of two fields.
    pub fn submitted(&self) -> Option<u64> {
        self.records_submitted.or(self.record_submitted)
    }
}

impl SummaryRequest {
    /// A request without aggregates yet.
    ///
    /// ```
    /// use cspark_batches::SummaryRequest;
    ///
    /// let summary = SummaryRequest::new().sum("premium").aggregate("premium", "AVERAGE");
    /// assert_eq!(summary.aggregation.len(), 2);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the sum of an output.
    #[must_use]
    pub fn sum(self, output: impl Into<String>) -> Self {
        self.aggregate(output, AggregationOperator::Sum)
    }

    /// Adds an aggregate of an output, by any operator that the service knows. Only `SUM` is
    /// documented; the service refuses others that it lacks.
    #[must_use]
    pub fn aggregate(
        mut self,
        output: impl Into<String>,
        operator: impl Into<AggregationOperator>,
    ) -> Self {
        self.aggregation.push(Aggregation {
            operator: operator.into(),
            output_name: output.into(),
        });
        self
    }

    /// Aggregates although some records failed. Otherwise one record that fails makes the
    /// aggregates of its chunk null, so read them as `Option`.
    #[must_use]
    pub fn ignore_errors(mut self) -> Self {
        self.ignore_error = Some(true);
        self
    }

    /// Returns the aggregates without the outputs of the records.
    #[must_use]
    pub fn without_records(mut self) -> Self {
        self.return_all_records = Some(false);
        self
    }
}

impl<T> ChunkResult<Outputs<T>> {
    /// Iterates over the results of the records, in the order in which they were pushed.
    pub fn records(&self) -> impl Iterator<Item = RecordResult<'_, T>> {
        let outputs = self.outputs.as_ref().map_or(&[][..], Outputs::as_slice);
        let messages =
            |list: &'_ Option<Vec<Option<RecordMessage>>>| list.as_ref().map_or(0, Vec::len);
        let count = outputs
            .len()
            .max(messages(&self.errors))
            .max(messages(&self.warnings));
        (0..count).map(move |index| RecordResult {
            index,
            output: outputs.get(index).and_then(Option::as_ref),
            error: entry(self.errors.as_deref(), index),
            warning: entry(self.warnings.as_deref(), index),
            process_time_ms: entry(self.process_time.as_deref(), index).copied(),
        })
    }
}

impl<R> ChunkResult<R> {
    /// The same result with its outputs mapped by `map`.
    pub(crate) fn map_outputs<S>(mut self, map: impl FnOnce(R) -> S) -> ChunkResult<S> {
        let outputs = self.outputs.take().map(map);
        self.with_outputs(outputs)
    }

    /// The same result with its outputs in another form.
    pub(crate) fn with_outputs<S>(self, outputs: Option<S>) -> ChunkResult<S> {
        ChunkResult {
            errors: self.errors,
            id: self.id,
            outputs,
            process_time: self.process_time,
            summary_output: self.summary_output,
            warnings: self.warnings,
        }
    }

    /// Returns the aggregates that the chunk's summary asked for, read as `S`: a struct or a map
    /// with the names of the outputs, a tuple in their order, or [`Aggregates`](crate::Aggregates).
    /// `None` if there are none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) if they cannot be read as `S`.
    pub fn summary<S: DeserializeOwned>(&self) -> Result<Option<S>> {
        self.summary_json()
            .map_or(Ok(None), |summary| read_summary(summary))
    }

    /// Returns the aggregates that the chunk's summary asked for, as JSON.
    pub fn summary_json(&self) -> Option<&RawValue> {
        self.summary_output.as_deref()
    }
}

/// The entry of one record in a list with one entry a record.
pub(crate) fn entry<E>(list: Option<&[Option<E>]>, index: usize) -> Option<&E> {
    list?.get(index)?.as_ref()
}

/// The result of one record.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RecordResult<'a, T> {
    /// The number of the record within its chunk, from 0.
    pub index: usize,
    /// The output; `None` if the record failed.
    pub output: Option<&'a T>,
    /// The service's error for the record, if it failed.
    pub error: Option<&'a RecordMessage>,
    /// The service's warning for the record.
    pub warning: Option<&'a RecordMessage>,
    /// The time that the record took to compute, in milliseconds.
    pub process_time_ms: Option<f64>,
}
