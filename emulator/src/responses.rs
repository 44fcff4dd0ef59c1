//! The responses: a batch's state in the words of the API, in the form that is set.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::Operation;
use crate::clock::Clock;
use crate::engine::{Batch, Counts, Phase};
use crate::shapes::Shapes;
use crate::state::BatchEntry;
use crate::status::{Alteration, StatusField};
use crate::wire::JsonObject;

/// The compiler version and the user that the emulator names.
pub(crate) const COMPILER: &str = "Neuron_v1.13.0";
pub(crate) const CREATED_BY: &str = "emulator@localhost";

/// The values in the responses of a batch so far, for the alterations that depend on them.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    first: BTreeMap<StatusField, Value>,
    times: BTreeMap<StatusField, u64>,
}

/// Writes responses in the form that is set, at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) shapes: &'a Shapes,
    pub(crate) clock: &'a Clock,
    /// When the request arrived, in emulated time.
    pub(crate) now: Duration,
}

impl Writer<'_> {
    /// The status object of a batch, for the response to `operation`.
    pub(crate) fn status(&self, entry: &mut BatchEntry, operation: Operation) -> JsonObject {
        let mut object = JsonObject::new();
        for field in StatusField::ALL {
            let value = self.status_field(&entry.batch, field);
            object = match self.altered(field, operation, value, &mut entry.reported) {
                None => object,
                Some(value) if field.is_optional() => {
                    object.optional(self.shapes.optional_fields, field.name(), value)
                }
                Some(value) => object.field(field.name(), value),
            };
        }
        self.with_unknown_field(object)
    }

    /// A field's true value.
    fn status_field(&self, batch: &Batch, field: StatusField) -> Value {
        let counts = batch.counts();
        match field {
            StatusField::ResponseTimestamp | StatusField::RequestTimestamp => {
                self.clock.stamp(self.now).into()
            }
            StatusField::BatchStatus => self.batch_status(batch).into(),
            StatusField::PipelineStatus => self.pipeline_status(batch).into(),
            StatusField::ChunksAvailable => batch.chunks_available().into(),
            StatusField::ChunksSubmitted => counts.chunks_submitted.into(),
            StatusField::RecordSubmitted => counts.records_submitted.into(),
            StatusField::ChunksCompleted => self.chunks_completed(counts).into(),
            StatusField::RecordsCompleted => self.records_completed(counts).into(),
            StatusField::ComputeTimeMs => self.millis(counts.compute_time),
            StatusField::InputBufferUsedBytes => batch.input_used().into(),
            StatusField::InputBufferRemainingBytes => batch.input_remaining().into(),
            StatusField::OutputBufferUsedBytes => batch.output_used().into(),
            StatusField::OutputBufferRemainingBytes => batch.output_remaining().into(),
            StatusField::WorkersInUse => batch.workers_in_use().into(),
            StatusField::RecordsAvailable => batch.records_available().into(),
        }
    }

    /// The value in the response; `None` leaves the field out.
    fn altered(
        &self,
        field: StatusField,
        operation: Operation,
        value: Value,
        reported: &mut Reported,
    ) -> Option<Value> {
        let altered = self
            .shapes
            .altered_fields
            .iter()
            .find(|it| it.responses.contains(&operation) && it.fields.contains(&field));
        match altered.map(|it| &it.alteration) {
            None => Some(value),
            Some(Alteration::Absent) => None,
            Some(Alteration::Null) => Some(Value::Null),
            Some(Alteration::Stuck) => Some(reported.first.entry(field).or_insert(value).clone()),
            Some(Alteration::Rising) => {
                let times = reported.times.entry(field).or_default();
                *times += 1;
                Some((*times).into())
            }
            Some(Alteration::Plus(more)) => Some(match value.as_u64() {
                Some(number) => number.saturating_add_signed(*more).into(),
                None => value,
            }),
            Some(Alteration::Number(number)) => Some((*number).into()),
            Some(Alteration::Text(text)) => Some(text.as_str().into()),
        }
    }

    /// A batch as create, info, close and cancel show it.
    pub(crate) fn batch(&self, id: &str, envelope: &'static str, data: JsonObject) -> JsonObject {
        let object = JsonObject::new()
            .field("object", "batch")
            .field("id", id)
            .field(envelope, data);
        self.with_unknown_field(object)
    }

    /// The details of a batch. `status` is the one that the request asked for, where that goes
    /// before the batch's own.
    pub(crate) fn details(&self, entry: &BatchEntry, status: Option<&str>) -> JsonObject {
        let object = self.service_details(entry);
        self.history(object, entry, status)
    }

    /// The details of a batch with its totals and its configuration.
    pub(crate) fn info(&self, entry: &BatchEntry) -> JsonObject {
        let object = self
            .service_details(entry)
            .field("summary", self.full_totals(&entry.batch))
            .field("configuration", entry.configuration);
        self.history(object, entry, None)
    }

    /// A batch as describe lists it.
    pub(crate) fn described(&self, id: &str, entry: &BatchEntry) -> JsonObject {
        let batch = &entry.batch;
        let data = JsonObject::new()
            .field("pipeline_status", self.pipeline_status(batch))
            .field("summary", self.totals(JsonObject::new(), batch));
        JsonObject::new()
            .field("object", "batch")
            .field("id", id)
            .field("data", self.history(data, entry, None))
    }

    fn service_details(&self, entry: &BatchEntry) -> JsonObject {
        let optional = self.shapes.optional_fields;
        JsonObject::new()
            .field("service_id", entry.service.service_id.to_string())
            .field("version_id", entry.service.version_id.to_string())
            .optional(optional, "compiler_version", COMPILER)
            .optional(optional, "correlation_id", &entry.correlation_id)
            .optional(optional, "source_system", &entry.source_system)
            .optional(optional, "unique_record_key", &entry.unique_record_key)
    }

    /// Adds the fields with which all descriptions of a batch end.
    fn history(&self, object: JsonObject, entry: &BatchEntry, status: Option<&str>) -> JsonObject {
        let batch = &entry.batch;
        let optional = self.shapes.optional_fields;
        let stamp = |at| self.clock.stamp(at);
        let status = match (&self.shapes.batch_status, status) {
            (None, Some(status)) => status.to_owned(),
            _ => self.batch_status(batch),
        };
        object
            .optional(optional, "response_timestamp", stamp(self.now))
            .field("batch_status", status)
            .optional(optional, "created_by", CREATED_BY)
            .optional(optional, "created_timestamp", stamp(batch.created))
            .optional(optional, "updated_timestamp", stamp(batch.updated))
            .field("service_uri", &entry.service.uri)
    }

    fn full_totals(&self, batch: &Batch) -> JsonObject {
        let counts = batch.counts();
        let optional = self.shapes.optional_fields;
        let computed = u32::try_from(counts.chunks_completed).unwrap_or(u32::MAX);
        let average = counts.compute_time.checked_div(computed);
        let object = JsonObject::new()
            .optional(optional, "chunks_submitted", counts.chunks_submitted)
            .optional(optional, "chunks_retried", 0)
            .optional(optional, "chunks_completed", self.chunks_completed(counts))
            .optional(optional, "chunks_failed", counts.chunks_failed)
            .field("records_retried", 0)
            .field("input_size_bytes", counts.input_bytes)
            .field("output_size_bytes", counts.output_bytes)
            .field(
                "avg_compute_time_ms",
                self.millis(average.unwrap_or_default()),
            );
        self.totals(object, batch)
    }

    /// Adds the totals that info and describe have in common.
    fn totals(&self, object: JsonObject, batch: &Batch) -> JsonObject {
        let counts = batch.counts();
        object
            .field("records_submitted", counts.records_submitted)
            .field("records_failed", counts.records_failed)
            .field("records_completed", self.records_completed(counts))
            .field("compute_time_ms", self.millis(counts.compute_time))
            .field("batch_time_ms", self.millis(batch.age()))
    }

    fn with_unknown_field(&self, object: JsonObject) -> JsonObject {
        if self.shapes.unknown_fields {
            let value = JsonObject::new().field("of", [0, 0]);
            object.field("a_field_of_tomorrow", value)
        } else {
            object
        }
    }

    fn millis(&self, time: Duration) -> Value {
        if self.shapes.fractional_times {
            // A whole number of milliseconds would hide that decimals are to be expected.
            (time.as_secs_f64() * 1000.0 + 0.25).into()
        } else {
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX).into()
        }
    }

    fn batch_status(&self, batch: &Batch) -> String {
        self.shapes
            .batch_status
            .clone()
            .unwrap_or_else(|| batch_status(batch).to_owned())
    }

    /// The document shows `idle` for open batches, also where workers compute, and `closed` for
    /// others.
    fn pipeline_status(&self, batch: &Batch) -> String {
        let status = match batch.phase() {
            Phase::Open => "idle",
            _ => "closed",
        };
        self.shapes
            .pipeline_status
            .clone()
            .unwrap_or_else(|| status.to_owned())
    }

    fn chunks_completed(&self, counts: &Counts) -> u64 {
        if self.shapes.completed_without_failed {
            counts.chunks_completed - counts.chunks_failed
        } else {
            counts.chunks_completed
        }
    }

    fn records_completed(&self, counts: &Counts) -> u64 {
        if self.shapes.completed_without_failed {
            counts.records_completed - counts.records_failed
        } else {
            counts.records_completed
        }
    }
}

/// The status of a batch in the API's words.
pub(crate) fn batch_status(batch: &Batch) -> &'static str {
    match batch.phase() {
        Phase::Open if batch.counts().chunks_submitted == 0 => "created",
        Phase::Open => "in_progress",
        Phase::Closed if batch.is_drained() => "completed",
        Phase::Closed => "closed",
        Phase::Cancelled => "cancelled",
        Phase::ClosedByTimeout => "closed_by_timeout",
        Phase::CompletedByTimeout => "completed_by_timeout",
        Phase::Failed => "failed",
    }
}
