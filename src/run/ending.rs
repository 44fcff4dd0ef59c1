//! What the end of a run means for its user.

use std::collections::BTreeMap;

use super::machine::{Account, Ending, Op};
use crate::error::{Error, ErrorKind};
use crate::raw::types::BatchStatus;

/// The error that the run ends with, if it does.
pub(super) fn error(
    account: &Account,
    batch: Option<&str>,
    errors: &BTreeMap<Op, Error>,
    source: Option<Error>,
) -> Option<Error> {
    let unfinished: u64 = account
        .unfinished
        .iter()
        .map(|(records, _)| records.end - records.start)
        .sum();
    let of_batch = batch.map_or_else(String::new, |batch| format!(" of batch {batch}"));
    let ended = |kind, why: &str| Error::new(kind, format!("the run{of_batch} ended: {why}"));
    let of_request = |op: &Op, what: &str| {
        let last = errors.get(op);
        let kind = last.map_or(ErrorKind::Unfinished, Error::kind);
        let error = match last {
            Some(last) => ended(kind, &format!("{what}: {last}")).with_source(last.clone()),
            None => ended(kind, what),
        };
        let error = error.with_transient(last.is_some_and(Error::is_transient));
        error.with_retry_after(last.and_then(Error::retry_after))
    };
    let error = match account.ending? {
        Ending::Cancelled => return None,
        Ending::Complete if unfinished == 0 => return None,
        Ending::Complete => ended(
            ErrorKind::Unfinished,
            &format!("{unfinished} records came to no result; the summary lists them with the reasons"),
        ),
        Ending::SourceFailed => match source {
            Some(error) => return Some(error),
            None => Error::input("the source of the records failed"),
        },
        Ending::Denied(op) => of_request(&op, "it is not allowed to go on"),
        Ending::NotFound(op) => of_request(&op, "what it works with is not there"),
        Ending::Outage(op) => of_request(&op, "requests failed for longer than its outage limit"),
        Ending::Stalled => ended(
            ErrorKind::Stalled,
            &format!(
                "no progress for longer than its stall limit, with {unfinished} records outstanding{}",
                first(account)
            ),
        )
        .with_transient(true),
        Ending::BatchFailed => ended(ErrorKind::BatchEnded, "the batch failed"),
        Ending::BatchCancelled => ended(ErrorKind::BatchEnded, "somebody else cancelled the batch"),
        Ending::BatchClosed => ended(ErrorKind::BatchEnded, "somebody else closed the batch, and there is more to push"),
        Ending::BatchTimedOut => ended(ErrorKind::BatchEnded, "the system closed the batch, and the run may open no other"),
        Ending::Refused(key) => {
            let last = errors.get(&Op::Push);
            let why = last.map(|error| format!(": {error}")).unwrap_or_default();
            let text = format!("the service refused the chunk that begins with record {key}, though it fits{why}");
            let error = ended(ErrorKind::Refused, &text);
            match last {
                Some(last) => error.with_source(last.clone()),
                None => error,
            }
        }
        Ending::Oversized { key, bytes, capacity } => ended(
            ErrorKind::Input,
            &format!(
                "the chunk that begins with record {key} has {bytes} bytes, and the whole input buffer {capacity}; make \
                 smaller chunks, or let the run split them"
            ),
        ),
    };
    Some(match batch {
        Some(batch) => error.with_batch(batch),
        None => error,
    })
}

/// Where what is outstanding begins.
fn first(account: &Account) -> String {
    account
        .unfinished
        .first()
        .map_or_else(String::new, |(records, _)| {
            format!(", the first of them number {}", records.start)
        })
}

/// The state of the batch after a run that closed it.
pub(super) fn status(account: &Account) -> BatchStatus {
    match account.ending {
        Some(Ending::BatchCancelled | Ending::Cancelled) => BatchStatus::Cancelled,
        _ => BatchStatus::Closed,
    }
}
