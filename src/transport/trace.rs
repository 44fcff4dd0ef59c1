//! What the `tracing` feature tells: a span for each call, events for retries and renewals, in
//! OpenTelemetry's names for HTTP. Never bodies, never credentials. Without the feature all of
//! this is empty and costs nothing.

#[cfg(feature = "tracing")]
pub(super) use on::CallSpan;

#[cfg(not(feature = "tracing"))]
pub(super) use off::CallSpan;

#[cfg(feature = "tracing")]
mod on {
    use std::time::Duration;

    use reqwest::Request;
    use tracing::field::Empty;
    use tracing::{Instrument, Span, debug, info, info_span, warn};

    use crate::error::{Error, ErrorKind};
    use crate::transport::attempt::{Answer, Failure};
    use crate::transport::call::{Call, CallLog};

    const TARGET: &str = "cspark_batches";

    /// The span of one call with all its attempts.
    pub(in crate::transport) struct CallSpan(Span);

    impl CallSpan {
        pub(in crate::transport) fn new(call: &Call, request: &Request) -> Self {
            let url = request.url();
            // Without the query, which might hold something that is nobody's business.
            let full = format!("{}{}", url.origin().ascii_serialization(), url.path());
            let sent = request
                .body()
                .and_then(reqwest::Body::as_bytes)
                .map_or(0, <[u8]>::len);
            Self(info_span!(
                target: TARGET,
                "cspark.call",
                otel.name = %format_args!("{} {}", request.method(), call.operation),
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
                cspark.operation = call.operation.as_str(),
                cspark.batch.id = call.batch_id.as_deref(),
                cspark.request.id = Empty,
                cspark.duration_ms = Empty,
            ))
        }

        pub(in crate::transport) fn instrument<F: Future>(
            &self,
            future: F,
        ) -> impl Future<Output = F::Output> + use<F> {
            future.instrument(self.0.clone())
        }

        pub(in crate::transport) fn retries(
            &self,
            failure: &Failure,
            log: &CallLog,
            wait: Duration,
        ) {
            let status = failure.status.map(|status| status.as_u16());
            warn!(
                target: TARGET,
                parent: &self.0,
                {
                    http.request.resend_count = log.attempts(),
                    http.response.status_code = status,
                    error.r#type = error_type(failure.outcome.kind(), status),
                    cspark.request.id = log.last_request_id().as_deref(),
                    cspark.wait_ms = millis(wait),
                },
                "an attempt failed, another follows"
            );
        }

        pub(in crate::transport) fn renews(&self) {
            info!(target: TARGET, parent: &self.0, "the token was refused, a fresh one is obtained");
        }

        pub(in crate::transport) fn ended(&self, log: &CallLog, result: Result<&Answer, &Error>) {
            let span = &self.0;
            span.record(
                "http.request.resend_count",
                log.attempts().saturating_sub(1),
            );
            span.record("cspark.request.id", log.last_request_id().as_deref());
            span.record("cspark.duration_ms", millis(log.elapsed()));
            let status = match result {
                Ok(answer) => Some(answer.status.as_u16()),
                Err(error) => error.status(),
            };
            if let Some(status) = status {
                span.record("http.response.status_code", status);
            }
            match result {
                Ok(answer) => {
                    span.record("http.response.body.size", answer.body.len());
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
}

#[cfg(not(feature = "tracing"))]
mod off {
    use std::time::Duration;

    use reqwest::Request;

    use crate::error::Error;
    use crate::transport::attempt::{Answer, Failure};
    use crate::transport::call::{Call, CallLog};

    pub(in crate::transport) struct CallSpan;

    impl CallSpan {
        pub(in crate::transport) fn new(_: &Call, _: &Request) -> Self {
            Self
        }

        pub(in crate::transport) fn instrument<F: Future>(&self, future: F) -> F {
            future
        }

        #[expect(clippy::unused_self, reason = "the same calls as with the feature")]
        pub(in crate::transport) fn retries(&self, _: &Failure, _: &CallLog, _: Duration) {}

        pub(in crate::transport) fn renews(&self) {}

        pub(in crate::transport) fn ended(&self, _: &CallLog, _: Result<&Answer, &Error>) {}
    }
}
