//! The verbs against the emulator: what goes over the wire, and what comes of it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "../support/snapshots.rs"]
mod snapshots;

mod answers;
mod behaviour;
mod duplicates;
mod pulls;
mod requests;
mod support;
