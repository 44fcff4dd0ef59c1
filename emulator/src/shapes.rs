//! The forms of responses that the service is known for, or that a client must expect.

use crate::status::AlteredFields;

/// How records come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputShape {
    /// A list of objects: `[{"value":42},{"value":43}]`.
    #[default]
    Objects,
    /// A table whose first row names the columns: `[["value"],[42],[43]]`.
    Table,
}

/// The output of a record that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailedOutput {
    /// `null`.
    #[default]
    Null,
    /// `{}` among objects, `[]` in a table.
    Empty,
}

/// The entry in `errors` of a record that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorShape {
    /// The message as a text.
    #[default]
    Text,
    /// `{"error_type":"SERVICE_ERROR","message":"..."}`.
    Object,
    /// A list of one such object.
    List,
}

/// How a pull says that there is nothing to pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NothingToPull {
    /// `"data": []` beside the status.
    #[default]
    EmptyList,
    /// `"data": null` beside the status.
    Null,
    /// The status alone under its name.
    Absent,
    /// The bare status object, like the response to a status request.
    BareStatus,
}

/// Whether the fields that the service need not give are there.
///
/// These are the timestamps, the `chunks_*` counters, the descriptive fields of a batch, and in
/// results `warnings`, `process_time`, `summary_output`, and `errors` if no record failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OptionalFields {
    /// They are all there.
    #[default]
    Given,
    /// They are null.
    Null,
    /// They are left out.
    Absent,
}

/// The name of the field with the details in the response to close and cancel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Envelope {
    /// `data`, as the API document has it.
    #[default]
    Data,
    /// `meta`, as the official SDKs' types have it.
    Meta,
}

/// The form of the emulator's responses.
///
/// The default is the form in the API document. Set what differs and leave the rest:
///
/// ```
/// use cspark_emulator::{NothingToPull, Shapes};
///
/// let shapes = Shapes { nothing_to_pull: NothingToPull::BareStatus, ..Shapes::default() };
/// # let _ = shapes;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shapes {
    /// How records come back, unless their service has a shape of its own.
    pub outputs: OutputShape,
    /// The output of a failed record.
    pub failed_output: FailedOutput,
    /// The entry in `errors` of a failed record.
    pub errors: ErrorShape,
    /// How a pull says that there is nothing to pull.
    pub nothing_to_pull: NothingToPull,
    /// The name of the field with the details in the response to close and cancel.
    pub envelope: Envelope,
    /// Whether the fields that the service need not give are there.
    pub optional_fields: OptionalFields,
    /// `compute_time_ms` and the other times in milliseconds have decimals.
    pub fractional_times: bool,
    /// Responses have fields that no description knows.
    pub unknown_fields: bool,
    /// `records_completed` and `chunks_completed` leave out failed chunks and records.
    pub completed_without_failed: bool,
    /// Fields of the status object that some responses misreport. For a field in several of them,
    /// the first counts.
    pub altered_fields: Vec<AlteredFields>,
    /// A text to give as `batch_status`, whatever the truth is.
    pub batch_status: Option<String>,
    /// A text to give as `pipeline_status`, whatever the truth is.
    pub pipeline_status: Option<String>,
}
