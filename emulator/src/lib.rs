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
//! # Time
//!
//! Emulated time is tokio's time multiplied by [`Builder::time_scale`], plus what
//! [`Emulator::advance`] skipped; it obeys `tokio::time::pause`. Nothing runs in the background:
//! the state of a batch is brought up to date whenever it is looked at, so an emulator without
//! requests costs nothing. The outputs themselves are computed when their chunk is pushed, and are
//! withheld until the emulated workers have had their time. With a time scale of 0 a test decides
//! when which chunk is done.
//!
//! # Faults
//!
//! [`Emulator::inject`] lets the next request to an operation go wrong, [`Emulator::inject_at`] the
//! nth, and [`RandomFaults`] any of them with a seed that repeats the schedule. See [`Fault`] for
//! what can happen, [`Shapes`] for the forms of responses that the service is known for, and
//! [`Emulator::requests`] for the requests.
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
//! # What it does where nothing is published
//!
//! - A chunk leaves the input buffer when a worker takes it, and enters the output buffer when it
//!   is computed. If there is no room, it stays with its worker, and no other chunk is begun until
//!   a pull makes room. A result larger than the whole buffer goes into an empty one.
//! - A chunk weighs in the input buffer what its JSON text is long, in the output buffer what its
//!   result's JSON text is long.
//! - After close, `batch_status` is `closed` while there is something to compute and `completed`
//!   then; the response to close itself always says `closed`. Closing a closed batch and cancelling
//!   a cancelled one is granted again, so that a client whose response was lost can repeat it. A
//!   push to a batch that is not open, a pull from a cancelled or failed one, and other updates of
//!   one that has ended are refused with 409.
//! - An open batch that is idle becomes `closed_by_timeout`; one that was closed and still holds
//!   results becomes `completed_by_timeout`. Either way its buffers are emptied; a pull then finds
//!   nothing and says so with the status.
//! - `summary_output` is `[[names],[values]]`, one column an aggregation, or `[[]]` without any. If
//!   a record failed, the values are null unless `ignore_error` is true. With `return_all_records`
//!   false, `outputs` is empty, while `warnings`, `errors` and `process_time` keep an entry for
//!   each record.
//! - `output` in a create request keeps only the outputs that it names. `subservice`,
//!   `call_purpose`, `acceptable_error_percentage`, `chunks_per_request` and `runner_thread_count`
//!   are checked and have no effect.
//! - A record's field goes before the parameter of that name.

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
