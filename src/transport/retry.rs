//! Whether to try again, and when: a pure function, so that every case fits in a table.

use std::time::Duration;

use http::StatusCode;

use crate::backoff::Backoff;
use crate::config::RetryPolicy;
use crate::error::ErrorKind;
use crate::operation::Operation;

/// Which failures of an operation a repeat may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Doing it twice does no harm: repeat whatever can pass.
    Always,
    /// Doing it twice does harm: repeat only where the request surely was not taken.
    IfNotTaken,
    /// The caller decides by itself, and wants to know of every failure.
    Never,
}

impl Repeat {
    /// What holds unless the caller knows better.
    ///
    /// - Close and cancel ask for a state, so they can be repeated; the repeat may be refused
    ///   because the first one worked, which the error tells with `may_have_been_processed`.
    /// - A second create makes a second batch, a second push may be computed twice.
    /// - A pull empties the buffer. If its answer was lost, so are the results, and a repeat that
    ///   brings the next ones would hide that from a caller who does not keep accounts.
    pub(crate) fn default_for(operation: Operation) -> Self {
        match operation {
            Operation::Create | Operation::Push | Operation::Pull => Self::IfNotTaken,
            Operation::Describe
            | Operation::Info
            | Operation::Status
            | Operation::Close
            | Operation::Cancel
            | Operation::Schema
            | Operation::Swagger
            | Operation::Versions
            | Operation::Health
            | Operation::Token => Self::Always,
        }
    }
}

/// How one attempt went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An answer with a status other than 2xx, and the wait that it asks for.
    Status(StatusCode, Option<Duration>),
    /// No connection, so nothing was sent.
    Connect,
    /// The connection broke afterwards, or the answer was cut short.
    Interrupted,
    /// No whole answer within the time for an attempt.
    TimedOut,
    /// A 2xx answer that is not JSON.
    Malformed,
    /// A 2xx answer above the size limit.
    TooLarge,
    /// The HTTP client followed a redirect that it should not have followed.
    Redirected,
    /// The HTTP client refuses to send such a request.
    NotSent,
}

impl Outcome {
    pub(crate) fn kind(self) -> ErrorKind {
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

    /// Whether the same request may fare better a little later.
    pub(crate) fn can_pass(self) -> bool {
        match self {
            Self::Status(status, _) => matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504),
            Self::Connect | Self::Interrupted | Self::TimedOut | Self::Malformed => true,
            Self::TooLarge | Self::Redirected | Self::NotSent => false,
        }
    }

    /// Whether the service may have acted on the request.
    ///
    /// A 503 with Retry-After is a refusal by someone who knows what they do. A bare one also
    /// comes from gateways whose connection broke after they had passed the request on.
    pub(crate) fn may_have_been_processed(self) -> bool {
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

    pub(crate) fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Status(_, retry_after) => retry_after,
            _ => None,
        }
    }
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Stop,
    Wait(Duration),
}

/// What is known when an attempt has failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed {
    pub(crate) repeat: Repeat,
    pub(crate) outcome: Outcome,
    /// How many attempts there were, this one included.
    pub(crate) attempts: u32,
    /// What is left of the time for the whole operation; `None` if it is not limited.
    pub(crate) left: Option<Duration>,
}

/// Decides. `random` is in `0.0..1.0`.
pub(crate) fn decide(policy: &RetryPolicy, failed: Failed, random: f64) -> Decision {
    let allowed = match failed.repeat {
        Repeat::Always => failed.outcome.can_pass(),
        Repeat::IfNotTaken => {
            failed.outcome.can_pass() && !failed.outcome.may_have_been_processed()
        }
        Repeat::Never => false,
    };
    if !allowed || failed.attempts > policy.max_retries {
        return Decision::Stop;
    }
    let wait = match failed.outcome.retry_after() {
        // A little later than asked, never earlier.
        Some(asked) => asked
            .mul_f64(1.0 + random / 10.0)
            .min(policy.max_retry_after),
        None => {
            let backoff = Backoff {
                first: policy.interval,
                longest: policy.max_interval,
            };
            backoff.delay(failed.attempts, random)
        }
    };
    // A wait that ends after the deadline helps nobody.
    match failed.left {
        Some(left) if wait >= left => Decision::Stop,
        _ => Decision::Wait(wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn status(code: u16) -> Outcome {
        Outcome::Status(StatusCode::from_u16(code).unwrap(), None)
    }

    fn asking(code: u16, wait: Duration) -> Outcome {
        Outcome::Status(StatusCode::from_u16(code).unwrap(), Some(wait))
    }

    fn decide_once(repeat: Repeat, outcome: Outcome) -> Decision {
        let failed = Failed {
            repeat,
            outcome,
            attempts: 1,
            left: None,
        };
        decide(&RetryPolicy::default(), failed, 0.5)
    }

    /// Outcome, whether it is repeated when that is safe, and when it is not.
    fn table() -> Vec<(Outcome, bool, bool)> {
        vec![
            (Outcome::Connect, true, true),
            (status(429), true, true),
            (asking(503, SECOND), true, true),
            (status(503), true, false),
            (status(408), true, false),
            (status(500), true, false),
            (status(502), true, false),
            (status(504), true, false),
            (Outcome::Interrupted, true, false),
            (Outcome::TimedOut, true, false),
            (Outcome::Malformed, true, false),
            (Outcome::TooLarge, false, false),
            (Outcome::Redirected, false, false),
            (Outcome::NotSent, false, false),
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
        for (outcome, safe, unsafe_) in table() {
            for (repeat, expected) in [(Repeat::Always, safe), (Repeat::IfNotTaken, unsafe_)] {
                let repeated = decide_once(repeat, outcome) != Decision::Stop;
                assert_eq!(repeated, expected, "{outcome:?} {repeat:?}");
            }
        }
    }

    #[test]
    fn zero_retries_means_zero() {
        for (outcome, ..) in table() {
            let failed = Failed {
                repeat: Repeat::Always,
                outcome,
                attempts: 1,
                left: None,
            };
            assert_eq!(
                decide(&RetryPolicy::never(), failed, 0.0),
                Decision::Stop,
                "{outcome:?}"
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
            let failed = Failed {
                repeat: Repeat::Always,
                outcome: Outcome::Connect,
                attempts,
                left: None,
            };
            assert_eq!(
                decide(&policy, failed, 0.0) != Decision::Stop,
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
            let failed = Failed {
                repeat: Repeat::Always,
                outcome: Outcome::Connect,
                attempts,
                left: None,
            };
            let expected = Decision::Wait(Duration::from_millis(expected));
            assert_eq!(
                decide(&policy, failed, random),
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
        for outcome in [Outcome::Connect, asking(429, Duration::from_secs(86_400))] {
            for attempts in [1, 40, u32::MAX - 1] {
                let failed = Failed {
                    repeat: Repeat::Always,
                    outcome,
                    attempts,
                    left: Some(Duration::MAX),
                };
                assert_ne!(decide(&endless, failed, 1.0), Decision::Stop);
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
            let outcome = asking(429, asked);
            let failed = Failed {
                repeat: Repeat::IfNotTaken,
                outcome,
                attempts: 1,
                left: None,
            };
            assert_eq!(
                decide(&policy, failed, random),
                Decision::Wait(expected),
                "{asked:?}"
            );
        }
    }

    #[test]
    fn no_wait_reaches_beyond_the_deadline() {
        for (left, expected) in [
            (SECOND, Decision::Stop),
            (SECOND / 2, Decision::Stop),
            (2 * SECOND, Decision::Wait(SECOND)),
        ] {
            let outcome = asking(429, SECOND);
            let left = Some(left);
            let failed = Failed {
                repeat: Repeat::Always,
                outcome,
                attempts: 1,
                left,
            };
            assert_eq!(
                decide(&RetryPolicy::default(), failed, 0.0),
                expected,
                "{left:?}"
            );
        }
    }
}
