//! The operations on chunks: push and pull.

use std::collections::HashSet;

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::value::RawValue;

use super::{Outcome, find, internal, json, read};
use crate::Operation;
use crate::compute::{Inputs, Job, compute};
use crate::engine::{Batch, Chunk, Phase, Refused};
use crate::faults::Tampering;
use crate::refusal::Refusal;
use crate::responses::batch_status;
use crate::settings::RepeatedIds;
use crate::shapes::NothingToPull;
use crate::state::Shared;
use crate::strictness::{Habit, Mistakes};
use crate::wire::{self, Object};

impl Shared {
    pub(crate) fn push(
        &self,
        id: &str,
        body: &str,
        tampering: Tampering,
        mistakes: &mut Mistakes,
    ) -> Outcome {
        let Object(push): Object<wire::Push<'_>> = read(body, "")?;
        let chunks = read_chunks(&push)?;
        let inputs = read_inputs(&chunks, mistakes)?;
        let offered = || {
            chunks
                .iter()
                .map(|(chunk, weight)| (chunk.id.as_ref(), *weight))
        };

        // Checked before the work, so that a refusal costs little. The second check, after it,
        // counts.
        let job = {
            let mut state = self.lock();
            let shapes = state.shapes.clone();
            let entry = find(&mut state, id, self.clock.now())?;
            entry.batch.touch();
            self.admit(&entry.batch, offered())?;
            Job {
                service: entry.service.service.clone(),
                shapes,
                selected: entry.selected.clone(),
                time_per_record: self.settings.time_per_record,
            }
        };
        let mut computed = self.compute_all(&chunks, &inputs, &job)?;
        self.with_batch(id, |writer, entry| {
            let batch = &mut entry.batch;
            let mut accepted = self.admit(batch, offered())?.into_iter();
            computed.retain(|_| accepted.next().unwrap_or(false));
            let pushed = if tampering.lose_chunks {
                batch.lose(&computed)
            } else {
                batch.push(computed)
            };
            pushed.map_err(|refused| self.refused(batch, refused))?;
            json(&writer.status(entry, Operation::Push))
        })
    }

    pub(crate) fn pull(&self, id: &str, query: Option<&str>, tampering: Tampering) -> Outcome {
        let max = max_chunks(query)?;
        self.with_batch(id, |writer, entry| {
            let batch = &mut entry.batch;
            if matches!(batch.phase(), Phase::Cancelled | Phase::Failed) {
                return Err(Refusal::conflict(format!(
                    "the batch is {}: its results are gone",
                    batch_status(batch)
                )));
            }
            batch.touch();
            let mut pulled = batch.pull(max);
            if tampering.repeat_results {
                batch.put_back(pulled.clone());
            }
            if tampering.double_results {
                pulled.extend_from_within(..);
            }
            let status =
                serde_json::to_vec(&writer.status(entry, Operation::Pull)).map_err(internal)?;
            Ok(pull_response(pulled, status, writer.shapes.nothing_to_pull))
        })
    }

    fn compute_all(
        &self,
        chunks: &[(wire::Chunk<'_>, u64)],
        inputs: &[Inputs<'_>],
        job: &Job,
    ) -> Result<Vec<Chunk>, Refusal> {
        let no_summary = wire::Summary::default();
        let mut computed = Vec::with_capacity(chunks.len());
        for (index, ((chunk, weight), inputs)) in chunks.iter().zip(inputs).enumerate() {
            let summary = chunk
                .data
                .0
                .summary
                .as_ref()
                .map_or(&no_summary, |Object(summary)| summary);
            let done =
                compute(&chunk.id, inputs, summary, job).map_err(|problem| at(index, &problem))?;
            let records = u32::try_from(inputs.len()).unwrap_or(u32::MAX);
            let work = self.settings.time_per_record.saturating_mul(records);
            let work = work.saturating_add(done.extra_time);
            computed.push(Chunk {
                id: chunk.id.clone().into_owned(),
                records: inputs.len(),
                failed: done.failed,
                weight: *weight,
                result: done.result,
                work: work.saturating_add(self.settings.time_per_chunk),
            });
        }
        Ok(computed)
    }

    /// Which of these chunks, given by id and bytes, a push accepts now.
    fn admit<'a>(
        &self,
        batch: &Batch,
        chunks: impl Iterator<Item = (&'a str, u64)>,
    ) -> Result<Vec<bool>, Refusal> {
        if batch.phase() != Phase::Open {
            return Err(self.refused(batch, Refused::Ended));
        }
        let policy = self.settings.repeated_ids;
        let mut seen = HashSet::new();
        let mut weight = 0;
        let mut accepted = Vec::new();
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
            accepted.push(!repeated);
            weight += if repeated { 0 } else { weighs };
        }
        batch
            .admits(weight)
            .map_err(|refused| self.refused(batch, refused))?;
        Ok(accepted)
    }

    fn refused(&self, batch: &Batch, refused: Refused) -> Refusal {
        match refused {
            Refused::Ended => Refusal::conflict(format!(
                "the batch is {}: it accepts no more chunks",
                batch_status(batch)
            )),
            Refused::Full { needed, remaining } => Refusal::new(
                StatusCode::from_u16(self.settings.full_status)
                    .unwrap_or(StatusCode::UNPROCESSABLE_ENTITY),
                "input_buffer_full",
                format!(
                    "the chunks need {needed} bytes, but the input buffer has {remaining} bytes left; no chunk was accepted"
                ),
            ),
        }
    }
}

/// The chunks of a push, each with the length of its text.
fn read_chunks<'a>(push: &wire::Push<'a>) -> Result<Vec<(wire::Chunk<'a>, u64)>, Refusal> {
    if push.chunks.is_empty() {
        return Err(Refusal::invalid(
            "chunks: is empty; a push needs at least one chunk",
        ));
    }
    let read = |(index, text): (usize, &&'a RawValue)| {
        let Object(chunk): Object<wire::Chunk<'a>> = read(text.get(), &format!("chunks[{index}]"))?;
        if chunk.id.trim().is_empty() {
            return Err(at(
                index,
                "id: is empty; every chunk needs an id of its own",
            ));
        }
        Ok((chunk, text.get().len() as u64))
    };
    push.chunks.iter().enumerate().map(read).collect()
}

/// Reads the records of the chunks, as far as the API forbids something about them.
fn read_inputs<'a>(
    chunks: &'a [(wire::Chunk<'a>, u64)],
    mistakes: &mut Mistakes,
) -> Result<Vec<Inputs<'a>>, Refusal> {
    let mut all = Vec::with_capacity(chunks.len());
    for (index, (chunk, _)) in chunks.iter().enumerate() {
        let inputs = Inputs::new(&chunk.data.0).map_err(|problem| at(index, &problem))?;
        let (records, size) = (inputs.len(), chunk.size);
        let header_counted = inputs.counts_header(size);
        if records == 0 {
            let problem = at(index, "data.inputs: holds a header row and no records");
            mistakes.judge(problem, Habit::OfficialSdks)?;
        }
        if records != size {
            let problem = format!(
                "size: is {size}, but inputs holds {records} records (the header row does not count)"
            );
            let habit = if header_counted {
                Habit::OfficialSdks
            } else {
                Habit::Nobody
            };
            mistakes.judge(at(index, &problem), habit)?;
        }
        all.push(inputs);
    }
    Ok(all)
}

/// Something is wrong with a chunk.
fn at(index: usize, problem: &str) -> Refusal {
    Refusal::invalid(format!("chunks[{index}].{problem}"))
}

/// The body of the response to a pull. The results are sent as they are, without a copy.
fn pull_response(pulled: Vec<Chunk>, status: Vec<u8>, nothing: NothingToPull) -> Vec<Bytes> {
    let (head, tail): (&'static [u8], &'static [u8]) = match nothing {
        NothingToPull::BareStatus if pulled.is_empty() => return vec![status.into()],
        NothingToPull::Absent if pulled.is_empty() => (b"{", b"\"status\":"),
        NothingToPull::Null if pulled.is_empty() => (b"{\"data\":null", b",\"status\":"),
        _ => (b"{\"data\":[", b"],\"status\":"),
    };
    let mut parts = Vec::with_capacity(pulled.len() * 2 + 4);
    parts.push(Bytes::from_static(head));
    for (index, chunk) in pulled.into_iter().enumerate() {
        if index > 0 {
            parts.push(Bytes::from_static(b","));
        }
        parts.push(chunk.result);
    }
    parts.push(Bytes::from_static(tail));
    parts.push(status.into());
    parts.push(Bytes::from_static(b"}"));
    parts
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
                "query parameter {name}: {value:?} is not a whole number from 1 up"
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
