//! The library's behaviour over HTTP, against the emulator.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod blocking;
mod run;
mod support;
mod transport;
mod verbs;
