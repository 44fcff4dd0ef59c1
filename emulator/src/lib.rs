//! A local emulator of Coherent Spark's Batches API.
//!
//! It is a real HTTP server with the service's semantics: input and output buffers counted in
//! bytes, workers that take their time, refused pushes, pulls that empty the buffer, time-outs. It
//! refuses what the API does not allow, with a message that names the offending thing, and goes
//! wrong on demand in the ways of networks and services.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use cspark_emulator::{Emulator, Fault, Operation};
//!
//! let emulator = Emulator::start().await?;
//! println!("point a client at {}", emulator.base_url());
//! emulator.inject(Operation::Push, Fault::CutAfter);
//! # Ok(())
//! # }
//! ```
//!
//! # Services
//!
//! A service is a Rust function from one record to its outputs, see [`Service`]. These are there
//! from the start:
//!
//! | name | inputs | outputs |
//! | --- | --- | --- |
//! | `my-folder/volume-cylinder` | `radius`, `height` (not negative) | `volume` |
//! | `my-folder/echo` | anything | the same, digit for digit |
//! | `my-folder/term-life` | `age`, `sex`, `smoker`, `sum_assured`, `term`, optionally `duration` | `premium`, `reserve` |
//!
//! The last one is a term insurance under Makeham's law of mortality with 5 % interest; its source
//! explains the formulas.
//!
//! A service made with [`Service::described`], as these three are, has a schema and a Swagger 2
//! document, derived from its types. The emulator serves both, and lists the versions, at the paths
//! of the real service; [`Operation::Schema`], [`Operation::Swagger`] and [`Operation::Versions`]
//! name them. For a service without documents, these paths respond with 404.
//!
//! # Time
//!
//! Emulated time is tokio's time multiplied by [`Builder::time_scale`], plus the time that
//! [`Emulator::advance`] skips. It follows `tokio::time::pause`. Nothing runs in the background:
//! each request brings the state of its batch up to date, so an idle emulator costs nothing. The
//! outputs of a chunk are computed when it is pushed, and withheld until the emulated workers have
//! had their time. With a time scale of 0, only the test moves time.
//!
//! # Faults
//!
//! - [`Emulator::inject`] makes the next request to an operation go wrong, [`Emulator::inject_at`]
//!   the nth, and [`Emulator::inject_always`] every one. [`Fault`] lists the ways.
//! - [`RandomFaults`] strike by chance, each operation at its own rate if need be. A seed repeats
//!   the schedule.
//! - [`Shapes`] sets the form of the responses, down to the fields of the status that are missing,
//!   stuck or wrong in some of them ([`AlteredFields`]).
//! - [`Emulator::script`] handles all requests by a script and leaves the emulation aside.
//! - [`Emulator::close`], [`Emulator::cancel`], [`Emulator::fail`] and [`Emulator::time_out`] end a
//!   batch from outside.
//!
//! [`Emulator::requests`] returns the requests, [`Emulator::mistakes`] the mistakes in them that
//! were accepted.
//!
//! # Refusals
//!
//! A request that the API does not allow gets a 4xx status and
//! `{"error":{"code":"...","message":"..."}}`. The message begins with the place of the mistake,
//! such as `chunks[3].data.inputs[0]`. Refused are unknown fields and query parameters, missing
//! ones, wrong types, nulls, chunks without records, sizes that are not the number of records,
//! missing headers and repeated request ids. Null `parameters` and a null `summary` are accepted,
//! because an official SDK sends them. [`Strictness`] says which mistakes of the official SDKs are
//! accepted and noted.
//!
//! # Behaviour that is not published
//!
//! - `pipeline_status` is `idle` while the batch is open, also while workers compute, and `closed`
//!   then. The API document shows no other.
//! - A chunk leaves the input buffer when a worker takes it, and enters the output buffer when it
//!   is computed. If there is no room, it stays with its worker, and no other chunk is begun until
//!   a pull makes room. A result larger than the whole buffer goes into an empty one.
//! - A chunk takes as many bytes of the input buffer as its JSON text has, and as many of the
//!   output buffer as the JSON text of its result.
//! - After close, `batch_status` is `closed` while there is something to compute and `completed`
//!   then; the response to close itself always says `closed`. Closing a closed batch and cancelling
//!   a cancelled one is accepted again, so that a client whose response was lost can repeat it. A
//!   push to a batch that is not open, a pull from a cancelled or failed one, and other updates of
//!   one that has ended are refused with 409.
//! - An open batch that is idle becomes `closed_by_timeout`; one that was closed and still holds
//!   results becomes `completed_by_timeout`. Either way its buffers are emptied; a pull then has
//!   no results.
//! - `summary_output` is `[[names],[values]]`, one column an aggregation, or `[[]]` without any. If
//!   a record failed, the values are null unless `ignore_error` is true. With `return_all_records`
//!   false, `outputs` is empty, while `warnings`, `errors` and `process_time` keep an entry for
//!   each record.
//! - `output` in a create request keeps only the outputs that it names. `subservice`,
//!   `call_purpose`, `acceptable_error_percentage`, `chunks_per_request` and `runner_thread_count`
//!   are checked and have no effect.
//! - A field of a record takes precedence over the parameter of that name.

#![forbid(unsafe_code)]

/// The examples of the README, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod aggregate;
mod auth;
mod catalogue;
mod clock;
mod columns;
mod compute;
mod documents;
mod emulator;
mod engine;
mod faults;
mod http;
mod journal;
mod operations;
mod refusal;
mod responses;
mod service;
mod services;
mod settings;
mod shapes;
mod state;
mod status;
mod strictness;
mod wire;

/// Derives the documents of a [`Service`] from its types.
pub use schemars;

pub use emulator::{BatchView, Emulator};
pub use faults::{Fault, RandomFaults, Response};
pub use journal::{Operation, RecordedRequest, Traffic};
pub use service::{Output, Record, Service};
pub use settings::{Builder, RepeatedIds, ResultOrder};
pub use shapes::{
    Envelope, ErrorShape, FailedOutput, NothingToPull, OptionalFields, OutputShape, Shapes,
};
pub use status::{Alteration, AlteredFields, StatusField};
pub use strictness::{Mistake, Strictness};
