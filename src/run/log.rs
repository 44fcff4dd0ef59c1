//! The log events of a run. Its requests have spans of their own.
//!
//! The module documentation of [`run`](super) lists them for users.

use std::time::Duration;

use super::machine::{Ending, Machine, RequestKind};
use crate::error::Error;

const TARGET: &str = "cspark_batches";

pub(super) fn batch_created(batch: &str) {
    tracing::info!(target: TARGET, { cspark.batch.id = batch }, "the run has a new batch");
}

/// A request failed. The first failure in a row is worth a warning, since the run now waits.
pub(super) fn request_failed(kind: RequestKind, batch: Option<&str>, first: bool, error: &Error) {
    let operation = operation(kind);
    if first {
        tracing::warn!(
            target: TARGET,
            { cspark.operation = operation, cspark.batch.id = batch, error = %error },
            "requests of the run fail, and are repeated"
        );
    } else {
        tracing::debug!(
            target: TARGET,
            { cspark.operation = operation, cspark.batch.id = batch, error = %error },
            "a request of the run failed again"
        );
    }
}

pub(super) fn requests_work(kind: RequestKind, batch: Option<&str>, failed_for: Duration) {
    let millis = u64::try_from(failed_for.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(
        target: TARGET,
        {
            cspark.operation = operation(kind),
            cspark.batch.id = batch,
            cspark.duration_ms = millis,
        },
        "requests of the run work again"
    );
}

/// The end of the run: an error if it failed, a warning if records failed or are unfinished.
pub(super) fn ended(machine: &Machine, batch: Option<&str>, error: Option<&Error>) {
    let totals = machine.totals();
    let failed = totals.without_output();
    macro_rules! event {
        ($level:ident, $text:literal $(, $error:ident)?) => {
            tracing::$level!(
                target: TARGET,
                {
                    cspark.batch.id = batch,
                    cspark.records.read = totals.read.records,
                    cspark.records.delivered = totals.delivered.records,
                    cspark.records.failed = failed,
                    cspark.resubmissions = totals.resubmissions,
                    $(error = %$error,)?
                },
                $text
            )
        };
    }
    match (error, totals.ending) {
        (Some(error), _) => event!(error, "the run ended with an error", error),
        (None, Some(Ending::Complete)) if failed == 0 => event!(info, "the run is complete"),
        (None, Some(Ending::Complete)) => {
            event!(warn, "the run is complete, and some records failed");
        }
        (None, _) => event!(warn, "the run was cancelled"),
    }
}

/// The run was dropped, and with it the task that would close the batch.
pub(super) fn dropped(batch: &str) {
    tracing::warn!(
        target: TARGET,
        { cspark.batch.id = batch },
        "the run was dropped before its end; the batch stays open until it is idle for too long"
    );
}

fn operation(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::Create => "create",
        RequestKind::Push => "push",
        RequestKind::Pull => "pull",
        RequestKind::Status => "status",
        RequestKind::End => "close",
    }
}
