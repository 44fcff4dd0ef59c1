//! The requests of a run, each sent once: what to do after a failure is decided elsewhere.

use std::num::NonZeroU32;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::machine::{
    BatchState, Failure, FailureKind, Observation, PulledChunk, RequestId, RequestKind, RunId,
};
use crate::batch::{Calls, Decoding, RawPulled};
use crate::chunk::Chunk;
use crate::chunk::push_body;
use crate::error::{Error, ErrorKind, Result};
use crate::raw::types::{Batch, BatchStatus, BatchTransition, ChunkResult, CreateRequest, Status};

/// A chunk's result. Its outputs are decoded when the consumer takes it.
pub(super) type RawResult = ChunkResult<RawOutputs>;

/// Outputs as the service wrote them: JSON, unless the service is at fault.
#[derive(Debug)]
pub(super) struct RawOutputs(Box<[u8]>);

impl RawOutputs {
    pub(super) fn json(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
impl From<&[u8]> for RawOutputs {
    fn from(json: &[u8]) -> Self {
        Self(json.into())
    }
}

#[cfg(test)]
impl<'de> serde::Deserialize<'de> for RawOutputs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json: Box<RawValue> = serde::Deserialize::deserialize(deserializer)?;
        Ok(Self(json.get().as_bytes().into()))
    }
}

/// The end of a request.
pub(super) struct Response {
    pub(super) request: RequestId,
    pub(super) kind: RequestKind,
    pub(super) status: Option<Status>,
    pub(super) outcome: Result<Returned>,
}

/// What a successful request returned.
pub(super) enum Returned {
    Nothing,
    /// A new batch, by its id.
    Batch(String),
    Results {
        ours: Vec<(PulledChunk, RawResult)>,
        foreign: u64,
    },
}

/// Makes requests.
#[derive(Clone)]
pub(super) struct Requests {
    pub(super) calls: Calls,
}

impl Requests {
    pub(super) async fn create(self, request: CreateRequest) -> Result<Returned> {
        let (id, _) = self.calls.create(&request).await?;
        Ok(Returned::Batch(id))
    }

    pub(super) async fn push(self, id: Arc<str>, chunks: Vec<Chunk>) -> Result<Status> {
        let body = push_body(chunks.iter())?;
        drop(chunks);
        self.calls.push(&id, body).await
    }

    pub(super) async fn status(self, id: Arc<str>) -> Result<Status> {
        self.calls.status(&id).await
    }

    pub(super) async fn end(self, id: Arc<str>, batch_status: BatchTransition) -> Result<Batch> {
        self.calls.update(&id, batch_status).await
    }

    pub(super) async fn pull(
        self,
        id: Arc<str>,
        max: u32,
        run: RunId,
    ) -> Result<(Returned, Option<Status>)> {
        let received = self.calls.pull(&id, NonZeroU32::new(max)).await?;
        let pulled = RawPulled::decode(received.bytes(), Decoding::Lenient)
            .map_err(|error| received.undecodable(error))?;
        let (mut ours, mut foreign) = (Vec::new(), 0);
        for result in pulled.chunks {
            match result
                .id
                .as_deref()
                .and_then(|id| id.parse().ok())
                .and_then(|id| run.read(id))
            {
                Some((key, records)) => {
                    let result = result.map_outputs(|json| RawOutputs(json.into()));
                    let result = drop_null_lists(result);
                    let bytes = memory_size(&result);
                    ours.push((
                        PulledChunk {
                            key,
                            records,
                            bytes,
                        },
                        result,
                    ));
                }
                None => foreign += 1,
            }
        }
        Ok((Returned::Results { ours, foreign }, pulled.status))
    }
}

/// Drops lists of nulls.
fn drop_null_lists(mut result: RawResult) -> RawResult {
    fn not_null<T>(list: Option<Vec<Option<T>>>) -> Option<Vec<Option<T>>> {
        list.filter(|entries| entries.iter().any(Option::is_some))
    }
    result.errors = not_null(result.errors);
    result.warnings = not_null(result.warnings);
    result.process_time = not_null(result.process_time);
    result
}

/// About the memory that a result takes, in bytes.
fn memory_size(result: &RawResult) -> u64 {
    fn messages(list: Option<&Vec<Option<crate::raw::record_message::RecordMessage>>>) -> usize {
        let entries = list.map_or(&[][..], Vec::as_slice);
        size_of_val(entries)
            + entries
                .iter()
                .flatten()
                .map(|message| message.json().len())
                .sum::<usize>()
    }
    let json = |value: Option<&RawValue>| value.map_or(0, |value| value.get().len());
    let times = result
        .process_time
        .as_ref()
        .map_or(0, |times| size_of_val(times.as_slice()));
    let all = result
        .outputs
        .as_ref()
        .map_or(0, |outputs| outputs.json().len())
        + json(result.summary_output.as_deref())
        + messages(result.errors.as_ref())
        + messages(result.warnings.as_ref())
        + times
        + size_of::<RawResult>();
    all as u64
}

/// The state of the batch by a response.
pub(super) fn observation(status: &Status) -> Observation {
    let state = match status.batch_status {
        None | Some(BatchStatus::Created | BatchStatus::InProgress | BatchStatus::Unknown(_)) => {
            BatchState::Live
        }
        Some(BatchStatus::Completed) => BatchState::Completed,
        Some(BatchStatus::Closed) => BatchState::Closed,
        Some(BatchStatus::ClosedByTimeout | BatchStatus::CompletedByTimeout) => {
            BatchState::TimedOut
        }
        Some(BatchStatus::Failed) => BatchState::Failed,
        Some(BatchStatus::Cancelled) => BatchState::Cancelled,
    };
    Observation {
        state,
        chunks_available: status.chunks_available,
        chunks_submitted: status.chunks_submitted,
        records_submitted: status.submitted(),
        chunks_completed: status.chunks_completed,
        records_completed: status.records_completed,
        records_available: status.records_available,
        input_used: status.input_buffer_used_bytes,
        input_remaining: status.input_buffer_remaining_bytes,
        output_used: status.output_buffer_used_bytes,
        output_remaining: status.output_buffer_remaining_bytes,
        workers: status.workers_in_use,
    }
}

/// What a failed request means for the run.
pub(super) fn failure(kind: RequestKind, error: &Error) -> Failure {
    let meaning = match error.kind() {
        ErrorKind::NotFound => FailureKind::Gone,
        ErrorKind::TooLarge => FailureKind::TooLarge,
        ErrorKind::Refused if kind == RequestKind::Push && error.is_payload_too_large() => {
            FailureKind::TooLarge
        }
        ErrorKind::Refused | ErrorKind::State => FailureKind::Refused,
        _ if error.may_have_been_processed() => FailureKind::Unknown,
        ErrorKind::RateLimited => FailureKind::Busy,
        ErrorKind::Service if error.status().is_some() => FailureKind::Busy,
        // No connection, or no token for now.
        _ if error.is_transient() => FailureKind::NotSent,
        ErrorKind::Unauthorized
        | ErrorKind::Forbidden
        | ErrorKind::Config
        | ErrorKind::Input
        | ErrorKind::Redirect => FailureKind::Fatal,
        _ => FailureKind::Unknown,
    };
    Failure {
        kind: meaning,
        responded: error.status().is_some() && !is_something_else(error),
        retry_after: error.retry_after(),
    }
}

/// Whether what responded is not the service: success, but content that the service never has, such
/// as a page to log in.
fn is_something_else(error: &Error) -> bool {
    let is_success = error
        .status()
        .is_some_and(|status| (200..300).contains(&status));
    is_success && error.kind() == ErrorKind::Decode
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;

    #[test]
    fn failures_and_what_they_mean() {
        let with = |kind, status: u16, is_transient, taken| {
            Error::new(kind, "x")
                .with_status(StatusCode::from_u16(status).unwrap())
                .with_transient(is_transient)
                .with_may_have_been_processed(taken)
        };
        let table = [
            (
                RequestKind::Push,
                with(ErrorKind::Unauthorized, 401, false, false),
                FailureKind::Fatal,
            ),
            (
                RequestKind::Push,
                with(ErrorKind::Forbidden, 403, false, false),
                FailureKind::Fatal,
            ),
            (
                RequestKind::Pull,
                with(ErrorKind::NotFound, 404, false, false),
                FailureKind::Gone,
            ),
            (
                RequestKind::Pull,
                with(ErrorKind::NotFound, 410, false, false),
                FailureKind::Gone,
            ),
            (
                RequestKind::Push,
                with(ErrorKind::Refused, 400, false, false),
                FailureKind::Refused,
            ),
            (
                RequestKind::Push,
                with(ErrorKind::Refused, 409, false, false),
                FailureKind::Refused,
            ),
            (
                RequestKind::Push,
                with(ErrorKind::Refused, 413, false, false),
                FailureKind::TooLarge,
            ),
            (
                RequestKind::Push,
                with(ErrorKind::Refused, 422, false, false),
                FailureKind::Refused,
            ),
            (
                RequestKind::Push,
                with(ErrorKind::Timeout, 408, true, true),
                FailureKind::Unknown,
            ),
            (
                RequestKind::Push,
                with(ErrorKind::RateLimited, 429, true, false),
                FailureKind::Busy,
            ),
            (
                RequestKind::Push,
                with(ErrorKind::Service, 500, true, true),
                FailureKind::Unknown,
            ),
            (
                RequestKind::Push,
                with(ErrorKind::Service, 503, true, false),
                FailureKind::Busy,
            ),
            (
                RequestKind::Push,
                with(ErrorKind::Service, 504, true, true),
                FailureKind::Unknown,
            ),
            (
                RequestKind::Push,
                with(ErrorKind::Decode, 200, true, true),
                FailureKind::Unknown,
            ),
            (
                RequestKind::Pull,
                with(ErrorKind::TooLarge, 200, false, true),
                FailureKind::TooLarge,
            ),
            (
                RequestKind::Push,
                Error::new(ErrorKind::Connect, "x").with_transient(true),
                FailureKind::NotSent,
            ),
            (
                RequestKind::Push,
                Error::new(ErrorKind::Interrupted, "x")
                    .with_transient(true)
                    .with_may_have_been_processed(true),
                FailureKind::Unknown,
            ),
            (
                RequestKind::Push,
                Error::new(ErrorKind::Service, "no access token").with_transient(true),
                FailureKind::NotSent,
            ),
            (
                RequestKind::Push,
                Error::new(ErrorKind::Unauthorized, "no access token"),
                FailureKind::Fatal,
            ),
            (
                RequestKind::Status,
                Error::input("bad id"),
                FailureKind::Fatal,
            ),
        ];
        for (op, error, expected) in table {
            assert_eq!(failure(op, &error).kind, expected, "{error:?}");
        }
        for (error, expected) in [
            (with(ErrorKind::Decode, 200, true, true), false),
            (with(ErrorKind::Interrupted, 200, true, true), true),
            (with(ErrorKind::TooLarge, 200, false, true), true),
            (with(ErrorKind::Service, 503, true, false), true),
            (Error::new(ErrorKind::Connect, "x"), false),
        ] {
            let failure = failure(RequestKind::Create, &error);
            assert_eq!(failure.responded, expected, "{error:?}");
        }
        let error = with(ErrorKind::RateLimited, 429, true, false)
            .with_retry_after(Some(Duration::from_secs(3)));
        assert_eq!(
            failure(RequestKind::Push, &error).retry_after,
            Some(Duration::from_secs(3))
        );
    }
}
