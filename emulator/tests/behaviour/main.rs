//! The emulator as a client sees it: one test for each sentence about the service, through a plain HTTP client.

mod buffers;
mod lifecycle;
mod records;
mod support;
