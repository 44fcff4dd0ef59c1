//! The error that a run ends with.

use std::collections::BTreeMap;

use super::machine::{Ending, RequestKind, Totals};
use crate::error::{Error, ErrorKind};
use crate::raw::types::BatchStatus;

/// The error that the run ends with, unless it did all that was asked of it.
pub(super) fn of_run(
    totals: &Totals,
    batch: Option<&str>,
    failures: &BTreeMap<RequestKind, Error>,
    source: Option<Error>,
    first_failure: Option<&str>,
) -> Option<Error> {
    let unfinished: u64 = totals
        .unfinished
        .iter()
        .map(|(records, _)| records.end - records.start)
        .sum();
    let of_batch = batch.map_or_else(String::new, |batch| format!(" of batch {batch}"));
    let ended = |kind, why: &str| Error::new(kind, format!("the run{of_batch} ended: {why}"));
    let of_request = |kind: RequestKind, what: &str| match failures.get(&kind) {
        Some(last) => ended(last.kind(), &format!("{what}: {last}"))
            .with_cause(last.clone())
            .with_transient(last.is_transient())
            .with_retry_after(last.retry_after()),
        None => ended(ErrorKind::Unfinished, what),
    };
    let error = match totals.ending? {
        Ending::Cancelled => return None,
        Ending::Complete if unfinished == 0 => return None,
        Ending::Complete => ended(
            ErrorKind::Unfinished,
            &format!("{unfinished} records have no result; the summary lists the reasons"),
        ),
        Ending::SourceFailed => match source {
            Some(error) => return Some(error),
            None => Error::input("the source of the records failed"),
        },
        Ending::SourceTooShort { records, expected } => ended(
            ErrorKind::Input,
            &format!(
                "the input has {records} records, and the run that it resumes has read {expected}; \
                 resume it with the same input"
            ),
        ),
        Ending::Denied(kind) => {
            of_request(kind, "the service rejected the credentials, or they do not permit the request")
        }
        Ending::NotFound(kind) => {
            of_request(kind, "the batch, the service or the tenant was not found")
        }
        Ending::Outage(kind) => {
            of_request(kind, "requests failed for longer than the outage limit")
        }
        Ending::Unreachable(kind) => of_request(
            kind,
            "the service has not responded even once; check the base URL, the network and the proxy",
        ),
        Ending::Stalled => ended(
            ErrorKind::Stalled,
            &format!(
                "the service made no progress for longer than the stall limit; {unfinished} \
                 records are outstanding{}",
                first(totals)
            ),
        )
        .with_transient(true),
        Ending::TooManyFailures { limit } => ended(
            ErrorKind::Unfinished,
            &format!(
                "{} records have no output, and the failure limit is {limit}{}",
                totals.without_output(),
                for_example(first_failure)
            ),
        ),
        Ending::Unreadable => ended(
            ErrorKind::Decode,
            &format!(
                "no output of the first chunk can be read as the output type{}; \
                 `allow_unreadable_outputs` goes on nevertheless",
                for_example(first_failure)
            ),
        ),
        Ending::BatchFailed => ended(ErrorKind::BatchEnded, "the batch failed"),
        Ending::BatchCancelled => ended(ErrorKind::BatchEnded, "somebody else cancelled the batch"),
        Ending::BatchClosed => ended(
            ErrorKind::BatchEnded,
            "somebody else closed the batch before everything was pushed",
        ),
        Ending::BatchTimedOut => ended(
            ErrorKind::BatchEnded,
            "the service closed the batch, and the run may not open another",
        ),
        Ending::Refused(key) => of_request(
            RequestKind::Push,
            &format!(
                "the service refused the chunk that begins with record {key}, and not for lack of room"
            ),
        )
        .with_kind(ErrorKind::Refused),
        Ending::Oversized {
            key,
            bytes,
            capacity,
        } => ended(
            ErrorKind::Input,
            &format!(
                "the chunk that begins with record {key} has {bytes} bytes, and the whole input \
                 buffer {capacity}; make smaller chunks, or let the run split them"
            ),
        ),
    };
    Some(match batch {
        Some(batch) => error.with_batch(batch),
        None => error,
    })
}

fn for_example(failure: Option<&str>) -> String {
    failure.map_or_else(String::new, |failure| format!(": {failure}"))
}

/// The first of the outstanding records.
fn first(totals: &Totals) -> String {
    totals
        .unfinished
        .first()
        .map_or_else(String::new, |(records, _)| {
            format!(", the first of them number {}", records.start)
        })
}

/// The state of the batch after a run that closed it.
pub(super) fn batch_status(totals: &Totals) -> BatchStatus {
    match totals.ending {
        Some(Ending::BatchCancelled | Ending::Cancelled) => BatchStatus::Cancelled,
        _ => BatchStatus::Closed,
    }
}
