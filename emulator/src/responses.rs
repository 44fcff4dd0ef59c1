//! What the answers say: a batch's state in the words of the API, in the forms that are set.

use std::time::Duration;

use crate::clock::Clock;
use crate::engine::{Batch, Phase};
use crate::shapes::{OptionalFields, Shapes};
use crate::state::BatchEntry;
use crate::wire::{self, Field, Millis, Tomorrow};

/// The compiler version and the user that the emulator names.
const COMPILER: &str = "Neuron_v1.13.0";
const CREATED_BY: &str = "emulator@localhost";

/// Writes answers in the forms that are set, at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) shapes: &'a Shapes,
    pub(crate) clock: &'a Clock,
    /// When the request arrived, in emulated time.
    pub(crate) now: Duration,
}

impl Writer<'_> {
    fn optional<T>(&self, value: T) -> Field<T> {
        match self.shapes.optional_fields {
            OptionalFields::Given => Field::Given(value),
            OptionalFields::Null => Field::Null,
            OptionalFields::Absent => Field::Absent,
        }
    }

    fn stamp(&self, at: Duration) -> Field<String> {
        match self.shapes.optional_fields {
            OptionalFields::Given => Field::Given(self.clock.stamp(at)),
            OptionalFields::Null => Field::Null,
            OptionalFields::Absent => Field::Absent,
        }
    }

    fn millis(&self, time: Duration) -> Millis {
        if self.shapes.fractional_times {
            // A whole number of milliseconds would hide that decimals are to be expected.
            Millis::Fractional(time.as_secs_f64() * 1000.0 + 0.25)
        } else {
            Millis::Whole(time.as_millis())
        }
    }

    fn tomorrow(&self) -> Option<Tomorrow> {
        self.shapes.unknown_fields.then(Tomorrow::default)
    }

    fn batch_status(&self, batch: &Batch) -> String {
        self.shapes
            .batch_status
            .clone()
            .unwrap_or_else(|| batch_status(batch).to_owned())
    }

    fn pipeline_status(&self, batch: &Batch) -> String {
        let status = match batch.phase() {
            Phase::Open if batch.is_drained() => "idle",
            Phase::Open => "in_progress",
            _ => "closed",
        };
        self.shapes
            .pipeline_status
            .clone()
            .unwrap_or_else(|| status.to_owned())
    }

    /// Chunks and records completed, as the setting counts them.
    fn completed(&self, batch: &Batch) -> (u64, u64) {
        let counts = batch.counts();
        if self.shapes.completed_without_failed {
            (
                counts.chunks_completed - counts.chunks_failed,
                counts.records_completed - counts.records_failed,
            )
        } else {
            (counts.chunks_completed, counts.records_completed)
        }
    }

    pub(crate) fn status(&self, batch: &Batch) -> wire::Status {
        let counts = batch.counts();
        let (chunks_completed, records_completed) = self.completed(batch);
        wire::Status {
            response_timestamp: self.stamp(self.now),
            request_timestamp: self.stamp(self.now),
            batch_status: self.batch_status(batch),
            pipeline_status: self.pipeline_status(batch),
            chunks_available: self.optional(batch.chunks_available()),
            chunks_submitted: self.optional(counts.chunks_submitted),
            record_submitted: counts.records_submitted,
            chunks_completed: self.optional(chunks_completed),
            records_completed,
            compute_time_ms: self.millis(counts.compute_time),
            input_buffer_used_bytes: batch.input_used(),
            input_buffer_remaining_bytes: batch.input_remaining(),
            output_buffer_used_bytes: batch.output_used(),
            output_buffer_remaining_bytes: batch.output_remaining(),
            workers_in_use: batch.workers_in_use(),
            records_available: batch.records_available(),
            a_field_of_tomorrow: self.tomorrow(),
        }
    }

    /// The details of a batch; `status` is what was just asked for, where it is not to be read from the batch.
    pub(crate) fn details(&self, entry: &BatchEntry, status: Option<&str>) -> wire::BatchData {
        let batch = &entry.batch;
        let named = self.shapes.batch_status.as_deref().or(status);
        wire::BatchData {
            service_id: entry.service.service_id.to_string(),
            version_id: entry.service.version_id.to_string(),
            compiler_version: self.optional(COMPILER),
            correlation_id: self.optional(entry.correlation_id.clone()),
            source_system: self.optional(entry.source_system.clone()),
            unique_record_key: self.optional(entry.unique_record_key.clone()),
            summary: None,
            configuration: None,
            response_timestamp: self.stamp(self.now),
            batch_status: named.map_or_else(|| self.batch_status(batch), str::to_owned),
            created_by: self.optional(CREATED_BY),
            created_timestamp: self.stamp(batch.created),
            updated_timestamp: self.stamp(batch.updated),
            service_uri: entry.service.uri.clone(),
        }
    }

    pub(crate) fn batch(&self, id: &str, data: wire::BatchData) -> wire::BatchAnswer {
        wire::BatchAnswer {
            object: "batch",
            id: id.to_owned(),
            data: Some(data),
            meta: None,
            a_field_of_tomorrow: self.tomorrow(),
        }
    }

    pub(crate) fn summary(&self, batch: &Batch) -> wire::BatchSummary {
        let counts = batch.counts();
        let (chunks_completed, records_completed) = self.completed(batch);
        let computed = u32::try_from(counts.chunks_completed).unwrap_or(u32::MAX);
        wire::BatchSummary {
            chunks_submitted: self.optional(counts.chunks_submitted),
            chunks_retried: self.optional(0),
            chunks_completed: self.optional(chunks_completed),
            chunks_failed: self.optional(counts.chunks_failed),
            records_retried: 0,
            input_size_bytes: counts.input_bytes,
            output_size_bytes: counts.output_bytes,
            avg_compute_time_ms: self.millis(
                counts
                    .compute_time
                    .checked_div(computed)
                    .unwrap_or_default(),
            ),
            records_submitted: counts.records_submitted,
            records_failed: counts.records_failed,
            records_completed,
            compute_time_ms: self.millis(counts.compute_time),
            batch_time_ms: self.millis(batch.age()),
        }
    }

    pub(crate) fn described(&self, id: &str, entry: &BatchEntry) -> wire::Described {
        let batch = &entry.batch;
        let counts = batch.counts();
        wire::Described {
            object: "batch",
            id: id.to_owned(),
            data: wire::DescribedData {
                pipeline_status: self.pipeline_status(batch),
                summary: wire::DescribedSummary {
                    records_submitted: counts.records_submitted,
                    records_failed: counts.records_failed,
                    records_completed: self.completed(batch).1,
                    compute_time_ms: self.millis(counts.compute_time),
                    batch_time_ms: self.millis(batch.age()),
                },
                response_timestamp: self.stamp(self.now),
                batch_status: self.batch_status(batch),
                created_by: self.optional(CREATED_BY),
                created_timestamp: self.stamp(batch.created),
                updated_timestamp: self.stamp(batch.updated),
                service_uri: entry.service.uri.clone(),
            },
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
