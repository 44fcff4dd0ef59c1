//! A `tracing` span for each call, and events for retries and token renewals.
//!
//! The fields have the names of OpenTelemetry's conventions for HTTP. Bodies and credentials are
//! never recorded.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use reqwest::Request;
use tracing::field::Empty;
use tracing::{Instrument, Span, debug, info, info_span};

use super::attempt::AttemptFailure;
use super::call::CallContext;
use crate::error::{Error, ErrorKind};

const TARGET: &str = "cspark_batches";

/// The span of one call with all its attempts.
pub(super) struct CallSpan(Span);

impl CallSpan {
    pub(super) fn new(context: &CallContext, request: &Request) -> Self {
        let url = request.url();
        // Without the query, which may hold private data.
        let full = format!("{}{}", url.origin().ascii_serialization(), url.path());
        let sent = request
            .body()
            .and_then(reqwest::Body::as_bytes)
            .map_or(0, <[u8]>::len);
        Self(info_span!(
            target: TARGET,
            "cspark.call",
            otel.name = %format_args!("{} {}", request.method(), context.operation()),
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = request.method().as_str(),
            http.request.body.size = sent,
            http.request.resend_count = Empty,
            http.response.status_code = Empty,
            http.response.body.size = Empty,
            url.full = full,
            server.address = url.host_str(),
            server.port = url.port_or_known_default(),
            error.r#type = Empty,
            cspark.operation = context.operation().as_str(),
            cspark.batch.id = context.batch_id(),
            cspark.request.id = Empty,
            cspark.duration_ms = Empty,
        ))
    }

    pub(super) fn instrument<F: Future>(
        &self,
        future: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        future.instrument(self.0.clone())
    }

    pub(super) fn retries(&self, failure: &AttemptFailure, context: &CallContext, wait: Duration) {
        let status = failure.status().map(|status| status.as_u16());
        debug!(
            target: TARGET,
            parent: &self.0,
            {
                http.request.resend_count = context.attempts(),
                http.response.status_code = status,
                error.r#type = error_type(failure.cause.kind(), status),
                cspark.request.id = context.last_request_id().as_deref(),
                cspark.wait_ms = millis(wait),
            },
            "an attempt failed, another follows"
        );
    }

    pub(super) fn renews(&self) {
        info!(target: TARGET, parent: &self.0, "the token was refused, a fresh one is obtained");
    }

    pub(super) fn ended(&self, context: &CallContext, result: Result<&Response<Bytes>, &Error>) {
        let span = &self.0;
        span.record(
            "http.request.resend_count",
            context.attempts().saturating_sub(1),
        );
        span.record("cspark.request.id", context.last_request_id().as_deref());
        span.record("cspark.duration_ms", millis(context.elapsed()));
        let status = match result {
            Ok(response) => Some(response.status().as_u16()),
            Err(error) => error.status(),
        };
        if let Some(status) = status {
            span.record("http.response.status_code", status);
        }
        match result {
            Ok(response) => {
                span.record("http.response.body.size", response.body().len());
                debug!(target: TARGET, parent: span, "answered");
            }
            Err(error) => {
                let kind = error_type(error.kind(), status);
                span.record("otel.status_code", "ERROR");
                span.record("error.type", kind.as_str());
                debug!(target: TARGET, parent: span, { error.r#type = kind }, "failed");
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The status if it is the reason, else the kind.
fn error_type(kind: ErrorKind, status: Option<u16>) -> String {
    match status.filter(|status| *status >= 400) {
        Some(status) => status.to_string(),
        None => format!("{kind:?}"),
    }
}
