//! `run`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod bad_files;
mod ends;
mod formats;
mod resume;
