//! One call: what it is about, and what has happened to it so far.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::attempt::AttemptFailure;
use super::retry::{Cause, Idempotency};
use crate::error::{Error, ErrorKind};
use crate::operation::Operation;
use crate::redact::Redactor;

/// A call of the API, which may take several attempts.
///
/// The log of the attempts stays readable when the future of the call is dropped because its time
/// ran out.
#[derive(Debug)]
pub(crate) struct CallContext {
    operation: Operation,
    batch_id: Option<String>,
    idempotency: Idempotency,
    extra_fields: Map<String, Value>,
    started: Instant,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    request_ids: Vec<String>,
    in_flight: bool,
    may_have_been_processed: bool,
    /// The status and `Retry-After` of the last response.
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
    error: Option<Error>,
}

impl CallContext {
    pub(crate) fn new(operation: Operation) -> Self {
        Self {
            operation,
            batch_id: None,
            idempotency: Idempotency::of(operation),
            extra_fields: Map::new(),
            started: Instant::now(),
            log: Mutex::default(),
        }
    }

    pub(crate) fn with_batch(mut self, id: impl Into<String>) -> Self {
        self.batch_id = Some(id.into());
        self
    }

    pub(crate) fn with_idempotency(mut self, idempotency: Idempotency) -> Self {
        self.idempotency = idempotency;
        self
    }

    /// Fields that the JSON object in the body gets besides its own, or instead of them.
    pub(crate) fn extra_fields(mut self, fields: Map<String, Value>) -> Self {
        self.extra_fields = fields;
        self
    }

    /// The body with the extra fields. `None` if it stays as it is.
    pub(super) fn extended(&self, body: &[u8]) -> Option<Vec<u8>> {
        if self.extra_fields.is_empty() {
            return None;
        }
        let mut fields: Map<String, Value> = serde_json::from_slice(body).ok()?;
        fields.extend(self.extra_fields.clone());
        serde_json::to_vec(&fields).ok()
    }

    pub(super) fn operation(&self) -> Operation {
        self.operation
    }

    pub(super) fn batch_id(&self) -> Option<&str> {
        self.batch_id.as_deref()
    }

    pub(super) fn idempotency(&self) -> Idempotency {
        self.idempotency
    }

    /// Whether the body of a 2xx response has to be JSON for the attempt to count as successful.
    ///
    /// A pull is the exception: the service no longer has its results, so the caller gets the body
    /// as it is.
    pub(super) fn expects_json(&self) -> bool {
        self.operation != Operation::Pull
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn attempts(&self) -> u32 {
        u32::try_from(self.log().request_ids.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn last_request_id(&self) -> Option<String> {
        self.log().request_ids.last().cloned()
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn attempt_started(&self, request_id: &str) {
        let mut log = self.log();
        log.request_ids.push(request_id.to_owned());
        log.in_flight = true;
        log.status = None;
        log.retry_after = None;
    }

    pub(super) fn attempt_succeeded(&self, status: StatusCode) {
        let mut log = self.log();
        log.in_flight = false;
        log.status = Some(status);
    }

    pub(super) fn attempt_failed(&self, failure: &AttemptFailure) {
        let mut log = self.log();
        log.in_flight = false;
        log.status = failure.status();
        log.retry_after = failure.cause.retry_after();
        log.may_have_been_processed |= failure.cause.may_have_been_processed();
    }

    /// Keeps the error of the call while the generated client returns, which can't carry it.
    pub(super) fn store_error(&self, error: Error) {
        self.log().error = Some(error);
    }

    pub(super) fn take_error(&self) -> Option<Error> {
        self.log().error.take()
    }

    /// Adds what is known of the call to an error.
    pub(super) fn complete(&self, error: Error) -> Error {
        let log = self.log();
        let mut error = error
            .with_operation(self.operation)
            .with_attempts(log.request_ids.clone(), self.elapsed())
            .with_retry_after(log.retry_after)
            .with_may_have_been_processed(log.may_have_been_processed);
        if let Some(id) = &self.batch_id {
            error = error.with_batch(id);
        }
        if let Some(status) = log.status {
            error = error.with_status(status);
        }
        error
    }

    /// The error of a call whose last attempt failed.
    pub(super) fn failed(&self, failure: AttemptFailure, redactor: &Redactor) -> Error {
        let message = redactor.redact(&failure.message).into_owned();
        let mut error =
            Error::new(failure.cause.kind(), message).with_transient(failure.cause.is_transient());
        if let Some(response) = &failure.response {
            // The body of a successful token request may hold a token that is not masked yet.
            if self.operation != Operation::Token || !response.status().is_success() {
                error = error.with_body_excerpt(&redactor.redact_body(response.body()));
            }
        }
        if let Some(source) = failure.source {
            error = error.with_root_cause(source);
        }
        self.complete(error)
    }

    /// The error of a call that took longer than the time allowed for it.
    pub(super) fn timed_out(&self, limit: Duration) -> Error {
        {
            let mut log = self.log();
            log.may_have_been_processed |= log.in_flight;
        }
        let message = format!("the call took longer than {} s", limit.as_secs_f64());
        self.complete(Error::new(ErrorKind::Timeout, message).with_transient(true))
    }

    /// The error of a call whose 2xx response can't be decoded.
    pub(super) fn undecodable(&self, error: Error) -> Error {
        self.log().may_have_been_processed |= Cause::Malformed.may_have_been_processed();
        self.complete(error)
    }
}
