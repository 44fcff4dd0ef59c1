//! Whether to send a request again, and when.
//!
//! The decision is a pure function, so that every case fits in a table.

use std::time::Duration;

use http::StatusCode;

use crate::backoff::Backoff;
use crate::config::RetryPolicy;
use crate::error::ErrorKind;
use crate::operation::Operation;

/// Whether a request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// Sending it twice does no harm: it is repeated after any transient failure.
    Idempotent,
    /// Sending it twice does harm: it is repeated only if the service did not process it.
    NotIdempotent,
    /// The caller decides, and has to see every failure.
    CallerRetries,
}

impl Idempotency {
    /// The idempotency of an operation.
    ///
    /// - Close and cancel ask for a state, so they are idempotent. The service may refuse a
    ///   repeated one because the first one worked; the error says so with
    ///   `may_have_been_processed`.
    /// - A second create makes a second batch, and chunks that are pushed twice may be computed
    ///   twice.
    /// - A pull removes results from the service. If its response is lost, so are the results, and
    ///   a repeated pull would return the next ones and hide the loss from the caller.
    pub(crate) fn of(operation: Operation) -> Self {
        match operation {
            Operation::Create | Operation::Push | Operation::Pull => Self::NotIdempotent,
            Operation::Describe
            | Operation::Info
            | Operation::Status
            | Operation::Close
            | Operation::Cancel
            | Operation::Schema
            | Operation::Swagger
            | Operation::Versions
            | Operation::Health
            | Operation::Token => Self::Idempotent,
        }
    }
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The response has a status other than 2xx. With the `Retry-After` of the response.
    Status(StatusCode, Option<Duration>),
    /// No connection could be made, so nothing was sent.
    Connect,
    /// The connection broke after the request was sent, or the response was cut short.
    Interrupted,
    /// There was no complete response within the time for one attempt.
    TimedOut,
    /// The response has status 2xx and a body that is not JSON.
    Malformed,
    /// The response has status 2xx and a body above the size limit.
    TooLarge,
    /// The HTTP client followed a redirect, which it must not do.
    Redirected,
    /// The HTTP client refused to send the request.
    NotSent,
}

impl Cause {
    pub(super) fn kind(self) -> ErrorKind {
        match self {
            Self::Status(status, _) => match status.as_u16() {
                401 => ErrorKind::Unauthorized,
                403 => ErrorKind::Forbidden,
                404 | 410 => ErrorKind::NotFound,
                408 => ErrorKind::Timeout,
                429 => ErrorKind::RateLimited,
                300..=399 => ErrorKind::Redirect,
                400..=499 => ErrorKind::Refused,
                500..=599 => ErrorKind::Service,
                _ => ErrorKind::Decode,
            },
            Self::Connect => ErrorKind::Connect,
            Self::Interrupted => ErrorKind::Interrupted,
            Self::TimedOut => ErrorKind::Timeout,
            Self::Malformed => ErrorKind::Decode,
            Self::TooLarge => ErrorKind::TooLarge,
            Self::Redirected => ErrorKind::Redirect,
            Self::NotSent => ErrorKind::Config,
        }
    }

    /// Whether the same request may succeed a little later.
    pub(super) fn is_transient(self) -> bool {
        match self {
            Self::Status(status, _) => matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504),
            Self::Connect | Self::Interrupted | Self::TimedOut | Self::Malformed => true,
            Self::TooLarge | Self::Redirected | Self::NotSent => false,
        }
    }

    /// Whether the service may have processed the request.
    ///
    /// A 503 with `Retry-After` comes from a service that refuses on purpose. A bare 503 also comes
    /// from gateways that lost their connection after they had passed the request on.
    pub(super) fn may_have_been_processed(self) -> bool {
        match self {
            Self::Status(StatusCode::SERVICE_UNAVAILABLE, Some(_)) => false,
            Self::Status(status, _) => status.is_server_error() || status == 408,
            Self::Connect | Self::NotSent => false,
            Self::Interrupted
            | Self::TimedOut
            | Self::Malformed
            | Self::TooLarge
            | Self::Redirected => true,
        }
    }

    pub(super) fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Status(_, retry_after) => retry_after,
            _ => None,
        }
    }
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryDecision {
    /// Give up: the call fails.
    Stop,
    /// Send the request again after this time.
    RetryAfter(Duration),
}

/// What is known after a failed attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryState {
    pub(super) idempotency: Idempotency,
    pub(super) cause: Cause,
    /// The number of attempts, including the one that failed.
    pub(super) attempts: u32,
    /// The time left for the whole call; `None` if it is not limited.
    pub(super) time_left: Option<Duration>,
}

/// Decides what to do after a failed attempt. `random` is in `0.0..1.0`.
pub(super) fn decide(policy: &RetryPolicy, state: RetryState, random: f64) -> RetryDecision {
    let RetryState { cause, .. } = state;
    let allowed = match state.idempotency {
        Idempotency::Idempotent => cause.is_transient(),
        Idempotency::NotIdempotent => cause.is_transient() && !cause.may_have_been_processed(),
        Idempotency::CallerRetries => false,
    };
    if !allowed || state.attempts > policy.max_retries {
        return RetryDecision::Stop;
    }
    let wait = match cause.retry_after() {
        // Up to a tenth later than the service asks for, and never earlier.
        Some(asked) => asked
            .mul_f64(1.0 + random / 10.0)
            .min(policy.max_retry_after),
        None => {
            let backoff = Backoff {
                first: policy.interval,
                longest: policy.max_interval,
            };
            backoff.delay(state.attempts, random)
        }
    };
    // The call would time out during a longer wait.
    match state.time_left {
        Some(left) if wait >= left => RetryDecision::Stop,
        _ => RetryDecision::RetryAfter(wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn status(code: u16) -> Cause {
        Cause::Status(StatusCode::from_u16(code).unwrap(), None)
    }

    fn asking(code: u16, wait: Duration) -> Cause {
        Cause::Status(StatusCode::from_u16(code).unwrap(), Some(wait))
    }

    fn decide_once(idempotency: Idempotency, cause: Cause) -> RetryDecision {
        let state = RetryState {
            idempotency,
            cause,
            attempts: 1,
            time_left: None,
        };
        decide(&RetryPolicy::default(), state, 0.5)
    }

    /// Cause, whether it is repeated when that is safe, and when it is not.
    fn table() -> Vec<(Cause, bool, bool)> {
        vec![
            (Cause::Connect, true, true),
            (status(429), true, true),
            (asking(503, SECOND), true, true),
            (status(503), true, false),
            (status(408), true, false),
            (status(500), true, false),
            (status(502), true, false),
            (status(504), true, false),
            (Cause::Interrupted, true, false),
            (Cause::TimedOut, true, false),
            (Cause::Malformed, true, false),
            (Cause::TooLarge, false, false),
            (Cause::Redirected, false, false),
            (Cause::NotSent, false, false),
            (status(301), false, false),
            (status(304), false, false),
            (status(400), false, false),
            (status(401), false, false),
            (status(403), false, false),
            (status(404), false, false),
            (status(409), false, false),
            (status(413), false, false),
            (status(422), false, false),
            (status(501), false, false),
            (status(505), false, false),
        ]
    }

    #[test]
    fn what_is_repeated() {
        for (cause, safe, unsafe_) in table() {
            for (idempotency, expected) in [
                (Idempotency::Idempotent, safe),
                (Idempotency::NotIdempotent, unsafe_),
            ] {
                let repeated = decide_once(idempotency, cause) != RetryDecision::Stop;
                assert_eq!(repeated, expected, "{cause:?} {idempotency:?}");
            }
        }
    }

    #[test]
    fn zero_retries_means_zero() {
        for (cause, ..) in table() {
            let state = RetryState {
                idempotency: Idempotency::Idempotent,
                cause,
                attempts: 1,
                time_left: None,
            };
            assert_eq!(
                decide(&RetryPolicy::never(), state, 0.0),
                RetryDecision::Stop,
                "{cause:?}"
            );
        }
    }

    #[test]
    fn retries_are_counted() {
        let policy = RetryPolicy::default().max_retries(3);
        for (attempts, more) in [
            (1, true),
            (2, true),
            (3, true),
            (4, false),
            (u32::MAX, false),
        ] {
            let state = RetryState {
                idempotency: Idempotency::Idempotent,
                cause: Cause::Connect,
                attempts,
                time_left: None,
            };
            assert_eq!(
                decide(&policy, state, 0.0) != RetryDecision::Stop,
                more,
                "{attempts}"
            );
        }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_jittered() {
        let policy = RetryPolicy::default().max_retries(u32::MAX);
        for (attempts, random, expected) in [
            (1, 0.0, 500),
            (1, 1.0, 1_000),
            (2, 0.0, 1_000),
            (2, 0.5, 1_500),
            (5, 1.0, 16_000),
            (6, 1.0, 30_000),
            (6, 0.0, 15_000),
            (1_000_000, 1.0, 30_000),
        ] {
            let state = RetryState {
                idempotency: Idempotency::Idempotent,
                cause: Cause::Connect,
                attempts,
                time_left: None,
            };
            let expected = RetryDecision::RetryAfter(Duration::from_millis(expected));
            assert_eq!(
                decide(&policy, state, random),
                expected,
                "{attempts} {random}"
            );
        }
    }

    #[test]
    fn endless_settings_do_not_overflow() {
        let endless = RetryPolicy::default()
            .max_retries(u32::MAX)
            .interval(Duration::MAX)
            .max_interval(Duration::MAX)
            .max_retry_after(Duration::MAX);
        for cause in [Cause::Connect, asking(429, Duration::from_secs(86_400))] {
            for attempts in [1, 40, u32::MAX - 1] {
                let state = RetryState {
                    idempotency: Idempotency::Idempotent,
                    cause,
                    attempts,
                    time_left: Some(Duration::MAX),
                };
                assert_ne!(decide(&endless, state, 1.0), RetryDecision::Stop);
            }
        }
    }

    #[test]
    fn the_service_is_heard() {
        let policy = RetryPolicy::default();
        for (asked, random, expected) in [
            (Duration::ZERO, 0.9, Duration::ZERO),
            (Duration::from_millis(250), 0.0, Duration::from_millis(250)),
            (10 * SECOND, 1.0, 11 * SECOND),
            (59 * SECOND, 1.0, 60 * SECOND),
            (Duration::from_secs(u64::from(u32::MAX)), 0.0, 60 * SECOND),
        ] {
            let cause = asking(429, asked);
            let state = RetryState {
                idempotency: Idempotency::NotIdempotent,
                cause,
                attempts: 1,
                time_left: None,
            };
            assert_eq!(
                decide(&policy, state, random),
                RetryDecision::RetryAfter(expected),
                "{asked:?}"
            );
        }
    }

    #[test]
    fn no_wait_reaches_beyond_the_deadline() {
        for (time_left, expected) in [
            (SECOND, RetryDecision::Stop),
            (SECOND / 2, RetryDecision::Stop),
            (2 * SECOND, RetryDecision::RetryAfter(SECOND)),
        ] {
            let cause = asking(429, SECOND);
            let time_left = Some(time_left);
            let state = RetryState {
                idempotency: Idempotency::Idempotent,
                cause,
                attempts: 1,
                time_left,
            };
            assert_eq!(
                decide(&RetryPolicy::default(), state, 0.0),
                expected,
                "{time_left:?}"
            );
        }
    }
}
