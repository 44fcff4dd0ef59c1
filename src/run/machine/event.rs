//! What the machine is told, and what it asks for.

use std::time::Duration;

/// Time since the run began. The machine has no clock of its own.
pub(crate) type Time = Duration;

/// Names a chunk within the run: the number of its first record, counted from 0 over the whole input.
///
/// It orders the chunks as the input does, and it stays unique when a chunk is split.
pub(crate) type Key = u64;

/// Numbers the requests in the order in which they were issued.
pub(crate) type RequestId = u64;

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// The source gave a chunk, in answer to [`Action::Read`].
    Read {
        /// Records in it, at least one.
        records: u64,
        /// Bytes of its encoding.
        bytes: u64,
    },
    /// The source has no more records (or was told to stop).
    SourceEnded,
    /// The source failed, or gave a record that can't be encoded.
    SourceFailed,
    /// A chunk was split, in answer to [`Action::Split`]: records and encoded bytes of each part, in order.
    Split {
        /// The chunk that was split.
        key: Key,
        /// Its parts. Fewer than two mean that it can't be split.
        parts: Vec<(u64, u64)>,
    },
    /// A request ended.
    Answered {
        /// Which one.
        request: RequestId,
        /// What the answer said about the batch, where it said anything.
        facts: Option<Facts>,
        /// What came of it.
        outcome: Result<Reply, Failure>,
    },
    /// The consumer took the result of a chunk, so its memory is free again.
    Taken {
        /// Which one.
        key: Key,
        /// How many of its records came back as the service's errors or could not be decoded.
        failed: u64,
    },
    /// Read and push nothing more for now.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Read nothing more; deliver what has been read.
    Finish,
    /// Stop now and cancel the batch.
    Cancel,
}

/// What a request that succeeded brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It was done: created, pushed, told, closed.
    Done,
    /// The results of a pull.
    Pulled {
        /// Results whose ids belong to this run.
        results: Vec<Pulled>,
        /// Results with ids of somebody else.
        foreign: u64,
    },
}

/// One chunk's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pulled {
    /// First record, from the chunk's id.
    pub(crate) key: Key,
    /// Number of records, from the chunk's id.
    pub(crate) records: u64,
    /// Bytes that the result occupies.
    pub(crate) bytes: u64,
}

/// Why a request did not succeed, as far as the run has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What it means.
    pub(crate) what: What,
    /// How long the service asked to wait.
    pub(crate) retry_after: Option<Duration>,
}

/// What a failed request means for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The service has not seen it (no connection), and a later try may do.
    NotTaken,
    /// Nobody knows whether the service took it: no answer, a broken one, or one from a gateway.
    Unknown,
    /// The service answered that it did not take it, for now (429, 503).
    Busy,
    /// The service answered that it did not take it (400, 409, 422 and their like): the batch takes no more, the chunk is
    /// bad or there already, or the buffer is full; the codes are not published.
    Refused,
    /// The request (413) or the answer (the client's own limit) was too large.
    TooLarge,
    /// There is no such batch, service or tenant (404, 410).
    Gone,
    /// The credentials were refused, or nothing else that a later try could change (401, 403, settings).
    Fatal,
}

/// What an answer says about the batch. Any of it may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    /// The batch's state.
    pub(crate) state: BatchState,
    /// Results that wait to be pulled.
    pub(crate) chunks_available: Option<u64>,
    /// Chunks that the service has taken since the batch was created.
    pub(crate) chunks_submitted: Option<u64>,
    /// Records that the service has taken since the batch was created.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BatchState {
    /// Created, in progress, or a state that we don't know.
    #[default]
    Live,
    /// All that was pushed is computed. Says nothing about whether more can be pushed.
    Completed,
    /// Closed by a user.
    Closed,
    /// Closed by the service, which found it idle.
    TimedOut,
    /// Failed.
    Failed,
    /// Cancelled by a user.
    Cancelled,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Skip `skip` records of the source, then read one chunk. One at a time.
    Read {
        /// Records to pass over, because their results are known.
        skip: u64,
        /// Where the chunk has to end.
        cut: Cut,
    },
    /// Read no further: hand over what is begun, then say that the source ended.
    StopReading,
    /// Encode a chunk anew as two.
    Split(Key),
    /// Send a request.
    Send {
        /// Its number, for [`Event::Answered`].
        request: RequestId,
        /// What to ask.
        call: Call,
    },
    /// Hand the result of a chunk to the consumer.
    Deliver(Key),
    /// Drop a chunk that came to no result.
    Forget(Key),
}

/// Where a chunk that is read has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// As the settings for chunks say.
    Free,
    /// As the settings say, but after this many records at the latest.
    AtMost(u64),
    /// After exactly this many records.
    Exactly(u64),
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Create a batch.
    Create,
    /// Push these chunks in one request.
    Push(Vec<Key>),
    /// Pull up to so many chunks.
    Pull(u32),
    /// Ask for the status.
    Status,
    /// Close the batch.
    Close,
    /// Cancel the batch.
    Cancel,
}

impl Call {
    pub(crate) fn op(&self) -> Op {
        match self {
            Call::Create => Op::Create,
            Call::Push(_) => Op::Push,
            Call::Pull(_) => Op::Pull,
            Call::Status => Op::Status,
            Call::Close | Call::Cancel => Op::End,
        }
    }
}

/// The kinds of requests, for whatever is kept apart by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Op {
    /// Creating a batch.
    Create,
    /// Pushing chunks.
    Push,
    /// Pulling results.
    Pull,
    /// Asking for the status.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The input ended and all of it is accounted for.
    Complete,
    /// The caller cancelled it.
    Cancelled,
    /// The source failed; what it gave before was delivered.
    SourceFailed,
    /// A request was refused in a way that no later try can change.
    Denied(Op),
    /// The batch, service or tenant is not there.
    NotFound(Op),
    /// Requests failed for longer than allowed.
    Outage(Op),
    /// The service did not get on for longer than allowed.
    Stalled,
    /// The batch failed.
    BatchFailed,
    /// Somebody else cancelled the batch.
    BatchCancelled,
    /// Somebody else closed the batch.
    BatchClosed,
    /// The service closed the batch, and no new one may be opened (or new ones are closed as well).
    BatchTimedOut,
    /// The service refused these records, although they fit.
    Refused(Key),
    /// A chunk is larger than the whole input buffer.
    Oversized {
        /// The chunk.
        key: Key,
        /// Its size in bytes.
        bytes: u64,
        /// What the input buffer holds, in bytes.
        capacity: u64,
    },
}

/// Why a chunk came to no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The run ended before.
    Ended(Ending),
    /// The service refused it, although it fits.
    Refused,
    /// It is larger than the service's whole input buffer.
    Oversized,
    /// Its result did not come, nor did it after it had been pushed again as often as allowed.
    Lost,
}
