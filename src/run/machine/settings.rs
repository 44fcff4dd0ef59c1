//! The settings of the machine.

use std::time::Duration;

use crate::backoff::Backoff;

/// The order in which results are delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    /// As they come from the service.
    #[default]
    Arrival,
    /// As the records were handed in.
    Input,
}

/// What a run does with its batch when it ends in an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AfterError {
    /// Close it: the service still computes what was pushed, and it can be pulled.
    #[default]
    Close,
    /// Cancel it: the service drops what was pushed.
    Cancel,
    /// Leave it open, for a resumed run to continue with.
    Leave,
}

/// All settings of the machine.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Bytes of encoded chunks and results that the run may hold.
    pub(crate) memory: u64,
    /// Chunks that the run may hold; it bounds the size of a checkpoint.
    pub(crate) chunks: usize,
    /// Order of delivery.
    pub(crate) order: Order,
    /// Pushes in flight at a time.
    pub(crate) pushes: usize,
    /// Pulls in flight at a time.
    pub(crate) pulls: usize,
    /// Bytes after which a push takes no further chunk.
    pub(crate) push_bytes: u64,
    /// Chunks in one push.
    pub(crate) push_chunks: usize,
    /// Chunks asked for in one pull.
    pub(crate) pull_chunks: u32,
    /// The shortest wait between two polls.
    pub(crate) poll_min: Duration,
    /// The longest wait between two polls while results are expected.
    pub(crate) poll_max: Duration,
    /// The longest time without a request to an open batch that expects no results.
    pub(crate) keep_alive: Duration,
    /// How long after a push without a response the service's counters are believed about it.
    pub(crate) settle: Duration,
    /// How long the service has to report that it is idle before that counts.
    pub(crate) confirm: Duration,
    /// How often a chunk is pushed again whose result is missing.
    pub(crate) resubmissions: u32,
    /// How long one kind of request may fail without a success.
    pub(crate) outage: Duration,
    /// The same as long as the service has not responded at all.
    pub(crate) first_response: Duration,
    /// How long the service may make no progress.
    pub(crate) stall: Duration,
    /// Records without an output that are tolerated.
    pub(crate) failures: Option<u64>,
    /// Whether results are of use only with the inputs that this run has read.
    pub(crate) needs_inputs: bool,
    /// Whether to continue when no output of the first chunk can be read.
    pub(crate) allow_unreadable: bool,
    /// Whether a new batch may be opened in place of one that is closed.
    pub(crate) reopen: bool,
    /// Whether a chunk that is too large may be split.
    pub(crate) split: bool,
    /// Whether the run continues after the service refused a chunk for good.
    pub(crate) keep_going: bool,
    /// What to do with the batch after an error.
    pub(crate) after_error: AfterError,
    /// The first wait after a failure; it doubles with each further one.
    pub(crate) backoff_min: Duration,
    /// The longest wait after a failure.
    pub(crate) backoff_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            memory: 20 << 20,
            chunks: 1 << 14,
            order: Order::Arrival,
            pushes: 4,
            pulls: 2,
            push_bytes: 1 << 20,
            push_chunks: 100,
            pull_chunks: 100,
            poll_min: Duration::from_millis(50),
            poll_max: Duration::from_secs(5),
            keep_alive: Duration::from_secs(10 * 60),
            settle: Duration::from_millis(500),
            confirm: Duration::from_secs(1),
            resubmissions: 3,
            outage: Duration::from_secs(5 * 60),
            first_response: Duration::from_secs(10),
            stall: Duration::from_secs(15 * 60),
            failures: None,
            needs_inputs: false,
            allow_unreadable: false,
            reopen: true,
            split: false,
            keep_going: false,
            after_error: AfterError::Close,
            backoff_min: Duration::from_millis(250),
            backoff_max: Duration::from_secs(30),
        }
    }
}

impl Settings {
    pub(super) fn backoff(&self) -> Backoff {
        Backoff {
            first: self.backoff_min,
            longest: self.backoff_max,
        }
    }

    /// Makes the settings safe to compute with: durations that can be added to any other, limits
    /// of at least one, a longest wait that is not below the shortest.
    pub(super) fn bounded(mut self) -> Self {
        const LATE_ENOUGH: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        for time in [
            &mut self.poll_min,
            &mut self.poll_max,
            &mut self.keep_alive,
            &mut self.settle,
            &mut self.confirm,
            &mut self.outage,
            &mut self.first_response,
            &mut self.stall,
            &mut self.backoff_min,
            &mut self.backoff_max,
        ] {
            *time = LATE_ENOUGH.min(*time);
        }
        self.poll_max = self.poll_max.max(self.poll_min);
        self.backoff_max = self.backoff_max.max(self.backoff_min);
        self.pushes = self.pushes.max(1);
        self.pulls = self.pulls.max(1);
        self.chunks = self.chunks.max(1);
        self.push_chunks = self.push_chunks.max(1);
        self.pull_chunks = self.pull_chunks.max(1);
        self
    }
}
