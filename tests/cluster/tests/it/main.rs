//! Services in queries on a cluster of processes, against the emulator.

#![allow(clippy::unwrap_used, reason = "tests")]

mod codec;
mod queries;
mod support;
