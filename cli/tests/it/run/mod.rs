//! `run`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod bad_files;
mod ends;
mod formats;
#[cfg(target_os = "linux")]
mod memory;
mod options;
mod resume;
