//! Run Coherent Spark services over very large data sets.

mod error;
mod operation;

pub use error::{Error, ErrorKind, Result};
pub use operation::Operation;
