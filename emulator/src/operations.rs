//! The operations of the API: each one reads its request, acts on the model, and words the answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::answers::{Writer, batch_status};
use crate::compute::{Inputs, Job, compute};
use crate::engine::{Batch, Chunk, Limits, Phase, Refused};
use crate::refusal::Refusal;
use crate::settings::{RepeatedIds, ResultOrder};
use crate::shapes::{Envelope, NothingToPull};
use crate::state::{BatchEntry, Shared, State};
use crate::wire::{self, NewStatus, Object};

/// How long an ended batch stays among the recent ones.
const RECENT: Duration = Duration::from_secs(3600);
/// Workers at the start, where a batch does not say.
const INITIAL_WORKERS: usize = 10;

/// The body of an answer, in parts that go out one after the other.
pub(crate) type Parts = Vec<Bytes>;

type Answer = Result<Parts, Refusal>;

impl Shared {
    pub(crate) fn describe(&self) -> Answer {
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
        let mut describe = wire::Describe {
            in_progress_batches: Vec::new(),
            recent_batches: Vec::new(),
            tenant: wire::Tenant {
                configuration: wire::TenantConfiguration {
                    input_buffer_allocated_bytes: 0,
                    output_buffer_allocated_bytes: 0,
                    max_workers: self.settings.workers,
                },
                status: wire::TenantStatus {
                    input_buffer_used_bytes: 0,
                    input_buffer_remaining_bytes: 0,
                    output_buffer_used_bytes: 0,
                    output_buffer_remaining_bytes: 0,
                    workers_in_use: 0,
                },
            },
            environment: wire::Environment {
                update: now.as_secs(),
            },
        };
        let batches = state
            .order
            .iter()
            .filter_map(|id| state.batches.get(id).map(|entry| (id, entry)));
        for (id, entry) in batches {
            let batch = &entry.batch;
            if !batch.has_ended() {
                describe
                    .in_progress_batches
                    .push(writer.described(id, entry));
            } else if now.saturating_sub(batch.updated) <= RECENT {
                describe.recent_batches.push(writer.described(id, entry));
            }
            if !batch.has_ended() || batch.chunks_available() > 0 {
                let wire::Tenant {
                    configuration,
                    status,
                } = &mut describe.tenant;
                configuration.input_buffer_allocated_bytes += batch.limits.input_bytes;
                configuration.output_buffer_allocated_bytes += batch.limits.output_bytes;
                status.input_buffer_used_bytes += batch.input_used();
                status.input_buffer_remaining_bytes += batch.input_remaining();
                status.output_buffer_used_bytes += batch.output_used();
                status.output_buffer_remaining_bytes += batch.output_remaining();
                status.workers_in_use += batch.workers_in_use();
            }
        }
        json(&describe)
    }

    pub(crate) fn create(&self, body: &[u8]) -> Answer {
        let Object(asked): Object<wire::CreateBatch> = read(body, "")?;
        if asked.service.is_none() && asked.version_id.is_none() {
            return Err(Refusal::invalid(
                "service: is missing; give the service's locator, or a version_id",
            ));
        }
        let service = self
            .catalogue
            .find(asked.service.as_deref(), asked.version_id.as_deref())
            .map_err(|problem| Refusal::new(StatusCode::NOT_FOUND, "service_not_found", problem))?;
        let settings = &self.settings;
        let workers = |asked: Option<u32>| asked.and_then(|number| usize::try_from(number).ok());
        // 1 MB is a million bytes, as in the document's sample. A float that is too large becomes the largest integer.
        let bytes = |megabytes: Option<f64>, usual| {
            megabytes.map_or(usual, |size| (size * 1e6).ceil() as u64)
        };
        let configuration = wire::BatchConfiguration {
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
            service: Arc::new(service.clone()),
            selected: list(asked.output.as_deref()),
            correlation_id: asked.correlation_id,
            source_system: asked.source_system,
            unique_record_key: asked.unique_record_key,
            configuration,
        };
        let writer = Writer {
            shapes: &state.shapes,
            clock: &self.clock,
            now,
        };
        let answer = json(&writer.batch(&id, writer.details(&entry, None)));
        state.order.push(id.clone());
        state.batches.insert(id, entry);
        answer
    }

    pub(crate) fn info(&self, id: &str) -> Answer {
        self.with_batch(id, |writer, entry, settings| {
            if settings.reading_keeps_alive {
                entry.batch.touch();
            }
            let mut details = writer.details(entry, None);
            details.summary = Some(writer.summary(&entry.batch));
            details.configuration = Some(entry.configuration);
            json(&writer.batch(id, details))
        })
    }

    pub(crate) fn status(&self, id: &str) -> Answer {
        self.with_batch(id, |writer, entry, settings| {
            if settings.reading_keeps_alive {
                entry.batch.touch();
            }
            json(&writer.status(&entry.batch))
        })
    }

    pub(crate) fn push(&self, id: &str, body: &[u8]) -> Answer {
        let Object(push): Object<wire::Push<'_>> = read(body, "")?;
        if push.chunks.is_empty() {
            return Err(Refusal::invalid(
                "chunks: is empty; a push needs at least one chunk",
            ));
        }
        let mut chunks = Vec::with_capacity(push.chunks.len());
        for (index, chunk) in push.chunks.iter().enumerate() {
            let Object(read): Object<wire::Chunk<'_>> =
                read(chunk.get().as_bytes(), &format!("chunks[{index}]"))?;
            if read.id.trim().is_empty() {
                return Err(Refusal::invalid(format!(
                    "chunks[{index}].id: is empty; every chunk needs an id of its own"
                )));
            }
            chunks.push((read, chunk.get().len() as u64));
        }
        let at = |index: usize| {
            move |problem: String| Refusal::invalid(format!("chunks[{index}].{problem}"))
        };
        let mut all_inputs = Vec::with_capacity(chunks.len());
        for (index, (chunk, _)) in chunks.iter().enumerate() {
            let inputs = Inputs::new(&chunk.data.0).map_err(at(index))?;
            if self.settings.check_sizes && inputs.len() != chunk.size {
                return Err(at(index)(format!(
                    "size: is {}, but inputs holds {} records (a header row is none)",
                    chunk.size,
                    inputs.len()
                )));
            }
            all_inputs.push(inputs);
        }

        // Looked at before the work, so that a refusal costs little; what counts is the second look, after it.
        let ids = || {
            chunks
                .iter()
                .map(|(chunk, weight)| (chunk.id.as_ref(), *weight))
        };
        let job = {
            let mut state = self.lock();
            let shapes = state.shapes.clone();
            let entry = find(&mut state, id, self.clock.now())?;
            entry.batch.touch();
            self.admit(&entry.batch, ids())?;
            Job {
                service: entry.service.service.clone(),
                shapes,
                selected: entry.selected.clone(),
                time_per_record: self.settings.time_per_record,
            }
        };
        let mut computed = Vec::with_capacity(chunks.len());
        for (index, ((chunk, weight), inputs)) in chunks.iter().zip(&all_inputs).enumerate() {
            let done =
                compute(&chunk.id, inputs, &chunk.data.0.summary.0, &job).map_err(at(index))?;
            let records = u32::try_from(inputs.len()).unwrap_or(u32::MAX);
            computed.push(Chunk {
                id: chunk.id.clone().into_owned(),
                records: inputs.len(),
                failed: done.failed,
                weight: *weight,
                result: done.result,
                work: self
                    .settings
                    .time_per_record
                    .saturating_mul(records)
                    .saturating_add(self.settings.time_per_chunk),
            });
        }
        self.with_batch(id, |writer, entry, _| {
            let taken = self.admit(&entry.batch, ids())?;
            let mut taken = taken.into_iter();
            computed.retain(|_| taken.next().unwrap_or(false));
            entry
                .batch
                .push(computed)
                .map_err(|refused| self.refused(&entry.batch, refused))?;
            json(&writer.status(&entry.batch))
        })
    }

    pub(crate) fn pull(&self, id: &str, query: Option<&str>, repeat: bool) -> Answer {
        let max = max_chunks(query)?;
        self.with_batch(id, |writer, entry, _| {
            let batch = &mut entry.batch;
            if matches!(batch.phase(), Phase::Cancelled | Phase::Failed) {
                return Err(Refusal::conflict(format!(
                    "the batch is {}: there is nothing to pull any more",
                    batch_status(batch)
                )));
            }
            batch.touch();
            let pulled = batch.pull(max);
            if repeat {
                batch.put_back(pulled.clone());
            }
            let status = serde_json::to_vec(&writer.status(batch)).map_err(internal)?;
            let head: &[u8] = match writer.shapes.nothing_to_pull {
                NothingToPull::BareStatus if pulled.is_empty() => return Ok(vec![status.into()]),
                NothingToPull::Absent if pulled.is_empty() => b"{",
                NothingToPull::Null if pulled.is_empty() => b"{\"data\":null,",
                _ => b"{\"data\":[",
            };
            let mut parts = Vec::with_capacity(pulled.len() * 2 + 2);
            let mut status_head: &[u8] = b"\"status\":";
            parts.push(Bytes::copy_from_slice(head));
            if head.ends_with(b"[") {
                for (index, chunk) in pulled.into_iter().enumerate() {
                    if index > 0 {
                        parts.push(Bytes::from_static(b","));
                    }
                    parts.push(chunk.result);
                }
                status_head = b"],\"status\":";
            }
            let mut tail = Vec::with_capacity(status.len() + 16);
            tail.extend_from_slice(status_head);
            tail.extend_from_slice(&status);
            tail.push(b'}');
            parts.push(tail.into());
            Ok(parts)
        })
    }

    pub(crate) fn update(&self, id: &str, body: &[u8]) -> Answer {
        let Object(wire::UpdateBatch {
            batch_status: wanted,
        }): Object<_> = read(body, "")?;
        self.with_batch(id, |writer, entry, _| {
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
            let details = writer.details(entry, Some(named));
            let mut answer = writer.batch(id, details);
            if writer.shapes.envelope == Envelope::Meta {
                answer.meta = answer.data.take();
            }
            json(&answer)
        })
    }

    /// Which of these chunks, given by id and weight, a push takes now.
    fn admit<'a>(
        &self,
        batch: &Batch,
        chunks: impl Iterator<Item = (&'a str, u64)>,
    ) -> Result<Vec<bool>, Refusal> {
        if batch.phase() != Phase::Open {
            return Err(self.refused(batch, Refused::Ended));
        }
        let policy = self.settings.repeated_ids;
        let mut seen = std::collections::HashSet::new();
        let mut weight = 0;
        let mut taken = Vec::new();
        for (id, weighs) in chunks {
            let repeated = policy != RepeatedIds::Compute
                && (batch.submissions().contains_key(id) || !seen.insert(id));
            if repeated && policy == RepeatedIds::Refuse {
                return Err(Refusal::new(
                    StatusCode::CONFLICT,
                    "repeated_chunk_id",
                    format!("the chunk id {id:?} was pushed to this batch before"),
                ));
            }
            taken.push(!repeated);
            weight += if repeated { 0 } else { weighs };
        }
        batch
            .admits(weight)
            .map_err(|refused| self.refused(batch, refused))?;
        Ok(taken)
    }

    fn refused(&self, batch: &Batch, refused: Refused) -> Refusal {
        match refused {
            Refused::Ended => Refusal::conflict(format!(
                "the batch is {}: it takes no more chunks",
                batch_status(batch)
            )),
            Refused::Full { needed, remaining } => Refusal::new(
                StatusCode::from_u16(self.settings.full_status)
                    .unwrap_or(StatusCode::UNPROCESSABLE_ENTITY),
                "input_buffer_full",
                format!(
                    "the chunks need {needed} bytes, but the input buffer has {remaining} bytes left; nothing was taken"
                ),
            ),
        }
    }

    fn with_batch(
        &self,
        id: &str,
        act: impl FnOnce(&Writer<'_>, &mut BatchEntry, &crate::settings::Settings) -> Answer,
    ) -> Answer {
        let mut state = self.lock();
        let now = self.clock.now();
        let shapes = state.shapes.clone();
        let entry = find(&mut state, id, now)?;
        act(
            &Writer {
                shapes: &shapes,
                clock: &self.clock,
                now,
            },
            entry,
            &self.settings,
        )
    }
}

fn find<'a>(state: &'a mut State, id: &str, now: Duration) -> Result<&'a mut BatchEntry, Refusal> {
    state.batch(id, now).ok_or_else(|| {
        let hint = if id.parse::<Uuid>().is_ok() {
            ""
        } else {
            " (an id is a UUID)"
        };
        Refusal::new(
            StatusCode::NOT_FOUND,
            "batch_not_found",
            format!("there is no batch {id:?}{hint}"),
        )
    })
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

/// How many chunks a pull wants: `max` and `max_chunks` mean the same.
fn max_chunks(query: Option<&str>) -> Result<usize, Refusal> {
    let mut max = None;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if name != "max" && name != "max_chunks" {
            return Err(Refusal::invalid(format!(
                "query parameter {name}: is unknown; a pull knows max and max_chunks"
            )));
        }
        let number = value.parse::<usize>().ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| {
            Refusal::invalid(format!(
                "query parameter {name}: {value:?} is no whole number from 1 up"
            ))
        })?;
        if max.is_some_and(|max| max != number) {
            return Err(Refusal::invalid(
                "query parameters max and max_chunks: they mean the same, but differ",
            ));
        }
        max = Some(number);
    }
    Ok(max.unwrap_or(100))
}

/// Reads a body, or says which part of it is wrong. `place` is where in the whole body the text stands.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8], place: &str) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        // Read once more, this time with an eye on the path, which would cost too much where nothing is wrong.
        let mut json = serde_json::Deserializer::from_slice(body);
        let path = match serde_path_to_error::deserialize::<_, T>(&mut json) {
            Err(error) => error.path().to_string(),
            Ok(_) => String::new(),
        };
        let path = if path == "." { "" } else { path.as_str() };
        let dot = if place.is_empty() || path.is_empty() {
            ""
        } else {
            "."
        };
        let problem = crate::service::plain(&error);
        match (place, path) {
            ("", "") => Refusal::invalid(format!("the body: {error}")),
            _ => Refusal::invalid(format!("{place}{dot}{path}: {problem}")),
        }
    })
}

fn json<T: Serialize>(value: &T) -> Answer {
    Ok(vec![serde_json::to_vec(value).map_err(internal)?.into()])
}

fn internal(error: serde_json::Error) -> Refusal {
    Refusal::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal_error",
        error.to_string(),
    )
}
