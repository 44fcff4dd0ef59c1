//! The verbs against the emulator: what goes over the wire, and what comes of it.

#[path = "../support/snapshots.rs"]
mod snapshots;

mod answers;
mod behaviour;
mod duplicates;
mod pulls;
mod requests;
mod support;
