//! The model of the service: pure, without input or output, and with time as an argument.

mod batch;

pub(crate) use batch::{Batch, Chunk, Counts, Limits, Phase, Refused};

#[cfg(test)]
mod tests;
