//! Run Coherent Spark services over very large data sets.

mod chunk;
mod error;
mod operation;
pub mod raw;
mod records;
mod service_uri;
mod wire;

pub use chunk::{Chunk, Chunker, Chunks};
pub use error::{Error, ErrorKind, Result};
pub use operation::Operation;
pub use records::{ExtraCells, Layout, MissingCells, Outputs};
pub use service_uri::{ServiceUri, UriParts};
pub use wire::{RecordMessage, Timestamp};

// A stand-in until the transport lands.
mod transport {
    #[derive(Clone, Debug)]
    pub struct Hooks;
    impl progenitor_client::ClientHooks<Hooks> for crate::raw::Client {}
}
