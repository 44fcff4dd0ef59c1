//! The managed run.

mod promises;
