//! The fields of a batch's status, and how a response can misreport them.

use crate::Operation;

/// A field of the status object: the response to status and push, and a part of the response to a
/// pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StatusField {
    /// `response_timestamp`.
    ResponseTimestamp,
    /// `request_timestamp`.
    RequestTimestamp,
    /// `batch_status`.
    BatchStatus,
    /// `pipeline_status`.
    PipelineStatus,
    /// `chunks_available`.
    ChunksAvailable,
    /// `chunks_submitted`.
    ChunksSubmitted,
    /// `record_submitted`.
    RecordSubmitted,
    /// `chunks_completed`.
    ChunksCompleted,
    /// `records_completed`.
    RecordsCompleted,
    /// `compute_time_ms`.
    ComputeTimeMs,
    /// `input_buffer_used_bytes`.
    InputBufferUsedBytes,
    /// `input_buffer_remaining_bytes`.
    InputBufferRemainingBytes,
    /// `output_buffer_used_bytes`.
    OutputBufferUsedBytes,
    /// `output_buffer_remaining_bytes`.
    OutputBufferRemainingBytes,
    /// `workers_in_use`.
    WorkersInUse,
    /// `records_available`.
    RecordsAvailable,
}

impl StatusField {
    /// All fields, in the order of the API document.
    pub const ALL: [Self; 16] = [
        Self::ResponseTimestamp,
        Self::RequestTimestamp,
        Self::BatchStatus,
        Self::PipelineStatus,
        Self::ChunksAvailable,
        Self::ChunksSubmitted,
        Self::RecordSubmitted,
        Self::ChunksCompleted,
        Self::RecordsCompleted,
        Self::ComputeTimeMs,
        Self::InputBufferUsedBytes,
        Self::InputBufferRemainingBytes,
        Self::OutputBufferUsedBytes,
        Self::OutputBufferRemainingBytes,
        Self::WorkersInUse,
        Self::RecordsAvailable,
    ];

    /// The fields that count chunks, records, bytes and workers.
    pub const COUNTERS: [Self; 11] = [
        Self::ChunksAvailable,
        Self::ChunksSubmitted,
        Self::RecordSubmitted,
        Self::ChunksCompleted,
        Self::RecordsCompleted,
        Self::InputBufferUsedBytes,
        Self::InputBufferRemainingBytes,
        Self::OutputBufferUsedBytes,
        Self::OutputBufferRemainingBytes,
        Self::WorkersInUse,
        Self::RecordsAvailable,
    ];

    /// Its name in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::ResponseTimestamp => "response_timestamp",
            Self::RequestTimestamp => "request_timestamp",
            Self::BatchStatus => "batch_status",
            Self::PipelineStatus => "pipeline_status",
            Self::ChunksAvailable => "chunks_available",
            Self::ChunksSubmitted => "chunks_submitted",
            Self::RecordSubmitted => "record_submitted",
            Self::ChunksCompleted => "chunks_completed",
            Self::RecordsCompleted => "records_completed",
            Self::ComputeTimeMs => "compute_time_ms",
            Self::InputBufferUsedBytes => "input_buffer_used_bytes",
            Self::InputBufferRemainingBytes => "input_buffer_remaining_bytes",
            Self::OutputBufferUsedBytes => "output_buffer_used_bytes",
            Self::OutputBufferRemainingBytes => "output_buffer_remaining_bytes",
            Self::WorkersInUse => "workers_in_use",
            Self::RecordsAvailable => "records_available",
        }
    }

    /// Whether [`OptionalFields`](crate::OptionalFields) applies to it.
    pub(crate) fn is_optional(self) -> bool {
        matches!(
            self,
            Self::ResponseTimestamp
                | Self::RequestTimestamp
                | Self::ChunksAvailable
                | Self::ChunksSubmitted
                | Self::ChunksCompleted
        )
    }
}

/// What a response says of a field in place of its true value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alteration {
    /// The field is left out.
    Absent,
    /// The field is null.
    Null,
    /// The field keeps the value that it has in the first altered response of the batch.
    Stuck,
    /// The field is 1 in the first altered response of the batch, 2 in the next, and so on,
    /// although nothing happens.
    Rising,
    /// The true number plus this one, and at least 0. A field that is no number stays as it is.
    Plus(i64),
    /// This number.
    Number(i64),
    /// This text.
    Text(String),
}

/// Fields that some kinds of responses misreport, for
/// [`Shapes::altered_fields`](crate::Shapes::altered_fields).
///
/// ```
/// use cspark_emulator::{AlteredFields, Alteration, Operation, Shapes, StatusField};
///
/// // Pulls lack the counters of the input buffer; the number of workers never falls.
/// let shapes = Shapes {
///     altered_fields: vec![
///         AlteredFields {
///             responses: vec![Operation::Pull],
///             fields: vec![
///                 StatusField::InputBufferUsedBytes,
///                 StatusField::InputBufferRemainingBytes,
///             ],
///             alteration: Alteration::Absent,
///         },
///         AlteredFields::everywhere([StatusField::WorkersInUse], Alteration::Number(4)),
///     ],
///     ..Shapes::default()
/// };
/// # let _ = shapes;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlteredFields {
    /// The operations whose responses are altered: status, push or pull. Others carry no status
    /// object.
    pub responses: Vec<Operation>,
    /// The fields.
    pub fields: Vec<StatusField>,
    /// What stands there instead.
    pub alteration: Alteration,
}

impl AlteredFields {
    /// The same alteration of these fields in the responses to status, push and pull.
    pub fn everywhere(
        fields: impl IntoIterator<Item = StatusField>,
        alteration: Alteration,
    ) -> Self {
        Self {
            responses: vec![Operation::Status, Operation::Push, Operation::Pull],
            fields: fields.into_iter().collect(),
            alteration,
        }
    }
}
