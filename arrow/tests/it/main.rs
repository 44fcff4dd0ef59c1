//! Runs over tables, against the emulator.

#![allow(clippy::unwrap_used, reason = "tests")]

mod outputs;
mod promises;
mod sent;
mod support;
