//! What the user can set about a run's decisions.

use std::time::Duration;

/// The order in which results are delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    /// As they come from the service.
    #[default]
    Arrival,
    /// As the records were handed in.
    Input,
}

/// What to do with the batch when the run ends in an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterError {
    /// Close it: what was pushed is still computed and can be pulled.
    #[default]
    Close,
    /// Cancel it: what was pushed is dropped.
    Cancel,
    /// Leave it open, for a resumed run to go on with.
    Leave,
}

/// All settings of the machine.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Bytes of encoded chunks and results that the run may hold.
    pub(crate) memory: u64,
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
    /// How long to wait before the counters are trusted about a push whose answer was lost.
    pub(crate) settle: Duration,
    /// How long a batch has to look drained before missing chunks are taken for lost.
    pub(crate) confirm: Duration,
    /// The same where the status does not say whether anything is in process.
    pub(crate) patience: Duration,
    /// How often a lost chunk is pushed again.
    pub(crate) resubmissions: u32,
    /// How long requests may fail without a success before the run ends.
    pub(crate) outage: Duration,
    /// How long the service may make no progress before the run ends.
    pub(crate) stall: Duration,
    /// Whether a new batch may be opened after the service closed one.
    pub(crate) reopen: bool,
    /// Whether a chunk that is too large may be split.
    pub(crate) split: bool,
    /// Whether the run goes on after the service refused a chunk for good.
    pub(crate) keep_going: bool,
    /// What to do with the batch after an error.
    pub(crate) after_error: AfterError,
    /// The first wait after a failure; doubled with each further one.
    pub(crate) backoff_min: Duration,
    /// The longest wait after a failure.
    pub(crate) backoff_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            memory: 32 << 20,
            order: Order::Arrival,
            pushes: 4,
            pulls: 2,
            push_bytes: 1 << 20,
            push_chunks: 100,
            pull_chunks: 100,
            poll_min: Duration::from_millis(20),
            poll_max: Duration::from_secs(5),
            keep_alive: Duration::from_secs(10 * 60),
            settle: Duration::from_millis(500),
            confirm: Duration::from_secs(1),
            patience: Duration::from_secs(60),
            resubmissions: 3,
            outage: Duration::from_secs(5 * 60),
            stall: Duration::from_secs(15 * 60),
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
    /// With times that can be added to any other: what is meant as never comes late enough.
    pub(super) fn bounded(mut self) -> Self {
        const LATE_ENOUGH: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        for time in [
            &mut self.poll_min,
            &mut self.poll_max,
            &mut self.keep_alive,
            &mut self.settle,
            &mut self.confirm,
            &mut self.patience,
            &mut self.outage,
            &mut self.stall,
            &mut self.backoff_min,
            &mut self.backoff_max,
        ] {
            *time = LATE_ENOUGH.min(*time);
        }
        self
    }
}
