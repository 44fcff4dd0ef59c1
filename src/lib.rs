//! Run Coherent Spark services over very large data sets.

mod auth;
mod chunk;
mod client;
mod config;
mod error;
mod operation;
pub mod raw;
mod records;
#[cfg_attr(not(test), expect(dead_code, reason = "the driver follows"))]
mod run;
mod service_uri;
mod transport;
mod wire;

pub use auth::{AccessToken, TokenError, TokenFuture, TokenProvider};
pub use chunk::{Chunk, Chunker, Chunks};
pub use client::{Client, Health};
pub use config::ClientBuilder;
pub use error::{Error, ErrorKind, Result};
pub use operation::Operation;
pub use records::{ExtraCells, Layout, MissingCells, Outputs};
pub use service_uri::{ServiceUri, UriParts};
pub use transport::RetryPolicy;
pub use wire::{RecordMessage, Timestamp};
