//! The emulator as a client sees it: one test for each sentence about the service, through a plain HTTP client.

mod buffers;
mod credentials;
mod faults;
mod lifecycle;
mod program;
mod recording;
mod records;
mod refusals;
mod running;
mod shapes;
mod support;
