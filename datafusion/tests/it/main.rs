//! Services in queries, against the emulator.

#![allow(clippy::unwrap_used, reason = "tests")]

mod limits;
mod queries;
mod readme;
mod service;
mod support;
