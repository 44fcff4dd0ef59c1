//! Services in queries on a cluster of processes, against the emulator.

#![allow(clippy::unwrap_used, reason = "tests")]

mod codec;
mod queries;
#[path = "../../../../datafusion/tests/it/service.rs"]
mod service;
mod support;
