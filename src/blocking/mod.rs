//! The same client for programs without async.
//!
//! Names and behaviour are those of the async types, whose documentation applies; what is awaited
//! there is sent with `send()` here. Calls block the thread that makes them. They may be made from
//! anywhere, also from a thread that belongs to an async runtime, which then stands still
//! meanwhile.
//!
//! ```no_run
//! use cspark_batches::Push;
//! use cspark_batches::blocking::Client;
//!
//! # fn main() -> cspark_batches::Result<()> {
//! # let cylinders: [(f64, f64); 0] = [];
//! let spark = Client::from_env()?;
//! let pipeline = spark.batches().create("my-folder/volume-cylinder").max_runners(200).send()?;
//! pipeline.push(Push::records(&cylinders).chunk_size(300))?;
//! let pulled = pipeline.pull::<serde_json::Value>().max_chunks(2).send()?;
//! # let _ = pulled;
//! pipeline.close()?;
//! # Ok(())
//! # }
//! ```

mod batches;
mod client;
mod pipeline;
mod runtime;

pub use batches::{Batches, Create};
pub use client::Client;
pub use pipeline::{Pipeline, Pull};
