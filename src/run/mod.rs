//! The managed run: any amount of data through a batch, in bounded memory, with nothing lost.
//!
//! A run takes records from an iterator or a stream of any length, and returns a stream of results
//! and a [`Summary`] of every record. It does by itself what is otherwise written by hand: push,
//! wait, check the status, pull, close.
//!
//! ```no_run
//! #[derive(serde::Serialize)]
//! struct Policy {
//!     age: u32,
//!     sum_assured: f64,
//! }
//!
//! #[derive(serde::Deserialize)]
//! struct Premium {
//!     premium: f64,
//! }
//!
//! # use cspark_batches::{Client, Result};
//! # async fn example(spark: Client, policies: Vec<Policy>) -> Result<()> {
//! let run = spark.batches().run::<Policy, Premium>("my-folder/term-life", policies);
//! let mut run = run.chunk_size(200).start()?;
//! while let Some(delivery) = run.next().await {
//!     for (record, outcome) in delivery?.iter() {
//!         match outcome {
//!             Ok(output) => println!("{record}: {}", output.premium),
//!             Err(error) => println!("{record}: {error}"),
//!         }
//!     }
//! }
//! println!("{}", run.summary());
//! # Ok(())
//! # }
//! ```
//!
//! If all results fit into memory, [await the builder](RunBuilder) instead: it returns them in the
//! order of the input.
//!
//! # What a run promises
//!
//! 1. **Every record is accounted for.** Each record that was read from the source is delivered
//!    exactly once, as an output or as an [error of its own](RecordError), or is on the summary's
//!    [list of unfinished records](Summary::unfinished) with the reason. A run never ends quietly
//!    with less: if the list is not empty, the stream ends with an error, unless the caller
//!    cancelled the run.
//! 2. **An id is minted once.** After a push without a response, the run finds out from the
//!    service's counters or from results whether the service has the chunk, and failing that pushes
//!    it again under the same id. If the service refuses that because it has the chunk, the chunk
//!    counts as accepted. Results that come twice are delivered once. A chunk may be computed twice
//!    only where a response was lost and nothing else can tell, and [`Summary::resubmissions`]
//!    counts such cases.
//! 3. **Lost responses of pulls are noticed.** The service drops results once it has sent them.
//!    When it proves to have nothing left and results are missing, the run pushes their chunks
//!    again, as often as [set](RunBuilder::resubmissions), and in a new batch if this one takes
//!    them for known. Silence proves nothing: a service that does not say whether it works is
//!    waited for until the [stall limit](RunBuilder::stall_limit). Until its result is here, a
//!    chunk's encoded form is kept for exactly this.
//! 4. **Memory is bounded** by [a budget](RunBuilder::memory), for any length of the input and any
//!    speed of the consumer. The run takes a permit before it reads the source, and returns it when
//!    the consumer takes the result.
//! 5. **The service's buffers lead.** Nothing is pushed that does not fit by the latest response.
//!    When the output buffer fills up, pulling comes first. A push that is refused because the
//!    buffer is full waits, whatever its status code. A chunk that is larger than the whole buffer
//!    is an error at once, or [is split](RunBuilder::split_large_chunks).
//! 6. **Polling adapts**: short waits while results flow, longer ones while the service is busy,
//!    few requests while there is nothing to do. `Retry-After` is respected. During long gaps in
//!    the input the batch [is kept alive](RunBuilder::keep_alive); if the service closes it all the
//!    same, a new one with the same options [is opened](RunBuilder::reopen) and continues with what
//!    is unfinished.
//! 7. **Outages pass.** Transient failures are retried with growing waits, within
//!    [a limit](RunBuilder::outage_limit). No kind of request that the run can do without ends it:
//!    it needs no status where pushes and pulls say the same. A batch that failed or that somebody
//!    else cancelled or closed, and the statuses 401, 403 and 404, end the run with an error that
//!    names the batch. What was delivered stays delivered.
//! 8. **The batch is closed** at every orderly end of a run; after an error it is closed, cancelled
//!    or left open, as [set](RunBuilder::after_error). Dropping a [`Run`] stops its work at once
//!    and leaks no task; the batch is then left to its idle time-out, and its id is logged.
//! 9. **Every run ends.** If the service makes no progress for longer than
//!    [a limit](RunBuilder::stall_limit), the run ends with an error that says what is outstanding.
//!    Waiting for the consumer or for the source is no stall.
//! 10. **A run can be resumed** by another process, from a [checkpoint](Run::checkpoint) of any
//!     moment: with the same batch while that lives, else with a new one. Each remaining record is
//!     delivered once.
//!
//! # The bound of the end
//!
//! Progress is an accepted push, a result, a rise in the service's count of completed chunks or
//! records (once for each that it accepted), or a new batch. After the last step of progress, a run
//! ends, or pushes again what may be lost, within
//! `stall_limit + outage_limit + request time-out`, whatever the service does or fails to do; while
//! requests fail without a success, within `outage_limit`. A chunk is pushed again at most
//! [`resubmissions`](RunBuilder::resubmissions) times. Closing the batch adds at most four requests
//! with their waits, and a status after each that failed; or, if all work is done, the outage
//! limit.
//!
//! # Errors
//!
//! The error that ends a stream has the [kind](crate::ErrorKind) of the request that failed for
//! good (`Unauthorized`, `Forbidden`, `NotFound`, or that of the last failure when the outage limit
//! was reached), or one of these: [`BatchEnded`](crate::ErrorKind::BatchEnded),
//! [`Stalled`](crate::ErrorKind::Stalled), [`Refused`](crate::ErrorKind::Refused) for a chunk that
//! the service does not accept, [`Input`](crate::ErrorKind::Input) if the source or a record is at
//! fault, [`Decode`](crate::ErrorKind::Decode) if no output of the first chunk can be read, and
//! [`Unfinished`](crate::ErrorKind::Unfinished) if the run did all it could and some records have
//! no result.
//!
//! # Logs
//!
//! A run logs with the crate `tracing`, under the target `cspark_batches`:
//!
//! | event | level | fields |
//! | --- | --- | --- |
//! | a new batch | INFO | `cspark.batch.id` |
//! | requests begin to fail | WARN | `cspark.operation`, `cspark.batch.id`, `error` |
//! | a request fails again | DEBUG | the same |
//! | requests work again | INFO | `cspark.operation`, `cspark.batch.id`, `cspark.duration_ms` |
//! | the run is complete | INFO, or WARN if records failed | `cspark.batch.id`, `cspark.records.read`, `cspark.records.delivered`, `cspark.records.failed`, `cspark.resubmissions` |
//! | the run ended with an error | ERROR | the same, `error` |
//! | the run was cancelled | WARN | the same |
//! | the run was dropped before its end | WARN | `cspark.batch.id` |
//!
//! The last event comes when the consumer has taken everything. Each request has a span of its own.

// The machine decides everything, and is pure: events and the time go in, actions come out. The
// driver performs them. The rest is what a user sees.
mod builder;
mod checkpoint;
mod collected;
mod delivery;
mod driver;
mod error;
mod handle;
mod log;
mod machine;
mod progress;
mod requests;
mod shared;
mod source;
mod summary;
mod typed;

pub use self::builder::RunBuilder;
pub use self::checkpoint::Checkpoint;
pub use self::collected::{Collected, Incomplete};
pub use self::delivery::{Delivery, ReadOutputs, RecordError};
pub use self::handle::{Run, RunHandle};
#[cfg(feature = "blocking")]
pub(crate) use self::machine::Cut;
pub use self::machine::{AfterError, Count, RequestCounts};
pub use self::progress::{BufferLevel, Progress};
pub use self::source::{IntoSource, Source};
#[cfg(feature = "blocking")]
pub(crate) use self::source::{Read, Reader};
pub use self::summary::{Summary, Unfinished, UnfinishedReason};
