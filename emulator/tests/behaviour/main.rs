//! The emulator as a client sees it: one test for each sentence about the service, through a plain
//! HTTP client.

#![allow(
    clippy::unwrap_used,
    reason = "a test that can't go on stops with the reason"
)]

mod buffers;
mod credentials;
mod faults;
mod lifecycle;
mod official_sdks;
mod persistent_faults;
mod program;
mod recording;
mod records;
mod refusals;
mod running;
mod services;
mod shapes;
mod status_fields;
mod support;
