//! Run Coherent Spark services over very large data sets.

mod error;

pub use error::ErrorKind;
