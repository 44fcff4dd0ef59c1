//! Arrow record batches through [Coherent Spark](https://www.coherent.global) services: the managed
//! run of [`cspark_batches`] over tables.
//!
//! A run takes a stream of record batches and is a stream of record batches, with all that
//! [a run promises](cspark_batches::run): bounded memory, each record delivered exactly once,
//! outages ridden out, and checkpoints.
//!
//! ```
//! use std::sync::Arc;
//!
//! use arrow_array::{Float64Array, RecordBatch};
//! use cspark_batches::Client;
//! use cspark_batches_arrow::RunTable as _;
//! # use cspark_emulator::Emulator;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let emulator = Emulator::start().await?;
//! # let spark = Client::builder().base_url(emulator.base_url()).bearer_token("open").build()?;
//! # /*
//! let spark = Client::from_env()?;
//! # */
//! let cylinders = RecordBatch::try_from_iter([
//!     ("radius", Arc::new(Float64Array::from(vec![1.0, 2.0])) as _),
//!     ("height", Arc::new(Float64Array::from(vec![4.2, 4.2])) as _),
//! ])?;
//! let run = spark.batches().run_table("my-folder/volume-cylinder", cylinders);
//! let mut run = run.with_inputs().start()?;
//! while let Some(batch) = run.next().await {
//!     // The columns `radius`, `height`, `volume` and `error`.
//!     println!("{:?}", batch?);
//! }
//! # assert!(run.summary().all_succeeded());
//! # Ok(())
//! # }
//! ```
//!
//! # What is sent
//!
//! The cells are written straight from the buffers into the rows of a chunk, `Float64` by serde_json
//! and all other types by Arrow's own JSON encoders:
//!
//! | type | JSON |
//! | --- | --- |
//! | null, booleans, integers, floats | as they are |
//! | decimals | numbers, digit for digit |
//! | `Utf8`, `LargeUtf8`, `Utf8View`, and dictionaries of any of these types | texts, or the values |
//! | dates, times, timestamps | ISO 8601 texts, with the digits of their unit that are not zero |
//! | lists | lists |
//! | structs | objects; a list of structs is a table |
//!
//! Binary types, maps, unions, durations, intervals and run-end encoded arrays are refused by the
//! name of their column when the run starts, before anything is pushed. NaN, infinities, and
//! moments that the calendar does not have are the error of their record.
//!
//! # What comes back
//!
//! See [`TableRunBuilder::schema`] for the types of the outputs, and
//! [`TableRunBuilder::error_column`] for records without an output. Rows come in the order in which
//! their chunks are computed, or [in the order of the
//! input](cspark_batches::run::RunBuilder::in_input_order).

#![forbid(unsafe_code)]

mod builder;
mod cells;
mod decode;
mod encode;
mod error;
mod fit;
mod held;
mod output;
mod read;
mod rows;
mod run;
mod schema;
mod table;

pub use builder::{Inner, RunTable, TableRunBuilder};
pub use error::{Error, Result};
pub use run::TableRun;
pub use schema::output_schema;
pub use table::Table;
