//! How often failed requests are repeated.

use std::time::Duration;

/// How often and how patiently failed requests are repeated.
///
/// A request is repeated only where that is safe; see the table in
/// [the guide](crate::ClientBuilder#retries).
///
/// ```
/// use std::time::Duration;
/// use cspark_batches::RetryPolicy;
///
/// let patient = RetryPolicy::default().max_retries(8).interval(Duration::from_millis(500));
/// # let _ = patient;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    pub(crate) max_retries: u32,
    pub(crate) interval: Duration,
    pub(crate) max_interval: Duration,
    pub(crate) max_retry_after: Duration,
}

impl Default for RetryPolicy {
    /// 2 retries, the first after about 1 second, each further one after twice the time, no wait
    /// longer than 30 seconds, or 60 if the service asks for it.
    fn default() -> Self {
        Self {
            max_retries: 2,
            interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(30),
            max_retry_after: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// Never repeats anything.
    #[must_use]
    pub fn never() -> Self {
        Self::default().max_retries(0)
    }

    /// How many attempts may follow the first; 0 means that there is only the first.
    #[must_use]
    #[doc(alias = "maxRetries")]
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// The wait before the first retry; it doubles with each. The real wait is between half of
    /// it and all of it, by chance, so that many clients don't come back at the same moment.
    #[must_use]
    #[doc(alias = "retryInterval")]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// The longest wait that doubling leads to.
    #[must_use]
    pub fn max_interval(mut self, longest: Duration) -> Self {
        self.max_interval = longest;
        self
    }

    /// The longest wait that the service can ask for with `Retry-After`; if it asks for more, the
    /// client waits this long.
    #[must_use]
    pub fn max_retry_after(mut self, longest: Duration) -> Self {
        self.max_retry_after = longest;
        self
    }
}
