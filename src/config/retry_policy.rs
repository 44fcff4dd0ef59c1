//! How often failed requests are repeated.

use std::time::Duration;

/// How often failed requests are repeated, and after which waits.
///
/// A request is repeated only where that is safe; see [the table](crate::ClientBuilder#retries).
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
    /// Two retries. The first follows after up to 1 second, each further one after up to twice that
    /// time. No wait is longer than 30 seconds, or 60 if the service asks for it.
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
    /// A policy without retries.
    #[must_use]
    pub fn never() -> Self {
        Self::default().max_retries(0)
    }

    /// Sets how many attempts may follow the first one. 2 unless set.
    #[must_use]
    #[doc(alias = "maxRetries")]
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// Sets the longest wait before the first retry, which doubles with each further one. 1 second
    /// unless set.
    ///
    /// The actual wait is a random time between half of it and all of it, so that clients that
    /// failed at the same moment don't come back at the same moment.
    #[must_use]
    #[doc(alias = "retryInterval")]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets where the doubling of the waits ends. 30 seconds unless set.
    #[must_use]
    pub fn max_interval(mut self, longest: Duration) -> Self {
        self.max_interval = longest;
        self
    }

    /// Sets the longest wait that the service can ask for with `Retry-After`. 60 seconds unless
    /// set. If it asks for more, the client waits this long.
    #[must_use]
    pub fn max_retry_after(mut self, longest: Duration) -> Self {
        self.max_retry_after = longest;
        self
    }
}
