//! The operations on batches: describe, create, info, status, close and cancel.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;

use super::{Outcome, json, read};
use crate::Operation;
use crate::engine::{Batch, Limits, Phase};
use crate::refusal::Refusal;
use crate::responses::{Reported, Writer, batch_status};
use crate::settings::ResultOrder;
use crate::shapes::Envelope;
use crate::state::{BatchConfiguration, BatchEntry, Shared};
use crate::wire::{self, JsonObject, NewStatus, Object};

/// How long an ended batch stays among the recent ones.
const RECENT: Duration = Duration::from_secs(3600);
/// Workers at the start, unless the batch sets them.
const INITIAL_WORKERS: usize = 10;

impl Shared {
    pub(crate) fn describe(&self) -> Outcome {
        let mut state = self.lock();
        let now = self.clock.now();
        for entry in state.batches.values_mut() {
            entry.batch.advance(now);
        }
        let writer = Writer {
            shapes: &state.shapes,
            clock: &self.clock,
            now,
        };
        let mut in_progress = Vec::new();
        let mut recent = Vec::new();
        let mut tenant = TenantUse::new(self.settings.workers);
        let batches = state
            .order
            .iter()
            .filter_map(|id| state.batches.get(id).map(|entry| (id, entry)));
        for (id, entry) in batches {
            let batch = &entry.batch;
            if !batch.has_ended() {
                in_progress.push(writer.described(id, entry));
            } else if now.saturating_sub(batch.updated) <= RECENT {
                recent.push(writer.described(id, entry));
            }
            if !batch.has_ended() || batch.chunks_available() > 0 {
                tenant.add(batch);
            }
        }
        json(
            &JsonObject::new()
                .field("in_progress_batches", in_progress)
                .field("recent_batches", recent)
                .field("tenant", tenant.json())
                .field(
                    "environment",
                    JsonObject::new().field("update", now.as_secs()),
                ),
        )
    }

    pub(crate) fn create(&self, body: &str) -> Outcome {
        let Object(asked): Object<wire::CreateBatch> = read(body, "")?;
        if asked.service.is_none() && asked.version_id.is_none() {
            return Err(Refusal::invalid(
                "service: is missing; give the service's locator, or a version_id",
            ));
        }
        let service = self
            .lock()
            .catalogue
            .find(asked.service.as_deref(), asked.version_id.as_deref())
            .cloned()
            .map_err(|problem| Refusal::new(StatusCode::NOT_FOUND, "service_not_found", problem))?;
        let settings = &self.settings;
        let workers = |asked: Option<u32>| asked.and_then(|number| usize::try_from(number).ok());
        // 1 MB is a million bytes, as in the document's sample. A float that is too large becomes
        // the largest integer.
        let bytes = |megabytes: Option<f64>, usual| {
            megabytes.map_or(usual, |size| (size * 1e6).ceil() as u64)
        };
        let configuration = BatchConfiguration {
            initial_workers: workers(asked.initial_workers).unwrap_or(INITIAL_WORKERS),
            chunks_per_request: asked.chunks_per_request.unwrap_or(2),
            runner_thread_count: asked.runner_thread_count.unwrap_or(2),
            acceptable_error_percentage: asked.acceptable_error_percentage.unwrap_or(0),
            input_buffer_allocated_bytes: bytes(asked.max_input_size_in_mb, settings.input_bytes),
            output_buffer_allocated_bytes: bytes(
                asked.max_output_size_in_mb,
                settings.output_bytes,
            ),
            max_workers: workers(asked.max_workers)
                .unwrap_or(settings.workers)
                .min(settings.workers),
        };

        let mut state = self.lock();
        let now = self.clock.now();
        let limits = Limits {
            input_bytes: configuration.input_buffer_allocated_bytes,
            output_bytes: configuration.output_buffer_allocated_bytes,
            workers: configuration.max_workers,
            initial_workers: configuration.initial_workers,
            ramp_up: settings.ramp_up,
            idle_timeout: settings.idle_timeout,
            shuffle: match settings.order {
                ResultOrder::Completed => None,
                // Each batch its own order, and the same in every run.
                ResultOrder::Shuffled(seed) => Some(seed.wrapping_add(state.order.len() as u64)),
            },
        };
        let id = uuid::Builder::from_random_bytes(state.random.u128(..).to_be_bytes())
            .into_uuid()
            .to_string();
        let entry = BatchEntry {
            batch: Batch::new(limits, now),
            service: Arc::new(service),
            selected: list(asked.output.as_deref()),
            correlation_id: asked.correlation_id,
            source_system: asked.source_system,
            unique_record_key: asked.unique_record_key,
            configuration,
            reported: Reported::default(),
        };
        let writer = Writer {
            shapes: &state.shapes,
            clock: &self.clock,
            now,
        };
        let response = json(&writer.batch(&id, "data", writer.details(&entry, None)));
        state.order.push(id.clone());
        state.batches.insert(id, entry);
        response
    }

    pub(crate) fn info(&self, id: &str) -> Outcome {
        self.with_batch(id, |writer, entry| {
            if self.settings.reading_keeps_alive {
                entry.batch.touch();
            }
            json(&writer.batch(id, "data", writer.info(entry)))
        })
    }

    pub(crate) fn status(&self, id: &str) -> Outcome {
        self.with_batch(id, |writer, entry| {
            if self.settings.reading_keeps_alive {
                entry.batch.touch();
            }
            json(&writer.status(entry, Operation::Status))
        })
    }

    pub(crate) fn update(&self, id: &str, body: &str) -> Outcome {
        let Object(wire::UpdateBatch {
            batch_status: wanted,
        }): Object<_> = read(body, "")?;
        self.with_batch(id, |writer, entry| {
            let batch = &mut entry.batch;
            let (named, already) = match wanted {
                NewStatus::Closed => ("closed", batch.phase() == Phase::Closed || batch.close()),
                NewStatus::Cancelled => (
                    "cancelled",
                    batch.phase() == Phase::Cancelled || batch.end(Phase::Cancelled),
                ),
            };
            if !already {
                return Err(Refusal::conflict(format!(
                    "the batch is {}: it can't be {named}",
                    batch_status(batch)
                )));
            }
            let envelope = match writer.shapes.envelope {
                Envelope::Data => "data",
                Envelope::Meta => "meta",
            };
            json(&writer.batch(id, envelope, writer.details(entry, Some(named))))
        })
    }
}

/// The resources of all batches of the tenant, and their use.
///
/// Clients choose the sizes, so their sum may overflow.
#[derive(Debug, Default)]
struct TenantUse {
    max_workers: usize,
    workers_in_use: usize,
    input_allocated: u64,
    input_used: u64,
    input_remaining: u64,
    output_allocated: u64,
    output_used: u64,
    output_remaining: u64,
}

impl TenantUse {
    fn new(max_workers: usize) -> Self {
        Self {
            max_workers,
            ..Self::default()
        }
    }

    fn add(&mut self, batch: &Batch) {
        for (sum, share) in [
            (&mut self.input_allocated, batch.limits.input_bytes),
            (&mut self.input_used, batch.input_used()),
            (&mut self.input_remaining, batch.input_remaining()),
            (&mut self.output_allocated, batch.limits.output_bytes),
            (&mut self.output_used, batch.output_used()),
            (&mut self.output_remaining, batch.output_remaining()),
        ] {
            *sum = sum.saturating_add(share);
        }
        self.workers_in_use += batch.workers_in_use();
    }

    fn json(&self) -> JsonObject {
        let configuration = JsonObject::new()
            .field("input_buffer_allocated_bytes", self.input_allocated)
            .field("output_buffer_allocated_bytes", self.output_allocated)
            .field("max_workers", self.max_workers);
        let status = JsonObject::new()
            .field("input_buffer_used_bytes", self.input_used)
            .field("input_buffer_remaining_bytes", self.input_remaining)
            .field("output_buffer_used_bytes", self.output_used)
            .field("output_buffer_remaining_bytes", self.output_remaining)
            .field("workers_in_use", self.workers_in_use);
        JsonObject::new()
            .field("configuration", configuration)
            .field("status", status)
    }
}

/// The parts of a comma-separated list.
fn list(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}
