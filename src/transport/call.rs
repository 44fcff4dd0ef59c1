//! One call: what is asked, and what happened to it so far.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::attempt::Failure;
use super::retry::{Outcome, Repeat};
use crate::error::{Error, ErrorKind};
use crate::operation::Operation;
use crate::redact::Redactor;

/// What is asked of the transport.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    pub(crate) batch_id: Option<String>,
    pub(crate) repeat: Repeat,
}

impl Call {
    pub(crate) fn new(operation: Operation) -> Self {
        Self {
            operation,
            batch_id: None,
            repeat: Repeat::default_for(operation),
        }
    }

    pub(crate) fn batch(mut self, id: impl Into<String>) -> Self {
        self.batch_id = Some(id.into());
        self
    }

    /// For callers that know more than the operation's name: a push of chunks that may be
    /// computed twice, or a create that must not be repeated at all.
    pub(crate) fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// Whether a 2xx answer must be JSON to count as one.
    ///
    /// Not for a pull: its results exist nowhere else once they are sent, so they are handed up
    /// as they are.
    pub(super) fn wants_json(&self) -> bool {
        self.operation != Operation::Pull
    }
}

/// What happened so far. Shared with the hooks, and readable when the call's future was dropped
/// because time ran out.
#[derive(Debug)]
pub(crate) struct CallLog {
    started: Instant,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    request_ids: Vec<String>,
    in_flight: bool,
    may_have_been_processed: bool,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
    failure: Option<Error>,
}

impl CallLog {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            entries: Mutex::default(),
        }
    }

    #[cfg_attr(
        not(feature = "tracing"),
        allow(dead_code, reason = "told to logs only")
    )]
    pub(super) fn last_request_id(&self) -> Option<String> {
        self.entries().request_ids.last().cloned()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    #[cfg_attr(
        not(feature = "tracing"),
        allow(dead_code, reason = "told to logs only")
    )]
    pub(super) fn attempts(&self) -> u32 {
        u32::try_from(self.entries().request_ids.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn attempt_starts(&self, request_id: &str) {
        let mut entries = self.entries();
        entries.request_ids.push(request_id.to_owned());
        entries.in_flight = true;
        entries.status = None;
        entries.retry_after = None;
    }

    pub(super) fn attempt_succeeded(&self, status: StatusCode) {
        let mut entries = self.entries();
        entries.in_flight = false;
        entries.status = Some(status);
    }

    pub(super) fn attempt_failed(&self, failure: &Failure) {
        let mut entries = self.entries();
        entries.in_flight = false;
        entries.status = failure.status;
        entries.retry_after = failure.outcome.retry_after();
        entries.may_have_been_processed |= failure.outcome.may_have_been_processed();
    }

    /// Leaves the error for whoever made the call; the generated code in between can't carry it.
    pub(super) fn leave(&self, error: Error) {
        self.entries().failure = Some(error);
    }

    pub(super) fn take_failure(&self) -> Option<Error> {
        self.entries().failure.take()
    }

    /// Adds what is known of the call to an error.
    pub(crate) fn complete(&self, error: Error, call: &Call) -> Error {
        let entries = self.entries();
        let mut error = error
            .with_operation(call.operation)
            .with_attempts(entries.request_ids.clone(), self.elapsed())
            .with_retry_after(entries.retry_after)
            .with_may_have_been_processed(entries.may_have_been_processed);
        if let Some(id) = &call.batch_id {
            error = error.with_batch(id);
        }
        if let Some(status) = entries.status {
            error = error.with_status(status);
        }
        error
    }

    /// The error for the last attempt.
    pub(super) fn failed(&self, failure: Failure, call: &Call, redactor: &Redactor) -> Error {
        let message = redactor.redact(&failure.message).into_owned();
        let mut error =
            Error::new(failure.outcome.kind(), message).with_transient(failure.outcome.can_pass());
        // A token request that went well may hold a token that nobody knows to mask.
        let granted = failure.status.is_some_and(|status| status.is_success());
        if call.operation != Operation::Token || !granted {
            error = error.with_body_excerpt(&redactor.redact_body(&failure.body));
        }
        let error = match failure.source {
            Some(source) => error.with_source(source),
            None => error,
        };
        self.complete(error, call)
    }

    /// The error for a call that took longer than a call may.
    pub(super) fn out_of_time(&self, limit: Duration, call: &Call) -> Error {
        {
            let mut entries = self.entries();
            entries.may_have_been_processed |= entries.in_flight;
        }
        let error = Error::new(
            ErrorKind::Timeout,
            format!(
                "the call took longer than the {} s that it may take",
                limit.as_secs_f64()
            ),
        );
        self.complete(error.with_transient(true), call)
    }

    /// The error for a 2xx answer that does not hold what it should.
    pub(super) fn undecodable(&self, error: Error, call: &Call) -> Error {
        self.entries().may_have_been_processed |= Outcome::Malformed.may_have_been_processed();
        self.complete(error, call)
    }
}
