//! The managed run: any amount of data through a batch, in bounded memory, with nothing lost.
//!
//! A run takes records from an iterator or a stream of any length, and gives back a stream of results that ends in an account
//! of everything. What is otherwise written by hand (push, sleep, status, pull, close) it does by itself.
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
//! # async fn example(spark: cspark_batches::Client, policies: Vec<Policy>) -> cspark_batches::Result<()> {
//! let mut run = spark.batches().run::<Policy, Premium>("my-folder/term-life", policies).chunk_size(200).start()?;
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
//! If all results fit into memory, [await the builder](RunBuilder) instead, and have them in the order of the input.
//!
//! # What a run promises
//!
//! 1. **Every record is accounted for.** Each record that was read from the source is delivered exactly once, as an output or
//!    as an [error of its own](RecordError), or stands in the summary's [list of unfinished records](Summary::unfinished) with
//!    the reason. A run never ends quietly with less: if the list is not empty, the stream ends with an error (unless you
//!    cancelled the run yourself).
//! 2. **An id is minted once.** After a push without a clear answer the run finds out from the service's counters or from
//!    results whether the chunk was taken, and failing that pushes it again under the same id. That the service has it
//!    already counts as accepted. Results that come twice are delivered once. A chunk may be computed twice only where an
//!    answer was lost and nothing else can tell, and [`Summary::resubmissions`] counts such cases.
//! 3. **Lost answers of pulls are noticed.** The service drops results once it has sent them. When it has nothing left and
//!    results are missing, their chunks are pushed again, as often as [set](RunBuilder::resubmissions); if the
//!    batch takes them for known, in a new batch. Until its result is here, a chunk's encoded form is kept for exactly this.
//! 4. **Memory is bounded** by [a budget](RunBuilder::memory), for any length of the input and any speed of the consumer.
//!    A permit is taken before the source is read, and given back when you take the result.
//! 5. **The service's buffers lead.** Nothing is pushed that does not fit by what the last answer said. When the output
//!    buffer fills up, pulling comes first. A push that is refused because the buffer is full is waiting, whatever its
//!    status code. A chunk that is larger than the whole buffer is an error at once, or
//!    [is split](RunBuilder::split_large_chunks).
//! 6. **Polling adapts**, with short waits while results flow, longer ones while the service is busy, and few requests while
//!    there is nothing to do. `Retry-After` is respected. During long gaps in the input the batch
//!    [is kept alive](RunBuilder::keep_alive); if the system closes it all the same, a new one with the same
//!    options [is opened](RunBuilder::reopen) and goes on with what is unfinished.
//! 7. **Outages are ridden out.** What can pass is tried again with growing waits, within [a limit](RunBuilder::outage_limit).
//!    A batch that failed or that somebody else cancelled or closed, and the statuses 401, 403 and 404, end the run with an
//!    error that names the batch. What was delivered stays delivered.
//! 8. **The batch is closed** at every orderly end of a run; after an error it is closed, cancelled or left as
//!    [you choose](RunBuilder::after_error). Dropping a [`Run`] stops its work at once and leaks no task; the batch is then
//!    left to its idle time-out, and its id goes to the log (feature `tracing`).
//! 9. **A stall is noticed.** If the service makes no progress for longer than [a limit](RunBuilder::stall_limit), the run
//!    ends with an error that says what is outstanding. Waiting for you or for the source is no stall.
//! 10. **A run can be resumed** by another process, from a [checkpoint](Run::checkpoint) of any moment: with the same
//!     batch while that lives, else with a new one. Each remaining record is delivered once.
//!
//! # Errors
//!
//! The error that ends a stream has the [kind](crate::ErrorKind) of the request that could not be made good
//! (`Unauthorized`, `Forbidden`, `NotFound`, or whatever lasted longer than the outage limit), or
//! [`BatchEnded`](crate::ErrorKind::BatchEnded), [`Stalled`](crate::ErrorKind::Stalled),
//! [`Refused`](crate::ErrorKind::Refused) for a chunk that the service does not take, [`Input`](crate::ErrorKind::Input) if
//! the source or a record is at fault, and [`Unfinished`](crate::ErrorKind::Unfinished) if the run did all it could and
//! some records came to no result.

// All decisions are taken by the machine, which is pure: events and the time go in, actions come out. The driver performs
// them, and the rest is what a user sees.
mod builder;
mod checkpoint;
mod collected;
mod delivery;
mod driver;
mod ending;
mod handle;
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
pub use self::delivery::{Delivery, RecordError};
pub use self::handle::{Run, RunHandle};
#[cfg(feature = "blocking")]
pub(crate) use self::machine::Cut;
pub use self::machine::{AfterError, Count, Requests};
pub use self::progress::{BufferLevel, Progress};
#[cfg(feature = "blocking")]
pub(crate) use self::source::Reader;
pub use self::source::{IntoSource, Source};
pub use self::summary::{Summary, Unfinished, UnfinishedReason};
