//! The vocabulary of the machine: the events that go in and the actions that come out.

use std::time::Duration;

/// Time since the run began. The machine has no clock of its own.
pub(crate) type Time = Duration;

/// Names a chunk within the run: the number of its first record, counted from 0 over the whole
/// input.
///
/// It orders the chunks as the input does, and it stays unique when a chunk is split.
pub(crate) type Key = u64;

/// Numbers the requests in the order in which they were issued.
pub(crate) type RequestId = u64;

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// The source gave a chunk, in response to [`Action::Read`].
    Read {
        /// Records in it, at least one.
        records: u64,
        /// Bytes of its encoding.
        bytes: u64,
        /// Records beyond it that the source has begun, and will give with the next chunks.
        ahead: u64,
    },
    /// The source gave a record that cannot be sent, and that is the record's outcome. It answers
    /// [`Action::Read`] as well.
    Rejected,
    /// The source has no more records, or it was stopped.
    SourceEnded,
    /// The source failed, and with it the run ends once the records before are delivered.
    SourceFailed {
        /// Whether a record was read that cannot be sent.
        record: bool,
    },
    /// A chunk was split, in response to [`Action::Split`].
    Split {
        /// The chunk that was split.
        key: Key,
        /// Records and encoded bytes of each part, in order. Fewer than two parts mean that the
        /// chunk cannot be split.
        parts: Vec<(u64, u64)>,
    },
    /// A request ended.
    Response {
        /// Which one.
        request: RequestId,
        /// The state of the batch, if the response carries it.
        observation: Option<Observation>,
        /// Whether the request succeeded.
        outcome: Result<Reply, Failure>,
    },
    /// The consumer took a result.
    Taken {
        /// The chunk.
        key: Key,
        /// Its records without an output.
        failed: FailedRecords,
    },
    /// Read and push nothing for now.
    Pause,
    /// The pause is over.
    Unpause,
    /// Read no more input, and deliver the rest.
    Finish,
    /// End the run now, and cancel the batch.
    Cancel,
}

/// The records of a result that have no output, by the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FailedRecords {
    /// The service returned an error, or nothing at all.
    pub(crate) at_service: u64,
    /// The output is not what the caller's type expects.
    pub(crate) unreadable: u64,
    /// The record could not be sent.
    pub(crate) rejected: u64,
}

impl FailedRecords {
    pub(crate) fn total(self) -> u64 {
        self.at_service + self.unreadable + self.rejected
    }
}

/// What a successful request returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Nothing besides the success.
    Done,
    /// The results of a pull.
    Pulled {
        /// Results whose ids belong to this run.
        results: Vec<PulledChunk>,
        /// The number of results with other ids.
        foreign: u64,
    },
}

/// One chunk's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PulledChunk {
    /// The first record, from the chunk's id.
    pub(crate) key: Key,
    /// The number of records, from the chunk's id.
    pub(crate) records: u64,
    /// Bytes that the result occupies.
    pub(crate) bytes: u64,
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Failure {
    /// What it means for the run.
    pub(crate) kind: FailureKind,
    /// How long the service asked to wait.
    pub(crate) retry_after: Option<Duration>,
    /// Whether the service, or a gateway before it, responded, and not a page in its place.
    pub(crate) responded: bool,
}

/// What a failed request means for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FailureKind {
    /// The request did not reach the service, and a later one may.
    NotSent,
    /// The service may or may not have processed it: no response, a broken one, or one from a
    /// gateway.
    Unknown,
    /// The service did not process it, for now (429, 503).
    Busy,
    /// The service did not process it (400, 409, 422 and the like): the batch takes no more, the
    /// chunk is bad or known already, or the buffer is full. The status codes are not published.
    Refused,
    /// The request (413) or the response (the client's own limit) is too large.
    TooLarge,
    /// The batch, the service or the tenant does not exist (404, 410).
    Gone,
    /// No later request can succeed: the credentials or the settings are wrong (401, 403).
    Fatal,
}

/// The state of the batch by one response. Any field may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Observation {
    /// The batch's state.
    pub(crate) state: BatchState,
    /// Results that wait to be pulled.
    pub(crate) chunks_available: Option<u64>,
    /// Chunks that the service has accepted since the batch was created.
    pub(crate) chunks_submitted: Option<u64>,
    /// Records that the service has accepted since the batch was created.
    pub(crate) records_submitted: Option<u64>,
    /// Chunks computed since the batch was created.
    pub(crate) chunks_completed: Option<u64>,
    /// Records computed since the batch was created; may leave out those that failed.
    pub(crate) records_completed: Option<u64>,
    /// Records whose results wait to be pulled.
    pub(crate) records_available: Option<u64>,
    /// Bytes in the input buffer.
    pub(crate) input_used: Option<u64>,
    /// Bytes that the input buffer still takes.
    pub(crate) input_remaining: Option<u64>,
    /// Bytes in the output buffer.
    pub(crate) output_used: Option<u64>,
    /// Bytes that the output buffer still takes.
    pub(crate) output_remaining: Option<u64>,
    /// Workers that compute now.
    pub(crate) workers: Option<u64>,
}

/// The batch's state, as far as it matters to the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum BatchState {
    /// Created, in progress, or a state that the crate does not know.
    #[default]
    Live,
    /// Everything that was pushed is computed; more may be pushed.
    Completed,
    /// Closed by a user.
    Closed,
    /// Closed by the service because it was idle.
    TimedOut,
    /// Failed.
    Failed,
    /// Cancelled by a user.
    Cancelled,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// Skip `skip` records of the source, then read one chunk. One read at a time.
    Read {
        /// Records to pass over, because their results are known.
        skip: u64,
        /// Where the chunk has to end.
        cut: Cut,
    },
    /// Read no further: hand over the chunk that is begun, then report that the source ended.
    StopReading,
    /// Encode a chunk anew as two.
    Split(Key),
    /// Send a request.
    Send {
        /// Its number, for [`Event::Response`].
        id: RequestId,
        /// The request.
        request: Request,
    },
    /// Hand the result of a chunk to the consumer.
    Deliver(Key),
    /// Drop a chunk that has no result.
    Forget(Key),
}

/// Where a chunk that is read has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cut {
    /// Where the settings for chunks say.
    Free,
    /// Where the settings say, but after this many records at the latest.
    AtMost(u64),
    /// After exactly this many records.
    Exactly(u64),
}

impl Cut {
    /// The most records that the chunk may have.
    pub(crate) fn most(self) -> u64 {
        match self {
            Cut::Free => u64::MAX,
            Cut::AtMost(records) | Cut::Exactly(records) => records,
        }
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Request {
    /// Create a batch.
    Create,
    /// Push these chunks, all or none.
    Push(Vec<Key>),
    /// Pull up to so many chunks.
    Pull(u32),
    /// Get the status.
    Status,
    /// Close the batch.
    Close,
    /// Cancel the batch.
    Cancel,
}

impl Request {
    pub(crate) fn kind(&self) -> RequestKind {
        match self {
            Request::Create => RequestKind::Create,
            Request::Push(_) => RequestKind::Push,
            Request::Pull(_) => RequestKind::Pull,
            Request::Status => RequestKind::Status,
            Request::Close | Request::Cancel => RequestKind::End,
        }
    }
}

/// The kinds of requests, for what is kept apart by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum RequestKind {
    /// Creating a batch.
    Create,
    /// Pushing chunks.
    Push,
    /// Pulling results.
    Pull,
    /// Getting the status.
    Status,
    /// Closing or cancelling.
    End,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Do this, then ask again.
    Do(Action),
    /// Wait for an event, or until this time.
    Wait(Option<Time>),
    /// The run is over; results that were handed out may still be taken.
    Over,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
    /// The input ended and all of it is accounted for.
    Complete,
    /// The caller cancelled it.
    Cancelled,
    /// The source failed; the records before were delivered.
    SourceFailed,
    /// The source of a resumed run ended before records that the run before has read.
    SourceTooShort {
        /// The records that it gave.
        records: u64,
        /// The records that it has to give at least.
        expected: u64,
    },
    /// The service refused a request for good.
    Denied(RequestKind),
    /// The batch, the service or the tenant does not exist.
    NotFound(RequestKind),
    /// Requests failed for longer than the outage limit.
    Outage(RequestKind),
    /// The service never responded at all.
    Unreachable(RequestKind),
    /// The service made no progress for longer than the stall limit.
    Stalled,
    /// More records failed than the failure limit allows.
    TooManyFailures {
        /// How many were allowed.
        limit: u64,
    },
    /// Not one output of the first chunk is what the caller's type expects.
    Unreadable,
    /// The batch failed.
    BatchFailed,
    /// Somebody else cancelled the batch.
    BatchCancelled,
    /// Somebody else closed the batch.
    BatchClosed,
    /// The service closed the batch, and the run may not open another, or others are closed too.
    BatchTimedOut,
    /// The service refused this chunk although it fits.
    Refused(Key),
    /// A chunk is larger than the whole input buffer.
    Oversized {
        /// The chunk.
        key: Key,
        /// Its size in bytes.
        bytes: u64,
        /// The size of the input buffer in bytes.
        capacity: u64,
    },
}

impl Ending {
    /// Why this chunk has no result when the run ends in this way.
    pub(super) fn reason_for(self, chunk: Key) -> Reason {
        match self {
            Ending::Refused(key) if key == chunk => Reason::Refused,
            Ending::Oversized { key, .. } if key == chunk => Reason::Oversized,
            ending => Reason::Ended(ending),
        }
    }
}

/// Why records have no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    /// The run ended before.
    Ended(Ending),
    /// The record was read from the source and cannot be sent.
    Rejected,
    /// The service refused the chunk although it fits.
    Refused,
    /// The chunk is larger than the service's whole input buffer.
    Oversized,
    /// The service has no result of the chunk, although it was pushed as often as allowed.
    Lost,
}
