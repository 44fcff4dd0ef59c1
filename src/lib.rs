//! Run [Coherent Spark](https://www.coherent.global) services over very large data sets, with
//! Spark's asynchronous Batches API.
//!
//! # The managed run
//!
//! [`Batches::run`] takes any number of records, and returns a stream of results and an account of
//! all records: in bounded memory, and without losing any. Start here; see [`run`] for its
//! guarantees.
//!
//! ```
//! use cspark_batches::Client;
//! # use cspark_emulator::Emulator;
//!
//! #[derive(serde::Serialize)]
//! struct Cylinder {
//!     radius: f64,
//!     height: f64,
//! }
//!
//! #[derive(serde::Deserialize)]
//! struct Volume {
//!     volume: f64,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let emulator = Emulator::start().await?;
//! # let spark = Client::builder().base_url(emulator.base_url()).bearer_token("open").build()?;
//! # /*
//! let spark = Client::from_env()?;
//! # */
//! let cylinders = (1..=1000).map(|n| Cylinder { radius: f64::from(n), height: 4.2 });
//! let mut run = spark.batches().run::<_, Volume>("my-folder/volume-cylinder", cylinders).start()?;
//! while let Some(delivery) = run.next().await {
//!     for (record, outcome) in delivery?.iter() {
//!         match outcome {
//!             Ok(output) => println!("{record}: {}", output.volume),
//!             Err(error) => println!("{record}: {error}"),
//!         }
//!     }
//! }
//! assert!(run.summary().is_complete());
//! # Ok(())
//! # }
//! ```
//!
//! # The verbs
//!
//! | what | how |
//! | --- | --- |
//! | connect | [`Client::from_env`], [`Client::builder`] |
//! | describe the tenant's batches | [`Batches::describe`] |
//! | create a batch, or use one that exists | [`Batches::create`], [`Batches::of`] |
//! | details, status | [`Pipeline::info`], [`Pipeline::status`] |
//! | push records, data, chunks or JSON | [`Pipeline::push`] with [`Push`] |
//! | pull results | [`Pipeline::pull`], all of a batch with [`Pipeline::results`] |
//! | close, cancel | [`Pipeline::close`], [`Pipeline::cancel`] |
//! | the pipeline's state and statistics | [`Pipeline::state`], [`Pipeline::stats`] |
//!
//! The types of responses are generated from the description of the API and live in
//! [`raw::types`]. Any of their fields may be absent, and unknown status values are kept as text.
//! `Status`, `BatchStatus` and those of summaries are also here at the root.
//!
//! # Without async
//!
//! With the feature `blocking`, the module `blocking` has the same client, runs included, for
//! programs without async.
//!
//! # Errors
//!
//! There is one error type, [`Error`]. Its [kind](Error::kind) is for programs, its `Display` for
//! people, and [`Error::may_have_been_processed`] says whether the service may have processed a
//! request that failed.
//!
//! # Logs
//!
//! The crate logs with `tracing`, under the target `cspark_batches`, without bodies and
//! credentials. Each call is a span `cspark.call` at INFO, which covers all its attempts and has
//! fields with the names of OpenTelemetry:
//!
//! | field | value |
//! | --- | --- |
//! | `otel.name`, `otel.kind`, `otel.status_code` | `GET status`, `client`, `ERROR` if the call failed |
//! | `http.request.method`, `http.request.body.size`, `http.request.resend_count` | the request, and how often it was repeated |
//! | `http.response.status_code`, `http.response.body.size` | the last response |
//! | `url.full`, `server.address`, `server.port` | where it went, without the query |
//! | `error.type` | the status, or the [kind](ErrorKind) of the error |
//! | `cspark.operation`, `cspark.batch.id` | what was asked, and of which batch |
//! | `cspark.request.id`, `cspark.duration_ms` | the id of the last attempt, and the time of all |
//!
//! | event | level | fields |
//! | --- | --- | --- |
//! | an attempt failed, and is repeated | DEBUG | `http.request.resend_count`, `http.response.status_code`, `error.type`, `cspark.request.id`, `cspark.wait_ms` |
//! | a token was refused, and is renewed | INFO | |
//! | a call ended | DEBUG | `error.type` if it failed |
//! | a batch was closed or cancelled | INFO | `cspark.batch.id`, `cspark.batch.state` |
//!
//! The events of a run are [there](run#logs). No log has bodies or credentials.

#![forbid(unsafe_code)]

mod auth;
mod backoff;
mod batch;
#[cfg(feature = "blocking")]
pub mod blocking;
mod chunk;
mod client;
mod config;
mod error;
mod json;
mod operation;
pub mod raw;
mod records;
mod redact;
pub mod run;
pub mod service;
mod transport;

pub use auth::{AccessToken, TokenError, TokenFuture, TokenProvider};
pub use batch::{
    Batches, Create, Duplicates, Pipeline, PipelineState, Pull, Pulled, Push, Pushed, PushedChunk,
    Results, ServiceUri, Stats, UriParts,
};
pub use chunk::{Chunk, Chunker, Chunks};
pub use client::{Client, Health};
pub use config::{ClientBuilder, RetryPolicy};
pub use error::{Error, ErrorKind, Result};
pub use operation::Operation;
pub use raw::ext::RecordResult;
pub use raw::record_message::RecordMessage;
pub use raw::timestamp::Timestamp;
pub use raw::types::{
    Aggregation, AggregationOperator, Batch, BatchStatus, ChunkResult, PipelineStatus, Status,
    SummaryRequest,
};
pub use records::{Aggregates, ExtraCells, JsonRow, Layout, MissingCells, Outputs};
/// The HTTP client underneath, in the version that [`ClientBuilder::http_client`] and
/// [`ClientBuilder::proxy`] take.
pub use reqwest;

/// The examples of the README, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
