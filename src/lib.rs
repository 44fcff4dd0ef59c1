//! Run Coherent Spark services over very large data sets.

mod answers;
mod auth;
mod batches;
#[cfg(feature = "blocking")]
pub mod blocking;
mod chunk;
mod client;
mod config;
mod error;
mod operation;
mod pipeline;
mod pulled;
mod push;
pub mod raw;
mod records;
pub mod run;
mod service_uri;
mod transport;
mod wire;

pub use answers::RecordResult;
pub use auth::{AccessToken, TokenError, TokenFuture, TokenProvider};
pub use batches::{Batches, Create};
pub use chunk::{Chunk, Chunker, Chunks};
pub use client::{Client, Health};
pub use config::ClientBuilder;
pub use error::{Error, ErrorKind, Result};
pub use operation::Operation;
pub use pipeline::{Pipeline, Pull, State, Stats};
pub use pulled::Pulled;
pub use push::{Duplicates, Push, Pushed, PushedChunk};
pub use records::{ExtraCells, Layout, MissingCells, Outputs};
pub use service_uri::{ServiceUri, UriParts};
pub use transport::RetryPolicy;
pub use wire::{RecordMessage, Timestamp};
